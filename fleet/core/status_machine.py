"""The mechanics of a connector, below the orders: its status, the instants it waits for, a transaction's two ends.

`_move` is the only thing that assigns a status, and it looks in `MOVES` first. Each status waits for at most one
instant of its own: Preparing for ConnectionTimeOut when a tag was granted and no cable came, Finishing for the cable to
count as a new beginning, Faulted for a fault that passes, a running transaction for the car to have what it wants.
Beside it there are only the next periodic sample and, where a contactor sticks, the end of what flows though it should
not. `deadline` is the earliest of them; what is found overslept is done in order and dated when it was due.

A lock that fails does so when it is to move: closing when a transaction is to begin, opening when the cable is to be
let go. It is then found out, and the connector Faulted.

At power-up there is no move: the status is what memory, flash and world together, says.
"""

import math
from collections.abc import Callable

from fleet.commands.vocabulary import InjectFault
from fleet.core.charging import Charging
from fleet.core.memory import Cable, ConnectorMemory
from fleet.core.orders import ConnectorSettings, GrantAuthorization
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import ConnectorReport, PowerChanged, RegisterMoved, StatusChanged
from fleet.core.status import (
    AVAILABLE,
    FAULTED,
    FINISHING,
    IN_TRANSACTION,
    MOVES,
    PREPARING,
    RESERVED,
    SUSPENDED_EVSE,
    UNAVAILABLE,
)
from fleet.core.supply import Supply
from fleet.core.transaction import Transaction
from fleet.words import ConnectorStatus, ErrorCode, RelayFault, StopReason

Reports = list[ConnectorReport]

_LOCK_FAILURE = InjectFault(ErrorCode.CONNECTOR_LOCK_FAILURE)


class IllegalMove(Exception):
    """A move that OCPP 1.6 section 4.9 doesn't know: a bug in the machine."""


class StatusMachine:
    """A connector that has been given no order yet. Instants (`now`, `at`) are on the monotonic clock, in s.

    `deadline` is when `tick` wants to be called, inf when nothing is due.
    """

    __slots__ = (
        "_before_fault",
        "_charging",
        "_due_at",
        "_fault",
        "_grant",
        "_held_for",
        "_memory",
        "_plan",
        "_status",
        "_stray_ends_at",
        "_supply",
        "deadline",
        "number",
    )

    def __init__(
        self,
        number: int,
        plan: ConnectorPlan,
        memory: ConnectorMemory,
        settings: ConnectorSettings,
        new_key: Callable[[], str],
    ) -> None:
        """`number` counts from 1; `new_key` gives a key that no other transaction of this charge point ever had."""
        self.number = number
        self.deadline = math.inf
        self._plan = plan
        self._memory = memory
        self._supply = Supply(plan, memory)
        self._charging = Charging(number, memory, self._supply, settings, new_key)
        self._due_at = math.inf  # ConnectionTimeOut, the end of Finishing, of what the car wants, or of a fault
        self._stray_ends_at = math.inf
        self._grant: GrantAuthorization | None = None  # somebody may charge, and the cable isn't in yet
        self._held_for: Transaction | None = None  # the cable is held although this is over
        self._fault: InjectFault | None = None
        self._before_fault = AVAILABLE
        self._status = self._status_at_power_up()

    @property
    def status(self) -> ConnectorStatus:
        """What the connector is right now."""
        return self._status

    @property
    def keeps_readings(self) -> bool:
        """A transaction runs that has readings for its StopTransaction.req: there are more with each sample."""
        transaction = self._memory.transaction
        return transaction is not None and transaction.readings is not None

    def start(self, now: float, interrupted: StopReason = StopReason.POWER_LOSS) -> Reports:
        """Power up: the status is what the world says; a transaction that was cut off is stopped for that reason.

        It ended when the supply did, and that is the time that its stop gives.
        """
        out: Reports = []
        memory = self._memory
        transaction = memory.transaction
        if memory.stray_wh is not None:
            self._tell_stray(now, out)
        if transaction is not None:
            ended_at = now if memory.cut_at is None else max(memory.cut_at, transaction.started_at)
            self._charging.end(transaction, interrupted, None, ended_at, out)
            self._drop_fixed_cable()
        out.append(StatusChanged(self.number, now, self._status))
        if transaction is not None:
            out.append(self._power_report(now))
            memory.transaction = None
        return out

    def tick(self, now: float) -> Reports:
        """Do what has become due."""
        out: Reports = []
        self._catch_up(now, out)
        return out

    def _arm(self) -> None:
        due_at, sample_at = self._due_at, self._charging.sample_at
        self.deadline = due_at if due_at < sample_at else sample_at
        if self._memory.relay is RelayFault.CLOSED:
            self._stray_ends_at = math.inf if self._status in IN_TRANSACTION else self._memory.meter.ends_at
            self.deadline = min(self.deadline, self._stray_ends_at)

    def _catch_up(self, now: float, out: Reports) -> None:
        """Everything that was due by now, in the order in which it was."""
        charging = self._charging
        while self.deadline <= now:
            if self._stray_ends_at <= self.deadline:
                self._end_stray(self._stray_ends_at, out)
            elif charging.sample_at < self._due_at:
                charging.tick(now, out)
            else:
                self._fall_due(self._due_at, out)
            self._arm()

    def _fall_due(self, at: float, out: Reports) -> None:
        """The one thing that each status waits for."""
        self._due_at = math.inf
        if self._status is FINISHING:
            self._move(PREPARING, at, out)
        elif self._status is PREPARING:
            self._end_usage(at, out)
        elif self._status is FAULTED or self._fault is not None:
            self._recover(at, out)
            if self._memory.meter.curve is not None:
                out.append(self._power_report(at))
        else:
            self._settle(at, out)
            out.append(self._power_report(at))

    # ---- status ------------------------------------------------------------------------------------------------------

    def _move(self, status: ConnectorStatus, at: float, out: Reports, fault: InjectFault | None = None) -> None:
        """The only place that assigns a status."""
        if status not in MOVES[self._status]:
            raise IllegalMove(f"connector {self.number}: no transition from {self._status} to {status}")
        self._status = status
        self._fault = fault
        self._due_at = math.inf
        if status is not PREPARING:
            self._grant = None
        if status in (FAULTED, UNAVAILABLE):
            self._memory.reservation = None  # over, by section 5.13
        out.append(self._status_report(at))

    def _status_report(self, at: float) -> StatusChanged:
        fault = self._fault
        if fault is None:
            return StatusChanged(self.number, at, self._status)
        return StatusChanged(self.number, at, self._status, fault.error_code, fault.info, fault.vendor_error_code)

    def _power_report(self, at: float) -> PowerChanged:
        meter = self._memory.meter
        return PowerChanged(self.number, at, meter.power_w(at), meter.register_wh(at))

    def _settle(self, at: float, out: Reports) -> None:
        """In a transaction: let flow what may flow, and be what that is called."""
        if self._status is FAULTED:
            return
        status = self._supply.flow(at)
        if status is not self._status:
            self._move(status, at, out)
        if self._fault is None:
            self._due_at = self._memory.meter.ends_at

    def _finish(self, at: float, out: Reports) -> None:
        """Be Finishing, until a cable that stays in counts as Preparing again."""
        self._move(FINISHING, at, out)
        if self._memory.cable is Cable.PLUGGED:
            self._due_at = at + self._plan.finishing_s

    def _end_usage(self, at: float, out: Reports) -> None:
        """Nobody will charge after all (B1); a cable in the socket still counts as a beginning."""
        self._grant = None
        self._due_at = math.inf
        if self._memory.cable is Cable.NONE:
            self._free(at, out)

    def _free(self, at: float, out: Reports) -> None:
        """Nobody is here any more (B1), which leaves the connector to whom it is reserved for (A7).

        A reservation of any connector may have a better place by now: the charge point says whether this is it.
        """
        self._move(AVAILABLE, at, out)
        reservation = self._memory.reservation
        if reservation is not None and reservation.connector == self.number:
            self._move(RESERVED, at, out)
        else:
            self._memory.reservation = None

    def _status_at_power_up(self) -> ConnectorStatus:
        memory = self._memory
        if memory.inoperative:
            return UNAVAILABLE
        if memory.reservation is not None:
            return RESERVED
        if memory.cable is Cable.PLUGGED or (memory.cable is Cable.EV_SIDE_OPEN and not self._plan.fixed_cable):
            return PREPARING
        return AVAILABLE

    def _drop_fixed_cable(self) -> None:
        """A fixed cable that is out of the car is out: it has no other end to unplug."""
        memory = self._memory
        if self._plan.fixed_cable and memory.cable is Cable.EV_SIDE_OPEN:
            memory.cable, memory.ev = Cable.NONE, None

    # ---- faults ------------------------------------------------------------------------------------------------------

    def _fail(self, fault: InjectFault, at: float, out: Reports) -> None:
        """Be Faulted, or Faulted for another reason than so far."""
        known = self._fault
        if self._status is not FAULTED:
            self._supply.ev_unheard = False
            self._supply.open(at)
            before = self._status
            self._move(FAULTED, at, out, fault)
            self._before_fault = before
        else:
            self._fault = fault
            if known is None or _told(fault) != _told(known):
                out.append(self._status_report(at))
        self._due_at = math.inf if fault.for_s is None else at + fault.for_s

    def _miss_car(self, fault: InjectFault, at: float, out: Reports) -> None:
        """The car isn't heard any more, which is no reason to be Faulted: nothing is offered (OCPP 1.6 section 7.6)."""
        known = self._fault
        self._supply.ev_unheard = True
        self._supply.open(at)
        if self._status is not SUSPENDED_EVSE:
            self._move(SUSPENDED_EVSE, at, out, fault)
        else:
            self._fault = fault
            if known is None or _told(fault) != _told(known):
                out.append(self._status_report(at))
        self._due_at = math.inf if fault.for_s is None else at + fault.for_s

    def _recover(self, at: float, out: Reports) -> None:
        """The fault is over: be what the connector was, as far as the world still is so."""
        memory = self._memory
        before = self._before_fault
        if self._status is not FAULTED:
            self._hear_car(at, out)
            return
        if self._lock_failed:
            self._held_for = None
        if memory.transaction is not None:
            self._move(self._supply.flow(at), at, out)
            self._due_at = memory.meter.ends_at
        elif memory.inoperative:
            self._move(UNAVAILABLE, at, out)
        elif memory.cable is Cable.NONE:
            self._move(AVAILABLE, at, out)
        elif before is FINISHING or before in IN_TRANSACTION:
            self._finish(at, out)
        else:
            self._move(PREPARING, at, out)

    def _hear_car(self, at: float, out: Reports) -> None:
        """The car is heard again."""
        self._supply.ev_unheard = False
        self._fault = None
        status = self._supply.flow(at)
        if status is self._status:
            out.append(self._status_report(at))
        else:
            self._move(status, at, out)
        self._due_at = self._memory.meter.ends_at

    def _jams(self, at: float, out: Reports) -> bool:
        """The lock is to move: whether it fails to, which makes the connector Faulted."""
        memory = self._memory
        if not memory.lock_fails or self._plan.fixed_cable:
            return False
        self._fail(_LOCK_FAILURE, at, out)
        memory.lock_fails = False
        return True

    @property
    def _lock_failed(self) -> bool:
        return self._fault is not None and self._fault.error_code is ErrorCode.CONNECTOR_LOCK_FAILURE

    # ---- energy that flows although it shouldn't ---------------------------------------------------------------------

    def _tell_stray(self, at: float, out: Reports) -> None:
        """The register has moved outside any transaction, as it does behind a contactor that sticks."""
        memory = self._memory
        was_wh, is_wh = memory.stray_wh, memory.meter.reading_wh(at)
        if was_wh is not None and was_wh != is_wh and memory.transaction is None:
            out.append(RegisterMoved(self.number, at, was_wh, is_wh))
            memory.stray_wh = is_wh

    def _end_stray(self, at: float, out: Reports) -> None:
        """The car has what it wants."""
        self._stray_ends_at = math.inf
        self._memory.meter.stop(at)
        self._tell_stray(at, out)
        out.append(self._power_report(at))

    # ---- transactions ------------------------------------------------------------------------------------------------

    def _begin(self, id_tag: str, parent_id_tag: str | None, at: float, out: Reports) -> None:
        """Cable and tag are both there; nothing begins where the lock doesn't hold the cable."""
        if self._jams(at, out):
            return
        self._memory.stray_wh = None
        if self._status in (FINISHING, RESERVED):
            self._move(PREPARING, at, out)
        memory = self._memory
        reservation = memory.reservation
        used = reservation is not None and reservation.is_for(id_tag, parent_id_tag)
        reservation_id = reservation.id if reservation is not None and used else None
        transaction, status = self._charging.begin(id_tag, parent_id_tag, at, out, reservation_id)
        self._move(status, at, out)
        self._due_at = memory.meter.ends_at
        memory.transaction, memory.reservation = transaction, None

    def _end(
        self, reason: StopReason, at: float, out: Reports, id_tag: str | None = None, locked: bool = False
    ) -> None:
        """Stop the transaction; `locked` keeps hold of the cable."""
        memory = self._memory
        transaction = memory.transaction
        assert transaction is not None
        self._charging.end(transaction, reason, id_tag, at, out)
        self._drop_fixed_cable()
        if memory.meter.curve is not None:
            memory.stray_wh = memory.meter.reading_wh(at)
        held = memory.cable is not Cable.NONE and (locked or self._jams(at, out))
        self._held_for = transaction if held else None
        if self._status is FAULTED:
            pass
        elif memory.inoperative:
            self._move(UNAVAILABLE, at, out)
        elif memory.cable is Cable.NONE:
            self._move(AVAILABLE, at, out)
        else:
            self._finish(at, out)
        memory.transaction = None


def _told(fault: InjectFault) -> tuple[str, str | None, str | None]:
    """What a StatusNotification says of it."""
    return fault.error_code, fault.info, fault.vendor_error_code
