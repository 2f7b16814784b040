"""A visit: one driver at one connector, from the first act to the last, as a state machine.

Each stage is one act (a command to the connector) and the report that shows that it worked. Drivers see no refusals,
only what happens in front of them: if nothing does, their patience ends, and they try something else or leave. So a
denied tag, a full mailbox, a rebooting charge point and a slow CSMS need no code of their own.

    plug first       PLUG -> SWIPE          -> CHARGE -> STOP -> UNPLUG -> OVER
    identify first   SWIPE -> PLUG -> START -> CHARGE -> STOP -> UNPLUG -> OVER

From anywhere a driver may have to leave: to STOP if a transaction runs, to UNPLUG if a cable is in, else to OVER. A
transaction that still starts while its driver is about to leave leads back to STOP. Every stage has a limited number of
acts, so every visit ends; one that ends with the cable in or the transaction running counts as stranded.
"""

import math
from enum import IntEnum

from attrs import define, frozen

from fleet.commands.vocabulary import EV, ConnectorCommand, PlugIn, StopTransaction, Swipe, Unplug
from fleet.core.reports import TransactionStarted, TransactionStopped
from fleet.words import CableEnd, ConnectorStatus, StopReason

STAY_MAX_S = 24 * 3600.0
"""How long somebody who gave no time waits for a car that never has the energy it wants."""

AVAILABLE = ConnectorStatus.AVAILABLE
PREPARING = ConnectorStatus.PREPARING
FINISHING = ConnectorStatus.FINISHING
CHARGING = ConnectorStatus.CHARGING
SUSPENDED_EV = ConnectorStatus.SUSPENDED_EV
OUT_OF_ORDER = frozenset((ConnectorStatus.UNAVAILABLE, ConnectorStatus.FAULTED))
STALLED = frozenset((ConnectorStatus.SUSPENDED_EVSE, ConnectorStatus.FAULTED))


@frozen
class Patience:
    """How long drivers wait for something to happen in front of them, in s, and how often they try.

    `plugging_s` for the cable, `starting_s` from the tag to the energy (a CALL's timeout and more), `stalled_s` for
    energy to come back that somebody else than the car took away, `leaving_s` for the transaction to end or the cable
    to come loose, which is tried `unplug_attempts` times.
    """

    plugging_s: float = 10.0
    starting_s: float = 45.0
    stalled_s: float = 300.0
    leaving_s: float = 20.0
    unplug_attempts: int = 12


class Stage(IntEnum):
    """What the driver is about."""

    PLUG = 0
    SWIPE = 1
    START = 2
    """Cable and tag are there: energy must come any moment."""
    CHARGE = 3
    STOP = 4
    UNPLUG = 5
    OVER = 6


class Outcome(IntEnum):
    """How a visit went."""

    SERVED = 0
    """Charged, stopped the transaction, left."""
    INTERRUPTED = 1
    """Charged until somebody or something else stopped the transaction."""
    UNSERVED = 2
    """Never got energy: tag denied, connector out of order, nobody answering."""
    SENT_HOME = 3
    """Hadn't begun to charge when the run was drained."""
    STRANDED = 4
    """Left the cable in, or the transaction running."""


@define
class Counts:
    """Who came, and how it went. Every visit ends in one of the last five (see `Outcome`)."""

    arrived: int = 0
    turned_away: int = 0
    """Found nothing free, or too many waiting, or waited until the run closed, and drove on."""
    begun: int = 0
    served: int = 0
    interrupted: int = 0
    unserved: int = 0
    sent_home: int = 0
    stranded: int = 0

    def end(self, outcome: Outcome) -> None:
        """One visit is over."""
        match outcome:
            case Outcome.SERVED:
                self.served += 1
            case Outcome.INTERRUPTED:
                self.interrupted += 1
            case Outcome.UNSERVED:
                self.unserved += 1
            case Outcome.SENT_HOME:
                self.sent_home += 1
            case Outcome.STRANDED:
                self.stranded += 1


@define
class Spot:
    """One connector as drivers see it."""

    charge_point_id: str
    connector: int
    status: ConnectorStatus | None = None
    """None while the charge point is switched off."""
    plugged: bool = False
    running: bool = False
    """A transaction runs, in the charge point or, while that is switched off, in its memory."""
    visit: "Visit | None" = None
    waiting: int = 0
    """Drivers who wait for their turn."""
    arrived: int = 0
    begun: int = 0
    next_at: float = math.inf
    """When the next driver comes."""
    gone: bool = False
    """It is no longer there: nobody comes any more."""


@define
class Visit:
    """One driver. `act` when `due_at` is reached, and tell it what is seen; it's gone once `stage` is OVER."""

    spot: Spot
    id_tag: str
    ev: EV
    stay_s: float | None
    """From the start of the transaction; None: until the car has its energy."""
    pause_s: float
    """Between what the driver sees and what the driver does about it."""
    identifies_first: bool
    due_at: float
    """When to act, or when patience ends; inf for neither."""
    patience: Patience
    stage: Stage = Stage.PLUG
    acts: int = 0
    """Acts in this stage so far."""
    leaves_at: float = math.inf
    leaving: bool = False
    sent_home: bool = False
    charged: bool = False
    stopping_with_tag: bool = True
    """The transaction is on the driver's own tag, not on one that a remote start brought."""
    reason: StopReason | None = None
    """Why the transaction was stopped."""
    stopped_by_driver: bool = False

    def __attrs_post_init__(self) -> None:
        if self.identifies_first:
            self.stage = Stage.SWIPE

    # ---- what the driver does ----------------------------------------------------------------------------------------

    def act(self, now: float) -> ConnectorCommand | None:
        """`due_at` is reached: the next act, or None where patience has ended and the driver thinks again."""
        self.acts += 1
        match self.stage:
            case Stage.PLUG if self.acts == 1:
                return self._wait(now, self.patience.plugging_s, PlugIn(self.ev))
            case Stage.SWIPE if self.acts == 1:
                return self._wait(now, self.patience.starting_s, Swipe(self.id_tag))
            case Stage.STOP if self.acts <= 4:
                return self._wait(now, self.patience.leaving_s, self._stop())
            case Stage.UNPLUG if self.acts <= self.patience.unplug_attempts:
                return self._wait(now, self.patience.leaving_s, self._unplug())
            case Stage.STOP | Stage.UNPLUG | Stage.OVER:
                self._enter(Stage.OVER, math.inf)
            case _:
                self.leave(now)
        return None

    def _wait(self, now: float, patience_s: float, command: ConnectorCommand) -> ConnectorCommand:
        self.due_at = now + patience_s
        return command

    def _stop(self) -> ConnectorCommand:
        """The tag; when that doesn't help, the stop button; when that doesn't, the cable."""
        if self.acts <= 2 and self.stopping_with_tag and self.spot.status not in OUT_OF_ORDER:
            return Swipe(self.id_tag)
        return StopTransaction() if self.acts <= 3 else Unplug(CableEnd.EV)

    def _unplug(self) -> ConnectorCommand:
        """A cable may be locked in after its other end was pulled: a tag unlocks it (OCPP 1.6 section 9.1.36)."""
        if self.acts % 3 == 2 and self.reason is StopReason.EV_DISCONNECTED:
            return Swipe(self.id_tag)
        return Unplug(CableEnd.CHARGE_POINT)

    def _enter(self, stage: Stage, due_at: float) -> None:
        self.stage, self.acts, self.due_at = stage, 0, due_at

    def leave(self, at: float) -> None:
        """Go, beginning at `at`, with whatever that takes."""
        self.leaving = True
        spot = self.spot
        if spot.running:
            self._enter(Stage.STOP, at)
        elif spot.plugged or spot.status is FINISHING:
            self._enter(Stage.UNPLUG, at)
        else:
            self._enter(Stage.OVER, math.inf)

    def go_home(self, at: float) -> None:
        """The run is over: stop charging at `at`; who hasn't begun doesn't."""
        self.sent_home = True
        self.leaves_at = min(self.leaves_at, at)
        match self.stage:
            case Stage.CHARGE:
                self.due_at = min(self.due_at, at)
            case Stage.PLUG if self.acts:
                self.leaving = True  # the cable is on its way in, and has to come out again
            case Stage.PLUG | Stage.SWIPE | Stage.START:
                self.leave(at)
            case _:
                pass

    # ---- what the driver sees ----------------------------------------------------------------------------------------

    def see_cable(self, at: float) -> None:
        """The cable went in or out."""
        if self.spot.plugged:
            if self.stage is not Stage.PLUG:
                return
            if self.leaving:
                self.leave(at)
            elif self.identifies_first:
                self._enter(Stage.START, at + self.patience.starting_s)
            else:
                self._enter(Stage.SWIPE, at + self.pause_s)
        elif self.stage in (Stage.START, Stage.CHARGE, Stage.UNPLUG) or (
            self.stage is Stage.SWIPE and not self.identifies_first
        ):
            self.leave(at + self.pause_s)

    def see_status(self, was: ConnectorStatus | None, at: float) -> None:
        """The connector shows another status than it `was`."""
        status = self.spot.status
        if status is AVAILABLE:
            self._see_available(at)
        elif self.stage is Stage.CHARGE:
            if status is SUSPENDED_EV:
                self.leave(at + self.pause_s)
            elif status in STALLED:
                self.due_at = min(self.leaves_at, at + self.patience.stalled_s)
            elif status is CHARGING:
                self.due_at = self.leaves_at
        elif self.stage < Stage.CHARGE:
            if status in OUT_OF_ORDER:
                self.leave(at + self.pause_s)
            elif self.stage is Stage.SWIPE and self.identifies_first and self.acts and status is PREPARING:
                self._enter(Stage.PLUG, at + self.pause_s)
        elif was is None:
            self._enter(self.stage, at + self.pause_s)  # switched on again: so are the buttons

    def _see_available(self, at: float) -> None:
        """The connector is as it was before the driver came: that is the end, unless the driver has yet to begin."""
        first = Stage.SWIPE if self.identifies_first else Stage.PLUG
        if self.stage is not first:
            self.leave(at)

    def see_start(self, report: TransactionStarted) -> None:
        """A transaction runs at this connector, by this driver's tag or by a remote start."""
        self.charged = True
        self.stopping_with_tag = report.id_tag == self.id_tag
        if self.leaving:
            self.leave(report.at)
        else:
            self.leaves_at = min(self.leaves_at, report.at + (STAY_MAX_S if self.stay_s is None else self.stay_s))
            self._enter(Stage.CHARGE, self.leaves_at)

    def see_stop(self, report: TransactionStopped) -> None:
        """The transaction is over, whoever stopped it."""
        self.reason = report.reason
        acted = self.stage is Stage.STOP and self.acts > 0
        self.stopped_by_driver = acted and report.reason in (StopReason.LOCAL, StopReason.EV_DISCONNECTED)
        self.leave(report.at + self.pause_s)

    def see_restart(self, at: float) -> None:
        """The charge point goes dark: the driver leaves as soon as it lets go of the cable."""
        self.leave(at + self.patience.leaving_s)

    @property
    def outcome(self) -> Outcome:
        """How it went, once it's over."""
        if self.spot.plugged or self.spot.running:
            return Outcome.STRANDED
        if not self.charged:
            return Outcome.SENT_HOME if self.sent_home else Outcome.UNSERVED
        return Outcome.SERVED if self.stopped_by_driver else Outcome.INTERRUPTED
