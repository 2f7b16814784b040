"""What a person is shown of a connector's charging profiles."""

from attrs import evolve

from fleet.core.composition import Composition
from fleet.core.plan import ConnectorPlan
from fleet.core.profile_sheet import sheet
from fleet.core.profiles import Installed, Kind, Period, Profile, Purpose, RateUnit, Recurrency, Running, Schedule

NOW = 1_700_000_000.0
"""2023-11-14T22:13:20Z"""
PLAN = ConnectorPlan(power_max_w=7_360.0, phases=1)
MAXIMUM = Installed(
    0,
    Profile(
        *(1, 0, Purpose.CHARGE_POINT_MAX_PROFILE, Kind.ABSOLUTE),
        Schedule(RateUnit.W, (Period(0, 6_000.0), Period(600, 9_000.0)), None, NOW - 10),
    ),
    NOW - 10,
)
OWN = Installed(
    1,
    Profile(
        *(7, 2, Purpose.TX_DEFAULT_PROFILE, Kind.RECURRING),
        Schedule(RateUnit.A, (Period(0, 8.0, 1),), 3_600, NOW - 86_400, 6.0),
        *(Recurrency.DAILY, None, NOW + 86_400),
    ),
    NOW - 10,
)


def composition(*installed: Installed) -> Composition:
    return Composition((PLAN, PLAN), installed, {1: Running("t1", NOW), 2: Running("t2", NOW)})


def test_without_profiles_nothing_limits_but_what_the_connector_is_built_for() -> None:
    assert sheet(composition(), 1, NOW, {1}) == {"limit_w": 7_360.0, "limited_by": "what it is built for"}
    assert sheet(composition(), 0, NOW, {1}) == {"limited_by": "nothing"}


def test_the_profile_that_limits_is_named_and_every_one_has_its_line() -> None:
    own = (
        "TxDefaultProfile of connector 1, stack level 2, Recurring Daily, from 2023-11-13T22:13:20Z, for 3600 s, "
        "valid to 2023-11-15T22:13:20Z, at least 6 A: 8 A on 1 phase"
    )
    maximum = (
        "ChargePointMaxProfile of connector 0, stack level 0, Absolute, from 2023-11-14T22:13:10Z: "
        "6000 W, 9000 W after 600 s"
    )
    both = composition(MAXIMUM, OWN)
    assert sheet(both, 1, NOW, {1}) == {
        "limit_w": 1_840.0,
        "limited_by": "TxDefaultProfile 7",
        "changes_in_s": 590,
        "profile 1": maximum,
        "profile 7": own,
    }
    # Connector 2 has what connector 1 leaves, and nothing to do with its profile.
    second = sheet(both, 2, NOW, {1, 2})
    assert second == {
        "limit_w": 4_160.0,
        "limited_by": "ChargePointMaxProfile 1",
        "changes_in_s": 590,
        "profile 1": maximum,
    }
    whole = sheet(both, 0, NOW, {1, 2})
    assert (whole["limit_w"], whole["limited_by"]) == (6_000.0, "ChargePointMaxProfile 1")
    assert {"profile 1", "profile 7"} <= set(whole)


def test_who_can_take_less_than_its_share_is_limited_by_that() -> None:
    slow = evolve(composition(MAXIMUM), takes_w={1: 1_000.0})
    shown = sheet(slow, 1, NOW, {1, 2})
    assert (shown["limit_w"], shown["limited_by"]) == (1_000.0, "what its car can take")
    assert sheet(slow, 2, NOW, {1, 2})["limit_w"] == 5_000.0


def test_a_profile_that_allows_more_than_the_connector_can_is_not_what_limits() -> None:
    generous = evolve(OWN, profile=evolve(OWN.profile, schedule=Schedule(RateUnit.A, (Period(0, 64.0),))))
    assert sheet(composition(generous), 1, NOW, {1})["limited_by"] == "what it is built for"
