"""A generator that is deliberately given too little CPU for its load: a whole `fleet run`, as a process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARVED_S = 3.0


@contextmanager
def starving(process: "subprocess.Popen[str]") -> Iterator[None]:
    """The process has to share one CPU with somebody who wants all of it, and only gets what that one leaves."""
    cpu = min(os.sched_getaffinity(0))
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as greedy:
        os.sched_setaffinity(greedy.pid, {cpu})
        os.sched_setaffinity(process.pid, {cpu})
        os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
        try:
            yield
        finally:
            greedy.kill()


def test_an_overloaded_generator_is_invalid_and_never_passes(tmp_path: Path) -> None:
    records, report = tmp_path / "records.jsonl", tmp_path / "report"
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "fleet", "run", "--charge-points", "30", "--duration", "6s", "--seed", "42"),
                *("--records", str(records), "--report", str(report), "--slo", "booted >= 99.9%"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        # It is well under way as soon as a transaction has begun.
        deadline = time.monotonic() + 30
        while not (records.exists() and records.stat().st_size):
            assert process.poll() is None, (tmp_path / "said").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with starving(process):
            time.sleep(STARVED_S)  # This is the time for which it starves.
        code = process.wait(60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    words = (tmp_path / "said").read_text()
    assert code == 98, words
    assert "\nINVALID: the generator" in words
    summary = json.loads((report / "summary.json").read_text())
    assert (summary["result"], summary["exit_code"]) == ("invalid", 98)
    assert summary["generator"]["lag"]["p99_s"] > 0.25
    # What was asked for holds, and that is no pass.
    assert [each["passed"] for each in summary["objectives"] if each["objective"] == "booted >= 99.9%"] == [True]
