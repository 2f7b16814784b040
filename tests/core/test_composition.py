"""What all charging profiles come to: by example, and against a naive implementation of the same sections.

The naive one lays every run of every profile out as intervals, asks all of them at every second, and shares by raising
a common level until nothing is left. OCPP 1.6 sections 3.13.2 (stacking), 3.13.3 (combining) and 5.7.
"""

import math
from itertools import pairwise

import pytest
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.composition import Composition, share_out
from fleet.core.plan import ConnectorPlan
from fleet.core.profile_store import Capabilities, ProfileStore
from fleet.core.profiles import (
    Installed,
    Kind,
    Period,
    Profile,
    Purpose,
    RateUnit,
    Recurrency,
    Running,
    Schedule,
)
from fleet.words import Current

MAX, DEFAULT, TX = Purpose.CHARGE_POINT_MAX_PROFILE, Purpose.TX_DEFAULT_PROFILE, Purpose.TX_PROFILE
A, W = RateUnit.A, RateUnit.W
ONE = ConnectorPlan(power_max_w=7_360.0, phases=1)
THREE = ConnectorPlan(power_max_w=22_080.0, phases=3)
FAST = ConnectorPlan(power_max_w=50_000.0, current=Current.DC, voltage_v=400.0)
NOW = 1_700_000_000.0
STARTED = NOW - 100

Line = tuple[int, float] | tuple[int, float, int]


def installed(
    connector: int,
    purpose: Purpose,
    *periods: Line,
    unit: RateUnit = W,
    level: int = 0,
    start: float | None = NOW - 10,
    duration_s: int | None = None,
    min_rate: float | None = None,
    valid: tuple[float | None, float | None] = (None, None),
) -> Installed:
    kind = Kind.RELATIVE if start is None else Kind.ABSOLUTE
    schedule = Schedule(unit, tuple(Period(*line) for line in periods), duration_s, start, min_rate)
    return Installed(connector, Profile(1, level, purpose, kind, schedule, None, *valid), NOW - 10)


def composition(
    *profiles: Installed, plans: tuple[ConnectorPlan, ...] = (ONE,), charging: tuple[int, ...] = (1,)
) -> Composition:
    return Composition(plans, profiles, {number: Running(f"t{number}", STARTED) for number in charging})


def lines(schedule: Schedule) -> list[tuple[int, float]]:
    return [(period.start_s, period.limit) for period in schedule.periods]


# ---- one connector ---------------------------------------------------------------------------------------------------


def test_without_any_profile_there_is_no_limit_and_the_schedule_is_what_the_connector_is_built_for() -> None:
    c = composition()
    assert c.limit_at(1, NOW) is None
    assert c.limit_at(0, NOW) is None
    assert c.next_change_at(NOW) == math.inf
    assert c.composite_schedule(1, 60, None, NOW) == Schedule(W, (Period(0, 7_360.0, 1),), 60, NOW)


def test_the_lowest_of_the_purposes_counts() -> None:
    c = composition(installed(0, MAX, (0, 5_000)), installed(1, TX, (0, 6_000), (70, 3_000)))
    assert [c.limit_at(1, NOW + s) for s in (0, 59, 60)] == [5_000, 5_000, 3_000]
    assert c.next_change_at(NOW) == NOW + 60


def test_a_tx_profile_goes_before_the_default_even_where_it_allows_more() -> None:
    c = composition(installed(0, DEFAULT, (0, 2_000), level=9), installed(1, TX, (0, 6_000)))
    assert c.limit_at(1, NOW) == 6_000


def test_a_tx_profile_goes_before_its_connectors_own_default_too() -> None:
    c = composition(installed(1, DEFAULT, (0, 2_000), level=9), installed(1, TX, (0, 6_000)))
    assert c.limit_at(1, NOW) == 6_000


def test_where_a_tx_profile_is_over_the_default_holds_again() -> None:
    c = composition(installed(0, DEFAULT, (0, 2_000)), installed(1, TX, (0, 6_000), duration_s=40))
    assert [c.limit_at(1, NOW + s) for s in (29, 30)] == [6_000, 2_000]
    assert lines(c.composite_schedule(1, 60, W, NOW)) == [(0, 6_000), (30, 2_000)]


def test_a_connectors_own_default_goes_before_that_of_all_connectors_whatever_their_stack_levels() -> None:
    c = composition(
        installed(0, DEFAULT, (0, 2_000), level=9),
        installed(1, DEFAULT, (0, 4_000), duration_s=40),
        plans=(ONE, ONE),
        charging=(1, 2),
    )
    assert [c.limit_at(1, NOW), c.limit_at(2, NOW), c.limit_at(1, NOW + 30)] == [4_000, 2_000, 2_000]


def test_the_highest_stack_level_that_is_valid_and_says_something_prevails() -> None:
    c = composition(
        installed(0, DEFAULT, (0, 1_000), level=0),
        installed(0, DEFAULT, (0, 2_000), level=1, duration_s=40),
        installed(0, DEFAULT, (0, 3_000), level=2, valid=(NOW + 10, NOW + 20)),
        installed(0, DEFAULT, (0, 4_000), level=3, start=NOW + 50),
    )
    at = [(s, c.limit_at(1, NOW + s)) for s in (0, 10, 20, 30, 50)]
    assert at == [(0, 2_000), (10, 3_000), (20, 2_000), (30, 1_000), (50, 4_000)]
    assert lines(c.composite_schedule(1, 90, W, NOW)) == at


def test_a_relative_profile_counts_from_the_start_of_the_transaction_or_from_now_where_none_runs() -> None:
    default = installed(0, DEFAULT, (0, 6_000), (160, 3_000), start=None)
    assert lines(composition(default).composite_schedule(1, 300, W, NOW)) == [(0, 6_000), (60, 3_000)]
    assert lines(composition(default, charging=()).composite_schedule(1, 300, W, NOW)) == [(0, 6_000), (160, 3_000)]


def test_a_relative_maximum_counts_from_when_it_was_set() -> None:
    c = composition(installed(0, MAX, (0, 6_000), (60, 3_000), start=None), charging=())
    assert lines(c.composite_schedule(1, 300, W, NOW)) == [(0, 6_000), (50, 3_000)]
    assert c.next_change_at(NOW) == NOW + 50


# ---- amperes, phases -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "line", "power_w"),
    [
        (ONE, (0, 10.0), 2_300),
        (ONE, (0, 10.0, 3), 2_300),
        (THREE, (0, 10.0), 6_900),
        (THREE, (0, 10.0, 1), 2_300),
        (THREE, (0, 10.0, 2), 4_600),
        (FAST, (0, 10.0), 4_000),
        (ONE, (0, 32.0), 7_360),
        (ONE, (0, 63.0), 7_360),
    ],
)
def test_amperes_are_per_phase_of_those_that_connector_and_profile_have(
    plan: ConnectorPlan, line: Line, power_w: float
) -> None:
    c = composition(installed(1, TX, line, unit=A), plans=(plan,))
    assert c.limit_at(1, NOW) == pytest.approx(power_w)


def test_no_limit_in_amperes_is_exceeded_on_the_one_phase_that_another_leaves() -> None:
    c = composition(installed(1, TX, (0, 6.0), unit=A), installed(0, MAX, (0, 10.0, 1), unit=A), plans=(THREE,))
    assert c.limit_at(1, NOW) == pytest.approx(6 * 230)
    assert c.composite_schedule(1, 60, A, NOW).periods == (Period(0, 6.0, 1),)


@pytest.mark.parametrize("plan", [ONE, THREE, FAST])
@given(tenths=st.integers(0, 320))
def test_a_limit_in_amperes_comes_back_as_it_was_said(plan: ConnectorPlan, tenths: int) -> None:
    c = composition(installed(1, TX, (0, tenths / 10), unit=A), plans=(plan,))
    assert lines(c.composite_schedule(1, 60, None, NOW)) == [(0, tenths / 10)]
    maximum = composition(installed(0, MAX, (0, tenths / 10), unit=A), plans=(plan,))
    assert lines(maximum.composite_schedule(0, 60, None, NOW)) == [(0, tenths / 10)]


def test_a_maximum_in_amperes_is_of_the_phases_that_feed_a_connector_of_direct_current() -> None:
    c = composition(installed(0, MAX, (0, 32.0), unit=A), plans=(FAST,))
    assert c.limit_at(1, NOW) == c.limit_at(0, NOW) == pytest.approx(32 * 3 * 230)


def test_the_unit_is_that_of_the_limit_unless_another_is_asked_for() -> None:
    c = composition(installed(1, TX, (0, 10.0), unit=A), plans=(THREE,))
    assert c.composite_schedule(1, 60, None, NOW).unit is A
    assert c.composite_schedule(1, 60, W, NOW).periods == (Period(0, 6_900.0, 3),)
    assert composition().composite_schedule(1, 60, None, NOW).unit is W


# ---- sharing ---------------------------------------------------------------------------------------------------------


def test_the_maximum_is_shared_fairly_by_those_that_charge() -> None:
    profiles = (installed(0, MAX, (0, 6_000)), installed(2, TX, (0, 1_000)))
    c = composition(*profiles, plans=(ONE, ONE, ONE), charging=(1, 2, 3))
    assert [a.power_w for a in c.allowances_at(NOW, {1, 2, 3})] == [2_500, 1_000, 2_500]
    assert [c.limit_at(n, NOW, {1, 2, 3}) for n in (0, 1, 2, 3)] == [6_000, 2_500, 1_000, 2_500]
    # 3 doesn't charge: it is told what it would have if it did.
    assert [a.power_w for a in c.allowances_at(NOW, {1, 2})] == [5_000, 1_000, 2_500]


def test_amperes_are_shared_as_if_every_connector_hung_on_the_same_first_phase() -> None:
    c = composition(installed(0, MAX, (0, 16.0), unit=A), plans=(THREE, ONE), charging=(1, 2))
    assert [a.power_w for a in c.allowances_at(NOW, {1, 2})] == pytest.approx([8 * 690, 8 * 230])
    assert lines(c.composite_schedule(0, 60, A, NOW)) == [(0, 16.0)]
    assert lines(c.composite_schedule(1, 60, A, NOW, {1, 2})) == [(0, 8.0)]
    assert lines(c.composite_schedule(1, 60, A, NOW, {1})) == [(0, 16.0)]


def test_the_schedule_of_connector_0_is_what_all_connectors_may_draw_together() -> None:
    # Two connectors of 10 A each draw no more than 20 A, though 32 A are allowed.
    profiles = (installed(0, MAX, (0, 32.0), unit=A), installed(0, DEFAULT, (0, 10.0), (40, 20.0), unit=A))
    c = composition(*profiles, plans=(ONE, ONE), charging=())
    assert lines(c.composite_schedule(0, 60, A, NOW)) == [(0, 20.0), (30, 32.0)]
    assert lines(c.composite_schedule(0, 60, W, NOW)) == [(0, 4_600.0), (30, 7_360.0)]


def test_what_a_slow_car_cannot_take_is_the_others() -> None:
    plain = composition(installed(0, MAX, (0, 9_000)), plans=(ONE, ONE, ONE), charging=(1, 2, 3))
    c = evolve(plain, takes_w={1: 1_000.0, 2: 50_000.0})
    assert [a.power_w for a in c.allowances_at(NOW, {1, 2, 3})] == [1_000, 4_000, 4_000]
    assert lines(c.composite_schedule(2, 60, W, NOW, {1, 2, 3})) == [(0, 4_000)]
    # It is nobody's business where nothing is shared.
    alone = evolve(composition(), takes_w={1: 1_000.0})
    assert alone.allowances_at(NOW, {1})[0].power_w == ONE.power_max_w


def test_who_would_get_less_than_is_of_use_waits_and_the_others_have_it() -> None:
    tx = [installed(n, TX, (0, 16.0), unit=A, min_rate=6.0) for n in (1, 2, 3)]
    c = composition(installed(0, MAX, (0, 13.0), unit=A), *tx, plans=(ONE, ONE, ONE), charging=(1, 2, 3))
    assert [a.power_w for a in c.allowances_at(NOW, {1, 2, 3})] == pytest.approx([6.5 * 230, 6.5 * 230, 0])


def test_the_least_useful_rate_lifts_no_limit_that_was_set() -> None:
    c = composition(installed(1, TX, (0, 4.0), unit=A, min_rate=6.0))
    assert c.limit_at(1, NOW) == pytest.approx(4 * 230)


# Powers that somebody could mean: dividing the least number that a float can hold leaves nothing.
RATES = st.floats(0, 1e5, allow_subnormal=False) | st.integers(0, 50).map(float)


@given(total=RATES, wants=st.lists(RATES, max_size=6))
def test_shares_are_max_min_fair(total: float, wants: list[float]) -> None:
    shares = share_out(total, wants)
    assert all(0 <= share <= want for share, want in zip(shares, wants, strict=True))
    assert math.fsum(shares) == pytest.approx(min(total, math.fsum(wants)))
    assert math.fsum(shares) <= total * (1 + 1e-12)
    for share, want in zip(shares, wants, strict=True):
        # Who wants more has as much as anybody.
        assert share == want or share >= max(shares) * (1 - 1e-12)


@given(total=RATES, wants=st.lists(st.tuples(RATES, RATES), max_size=6))
def test_nobody_gets_a_share_that_is_of_no_use_to_it(total: float, wants: list[tuple[float, float]]) -> None:
    shares = share_out(total, [want for want, _ in wants], [least for _, least in wants])
    assert math.fsum(shares) <= total * (1 + 1e-12)
    for share, (want, least) in zip(shares, wants, strict=True):
        assert share <= want
        assert share == 0 or share >= min(want, least) - 1e-5


# ---- schedules on the wire -------------------------------------------------------------------------------------------


def test_a_schedule_begins_with_the_running_second_and_rounds_to_the_safe_side() -> None:
    c = composition(installed(1, TX, (0, 6_000), (101, 3_000.06), (102, 4_000), start=NOW - 99.5))
    schedule = c.composite_schedule(1, 60, W, NOW + 0.4)
    assert schedule.start_utc_s == NOW
    assert lines(schedule) == [(0, 6_000), (1, 3_000.0), (3, 4_000)]


def test_a_second_in_which_the_phases_change_has_the_fewer_of_them() -> None:
    profiles = (installed(1, TX, (0, 20.0, 1), (10, 16.0), unit=A, start=NOW - 9.5),)
    schedule = composition(*profiles, plans=(THREE,)).composite_schedule(1, 60, A, NOW)
    assert schedule.periods == (Period(0, 16.0, 1), Period(1, 16.0, 3))


def test_a_schedule_ends_where_it_would_have_too_many_periods() -> None:
    steps = [(10 * i, float(1_000 + i)) for i in range(10)]
    schedule = composition(installed(1, TX, *steps, start=NOW)).composite_schedule(1, 300, W, NOW, periods_max=4)
    assert lines(schedule) == steps[:4]
    assert schedule.duration_s == 40


def test_a_hundred_years_of_days_are_a_short_schedule() -> None:
    day = Schedule(W, (Period(0, 1_000.0), Period(43_200, 2_000.0)), None, NOW)
    daily = Profile(1, 0, DEFAULT, Kind.RECURRING, day, Recurrency.DAILY)
    schedule = composition(Installed(0, daily, NOW)).composite_schedule(1, 2**31 - 1, W, NOW)
    assert len(schedule.periods) == 24
    assert schedule.duration_s == 12 * 86_400


def test_a_schedule_of_no_length_says_what_holds_now() -> None:
    schedule = composition(installed(1, TX, (0, 2_000))).composite_schedule(1, 0, W, NOW)
    assert (lines(schedule), schedule.duration_s) == ([(0, 2_000)], 0)


# ---- against a naive implementation ----------------------------------------------------------------------------------

HORIZON_S = 400
# Days are too long for a grid of seconds, so that recurring profiles are seen around one of their restarts.
STARTS = st.none() | st.integers(-500, 500) | st.integers(-500, 500).map(lambda s: s - 7 * 86_400)
PLANS = st.sampled_from([ONE, THREE, FAST])


@st.composite
def profiles(draw: st.DrawFn, connectors: int, scale: int = 1) -> tuple[int, Profile]:
    purpose = draw(st.sampled_from([MAX, DEFAULT, DEFAULT, TX, TX]))
    connector = 0 if purpose is MAX else draw(st.integers(int(purpose is TX), connectors))
    unit = draw(st.sampled_from(RateUnit))
    limit = st.integers(0, 40) if unit is A else st.integers(0, 30).map(lambda n: n * 1_000)
    starts = [0, *sorted(draw(st.sets(st.integers(1, 600), max_size=3)))]
    periods = tuple(Period(s, float(draw(limit)), draw(st.sampled_from([None, None, 1, 2, 3]))) for s in starts)
    start = draw(STARTS)
    kind = draw(st.sampled_from(Kind))
    schedule = Schedule(
        unit,
        periods,
        draw(st.none() | st.integers(1, 700)),
        None if start is None else NOW + start / scale,
    )
    valid_from, valid_to = (draw(st.none() | st.integers(-200, 500)) for _ in range(2))
    profile = Profile(
        draw(st.integers(1, 1_000)),
        draw(st.integers(0, 2)),
        purpose,
        kind,
        schedule,
        draw(st.sampled_from(Recurrency)),
        None if valid_from is None else NOW + valid_from / scale,
        None if valid_to is None else NOW + valid_to / scale,
    )
    return connector, profile


@frozen
class World:
    """Connectors, profiles put into a store as a CSMS would, transactions."""

    composition: Composition
    installed: list[Installed]


@st.composite
def worlds(draw: st.DrawFn, scale: int = 1) -> World:
    plans = tuple(draw(st.lists(PLANS, min_size=1, max_size=3)))
    running = {
        number: Running(f"t{number}", NOW - draw(st.integers(0, 500)) / scale)
        for number in range(1, len(plans) + 1)
        if draw(st.integers(0, 3))
    }
    store = ProfileStore([], Capabilities(connectors=len(plans)))
    for connector, profile in draw(st.lists(profiles(len(plans), scale), min_size=draw(st.integers(0, 5)), max_size=8)):
        store.put(connector, profile, running.get(connector), NOW - draw(st.integers(0, 300)) / scale)
    slow = draw(st.dictionaries(st.integers(1, len(plans)), st.integers(1, 20).map(lambda n: n * 1_000.0)))
    return World(Composition(plans, store.installed, running, slow), store.installed)


def naive_period(each: Installed, origin: float, t: float) -> Period | None:
    profile, schedule = each.profile, each.profile.schedule
    if profile.valid_from_utc_s is not None and t < profile.valid_from_utc_s:
        return None
    if profile.valid_to_utc_s is not None and t >= profile.valid_to_utc_s:
        return None
    begins = [schedule.start_utc_s]
    if profile.kind is Kind.RELATIVE or schedule.start_utc_s is None:
        begins = [origin]
    if profile.kind is Kind.RECURRING:
        days = 1 if profile.recurrency is Recurrency.DAILY else 7
        begins = [begins[0] + n * days * 86_400 for n in range(10)]  # type: ignore[operator]
    found = None
    for begin, next_begin in pairwise([*begins, math.inf]):
        for period, following in pairwise([*schedule.periods, None]):
            begins_at = begin + period.start_s  # type: ignore[operator, union-attr]
            ends_at = math.inf if following is None else begin + following.start_s  # type: ignore[operator]
            if schedule.duration_s is not None:
                ends_at = min(ends_at, begin + schedule.duration_s)  # type: ignore[operator]
            if begins_at <= t < min(ends_at, next_begin):  # type: ignore[type-var]
                found = period
    return found


def naive_limit(world: World, stack: list[Installed], origin: float | None, t: float) -> tuple[RateUnit, Period] | None:
    best: tuple[int, RateUnit, Period] | None = None
    for each in stack:
        period = naive_period(each, each.since_utc_s if origin is None else origin, t)
        if period is not None and (best is None or each.profile.stack_level > best[0]):
            best = each.profile.stack_level, each.profile.schedule.unit, period
    return best and best[1:]


def naive_powers(world: World, t: float, assumed_start: float, together: set[int]) -> list[float]:
    """The power of each connector in W at t, while those together charge."""
    plans = world.composition.plans
    maximum = naive_limit(world, [e for e in world.installed if e.profile.purpose is MAX], None, t)
    ceilings, feeds = [], []
    for number, plan in enumerate(plans, 1):
        running = world.composition.running.get(number)
        origin = assumed_start if running is None else running.started_utc_s
        own = None
        for purpose, place in ((TX, number), (DEFAULT, number), (DEFAULT, 0)):
            stack = [e for e in world.installed if e.profile.purpose is purpose and e.connector == place]
            own = own or naive_limit(world, stack, origin, t)
        direct = plan.current is Current.DC
        phases = 3 if direct else plan.phases
        for limit in (own, maximum):
            if limit is not None:
                phases = min(phases, limit[1].phases or 3)
        own_w_per_a = plan.voltage_v if direct else 230.0 * phases
        feed_w_per_a = 230.0 * phases
        ceiling = plan.power_max_w
        if own is not None:
            ceiling = min(ceiling, own[1].limit * (own_w_per_a if own[0] is A else 1))
        if maximum is not None:
            ceiling = min(ceiling, maximum[1].limit * (feed_w_per_a if maximum[0] is A else 1))
        ceilings.append(ceiling)
        feeds.append(feed_w_per_a if maximum is not None and maximum[0] is A else 1.0)
    if maximum is None:
        return ceilings
    ceilings = [
        min(ceiling, world.composition.takes_w.get(number, math.inf)) if number in together else ceiling
        for number, ceiling in enumerate(ceilings, 1)
    ]

    def at_level(level: float) -> list[float]:
        return [min(ceiling, level * feed) for ceiling, feed in zip(ceilings, feeds, strict=True)]

    low, high = 0.0, 1e5
    for _ in range(50):
        level = (low + high) / 2
        spent = sum(at_level(level)[n - 1] / feeds[n - 1] for n in together)
        low, high = (level, high) if spent <= maximum[1].limit else (low, level)
    return at_level(low)


def schedule_limit(schedule: Schedule, t: float) -> float:
    return [period.limit for period in schedule.periods if period.start_s <= t - (schedule.start_utc_s or 0)][-1]


@settings(max_examples=80, deadline=None)
@given(world=worlds(), connector=st.integers(1, 3))
def test_a_composite_schedule_is_what_a_naive_implementation_says_second_by_second(
    world: World, connector: int
) -> None:
    plans = world.composition.plans
    connector = min(connector, len(plans))
    charging = set(world.composition.running)
    one = world.composition.composite_schedule(connector, HORIZON_S, W, NOW, charging, periods_max=100)
    whole = world.composition.composite_schedule(0, HORIZON_S, W, NOW, charging, periods_max=100)
    assert one.duration_s == whole.duration_s == HORIZON_S
    for schedule in (one, whole):
        assert schedule.periods[0].start_s == 0
        assert all(a.start_s < b.start_s < HORIZON_S for a, b in pairwise(schedule.periods))
    # Every second near a boundary of the one or the other, and some between.
    seconds = {0, HORIZON_S - 1, *range(0, HORIZON_S, 61)}
    seconds |= {p.start_s + d for s in (one, whole) for p in s.periods for d in (-1, 0) if p.start_s + d >= 0}
    everybody = set(range(1, len(plans) + 1))
    for second in seconds:
        t = NOW + second
        expected = naive_powers(world, t, NOW, charging | {connector})[connector - 1]
        assert schedule_limit(one, t) == pytest.approx(expected, abs=0.1001)
        assert schedule_limit(whole, t) == pytest.approx(sum(naive_powers(world, t, NOW, everybody)), abs=0.1001)


@settings(max_examples=80, deadline=None)
@given(world=worlds(scale=8), unit=st.sampled_from(RateUnit))
def test_a_composite_schedule_is_never_above_any_limit_at_any_instant(world: World, unit: RateUnit) -> None:
    """With profiles and transactions that begin at any eighth of a second."""
    c = world.composition
    charging = set(c.running)
    schedule = c.composite_schedule(1, 60, unit, NOW, charging, periods_max=200)
    edges = [8 * period.start_s + d for period in schedule.periods for d in range(-9, 9)]
    for eighth in sorted({0, *range(0, 60 * 8, 41), *edges} & set(range(60 * 8))):
        t = NOW + eighth / 8
        allowed_w = naive_powers(world, t, NOW, charging | {1})[0]
        limit = schedule_limit(schedule, t)
        if unit is A:
            phases = [p.phases for p in schedule.periods if p.start_s <= t - NOW][-1] or 3
            limit *= c.plans[0].voltage_v * phases
        assert limit <= allowed_w + 1e-3


@settings(max_examples=80, deadline=None)
@given(world=worlds(), second=st.integers(0, 500))
def test_connectors_never_draw_more_together_than_the_charge_point_may(world: World, second: int) -> None:
    c, t = world.composition, NOW + second
    allowances = c.allowances_at(t, set(c.running))
    maximum = c.maximum_at(t)
    for number, allowance in enumerate(allowances, 1):
        assert 0 <= allowance.power_w <= c.plans[number - 1].power_max_w
    if maximum is not None:
        parts = [
            allowances[n - 1].power_w / (230 * allowances[n - 1].phases if maximum.unit is A else 1) for n in c.running
        ]
        assert math.fsum(parts) <= maximum.rate * (1 + 1e-9)


@settings(max_examples=80, deadline=None)
@given(world=worlds(scale=8), share=st.floats(0, 1, exclude_max=True), at=st.integers(-100, 500))
def test_allowances_stay_until_the_next_change(world: World, share: float, at: int) -> None:
    c = world.composition
    begin = NOW + at / 8
    change = c.next_change_at(begin)
    assert change > begin
    between = begin + share * (min(change, begin + 90_000) - begin)
    charging = set(c.running)
    if between < change:
        assert c.allowances_at(begin, charging) == c.allowances_at(between, charging)
