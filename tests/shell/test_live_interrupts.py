"""Ctrl-C in each place of a shell over five hundred charge points at work, and the signals that end it there.

Nowhere but at an empty prompt does Ctrl-C end anything but what was being typed, chosen, shown or carried out.
"""

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from counterparts.screen import Screen, TerminalProcess
from counterparts.told import Household, until

COUNT = 500
CTRL_C, ENTER, DOWN, REVERSE_SEARCH = "\x03", "\r", "\x1b[B", "\x12"
DRAIN_S = 90.0

Start = Callable[..., TerminalProcess]


@pytest.fixture
def household(tmp_path: Path) -> Household:
    return Household(tmp_path)


@pytest.fixture
def start(household: Household) -> Iterator[Start]:
    """Start the five hundred, or fewer; the shell is at its prompt and everybody has booted."""
    running: list[TerminalProcess] = []

    def start_run(count: int = COUNT) -> TerminalProcess:
        terminal = TerminalProcess(
            [
                "-m",
                "fleet",
                "run",
                "--charge-points",
                str(count),
                "--connect-rate",
                "250/s",
                "--duration=1h",
                "--shell",
            ],
            rows=40,
            columns=100,
            environment=household.environment,
        )
        running.append(terminal)
        terminal.see(lambda screen: f" {count} registered │" in screen.lines[-1] and at_prompt()(screen), 60)
        return terminal

    yield start_run
    for terminal in running:
        terminal.__exit__()


def at_prompt(line: str = "") -> Callable[[Screen], bool]:
    return lambda screen: screen.lines[screen.row] == f"fleet> {line}".rstrip()


def offered(entry: str) -> Callable[[Screen], bool]:
    """Is this the entry that Enter would take?"""
    return lambda screen: any(line.startswith(f"❯ {entry}") for line in screen.lines)


def events(screen: Screen) -> int:
    return len(re.findall(r"\d\d:\d\d:\d\d\.\d{3} CP", screen.text))


def test_ctrl_c_ends_what_goes_on_in_each_place_and_nothing_else(start: Start, tmp_path: Path) -> None:
    terminal = start()
    see, press = terminal.see, terminal.press
    # A line half typed; one with its completion menu open; one in the middle; a search in the history.
    for half in ("stop */", "plug CP0123"):
        press(half)
        see(at_prompt(half))
        press(CTRL_C)
        see(at_prompt())
    press("st")
    see(lambda screen: any(re.match(r"\s+stop ", line) for line in screen.lines))
    press(DOWN)
    see(lambda screen: not at_prompt("st")(screen))
    press(CTRL_C)
    see(at_prompt())
    press(REVERSE_SEARCH)
    see(lambda screen: "search" in screen.lines[screen.row])
    press(CTRL_C)
    see(at_prompt())
    # A line that is carried out.
    (tmp_path / "long.fleet").write_text("wait 10m\n")
    press(f"run {tmp_path}/long.fleet CP0001/1" + ENTER)
    see("(Ctrl-C cancels)")
    press(CTRL_C)
    see("cancelled")
    see(at_prompt())
    # A menu, a menu under it, a choice there, a question, and the events that a menu shows.
    press("menu" + ENTER)
    see(offered("📊 Show Status"))
    press(CTRL_C)
    see(at_prompt())
    press("menu" + ENTER)
    see(offered("📊 Show Status"))
    press("2")
    see("Charge point (or press Enter for CP0001)")
    press(CTRL_C)
    see(offered("🔌 Connector Operations"))
    press("2")
    see(lambda screen: screen.lines[screen.row].startswith("Charge point"))
    press("CP0002" + ENTER)
    see(offered("🔌 Plug In"))
    press("1")
    see(offered("Connector "))
    press(CTRL_C)
    see(offered("🔌 Plug In"))
    press("3")
    see(offered("Connector "))
    press("1")
    see(lambda screen: screen.lines[screen.row].startswith("Enter an ID tag"))
    press(CTRL_C)
    see(offered("⚡ Start"))
    press(CTRL_C)
    see(offered("🔌 Connector Operations"))
    press("7")
    see("any key ends it")
    see(events)
    press(CTRL_C)
    see(offered("🔍 Monitor Events"))
    press(CTRL_C)
    see(at_prompt())
    # The monitor above the prompt: first what is typed goes, then the monitor.
    press("monitor" + ENTER)
    seen = events(terminal.screen)
    see(lambda screen: events(screen) > seen)
    press("half a li")
    see(at_prompt("half a li"))
    press(CTRL_C)
    see(at_prompt())
    assert terminal.screen.text.count("no longer monitoring") == 1
    press(CTRL_C)
    see(lambda screen: screen.text.count("no longer monitoring") == 2)
    # Everybody is at work all the while; only at the empty prompt does it ask for the drain.
    see(lambda screen: f" {COUNT} registered │" in screen.lines[-1] and at_prompt()(screen))
    assert terminal.process.poll() is None
    assert "draining" not in terminal.screen.text
    press(CTRL_C)
    assert terminal.end(DRAIN_S) == 105
    assert terminal.restored
    assert "books ............. balanced" in terminal.screen.text
    assert "crashes ........... none" in terminal.screen.text


@pytest.mark.parametrize(("number", "count"), [(signal.SIGTERM, COUNT), (signal.SIGHUP, 5)])
def test_a_signal_among_events_drains_them_all_and_restores_the_terminal(start: Start, number: int, count: int) -> None:
    terminal = start(count)
    terminal.press("monitor" + ENTER)
    terminal.see(events)
    terminal.press("half a li")
    terminal.see(at_prompt("half a li"))
    os.kill(terminal.process.pid, number)
    assert terminal.end(DRAIN_S) == 105
    assert terminal.restored
    assert "books ............. balanced" in terminal.screen.text


@pytest.mark.parametrize("shell", [True, False])
def test_a_terminal_that_is_closed_lets_the_run_drain(household: Household, tmp_path: Path, shell: bool) -> None:
    records = tmp_path / "records.jsonl"
    arguments = ["run", "--charge-points", "5", "--duration", "1h", "--records", str(records)]
    with TerminalProcess(
        ["-m", "fleet", *arguments, *(["--shell"] if shell else [])], environment=household.environment, columns=200
    ) as terminal:
        terminal.see("control socket")
        until(lambda: _kinds(records)["start"] > _kinds(records)["stop"])
        terminal.hang_up()
        # Left, where the shell saw it first.
        assert terminal.process.wait(60) in ((0, 105) if shell else (105,))
    found = _kinds(records)
    assert found["start"] == found["stop"]
    # It came to its proper end.
    assert list((household.runtime / "fleet").iterdir()) == []


def _kinds(records: Path) -> "Counter[str]":
    """How many lines there are of each kind in a CSMS's books."""
    text = records.read_text() if records.exists() else ""
    # The last line may be half written yet.
    return Counter(json.loads(line)["kind"] for line in text[: text.rfind("\n") + 1].splitlines())
