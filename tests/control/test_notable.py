"""What the journal remembers of what somebody typed: whatever changes the fleet, and nothing that only looks."""

import pytest

from fleet.commands.parse import parse_line
from fleet.control.notable import kind_of
from fleet.observe.journal import EventKind


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("plug CP0001/1", EventKind.COMMAND),
        ("reboot CP0001 hard", EventKind.COMMAND),
        ("scale 5", EventKind.COMMAND),
        ("pause", EventKind.COMMAND),
        ("run some.fleet CP0001/1", EventKind.COMMAND),
        ("fault CP0001/1 GroundFailure", EventKind.FAULT),
        ("crash CP0001/1", EventKind.FAULT),
        ("drain CP0001", EventKind.DRAIN),
        ("remove CP0001", EventKind.DRAIN),
        ("quit", EventKind.DRAIN),
        ("get CP0001", None),
        ("status", None),
        ("list", None),
        ("wait 3s", None),
        ("expect CP0001/1 Available", None),
        ("help", None),
    ],
)
def test_a_command_is_an_event_when_it_changes_something(line: str, kind: EventKind | None) -> None:
    assert kind_of(parse_line(line, default=None, known=lambda _: True).command) is kind


def test_a_step_of_a_scenario_is_told_apart() -> None:
    command = parse_line("plug CP0001/1", default=None, known=lambda _: True).command
    assert kind_of(command, in_scenario=True) is EventKind.SCENARIO
