"""What people, cars and mains do to whole charge points: the books balance whatever broke."""

import random
from typing import Any

import pytest
import trio
from counterparts.world import QUIET, World, world

from fleet.actors.supervisor import RestartPolicy
from fleet.commands.hazards import (
    BendClock,
    BreakMeter,
    BreakRelay,
    EmergencyStop,
    FailLock,
    PowerCut,
    PowerReturn,
    ReleaseEmergencyStop,
)
from fleet.commands.vocabulary import (
    EV,
    ClearFault,
    Command,
    InjectFault,
    PlugIn,
    StartTransaction,
    StopTransaction,
    Swipe,
    Unplug,
)
from fleet.core.reports import Drained, LinkDown, PoweredUp, ProtocolViolated, Restarted
from fleet.observe.board import Board
from fleet.observe.books import Books
from fleet.words import CableEnd, ErrorCode, MeterFault, RelayFault

HOUR_S = 3600.0
TRUCK = EV(battery_wh=1e6)
SAMPLING = {**QUIET, "MeterValueSampleInterval": "300", "ClockAlignedDataInterval": "900"}


def observed(w: World) -> tuple[Books, Board]:
    books, board = Books(), Board(berth.plan for berth in w.fleet.berths.values())
    w.observer.add(books)
    w.observer.add(board)
    return books, board


async def do(w: World, target: str, *commands: Command) -> None:
    for command in commands:
        assert await w.do(target, command) is None, command


async def drained(w: World) -> None:
    for berth in w.fleet.berths.values():
        berth.drain()
    assert await w.fleet.ended(trio.current_time() + HOUR_S)
    assert all(report.undelivered == 0 for report in w.reported(Drained))


@pytest.mark.parametrize("fault", [MeterFault.STICK, MeterFault.JUMP, MeterFault.FALL])
@pytest.mark.parametrize("when", ["before", "during", "between"])
async def test_a_broken_meter_is_no_difference_in_the_books(autojump_clock: Any, fault: MeterFault, when: str) -> None:
    async with world(configuration=SAMPLING) as w:
        books, board = observed(w)
        await w.booted()
        broken = BreakMeter(fault, 3_000)
        await do(w, "CP1/1", PlugIn(TRUCK))
        if when == "before":
            await do(w, "CP1/1", broken)
        for number in range(2):
            await do(w, "CP1/1", StartTransaction("TAG"))
            await trio.sleep(1000)
            if when == "during" and number:
                await do(w, "CP1/1", broken)
            await trio.sleep(1000)
            await do(w, "CP1/1", StopTransaction())
            if when == "between":
                await do(w, "CP1/1", broken)
        await trio.sleep(1000)
        await drained(w)
        balance = books.compare()
        assert balance.balanced, balance.findings
        assert balance.stopped == 2
        said = [
            stop["meterStop"] - start["meterStart"]
            for start, stop in zip(w.central.said("StartTransaction"), w.central.said("StopTransaction"), strict=True)
        ]
        assert balance.metered_wh == sum(said) == board.delivered_wh


async def test_what_flows_on_through_welded_contacts_is_in_nobodys_books(autojump_clock: Any) -> None:
    async with world(configuration=SAMPLING) as w:
        books, board = observed(w)
        await w.booted()
        await do(w, "CP1/1", BreakRelay(RelayFault.CLOSED), PlugIn(TRUCK), StartTransaction("TAG"))
        await trio.sleep(HOUR_S)
        await do(w, "CP1/1", StopTransaction())
        assert board.power_w == 7_200
        await trio.sleep(HOUR_S)
        # What the meter shows outside a transaction, the CSMS sees all the same.
        shown = [int(said["meterValue"][0]["sampledValue"][0]["value"]) for said in w.central.said("MeterValues")]
        assert max(shown) > 14_000
        await drained(w)
        balance = books.compare()
        assert balance.balanced, balance.findings
        assert balance.metered_wh == 7_200


async def test_a_whole_fleet_goes_dark_without_a_word_and_comes_back(autojump_clock: Any) -> None:
    async with world(charge_points=20, configuration=SAMPLING) as w:
        books, _ = observed(w)
        await w.booted()
        for name in w.fleet.berths:
            await do(w, f"{name}/1", PlugIn(TRUCK), StartTransaction("TAG"))
        await trio.sleep(1000)
        w.central.forget()
        for name in w.fleet.berths:
            await do(w, name, PowerCut())
        await trio.sleep(HOUR_S)
        assert w.central.said() == []
        for name in w.fleet.berths:
            await do(w, name, PowerReturn())
        await w.until(lambda: len(w.central.said("StopTransaction")) == 20)
        assert {stop["reason"] for stop in w.central.said("StopTransaction")} == {"PowerLoss"}
        # A socket that dies says nothing to either side.
        assert not w.reported(LinkDown)
        await drained(w)
        balance = books.compare()
        assert balance.balanced, balance.findings
        assert balance.metered_wh == 20 * 2_000


async def test_a_battery_that_is_too_short_loses_nothing(autojump_clock: Any) -> None:
    async with world(configuration=SAMPLING) as w:
        books, _ = observed(w)
        await w.booted()
        await do(w, "CP1/1", PlugIn(TRUCK), StartTransaction("TAG"))
        await trio.sleep(1000)
        w.central.refusing = True
        await w.central.cut("CP1")
        await trio.sleep(1)
        await do(w, "CP1", PowerCut(for_s=600, stop_first=True))
        await trio.sleep(300)
        w.central.refusing = False
        await w.until(lambda: len(w.reported(PoweredUp)) == 2)
        await drained(w)
        assert books.compare().balanced


class Misfortune:
    """A seeded hand that does whatever a person, a car or the mains can do."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def blow(self) -> tuple[int, Command]:
        """What breaks or is done next, and to which connector; 0 is the charge point."""
        pick = self._random.choice
        connector = pick([1, 2])
        return pick(
            [
                (connector, Swipe(pick(["A", "B"]))),
                (connector, StopTransaction()),
                (connector, Unplug(pick(list(CableEnd)))),
                (connector, FailLock()),
                (connector, BreakMeter(pick(list(MeterFault)), self._random.uniform(1, 9_000))),
                (connector, BreakRelay(pick(list(RelayFault)))),
                (connector, InjectFault(ErrorCode.GROUND_FAILURE, for_s=pick([None, 30, 300]))),
                (0, PowerCut(pick([5, 60, 600]), pick([True, False]))),
                (0, EmergencyStop()),
                (0, BendClock(pick([0.05, -0.05, None]), pick([HOUR_S, -HOUR_S, None]))),
            ]
        )

    def arrival(self) -> list[tuple[int, Command]]:
        """Somebody mends what is broken, and charges."""
        connector = self._random.choice([1, 2])
        mended = [(0, PowerReturn()), (0, ReleaseEmergencyStop()), (connector, ClearFault())]
        return [*mended, (connector, PlugIn(TRUCK)), (connector, StartTransaction(self._random.choice(["A", "B"])))]

    def happens(self) -> list[tuple[int, Command]]:
        """Either of them."""
        return self.arrival() if self._random.random() < 0.4 else [self.blow()]

    def pause_s(self) -> float:
        return self._random.choice([0.0, self._random.uniform(0, 10), self._random.uniform(0, 1000)])


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_breaks_the_books_balance_in_the_end(autojump_clock: Any, seed: int) -> None:
    async with world(configuration=SAMPLING, seed=seed, policy=RestartPolicy(crashes_max=0)) as w:
        books, _ = observed(w)
        await w.booted()
        hand = Misfortune(seed)
        for _ in range(120):
            for connector, command in hand.happens():
                w.fleet.tell("CP1", connector, command)
                await trio.sleep(0.01)
            await trio.sleep(hand.pause_s())
        await drained(w)
        assert not [report for report in w.reported(Restarted) if report.crashed]
        assert not w.reported(ProtocolViolated)
        assert not w.central.overlaps
        balance = books.compare()
        assert balance.balanced, balance.findings
        assert balance.started == balance.delivered > 5
