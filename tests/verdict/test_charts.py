import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.verdict.charts import (
    HEIGHT,
    TIME_TICKS_MAX,
    WIDTH,
    Chart,
    Line,
    Unit,
    draw,
    fit,
    format_value,
    marks,
    time_ticks,
)

COUNTS = Chart("counts", "Counts", Unit.COUNT, (Line("a", "some", "blue"), Line("b", "others", "red")))
STACK = Chart("stack", "Stack", Unit.COUNT, COUNTS.lines, stacked=True)


def places(path: str) -> list[list[tuple[int, int]]]:
    """The points of each part of a path, where SVG would draw them."""
    parts: list[list[tuple[int, int]]] = []
    x = y = 0
    for command, numbers in re.findall(r"([Mlhvz])([-\d ]*)", path):
        values = [int(number) for number in re.findall(r"-?\d+", numbers)]
        match command:
            case "M":
                x, y = values
                parts.append([])
            case "l":
                x, y = x + values[0], y + values[1]
            case "h":
                x += values[0]
            case "v":
                y += values[0]
        if command != "z":
            parts[-1].append((x, y))
    return parts


def test_a_curve_runs_from_point_to_point_in_a_box_of_whole_units() -> None:
    drawing = draw(COUNTS, (10.0, 20.0, 40.0), {"a": (0, 50, 100)}, 40.0)
    assert drawing is not None
    (curve,) = drawing.curves
    assert places(curve.stroke) == [[(WIDTH // 4, HEIGHT), (WIDTH // 2, HEIGHT // 2), (WIDTH, 0)]]
    assert curve.area == ""
    assert (curve.label, curve.peak) == ("some", "100")


def test_none_breaks_the_curve_and_a_single_point_is_a_dot() -> None:
    drawing = draw(COUNTS, (1.0, 2.0, 3.0, 4.0, 5.0), {"a": (4, 8, None, 8, None)}, 5.0)
    assert drawing is not None
    assert [len(part) for part in places(drawing.curves[0].stroke)] == [2, 2]
    assert drawing.curves[0].stroke.endswith("h0")
    assert drawing.curves[0].values == (4, 8, None, 8, None)


def test_what_lies_on_a_level_is_drawn_once() -> None:
    drawing = draw(COUNTS, tuple(range(1, 101)), {"a": (7.0,) * 100}, 100.0)
    assert drawing is not None
    assert len(places(drawing.curves[0].stroke)[0]) == 2


def test_a_stack_puts_one_on_top_of_the_other_without_a_gap() -> None:
    drawing = draw(STACK, (0.0, 10.0), {"a": (20, 40), "b": (80, 60)}, 10.0)
    assert drawing is not None
    lower, upper = (places(curve.area)[0] for curve in drawing.curves)
    assert lower == [(0, 320), (WIDTH, 240), (WIDTH, HEIGHT), (0, HEIGHT)]
    assert upper == [(0, 0), (WIDTH, 0), (WIDTH, 240), (0, 320)]
    assert drawing.value_ticks[-1].label == "100"


def test_of_a_stack_what_was_never_there_is_left_out() -> None:
    drawing = draw(STACK, (1.0, 2.0), {"a": (0, 0), "b": (1, 2)}, 2.0)
    assert drawing is not None
    assert [curve.label for curve in drawing.curves] == ["others"]


@pytest.mark.parametrize("columns", [{}, {"a": (None, None)}, {"a": ()}])
def test_where_there_is_nothing_there_is_no_chart(columns: dict[str, tuple[None, ...]]) -> None:
    assert draw(COUNTS, (1.0, 2.0), columns, 2.0) is None
    assert draw(COUNTS, (), {"a": ()}, 0.0) is None


def test_a_line_that_stays_at_zero_is_shown_as_such() -> None:
    drawing = draw(COUNTS, (1.0, 2.0), {"a": (0, 0)}, 2.0)
    assert drawing is not None
    assert {y for _, y in places(drawing.curves[0].stroke)[0]} == {HEIGHT}


def test_the_chart_says_in_words_what_it_shows() -> None:
    drawing = draw(COUNTS, (30.0, 60.0), {"a": (4, 1200), "b": (3, None)}, 60.0)
    assert drawing is not None
    assert drawing.summary == "Counts over 1m: some at most 1,200, others at most 3."


@pytest.mark.parametrize(
    ("highest", "unit", "labels"),
    [
        (500, Unit.COUNT, ["0", "100", "200", "300", "400", "500"]),
        (3, Unit.COUNT, ["0", "1", "2", "3"]),
        (1, Unit.COUNT, ["0", "1"]),
        (223, Unit.RATE, ["0", "50/s", "100/s", "150/s", "200/s", "250/s"]),
        (0, Unit.RATE, ["0", "1/s"]),
        (1.98e6, Unit.POWER, ["0", "500 kW", "1 MW", "1.5 MW", "2 MW"]),
        (0.42, Unit.SHARE, ["0", "25 %", "50 %", "75 %", "100 %"]),
        (0.0009, Unit.SECONDS, ["0", "0.25ms", "0.5ms", "0.75ms", "1ms"]),
    ],
)
def test_a_scale_has_round_numbers(highest: float, unit: Unit, labels: list[str]) -> None:
    assert [tick.label for tick in fit([(0.0, highest, None)], unit).ticks] == labels


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((0.012, 0.031), ["10ms", "20ms", "50ms"]),
        ((0.0052, 5.85), ["10ms", "100ms", "1s", "10s"]),
        ((0.02, 0.02), ["20ms", "50ms"]),
        ((0.0, 0.5), ["500ms", "1s"]),
        ((1e-6, 3600.0), ["0.001ms", "0.1ms", "10ms", "1s", "1m40s"]),
    ],
)
def test_a_logarithmic_scale_has_decades(values: tuple[float, ...], labels: list[str]) -> None:
    assert [tick.label for tick in fit([values], Unit.SECONDS, logarithmic=True).ticks] == labels


@given(st.lists(st.floats(0, 1e9), min_size=1), st.sampled_from(Unit), st.booleans())
def test_every_value_lies_within_its_scale(values: list[float], unit: Unit, logarithmic: bool) -> None:
    scale = fit([values], unit, logarithmic=logarithmic)
    assert scale.low < scale.high
    assert all(0 <= scale.share(value) <= 1 for value in values)
    assert max(values) <= scale.high * 1.00001 or unit is Unit.SHARE
    assert 2 <= len(scale.ticks) <= 7
    assert [tick.at for tick in scale.ticks] == sorted(tick.at for tick in scale.ticks)
    assert all(0 <= tick.at <= 1.00001 for tick in scale.ticks)


@pytest.mark.parametrize(
    ("span_s", "labels"),
    [
        (4.0, ["0", "1s", "2s", "3s", "4s"]),
        (612.4, ["0", "2m", "4m", "6m", "8m", "10m"]),
        (3 * 3600, ["0", "30m", "1h", "1h30m", "2h", "2h30m", "3h"]),
        (14 * 86_400, ["0", "4d", "8d", "12d"]),
        (0.0, ["0"]),
    ],
)
def test_the_time_axis_has_round_instants(span_s: float, labels: list[str]) -> None:
    assert [tick.label for tick in time_ticks(span_s)] == labels


@given(st.floats(0.1, 1e8))
def test_the_time_axis_is_never_crowded(span_s: float) -> None:
    assert len(time_ticks(span_s)) <= TIME_TICKS_MAX + 1


def test_events_close_to_each_other_are_one_mark() -> None:
    events = [(0.0, "one"), (50.0, "two"), (51.0, "three"), (52.0, "four"), (99.0, "five"), (140.0, "after the end")]
    found = marks(events, 100.0)
    assert [(mark.label, mark.at) for mark in found] == [("1", 0.0), ("2-4", 0.5), ("5-6", 0.99)]
    assert found[1].texts == ("two", "three", "four")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0124, Unit.SECONDS, "12.4ms"),
        (3.44, Unit.RATE, "3.4/s"),
        (7200, Unit.POWER, "7.2 kW"),
        (267_000, Unit.ENERGY, "267 kWh"),
        (1802.4, Unit.COUNT, "1,802"),
        (0.216, Unit.SHARE, "21.6 %"),
    ],
)
def test_values_are_read_as_people_write_them(value: float, unit: Unit, text: str) -> None:
    assert format_value(value, unit) == text
