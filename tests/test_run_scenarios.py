"""Scenarios in a run, as a person or a CI job has them: a process, its output, its exit code."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FLEET = [sys.executable, "-m", "fleet"]
TIMEOUT_S = 90

CHARGE = """\
# A short charge on every connector.
expect Available
plug
start
wait-for Charging 10s
wait 2s
! unplug
stop EmergencyStop
wait-for Preparing 10s
unplug
expect Available
"""


@pytest.fixture
def charge(tmp_path: Path) -> Path:
    path = tmp_path / "charge.fleet"
    path.write_text(CHARGE)
    return path


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def run(*arguments: object, command: str = "run") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FLEET, command, *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def test_a_scenario_on_a_hundred_charge_points_is_met_and_nothing_else_happens(charge: Path) -> None:
    began_at = time.monotonic()
    done = run("--charge-points", 100, "--scenario", charge)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{charge}: 10 steps on 200 connectors in .*: every expectation met$", done.stdout, re.MULTILINE)
    assert re.search(r"transactions \.+ 200 started, 200 stopped, 200 delivered, 0 lost", done.stdout)
    assert "200 EmergencyStop" in done.stdout
    # The run is over when the scenario is.
    assert time.monotonic() - began_at < 30


def test_a_failed_expectation_names_file_and_line_and_exits_99(tmp_path: Path) -> None:
    path = written(tmp_path / "wrong.fleet", "# Nobody charges without a cable.\nplug\n\nexpect Charging\n")
    done = run("--charge-points", 3, "--scenario", path, "--scenario-target", "CP000[1-2]/1")
    assert done.returncode == 99, done.stdout + done.stderr
    assert f"{path}:4: expected CP0001/1 Charging, it is Preparing; CP0002/1 is Preparing\n" in done.stdout
    assert f"{path}: 2 steps on 2 connectors" in done.stdout
    assert "1 expectation failed" in done.stdout
    # The summary is there all the same.
    assert "books" in done.stdout


def test_a_scenario_whose_target_is_nobody_exits_99(charge: Path) -> None:
    done = run("--charge-points", 3, "--scenario", charge, "--scenario-target", "CP9999/1")
    assert done.returncode == 99, done.stdout + done.stderr
    assert f"{charge}: there is no charge point CP9999" in done.stdout


def test_scenarios_of_a_configuration_run_beside_each_other_and_are_seen_through(charge: Path, tmp_path: Path) -> None:
    config = written(
        tmp_path / "run.toml",
        f"""
        duration = "1s"
        [[charge_points]]
        count = 4
        [drivers]
        arrivals = 0
        [[scenario]]
        file = "{charge}"
        target = "*/1"
        [[scenario]]
        file = "{charge}"
        target = "*/2"
        at = "2s"
        """,
    )
    done = run(config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("10 steps on 4 connectors") == 2
    assert re.search(r"transactions \.+ 8 started, 8 stopped, 8 delivered, 0 lost", done.stdout)
    checked = run(config, command="check")
    assert f"{charge} on */2, at 2s" in checked.stdout


def test_a_flag_replaces_the_scenarios_of_the_configuration(charge: Path, tmp_path: Path) -> None:
    config = written(
        tmp_path / "run.toml",
        """
        duration = "1s"
        [[charge_points]]
        count = 1
        [drivers]
        arrivals = 0
        [[scenario]]
        file = "missing.fleet"
        """,
    )
    done = run(config, "--scenario", charge)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_interrupt_cuts_a_scenario_short(tmp_path: Path) -> None:
    path = written(tmp_path / "long.fleet", "plug\nstart\nseed\nwait 10m\n")
    process = subprocess.Popen(
        [*FLEET, "run", "--charge-points", "3", "--seed", "42", "--scenario", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line == "seed 42\n":
            break
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 105, "".join(seen) + said + complaints
    assert f"{path}: cut short by the end of the run" in said
    assert "Traceback" not in complaints


@pytest.mark.parametrize("command", ["run", "check"])
def test_every_bad_line_is_told_before_anything_starts(command: str, charge: Path, tmp_path: Path) -> None:
    bad = written(tmp_path / "bad.fleet", "plgu\nplug\nexpect Chargin\nrepeat 2\n")
    done = run("--scenario", charge, "--scenario", bad, command=command)
    assert done.returncode == 104, done.stdout + done.stderr
    assert [line.split(": ")[2] for line in done.stderr.splitlines()] == [f"{bad}:{number}" for number in (1, 3, 4)]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("scenario", "complaint"),
    [
        ('file = "missing.fleet"', "missing.fleet: can't read it"),
        ('target = "*/*"', "scenario[0].file: missing"),
        ('file = "x"\ntarget = "CP1/x"', "scenario[0].target: expected a target, got 'CP1/x'"),
        ('file = "x"\nat = "soon"', "scenario[0].at: expected a duration"),
        ('file = "x"\ntraget = "*"', "scenario[0].traget: unknown key (did you mean 'target'?)"),
        ('file = ""', "scenario[0].file: expected a text"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line(scenario: str, complaint: str, tmp_path: Path) -> None:
    config = written(tmp_path / "run.toml", f"[[scenario]]\n{scenario}\n")
    done = run(config, command="check")
    assert done.returncode == 104, done.stdout + done.stderr
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_scenario_target_needs_a_scenario() -> None:
    done = run("--scenario-target", "*/1")
    assert done.returncode == 104
    assert "--scenario beside it" in done.stderr
