"""From the state of a connector to the values of a meter reading (OCPP 1.6 sections 7.31 to 7.45).

The meter measures power and counts energy; voltage is the plan's, and currents follow from the two. A three-phase
connector loads its phases evenly: each carries a third, and a value without a phase is the whole. What a connector
doesn't have (the second phase of a single-phase one, the state of charge where no car tells it) yields no value rather
than an invented one.

Values are rounded to what such a meter resolves. Registers are whole Wh, like meterStart and meterStop, so that no
sample is ever above the meterStop that follows it.
"""

import math
from collections.abc import Callable

from attrs import frozen

from fleet.core.meter import whole_wh
from fleet.core.orders import MeasurandSpec
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import SampledValue
from fleet.words import Current, Measurand, Phase

GRID_FREQUENCY_HZ = 50.0
# Inside the cabinet: how warm it is at rest, and how much warmer at full power.
AMBIENT_CELSIUS = 25.0
WARMING_CELSIUS = 20.0

_LINES = (Phase.L1, Phase.L2, Phase.L3)
_LINES_TO_NEUTRAL = (Phase.L1_N, Phase.L2_N, Phase.L3_N)
_BETWEEN_LINES = (Phase.L1_L2, Phase.L2_L3, Phase.L3_L1)
_PER_LINE = frozenset(_LINES + _LINES_TO_NEUTRAL)
_FIRST_LINE = frozenset((Phase.L1, Phase.L1_N))

# Every measurand that can be sampled, with the phases for which it can be asked (and always without any).
PHASES: dict[Measurand, frozenset[Phase]] = {
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: _PER_LINE,
    Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL: _PER_LINE,
    Measurand.POWER_ACTIVE_IMPORT: _PER_LINE,
    Measurand.POWER_OFFERED: _PER_LINE,
    Measurand.CURRENT_IMPORT: _PER_LINE,
    Measurand.CURRENT_OFFERED: _PER_LINE,
    Measurand.VOLTAGE: _PER_LINE.union(_BETWEEN_LINES),
    Measurand.POWER_FACTOR: _PER_LINE,
    Measurand.FREQUENCY: frozenset(),
    Measurand.SOC: frozenset(),
    Measurand.TEMPERATURE: frozenset(),
}
SUPPORTED_MEASURANDS = frozenset(PHASES)


@frozen
class MeterState:
    """What there is to be sampled at one instant.

    `register_wh` all energy ever; `interval_wh` the energy since the reading before this one; `power_w` flows,
    `offered_w` is what could; `soc` is the car's state of charge, 0 to 1, None where nobody knows it.
    """

    register_wh: float
    power_w: float
    interval_wh: float = 0.0
    soc: float | None = None
    offered_w: float = 0.0


def sample(measurands: tuple[MeasurandSpec, ...], plan: ConnectorPlan, state: MeterState) -> tuple[SampledValue, ...]:
    """The values of a reading, in the order in which they were asked for; those that don't exist here are left out."""
    values: list[SampledValue] = []
    for measurand, phase in measurands:
        measure = _MEASURES.get(measurand)
        if measure is None or (phase is not None and not _has(plan, measurand, phase)):
            continue
        value = measure(plan, state, phase, 1 if phase is None else plan.phases)
        if value is not None:
            values.append(SampledValue(measurand, value, phase))
    return tuple(values)


def _has(plan: ConnectorPlan, measurand: Measurand, phase: Phase) -> bool:
    """Whether this connector has that phase, and the measurand a value on it."""
    if plan.current is Current.DC or phase not in PHASES[measurand]:
        return False
    return plan.phases == 3 or phase in _FIRST_LINE


def _voltage(plan: ConnectorPlan, _state: MeterState, phase: Phase | None, _parts: int) -> float:
    return round(plan.voltage_v * math.sqrt(3), 1) if phase in _BETWEEN_LINES else plan.voltage_v


def _temperature(plan: ConnectorPlan, state: MeterState, _phase: Phase | None, _parts: int) -> float:
    return round(AMBIENT_CELSIUS + WARMING_CELSIUS * min(1.0, state.power_w / plan.power_max_w), 1)


# How each is measured: from plan, state, phase, and the number of equal parts that the whole is spread over.
_MEASURES: dict[Measurand, Callable[[ConnectorPlan, MeterState, Phase | None, int], float | None]] = {
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: lambda plan, state, phase, parts: float(
        whole_wh(state.register_wh / parts)
    ),
    Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL: lambda plan, state, phase, parts: round(state.interval_wh / parts, 3),
    Measurand.POWER_ACTIVE_IMPORT: lambda plan, state, phase, parts: round(state.power_w / parts, 1),
    Measurand.POWER_OFFERED: lambda plan, state, phase, parts: round(state.offered_w / parts, 1),
    Measurand.CURRENT_IMPORT: lambda plan, state, phase, parts: round(state.power_w / parts / plan.voltage_v, 2),
    Measurand.CURRENT_OFFERED: lambda plan, state, phase, parts: round(state.offered_w / parts / plan.voltage_v, 2),
    Measurand.VOLTAGE: _voltage,
    Measurand.POWER_FACTOR: lambda plan, state, phase, parts: 1.0,
    Measurand.FREQUENCY: lambda plan, state, phase, parts: GRID_FREQUENCY_HZ,
    Measurand.SOC: lambda plan, state, phase, parts: None if state.soc is None else round(state.soc * 100, 1),
    Measurand.TEMPERATURE: _temperature,
}
