"""The register: exact however often it is read, never falling, and untouched by the end of a transaction."""

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands.vocabulary import EV
from fleet.core.ev import curve
from fleet.core.meter import Meter, whole_wh

CAR = EV(battery_wh=60_000, soc=0.3)


def test_one_hour_at_7200_watts_is_7200_watt_hours() -> None:
    meter = Meter()
    meter.start(curve(CAR, 0.3, 0.0, 7_200), 1_000.0)
    assert meter.reading_wh(4_600.0) == 7_200
    assert meter.register_wh(4_600.0) == 7_200
    assert meter.power_w(4_600.0) == 7_200


@given(begin=st.floats(0, 1e7))
def test_a_whole_watt_hour_is_not_lost_to_binary_fractions(begin: float) -> None:
    meter = Meter()
    meter.start(curve(CAR, 0.3, 0.0, 7_200), begin)
    assert meter.reading_wh(begin + 3_600) == 7_200


@given(readings=st.lists(st.floats(0, 100_000), max_size=30), end=st.floats(1, 100_000))
def test_reading_never_changes_what_was_charged(readings: list[float], end: float) -> None:
    meter, unread = Meter(), Meter()
    c = curve(CAR, 0.3, 0.0, 11_000)
    meter.start(c, 0.0)
    unread.start(c, 0.0)
    for at in readings:
        before = copy.copy(meter)
        meter.reading_wh(at), meter.power_w(at), meter.soc(at), meter.flowed_wh(at)
        assert meter == before
    meter.stop(end)
    unread.stop(end)
    assert meter.register_wh(end) == unread.register_wh(end) == c.energy(end)


STEPS = st.lists(
    st.tuples(st.floats(0, 20_000), st.sampled_from(["start", "stop", "read"]), st.floats(0, 50_000)), max_size=40
)


@given(steps=STEPS)
def test_the_meter_never_falls(steps: list[tuple[float, str, float]]) -> None:
    meter, now, last_wh, last_reading = Meter(), 0.0, 0.0, 0
    for pause_s, step, power_w in steps:
        now += pause_s
        if step == "start":
            meter.start(curve(CAR, 0.3, 0.0, power_w), now)
        elif step == "stop":
            meter.stop(now)
        assert meter.register_wh(now) >= last_wh
        assert meter.reading_wh(now) >= last_reading
        last_wh, last_reading = meter.register_wh(now), meter.reading_wh(now)


@given(cuts=st.lists(st.floats(1, 30_000), min_size=1, max_size=15, unique=True))
def test_taking_the_curve_up_again_at_any_instants_charges_the_same_energy(cuts: list[float]) -> None:
    meter = Meter()
    soc = 0.3
    meter.start(curve(CAR, soc, 0.0, 11_000), 0.0)
    for at in sorted(cuts):
        soc = meter.soc(at) or 0.0
        meter.start(curve(CAR, soc, meter.register_wh(at), 11_000), at)
    assert meter.register_wh(40_000.0) == pytest.approx(curve(CAR, 0.3, 0.0, 11_000).energy(40_000.0), abs=1e-3)


def test_the_register_survives_transactions() -> None:
    meter = Meter()
    meter.start(curve(CAR, 0.3, 0.0, 7_200), 0.0)
    meter.stop(1_800.0)
    assert meter.reading_wh(1_800.0) == meter.reading_wh(1e6) == 3_600
    meter.start(curve(CAR, 0.5, 0.0, 3_600), 2e6)
    meter.stop(2e6 + 1_000)
    assert meter.reading_wh(3e6) == 4_600


def test_stopping_twice_is_no_harm() -> None:
    meter = Meter()
    meter.start(curve(CAR, 0.3, 0.0, 7_200), 0.0)
    meter.stop(100.0)
    meter.stop(200.0)
    assert meter.register_wh(300.0) == 200
    assert (meter.curve, meter.ends_at, meter.soc(300.0), meter.power_w(300.0)) == (None, math.inf, None, 0)


def test_a_meter_may_have_a_past() -> None:
    assert Meter(register_wh=123_456.7).reading_wh(0.0) == 123_456


def test_the_end_of_the_curve_is_an_instant_on_the_clock() -> None:
    meter = Meter()
    c = curve(EV(soc=0.3, energy_wanted_wh=7_200), 0.3, 0.0, 7_200)
    meter.start(c, 500.0)
    assert meter.ends_at == 4_100
    assert meter.power_w(4_099.9) == 7_200
    assert meter.power_w(4_100.0) == 0
    assert meter.flowed_wh(9_999.0) == 7_200


@given(begin=st.floats(0, 1e9), wanted_wh=st.floats(0.1, 50_000))
def test_at_the_end_of_the_curve_it_is_over_whatever_floats_say(begin: float, wanted_wh: float) -> None:
    meter = Meter()
    meter.start(curve(EV(soc=0, energy_wanted_wh=wanted_wh), 0, 0.0, 7_200), begin)
    assert meter.power_w(meter.ends_at) == 0
    assert meter.register_wh(meter.ends_at) == wanted_wh


@pytest.mark.parametrize(("register_wh", "shown"), [(0.0, 0), (0.9, 0), (0.9999999999, 1), (1.0, 1), (7199.99, 7199)])
def test_the_register_shows_whole_watt_hours(register_wh: float, shown: int) -> None:
    assert whole_wh(register_wh) == shown
