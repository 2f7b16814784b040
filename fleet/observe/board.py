"""The board: what the fleet looks like now, and what it has done so far, in plain numbers.

Reports come in one by one and each changes a few integers, so that reading the whole fleet costs nothing however big it
is: a charge point or connector that leaves one state is taken off that count in the same breath as it is added to the
next. The progress display, the summary and the metrics all read here; nobody asks the actors.
"""

import math
from array import array
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from fleet.core.delivery_reports import MessageLost, OutboxChanged, TransactionBound, TransactionDelivered
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import (
    CallServed,
    CallSettled,
    ConnectFailed,
    Drained,
    GivenUp,
    LinkDown,
    LinkUp,
    MeterSampled,
    ObservedReport,
    PowerChanged,
    PoweredUp,
    ProtocolViolated,
    Registered,
    Restarted,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.observe.energy import Energy
from fleet.observe.redaction import redacted_violation
from fleet.observe.tally import CASES_MAX, Tally, count_kind
from fleet.words import ConnectorStatus, RegistrationStatus, StopReason


class ChargePointState(StrEnum):
    """Where a charge point stands, as somebody who runs a fleet would say it."""

    STARTING = "starting"
    """Never connected yet."""
    CONNECTED = "connected"
    """Connected, BootNotification not answered yet."""
    REGISTERED = "registered"
    PENDING = "pending"
    REJECTED = "rejected"
    OFFLINE = "offline"
    RESTARTING = "restarting"
    """Rebuilt after a reset or a crash, not connected again yet."""
    WITHOUT_POWER = "without power"
    """The mains are cut: nobody there until they return."""
    GIVEN_UP = "given up"
    DRAINED = "drained"


STATES = tuple(ChargePointState)
STATUSES = tuple(ConnectorStatus)
_REGISTERED_AS = {
    RegistrationStatus.ACCEPTED: ChargePointState.REGISTERED,
    RegistrationStatus.PENDING: ChargePointState.PENDING,
    RegistrationStatus.REJECTED: ChargePointState.REJECTED,
}
UNREADABLE = "(unreadable)"
"""The action of a CALL so broken that it can't be told what it asked for."""
_ENDED = frozenset((ChargePointState.GIVEN_UP, ChargePointState.DRAINED))
ONLINE = frozenset(
    (
        ChargePointState.CONNECTED,
        ChargePointState.REGISTERED,
        ChargePointState.PENDING,
        ChargePointState.REJECTED,
    )
)


class Board:
    """A listener that keeps the fleet's figures. Read its attributes at any time; write none of them."""

    def __init__(self, plans: Iterable[ChargePointPlan]) -> None:
        """`plans` is the whole fleet: what never reports still counts, as starting."""
        self._numbers: dict[str, int] = {}
        self._first = array("q", [0])  # index of each charge point's connector 1, and one past the last
        self._states: list[ChargePointState] = []
        self._standings: list[ChargePointState | None] = []
        self._waiting = array("q")
        self._oldest_due_at = array("d")
        self._statuses: list[ConnectorStatus | None] = []
        self._transactions: list[str | None] = []
        self._energy = Energy()
        self._handlers = self._dispatch()

        self.charge_points = 0
        self.connectors = 0
        self.by_state: dict[ChargePointState, int] = dict.fromkeys(STATES, 0)
        self.by_status: dict[ConnectorStatus, int] = dict.fromkeys(STATUSES, 0)
        """Connectors by status; those of a charge point that is switched off are in none."""
        self.reached = 0
        """Charge points that were connected at least once."""
        self.accepted = 0
        """Charge points that the CSMS accepted at least once."""
        self.accepted_at: float | None = None
        """When the last of those was accepted for the first time."""
        self._was_accepted = bytearray()
        self._was_reached = bytearray()

        self.connects = 0
        self.disconnects = Tally()
        self.connect_failures = Tally()
        self.last_connect_failure: str | None = None
        """What kept the last one out, in one line."""
        self.registrations = Tally()
        """Answers to BootNotification, by status."""

        self.sent: dict[tuple[str, str], int] = {}
        """Our CALLs that are over, by (action, outcome)."""
        self.served: dict[tuple[str, str], int] = {}
        """CALLs of the CSMS that we answered, by (action, outcome)."""
        self.messages = 0
        """All of these together."""

        self.running = 0
        """Transactions that run now."""
        self.started = 0
        self.stopped = Tally()
        """Transactions that ended, by reason."""
        self.bound = 0
        self.delivered = 0
        self.delivered_wh = 0
        """Energy of the transactions whose StopTransaction was acknowledged."""
        self.abandoned = 0
        """Transactions that ran on a charge point when it was given up or taken out."""
        self.outbox = 0
        """Transaction messages that wait for the CSMS."""
        self.lost = Tally()
        """Transaction messages given up, by action."""

        self.violations = Tally()
        self.crashes = Tally()
        self.restarts = Tally()
        """Rebuilt after a reset, by cause; crashes are counted apart."""
        self.given_up = Tally()

        for plan in plans:
            self.add(plan)

    # ---- the fleet grows and shrinks ---------------------------------------------------------------------------------

    def add(self, plan: ChargePointPlan) -> None:
        """One charge point more, before its first report; ValueError where there is one of this id."""
        if plan.id in self._numbers:
            raise ValueError(f"there is a charge point {plan.id} already")
        connectors = len(plan.connectors)
        self._numbers[plan.id] = len(self._states)
        self._first.append(self._first[-1] + connectors)
        self._states.append(ChargePointState.STARTING)
        self._standings.append(None)
        self._waiting.append(0)
        self._oldest_due_at.append(math.inf)
        self._was_accepted.append(0)
        self._was_reached.append(0)
        self._statuses.extend([None] * connectors)
        self._transactions.extend([None] * connectors)
        self._energy.grow(connectors)
        self.charge_points += 1
        self.connectors += connectors
        self.by_state[ChargePointState.STARTING] += 1

    def remove(self, charge_point_id: str) -> None:
        """One charge point less, after it ended: what is counts without it, what was stays counted.

        Its place stays empty, because places are numbered; if it comes back, it has another.
        """
        number = self._numbers.pop(charge_point_id)
        indices = range(self._first[number], self._first[number + 1])
        for index in indices:
            self._abandon(index)
            self._set_status(index, None)
        self._set_waiting(number, 0)
        self._oldest_due_at[number] = math.inf
        self.by_state[self._states[number]] -= 1
        self.charge_points -= 1
        self.connectors -= len(indices)
        self.reached -= self._was_reached[number]
        self.accepted -= self._was_accepted[number]

    # ---- reading -----------------------------------------------------------------------------------------------------

    @property
    def power_w(self) -> float:
        """The power that flows into cars, as last reported."""
        return self._energy.power_w

    def energy_wh(self, now: float) -> float:
        """The energy that flowed since the run began."""
        return self._energy.energy_wh(now)

    @property
    def oldest_due_at(self) -> float:
        """Since when the CSMS has been owed the oldest of the waiting transaction messages; inf where none waits."""
        return min(self._oldest_due_at, default=math.inf)

    @property
    def online(self) -> int:
        """Charge points with an open connection."""
        return sum(self.by_state[state] for state in ONLINE)

    def state(self, charge_point_id: str) -> ChargePointState:
        """Where one charge point stands."""
        return self._states[self._numbers[charge_point_id]]

    def status(self, charge_point_id: str, connector: int) -> ConnectorStatus | None:
        """One connector's status; None while its charge point is switched off."""
        return self._statuses[self._first[self._numbers[charge_point_id]] + connector - 1]

    # ---- listening ---------------------------------------------------------------------------------------------------

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """The reports that change a figure here."""
        return frozenset(self._handlers)

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """Count it."""
        self._handlers[type(report)](charge_point_id, report)

    def _dispatch(self) -> dict[type[ObservedReport], Callable[[str, Any], None]]:
        return {
            CallSettled: self._call_settled,
            CallServed: self._call_served,
            MeterSampled: self._meter_sampled,
            PowerChanged: self._power_changed,
            StatusChanged: self._status_changed,
            TransactionStarted: self._transaction_started,
            TransactionStopped: self._transaction_stopped,
            TransactionBound: self._transaction_bound,
            TransactionDelivered: self._transaction_delivered,
            OutboxChanged: self._outbox_changed,
            MessageLost: self._message_lost,
            ProtocolViolated: self._protocol_violated,
            LinkUp: self._link_up,
            LinkDown: self._link_down,
            ConnectFailed: self._connect_failed,
            PoweredUp: self._powered_up,
            Registered: self._registered,
            Restarted: self._restarted,
            GivenUp: self._given_up,
            Drained: self._drained,
        }

    def _call_settled(self, _: str, report: CallSettled) -> None:
        count_kind(self.sent, report.action, report.outcome)
        self.messages += 1

    def _call_served(self, _: str, report: CallServed) -> None:
        count_kind(self.served, report.action or UNREADABLE, report.outcome)
        self.messages += 1

    # ---- connectors --------------------------------------------------------------------------------------------------

    def _connector(self, charge_point_id: str, connector: int) -> int:
        return self._first[self._numbers[charge_point_id]] + connector - 1

    def _status_changed(self, charge_point_id: str, report: StatusChanged) -> None:
        number = self._numbers[charge_point_id]
        if report.connector and self._states[number] not in _ENDED:
            self._set_status(self._first[number] + report.connector - 1, report.status)

    def _set_status(self, index: int, status: ConnectorStatus | None) -> None:
        was = self._statuses[index]
        if was is not None:
            self.by_status[was] -= 1
        if status is not None:
            self.by_status[status] += 1
        self._statuses[index] = status

    def _meter_sampled(self, charge_point_id: str, report: MeterSampled) -> None:
        self._measured(charge_point_id, report, report.reading.at)

    def _power_changed(self, charge_point_id: str, report: PowerChanged) -> None:
        self._measured(charge_point_id, report, report.at)

    def _measured(self, charge_point_id: str, report: MeterSampled | PowerChanged, at: float) -> None:
        number = self._numbers[charge_point_id]
        # What was still on its way when everything went down comes after the end, and power can't have stayed.
        power_w = 0.0 if self._states[number] in _ENDED else report.power_w
        self._energy.measured(self._first[number] + report.connector - 1, power_w, report.register_wh, at)

    # ---- transactions ------------------------------------------------------------------------------------------------

    def _transaction_started(self, charge_point_id: str, report: TransactionStarted) -> None:
        self.started += 1
        self._set_transaction(self._connector(charge_point_id, report.connector), report.transaction)

    def _transaction_stopped(self, charge_point_id: str, report: TransactionStopped) -> None:
        self.stopped.add(report.reason)
        self._set_transaction(self._connector(charge_point_id, report.connector), None)

    def _set_transaction(self, index: int, key: str | None) -> None:
        self.running += (key is not None) - (self._transactions[index] is not None)
        self._transactions[index] = key

    def _abandon(self, index: int) -> None:
        """Whatever runs there is nobody's any more."""
        self.abandoned += self._transactions[index] is not None
        self._set_transaction(index, None)

    def _transaction_bound(self, _: str, report: TransactionBound) -> None:
        self.bound += 1

    def _transaction_delivered(self, _: str, report: TransactionDelivered) -> None:
        self.delivered += 1
        self.delivered_wh += report.energy_wh

    def _outbox_changed(self, charge_point_id: str, report: OutboxChanged) -> None:
        number = self._numbers[charge_point_id]
        self._set_waiting(number, report.waiting)
        self._oldest_due_at[number] = report.oldest_due_at

    def _set_waiting(self, number: int, waiting: int) -> None:
        self.outbox += waiting - self._waiting[number]
        self._waiting[number] = waiting

    def _message_lost(self, charge_point_id: str, report: MessageLost) -> None:
        self.lost.add(report.action, f"{charge_point_id} transaction {report.transaction}: {report.reason}")

    # ---- charge points -----------------------------------------------------------------------------------------------

    def _set_state(self, number: int, state: ChargePointState) -> None:
        """Every change of state passes here. Whoever ended stays so, whatever their link still has to say."""
        was = self._states[number]
        if was in _ENDED:
            return
        self.by_state[was] -= 1
        self.by_state[state] += 1
        self._states[number] = state

    def _link_up(self, charge_point_id: str, _: LinkUp) -> None:
        number = self._numbers[charge_point_id]
        self.connects += 1
        if not self._was_reached[number]:
            self._was_reached[number] = 1
            self.reached += 1
        # A charge point stays registered across lost connections (OCPP 1.6 section 4.2).
        self._set_state(number, self._standings[number] or ChargePointState.CONNECTED)

    def _link_down(self, charge_point_id: str, report: LinkDown) -> None:
        number = self._numbers[charge_point_id]
        self.disconnects.add(report.reason, _case(charge_point_id, report.detail))
        if self._states[number] in ONLINE:
            self._set_state(number, ChargePointState.OFFLINE)

    def _connect_failed(self, charge_point_id: str, report: ConnectFailed) -> None:
        self.connect_failures.add(report.reason, _case(charge_point_id, report.detail))
        self.last_connect_failure = report.detail or report.reason

    def _registered(self, charge_point_id: str, report: Registered) -> None:
        number = self._numbers[charge_point_id]
        self.registrations.add(report.status)
        state = self._standings[number] = _REGISTERED_AS[report.status]
        self._set_state(number, state)
        if state is ChargePointState.REGISTERED and not self._was_accepted[number]:
            self._was_accepted[number] = 1
            self.accepted += 1
            self.accepted_at = report.at

    def _protocol_violated(self, charge_point_id: str, report: ProtocolViolated) -> None:
        kept = self.violations.counts.get(report.rule, 0) < CASES_MAX
        self.violations.add(report.rule, _case(charge_point_id, redacted_violation(report)) if kept else "")

    def _restarted(self, charge_point_id: str, report: Restarted) -> None:
        tally = self.crashes if report.crashed else self.restarts
        tally.add(report.cause or "unknown", charge_point_id)
        number = self._numbers[charge_point_id]
        if self._states[number] in ONLINE:
            self.disconnects.add("restart")
        self._standings[number] = None
        dark = not report.crashed and report.cause == StopReason.POWER_LOSS
        state = ChargePointState.WITHOUT_POWER if dark else ChargePointState.RESTARTING
        self._switch_off(number, state, report.at)

    def _powered_up(self, charge_point_id: str, _: PoweredUp) -> None:
        number = self._numbers[charge_point_id]
        if self._states[number] is ChargePointState.WITHOUT_POWER:
            self._set_state(number, ChargePointState.RESTARTING)

    def _given_up(self, charge_point_id: str, report: GivenUp) -> None:
        self.given_up.add(report.cause or "unknown", charge_point_id)
        number = self._numbers[charge_point_id]
        for index in range(self._first[number], self._first[number + 1]):
            self._abandon(index)
        self._switch_off(number, ChargePointState.GIVEN_UP, report.at)

    def _drained(self, charge_point_id: str, report: Drained) -> None:
        number = self._numbers[charge_point_id]
        self._set_waiting(number, report.undelivered)
        if not report.undelivered:
            self._oldest_due_at[number] = math.inf
        self._switch_off(number, ChargePointState.DRAINED, report.at)

    def _switch_off(self, number: int, state: ChargePointState, at: float) -> None:
        """Its connectors have no status and no power until they report again; a transaction in flash goes on."""
        self._set_state(number, state)
        for index in range(self._first[number], self._first[number + 1]):
            self._set_status(index, None)
            self._energy.cut(index, at)


def _case(charge_point_id: str, detail: str) -> str:
    return f"{charge_point_id}: {detail}" if detail else charge_point_id
