"""The charge point as a pure machine: registration, exchange, configuration and its connectors, composed.

Theory of operation. Messages come in one at a time: frames and link news from below, reports from the connectors,
orders from outside, requests of the CSMS inside the frames. Each yields effects: frames to send, orders to connectors,
facts for the observer, or the wish to restart or end. Time passes only through `tick`, when `deadline` is reached.
Nothing here waits, reads a clock or draws a random number, so that a charge point can live a year in a test's second.

What must survive a reboot is in the `ChargePointMemory` that is handed in; everything else dies with the machine.
`charge_point.py` holds the conversation; what the CSMS may ask is in `service.py`, transactions in `delivery.py`.
"""

import math
from collections.abc import Callable
from typing import Any

from attrs import define, frozen

from fleet.commands.vocabulary import (
    ChangeAvailability,
    Command,
    ConnectorCommand,
    Drain,
    Reset,
    SendDataTransfer,
    SendHeartbeat,
    SetConfiguration,
    StopTransaction,
)
from fleet.core import delivery, service
from fleet.core.answers import Acknowledged, Booted, IdTagJudged, TimeTold, TransactionAccepted, TransactionClosed
from fleet.core.authorization import AskCentral, Authorizer, Denied, Granted
from fleet.core.configuration import Configuration
from fleet.core.dialect import Dialect, Said
from fleet.core.effects import (
    Answer,
    CloseLink,
    Effect,
    Finish,
    GiveOrder,
    Observe,
    Restart,
    SendFrame,
    SetPingInterval,
)
from fleet.core.memory import ChargePointMemory
from fleet.core.orders import ApplySettings, ConnectorOrder, ConnectorSettings, DenyAuthorization, GrantAuthorization
from fleet.core.orders import TakeReading
from fleet.core.plan import ChargePointPlan
from fleet.core.registration import Registration
from fleet.core.reports import (
    Answered,
    AuthorizationRequested,
    CallServed,
    CallSettled,
    ConnectFailed,
    ConnectorReport,
    Drained,
    FrameReceived,
    LinkDown,
    LinkReport,
    LinkUp,
    MeterSampled,
    ObservedReport,
    OutboxChanged,
    ProtocolViolated,
    Registered,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.ocpp.exchange import Called, Completed, Event, Exchange, Failed, Lost, Outgoing, Rejected, Send, Violated
from fleet.words import Availability, ConnectorStatus, ResetKind, StopReason

ENDING_TIMEOUT_S = 30.0
"""How long a soft reset waits for its transactions' messages before it reboots all the same (they survive it)."""


@frozen
class Instruct:
    """An order from outside for a connector, or with connector 0 for the charge point; `token` asks for an answer."""

    connector: int
    command: Command
    token: int | None = None


ChargePointMessage = Instruct | ConnectorReport | LinkReport


@define
class ConnectorView:
    """What the charge point knows of one of its connectors, from its reports."""

    status: StatusChanged | None = None
    notified: StatusChanged | None = None
    started: TransactionStarted | None = None
    status_due_at: float = math.inf


@define
class Ending:
    """On the way down: stop transactions, deliver, then restart (`cause`) or finish."""

    deadline: float
    cause: str | None


class ChargePoint:
    """One charge point's behaviour. `handle`, `start` and `tick` return the effects to carry out, in order."""

    __slots__ = (
        "_aligned_at",
        "_effects",
        "_heartbeat_at",
        "_heartbeat_interval_s",
        "_heartbeat_waiting",
        "_outbox_seen",
        "_settings",
        "authorizer",
        "configuration",
        "dialect",
        "ending",
        "exchange",
        "memory",
        "online",
        "pending",
        "plan",
        "registration",
        "utc_offset_s",
        "views",
    )

    def __init__(
        self,
        plan: ChargePointPlan,
        memory: ChargePointMemory,
        dialect: Dialect,
        message_id: Callable[[], str],
        utc_offset_s: float,
        call_timeout_s: float = 30.0,
    ) -> None:
        """`utc_offset_s` maps the monotonic clock to UTC until the CSMS tells the time."""
        self.plan = plan
        self.memory = memory
        self.dialect = dialect
        self.configuration = Configuration(plan.configuration, memory.configuration, len(plan.connectors))
        self.authorizer = Authorizer(self.configuration, memory.id_tags)
        self.registration = Registration()
        self.exchange = Exchange(dialect.catalogue, memory.outbox, message_id, call_timeout_s)
        self.views = tuple(ConnectorView() for _ in range(len(plan.connectors) + 1))
        self.pending: dict[int, str] = {}
        self.ending: Ending | None = None
        self.online = False
        self.utc_offset_s = utc_offset_s
        self._settings: ConnectorSettings = self.configuration.connector_settings()
        self._heartbeat_interval_s: float = self.configuration.heartbeat_interval_s or math.inf
        self._heartbeat_at = math.inf
        self._heartbeat_waiting = False
        self._aligned_at = math.inf
        self._outbox_seen = len(memory.outbox)
        self._effects: list[Effect] = []

    # ---- the outside -------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> ConnectorSettings:
        """What the connectors are to obey at power-up."""
        return self._settings

    @property
    def deadline(self) -> float:
        """When `tick` wants to be called; inf when nothing is due."""
        at = min(self.exchange.deadline, self.registration.deadline, self._heartbeat_at, self._aligned_at)
        if self.ending is not None:
            at = min(at, self.ending.deadline)
        for view in self.views:
            if view.status_due_at < at:
                at = view.status_due_at
        return at

    def start(self, now: float) -> list[Effect]:
        """Power up."""
        self._apply_configuration(now)
        inoperative = self.memory.inoperative
        self.views[0].status = StatusChanged(
            0, now, ConnectorStatus.UNAVAILABLE if inoperative else ConnectorStatus.AVAILABLE
        )
        return self._settle(now)

    def handle(self, message: ChargePointMessage, now: float) -> list[Effect]:
        """Take one message and say what is to be done about it."""
        match message:
            case FrameReceived():
                self._take(self.exchange.receive(message.data, now), now)
            case MeterSampled():
                delivery.meter_sampled(self, message, now)
            case StatusChanged():
                self._status_changed(message, now)
            case Instruct():
                self._instruct(message, now)
            case AuthorizationRequested():
                self.request_authorization(message, now)
            case TransactionStarted():
                delivery.started(self, message, now)
            case TransactionStopped():
                delivery.stopped(self, message, now)
            case Answered():
                self._answered(message, now)
            case LinkUp():
                self._link_up(now)
            case LinkDown():
                self._link_down(now)
            case ConnectFailed():
                pass
            case _:  # CableChanged, PowerChanged: for observers only
                pass
        return self._settle(now)

    def tick(self, now: float) -> list[Effect]:
        """Do what has become due."""
        self._take(self.exchange.tick(now), now)
        if now >= self.registration.deadline:
            if self.online:
                self.registration.asked()
                self.say(self.dialect.boot(self.plan), now)
            else:
                self.registration.deadline = math.inf
        if now >= self._heartbeat_at:
            self._beat(now)
        if now >= self._aligned_at:
            self._aligned_at = self._next_aligned(now)
            for connector in range(1, len(self.views)):
                self.order(connector, TakeReading())
        for view in self.views:
            if now >= view.status_due_at and view.status is not None:
                view.status_due_at = math.inf
                self._notify(view, view.status, now)
        return self._settle(now)

    # ---- what the parts ask of the whole -----------------------------------------------------------------------------

    def say(
        self,
        said: Said,
        due_at: float,
        *,
        transaction: str | None = None,
        needs_id: bool = False,
        context: object = None,
    ) -> None:
        """Hand a message to the exchange; with a `transaction` key it goes through the outbox."""
        action, payload = said
        self.exchange.enqueue(
            Outgoing(action, payload, due_at, transaction=transaction, needs_id=needs_id, context=context)
        )

    def order(self, connector: int, order: ConnectorCommand | ConnectorOrder, token: int | None = None) -> None:
        """Tell a connector."""
        self._effects.append(GiveOrder(connector, order, token))

    def observe(self, report: ObservedReport) -> None:
        """Tell the observer."""
        self._effects.append(Observe(report))

    def utc(self, at: float) -> float:
        """An instant on this charge point's own clock, in s since 1970."""
        return at + self.utc_offset_s

    @property
    def speaking(self) -> bool:
        """Online and accepted: messages may go out."""
        return self.online and self.registration.accepted

    def respond(self, message_id: str, response: object) -> None:
        """Answer one of the CSMS's CALLs."""
        self._effects.append(SendFrame(self.exchange.result(message_id, response)))

    def request_authorization(self, request: AuthorizationRequested, now: float) -> None:
        """Find out whether an id tag may charge, here or by the CSMS, and tell the connector."""
        verdict = self.authorizer.judge(request.id_tag, online=self.speaking, utc_s=self.utc(now))
        match verdict:
            case AskCentral():
                self.say(self.dialect.authorize(request.id_tag), request.at, context=request)
            case Granted():
                self.order(request.connector, GrantAuthorization(request.id_tag, verdict.parent_id_tag))
            case Denied():
                self.order(request.connector, DenyAuthorization(request.id_tag, verdict.status))

    def change_availability(self, connector: int, availability: Availability, now: float) -> None:
        """Make one or, with connector 0, all connectors (in)operative; a running transaction delays its connector."""
        numbers = range(1, len(self.views)) if connector == 0 else (connector,)
        for number in numbers:
            self.order(number, ChangeAvailability(availability))
        if connector == 0:
            inoperative = availability is Availability.INOPERATIVE
            if self.memory.inoperative != inoperative:
                self.memory.inoperative = inoperative
                status = ConnectorStatus.UNAVAILABLE if inoperative else ConnectorStatus.AVAILABLE
                self._status_changed(StatusChanged(0, now, status), now)

    def change_configuration(self, now: float) -> None:
        """Obey the configuration keys as they are now, at once."""
        self._apply_configuration(now)

    def end(self, reason: StopReason, cause: str | None, now: float, timeout_s: float = ENDING_TIMEOUT_S) -> None:
        """Stop every transaction, deliver what waits, then restart because of `cause`, or finish if None."""
        if self.ending is None or cause is None:
            self.ending = Ending(now + timeout_s, cause)
        for connector in range(1, len(self.views)):
            self.order(connector, StopTransaction(reason))

    def restart(self, cause: str) -> None:
        """Off and on again, without waiting for anything."""
        self._effects.append(CloseLink(reconnect=False))
        self._effects.append(Restart(self.plan.reboot_s, cause))

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _settle(self, now: float) -> list[Effect]:
        """After every message: send what may be sent, see whether an ending is complete, hand out the effects."""
        self._take(self.exchange.poll(now), now)
        if self.ending is not None:
            self._check_ending(now)
        waiting = self.exchange.waiting
        if waiting != self._outbox_seen:
            self._outbox_seen = waiting
            self.observe(OutboxChanged(waiting, now))
        effects, self._effects = self._effects, []
        return effects

    def _take(self, events: list[Event], now: float) -> None:
        for event in events:
            match event:
                case Send():
                    self._effects.append(SendFrame(event.text))
                case Completed():
                    self._completed(event, now)
                case Failed():
                    self._failed(event, now)
                case Called():
                    self.observe(CallServed(event.action, "Result", now))
                    service.serve(self, event.id, self.dialect.request(event.request), now)
                case Rejected():
                    self._effects.append(SendFrame(event.text))
                    self.observe(CallServed(event.action, event.code, now))
                case Violated():
                    self.observe(ProtocolViolated(event.rule, event.detail, now))
                case Lost():
                    delivery.lost(self, event.outgoing, event.reason, now)

    def _completed(self, event: Completed, now: float) -> None:
        outgoing = event.outgoing
        self.observe(CallSettled(outgoing.action, "Result", outgoing.due_at, event.sent_at, now))
        answer = self.dialect.answer(event.response)
        match answer:
            case Acknowledged():
                pass
            case TimeTold():
                self._heartbeat_waiting = False
                self.utc_offset_s = answer.utc_s - now
            case IdTagJudged():
                request: Any = outgoing.context
                self.authorizer.learn(request.id_tag, answer.info)
                delivery.judged(self, request.connector, request.id_tag, answer.info)
            case TransactionAccepted():
                delivery.accepted(self, outgoing, answer, now)
            case TransactionClosed():
                delivery.closed(self, outgoing, answer, now)
            case Booted():
                self._booted(answer, now)

    def _failed(self, event: Failed, now: float) -> None:
        outgoing = event.outgoing
        self.observe(CallSettled(outgoing.action, event.code, outgoing.due_at, event.sent_at, now))
        context = outgoing.context
        if outgoing.action == "BootNotification":
            self.registration.failed(now)
        elif outgoing.action == "Heartbeat":
            self._heartbeat_waiting = False
        elif isinstance(context, AuthorizationRequested):
            # No answer from the CSMS is the same to the driver as no CSMS: decide offline.
            verdict = self.authorizer.judge(context.id_tag, online=False, utc_s=self.utc(now))
            if isinstance(verdict, Granted):
                self.order(context.connector, GrantAuthorization(context.id_tag, verdict.parent_id_tag))
            elif isinstance(verdict, Denied):
                self.order(context.connector, DenyAuthorization(context.id_tag, verdict.status))
        elif isinstance(context, StatusChanged):
            # The CSMS never learned of this status: say it again when there is a connection.
            self.views[context.connector].notified = None

    def _booted(self, answer: Booted, now: float) -> None:
        self.utc_offset_s = answer.utc_s - now
        self.registration.answered(answer, now)
        self.observe(Registered(now, answer.status, answer.interval_s))
        if not self.registration.accepted:
            return
        if answer.interval_s > 0:
            # Section 4.2: the interval of an accepting answer is the heartbeat interval from here on.
            self.configuration.set("HeartbeatInterval", str(answer.interval_s))
        self._apply_configuration(now)
        self._open(now)

    def _open(self, now: float) -> None:
        """Accepted and online: catch up on what the CSMS doesn't know yet."""
        self.exchange.accept(now)
        for view in self.views:
            if view.status is not None:
                self._notify(view, view.status, now)
        if self._heartbeat_at == math.inf or now > self._heartbeat_at:
            self._heartbeat_at = now + self._heartbeat_interval_s

    def _link_up(self, now: float) -> None:
        self.online = True
        self.exchange.link_up(now)
        self._effects.append(SetPingInterval(self.configuration.websocket_ping_interval_s))
        self.registration.link_up(now)
        if self.registration.accepted:
            self._open(now)
        elif now >= self.registration.deadline:
            self.registration.asked()
            self.say(self.dialect.boot(self.plan), now)

    def _link_down(self, now: float) -> None:
        self.online = False
        self._take(self.exchange.link_down(now), now)
        # A request of the CSMS that waits for a connector has lost its way back.
        self.pending.clear()

    def _status_changed(self, report: StatusChanged, now: float) -> None:
        view = self.views[report.connector]
        view.status = report
        if not self.speaking:
            return
        wait_s = self._settings.minimum_status_duration_s
        if wait_s > 0 and view.notified is not None:
            view.status_due_at = now + wait_s
        else:
            self._notify(view, report, now)

    def _notify(self, view: ConnectorView, report: StatusChanged, now: float) -> None:
        """StatusNotification, unless the CSMS knows this status already."""
        known = view.notified
        if not self.speaking or (known is not None and _same_status(known, report)):
            return
        view.notified = report
        self.say(self.dialect.status(report, self.utc(report.at)), report.at, context=report)

    def _beat(self, now: float) -> None:
        """Heartbeat, at most one waiting; the next is due one interval after this one was."""
        self._heartbeat_at = max(self._heartbeat_at + self._heartbeat_interval_s, now)
        if self.speaking:
            self.send_heartbeat(now)

    def send_heartbeat(self, now: float) -> None:
        """Say Heartbeat unless one is waiting already."""
        if not self._heartbeat_waiting:
            self._heartbeat_waiting = True
            self.say(self.dialect.heartbeat(), now)

    def _apply_configuration(self, now: float) -> None:
        configuration = self.configuration
        exchange = self.exchange
        exchange.transaction_attempts = configuration.transaction_message_attempts
        exchange.retry_interval_s = configuration.transaction_message_retry_interval_s
        settings = configuration.connector_settings()
        if settings is not self._settings:
            self._settings = settings
            for connector in range(1, len(self.views)):
                self.order(connector, ApplySettings(settings))
        interval_s = configuration.heartbeat_interval_s or math.inf
        if interval_s != self._heartbeat_interval_s and self.registration.accepted:
            self._heartbeat_at = now + interval_s
        self._heartbeat_interval_s = interval_s
        self._aligned_at = self._next_aligned(now)
        if self.online:
            self._effects.append(SetPingInterval(configuration.websocket_ping_interval_s))

    def _next_aligned(self, now: float) -> float:
        """The next multiple of ClockAlignedDataInterval since midnight, by this charge point's clock (section 9.1.3)."""
        interval_s = self.configuration.clock_aligned_data_interval_s
        if interval_s <= 0:
            return math.inf
        since_midnight_s = self.utc(now) % 86_400.0
        next_s = min((math.floor(since_midnight_s / interval_s + 1e-6) + 1) * interval_s, 86_400.0)
        return now + next_s - since_midnight_s

    def _instruct(self, message: Instruct, now: float) -> None:
        if message.connector:
            if message.connector >= len(self.views):
                self._refuse(message, f"{self.plan.id} has no connector {message.connector}")
                return
            self._effects.append(GiveOrder(message.connector, message.command, message.token))  # type: ignore[arg-type]
            return
        refusal: str | None = None
        match message.command:
            case ChangeAvailability(availability=availability):
                self.change_availability(0, availability, now)
            case Reset(kind=kind):
                self.reset(kind, now)
            case SendHeartbeat() | SendDataTransfer() if not self.speaking:
                refusal = f"{self.plan.id} is not connected and accepted"
            case SendHeartbeat():
                self.send_heartbeat(now)
            case SendDataTransfer(vendor_id=vendor_id, message_id=message_id, data=data):
                self.say(self.dialect.data_transfer(vendor_id, message_id, data), now)
            case SetConfiguration(key=key, value=value):
                refusal = self._set_configuration(key, value, now)
            case Drain():
                self.end(StopReason.LOCAL, None, now, math.inf)
            case command:
                refusal = f"{type(command).__name__} needs a connector, such as {self.plan.id}/1"
        self._refuse(message, refusal)

    def _refuse(self, message: Instruct, refusal: str | None) -> None:
        if message.token is not None:
            self._effects.append(Answer(message.token, refusal))

    def reset(self, kind: ResetKind, now: float) -> None:
        """Reset.req: soft delivers first, hard just goes (section 5.14)."""
        if kind is ResetKind.SOFT:
            self.end(StopReason.SOFT_RESET, "SoftReset", now)
        else:
            self.restart("HardReset")

    def _set_configuration(self, key: str, value: str, now: float) -> str | None:
        try:
            self.configuration.set(key, value)
        except ValueError as error:
            return str(error)
        self._apply_configuration(now)
        return None

    def _answered(self, message: Answered, now: float) -> None:
        message_id = self.pending.pop(message.token, None)
        if message_id is None:
            self._effects.append(Answer(message.token, message.refusal))
        else:
            service.unlocked(self, message_id, message.refusal)

    def _check_ending(self, now: float) -> None:
        """All quiet, or out of time: go."""
        assert self.ending is not None
        quiet = self.exchange.idle and not any(view.started for view in self.views)
        if not quiet and now < self.ending.deadline:
            return
        cause = self.ending.cause
        self.ending = None
        if cause is not None:
            self.restart(cause)
        else:
            self.observe(Drained(now, self.exchange.waiting))
            self._effects.append(CloseLink(reconnect=False))
            self._effects.append(Finish())


def _same_status(a: StatusChanged, b: StatusChanged) -> bool:
    return (
        a.status is b.status
        and a.error_code is b.error_code
        and a.info == b.info
        and a.vendor_error_code == b.vendor_error_code
    )
