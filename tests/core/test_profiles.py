"""One charging profile over time: which of its periods holds, and when that may change (OCPP 1.6 sections 7.8-7.14)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.profiles import Kind, Period, Profile, Purpose, RateUnit, Recurrency, Schedule

DAY_S = 86_400
MIDNIGHT = 20_000.0 * DAY_S
"""Some midnight, UTC."""
STARTED = MIDNIGHT + 45_000.0
STEPS = (Period(0, 16.0), Period(60, 8.0), Period(120, 0.0))


def profile(
    kind: Kind = Kind.ABSOLUTE,
    start: float | None = MIDNIGHT,
    duration_s: int | None = None,
    recurrency: Recurrency | None = None,
    valid: tuple[float | None, float | None] = (None, None),
    periods: tuple[Period, ...] = STEPS,
) -> Profile:
    schedule = Schedule(RateUnit.A, periods, duration_s, start)
    return Profile(1, 0, Purpose.TX_DEFAULT_PROFILE, kind, schedule, recurrency, *valid)


def limits(of: Profile, *instants: float, started: float = STARTED) -> list[float | None]:
    found = [of.period_at(at, started) for at in instants]
    return [period and period.limit for period in found]


def test_a_period_holds_from_its_start_until_the_next_one_and_the_last_for_ever() -> None:
    at = [MIDNIGHT + s for s in (0, 59.9, 60, 119.9, 120, 1e9)]
    assert limits(profile(), *at) == [16, 16, 8, 8, 0, 0]


def test_before_its_start_and_after_its_duration_a_schedule_says_nothing() -> None:
    assert limits(profile(duration_s=90), MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 89.9, MIDNIGHT + 90) == [None, 16, 8, None]


@pytest.mark.parametrize("kind", [Kind.ABSOLUTE, Kind.RELATIVE])
def test_without_a_start_a_schedule_counts_from_the_start_of_the_transaction(kind: Kind) -> None:
    of = profile(kind, start=None)
    assert limits(of, STARTED - 1, STARTED, STARTED + 60) == [None, 16, 8]
    assert of.next_change_at(STARTED + 1, STARTED) == STARTED + 60


def test_a_relative_schedule_has_no_fixed_start_even_where_one_is_given() -> None:
    assert limits(profile(Kind.RELATIVE), MIDNIGHT, STARTED, STARTED + 60) == [None, 16, 8]


def test_a_daily_schedule_begins_again_every_24_hours_at_the_time_of_its_start() -> None:
    # Section 3.13.7's example: 11 kW but from 08:00 to 20:00, with a start some years ago.
    periods = (Period(0, 11_000.0), Period(28_800, 6_000.0), Period(72_000, 11_000.0))
    of = profile(Kind.RECURRING, MIDNIGHT - 1_000 * DAY_S, DAY_S, Recurrency.DAILY, periods=periods)
    hours = [MIDNIGHT + h * 3600 for h in (0, 7.99, 8, 19.99, 20, 24, 32)]
    assert limits(of, *hours) == [11_000, 11_000, 6_000, 6_000, 11_000, 11_000, 6_000]
    assert of.next_change_at(MIDNIGHT, STARTED) == MIDNIGHT + 28_800
    assert of.next_change_at(MIDNIGHT + 80_000, STARTED) == MIDNIGHT + DAY_S


def test_a_weekly_schedule_begins_again_on_the_same_day_of_the_week() -> None:
    of = profile(Kind.RECURRING, MIDNIGHT, 3_600, Recurrency.WEEKLY)
    week = MIDNIGHT + 7 * DAY_S
    assert limits(of, MIDNIGHT, MIDNIGHT + DAY_S, week - 1, week, week + 3_600) == [16, None, None, 16, None]
    assert of.next_change_at(MIDNIGHT + DAY_S, STARTED) == week


def test_a_schedule_longer_than_its_recurrence_is_cut_off_by_the_next_run() -> None:
    periods = (Period(0, 16.0), Period(100_000, 1.0))
    of = profile(Kind.RECURRING, MIDNIGHT, 200_000, Recurrency.DAILY, periods=periods)
    assert limits(of, *(MIDNIGHT + s for s in range(0, 10 * DAY_S, 5_000))) == [16] * 173


def test_a_recurring_schedule_whose_start_is_to_come_has_not_begun() -> None:
    of = profile(Kind.RECURRING, MIDNIGHT + DAY_S, 3_600, Recurrency.DAILY)
    assert limits(of, MIDNIGHT, MIDNIGHT + DAY_S) == [None, 16]
    assert of.next_change_at(MIDNIGHT, STARTED) == MIDNIGHT + DAY_S


def test_a_recurrence_without_the_kind_recurring_means_nothing() -> None:
    of = profile(Kind.ABSOLUTE, MIDNIGHT, 3_600, Recurrency.DAILY)
    assert limits(of, MIDNIGHT, MIDNIGHT + DAY_S) == [16, None]


def test_outside_its_validity_a_profile_says_nothing() -> None:
    of = profile(valid=(MIDNIGHT + 30, MIDNIGHT + 90))
    assert limits(of, *(MIDNIGHT + s for s in (29, 30, 60, 89, 90))) == [None, 16, 8, 8, None]
    assert [of.next_change_at(MIDNIGHT + s, STARTED) - MIDNIGHT for s in (0, 30, 60, 119)] == [30, 60, 90, 120]


def test_what_changes_no_more_has_no_next_change() -> None:
    assert profile().next_change_at(MIDNIGHT + 120, STARTED) == math.inf


INSTANTS = st.floats(MIDNIGHT - 2 * DAY_S, MIDNIGHT + 20 * DAY_S)
PROFILES = st.builds(
    profile,
    st.sampled_from(Kind),
    st.none() | INSTANTS,
    st.none() | st.integers(0, 10 * DAY_S),
    st.sampled_from(Recurrency),
    st.tuples(st.none() | INSTANTS, st.none() | INSTANTS),
    st.lists(st.integers(1, 200_000), max_size=4, unique=True).map(
        lambda starts: tuple(Period(s, float(i)) for i, s in enumerate([0, *sorted(starts)]))
    ),
)


@given(of=PROFILES, at=INSTANTS, started=INSTANTS, share=st.floats(0, 1, exclude_max=True))
def test_nothing_changes_before_the_next_change(of: Profile, at: float, started: float, share: float) -> None:
    change = of.next_change_at(at, started)
    assert change > at
    between = at + share * (min(change, at + 30 * DAY_S) - at)
    if between < change:
        assert of.period_at(between, started) == of.period_at(at, started)


@given(of=PROFILES, started=INSTANTS, at=INSTANTS)
def test_at_the_instant_of_a_change_it_has_happened(of: Profile, started: float, at: float) -> None:
    """Whoever sleeps from change to change sees all of them, fractions of a second notwithstanding."""
    for _ in range(20):
        at = of.next_change_at(at, started)
        if at == math.inf:
            return
        assert of.period_at(at, started) == of.period_at(at + 1e-4, started)
