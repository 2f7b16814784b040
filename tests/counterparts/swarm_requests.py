"""Whatever a CSMS may ask of a charge point, drawn from a seed: each request of OCPP 1.6 and its security extension.

Sensible and senseless alike, for connectors, transactions and reservations that are there or not; but nothing that
would make a charge point give up messages (TransactionMessageAttempts), because the books could not balance then.
Payloads are as on the wire, so anybody can send them.
"""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define, field

Payload = dict[str, Any]

RESERVATIONS = range(1, 7)
CONNECTORS = (0, 1, 2, 3)
ID_TAGS = ("A", "B", "C", "D", "BLOCKED1", "CONCURRENT1")
CHANGES: dict[str, Sequence[str]] = {
    **dict.fromkeys(
        [
            *("AllowOfflineTxForUnknownId", "AuthorizationCacheEnabled", "AuthorizeRemoteTxRequests"),
            *(
                "LocalAuthListEnabled",
                "LocalAuthorizeOffline",
                "LocalPreAuthorize",
                "StopTransactionOnEVSideDisconnect",
            ),
            *("StopTransactionOnInvalidId", "UnlockConnectorOnEVSideDisconnect"),
        ],
        ("true", "false", "perhaps"),
    ),
    **dict.fromkeys(
        ["MeterValuesSampledData", "MeterValuesAlignedData", "StopTxnSampledData", "StopTxnAlignedData"],
        ("Energy.Active.Import.Register", "Energy.Active.Import.Register,SoC,Voltage", "Power.Active.Import", "Joy"),
    ),
    "AuthorizationKey": ("another-good-password", "0123456789abcdef0123456789ABCDEF", "too short"),
    "ClockAlignedDataInterval": ("0", "900"),
    "ConnectionTimeOut": ("20", "60"),
    "HeartbeatInterval": ("0", "60", "600"),
    "MaxEnergyOnInvalidId": ("0", "500"),
    "MeterValueSampleInterval": ("0", "60", "300"),
    "MinimumStatusDuration": ("0", "3"),
    "NumberOfConnectors": ("7",),
    "SecurityProfile": ("0", "1", "2", "3", "4"),
    "TransactionMessageRetryInterval": ("1", "10"),
    "WebSocketPingInterval": ("0", "20"),
    "NoSuchKey": ("1",),
}
CREDENTIALS = ["AuthorizationKey", "SecurityProfile"]
TRIGGERS = (
    *("BootNotification", "DiagnosticsStatusNotification", "FirmwareStatusNotification", "Heartbeat"),
    *("MeterValues", "StatusNotification"),
)
EXTENDED_TRIGGERS = (
    *("BootNotification", "LogStatusNotification", "FirmwareStatusNotification", "Heartbeat", "MeterValues"),
    *("SignChargePointCertificate", "StatusNotification"),
)
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
CERTIFICATE_HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "ab" * 32,
    "issuerKeyHash": "cd" * 32,
    "serialNumber": "1f",
}
"""Of the one root that there is here."""
USES = ("CentralSystemRootCertificate", "ManufacturerRootCertificate")


@define
class Requests:
    """Draws requests. `utc` is what the CSMS's clock says, `running` gives ids of transactions that it knows to run."""

    draws: random.Random
    utc: Callable[[], datetime]
    running: Callable[[], Sequence[int]]
    remote_tags: int = field(default=0, init=False)

    def draw(self) -> tuple[str, Payload]:
        """An action with its payload."""
        makers = self.makers
        action = self.draws.choices(list(makers), [weight for weight, _ in makers.values()])[0]
        return action, makers[action][1]()

    def drawn(self, action: str) -> Payload:
        """A payload for this action."""
        return self.makers[action][1]()

    @property
    def makers(self) -> dict[str, tuple[float, Callable[[], Payload]]]:
        """By action, how likely it is and what makes its payload."""
        pick, number = self.draws.choice, self.draws.randrange
        return {
            "ChangeAvailability": (
                2,
                lambda: {"connectorId": pick(CONNECTORS), "type": pick(["Operative", "Operative", "Inoperative"])},
            ),
            "ChangeConfiguration": (3, self._change),
            "ClearCache": (1, dict),
            "DataTransfer": (1, lambda: {"vendorId": pick(["Fleet", "Somebody"]), "data": "x"}),
            "GetConfiguration": (1, lambda: pick([{}, {"key": []}, {"key": ["HeartbeatInterval", "NoSuchKey"]}])),
            "RemoteStartTransaction": (6, self._remote_start),
            "RemoteStopTransaction": (4, lambda: {"transactionId": pick([*self.running(), 0, 999_999])}),
            "Reset": (0.5, lambda: {"type": pick(["Soft", "Hard"])}),
            "UnlockConnector": (1, lambda: {"connectorId": pick(CONNECTORS[1:])}),
            "GetDiagnostics": (0.5, lambda: {"location": "ftp://files/", "retries": number(3), "retryInterval": 10}),
            "UpdateFirmware": (
                0.3,
                lambda: {**self._place("firmware.bin", "location", "retrieveDate"), "retries": 1, "retryInterval": 20},
            ),
            "GetLocalListVersion": (1, dict),
            "SendLocalList": (1.5, self._local_list),
            "CancelReservation": (1, lambda: {"reservationId": pick(RESERVATIONS)}),
            "ReserveNow": (2, self._reservation),
            "ClearChargingProfile": (
                1.5,
                lambda: pick([{}, {"id": number(5)}, {"connectorId": 1}, {"chargingProfilePurpose": "TxProfile"}]),
            ),
            "GetCompositeSchedule": (1, lambda: {"connectorId": pick(CONNECTORS), "duration": pick([0, 60, 90_000])}),
            "SetChargingProfile": (
                4,
                lambda: {"connectorId": pick(CONNECTORS), "csChargingProfiles": self._charging_profile()},
            ),
            "TriggerMessage": (2, lambda: self._trigger(TRIGGERS)),
            "CertificateSigned": (0.5, lambda: {"certificateChain": PEM}),
            "DeleteCertificate": (0.5, lambda: {"certificateHashData": CERTIFICATE_HASH}),
            "ExtendedTriggerMessage": (1, lambda: self._trigger(EXTENDED_TRIGGERS)),
            "GetInstalledCertificateIds": (0.5, lambda: {"certificateType": pick(USES)}),
            "GetLog": (0.5, self._log),
            "InstallCertificate": (0.5, lambda: {"certificateType": pick(USES), "certificate": PEM}),
            "SignedUpdateFirmware": (0.3, self._signed_firmware),
        }

    def _instant(self, from_s: float, to_s: float) -> str:
        instant = self.utc() + timedelta(seconds=round(self.draws.uniform(from_s, to_s)))
        return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")

    def _change(self) -> Payload:
        # Other credentials would be drawn too seldom among all the keys.
        key = self.draws.choice(self.draws.choice([list(CHANGES), list(CHANGES), CREDENTIALS]))
        return {"key": key, "value": self.draws.choice(CHANGES[key])}

    def _remote_start(self) -> Payload:
        pick = self.draws.choice
        payload: Payload = {"idTag": pick(ID_TAGS)}
        if pick([True, True, False]):
            payload["connectorId"] = pick(CONNECTORS[1:])
        if pick([True, False, False]):
            payload["chargingProfile"] = {**self._charging_profile(), "chargingProfilePurpose": "TxProfile"}
            payload["chargingProfile"].pop("transactionId", None)
        return payload

    def _local_list(self) -> Payload:
        pick = self.draws.choice
        entries: list[Payload] = [
            {"idTag": tag, "idTagInfo": {"status": pick(["Accepted", "Blocked"])}} for tag in "AB"
        ]
        return {
            "listVersion": self.draws.randrange(1, 9),
            "updateType": pick(["Full", "Differential"]),
            "localAuthorizationList": pick([[], entries, entries[:1]]),
        }

    def _reservation(self) -> Payload:
        pick = self.draws.choice
        return {
            "connectorId": pick(CONNECTORS),
            "expiryDate": self._instant(-60, 1200),
            "idTag": pick(ID_TAGS),
            "reservationId": pick(RESERVATIONS),
            **pick([{}, {"parentIdTag": "P"}]),
        }

    def _charging_profile(self) -> Payload:
        pick, number = self.draws.choice, self.draws.randrange
        purpose = pick(["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"])
        kind = pick(["Absolute", "Recurring", "Relative"])
        unit, limits = pick([("W", [0.0, 1500.0, 3000.5, 20_000.0]), ("A", [0.0, 6.0, 10.5, 64.0])])
        starts = sorted({0, *(number(1, 3600) for _ in range(number(4)))})
        schedule: Payload = {
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [{"startPeriod": start, "limit": pick(limits)} for start in starts],
        }
        profile: Payload = {
            "chargingProfileId": number(1, 6),
            "stackLevel": number(4),
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": kind,
            "chargingSchedule": schedule,
        }
        if kind != "Relative" and pick([True, True, False]):
            schedule["startSchedule"] = self._instant(-3600, 600)
        if kind == "Recurring":
            profile["recurrencyKind"] = pick(["Daily", "Weekly"])
        if pick([True, False]):
            schedule["duration"] = number(60, 5000)
        if pick([True, False, False]):
            profile["validTo"] = self._instant(60, 3600)
        if purpose == "TxProfile" and pick([True, False]):
            profile["transactionId"] = pick([*self.running(), 999_999])
        return profile

    def _trigger(self, kinds: Sequence[str]) -> Payload:
        pick = self.draws.choice
        return {"requestedMessage": pick(kinds), **pick([{}, {"connectorId": pick(CONNECTORS)}])}

    def _place(self, name: str, location: str, instant: str) -> Payload:
        return {location: f"https://files/{name}", instant: self._instant(-60, 600)}

    def _log(self) -> Payload:
        return {
            "log": {"remoteLocation": "https://files/logs/"},
            "logType": self.draws.choice(["DiagnosticsLog", "SecurityLog"]),
            "requestId": self.draws.randrange(100),
        }

    def _signed_firmware(self) -> Payload:
        firmware = self._place("signed.bin", "location", "retrieveDateTime")
        firmware |= {"signingCertificate": PEM, "signature": "c2lnbmVk"}
        return {"requestId": self.draws.randrange(100), "firmware": firmware, "retries": 1, "retryInterval": 20}
