"""The central system's books: JSON lines, one at the start and one at the end of every transaction.

Every line is an object with a `kind`; times are UTC, `2026-11-22T11:17:32.123Z`, energies whole Wh. A line is on its
way to the disk before the answer it belongs to goes out, so a CSMS that is killed has told nobody what it forgot.

    {"kind": "start", "recorded_at", "charge_point", "connector", "transaction_id", "id_tag", "status",
     "meter_start_wh", "started_at"}
    {"kind": "stop", "recorded_at", "charge_point", "connector", "transaction_id", "id_tag", "meter_start_wh",
     "meter_stop_wh", "energy_wh", "started_at", "stopped_at", "reason", "meter_values"}
    {"kind": "oddity", "recorded_at", "charge_point", "rule", "detail", "transaction_id"}

`status` is what the id tag was worth, `meter_values` how many MeterValues.req came for the transaction while this CSMS
ran, `reason` the StopTransaction's (Local where it gave none, OCPP 1.6 section 6.49). An oddity is something a charge
point should not have said; `rule` is a short word for counting and `transaction_id` is null where there is none:

- a message that came again: `repeated-start`, `repeated-stop` (the same StopTransaction), `conflicting-stop` (another
  one for a transaction that is closed);
- a transaction that makes no sense: `orphan-stop`, `stray-meter-values` (an id never given to this charge point),
  `late-meter-values` (after its stop), `connector-busy` (a start before the last stop), `meter-fell`;
- a frame against OCPP-J: `not-json`, `wrong-shape`, `binary-frame`, `unknown-message-type`, `bad-message-id`,
  `bad-action`, `repeated-message-id`, `overlapping-call`, `unknown-reply`, `late-reply`, `double-reply`, `bad-result`;
- a CALL that was refused: `unregistered`, or the CALLERROR code in kebab case (`type-constraint-violation`, ...);
- a connection: `subprotocol`, `no-identity`, `oversize`, `broken-websocket`, `tls`, `unauthorized`;
- a certificate: `bad-signing-request`, `certificate-not-taken` (the one that was sent).
"""

import fcntl
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import attrs
import orjson
from attrs import define, field, frozen

from fleet.errors import FleetError
from fleet.words import AuthorizationStatus, StopReason


@frozen
class StartRecord:
    """A transaction began."""

    recorded_at: str
    charge_point: str
    connector: int
    transaction_id: int
    id_tag: str
    status: AuthorizationStatus = field(converter=AuthorizationStatus)
    meter_start_wh: int
    started_at: str


@frozen
class StopRecord:
    """A transaction ended; the facts of its start are said again, so that one line tells it all."""

    recorded_at: str
    charge_point: str
    connector: int
    transaction_id: int
    id_tag: str
    meter_start_wh: int
    meter_stop_wh: int
    energy_wh: int
    started_at: str
    stopped_at: str
    reason: StopReason = field(converter=StopReason)
    meter_values: int


@frozen
class OddityRecord:
    """A charge point said something it should not have."""

    recorded_at: str
    charge_point: str
    rule: str
    detail: str
    transaction_id: int | None = None


Record = StartRecord | StopRecord | OddityRecord
_KINDS: dict[str, type[StartRecord | StopRecord | OddityRecord]] = {
    "start": StartRecord,
    "stop": StopRecord,
    "oddity": OddityRecord,
}
_BEGINNING = b'{"kind":"'
# Longer than any record: names are at most 255 characters, details are cut by whoever writes them.
TAIL_LENGTH = 65_536
WAIT_S = 10.0
"""How long another CSMS may take to let go of the records."""
_KIND_OF = {record_type: kind for kind, record_type in _KINDS.items()}
_FIELDS = {record_type: tuple(each.name for each in attrs.fields(record_type)) for record_type in _KINDS.values()}


def write_instant(instant: datetime) -> str:
    """A UTC time as the books write it."""
    return instant.isoformat(timespec="milliseconds")[:23] + "Z"


def render_record(record: Record) -> bytes:
    """One line, with its newline."""
    names = _FIELDS[type(record)]
    line = {"kind": _KIND_OF[type(record)], **{name: getattr(record, name) for name in names}}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def parse_record(line: bytes) -> Record:
    """The record in one line; raises ValueError with one clear line for anything else."""
    try:
        fields = orjson.loads(line)
        record_type = _KINDS[fields.pop("kind")]
        return record_type(**fields)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from None
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ValueError("not a record of a start, a stop or an oddity") from None


def read_records(path: Path) -> Iterator[Record]:
    """Every record of a file. A last line without its newline is a write that a kill cut short, and is skipped.

    Raises FleetError, with file and line, for a file that can't be read or that holds something else.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                if line.isspace():
                    continue
                try:
                    yield parse_record(line)
                except ValueError as error:
                    raise FleetError(f"{path}, line {number}: {error}") from None
    except OSError as error:
        raise FleetError(f"cannot read records from {path}: {error.strerror}") from None


class RecordFile:
    """The file that records are appended to; every record is one write of its own, past any buffer."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; raises FleetError with one clear line where that can't be done."""
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise FleetError(f"cannot write records to {path}: {error.strerror}") from None
        if stat.S_ISREG(os.fstat(self._descriptor).st_mode) and not self._have():
            os.close(self._descriptor)
            raise FleetError(f"cannot write records to {path}: another CSMS does")

    def _have(self) -> bool:
        """Have the file for ourselves: two that go on with the same records would give an id twice.

        One whose run was killed may still be about to end.
        """
        given_up_at = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= given_up_at:
                    return False
                time.sleep(0.05)
            except OSError:
                return True  # no such locks on this file system
            else:
                return True

    def earlier(self) -> list[Record]:
        """What an earlier run left here; a line that a kill cut short is taken out, it was never answered for.

        A device or a pipe has no past. Raises FleetError for somebody else's file, which is left as it is.
        """
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            return []
        records = list(read_records(self.path))
        tail = os.pread(self._descriptor, TAIL_LENGTH, max(0, status.st_size - TAIL_LENGTH))
        torn = tail[tail.rfind(b"\n") + 1 :]
        if torn:
            if not (torn.startswith(_BEGINNING) or _BEGINNING.startswith(torn)):
                raise FleetError(f"{self.path}: ends with something that is no record")
            os.truncate(self._descriptor, status.st_size - len(torn))
        return records

    def __call__(self, record: Record) -> None:
        """Append one record; raises FleetError when the disk won't have it."""
        data = render_record(record)
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise FleetError(f"cannot write records to {self.path}: {error.strerror}") from None

    def close(self) -> None:
        """No more records."""
        os.close(self._descriptor)


@define
class RecordedTransaction:
    """Both ends of a transaction, as far as they are recorded."""

    start: StartRecord
    stop: StopRecord | None = None


@define
class Books:
    """What a file of records adds up to: for comparing with the other side's books."""

    transactions: dict[int, RecordedTransaction] = field(factory=dict)
    oddities: Counter[str] = field(factory=Counter)

    @property
    def started(self) -> int:
        """How many transactions began."""
        return len(self.transactions)

    @property
    def stopped(self) -> int:
        """How many of them ended."""
        return sum(each.stop is not None for each in self.transactions.values())

    @property
    def energy_wh(self) -> int:
        """The energy of all that ended, in Wh."""
        return sum(each.stop.energy_wh for each in self.transactions.values() if each.stop is not None)


def read_books(path: Path) -> Books:
    """Add up a file of records; raises FleetError as `read_records` does, or for a stop without its start."""
    books = Books()
    for record in read_records(path):
        match record:
            case StartRecord():
                books.transactions[record.transaction_id] = RecordedTransaction(record)
            case StopRecord():
                transaction = books.transactions.get(record.transaction_id)
                if transaction is None:
                    raise FleetError(f"{path}: a stop without its start: transaction {record.transaction_id}")
                transaction.stop = record
            case OddityRecord():
                books.oddities[record.rule] += 1
    return books
