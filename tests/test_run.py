"""`fleet run` as a person or a CI job runs it: a process, its output, its exit code."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

FLEET = [sys.executable, "-m", "fleet"]
TIMEOUT_S = 90


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FLEET, "run", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, **environment},
        check=False,
    )


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*FLEET, "run", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def wait_for_line(process: subprocess.Popen[str], pattern: str) -> str:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if re.search(pattern, line):
            return line
    raise AssertionError("".join(seen))


@pytest.fixture
def csms(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """`fleet csms` on a free port: its URL and its records."""
    records = tmp_path / "records.jsonl"
    process = subprocess.Popen(
        [*FLEET, "csms", "--port", "0", "--records", str(records)], stdout=subprocess.PIPE, text=True
    )
    line = wait_for_line(process, "listening on")
    yield line.split()[-1], records
    process.terminate()
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()


def test_a_run_against_the_embedded_csms_ends_with_balanced_books_and_exit_code_0(tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    done = run("--charge-points", "20", "--duration", "8s", "--seed", "42", "--records", str(records))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 42" in done.stdout
    closed = [json.loads(line) for line in records.read_text().splitlines()]
    stops = [record for record in closed if record.get("kind") == "stop"]
    assert len(stops) > 10, closed[:3]
    assert all(record["energy_wh"] == record["meter_stop_wh"] - record["meter_start_wh"] for record in stops)


def test_a_file_of_records_can_be_gone_on_with(tmp_path: Path) -> None:
    arguments = ("--charge-points", "3", "--duration", "5s", "--records", str(tmp_path / "records.jsonl"))
    for _ in range(2):
        done = run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_against_another_csms_compares_its_records(csms: tuple[str, Path]) -> None:
    url, records = csms
    done = run("--url", url, "--charge-points", "10", "--duration", "6s", "--records", str(records))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_interrupt_drains_and_prints_the_summary(csms: tuple[str, Path]) -> None:
    url, records = csms
    process = started("--url", url, "--charge-points", "10", "--duration", "10m", "--records", str(records))
    wait_for_line(process, r"\b10 registered")
    time.sleep(3)  # let somebody charge
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 105, said + complaints
    assert "interrupted" in said
    assert "seed" in said
    assert "Traceback" not in complaints
    opened = [json.loads(line) for line in records.read_text().splitlines()]
    assert sum(r.get("kind") == "start" for r in opened) == sum(r.get("kind") == "stop" for r in opened)


def test_a_second_interrupt_stops_at_once() -> None:
    process = started("--charge-points", "10", "--duration", "10m", "--grace", "10m")
    wait_for_line(process, r"\b10 registered")
    process.send_signal(signal.SIGTERM)
    wait_for_line(process, "draining")
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 105, said + complaints
    assert time.monotonic() - began < 10
    assert "Traceback" not in complaints


def test_a_csms_that_is_not_there_is_one_clear_line_and_exit_code_98() -> None:
    done = run("--url", "ws://127.0.0.1:1/ocpp", "--charge-points", "5", "--duration", "3s")
    assert done.returncode == 98
    assert re.search(r"fleet: error: no charge point could connect to ws://127\.0\.0\.1:1/ocpp.*refused", done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--url", "http://127.0.0.1/"], "ws"),
        (["--charge-points", "many"], "many"),
        (["--set", "HartbeatInterval=60"], "HeartbeatInterval"),
        (["no-such-file.toml"], "no-such-file.toml"),
        (["--id", "CP", "--charge-points", "2"], "CP"),
        (["--charge-points", "900000"], "file descriptors"),
    ],
)
def test_a_mistake_is_told_before_anything_starts(arguments: list[str], complaint: str) -> None:
    done = run(*arguments)
    assert done.returncode == 104, done.stdout + done.stderr
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_interrupt_during_the_ramp_switches_nobody_on_who_would_only_have_to_leave() -> None:
    process = started("--charge-points", "100", "--connect-rate", "5/s", "--duration", "10m")
    wait_for_line(process, r"registered")
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 105, said + complaints
    assert time.monotonic() - began < 25  # the grace is 30 s, the ramp would be 20 s
    found = re.search(r"at the end \.+ (.*)", said)
    assert found is not None, said
    assert re.fullmatch(r"\d+ starting, \d+ drained", found[1]), said


def test_a_signal_before_anything_stands_is_an_interrupt() -> None:
    process = started("--charge-points", "5", "--duration", "10m")
    wait_for_line(process, "seed")
    process.send_signal(signal.SIGTERM)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 105, said + complaints
    assert "Traceback" not in complaints


def test_a_reader_that_goes_away_lets_the_fleet_drain(csms: tuple[str, Path]) -> None:
    url, records = csms
    process = started("--url", url, "--charge-points", "10", "--duration", "10m", "--records", str(records))
    wait_for_line(process, r"\b10 registered")
    assert process.stdout is not None
    process.stdout.close()  # as `head` does when it has seen enough
    process.stdout = None
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 105, complaints
    assert "cannot write to standard output: Broken pipe" in complaints
    assert "Traceback" not in complaints
    kinds = [json.loads(line)["kind"] for line in records.read_text().splitlines()]
    assert kinds.count("start") == kinds.count("stop") > 0


def test_output_that_finds_no_room_falls_silent_and_the_run_goes_on(tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*FLEET, "run", "--charge-points", "5", "--duration", "6s", "--records", str(records)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "fleet: error: cannot write to standard output: No space left on device\n"
    kinds = [json.loads(line)["kind"] for line in records.read_text().splitlines()]
    assert kinds.count("start") == kinds.count("stop") > 0


def test_a_csms_that_accepts_nobody_fails_the_run() -> None:
    csms = subprocess.Popen([*FLEET, "csms", "--port", "0", "--boot", "Pending"], stdout=subprocess.PIPE, text=True)
    url = wait_for_line(csms, "listening on").split()[-1]
    done = run("--url", url, "--charge-points", "3", "--duration", "4s")
    csms.terminate()
    csms.communicate(timeout=10)
    assert done.returncode == 98, done.stdout
    assert "accepted no charge point" in done.stderr


def test_a_password_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('[csms]\nurl = "ws://127.0.0.1:1"\npassword_env = "NO_SUCH_VARIABLE"\n[[charge_points]]\n')
    done = run(str(config))
    assert done.returncode == 104, done.stdout
    assert done.stderr == "fleet: error: csms.password_env: the environment has no NO_SUCH_VARIABLE\n"
    assert done.stdout == ""
