"""The pages of the books: what is kept of a transaction while it is open, once it is over, and of what went wrong."""

from array import array
from collections.abc import Iterable, Iterator

from attrs import define, field

FINDINGS_MAX = 50
# In a column of transaction ids, for those that never had one; far from any id that a CSMS gives.
_NO_ID = -(2**63)


@define
class Entry:
    """A transaction of which more is to come."""

    connector: int
    meter_start_wh: int
    meter_stop_wh: int | None = None
    transaction_id: int | None = None

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

    def __len__(self) -> int:
        return len(self.connector)

    def add(self, charge_point: int, entry: Entry) -> None:
        """One more; it has been stopped."""
        assert entry.meter_stop_wh is not None
        self.charge_point.append(charge_point)
        self.connector.append(entry.connector)
        self.transaction_id.append(_NO_ID if entry.transaction_id is None else entry.transaction_id)
        self.meter_start_wh.append(entry.meter_start_wh)
        self.meter_stop_wh.append(entry.meter_stop_wh)

    def entry(self, index: int) -> Entry:
        """As it was."""
        transaction_id = self.transaction_id[index]
        return Entry(
            self.connector[index],
            self.meter_start_wh[index],
            self.meter_stop_wh[index],
            None if transaction_id == _NO_ID else transaction_id,
        )


class Findings:
    """Lines for people, as many as anybody reads."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self.lines = list(lines)
        self.more = 0

    def add(self, line: str) -> None:
        """One more thing that is wrong."""
        if len(self.lines) < FINDINGS_MAX:
            self.lines.append(line)
        else:
            self.more += 1

    def __iter__(self) -> Iterator[str]:
        yield from self.lines
        if self.more:
            yield f"and {self.more} more"
