"""The mains: OCPP 1.6 sections 3.7, 5.2 and 7.36 (TC_032_1, TC_032_2, TC_034), and the emergency stop."""

from typing import Any

import pytest
import trio
from counterparts.script import Stage, stage, utc

from fleet.commands.hazards import EmergencyStop, PowerCut, PowerReturn, ReleaseEmergencyStop
from fleet.commands.vocabulary import (
    ChangeAvailability,
    ClearFault,
    Drain,
    InjectFault,
    PlugIn,
    Reset,
    SendHeartbeat,
    Swipe,
)
from fleet.core.reports import CallSettled, PoweredUp, Restarted
from fleet.words import Availability, ErrorCode, ResetKind

HOUR_S = 3600
POWER_W = 7200
BOOT = ("BootNotification", "0:Available")
RED = "Faulted OtherError"


def booted_at(s: Stage) -> list[float]:
    return [report.at for report in s.reports if isinstance(report, PoweredUp)]


async def test_tc_032_1_cs_power_failure_stop_transactions_before_going_down(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        ids = {await s.charge(1), await s.charge(2)}
        await trio.sleep(HOUR_S)
        cut_at = trio.current_time()
        await s.do(0, PowerCut(stop_first=True))
        await trio.sleep(60)
        said = s.forget()
        assert sorted(spoken.line for spoken in said) == ["1:Finishing", "2:Finishing", *["StopTransaction"] * 2]
        stops = [spoken.payload for spoken in said if spoken.action == "StopTransaction"]
        assert {stop["transactionId"] for stop in stops} == ids
        assert {stop["reason"] for stop in stops} == {"PowerLoss"}
        assert {stop["timestamp"] for stop in stops} == {utc(cut_at)}
        # Dark, without a word, until the mains are back.
        await s.expect(quiet_s=HOUR_S)
        await s.do(0, PowerReturn())
        await s.expect(*BOOT, "1:Preparing", "2:Preparing")


async def test_tc_032_1_cs_what_the_battery_was_too_short_for_is_said_afterwards(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        await trio.sleep(HOUR_S)
        await s.go_offline()
        cut_at = trio.current_time()
        await s.do(0, PowerCut(for_s=600, stop_first=True))
        await trio.sleep(300)
        s.go_online()
        _, stop, *_ = await s.expect("BootNotification", "StopTransaction", "0:Available", "1:Preparing", within_s=900)
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (transaction_id, "PowerLoss")
        assert stop.payload["timestamp"] == utc(cut_at)
        # A battery lasts for seconds only.
        assert booted_at(s)[-1] == pytest.approx(cut_at + 600, abs=15)


async def test_tc_032_2_cs_power_failure_stop_transactions_after_going_down(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        await trio.sleep(HOUR_S)
        cut_at = trio.current_time()
        await s.do(0, PowerCut())
        await s.expect(quiet_s=HOUR_S)
        await s.do(0, PowerReturn())
        _, stop, *_ = await s.expect("BootNotification", "StopTransaction", "0:Available", "1:Preparing")
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (transaction_id, "PowerLoss")
        # It was over when the mains were, and what flowed until then is billed.
        assert stop.payload["timestamp"] == utc(cut_at)
        assert stop.payload["meterStop"] == pytest.approx(POWER_W, abs=10)
        settled = [r for r in s.reports if isinstance(r, CallSettled) and r.action == "StopTransaction"]
        # Nobody could have told so in the dark: the CSMS isn't late by the length of the power cut.
        assert settled[-1].due_at == booted_at(s)[-1]


async def test_tc_032_2_cs_the_register_goes_on_where_it_was(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        await trio.sleep(HOUR_S)
        await s.do(0, PowerCut(for_s=45))
        await s.until("1:Preparing")
        stop = next(spoken for spoken in s.forget() if spoken.action == "StopTransaction")
        await s.do(1, Swipe("TAG"))
        _, start, _ = await s.expect("Authorize", "StartTransaction", "1:Charging")
        assert start.payload["meterStart"] == stop.payload["meterStop"] > 0


async def test_tc_034_cs_a_connector_taken_out_of_service_at_the_charge_point_stays_so(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        await s.do(1, ChangeAvailability(Availability.INOPERATIVE))
        await s.expect("1:Unavailable")
        await s.do(0, PowerCut(for_s=600))
        await s.expect(*BOOT, "1:Unavailable", "2:Available", within_s=900)


async def test_the_dark_lasts_as_long_as_was_said_or_until_the_mains_return(autojump_clock: Any) -> None:
    async with stage() as s:
        cut_at = trio.current_time()
        await s.do(0, PowerCut(for_s=600))
        await s.expect(*BOOT, "1:Available", within_s=900)
        assert booted_at(s)[-1] == pytest.approx(cut_at + 600, abs=0.1)
        cut_at = trio.current_time()
        await s.do(0, PowerCut(for_s=600))
        await trio.sleep(30)
        await s.do(0, PowerReturn())
        await s.expect(*BOOT, "1:Available")
        assert booted_at(s)[-1] == pytest.approx(cut_at + 30, abs=0.1)


async def test_in_the_dark_nothing_can_be_done_but_to_switch_the_mains_on(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.ask(0, PowerReturn()) == "CP1 has power"
        await s.do(0, PowerCut())
        await trio.sleep(1)
        for connector, command in ((1, PlugIn()), (0, SendHeartbeat()), (0, PowerCut()), (0, Reset())):
            assert await s.ask(connector, command) == "CP1 has no power"
        await s.do(0, PowerReturn())
        await s.expect(*BOOT, "1:Available")
        assert await s.ask(0, PowerReturn()) == "CP1 has power"


async def test_a_charge_point_that_is_to_drain_in_the_dark_has_its_mains_back(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        await s.do(0, PowerCut())
        await trio.sleep(60)
        assert s.fleet is not None
        s.fleet.berths["CP1"].drain()
        assert await s.fleet.ended(trio.current_time() + 60)
        assert "StopTransaction" in [spoken.line for spoken in s.forget()]


async def test_a_power_cut_that_hits_a_charge_point_while_it_drains_does_not_keep_it_dark(autojump_clock: Any) -> None:
    async with stage(answers={"StopTransaction": lambda _: None}) as s:
        await s.charge()
        assert s.fleet is not None
        s.central.answers["StopTransaction"] = lambda _: {}
        s.fleet.berths["CP1"].drain()
        s.fleet.tell("CP1", 0, PowerCut())
        assert await s.fleet.ended(trio.current_time() + 60)


async def test_a_power_cut_is_told_as_what_it_is(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(0, PowerCut(for_s=5))
        await s.until("1:Available")
        (restarted,) = [report for report in s.reports if isinstance(report, Restarted)]
        assert (restarted.crashed, restarted.cause) == (False, "PowerLoss")


async def test_a_drain_is_not_undone_by_what_comes_after_it(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        assert s.fleet is not None
        s.fleet.tell("CP1", 0, Drain())
        s.fleet.tell("CP1", 0, PowerCut(stop_first=True))
        assert await s.fleet.ended(trio.current_time() + 60)


# ---- the emergency stop ----------------------------------------------------------------------------------------------


async def test_an_emergency_stop_ends_every_transaction_and_faults_everything(autojump_clock: Any) -> None:
    async with stage(connectors=3) as s:
        ids = {await s.charge(1), await s.charge(2)}
        await trio.sleep(HOUR_S)
        await s.do(0, EmergencyStop())
        await trio.sleep(5)
        said = s.forget()
        lines = [spoken.line for spoken in said]
        assert {f"{connector}:{RED}" for connector in range(4)} <= set(lines)
        stops = [spoken.payload for spoken in said if spoken.action == "StopTransaction"]
        assert {stop["transactionId"] for stop in stops} == ids
        assert {stop["reason"] for stop in stops} == {"EmergencyStop"}
        for spoken in said:
            if spoken.line.endswith(RED):
                assert spoken.payload["info"] == "Emergency stop"
        await s.expect(quiet_s=HOUR_S)
        await s.do(0, ReleaseEmergencyStop())
        await trio.sleep(10)
        lines = [spoken.line for spoken in s.forget()]
        assert lines[0] == "0:Available"
        assert sorted(lines[1:]) == ["1:Finishing", "1:Preparing", "2:Finishing", "2:Preparing", "3:Available"]


async def test_while_the_emergency_stop_is_pressed_nothing_starts_and_no_fault_is_cleared(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(0, EmergencyStop())
        await s.expect(f"0:{RED}", f"1:{RED}")
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == {"status": "Rejected"}
        s.forget()
        assert await s.ask(1, Swipe("TAG")) == "Connector 1 is Faulted"
        for command in (ClearFault(), InjectFault(ErrorCode.GROUND_FAILURE)):
            assert await s.ask(1, command) == "The emergency stop of CP1 is pressed: release it first"
        assert await s.ask(0, EmergencyStop()) == "The emergency stop of CP1 is pressed already"
        await s.expect(quiet_s=HOUR_S)
        await s.do(0, ReleaseEmergencyStop())
        await s.expect("0:Available", "1:Available")
        assert await s.ask(0, ReleaseEmergencyStop()) == "The emergency stop of CP1 is not pressed"


@pytest.mark.parametrize("down", [Reset(ResetKind.HARD), PowerCut(for_s=30)], ids=["reboot", "power cut"])
async def test_an_emergency_stop_stays_pressed_whatever_reboots(autojump_clock: Any, down: Any) -> None:
    async with stage() as s:
        await s.do(0, EmergencyStop())
        await s.expect(f"0:{RED}", f"1:{RED}")
        await s.do(0, down)
        await s.expect("BootNotification", f"0:{RED}", f"1:{RED}")
        await s.do(0, ReleaseEmergencyStop())
        await s.expect("0:Available", "1:Available")


async def test_an_inoperative_charge_point_is_so_again_when_the_emergency_is_over(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(0, EmergencyStop())
        await s.expect(f"0:{RED}", f"1:{RED}")
        await s.do(0, ChangeAvailability(Availability.INOPERATIVE))
        await s.expect(quiet_s=60)
        await s.do(0, ReleaseEmergencyStop())
        await s.expect("0:Unavailable", "1:Unavailable")
