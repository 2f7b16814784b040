"""The other side's books: the records of the CSMS, and how they compare with ours.

A record and a transaction of ours are the same if charge point and transaction id are, as that is all the two sides
have in common. Records are read one after the other and none is kept, except those that nobody here knows; which of
ours were seen is one byte each. What is recorded of charge points that aren't ours is another fleet's business.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from attrs import define

from fleet.errors import FleetError
from fleet.observe.ledger import Entry, Findings, Pages

Record = Mapping[str, Any]

_STARTED = 1
_STOPPED = 2
_IDS = 2**64
UNKNOWN_MAX = 10_000
"""Records that nobody here knows, of which more is said than how many they are."""


def read_records(path: Path, offset: int = 0) -> Iterator[Record]:
    """The records of a CSMS, JSON lines as `fleet csms --records` writes them, from a byte `offset` on.

    The offset is the file's size before the run, where a file is used for several. A last line without its newline is
    a write that was cut short, and is skipped. Raises FleetError, with file and line.
    """
    try:
        with path.open("rb") as lines:
            lines.seek(offset)
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    return
                where = f"{path}, line {number}" + (f" after byte {offset}" if offset else "")
                try:
                    record = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise FleetError(f"{where}: not JSON: {error.msg}") from None
                if not isinstance(record, dict):
                    raise FleetError(f"{where}: expected an object")
                yield record
    except OSError as error:
        raise FleetError(f"cannot read records from {path}: {error.strerror}") from None


@define
class Unknown:
    """A recorded transaction that isn't ours by its id."""

    connector: int
    meter_start_wh: int
    energy_wh: int | None = None


class Comparison:
    """Takes the records once, and then has the figures."""

    def __init__(
        self, ids: Sequence[str], closed: Pages, unclosed: Sequence[tuple[str, Entry]], findings: Findings
    ) -> None:
        """`ids` are all charge points of the fleet, by the numbers in `closed`.

        `unclosed` are the transactions of which the CSMS did not say that it closed them.
        """
        self._ids = ids
        self._numbers = {charge_point_id: number for number, charge_point_id in enumerate(ids)}
        self._closed = closed
        self._unclosed = unclosed
        self._unclosed_by_id = {
            (charge_point_id, entry.transaction_id): entry
            for charge_point_id, entry in unclosed
            if entry.transaction_id is not None
        }
        self._findings = findings
        # Places in `closed`, sorted, for finding an id: a dict would weigh several times what it finds.
        self._order = array("q", sorted(range(len(closed)), key=self._key))
        self._seen = bytearray(len(closed))
        self._unknown: dict[tuple[str, int], Unknown] = {}
        self.closed = 0
        """Closed in the records."""
        self.energy_wh = 0
        self.open = 0
        self.missing = 0
        self.duplicated = 0
        self.unknown = 0
        self.different = 0

    def _key(self, place: int) -> int:
        return self._closed.charge_point[place] * _IDS + self._closed.transaction_id[place]

    def _find(self, number: int, transaction_id: int) -> int | None:
        key = number * _IDS + transaction_id
        index = bisect_left(self._order, key, key=self._key)
        if index == len(self._order) or self._key(self._order[index]) != key:
            return None
        return self._order[index]

    def take(self, records: Iterable[Record]) -> None:
        """Compare every record with ours, and ours with what was recorded."""
        for record in records:
            if record.get("kind") in ("start", "stop"):
                try:
                    self._take(record)
                except (KeyError, TypeError) as error:
                    raise FleetError(f"a record of a {record['kind']} without a usable {error}") from None
        self._conclude_ours()
        self._conclude_unknown()

    def _take(self, record: Record) -> None:
        charge_point_id, transaction_id = record["charge_point"], record["transaction_id"]
        number = self._numbers.get(charge_point_id)
        if number is None:
            return
        place = self._find(number, transaction_id)
        mark = _STARTED if record["kind"] == "start" else _STOPPED
        if place is not None:
            if self._seen[place] & mark:
                return  # The CSMS was told again, and wrote it again: that's its way of being sure.
            self._seen[place] |= mark
            ours = self._closed.entry(place)
        elif (entry := self._unclosed_by_id.get((charge_point_id, transaction_id))) is not None:
            ours = entry
        else:
            self._take_unknown(record, charge_point_id, transaction_id)
            return
        if mark == _STOPPED:
            self.closed += 1
            self.energy_wh += record["energy_wh"]
            self._compare(record, ours, f"{charge_point_id}/{ours.connector} transaction {transaction_id}")

    def _compare(self, record: Record, ours: Entry, where: str) -> None:
        """One line for the first thing that isn't the same."""
        for name, mine in (
            ("connector", ours.connector),
            ("meter_start_wh", ours.meter_start_wh),
            ("meter_stop_wh", ours.meter_stop_wh),
            ("energy_wh", ours.energy_wh),
        ):
            if record[name] != mine:
                self.different += 1
                self._findings.add(f"{where}: {name} is {mine} here and {record[name]} in the records")
                return

    def _take_unknown(self, record: Record, charge_point_id: str, transaction_id: int) -> None:
        key = charge_point_id, transaction_id
        unknown = self._unknown.get(key)
        if unknown is None:
            if len(self._unknown) >= UNKNOWN_MAX:
                self.unknown += record["kind"] == "start"
                return
            unknown = self._unknown[key] = Unknown(record["connector"], record["meter_start_wh"])
        if record["kind"] == "stop" and unknown.energy_wh is None:
            unknown.energy_wh = record["energy_wh"]
            self.closed += 1
            self.energy_wh += record["energy_wh"]

    def _conclude_ours(self) -> None:
        """What the CSMS acknowledged has to be in its records, once."""
        before: int | None = None
        for place in self._order:
            entry = self._closed.entry(place)
            key = self._key(place)
            where = (
                f"{self._ids[self._closed.charge_point[place]]}/{entry.connector} transaction {entry.transaction_id}"
            )
            if key == before:
                self.duplicated += 1
                self._findings.add(f"{where}: the CSMS gave this id to two transactions")
            elif not self._seen[place]:
                self.missing += 1
                self._findings.add(f"{where}, {entry.energy_wh} Wh: acknowledged, but not in the records")
            elif not self._seen[place] & _STOPPED:
                self.open += 1
                self._findings.add(f"{where}, {entry.energy_wh} Wh: acknowledged, but still open in the records")
            before = key

    def _conclude_unknown(self) -> None:
        """A record that isn't ours by its id may be a second one of a transaction that is."""
        if not self._unknown:
            return
        starts = {(each[0], unknown.connector, unknown.meter_start_wh) for each, unknown in self._unknown.items()}
        known: dict[tuple[str, int, int], str] = {}
        for charge_point_id, entry in self._ours():
            start = charge_point_id, entry.connector, entry.meter_start_wh
            if start in starts:
                known[start] = "without an id" if entry.transaction_id is None else f"with id {entry.transaction_id}"
        for (charge_point_id, transaction_id), unknown in self._unknown.items():
            energy = "open" if unknown.energy_wh is None else f"{unknown.energy_wh} Wh"
            line = f"{charge_point_id}/{unknown.connector} transaction {transaction_id}, {energy}: recorded, "
            twin = known.get((charge_point_id, unknown.connector, unknown.meter_start_wh))
            if twin is None:
                self.unknown += 1
                self._findings.add(f"{line}but unknown here")
            else:
                self.duplicated += 1
                self._findings.add(f"{line}beside the same one here {twin}")

    def _ours(self) -> Iterator[tuple[str, Entry]]:
        closed = self._closed
        for place in range(len(closed)):
            yield self._ids[closed.charge_point[place]], closed.entry(place)
        yield from self._unclosed
