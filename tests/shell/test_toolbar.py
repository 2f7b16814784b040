"""The toolbar: what is in it, and what is left out when there is no room."""

import attrs
import pytest
from counterparts.toy_channel import ToyChannel

from fleet.shell.render import plain
from fleet.shell.toolbar import toolbar

GLANCE = attrs.evolve(
    ToyChannel().glance(), by_state={"registered": 498, "offline": 2}, by_status={"Charging": 41}, running=43
)


def shown(width: int = 200, monitoring: str = "", **changes: object) -> str:
    return plain(toolbar(attrs.evolve(GLANCE, **changes), width, monitoring)).strip()


def test_the_fleet_stands_in_one_line() -> None:
    assert shown() == "498 registered, 2 offline │ 41 charging │ 43 transactions │ 7.2 kW │ 12.0 msg/s"


def test_what_is_unusual_comes_first() -> None:
    assert shown(paused=True).startswith("drivers paused │ 498")
    assert shown(draining=True).startswith("draining │ 498")
    assert shown(monitoring="monitoring CP1").startswith("monitoring CP1 │ 498")


@pytest.mark.parametrize("width", range(20, 100))
def test_it_never_wraps(width: int) -> None:
    assert len(plain(toolbar(GLANCE, width))) <= width


def test_what_has_no_room_is_left_out_from_the_right() -> None:
    assert shown(45) == "498 registered, 2 offline │ 41 charging"


def test_before_the_first_glance_it_is_empty() -> None:
    assert plain(toolbar(None, 80)).strip() == ""
