"""The other side's books: the records of the CSMS, and how they compare with ours.

A record and a transaction of ours are the same if charge point and transaction id are, as that is all the two sides
have in common. Records are read one after the other and none is kept, except those that nobody here knows; which of
ours were seen is one byte each. What is recorded of charge points that aren't ours is another fleet's business.

A CSMS that was told twice may write it twice, as long as it says the same. What was said once and is there twice is a
double booking.
"""

import math
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from attrs import define

from fleet.errors import ConfigurationError, FleetError
from fleet.observe.ledger import STARTED, STOPPED, Entry, Findings, Pages, id_tag_mark, in_64_bits

Record = Mapping[str, Any]

# Beside `STARTED` and `STOPPED`: what was found already and is said once of a transaction.
_DIFFERENT, _DOUBLED = 4, 8
_NUMBERS = 2**64
_ORIGIN = 2**63
_OF_START = ("connector", "meter_start_wh")
_OF_STOP = (*_OF_START, "meter_stop_wh", "energy_wh")
LINE_MAX_BYTES = 1_000_000
UNKNOWN_MAX = 10_000
"""Records that nobody here knows, of which more is said than how many they are."""


def require_records(path: Path, *, written: bool) -> None:
    """See, before anything runs, that records can be read there later, or `written` by the embedded CSMS.

    Those of another CSMS may not be there yet. A device or a pipe is no place for them: some never end. Raises
    ConfigurationError.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"--records {path}: expected a file")
        if written or path.exists():
            path.open("ab" if written else "rb").close()
        else:
            path.parent.stat()
    except OSError as error:
        raise ConfigurationError(f"--records {path}: {error.strerror or error}") from None


def read_records(path: Path, offset: int = 0, end: float = math.inf) -> Iterator[Record]:
    """The records of a CSMS, JSON lines as `fleet csms --records` writes them, from a byte `offset` on to the `end`.

    The offset is the file's size before the run, where a file is used for several. A last line without its newline is
    a write that was cut short, and is skipped. Raises FleetError, with file and line.
    """
    try:
        with path.open("rb") as lines:
            size = os.fstat(lines.fileno()).st_size
            if size < offset:
                raise FleetError(
                    f"{path} has {size} bytes and had {offset} before the run: expected records that only grow"
                )
            lines.seek(offset)
            position = offset
            for number, line in enumerate(iter(partial(lines.readline, LINE_MAX_BYTES), b""), start=1):
                if position >= end:
                    return
                position += len(line)
                where = f"{path}, line {number}" + (f" after byte {offset}" if offset else "")
                if not line.endswith(b"\n"):
                    if len(line) == LINE_MAX_BYTES:
                        raise FleetError(f"{where}: expected a record, of less than {LINE_MAX_BYTES} bytes")
                    return
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
        # A transaction's place is its index in `closed`, or beyond that in `unclosed`.
        self._unclosed_by_id = {
            (charge_point_id, entry.transaction_id): place
            for place, (charge_point_id, entry) in enumerate(unclosed, start=len(closed))
            if entry.transaction_id is not None
        }
        self._findings = findings
        # Places in `closed`, sorted, for finding an id: a dict would weigh several times what it finds.
        self._order = array("q", sorted(range(len(closed)), key=self._key))
        self._seen = bytearray(len(closed) + len(unclosed))
        self._unknown: dict[tuple[str, int], Unknown] = {}
        self.closed = 0
        """Closed in the records."""
        self.energy_wh = 0
        self.open = 0
        self.missing = 0
        self.duplicated = 0
        self.unknown = 0
        self.different = 0

    def _name(self, place: int) -> int:
        """Charge point and transaction id in one number."""
        return self._closed.charge_point[place] * _NUMBERS + self._closed.transaction_id[place] + _ORIGIN

    def _key(self, place: int) -> int:
        """The same with the meter's reading, which tells transactions apart that were given one id."""
        return self._name(place) * _NUMBERS + self._closed.meter_start_wh[place] + _ORIGIN

    def _find(self, charge_point_id: str, number: int, record: Record, mark: int) -> int | None:
        """The place of the transaction that a record is about; None where there is none of this id."""
        transaction_id, start_wh = record["transaction_id"], record["meter_start_wh"]
        order, closed = self._order, len(self._order)
        name = number * _NUMBERS + in_64_bits(transaction_id) + _ORIGIN
        first = bisect_left(order, name, key=self._name)
        found = order[first] if first < closed and self._name(order[first]) == name else None
        waiting = self._unclosed_by_id.get((charge_point_id, transaction_id))
        if found is None:
            return waiting
        if waiting is None and (first + 1 == closed or self._name(order[first + 1]) != name):
            return found
        # Several have this id: it is the one whose meter said so, and of those one that wasn't seen yet.
        key = name * _NUMBERS + start_wh + _ORIGIN
        index = bisect_left(order, key, first, key=self._key)
        exact = None
        while index < closed and self._key(order[index]) == key:
            exact = order[index]
            if not self._seen[exact] & mark:
                break
            index += 1
        if exact is not None:
            return exact
        return found if waiting is None else waiting

    def _entry(self, place: int) -> Entry:
        closed = len(self._closed)
        return self._closed.entry(place) if place < closed else self._unclosed[place - closed][1]

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
        mark = STARTED if record["kind"] == "start" else STOPPED
        place = self._find(charge_point_id, number, record, mark)
        if place is None:
            self._take_unknown(record, charge_point_id, transaction_id)
            return
        ours = self._entry(place)
        where = f"{charge_point_id}/{ours.connector} transaction {transaction_id}"
        again = self._seen[place] & mark
        doubled = again and not self._may_come_again(place, ours, mark)
        if doubled and not self._seen[place] & _DOUBLED:
            self._seen[place] |= _DOUBLED
            self.duplicated += 1
            line = f"{where}, {ours.energy_wh} Wh: its {record['kind']} is in the records again, and was said once"
            self._findings.add("duplicated", line)
        if mark == STARTED and self._seen[place] & STOPPED and not again:
            self._findings.violations.add("stop-before-start", where)
        self._seen[place] |= mark
        if mark == STOPPED and (doubled or not again):
            self.closed += 1
            self.energy_wh += record["energy_wh"]
        self._compare(record, place, ours, where)

    def _may_come_again(self, place: int, ours: Entry, mark: int) -> bool:
        """Whether the CSMS was or may have been told twice; a stop without an acknowledgement is said many times."""
        return bool(ours.said_again & mark) or (mark == STOPPED and place >= len(self._closed))

    def _compare(self, record: Record, place: int, ours: Entry, where: str) -> None:
        """One line for the first thing that isn't the same."""
        if self._seen[place] & _DIFFERENT:
            return
        for name in _OF_STOP if record["kind"] == "stop" else _OF_START:
            if record[name] != getattr(ours, name):
                line = f"{where}: {name} is {getattr(ours, name)} here and {record[name]} in the records"
                break
        else:
            id_tag = record.get("id_tag")
            if not isinstance(id_tag, str) or ours.id_tag_mark in (0, id_tag_mark(id_tag)):
                return
            line = f"{where}: id_tag is another one here than {id_tag!a} in the records"
        self._seen[place] |= _DIFFERENT
        self.different += 1
        self._findings.add("different", line)

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
            name = self._name(place)
            where = (
                f"{self._ids[self._closed.charge_point[place]]}/{entry.connector} transaction {entry.transaction_id}"
            )
            if name == before:
                self.duplicated += 1
                self._findings.add("repeated-id", f"{where}: the CSMS gave this id to two transactions")
            if not self._seen[place]:
                self.missing += 1
                self._findings.add("missing", f"{where}, {entry.energy_wh} Wh: acknowledged, but not in the records")
            elif not self._seen[place] & STOPPED:
                self.open += 1
                line = f"{where}, {entry.energy_wh} Wh: acknowledged, but still open in the records"
                self._findings.add("open-in-records", line)
            before = name

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
                self._findings.add("unknown", f"{line}but unknown here")
            else:
                self.duplicated += 1
                self._findings.add("duplicated", f"{line}beside the same one here {twin}")

    def _ours(self) -> Iterator[tuple[str, Entry]]:
        closed = self._closed
        for place in range(len(closed)):
            yield self._ids[closed.charge_point[place]], closed.entry(place)
        yield from self._unclosed
