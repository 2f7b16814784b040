"""The pages of the books: what is kept of a transaction while it is open, once it is over, and of what went wrong."""

from array import array
from collections.abc import Iterator
from zlib import crc32

from attrs import define, field

from fleet.observe.tally import Tally

FINDINGS_MAX = 50
LATE_S = 60.0
"""A transaction message that is delivered longer than this after it was due is late.

Twice the patience that is usual with one CALL, and the usual pause before one is tried again: whatever the CSMS took at
the first attempt is not late, whatever had to wait for a second one or for the CSMS to come back is.
"""
STARTED, STOPPED = 1, 2
"""The two messages of a transaction that the records have, as bits."""
# In a column of transaction ids, for those that never had one; far from any id that a CSMS gives.
_NO_ID = -(2**63)


@define
class Fate:
    """What became of the transaction messages of one action, counted."""

    delivered: int = 0
    lost: int = 0
    repeated: int = 0
    """Delivered, and said more than once until then: the CSMS may have taken it twice."""
    late: int = 0
    """Delivered more than `LATE_S` after it was due."""
    out_of_order: int = 0
    """Delivered before one of the same transaction that was due before it."""


@define
class Entry:
    """A transaction of which more is to come. `said_again` is `STARTED`, `STOPPED` or both, as far as it is settled.

    `id_tag_mark` is 0 where the id tag isn't known here.
    """

    connector: int
    meter_start_wh: int
    meter_stop_wh: int | None = None
    transaction_id: int | None = None
    id_tag_mark: int = 0
    said_again: int = 0

    @property
    def energy_wh(self) -> int:
        """What StopTransaction reports."""
        return 0 if self.meter_stop_wh is None else self.meter_stop_wh - self.meter_start_wh


@define
class Pages:
    """Transactions of which nothing more is to come, a number per column."""

    charge_point: "array[int]" = field(factory=lambda: array("i"))
    connector: "array[int]" = field(factory=lambda: array("H"))
    transaction_id: "array[int]" = field(factory=lambda: array("q"))
    meter_start_wh: "array[int]" = field(factory=lambda: array("q"))
    meter_stop_wh: "array[int]" = field(factory=lambda: array("q"))
    id_tag_mark: "array[int]" = field(factory=lambda: array("H"))
    said_again: "array[int]" = field(factory=lambda: array("B"))

    def __len__(self) -> int:
        return len(self.connector)

    def add(self, charge_point: int, entry: Entry) -> None:
        """One more; it has been stopped."""
        assert entry.meter_stop_wh is not None
        self.charge_point.append(charge_point)
        self.connector.append(entry.connector)
        self.transaction_id.append(_NO_ID if entry.transaction_id is None else in_64_bits(entry.transaction_id))
        self.meter_start_wh.append(entry.meter_start_wh)
        self.meter_stop_wh.append(entry.meter_stop_wh)
        self.id_tag_mark.append(entry.id_tag_mark)
        self.said_again.append(entry.said_again)

    def entry(self, index: int) -> Entry:
        """As it was."""
        transaction_id = self.transaction_id[index]
        return Entry(
            self.connector[index],
            self.meter_start_wh[index],
            self.meter_stop_wh[index],
            None if transaction_id == _NO_ID else transaction_id,
            self.id_tag_mark[index],
            self.said_again[index],
        )


def in_64_bits(transaction_id: int) -> int:
    """A transaction id as a column holds it. What JSON can say beyond that folds over: it has to be survived."""
    return (transaction_id + 2**63) % 2**64 - 2**63


def id_tag_mark(id_tag: str) -> int:
    """An id tag in two bytes: enough to see that a record names another one, whose case doesn't matter. Never 0.

    (OCPP 1.6 section 7.28: a tag is a CiString20Type.)
    """
    return crc32(id_tag.lower().encode("utf-8", "surrogatepass")) & 0xFFFF or 1


class Findings:
    """What is wrong: counted by rule, and as lines for people, as many as anybody reads."""

    def __init__(self) -> None:
        self.violations = Tally()
        self._lines: dict[str, list[str]] = {}
        self._found = 0

    def add(self, rule: str, line: str) -> None:
        """One more thing that is wrong, by a rule of `fleet.observe.rules.BOOK_RULES`."""
        self.violations.add(rule, line)
        self._found += 1
        lines = self._lines.setdefault(rule, [])
        if len(lines) < FINDINGS_MAX:
            lines.append(line)

    def copy(self) -> "Findings":
        """As it is now, to be gone on with."""
        other = Findings()
        other.violations = Tally(
            dict(self.violations.counts), {rule: list(cases) for rule, cases in self.violations.cases.items()}
        )
        other._lines = {rule: list(lines) for rule, lines in self._lines.items()}
        other._found = self._found
        return other

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[str]:
        """`FINDINGS_MAX` lines, by rule, and how many more there are.

        Every rule has its share: a thousand lost readings don't hide the one transaction that was altered.
        """
        room, shares = FINDINGS_MAX, dict.fromkeys(self._lines, 0)
        for left, rule in zip(
            range(len(shares), 0, -1), sorted(shares, key=lambda rule: len(self._lines[rule])), strict=True
        ):
            shares[rule] = min(len(self._lines[rule]), room // left)
            room -= shares[rule]
        for rule, share in shares.items():
            yield from self._lines[rule][:share]
        if more := self._found - (FINDINGS_MAX - room):
            yield f"and {more} more"
