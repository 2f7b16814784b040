"""Drivers against real connector machines, on virtual time: no task, no clock, weeks in seconds."""

import math
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.commands.vocabulary import (
    ChangeAvailability,
    ClearFault,
    ConnectorCommand,
    InjectFault,
    PlugIn,
    StopTransaction,
    Swipe,
    Unplug,
)
from fleet.core.connector import Connector
from fleet.core.memory import ConnectorMemory
from fleet.core.orders import ConnectorOrder, ConnectorSettings, DenyAuthorization, GrantAuthorization
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import (
    AuthorizationRequested,
    CableChanged,
    ConnectorReport,
    Drained,
    GivenUp,
    ObservedReport,
    Registered,
    Restarted,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.load.config import DriversConfig, GroupConfig, RunConfig
from fleet.load.distributions import Constant, Exponential, Uniform
from fleet.load.drivers import Drivers
from fleet.load.planning import plans
from fleet.load.visit import Patience, Stage
from fleet.words import (
    AuthorizationStatus,
    Availability,
    CableEnd,
    ConnectorStatus,
    RegistrationStatus,
    StopReason,
)

Where = tuple[str, int]
Told = tuple[float, str, int, ConnectorCommand]

HOUR_S = 3600.0


class World:
    """A fleet without wires: connectors, a reader that is answered after a while, and the drivers."""

    def __init__(self, config: RunConfig, *, seed: int = 1, patience: Patience | None = None) -> None:
        self.fleet = plans(config)
        self.drivers = Drivers(config, self.fleet, seed, patience)
        self.now = 0.0
        self.answer_s = 0.2
        self.denied: Callable[[str], bool] = lambda id_tag: False
        self.deaf: Callable[[Where, ConnectorCommand], bool] = lambda where, command: False
        self.settings = ConnectorSettings()
        self.told: list[Told] = []
        self.reports: list[tuple[str, ObservedReport]] = []
        self.refusals: list[str] = []
        self._answers: list[tuple[float, Where, ConnectorOrder]] = []
        self._keys = (f"t{number}" for number in count())
        self.memories: dict[Where, ConnectorMemory] = {}
        self.connectors: dict[Where, Connector] = {}
        for plan in self.fleet:
            for number in range(1, len(plan.connectors) + 1):
                self.memories[plan.id, number] = ConnectorMemory()
            self.power_up(plan)

    def power_up(self, plan: ChargePointPlan, status: RegistrationStatus = RegistrationStatus.ACCEPTED) -> None:
        for number, connector_plan in enumerate(plan.connectors, 1):
            where = plan.id, number
            connector = Connector(number, connector_plan, self.memories[where], self.settings, lambda: next(self._keys))
            self.connectors[where] = connector
            self.hear(where, connector.start(self.now))
        self.tell_drivers(plan.id, Registered(self.now, status, 300))

    def crash(self, plan: ChargePointPlan) -> None:
        for number in range(1, len(plan.connectors) + 1):
            self.memories[plan.id, number].meter.stop(self.now)
            del self.connectors[plan.id, number]
        self.tell_drivers(plan.id, Restarted(self.now, crashed=True, cause="bug"))

    def tell_drivers(self, charge_point_id: str, report: ObservedReport) -> None:
        self.reports.append((charge_point_id, report))
        if type(report) in self.drivers.wants:
            self.drivers.handle(charge_point_id, report)

    def hear(self, where: Where, reports: list[ConnectorReport]) -> None:
        for report in reports:
            self.tell_drivers(where[0], report)
            if isinstance(report, AuthorizationRequested):
                answer = (
                    DenyAuthorization(report.id_tag, AuthorizationStatus.INVALID)
                    if self.denied(report.id_tag)
                    else GrantAuthorization(report.id_tag)
                )
                self._answers.append((self.now + self.answer_s, where, answer))

    def order(self, where: Where, order: ConnectorCommand | ConnectorOrder) -> None:
        if where not in self.connectors or (isinstance(order, ConnectorCommand) and self.deaf(where, order)):
            return
        refusal, reports = self.connectors[where].handle(order, self.now)
        if refusal is not None:
            self.refusals.append(refusal)
        self.hear(where, reports)

    @property
    def next_at(self) -> float:
        return min(
            self.drivers.deadline,
            min((answer[0] for answer in self._answers), default=math.inf),
            min((connector.deadline for connector in self.connectors.values()), default=math.inf),
        )

    def step(self) -> None:
        """Whatever is due at `now`."""
        due = [answer for answer in self._answers if answer[0] <= self.now]
        self._answers = [answer for answer in self._answers if answer[0] > self.now]
        for _, where, order in due:
            self.order(where, order)
        for where, connector in list(self.connectors.items()):
            if connector.deadline <= self.now:
                self.hear(where, connector.tick(self.now))
        for charge_point_id, number, command in self.drivers.tick(self.now):
            self.told.append((self.now, charge_point_id, number, command))
            self.order((charge_point_id, number), command)

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.next_at <= until:
            self.now = max(self.now, self.next_at)
            self.step()
        self.now = until

    def run_until_idle(self, within_s: float) -> None:
        until = self.now + within_s
        while not self.drivers.idle:
            assert self.next_at <= until, "somebody is still there"
            self.now = max(self.now, self.next_at)
            self.step()

    def acts(self, where: Where | None = None) -> list[ConnectorCommand]:
        return [told[3] for told in self.told if where is None or told[1:3] == where]

    def heard(self, kind: type[ObservedReport]) -> list[ObservedReport]:
        return [report for _, report in self.reports if type(report) is kind]


def config_of(charge_points: int = 1, connectors: int = 1, id_tags: int | None = None, **drivers: object) -> RunConfig:
    common: dict[str, object] = {
        "arrivals_per_s": 1 / HOUR_S,
        "stay_s": Constant(600.0),
        "pause_s": Constant(5.0),
        "id_tags": id_tags,
    }
    return RunConfig(
        charge_points=(GroupConfig(count=charge_points, connectors=connectors),),
        drivers=DriversConfig(**(common | drivers)),  # type: ignore[arg-type]
    )


CP1: Where = ("CP0001", 1)


def first_visit(world: World) -> World:
    """Run until the first driver has begun to charge."""
    world.drivers.start(world.now)
    while not world.heard(TransactionStarted):
        world.now = world.next_at
        world.step()
    return world


# ---- one visit -------------------------------------------------------------------------------------------------------


def test_who_plugs_first_plugs_in_swipes_charges_swipes_again_and_unplugs() -> None:
    world = World(config_of())
    first_visit(world)
    world.drivers.close()
    world.run(HOUR_S)
    (plugged_at, *_), (swiped_at, *_), (stopped_at, *_), (left_at, *_) = world.told
    assert [type(act) for act in world.acts()] == [PlugIn, Swipe, Swipe, Unplug]
    assert swiped_at == plugged_at + 5
    assert stopped_at == pytest.approx(swiped_at + 0.2 + 600)
    assert left_at == stopped_at + 5
    assert world.acts()[1] == world.acts()[2] == Swipe("TAG000001")
    assert world.drivers.counts.served == 1
    assert world.drivers.idle
    assert world.refusals == []


def test_who_identifies_first_swipes_before_the_cable() -> None:
    world = World(config_of(order="identify-first"))
    first_visit(world)
    world.drivers.close()
    world.run(HOUR_S)
    assert [type(act) for act in world.acts()] == [Swipe, PlugIn, Swipe, Unplug]
    assert (world.drivers.counts.served, world.refusals) == (1, [])


def test_a_car_that_has_its_energy_ends_the_visit() -> None:
    world = World(config_of(stay_s=None, energy_wanted_wh=Constant(7_200.0)))
    first_visit(world)
    world.drivers.close()
    started_at = world.now
    world.run(2 * HOUR_S)
    (stop,) = world.heard(TransactionStopped)
    assert isinstance(stop, TransactionStopped)
    assert stop.at == pytest.approx(started_at + HOUR_S + 5)
    assert stop.meter_stop_wh == 7_200
    assert world.drivers.counts.served == 1


def test_the_stay_ends_the_visit_when_the_energy_takes_longer() -> None:
    world = World(config_of(stay_s=Constant(60.0), energy_wanted_wh=Constant(7_200.0)))
    first_visit(world)
    world.drivers.close()
    world.run(HOUR_S)
    (stop,) = world.heard(TransactionStopped)
    assert isinstance(stop, TransactionStopped)
    assert stop.meter_stop_wh == 120


# ---- what can go wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["plug-first", "identify-first"])
def test_a_driver_whose_tag_is_denied_waits_a_while_and_leaves(order: str) -> None:
    world = World(config_of(order=order))
    world.denied = lambda id_tag: True
    world.drivers.start(0.0)
    world.run(10 * HOUR_S)
    world.drivers.drain(world.now)
    world.run_until_idle(60.0)
    assert world.drivers.counts.unserved >= 5
    assert world.drivers.counts.stranded == 0
    assert world.connectors[CP1].status is ConnectorStatus.AVAILABLE
    assert not world.heard(TransactionStarted)


def test_nobody_comes_to_a_connector_that_is_out_of_order() -> None:
    world = World(config_of())
    world.order(CP1, InjectFault())
    world.drivers.start(0.0)
    world.run(10 * HOUR_S)
    assert world.told == []
    assert world.drivers.waiting == 3
    world.order(CP1, ClearFault())
    world.run(1.0)
    assert [type(act) for act in world.acts()] == [PlugIn]


def test_a_driver_leaves_when_a_fault_comes_before_the_energy() -> None:
    world = World(config_of())
    world.answer_s = 20.0
    world.drivers.start(0.0)
    while not world.acts() or not isinstance(world.acts()[-1], Swipe):
        world.now = world.next_at
        world.step()
    world.drivers.close()
    world.order(CP1, InjectFault())
    world.run_until_idle(60.0)
    assert world.drivers.counts.unserved + world.drivers.counts.sent_home == 1
    assert world.memories[CP1].ev is None


def test_a_fault_in_mid_charge_is_borne_for_a_while_and_then_the_driver_stops_and_leaves() -> None:
    world = first_visit(World(config_of(stay_s=Constant(10_000.0))))
    world.drivers.close()
    world.order(CP1, InjectFault())
    world.run(290.0)
    assert not world.drivers.idle
    world.run_until_idle(60.0)
    assert world.drivers.counts.served == 1
    assert world.memories[CP1].transaction is None


def test_a_fault_that_is_cleared_soon_costs_nothing_but_time() -> None:
    world = first_visit(World(config_of(stay_s=Constant(10_000.0))))
    world.drivers.close()
    world.order(CP1, InjectFault())
    world.run(100.0)
    world.order(CP1, ClearFault())
    world.run(9_000.0)
    assert not world.drivers.idle
    world.run_until_idle(2_000.0)
    assert world.drivers.counts.served == 1


def test_a_remote_stop_sends_the_driver_away() -> None:
    world = first_visit(World(config_of()))
    world.drivers.close()
    world.order(CP1, StopTransaction(StopReason.REMOTE))
    world.run_until_idle(10.0)
    assert world.drivers.counts.interrupted == 1
    assert world.connectors[CP1].status is ConnectorStatus.AVAILABLE


def test_a_crash_stops_the_transaction_and_the_driver_unplugs_when_the_lights_are_on_again() -> None:
    world = first_visit(World(config_of()))
    world.drivers.close()
    world.crash(world.fleet[0])
    world.run(3.0)
    world.power_up(world.fleet[0])
    world.run_until_idle(30.0)
    assert world.drivers.counts.interrupted == 1
    assert world.connectors[CP1].status is ConnectorStatus.AVAILABLE


def test_a_charge_point_that_is_given_up_leaves_its_driver_stranded_and_gets_no_other() -> None:
    world = first_visit(World(config_of()))
    world.crash(world.fleet[0])
    world.tell_drivers("CP0001", GivenUp(world.now, "bug"))
    told = len(world.told)
    world.run(10 * HOUR_S)
    assert world.drivers.idle
    assert world.drivers.counts.stranded == 1
    assert len(world.told) == told


def test_a_transaction_on_somebody_elses_tag_is_stopped_by_the_button() -> None:
    world = World(config_of())
    world.answer_s = 20.0
    world.drivers.start(0.0)
    while not world.acts() or not isinstance(world.acts()[-1], Swipe):
        world.now = world.next_at
        world.step()
    world.order(CP1, GrantAuthorization("REMOTE"))  # a remote start was faster
    world.drivers.close()
    world.run(HOUR_S)
    assert [type(act) for act in world.acts()] == [PlugIn, Swipe, StopTransaction, Unplug]
    assert world.drivers.counts.served == 1


def test_a_command_that_is_lost_on_a_full_mailbox_is_tried_again() -> None:
    world = first_visit(World(config_of()))
    world.drivers.close()
    lost: list[ConnectorCommand] = []

    def deaf(where: Where, command: ConnectorCommand) -> bool:
        if len(lost) < 4:
            lost.append(command)
            return True
        return False

    world.deaf = deaf
    world.run(HOUR_S)
    assert [type(act) for act in lost] == [Swipe, Swipe, StopTransaction, Unplug]
    # The last resort, the car's end of the cable, was lost as well: the driver gave up.
    assert world.drivers.counts.stranded == 1
    world = first_visit(World(config_of()))
    world.drivers.close()
    lost = [Unplug(), Unplug()]
    world.deaf = deaf
    world.run(HOUR_S)
    assert world.drivers.counts.served == 1


def test_a_cable_that_is_locked_after_the_car_left_is_freed_with_the_tag() -> None:
    world = World(config_of())
    world.settings = evolve(world.settings, unlock_on_ev_side_disconnect=False)
    world.power_up(world.fleet[0])
    first_visit(world)
    world.drivers.close()
    world.order(CP1, Unplug(CableEnd.EV))
    world.run_until_idle(120.0)
    assert world.connectors[CP1].status is ConnectorStatus.AVAILABLE
    assert world.drivers.counts.interrupted == 1


# ---- many visits -----------------------------------------------------------------------------------------------------


def test_arrivals_per_connector_are_a_poisson_process_and_wait_for_their_turn() -> None:
    world = World(config_of(connectors=2, arrivals_per_s=1 / 60.0, stay_s=Constant(50.0)))
    world.drivers.start(0.0)
    world.run(100 * HOUR_S)
    counts = world.drivers.counts
    assert counts.arrived == pytest.approx(2 * 6000, rel=0.05)
    assert 0 <= world.drivers.waiting <= 6
    assert counts.begun == counts.arrived - counts.turned_away - world.drivers.waiting
    assert counts.served == counts.begun - world.drivers.visiting
    # Each turn takes about 65 s and the next one waits already: a busy connector is never idle for long.
    assert counts.served == pytest.approx(2 * 100 * HOUR_S / 65.0, rel=0.15)


def test_arrivals_per_fleet_take_any_free_connector_and_drive_on_when_there_is_none() -> None:
    world = World(config_of(charge_points=3, per="fleet", arrivals_per_s=1 / 10.0, stay_s=Constant(100.0)))
    world.drivers.start(0.0)
    world.run(20 * HOUR_S)
    counts = world.drivers.counts
    assert counts.arrived == pytest.approx(7200, rel=0.05)
    assert counts.turned_away > 1000
    assert counts.begun == counts.arrived - counts.turned_away
    assert world.drivers.waiting == 0
    assert all(any(told[1] == plan.id for told in world.told) for plan in world.fleet)


def test_nobody_goes_to_a_charge_point_that_was_not_accepted() -> None:
    world = World(config_of(charge_points=2, per="fleet", arrivals_per_s=1.0))
    world.power_up(world.fleet[0], RegistrationStatus.REJECTED)
    world.drivers.start(0.0)
    world.run(60.0)
    assert {told[1] for told in world.told} == {"CP0002"}


def test_a_rate_of_zero_means_nobody_comes() -> None:
    world = World(config_of(arrivals_per_s=0.0))
    world.drivers.start(0.0)
    assert world.drivers.deadline == math.inf


def visits(world: World) -> dict[Where, list[ConnectorCommand]]:
    return {where: world.acts(where) for where in world.connectors}


def test_equal_seeds_give_equal_visits_and_others_do_not() -> None:
    def lived(seed: int) -> list[Told]:
        world = World(
            config_of(connectors=2, charge_points=3, arrivals_per_s=1 / 100, stay_s=Exponential(100.0)), seed=seed
        )
        world.drivers.start(0.0)
        world.run(HOUR_S)
        return world.told

    assert lived(1) == lived(1)
    assert lived(1) != lived(2)


def test_what_happens_at_one_connector_changes_no_visit_at_another() -> None:
    def lived(disturbed: bool) -> World:
        world = World(config_of(connectors=2, arrivals_per_s=1 / 100, stay_s=Uniform(10.0, 300.0)))
        if disturbed:
            world.order(("CP0001", 1), ChangeAvailability(Availability.INOPERATIVE))
        world.drivers.start(0.0)
        world.run(5 * HOUR_S)
        return world

    calm, disturbed = lived(False), lived(True)
    assert visits(calm)["CP0001", 2] == visits(disturbed)["CP0001", 2]
    assert visits(calm)["CP0001", 1] != visits(disturbed)["CP0001", 1] == []


def test_a_slower_csms_changes_when_a_visit_happens_and_not_what_is_wanted() -> None:
    def lived(answer_s: float) -> list[ConnectorCommand]:
        world = World(config_of(arrivals_per_s=1 / 1000, stay_s=Uniform(10.0, 300.0)))
        world.answer_s = answer_s
        world.drivers.start(0.0)
        world.run(20 * HOUR_S)
        return [act for act in world.acts() if isinstance(act, PlugIn)]

    fast, slow = lived(0.1), lived(30.0)
    shorter = min(len(fast), len(slow))
    assert shorter > 50
    assert fast[:shorter] == slow[:shorter]


def test_a_larger_pool_of_tags_is_used_in_turn() -> None:
    world = World(config_of(connectors=2, id_tags=7, arrivals_per_s=1 / 100, stay_s=Constant(20.0)))
    world.drivers.start(0.0)
    world.run(HOUR_S)
    tags = [{act.id_tag for act in world.acts(("CP0001", number)) if isinstance(act, Swipe)} for number in (1, 2)]
    assert tags == [{"TAG000001", "TAG000003", "TAG000005"}, {"TAG000002", "TAG000004", "TAG000006"}]


# ---- the end ---------------------------------------------------------------------------------------------------------


def test_a_drain_sends_everybody_home_within_a_few_seconds_one_after_the_other() -> None:
    world = World(config_of(charge_points=200, connectors=2, arrivals_per_s=1.0, stay_s=Constant(HOUR_S)))
    world.drivers.start(0.0)
    world.run(60.0)
    assert world.drivers.visiting > 350
    begun = world.drivers.counts.begun
    asked_at = world.now
    world.drivers.drain(asked_at)
    told = len(world.told)
    world.run_until_idle(30.0)
    stopped_at = [at for at, *_, act in world.told[told:] if isinstance(act, Swipe)]
    assert max(stopped_at) - min(stopped_at) == pytest.approx(2.0, rel=0.2)
    assert world.drivers.counts.begun == begun
    assert world.drivers.counts.stranded == 0
    assert all(connector.status is ConnectorStatus.AVAILABLE for connector in world.connectors.values())
    world.run(HOUR_S)
    assert world.drivers.idle
    assert world.drivers.deadline == math.inf


def test_a_transaction_that_starts_after_the_drain_began_is_stopped_at_once() -> None:
    world = World(config_of())
    world.answer_s = 2.0
    world.deaf = lambda where, command: isinstance(command, Unplug) and not world.heard(TransactionStarted)
    world.drivers.start(0.0)
    while not world.acts() or not isinstance(world.acts()[-1], Swipe):
        world.now = world.next_at
        world.step()
    world.drivers.drain(world.now)
    world.run_until_idle(60.0)
    started, stopped = world.heard(TransactionStarted)[0], world.heard(TransactionStopped)[0]
    assert isinstance(started, TransactionStarted)
    assert isinstance(stopped, TransactionStopped)
    assert stopped.at == started.at
    assert world.connectors[CP1].status is ConnectorStatus.AVAILABLE


# ---- whatever happens ------------------------------------------------------------------------------------------------

trouble = st.sampled_from(
    [
        "fault",
        "clear",
        "inoperative",
        "operative",
        "remote stop",
        "pull",
        "unplug",
        "plug",
        "crash",
        "deny",
        "allow",
        "deaf",
        "hearing",
        "reject",
    ]
)


class Watched(World):
    """Holds that no tag is in two visits and no connector has two, after every step."""

    def step(self) -> None:
        super().step()
        here = [spot.visit for spot in self.drivers._spots if spot.visit is not None]
        assert len({visit.id_tag for visit in here}) == len(here) == self.drivers.visiting
        assert all(visit.stage is not Stage.OVER for visit in here)

    def suffer(self, what: str, plan: ChargePointPlan) -> None:
        where = plan.id, 1
        match what:
            case "fault":
                self.order(where, InjectFault())
            case "clear":
                self.order(where, ClearFault())
            case "inoperative":
                self.order(where, ChangeAvailability(Availability.INOPERATIVE))
            case "operative":
                self.order(where, ChangeAvailability(Availability.OPERATIVE))
            case "remote stop":
                self.order(where, StopTransaction(StopReason.REMOTE))
            case "pull":
                self.order(where, Unplug(CableEnd.EV))
            case "unplug":
                self.order(where, Unplug())
            case "plug":
                self.order(where, PlugIn())
            case "crash":
                self.crash(plan)
                self.run(3.0)
                self.power_up(plan)
            case "deny" | "allow":
                self.denied = lambda id_tag: what == "deny"
            case "deaf" | "hearing":
                self.deaf = lambda at, command: what == "deaf" and at == where
            case "reject":
                self.tell_drivers(plan.id, Registered(self.now, RegistrationStatus.REJECTED, 1))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 60.0), trouble, st.integers(0, 2)), max_size=40),
    st.sampled_from(["fleet", "connector"]),
    st.sampled_from(["plug-first", "identify-first", "mixed"]),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_every_visit_ends_and_no_tag_is_at_two_connectors_whatever_happens(
    troubles: list[tuple[float, str, int]], per: str, order: str, unlocks: bool, seed: int
) -> None:
    config = config_of(
        charge_points=3,
        connectors=2,
        per=per,
        order=order,
        arrivals_per_s=0.1,
        stay_s=Exponential(30.0),
        pause_s=Exponential(1.0),
        energy_wanted_wh=Exponential(100.0),
    )
    world = Watched(config, seed=seed)
    world.settings = evolve(world.settings, unlock_on_ev_side_disconnect=unlocks)
    world.drivers.start(0.0)
    for after_s, what, which in troubles:
        world.run(after_s)
        world.suffer(what, world.fleet[which])
    world.drivers.drain(world.now)
    world.run_until_idle(HOUR_S)
    counts = world.drivers.counts
    assert counts.arrived == counts.begun + counts.turned_away
    ended = counts.served + counts.interrupted + counts.unserved + counts.sent_home + counts.stranded
    assert ended == counts.begun
    assert world.drivers.deadline == math.inf


statuses = st.sampled_from(list(ConnectorStatus))


def reports_at(connector: int) -> Iterator[Callable[[float, ConnectorStatus, bool], ObservedReport]]:
    yield lambda at, status, flag: StatusChanged(connector, at, status)
    yield lambda at, status, flag: CableChanged(connector, at, flag)
    yield lambda at, status, flag: TransactionStarted(connector, at, "t", "TAG000001" if flag else "OTHER", 0)
    yield lambda at, status, flag: TransactionStopped(connector, at, "t", 5, StopReason.LOCAL)
    yield lambda at, status, flag: Restarted(at, crashed=flag)
    yield lambda at, status, flag: Registered(at, RegistrationStatus.ACCEPTED, 1)
    yield lambda at, status, flag: Drained(at, 0) if flag and status is ConnectorStatus.FAULTED else GivenUp(at, "bug")


anything = st.sampled_from([*reports_at(1), *reports_at(2)])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 30), anything, statuses, st.booleans()), max_size=60), st.booleans())
def test_reports_that_make_no_sense_end_no_worse_than_in_people_leaving(
    nonsense: list[tuple[float, Callable[[float, ConnectorStatus, bool], ObservedReport], ConnectorStatus, bool]],
    identify_first: bool,
) -> None:
    order = "identify-first" if identify_first else "plug-first"
    config = config_of(connectors=2, order=order, arrivals_per_s=0.5, stay_s=Constant(10.0), pause_s=Constant(0.0))
    drivers = Drivers(config, plans(config), 1)
    drivers.start(0.0)
    now = 0.0
    for elapsed_s, make, status, flag in nonsense:
        now += elapsed_s
        drivers.handle("CP0001", make(now, status, flag))
        drivers.tick(now)
    drivers.drain(now)
    for _ in range(200):
        if drivers.idle:
            break
        now = drivers.deadline
        drivers.tick(now)
    assert drivers.idle


def test_a_fixed_cable_is_put_back_as_any_other() -> None:
    world = World(config_of())
    plan = ChargePointPlan("CP0001", connectors=(ConnectorPlan(fixed_cable=True),))
    world.power_up(plan)
    first_visit(world)
    world.drivers.close()
    world.run(HOUR_S)
    assert world.drivers.counts.served == 1
    assert world.connectors[CP1].status is ConnectorStatus.AVAILABLE
