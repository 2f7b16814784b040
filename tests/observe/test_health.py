import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import trio
import trio.testing

from fleet.core.reports import ConnectFailed, LinkUp
from fleet.observe.health import LAG_BOUNDS_S, LATE_S, SLOT_S, SLOTS_AT_ONCE_MAX, Health
from fleet.observe.observer import Observer

MINUTE_S = 60.0
HOUR_S = 3600.0


class Loop:
    """A loop that works and waits on a clock of its own, and the probe in it: hours of it in no time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cpu_s = 0.0
        self.health = Health(lambda: self.now, lambda: self.cpu_s)
        self.health.begin()
        self._slot = 1

    def goes(self, seconds: float, *, at_work: float = 0.1) -> "Loop":
        """It takes turns of 50 ms, of which it is so long at work."""
        for _ in range(round(seconds / SLOT_S)):
            self._wait(SLOT_S * (1 - at_work))
            self._work(SLOT_S * at_work)
        return self

    def stalls(self, seconds: float, *, cpu: float = 1.0) -> "Loop":
        """It does one thing for so long, or nothing if it has no CPU time."""
        self._work(seconds, cpu)
        return self

    def _wait(self, seconds: float) -> None:
        self.health.loop.before_io_wait(seconds)
        self.now += seconds
        self.health.loop.after_io_wait(seconds)

    def _work(self, seconds: float, cpu: float = 1.0) -> None:
        self.now += seconds
        self.cpu_s += seconds * cpu
        # To the nanosecond: adding up a clock leaves crumbs.
        self._slot += self.health.reached(round(self.now - self._slot * SLOT_S, 9))


# ---- the arithmetic --------------------------------------------------------------------------------------------------


def test_a_stall_counts_with_every_slot_that_it_missed_each_as_late_as_it_was() -> None:
    health = Loop().stalls(2.0 + SLOT_S).health
    assert health.lag.count == 41
    assert health.lag_sum_s == pytest.approx(sum(number * SLOT_S for number in range(41)))
    assert health.lag.max_s == pytest.approx(2.0)
    assert health.lag.quantile(0.5).value_s == pytest.approx(1.0, rel=0.001)
    assert health.late == 35
    assert sum(health.lag_counts) == 41
    within = dict(zip(LAG_BOUNDS_S, health.lag_counts, strict=False))
    assert (within[LATE_S], within[0.5], within[1.0], within[2.5]) == (3, 5, 10, 20)


def test_utilisation_is_the_time_that_was_not_waited_and_its_peak_that_of_the_worst_ten_seconds() -> None:
    loop = Loop().goes(30, at_work=0.2).goes(10, at_work=0.8).goes(60, at_work=0.2)
    assert loop.health.utilisation == pytest.approx(0.26)
    assert loop.health.utilisation_peak == pytest.approx(0.8, abs=0.05)
    assert loop.health.shortcomings() == ()


def test_utilisation_lately_forgets_what_was_ten_seconds_ago() -> None:
    loop = Loop()
    assert Health().utilisation_lately == loop.health.utilisation_lately == 0.0
    assert loop.goes(2, at_work=0.9).health.utilisation_lately == pytest.approx(0.9)
    assert loop.goes(30, at_work=0.2).health.utilisation_lately == pytest.approx(0.2)
    assert loop.goes(5.5, at_work=0.8).health.utilisation_lately == pytest.approx(0.5, abs=0.05)


def test_looking_for_events_while_there_is_work_left_is_not_waiting() -> None:
    loop = Loop()
    loop.health.loop.before_io_wait(0)
    loop.now += 1.0
    loop.health.loop.after_io_wait(0)
    assert loop.health.loop.idle_s == 0


def test_an_interval_holds_what_was_since_the_last_one() -> None:
    loop = Loop().goes(1.0, at_work=0.5)
    first = loop.health.take_interval()
    assert (first.lag.count, first.utilisation) == (20, pytest.approx(0.5))
    second = loop.goes(0.5, at_work=0.1).health.take_interval()
    assert (second.lag.count, second.utilisation) == (10, pytest.approx(0.1))
    third = loop.health.take_interval()
    assert (third.lag.count, third.utilisation) == (0, 0.0)
    assert loop.health.lag.count == 30


def test_a_process_that_was_stopped_for_a_weekend_is_judged_without_counting_every_slot_of_it() -> None:
    loop = Loop().goes(HOUR_S).stalls(48 * HOUR_S, cpu=0.0).goes(1.0)
    assert loop.health.lag.count < HOUR_S / SLOT_S + SLOTS_AT_ONCE_MAX + 100
    assert "worst 2d until 2d1h, with 0s of CPU time" in loop.health.shortcomings()[0]


# ---- what is a hiccup, and what makes a run invalid ------------------------------------------------------------------


@pytest.mark.parametrize(
    "loop",
    [
        Loop().goes(10),
        Loop().goes(10 * MINUTE_S, at_work=0.85),
        # A neighbour's compiler, or garbage collection once everybody is connected.
        Loop().goes(5).stalls(1.0).goes(5),
        Loop().goes(5).stalls(0.3).goes(1).stalls(0.3).goes(1).stalls(0.3).goes(5),
        Loop().goes(5 * MINUTE_S).stalls(3.0).goes(5 * MINUTE_S),
        # A ramp that keeps the loop busy for some seconds.
        Loop().goes(7, at_work=1.0).goes(MINUTE_S),
        # So short that all of it is starting up.
        Loop().goes(0.8, at_work=1.0),
    ],
    ids=["idle", "busy", "a hiccup", "hiccups", "one in ten minutes", "ramp", "shorter than a second"],
)
def test_a_healthy_run_is_not_invalid_by_a_hiccup(loop: Loop) -> None:
    assert loop.health.shortcomings() == ()


@pytest.mark.parametrize(
    ("loop", "reason"),
    [
        (Loop().goes(30, at_work=1.0), "at work for 100.0% of the worst ten seconds (100.0% of the run)"),
        (Loop().goes(HOUR_S, at_work=0.2).goes(11, at_work=0.97).goes(MINUTE_S), "at work for 97.0% of the worst"),
        (Loop().goes(5, at_work=1.0), "at work for 100.0% of its 5s"),
        (
            Loop().goes(5).stalls(2.0).goes(5),
            "more than 250ms late for 14.2% of the time (1.7s in all; p99 1.85s, worst 1.95s until 7s, ",
        ),
        (Loop().goes(HOUR_S / 2).stalls(7.0).goes(10), "late for 67% of the worst ten seconds ("),
    ],
    ids=["overloaded", "overloaded for ten seconds of an hour", "a short run", "a late short run", "a long stall"],
)
def test_a_generator_that_was_late_or_overloaded_for_long_enough_is_invalid_and_says_why(
    loop: Loop, reason: str
) -> None:
    assert any(reason in line for line in loop.health.shortcomings()), loop.health.shortcomings()
    assert all("\n" not in line for line in loop.health.shortcomings())


def test_rounds_of_half_a_second_are_late_all_the_time_though_none_of_them_is_long() -> None:
    loop = Loop()
    for _ in range(60):
        loop.stalls(0.6).goes(0.05)
    assert any("late for" in line for line in loop.health.shortcomings())


def test_a_minute_of_storm_is_not_lost_in_hours_of_calm() -> None:
    loop = Loop().goes(HOUR_S)
    for _ in range(60):
        loop.stalls(0.9).goes(0.1, at_work=0.0)
    loop.goes(HOUR_S / 2)
    assert loop.health.late / loop.health.lag.count < 0.01
    assert any("of the worst ten seconds" in line for line in loop.health.shortcomings())


def test_a_process_that_was_stopped_was_late_and_its_lack_of_cpu_time_tells() -> None:
    loop = Loop().goes(HOUR_S).stalls(20.05, cpu=0.0).goes(MINUTE_S)
    assert "worst 20s until 1h, with 0s of CPU time" in loop.health.shortcomings()[0]


def test_a_machine_without_resources_for_a_connection_is_one_line_with_how_often_and_what_it_said() -> None:
    health = Health()
    observer = Observer(health)
    observer.report("CP1", ConnectFailed("refused", "Connection refused"))
    observer.report("CP1", LinkUp())
    assert health.shortcomings() == ()
    observer.report("CP1", ConnectFailed("resources", "Too many open files"))
    assert health.shortcomings() == ("this machine had no resources left for a connection, once: Too many open files",)
    observer.report("CP2", ConnectFailed("resources", "Cannot assign requested address"))
    assert health.resource_failures == 2
    assert "2 times: Cannot assign requested address" in health.shortcomings()[0]


# ---- the probe in a loop ---------------------------------------------------------------------------------------------


async def probed(doing: Callable[[], object]) -> Health:
    """The health of a loop in which the probe began, `doing` was done, and the probe was cancelled at once."""
    health = Health(reading=trio.current_time)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(health.run)
        await trio.testing.wait_all_tasks_blocked()
        done = doing()
        if done is not None:
            await done  # type: ignore[misc]
        nursery.cancel_scope.cancel()
    return health


async def test_the_probe_runs_on_an_absolute_schedule(autojump_clock: trio.testing.MockClock) -> None:
    health = await probed(lambda: trio.sleep(10.01))
    assert health.lag.count == 200
    assert health.lag.max_s == pytest.approx(0.0, abs=1e-9)


async def test_slots_missed_while_nothing_ran_are_all_there_though_the_probe_was_cancelled_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    health = await probed(lambda: autojump_clock.jump(2.025))
    assert health.lag.count == 40
    assert health.lag.max_s == pytest.approx(1.975)


def spin(seconds: float) -> None:
    """Keep the loop from everything else."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def test_a_loop_that_is_kept_busy_by_one_task_is_late() -> None:
    health = await probed(lambda: spin(1.5))
    assert health.lag.max_s >= 1.4
    assert health.late >= 24
    assert health.utilisation > 0.9
    assert health.cpu_s > 0
    assert any("late for" in line for line in health.shortcomings())


async def test_a_loop_with_more_to_do_than_time_is_overloaded_though_no_task_is_late() -> None:
    async def work() -> None:
        while True:
            spin(0.001)
            await trio.lowlevel.checkpoint()

    async def overload() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(work)
            await trio.sleep(1.3)
            nursery.cancel_scope.cancel()

    health = await probed(overload)
    assert health.utilisation > 0.95
    assert any("more load than this machine could make" in line for line in health.shortcomings())


async def test_a_loop_with_little_to_do_is_healthy_and_its_figures_are_those_of_this_process() -> None:
    health = await probed(lambda: trio.sleep(1.1))
    assert health.lag.count >= 20
    assert health.utilisation < 0.9
    assert health.shortcomings() == ()
    assert 5 < health.rss_mib < 10_000


async def test_the_loop_is_left_as_it_was() -> None:
    before = trio.lowlevel.current_statistics()
    health = await probed(lambda: trio.sleep(0.01))
    with pytest.raises(KeyError):
        trio.lowlevel.remove_instrument(health.loop)
    assert trio.lowlevel.current_statistics().tasks_living == before.tasks_living


STOPPED = """
import sys, trio
from fleet.observe.health import Health

async def main():
    health = Health()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(health.run)
        await trio.sleep(0.1)
        print("ready", flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        nursery.cancel_scope.cancel()
    print(*health.shortcomings(), sep="\\n")

trio.run(main)
"""


def test_a_process_that_somebody_stopped_and_let_go_on_is_invalid() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        time.sleep(1.6)  # This is the time for which it is stopped.
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate("go on\n", timeout=30)
    assert "more than 250ms late" in said
    assert "of CPU time" in said
