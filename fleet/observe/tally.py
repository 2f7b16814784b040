"""A tally: how often something happened, by a short word, with the first few cases kept word for word.

Words may come from outside (a CSMS's error code, a bug's message), so their number is limited: a run of weeks against a
CSMS that invents a new one each time still fits.
"""

from collections.abc import Iterator

from attrs import define, field

WORDS_MAX = 100
CASES_MAX = 3
OTHER = "other"
KINDS_MAX = 500
"""So many kinds of message are counted apart; well-behaved peers have a few dozen."""
WORD_LENGTH_MAX = 50


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


def count_kind(counts: dict[tuple[str, str], int], action: str, outcome: str) -> None:
    """One more message of a kind, which is its action and outcome, where a CSMS may invent both without end."""
    kind = action, outcome
    count = counts.get(kind)
    if count is None:
        kind = (short_word(action), short_word(outcome)) if len(counts) < KINDS_MAX else (OTHER, OTHER)
        count = counts.get(kind, 0)
    counts[kind] = count + 1


def short_word(text: str) -> str:
    """Foreign text as a short word that can be printed."""
    word = text if text.isprintable() else ascii(text)[1:-1]
    return word if len(word) <= WORD_LENGTH_MAX else f"{word[:WORD_LENGTH_MAX]}..."
