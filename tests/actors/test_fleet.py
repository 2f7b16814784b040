"""Asking and telling: every question has an answer, in bounded time, and too much of it is a refusal."""

from collections import Counter
from typing import Any

import pytest
import trio
from counterparts.books import Books
from counterparts.scripted import SILENCE
from counterparts.world import World, world

from fleet.actors.charge_point import MAILBOX_SIZE
from fleet.commands.vocabulary import (
    ClearFault,
    Command,
    Drain,
    InjectFault,
    PlugIn,
    Reset,
    SendHeartbeat,
    StartTransaction,
    StopTransaction,
    Unplug,
)
from fleet.core.memory import Cable, ChargePointMemory
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import Drained, Restarted
from fleet.words import ResetKind


async def charges(w: World, target: str = "CP1/1") -> None:
    """It does what it is there for, whatever was done to it."""
    stops = len(w.central.said("StopTransaction"))
    await w.do(target, StopTransaction())
    await w.do(target, PlugIn())
    assert await w.do(target, StartTransaction("AFTER")) is None
    await trio.sleep(60)
    assert await w.do(target, StopTransaction()) is None
    assert await w.do(target, Unplug()) is None
    await w.until(lambda: len(w.central.said("StopTransaction")) > stops)


# ---- too much --------------------------------------------------------------------------------------------------------


RESTLESS: tuple[Command, ...] = (InjectFault(), ClearFault(), PlugIn(), Unplug())
"""Orders that each yield several reports, so that a connector falls behind."""


async def crowd(w: World, heard: Counter[str | None]) -> None:
    """Many drivers with little patience at one connector."""

    async def impatient(first: int) -> None:
        for number in range(first, first + 40):
            heard[await w.do("CP1/1", RESTLESS[number % 4])] += 1

    async with trio.open_nursery() as nursery:
        for number in range(MAILBOX_SIZE):
            nursery.start_soon(impatient, number)


async def test_a_full_mailbox_is_a_refusal(autojump_clock: Any) -> None:
    async with world() as w:
        await w.booted()
        # One goes straight to the reader that waits at the box.
        told = [w.fleet.tell("CP1", 1, PlugIn()) for _ in range(MAILBOX_SIZE + 5)]
        assert told == [None] * (MAILBOX_SIZE + 1) + ["CP1 is too busy"] * 4
        await trio.sleep(1)
        await charges(w)
        assert not w.reported(Restarted)


@pytest.fixture
def small_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector is about as fast as its charge point: only a small box of its own is ever full."""
    monkeypatch.setattr("fleet.actors.charge_point.CONNECTOR_MAILBOX_SIZE", 2)


@pytest.mark.usefixtures("small_boxes")
async def test_a_full_mailbox_of_a_connector_is_a_refusal_and_no_crash(autojump_clock: Any) -> None:
    heard: Counter[str | None] = Counter()
    async with world() as w:
        await w.booted()
        await crowd(w, heard)
        assert heard["connector 1 is too busy"] > 0
        assert heard[None] > 0
        assert sum(heard.values()) == MAILBOX_SIZE * 40
        await w.do("CP1/1", ClearFault())
        await charges(w)
        assert not w.reported(Restarted)


@pytest.mark.usefixtures("small_boxes")
async def test_the_csms_is_told_that_an_unlock_failed_when_the_connector_is_too_busy(autojump_clock: Any) -> None:
    async with world() as w:
        await w.booted()
        outcomes: Counter[str] = Counter()

        async def unlock() -> None:
            outcomes[(await w.central.call("CP1", "UnlockConnector", {"connectorId": 1}))["status"]] += 1

        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(unlock)
            for number in range(3000):
                w.fleet.tell("CP1", 1, RESTLESS[number % 4])
                await trio.lowlevel.checkpoint()
        assert outcomes["UnlockFailed"] > 0
        assert outcomes.total() == 40
        assert not w.reported(Restarted)


# ---- answers that don't come -----------------------------------------------------------------------------------------


async def test_an_answer_that_takes_too_long_is_a_refusal(autojump_clock: Any) -> None:
    async with world() as w:
        await w.booted()
        assert await w.fleet.ask("CP1", 1, PlugIn(), timeout_s=0) == "CP1 gave no answer within 0 s"
        # It was done all the same, and its late answer disturbs nobody.
        await trio.sleep(1)
        assert "1:Preparing" in w.central.story()
        assert await w.do("CP1/1", PlugIn()) == "Cable is already plugged in on connector 1"


async def test_who_asks_during_a_restart_is_told_so(autojump_clock: Any) -> None:
    async with world(reboot_s=20.0) as w:
        await w.booted()
        assert await w.do("CP1", Reset(ResetKind.HARD)) is None
        asked = await w.do("CP1/1", PlugIn())
        assert asked in ("CP1 went down before it could answer", "CP1 is not running")
        await trio.sleep(10)
        assert await w.do("CP1/1", PlugIn()) == "CP1 is not running"
        assert w.fleet.tell("CP1", 1, PlugIn()) == "CP1 is not running"
        await trio.sleep(15)
        assert await w.do("CP1/1", PlugIn()) is None


async def test_who_asks_while_it_says_goodbye_is_answered_when_it_is_gone(autojump_clock: Any) -> None:
    async with world(reboot_s=20.0) as w:
        await w.booted()
        refusals: list[str | None] = []

        async def ask() -> None:
            refusals.append(await w.do("CP1/1", PlugIn()))

        async with trio.open_nursery() as nursery:
            assert w.fleet.tell("CP1", 0, Reset(ResetKind.HARD)) is None
            nursery.start_soon(ask)
        assert refusals == ["CP1 went down before it could answer"]
        assert trio.current_time() < 10


async def test_what_cannot_be_asked_is_refused_in_one_clear_line(autojump_clock: Any) -> None:
    async with world() as w:
        await w.booted()
        assert await w.do("CP9", SendHeartbeat()) == "there is no charge point CP9"
        assert w.fleet.tell("CP9", 1, PlugIn()) == "there is no charge point CP9"
        assert await w.do("CP1/3", PlugIn()) == "CP1 has no connector 3"
        assert await w.do("CP1", PlugIn()) == "PlugIn needs a connector, such as CP1/1"
        w.central.refusing = True
        await w.central.cut()
        await trio.sleep(1)
        assert await w.do("CP1", SendHeartbeat()) == "CP1 is not connected and accepted"
        assert not w.reported(Restarted)


async def test_a_connector_that_does_not_exist_or_an_order_for_the_charge_point_is_a_refusal_and_no_crash(
    autojump_clock: Any,
) -> None:
    async with world() as w:
        await w.booted()
        for command in (Reset(), SendHeartbeat(), Drain()):
            assert await w.do("CP1/1", command) is not None
        assert await w.do("CP1/-1", PlugIn()) == "CP1 has no connector -1"
        await charges(w)
        assert not w.reported(Restarted)


# ---- beginnings and ends ---------------------------------------------------------------------------------------------


async def test_a_drain_stops_and_delivers_everything_and_ends(autojump_clock: Any) -> None:
    async with world(3) as w:
        books = Books(w.central).open()
        await w.booted()
        for target in ("CP1/1", "CP1/2", "CP2/1"):
            await w.do(target, PlugIn())
            await w.do(target, StartTransaction(target))
        await trio.sleep(3600)
        assert not await w.fleet.ended(trio.current_time() + 1)
        for name in w.fleet.berths:
            assert w.fleet.tell(name, 0, Drain()) is None
        assert await w.fleet.ended(trio.current_time() + 60)
        assert w.fleet.running == 0
        assert [drained.undelivered for drained in w.reported(Drained)] == [0, 0, 0]
        assert len(books.stops) == 3
        assert books.running == []
        assert books.energy_wh() == 3 * 7202
        assert await w.do("CP1/1", PlugIn()) == "CP1 is not running"


async def test_a_drain_waits_for_a_csms_that_is_away(autojump_clock: Any) -> None:
    async with world() as w:
        books = Books(w.central).open()
        await w.booted()
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction())
        await trio.sleep(1)
        w.central.refusing = True
        await w.central.cut()
        w.fleet.tell("CP1", 0, Drain())
        assert not await w.fleet.ended(trio.current_time() + 600)
        w.central.refusing = False
        assert await w.fleet.ended(trio.current_time() + 100)
        assert len(books.stops) == 1


async def test_a_charge_point_switched_on_with_a_memory_ends_what_the_power_cut_interrupted(
    autojump_clock: Any,
) -> None:
    memory = ChargePointMemory.blank(2)
    async with world() as w:
        books = Books(w.central).open()
        w.fleet.add(ChargePointPlan("OLD"), memory)
        await w.booted()
        await w.do("OLD/1", PlugIn())
        await w.do("OLD/1", StartTransaction("TAG"))
        await trio.sleep(3600)
    assert memory.connectors[0].cable is Cable.PLUGGED
    assert memory.connectors[0].transaction is not None
    async with world() as w:
        books.central = w.central
        books.open()
        w.fleet.add(ChargePointPlan("OLD"), memory)
        await w.until(lambda: len(books.stops) == 1)
        assert [(stop["reason"], stop["meterStop"]) for stop in books.stops.values()] == [("PowerLoss", 7200)]
        assert books.faults == []


async def test_an_answer_that_never_comes_does_not_stop_the_fleet_from_ending(autojump_clock: Any) -> None:
    async with world() as w:
        await w.booted()
        w.central.answers["Heartbeat"] = lambda _: SILENCE
        assert await w.do("CP1", SendHeartbeat()) is None
        w.fleet.tell("CP1", 0, Drain())
        assert await w.fleet.ended(trio.current_time() + 100)
