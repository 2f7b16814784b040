"""A fleet, a scripted CSMS and a virtual clock: whole charge points, tasks and wire and all, in no time."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import trio
from attrs import define
from counterparts.scripted import EPOCH_S, ScriptedCentral

from fleet.actors.charge_point import ErrandRunner, RunLink, run_no_errand
from fleet.actors.fleet import Fleet, Surroundings
from fleet.actors.keeping import Keeper
from fleet.actors.supervisor import RestartPolicy
from fleet.clock import Clock
from fleet.commands.vocabulary import Command, PlugIn, StartTransaction, StopTransaction, Unplug
from fleet.core.dialects.v16 import Dialect16
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import ObservedReport, Restarted
from fleet.link.endpoint import Endpoint
from fleet.link.websocket import run_link
from fleet.observe.observer import Observer

R = TypeVar("R")

QUIET = {"WebSocketPingInterval": "0", "HeartbeatInterval": "0", "MeterValueSampleInterval": "0"}
"""A configuration in which a charge point only speaks when something happened."""


class KeepingObserver(Observer):
    """Keeps every report, and passes it on to whoever listens."""

    __slots__ = ("reports",)

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[tuple[str, ObservedReport]] = []

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        self.reports.append((charge_point_id, report))
        super().report(charge_point_id, report)


@define(eq=False)
class World:
    """What a test has in hand: the fleet, the CSMS, and every report that reached the observer."""

    central: ScriptedCentral
    fleet: Fleet
    observer: Observer
    reports: list[tuple[str, ObservedReport]]

    def reported(self, kind: type[R], charge_point: str | None = None) -> list[R]:
        """All reports of this type."""
        return [r for name, r in self.reports if isinstance(r, kind) and charge_point in (None, name)]

    async def do(self, target: str, command: Command) -> str | None:
        """Ask `CP/connector` (or `CP`) for something; returns the refusal, or None when done."""
        charge_point, _, connector = target.partition("/")
        return await self.fleet.ask(charge_point, int(connector or 0), command)

    async def until(self, condition: Callable[[], Any], timeout_s: float = 3600.0) -> None:
        """Let virtual time pass until something is so; fails when it never gets so."""
        began_at = trio.current_time()
        with trio.fail_after(timeout_s):
            while not condition():
                # Soon it shall be seen soon; what takes long isn't worth a hundred looks a second.
                await trio.sleep(0.01 if trio.current_time() < began_at + 100 else 1)

    async def still_charges(self, target: str = "CP1/2") -> None:
        """Nothing has crashed, and a whole transaction goes to the CSMS and comes back."""
        assert not self.reported(Restarted)
        stops = len(self.central.said("StopTransaction"))
        assert await self.do(target, PlugIn()) is None
        assert await self.do(target, StartTransaction("AFTER")) is None
        await trio.sleep(60)
        assert await self.do(target, StopTransaction()) is None
        assert await self.do(target, Unplug()) is None
        await self.until(lambda: len(self.central.said("StopTransaction")) > stops, timeout_s=300)
        started, stopped = self.central.said("StartTransaction")[-1], self.central.said("StopTransaction")[-1]
        # A minute at 7.2 kW.
        assert stopped["meterStop"] - started["meterStart"] == 120
        assert not self.reported(Restarted)

    async def booted(self) -> None:
        """Until every charge point is accepted and has told its statuses."""
        expected = sum(1 + len(berth.plan.connectors) for berth in self.fleet.berths.values())
        await self.until(lambda: len(self.central.said("StatusNotification")) >= expected)
        await trio.sleep(0.1)


@asynccontextmanager
async def world(
    charge_points: int = 1,
    connectors: int = 2,
    configuration: dict[str, str] | None = None,
    connector_plan: ConnectorPlan | None = None,
    answers: dict[str, Any] | None = None,
    policy: RestartPolicy | None = None,
    jitter: Callable[[str, int], float] = lambda _name, _failures: 0.5,
    seed: int = 7,
    run_errand: ErrandRunner = run_no_errand,
    keeper: Keeper | None = None,
    **plan: Any,
) -> AsyncIterator[World]:
    """`charge_points` called CP1, CP2, ... that connect at once. Use it under the autojump clock.

    `jitter` is asked with `CP/incarnation` and the number of failures in a row.
    """
    async with trio.open_nursery() as nursery:
        central = ScriptedCentral(nursery, answers or {})

        def link(charge_point: ChargePointPlan, incarnation: int) -> RunLink:
            name = f"{charge_point.id}/{incarnation}"
            endpoint = Endpoint(f"ws://central/ocpp/{charge_point.id}")
            return partial(run_link, endpoint, jitter=partial(jitter, name), open_stream=central.open_stream)

        observer = KeepingObserver()
        surroundings = Surroundings(
            seed,
            Clock(EPOCH_S),
            Dialect16(),
            observer,
            link,
            policy=policy or RestartPolicy(),
            run_errand=run_errand,
            keeper=keeper,
        )
        made = World(central, Fleet(surroundings, nursery), observer, observer.reports)
        for number in range(1, charge_points + 1):
            made.fleet.add(
                ChargePointPlan(
                    f"CP{number}",
                    (connector_plan or ConnectorPlan(),) * connectors,
                    configuration=configuration or {},
                    **plan,
                )
            )
        yield made
        nursery.cancel_scope.cancel()
