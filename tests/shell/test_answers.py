"""Answers as they are shown in a terminal."""

from typing import Any

from fleet.control.answer import Answer, Refused
from fleet.shell.answers import ROWS_MAX, render_answer
from fleet.shell.render import plain


def connector(number: int, **said: Any) -> dict[str, Any]:
    return {"charge_point": "CP0001", "connector": number, "status": "Available", **said}


def test_an_answer_in_words_is_shown_as_it_is() -> None:
    assert render_answer(Answer("using CP1/1"), 80) == [("", "using CP1/1\n")]


def test_nothing_to_say_shows_nothing() -> None:
    assert render_answer(Answer(""), 80) == []


def test_an_error_is_red_with_its_caret_under_the_place() -> None:
    assert render_answer(Answer.wrong("plgu CP1\n^^^^\nno command 'plgu'"), 80) == [
        ("class:error", "plgu CP1\n^^^^\nno command 'plgu'\n")
    ]


def test_refusals_are_told_from_what_was_done() -> None:
    answer = Answer("plug: 2 done, 1 refused\n  CP1/1: no", 2, (Refused("CP1/1", "no"),))
    assert render_answer(answer, 80) == [("class:busy", "plug: 2 done, 1 refused\n"), ("class:error", "  CP1/1: no\n")]


def test_few_connectors_are_shown_in_all_detail() -> None:
    shown = plain(render_answer(Answer("text", data={"connectors": [connector(1), connector(2)]}), 80))
    assert shown.startswith("📊 Detailed Connector Status\n")


def test_many_connectors_are_a_table_that_fits() -> None:
    rows = [connector(number, charging=True, power_w=7200, id_tag="A" * 20, plugged=True) for number in range(1, 9)]
    for width in (30, 80, 200):
        lines = plain(render_answer(Answer("text", data={"connectors": rows}), width)).splitlines()
        assert len(lines) == 9
        assert max(map(len, lines)) <= width


def test_charge_points_are_a_table() -> None:
    data = {
        "charge_points": [{"charge_point": "CP1", "state": "registered", "connectors": {"1": "Charging", "2": None}}]
    }
    lines = plain(render_answer(Answer("text", data=data), 80)).splitlines()
    assert lines == ["charge point  state       connectors", "CP1           registered  1 Charging  2 off"]


def test_a_table_of_thousands_ends_with_how_many_more() -> None:
    rows = [connector(1) for _ in range(ROWS_MAX + 5)]
    lines = plain(render_answer(Answer("text", data={"connectors": rows}), 80)).splitlines()
    assert (len(lines), lines[-1]) == (ROWS_MAX + 2, "and 5 more")


def test_figures_of_the_whole_fleet_stay_in_words() -> None:
    assert plain(render_answer(Answer("100 charge points", data={"charge_points": 100, "connectors": 200}), 80)) == (
        "100 charge points\n"
    )
