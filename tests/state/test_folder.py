"""The folder: made, reopened, refused. Whatever was done to it: the very same content, or one line that says why."""

import fcntl
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from zlib import crc32

import pytest
from attrs import evolve

from fleet.errors import ConfigurationError
from fleet.state.folder import DATABASE, FORMAT, LOCK, About, Batch, Folder, Unwritable, checksum

ABOUT = About("schema", "1.0", 7, (("CP1", 2), ("CP2", 1)))
WAL = f"{DATABASE}-wal"
ROOT = os.geteuid() == 0


def batch(utc_s: float, parts: dict[tuple[str, str], bytes], messages: dict[int, tuple[str, bytes]]) -> Batch:
    return Batch(
        utc_s,
        [(name, part, value, checksum(name, part, value)) for (name, part), value in parts.items()],
        [(number, name, value, checksum(name, number, value)) for number, (name, value) in messages.items()],
    )


def fill(folder: Folder) -> None:
    """Some batches, as of a run that was alive until 1000.5."""
    for number in range(1, 6):
        name = f"CP{1 + number % 2}"
        parts = {(name, "rest"): b"r%d" % number * 50, (name, "profiles"): b"[]"}
        folder.write(batch(900.0 + number, parts, {number: (name, b"m%d" % number * 40)}))
    settled = Batch(906.0)
    settled.settled.append((2,))
    folder.write(settled)
    folder.stamp(1000.5)


@contextmanager
def opened(path: Path, about: About = ABOUT, *, seed_given: bool = True) -> Iterator[Folder]:
    folder = Folder(path, about, seed_given)
    try:
        yield folder
    finally:
        folder.close()


def left_behind(tmp_path: Path, *, killed: bool) -> Path:
    """The folder of a run that has ended, or that was killed: then its last batches are in the WAL alone."""
    path = tmp_path / "state"
    with opened(path) as folder:
        fill(folder)
        if killed:
            copy = tmp_path / "killed"
            shutil.copytree(path, copy)
            return copy
    return path


def content(folder: Folder) -> tuple[object, ...]:
    """All that a run goes on from."""
    return folder.found.parts, folder.found.messages, folder.about, folder.runs, folder.last_utc_s


def content_or_why_not(path: Path) -> object:
    try:
        with opened(path) as folder:
            return content(folder)
    except ConfigurationError as error:
        return str(error)


def refusal(path: Path, about: About = ABOUT, *, seed_given: bool = True) -> str:
    """The one line with which it doesn't open."""
    with pytest.raises(ConfigurationError) as refused, opened(path, about, seed_given=seed_given):
        pass
    text = str(refused.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


# ---- opening what is sound -------------------------------------------------------------------------------------------


def test_a_new_folder_is_its_owners_alone_and_empty(tmp_path: Path) -> None:
    with opened(tmp_path / "state") as folder:
        assert content(folder) == ({}, {}, ABOUT, 1, 0.0)
        fill(folder)
        assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
        assert {each.name: each.stat().st_mode & 0o777 for each in (tmp_path / "state").iterdir()} == {
            DATABASE: 0o600,
            WAL: 0o600,
            LOCK: 0o600,
        }


@pytest.mark.parametrize("killed", [False, True])
def test_what_was_written_is_there_again(tmp_path: Path, killed: bool) -> None:
    with opened(left_behind(tmp_path, killed=killed)) as folder:
        assert folder.found.parts == {
            "CP1": {"rest": b"r4" * 50, "profiles": b"[]"},
            "CP2": {"rest": b"r5" * 50, "profiles": b"[]"},
        }
        assert folder.found.messages == {
            "CP2": [(1, b"m1" * 40), (3, b"m3" * 40), (5, b"m5" * 40)],
            "CP1": [(4, b"m4" * 40)],
        }
        assert (folder.runs, folder.last_utc_s) == (2, 1000.5)


def test_an_empty_folder_may_be_there_already(tmp_path: Path) -> None:
    with opened(tmp_path) as folder:
        assert folder.runs == 1


def test_a_run_that_was_killed_before_it_wrote_anything_changes_nothing_but_the_number_of_runs(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=True)
    for run in range(2, 5):
        with opened(path) as folder:
            assert (folder.runs, folder.last_utc_s, len(folder.found.parts)) == (run, 1000.5, 2)


def test_a_kill_while_the_folder_is_made_leaves_a_new_folder(tmp_path: Path) -> None:
    with opened(tmp_path / "state"):
        pass
    for there in ({LOCK: b""}, {LOCK: b"", DATABASE: b""}):
        path = tmp_path / f"{len(there)}"
        path.mkdir()
        for name, data in there.items():
            (path / name).write_bytes(data)
        with opened(path) as folder:
            assert folder.runs == 1
    # The stamp was there, and the database not yet.
    path = tmp_path / "stamped"
    path.mkdir()
    body = struct.pack("<qd", 0, 0.0)
    (path / LOCK).write_bytes(body + struct.pack("<I", crc32(body)))
    sqlite3.connect(path / DATABASE).execute("PRAGMA journal_mode=WAL").connection.close()
    with opened(path) as folder:
        assert folder.runs == 1


def test_without_a_seed_that_of_the_folder_is_gone_on_with(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=False)
    with opened(path, evolve(ABOUT, seed=99), seed_given=False) as folder:
        assert folder.about.seed == 7


# ---- refusing what is somebody else's --------------------------------------------------------------------------------


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=False)
    assert refusal(path, evolve(ABOUT, seed=8)) == "holds a run with seed 7, this one has 8"


@pytest.mark.parametrize(
    ("fleet", "why"),
    [
        ((("CP1", 2),), "2 charge points, this run has 1"),
        ((("CP1", 2), ("CP2", 2)), "CP2 with 1 connector in the place of this run's CP2 with 2 connectors"),
        ((("A", 2), ("CP2", 1)), "CP1 with 2 connectors in the place of this run's A with 2 connectors"),
    ],
)
def test_another_fleet_is_named(tmp_path: Path, fleet: tuple[tuple[str, int], ...], why: str) -> None:
    path = left_behind(tmp_path, killed=False)
    assert refusal(path, evolve(ABOUT, fleet=fleet)) == f"holds another fleet: {why}"


def test_other_classes_are_another_version(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=False)
    expected = (
        "written by fleet 1.0, whose charge points remember other things than those of this fleet 2.0: "
        "end that run with the former, or use another folder"
    )
    assert refusal(path, evolve(ABOUT, schema="other", version="2.0")) == expected
    with opened(path, evolve(ABOUT, version="2.0")) as folder:
        assert folder.runs == 2


def test_another_format_is_another_version(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=False)
    with sqlite3.connect(path / DATABASE) as database:
        database.execute("UPDATE about SET value = ? WHERE name = 'format'", (str(FORMAT + 1),))
    database.close()
    assert refusal(path).startswith("written by fleet 1.0, whose charge points remember other things")


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    assert refusal(tmp_path) == "expected a folder of its own for the state, this one has other files"
    assert [each.name for each in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    assert refusal(tmp_path / "state") == "expected a folder"


def test_a_folder_in_no_folder_is_not_made(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no" / "state") == "No such file or directory"


_OTHER = (
    "import sys, fcntl; f = open(sys.argv[1], 'r+b'); fcntl.flock(f, fcntl.LOCK_EX); print('.', flush=True); input()"
)


def test_one_run_at_a_time_has_the_folder(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=False)
    command = [sys.executable, "-c", _OTHER, str(path / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == ".\n"
        assert refusal(path) == "another run is using it"
        other.communicate("\n")
    with opened(path) as folder:
        assert refusal(path) == "another run is using it"
        assert folder.runs == 2


def test_a_refused_folder_is_let_go_of(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=False)
    refusal(path, evolve(ABOUT, seed=8))
    with open(path / LOCK, "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


_AS_NOBODY = """
import os, sys
from pathlib import Path
from fleet.errors import ConfigurationError
from fleet.state.folder import About, Folder
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    Folder(Path(sys.argv[1]), About("schema", "1.0", 7, (("CP1", 2), ("CP2", 1))))
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize("name", [LOCK, DATABASE, "."])
def test_what_may_not_be_written_to_is_said(tmp_path: Path, name: str) -> None:
    path = left_behind(tmp_path, killed=False)
    if ROOT:
        # Nobody else may pass through pytest's own folder either.
        for each in (path, *path.iterdir()):
            os.chown(each, 65534, 65534)
        for folder in tmp_path.parents[:3]:
            folder.chmod(folder.stat().st_mode | 0o011)
        tmp_path.chmod(0o755)
    (path / name).chmod(0o500 if name == "." else 0o400)
    if name == ".":
        (path / LOCK).unlink()
    run = subprocess.run([sys.executable, "-c", _AS_NOBODY, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout == f"{path}: Permission denied\n"


# ---- refusing what is not whole --------------------------------------------------------------------------------------


def test_a_killed_runs_folder_without_its_wal_is_older_than_its_run(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=True)
    (path / WAL).unlink()
    assert "use another folder" in refusal(path)
    # Where a part of it is in the database already.
    path = tmp_path / "state"
    with opened(path) as folder:
        assert folder._database is not None
        folder._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        folder.write(batch(1001.0, {("CP1", "rest"): b"new"}, {}))
        copy = tmp_path / "copy"
        shutil.copytree(path, copy)
    (copy / WAL).unlink()
    assert refusal(copy) == f"{DATABASE} is older than its run was: some of it is missing, use another folder"


def test_a_wal_that_was_cut_short_is_older_than_its_run(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=True)
    size = (path / WAL).stat().st_size
    os.truncate(path / WAL, size - 100)
    assert refusal(path) == f"{DATABASE} is older than its run was: some of it is missing, use another folder"


@pytest.mark.parametrize("killed", [False, True])
def test_without_its_database_the_state_is_lost(tmp_path: Path, killed: bool) -> None:
    path = left_behind(tmp_path, killed=killed)
    (path / DATABASE).unlink()
    assert refusal(path) == f"{DATABASE} is missing: the state is lost, use another folder"


@pytest.mark.parametrize("killed", [False, True])
def test_without_its_lock_file_nothing_tells_whether_it_is_whole(tmp_path: Path, killed: bool) -> None:
    path = left_behind(tmp_path, killed=killed)
    (path / LOCK).unlink()
    assert refusal(path) == f"{LOCK} is missing: nobody can tell whether all is there, use another folder"


def test_a_truncated_database_is_no_state(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=False)
    size = (path / DATABASE).stat().st_size
    for left in (0, 1, 100, 4096, size // 2, size - 1):
        copy = tmp_path / f"cut-{left}"
        shutil.copytree(path, copy)
        os.truncate(copy / DATABASE, left)
        assert "use another folder" in refusal(copy)


def test_another_file_in_its_place_is_no_state(tmp_path: Path) -> None:
    path = left_behind(tmp_path, killed=False)
    (path / DATABASE).write_bytes(b"something else altogether " * 1000)
    assert refusal(path) == "the state is damaged (file is not a database): use another folder"


@pytest.mark.parametrize("file", [DATABASE, WAL, LOCK])
def test_whatever_bits_fall_over_it_is_the_same_or_it_is_refused(tmp_path: Path, file: str) -> None:
    """Never a wrong resume."""
    path = left_behind(tmp_path, killed=file == WAL)
    sound = (path / file).read_bytes()
    copy = tmp_path / "opened"
    shutil.copytree(path, copy)
    with opened(copy) as folder:
        expected = content(folder)
    random = Random(file)
    offsets = range(len(sound)) if len(sound) < 100 else [random.randrange(len(sound)) for _ in range(250)]
    refused = 0
    for offset in offsets:
        shutil.rmtree(copy)
        shutil.copytree(path, copy)
        damaged = bytearray(sound)
        for _ in range(random.choice((1, 1, 3))):
            damaged[min(len(sound) - 1, offset + random.randrange(4))] ^= 1 << random.randrange(8)
        (copy / file).write_bytes(damaged)
        found = content_or_why_not(copy)
        assert found == expected or (isinstance(found, str) and "\n" not in found), offset
        refused += isinstance(found, str)
    assert refused > len(offsets) / (1.5 if file == LOCK else 20)


# ---- the disk that is full -------------------------------------------------------------------------------------------

_ON_A_SMALL_DISK = """
import resource, signal, sys
from pathlib import Path
from fleet.state.folder import About, Batch, Folder, Unwritable, checksum
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Folder(Path(sys.argv[1]), About("schema", "1.0", 7, (("CP1", 2),)))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
written = 0
try:
    for number in range(1, 1000):
        value = b"x" * 5000
        message = (number, "CP1", value, checksum("CP1", number, value))
        part = ("CP1", "rest", b"%d" % number, checksum("CP1", "rest", b"%d" % number))
        folder.write(Batch(float(number), [part], [message]))
        written = number
except Unwritable as error:
    print(written, error, flush=True)
sys.exit(0)
"""


def test_a_full_disk_is_said_and_all_that_was_written_before_is_there(tmp_path: Path) -> None:
    path = tmp_path / "state"
    run = subprocess.run(
        [sys.executable, "-c", _ON_A_SMALL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    written, _, text = run.stdout.strip().partition(" ")
    assert text.startswith(f"{path}: ")
    with opened(path, evolve(ABOUT, fleet=(("CP1", 2),))) as folder:
        assert folder.found.parts == {"CP1": {"rest": written.encode()}}
        assert [number for number, _ in folder.found.messages["CP1"]] == list(range(1, int(written) + 1))
        assert folder.last_utc_s == float(written)
        assert int(written) > 5


def test_a_batch_that_cannot_be_written_is_not_written_in_part(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with opened(path) as folder:
        fill(folder)
        whole = batch(1002.0, {("CP1", "rest"): b"new"}, {})
        whole.messages.append((9, "CP1", None, 0))  # type: ignore[arg-type]
        with pytest.raises(Unwritable, match="NOT NULL"):
            folder.write(whole)
        folder.write(Batch(1003.0))
    with opened(path) as folder:
        assert folder.found.parts["CP1"]["rest"] == b"r4" * 50
        assert folder.last_utc_s == 1003.0
