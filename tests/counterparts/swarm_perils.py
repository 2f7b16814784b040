"""What may befall a charge point, drawn from a seed: drivers, cars, hands, mains, bugs, and a bad network.

Only what happens is here, not what ought to come of it: that is for `swarm_rules`. Any order may be refused.
"""

import random

from attrs import frozen

from fleet.commands.hazards import (
    BendClock,
    BreakMeter,
    BreakRelay,
    EmergencyStop,
    FailInstallation,
    FailLock,
    PowerCut,
    PowerReturn,
    ReleaseEmergencyStop,
)
from fleet.commands.impairments import Direction, Impair, Mend, NetworkFault
from fleet.commands.vocabulary import (
    EV,
    Authorize,
    ChangeAvailability,
    ClearFault,
    Command,
    Connect,
    Crash,
    Disconnect,
    InjectFault,
    PlugIn,
    Reset,
    Resume,
    SendDataTransfer,
    SendHeartbeat,
    SetEV,
    SetPower,
    StartTransaction,
    StopTransaction,
    SuspendEV,
    SuspendEVSE,
    Swipe,
    UnlockConnector,
    Unplug,
)
from fleet.words import Availability, CableEnd, ErrorCode, MeterFault, RelayFault, ResetKind

CARS = (EV(battery_wh=1e6), EV(battery_wh=3_000, soc=0.5), EV(soc=0.99), EV(energy_wanted_wh=800))
TAGS = ("A", "B", "C", "D", "BLOCKED1", "CONCURRENT1")
Order = tuple[int, Command]
"""To which connector (0: the charge point) goes what."""


@frozen
class Perils:
    """Draws what happens next."""

    draws: random.Random

    def driver(self) -> list[Order]:
        """A car that comes, or goes, or somebody with a card who doesn't know how it works."""
        pick = self.draws.choice
        connector = pick([1, 2])
        happens: list[list[Command]] = pick(
            [
                [ClearFault(), PlugIn(pick(CARS)), StartTransaction(pick(TAGS))],
                [PlugIn(pick(CARS)), Swipe(pick(TAGS))],
                [Swipe(pick(TAGS)), PlugIn(pick(CARS))],
                [StopTransaction(), Unplug()],
                [Swipe(pick(TAGS))],
                [Unplug(pick(list(CableEnd)))],
                [PlugIn(pick(CARS))],
                [SuspendEV()],
                [Resume()],
                [SetEV(pick([0.9, None]), power_max_w=pick([None, 900.0, 5_000.0]))],
            ]
        )
        return [(connector, each) for each in happens]

    def hand(self) -> list[Order]:
        """Somebody with a key to the cabinet, or a hammer."""
        pick, uniform = self.draws.choice, self.draws.uniform
        connector = pick([1, 2])
        return [
            pick(
                [
                    (connector, InjectFault(pick(list(ErrorCode)[1:]), for_s=pick([None, 30.0, 300.0]))),
                    (connector, ClearFault()),
                    (connector, FailLock()),
                    (connector, BreakMeter(pick(list(MeterFault)), round(uniform(1, 9_000)))),
                    (connector, BreakRelay(pick(list(RelayFault)))),
                    (connector, SetPower(pick([None, 0.0, 1_000.0]))),
                    (connector, SuspendEVSE()),
                    (connector, UnlockConnector()),
                    (pick([0, connector]), ChangeAvailability(pick(list(Availability)))),
                    (0, PowerCut(pick([5.0, 60.0, 600.0]), pick([True, False]))),
                    (0, PowerReturn()),
                    (0, FailInstallation()),
                    (0, EmergencyStop()),
                    (0, ReleaseEmergencyStop()),
                    (0, BendClock(pick([0.05, -0.05, None]), pick([600.0, -600.0, None]))),
                    (0, Reset(pick(list(ResetKind)))),
                    (0, Authorize(pick(TAGS))),
                    (0, SendHeartbeat()),
                    (0, SendDataTransfer("Fleet")),
                    (0, Disconnect()),
                    (0, Connect()),
                ]
            )
        ]

    def network(self) -> list[Order]:
        """Something goes wrong on the link for a while, or gets better."""
        pick = self.draws.choice
        impair = Impair(
            pick(list(NetworkFault)),
            for_s=pick([5.0, 40.0, 300.0]),
            probability=pick([1.0, 0.5, 0.1]),
            direction=pick(list(Direction)),
            latency_s=pick([0.5, 4.0, 40.0]),
        )
        return [(0, pick([impair, impair, impair, Mend()]))]

    def bug(self) -> list[Order]:
        """The software of a connector crashes, and with it that of its charge point."""
        return [(self.draws.choice([1, 2]), Crash())]

    def pause_s(self) -> float:
        """Until the next thing: often none, seldom long."""
        return self.draws.choice([0.0, 0.0, self.draws.uniform(0, 5), self.draws.uniform(0, 120)])


RECOVERY: tuple[Order, ...] = (
    (0, Mend()),
    (0, PowerReturn()),
    (0, ReleaseEmergencyStop()),
    (0, BendClock()),
    (0, Connect()),
    *(
        (connector, command)
        for connector in (1, 2)
        for command in (BreakMeter(MeterFault.NONE), BreakRelay(RelayFault.NONE), SetPower(), ClearFault())
    ),
    (0, ChangeAvailability(Availability.OPERATIVE)),
    *((connector, ChangeAvailability(Availability.OPERATIVE)) for connector in (1, 2)),
    # A lock that is to fail has failed then.
    *(
        (connector, command)
        for connector in (1, 2)
        for command in (
            *(StopTransaction(), Unplug(), PlugIn(), StartTransaction("RECOVERY"), ClearFault()),
            *(StopTransaction(), Unplug()),
        )
    ),
)
"""Everything that may be wrong with a charge point is mended, and everybody goes home."""
