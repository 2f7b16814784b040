"""The task that the drivers live in: one for the whole fleet, however many are there.

Reports arrive through the observer, inside the tasks of the actors; they may bring the next due time forward, so they
wake the task. It acts at most every `GRAIN_S`: somebody's hand on a cable isn't more exact than that, and a thousand
connectors cost fifty wake-ups per second instead of a thousand.
"""

import math
from collections.abc import Callable

import trio

from fleet.actors.mailbox import MailboxClosed, MailboxFull
from fleet.commands.vocabulary import ConnectorCommand
from fleet.core.reports import ObservedReport
from fleet.load.drivers import Drivers

GRAIN_S = 0.02
BURST_MAX = 100
"""Commands told in one go before other tasks have their turn."""

Tell = Callable[[str, int, ConnectorCommand], object]
"""Charge point, connector, command; raises MailboxFull or MailboxClosed when it can't be told now."""


class Driving:
    """A listener of the observer, and the task that gives the drivers' commands."""

    def __init__(self, drivers: Drivers, tell: Tell) -> None:
        self.drivers = drivers
        self._tell = tell
        self._asleep_until = -math.inf
        self._woken = trio.Event()
        self.untold = 0
        """Commands that no mailbox had room for; their drivers try again."""

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """What drivers see."""
        return self.drivers.wants

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """A connector did something in front of somebody."""
        self.drivers.handle(charge_point_id, report)
        self._wake()

    def start(self) -> None:
        """Drivers come from now on."""
        self.drivers.start(trio.current_time())
        self._wake()

    def drain(self) -> None:
        """Nobody comes any more and everybody leaves; watch `drivers.idle`."""
        self.drivers.drain(trio.current_time())
        self._wake()

    def _wake(self) -> None:
        if self.drivers.deadline < self._asleep_until:
            self._woken.set()

    async def run(self) -> None:
        """Give the commands as they become due, until cancelled."""
        while True:
            for number, (charge_point_id, connector, command) in enumerate(self.drivers.tick(trio.current_time())):
                try:
                    self._tell(charge_point_id, connector, command)
                except (MailboxFull, MailboxClosed):
                    self.untold += 1
                if number % BURST_MAX == BURST_MAX - 1:
                    await trio.lowlevel.checkpoint()
            grain_at = trio.current_time() + GRAIN_S
            deadline = self._asleep_until = self.drivers.deadline
            if deadline > grain_at:
                self._woken = trio.Event()
                with trio.move_on_at(deadline):
                    await self._woken.wait()
            self._asleep_until = -math.inf
            await trio.sleep_until(grain_at)
