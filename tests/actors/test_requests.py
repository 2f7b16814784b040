"""Asking whole charge points for what takes a CSMS or a link to answer, on virtual time; and a fleet that changes."""

from typing import Any

import orjson
import pytest
import trio
from counterparts.books import Books
from counterparts.scripted import SILENCE
from counterparts.world import QUIET, World, world

from fleet.actors.fleet import Reply
from fleet.commands.vocabulary import (
    Authorize,
    Command,
    Connect,
    Crash,
    Disconnect,
    Drain,
    ForceStatus,
    GetConfiguration,
    PlugIn,
    Reset,
    SendBoot,
    SendHeartbeat,
    SendRaw,
    SetEV,
    StartTransaction,
    StopTransaction,
)
from fleet.core.instructions import REMOVAL_TIMEOUT_S
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import Drained, FrameSeen, FrameSent, GivenUp, LinkDown, LinkUp, Registered, Restarted
from fleet.words import AuthorizationStatus, ConnectorStatus, ResetKind


async def request(w: World, target: str, command: Command) -> Reply:
    charge_point, _, connector = target.partition("/")
    return await w.fleet.request(charge_point, int(connector or 0), command)


# ---- answers ---------------------------------------------------------------------------------------------------------


async def test_a_request_is_answered_with_what_the_csms_said(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        w.central.answers["Authorize"] = lambda _: {"idTagInfo": {"status": "Expired"}}
        w.central.answers["Vend"] = lambda payload: {"got": payload}
        w.central.answers["Scold"] = lambda _: ("NotImplemented", "never heard of it")
        assert await request(w, "CP1/1", Authorize("TAG")) == Reply(None, AuthorizationStatus.EXPIRED)
        assert (await request(w, "CP1", SendHeartbeat())).value["currentTime"].startswith("2026-11-22T12:")
        assert (await request(w, "CP1", SendBoot())).value["status"] == "Accepted"
        assert await request(w, "CP1/2", ForceStatus(ConnectorStatus.RESERVED)) == Reply(None)
        assert w.central.story()[-1] == "2:Reserved"
        keys = await request(w, "CP1", GetConfiguration(("NumberOfConnectors",)))
        assert keys == Reply(None, {"NumberOfConnectors": "2"})
        raw = await request(w, "CP1", SendRaw("Vend", {"n": 1}, unchecked=True))
        assert (raw.ok, raw.value) == (True, {"got": {"n": 1}})
        raw = await request(w, "CP1", SendRaw("Scold", {}, unchecked=True))
        assert (raw.ok, raw.refusal) == (False, "Scold: NotImplemented: never heard of it")
        assert raw.value["errorCode"] == "NotImplemented"
        assert (await request(w, "CP1", SendRaw("Authorize", {}))).refusal == "Authorize: idTag: missing"
        assert await request(w, "CP9", SendHeartbeat()) == Reply("there is no charge point CP9")
        assert await request(w, "CP1/1", SetEV(soc=0.1)) == Reply("No car is plugged in on connector 1")
        assert w.central.overlaps == []
        await w.still_charges()


async def test_a_request_whose_answer_never_comes_ends_by_itself(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        w.central.answers["Heartbeat"] = lambda _: SILENCE
        before = trio.current_time()
        # It is the CSMS that is silent, for as long as a CALL waits.
        assert (await request(w, "CP1", SendHeartbeat())).refusal == "Heartbeat: the CSMS gave no answer in 30 s"
        assert trio.current_time() - before == 30
        replies: list[Reply] = []

        async def ask() -> None:
            replies.append(await request(w, "CP1", SendHeartbeat()))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
        in_turn = "Heartbeat: the CSMS gave no answer in 30 s"
        left = "the CSMS gave CP1 no answer within 70 s"
        assert [reply.refusal for reply in replies] == [in_turn, in_turn, left]
        # The third is still in flight.
        await trio.sleep(30)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(w.do, "CP1", Reset(ResetKind.HARD))
            assert (await request(w, "CP1", SendHeartbeat())).refusal in (
                "CP1 went down before it could answer",
                "CP1 is going down",
                "CP1 is not running",
            )
        # Who only asks hears that it was said.
        w.central.forget()
        await w.booted()
        assert await w.do("CP1", SendHeartbeat()) is None


async def test_a_hundred_raw_messages_at_once_go_out_one_after_the_other(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        w.central.answers["Count"] = lambda payload: payload
        w.central.latency_s = lambda _: 0.05
        replies: dict[int, Any] = {}

        async def one(number: int) -> None:
            reply = await request(w, "CP1", SendRaw("Count", {"n": number}, unchecked=True))
            replies[number] = reply.value

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(one, number)
                await trio.lowlevel.checkpoint()
        assert replies == {number: {"n": number} for number in range(100)}
        assert w.central.overlaps == []


# ---- the network cable -----------------------------------------------------------------------------------------------


async def test_a_disconnected_charge_point_goes_on_offline_and_delivers_when_it_is_connected_again(
    autojump_clock: Any,
) -> None:
    async with world(configuration=QUIET) as w:
        books = Books(w.central).open()
        await w.booted()
        assert await request(w, "CP1", Connect()) == Reply("CP1 is already connected")
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction("TAG"))
        assert await request(w, "CP1", Disconnect()) == Reply(None)
        assert [down.reason for down in w.reported(LinkDown)] == ["closed-1000"]
        assert await request(w, "CP1", Disconnect()) == Reply("CP1 is already disconnected")
        connects, heard = w.central.connects, len(w.central.heard)
        await trio.sleep(3600)
        assert await w.do("CP1/1", StopTransaction()) is None
        await w.do("CP1/2", PlugIn())
        await w.do("CP1/2", StartTransaction("OTHER"))
        await trio.sleep(100_000)
        assert (w.central.connects, len(w.central.heard)) == (connects, heard)
        assert (await request(w, "CP1", SendHeartbeat())).refusal == "CP1 is not connected and accepted"
        assert await request(w, "CP1", Connect()) == Reply(None)
        await w.until(lambda: len(books.starts) == 2 and len(books.stops) == 1)
        assert [stop["meterStop"] for stop in books.stops.values()] == [7200]
        await trio.sleep(10)
        assert w.central.story()[-3:].count("2:SuspendedEV") == 1
        assert not w.reported(Restarted)


async def test_who_asks_for_a_connection_hears_why_there_is_none_and_it_comes_about_later(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        await request(w, "CP1", Disconnect())
        w.central.refusing = True
        reply = await request(w, "CP1", Connect())
        assert reply.refusal is not None
        assert reply.refusal.startswith("CP1 cannot connect: refused (")
        w.central.refusing = False
        await w.until(lambda: len(w.reported(LinkUp)) == 2)
        await w.still_charges()


async def test_who_asks_for_a_connection_while_packets_are_swallowed_hears_that_it_is_the_csms_that_is_silent(
    autojump_clock: Any,
) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        await request(w, "CP1", Disconnect())
        w.central.swallowing = True
        reply = await w.fleet.request("CP1", 0, Connect(), timeout_s=3)
        assert reply.refusal == "CP1 goes on trying: the CSMS has not let it in within 3 s"


@pytest.mark.parametrize("command", [Reset(ResetKind.HARD), Reset(), Crash()])
async def test_neither_a_reboot_nor_a_crash_brings_a_disconnected_charge_point_back(
    autojump_clock: Any, command: Command
) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        await request(w, "CP1", Disconnect())
        w.fleet.tell("CP1", 1 if isinstance(command, Crash) else 0, command)
        await w.until(lambda: w.reported(Restarted))
        await trio.sleep(10_000)
        assert w.central.connects == 1
        assert await request(w, "CP1", Connect()) == Reply(None)
        w.reports.clear()
        await trio.sleep(5)
        await w.still_charges()


async def test_drained_while_disconnected_it_comes_back_to_deliver(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        books = Books(w.central).open()
        await w.booted()
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction("TAG"))
        await trio.sleep(1)
        await request(w, "CP1", Disconnect())
        w.fleet.tell("CP1", 0, Drain())
        assert await w.fleet.ended(trio.current_time() + 60)
        assert len(books.stops) == 1


# ---- frames ----------------------------------------------------------------------------------------------------------


async def test_frames_are_reported_both_ways_while_they_are_wanted_and_not_otherwise(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        assert w.reported(FrameSent) == []
        w.observer.frames_wanted = True
        await request(w, "CP1", SendHeartbeat())
        await w.central.call("CP1", "ClearCache", {})
        w.observer.frames_wanted = False
        await request(w, "CP1", SendHeartbeat())
        sent = [(orjson.loads(report.text)[0], report.at) for report in w.reported(FrameSent)]
        seen = [(orjson.loads(report.text)[0], report.at) for report in w.reported(FrameSeen)]
        assert [kind for kind, _ in sent] == [2, 3]
        assert [kind for kind, _ in seen] == [3, 2]
        assert sent[0][1] <= seen[0][1] <= seen[1][1] <= sent[1][1]


# ---- a fleet that changes --------------------------------------------------------------------------------------------


async def test_a_charge_point_that_is_removed_stops_delivers_and_is_forgotten(autojump_clock: Any) -> None:
    async with world(2, configuration=QUIET) as w:
        books = Books(w.central).open()
        await w.booted()
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction("TAG"))
        await trio.sleep(3600)
        assert await w.fleet.remove("CP1") is None
        assert len(books.stops) == 1
        assert [drained.undelivered for drained in w.reported(Drained)] == [0]
        assert list(w.fleet.berths) == ["CP2"]
        assert w.fleet.running == 1
        assert await w.do("CP1/1", PlugIn()) == "there is no charge point CP1"
        assert await w.fleet.remove("CP1") == "there is no charge point CP1"
        await w.still_charges("CP2/1")


async def test_a_charge_point_that_comes_back_remembers_all_but_the_cars(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        books = Books(w.central).open()
        await w.booted()
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction("TAG"))
        await trio.sleep(3600)
        # The CSMS is away for so long that the removal doesn't wait for it.
        w.central.refusing = True
        await w.central.cut()
        before = trio.current_time()
        assert await w.fleet.remove("CP1") is None
        assert trio.current_time() - before < REMOVAL_TIMEOUT_S + 1
        w.central.refusing = False
        plan = ChargePointPlan("CP1", (ConnectorPlan(),) * 3, configuration=QUIET)
        w.fleet.add(plan)
        with pytest.raises(ValueError, match="there is a charge point CP1 already"):
            w.fleet.add(plan)
        await w.until(lambda: len(books.stops) == 1)
        await w.still_charges("CP1/1")
        await w.still_charges("CP1/3")
        assert [start.meter_start for start in books.starts] == [0, 7200, 0]
        assert books.faults == []


async def test_whoever_is_between_two_lives_or_has_ended_can_be_removed_too(autojump_clock: Any) -> None:
    async with world(3, configuration=QUIET, reboot_s=500.0) as w:
        await w.booted()
        await w.do("CP1", Reset(ResetKind.HARD))
        await w.until(lambda: w.reported(Restarted, "CP1"))
        for _ in range(4):
            w.fleet.tell("CP2", 1, Crash())
            await trio.sleep(5)
        assert w.reported(GivenUp, "CP2")
        w.fleet.tell("CP3", 0, Drain())
        await trio.sleep(1)
        with trio.fail_after(10):
            assert [await w.fleet.remove(name) for name in ("CP3", "CP2", "CP1")] == [None, None, None]
        assert w.fleet.running == 0
        assert len(w.reported(Drained, "CP1")) == len(w.reported(Drained, "CP3")) == 1
        w.fleet.add(ChargePointPlan("CP1", configuration=QUIET))
        w.reports.clear()
        await w.until(lambda: w.reported(Registered, "CP1"))


async def test_whoever_is_removed_while_switched_off_is_switched_on_to_deliver(autojump_clock: Any) -> None:
    async with world(configuration=QUIET, reboot_s=500.0) as w:
        books = Books(w.central).open()
        await w.booted()
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction("TAG"))
        await trio.sleep(60)
        await w.do("CP1", Reset(ResetKind.HARD))
        await w.until(lambda: w.reported(Restarted))
        with trio.fail_after(10):
            assert await w.fleet.remove("CP1") is None
        assert [stop["reason"] for stop in books.stops.values()] == ["HardReset"]
        assert [drained.undelivered for drained in w.reported(Drained)] == [0]


async def test_a_removal_that_nobody_waits_for_any_more_still_comes_about(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        with trio.move_on_after(0):
            await w.fleet.remove("CP1")
        await trio.sleep(10)
        assert w.reported(Drained)
        assert await w.fleet.remove("CP1") is None
        assert not w.fleet.berths
