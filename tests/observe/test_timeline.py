import math
from itertools import pairwise

import pytest
import trio
from attrs import define, field, frozen
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from fleet.core.delivery_reports import OutboxChanged
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import CallServed, CallSettled, LinkUp
from fleet.observe.board import Board
from fleet.observe.durations import Durations
from fleet.observe.timeline import POINTS_MAX, Distribution, Timeliner

STATE_WORDS = {
    "starting",
    "connected",
    "registered",
    "pending",
    "rejected",
    "offline",
    "restarting",
    "without power",
    "given up",
    "drained",
}


@frozen
class Taken:
    due: Durations = field(factory=Durations)
    sent: Durations = field(factory=Durations)
    lag: Durations = field(factory=Durations)
    utilisation: float = 0.0


@define
class Bench:
    """A board, and what the measurers hand over at the next sample."""

    board: Board = field(factory=lambda: Board([ChargePointPlan("CP1"), ChargePointPlan("CP2")]))
    next: Taken = field(factory=Taken)

    def take_interval(self) -> Taken:
        return self.next

    def timeliner(self, began_at: float = 0.0) -> Timeliner:
        return Timeliner(self.board, self, self, began_at)

    def settle(self, outcome: str = "Result", count: int = 1) -> None:
        for _ in range(count):
            self.board.report("CP1", CallSettled("Heartbeat", outcome, 0.0, 0.0, 0.0))


def durations(*seconds: float) -> Durations:
    found = Durations()
    for value in seconds:
        found.record(value)
    return found


def test_what_happened_is_counted_per_second_of_its_interval() -> None:
    bench = Bench()
    timeliner = bench.timeliner(began_at=100.0)
    bench.settle(count=6)
    bench.settle("InternalError", 2)
    bench.settle("Timeout")
    bench.settle("Disconnected")
    bench.board.report("CP1", CallServed("Reset", "Result", 0.0))
    timeliner.sample(102.0)
    timeliner.sample(103.0)
    at_s, columns = timeliner.columns(100.0)
    assert at_s == (2.0, 3.0)
    assert columns["messages_per_s"] == (5.5, 0.0)
    assert columns["errors_per_s"] == (1.0, 0.0)
    assert columns["timeouts_per_s"] == (0.5, 0.0)


def test_what_stands_is_taken_as_it_is_at_the_end_of_the_interval() -> None:
    bench = Bench()
    timeliner = bench.timeliner()
    timeliner.sample(1.0)
    bench.board.report("CP1", LinkUp(0.1))
    bench.board.report("CP1", OutboxChanged(4, 1.5, 1.5))
    timeliner.sample(2.0)
    _, columns = timeliner.columns(0.0)
    assert columns["state:starting"] == (2, 1)
    assert columns["state:connected"] == (0, 1)
    assert columns["outbox"] == (0, 4)
    assert {name.removeprefix("state:") for name in columns if name.startswith("state:")} == STATE_WORDS


def test_an_interval_without_an_answer_has_no_percentiles() -> None:
    bench = Bench()
    timeliner = bench.timeliner()
    timeliner.sample(1.0)
    bench.next = Taken(durations(0.2), durations(0.1), durations(0.003), 0.25)
    timeliner.sample(2.0)
    _, columns = timeliner.columns(0.0)
    assert columns["due_p99_s"] == (None, pytest.approx(0.2, rel=0.01))
    assert columns["sent_p50_s"] == (None, pytest.approx(0.1, rel=0.01))
    assert columns["lag_p99_s"] == (None, pytest.approx(0.003, rel=0.01))
    assert columns["utilisation"] == (0.0, 0.25)


def test_a_long_run_has_fewer_and_longer_intervals() -> None:
    bench = Bench()
    timeliner = bench.timeliner()
    now, seen = 0.0, 0
    while now < 7 * 86_400:
        now += timeliner.interval_s
        bench.settle()
        seen += 1
        timeliner.sample(now)
    at_s, columns = timeliner.columns(0.0)
    assert POINTS_MAX / 2 <= len(at_s) <= POINTS_MAX
    assert at_s[-1] == now
    # None of them is much longer than the others, or than it has to be.
    lengths = {round(end - begin, 3) for begin, end in pairwise((0.0, *at_s))}
    assert lengths <= {timeliner.interval_s, timeliner.interval_s / 2}
    assert timeliner.interval_s < 4 * now / POINTS_MAX
    # Nothing was lost on the way.
    edges = [0.0, *at_s]
    rates = [rate for rate in columns["messages_per_s"] if rate is not None]
    total = sum(rate * (end - begin) for rate, (begin, end) in zip(rates, pairwise(edges), strict=True))
    # Rates are rounded to a thousandth, and there is one message in up to half an hour.
    assert total == pytest.approx(seen, abs=0.0005 * now)


def test_old_intervals_are_put_together_a_few_at_a_time() -> None:
    timeliner = Bench().timeliner()
    lengths = []
    for second in range(1, 2 * POINTS_MAX):
        timeliner.sample(float(second))
        if second % 50 == 0:
            lengths.append(len(timeliner.columns(0.0)[0]))
    assert max(lengths) < POINTS_MAX
    # Down as slowly as up.
    assert {abs(later - earlier) for earlier, later in pairwise(lengths)} <= {48, 50}


def test_percentiles_of_intervals_put_together_are_those_of_all_observations() -> None:
    bench = Bench()
    timeliner = bench.timeliner()
    for second in range(1, POINTS_MAX + 1):
        # Every other second is fast and busy, the ones between are slow and quiet: a mean of percentiles would lie.
        bench.next = Taken(durations(*[0.010] * 99) if second % 2 else durations(2.0))
        timeliner.sample(float(second))
    at_s, columns = timeliner.columns(0.0)
    assert at_s[:3] == (2.0, 4.0, 5.0)
    assert columns["due_p95_s"][:3] == pytest.approx((0.010, 0.010, 0.010), rel=0.01)
    assert columns["due_p99_s"][:4] == pytest.approx((0.010, 0.010, 0.010, 2.0), rel=0.01)


def test_a_short_backlog_is_still_seen_from_far_away() -> None:
    bench = Bench()
    timeliner = bench.timeliner()
    for second in range(1, POINTS_MAX + 1):
        bench.board.report("CP1", OutboxChanged(50 if second == 100 else 0, float(second), math.inf))
        timeliner.sample(float(second))
    assert max(waiting or 0 for waiting in timeliner.columns(0.0)[1]["outbox"]) == 50


def test_a_short_rest_at_the_end_is_put_to_the_interval_before_it() -> None:
    bench = Bench()
    timeliner = bench.timeliner()
    timeliner.sample(1.0)
    bench.settle(count=11)
    timeliner.close(1.1)
    at_s, columns = timeliner.columns(0.0)
    assert at_s == (1.1,)
    assert columns["messages_per_s"] == (10.0,)


def test_a_run_that_is_over_at_once_has_one_interval() -> None:
    timeliner = Bench().timeliner()
    timeliner.close(0.2)
    assert timeliner.columns(0.0)[0] == (0.2,)
    timeliner.close(0.2)
    assert len(timeliner.columns(0.0)[0]) == 1


def test_a_run_that_never_began_has_no_interval_at_all() -> None:
    at_s, columns = Bench().timeliner().columns(0.0)
    assert at_s == ()
    assert set(columns.values()) == {()}


async def test_the_task_samples_once_a_second_and_makes_up_for_nothing(autojump_clock: MockClock) -> None:
    bench = Bench()
    timeliner = bench.timeliner(began_at=trio.current_time() + 0.5)
    with trio.move_on_after(3.6):
        await timeliner.run()
    assert timeliner.columns(timeliner.began_at)[0] == (1.0, 2.0, 3.0)
    # The loop was blocked for a while: one long interval, and back to the beat.
    autojump_clock.jump(5.0)
    with trio.move_on_after(1.0):
        await timeliner.run()
    assert timeliner.columns(timeliner.began_at)[0][-1] == 9.0


async def test_the_task_takes_its_time_in_a_long_run(autojump_clock: MockClock) -> None:
    bench = Bench()
    timeliner = bench.timeliner(began_at=trio.current_time())
    with trio.move_on_after(3 * POINTS_MAX):
        await timeliner.run()
    at_s, _ = timeliner.columns(timeliner.began_at)
    assert timeliner.interval_s == 4.0
    assert at_s[-1] == 3 * POINTS_MAX - 4
    assert len(at_s) <= POINTS_MAX


@given(st.lists(st.floats(0, 4000), min_size=1, max_size=60), st.lists(st.floats(0, 4000), max_size=60))
def test_a_merged_distribution_is_that_of_all(some: list[float], more: list[float]) -> None:
    merged = Distribution.of(durations(*some)).merged(Distribution.of(durations(*more)))
    shares = [0.0, 0.5, 0.95, 0.99, 1.0]
    assert merged.quantiles(shares) == Distribution.of(durations(*some, *more)).quantiles(shares)
    ranked = sorted(some + more)
    for share, value in zip(shares, merged.quantiles(shares), strict=True):
        exact = ranked[max(0, math.ceil(round(share * len(ranked), 6)) - 1)]
        assert value == pytest.approx(exact, rel=0.006, abs=5e-6)


def test_a_distribution_of_nothing_has_no_percentiles() -> None:
    assert Distribution.of(Durations()).quantiles([0.5, 0.99]) == [None, None]
