"""The timeline: how the run went, interval by interval, for the charts of its report.

A run may take a minute or a month, and nobody reads a chart of a million points. So the timeline holds at most
`POINTS_MAX` intervals: when there are that many, an interval is twice as long from then on, and neighbours among the
old ones are put together two by two. That is done a few at a time, as all at once would hold the fleet up, and whatever
is late then would be blamed on the CSMS. What happened is added up, what stood is averaged by time, and of a backlog
the highest is kept, so that a short trouble is still seen from far away.

Percentiles can't be averaged. So each interval keeps its whole distribution, as counts in buckets of 0.8 %, and two
intervals together have the distribution of all their observations: as exact as if they had been one from the start.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Protocol

import trio
from attrs import define, field, frozen

from fleet.observe.board import STATES, Board
from fleet.observe.durations import Durations, coarse_middle_s

POINTS_MAX = 600
INTERVAL_S = 1.0
# More than one, so that old intervals become fewer faster than new ones come.
_MERGED_AT_ONCE = 2
_SHARES = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}
_COUNT_MAX = 2**32 - 1
_ANSWERED, _TIMEOUT, _CUT_OFF = "Result", "Timeout", "Disconnected"

Columns = dict[str, tuple[float | None, ...]]


class CallTimes(Protocol):
    """How long CALLs took in one interval, from when they were due and from when they were sent."""

    @property
    def due(self) -> Durations: ...
    @property
    def sent(self) -> Durations: ...


class CallSource(Protocol):
    """Whoever has measured the CALLs since it was last asked."""

    def take_interval(self) -> CallTimes: ...


class Strain(Protocol):
    """How the generator was in one interval: how late its tasks ran, and the share of time that its loop worked."""

    @property
    def lag(self) -> Durations: ...
    @property
    def utilisation(self) -> float: ...


class StrainSource(Protocol):
    """Whoever has watched the generator since it was last asked."""

    def take_interval(self) -> Strain: ...


@frozen(eq=False)
class Distribution:
    """A histogram in a few hundred bytes that is never recorded into: buckets in ascending order, and their counts."""

    buckets: "array[int]"
    counts: "array[int]"

    @classmethod
    def of(cls, durations: Durations) -> "Distribution":
        """What was observed; the censored with the time that was waited."""
        return cls._counted(dict(durations.coarse()))

    @classmethod
    def _counted(cls, counts: Mapping[int, int]) -> "Distribution":
        buckets = array("H", sorted(counts))
        return cls(buckets, array("I", (min(counts[bucket], _COUNT_MAX) for bucket in buckets)))

    def merged(self, other: "Distribution") -> "Distribution":
        """The observations of both."""
        counts = dict(zip(self.buckets, self.counts, strict=True))
        for bucket, count in zip(other.buckets, other.counts, strict=True):
            counts[bucket] = counts.get(bucket, 0) + count
        return Distribution._counted(counts)

    def quantiles(self, shares: Iterable[float]) -> list[float | None]:
        """For each share the value in s that it does not exceed, to four digits; None of nothing."""
        ranks = list(accumulate(self.counts))
        if not ranks:
            return [None for _ in shares]
        places = (bisect_left(ranks, max(1, math.ceil(round(share * ranks[-1], 6)))) for share in shares)
        return [float(f"{coarse_middle_s(self.buckets[place]):.4g}") for place in places]


@define(eq=False)
class _Point:
    """One interval."""

    end_at: float
    length_s: float
    messages: int
    errors: int
    timeouts: int
    power_w: float
    energy_wh: float
    transactions: float
    outbox: int
    utilisation: float
    states: tuple[float, ...]
    due: Distribution
    sent: Distribution
    lag: Distribution

    def merged(self, later: "_Point") -> "_Point":
        """This interval and the one after it as one."""
        length_s = self.length_s + later.length_s

        def mean(mine: float, other: float) -> float:
            return (mine * self.length_s + other * later.length_s) / length_s

        return _Point(
            end_at=later.end_at,
            length_s=length_s,
            messages=self.messages + later.messages,
            errors=self.errors + later.errors,
            timeouts=self.timeouts + later.timeouts,
            power_w=mean(self.power_w, later.power_w),
            energy_wh=later.energy_wh,
            transactions=mean(self.transactions, later.transactions),
            outbox=max(self.outbox, later.outbox),
            utilisation=mean(self.utilisation, later.utilisation),
            states=tuple(map(mean, self.states, later.states)),
            due=self.due.merged(later.due),
            sent=self.sent.merged(later.sent),
            lag=self.lag.merged(later.lag),
        )


@define
class _Counts:
    """What the board had counted when it was last looked at."""

    messages: int = 0
    errors: int = 0
    timeouts: int = 0


@define(eq=False)
class Timeliner:
    """Keeps the timeline of a run that began at `began_at` on the monotonic clock.

    `run` is the task; `sample` is all that it does, for whoever has another clock. `close` ends the last interval.
    """

    board: Board
    latency: CallSource
    health: StrainSource
    began_at: float
    interval_s: float = INTERVAL_S
    """The length of an interval; it doubles whenever `POINTS_MAX` of them are held."""
    _points: list[_Point] = field(factory=list, init=False)
    _sampled_at: float = field(init=False)
    _counted: _Counts = field(factory=_Counts, init=False)
    # Of the old intervals so many pairs are together already, and so many are still to be.
    _merged: int = field(default=0, init=False)
    _to_merge: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._sampled_at = self.began_at

    def begin(self, now: float) -> None:
        """The run begins only now; to be told before the first sample."""
        self.began_at = self._sampled_at = now

    async def run(self) -> None:
        """Sample until cancelled. A late interval is a long one; it isn't made up for."""
        while True:
            # A little more than nothing, or a slot that rounds down to the one just taken would be taken for ever.
            slot = math.floor((trio.current_time() - self.began_at) / self.interval_s + 1e-6) + 1
            await trio.sleep_until(self.began_at + slot * self.interval_s)
            self.sample(trio.current_time())

    def sample(self, now: float) -> None:
        """An interval ends at `now`, on the monotonic clock."""
        if now <= self._sampled_at:
            return
        self._points.append(self._point(now))
        if len(self._points) >= POINTS_MAX:
            self.interval_s *= 2
            self._merged, self._to_merge = 0, POINTS_MAX // 2
        for _ in range(min(self._to_merge, _MERGED_AT_ONCE)):
            pair = slice(self._merged, self._merged + 2)
            earlier, later = self._points[pair]
            self._points[pair] = [earlier.merged(later)]
            self._merged += 1
            self._to_merge -= 1

    def close(self, now: float) -> None:
        """The run ends at `now`. A short rest is put to the interval before it: its rates would be mere noise."""
        self.sample(now)
        if len(self._points) > 1 and self._points[-1].length_s < self.interval_s / 2:
            last = self._points.pop()
            self._points[-1] = self._points[-1].merged(last)

    def columns(self, began_at: float) -> tuple[tuple[float, ...], Columns]:
        """The ends of the intervals, in s since `began_at`, and by name a value for each of them.

        `due_p50_s due_p95_s due_p99_s sent_p50_s sent_p95_s sent_p99_s messages_per_s errors_per_s timeouts_per_s
        power_w energy_wh transactions outbox lag_p99_s utilisation`, and `state:` with each state of a charge point.
        None where nothing was measured; rounded to what can be seen.
        """
        points = self._points
        columns: Columns = {
            **_percentiles("due_", [point.due for point in points]),
            **_percentiles("sent_", [point.sent for point in points]),
            "messages_per_s": _column(points, lambda point: point.messages / point.length_s, 3),
            "errors_per_s": _column(points, lambda point: point.errors / point.length_s, 3),
            "timeouts_per_s": _column(points, lambda point: point.timeouts / point.length_s, 3),
            "power_w": _column(points, lambda point: point.power_w, 0),
            "energy_wh": _column(points, lambda point: point.energy_wh, 0),
            "transactions": _column(points, lambda point: point.transactions, 1),
            "outbox": _column(points, lambda point: point.outbox, 0),
            "lag_p99_s": _percentiles("lag_", [point.lag for point in points])["lag_p99_s"],
            "utilisation": _column(points, lambda point: point.utilisation, 4),
        }
        for index, state in enumerate(STATES):
            columns[f"state:{state.value}"] = tuple(round(point.states[index], 1) for point in points)
        return tuple(round(point.end_at - began_at, 3) for point in points), columns

    def _point(self, now: float) -> _Point:
        board, calls, strain = self.board, self.latency.take_interval(), self.health.take_interval()
        before, self._counted = self._counted, _count(board)
        length_s, self._sampled_at = now - self._sampled_at, now
        return _Point(
            end_at=now,
            length_s=length_s,
            messages=self._counted.messages - before.messages,
            errors=self._counted.errors - before.errors,
            timeouts=self._counted.timeouts - before.timeouts,
            power_w=board.power_w,
            energy_wh=board.energy_wh(now),
            transactions=board.running,
            outbox=board.outbox,
            utilisation=strain.utilisation,
            states=tuple(board.by_state[state] for state in STATES),
            due=Distribution.of(calls.due),
            sent=Distribution.of(calls.sent),
            lag=Distribution.of(strain.lag),
        )


def _count(board: Board) -> _Counts:
    counts = _Counts(board.messages)
    for (_, outcome), count in board.sent.items():
        if outcome == _TIMEOUT:
            counts.timeouts += count
        elif outcome not in (_ANSWERED, _CUT_OFF):
            counts.errors += count
    return counts


def _column(points: Sequence[_Point], value: Callable[[_Point], float], digits: int) -> tuple[float | None, ...]:
    return tuple(round(value(point), digits) for point in points)


def _percentiles(prefix: str, distributions: Sequence[Distribution]) -> Columns:
    rows = [distribution.quantiles(_SHARES.values()) for distribution in distributions]
    return {f"{prefix}{name}": tuple(row[index] for row in rows) for index, name in enumerate(_SHARES)}
