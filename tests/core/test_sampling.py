"""What a meter reading holds: units, phases, and nothing that the connector doesn't have."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.plan import ConnectorPlan
from fleet.core.reports import SampledValue
from fleet.core.sampling import PHASES, SUPPORTED_MEASURANDS, MeterState, sample
from fleet.words import Current, Measurand, Phase

SINGLE = ConnectorPlan()
THREE = ConnectorPlan(power_max_w=11_040, phases=3)
DC = ConnectorPlan(power_max_w=150_000, current=Current.DC, voltage_v=400)
STATE = MeterState(register_wh=12_345.6, power_w=6_900, interval_wh=115.0, soc=0.4567, offered_w=7_200)


def value(plan: ConnectorPlan, measurand: Measurand, phase: Phase | None = None) -> float | None:
    values = sample(((measurand, phase),), plan, STATE)
    assert all((v.measurand, v.phase) == (measurand, phase) for v in values)
    return values[0].value if values else None


@pytest.mark.parametrize(
    ("measurand", "single", "three", "dc"),
    [
        (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, 12_345, 12_345, 12_345),
        (Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL, 115, 115, 115),
        (Measurand.POWER_ACTIVE_IMPORT, 6_900, 6_900, 6_900),
        (Measurand.POWER_OFFERED, 7_200, 7_200, 7_200),
        (Measurand.CURRENT_IMPORT, 30, 30, 17.25),
        (Measurand.CURRENT_OFFERED, 31.3, 31.3, 18),
        (Measurand.VOLTAGE, 230, 230, 400),
        (Measurand.SOC, 45.7, 45.7, 45.7),
        (Measurand.FREQUENCY, 50, 50, 50),
        (Measurand.TEMPERATURE, 44.2, 37.5, 25.9),
        (Measurand.POWER_FACTOR, 1, 1, 1),
    ],
)
def test_a_value_without_a_phase_is_the_whole(measurand: Measurand, single: float, three: float, dc: float) -> None:
    assert value(SINGLE, measurand) == single
    assert value(THREE, measurand) == three
    assert value(DC, measurand) == dc


def test_every_supported_measurand_yields_a_value() -> None:
    values = sample(tuple((measurand, None) for measurand in SUPPORTED_MEASURANDS), SINGLE, STATE)
    assert {v.measurand for v in values} == SUPPORTED_MEASURANDS
    assert len(SUPPORTED_MEASURANDS) == 11


@pytest.mark.parametrize("phase", [Phase.L1, Phase.L2, Phase.L3, Phase.L1_N, Phase.L2_N, Phase.L3_N])
def test_each_of_three_phases_carries_a_third(phase: Phase) -> None:
    assert value(THREE, Measurand.POWER_ACTIVE_IMPORT, phase) == 2_300
    assert value(THREE, Measurand.CURRENT_IMPORT, phase) == 10
    assert value(THREE, Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, phase) == 4_115
    assert value(THREE, Measurand.VOLTAGE, phase) == 230


@pytest.mark.parametrize("phase", [Phase.L1_L2, Phase.L2_L3, Phase.L3_L1])
def test_between_two_lines_there_is_more_voltage_and_nothing_else(phase: Phase) -> None:
    assert value(THREE, Measurand.VOLTAGE, phase) == round(230 * math.sqrt(3), 1) == 398.4
    assert value(THREE, Measurand.CURRENT_IMPORT, phase) is None
    assert value(SINGLE, Measurand.VOLTAGE, phase) is None


def test_a_single_phase_connector_has_the_first_phase_only() -> None:
    assert value(SINGLE, Measurand.POWER_ACTIVE_IMPORT, Phase.L1) == 6_900
    assert value(SINGLE, Measurand.VOLTAGE, Phase.L1_N) == 230
    for phase in (Phase.L2, Phase.L3, Phase.L2_N, Phase.L3_N):
        assert value(SINGLE, Measurand.POWER_ACTIVE_IMPORT, phase) is None


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("measurand", list(PHASES))
def test_direct_current_has_no_phases(measurand: Measurand, phase: Phase) -> None:
    assert value(DC, measurand, phase) is None


@pytest.mark.parametrize("measurand", sorted(set(Measurand) - SUPPORTED_MEASURANDS))
def test_what_cannot_be_measured_yields_nothing(measurand: Measurand) -> None:
    assert sample(((measurand, None), (measurand, Phase.L1)), THREE, STATE) == ()


def test_a_state_of_charge_that_nobody_knows_is_left_out_and_the_order_is_kept() -> None:
    asked = ((Measurand.VOLTAGE, None), (Measurand.SOC, None), (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, None))
    assert sample(asked, SINGLE, MeterState(register_wh=1.5, power_w=0)) == (
        SampledValue(Measurand.VOLTAGE, 230),
        SampledValue(Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, 1),
    )


@given(power_w=st.floats(0, 400_000), plan=st.sampled_from([SINGLE, THREE]))
def test_the_phases_add_up_to_the_whole(power_w: float, plan: ConnectorPlan) -> None:
    state = MeterState(register_wh=0, power_w=power_w)
    for measurand in (Measurand.POWER_ACTIVE_IMPORT, Measurand.CURRENT_IMPORT):
        whole = sample(((measurand, None),), plan, state)[0].value
        phases = sample(tuple((measurand, phase) for phase in (Phase.L1, Phase.L2, Phase.L3)), plan, state)
        assert sum(v.value for v in phases) == pytest.approx(whole, abs=0.21)
