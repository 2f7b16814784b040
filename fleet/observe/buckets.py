"""What Prometheus can hold of a fleet: durations in buckets, and words from outside in a number that is known.

A histogram is a list of plain integers, so that counting a message is a binary search and an addition; percentiles that
are to be exact come from `fleet.observe.durations` instead. The bounds are what somebody would ask about (0.2 s,
5 s), and those of `COARSE_S` are among those of `FINE_S`, so that two histograms can be laid over each other.

A label value makes a series, and a CSMS can invent action names and error codes for as long as it likes. Words are
therefore first come, first served up to a limit, and `other` from there on; a word once seen keeps its series.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from attrs import define, field

from fleet.observe.tally import OTHER, short_word

FINE_S = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 2.0, 3.0, 5.0, 7.5),
    *(10.0, 20.0, 30.0),
)
"""Upper bounds in s: every step is a factor of 2 at most."""
COARSE_S = (*(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0), 30.0)
"""The same with fewer series, where a factor of 2.5 will do."""


@define
class Buckets:
    """Durations in s, counted by the least upper bound that holds them; the last count is of those above all bounds."""

    bounds_s: tuple[float, ...]
    counts: list[int] = field()
    sum_s: float = 0.0

    @counts.default
    def _none_yet(self) -> list[int]:
        return [0] * (len(self.bounds_s) + 1)

    def add(self, duration_s: float) -> None:
        """One more; a bound is the last value of its own bucket, as `le` says."""
        self.counts[bisect_left(self.bounds_s, duration_s)] += 1
        self.sum_s += duration_s


class Words:
    """Label values of one label: those known from the start, then whatever comes, `most` in all, then `other`."""

    def __init__(self, known: Iterable[str], most: int) -> None:
        self._known = {str(word): 0 for word in known}
        self._most = max(most, len(self._known))

    def word(self, text: str) -> str:
        """The label value for this text: short and printable, whoever said it."""
        if text in self._known:
            return str(text)
        word = short_word(text)
        if word not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known[word] = 0
        return word

    def counted(self, counts: Mapping[str, int]) -> dict[str, int]:
        """These counts by label value, with a 0 for what was always known and has not happened yet."""
        told = dict(self._known)
        for text, count in counts.items():
            word = self.word(text)
            told[word] = told.get(word, 0) + count
        return told
