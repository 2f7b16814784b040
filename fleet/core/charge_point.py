"""The charge point as a pure machine: registration, exchange, configuration and its connectors, composed.

Theory of operation. Messages come in one at a time: frames and link news from below, reports from the connectors,
orders from outside, requests of the CSMS inside the frames. Each yields effects: frames to send, orders to connectors,
facts for the observer, or the wish to restart or end. Time passes only through `tick`, when `deadline` is reached.
Nothing here waits, reads a clock or draws a random number, so that a charge point can live a year in a test's second.

What must survive a reboot is in the `ChargePointMemory` that is handed in; everything else dies with the machine.
The conversation is here, its beginning in `booting.py`; what the CSMS may ask is in `service.py`, what it answered in
`outcomes.py`, what outsiders may ask in `instructions.py`; transactions are in `delivery.py`, the connectors' statuses
in `views.py`, the power that charging profiles leave them in `charging_limits.py`, what the clock causes in `pulse.py`,
and firmware, logs and certificates in `maintenance.py`.
"""

import math
from collections.abc import Callable
from typing import assert_never

from fleet.commands.vocabulary import ChangeAvailability, ConnectorCommand
from fleet.core import (
    absence,
    admission,
    booting,
    charging_limits,
    delivery,
    emergency,
    impairments,
    instructions,
    maintenance,
    outcomes,
    reconnection,
    security_events,
    service,
    service_reservation,
    updating,
    views,
)
from fleet.core.authorization import Authorizer
from fleet.core.charging_limits import ChargingLimits
from fleet.core.configuration import Configuration
from fleet.core.credentials import Trial
from fleet.core.delivery_reports import OutboxChanged
from fleet.core.dialect import Dialect, Said
from fleet.core.effects import Answer, Effect, GiveOrder, Observe, SendFrame, SetPingInterval
from fleet.core.errands import ErrandEnded
from fleet.core.instructions import Ending, Instruct
from fleet.core.memory import ChargePointMemory
from fleet.core.oracle import Oracle
from fleet.core.orders import ApplySettings, ConnectorOrder, DenyAuthorization, GrantAuthorization, TakeReading
from fleet.core.plan import ChargePointPlan
from fleet.core.pulse import Pulse
from fleet.core.quartz import shown_utc_s
from fleet.core.registration import Registration
from fleet.core.reports import (
    Answered,
    AuthorizationRequested,
    CableChanged,
    CallServed,
    ConnectFailed,
    ConnectorReport,
    FrameReceived,
    IdTagRefused,
    LinkDown,
    LinkReport,
    LinkUp,
    MeterSampled,
    ObservedReport,
    PowerChanged,
    PoweredUp,
    ProtocolViolated,
    RegisterMoved,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.core.upkeep import Upkeep
from fleet.ocpp.exchange import Called, Completed, Event, Exchange, Failed, Lost, Outgoing, Rejected, Send, Violated
from fleet.words import Availability

ChargePointMessage = Instruct | ConnectorReport | LinkReport | ErrandEnded


class ChargePoint:
    """One charge point's behaviour. `handle`, `start` and `tick` return the effects to carry out, in order."""

    __slots__ = (
        "_effects",
        "_oldest_seen",
        "_outbox_seen",
        "authorizer",
        "configuration",
        "dialect",
        "ending",
        "exchange",
        "impaired_until",
        "limits",
        "memory",
        "online",
        "oracle",
        "pending",
        "plan",
        "powered_at",
        "pulse",
        "registration",
        "reservations",
        "settings",
        "speaking_since",
        "trial",
        "upkeep",
        "utc_offset_s",
        "views",
        "waiting_for_link",
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
        """`utc_offset_s` maps the monotonic clock to UTC, as the CSMS tells it or, until then, by our own clock."""
        self.plan = plan
        self.memory = memory
        self.dialect = dialect
        self.configuration = Configuration(plan.configuration, memory.configuration, len(plan.connectors))
        self.authorizer = Authorizer(self.configuration, memory.id_tags, memory.local_list)
        self.reservations = service_reservation.at_power_up(memory)
        self.registration = Registration()
        self.exchange = Exchange(dialect.catalogue, memory.outbox, message_id, call_timeout_s)
        self.views = views.at_power_up(memory)
        self.pending: dict[int, str] = {}
        """Requests of the CSMS that wait for a connector: token -> message id."""
        self.waiting_for_link: tuple[tuple[int, bool], ...] = ()
        """Who wants to hear that the link is up (True) or down (False), by token."""
        self.ending: Ending | None = None
        self.impaired_until = math.inf
        """When the first of the faults on the link ends."""
        self.online = False
        self.powered_at = 0.0
        self.speaking_since = 0.0
        """Since when the CSMS listens: what it couldn't be told before is due from then on."""
        self.utc_offset_s = utc_offset_s
        self.oracle = Oracle(utc_offset_s)
        self.settings = self.configuration.connector_settings()
        """What the connectors are to obey."""
        self.pulse = Pulse()
        self.limits = ChargingLimits()
        self.trial: Trial | None = None
        """New credentials that have not got it in yet."""
        self.upkeep = Upkeep()
        self._outbox_seen = len(memory.outbox)
        self._oldest_seen = memory.outbox.oldest_due_at
        self._effects: list[Effect] = []

    # ---- the outside -------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When `tick` wants to be called; inf when nothing is due."""
        own = min(self.exchange.deadline, self.registration.deadline, self.pulse.deadline)
        at = min(own, self.limits.due_at, self.impaired_until, self.reservations.due_at)
        if (due_at := self.upkeep.deadline) < at:
            at = due_at
        if self.ending is not None:
            at = min(at, self.ending.deadline)
        for view in self.views:
            if view.status_due_at < at:
                at = view.status_due_at
        return at

    def start(self, now: float) -> list[Effect]:
        """Power up."""
        reconnection.start(self)
        absence.start(self)
        impairments.start(self, now)
        self.configure(now)
        charging_limits.refresh(self, now)
        self.powered_at = now
        self.views[0].status = emergency.own_status(self, now)
        emergency.start(self)
        maintenance.start(self, now)
        self.observe(PoweredUp(now))
        return self._settle(now)

    def handle(self, message: ChargePointMessage, now: float) -> list[Effect]:
        """Take one message and say what is to be done about it."""
        match message:
            case FrameReceived():
                self._take(self.exchange.receive(message.data, now), now)
            case MeterSampled():
                delivery.meter_sampled(self, message)
            case StatusChanged():
                views.changed(self, message, now)
                service_reservation.moved(self, message)
                charging_limits.changed(self, message, now)
            case Instruct():
                instructions.instruct(self, message, now)
            case AuthorizationRequested():
                admission.request(self, message, now)
            case TransactionStarted():
                delivery.started(self, message)
                charging_limits.started(self, message, now)
            case TransactionStopped():
                delivery.stopped(self, message)
                charging_limits.stopped(self, message, now)
            case Answered():
                self._answered(message)
            case LinkUp():
                booting.link_up(self, now)
            case LinkDown():
                self._link_down(now)
            case CableChanged():
                self.views[message.connector].plugged = message.plugged
            case ConnectFailed():
                absence.connect_failed(self, message)
                security_events.not_connected(self, message, now)
                reconnection.connect_failed(self, message)
            case PowerChanged():
                charging_limits.refresh(self, now)
            case IdTagRefused() | RegisterMoved():
                pass  # for observers only
            case ErrandEnded():
                maintenance.ended(self, message, now)
            case _:
                assert_never(message)
        return self._settle(now)

    def tick(self, now: float) -> list[Effect]:
        """Do what has become due."""
        self._take(self.exchange.tick(now), now)
        if now >= self.registration.deadline:
            booting.boot(self, now)
        if now >= self.pulse.heartbeat_at:
            self.pulse.beat(now)
            if self.speaking:
                self.send_heartbeat(now)
        if now >= self.pulse.aligned_at:
            self.align(now)
            for connector in range(1, len(self.views)):
                self.order(connector, TakeReading())
        if now >= self.limits.due_at:
            charging_limits.refresh(self, now)
        if now >= self.impaired_until:
            impairments.end_due(self, now)
        service_reservation.tick(self, now)
        views.tell_due(self, now)
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
        asked_for: bool = False,
    ) -> None:
        """Hand a message to the exchange; with a `transaction` key it goes through the outbox."""
        action, payload = said
        self.exchange.enqueue(
            Outgoing(action, payload, due_at, transaction, needs_id=needs_id, context=context, asked_for=asked_for)
        )

    def pass_on(self, connector: int, command: ConnectorCommand, token: int | None) -> None:
        """Tell a connector what somebody outside wants of it."""
        self._effects.append(GiveOrder(connector, command, token, refusable=True))

    def order(self, connector: int, order: ConnectorCommand | ConnectorOrder, token: int | None = None) -> None:
        """Tell a connector what this charge point wants of it; with a token its answer comes back."""
        if type(order) is GrantAuthorization:
            views.granted(self.views[connector])
        elif type(order) is DenyAuthorization:
            self.views[connector].granted = False
        self._effects.append(GiveOrder(connector, order, token, refusable=token is not None))

    def effect(self, effect: Effect) -> None:
        """Ask the actor for something."""
        self._effects.append(effect)

    def answer(self, token: int | None, refusal: str | None = None, value: object = None) -> None:
        """Answer whoever asked, if anybody did."""
        if token is not None:
            self._effects.append(Answer(token, refusal, value))

    def observe(self, report: ObservedReport) -> None:
        """Tell the observer."""
        self._effects.append(Observe(report))

    def utc(self, at: float) -> float:
        """An instant on this charge point's own clock, in s since 1970."""
        quartz = self.memory.quartz
        utc_s = at + self.utc_offset_s
        return utc_s if quartz is None else shown_utc_s(utc_s, quartz, at)

    def align(self, now: float) -> None:
        """Aligned readings are due by its own clock, which was set just now, or has come as far as one of them."""
        quartz = self.memory.quartz
        self.pulse.align(self.configuration, now, self.utc(now), 1.0 if quartz is None else 1.0 + quartz.drift)

    @property
    def speaking(self) -> bool:
        """Online and accepted: messages may go out."""
        return self.online and self.registration.accepted

    def respond(self, message_id: str, response: object) -> None:
        """Answer one of the CSMS's CALLs."""
        self._effects.append(SendFrame(self.exchange.result(message_id, response)))

    def change_availability(self, connector: int, availability: Availability, now: float) -> None:
        """Make one or, with connector 0, all connectors (in)operative; a running transaction delays its connector."""
        numbers = range(1, len(self.views)) if connector == 0 else (connector,)
        for number in updating.at_liberty(self, numbers, availability):
            self.order(number, ChangeAvailability(availability))
        if connector == 0:
            inoperative = availability is Availability.INOPERATIVE
            if self.memory.inoperative != inoperative:
                self.memory.inoperative = inoperative
                views.changed(self, emergency.own_status(self, now), now)

    def configure(self, now: float) -> None:
        """Obey the configuration keys as they are now, at once."""
        configuration = self.configuration
        exchange = self.exchange
        exchange.transaction_attempts = configuration.transaction_message_attempts
        exchange.retry_interval_s = configuration.transaction_message_retry_interval_s
        settings = configuration.connector_settings()
        if settings is not self.settings:
            self.settings = settings
            for connector in range(1, len(self.views)):
                self.order(connector, ApplySettings(settings))
        self.pulse.configure(configuration, now, accepted=self.registration.accepted)
        self.align(now)
        if self.online:
            self._effects.append(SetPingInterval(configuration.websocket_ping_interval_s))

    def send_heartbeat(self, now: float, *, asked_for: bool = False) -> None:
        """Say Heartbeat, unless one is waiting already."""
        if not self.pulse.heartbeat_waiting:
            self.pulse.heartbeat_waiting = True
            self.say(self.dialect.heartbeat(), now, asked_for=asked_for)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _settle(self, now: float) -> list[Effect]:
        """After every message: send what may be sent, see whether an ending is complete, hand out the effects."""
        service_reservation.settle(self, now)
        maintenance.proceed(self, now)
        self._take(self.exchange.poll(now), now)
        instructions.see_ending(self, now)
        # The one that is being said while the CSMS listens is no backlog.
        waiting = self.exchange.waiting
        if waiting and self.speaking:
            waiting -= 1
        oldest_due_at = self.exchange.oldest_due_at if waiting else math.inf
        if waiting != self._outbox_seen or oldest_due_at != self._oldest_seen:
            self._outbox_seen, self._oldest_seen = waiting, oldest_due_at
            self.observe(OutboxChanged(waiting, now, oldest_due_at))
        effects, self._effects = self._effects, []
        return effects

    def _take(self, events: list[Event], now: float) -> None:
        for event in events:
            match event:
                case Send():
                    self._effects.append(SendFrame(event.text))
                case Completed():
                    outcomes.completed(self, event, now)
                case Failed():
                    outcomes.failed(self, event, now)
                case Called() if self.registration.rejected:
                    # Section 4.2: while Rejected, a charge point doesn't answer the CSMS.
                    self.exchange.ignore(event.id)
                case Rejected() if self.registration.rejected:
                    pass
                case Called():
                    self.observe(CallServed(event.action, "Result", now))
                    service.serve(self, event.id, self.dialect.request(event.request), now)
                case Rejected():
                    self._effects.append(SendFrame(event.text))
                    self.observe(CallServed(event.action, event.code, now))
                case Violated():
                    self.observe(ProtocolViolated(event.rule, event.detail, now))
                    security_events.violated(self, event.rule, now)
                case Lost():
                    delivery.lost(self, event.outgoing, event.reason, now)

    def _link_down(self, now: float) -> None:
        self.online = False
        absence.link_down(self)
        self._take(self.exchange.link_down(now), now)
        # A request of the CSMS that waits for a connector or an errand has lost its way back.
        self.pending.clear()
        maintenance.link_down(self)

    def _answered(self, message: Answered) -> None:
        message_id = self.pending.pop(message.token, None)
        if message_id is None:
            self._effects.append(Answer(message.token, message.refusal))
        else:
            service.unlocked(self, message_id, message.refusal)
