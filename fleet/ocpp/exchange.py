"""Calls and answers of one charge point, without I/O: what may go out now, and what came in.

OCPP-J is a strict dialogue: a side that has sent a CALL sends no other until that one is answered or timed out
(OCPP-J 1.6 section 4.1.1). On top of that stand two kinds of message:

- *ordinary* ones (BootNotification, Heartbeat, Authorize, StatusNotification, ...) say how things are now. They wait
  for their turn, never for a connection: a cut fails them, and whoever wanted to say them decides anew;
- *transaction messages* (StartTransaction, StopTransaction, MeterValues of a transaction) are the books. They stay in
  the `Outbox`, in the order in which things happened, across cuts and reboots, until the CSMS has answered or has
  failed to so often that the message is lost (OCPP 1.6 section 3.7.1, keys TransactionMessageAttempts and
  -RetryInterval). The head holds its place: nothing overtakes it but ordinary messages.

The owner says what happened (`link_up`, `receive`, `enqueue`, `tick`, ...), then calls `poll` for the one CALL that may
go, and obeys the events. It calls `tick` when `deadline` has come. All instants are of one monotonic clock, in s.

Who may say what:

| link | registration      | goes out                                                     |
|------|-------------------|--------------------------------------------------------------|
| down | any               | nothing; ordinary messages fail at the next `poll`           |
| up   | not yet accepted  | BootNotification; when Pending, what the CSMS asked for too  |
| up   | accepted          | everything, in the order of `enqueue`, unless the outbox's   |
|      |                   | head waits for a retry or its turn in the backlog            |

A retry has a new message id, because ids must not repeat. So the answer to an attempt that timed out can still be told
apart, and settles the message while it waits for its next attempt: saying it again would only make a duplicate.
"""

from collections.abc import Callable
from math import inf
from typing import Protocol

from attrs import define, field

from fleet.ocpp.converter import unstructure
from fleet.ocpp.errors import CallErrorCode, FrameError, PayloadError
from fleet.ocpp.events import Called, Completed, Event, Failed, Lost, Rejected, Send, Violated
from fleet.ocpp.frame import CALL, Call, CallError, CallResult, pack, unpack
from fleet.ocpp.outbox import Outbox, Outgoing

__all__ = [
    "Called",
    "Catalogue",
    "Completed",
    "Event",
    "Exchange",
    "Failed",
    "Lost",
    "Outbox",
    "Outgoing",
    "Rejected",
    "Send",
    "Violated",
]

BOOT = "BootNotification"
# To ask for more than the other side can do breaks no rule.
_UNSUPPORTED = (CallErrorCode.NOT_IMPLEMENTED, CallErrorCode.NOT_SUPPORTED)
REMEMBERED_MAX = 8
"""How many answered or timed-out message ids are remembered, to name a strange answer properly."""


class Catalogue(Protocol):
    """The messages of a protocol version, as one side sees them. Both methods raise `PayloadError`."""

    def request(self, action: str, payload: object) -> object:
        """Read a CALL that came in."""

    def response(self, action: str, payload: object) -> object:
        """Read the answer to a CALL of ours."""


@define(eq=False)
class _Attempt:
    """A CALL on the wire, or `held` before it. `settled`: a late answer to an earlier attempt made it pointless."""

    id: str
    outgoing: Outgoing
    sent_at: float
    settled: bool = False
    held: bool = False


# ---- the exchange ----------------------------------------------------------------------------------------------------


@define(eq=False)
class Exchange:
    """The dialogue of one charge point with its CSMS; the attributes without underscore may be changed at any time.

    `message_id` makes the ids of our CALLs, never the same twice, of 36 characters at most. `transaction_attempts` and
    `retry_interval_s` are the keys TransactionMessageAttempts and -RetryInterval. `drain_interval_s` is the least time
    between two transaction messages that had been waiting when the CSMS came (back): a backlog must not be a flood.
    """

    _catalogue: Catalogue
    _outbox: Outbox
    _message_id: Callable[[], str]
    call_timeout_s: float = 30.0
    transaction_attempts: int = 3
    retry_interval_s: float = 60.0
    drain_interval_s: float = 0.1
    connected: bool = field(default=False, init=False)
    accepted: bool = field(default=False, init=False)
    pending: bool = field(default=False, init=False)
    _ordinary: list[Outgoing] = field(factory=list, init=False)
    _flight: _Attempt | None = field(default=None, init=False)
    # The last few ids of this connection: answered, and timed out (None until the first time-out, most never have one).
    _answered: list[str] = field(factory=list, init=False)
    _expired: dict[str, _Attempt] | None = field(default=None, init=False)
    # Ids of the CSMS's CALLs that the owner has yet to answer.
    _serving: list[str] = field(factory=list, init=False)
    # Messages up to this place in the order are backlog, and when the last of them went out.
    _backlog: int = field(default=0, init=False)
    _drained_at: float = field(default=-inf, init=False)

    # ---- what the owner reads ----------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When `tick` and `poll` have something to do, if nothing else happens before; inf if never."""
        if self._flight is not None:
            return self._flight.sent_at + self.call_timeout_s
        if self.connected and self.accepted and self._outbox.messages:
            return self._ready_at(self._outbox.messages[0])
        return inf

    @property
    def idle(self) -> bool:
        """Nothing is in flight and nothing waits."""
        return self._flight is None and not self._ordinary and not self._outbox.messages

    @property
    def in_flight(self) -> bool:
        """A CALL of ours is not answered yet."""
        return self._flight is not None

    @property
    def waiting(self) -> int:
        """How many transaction messages the CSMS has not acknowledged."""
        return len(self._outbox.messages)

    @property
    def oldest_due_at(self) -> float:
        """Since when the CSMS has been owed the oldest of them; inf if nothing waits."""
        return self._outbox.oldest_due_at

    # ---- what the owner tells ----------------------------------------------------------------------------------------

    def link_up(self, now: float) -> None:
        """A new connection is open; what waits in the outbox is backlog."""
        self.connected = True
        self._backlog = self._outbox.enqueued

    def link_down(self, now: float) -> list[Event]:
        """The connection is gone: ordinary messages fail, transaction messages stay where they are."""
        self.connected = False
        events: list[Event] = []
        attempt, self._flight = self._flight, None
        if attempt is not None and not attempt.settled:
            outgoing, sent_at = attempt.outgoing, None if attempt.held else attempt.sent_at
            # What was held back was never said.
            outgoing.sent -= attempt.held
            events.append(Failed(outgoing, "Disconnected", "cut before the answer", sent_at))
        self._answered.clear()
        self._serving.clear()
        self._expired = None
        return events + self._fail_waiting()

    def hold(self) -> None:
        """The CALL in flight is held back until it `left`: before that nobody can be late with an answer."""
        if self._flight is not None:
            self._flight.held = True

    def left(self, now: float) -> None:
        """The CALL in flight left no earlier than now: only from now on is its answer waited for."""
        if self._flight is not None:
            self._flight.sent_at, self._flight.held = now, False

    def accept(self, now: float) -> None:
        """The CSMS has accepted this charge point; what waits in the outbox is backlog."""
        self.accepted = True
        self._backlog = self._outbox.enqueued

    def suspend(self, *, pending: bool = False) -> None:
        """No longer accepted: only BootNotification goes out, and when `pending` what the CSMS asked for."""
        self.accepted, self.pending = False, pending

    def enqueue(self, outgoing: Outgoing) -> None:
        """Say this when its turn has come; with a `transaction` it goes through the outbox."""
        self._outbox.enqueued += 1
        outgoing.order = self._outbox.enqueued
        (self._ordinary if outgoing.transaction is None else self._outbox.messages).append(outgoing)

    def bind(self, transaction: str, transaction_id: int) -> None:
        """The CSMS gave this transaction its id. To be called before the next `poll`, or what waits for it is lost."""
        self._outbox.bindings[transaction] = transaction_id

    def result(self, id: str, response: object) -> str:
        """The CALLRESULT to the CSMS's CALL with this id, as text to send."""
        self._served(id)
        return pack(CallResult(id, unstructure(response)))

    def error(self, id: str, code: CallErrorCode, description: str = "") -> str:
        """The CALLERROR to the CSMS's CALL with this id, as text to send."""
        self._served(id)
        return pack(CallError(id, code, description))

    def ignore(self, id: str) -> None:
        """The CSMS's CALL with this id stays without an answer."""
        self._served(id)

    # ---- what happens ------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Event]:
        """Give up waiting for an answer, if it is time."""
        attempt = self._flight
        if attempt is None or now < attempt.sent_at + self.call_timeout_s:
            return []
        if attempt.held:
            attempt.sent_at = now
            return []
        self._flight = None
        if self._expired is None:
            self._expired = {}
        elif len(self._expired) == REMEMBERED_MAX:
            del self._expired[next(iter(self._expired))]
        self._expired[attempt.id] = attempt
        return self._failed(attempt, "Timeout", f"no answer in {self.call_timeout_s:g} s", now)

    def poll(self, now: float) -> list[Event]:
        """The next CALL, if one may go now; at most one `Send`, possibly after messages that can't be sent at all."""
        if not self.connected:
            return self._fail_waiting() if self._ordinary else []
        if self._flight is not None:
            return []
        events: list[Event] = []
        outgoing = self._next(now, events) if self.accepted else self._next_unaccepted()
        if outgoing is not None:
            attempt = _Attempt(self._message_id(), outgoing, now)
            self._flight = attempt
            outgoing.sent += 1
            events.append(Send(pack(Call(attempt.id, outgoing.action, outgoing.payload))))
        return events

    def receive(self, data: str | bytes, now: float) -> list[Event]:
        """Take one WebSocket message. Nothing that the CSMS sends raises."""
        try:
            frame = unpack(data)
        except FrameError as error:
            return self._take_broken(error, now)
        if isinstance(frame, Call):
            return self._take_call(frame)
        attempt = self._flight
        if attempt is None or attempt.id != frame.id or attempt.held:
            return self._take_strange(frame)
        self._flight = None
        self._remember(frame.id)
        if attempt.settled:
            return []
        if isinstance(frame, CallError):
            return self._failed(attempt, frame.code, frame.description, now, frame.details or None)
        if attempt.outgoing.raw:
            return [self._completed(attempt, frame.payload)]
        try:
            response = self._catalogue.response(attempt.outgoing.action, frame.payload)
        except PayloadError as error:
            return [_bad_result(attempt, error), *self._failed(attempt, "BadResult", error.description, now)]
        return [self._completed(attempt, response)]

    # ---- choosing ----------------------------------------------------------------------------------------------------

    def _next_unaccepted(self) -> Outgoing | None:
        for index, outgoing in enumerate(self._ordinary):
            if outgoing.action == BOOT or (outgoing.asked_for and self.pending):
                return self._ordinary.pop(index)
        return None

    def _next(self, now: float, events: list[Event]) -> Outgoing | None:
        """The older of the two queues' heads, unless the outbox's has to wait; an ordinary one leaves its queue."""
        head = self._sendable_head(events)
        ordinary = self._ordinary
        if head is not None and now >= self._ready_at(head) and not (ordinary and ordinary[0].order < head.order):
            if head.order <= self._backlog:
                self._drained_at = now
            if head.needs_id:
                head.payload["transactionId"] = self._outbox.bindings[head.transaction or ""]
            return head
        return ordinary.pop(0) if ordinary else None

    def _sendable_head(self, events: list[Event]) -> Outgoing | None:
        """The outbox's head, once those are gone whose transaction will never have an id.

        A StartTransaction goes before everything else of its transaction. So if one of these is the head and has no
        id, the start was lost.
        """
        messages, bindings = self._outbox.messages, self._outbox.bindings
        while messages and messages[0].needs_id and messages[0].transaction not in bindings:
            events.append(Lost(messages.pop(0), "transaction id never came"))
        return messages[0] if messages else None

    def _ready_at(self, head: Outgoing) -> float:
        if head.order <= self._backlog:
            return max(head.not_before, self._drained_at + self.drain_interval_s)
        return head.not_before

    # ---- settling ----------------------------------------------------------------------------------------------------

    def _completed(self, attempt: _Attempt, response: object) -> Completed:
        if attempt.outgoing.transaction is not None:
            self._outbox.messages.pop(0)
        return Completed(attempt.outgoing, response, attempt.sent_at)

    def _failed(
        self, attempt: _Attempt, code: str, description: str, now: float, details: object = None
    ) -> list[Event]:
        if attempt.settled:
            return []
        outgoing = attempt.outgoing
        events: list[Event] = [Failed(outgoing, code, description, attempt.sent_at, details)]
        if outgoing.transaction is not None:
            outgoing.attempts += 1
            if outgoing.attempts >= self.transaction_attempts:
                self._outbox.messages.pop(0)
                events.append(Lost(outgoing, f"{code} at attempt {outgoing.attempts}"))
            else:
                outgoing.not_before = now + self.retry_interval_s * outgoing.attempts
        return events

    def _fail_waiting(self) -> list[Event]:
        waiting, self._ordinary = self._ordinary, []
        return [Failed(outgoing, "Disconnected", "no connection", None) for outgoing in waiting]

    # ---- what else comes in ------------------------------------------------------------------------------------------

    def _take_call(self, call: Call) -> list[Event]:
        events: list[Event] = []
        if self._serving:
            action = call.action[:50]
            if call.id in self._serving:
                events.append(Violated("repeated-call-id", f"{action!r} came with the id of a CALL being served"))
            else:
                events.append(Violated("overlapping-call", f"{action!r} came before the last CALL was answered"))
        try:
            request = self._catalogue.request(call.action, call.payload)
        except PayloadError as error:
            if error.code not in _UNSUPPORTED:
                events.append(Violated("bad-request", f"{call.action[:50]!r}: {error.code}: {error.description}"))
            text = pack(CallError(call.id, error.code, error.description))
            events.append(Rejected(call.action, error.code, text))
        else:
            self._serving.append(call.id)
            events.append(Called(call.id, call.action, request))
        return events

    def _take_broken(self, error: FrameError, now: float) -> list[Event]:
        """Text that is no frame: counted, and answered or settled where it can be told what it wanted to be."""
        events: list[Event] = [Violated(error.rule, error.detail)]
        if error.message_id is None:
            return events
        if error.message_type == CALL:
            text = pack(CallError(error.message_id, error.code, error.detail))
            events.append(Rejected("", error.code, text))
        elif self._flight is not None and self._flight.id == error.message_id:
            attempt, self._flight = self._flight, None
            self._remember(attempt.id)
            events += self._failed(attempt, "BadResult", error.detail, now)
        return events

    def _take_strange(self, frame: CallResult | CallError) -> list[Event]:
        """An answer that nothing in flight has asked for."""
        attempt = self._expired.pop(frame.id, None) if self._expired else None
        if attempt is None:
            if frame.id in self._answered:
                return [Violated("double-reply", f"a second answer to {frame.id!r}")]
            return [Violated("unknown-reply", f"an answer to {frame.id!r}, which was never asked")]
        self._remember(frame.id)
        outgoing = attempt.outgoing
        messages = self._outbox.messages
        if isinstance(frame, CallError) or not messages or messages[0] is not outgoing:
            return [Violated("late-reply", f"an answer to {outgoing.action} {frame.id!r} after its time-out")]
        try:
            response = self._catalogue.response(outgoing.action, frame.payload)
        except PayloadError as error:
            return [_bad_result(attempt, error)]
        if self._flight is not None and self._flight.outgoing is outgoing:
            # The retry is out already. Its answer is still awaited, since there may be one CALL only, but not needed.
            self._flight.settled = True
        return [self._completed(attempt, response)]

    def _remember(self, id: str) -> None:
        self._answered.append(id)
        if len(self._answered) > REMEMBERED_MAX:
            del self._answered[0]

    def _served(self, id: str) -> None:
        if id in self._serving:
            self._serving.remove(id)


def _bad_result(attempt: _Attempt, error: PayloadError) -> Violated:
    return Violated("bad-result", f"{attempt.outgoing.action}: {error.code}: {error.description}")
