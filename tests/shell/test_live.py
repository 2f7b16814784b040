"""The shell over real runs in a real terminal: hundreds of charge points, every way to end, another process."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from counterparts.screen import Screen, TerminalProcess

CTRL_C, CTRL_D, ENTER, TAB, UP, DOWN = "\x03", "\x04", "\r", "\t", "\x1b[A", "\x1b[B"
SMALL = ("--charge-points", "5", "--duration", "10m", "--connect-rate", "100/s")

Start = Callable[..., TerminalProcess]


@pytest.fixture
def control(tmp_path: Path) -> Path:
    return tmp_path / "private" / "control.sock"


@pytest.fixture
def fleet(tmp_path: Path, control: Path) -> Iterator[Start]:
    """Start `fleet ARGUMENTS` in a terminal; whatever is still there at the end is ended."""
    control.parent.mkdir(mode=0o700)
    running: list[TerminalProcess] = []

    def start(*arguments: str, rows: int = 30, columns: int = 100) -> TerminalProcess:
        terminal = TerminalProcess(
            ["-m", "fleet", *arguments],
            rows=rows,
            columns=columns,
            environment={"XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(control.parent)},
        )
        running.append(terminal)
        return terminal

    yield start
    for terminal in running:
        terminal.__exit__()


@pytest.fixture
def background(control: Path, fleet: Start) -> Iterator["subprocess.Popen[str]"]:
    """A run without a shell, with its control socket."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fleet", "run", *SMALL, "--control", str(control)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not control.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def at_prompt(line: str = "") -> Callable[[Screen], bool]:
    return lambda screen: re.search(rf"^fleet\S*( \S+)?> ?{re.escape(line)}$", screen.lines[screen.row]) is not None


def last_event(screen: Screen) -> str:
    return (re.findall(r"\d\d:\d\d:\d\d\.\d{3} CP\S+ .*", screen.text) or [""])[-1]


def test_a_shell_over_five_hundred_charge_points_at_work(fleet: Start, tmp_path: Path) -> None:
    scenario = tmp_path / "long.fleet"
    scenario.write_text("wait 10m\n")
    terminal = fleet("run", "--charge-points", "500", "--connect-rate", "250/s", "--duration", "10m", "--shell")
    # The toolbar lives.
    terminal.see(lambda screen: " 500 registered │" in screen.lines[-1], 60)
    terminal.see(lambda screen: re.search(r"[1-9]\d* transactions .* [1-9]\S* msg/s", screen.lines[-1]))
    # Completion.
    terminal.press("stat")
    terminal.see(lambda screen: sum(word in "\n".join(screen.lines) for word in (" status ", " stats ")) == 2)
    terminal.press("us CP0499")
    terminal.see(lambda screen: any(re.match(r"\s+CP0499", line) for line in screen.lines))
    terminal.press("/1" + ENTER)
    terminal.see("📊 Detailed Connector Status")
    terminal.see(at_prompt())
    # Everybody at once, and the line again out of the history.
    terminal.press("suspend evse */*@Charging" + ENTER)
    terminal.see(lambda screen: re.search(r"suspend evse \*/\*@Charging: \d+ done", screen.text))
    terminal.press(UP)
    terminal.see(at_prompt("suspend evse */*@Charging"))
    terminal.press(CTRL_C)
    terminal.see(at_prompt())
    # Events above a line that is being typed.
    terminal.press("monitor" + ENTER)
    for typed in ("l", "li", "lis", "list", "list ", "list C", "list CP", "list CP0007"):
        terminal.press(typed[-1] if len(typed) < 8 else "0007")
        seen = last_event(terminal.screen)
        terminal.see(lambda screen, seen=seen: last_event(screen) != seen)
    terminal.see(at_prompt("list CP0007"))
    terminal.press(ENTER)
    terminal.see("charge point  state       connectors")
    terminal.press(CTRL_C)
    terminal.see("no longer monitoring")
    # A window of another size.
    terminal.see(lambda screen: " 500 registered │" in screen.lines[-1] and at_prompt()(screen))
    terminal.resize(20, 60)
    terminal.see(lambda screen: screen.lines[-1].startswith(" 500 registered │") and at_prompt()(screen))
    # A long line is cancelled, the run goes on.
    terminal.press(f"run {scenario} CP0001/1" + ENTER)
    terminal.see("(Ctrl-C cancels)")
    terminal.press(CTRL_C)
    terminal.see("cancelled")
    terminal.see(at_prompt())
    terminal.press(CTRL_D)
    assert terminal.end(90) == 0
    assert terminal.restored
    assert "books ............. balanced" in terminal.screen.text
    assert "crashes ........... none" in terminal.screen.text


@pytest.mark.parametrize(
    ("keys", "code"),
    [(CTRL_D, 0), ("quit\r", 0), (CTRL_C, 105), (CTRL_C + CTRL_C, 105), ("menu\r8", 0), ("menu\r" + CTRL_D, 0)],
)
def test_a_run_ends_with_its_shell(fleet: Start, keys: str, code: int) -> None:
    terminal = fleet("run", *SMALL, "--shell")
    terminal.see(lambda screen: " 5 registered" in screen.lines[-1] and at_prompt()(screen))
    terminal.press(keys)
    assert terminal.end(60) == code
    assert terminal.restored
    assert "books ............." in terminal.screen.text


@pytest.mark.parametrize("doing", ["", "menu\r", "half a li", "wait"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_run_and_restores_the_terminal(
    fleet: Start, number: int, doing: str, tmp_path: Path
) -> None:
    (tmp_path / "long.fleet").write_text("wait 10m\n")
    terminal = fleet("run", *SMALL, "--shell")
    terminal.see(lambda screen: " 5 registered" in screen.lines[-1] and at_prompt()(screen))
    terminal.press(f"run {tmp_path}/long.fleet CP0001/1\r" if doing == "wait" else doing)
    terminal.see({"menu\r": "❌ Exit", "wait": "(Ctrl-C cancels)"}.get(doing, doing))
    os.kill(terminal.process.pid, number)
    assert terminal.end(60) == 105
    assert terminal.restored
    assert "draining (once more to stop at once)" in terminal.screen.text


def test_the_menu_charges_a_car(fleet: Start) -> None:
    csms = subprocess.Popen([sys.executable, "-m", "fleet", "csms", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert csms.stdout is not None
        url = csms.stdout.readline().split()[-1]
        terminal = fleet("connect", "--url", f"{url}ocpp/CP001", "--interactive", rows=50)
        terminal.see("❌ Exit")
        terminal.see("Accepted")
        for keys, wanted in (
            ("2", "⚪ Connector 1: Available"),
            (ENTER, "Choose a connector:"),
            (ENTER, "🔌 Connector 1: Preparing"),
            ("3", "Choose a connector:"),
            (ENTER, 'Enter an ID tag (or press Enter for default "DEMO_TAG")'),
            (ENTER, "start CP001/1 DEMO_TAG: done"),
        ):
            terminal.press(keys)
            terminal.see(wanted)
            if wanted == "Choose a connector:":
                terminal.see(lambda screen: any("❯ Connector 1" in line for line in screen.lines))
        terminal.see(lambda screen: any("❯ ⚡ Start" in line for line in screen.lines))
        terminal.press("6")
        terminal.see("   Current Power: 7.2 kW")
        terminal.see(lambda screen: any("❯ 📊 Show Detailed" in line for line in screen.lines))
        terminal.press("2")
        terminal.see(lambda screen: any("❯ Connector 1" in line for line in screen.lines))
        terminal.press("1")
        terminal.see("Cannot unplug cable during active transaction")
        terminal.see(lambda screen: any("❯ 🔌 Plug Out" in line for line in screen.lines))
        terminal.press("4")
        terminal.see(lambda screen: any("❯ Connector 1" in line for line in screen.lines))
        terminal.press(ENTER)
        terminal.see("stop CP001/1: done")
        terminal.see(lambda screen: any("❯ 🛑 Stop" in line for line in screen.lines))
        terminal.press("7")
        terminal.see(lambda screen: any("❯ 🔌 Connector Operations" in line for line in screen.lines))
        terminal.press("8")
        assert terminal.end(30) == 0
        assert terminal.restored
    finally:
        csms.terminate()
        csms.communicate()


def test_an_attached_shell_leaves_the_run_alone(
    fleet: Start, control: Path, background: "subprocess.Popen[str]"
) -> None:
    terminal = fleet("attach", str(control))
    terminal.see(lambda screen: " 5 registered" in screen.lines[-1] and at_prompt()(screen))
    terminal.press("use CP0001/1" + ENTER)
    terminal.see(at_prompt())
    terminal.see(lambda screen: "fleet CP0001/1>" in screen.lines[screen.row])
    terminal.press("monitor */*" + ENTER)
    terminal.see(last_event)
    terminal.press(CTRL_C)
    terminal.see("no longer monitoring")
    terminal.see(at_prompt())
    terminal.press(CTRL_D)
    assert terminal.end() == 0
    assert terminal.restored
    assert background.poll() is None


def test_an_attached_shell_can_end_the_run(fleet: Start, control: Path, background: "subprocess.Popen[str]") -> None:
    terminal = fleet("attach", str(control))
    terminal.see(lambda screen: " 5 registered" in screen.lines[-1] and at_prompt()(screen))
    terminal.press("quit" + ENTER)
    assert terminal.end(60) == 0
    assert terminal.restored
    assert background.wait(60) == 0


@pytest.mark.parametrize("doing", ["", "menu\r"])
def test_an_attached_shell_says_that_the_run_is_gone(
    fleet: Start, control: Path, background: "subprocess.Popen[str]", doing: str
) -> None:
    terminal = fleet("attach", str(control), columns=200)
    terminal.see(lambda screen: " 5 registered" in screen.lines[-1] and at_prompt()(screen))
    terminal.press(doing)
    if doing:
        terminal.see("❌ Exit")
    background.kill()
    assert terminal.end() == 1
    assert terminal.restored
    assert f"the run at {control} is gone" in terminal.screen.text
