import pytest

from fleet.observe.figures import (
    format_clock,
    format_counts,
    format_energy,
    format_latency,
    format_power,
    format_rate,
    printable,
)


@pytest.mark.parametrize(
    ("power_w", "text"),
    [(0, "0 W"), (949.6, "950 W"), (999.6, "1 kW"), (7_200, "7.2 kW"), (1_440_000, "1.44 MW"), (2.5e9, "2.5 GW")],
)
def test_a_power_has_the_unit_that_fits(power_w: float, text: str) -> None:
    assert format_power(power_w) == text
    assert format_energy(power_w) == text + "h"


@pytest.mark.parametrize(
    ("elapsed_s", "text"),
    [(-1, "00:00"), (12.9, "00:12"), (3723, "1:02:03"), (3 * 86_400 + 3723, "3d 01:02:03")],
)
def test_a_running_time_is_a_clock(elapsed_s: float, text: str) -> None:
    assert format_clock(elapsed_s) == text


@pytest.mark.parametrize(("rate", "text"), [(0, "0.0/s"), (0.25, "0.25/s"), (3.44, "3.4/s"), (1234.5, "1,234/s")])
def test_a_rate_has_as_many_digits_as_anybody_reads(rate: float, text: str) -> None:
    assert format_rate(rate) == text


def test_what_is_zero_is_not_listed() -> None:
    assert format_counts([("Charging", 1200), ("Faulted", 0), ("Available", 3)]) == "1,200 Charging, 3 Available"


@pytest.mark.parametrize(
    ("latency_s", "text"),
    [
        (0, "0ms"),
        (1e-6, "0.001ms"),
        (0.00085, "0.85ms"),
        (0.0009999, "1ms"),
        (0.0124, "12.4ms"),
        (0.9999, "1s"),
        (1.237, "1.24s"),
        (130, "2m10s"),
    ],
)
def test_a_latency_has_the_unit_that_fits_and_no_smaller_one_than_milliseconds(latency_s: float, text: str) -> None:
    assert format_latency(latency_s) == text
    assert format_latency(latency_s, at_least=True) == ">" + text


def test_foreign_words_cannot_move_the_cursor_of_a_terminal() -> None:
    assert printable("red \x1b[31m\nπ") == "red \\x1b[31m\\nπ"
