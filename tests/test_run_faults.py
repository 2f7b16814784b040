"""Faults in a run, as a person has them: a file, a process, its output, its exit code, and what it traced."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

FLEET = [sys.executable, "-m", "fleet"]
TIMEOUT_S = 120

SHORT = """
seed = 5
duration = "16s"
grace = "40s"
objectives = ["booted >= 99%", "crashes == 0", "given_up == 0", "lost_transactions == 0", "open_transactions == 0"]

[csms]
connect_rate = "50/s"
call_timeout = "2s"
backoff_base = "200ms"
backoff_max = "1s"

[[charge_points]]
count = 30
reboot = "200ms"
finishing = "200ms"

[charge_points.configuration]
MeterValueSampleInterval = 1
TransactionMessageAttempts = 20
TransactionMessageRetryInterval = 1

[drivers]
arrivals = "1/3s"
stay = { kind = "uniform", low = "2s", high = "5s" }
pause = { kind = "uniform", low = 0.1, high = 0.3 }
"""

MIXED = """
[[fault]]
do = "restart-csms"
at = "6s"
for = "2s"

[[fault]]
do = "cut"
target = "~20%"
at = "3s"
for = "4s"

[[fault]]
do = "stall"
target = "~20%"
at = "9s"            # nobody ends it but the end of the load

[[fault]]
do = "reset"
rate = "240/h"
for = "1s"

[[fault]]
do = "drop"
probability = 0.03
at = "2s"

[[fault]]
do = "double"
probability = 0.03
at = "2s"

[[fault]]
do = "malformed"
probability = 0.02
at = "2s"

[[fault]]
do = "power-cut"
target = "~20%"
at = "8s"
for = "2s"

[[fault]]
do = "fault GroundFailure"
target = "@Charging~20%"
every = "3s"
for = "1s"
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def run(*arguments: object, command: str = "run") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FLEET, command, *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


@pytest.fixture(scope="module")
def bad_minute(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A run with faults of all layers and a CSMS that is killed, and the folder with what it left."""
    folder = tmp_path_factory.mktemp("bad-minute")
    config = written(folder / "bad.toml", SHORT + MIXED)
    options = ["--trace", folder / "trace.jsonl", "--records", folder / "records.jsonl", "--report", folder / "report"]
    return run(config, *options), folder


def test_the_books_balance_after_faults_of_every_layer(
    bad_minute: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = bad_minute
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^  books \.+ balanced", done.stdout, re.MULTILINE), done.stdout
    assert "Traceback" not in done.stderr
    assert "fleet: 3s: cut for 4s on *~20%: 6 struck" in done.stdout
    assert "fleet: 6s: the CSMS is killed and stays away for 2s" in done.stdout


def test_a_csms_that_was_killed_goes_on_with_its_records_and_gives_no_id_twice(
    bad_minute: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    _, folder = bad_minute
    records = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    started = [record["transaction_id"] for record in records if record["kind"] == "start"]
    assert len(started) > 30
    assert started == list(range(started[0], started[0] + len(started)))


def test_nobody_has_two_calls_in_flight_whatever_becomes_of_the_frames(tmp_path: Path) -> None:
    """On connections that last, another CALL goes out only after an answer or after the time-out of 2 s."""
    spoilt = "".join(
        f'[[fault]]\ndo = "{each}"\nprobability = 0.03\nat = "1s"\n'
        for each in ("drop", "double", "delay", "reorder", "malformed", "mistyped", "no-answer", "answer-twice")
    )
    trace = tmp_path / "trace.jsonl"
    done = run(written(tmp_path / "x.toml", SHORT + spoilt), "--trace", trace, "--duration", "10s")
    assert done.returncode == 0, done.stdout + done.stderr
    waiting: dict[str, tuple[str, float]] = {}
    calls = unanswered = 0
    for line in trace.read_text().splitlines():
        said = json.loads(line)
        who, at_s = said["charge_point"], seconds(said["time"])
        if said["direction"] == "sent" and said.get("type") == "call":
            calls += 1
            if who in waiting:
                unanswered += 1
                assert at_s - waiting[who][1] >= 1.9, said
            waiting[who] = said["id"], at_s
        elif said.get("type") in ("result", "error") and waiting.get(who, ("", 0.0))[0] == said["id"]:
            del waiting[who]
    assert calls > 300
    assert unanswered > 3


def seconds(time: str) -> float:
    """Of the day."""
    hours, minutes, rest = time.partition("T")[2].rstrip("Z").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_check_lists_the_faults_and_says_which_never_strike(tmp_path: Path) -> None:
    late = '[[fault]]\ndo = "cut"\nat = "1h"\n'
    done = run(written(tmp_path / "x.toml", SHORT + MIXED + late), command="check")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^  fault +cut for 4s on \*~20%, at 3s$", done.stdout, re.MULTILINE)
    assert re.search(r"^  fault +restart-csms for 2s on the CSMS, at 6s$", done.stdout, re.MULTILINE)
    assert re.search(r"^  fault +reset for 1s on \*, 240/h for each$", done.stdout, re.MULTILINE)
    assert "hint: fault[9] never strikes: the load is over after 16s" in done.stdout


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_typo_in_a_fault_is_told_before_anything_starts(command: str, tmp_path: Path) -> None:
    wrong = SHORT + '[[fault]]\ndo = "sta1l"\nat = "1s"\n\n[[fault]]\ndo = "cut"\nat = "soon"\n'
    done = run(written(tmp_path / "x.toml", wrong), command=command)
    assert done.returncode == 104
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first.endswith(
        "fault[0].do: expected a command, a network fault or restart-csms, got 'sta1l' (did you mean 'stall'?)"
    )
    assert second.endswith("fault[1].at: expected a duration such as '30s' or '10m', got 'soon'")


def test_an_interrupt_while_the_csms_is_away_brings_it_back_for_the_drain(tmp_path: Path) -> None:
    import signal

    text = SHORT.replace('"16s"', '"60s"') + '[[fault]]\ndo = "restart-csms"\nat = "5s"\nfor = "50s"\n'
    process = subprocess.Popen(
        [*FLEET, "run", str(written(tmp_path / "x.toml", text))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "the CSMS is killed" in line:
            break
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 105, "".join(seen) + said + complaints
    assert re.search(r"^  books \.+ balanced", said, re.MULTILINE), said
    assert "Traceback" not in complaints
