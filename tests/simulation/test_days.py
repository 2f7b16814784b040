"""Days in the life of a fleet: drivers come and go, the CSMS meddles, connections break, and the books are right.

Virtual time, whole charge points with their tasks and their WebSockets. Whatever fails here has a seed that shows it
again.
"""

from typing import Any

import pytest
import trio
from counterparts.books import Books
from counterparts.lives import Accounts, Dice, latency, live, recover, story
from counterparts.world import World, world
from trio.testing import MockClock

from fleet.actors.supervisor import RestartPolicy
from fleet.core.reports import LinkDown
from fleet.randomness import unit

DAY_S = 86_400.0
ECONOMICAL = {
    "WebSocketPingInterval": "0",
    "MeterValueSampleInterval": "7200",
    "TransactionMessageAttempts": "1000",
    "TransactionMessageRetryInterval": "5",
    "AllowOfflineTxForUnknownId": "true",
}
FORGIVING = RestartPolicy(crashes_max=1000)


async def lived(
    seed: int,
    dice: Dice,
    happenings: int,
    duration_s: float,
    charge_points: int,
    connectors: int = 2,
    burst: int = 1,
) -> World:
    """A world that has lived, recovered and drained, with its accounts checked."""
    async with world(
        charge_points,
        connectors,
        configuration=ECONOMICAL,
        policy=FORGIVING,
        seed=seed,
        jitter=lambda name, failures: unit(seed, f"{name}/{failures}"),
    ) as w:
        w.central.heartbeat_interval_s = 7200
        books = Books(w.central).open()
        await w.booted()
        w.central.latency_s = latency(seed)
        await live(w, books, dice, happenings, duration_s, burst)
        await recover(w)
        accounts = Accounts(w, books)
        accounts.check()
        transactions, restarts = accounts.busy()
        assert transactions > happenings / 25
        assert bool(restarts) == bool(dice.crash + dice.reset + dice.remote)
    return w


async def test_twenty_charge_points_live_three_days_and_every_watt_hour_is_in_the_books(autojump_clock: Any) -> None:
    dice = Dice(1, cut=0.05, remote=0.1, reset=0.02)
    w = await lived(1, dice, happenings=1200, duration_s=3 * DAY_S, charge_points=20)
    assert len(w.reported(LinkDown)) > 60


@pytest.mark.parametrize("seed", range(100, 112))
async def test_crashes_resets_and_cuts_in_the_middle_of_everything_lose_and_double_nothing(
    autojump_clock: Any, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small boxes are often full, and then facts wait in connectors when these go down.
    monkeypatch.setattr("fleet.actors.fleet.MAILBOX_SIZE", 24 if seed % 2 else 9)
    dice = Dice(seed, crash=0.08, reset=0.08, cut=0.15, remote=0.1)
    await lived(seed, dice, happenings=150, duration_s=DAY_S / 4, charge_points=2, burst=12)


def test_the_same_seed_tells_the_same_story() -> None:
    """Trio shuffles its tasks differently each time; what is said, and when, doesn't change.

    One connector each: two that are told to stop in the same instant may report in either order.
    """

    async def live_once() -> list[Any]:
        dice = Dice(3, crash=0.05, reset=0.05, cut=0.1, remote=0.1)
        w = await lived(3, dice, happenings=300, duration_s=DAY_S / 4, charge_points=4, connectors=1)
        return [story(w, name) for name in w.fleet.berths]

    first, second = (trio.run(live_once, clock=MockClock(autojump_threshold=0)) for _ in range(2))
    assert len(first[0]) > 50
    assert first == second
