"""`fleet connect`, `fleet do` and control sockets between real processes, as a person or a script has them."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from fleet.control.client import ControlClient, ControlClosed
from fleet.errors import ConfigurationError, FleetError

FLEET = [sys.executable, "-m", "fleet"]
TIMEOUT_S = 60.0
ALONE = ["connect", "--id", "CP001", "--connectors", "2"]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory of the test's own, so that its runs are the only ones."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@contextmanager
def process(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    made = subprocess.Popen([*FLEET, *arguments], text=True, bufsize=1, **streams)
    try:
        yield made
    finally:
        if made.poll() is None:
            made.kill()
        made.wait()
        for stream in (made.stdin, made.stdout, made.stderr):
            if stream is not None:
                stream.close()


def line_of(stream: Any, pattern: str) -> str:
    seen = []
    for line in stream:
        seen.append(line)
        if re.search(pattern, line):
            return str(line)
    raise AssertionError("".join(seen) or "it said nothing")


def do(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FLEET, "do", *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=os.environ
    )


def until(condition: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> None:
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_at, "it never got so"
        time.sleep(0.05)


@pytest.fixture
def csms() -> Iterator[str]:
    with process("csms", "--port", "0", "--end-with-stdin") as central:
        yield line_of(central.stdout, "listening on").split()[-1]


@pytest.fixture
def connected(csms: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A charge point that has booted, listening at `control.sock`; its standard error goes to `log`."""
    with (
        (tmp_path / "log").open("w") as log,
        process(*ALONE, "--url", csms, "--verbose", "--control", str(tmp_path / "control.sock"), stderr=log) as made,
    ):
        line_of(made.stdout, "control socket")
        until(lambda: "BootNotification answered: Accepted" in (tmp_path / "log").read_text())
        yield made


def test_a_charge_point_does_what_it_is_told_and_nothing_by_itself(
    connected: subprocess.Popen[str], tmp_path: Path
) -> None:
    path = str(tmp_path / "control.sock")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    plugged = do("plug CP001/1", "--control", path)
    assert (plugged.returncode, plugged.stdout, plugged.stderr) == (0, "plug CP001/1: done\n", "")
    # Words that the calling shell took apart are one line all the same.
    assert do("--control", path, "start", "CP001/1", "TAG 7").returncode == 0
    refused = do("unplug CP001/1", "--control", path)
    assert (refused.returncode, refused.stdout) == (1, "CP001/1: Cannot unplug cable during active transaction\n")
    unknown = do("plgu CP001/1", "--control", path)
    assert (unknown.returncode, unknown.stdout) == (104, "")
    assert "did you mean plug" in unknown.stderr
    answer = json.loads(do("status CP001/1", "--json", "--control", path).stdout)
    assert answer["data"]["connectors"][0]["id_tag"] == "TAG 7"
    assert do("quit", "--control", path).returncode == 0
    assert connected.wait(TIMEOUT_S) == 0
    assert connected.stdout is not None
    assert "1 started, 1 stopped, 1 delivered, 0 lost" in connected.stdout.read()
    assert not os.path.exists(path)
    log = (tmp_path / "log").read_text()
    for line in log.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (INFO|WARNING) +CP001(/\d)? ", line), line
    assert "CP001 -> [2," in log
    assert "CP001 <- [3," in log
    assert "CP001/1 transaction started for TAG 7" in log


def test_a_signal_drains_it_and_the_exit_code_says_so(connected: subprocess.Popen[str], tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")
    assert do("plug CP001/1", "--control", path).returncode == 0
    assert do("start CP001/1", "--control", path).returncode == 0
    connected.send_signal(signal.SIGTERM)
    assert connected.wait(TIMEOUT_S) == 105
    assert "StopTransaction" in (tmp_path / "log").read_text()


def test_a_client_asks_watches_and_cancels_from_its_own_threads(
    connected: subprocess.Popen[str], tmp_path: Path
) -> None:
    events: list[dict[str, Any]] = []
    with ControlClient(tmp_path / "control.sock") as peer:
        with pytest.raises(FleetError, match="no charge point CP9"):
            peer.watch("CP9", None, events.append)
        watch = peer.watch("CP001", "status-changed", events.append)
        assert peer.execute("plug CP001/1").ok
        until(lambda: any(event.get("status") == "Preparing" for event in events))
        assert [each.text for each in peer.complete("plu", 3)] == ["plug"]
        glance = peer.glance()
        assert (glance.charge_points, glance.by_status, glance.target) == (1, {"Available": 1, "Preparing": 1}, "CP001")
        peer.unwatch(watch)
        answers = []
        waiting = Thread(target=lambda: answers.append(peer.execute("wait 1h")))
        waiting.start()
        until(lambda: peer._doing)
        assert peer.execute("seed").ok
        peer.cancel()
        waiting.join(TIMEOUT_S)
        assert answers[0].exit_code == 105
        waiting = Thread(target=lambda: answers.append(_closed(peer)))
        waiting.start()
        until(lambda: peer._doing)
        connected.kill()
        waiting.join(TIMEOUT_S)
        assert "is gone" in str(answers[1])
        with pytest.raises(ControlClosed):
            peer.glance()
    connected.wait(TIMEOUT_S)
    with pytest.raises(ConfigurationError, match="nobody listens there any more"):
        ControlClient(tmp_path / "control.sock")


def _closed(peer: ControlClient) -> ControlClosed:
    with pytest.raises(ControlClosed) as error:
        peer.execute("wait 1h")
    return error.value


def test_do_finds_the_only_run_by_itself_and_asks_which_of_two(csms: str, runtime: Path) -> None:
    nobody = do("list")
    assert (nobody.returncode, nobody.stdout) == (104, "")
    assert "no fleet is running" in nobody.stderr
    # What a run that was killed has left is nobody's run.
    (runtime / "fleet").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(runtime / "fleet" / "1.sock"))
    with process(*ALONE, "--url", csms, stderr=subprocess.DEVNULL) as one:
        path = line_of(one.stdout, "control socket").split()[-1]
        assert Path(path).parent == runtime / "fleet"
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
        assert not (runtime / "fleet" / "1.sock").exists()
        assert "CP001" in do("list").stdout
        with process(*ALONE[:1], "--id", "CP002", "--url", csms, stderr=subprocess.DEVNULL) as two:
            other = line_of(two.stdout, "control socket").split()[-1]
            which = do("list")
            assert which.returncode == 104
            assert path in which.stderr
            assert other in which.stderr
            assert "CP002" in do("list", "--control", other).stdout


def test_a_socket_in_use_ends_the_second_run_before_it_began(connected: subprocess.Popen[str], tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")
    with process(*ALONE, "--url", "ws://127.0.0.1:1/", "--control", path) as second:
        assert second.wait(TIMEOUT_S) == 104
        assert second.stderr is not None
        assert f"fleet: error: control socket {path}: it is in use by another run" in second.stderr.read()
    assert do("seed", "--control", path).returncode == 0


def test_a_folder_of_somebody_elses_is_not_trusted(runtime: Path) -> None:
    (runtime / "fleet").mkdir(mode=0o700)
    (runtime / "fleet").chmod(0o777)
    answer = do("list")
    assert answer.returncode == 104
    assert "open to others" in answer.stderr


def test_ctrl_c_gives_the_line_up(connected: subprocess.Popen[str], tmp_path: Path) -> None:
    with process("do", "wait 1h", "--control", str(tmp_path / "control.sock")) as waiting:
        time.sleep(1.5)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(TIMEOUT_S) == 105
        assert waiting.stderr is not None
        assert waiting.stderr.read() == "wait 1h: cancelled\n"
    assert connected.poll() is None


def test_the_same_protocol_is_spoken_on_standard_input_and_output(csms: str) -> None:
    with process(*ALONE, "--url", csms, "--control", "-", stderr=subprocess.DEVNULL) as made:
        assert made.stdin is not None
        assert made.stdout is not None

        def say(request: dict[str, Any]) -> None:
            assert made.stdin is not None
            made.stdin.write(json.dumps(request) + "\n")
            made.stdin.flush()

        said: list[dict[str, Any]] = []

        def hear(wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
            assert made.stdout is not None
            while True:
                said.append(json.loads(made.stdout.readline()))
                if wanted(said[-1]):
                    return said[-1]

        say({"id": 1, "do": "wait-for CP001/2 Available 10s"})
        assert hear(lambda each: each.get("id") == 1)["ok"]
        say({"id": 2, "watch": {"action": "StatusNotification"}})
        say({"id": 3, "do": "plug CP001/2"})
        assert hear(lambda each: each.get("id") == 3)["ok"]
        # The statuses of the boot may come first.
        hear(lambda each: "event" in each and '"Preparing"' in json.dumps(each["event"]["frame"]))
        say({"id": 4, "do": "start CP001/2"})
        assert hear(lambda each: each.get("id") == 4)["ok"]
        # Nobody can tell it anything any more: it stops what runs, delivers, and ends.
        made.stdin.close()
        said += map(json.loads, made.stdout)
        assert made.wait(TIMEOUT_S) == 0
        made.stdin = None


def test_secrets_stand_in_no_log(csms: str, tmp_path: Path) -> None:
    url = csms.replace("ws://", "ws://CP001:pass-word@")
    for arguments in (("--url", url), ("--url", csms, "--password", "pass-word")):
        with (
            (tmp_path / "log").open("w") as log,
            process(*ALONE, *arguments, "--verbose", "--log-level", "debug", stderr=log) as made,
        ):
            line_of(made.stdout, "control socket")
            until(lambda: "BootNotification answered" in (tmp_path / "log").read_text())
            do("set CP001 AuthorizationKey pass-word-2")
            assert do("quit").returncode == 0
            assert made.wait(TIMEOUT_S) == 0
            assert made.stdout is not None
            assert "pass-word" not in made.stdout.read() + (tmp_path / "log").read_text()


def test_a_csms_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("w") as log,
        process(*ALONE, "--url", "ws://127.0.0.1:1/ocpp/CP001", stderr=log) as made,
    ):
        line_of(made.stdout, "control socket")
        until(lambda: "no connection: refused" in (tmp_path / "log").read_text())
        assert "offline" in do("list").stdout or "starting" in do("list").stdout
        assert do("plug CP001/1").returncode == 0
        made.send_signal(signal.SIGINT)
        assert made.wait(TIMEOUT_S) == 105


def test_a_run_has_a_control_socket_too_and_quit_ends_it_well() -> None:
    with process("run", "--charge-points", "5", "--duration", "10m", stderr=subprocess.DEVNULL) as made:
        line_of(made.stdout, "control socket")
        until(lambda: json.loads(do("status", "--json").stdout)["data"]["by_state"] == {"registered": 5})
        assert do("pause").returncode == 0
        assert do("scale 7").returncode == 0
        until(lambda: json.loads(do("status", "--json").stdout)["data"]["by_state"] == {"registered": 7})
        assert do("set * MeterValueSampleInterval=3").stdout == "set * MeterValueSampleInterval=3: 7 done\n"
        assert do("quit").returncode == 0
        assert made.wait(TIMEOUT_S) == 0
        assert made.stdout is not None
        assert "books ............. balanced" in made.stdout.read()


def test_wrong_arguments_are_one_line(tmp_path: Path) -> None:
    for arguments, text in (
        (("connect", "--set", "HartbeatInterval=1"), "HeartbeatInterval"),
        (("connect", "--connectors", "0"), "connectors"),
        (("connect", "--url", "http://x"), "ws"),
        (("connect", "--log-level", "loud"), "log-level"),
        (("connect", "--control", str(tmp_path / "no" / "x.sock")), "no folder"),
        (("do", "list", "--control", str(tmp_path / "x.sock")), "No such file"),
    ):
        done = subprocess.run([*FLEET, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert done.returncode == 104, arguments
        assert done.stderr.startswith("fleet: error: ")
        assert text in done.stderr
        assert len(done.stderr.splitlines()) == 1
