"""Which charging profiles a charge point takes, replaces and clears (OCPP 1.6 sections 3.13.1, 5.5 and 5.16)."""

from itertools import product

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

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

MAX, DEFAULT, TX = Purpose.CHARGE_POINT_MAX_PROFILE, Purpose.TX_DEFAULT_PROFILE, Purpose.TX_PROFILE
RUNNING = Running("t1", 1_000.0, 42)
NOW = 2_000.0


def profile(id: int = 1, purpose: Purpose = DEFAULT, stack_level: int = 0, **changes: object) -> Profile:
    schedule = Schedule(RateUnit.A, (Period(0, 16.0),))
    return evolve(Profile(id, stack_level, purpose, Kind.RELATIVE, schedule), **changes)


def schedule(*starts: int, limit: float = 16.0, unit: RateUnit = RateUnit.A, phases: int | None = None) -> Schedule:
    return Schedule(unit, tuple(Period(start, limit, phases) for start in starts))


def store(**capabilities: object) -> ProfileStore:
    return ProfileStore([], Capabilities(**{"connectors": 3, **capabilities}))  # type: ignore[arg-type]


def ids(of: ProfileStore) -> list[int]:
    return [each.profile.id for each in of.installed]


def test_a_charge_point_maximum_is_for_connector_0_only() -> None:
    s = store()
    assert s.put(1, profile(purpose=MAX), None, NOW) == "a ChargePointMaxProfile is for connector 0, not 1"
    assert s.put(0, profile(purpose=MAX), None, NOW) is None
    assert s.installed == [Installed(0, profile(purpose=MAX), NOW)]


def test_a_default_is_for_one_connector_or_for_all() -> None:
    s = store()
    for connector in (0, 1, 3):
        assert s.put(connector, profile(connector), None, NOW) is None
    assert s.put(4, profile(4), None, NOW) == "there is no connector 4"
    assert s.put(-1, profile(4), None, NOW) == "there is no connector -1"
    assert ids(s) == [0, 1, 3]


def test_a_tx_profile_needs_a_transaction_on_its_connector() -> None:
    s = store()
    tx = profile(purpose=TX)
    assert s.put(1, tx, None, NOW) == "a TxProfile needs a transaction, and none runs on connector 1"
    assert s.put(0, tx, RUNNING, NOW) == "a TxProfile is for one connector, not for connector 0"
    assert s.installed == []
    assert s.put(1, tx, RUNNING, NOW) is None
    assert s.installed == [Installed(1, tx, NOW, "t1")]


@pytest.mark.parametrize(("known", "said", "fits"), [(42, 42, True), (42, 43, False), (None, 42, False), (0, 0, True)])
def test_a_tx_profile_with_a_transaction_id_fits_that_transaction_only(
    known: int | None, said: int, fits: bool
) -> None:
    s = store()
    refused = s.put(1, profile(purpose=TX, transaction_id=said), Running("t1", 1_000.0, known), NOW)
    assert refused == (None if fits else f"transaction {said} doesn't run on connector 1")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (profile(stack_level=11), "ChargeProfileMaxStackLevel"),
        (profile(stack_level=-1), "stack level -1"),
        (profile(schedule=schedule(0, 1, 2, 3, 4)), "ChargingScheduleMaxPeriods"),
        (profile(schedule=schedule()), "at least one period"),
        (profile(schedule=schedule(1)), "first period starts at 0"),
        (profile(schedule=schedule(0, 60, 60)), "60 follows 60"),
        (profile(schedule=schedule(0, 60, 30)), "30 follows 60"),
        (profile(schedule=schedule(0, limit=-0.1)), "not negative"),
        (profile(schedule=schedule(0, limit=float("inf"))), "not negative"),
        (profile(schedule=schedule(0, limit=float("nan"))), "not negative"),
        (profile(schedule=schedule(0, phases=4)), "numberPhases"),
        (profile(schedule=schedule(0, phases=0)), "numberPhases"),
        (profile(schedule=evolve(schedule(0), min_rate=-1.0)), "minChargingRate"),
        (profile(schedule=schedule(0, unit=RateUnit.W)), "Power is not in ChargingScheduleAllowedChargingRateUnit"),
        (profile(kind=Kind.RECURRING), "recurrencyKind"),
        (profile(valid_from_utc_s=2.0, valid_to_utc_s=2.0), "validTo"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused_in_one_line_and_changes_nothing(bad: Profile, why: str) -> None:
    s = store(units=frozenset({RateUnit.A}), periods_max=4)
    assert s.put(1, profile(), None, NOW) is None
    refused = s.put(1, bad, None, NOW)
    assert refused is not None
    assert why in refused
    assert "\n" not in refused
    assert s.installed == [Installed(1, profile(), NOW)]


@pytest.mark.parametrize(("kind", "recurrency"), [(Kind.ABSOLUTE, None), (Kind.RECURRING, Recurrency.DAILY)])
def test_a_tx_profile_may_be_of_any_kind(kind: Kind, recurrency: Recurrency | None) -> None:
    assert store().put(1, profile(purpose=TX, kind=kind, recurrency=recurrency), RUNNING, NOW) is None


def test_a_profile_replaces_the_one_with_its_purpose_and_stack_level_on_the_same_connector() -> None:
    s = store()
    for id, connector, purpose, level in (
        (1, 0, DEFAULT, 0),
        (2, 0, DEFAULT, 1),
        (3, 0, MAX, 0),
        (4, 1, DEFAULT, 0),
        (5, 1, TX, 0),
    ):
        assert s.put(connector, profile(id, purpose, level), RUNNING, NOW) is None
    assert ids(s) == [1, 2, 3, 4, 5]
    assert s.put(1, profile(6, DEFAULT, 0), None, NOW + 1) is None
    assert ids(s) == [1, 2, 3, 5, 6]


def test_a_profile_replaces_the_one_with_its_id_wherever_that_is() -> None:
    s = store()
    assert s.put(0, profile(1, MAX, 3), None, NOW) is None
    assert s.put(2, profile(1, DEFAULT, 0), None, NOW) is None
    assert s.installed == [Installed(2, profile(1, DEFAULT, 0), NOW)]


def test_no_more_profiles_than_there_is_room_for_but_always_another_for_one() -> None:
    s = store(installed_max=2)
    assert s.put(1, profile(1, stack_level=1), None, NOW) is None
    assert s.put(1, profile(2, stack_level=2), None, NOW) is None
    full = s.put(1, profile(3, stack_level=3), None, NOW)
    assert full == "MaxChargingProfilesInstalled is 2, and so many are there already"
    assert s.put(1, profile(3, stack_level=2), None, NOW) is None
    assert ids(s) == [1, 3]


def test_profiles_that_are_over_make_room_and_only_where_there_is_none_left() -> None:
    s = store(installed_max=2)
    over = profile(1, stack_level=1, valid_to_utc_s=NOW)
    assert s.put(1, over, None, NOW - 10) is None
    assert s.put(1, profile(2, stack_level=2, valid_to_utc_s=NOW + 1), None, NOW) is None
    assert ids(s) == [1, 2]
    assert s.put(1, profile(3, stack_level=3), None, NOW) is None
    assert ids(s) == [2, 3]
    assert s.put(1, profile(4, stack_level=4), None, NOW) is not None
    assert ids(s) == [2, 3]


def test_tx_profiles_end_with_their_transaction_and_no_others_do() -> None:
    s = store()
    s.put(1, profile(1, TX, 0), RUNNING, NOW)
    s.put(1, profile(2, TX, 1), RUNNING, NOW)
    s.put(2, profile(3, TX), Running("t2", 1_500.0), NOW)
    s.put(1, profile(4, DEFAULT), RUNNING, NOW)
    assert s.transaction_ended("t1") == 2
    assert ids(s) == [3, 4]
    assert s.transaction_ended("t2") == 1
    assert ids(s) == [4]


@pytest.mark.parametrize("purpose", [MAX, DEFAULT])
def test_a_remote_start_takes_a_tx_profile_only(purpose: Purpose) -> None:
    assert store().refusal_at_start(profile(purpose=purpose)) == f"a remote start takes a TxProfile, not a {purpose}"


def test_the_profile_of_a_remote_start_belongs_to_the_transaction_that_comes_of_it() -> None:
    s = store()
    early = profile(7, TX, transaction_id=0)
    assert s.refusal_at_start(early) is None
    assert s.refusal_at_start(evolve(early, stack_level=99)) is not None
    assert s.put_at_start(2, early, Running("t9", NOW), NOW) is None
    assert s.installed == [Installed(2, evolve(early, transaction_id=None), NOW, "t9")]
    assert s.transaction_ended("t9") == 1


CLEARABLE = [
    (connector, profile(100 * connector + 10 * level + i, purpose, level))
    for connector, level, (i, purpose) in product((0, 1, 2), (0, 1), enumerate(Purpose))
    if not (purpose is MAX and connector) and not (purpose is TX and not connector)
]


@given(
    id=st.none() | st.sampled_from([p.id for _, p in CLEARABLE] + [999]),
    connector=st.none() | st.integers(0, 3),
    purpose=st.none() | st.sampled_from(Purpose),
    stack_level=st.none() | st.integers(0, 2),
)
def test_clearing_removes_what_meets_every_criterion_given(
    id: int | None, connector: int | None, purpose: Purpose | None, stack_level: int | None
) -> None:
    s = store(installed_max=100)
    for number, each in CLEARABLE:
        assert s.put(number, each, Running(f"t{number}", NOW), NOW) is None
    before = list(s.installed)
    assert len(before) == len(CLEARABLE)
    wanted = (id, connector, purpose, stack_level)
    removed = s.clear(id, connector, purpose, stack_level)
    gone = [each for each in before if each not in s.installed]
    assert len(gone) == removed
    for each in before:
        its = (each.profile.id, each.connector, each.profile.purpose, each.profile.stack_level)
        met = all(want is None or want == have for want, have in zip(wanted, its, strict=True))
        assert (each in gone) is met


def test_clearing_without_any_criterion_clears_everything() -> None:
    s = store()
    s.put(0, profile(1, MAX), None, NOW)
    s.put(1, profile(2), None, NOW)
    assert s.clear() == 2
    assert s.clear() == 0
