"""Drivers over a fleet that grows and shrinks, and that somebody keeps them from for a while."""

import math

import pytest
from attrs import define, field

from fleet.commands.vocabulary import ConnectorCommand, PlugIn, Swipe, Unplug
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import (
    CableChanged,
    Drained,
    Registered,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.errors import ConfigurationError
from fleet.load.config import DriversConfig, GroupConfig, RunConfig
from fleet.load.distributions import Constant
from fleet.load.drivers import Drivers
from fleet.load.planning import plan_at, plans
from fleet.words import ConnectorStatus, RegistrationStatus, StopReason

HOUR_S = 3600.0


@define
class Street:
    """Connectors that do at once what they are told, and the drivers who come to them."""

    config: RunConfig
    drivers: Drivers
    now: float = 0.0
    told: list[tuple[float, str, int, ConnectorCommand]] = field(factory=list)
    running: set[tuple[str, int]] = field(factory=set)

    def open(self, plan: ChargePointPlan) -> None:
        for connector in range(1, len(plan.connectors) + 1):
            self.drivers.handle(plan.id, StatusChanged(connector, self.now, ConnectorStatus.AVAILABLE))
        self.drivers.handle(plan.id, Registered(self.now, RegistrationStatus.ACCEPTED, 60))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.drivers.deadline <= until:
            self.now = max(self.now, self.drivers.deadline)
            for due in self.drivers.tick(self.now):
                self.told.append((self.now, *due))
                self._obey(*due)
        self.now = until

    def _obey(self, name: str, connector: int, command: ConnectorCommand) -> None:
        where, now, handle = (name, connector), self.now, self.drivers.handle
        match command:
            case PlugIn():
                handle(name, StatusChanged(connector, now, ConnectorStatus.PREPARING))
                handle(name, CableChanged(connector, now, True))
            case Swipe() if where in self.running:
                self.running.remove(where)
                handle(name, TransactionStopped(connector, now, "t", 0, StopReason.LOCAL))
            case Swipe(id_tag=id_tag):
                self.running.add(where)
                handle(name, TransactionStarted(connector, now, "t", id_tag, 0))
            case Unplug():
                handle(name, StatusChanged(connector, now, ConnectorStatus.AVAILABLE))

    def plugged(self, name: str, since: float = 0.0) -> list[float]:
        return [at for at, where, _, act in self.told if where == name and isinstance(act, PlugIn) and at >= since]

    def tags(self) -> dict[str, set[tuple[str, int]]]:
        """Where each tag was presented."""
        where: dict[str, set[tuple[str, int]]] = {}
        for _, name, connector, act in self.told:
            if isinstance(act, Swipe):
                where.setdefault(act.id_tag, set()).add((name, connector))
        return where


def street(charge_points: int = 2, connectors: int = 1, **drivers: object) -> Street:
    common: dict[str, object] = {"arrivals_per_s": 6 / HOUR_S, "stay_s": Constant(300.0), "pause_s": Constant(1.0)}
    config = RunConfig(
        charge_points=(GroupConfig(count=charge_points, connectors=connectors),),
        drivers=DriversConfig(**(common | drivers)),  # type: ignore[arg-type]
    )
    made = Street(config, Drivers(config, plans(config), 1))
    for plan in plans(config):
        made.open(plan)
    made.drivers.start(0.0)
    return made


NEW = ChargePointPlan("NEW", (ConnectorPlan(), ConnectorPlan()))


# ---- pause -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per", ["connector", "fleet"])
def test_paused_nobody_comes_and_who_is_there_goes_on_until_they_are_resumed(per: str) -> None:
    s = street(per=per)
    s.run(10 * HOUR_S)
    begun = s.drivers.counts.begun
    assert begun > 20
    s.drivers.pause()
    assert s.drivers.paused
    s.run(10 * HOUR_S)
    assert (s.drivers.counts.begun, s.drivers.counts.served, s.drivers.deadline) == (begun, begun, math.inf)
    s.drivers.resume(s.now)
    s.drivers.resume(s.now)
    paused_until, arrived = s.now, s.drivers.counts.arrived
    s.run(100 * HOUR_S)
    assert not s.drivers.paused
    assert s.drivers.counts.begun > begun
    # 6 per hour and connector, or for the whole fleet: resumed twice they don't come twice as often.
    expected = 600 * (2 if per == "connector" else 1)
    assert abs(s.drivers.counts.arrived - arrived - expected) < 4 * math.sqrt(expected)
    assert min(at for at, *_ in s.told if at >= paused_until) > paused_until


def test_who_waits_at_a_pause_comes_forward_after_it() -> None:
    s = street(1, arrivals_per_s=1 / 60, stay_s=Constant(600.0))
    s.run(HOUR_S)
    assert s.drivers.waiting == 3
    s.drivers.pause()
    s.run(HOUR_S)
    assert (s.drivers.visiting, s.drivers.waiting) == (0, 3)
    s.drivers.resume(s.now)
    resumed_at = s.now
    s.run(1.0)
    assert s.plugged("CP0001", resumed_at) == [resumed_at]


def test_paused_from_the_beginning_they_begin_when_they_are_resumed() -> None:
    config = RunConfig(charge_points=(GroupConfig(count=1, connectors=1),))
    drivers = Drivers(config, plans(config), 1)
    drivers.pause()
    drivers.start(0.0)
    assert drivers.deadline == math.inf
    drivers.resume(5.0)
    assert 5.0 < drivers.deadline < math.inf


# ---- growing and shrinking -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per", ["connector", "fleet"])
def test_drivers_come_to_a_charge_point_that_was_added_with_tags_that_nobody_else_has(per: str) -> None:
    s = street(per=per)
    s.run(10 * HOUR_S)
    s.drivers.add(NEW, s.now)
    s.run(10 * HOUR_S)
    assert s.plugged("NEW") == []
    s.open(NEW)
    s.run(20 * HOUR_S)
    assert len(s.plugged("NEW")) > 20
    assert all(len(places) == 1 for places in s.tags().values())
    assert s.drivers.counts.stranded == 0


def test_nobody_comes_to_a_charge_point_that_was_removed_and_who_was_there_leaves() -> None:
    s = street(arrivals_per_s=1 / 60, stay_s=Constant(600.0))
    s.run(HOUR_S)
    assert ("CP0002", 1) in s.running
    s.drivers.remove("CP0002", s.now)
    removed_at = s.now
    s.run(10.0)
    assert ("CP0002", 1) not in s.running
    s.drivers.handle("CP0002", Drained(s.now, 0))
    s.run(10 * HOUR_S)
    assert s.plugged("CP0002", removed_at) == []
    assert len(s.plugged("CP0001", removed_at)) > 50
    counts = s.drivers.counts
    assert counts.begun == counts.served + s.drivers.visiting
    assert counts.arrived == counts.begun + counts.turned_away + s.drivers.waiting


def test_who_comes_back_after_a_removal_has_as_many_drivers_as_before() -> None:
    s = street(1, arrivals_per_s=6 / HOUR_S, stay_s=Constant(10.0))
    plan = plans(s.config)[0]
    for _ in range(3):
        s.drivers.remove("CP0001", s.now)
        s.run(1.0)
        s.drivers.handle("CP0001", Drained(s.now, 0))
        s.drivers.add(plan, s.now)
        s.open(plan)
    before = s.drivers.counts.arrived
    s.run(100 * HOUR_S)
    assert abs(s.drivers.counts.arrived - before - 600) < 100
    assert s.drivers.counts.served > 500


def test_drivers_of_a_fleet_that_began_with_nothing_find_what_is_added() -> None:
    config = RunConfig(charge_points=(GroupConfig(count=1, connectors=1),))
    s = Street(config, Drivers(config, [], 1))
    s.drivers.start(0.0)
    s.drivers.add(NEW, 0.0)
    s.open(NEW)
    s.run(HOUR_S)
    assert s.drivers.counts.served > 10


# ---- plans -----------------------------------------------------------------------------------------------------------


def test_the_plan_at_an_index_is_the_one_that_a_larger_fleet_would_have_begun_with() -> None:
    config = RunConfig(
        charge_points=(
            GroupConfig(id="A{:02}", count=2, power_w=11_000),
            GroupConfig(id="B{:02}", count=3, serial_number="S{}", configuration={"HeartbeatInterval": "60"}),
        )
    )
    larger = RunConfig(charge_points=(config.charge_points[0], GroupConfig(id="B{:02}", count=9, serial_number="S{}")))
    assert [plan_at(config, index) for index in range(1, 6)] == plans(config)
    assert plan_at(config, 9).id == plans(larger)[8].id == "B09"
    assert plan_at(config, 9).serial_number == "S9"
    assert plan_at(config, 9).configuration == {"HeartbeatInterval": "60"}


def test_a_group_with_a_name_and_no_pattern_cannot_grow() -> None:
    config = RunConfig(charge_points=(GroupConfig(id="ONE"),))
    assert plan_at(config, 1).id == "ONE"
    with pytest.raises(ConfigurationError, match=r"'ONE' has no \{\} to name charge point 2 by"):
        plan_at(config, 2)
