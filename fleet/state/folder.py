"""The folder of a state: a SQLite database, and a lock that one run at a time can have.

What has to be outlived is the process, killed at any moment: so a batch is written when SQLite's commit returns, as its
bytes are the operating system's then (WAL, `synchronous=NORMAL`). They aren't forced to the disk, which would take
milliseconds for every batch: a machine that loses its power may lose the last batches. That must not pass for a state.
The lock file has the number of the last batch, written after it: a database that knows of fewer is refused, be it for a
lost write, a file that somebody left out when copying, or one that was cut short; and so is one without a lock file.
Beside it stands when the run was last seen alive, which is when its charge points lost their power.

Whatever is written has a checksum of its own, as SQLite has none: one bit that fell over is no other meter reading.

A folder belongs to one seed and one fleet (ids, and how many connectors each has), and to the classes that were written
(`codec.SCHEMA`). It holds what charge points hold, passwords and private keys included, and is its owner's alone.
"""

import fcntl
import os
import sqlite3
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn
from zlib import crc32

import orjson
from attrs import define, field, frozen

from fleet.errors import ConfigurationError, FleetError

FORMAT = 1
"""Of the tables here; what is in their rows has the `schema` of whoever writes them."""
DATABASE, LOCK = "state.sqlite", "lock"
RECORDS = "records.jsonl"
"""Where a run's own CSMS keeps its records beside the state."""
_PROGRESS = struct.Struct("<qd")
_STAMP = struct.Struct("<qdI")
_ABOUT_CHECKSUM = "checksum"
_BESIDE = (f"{DATABASE}-shm", f"{DATABASE}-wal")
"""What SQLite makes even for whoever only reads."""
_TABLES = """
    CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE progress (batch INTEGER NOT NULL, utc_s REAL NOT NULL, checksum INTEGER NOT NULL);
    CREATE TABLE memories (charge_point TEXT, part TEXT, value BLOB NOT NULL, checksum INTEGER NOT NULL,
        PRIMARY KEY (charge_point, part)) WITHOUT ROWID;
    CREATE TABLE messages (number INTEGER PRIMARY KEY, charge_point TEXT NOT NULL, value BLOB NOT NULL,
        checksum INTEGER NOT NULL);
"""


_STATEMENTS = [each.strip() for each in _TABLES.split(";") if each.strip()]


class Damaged(Exception):
    """What is in the folder is not what was written there."""


class Unwritable(FleetError):
    """The folder doesn't take what is to be written."""


@frozen
class About:
    """To what a state belongs; `fleet` names every charge point with how many connectors it has."""

    schema: str
    version: str
    seed: int
    fleet: tuple[tuple[str, int], ...]


@define
class Batch:
    """What is written at once: rows of parts and of messages, and the numbers of messages that are no more."""

    utc_s: float = 0.0
    parts: list[tuple[str, str, bytes, int]] = field(factory=list)
    messages: list[tuple[int, str, bytes, int]] = field(factory=list)
    settled: list[tuple[int]] = field(factory=list)


@frozen
class Found:
    """What an earlier run left: parts by name and messages by number, of each charge point."""

    parts: dict[str, dict[str, bytes]] = field(factory=dict)
    messages: dict[str, list[tuple[int, bytes]]] = field(factory=dict)


def checksum(charge_point_id: str, key: str | int, value: bytes) -> int:
    """Of a row; `key` is the part or the number that it has."""
    return crc32(value, crc32(f"{charge_point_id}/{key}".encode("utf-8", "surrogatepass")))


def _checksum_of_about(rows: dict[str, str]) -> str:
    return str(crc32(orjson.dumps(sorted(each for each in rows.items() if each[0] != _ABOUT_CHECKSUM))))


def _checksum_of_progress(batch: int, utc_s: float) -> int:
    return crc32(_PROGRESS.pack(batch, utc_s))


class Folder:
    """An open folder. Its methods block; no two may run at once."""

    def __init__(self, path: Path, about: About, seed_given: bool = True) -> None:
        """Open it, or make a new one; raises ConfigurationError, a line without `--state` before it.

        Where no seed was given that of the folder is used: read it from `about`.
        """
        self.path = path
        self.about = about
        self.runs = 1
        """Which run this is, counted from 1."""
        self.last_utc_s = 0.0
        """When the run before this one was last seen alive."""
        self.found = Found()
        self._batch = 0
        self._database: sqlite3.Connection | None = None
        self._lock = self._take()
        try:
            self._open(seed_given)
        except (Damaged, sqlite3.Error, OSError, KeyError, TypeError, ValueError, struct.error) as error:
            self.close()
            raise ConfigurationError(_wrong_with(path, error)) from None
        except BaseException:
            self.close()
            raise

    # ---- opening -----------------------------------------------------------------------------------------------------

    def _take(self) -> int:
        """Have the folder, and its lock."""
        path = self.path
        try:
            path.mkdir(mode=0o700, exist_ok=True)
            names = os.listdir(path)
            if names and not {DATABASE, LOCK} & set(names):
                raise ConfigurationError(
                    f"{path}: expected a folder of its own for the state, this one has other files"
                )
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise ConfigurationError(f"{path}: expected a folder") from None
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            why = "another run is using it" if isinstance(error, BlockingIOError) else error.strerror
            raise ConfigurationError(f"{path}: {why}") from None
        return lock

    def _open(self, seed_given: bool) -> None:
        file = self.path / DATABASE
        there = file.exists() and file.stat().st_size > 0
        batch = self._read_stamp(there)
        if batch and not there:
            raise ConfigurationError(f"{self.path}: {DATABASE} is missing: the state is lost, use another folder")
        if batch:
            # Whoever is refused finds all as it was: SQLite tidies up wherever it may write.
            self._look(file, batch, seed_given)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._database = database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA locking_mode=EXCLUSIVE")  # and with it no shared memory to be mapped
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        if not batch:
            if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._create(database)
                return
            self._inspect(database, batch, seed_given)
        self._go_on(database)

    def _read_stamp(self, database: bool) -> int:
        """The number of the last batch, 0 where there was none or its writer was killed before it could say so.

        There is a stamp before there is a `database`.
        """
        stamp = os.pread(self._lock, _STAMP.size + 1, 0)
        if not stamp:
            if database:
                self._miss_lock()
            self.stamp(0.0)
            return 0
        if len(stamp) == _STAMP.size:
            batch, utc_s, _ = _STAMP.unpack(stamp)
            if stamp == _stamp(batch, utc_s):
                self.last_utc_s = utc_s
                return int(batch)
        raise ConfigurationError(
            f"{self.path}: {LOCK} is damaged: nobody can tell whether all is there, use another folder"
        )

    def _miss_lock(self) -> NoReturn:
        raise ConfigurationError(
            f"{self.path}: {LOCK} is missing: nobody can tell whether all is there, use another folder"
        )

    def _look(self, file: Path, batch: int, seed_given: bool) -> None:
        made = [each for each in map(self.path.joinpath, _BESIDE) if not each.exists()]
        database = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            self._inspect(database, batch, seed_given)
        finally:
            database.close()
            for each in made:
                each.unlink(missing_ok=True)

    def _create(self, database: sqlite3.Connection) -> None:
        """One transaction: who is killed in it leaves nothing."""
        about = self.about
        rows = {
            "format": str(FORMAT),
            "schema": about.schema,
            "version": about.version,
            "seed": str(about.seed),
            "fleet": orjson.dumps(about.fleet).decode(),
            "runs": "1",
        }
        rows[_ABOUT_CHECKSUM] = _checksum_of_about(rows)
        database.executescript(f"BEGIN; {_TABLES}")
        database.executemany("INSERT INTO about VALUES (?, ?)", rows.items())
        database.execute("INSERT INTO progress VALUES (0, 0.0, 0)")
        self._commit(0.0)

    def _inspect(self, database: sqlite3.Connection, batch: int, seed_given: bool) -> None:
        """Read all of it, and see whether it may be gone on with."""
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            # Its first line only says which database.
            raise Damaged(str(verdict).splitlines()[-1])
        rows = dict(database.execute("SELECT name, value FROM about"))
        self._require(database, rows, seed_given)
        progress = database.execute("SELECT batch, utc_s, checksum FROM progress").fetchall()
        if len(progress) != 1 or progress[0][2] != _checksum_of_progress(*progress[0][:2]):
            raise Damaged("how far it goes is not as it was written")
        self._batch, written_utc_s, _ = progress[0]
        if self._batch < batch:
            raise ConfigurationError(
                f"{self.path}: {DATABASE} is older than its run was: some of it is missing, use another folder"
            )
        if self._batch > 1 and not batch:
            self._miss_lock()
        self.last_utc_s = max(self.last_utc_s, written_utc_s)
        self.runs = int(rows["runs"]) + 1
        self._read(database)

    def _go_on(self, database: sqlite3.Connection) -> None:
        """This is another run, seen alive when the last one was: nothing has been done in it yet."""
        database.execute("BEGIN IMMEDIATE")
        rows = dict(database.execute("SELECT name, value FROM about"))
        rows["runs"] = str(self.runs)
        rows[_ABOUT_CHECKSUM] = _checksum_of_about(rows)
        database.executemany("REPLACE INTO about VALUES (?, ?)", rows.items())
        self._commit(self.last_utc_s)

    def _require(self, database: sqlite3.Connection, rows: dict[str, str], seed_given: bool) -> None:
        """It is the state of this fleet, and can be read."""
        path, about = self.path, self.about
        if (rows["format"], rows["schema"]) != (str(FORMAT), about.schema):
            raise ConfigurationError(
                f"{path}: written by fleet {rows['version']}, whose charge points remember other things than those of "
                f"this fleet {about.version}: end that run with the former, or use another folder"
            )
        if rows[_ABOUT_CHECKSUM] != _checksum_of_about(rows):
            raise Damaged("what it is about is not as it was written")
        if [each for (each,) in database.execute("SELECT sql FROM sqlite_master ORDER BY rowid")] != _STATEMENTS:
            raise Damaged("its tables are not as they were made")
        seed = int(rows["seed"])
        if seed_given and seed != about.seed:
            raise ConfigurationError(f"{path}: holds a run with seed {seed}, this one has {about.seed}")
        fleet = tuple((name, count) for name, count in orjson.loads(rows["fleet"]))
        if fleet != about.fleet:
            raise ConfigurationError(f"{path}: holds another fleet: {_difference(fleet, about.fleet)}")
        self.about = About(about.schema, about.version, seed, fleet)

    def _read(self, database: sqlite3.Connection) -> None:
        found = self.found
        for charge_point_id, part, value, written in database.execute("SELECT * FROM memories"):
            self._check(charge_point_id, part, value, written)
            found.parts.setdefault(charge_point_id, {})[part] = value
        for number, charge_point_id, value, written in database.execute("SELECT * FROM messages ORDER BY number"):
            self._check(charge_point_id, number, value, written)
            found.messages.setdefault(charge_point_id, []).append((number, value))

    def _check(self, charge_point_id: Any, key: Any, value: Any, written: Any) -> None:
        whole = isinstance(charge_point_id, str) and isinstance(value, bytes)
        if not whole or checksum(charge_point_id, key, value) != written:
            raise Damaged(f"a row of {charge_point_id!r} is not as it was written")

    # ---- writing -----------------------------------------------------------------------------------------------------

    def write(self, batch: Batch) -> None:
        """All of it or nothing; raises Unwritable."""
        database = self._database
        assert database is not None
        try:
            database.execute("BEGIN IMMEDIATE")
            _each(database, "DELETE FROM messages WHERE number = ?", batch.settled)
            _each(database, "REPLACE INTO messages VALUES (?, ?, ?, ?)", batch.messages)
            _each(database, "REPLACE INTO memories VALUES (?, ?, ?, ?)", batch.parts)
            self._commit(batch.utc_s)
        except (sqlite3.Error, OSError) as error:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise Unwritable(f"{self.path}: {_reason(error)}") from None

    def stamp(self, utc_s: float) -> None:
        """The run is alive, though there is nothing to write. A few bytes, that wait for no disk; raises OSError."""
        os.pwrite(self._lock, _stamp(self._batch, utc_s), 0)

    def _commit(self, utc_s: float) -> None:
        assert self._database is not None
        batch = self._batch + 1
        written = batch, utc_s, _checksum_of_progress(batch, utc_s)
        self._database.execute("UPDATE progress SET batch = ?, utc_s = ?, checksum = ?", written)
        self._database.execute("COMMIT")
        self._batch = batch
        self.stamp(utc_s)

    def close(self) -> None:
        """Let others have it."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _stamp(batch: int, utc_s: float) -> bytes:
    """What the lock file says, with a checksum of its own."""
    return _STAMP.pack(batch, utc_s, _checksum_of_progress(batch, utc_s))


def _each(database: sqlite3.Connection, statement: str, rows: Iterable[Sequence[Any]]) -> None:
    if rows:
        database.executemany(statement, rows)


def _difference(theirs: Sequence[tuple[str, int]], ours: Sequence[tuple[str, int]]) -> str:
    """In one line: the first charge point that isn't the same."""
    if len(theirs) != len(ours):
        return f"{len(theirs)} charge points, this run has {len(ours)}"
    there, here = next(pair for pair in zip(theirs, ours, strict=True) if pair[0] != pair[1])
    return f"{_named(there)} in the place of this run's {_named(here)}"


def _named(charge_point: tuple[str, int]) -> str:
    name, count = charge_point
    return f"{name} with {count} connector{'s' * (count != 1)}"


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


_OUTSIDE = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
        *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY),
    }
)
"""Errors that say nothing of what is in the database."""


def _wrong_with(path: Path, error: Exception) -> str:
    """Why a folder can't be opened: there is no room, it isn't ours to write to, or it holds no state any more."""
    if isinstance(error, OSError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _OUTSIDE:
        return f"{path}: {_reason(error)}"
    what = _reason(error) if isinstance(error, Damaged | sqlite3.Error) else f"{type(error).__name__}: {error}"
    return f"{path}: the state is damaged ({' '.join(what.split())}): use another folder"
