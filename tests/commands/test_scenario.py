"""Scenario files as text: what is understood, and every bad line of one at once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands.fleetwide import At, Expect, Use, Wait, WaitFor
from fleet.commands.scenario import (
    DEPTH_MAX,
    LINE_LENGTH_MAX,
    LINES_MAX,
    Place,
    Round,
    Scenario,
    ScenarioError,
    Step,
    flat,
    parse_scenario,
)
from fleet.commands.target import parse_target
from fleet.commands.vocabulary import PlugIn, StartTransaction, StopTransaction, Unplug
from fleet.words import CableEnd, ConnectorStatus, StopReason

SCENARIOS = Path(__file__).parents[2] / "configs" / "scenarios"
SHIPPED = {
    *("basic-charging", "interrupted-charging", "fault-during-charging", "multiple-connectors"),
    *("emergency-stop", "network-issues", "maintenance"),
}


def known(word: str) -> bool:
    return word in {"CP1", "CP2"}


def parsed(text: str) -> Scenario:
    return parse_scenario(text, "x.fleet", known=known)


def step(text: str) -> Step:
    """The only step of a file of one line."""
    (only,) = parsed(text).steps
    assert isinstance(only, Step)
    return only


def complaints(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parsed(text)
    return str(caught.value).splitlines()


# ---- what is understood ----------------------------------------------------------------------------------------------


def test_a_line_without_a_target_acts_on_the_supplied_one() -> None:
    found = step("plug")
    assert found == Step(Place("x.fleet", 1), PlugIn(), "plug", supplied=True)
    assert found.needs_supply


def test_a_line_keeps_a_target_of_its_own() -> None:
    found = step("stop CP1/2 EmergencyStop")
    assert found.command == StopTransaction(StopReason.EMERGENCY_STOP)
    assert found.target == parse_target("CP1/2")
    assert not found.needs_supply


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("start /1 TAG1", 1, 1), ("start   /2", 2, 2), ("start /*", 1, None), ("start /[2-3]", 2, 3)],
)
def test_a_slash_and_a_number_mean_connectors_of_the_supplied_charge_points(
    text: str, first: int, last: int | None
) -> None:
    found = step(text)
    assert isinstance(found.command, StartTransaction)
    assert found.target is None
    assert found.needs_supply
    assert found.connectors is not None
    assert (found.connectors.first, found.connectors.last) == (first, last)
    assert found.text == text


def test_a_target_that_names_all_connectors_is_not_taken_for_the_supplied_one() -> None:
    assert step("plug */*").target == parse_target("*/*")


def test_commands_to_charge_points_take_the_supplied_target_too() -> None:
    assert step("disconnect").needs_supply


@pytest.mark.parametrize("text", ["! unplug EV", "!unplug EV", "  !   unplug EV   # it is locked"])
def test_an_exclamation_mark_says_that_it_must_be_refused(text: str) -> None:
    found = step(text)
    assert found.refused
    assert found.command == Unplug(CableEnd.EV)
    assert found.text == "unplug EV"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("wait 30s", Wait(30.0)),
        ("at 10m", At(600.0)),
        ("wait-for Charging 20s", WaitFor(ConnectorStatus.CHARGING, 20.0)),
        ("wait-for CP1/1 charging 1m", WaitFor(ConnectorStatus.CHARGING, 60.0)),
        ("expect CP1/1 Available", Expect(ConnectorStatus.AVAILABLE)),
    ],
)
def test_lines_that_wait_and_check(text: str, command: object) -> None:
    assert step(text).command == command


def test_repeats_hold_repeats() -> None:
    scenario = parsed("repeat 2\n  plug\n  repeat 3\n    start\n  end\n  unplug\nend\n")
    (outer,) = scenario.steps
    assert isinstance(outer, Round)
    assert (outer.place.line, outer.count) == (1, 2)
    first, inner, last = outer.steps
    assert isinstance(inner, Round)
    assert (inner.place.line, inner.count, len(inner.steps)) == (3, 3, 1)
    assert [each.text for each in (first, last) if isinstance(each, Step)] == ["plug", "unplug"]
    assert [each.place.line for each in flat(scenario.steps)] == [2, 4, 6]
    assert len(scenario) == 3


def test_the_opening_comment_is_what_a_scenario_says_of_itself() -> None:
    scenario = parsed("# What it shows.\n#\n# What to watch.\n\n# not this\nplug\n")
    assert scenario.about == ("What it shows.", "", "What to watch.")
    assert scenario.title == "What it shows."


def test_a_scenario_that_says_nothing_of_itself_is_called_by_its_file() -> None:
    assert parsed("plug").title == "x.fleet"


def test_windows_line_ends_and_blank_lines_count_as_lines_and_mean_nothing() -> None:
    scenario = parsed("\r\n   \r\nplug\r\n")
    assert [each.place.line for each in flat(scenario.steps)] == [3]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plug", 1),
        ("wait 1s\nplug CP1/1\nexpect Preparing", 3),
        ("plug /1", 1),
        ("use CP1/1\nplug", None),
        ("plug CP1/1\nstatus\nlist", None),
        ("repeat 2\nplug\nend\nuse CP1/1", 2),
        ("use CP1/1\nplug\nuse\nplug", 4),
    ],
)
def test_the_first_line_that_needs_a_supplied_target_is_found(text: str, line: int | None) -> None:
    orphan = parsed(text).orphan
    assert (orphan and orphan.line) == line


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [
        ("plug CP1/1", 0),
        ("wait 5s\nplug\nwait 1m", 65),
        ("repeat 3\nwait 5s\nrepeat 2\nwait 1s\nend\nend\nwait-for Charging 20s", 21),
        ("wait 5s\nat 1m\nwait 5s\nat 1m", 65),
    ],
)
def test_a_scenario_takes_at_least_as_long_as_it_waits(text: str, duration_s: float) -> None:
    assert parsed(text).duration_s == duration_s


def test_use_alone_goes_back_to_the_supplied_target() -> None:
    found = step("use")
    assert isinstance(found.command, Use)
    assert found.target is None


# ---- what is not -----------------------------------------------------------------------------------------------------


def test_every_bad_line_is_reported_at_once_with_its_place() -> None:
    lines = complaints(
        "# fine\nplgu\nplug\nwait soon\nexpect Chargign\nstart CP1\nend\nrepeat 0\nend\nrepeat 2\nplug\n"
    )
    assert [line.split(": ")[0] for line in lines] == [f"x.fleet:{number}" for number in (2, 4, 5, 6, 7, 8, 9, 10)]
    assert "plug" in lines[0]
    assert "Charging" in lines[2]
    assert "connector" in lines[3]
    assert "end without a repeat" in lines[4]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing to do"),
        ("# only words\n\n", "nothing to do"),
        ("repeat 2\nplug", "repeat without its end"),
        ("end", "end without a repeat"),
        ("repeat 2\nend", "nothing to repeat"),
        ("repeat many\nplug\nend", "count"),
        ("!", "a command after !"),
        ("! # nothing", "a command after !"),
        ("! wait 3s", "nobody can refuse"),
        ("! expect Charging", "nobody can refuse"),
        ("! ! plug", "!"),
        ("repeat 2\nat 5m\nend", "can't be repeated"),
        ("at 5m\nplug\nat 1m", "comes before"),
        ("run other.fleet", "runs no other"),
        ("monitor", "nobody watches"),
        ("menu", "no menu"),
        ("help plug", "no help"),
        ("quit", "does not end the run"),
        ("disconnect /1", "needs a charge point, such as *"),
        ('raw Heartbeat {"a": }', "JSON"),
        ("plug CP1/1 soc=2", "soc"),
        ("plug CP1/x", "connector"),
        ("plug @Chargin", "no status"),
        ("plug " + "x" * LINE_LENGTH_MAX, "characters"),
        ("repeat 1\n" * (DEPTH_MAX + 1) + "plug\n" + "end\n" * (DEPTH_MAX + 1), "within each other"),
        ("plug\n" * (LINES_MAX + 1), "lines"),
    ],
)
def test_bad_lines_say_why(text: str, reason: str) -> None:
    lines = complaints(text)
    assert any(reason in line for line in lines), lines
    assert all(line.startswith("x.fleet:") for line in lines)
    assert all(line.isprintable() for line in lines)


ODDITIES = [*"!#/*[]{}\"'=@~,. \t\r\n0123Cend", "repeat 2\n", "end\n", "plug ", "at ", "use ", "\0"]


@given(st.lists(st.sampled_from(ODDITIES)).map("".join))
def test_whatever_is_written_is_a_scenario_or_a_list_of_lines(text: str) -> None:
    try:
        read = [f"{each.place}: {each.text}" for each in flat(parsed(text).steps)]
    except ScenarioError as error:
        read = str(error).splitlines()
    assert read
    assert all(line.startswith("x.fleet:") for line in read)


# ---- those that come along -------------------------------------------------------------------------------------------


def test_the_scenarios_that_come_along_are_these() -> None:
    assert {path.stem for path in SCENARIOS.glob("*.fleet")} == SHIPPED


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.fleet")), ids=lambda path: path.stem)
def test_every_scenario_that_comes_along_is_right_and_says_what_to_watch(path: Path) -> None:
    scenario = parse_scenario(path.read_text(encoding="utf-8"), path.name, known=known)
    about = " ".join(scenario.about)
    assert "What it shows:" in about
    assert "What to watch:" in about
    # On any target that it is given, so none names a charge point.
    assert all(each.target is None for each in flat(scenario.steps))
    assert scenario.orphan is not None
