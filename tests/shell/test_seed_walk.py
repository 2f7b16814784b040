"""The interactive guide's walk-through, whole: `fleet connect --interactive` in a terminal, against `fleet csms`.

Typed line by line as its reader would, with the messages shown (`--verbose`), and read back from the screen in the
order in which they went over the wire; what the CSMS has in its books has the last word.
"""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from counterparts.screen import Screen, TerminalProcess
from counterparts.told import Household

DEFAULT_PORT = 8080
ENTER, CTRL_D = "\r", "\x04"


class Central(NamedTuple):
    """A CSMS: what to tell `fleet connect` of where it is, nothing when it is where it's looked for anyhow."""

    arguments: tuple[str, ...]
    records: Path

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """What stands in its books."""
        found = [json.loads(line) for line in self.records.read_text().splitlines()] if self.records.exists() else []
        return [line for line in found if line["kind"] == kind]


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Central]:
    """At the default address, unless somebody else is there."""
    records = tmp_path / "records.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "fleet", "csms", "--port", str(_port()), "--records", str(records), "--end-with-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    there = f":{DEFAULT_PORT}/" in url
    yield Central(() if there else ("--url", f"{url}ocpp/CP001"), records)
    process.terminate()
    process.communicate()


def _port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DEFAULT_PORT))
        except OSError:
            return 0
    return DEFAULT_PORT


@pytest.fixture
def household(tmp_path: Path) -> Iterator[Household]:
    made = Household(tmp_path)
    yield made
    made.end()


@pytest.fixture
def terminal(central: Central, household: Household) -> Iterator[TerminalProcess]:
    """The guide's command, with the menu on the screen."""
    arguments = ["-m", "fleet", "connect", "--interactive", "--verbose", "--log-level", "debug", *central.arguments]
    # Wide enough for a message in one line.
    with TerminalProcess(arguments, rows=50, columns=250, environment={**household.environment, "TZ": "UTC"}) as made:
        made.see("🎮 Interactive Mode - Type 'help' for commands")
        made.see("❌ Exit")
        made.see("BootNotification answered: Accepted")
        made.see(lambda screen: len(sent(screen)) >= 4)
        yield made


def sent(screen: Screen) -> list[str]:
    """The CALLs that were shown, in order: the action, or connector and status."""
    story = []
    for action, payload in re.findall(r'CP001(?:/\d)? -> \[2,"[^"]+","(\w+)",(\{.*\})\]', screen.text):
        said = json.loads(payload)
        story.append(f"{said['connectorId']}:{said['status']}" if action == "StatusNotification" else action)
    return [word for word in story if word != "MeterValues"]


def told(count: int) -> Callable[[Screen], bool]:
    """Have so many CALLs been shown?"""
    return lambda screen: len(sent(screen)) == count


def at_prompt(screen: Screen) -> bool:
    return screen.lines[screen.row] == "fleet CP001>"


def typed(terminal: TerminalProcess, line: str, wanted: str | Callable[[Screen], Any]) -> None:
    """Type a line at the prompt and see what is wanted of it."""
    terminal.see(at_prompt)
    terminal.press(line + ENTER)
    terminal.see(wanted)


def test_the_walk_through_typed_line_by_line(terminal: TerminalProcess, central: Central) -> None:
    # Typing a word leaves the menu for the prompt.
    terminal.press("help" + ENTER)
    terminal.see("Present an id tag at the reader")
    walk: tuple[tuple[str, str], ...] = (
        # Error conditions before there is a cable.
        ("start CP001/1", "CP001/1: Cable must be plugged in before starting transaction"),
        ("stop CP001/1", "CP001/1: No active transaction on connector 1"),
        # A basic charging session.
        ("plug CP001/1", "plug CP001/1: done"),
        ("start CP001/1", "start CP001/1: done"),
        ("unplug CP001/1", "CP001/1: Cannot unplug cable during active transaction"),
        ("wait 2s", "transaction has the id"),
        ("status CP001/*", "   Current Power: 7.2 kW"),
        ("stop CP001/1", "stop CP001/1: done"),
        ("wait-for CP001/1 Preparing 10s", "Preparing"),
        ("unplug CP001/1", "unplug CP001/1: done"),
        # Maintenance.
        ("availability CP001/2 Inoperative", "availability CP001/2 Inoperative: done"),
        ("start CP001/2", "CP001/2: Connector 2 is Unavailable"),
        ("fault CP001/2", "fault CP001/2: done"),
        ("availability CP001/2 Operative", "availability CP001/2 Operative: done"),
        ("clear CP001/2", "clear CP001/2: done"),
    )
    for line, wanted in walk:
        typed(terminal, line, wanted)
    for shown in ("📊 Detailed Connector Status", "   Cable: Plugged", "   ID Tag: DEMO_TAG", "   Cable: Not plugged"):
        assert shown in terminal.screen.text
    expected = [
        *("BootNotification", "0:Available", "1:Available", "2:Available"),
        *("1:Preparing", "StartTransaction", "1:Charging"),
        *("StopTransaction", "1:Finishing", "1:Preparing", "1:Available"),
        *("2:Unavailable", "2:Faulted", "2:Available"),
    ]
    terminal.see(lambda screen: len(sent(screen)) == len(expected))
    assert sent(terminal.screen) == expected
    typed(terminal, "quit", "drained")
    assert terminal.end() == 0
    assert terminal.restored
    (start,), (stop,) = central.lines("start"), central.lines("stop")
    assert (start["charge_point"], start["connector"], start["id_tag"], start["meter_start_wh"]) == (
        *("CP001", 1, "DEMO_TAG"),
        0,
    )
    # At least two seconds at 7.2 kW.
    assert stop["energy_wh"] >= 4
    assert central.lines("oddity") == []


def test_monitor_events_in_the_menu_shows_what_somebody_else_does(
    terminal: TerminalProcess, household: Household
) -> None:
    terminal.press("7")
    terminal.see("any key ends it")
    assert household.do("plug CP001/2") == (0, "plug CP001/2: done\n", "")
    terminal.see(lambda screen: re.search(r'CP001/2 → \[2,"[^"]+","StatusNotification",.*"Preparing"', screen.text))
    terminal.press(" ")
    terminal.see("no longer monitoring")
    terminal.see(lambda screen: "❯ 🔍 Monitor Events" in "\n".join(screen.lines))
    terminal.press("8")
    assert terminal.end() == 0
    assert terminal.restored


def test_leaving_during_a_transaction_stops_and_delivers_it(terminal: TerminalProcess, central: Central) -> None:
    terminal.press("p")
    terminal.see(lambda screen: screen.lines[screen.row] == "fleet CP001> p")
    terminal.press("lug CP001/2" + ENTER)
    terminal.see("plug CP001/2: done")
    typed(terminal, "start CP001/2 GUEST", "start CP001/2 GUEST: done")
    terminal.see(at_prompt)
    terminal.press(CTRL_D)
    assert terminal.end() == 0
    assert terminal.restored
    (stop,) = central.lines("stop")
    assert (stop["connector"], stop["id_tag"]) == (2, "GUEST")


def test_what_is_logged_leaves_the_line_that_is_typed_alone(terminal: TerminalProcess, household: Household) -> None:
    # A letter leaves the menu, and is the beginning of a line.
    line = "start CP001/2 HALF_A_TAG"
    terminal.press(line[0])
    terminal.see(lambda screen: screen.lines[screen.row] == "fleet CP001> s")
    terminal.press(line[1:])
    for number in range(3):
        terminal.see(lambda screen: screen.lines[screen.row] == f"fleet CP001> {line}")
        assert household.do(f"{'un' * (number % 2)}plug CP001/2").code == 0
        terminal.see(told(5 + number))
        terminal.see(lambda screen: screen.lines[screen.row] == f"fleet CP001> {line}")
    for shown in terminal.screen.text.splitlines():
        assert shown.count("CP001>") == (shown == f"fleet CP001> {line}"), shown
    terminal.press(ENTER)
    terminal.see("start CP001/2 HALF_A_TAG: done")
