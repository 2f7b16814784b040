"""Fleets that are killed at random instants of busy lives and go on from their state, against a CSMS that stays.

Virtual time, whole charge points with their tasks and their WebSockets. A kill falls between any two steps of any
task, also while a batch is on its way to the disk: then all that follows is never written. Most fall within instants
of a transaction message that the CSMS heard, since that is when it knows most of what is not settled yet.

How often may something be said again? A message that was said before a kill and is said again after it was the one
whose answer was awaited, or had come in and wasn't written yet. Nothing overtakes it, and before the next one is said
it is written that it is settled: so that is one message for each charge point and kill. What is said again beside that
is what a charge point says again without any kill, because its connection or its life ended before the answer came.

    FLEET_KILL_SEEDS=1-200 pytest tests/simulation/test_kills.py        many others
"""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import trio
from attrs import define, field
from counterparts.books import Books
from counterparts.kept import Disk, Kept, kept
from counterparts.lives import Dice, latency, live, recover
from counterparts.scripted import Heard

from fleet.actors.supervisor import RestartPolicy
from fleet.core.delivery_reports import MessageLost
from fleet.core.reports import LinkDown, Restarted, TransactionStarted
from fleet.randomness import unit

CONFIGURATION = {
    "WebSocketPingInterval": "0",
    "MeterValueSampleInterval": "60",
    "StopTxnSampledData": "Energy.Active.Import.Register",
    "TransactionMessageAttempts": "1000",
    "TransactionMessageRetryInterval": "5",
    "AllowOfflineTxForUnknownId": "true",
}
CHARGE_POINTS = 3
KILLS = 12
UNDONE_S = 0.2
"""What happened so shortly before a kill may never have been."""
OF_TRANSACTIONS = ("StartTransaction", "MeterValues", "StopTransaction")
first, _, last = os.environ.get("FLEET_KILL_SEEDS", "1-12").partition("-")
SEEDS = range(int(first), int(last or first) + 1)

Message = tuple[str, str, bytes]


@pytest.mark.parametrize("seed", SEEDS)
async def test_whoever_is_killed_again_and_again_loses_nothing_and_doubles_nothing(
    autojump_clock: Any, tmp_path: Path, seed: int
) -> None:
    random, dice = Random(seed), Dice(seed, crash=0.02, reset=0.05, cut=0.1, remote=0.1)
    books: Books | None = None
    began: Counter[tuple[object, ...]] = Counter()
    said: Counter[Message] = Counter()
    for number in range(KILLS + 1):
        last = number == KILLS
        async with kept(
            tmp_path / "state",
            charge_points=CHARGE_POINTS,
            disk=Disk().wears_out(random),
            kill=not last,
            configuration=CONFIGURATION,
            policy=RestartPolicy(crashes_max=1000),
            jitter=lambda name, failures: unit(seed, f"{name}/{failures}"),
        ) as here:
            w = here.world
            books = Books(w.central).open() if books is None else books.taken_over(w.central)
            fuse = Fuse(random, latency(seed, longest_s=random.choice((0.0, 0.05, 2.0))))
            w.central.latency_s = fuse
            with fuse.scope:
                await live(w, books, dice, happenings=300, duration_s=1500, burst=6)
            if last:
                await recover(w)
            killed_at = trio.current_time()
            assert w.central.overlaps == []
            assert w.reported(MessageLost) == [], number
            began += _began(here, before=killed_at if last else killed_at - UNDONE_S)
            now_said = _said(w.central.heard)
            again = Counter(name for name, _, _ in now_said.keys() & said.keys())
            assert max(again.values(), default=0) <= 1, "more than one message of a charge point over one kill"
            _check_repeats(here, now_said)
            said += now_said
            if last:
                _check(here, books)
        assert here.failures == []
    assert books is not None
    told = Counter((start.charge_point, start.connector, start.id_tag, start.meter_start) for start in books.starts)
    assert told
    assert max(told.values()) == 1
    assert began - told == Counter(), "began, and the CSMS never learned of it"


@define(eq=False)
class Fuse:
    """Kills some instants after the CSMS has heard a transaction message, the first after a random while.

    Takes the place of the CSMS's latency, as that is asked when something was heard.
    """

    random: Random
    latency_s: Callable[[Heard], float]
    lit_at: float = field(init=False)
    scope: trio.CancelScope = field(factory=trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        self.lit_at = trio.current_time() + 10.0 ** self.random.uniform(-2, 3.1)

    def __call__(self, heard: Heard) -> float:
        now = trio.current_time()
        if now >= self.lit_at and heard.action in OF_TRANSACTIONS:
            self.scope.deadline = min(self.scope.deadline, now + self.random.choice((0.0, 0.001, 0.01, 0.03, 0.1)))
        return self.latency_s(heard)


def _said(heard: list[Heard]) -> Counter[Message]:
    """The transaction messages that the CSMS heard, by what they say."""
    return Counter(
        (each.charge_point, each.action, orjson.dumps(each.payload)) for each in heard if each.action in OF_TRANSACTIONS
    )


def _check_repeats(here: Kept, said: Counter[Message]) -> None:
    """Within one run nothing is said again but for a lost connection, a lost life or an answer that took too long."""
    for name in here.world.fleet.berths:
        again = sum(count - 1 for (speaker, _, _), count in said.items() if speaker == name)
        reasons = len(here.world.reported(LinkDown, name)) + len(here.world.reported(Restarted, name))
        assert again <= reasons, name


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
