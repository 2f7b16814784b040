import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from fleet import cli
from fleet.errors import ConfigurationError, FleetError
from fleet.load.command import add_arguments, resolve
from fleet.load.config import RunConfig
from fleet.version import VERSION


def resolved(*argv: str) -> RunConfig:
    parser = ArgumentParser()
    add_arguments(parser)
    return resolve(parser.parse_args(argv))


def command_that(fails: BaseException) -> cli.Command:
    def run(_args: Namespace) -> int:
        raise fails

    return cli.Command("run", "", lambda _parser: run)


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["walk"], "invalid choice: 'walk'"),
        (["check", "--walk"], "unrecognized arguments: --walk (see `fleet check --help`)"),
        (["check", "--url"], "argument --url: expected one argument"),
        (["check", "--url", "host:9000"], "argument --url: bad CSMS URL"),
        (
            ["check", "--charge-points", "many"],
            "argument --charge-points: expected a whole number from 1 to 1000000, got",
        ),
        (["check", "--charge-points", "0"], "argument --charge-points: expected a whole number from 1"),
        (["check", "--connectors", "0"], "argument --connectors: expected a whole number from 1 to 100, got 0"),
        (["check", "--id", "CP{:zz}"], "argument --id: expected a pattern such as 'CP{:04}'"),
        (["check", "--id", "CP{!r}"], "argument --id: expected a pattern such as 'CP{:04}'"),
        (["check", "--set", "NumberOfConnectors=3"], "NumberOfConnectors: expected 2, as that many there are"),
        (["check", "--connect-rate", "fast"], "argument --connect-rate: expected a rate such as '0.5/s', got 'fast'"),
        (
            ["check", "--duration", "soon"],
            "argument --duration: expected a duration such as '30s' or '10m', got 'soon'",
        ),
        (["check", "--seed", "x"], "argument --seed: expected a whole number, got 'x'"),
        (["check", "--seed", "9" * 20], "argument --seed: expected a whole number of 64 bits, got 9999"),
        (["check", "--id", "CP\udcff{}"], "argument --id: expected a pattern such as 'CP{:04}', got 'CP\\udcff{}'"),
        (["check", "--set", "HeartbeatInterval"], "argument --set: expected KEY=VALUE such as HeartbeatInterval=60"),
        (["check", "--set", "Heartbeat=6"], "argument --set: Heartbeat: no such configuration key"),
        (["check", "--set", "HeartbeatInterval=often"], "argument --set: HeartbeatInterval: expected a whole number"),
        (["check", "nowhere.toml"], "nowhere.toml: can't read it: No such file or directory"),
        (["check", "--id", "CP"], "the built-in configuration: charge_points[0].id: expected ids of its own"),
    ],
)
def test_a_wrong_argument_is_one_clear_line_and_exit_code_104(
    argv: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 104
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("fleet: error: ")
    assert complaint in captured.err


def test_every_mistake_of_a_file_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.toml"
    path.write_text("sed = 1\nduration = 'x'")
    assert cli.main(["check", str(path)]) == 104
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith(f"fleet: error: {path}: ") for line in lines] == [True, True]


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        "seed = 1\nduration = '1h'\n[[charge_points]]\ncount = 7\n[charge_points.configuration]\nHeartbeatInterval = 9"
    )
    flags = ["--seed", "2", "--charge-points", "3", "--id", "X{}", "--set", "heartbeatinterval=60", "--grace", "0"]
    config = resolved(str(path), *flags, "--set", "ResetRetries=2", "--connect-rate", "6/min", "--url", "wss://h/{id}")
    [group] = config.charge_points
    assert (config.seed, config.duration_s, config.grace_s) == (2, 3600.0, 0.0)
    assert (config.csms.connect_rate_per_s, config.csms.url) == (0.1, "wss://h/{id}")
    assert (group.count, group.id) == (3, "X{}")
    assert group.configuration == {"HeartbeatInterval": "60", "ResetRetries": "2"}


def test_a_heartbeat_interval_that_is_set_is_what_the_embedded_csms_says() -> None:
    embedded, other = (
        resolved("--set", "HeartbeatInterval=7"),
        resolved("--set", "HeartbeatInterval=7", "--url", "ws://h"),
    )
    assert embedded.csms.heartbeat_interval_s == 7.0
    assert other.csms.heartbeat_interval_s is None


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (ConfigurationError("too few"), 104, "fleet: error: too few\n"),
        (FleetError("gone"), 1, "fleet: error: gone\n"),
        (KeyboardInterrupt(), 105, ""),
        (ExceptionGroup("nursery", [ExceptionGroup("nursery", [FleetError("gone")])]), 1, "fleet: error: gone\n"),
        (BaseExceptionGroup("nursery", [KeyboardInterrupt()]), 105, ""),
    ],
)
def test_what_ends_a_command_has_its_exit_code(
    error: BaseException,
    code: int,
    printed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "COMMANDS", (command_that(error),))
    assert cli.main(["run"]) == code
    assert capsys.readouterr().err == printed


@pytest.mark.parametrize(
    "bug", [ValueError("a bug"), ExceptionGroup("nursery", [FleetError("x"), ValueError("a bug")])]
)
def test_a_bug_is_shown_as_one(bug: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "COMMANDS", (command_that(bug),))
    with pytest.raises(type(bug)):
        cli.main(["run"])


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"fleet {VERSION}\n"


def test_no_command_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "commands:" in capsys.readouterr().out


@pytest.mark.parametrize("command", [command.name for command in cli.COMMANDS])
def test_every_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: fleet {command}" in capsys.readouterr().out


def test_help_imports_nothing_of_what_the_commands_need() -> None:
    code = (
        "import sys; from fleet.cli import main; main([]); "
        "print(sorted({'trio', 'attr', 'cattrs', 'orjson', 'rich', 'ssl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_check_starts_no_loop() -> None:
    code = "import sys; from fleet.cli import main; main(['check']); print('trio_websocket' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_the_package_can_be_run_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fleet", "check", "--duration", "x"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 104
    assert done.stderr.startswith("fleet: error: argument --duration: ")
