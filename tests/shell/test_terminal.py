"""The shell in a real terminal: a process in a pty, keys that are pressed, and what is to be seen."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from counterparts import toy_shell
from counterparts.screen import Screen, TerminalProcess

TESTS = Path(toy_shell.__file__).parents[1]
CTRL_C, CTRL_D, ENTER, ESCAPE, TAB, UP, DOWN = "\x03", "\x04", "\r", "\x1b", "\t", "\x1b[A", "\x1b[B"

Start = Callable[..., TerminalProcess]


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return tmp_path / "result.json"


@pytest.fixture
def start(tmp_path: Path, result: Path) -> Iterator[Start]:
    """Start the shell in a terminal; whatever is still there at the end is ended."""
    running: list[TerminalProcess] = []

    def start_shell(*options: str, rows: int = 24, columns: int = 80, **environment: str) -> TerminalProcess:
        terminal = TerminalProcess(
            [toy_shell.__file__, str(result), *options],
            rows=rows,
            columns=columns,
            environment={"PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}", "XDG_STATE_HOME": str(tmp_path)}
            | environment,
        )
        running.append(terminal)
        return terminal

    yield start_shell
    for terminal in running:
        terminal.__exit__()


def left(terminal: TerminalProcess, result: Path) -> dict[str, Any]:
    """Wait for the end; what the shell said then."""
    assert terminal.end() == 0
    assert terminal.restored
    said: dict[str, Any] = json.loads(result.read_text())
    return said


def typed(line: str) -> Callable[[Screen], bool]:
    """Is this at the prompt, with nothing behind it?"""
    return lambda screen: screen.lines[screen.row].endswith(f"> {line}".rstrip())


def test_a_line_is_carried_out_and_answered_above_the_next_prompt(start: Start, result: Path) -> None:
    terminal = start("banner=two connectors")
    terminal.prompt()
    terminal.press("plug CP0001/1" + ENTER)
    terminal.see("plug CP0001/1: 1 done")
    terminal.prompt()
    terminal.press(CTRL_D)
    assert left(terminal, result) == {"left": "left", "lines": ["plug CP0001/1"], "interrupts": 0, "watched": None}
    kept = [line for line in terminal.screen.text.splitlines() if line]
    assert kept == ["two connectors", "fleet> plug CP0001/1", "plug CP0001/1: 1 done", "fleet>", "and so it ended"]


def test_the_toolbar_stands_in_the_last_line(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    assert terminal.screen.lines[-1] == " 1 registered │ 1 charging │ 1 transaction │ 7.2 kW │ 12.0 msg/s"


def test_the_prompt_shows_the_target_in_use(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("use CP0001/1" + ENTER)
    terminal.see(lambda screen: screen.lines[screen.row] == "fleet CP0001/1>")


def test_a_menu_completes_what_is_typed(start: Start, result: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("st")
    terminal.see(lambda screen: any("stop" in line and "about stop" in line for line in screen.lines))
    terminal.press(TAB)
    terminal.see(typed("start"))
    terminal.press(" CP")
    terminal.see("about CP0001")
    terminal.press(TAB)
    terminal.see(typed("start CP0001"))
    terminal.press(ENTER)
    terminal.see("start CP0001: done")


def test_the_next_shell_remembers_the_lines(start: Start, result: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("plug CP0001/1" + ENTER)
    terminal.see("1 done")
    terminal.prompt()
    terminal.press(CTRL_D)
    left(terminal, result)
    terminal = start()
    terminal.prompt()
    terminal.press(UP)
    terminal.see(typed("plug CP0001/1"))


def test_ctrl_c_empties_the_line(start: Start, result: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("stop */*")
    terminal.see(typed("stop */*"))
    terminal.press(CTRL_C)
    terminal.see(lambda screen: typed("")(screen) and screen.row > 0)
    terminal.press(CTRL_D)
    said = left(terminal, result)
    assert (said["lines"], said["interrupts"]) == ([], 0)


def test_ctrl_c_cancels_the_line_that_is_carried_out(start: Start, result: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("sleep" + ENTER)
    terminal.see("Ctrl-C cancels")
    terminal.press(CTRL_C)
    terminal.see("sleep: cancelled")
    terminal.prompt()
    terminal.press(CTRL_D)
    assert left(terminal, result)["interrupts"] == 0


def test_what_is_typed_ahead_is_carried_out_next(start: Start, result: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("sleep" + ENTER)
    terminal.see("Ctrl-C cancels")
    terminal.press("plug CP0001/1" + ENTER + "unpl")
    terminal.press(CTRL_C)
    terminal.see("plug CP0001/1: 1 done")
    terminal.see(typed("unpl"))


def test_lines_that_are_pasted_are_carried_out_one_by_one(start: Start, result: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("\x1b[200~plug CP0001/1\n# a comment\n\nstop CP0001/1\x1b[201~" + ENTER)
    terminal.see("stop CP0001/1: done")
    terminal.prompt()
    terminal.press("plug CP0001/2\rstop CP0001/2\r")
    terminal.see("stop CP0001/2: done")
    terminal.prompt()
    terminal.press(CTRL_D)
    assert left(terminal, result)["lines"] == ["plug CP0001/1", "stop CP0001/1", "plug CP0001/2", "stop CP0001/2"]


def test_ctrl_c_at_an_empty_prompt_asks_for_the_drain(start: Start, result: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press(CTRL_C)
    terminal.prompt()
    terminal.press(CTRL_D)
    said = left(terminal, result)
    assert (said["left"], said["interrupts"]) == ("left", 1)


def test_attached_one_ctrl_c_only_warns(start: Start, result: Path) -> None:
    terminal = start("attached=yes")
    terminal.prompt()
    terminal.press(CTRL_C)
    terminal.see("Ctrl-C once more")
    terminal.prompt()
    terminal.press(CTRL_C)
    terminal.see(lambda screen: screen.text.count("fleet>") == 3)
    terminal.press(CTRL_D)
    assert left(terminal, result)["interrupts"] == 1


@pytest.mark.parametrize(
    ("number", "where"),
    [(signal.SIGTERM, "main"), (signal.SIGINT, "main"), (signal.SIGHUP, "main"), (signal.SIGTERM, "thread")],
)
@pytest.mark.parametrize("doing", ["", "sleep\r", "menu\r", "half a li"])
def test_a_signal_restores_the_terminal(start: Start, result: Path, number: int, where: str, doing: str) -> None:
    terminal = start(f"{where}=yes")
    terminal.prompt()
    terminal.press(doing)
    if doing:
        terminal.see({"sleep\r": "Ctrl-C cancels", "menu\r": "Choose an option:"}.get(doing, doing))
    os.kill(terminal.process.pid, number)
    assert left(terminal, result)["left"] == "stopped"


def test_a_run_that_is_gone_ends_the_shell(start: Start, result: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("gone" + ENTER)
    assert left(terminal, result)["left"] == "gone"
    assert "the run at the other end is gone" in terminal.screen.text


def test_a_bug_in_a_command_is_shown_and_the_shell_goes_on(start: Start, result: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("crash" + ENTER)
    terminal.see("ZeroDivisionError: a bug in a command")
    terminal.prompt()
    terminal.press(CTRL_D)
    assert left(terminal, result)["left"] == "left"


def test_a_bug_in_the_shell_ends_it_with_the_terminal_restored(start: Start, result: Path) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("bug")
    assert terminal.end() == 1
    assert "ZeroDivisionError: a bug in the shell" in terminal.screen.text
    assert terminal.restored


def test_what_the_answer_says_cannot_command_the_terminal(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("\x1b[200~echo \x1b]0;title\x07\x9b2J\x1b[201~" + ENTER)
    terminal.see("done")
    assert "2J" in terminal.screen.text


@pytest.mark.parametrize("doing", ["", "menu\r", "sleep\r"])
def test_a_terminal_that_is_gone_ends_the_shell(start: Start, result: Path, doing: str) -> None:
    terminal = start("thread=yes", "nohup=yes")
    terminal.prompt()
    terminal.press(doing)
    if doing:
        terminal.see({"sleep\r": "Ctrl-C cancels", "menu\r": "Choose an option:"}[doing])
    terminal.hang_up()
    terminal.process.wait(15)  # what it prints afterwards goes nowhere
    assert json.loads(result.read_text())["left"] == "left"


def test_without_a_terminal_lines_are_read_as_a_script(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, toy_shell.__file__, str(tmp_path / "result")],
        input="plug CP0001/1\n\n# a comment\nunplug CP0001/1\n",
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "plug CP0001/1: 1 done",
        "unplug CP0001/1: CP0001/1 refused: Cannot unplug cable during active transaction",
        "and so it ended",
    ]
    said = json.loads((tmp_path / "result").read_text())
    assert (said["left"], said["lines"]) == ("left", ["plug CP0001/1", "unplug CP0001/1"])


def test_the_monitor_leaves_the_line_that_is_typed_alone(start: Start, result: Path) -> None:
    terminal = start("printing=yes")
    terminal.prompt()
    terminal.press("monitor" + ENTER)
    terminal.see("CP0001/1 → 3")
    line = "plug CP0001/1"
    for letter in line:
        terminal.press(letter)
        before = last_number(terminal.screen)
        terminal.see(lambda screen, before=before: last_number(screen) > before)
    terminal.see(typed(line))
    terminal.see(lambda screen: "monitoring │" in screen.lines[-1])
    terminal.press(ENTER)
    terminal.see("plug CP0001/1: 1 done")
    terminal.press(CTRL_C)
    terminal.see("no longer monitoring")
    terminal.prompt()
    terminal.press(CTRL_D)
    said = left(terminal, result)
    assert (said["lines"], said["interrupts"], said["watched"]) == (["plug CP0001/1"], 0, None)
    numbers = [int(number) for number in re.findall(r"CP0001/1 → (\d+)", terminal.screen.text)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def last_number(screen: Screen) -> int:
    return int((re.findall(r"CP0001/1 → (\d+)", screen.text) or ["0"])[-1])


def test_a_smaller_window_gets_a_shorter_toolbar(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.resize(12, 40)
    terminal.see(
        lambda screen: screen.lines[-1].startswith(" 1 registered │ 1 charging") and len(screen.lines[-1]) <= 40
    )
    terminal.press("plug CP0001/1" + ENTER)
    terminal.see("1 done")


def test_colours_are_gone_with_no_color(start: Start) -> None:
    terminal = start(NO_COLOR="1")
    terminal.prompt()
    terminal.press("unplug CP0001/1" + ENTER)
    terminal.see("Cannot unplug cable during active transaction")
    assert terminal.screen.colours == 0


def test_colours_are_there_without(start: Start) -> None:
    terminal = start()
    terminal.prompt()
    terminal.press("unplug CP0001/1" + ENTER)
    terminal.see("Cannot unplug cable during active transaction")
    assert terminal.screen.colours > 0


def test_the_menu_plugs_a_cable_in(start: Start, result: Path) -> None:
    terminal = start("menu=yes", rows=40)
    terminal.see("🎮 Interactive Mode - Type 'help' for commands")
    terminal.see("❌ Exit")
    terminal.press("2")
    terminal.see("📊 Current Connector Status:")
    terminal.see("❯ 🔌 Plug In Cable")
    terminal.press(ENTER)
    terminal.see("❯ Connector 1: Available")
    terminal.press(ENTER)
    terminal.see("   🔌 Connector 1: Preparing")
    terminal.press(DOWN * 5 + ENTER)
    terminal.see("📊 Detailed Connector Status")
    terminal.see("   Cable: Plugged")
    terminal.press("7")
    terminal.see("❯ 🔌 Connector Operations")
    terminal.press("8")
    said = left(terminal, result)
    assert said["left"] == "left"
    assert [line for line in said["lines"] if not line.startswith(("list", "status"))] == ["plug CP0001/1"]


def test_a_word_typed_in_the_menu_is_a_line(start: Start, result: Path) -> None:
    terminal = start("menu=yes", rows=40)
    terminal.see("❌ Exit")
    terminal.press("help" + ENTER)
    terminal.see("help: done")
    terminal.prompt()
    terminal.press("menu" + ENTER)
    terminal.see("❯ 📊 Show Status")
    terminal.press(ESCAPE)
    terminal.prompt()
    terminal.press("menu" + ENTER)
    terminal.see("❯ 📊 Show Status")
    terminal.press(CTRL_D)
    assert left(terminal, result)["lines"] == ["help"]


def test_monitor_events_stream_until_a_key(start: Start, result: Path) -> None:
    terminal = start("menu=yes", "printing=yes", rows=40)
    terminal.see("❌ Exit")
    terminal.press("7")
    terminal.see("any key ends it")
    terminal.see("CP0001/1 → ")
    terminal.press(" ")
    terminal.see("no longer monitoring")
    terminal.see("❯ 🔍 Monitor Events")
    terminal.press(CTRL_D)
    assert left(terminal, result)["watched"] is None
