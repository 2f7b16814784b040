"""Resets, power failures and (in)operative connectors: OCPP 1.6 sections 5.2 and 5.14 (TC_013 to 016, 032, 034)."""

from typing import Any

import pytest
import trio
from counterparts.script import Stage, boot_answer, in_turn, stage, utc
from counterparts.scripted import SILENCE

from fleet.commands.vocabulary import PlugIn, StopTransaction, Swipe
from fleet.words import StopReason

ACCEPTED, REJECTED, SCHEDULED = {"status": "Accepted"}, {"status": "Rejected"}, {"status": "Scheduled"}
RESET = ("Reset.req", "Reset.conf Accepted")
CHANGE = ("ChangeAvailability.req", "ChangeAvailability.conf Accepted")
REBOOT_S = 30.0


async def change(s: Stage, connector: int, kind: str) -> Any:
    return await s.call("ChangeAvailability", {"connectorId": connector, "type": kind})


async def test_tc_013_cs_hard_reset_without_transaction(autojump_clock: Any) -> None:
    await reset_without_transaction("Hard")


async def test_tc_014_cs_soft_reset_without_transaction(autojump_clock: Any) -> None:
    await reset_without_transaction("Soft")


async def reset_without_transaction(kind: str) -> None:
    async with stage(reboot_s=REBOOT_S) as s:
        assert await s.call("Reset", {"type": kind}) == ACCEPTED
        _, answer, boot, *_ = await s.expect(*RESET, "BootNotification", "0:Available", "1:Available")
        assert boot.at - answer.at == pytest.approx(REBOOT_S, abs=0.5)
        assert s.central.connects == 2


async def test_tc_015_cs_hard_reset_with_transaction(autojump_clock: Any) -> None:
    async with stage(reboot_s=REBOOT_S) as s:
        transaction_id = await s.charge()
        await trio.sleep(3600)
        assert await s.call("Reset", {"type": "Hard"}) == ACCEPTED
        # Section 5.14: it needn't stop gracefully, but tells so when it is back and accepted.
        *_, stop, _, _ = await s.expect(*RESET, "BootNotification", "StopTransaction", "0:Available", "1:Preparing")
        assert stop.payload.pop("timestamp") <= utc(stop.at)
        # Nothing flowed while it was off.
        assert stop.payload.pop("meterStop") == pytest.approx(7200, abs=5)
        assert stop.payload == {"transactionId": transaction_id, "reason": "HardReset"}


async def test_tc_016_cs_soft_reset_with_transaction(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        ids = {await s.charge(1), await s.charge(2)}
        assert await s.call("Reset", {"type": "Soft"}) == ACCEPTED
        await s.until("2:Preparing")
        await trio.sleep(1)
        said = s.forget()
        lines = [spoken.line for spoken in said]
        assert lines[:2] == list(RESET)
        # Every transaction is stopped and told before the charge point goes.
        boot = lines.index("BootNotification")
        assert sorted(lines[2:boot]) == ["1:Finishing", "2:Finishing", "StopTransaction", "StopTransaction"]
        assert lines[boot:] == ["BootNotification", "0:Available", "1:Preparing", "2:Preparing"]
        stops = [spoken.payload for spoken in said if spoken.action == "StopTransaction"]
        assert {stop["transactionId"] for stop in stops} == ids
        assert {stop["reason"] for stop in stops} == {"SoftReset"}


async def test_tc_016_cs_a_soft_reset_starts_nothing_any_more(autojump_clock: Any) -> None:
    async with stage(connectors=2, answers={"StopTransaction": in_turn(SILENCE, {})}) as s:
        await s.charge(1)
        await s.do(2, PlugIn())
        await s.expect("2:Preparing")
        assert await s.call("Reset", {"type": "Soft"}) == ACCEPTED
        # It waits for the answer to its StopTransaction, and meanwhile takes no orders.
        answer = await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 2})
        assert answer == REJECTED


async def test_tc_032_1_cs_a_transaction_stopped_by_hand_for_want_of_power_is_not_stopped_again(
    autojump_clock: Any,
) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        # A charge point with a battery of its own has time to say so.
        await s.do(1, StopTransaction(StopReason.POWER_LOSS))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (transaction_id, "PowerLoss")
        await s.power_cut()
        await trio.sleep(600)
        s.power_on()
        await s.expect("BootNotification", "0:Available", "1:Preparing")


async def test_tc_032_2_cs_every_transaction_that_was_cut_off_is_stopped(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        ids = [await s.charge(1), await s.charge(2)]
        await trio.sleep(1800)
        await s.power_cut()
        await trio.sleep(1800)
        s.power_on()
        await s.until("2:Preparing")
        await trio.sleep(5)
        said = s.forget()
        assert said[0].line == "BootNotification"
        assert sorted(spoken.line for spoken in said[1:]) == sorted(
            ["0:Available", "StopTransaction", "1:Preparing", "StopTransaction", "2:Preparing"]
        )
        stops = [spoken.payload for spoken in said if spoken.action == "StopTransaction"]
        assert sorted(stop["transactionId"] for stop in stops) == ids
        for stop in stops:
            assert stop["reason"] == "PowerLoss"
            assert stop["meterStop"] == pytest.approx(3600, abs=10)


async def test_tc_032_2_cs_what_was_not_delivered_before_the_power_failed_is_delivered_after_it(
    autojump_clock: Any,
) -> None:
    async with stage() as s:
        await s.go_offline()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        began_at = trio.current_time()
        await trio.sleep(600)
        await s.power_cut()
        s.go_online()
        s.power_on()
        # The backlog goes out in its own order, with pauses; the statuses as they are now go in its gaps.
        _, start, _, _, stop = await s.expect(
            "BootNotification", "StartTransaction", "0:Available", "1:Preparing", "StopTransaction"
        )
        assert start.payload["timestamp"] <= utc(began_at)
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (1001, "PowerLoss")


async def test_tc_032_2_cs_nothing_is_delivered_before_the_charge_point_is_accepted_again(autojump_clock: Any) -> None:
    answers = {"BootNotification": in_turn(boot_answer(), boot_answer("Pending", 60), boot_answer())}
    async with stage(answers=answers) as s:
        await s.charge()
        await s.power_cut()
        s.power_on()
        await s.expect("BootNotification", quiet_s=30)
        await s.expect("BootNotification", "StopTransaction", "0:Available", "1:Preparing")


async def test_tc_034_cs_power_failure_with_unavailable_status(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await change(s, 1, "Inoperative") == ACCEPTED
        await s.expect(*CHANGE, "1:Unavailable")
        await s.power_cut()
        await trio.sleep(600)
        s.power_on()
        # Section 5.2: the availability is persistent across reboots and power loss.
        await s.expect("BootNotification", "0:Available", "1:Unavailable", "2:Available")
        assert await change(s, 1, "Operative") == ACCEPTED
        await s.expect(*CHANGE, "1:Available")


async def test_tc_034_cs_an_unavailable_charge_point_stays_so_too(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await change(s, 0, "Inoperative") == ACCEPTED
        await s.expect(*CHANGE, "0:Unavailable", "1:Unavailable")
        await s.power_cut()
        s.power_on()
        await s.expect("BootNotification", "0:Unavailable", "1:Unavailable")
        assert await change(s, 0, "Operative") == ACCEPTED
        await s.expect(*CHANGE, "0:Available", "1:Available")


async def test_availability_during_a_transaction_is_scheduled_until_it_ends(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        assert await change(s, 1, "Inoperative") == SCHEDULED
        await s.expect("ChangeAvailability.req", "ChangeAvailability.conf Scheduled", quiet_s=300)
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Unavailable")


async def test_a_scheduled_change_of_availability_survives_a_power_failure(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        assert await change(s, 1, "Inoperative") == SCHEDULED
        await s.power_cut()
        s.forget()
        s.power_on()
        await s.expect("BootNotification", "StopTransaction", "0:Available", "1:Unavailable")


async def test_a_scheduled_change_of_availability_can_be_taken_back(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        assert await change(s, 1, "Inoperative") == SCHEDULED
        assert await change(s, 1, "Operative") == ACCEPTED
        s.forget()
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing")


async def test_an_availability_that_is_so_already_is_accepted_and_nothing_new_to_tell(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await change(s, 1, "Operative") == ACCEPTED
        await s.expect(*CHANGE)


async def test_a_connector_that_is_not_there_is_rejected(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await change(s, 2, "Inoperative") == REJECTED
        await s.expect("ChangeAvailability.req", "ChangeAvailability.conf Rejected")
