"""The charging curve, by property: its energy is the integral of its power, whatever the car."""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fleet.commands.vocabulary import EV
from fleet.core.ev import FLOOR_FRACTION, Curve, curve

EVS = st.builds(
    EV,
    battery_wh=st.floats(1_000, 200_000),
    soc=st.floats(0, 1),
    power_max_w=st.floats(500, 400_000) | st.just(math.inf),
    energy_wanted_wh=st.none() | st.floats(0, 250_000),
    taper_from_soc=st.floats(0.05, 1),
)
LIMITS_W = st.floats(100, 400_000)


def integral_wh(of: Curve, until: float, steps: int = 2_000) -> float:
    """Midpoint rule, with the stretches' ends as grid points so that jumps of the power cost no accuracy."""
    edges = sorted({0.0, until, *(min(until, edge) for edge in (of.taper_at, of.floor_at, of.ends_at))})
    total_ws = 0.0
    for begin, end in pairwise(edges):
        width = (end - begin) / steps
        total_ws += sum(of.power(begin + (i + 0.5) * width) for i in range(steps)) * width
    return total_ws / 3600


@given(ev=EVS, limit_w=LIMITS_W, share=st.floats(0.01, 1.2))
def test_energy_is_the_integral_of_power(ev: EV, limit_w: float, share: float) -> None:
    c = curve(ev, ev.soc, 0.0, limit_w)
    until = c.ends_at * share
    assert c.energy(until) == pytest.approx(integral_wh(c, until), rel=1e-4, abs=1e-6)


@given(ev=EVS, limit_w=LIMITS_W, shares=st.lists(st.floats(0, 1.1), min_size=2, max_size=20))
def test_energy_and_state_of_charge_never_fall_and_power_never_rises(
    ev: EV, limit_w: float, shares: list[float]
) -> None:
    c = curve(ev, ev.soc, 0.0, limit_w)
    instants = sorted(c.ends_at * share for share in shares)
    for earlier, later in pairwise(instants):
        assert c.energy(earlier) <= c.energy(later)
        assert c.soc(earlier) <= c.soc(later) <= 1
        assert c.power(earlier) >= c.power(later) * (1 - 1e-12)


@given(ev=EVS, limit_w=LIMITS_W)
def test_the_car_ends_with_exactly_what_it_wants(ev: EV, limit_w: float) -> None:
    c = curve(ev, ev.soc, 0.0, limit_w)
    missing_wh = (1 - ev.soc) * ev.battery_wh
    wanted_wh = missing_wh if ev.energy_wanted_wh is None else min(missing_wh, ev.energy_wanted_wh)
    assert math.isfinite(c.ends_at)
    if wanted_wh < 1e-6:
        wanted_wh = 0
    assert c.energy(c.ends_at) == c.energy(c.ends_at + 1e6) == wanted_wh
    assert c.power(c.ends_at) == 0
    assert c.energy(c.ends_at * (1 - 1e-12)) == pytest.approx(wanted_wh, rel=1e-6, abs=1e-6)


@given(ev=EVS, limit_w=LIMITS_W, share=st.floats(0, 0.99), later=st.floats(0, 1.2))
def test_a_curve_taken_up_half_way_goes_on_as_if_nothing_had_happened(
    ev: EV, limit_w: float, share: float, later: float
) -> None:
    whole = curve(ev, ev.soc, 0.0, limit_w)
    cut = whole.ends_at * share
    rest = curve(ev, whole.soc(cut), whole.energy(cut), limit_w)
    t = whole.ends_at * later
    assume(t > cut)
    assert whole.energy(cut) + rest.energy(t - cut) == pytest.approx(whole.energy(t), rel=1e-6, abs=1e-3)


@given(ev=EVS, limit_w=LIMITS_W, t=st.floats(0, 1e6))
def test_neither_side_gets_more_power_than_it_can_take(ev: EV, limit_w: float, t: float) -> None:
    assert curve(ev, ev.soc, 0.0, limit_w).power(t) <= min(limit_w, ev.power_max_w)


def test_one_hour_at_7200_watts_is_7200_watt_hours() -> None:
    c = curve(EV(battery_wh=60_000, soc=0.3), 0.3, 0.0, 7_200)
    assert c.energy(3600) == 7_200
    assert c.soc(3600) == pytest.approx(0.42)


def test_power_halves_when_half_of_the_tapered_charge_is_missing() -> None:
    ev = EV(battery_wh=60_000, soc=0.8, taper_from_soc=0.8)
    assert curve(ev, 0.8, 0.0, 7_200).power(0) == 7_200
    assert curve(ev, 0.9, 0.0, 7_200).power(0) == pytest.approx(3_600)


def test_the_taper_ends_at_the_floor_so_that_full_is_reached() -> None:
    ev = EV(battery_wh=60_000, soc=0.0)
    c = curve(ev, 0.0, 0.0, 7_200)
    assert c.power(c.ends_at - 1) == pytest.approx(7_200 * FLOOR_FRACTION)
    assert c.soc(c.ends_at) == 1
    full_h, taper_h, floor_h = 48_000 / 7_200, 12_000 / 7_200 * math.log(1 / 0.03), 12_000 * 0.03 / (7_200 * 0.03)
    assert c.ends_at == pytest.approx((full_h + taper_h + floor_h) * 3600)


def test_a_car_without_taper_takes_full_power_to_the_end() -> None:
    c = curve(EV(battery_wh=10_000, soc=0.0, taper_from_soc=1.0), 0.0, 0.0, 10_000)
    assert c.ends_at == 3600
    assert c.power(3599.9) == 10_000


def test_what_was_taken_before_counts_towards_what_is_wanted() -> None:
    c = curve(EV(soc=0.1, energy_wanted_wh=5_000), 0.15, 3_000.0, 2_000)
    assert c.ends_at == 3600
    assert curve(EV(energy_wanted_wh=5_000), 0.3, 6_000.0, 2_000).ends_at == 0


def test_no_power_is_a_curve_that_never_ends_unless_nothing_is_wanted() -> None:
    c = curve(EV(), 0.3, 0.0, 0.0)
    assert c.ends_at == math.inf
    assert (c.power(1e9), c.energy(1e9), c.soc(1e9)) == (0, 0, 0.3)
    assert curve(EV(), 1.0, 0.0, 0.0).ends_at == 0
    assert curve(EV(), 1.0, 0.0, 7_200).ends_at == 0


@pytest.mark.parametrize(("battery_wh", "limit_w"), [(5e-324, 7_200), (60_000, 5e-324), (60_000, 1e-3), (1e300, 1e-3)])
def test_absurd_cars_and_limits_are_no_crash(battery_wh: float, limit_w: float) -> None:
    c = curve(EV(battery_wh=battery_wh, soc=0.5), 0.5, 0.0, limit_w)
    assert 0 <= c.energy(3_600) <= 0.5 * battery_wh
    assert 0 <= c.power(1) <= limit_w


@pytest.mark.parametrize("limit_w", [-1.0, math.inf, math.nan])
def test_a_limit_that_is_no_power_is_an_error(limit_w: float) -> None:
    with pytest.raises(ValueError, match="power must be finite"):
        curve(EV(), 0.3, 0.0, limit_w)
