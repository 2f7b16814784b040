"""OCPP 1.6 in the house's words and back; what is written is read again by a CSMS's strict catalogue."""

from typing import Any

import pytest

from fleet.core.answers import (
    Acknowledged,
    CertificateHash,
    CertificateSent,
    CertificateSigned,
    CertificatesWanted,
    CertificateUnwanted,
    DiagnosticsWanted,
    FilePlace,
    FirmwareWanted,
    IdTagInfo,
    KeyChange,
    KeysWanted,
    LocalListEntry,
    LocalListSent,
    LocalListVersionWanted,
    LogWanted,
    ProfilesCleared,
    ProfileSet,
    RemoteStart,
    ReservationCancelled,
    ReservationWanted,
    ScheduleWanted,
    SignedFirmwareWanted,
    SigningAnswered,
    TriggerWanted,
)
from fleet.core.dialects.v16 import SERVED, Dialect16
from fleet.core.errands import Undone, Why
from fleet.core.profiles import Kind, Period, Profile, Purpose, RateUnit, Recurrency, Schedule
from fleet.core.reports import TransactionStarted
from fleet.ocpp.converter import unstructure
from fleet.ocpp.v16 import CATALOGUE, CENTRAL_CATALOGUE
from fleet.words import (
    AuthorizationStatus,
    ChargingProfileStatus,
    DiagnosticsStatus,
    FirmwareStatus,
    ReservationStatus,
    Trigger,
    TriggerStatus,
    UpdateKind,
    UpdateStatus,
)
from fleet.words.security import (
    CertificateUse,
    DeleteStatus,
    HashAlgorithm,
    InstallStatus,
    LogKind,
    LogStatus,
    LogUploadStatus,
    SignedFirmwareAnswer,
)
from tests.counterparts.charge_point_bench import EPOCH_S, Bench

DIALECT = Dialect16()
NOON = "2026-11-22T12:00:00.000Z"
ONE = "2026-11-22T13:00:00.000Z"
HOUR_S = 3600.0
URL = "ftp://me:hunter2@files.example/"
PEM = "-----BEGIN CERTIFICATE-----"
HASH_DATA = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "1"}
HASH = CertificateHash(HashAlgorithm.SHA256, "aa", "bb", "1")
PROFILE_DATA = {
    "chargingProfileId": 7,
    "transactionId": 0,
    "stackLevel": 2,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "validFrom": NOON,
    "validTo": ONE,
    "chargingSchedule": {
        "duration": 3600,
        "startSchedule": NOON,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 16.1, "numberPhases": 1},
            {"startPeriod": 60, "limit": 8},
        ],
        "minChargingRate": 6.5,
    },
}
PROFILE = Profile(
    id=7,
    stack_level=2,
    purpose=Purpose.TX_PROFILE,
    kind=Kind.RECURRING,
    schedule=Schedule(
        unit=RateUnit.A,
        periods=(Period(0, 16.1, 1), Period(60, 8.0)),
        duration_s=3600,
        start_utc_s=EPOCH_S,
        min_rate=6.5,
    ),
    recurrency=Recurrency.DAILY,
    valid_from_utc_s=EPOCH_S,
    valid_to_utc_s=EPOCH_S + HOUR_S,
    transaction_id=0,
)
RETRIES = {"retries": 2, "retryInterval": 30}
PLACE = FilePlace(URL, 2, 30)

ASKED: list[tuple[str, dict[str, Any], object]] = [
    ("RemoteStartTransaction", {"idTag": "TAG", "chargingProfile": PROFILE_DATA}, RemoteStart("TAG", None, PROFILE)),
    ("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 2}, RemoteStart("TAG", 2)),
    ("GetConfiguration", {"key": []}, KeysWanted()),
    (
        "SendLocalList",
        {
            "listVersion": 3,
            "updateType": "Differential",
            "localAuthorizationList": [
                {"idTag": "A", "idTagInfo": {"status": "Blocked", "expiryDate": ONE, "parentIdTag": "P"}},
                {"idTag": "B"},
            ],
        },
        LocalListSent(
            3,
            UpdateKind.DIFFERENTIAL,
            (
                LocalListEntry("A", IdTagInfo(AuthorizationStatus.BLOCKED, "P", EPOCH_S + HOUR_S)),
                LocalListEntry("B", None),
            ),
        ),
    ),
    ("SendLocalList", {"listVersion": 1, "updateType": "Full"}, LocalListSent(1, UpdateKind.FULL)),
    ("GetLocalListVersion", {}, LocalListVersionWanted()),
    (
        "ReserveNow",
        {"connectorId": 0, "expiryDate": ONE, "idTag": "TAG", "parentIdTag": "P", "reservationId": 0},
        ReservationWanted(0, 0, "TAG", EPOCH_S + HOUR_S, "P"),
    ),
    ("CancelReservation", {"reservationId": 0}, ReservationCancelled(0)),
    (
        "TriggerMessage",
        {"requestedMessage": "DiagnosticsStatusNotification"},
        TriggerWanted(Trigger.DIAGNOSTICS_STATUS_NOTIFICATION),
    ),
    ("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}, TriggerWanted(Trigger.METER_VALUES, 1)),
    (
        "ExtendedTriggerMessage",
        {"requestedMessage": "SignChargePointCertificate"},
        TriggerWanted(Trigger.SIGN_CHARGE_POINT_CERTIFICATE, extended=True),
    ),
    ("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": PROFILE_DATA}, ProfileSet(1, PROFILE)),
    ("ClearChargingProfile", {}, ProfilesCleared()),
    (
        "ClearChargingProfile",
        {"id": 7, "connectorId": 0, "chargingProfilePurpose": "TxProfile", "stackLevel": 0},
        ProfilesCleared(7, 0, Purpose.TX_PROFILE, 0),
    ),
    ("GetCompositeSchedule", {"connectorId": 0, "duration": 60}, ScheduleWanted(0, 60)),
    (
        "GetCompositeSchedule",
        {"connectorId": 1, "duration": 60, "chargingRateUnit": "W"},
        ScheduleWanted(1, 60, RateUnit.W),
    ),
    ("GetDiagnostics", {"location": URL}, DiagnosticsWanted(FilePlace(URL))),
    (
        "GetDiagnostics",
        {"location": URL, "startTime": NOON, "stopTime": ONE, **RETRIES},
        DiagnosticsWanted(PLACE, EPOCH_S, EPOCH_S + HOUR_S),
    ),
    ("UpdateFirmware", {"location": URL, "retrieveDate": ONE, **RETRIES}, FirmwareWanted(PLACE, EPOCH_S + HOUR_S)),
    (
        "GetLog",
        {
            "log": {"remoteLocation": URL, "oldestTimestamp": NOON, "latestTimestamp": ONE},
            "logType": "SecurityLog",
            "requestId": 4,
            **RETRIES,
        },
        LogWanted(LogKind.SECURITY_LOG, 4, PLACE, EPOCH_S, EPOCH_S + HOUR_S),
    ),
    (
        "SignedUpdateFirmware",
        {
            "requestId": 5,
            "firmware": {
                "location": URL,
                "retrieveDateTime": NOON,
                "installDateTime": ONE,
                "signingCertificate": PEM,
                "signature": "c2ln",
            },
            **RETRIES,
        },
        SignedFirmwareWanted(5, PLACE, EPOCH_S, PEM, "c2ln", EPOCH_S + HOUR_S),
    ),
    ("CertificateSigned", {"certificateChain": PEM}, CertificateSigned(PEM)),
    (
        "InstallCertificate",
        {"certificateType": "ManufacturerRootCertificate", "certificate": PEM},
        CertificateSent(CertificateUse.MANUFACTURER_ROOT, PEM),
    ),
    ("DeleteCertificate", {"certificateHashData": HASH_DATA}, CertificateUnwanted(HASH)),
    (
        "GetInstalledCertificateIds",
        {"certificateType": "CentralSystemRootCertificate"},
        CertificatesWanted(CertificateUse.CENTRAL_SYSTEM_ROOT),
    ),
]


@pytest.mark.parametrize(("action", "payload", "meant"), ASKED)
def test_what_the_csms_asks_is_understood(action: str, payload: dict[str, Any], meant: object) -> None:
    assert DIALECT.request(CATALOGUE.request(action, payload)) == meant


def test_every_action_of_a_csms_means_something_here() -> None:
    core = {"ChangeAvailability", "ChangeConfiguration", "ClearCache", "DataTransfer", "RemoteStopTransaction"}
    assert {action for action, _, _ in ASKED} | core | {"Reset", "UnlockConnector"} == set(CATALOGUE.served)


def test_no_secret_shows_in_what_was_asked() -> None:
    for _, payload, meant in ASKED:
        assert "hunter2" not in repr(meant), payload
    assert "hunter2" not in repr(KeyChange("AuthorizationKey", "hunter2"))


RESPONSES: list[tuple[str, object, dict[str, Any]]] = [
    ("SendLocalList", DIALECT.local_list_response(UpdateStatus.VERSION_MISMATCH), {"status": "VersionMismatch"}),
    ("GetLocalListVersion", DIALECT.local_list_version_response(-1), {"listVersion": -1}),
    ("ReserveNow", DIALECT.reservation_response(ReservationStatus.OCCUPIED), {"status": "Occupied"}),
    ("CancelReservation", DIALECT.reservation_cancelled_response(True), {"status": "Accepted"}),
    (
        "TriggerMessage",
        DIALECT.trigger_response(TriggerWanted(Trigger.HEARTBEAT), TriggerStatus.REJECTED),
        {"status": "Rejected"},
    ),
    (
        "ExtendedTriggerMessage",
        DIALECT.trigger_response(TriggerWanted(Trigger.HEARTBEAT, extended=True), TriggerStatus.NOT_IMPLEMENTED),
        {"status": "NotImplemented"},
    ),
    ("SetChargingProfile", DIALECT.profile_response(ChargingProfileStatus.NOT_SUPPORTED), {"status": "NotSupported"}),
    ("ClearChargingProfile", DIALECT.profiles_cleared_response(True), {"status": "Accepted"}),
    ("ClearChargingProfile", DIALECT.profiles_cleared_response(False), {"status": "Unknown"}),
    ("GetCompositeSchedule", DIALECT.schedule_response(1, None), {"status": "Rejected"}),
    (
        "GetCompositeSchedule",
        DIALECT.schedule_response(0, Schedule(RateUnit.W, (Period(0, 3680.06), Period(60, 0.0, 1)), 600, EPOCH_S)),
        {
            "status": "Accepted",
            "connectorId": 0,
            "scheduleStart": NOON,
            "chargingSchedule": {
                "chargingRateUnit": "W",
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": 3680.0},
                    {"startPeriod": 60, "limit": 0.0, "numberPhases": 1},
                ],
                "duration": 600,
            },
        },
    ),
    ("UpdateFirmware", DIALECT.firmware_response(), {}),
    ("GetDiagnostics", DIALECT.diagnostics_response(None), {}),
    ("GetDiagnostics", DIALECT.diagnostics_response("CP1.log"), {"fileName": "CP1.log"}),
    (
        "SignedUpdateFirmware",
        DIALECT.signed_firmware_response(SignedFirmwareAnswer.INVALID_CERTIFICATE),
        {"status": "InvalidCertificate"},
    ),
    ("GetLog", DIALECT.log_response(LogStatus.ACCEPTED, "CP1.log"), {"status": "Accepted", "filename": "CP1.log"}),
    ("CertificateSigned", DIALECT.certificate_signed_response(False), {"status": "Rejected"}),
    ("InstallCertificate", DIALECT.certificate_sent_response(InstallStatus.FAILED), {"status": "Failed"}),
    ("DeleteCertificate", DIALECT.certificate_unwanted_response(DeleteStatus.NOT_FOUND), {"status": "NotFound"}),
    ("GetInstalledCertificateIds", DIALECT.certificates_response([]), {"status": "NotFound"}),
    (
        "GetInstalledCertificateIds",
        DIALECT.certificates_response([HASH]),
        {"status": "Accepted", "certificateHashData": [HASH_DATA]},
    ),
]


@pytest.mark.parametrize(("action", "response", "payload"), RESPONSES)
def test_what_is_answered_is_what_a_csms_expects(action: str, response: object, payload: dict[str, Any]) -> None:
    assert unstructure(response) == payload
    assert CENTRAL_CATALOGUE.response(action, payload) == response


@pytest.mark.parametrize(
    ("limit", "told"), [(16.1, 16.1), (16.1 * 230 / 230, 16.1), (16.19, 16.1), (0.3, 0.3), (0.1 + 0.2, 0.3), (0.0, 0.0)]
)
def test_a_limit_is_told_with_one_digit_and_never_more_than_it_is(limit: float, told: float) -> None:
    response = DIALECT.schedule_response(1, Schedule(RateUnit.A, (Period(0, limit),), 60, EPOCH_S))
    payload = unstructure(response)
    assert payload["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == told
    assert CENTRAL_CATALOGUE.response("GetCompositeSchedule", payload) == response


STARTED = TransactionStarted(1, 0.0, "t1", "TAG", 100)
SAID: list[tuple[tuple[str, dict[str, Any]], str, dict[str, Any]]] = [
    (DIALECT.firmware_status(FirmwareStatus.INSTALLED), "FirmwareStatusNotification", {"status": "Installed"}),
    (DIALECT.diagnostics_status(DiagnosticsStatus.IDLE), "DiagnosticsStatusNotification", {"status": "Idle"}),
    (
        DIALECT.signed_firmware_status(FirmwareStatus.SIGNATURE_VERIFIED, 0),
        "SignedFirmwareStatusNotification",
        {"status": "SignatureVerified", "requestId": 0},
    ),
    (DIALECT.signed_firmware_status(FirmwareStatus.IDLE), "SignedFirmwareStatusNotification", {"status": "Idle"}),
    (
        DIALECT.log_status(LogUploadStatus.UPLOADED, 4),
        "LogStatusNotification",
        {"status": "Uploaded", "requestId": 4},
    ),
    (
        DIALECT.security_event("InvalidFirmwareSignature", EPOCH_S, "x" * 300),
        "SecurityEventNotification",
        {"type": "InvalidFirmwareSignature", "timestamp": NOON, "techInfo": "x" * 255},
    ),
    (DIALECT.sign_certificate("CSR"), "SignCertificate", {"csr": "CSR"}),
    (
        DIALECT.transaction_started(STARTED, EPOCH_S, reservation_id=0),
        "StartTransaction",
        {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": NOON, "reservationId": 0},
    ),
]


@pytest.mark.parametrize(("said", "action", "payload"), SAID)
def test_what_a_charge_point_says_is_what_a_csms_expects(
    said: tuple[str, dict[str, Any]], action: str, payload: dict[str, Any]
) -> None:
    assert said == (action, payload)
    assert unstructure(CENTRAL_CATALOGUE.request(action, payload)) == payload


def test_unsigned_firmware_has_no_signature_to_be_verified() -> None:
    with pytest.raises(ValueError, match="SignatureVerified"):
        DIALECT.firmware_status(FirmwareStatus.SIGNATURE_VERIFIED)


@pytest.mark.parametrize(
    ("action", "payload", "meant"),
    [
        ("DiagnosticsStatusNotification", {}, Acknowledged()),
        ("FirmwareStatusNotification", {}, Acknowledged()),
        ("LogStatusNotification", {}, Acknowledged()),
        ("SecurityEventNotification", {}, Acknowledged()),
        ("SignedFirmwareStatusNotification", {}, Acknowledged()),
        ("SignCertificate", {"status": "Accepted"}, SigningAnswered(True)),
        ("SignCertificate", {"status": "Rejected"}, SigningAnswered(False)),
    ],
)
def test_what_the_csms_answers_is_understood(action: str, payload: dict[str, Any], meant: object) -> None:
    assert DIALECT.answer(CATALOGUE.response(action, payload)) == meant


CORE: dict[str, dict[str, Any]] = {
    "ChangeAvailability": {"connectorId": 0, "type": "Operative"},
    "ChangeConfiguration": {"key": "HeartbeatInterval", "value": "60"},
    "ClearCache": {},
    "DataTransfer": {"vendorId": "V"},
    "RemoteStopTransaction": {"transactionId": 1},
    "Reset": {"type": "Soft"},
    "UnlockConnector": {"connectorId": 99},
}


@pytest.mark.parametrize(("action", "payload"), [*CORE.items(), *((action, payload) for action, payload, _ in ASKED)])
def test_a_charge_point_answers_what_it_serves_and_the_rest_with_not_supported(
    action: str, payload: dict[str, Any]
) -> None:
    bench = Bench()
    bench.boot()
    answer = bench.call(action, payload, Undone(Why.INVALID, "no certificate in PEM"))
    if action in SERVED:
        assert isinstance(answer, dict)
    else:
        assert answer == "NotSupported"
