"""`fleet run` as a process: objectives, exit codes, the report, the metrics and the trace."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import pytest

FLEET = [sys.executable, "-m", "fleet"]
SHORT = ["--charge-points", "5", "--duration", "6s", "--seed", "7"]
TIMEOUT_S = 90


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FLEET, "run", *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def summary_in(folder: Path) -> dict[str, object]:
    found = json.loads((folder / "summary.json").read_text())
    assert isinstance(found, dict)
    return found


def test_a_run_that_meets_its_objectives_passes_and_leaves_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "report"
    done = run(
        *SHORT,
        *("--report", str(folder)),
        *("--slo", "booted >= 99.9%", "--slo", "p99(BootNotification) < 20s", "--slo", "csms_violations == 0"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = summary_in(folder)
    assert (summary["format"], summary["version"]) == ("fleet-summary", 1)
    assert (summary["result"], summary["exit_code"], summary["seed"]) == ("passed", 0, 7)
    suite = ElementTree.parse(folder / "junit.xml").getroot()
    assert not suite.findall(".//failure")
    assert {"booted >= 99.9%", "csms_violations == 0"} <= {case.get("name") for case in suite.iter("testcase")}
    assert "<svg" in (folder / "report.html").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["junit.xml", "report.html", "summary.json"]


def test_an_objective_that_is_not_met_is_exit_code_99_and_stands_in_summary_and_report(tmp_path: Path) -> None:
    done = run(*SHORT, "--slo", "transactions > 100000", "--slo", "booted >= 99.9%", "--report", str(tmp_path))
    assert done.returncode == 99, done.stdout + done.stderr
    assert "\nFAILED: transactions > 100000: it was " in done.stdout
    assert summary_in(tmp_path)["result"] == "failed"
    failures = ElementTree.parse(tmp_path / "junit.xml").getroot().findall(".//failure")
    assert len(failures) == 1


def test_objectives_of_a_file_and_of_the_command_line_count_together(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        'duration = "4s"\nobjectives = ["booted >= 100%", { slo = "crashes == 0" }]\n[[charge_points]]\ncount = 2\n'
    )
    done = run(str(config), "--slo", "given_up == 0", "--report", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    objectives = summary_in(tmp_path)["objectives"]
    assert isinstance(objectives, list)
    assert [each["objective"] for each in objectives if not each["built_in"]] == [
        "booted >= 100%",
        "crashes == 0",
        "given_up == 0",
    ]


def test_a_locale_without_a_tick_takes_neither_the_result_nor_the_report_away(tmp_path: Path) -> None:
    done = subprocess.run(
        [*FLEET, "run", *SHORT, "--duration", "1s", "--slo", "transactions > 1000", "--report", str(tmp_path)],
        capture_output=True,
        timeout=TIMEOUT_S,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        check=False,
    )
    assert done.returncode == 99, done.stdout + done.stderr
    assert b"    x transactions > 1000 " in done.stdout
    assert b"    + lost_transactions == 0 " in done.stdout
    assert done.stderr == b""
    assert summary_in(tmp_path)["result"] == "failed"


def test_a_run_without_hope_ends_early_and_has_failed(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        'duration = "10m"\n'
        'objectives = [{ slo = "p50(BootNotification) < 1us", abort_on_fail = true, abort_after = "2s" }]\n'
        "[[charge_points]]\ncount = 2\n"
    )
    began = time.monotonic()
    done = run(str(config), "--report", str(tmp_path))
    assert done.returncode == 99, done.stdout + done.stderr
    assert 2 <= time.monotonic() - began < 60
    assert "an objective failed, draining: p50(BootNotification) < 1us" in done.stdout
    events = summary_in(tmp_path)["events"]
    assert isinstance(events, list)
    assert "abort" in [event["kind"] for event in events]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--slo", "p99(Authorise) < 800ms"], "Authorize"),
        (["--slo", "p99(Authorize) < 800"], "800ms"),
        (["--slo", "lost_transaction == 0"], "lost_transactions"),
        (["--report", "/dev/null/report"], "--report /dev/null/report: can't write there"),
        (["--metrics", "0.0.0.0:9464"], "--metrics-public"),
        (["--metrics", "nowhere"], "--metrics"),
        (["--linger", "30s"], "--linger: expected --metrics ADDRESS beside it"),
        (["--trace-size", "5MB"], "--trace-size: expected --trace FILE beside it"),
        (["--trace", "/no/such/folder/trace.jsonl"], "--trace: /no/such/folder/trace.jsonl: can't write there"),
        (["--records", "/dev/full"], "--records /dev/full: expected a file"),
        (["--report", "/etc/hostname"], "--report /etc/hostname: expected a folder, and that is a file"),
    ],
)
def test_a_mistake_is_one_line_before_anything_starts(arguments: list[str], complaint: str) -> None:
    done = run(*SHORT, *arguments)
    assert done.returncode == 104, done.stdout + done.stderr
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_typo_in_a_file_s_objective_names_its_place(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('objectives = ["booted >= 99%", { slo = "p99(boot) < 5", abort_on_fial = true }]\n')
    done = run(str(config))
    assert done.returncode == 104
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert any("objectives[1].abort_on_fial: unknown key (did you mean 'abort_on_fail'?)" in line for line in lines)
    assert any("objectives[1].slo: " in line and "5ms" in line for line in lines)


def test_a_port_in_use_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(*SHORT, "--metrics", f"127.0.0.1:{port}")
    assert done.returncode == 104
    assert f"--metrics: cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "in use" in done.stderr
    assert done.stdout == ""


def test_metrics_are_served_during_the_run_and_linger_with_the_last_values(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            *FLEET,
            "run",
            *SHORT,
            "--metrics",
            "127.0.0.1:0",
            "--linger",
            "60s",
            "--trace",
            str(tmp_path / "trace.jsonl"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url, said = "", []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"metrics at (http://127\.0\.0\.1:\d+/metrics)", line):
            url = found[1]
            assert "fleet_charge_points" in scraped(url)
        if "metrics stay for" in line:
            break
    # The trace is whole by now: every CALL has its answer.
    frames = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert len([line for line in frames if line["type"] == "call"]) * 2 == len(frames) > 0
    last = scraped(url)
    started = re.search(r"^fleet_transactions_total\{outcome=\"delivered\"\} (\d+)", last, re.MULTILINE)
    assert started is not None, last
    assert 'fleet_charge_points{state="drained"} 5' in last
    process.terminate()  # nobody needs the rest of the minute
    process.communicate(timeout=20)
    assert process.returncode == 0, "".join(said)


def scraped(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def test_a_trace_has_every_frame_and_no_password(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    done = run(*SHORT, "--trace", str(trace), "--password", "s3cret-of-all", "--report", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    boots = [line for line in lines if line.get("action") == "BootNotification" and line["direction"] == "sent"]
    assert {line["charge_point"] for line in boots} == {f"CP{number:04}" for number in range(1, 6)}
    assert "s3cret-of-all" not in trace.read_text() + (tmp_path / "report.html").read_text() + done.stdout


def test_a_disk_that_is_full_stops_the_trace_and_not_the_run(tmp_path: Path) -> None:
    done = run(*SHORT, "--trace", "/dev/full", "--report", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No space left on device" in done.stdout + done.stderr
    generator = summary_in(tmp_path)["generator"]
    assert isinstance(generator, dict)
    assert generator["trace_lost"] > 0


def test_records_that_can_not_be_read_make_the_run_incomplete(tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    csms = subprocess.Popen([*FLEET, "csms", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert csms.stdout is not None
        url = csms.stdout.readline().split()[-1]
        done = run(*SHORT, "--url", url, "--records", str(records))
    finally:
        csms.terminate()
        csms.communicate(timeout=10)
    assert done.returncode == 98, done.stdout + done.stderr
    assert str(records) in done.stdout


def test_a_csms_that_nobody_reaches_leaves_a_report_too(tmp_path: Path) -> None:
    done = run(
        *("--url", "ws://127.0.0.1:1/ocpp?token=s3cret", "--charge-points", "3", "--duration", "2s"),
        *("--report", str(tmp_path), "--metrics", "127.0.0.1:0", "--linger", "1ms"),
    )
    assert done.returncode == 98
    (complaint,) = done.stderr.splitlines()
    assert "no charge point could connect" in complaint
    # What was counted of it can be scraped as that of any other run.
    assert "fleet: metrics stay for 1ms" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr + (tmp_path / "summary.json").read_text()
    assert summary_in(tmp_path)["result"] == "incomplete"
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().findall(".//error")


def test_an_embedded_csms_that_dies_in_mid_run_makes_the_result_incomplete(tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    process = subprocess.Popen(
        [*FLEET, "run", *SHORT, "--grace", "1s", "--records", str(records), "--report", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while not (records.exists() and records.stat().st_size):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        threads = Path(f"/proc/{process.pid}/task").glob("*/children")
        (child,) = "".join(thread.read_text() for thread in threads).split()
        os.kill(int(child), signal.SIGKILL)
        said, _ = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
        process.wait(10)
    assert process.returncode == 98, said
    assert (
        "\nINCOMPLETE: the embedded CSMS ended in mid-run (killed by SIGKILL); lost_transactions == 0: it was " in said
    )
    assert summary_in(tmp_path)["result"] == "incomplete"


def test_a_csms_that_is_too_slow_to_be_told_everything_has_not_held(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('duration = "3s"\ngrace = "1s"\n[csms]\nlatency = "5s"\n[[charge_points]]\ncount = 2\n')
    done = run(str(config))
    assert "everybody leaves within the grace" in done.stdout
    assert "2 of 2 charge points were not done" in done.stdout
    assert done.returncode in (98, 99), done.stdout  # 98 where not even a BootNotification was answered in time
