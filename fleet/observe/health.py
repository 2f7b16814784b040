"""The generator's own health: whether what it measured says anything about the CSMS.

A load generator that can't keep up sends less than it says and finds its own waiting in the CSMS's latencies. Both make
a result worthless, and neither shows in the result itself. So the generator measures itself as it measures the CSMS:

- **Lag.** A probe is due every 50 ms, on a schedule that was fixed when it began. How late it runs is how late every
  other task of the loop runs. After a stall of two seconds all forty slots that were missed count, each as late as it
  was, so that the probe does not leave out exactly those moments in which things were bad.
- **Utilisation.** The share of time in which the loop did not wait for anything. At 100 % work piles up, without the
  lag showing it: each charge point has one CALL under way, so a round through all of them stays short while every
  message in the queues gets later and later.
- **Resources.** Connections for which this machine had no file descriptors, ports or buffers.

From these follow the `shortcomings`, for any of which a result is invalid. Each threshold weighs two mistakes. A late
generator must never pass; but a small shared machine in a CI pipeline has hiccups (a neighbour's compiler, garbage
collection once the fleet is connected), and a result thrown away for one of those is soon a check switched off.

- A slot counts as late from 250 ms on: far more than a healthy loop ever needs for a round (single milliseconds), and
  what begins to blur objectives of the usual size. Late for more than 1 % of the slots is the same as a p99 of the lag
  above 250 ms: a p99 of the CSMS's can then be ours. A run of some seconds has so few slots that one hiccup would be
  1 %, so it takes a second of lateness in all.
- A run of hours has so many that a minute of storm, for which perhaps it was made, can be lost in 1 %. So each ten
  seconds are judged by themselves, the ramp's too: late for half of them, or at work for 95 % of them. Ten seconds are
  no hiccup; and 95 %, because what comes at random can't use the last few percent without queueing. A run shorter than
  that is judged as a whole.
- One connection that this machine could not make is enough: who is not there is no load.

A process that was stopped (Ctrl-Z, a paused machine) was as late as one that was busy, and its CSMS had a rest: that
counts. How much CPU time it had meanwhile is said, as it tells the two apart. A machine that sleeps, though, takes the
monotonic clock to sleep with it, and nothing was late.
"""

import resource
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from pathlib import Path

import trio
from attrs import define, frozen

from fleet.core.reports import ConnectFailed, ObservedReport
from fleet.observe.durations import Durations
from fleet.quantities import format_duration

SLOT_S = 0.05
LATE_S = 0.25
LATE_SHARE_MAX = 0.01
LATE_IN_ALL_S = 1.0
"""Less than this in a whole run is a hiccup, whatever share of the run it is."""
WINDOW_S = 10.0
STEP_S = 1.0
"""Windows begin this far apart."""
JUDGED_FROM_S = 1.0
"""The utilisation of a run that is shorter than this is that of starting up."""
LATE_SHARE_MAX_IN_WINDOW = 0.5
UTILISATION_MAX = 0.95
SLOTS_AT_ONCE_MAX = 24_000
"""Slots of one stall that are counted, 20 minutes: a process that was stopped for a weekend has lost its run anyway."""
LAG_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, LATE_S, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
RESOURCES = "resources"
"""The reason of a `ConnectFailed` that is our own machine's fault."""
_MIB = 1024 * 1024


@frozen(eq=False)
class Interval:
    """How the generator was over a stretch of the run."""

    lag: Durations
    utilisation: float
    """The share of the time in which the loop was at work; 0 of no time at all."""


@frozen
class _Mark:
    """The counts at the beginning of a window."""

    at: float
    idle_s: float
    late: int


@define
class _Stall:
    """The longest time for which nothing ran: when it ended, since the beginning, and what CPU time we had in it."""

    lag_s: float = 0.0
    until_s: float = 0.0
    cpu_s: float = 0.0


class LoopWatch(trio.abc.Instrument):
    """Adds up the time for which the loop waits for something to happen; the rest of the time it is at work."""

    def __init__(self, reading: Callable[[], float]) -> None:
        self.idle_s = 0.0
        self._reading = reading
        self._since = 0.0

    def before_io_wait(self, timeout: float) -> None:
        """It goes to wait, for `timeout` s at most."""
        self._since = self._reading()

    def after_io_wait(self, timeout: float) -> None:
        """It is back. With no time to wait it had work left and only looked."""
        if timeout > 0:
            self.idle_s += self._reading() - self._since


class Health:
    """A listener, and a probe in a task of its own (`run`). Read its attributes at any time; write none of them."""

    wants: frozenset[type[ObservedReport]] = frozenset((ConnectFailed,))

    def __init__(
        self, reading: Callable[[], float] = time.perf_counter, cpu: Callable[[], float] = time.process_time
    ) -> None:
        """`reading` is a monotonic clock for utilisation, `cpu` the CPU time of this process, both in s."""
        self._reading = reading
        self._cpu = cpu
        self.loop = LoopWatch(reading)
        """The loop's instrument while `run` runs."""
        self._windows: deque[_Mark] = deque()
        self._began: _Mark | None = None
        self._now = _Mark(0.0, 0.0, 0)
        self._cpu_began_s = self._cpu_last_s = cpu()
        self._interval_lag = Durations()
        self._interval_since: _Mark | None = None
        self._stall = _Stall()
        self._late_in_window = 0.0

        self.lag = Durations()
        """How late the probe ran, a value for each slot."""
        self.lag_bounds_s = LAG_BOUNDS_S
        self.lag_counts = [0] * (len(LAG_BOUNDS_S) + 1)
        """Slots by lag, each up to its bound and above the one before; the last is beyond all bounds."""
        self.lag_sum_s = 0.0
        self.late = 0
        """Slots that were late by more than `LATE_S`."""
        self.utilisation_peak = 0.0
        """The share of time at work in the worst ten seconds, or of all of a shorter run."""
        self.resource_failures = 0
        self.last_resource_failure = ""

    # ---- listening ---------------------------------------------------------------------------------------------------

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """Count it, if it is the fault of this machine."""
        if isinstance(report, ConnectFailed) and report.reason == RESOURCES:
            self.resource_failures += 1
            self.last_resource_failure = report.detail

    # ---- the probe ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Watch the loop until cancelled. One at a time, and before the load begins."""
        trio.lowlevel.add_instrument(self.loop)
        began_at = trio.current_time()
        slot = 1
        self.begin()
        try:
            while True:
                await trio.sleep_until(began_at + slot * SLOT_S)
                slot += self.reached(trio.current_time() - began_at - slot * SLOT_S)
        finally:
            # Cancelled out of a stall: what was missed by then was missed.
            self.reached(trio.current_time() - began_at - slot * SLOT_S)
            trio.lowlevel.remove_instrument(self.loop)

    def begin(self) -> None:
        """The first slot is one slot from now."""
        self._now = _Mark(self._reading(), self.loop.idle_s, self.late)
        self._began = self._interval_since = self._now
        self._windows.append(self._now)
        self._cpu_began_s = self._cpu_last_s = self._cpu()

    def reached(self, lag_s: float) -> int:
        """A slot is reached `lag_s` after it was due, and with it all that fell due meanwhile; returns how many.

        Those that came before their time, less than no time late, are none.
        """
        if lag_s < 0:
            return 0
        slots = int(lag_s / SLOT_S + 1e-9) + 1
        for number in range(min(slots, SLOTS_AT_ONCE_MAX)):
            self._count(max(0.0, lag_s - number * SLOT_S))
        cpu_s = self._cpu()
        self._now = _Mark(self._reading(), self.loop.idle_s, self.late)
        if lag_s > self._stall.lag_s:
            self._stall = _Stall(lag_s, self._span_s, cpu_s - self._cpu_last_s)
        self._cpu_last_s = cpu_s
        self._slide()
        return slots

    def _count(self, lag_s: float) -> None:
        self.lag.record(lag_s)
        self._interval_lag.record(lag_s)
        self.lag_counts[bisect_left(LAG_BOUNDS_S, lag_s)] += 1
        self.lag_sum_s += lag_s
        self.late += lag_s > LATE_S

    def _slide(self) -> None:
        """Judge the window that ends now, and forget the marks that no later one begins at."""
        windows, now = self._windows, self._now
        while len(windows) > 1 and windows[1].at <= now.at - WINDOW_S:
            windows.popleft()
        since = windows[0]
        span_s = now.at - since.at
        if span_s >= WINDOW_S:
            self.utilisation_peak = max(self.utilisation_peak, _utilisation(since, now))
            # Over a span that a stall made longer than a window, the share is of that span.
            self._late_in_window = max(self._late_in_window, (now.late - since.late) * SLOT_S / span_s)
        elif self._began is since:
            # Shorter than a window so far: that is all there is to judge.
            self.utilisation_peak = _utilisation(since, now)
        if now.at >= windows[-1].at + STEP_S:
            windows.append(now)

    # ---- reading -----------------------------------------------------------------------------------------------------

    @property
    def utilisation(self) -> float:
        """The share of time in which the loop was at work, since the probe began."""
        return 0.0 if self._began is None else _utilisation(self._began, self._now)

    @property
    def _span_s(self) -> float:
        return 0.0 if self._began is None else self._now.at - self._began.at

    @property
    def utilisation_lately(self) -> float:
        """The share of time in which the loop was at work in the last ten seconds or so, to watch it change."""
        return _utilisation(self._windows[0], self._now) if self._windows else 0.0

    @property
    def cpu_s(self) -> float:
        """The CPU time of this process, all its threads, since the probe began."""
        return self._cpu_last_s - self._cpu_began_s

    @property
    def rss_mib(self) -> float:
        """The memory of this process that is resident now, in MiB."""
        try:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        except (OSError, ValueError, IndexError):
            # No such file outside Linux: then the most it ever was, in KiB.
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return pages * resource.getpagesize() / _MIB

    def take_interval(self) -> Interval:
        """How it was since this was last asked."""
        since = self._interval_since or self._now
        taken = Interval(self._interval_lag, _utilisation(since, self._now))
        self._interval_lag, self._interval_since = Durations(), self._now
        return taken

    def shortcomings(self) -> tuple[str, ...]:
        """Why what was measured is not valid, a line each with its figures; empty if it is."""
        return tuple(line for line in (self._lateness(), self._overload(), self._exhaustion()) if line)

    def _lateness(self) -> str:
        if not self.lag.count:
            return ""
        late_s, share = self.late * SLOT_S, self.late / self.lag.count
        whole = share > LATE_SHARE_MAX and late_s >= LATE_IN_ALL_S
        if not whole and self._late_in_window < LATE_SHARE_MAX_IN_WINDOW:
            return ""
        worst = self._stall
        often = f"{share:.1%} of the time" if whole else f"{self._late_in_window:.0%} of the worst ten seconds"
        return (
            f"the generator's tasks ran more than {format_duration(LATE_S)} late for {often} "
            f"({format_duration(late_s)} in all; p99 {format_duration(self.lag.quantile(0.99).value_s)}, "
            f"worst {format_duration(worst.lag_s)} until {format_duration(worst.until_s)}, "
            f"with {format_duration(worst.cpu_s)} of CPU time)"
        )

    def _overload(self) -> str:
        if self._span_s < JUDGED_FROM_S or self.utilisation_peak < UTILISATION_MAX:
            return ""
        where = "the worst ten seconds" if self._span_s >= WINDOW_S else f"its {format_duration(self._span_s)}"
        return (
            f"the generator's loop was at work for {self.utilisation_peak:.1%} of {where} "
            f"({self.utilisation:.1%} of the run): more load than this machine could make"
        )

    def _exhaustion(self) -> str:
        if not self.resource_failures:
            return ""
        times = "once" if self.resource_failures == 1 else f"{self.resource_failures:,} times"
        why = f": {self.last_resource_failure}" if self.last_resource_failure else ""
        return f"this machine had no resources left for a connection, {times}{why}"


def _utilisation(since: _Mark, until: _Mark) -> float:
    span_s = until.at - since.at
    return min(1.0, max(0.0, 1.0 - (until.idle_s - since.idle_s) / span_s)) if span_s > 0 else 0.0
