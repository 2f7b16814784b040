"""A tally: how often something happened, by a short word, with the first few cases kept word for word.

Words may come from outside (a CSMS's error code, a bug's message), so their number is limited: a run of weeks against a
CSMS that invents a new one each time still fits.
"""

from collections.abc import Iterator

from attrs import define, field

WORDS_MAX = 100
CASES_MAX = 3
OTHER = "other"


@define
class Tally:
    """Counts by word. Beyond `WORDS_MAX` different words the rest counts as `other`."""

    counts: dict[str, int] = field(factory=dict)
    cases: dict[str, list[str]] = field(factory=dict)
    """The first few cases of each word, one line each."""

    def add(self, word: str, case: str = "") -> None:
        """It happened once more; `case` says what and where, for people."""
        count = self.counts.get(word)
        if count is None:
            if len(self.counts) >= WORDS_MAX:
                word = OTHER
            count = self.counts.get(word, 0)
        self.counts[word] = count + 1
        if case and count < CASES_MAX:
            self.cases.setdefault(word, []).append(case)

    @property
    def total(self) -> int:
        """How often anything happened."""
        return sum(self.counts.values())

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """(word, count), the most frequent first."""
        return iter(sorted(self.counts.items(), key=lambda item: (-item[1], item[0])))
