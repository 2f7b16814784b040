"""Firmware updates: OCPP 1.6 sections 4.5 and 5.19 (TC_044), signed ones by the security white paper (TC_080, 081)."""

import itertools
from typing import Any

import pytest
import trio
from counterparts.pki import Party, root
from counterparts.script import Stage, boot_answer, stage, utc
from counterparts.scripted import SILENCE

from fleet.commands.hazards import FailInstallation
from fleet.commands.vocabulary import PlugIn, StopTransaction, Unplug
from fleet.core.errands import Fetch, Undone, Why
from fleet.core.reports import ErrandUndone

URL = "ftp://files.example/firmware-2.0.bin"
FILE = b"Firmware-Version: 2.0\n\n\x7fELF"
STATUS, SIGNED_STATUS = "FirmwareStatusNotification", "SignedFirmwareStatusNotification"
ASKED = ("UpdateFirmware.req", "UpdateFirmware.conf")
SIGNED_ASKED = ("SignedUpdateFirmware.req", "SignedUpdateFirmware.conf Accepted")
EVENT = "SecurityEventNotification"


async def update(s: Stage, at: float | None = None, **payload: Any) -> None:
    retrieve = utc(trio.current_time() if at is None else at)
    assert await s.call("UpdateFirmware", {"location": URL, "retrieveDate": retrieve, **payload}) == {}


def statuses(said: list[Any]) -> list[str]:
    return [spoken.payload["status"] for spoken in said if spoken.action in (STATUS, SIGNED_STATUS)]


def sorted_out(said: list[Any]) -> list[str]:
    """The lines, with connectors that go out of service one after the other in the order of their numbers."""
    lines: list[str] = []
    for spoken in said:
        follows = spoken.line.endswith(":Unavailable") and lines and lines[-1].endswith(":Unavailable")
        lines[-1:] = sorted((lines[-1], spoken.line)) if follows else [*lines[-1:], spoken.line]
    return lines


# ---- unsigned --------------------------------------------------------------------------------------------------------


async def test_tc_044_1_cs_firmware_update_download_and_install(autojump_clock: Any) -> None:
    async with stage(connectors=2, firmware_version="1.0") as s:
        s.outside.files[URL] = FILE
        await update(s)
        await s.until("BootNotification")
        await trio.sleep(5)
        said = s.forget()
        assert sorted_out(said) == [
            *(*ASKED, STATUS, STATUS, "1:Unavailable", "2:Unavailable", STATUS),
            *("BootNotification", "0:Available", "1:Available", "2:Available", STATUS),
        ]
        assert statuses(said) == ["Downloading", "Downloaded", "Installing", "Installed"]
        [boot] = [spoken.payload for spoken in said if spoken.action == "BootNotification"]
        assert boot["firmwareVersion"] == "2.0"
        # It stays what it is.
        await s.call("Reset", {"type": "Hard"})
        await s.until("2:Available")
        assert s.central.said("BootNotification")[-1]["firmwareVersion"] == "2.0"


async def test_tc_044_1_cs_the_download_begins_at_the_retrieve_date(autojump_clock: Any) -> None:
    async with stage() as s:
        s.outside.files[URL] = FILE
        began_at = trio.current_time()
        await update(s, at=began_at + 7200)
        await s.expect(*ASKED, quiet_s=7000)
        await s.until("BootNotification")
        [(at, errand)] = s.outside.errands
        assert at == pytest.approx(began_at + 7200, abs=0.1)
        assert errand == Fetch(URL)


async def test_tc_044_1_cs_nothing_is_installed_while_a_transaction_runs(autojump_clock: Any) -> None:
    async with stage(connectors=3) as s:
        s.outside.files[URL] = FILE
        await s.charge(2)
        await update(s)
        await trio.sleep(3600)
        # The others are taken out of service, so that the wait has an end.
        assert sorted_out(s.forget()) == [*ASKED, STATUS, STATUS, "1:Unavailable", "3:Unavailable"]
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == {"status": "Rejected"}
        s.forget()
        await s.do(2, StopTransaction())
        said = await s.expect(
            *("StopTransaction", "2:Unavailable", STATUS, "BootNotification"),
            *("0:Available", "1:Available", "2:Preparing", "3:Available", STATUS),
        )
        assert statuses(said) == ["Installing", "Installed"]


async def test_tc_044_1_cs_what_the_csms_took_out_of_service_stays_so(autojump_clock: Any) -> None:
    async with stage(connectors=3) as s:
        s.outside.files[URL] = FILE
        await s.call("ChangeAvailability", {"connectorId": 3, "type": "Inoperative"})
        await s.until("3:Unavailable")
        s.forget()
        await s.charge(1)
        s.forget()
        await update(s)
        await s.expect(*ASKED, STATUS, STATUS, "2:Unavailable")
        # What is wished while the update has the connectors counts when it is over.
        await s.call("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"})
        await s.call("ChangeAvailability", {"connectorId": 3, "type": "Operative"})
        await trio.sleep(10)
        s.forget()
        await s.do(1, StopTransaction())
        await s.do(1, Unplug())
        await s.until("BootNotification")
        await s.until("3:Available")
        lines = [spoken.line for spoken in s.forget()]
        assert lines[lines.index("BootNotification") + 1 :][:4] == [
            *("0:Available", "1:Available", "2:Unavailable", "3:Available"),
        ]
        await trio.sleep(5)


async def test_tc_044_1_cs_the_statuses_wait_for_the_csms(autojump_clock: Any) -> None:
    async with stage() as s:
        s.outside.files[URL] = FILE
        await update(s, at=trio.current_time() + 60)
        await s.expect(*ASKED)
        await s.go_offline()
        await trio.sleep(600)
        s.go_online()
        # It rebooted meanwhile.
        said = await s.expect("BootNotification", "0:Available", "1:Available", *[STATUS] * 4, within_s=600)
        assert statuses(said) == ["Downloading", "Downloaded", "Installing", "Installed"]


async def test_tc_044_1_cs_an_update_that_a_power_cut_interrupted_begins_again(autojump_clock: Any) -> None:
    async with stage() as s:
        s.outside.files[URL] = FILE
        s.outside.transfer_s = 600
        await update(s)
        await s.expect(*ASKED, STATUS)
        await s.power_cut()
        s.power_on()
        said = await s.expect(
            *("BootNotification", "0:Available", "1:Available", STATUS, STATUS, "1:Unavailable", STATUS),
            *("BootNotification", "0:Available", "1:Available", STATUS),
            within_s=1000,
        )
        assert statuses(said) == ["Downloading", "Downloaded", "Installing", "Installed"]


async def test_tc_044_1_cs_a_power_cut_during_the_installation_leaves_no_connector_out_of_service(
    autojump_clock: Any,
) -> None:
    async with stage(install_s=100) as s:
        s.outside.files[URL] = b""
        await update(s)
        await s.expect(*ASKED, STATUS, STATUS, "1:Unavailable", STATUS)
        await s.power_cut()
        s.outside.files[URL] = Undone(Why.REFUSED, "gone")
        s.power_on()
        said = await s.expect("BootNotification", "0:Available", "1:Available", STATUS, STATUS)
        assert statuses(said) == ["Downloading", "DownloadFailed"]


async def test_tc_044_1_cs_a_csms_that_never_answers_a_status_does_not_hold_the_update_up(autojump_clock: Any) -> None:
    async with stage(answers={STATUS: lambda _: SILENCE}) as s:
        s.outside.files[URL] = FILE
        await update(s)
        await s.until("BootNotification", within_s=600)
        assert s.memory.firmware_version == "2.0"


async def test_tc_044_1_cs_a_status_that_a_csms_cant_make_sense_of_is_not_said_again(autojump_clock: Any) -> None:
    async with stage(answers={STATUS: lambda _: ("NotImplemented", "no")}) as s:
        s.outside.files[URL] = FILE
        await update(s)
        await s.until("BootNotification", within_s=600)
        await trio.sleep(60)
        said = [payload["status"] for payload in s.central.said(STATUS)]
        assert said == ["Downloading", "Downloaded", "Installing", "Installed"]


async def test_tc_044_2_cs_firmware_update_download_failed(autojump_clock: Any) -> None:
    async with stage(firmware_version="1.0") as s:
        await update(s)
        said = await s.expect(*ASKED, STATUS, STATUS, quiet_s=600)
        assert statuses(said) == ["Downloading", "DownloadFailed"]
        assert [report.errand for report in s.reports if isinstance(report, ErrandUndone)] == ["download of firmware"]
        # It serves on, and takes another one.
        s.outside.files[URL] = FILE
        await update(s)
        await s.until("BootNotification")
        assert s.central.said("BootNotification")[-1]["firmwareVersion"] == "2.0"


async def test_tc_044_2_cs_firmware_update_download_is_tried_again(autojump_clock: Any) -> None:
    async with stage() as s:
        s.outside.files[URL] = [Undone(Why.UNREACHABLE, "no connection")] * 2 + [FILE]
        await update(s, retries=3, retryInterval=120)
        await s.until("BootNotification")
        at = [at for at, _ in s.outside.errands]
        # An attempt of a second each, and the interval.
        assert [later - earlier for earlier, later in itertools.pairwise(at)] == pytest.approx([121, 121])


async def test_tc_044_3_cs_somebody_at_the_charge_point_has_the_next_installation_fail(autojump_clock: Any) -> None:
    async with stage(firmware_version="1.0") as s:
        s.outside.files[URL] = FILE
        await s.do(0, FailInstallation())
        # It isn't forgotten while the charge point is off, and counts once.
        await s.call("Reset", {"type": "Hard"})
        await s.until("1:Available")
        s.forget()
        await update(s)
        said = await s.expect(*ASKED, STATUS, STATUS, "1:Unavailable", STATUS, STATUS, "1:Available")
        assert statuses(said) == ["Downloading", "Downloaded", "Installing", "InstallationFailed"]
        await update(s)
        await s.until("BootNotification")
        assert s.central.said("BootNotification")[-1]["firmwareVersion"] == "2.0"


async def test_tc_044_3_cs_firmware_update_installation_failed(autojump_clock: Any) -> None:
    async with stage(firmware_version="1.0") as s:
        s.outside.files[URL] = b"Install: fail\n\n" + FILE
        await update(s)
        said = await s.expect(*ASKED, STATUS, STATUS, "1:Unavailable", STATUS, STATUS, "1:Available", quiet_s=600)
        assert statuses(said) == ["Downloading", "Downloaded", "Installing", "InstallationFailed"]
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        assert s.central.connects == 1


@pytest.mark.parametrize(
    ("action", "payload"),
    [("UpdateFirmware", {"location": URL, "retrieveDate": utc(0)}), ("GetDiagnostics", {"location": URL})],
)
async def test_a_charge_point_without_firmware_management_says_so(
    autojump_clock: Any, action: str, payload: dict[str, Any]
) -> None:
    async with stage({"SupportedFeatureProfiles": "Core"}) as s:
        code, _ = await s.call(action, payload)
        assert code == "NotSupported"
        await s.expect(f"{action}.req", f"{action}.error NotSupported", quiet_s=60)


async def test_a_newer_update_takes_the_place_of_one_that_is_not_being_installed(autojump_clock: Any) -> None:
    async with stage() as s:
        other = "ftp://files.example/firmware-3.0.bin"
        s.outside.files |= {URL: FILE, other: b"\x7fELF"}
        s.outside.transfer_s = 100
        await update(s)
        await s.expect(*ASKED, STATUS)
        await update(s, location=other)
        said = await s.expect(
            *(*ASKED, STATUS, STATUS, "1:Unavailable", STATUS),
            *("BootNotification", "0:Available", "1:Available", STATUS),
            within_s=300,
        )
        assert statuses(said) == ["Downloading", "Downloaded", "Installing", "Installed"]
        assert s.memory.firmware_version == "firmware-3.0"


# ---- signed ----------------------------------------------------------------------------------------------------------


async def trusting(s: Stage, manufacturer: Party) -> None:
    payload = {"certificateType": "ManufacturerRootCertificate", "certificate": manufacturer.pem}
    assert await s.call("InstallCertificate", payload) == {"status": "Accepted"}
    s.forget()


def signed(signer: Party, signature: str, **more: Any) -> dict[str, Any]:
    firmware = {
        "location": URL,
        "retrieveDateTime": utc(trio.current_time()),
        "signingCertificate": signer.pem,
        "signature": signature,
    }
    return {"requestId": 42, "firmware": {**firmware, **more}}


@pytest.mark.parametrize("chained", [False, True], ids=["by the root's own", "over an authority between"])
async def test_tc_080_cs_secure_firmware_update(autojump_clock: Any, chained: bool) -> None:
    async with stage(firmware_version="1.0") as s:
        manufacturer = root("Manufacturer")
        s.outside.files[URL] = FILE
        await trusting(s, manufacturer)
        between = manufacturer.issue("Firmware signing", authority=True) if chained else manufacturer
        signer = between.issue("Release 2.0")
        payload = signed(signer, signer.sign(FILE))
        if chained:
            payload["firmware"]["signingCertificate"] += between.pem
        assert await s.call("SignedUpdateFirmware", payload) == {"status": "Accepted"}
        said = await s.expect(
            *SIGNED_ASKED,
            *[SIGNED_STATUS] * 3,
            "1:Unavailable",
            *[SIGNED_STATUS] * 2,
            "BootNotification",
            *("0:Available", "1:Available"),
            *(SIGNED_STATUS, EVENT),
        )
        assert statuses(said) == [
            *("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting", "Installed"),
        ]
        assert {spoken.payload["requestId"] for spoken in said if spoken.action == SIGNED_STATUS} == {42}
        [boot] = [spoken.payload for spoken in said if spoken.action == "BootNotification"]
        assert boot["firmwareVersion"] == "2.0"
        assert said[-1].payload["type"] == "FirmwareUpdated"


async def test_tc_080_cs_installed_not_before_its_date(autojump_clock: Any) -> None:
    async with stage() as s:
        manufacturer = root("Manufacturer")
        s.outside.files[URL] = FILE
        await trusting(s, manufacturer)
        signer = manufacturer.issue("Release 2.0")
        began_at = trio.current_time()
        payload = signed(
            signer, signer.sign(FILE), retrieveDateTime=utc(began_at + 60), installDateTime=utc(began_at + 3600)
        )
        await s.call("SignedUpdateFirmware", payload)
        said = await s.expect(*SIGNED_ASKED, *[SIGNED_STATUS] * 5, within_s=100, quiet_s=3000)
        assert statuses(said) == [
            *("DownloadScheduled", "Downloading", "Downloaded", "SignatureVerified", "InstallScheduled"),
        ]
        said = await s.expect(
            *("1:Unavailable", SIGNED_STATUS, SIGNED_STATUS, "BootNotification", "0:Available", "1:Available"),
            *(SIGNED_STATUS, EVENT),
            within_s=1000,
        )
        assert said[0].at == pytest.approx(began_at + 3600, abs=1)


async def test_tc_081_cs_secure_firmware_update_invalid_signature(autojump_clock: Any) -> None:
    async with stage() as s:
        manufacturer = root("Manufacturer")
        s.outside.files[URL] = FILE
        await trusting(s, manufacturer)
        signer = manufacturer.issue("Release 2.0")
        payload = signed(signer, signer.sign(b"another file"))
        assert await s.call("SignedUpdateFirmware", payload) == {"status": "Accepted"}
        said = await s.expect(*SIGNED_ASKED, *[SIGNED_STATUS] * 3, EVENT, quiet_s=600)
        assert statuses(said) == ["Downloading", "Downloaded", "InvalidSignature"]
        assert said[-1].payload["type"] == "InvalidFirmwareSignature"


async def test_tc_081_cs_a_signer_whom_no_manufacturer_vouches_for_is_refused(autojump_clock: Any) -> None:
    async with stage() as s:
        await trusting(s, root("Manufacturer"))
        stranger = root("Manufacturer").issue("Release 2.0")
        assert await s.call("SignedUpdateFirmware", signed(stranger, stranger.sign(FILE))) == {
            "status": "InvalidCertificate"
        }
        said = await s.expect("SignedUpdateFirmware.req", "SignedUpdateFirmware.conf InvalidCertificate", EVENT)
        assert said[-1].payload["type"] == "InvalidFirmwareSigningCertificate"
        assert not s.outside.errands[2:]


async def test_signed_firmware_that_comes_while_another_is_downloaded_takes_its_place(autojump_clock: Any) -> None:
    async with stage() as s:
        manufacturer = root("Manufacturer")
        s.outside.files[URL] = FILE
        s.outside.transfer_s = 100
        await trusting(s, manufacturer)
        signer = manufacturer.issue("Release 2.0")
        payload = signed(signer, signer.sign(FILE))
        assert await s.call("SignedUpdateFirmware", payload) == {"status": "Accepted"}
        await trio.sleep(10)
        assert await s.call("SignedUpdateFirmware", {**payload, "requestId": 43}) == {"status": "AcceptedCanceled"}
        await s.until("1:Unavailable")
        await trio.sleep(1)
        # Too late now.
        assert await s.call("SignedUpdateFirmware", {**payload, "requestId": 44}) == {"status": "Rejected"}
        await s.until("BootNotification")
        await trio.sleep(5)
        assert s.central.said(SIGNED_STATUS)[-1] == {"status": "Installed", "requestId": 43}


async def test_a_reboot_in_mid_installation_is_still_an_accepted_charge_point(autojump_clock: Any) -> None:
    async with stage(answers={"BootNotification": boot_answer()}, install_s=60) as s:
        s.outside.files[URL] = FILE
        await update(s)
        await s.until("1:Unavailable")
        await trio.sleep(5)
        assert await s.call("UpdateFirmware", {"location": "ftp://x/other", "retrieveDate": utc(0)}) == {}
        await s.until("BootNotification")
        assert s.memory.firmware_version == "2.0"


# ---- triggered -------------------------------------------------------------------------------------------------------


async def test_tc_054_cs_a_triggered_firmware_status_says_how_far_it_is(autojump_clock: Any) -> None:
    async with stage() as s:
        s.outside.transfer_s = 100
        await update(s)
        await s.expect(*ASKED, STATUS)
        await s.call("TriggerMessage", {"requestedMessage": STATUS})
        [_, _, status] = await s.expect("TriggerMessage.req", "TriggerMessage.conf Accepted", STATUS)
        assert status.payload == {"status": "Downloading"}


async def test_the_extension_triggers_the_status_of_signed_firmware(autojump_clock: Any) -> None:
    async with stage() as s:
        manufacturer = root("Manufacturer")
        s.outside.transfer_s = 100
        await trusting(s, manufacturer)
        signer = manufacturer.issue("Release 2.0")
        await s.call("SignedUpdateFirmware", signed(signer, signer.sign(FILE)))
        await s.expect(*SIGNED_ASKED, SIGNED_STATUS)
        await s.call("ExtendedTriggerMessage", {"requestedMessage": STATUS})
        await trio.sleep(1)
        assert s.forget()[-1].payload == {"status": "Downloading", "requestId": 42}
