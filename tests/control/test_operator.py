"""Whoever runs a test tool against one charge point also plays the person in front of it, by lines to its console.

Each of the published test cases once, as what that person does, with the CSMS's requests between (`<`): nothing that a
case wants done is missing from the vocabulary, and nothing of it is refused. What the charge point says to all that is
checked in tests/conformance.
"""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import trio
from counterparts.cases import CASES
from counterparts.outside import Outside
from counterparts.pki import root
from counterparts.planted import planted

from fleet.core.plan import ConnectorPlan
from fleet.core.reports import Restarted

LATER = "2030-01-01T00:00:00Z"
NOON = "2026-11-22T12:00:00Z"
FIRMWARE, FOLDER = "ftp://files.example/firmware-2.0.bin", "ftp://files.example/logs"
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}]},
}
CERTIFICATE = root("A root").pem


def asks(action: str, **payload: Any) -> str:
    """A request of the CSMS, as a step."""
    return f"< {action} {orjson.dumps(payload).decode()}"


def reserves(connector: int = 1, **payload: Any) -> str:
    return asks("ReserveNow", connectorId=connector, expiryDate=LATER, idTag="TAG", reservationId=7, **payload)


def limits(purpose: str, **profile: Any) -> str:
    wanted = {**PROFILE, "chargingProfilePurpose": purpose, **profile}
    return asks("SetChargingProfile", connectorId=1, csChargingProfiles=wanted)


CHARGE = ("plug", "swipe TAG")
LEAVE = ("swipe TAG", "unplug")
REMOTE_START = asks("RemoteStartTransaction", connectorId=1, idTag="TAG")
REMOTE_STOP = asks("RemoteStopTransaction", transactionId=1001)
UNLOCK = asks("UnlockConnector", connectorId=1)
OUT_OF_SERVICE = asks("ChangeAvailability", connectorId=1, type="Inoperative")
CORE_ONLY = "set SupportedFeatureProfiles Core"
LIST = asks(
    "SendLocalList",
    listVersion=1,
    updateType="Full",
    localAuthorizationList=[{"idTag": "TAG", "idTagInfo": {"status": "Accepted"}}],
)
LIST_VERSION = asks("GetLocalListVersion")
UPDATE = asks("UpdateFirmware", location=FIRMWARE, retrieveDate=NOON)
SIGNED_UPDATE = asks(
    "SignedUpdateFirmware",
    requestId=1,
    firmware={
        "location": FIRMWARE,
        "retrieveDateTime": NOON,
        "signingCertificate": CERTIFICATE,
        "signature": "AAAA",
    },
)
RENEW = asks("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")
OFFLINE, ONLINE = "disconnect", "connect"
CUT, RETURN = "power-cut", "power-return"


def installs(use: str) -> str:
    return asks("InstallCertificate", certificateType=use, certificate=CERTIFICATE)


STEPS: dict[str, tuple[str, ...]] = {
    "TC_001_CS": (CUT, RETURN),
    "TC_002_CS": (CUT, RETURN),
    "TC_003_CS": (*CHARGE, *LEAVE),
    "TC_004_1_CS": ("swipe TAG", "plug", *LEAVE),
    "TC_004_2_CS": ("swipe TAG",),
    "TC_005_1_CS": (*CHARGE, "unplug EV", "unplug"),
    "TC_005_2_CS": ("set UnlockConnectorOnEVSideDisconnect false", *CHARGE, "unplug EV", *LEAVE),
    "TC_005_3_CS": ("set StopTransactionOnEVSideDisconnect false", *CHARGE, "unplug EV", "plug", *LEAVE),
    "TC_007_1_CS": ("set LocalPreAuthorize true", *CHARGE, *LEAVE, *CHARGE),
    "TC_007_2_CS": ("set LocalPreAuthorize true", *CHARGE, *LEAVE, "plug", REMOTE_START),
    "TC_008_1_CS": (LIST, *CHARGE, *LEAVE),
    "TC_008_2_CS": (LIST, "plug", REMOTE_START, *LEAVE),
    "TC_010_CS": ("plug", REMOTE_START),
    "TC_011_1_CS": (REMOTE_START, "plug"),
    "TC_011_2_CS": (REMOTE_START,),
    "TC_012_CS": (*CHARGE, REMOTE_STOP, "unplug"),
    "TC_013_CS": (asks("Reset", type="Hard"),),
    "TC_014_CS": (asks("Reset", type="Soft"),),
    "TC_015_CS": (*CHARGE, asks("Reset", type="Hard")),
    "TC_016_CS": (*CHARGE, asks("Reset", type="Soft")),
    "TC_017_1_CS": (UNLOCK,),
    "TC_017_2_CS": (UNLOCK,),
    "TC_018_1_CS": (*CHARGE, UNLOCK, "unplug"),
    "TC_018_2_CS": (*CHARGE, UNLOCK, "swipe TAG", "unplug EV"),
    "TC_019_CS": (asks("GetConfiguration"),),
    "TC_021_CS": (asks("ChangeConfiguration", key="MeterValueSampleInterval", value="15"),),
    "TC_023_4_CS": (*CHARGE,),
    "TC_023_5_CS": ("plug", REMOTE_START),
    "TC_024_CS": ("lock-failure", *CHARGE, "clear"),
    "TC_026_CS": ("fault", REMOTE_START, "clear"),
    "TC_027_CS": (asks("RemoteStartTransaction", connectorId=0, idTag="TAG"),),
    "TC_028_CS": (*CHARGE, asks("RemoteStopTransaction", transactionId=7)),
    "TC_030_CS": ("lock-failure", UNLOCK, "clear"),
    "TC_031_CS": (asks("UnlockConnector", connectorId=9),),
    "TC_032_1_CS": (*CHARGE, "power-cut stop_first", RETURN),
    "TC_032_2_CS": (*CHARGE, CUT, RETURN),
    "TC_034_CS": (OUT_OF_SERVICE, CUT, RETURN),
    "TC_036_CS": (*CHARGE, OFFLINE, ONLINE),
    "TC_037_1_CS": (OFFLINE, *CHARGE, ONLINE),
    "TC_037_2_CS": (OFFLINE, *CHARGE, ONLINE),
    "TC_037_3_CS": (OFFLINE, *CHARGE, ONLINE),
    "TC_038_CS": (*CHARGE, OFFLINE, *LEAVE, ONLINE),
    "TC_039_CS": (OFFLINE, *CHARGE, *LEAVE, ONLINE),
    "TC_040_1_CS": (asks("ChangeConfiguration", key="NoSuchKey", value="1"),),
    "TC_040_2_CS": (asks("ChangeConfiguration", key="MeterValueSampleInterval", value="-1"),),
    "TC_041_CS": ("fault GroundFailure", "clear"),
    "TC_042_1_CS": (CORE_ONLY, LIST_VERSION),
    "TC_042_2_CS": (LIST_VERSION,),
    "TC_043_CS": (LIST, LIST_VERSION),
    "TC_043_1_CS": (CORE_ONLY, LIST),
    "TC_043_2_CS": (asks("SendLocalList", listVersion=1, updateType="Differential"), LIST),
    "TC_043_3_CS": ("set SendLocalListMaxLength 0", LIST),
    "TC_044_1_CS": (UPDATE,),
    "TC_044_2_CS": (asks("UpdateFirmware", location=f"{FOLDER}/none", retrieveDate=NOON),),
    "TC_044_3_CS": ("install-failure", UPDATE),
    "TC_045_1_CS": (asks("GetDiagnostics", location=FOLDER),),
    "TC_045_2_CS": (asks("GetDiagnostics", location="ftp://nobody.example/"),),
    "TC_046_1_CS": (reserves(), *CHARGE, *LEAVE),
    "TC_046_2_CS": (reserves(), REMOTE_START, "plug"),
    "TC_047_CS": (reserves(), *CHARGE),
    "TC_048_1_CS": ("fault", reserves(), "clear"),
    "TC_048_2_CS": ("plug", reserves(), "unplug"),
    "TC_048_3_CS": (OUT_OF_SERVICE, reserves()),
    "TC_048_4_CS": (CORE_ONLY, reserves()),
    "TC_049_CS": (reserves(0), *CHARGE, *LEAVE),
    "TC_050_1_CS": ("fault CP1/*", reserves(0), "clear CP1/*"),
    "TC_050_2_CS": ("plug CP1/*", reserves(0), "unplug CP1/*"),
    "TC_050_3_CS": ("availability CP1 inoperative", reserves(0), "availability CP1 operative"),
    "TC_050_4_CS": ("set ReserveConnectorZeroSupported false", reserves(0)),
    "TC_051_CS": (reserves(), asks("CancelReservation", reservationId=7), *CHARGE),
    "TC_052_CS": (asks("CancelReservation", reservationId=8),),
    "TC_053_1_CS": (reserves(parentIdTag="FAMILY"), "swipe CHILD"),
    "TC_053_2_CS": (reserves(parentIdTag="FAMILY"), asks("RemoteStartTransaction", idTag="CHILD"), "plug"),
    "TC_054_CS": (asks("TriggerMessage", requestedMessage="MeterValues", connectorId=1),),
    "TC_055_CS": (asks("TriggerMessage", requestedMessage="MeterValues", connectorId=9),),
    "TC_056_CS": (limits("TxDefaultProfile"), *CHARGE),
    "TC_057_CS": (*CHARGE, limits("TxProfile", transactionId=1001)),
    "TC_058_1_CS": (limits("TxProfile"),),
    "TC_058_2_CS": (*CHARGE, limits("TxProfile", transactionId=7)),
    "TC_059_CS": (
        "plug",
        asks(
            "RemoteStartTransaction",
            connectorId=1,
            idTag="TAG",
            chargingProfile={**PROFILE, "chargingProfilePurpose": "TxProfile"},
        ),
    ),
    "TC_060_CS": (asks("RemoteStartTransaction", connectorId=1, idTag="TAG", chargingProfile=PROFILE),),
    "TC_061_1_CS": (*CHARGE, *LEAVE, asks("ClearCache"), *CHARGE),
    "TC_061_2_CS": (*CHARGE, *LEAVE, asks("ClearCache"), "plug", REMOTE_START),
    "TC_062_CS": (asks("DataTransfer", vendorId="com.example"),),
    "TC_066_CS": (*CHARGE, asks("GetCompositeSchedule", connectorId=1, duration=300)),
    "TC_067_CS": (limits("TxDefaultProfile"), asks("ClearChargingProfile", id=1)),
    "TC_068_CS": (*CHARGE, *LEAVE),
    "TC_069_CS": (*CHARGE, "swipe PARTNER", *LEAVE),
    "TC_070_CS": ("set MeterValueSampleInterval 5", *CHARGE),
    "TC_071_CS": ("set ClockAlignedDataInterval 60", *CHARGE),
    "TC_072_CS": (*CHARGE, limits("TxDefaultProfile"), limits("TxDefaultProfile", chargingProfileId=2, stackLevel=1)),
    "TC_073_CS": (asks("ChangeConfiguration", key="AuthorizationKey", value="0123456789abcdef"),),
    "TC_074_CS": (RENEW,),
    "TC_075_1_CS": (installs("ManufacturerRootCertificate"),),
    "TC_075_2_CS": (installs("CentralSystemRootCertificate"),),
    "TC_076_CS": (
        installs("ManufacturerRootCertificate"),
        asks("GetInstalledCertificateIds", certificateType="ManufacturerRootCertificate"),
    ),
    "TC_077_CS": (RENEW, asks("CertificateSigned", certificateChain="none")),
    "TC_078_CS": (asks("InstallCertificate", certificateType="CentralSystemRootCertificate", certificate="none"),),
    "TC_079_CS": (asks("GetLog", logType="SecurityLog", requestId=1, log={"remoteLocation": FOLDER}),),
    "TC_080_CS": (installs("ManufacturerRootCertificate"), SIGNED_UPDATE),
    "TC_081_CS": (installs("ManufacturerRootCertificate"), SIGNED_UPDATE),
    "TC_082_CS": (*CHARGE, limits("TxDefaultProfile")),
}
FIXED = ("TC_017_2_CS", "TC_018_2_CS")


def test_every_case_has_its_steps() -> None:
    assert set(STEPS) == set(CASES)


def steps(case: str) -> Iterator[tuple[str, str, Any]]:
    for step in STEPS[case]:
        if step.startswith("< "):
            _, action, payload = step.split(maxsplit=2)
            yield step, action, orjson.loads(payload)
        else:
            yield step, "", None


@pytest.mark.parametrize("case", STEPS)
async def test_the_person_of_a_case_can_do_it_all(case: str, autojump_clock: Any) -> None:
    outside = Outside(files={FIRMWARE: b"firmware", FOLDER: "folder"})
    connector_plan = ConnectorPlan(fixed_cable=case in FIXED)
    answers = {"SignCertificate": lambda _: {"status": "Accepted"}}
    how = {"run_errand": outside.run, "connector_plan": connector_plan, "answers": answers}
    async with planted(**how) as on:
        assert (await on.do("use CP1/1")).ok
        for step, action, payload in steps(case):
            if action:
                said = await on.world.central.call("CP1", action, payload)
                assert isinstance(said, dict), f"{step}: {said}"
            else:
                answer = await on.do(step)
                assert answer.ok, f"{step}: {answer.text}"
            await trio.sleep(3)
        await trio.sleep(600)
        assert not [restarted for restarted in on.world.reported(Restarted) if restarted.crashed]
