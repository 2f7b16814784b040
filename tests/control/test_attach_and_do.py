"""`fleet attach` and `fleet do` onto a run of a hundred charge points at work in another process."""

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from counterparts.screen import Screen, TerminalProcess
from counterparts.told import TIMEOUT_S, Household, Told, until

from fleet.control.client import ControlClient

COUNT = 100
AT_WORK = ("run", "--charge-points", str(COUNT), "--connect-rate", "200/s", "--duration", "1h")
SMALL = ("run", "--charge-points", "2", "--duration", "1h")


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """The hundred, and nobody else."""
    made = Household(tmp_path_factory.mktemp("home"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def run(household: Household) -> Told:
    """Everybody has booted."""
    told = household.start(*AT_WORK)
    with ControlClient(told.socket()) as peer:
        until(lambda: peer.glance().by_state == {"registered": COUNT}, lambda: str(peer.glance()))
        until(lambda: peer.glance().running)
    return told


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Household]:
    """A household of the test's own."""
    made = Household(tmp_path)
    yield made
    made.end()


def attached(household: Household, *arguments: str) -> TerminalProcess:
    return TerminalProcess(["-m", "fleet", "attach", *arguments], environment=household.environment, columns=100)


def using(target: str) -> Callable[[Screen], bool]:
    """Does the prompt show this target?"""
    return lambda screen: screen.lines[screen.row] == f"fleet {target}>"


# ---- do --------------------------------------------------------------------------------------------------------------


def test_do_finds_the_only_run_and_says_what_was_done(household: Household, run: Told) -> None:
    code, out, err = household.do("heartbeat *")
    assert (code, out.splitlines()[0], err) == (0, f"heartbeat *: {COUNT} done", "")
    code, out, err = household.do("list")
    assert (code, len(out.splitlines()), err) == (0, 1 + COUNT, "")


def test_a_refusal_is_the_connectors_own_words_and_exit_code_1(household: Household, run: Told) -> None:
    # Where no driver comes.
    assert household.do("pause").code == 0
    assert household.do("add CP9001").code == 0
    try:
        assert household.do("wait-for CP9001/* Available 20s").code == 0
        for line, expected in (
            ("stop CP9001/2", (1, "CP9001/2: No active transaction on connector 2\n", "")),
            ("start CP9001/1", (1, "CP9001/1: Cable must be plugged in before starting transaction\n", "")),
            ("plug CP9001/1", (0, "plug CP9001/1: done\n", "")),
            ("start CP9001/1", (0, "start CP9001/1: done\n", "")),
            ("unplug CP9001/1", (1, "CP9001/1: Cannot unplug cable during active transaction\n", "")),
            ("stop CP9001/1", (0, "stop CP9001/1: done\n", "")),
        ):
            assert household.do(line) == expected
        assert household.do("stop CP9001/*").out.startswith("stop CP9001/*: 0 done, 2 refused\n")
    finally:
        assert household.do("remove CP9001").code == 0
        assert household.do("resume drivers").code == 0


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("plgu CP0001/1", "did you mean plug"),
        ("plug CP9999/1", "there is no charge point CP9999"),
        ("plug", "needs a target"),
        ("stop CP0001/1 Lokal", "^^^^^"),
    ],
)
def test_a_line_that_is_wrong_has_exit_code_104(household: Household, run: Told, line: str, why: str) -> None:
    code, out, err = household.do(line)
    assert (code, out) == (104, "")
    assert why in err


def test_json_is_one_line_for_machines(household: Household, run: Told) -> None:
    code, out, err = household.do("heartbeat *", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    answer = json.loads(out)
    assert answer.keys() >= {"ok", "text", "done", "refused", "data", "error", "exit_code"}
    assert (answer["ok"], answer["done"], answer["refused"], answer["error"]) == (True, COUNT, [], None)
    # Of 200 connectors some charge and most don't.
    code, out, _ = household.do("suspend evse */*", "--json")
    answer = json.loads(out)
    assert (code, answer["exit_code"], answer["ok"]) == (1, 1, False)
    assert answer["done"] + len(answer["refused"]) == 2 * COUNT
    assert {"target", "reason"} == answer["refused"][0].keys()
    assert all(each["reason"].startswith("No active transaction on connector ") for each in answer["refused"])
    code, out, _ = household.do("nonsense", "--json")
    answer = json.loads(out)
    assert (code, answer["exit_code"], answer["ok"]) == (104, 104, False)
    assert "nonsense" in answer["error"]


def test_the_socket_is_for_its_owner_alone(household: Household, run: Told) -> None:
    path = run.socket()
    assert path.parent == household.runtime / "fleet"
    for each, mode in ((path, 0o600), (path.parent, 0o700)):
        assert (stat.S_IMODE(each.stat().st_mode), each.stat().st_uid) == (mode, os.geteuid())


def test_many_tell_it_something_at_once(household: Household, run: Told) -> None:
    answers: list[Any] = []

    def tell() -> None:
        with ControlClient(run.socket()) as peer:
            answers.extend(peer.execute("heartbeat *") for _ in range(3))

    tellers = [threading.Thread(target=tell) for _ in range(8)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join(TIMEOUT_S)
    assert [(answer.done, answer.refused) for answer in answers] == [(COUNT, ())] * 24


# ---- attach ----------------------------------------------------------------------------------------------------------


def test_two_shells_are_attached_and_each_has_its_own_target(household: Household, run: Told) -> None:
    with attached(household) as one, attached(household, str(run.socket())) as other:
        for terminal, target in ((one, "CP0007/1"), (other, "CP0008/2")):
            terminal.see(lambda screen: f" {COUNT} registered" in screen.lines[-1])
            terminal.press(f"use {target}\r")
            terminal.see(using(target))
        # What is done here, or by a script, is seen there.
        other.press("monitor CP0009 status-changed\r")
        other.see("monitoring; Ctrl-C")
        assert household.do("force CP0009/1 Reserved").code == 0
        one.press("disconnect CP0009\r")
        one.see("disconnect CP0009: done")
        one.see(lambda screen: f" {COUNT - 1} registered, 1 " in screen.lines[-1])
        one.press("connect CP0009\r")
        one.see("connect CP0009: done")
        one.see(lambda screen: f" {COUNT} registered" in screen.lines[-1])
        for terminal in (one, other):
            terminal.press("\x04")
            assert terminal.end() == 0
            assert terminal.restored
    assert run.process.poll() is None


def test_without_a_terminal_attach_carries_out_a_script(household: Household, run: Told) -> None:
    said = household.fleet("attach", script="# two lines\nuse CP0011\nheartbeat\n")
    assert (said.code, said.err) == (0, "")
    used, beaten, *_ = said.out.splitlines()
    assert "CP0011" in used
    assert beaten.startswith("heartbeat: ")
    assert "done" in beaten
    assert run.process.poll() is None


def test_a_script_ends_with_the_highest_exit_code_of_its_lines(household: Household, run: Told) -> None:
    said = household.fleet("attach", script="plug CP0012/9\nbogus\nseed\n")
    assert said.code == 104
    assert "seed" in said.out


# ---- which run -------------------------------------------------------------------------------------------------------


def test_of_two_runs_one_must_be_named(another: Household) -> None:
    one, two = another.start(*SMALL), another.start(*SMALL)
    paths = [one.socket(), two.socket()]
    for command in (("do", "seed"), ("attach",)):
        code, out, err = another.fleet(*command)
        assert (code, out) == (104, "")
        assert "2 fleets are running" in err
        assert all(str(path) in err for path in paths)
    for path in paths:
        assert another.do("list", "--control", str(path)).code == 0
        assert another.fleet("attach", str(path), script="seed\n").code == 0
    assert another.do("quit", "--control", str(paths[0])).code == 0
    assert one.process.wait(TIMEOUT_S) == 0
    # Now there is only one.
    assert another.do("list").code == 0
    assert not paths[0].exists()


def test_the_socket_of_a_run_that_was_killed_is_nobodys(another: Household) -> None:
    told = another.start(*SMALL)
    path = told.socket()
    told.kill()
    assert path.exists()
    for command in (("do", "list"), ("attach",)):
        assert another.fleet(*command).code == 104
        assert "no fleet is running" in another.fleet(*command).err
        named = another.fleet(*command, "--control", str(path))
        assert (named.code, named.out) == (104, "")
        assert "nobody listens there any more" in named.err
    # The next run takes its place.
    following = another.start(*SMALL, "--control", str(path))
    assert following.socket() == path
    assert another.do("list").code == 0


def test_quit_ends_the_run_well_and_takes_its_socket_away(household: Household, run: Told) -> None:
    path = run.socket()
    assert household.do("quit").code == 0
    assert run.process.wait(TIMEOUT_S) == 0
    assert "books ............. balanced" in run.said
    assert not path.exists()
    assert household.do("list").code == 104
