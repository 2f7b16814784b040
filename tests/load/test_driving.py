"""The drivers' task on trio's virtual clock, over connectors that do as they are told."""

import math
from itertools import count

import trio
import trio.testing
from attrs import define, field

from fleet.commands.vocabulary import ConnectorCommand, PlugIn, Swipe, Unplug
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import (
    CableChanged,
    Registered,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.load.config import DriversConfig, GroupConfig, RunConfig
from fleet.load.distributions import Constant
from fleet.load.drivers import Drivers
from fleet.load.driving import Driving
from fleet.load.planning import plans
from fleet.words import ConnectorStatus, RegistrationStatus, StopReason


@define
class Obedient:
    """A fleet whose connectors do at once whatever they are told, and report it."""

    driving: Driving
    told: list[tuple[float, ConnectorCommand]] = field(factory=list)
    refusal: str | None = None
    running: set[tuple[str, int]] = field(factory=set)
    keys: "count[int]" = field(factory=count)

    def tell(self, charge_point_id: str, connector: int, command: ConnectorCommand) -> str | None:
        if self.refusal is not None:
            return self.refusal
        now, where = trio.current_time(), (charge_point_id, connector)
        self.told.append((now, command))
        report = self.driving.report
        match command:
            case PlugIn():
                report(charge_point_id, StatusChanged(connector, now, ConnectorStatus.PREPARING))
                report(charge_point_id, CableChanged(connector, now, True))
            case Swipe() if where in self.running:
                self.running.remove(where)
                report(charge_point_id, TransactionStopped(connector, now, "t", 0, StopReason.LOCAL))
            case Swipe(id_tag=id_tag):
                self.running.add(where)
                report(charge_point_id, TransactionStarted(connector, now, f"t{next(self.keys)}", id_tag, 0))
            case Unplug():
                report(charge_point_id, StatusChanged(connector, now, ConnectorStatus.AVAILABLE))
        return None


def fleet_of(charge_points: int, stay_s: float, arrivals_per_s: float) -> Obedient:
    config = RunConfig(
        charge_points=(GroupConfig(count=charge_points, connectors=1),),
        drivers=DriversConfig(arrivals_per_s=arrivals_per_s, stay_s=Constant(stay_s), pause_s=Constant(1.0)),
    )
    fleet = Obedient(Driving(Drivers(config, plans(config), 1)))
    for plan in plans(config):
        fleet.driving.report(plan.id, StatusChanged(1, trio.current_time(), ConnectorStatus.AVAILABLE))
        fleet.driving.report(plan.id, Registered(trio.current_time(), RegistrationStatus.ACCEPTED, 60))
    return fleet


async def test_a_day_of_drivers_passes_in_a_moment(autojump_clock: trio.testing.MockClock) -> None:
    fleet = fleet_of(5, stay_s=1800.0, arrivals_per_s=1 / 3600)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.driving.run, fleet)
        await trio.sleep(24 * 3600)
        await fleet.driving.leave()
        nursery.cancel_scope.cancel()
    counts = fleet.driving.drivers.counts
    assert counts.served > 80
    assert counts.stranded == counts.unserved == 0
    swipes = [at for at, act in fleet.told if isinstance(act, Swipe)]
    assert len(swipes) >= 2 * counts.served


async def test_leaving_waits_until_the_last_one_is_gone(autojump_clock: trio.testing.MockClock) -> None:
    fleet = fleet_of(100, stay_s=math.inf, arrivals_per_s=1.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.driving.run, fleet)
        await trio.sleep(60)
        assert len(fleet.running) > 90
        began_at = trio.current_time()
        await fleet.driving.leave()
        # One leaves after the other, each one pausing a second before unplugging.
        assert 1.0 < trio.current_time() - began_at < 5.0
        assert not fleet.running
        nursery.cancel_scope.cancel()


async def test_leaving_returns_at_once_when_nobody_is_there(autojump_clock: trio.testing.MockClock) -> None:
    fleet = fleet_of(1, stay_s=1.0, arrivals_per_s=0.0)
    before = trio.current_time()
    await fleet.driving.leave()
    assert trio.current_time() == before


async def test_a_refused_command_is_counted_and_given_again(autojump_clock: trio.testing.MockClock) -> None:
    fleet = fleet_of(1, stay_s=10.0, arrivals_per_s=1.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.driving.run, fleet)
        await trio.sleep(5)
        assert fleet.running
        fleet.refusal = "CP0001 is too busy"
        await trio.sleep(30)
        assert fleet.driving.untold >= 1
        fleet.refusal = None
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert fleet.driving.drivers.counts.served >= 1


async def test_a_report_that_brings_something_forward_wakes_the_task(autojump_clock: trio.testing.MockClock) -> None:
    fleet = fleet_of(1, stay_s=10_000.0, arrivals_per_s=1.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.driving.run, fleet)
        await trio.sleep(60)
        fleet.driving.drivers.close()
        fleet.running.clear()
        stopped_at = trio.current_time()
        fleet.driving.report("CP0001", TransactionStopped(1, stopped_at, "t", 0, StopReason.REMOTE))
        await trio.sleep(10)
        unplugged_at, unplugged = fleet.told[-1]
        assert isinstance(unplugged, Unplug)
        assert unplugged_at - stopped_at < 1.1
        nursery.cancel_scope.cancel()


async def test_what_changes_while_the_task_sleeps_is_noticed(autojump_clock: trio.testing.MockClock) -> None:
    fleet = fleet_of(1, stay_s=10.0, arrivals_per_s=1.0)
    driving = fleet.driving
    driving.pause()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(driving.run, fleet)
        await trio.sleep(1000)
        assert driving.paused
        assert fleet.told == []
        driving.resume()
        await trio.sleep(60)
        assert fleet.told
        driving.remove("CP0001")
        await trio.sleep(10)
        assert driving.drivers.idle
        fleet.told.clear()
        plan = ChargePointPlan("NEW", (ConnectorPlan(),))
        driving.add(plan)
        driving.report("NEW", StatusChanged(1, trio.current_time(), ConnectorStatus.AVAILABLE))
        driving.report("NEW", Registered(trio.current_time(), RegistrationStatus.ACCEPTED, 60))
        await trio.sleep(60)
        assert fleet.told
        nursery.cancel_scope.cancel()
