"""Durations: a distribution of times that may be asked for any percentile, and that knows what it does not know.

This is an HDR histogram: each power of two is cut into 1,024 equal buckets, so that every value is known to 0.1 % (and
never better than 1 us) whether it took a millisecond or an hour. Buckets lie in rows that exist once something fell
into them, so that a narrow distribution costs a few KB and nothing is too long to be counted.

The buckets are those of the HdrHistogram library with three significant digits; a test compares the two. Ours is kept
because a value is recorded on the hot path, up to four times for every CALL of the fleet: 0.3 us here, 1 us there, and
188 KB for each histogram there, however empty.

Whoever waited in vain is *censored*: all that is known is that the answer would have taken longer. Left out, they would
make the CSMS look the better the worse it is. So they take part in the ranks with the time that was waited, and a
percentile that such a one may have pushed further is marked as a lower bound. Below the shortest wait in vain, ranks
are the same however late those answers would have been, and percentiles there are exact. Above it, how far it was
pushed is known as well, as if none of those answers had ever come: one boot of ten thousand that was cut short leaves
the p95 open by one rank, and not for ever.
"""

import math
from array import array
from collections.abc import Iterable, Iterator
from operator import add
from typing import NamedTuple

_BUCKETS_MAGNITUDE = 10
"""A power of two has 1,024 buckets: the finest that three significant digits ask for."""
_ROW_MAGNITUDE = 8
_ROW_SIZE = 1 << _ROW_MAGNITUDE
_IN_ROW = _ROW_SIZE - 1
_COARSE = 8
_EMPTY_ROW = bytes(8 * _ROW_SIZE)


class Quantile(NamedTuple):
    """A value in s that a share of the observations does not exceed; `at_least` if it is only a lower bound."""

    value_s: float
    at_least: bool


class Durations:
    """Durations in s, recorded one by one; read at any time."""

    __slots__ = ("_censored", "_rows", "censored", "count", "max_s", "total_s")

    def __init__(self) -> None:
        self.count = 0
        """All observations, the censored among them."""
        self.censored = 0
        self.total_s = 0.0
        self.max_s = 0.0
        """The longest, exactly; a lower bound as soon as anything is censored."""
        self._rows: dict[int, array[int]] = {}
        # Of the observations in a bucket, those that are censored.
        self._censored: dict[int, int] = {}

    def record(self, seconds: float) -> None:
        """It took so long, which is never negative."""
        bucket = int(seconds * 1e6 + 0.5)
        shift = bucket.bit_length() - _BUCKETS_MAGNITUDE - 1
        if shift > 0:
            bucket = (shift << _BUCKETS_MAGNITUDE) + (bucket >> shift)
        try:
            self._rows[bucket >> _ROW_MAGNITUDE][bucket & _IN_ROW] += 1
        except KeyError:
            self._row(bucket >> _ROW_MAGNITUDE)[bucket & _IN_ROW] += 1
        self.count += 1
        self.total_s += seconds
        if seconds > self.max_s:
            self.max_s = seconds

    def censor(self, waited_s: float) -> None:
        """It took longer than this, and nobody will know how long."""
        self.record(waited_s)
        self.censored += 1
        bucket = _bucket_of(waited_s)
        self._censored[bucket] = self._censored.get(bucket, 0) + 1

    def add(self, other: "Durations") -> None:
        """Whatever the other one has observed was observed here too."""
        for number, row in other._rows.items():
            own = self._rows.get(number)
            self._rows[number] = row[:] if own is None else array("Q", map(add, own, row))
        self.count += other.count
        self.censored += other.censored
        self.total_s += other.total_s
        self.max_s = max(self.max_s, other.max_s)
        for bucket, count in other._censored.items():
            self._censored[bucket] = self._censored.get(bucket, 0) + count

    @property
    def mean_s(self) -> float:
        """The mean, exactly (0 of nothing); a lower bound as soon as anything is censored."""
        return self.total_s / self.count if self.count else 0.0

    def quantile(self, share: float) -> Quantile:
        """The value that this share (0 to 1) of the observations does not exceed; raises ValueError if there are none.

        It is the observation of nearest rank to within 0.1 % and 1 us, in doubt rather above it than below.
        """
        return self.quantiles((share,))[0]

    def quantiles(self, shares: Iterable[float]) -> list[Quantile]:
        """The same for several shares in one pass; they come in the order in which they were asked for."""
        if not self.count:
            raise ValueError("nothing was observed, which has no percentiles")
        ranks = [self._rank(share) for share in shares]
        lowest = _buckets(self._rows, ranks)
        highest = self._buckets_at_most(ranks) if self.censored else lowest
        return [Quantile(min(_top_s(lowest[rank]), self.max_s), highest.get(rank) != lowest[rank]) for rank in ranks]

    def at_most_s(self, share: float) -> float:
        """What this quantile is at the very most, however late the censored would have been; inf if it is of them."""
        rank = self._rank(share)
        highest = self._buckets_at_most((rank,))
        return min(_top_s(highest[rank]), self.max_s) if rank in highest else math.inf

    def coarse(self) -> Iterator[tuple[int, int]]:
        """Buckets eight times as wide that aren't empty, shortest first, each with its count; see `coarse_middle_s`.

        For whoever keeps many distributions: they are 0.8 % wide, and 8 us below a millisecond.
        """
        for number, row in sorted(self._rows.items()):
            for place in range(0, _ROW_SIZE, _COARSE):
                count = sum(row[place : place + _COARSE])
                if count:
                    yield ((number << _ROW_MAGNITUDE) + place) // _COARSE, count

    def _rank(self, share: float) -> int:
        if not 0 <= share <= 1:
            raise ValueError(f"expected a share from 0 to 1, not {share!r}")
        # Rounded first: 7 % of 100 are 7.000000000000001 in floats.
        return max(1, math.ceil(round(share * self.count, 6)))

    def _buckets_at_most(self, ranks: Iterable[int]) -> dict[int, int]:
        """By rank the bucket of that observation if the censored were later than all others; of them none."""
        rows = {number: row[:] for number, row in self._rows.items()}
        for bucket, count in self._censored.items():
            rows[bucket >> _ROW_MAGNITUDE][bucket & _IN_ROW] -= count
        return _buckets(rows, (rank for rank in ranks if rank <= self.count - self.censored))

    def _row(self, number: int) -> "array[int]":
        row = self._rows[number] = array("Q", _EMPTY_ROW)
        return row


def merged(parts: Iterable[Durations]) -> Durations:
    """All of these as one; they stay as they are."""
    whole = Durations()
    for part in parts:
        whole.add(part)
    return whole


def coarse_middle_s(bucket: int) -> float:
    """The middle of a coarse bucket, in s."""
    low, high = bucket * _COARSE, bucket * _COARSE + _COARSE - 1
    return (_bottom_us(low) + _bottom_us(high + 1) - 1) / 2e6


def _bucket_of(seconds: float) -> int:
    bucket = int(seconds * 1e6 + 0.5)
    shift = max(0, bucket.bit_length() - _BUCKETS_MAGNITUDE - 1)
    return (shift << _BUCKETS_MAGNITUDE) + (bucket >> shift)


def _top_s(bucket: int) -> float:
    """The largest value that falls into this bucket."""
    return (_bottom_us(bucket + 1) - 1) / 1e6


def _bottom_us(bucket: int) -> int:
    """The smallest value that falls into this bucket."""
    shift = max(0, (bucket >> _BUCKETS_MAGNITUDE) - 1)
    return (bucket - (shift << _BUCKETS_MAGNITUDE)) << shift


def _buckets(rows: "dict[int, array[int]]", ranks: Iterable[int]) -> dict[int, int]:
    """By rank the bucket of that observation; there are as many."""
    found: dict[int, int] = {}
    ascending = iter(sorted(rows.items()))
    number, below, within = 0, 0, 0
    row: array[int] = array("Q")
    for rank in sorted(set(ranks)):
        while below + within < rank:
            below += within
            number, row = next(ascending)
            within = sum(row)
        found[rank] = (number << _ROW_MAGNITUDE) + _place(row, rank - below)
    return found


def _place(row: "array[int]", rank: int) -> int:
    """The bucket of a row in which its observation of this rank lies."""
    for place, count in enumerate(row):
        rank -= count
        if rank <= 0:
            return place
    raise AssertionError("a rank beyond its row")
