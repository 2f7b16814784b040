"""The task that the drivers live in: one for the whole fleet, however many are there.

Reports arrive through the observer, inside the tasks of the actors; they may bring the next due time forward, so they
wake the task. It acts at most every `GRAIN_S`: somebody's hand on a cable isn't more exact than that, and a thousand
connectors cost fifty wake-ups per second instead of a thousand.
"""

import math
from typing import Protocol

import trio

from fleet.commands.vocabulary import ConnectorCommand
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import ObservedReport
from fleet.load.drivers import Drivers

GRAIN_S = 0.02
BURST_MAX = 100
"""Commands told in one go before other tasks have their turn."""


class Tellable(Protocol):
    """Who passes commands on: `fleet.actors.fleet.Fleet`."""

    def tell(self, charge_point_id: str, connector: int, command: ConnectorCommand, /) -> str | None:
        """Hand a command over without waiting; returns a refusal if that couldn't be done."""


class Driving:
    """A listener of the observer, and the task that gives the drivers' commands."""

    def __init__(self, drivers: Drivers) -> None:
        self.drivers = drivers
        self._asleep_until = -math.inf
        self._woken = trio.Event()
        self._left: trio.Event | None = None
        self.untold = 0
        """Commands that couldn't be handed over; their drivers try again."""

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """What drivers see."""
        return self.drivers.wants

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """A connector did something in front of somebody."""
        self.drivers.handle(charge_point_id, report)
        self._notice()

    async def run(self, fleet: Tellable) -> None:
        """Let drivers come, and give their commands as they become due, until cancelled."""
        self.drivers.start(trio.current_time())
        while True:
            for number, (charge_point_id, connector, command) in enumerate(self.drivers.tick(trio.current_time())):
                if fleet.tell(charge_point_id, connector, command) is not None:
                    self.untold += 1
                if number % BURST_MAX == BURST_MAX - 1:
                    await trio.lowlevel.checkpoint()
            self._notice()
            await self._sleep()

    @property
    def paused(self) -> bool:
        """Nobody comes, until `resume`."""
        return self.drivers.paused

    def pause(self) -> None:
        """Nobody comes from now on; who is there goes on."""
        self.drivers.pause()

    def resume(self) -> None:
        """Drivers come again."""
        self.drivers.resume(trio.current_time())
        self._notice()

    def add(self, plan: ChargePointPlan) -> None:
        """They may go to this charge point too; to be told before its first report."""
        self.drivers.add(plan, trio.current_time())
        self._notice()

    def remove(self, charge_point_id: str) -> None:
        """They no longer go there, and who is there leaves."""
        self.drivers.remove(charge_point_id, trio.current_time())
        self._notice()

    async def leave(self) -> None:
        """Nobody comes any more and everybody stops and leaves; returns when nobody is there. `run` has to go on."""
        self._left = trio.Event()
        self.drivers.drain(trio.current_time())
        self._notice()
        await self._left.wait()

    async def _sleep(self) -> None:
        """Until something is due, which may come to be earlier while asleep."""
        grain_at = trio.current_time() + GRAIN_S
        deadline = self._asleep_until = self.drivers.deadline
        if deadline > grain_at:
            self._woken = trio.Event()
            with trio.move_on_at(deadline):
                await self._woken.wait()
        self._asleep_until = -math.inf
        await trio.sleep_until(grain_at)

    def _notice(self) -> None:
        """After anything that happened: is it time to wake up, is everybody gone?"""
        if self.drivers.deadline < self._asleep_until:
            self._woken.set()
        if self._left is not None and self.drivers.idle:
            self._left.set()
