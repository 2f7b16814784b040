"""Fleets that are killed at random instants of busy lives and go on from their state, against a CSMS that stays.

Virtual time, whole charge points with their tasks and their WebSockets. A kill falls between any two steps of any
task, also while a batch is on its way to the disk: then all that follows is never written.
"""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from counterparts.books import Books
from counterparts.kept import Disk, Kept, kept
from counterparts.lives import Dice, latency, live, recover

from fleet.actors.supervisor import RestartPolicy
from fleet.core.reports import MessageLost, TransactionStarted
from fleet.randomness import unit

CONFIGURATION = {
    "WebSocketPingInterval": "0",
    "MeterValueSampleInterval": "60",
    "TransactionMessageAttempts": "1000",
    "TransactionMessageRetryInterval": "5",
    "AllowOfflineTxForUnknownId": "true",
}
KILLS = 12
UNDONE_S = 0.2
"""What happened so shortly before a kill may never have been."""


@pytest.mark.parametrize("seed", range(1, 13))
async def test_whoever_is_killed_again_and_again_loses_nothing_and_doubles_nothing(
    autojump_clock: Any, tmp_path: Path, seed: int
) -> None:
    random, dice = Random(seed), Dice(seed, crash=0.02, reset=0.05, cut=0.1, remote=0.1)
    books: Books | None = None
    began: Counter[tuple[object, ...]] = Counter()
    for number in range(KILLS + 1):
        last = number == KILLS
        async with kept(
            tmp_path / "state",
            charge_points=3,
            disk=Disk().wears_out(random),
            kill=not last,
            configuration=CONFIGURATION,
            policy=RestartPolicy(crashes_max=1000),
            jitter=lambda name, failures: unit(seed, f"{name}/{failures}"),
        ) as here:
            w = here.world
            books = Books(w.central).open() if books is None else books.taken_over(w.central)
            w.central.latency_s = latency(seed, longest_s=random.choice((0.0, 0.05, 2.0)))
            with trio.move_on_after(10.0 ** random.uniform(-2, 3.1)):
                await live(w, books, dice, happenings=300, duration_s=1500, burst=6)
            if last:
                await recover(w)
            killed_at = trio.current_time()
            assert w.central.overlaps == []
            assert w.reported(MessageLost) == [], number
            began += _began(here, before=killed_at if last else killed_at - UNDONE_S)
            if last:
                _check(here, books)
        assert here.failures == []
    assert books is not None
    told = Counter((start.charge_point, start.connector, start.id_tag, start.meter_start) for start in books.starts)
    assert told.total() > 5
    assert max(told.values()) == 1
    assert began - told == Counter(), "began, and the CSMS never learned of it"


def _began(here: Kept, before: float) -> Counter[tuple[object, ...]]:
    return Counter(
        (name, report.connector, report.id_tag, report.meter_start_wh)
        for name, report in here.world.reports
        if isinstance(report, TransactionStarted) and report.at < before
    )


def _check(here: Kept, books: Books) -> None:
    """Every Wh that the meters ever counted is billed, once."""
    assert books.faults == []
    assert books.running == []
    for name, berth in here.world.fleet.berths.items():
        now = trio.current_time()
        assert books.energy_wh(name) == sum(each.meter.reading_wh(now) for each in berth.memory.connectors)
        assert not berth.memory.owes
    balance = here.books.compare()
    assert balance.balanced, balance.findings
