"""The machine of one connector: what it does when it is told something.

Theory of operation. An order comes in through `handle`. `ORDERS` says whether it is heard at all in this status; then
its method checks the rest (is there a cable, whose tag is it) and either says why not, in one line and having changed
nothing, or does it: the status moves, facts are reported, memory is written last. What was due before the order came
is done before it, so that facts come in the order of their instants. One refusal leaves its mark: a lock that was to
move and jammed.

Reports come in the order in which they belong on the wire (StartTransaction before its StatusNotification); what only
observers want, the cable and the power, comes after.

The mechanics below are in `status_machine.py`, a transaction's bills and samples in `charging.py`, the flow of energy
in `supply.py`. Sources: OCPP 1.6 sections 4.8 to 4.10 (transactions and statuses), 5.2 (availability), 5.18
(unlocking) and 9.1 (the keys in `ConnectorSettings`).
"""

import math
from typing import assert_never

from fleet.commands.hazards import BreakMeter, BreakRelay, FailLock
from fleet.commands.vocabulary import (
    EV,
    Authorize,
    ChangeAvailability,
    ClearFault,
    ConnectorCommand,
    Crash,
    ForceStatus,
    InjectFault,
    PlugIn,
    Resume,
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
from fleet.core.charging import FlowOrder
from fleet.core.memory import Cable
from fleet.core.orders import (
    ApplySettings,
    BindTransaction,
    ConnectorOrder,
    DenyAuthorization,
    GrantAuthorization,
    LimitPower,
    Release,
    Reserve,
    StopEnergy,
    TakeReading,
)
from fleet.core.reports import AuthorizationRequested, CableChanged, IdTagRefused, RegisterMoved
from fleet.core.reservation import Reservation
from fleet.core.status import (
    AVAILABLE,
    CABLE_NEEDED,
    FAULTED,
    FINISHING,
    IN_TRANSACTION,
    ORDERS,
    PREPARING,
    RESERVED,
    UNAVAILABLE,
    UNPLUG_FORBIDDEN,
    refusal,
)
from fleet.core.status_machine import IllegalMove, Reports, StatusMachine
from fleet.words import Availability, CableEnd, ErrorCode, MeterFault, StopReason

_TO_UNLOCK = "present the id tag that charged, or one of its parent's, to unlock it"
# A jump in power that is worth a report; below it is rounding.
_POWER_JUMP_W = 1e-3


class Connector(StatusMachine):
    """One connector: `start`, then `handle` orders and `tick` at `deadline`. Instants are monotonic, in s."""

    __slots__ = ()

    def handle(self, message: ConnectorCommand | ConnectorOrder, now: float) -> tuple[str | None, Reports]:
        """Take an order: what was refused of it, None when done, and the facts in wire order.

        A refused order changes nothing, unless what refused it was a lock that jams just now; other reports beside a
        refusal are of what was due before, and that a grant came to nothing, which whoever presented the tag must see.
        """
        out: Reports = []
        if self.deadline <= now:
            self._catch_up(now, out)
        targets = ORDERS[self._status].get(type(message))
        memory = self._memory
        if memory.stray_wh is not None:
            self._tell_stray(now, out)
        if targets is None:
            unheard = refusal(self.number, self._status, message, memory.transaction is not None)
            if type(message) is GrantAuthorization:
                out.append(IdTagRefused(self.number, now, message.id_tag, unheard))
            return unheard, out
        was_plugged = memory.cable is Cable.PLUGGED
        power_before_w, ev_before = memory.meter.power_w(now), memory.ev
        refused = self._obey(message, now, out)
        if refused is None and self._status not in targets:
            raise IllegalMove(f"connector {self.number}: {type(message).__name__} led to {self._status}")
        if refused is not None and type(message) is GrantAuthorization:
            out.append(IdTagRefused(self.number, now, message.id_tag, refused))
        is_plugged = memory.cable is Cable.PLUGGED
        if is_plugged is not was_plugged:
            out.append(CableChanged(self.number, now, is_plugged))
        # A car that could take more, or takes less than it might, leaves another share of the power to others.
        other_car = type(message) is SetEV and _takes_w(memory.ev) != _takes_w(ev_before)
        if other_car or abs(memory.meter.power_w(now) - power_before_w) > _POWER_JUMP_W:
            out.append(self._power_report(now))
        self._arm()
        return refused, out

    # ---- orders ------------------------------------------------------------------------------------------------------

    def _obey(self, message: ConnectorCommand | ConnectorOrder, at: float, out: Reports) -> str | None:
        """One order that is heard in this status; the guards are its own."""
        match message:
            case PlugIn():
                return self._plug_in(message.ev, at, out)
            case Unplug():
                return self._unplug(message.end, at, out)
            case Swipe():
                return self._swipe(message.id_tag, at, out)
            case GrantAuthorization():
                return self._grant_authorization(message, at, out)
            case DenyAuthorization():
                return self._deny_authorization(message, at, out)
            case StartTransaction():
                return self._start_transaction(message.id_tag, at, out)
            case StopTransaction():
                return self._stop_transaction(message.reason, at, out)
            case ChangeAvailability():
                return self._change_availability(message.availability, at, out)
            case InjectFault():
                return self._inject_fault(message, at, out)
            case ClearFault() if self._fault is None:
                return refusal(self.number, self._status, message, self._memory.transaction is not None)
            case ClearFault():
                self._recover(at, out)
                return None
            case FailLock():
                return self._fail_lock()
            case BreakMeter():
                return self._break_meter(message, at, out)
            case BreakRelay():
                return self._break_relay(message, at, out)
            case UnlockConnector():
                return self._unlock(at, out)
            case Reserve():
                return self._reserve(message.reservation, at, out)
            case Release():
                return self._release(at, out)
            case SuspendEV() | SuspendEVSE() | Resume() | SetPower() | StopEnergy() | LimitPower():
                return self._change_flow(message, at, out)
            case SetEV():
                return self._set_ev(message, at, out)
            case BindTransaction():
                return self._charging.bind(message)
            case ApplySettings():
                return self._charging.apply(message.settings, at)
            case TakeReading():
                return self._charging.take(message.context, at, out)
            case Authorize() | ForceStatus():
                # In no row of ORDERS: these are between the charge point and the CSMS alone.
                return refusal(self.number, self._status, message, self._memory.transaction is not None)
            case Crash():
                raise RuntimeError(f"crash injected into connector {self.number}")
            case _:
                assert_never(message)

    def _plug_in(self, ev: EV, at: float, out: Reports) -> str | None:
        memory = self._memory
        if memory.cable is Cable.PLUGGED:
            return f"Cable is already plugged in on connector {self.number}"
        # The car that was unplugged at its own end comes back: it took already what it took.
        same_car = memory.cable is Cable.EV_SIDE_OPEN and memory.ev == ev
        plugged_wh = memory.plugged_wh if same_car else memory.meter.passed_wh(at)
        memory.cable, memory.ev, memory.plugged_wh = Cable.PLUGGED, ev, plugged_wh
        self._held_for = None
        grant = self._grant
        if memory.transaction is not None:
            self._settle(at, out)
        elif grant is not None:
            self._begin(grant.id_tag, grant.parent_id_tag, at, out)
        elif self._status not in (PREPARING, RESERVED):
            self._move(PREPARING, at, out)
        return None

    def _unplug(self, end: CableEnd, at: float, out: Reports) -> str | None:
        memory = self._memory
        if memory.cable is Cable.NONE:
            return f"No cable is plugged in on connector {self.number}"
        if end is CableEnd.EV and memory.cable is Cable.EV_SIDE_OPEN:
            return f"Cable is already out of the car on connector {self.number}"
        if memory.transaction is not None:
            if end is CableEnd.CHARGE_POINT:
                return UNPLUG_FORBIDDEN
            memory.cable = Cable.EV_SIDE_OPEN
            self._supply.open(at)
            settings = self._charging.settings
            if settings.stop_on_ev_side_disconnect:
                self._end(StopReason.EV_DISCONNECTED, at, out, locked=not settings.unlock_on_ev_side_disconnect)
            else:
                self._settle(at, out)
            return None
        if end is CableEnd.EV and not self._plan.fixed_cable:
            memory.cable = Cable.EV_SIDE_OPEN
            self._supply.open(at)
            if self._status is FINISHING:
                self._due_at = math.inf  # until the other end is out too
            return None
        if self._held_for is not None and self._lock_failed:
            return self._stuck("unlocked")
        if self._held_for is not None:
            return f"Cable is locked on connector {self.number}: {_TO_UNLOCK}"
        memory.cable, memory.ev = Cable.NONE, None
        self._supply.open(at)
        if self._status in (PREPARING, FINISHING):
            self._free(at, out)
        return None

    def _swipe(self, id_tag: str, at: float, out: Reports) -> str | None:
        transaction = self._memory.transaction
        if transaction is not None:
            if _same_tag(id_tag, transaction.id_tag):
                self._end(StopReason.LOCAL, at, out, id_tag=id_tag)
                return None
        elif self._status in (FAULTED, UNAVAILABLE) and self._held_for is None:
            return f"Connector {self.number} is {self._status}"
        elif self._grant is not None and _same_tag(id_tag, self._grant.id_tag):
            self._end_usage(at, out)
            return None
        out.append(AuthorizationRequested(self.number, at, id_tag))
        return None

    def _grant_authorization(self, grant: GrantAuthorization, at: float, out: Reports) -> str | None:
        memory = self._memory
        transaction = memory.transaction
        if transaction is not None:
            # Who started it has stopped it by presenting the tag, so this grant is one that comes late.
            if _same_tag(grant.id_tag, transaction.id_tag) or not _akin(grant, transaction.parent_id_tag):
                return f"Connector {self.number} already has an active transaction"
            self._end(StopReason.LOCAL, at, out, id_tag=grant.id_tag)
        elif (held_for := self._held_for) is not None:
            if not _same_tag(grant.id_tag, held_for.id_tag) and not _akin(grant, held_for.parent_id_tag):
                return f"Cable is locked on connector {self.number}: {_TO_UNLOCK}"
            if not (self._lock_failed or self._jams(at, out)):
                self._held_for = None
        elif self._status in (FAULTED, UNAVAILABLE):
            return f"Connector {self.number} is {self._status}"
        elif not self._admits(grant.id_tag, grant.parent_id_tag):
            return self._kept_for_others()
        elif memory.cable is Cable.PLUGGED:
            memory.reservation = grant.reservation or memory.reservation
            self._begin(grant.id_tag, grant.parent_id_tag, at, out)
        elif self._status is FINISHING:
            return CABLE_NEEDED
        else:
            if self._status in (AVAILABLE, RESERVED):
                self._move(PREPARING, at, out)
            memory.reservation = grant.reservation or memory.reservation
            timeout_s = self._charging.settings.connection_timeout_s
            self._grant = grant
            self._due_at = at + timeout_s if timeout_s > 0 else math.inf
        return None

    def _deny_authorization(self, order: DenyAuthorization, at: float, out: Reports) -> str | None:
        if self._grant is not None and _same_tag(order.id_tag, self._grant.id_tag):
            self._end_usage(at, out)
        return None

    def _start_transaction(self, id_tag: str, at: float, out: Reports) -> str | None:
        if self._memory.cable is not Cable.PLUGGED:
            return CABLE_NEEDED
        if not self._admits(id_tag, None):
            return self._kept_for_others()
        self._begin(id_tag, None, at, out)
        return self._stuck("locked") if self._lock_failed else None

    def _stop_transaction(self, reason: StopReason, at: float, out: Reports) -> str | None:
        if self._memory.transaction is None:
            return f"No active transaction on connector {self.number}"
        self._end(reason, at, out)
        return None

    def _reserve(self, reservation: Reservation, at: float, out: Reports) -> str | None:
        if self._status is AVAILABLE:
            self._move(RESERVED, at, out)
        self._memory.reservation = reservation
        return None

    def _release(self, at: float, out: Reports) -> str | None:
        memory = self._memory
        if self._status is RESERVED:
            self._move(AVAILABLE, at, out)
            if memory.cable is not Cable.NONE:
                self._move(PREPARING, at, out)
        memory.reservation = None
        return None

    def _admits(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Whether the tag is one that a reservation, if there is any, is for."""
        reservation = self._memory.reservation
        return self._status is not RESERVED or reservation is None or reservation.is_for(id_tag, parent_id_tag)

    def _kept_for_others(self) -> str:
        return f"Connector {self.number} is {RESERVED} for another id tag"

    def _change_availability(self, availability: Availability, at: float, out: Reports) -> str | None:
        memory = self._memory
        inoperative = availability is Availability.INOPERATIVE
        status = self._status
        if not inoperative:
            if status is UNAVAILABLE:
                self._move(AVAILABLE if memory.cable is Cable.NONE else PREPARING, at, out)
        elif status is PREPARING:
            self._move(AVAILABLE, at, out)
            self._move(UNAVAILABLE, at, out)
        elif status not in (UNAVAILABLE, FAULTED) and status not in IN_TRANSACTION:
            self._move(UNAVAILABLE, at, out)
        memory.inoperative = inoperative
        return None

    def _inject_fault(self, fault: InjectFault, at: float, out: Reports) -> str | None:
        if fault.error_code is ErrorCode.NO_ERROR:
            return f"A fault needs an error code other than {ErrorCode.NO_ERROR}"
        missing = fault.error_code is ErrorCode.EV_COMMUNICATION_ERROR
        if missing and self._memory.transaction is not None and self._status is not FAULTED:
            self._miss_car(fault, at, out)
        else:
            self._fail(fault, at, out)
        return None

    def _fail_lock(self) -> str | None:
        if self._plan.fixed_cable:
            return f"Connector {self.number} has a fixed cable, and no lock that could fail"
        self._memory.lock_fails = True
        return None

    def _break_meter(self, order: BreakMeter, at: float, out: Reports) -> str | None:
        memory = self._memory
        meter = memory.meter
        was_wh = meter.reading_wh(at)
        match order.fault:
            case MeterFault.NONE:
                meter.mend(at)
            case MeterFault.STICK:
                meter.stick(at)
            case MeterFault.JUMP:
                meter.shift(order.energy_wh, at)
            case MeterFault.FALL:
                meter.shift(-order.energy_wh, at)
        is_wh = meter.reading_wh(at)
        if is_wh != was_wh:
            out.append(RegisterMoved(self.number, at, was_wh, is_wh))
            if memory.stray_wh is not None:
                memory.stray_wh = is_wh
        return None

    def _break_relay(self, order: BreakRelay, at: float, out: Reports) -> str | None:
        self._memory.relay = order.fault
        self._stray_ends_at = math.inf
        if self._status in IN_TRANSACTION:
            self._settle(at, out)
        else:
            self._supply.open(at)
        return None

    def _change_flow(self, order: FlowOrder, at: float, out: Reports) -> str | None:
        refused = self._charging.change_flow(order, at)
        if refused is None and self._memory.transaction is not None:
            self._settle(at, out)
        return refused

    def _set_ev(self, order: SetEV, at: float, out: Reports) -> str | None:
        refused = self._supply.change_ev(order, at)
        if refused is None and self._memory.transaction is not None:
            self._settle(at, out)
        return refused and f"{refused} on connector {self.number}"

    def _unlock(self, at: float, out: Reports) -> str | None:
        if self._plan.fixed_cable:
            return f"Connector {self.number} has a fixed cable"
        if not self._lock_failed:
            if self._memory.transaction is not None:
                self._end(StopReason.UNLOCK_COMMAND, at, out)  # which lets go of the cable, too
            elif not self._jams(at, out):
                self._held_for = None
        return self._stuck("unlocked") if self._lock_failed else None

    def _stuck(self, done: str) -> str:
        return f"Connector {self.number} cannot be {done}: {ErrorCode.CONNECTOR_LOCK_FAILURE}"


def _takes_w(ev: EV | None) -> float:
    return 0.0 if ev is None else ev.power_max_w


def _same_tag(one: str | None, other: str | None) -> bool:
    """Whether two id tags are the same: they are case-insensitive (OCPP 1.6 section 7.28, CiString20Type)."""
    return one is not None and other is not None and one.casefold() == other.casefold()


def _akin(grant: GrantAuthorization, parent_id_tag: str | None) -> bool:
    """Whether a granted tag is of that parent, or is that parent itself (OCPP 1.6 section 3.2)."""
    return _same_tag(grant.parent_id_tag, parent_id_tag) or _same_tag(grant.id_tag, parent_id_tag)
