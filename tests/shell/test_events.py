"""Events as lines of the monitor."""

from typing import Any

import pytest

from fleet.shell.events import event_line
from fleet.shell.render import plain

FRAME = [2, "m1", "StatusNotification", {"connectorId": 1, "status": "Preparing"}]
SENT: dict[str, Any] = {
    "time": "2026-11-22T11:17:32.123Z",
    "charge_point": "CP0001",
    "connector": 1,
    "kind": "sent",
    "message": "call",
    "id": "m1",
    "action": "StatusNotification",
    "frame": FRAME,
}


def line(event: dict[str, Any], width: int = 200) -> str:
    return plain(event_line(event, width))


def test_a_message_shows_as_it_went_over_the_wire() -> None:
    shown = line(SENT)
    assert shown.endswith(' CP0001/1 → [2,"m1","StatusNotification",{"connectorId":1,"status":"Preparing"}]\n')
    assert ":17:32.123 " in shown


def test_an_answer_says_to_what() -> None:
    event = {**SENT, "kind": "received", "message": "result", "frame": [3, "m1", {}]}
    assert line(event).endswith(' ← StatusNotification [3,"m1",{}]\n')


def test_a_state_change_says_what_it_says() -> None:
    event = {
        "time": "?",
        "charge_point": "CP1",
        "connector": None,
        "kind": "link-down",
        "reason": "reset",
        "detail": "a b",
    }
    assert line(event) == '--:--:-- CP1 link-down reason=reset detail="a b"\n'


def test_instants_of_the_monotonic_clock_are_left_out() -> None:
    event = {
        "time": "?",
        "charge_point": "CP1",
        "connector": 1,
        "kind": "meter-sampled",
        "sent_at": 41617.3,
        "soc": 0.5,
    }
    assert line(event) == "--:--:-- CP1/1 meter-sampled soc=0.5\n"


def test_lost_events_are_counted() -> None:
    assert "12 events lost" in line({"kind": "lost", "count": 12})


@pytest.mark.parametrize("width", [20, 40, 79])
def test_a_line_fits_the_width(width: int) -> None:
    assert len(line(SENT, width).rstrip("\n")) <= width
