"""Durations and rates as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.quantities import format_duration, parse_duration, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50ms", 0.05),
        ("250us", 0.00025),
        ("2s", 2.0),
        ("2.5 s", 2.5),
        (".5s", 0.5),
        ("10m", 600.0),
        ("10min", 600.0),
        ("1h30m", 5400.0),
        ("1h 30m 5s", 5405.0),
        ("2d", 172_800.0),
        ("1e-05s", 0.00001),
        (" 30s ", 30.0),
        ("0", 0.0),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_a_number_with_its_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "-5s", "5x", "5s!", "1..2s", "inf", "nan", "five seconds", "1h30"])
def test_a_duration_without_a_unit_or_with_a_strange_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration: .*; expected a number with its unit, such as 50ms"):
        parse_duration(text)


def test_a_duration_of_more_than_a_century_is_refused() -> None:
    with pytest.raises(ValueError, match="more than a century"):
        parse_duration("9" * 400 + "d")


@pytest.mark.parametrize(
    ("text", "per_second"),
    [("50/s", 50.0), ("120/min", 2.0), ("60/m", 1.0), ("1/10s", 0.1), ("0.5/h", 0.5 / 3600), (" 5 / s ", 5.0)],
)
def test_a_rate_is_a_number_per_unit_of_time(text: str, per_second: float) -> None:
    assert parse_rate(text) == pytest.approx(per_second)


@pytest.mark.parametrize("text", ["", "50", "50/", "/s", "-5/s", "50/year", "50 per s", "0/s", "0.0/min", "5/0s"])
def test_a_rate_that_is_none_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a rate: ") as caught:
        parse_rate(text)
    assert "\n" not in str(caught.value)


def test_a_rate_beyond_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="more than a billion"):
        parse_rate("9" * 400 + "/s")


def test_a_long_wrong_text_is_shown_shortened_and_on_one_line() -> None:
    with pytest.raises(ValueError, match="not a duration") as caught:
        parse_duration("x\n" * 5000)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.00085, "850us"),
        (0.05, "50ms"),
        (0.9999, "1s"),
        (0.000_999_9, "1ms"),
        (2.5, "2.5s"),
        (59.97, "1m"),
        (60, "1m"),
        (90, "1m30s"),
        (65, "1m05s"),
        (3600, "1h"),
        (7500, "2h05m"),
        (86_400, "1d"),
        (273_600, "3d4h"),
        (-5, "-5s"),
        (math.inf, "forever"),
    ],
)
def test_a_duration_is_written_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=1e-6, max_value=1e8))
def test_what_is_written_reads_back_within_its_rounding(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize(
    ("text", "size"),
    [("64kB", 64_000), ("100MB", 100_000_000), ("100 mb", 100_000_000), ("1.5GiB", 1_610_612_736), ("1B", 1)],
)
def test_a_size_is_a_number_with_its_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "100", "MB", "-1MB", "1TB", "0.1B", "0kB"])
def test_a_size_without_a_unit_or_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size: "):
        parse_size(text)
