"""Booting and being let in: OCPP 1.6 section 4.2 (TC_001, TC_002)."""

from typing import Any

import pytest
import trio
from counterparts.script import CP, DAY_S, boot_answer, in_turn, stage, utc
from counterparts.scripted import SILENCE

from fleet.commands.vocabulary import PlugIn, Swipe


async def test_tc_001_cs_cold_boot_charge_point(autojump_clock: Any) -> None:
    async with stage(connectors=2, booted=False, vendor="Maker", model="Model", serial_number="S1") as s:
        boot, *statuses = await s.expect("BootNotification", "0:Available", "1:Available", "2:Available")
        assert boot.payload == {
            "chargePointVendor": "Maker",
            "chargePointModel": "Model",
            "chargePointSerialNumber": "S1",
        }
        for connector, status in enumerate(statuses):
            assert status.payload.pop("timestamp") <= utc(status.at)
            assert status.payload == {"connectorId": connector, "errorCode": "NoError", "status": "Available"}


async def test_tc_001_cs_the_interval_of_the_answer_is_the_heartbeat_interval(autojump_clock: Any) -> None:
    answers = {"BootNotification": boot_answer(interval_s=300)}
    async with stage({"HeartbeatInterval": "7"}, answers, booted=False) as s:
        boot, *_ = await s.expect("BootNotification", "0:Available", "1:Available")
        beats = await s.expect("Heartbeat", "Heartbeat", within_s=700)
        assert [beat.at - boot.at for beat in beats] == pytest.approx([300, 600], abs=0.1)
        assert [beat.payload for beat in beats] == [{}, {}]
        answer = await s.call("GetConfiguration", {"key": ["HeartbeatInterval"]})
        assert answer["configurationKey"] == [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]


async def test_tc_001_cs_the_time_of_the_answer_is_the_charge_points_time(autojump_clock: Any) -> None:
    told = {"status": "Accepted", "currentTime": "2030-01-01T00:00:00.000Z", "interval": DAY_S}
    async with stage(answers={"BootNotification": lambda _: told}) as s:
        await trio.sleep(10)
        await s.do(1, PlugIn())
        (plugged,) = await s.expect("1:Preparing")
        assert "2030-01-01T00:00:10.000Z" <= plugged.payload["timestamp"] < "2030-01-01T00:00:12.000Z"
        assert s.broken_rules() == ["clock-skew"]


async def test_tc_002_cs_cold_boot_charge_point_pending(autojump_clock: Any) -> None:
    answers = {"BootNotification": in_turn(boot_answer("Pending", 50), boot_answer("Pending", 80), boot_answer())}
    async with stage(answers=answers, booted=False) as s:
        (first,) = await s.expect("BootNotification")
        # The CSMS may look around and change things while it makes up its mind.
        assert (await s.call("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "33"})) == {
            "status": "Accepted"
        }
        answer = await s.call("GetConfiguration", {"key": ["ConnectionTimeOut"]})
        assert answer["configurationKey"] == [{"key": "ConnectionTimeOut", "readonly": False, "value": "33"}]
        # Section 4.2: but it may not start or stop transactions.
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == {"status": "Rejected"}
        assert await s.call("RemoteStopTransaction", {"transactionId": 1}) == {"status": "Rejected"}
        s.forget()
        # Nothing is said of what happens meanwhile.
        await s.do(1, PlugIn())
        (second,) = await s.expect("BootNotification")
        assert second.at - first.at == pytest.approx(50, abs=0.1)
        third, *_ = await s.expect("BootNotification", "0:Available", "1:Preparing", within_s=100)
        assert third.at - second.at == pytest.approx(80, abs=0.1)
        assert first.payload == second.payload == third.payload


async def test_tc_002_cs_a_transaction_begun_while_pending_is_delivered_once_accepted(autojump_clock: Any) -> None:
    answers = {"BootNotification": in_turn(boot_answer("Pending", 50), boot_answer())}
    async with stage(answers=answers, booted=False) as s:
        await s.expect("BootNotification")
        await s.do(1, PlugIn())
        # Section 4.2.1 allows it, by the rules for being offline.
        await s.do(1, Swipe("TAG"))
        began_at = trio.current_time()
        # The transaction began before its status was told, and both before the CSMS would listen.
        _, start, *_ = await s.expect("BootNotification", "StartTransaction", "0:Available", "1:Charging")
        assert start.payload["timestamp"] <= utc(began_at)


async def test_tc_002_cs_cold_boot_rejected(autojump_clock: Any) -> None:
    answers = {"BootNotification": in_turn(boot_answer("Rejected", 120), boot_answer())}
    async with stage(answers=answers, booted=False) as s:
        (first,) = await s.expect("BootNotification")
        await s.do(1, PlugIn())
        # Section 4.2: while Rejected, a charge point doesn't answer the CSMS either.
        with trio.move_on_after(60):
            await s.call("GetConfiguration", {"key": ["ConnectionTimeOut"]}, timeout_s=100)
        _, second, *_ = await s.expect(
            "GetConfiguration.req", "BootNotification", "0:Available", "1:Preparing", within_s=130
        )
        assert second.at - first.at == pytest.approx(120, abs=0.1)
        assert (await s.call("ClearCache")) == {"status": "Accepted"}


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_tc_002_cs_without_an_interval_the_charge_point_chooses_one_that_is_no_flood(
    autojump_clock: Any, status: str
) -> None:
    answers = {"BootNotification": in_turn(boot_answer(status, 0), boot_answer())}
    async with stage(answers=answers, booted=False) as s:
        (first,) = await s.expect("BootNotification")
        second, *_ = await s.expect("BootNotification", "0:Available", "1:Available", within_s=100)
        assert 5 <= second.at - first.at <= 60


@pytest.mark.parametrize("useless", [SILENCE, ("InternalError", "busy"), {"status": "Maybe"}])
async def test_tc_002_cs_an_answer_that_is_none_is_no_acceptance(autojump_clock: Any, useless: Any) -> None:
    async with stage(answers={"BootNotification": in_turn(useless, boot_answer())}, booted=False) as s:
        (first,) = await s.expect("BootNotification")
        second, *_ = await s.expect("BootNotification", "0:Available", "1:Available", within_s=100)
        assert 5 <= second.at - first.at <= 60
        s.reports.clear()  # a malformed answer was counted as such


async def test_tc_002_cs_a_new_connection_does_not_shorten_the_wait(autojump_clock: Any) -> None:
    answers = {"BootNotification": in_turn(boot_answer("Pending", 100), boot_answer())}
    async with stage(answers=answers, booted=False) as s:
        (first,) = await s.expect("BootNotification")
        await s.central.cut()
        second, *_ = await s.expect("BootNotification", "0:Available", "1:Available", within_s=200)
        assert s.central.connects == 2
        assert second.at - first.at == pytest.approx(100, abs=0.1)


async def test_an_accepted_charge_point_that_reconnects_does_not_boot_again(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.central.cut()
        await s.expect(within_s=0, quiet_s=300)
        assert s.central.connects == 2
        assert CP in s.central.connections
