"""`fleet run --state DIR` and `fleet connect --state DIR` as processes: what outlives them, and what is refused.

How a hundred kills at random moments end is in `interop/test_kill.py`.
"""

import fcntl
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from counterparts.accounts import accounts, assert_registers_are_continuous
from counterparts.told import Household, Told, until

BUSY = Path(__file__).parent / "interop" / "kill.toml"
QUIET = """
duration = "10m"
[csms]
connect_rate = "100/s"
[[charge_points]]
id = "CP{:02}"
count = 3
power_w = 150_000
[charge_points.configuration]
MeterValueSampleInterval = 1
[drivers]
arrivals = 0
"""
SEED = "7"
FULL_AT_BYTES = 1_500_000
"""What a busy run has written of its state some seconds after it began."""
Record = dict[str, Any]


class Scene(Household):
    """A household with a CSMS that stays, and one state."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.records_file = folder / "records.jsonl"
        self.state = folder / "state"
        csms = self.start("csms", "--port", "0", "--records", str(self.records_file))
        self.url = until(lambda: re.search(r"listening on (\S+)", csms.said), lambda: csms.said)[1]
        self.quiet = folder / "quiet.toml"
        self.quiet.write_text(QUIET)

    def arguments(self, configuration: Path, *more: str) -> tuple[str, ...]:
        return (
            *("run", str(configuration), "--state", str(self.state), "--url", self.url),
            *("--records", str(self.records_file), *more),
        )

    def begin(self, configuration: Path, *more: str) -> Told:
        """One that is to be interrupted or killed; returned once it listens."""
        told = self.start(*self.arguments(configuration, *more))
        told.socket()
        return told

    def ends_well(self, *more: str) -> str:
        """One more run, of a busy load, to its end: the books of all that there was balance."""
        done = self.fleet(*self.arguments(BUSY, *more))
        assert done.code == 0, done.out + done.err
        assert_balanced(done.out)
        return done.out

    def records(self, kind: str) -> list[Record]:
        if not self.records_file.exists():
            return []
        lines = self.records_file.read_bytes().split(b"\n")[:-1]
        return [record for record in map(json.loads, lines) if record["kind"] == kind]

    def closed(self) -> int:
        """How many transactions there were, each started and stopped once, no Wh unbilled in between."""
        closed = accounts(self.records("start") + self.records("stop"))
        assert_registers_are_continuous(closed)
        return len(closed)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.end()


def assert_balanced(said: str) -> None:
    assert re.search(r"^  books \.+ balanced$", said, re.MULTILINE), said


def returned(said: str) -> tuple[int, int, int]:
    """Charge points, unfinished transactions and waiting messages that a run says it goes on with."""
    found = re.search(
        r"state in .*: (\d+) charge points come back, with (\d+) unfinished transactions and (\d+) messages", said
    )
    assert found is not None, said
    return int(found[1]), int(found[2]), int(found[3])


def ended(told: Told) -> int:
    return told.process.wait(60)


# ---- runs that end, one way or another -------------------------------------------------------------------------------


def test_a_run_that_ended_well_leaves_nothing_to_be_done_and_the_next_one_goes_on_with_its_meters(scene: Scene) -> None:
    scene.ends_well()
    first = scene.closed()
    assert first > 10
    assert returned(scene.ends_well()) == (12, 0, 0)
    assert scene.closed() > first + 10
    by_connector: dict[tuple[str, int], list[int]] = {}
    for start in scene.records("start"):
        by_connector.setdefault((start["charge_point"], start["connector"]), []).append(start["meter_start_wh"])
    assert max(len(each) for each in by_connector.values()) > 1
    assert all(each[0] == 0 and each == sorted(each) for each in by_connector.values())


def test_one_interrupt_drains_and_two_leave_to_the_next_run_what_was_unfinished(scene: Scene) -> None:
    once = scene.begin(BUSY, "--duration", "10m")
    until(lambda: len(scene.records("start")) > 5)
    once.process.send_signal(signal.SIGINT)
    assert ended(once) == 105
    assert_balanced(once.said)

    twice = scene.begin(BUSY, "--duration", "10m")
    assert returned(twice.said)[1:] == (0, 0)
    before = len(scene.records("start"))
    until(lambda: len(scene.records("start")) > before + 5)
    twice.process.send_signal(signal.SIGINT)
    until(lambda: "draining" in twice.said)
    twice.process.send_signal(signal.SIGINT)
    assert ended(twice) == 105

    scene.ends_well()
    assert scene.closed() > 10


def test_a_control_socket_that_was_left_by_a_kill_is_no_hindrance_and_charge_points_that_came_later_come_back(
    scene: Scene,
) -> None:
    socket = str(scene.runtime / "x.sock")
    first = scene.begin(scene.quiet, "--control", socket)

    def do(*words: str) -> None:
        done = scene.do("--control", socket, *words)
        assert done.code == 0, done.out + done.err

    do("scale", "5")
    do("add", "NEW", "3")
    do("remove", "CP02")
    connectors = ("CP01/1", "CP05/1", "NEW/3")
    for connector in connectors:
        do("plug", connector)
        do("start", connector, "TAG")
    until(lambda: len(scene.records("start")) == len(connectors))
    first.kill()

    second = scene.begin(scene.quiet, "--control", socket)
    # CP02 was removed, but it is in the configuration: it comes as the others there do.
    assert returned(second.said)[1] == len(connectors)
    until(lambda: len(scene.records("stop")) == len(connectors), lambda: second.said)
    assert {(each["charge_point"], each["connector"], each["reason"]) for each in scene.records("stop")} == {
        ("CP01", 1, "PowerLoss"),
        ("CP05", 1, "PowerLoss"),
        ("NEW", 3, "PowerLoss"),
    }
    do("status", "NEW/3")
    second.process.send_signal(signal.SIGTERM)
    assert ended(second) == 105
    assert_balanced(second.said)


def test_a_scenario_begins_anew_where_the_last_run_of_it_was_killed(scene: Scene, tmp_path: Path) -> None:
    scenario = tmp_path / "day.fleet"
    scenario.write_text("expect Available\nplug\nstart TAG\nwait-for Charging 20s\nwait 3s\nstop\nunplug\n")
    more = ("--scenario", str(scenario), "--scenario-target", "CP01/1", "--duration", "1s")
    first = scene.begin(scene.quiet, *more)
    until(lambda: scene.records("start"))
    first.kill()
    # Its car has left meanwhile: no cable is in the way.
    done = scene.fleet(*scene.arguments(scene.quiet, *more))
    assert done.code == 0, done.out + done.err
    assert_balanced(done.out)
    assert [each["reason"] for each in scene.records("stop")] == ["PowerLoss", "Local"]


def test_a_charge_point_that_does_as_it_is_told_outlives_a_kill_too(scene: Scene) -> None:
    arguments = ("connect", "--url", scene.url, "--id", "CP9", "--state", str(scene.state))
    first = scene.start(*arguments)
    first.socket()
    until(lambda: scene.do("start", "CP9/2", "TAG").code == 0 if scene.do("plug", "CP9/2").code in (0, 99) else None)
    until(lambda: scene.records("start"))
    first.kill()
    second = scene.start(*arguments)
    until(lambda: scene.records("stop"), lambda: second.said)
    assert [each["reason"] for each in scene.records("stop")] == ["PowerLoss"]
    second.process.send_signal(signal.SIGTERM)
    assert ended(second) == 105


# ---- a disk that is full ---------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A file system of so many bytes at `tmp_path/state`, for those who may mount one; called again, with more room."""
    place = tmp_path / "state"
    place.mkdir()

    def mount(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["mount", *arguments], capture_output=True, check=False)

    if not shutil.which("mount") or mount("-t", "tmpfs", "-o", f"size={FULL_AT_BYTES}", "tmpfs", str(place)).returncode:
        # Whoever may not has the same by RLIMIT_FSIZE, in the test beside this one.
        pytest.skip("nobody but root may mount a small disk")
    yield lambda size: mount("-o", f"remount,size={size}", str(place)).check_returncode()
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_is_full_in_mid_run_ends_it_and_loses_nothing(
    scene: Scene, small_disk: Callable[[str], None]
) -> None:
    run = scene.begin(BUSY, "--seed", SEED, "--duration", "10m")
    assert ended(run) == 98, run.said
    assert_said_once_that_it_is_full(run.said, scene.state, "database or disk is full")
    small_disk("20m")
    assert returned(scene.ends_well("--seed", SEED))[1] > 0
    assert scene.closed() > 10


def test_a_file_that_may_not_grow_is_like_a_full_disk(scene: Scene) -> None:
    # Where nobody may mount anything, and at quotas.
    process = subprocess.Popen(
        [sys.executable, "-m", "fleet", *scene.arguments(BUSY, "--seed", SEED, "--duration", "10m")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=scene.environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_AT_BYTES, FULL_AT_BYTES)),
    )
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 98, said
    assert_said_once_that_it_is_full(said, scene.state, "")
    assert returned(scene.ends_well("--seed", SEED))[1] > 0
    assert scene.closed() > 10


def assert_said_once_that_it_is_full(said: str, state: Path, why: str) -> None:
    lines = [line for line in said.splitlines() if line.startswith("fleet: ") and "can't be kept" in line]
    assert len(lines) == 1, said
    assert f"{state}: {why}" in lines[0]
    assert re.search(rf"^INCOMPLETE: the state can't be kept: {state}: {why}", said, re.MULTILINE), said
    assert "Traceback" not in said


# ---- what is no state, or not this fleet's ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a busy run that was killed, with its log of what isn't in the database yet."""
    scene = Scene(tmp_path_factory.mktemp("left"))
    run = scene.begin(BUSY, "--seed", SEED, "--duration", "10m")
    until(lambda: len(scene.records("stop")) > 10)
    run.kill()
    scene.end()
    return scene.state


@pytest.fixture(scope="module")
def closed(left: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, all of it in the database."""
    state = tmp_path_factory.mktemp("closed") / "state"
    shutil.copytree(left, state)
    with closing(sqlite3.connect(state / "state.sqlite")) as database:
        database.execute("VACUUM")  # noise in a page that nobody reads any more would do no damage
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return state


def overwritten(name: str, share: float) -> Callable[[Path], None]:
    def spoil(state: Path) -> None:
        data = bytearray((state / name).read_bytes())
        at = int(len(data) * share)
        data[at : at + 500] = hashlib.shake_128(b"noise").digest(500)
        (state / name).write_bytes(data)

    return spoil


def shortened(name: str, share: float) -> Callable[[Path], None]:
    return lambda state: os.truncate(state / name, int((state / name).stat().st_size * share))


def deleted(name: str) -> Callable[[Path], None]:
    return lambda state: (state / name).unlink()


def one_digit(state: Path) -> None:
    """A meter's reading, by one bit: nothing that a database would notice."""
    file = state / "state.sqlite"
    data = bytearray(file.read_bytes())
    at = data.index(b'"_settled_wh":') + len(b'"_settled_wh":')
    data[at] ^= 1
    file.write_bytes(data)


def of_an_older_fleet(state: Path) -> None:
    with closing(sqlite3.connect(state / "state.sqlite")) as database:
        database.execute("UPDATE about SET value = 'another' WHERE name = 'schema'")
        database.execute("UPDATE about SET value = '0.9' WHERE name = 'version'")
        database.commit()


def untouched(state: Path) -> None:
    """It is the run that isn't that of the state."""


LOG = "state.sqlite-wal"
DATABASE = "state.sqlite"


@pytest.mark.parametrize(
    ("spoil", "more", "complaint"),
    [
        (overwritten(LOG, 0.9), (), "some of it is missing"),
        (overwritten(LOG, 0.1), (), "some of it is missing"),
        (shortened(LOG, 0.9), (), "some of it is missing"),
        (shortened(LOG, 0.0), (), "damaged"),
        (deleted(LOG), (), "damaged"),
        (deleted(DATABASE), (), "is missing"),
        (overwritten("lock", 0.0), (), "lock is damaged"),
        (deleted("lock"), (), "lock is missing"),
        (of_an_older_fleet, (), "written by fleet 0.9"),
        (untouched, ("--seed", "8"), "holds a run with seed 7, this one has 8"),
        (untouched, ("--charge-points", "11"), "holds another fleet: 12 charge points, this run has 11"),
        (untouched, ("--connectors", "3"), "CP01 with 2 connectors in the place of this run's CP01 with 3 connectors"),
        (untouched, ("--id", "X{:02}"), "CP01 with 2 connectors in the place of this run's X01 with 2 connectors"),
    ],
)
def test_what_is_not_the_state_of_this_very_fleet_is_refused_and_left_as_it_is(
    left: Path, tmp_path: Path, spoil: Callable[[Path], None], more: tuple[str, ...], complaint: str
) -> None:
    assert_refused(left, tmp_path / "state", spoil, more, complaint)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (overwritten(DATABASE, 0.0), "damaged"),
        (overwritten(DATABASE, 0.5), "damaged"),
        (shortened(DATABASE, 0.5), "damaged"),
        (shortened(DATABASE, 0.0), "is missing"),
        (one_digit, "not as it was written"),
    ],
)
def test_neither_is_a_database_that_has_changed(
    closed: Path, tmp_path: Path, spoil: Callable[[Path], None], complaint: str
) -> None:
    assert_refused(closed, tmp_path / "state", spoil, (), complaint)


def assert_refused(
    state: Path, copy: Path, spoil: Callable[[Path], None], more: tuple[str, ...], complaint: str
) -> None:
    shutil.copytree(state, copy)
    spoil(copy)
    before = contents(copy)
    complaints = refusal(copy, *more)
    assert complaints.startswith(f"fleet: error: --state: {copy}: "), complaints
    assert complaint in complaints
    after = contents(copy)
    after.pop("lock") if "lock" not in before else None
    assert after == before


def refusal(state: Path, *more: str) -> str:
    """The one line that a run says of this state, before anything is started."""
    done = subprocess.run(
        [sys.executable, "-m", "fleet", "run", str(BUSY), "--seed", SEED, "--state", str(state), *more],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (104, ""), done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def contents(state: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in state.iterdir()}


def test_a_state_that_another_run_is_using_is_refused(left: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(left, state)
    with (state / "lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert refusal(state) == f"fleet: error: --state: {state}: another run is using it\n"


def test_neither_a_file_nor_a_folder_with_something_else_in_it_is_taken_for_a_state(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "expected a folder of its own for the state, this one has other files" in refusal(tmp_path)
    assert f"{tmp_path / 'notes.txt'}: expected a folder" in refusal(tmp_path / "notes.txt")
    assert f"{tmp_path / 'none' / 'state'}: No such file or directory" in refusal(tmp_path / "none" / "state")
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]
