"""Remote trigger: OCPP 1.6 sections 4.2 and 5.17, and ExtendedTriggerMessage of the security white paper.

TC_054, 055.
"""

from typing import Any

import pytest
import trio
from counterparts.script import Stage, boot_answer, in_turn, stage, utc
from counterparts.scripted import SILENCE

from fleet.commands.vocabulary import InjectFault, PlugIn, Swipe

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
NOT_IMPLEMENTED = {"status": "NotImplemented"}
TOLD = ("TriggerMessage.req", "TriggerMessage.conf Accepted")
TOLD_MORE = ("ExtendedTriggerMessage.req", "ExtendedTriggerMessage.conf Accepted")


async def trigger(s: Stage, message: str, connector: int | None = None, extended: bool = False) -> Any:
    wish: dict[str, Any] = {"requestedMessage": message}
    if connector is not None:
        wish["connectorId"] = connector
    return await s.call("ExtendedTriggerMessage" if extended else "TriggerMessage", wish)


async def test_tc_054_cs_trigger_message(autojump_clock: Any) -> None:
    async with stage() as s:
        for message, line in (
            ("MeterValues", "MeterValues"),
            ("Heartbeat", "Heartbeat"),
            ("StatusNotification", "1:Available"),
            ("DiagnosticsStatusNotification", "DiagnosticsStatusNotification"),
            ("FirmwareStatusNotification", "FirmwareStatusNotification"),
        ):
            # Each is answered first, comes once, and nothing else with it.
            assert await trigger(s, message, 1) == ACCEPTED
            await s.expect(*TOLD, line, quiet_s=60)


async def test_tc_054_cs_trigger_message_meter_values(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await trigger(s, "MeterValues", 1) == ACCEPTED
        *_, said = await s.expect(*TOLD, "MeterValues")
        assert said.payload["connectorId"] == 1
        assert "transactionId" not in said.payload
        (value,) = said.payload["meterValue"]
        assert value["timestamp"] == utc(said.at)
        assert value["sampledValue"][0]["context"] == "Trigger"


async def test_tc_054_cs_trigger_message_meter_values_of_a_transaction(autojump_clock: Any) -> None:
    async with stage({"MeterValuesSampledData": "Power.Active.Import"}) as s:
        transaction_id = await s.charge()
        await trio.sleep(100)
        assert await trigger(s, "MeterValues", 1) == ACCEPTED
        *_, said = await s.expect(*TOLD, "MeterValues")
        assert said.payload["transactionId"] == transaction_id
        (sample,) = said.payload["meterValue"][0]["sampledValue"]
        assert (sample["measurand"], float(sample["value"])) == ("Power.Active.Import", 7200)


async def test_tc_054_cs_trigger_message_meter_values_of_every_connector(autojump_clock: Any) -> None:
    async with stage(connectors=3) as s:
        assert await trigger(s, "MeterValues") == ACCEPTED
        said = await s.expect(*TOLD, *["MeterValues"] * 3)
        assert {spoken.payload["connectorId"] for spoken in said[2:]} == {1, 2, 3}


async def test_tc_054_cs_trigger_message_heartbeat(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await trigger(s, "Heartbeat") == ACCEPTED
        await s.expect(*TOLD, "Heartbeat")


@pytest.mark.parametrize(("connector", "lines"), [(1, ["1:Available"]), (2, ["2:Preparing"]), (0, ["0:Available"])])
async def test_tc_054_cs_trigger_message_status_notification(
    autojump_clock: Any, connector: int, lines: list[str]
) -> None:
    async with stage(connectors=2) as s:
        await s.do(2, PlugIn())
        await s.expect("2:Preparing")
        assert await trigger(s, "StatusNotification", connector) == ACCEPTED
        *_, said = await s.expect(*TOLD, *lines)
        assert said.payload["timestamp"] <= utc(said.at)


async def test_tc_054_cs_trigger_message_status_notification_of_everything(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        await s.do(1, InjectFault())
        await s.until("1:Faulted OtherError")
        s.forget()
        assert await trigger(s, "StatusNotification") == ACCEPTED
        await s.expect(*TOLD, "0:Available", "1:Faulted OtherError", "2:Available")


async def test_tc_054_cs_trigger_message_boot_notification(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await trigger(s, "BootNotification") == ACCEPTED
        # It stays registered, and what the CSMS knows already isn't told again.
        await s.expect(*TOLD, "BootNotification", quiet_s=60)
        await s.charge()


@pytest.mark.parametrize("message", ["DiagnosticsStatusNotification", "FirmwareStatusNotification"])
async def test_tc_054_cs_trigger_message_when_nothing_is_under_way(autojump_clock: Any, message: str) -> None:
    async with stage() as s:
        assert await trigger(s, message) == ACCEPTED
        *_, said = await s.expect(*TOLD, message)
        assert said.payload == {"status": "Idle"}


@pytest.mark.parametrize(("message", "connector"), [("MeterValues", 2), ("StatusNotification", 2), ("MeterValues", -1)])
async def test_tc_055_cs_trigger_message_rejected(autojump_clock: Any, message: str, connector: int) -> None:
    async with stage() as s:
        assert await trigger(s, message, connector) == REJECTED
        await s.expect("TriggerMessage.req", "TriggerMessage.conf Rejected", quiet_s=60)


async def test_tc_055_cs_meter_values_that_nobody_chose_or_has_are_rejected(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await trigger(s, "MeterValues", 0) == REJECTED
        assert await s.call("ChangeConfiguration", {"key": "MeterValuesSampledData", "value": ""}) == ACCEPTED
        assert await trigger(s, "MeterValues", 1) == REJECTED


async def test_what_a_charge_point_does_not_have_is_not_implemented(autojump_clock: Any) -> None:
    async with stage({"SupportedFeatureProfiles": "Core,RemoteTrigger"}) as s:
        assert await trigger(s, "FirmwareStatusNotification") == NOT_IMPLEMENTED
        assert await trigger(s, "Heartbeat") == ACCEPTED
    async with stage({"SupportedFeatureProfiles": "Core"}) as s:
        assert await trigger(s, "Heartbeat") == NOT_IMPLEMENTED


async def test_what_ocpp_has_no_such_trigger_for_is_an_error(autojump_clock: Any) -> None:
    async with stage() as s:
        code, _ = await trigger(s, "LogStatusNotification")
        assert code == "PropertyConstraintViolation"
        assert s.broken_rules() == ["bad-request"]


@pytest.mark.parametrize(
    ("message", "connector", "lines"),
    [
        ("BootNotification", None, ["BootNotification"]),
        ("Heartbeat", None, ["Heartbeat"]),
        ("LogStatusNotification", None, ["LogStatusNotification"]),
        ("FirmwareStatusNotification", None, ["SignedFirmwareStatusNotification"]),
        ("MeterValues", 1, ["MeterValues"]),
        ("StatusNotification", 1, ["1:Available"]),
    ],
)
async def test_the_extension_triggers_more(
    autojump_clock: Any, message: str, connector: int | None, lines: list[str]
) -> None:
    async with stage() as s:
        assert await trigger(s, message, connector, extended=True) == ACCEPTED
        await s.expect(*TOLD_MORE, *lines)


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ("Heartbeat", ["Heartbeat"]),
        ("StatusNotification", ["0:Available", "1:Available"]),
        ("MeterValues", ["MeterValues"]),
        ("BootNotification", ["BootNotification"]),
    ],
)
async def test_tc_002_cs_while_pending_only_what_was_triggered_is_said(
    autojump_clock: Any, message: str, lines: list[str], extended: bool
) -> None:
    answers = {"BootNotification": in_turn(boot_answer("Pending", 300), boot_answer("Pending", 300), boot_answer())}
    async with stage(answers=answers, booted=False) as s:
        await s.expect("BootNotification")
        assert await trigger(s, message, extended=extended) == ACCEPTED
        await s.expect(*(TOLD_MORE if extended else TOLD), *lines, quiet_s=60)


async def test_tc_002_cs_once_accepted_the_statuses_are_told_whatever_was_triggered(autojump_clock: Any) -> None:
    answers = {"BootNotification": in_turn(boot_answer("Pending", 300), boot_answer())}
    async with stage(answers=answers, booted=False) as s:
        await s.expect("BootNotification")
        assert await trigger(s, "StatusNotification", 1) == ACCEPTED
        await s.expect(*TOLD, "1:Available")
        await s.expect("BootNotification", "0:Available", "1:Available", within_s=310)


async def test_while_pending_a_transaction_has_its_meter_values_triggered_without_its_id(autojump_clock: Any) -> None:
    answers = {"BootNotification": in_turn(boot_answer("Pending", 300), boot_answer())}
    async with stage(answers=answers, booted=False) as s:
        await s.expect("BootNotification")
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        assert await trigger(s, "MeterValues", 1) == ACCEPTED
        *_, said = await s.expect(*TOLD, "MeterValues")
        assert "transactionId" not in said.payload


async def test_pending_again_a_transaction_that_the_csms_knows_has_its_id_in_triggered_meter_values(
    autojump_clock: Any,
) -> None:
    answers = {"BootNotification": in_turn(boot_answer(), boot_answer("Pending", 300), boot_answer())}
    async with stage(answers=answers) as s:
        await s.charge()
        running = s.memory.connectors[0].transaction
        assert running is not None
        assert await trigger(s, "BootNotification") == ACCEPTED
        await s.expect(*TOLD, "BootNotification")
        assert await trigger(s, "MeterValues", 1) == ACCEPTED
        *_, said = await s.expect(*TOLD, "MeterValues")
        assert said.payload["transactionId"] == running.transaction_id


async def test_a_triggered_boot_that_stays_unanswered_changes_nothing(autojump_clock: Any) -> None:
    answers = {"BootNotification": in_turn(boot_answer(), SILENCE, boot_answer())}
    async with stage(answers=answers) as s:
        assert await trigger(s, "BootNotification") == ACCEPTED
        await s.expect(*TOLD, "BootNotification", quiet_s=300)
        await s.charge()
