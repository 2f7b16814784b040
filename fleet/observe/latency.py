"""Latency: how long the CSMS took, in distributions that can be trusted.

Every CALL is measured twice. From when its frame was *sent* to the answer is the CSMS's own time. From when the message
was *due* to the answer is what the charge point, and whoever stands before it, has waited. A charge point speaks one
CALL at a time, so while a CSMS stands still little is sent and much falls due: the first measure sees one slow CALL for
each charge point and hides the rest (coordinated omission), the second sees all of them.

- An answer is an answer, be it a result, a CALLERROR or something unreadable: all are in the percentiles.
- A timeout has no duration, only the time that was waited. It takes part as such, see `Durations.censor`.
- Where the connection ended first, nothing is said of the CSMS's speed; such CALLs are kept under their outcome alone.
- A transaction message that is said again counts each time it is said; as due, always since it was due at first.

Other durations are those between two facts: the stages of a connection, from power-up to the first acceptance, and from
an accepted remote command to the frame that shows its effect. A boot that comes to nothing, because the charge point is
rebooted or ended before it was accepted, is censored too.

All of it is measured on the monotonic clock. What is recorded for every CALL of the whole fleet are four numbers in
histograms; everything that can be derived from them is derived when somebody asks.
"""

from collections.abc import Iterator

from attrs import field, frozen

from fleet.core.reports import (
    AuthorizationRequested,
    CallSettled,
    Drained,
    GivenUp,
    LinkUp,
    ObservedReport,
    PoweredUp,
    Registered,
    RemoteStartAccepted,
    RemoteStopAccepted,
    Restarted,
    StatusChanged,
    TransactionStarted,
)
from fleet.observe.durations import Durations, merged
from fleet.observe.tally import OTHER, short_word
from fleet.words import ConnectorStatus, RegistrationStatus

TIMEOUT = "Timeout"
CUT_OFF = "Disconnected"
ACTIONS_MAX = 40
"""So many actions are told apart, and so many outcomes of each: a person or a CSMS may invent more without end."""
OUTCOMES_MAX = 20

_WANTS = frozenset(
    (
        AuthorizationRequested,
        CallSettled,
        Drained,
        GivenUp,
        LinkUp,
        PoweredUp,
        Registered,
        RemoteStartAccepted,
        RemoteStopAccepted,
        Restarted,
        StatusChanged,
        TransactionStarted,
    )
)


@frozen(eq=False)
class CallTimes:
    """CALLs measured from both starting points, in s."""

    due: Durations = field(factory=Durations)
    """From when the message was due."""
    sent: Durations = field(factory=Durations)
    """From when its frame went out."""


Interval = CallTimes
"""All actions together, over a stretch of the run."""


@frozen
class _Wish:
    """For whom the CSMS wants a transaction, and since when."""

    id_tag: str
    at: float


class Latency:
    """A listener that keeps the durations of a run. Read it at any time; write to none of its histograms."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], CallTimes] = {}
        self._outcomes: dict[str, list[str]] = {}
        self._interval = Interval()
        self.connect: dict[str, Durations] = {"tcp": Durations(), "tls": Durations(), "websocket": Durations()}
        """The stages of each connection that came about; `tls` stays empty without TLS."""
        self.connected = Durations()
        """All of its stages together."""
        self.boot = Durations()
        """From power-up to the first acceptance of that life: connecting and any Pending or Rejected included."""
        self.remote_start = Durations()
        """From RemoteStartTransaction to the frame of the StartTransaction that came of it."""
        self.remote_stop = Durations()
        """From RemoteStopTransaction to the frame of the StopTransaction."""
        # What is under way, by charge point, connector and transaction, each with its beginning.
        self._booting: dict[str, float] = {}
        self._asked: dict[str, dict[int, _Wish]] = {}
        self._starting: dict[tuple[str, str], float] = {}
        self._stopping: dict[tuple[str, str], float] = {}

    # ---- what is read ------------------------------------------------------------------------------------------------

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action of which a CALL is over; those beyond `ACTIONS_MAX` are one, `other`."""
        return tuple(self._outcomes)

    @property
    def calls(self) -> dict[str, CallTimes]:
        """The answered and timed-out CALLs by action."""
        return {action: self._of(action) for action in self._outcomes}

    def of(self, action: str) -> CallTimes | None:
        """The answered and timed-out CALLs of this action, possibly none; None if there was no such CALL at all."""
        return self._of(action) if action in self._outcomes else None

    def of_outcome(self, action: str, outcome: str) -> CallTimes | None:
        """The CALLs of an action that ended this way, `Disconnected` ones too (with the time until they were cut)."""
        return self._kinds.get((action, outcome))

    def outcomes(self, action: str) -> tuple[str, ...]:
        """How CALLs of this action ended so far."""
        return tuple(self._outcomes.get(action, ()))

    def take_interval(self) -> Interval:
        """All answered and timed-out CALLs since this was last asked, whatever their action."""
        taken, self._interval = self._interval, Interval()
        return taken

    def finish(self, at: float) -> None:
        """The run is over: who still waits to be accepted, or for the frame of a remote command, has waited in vain."""
        for waiting, durations in self._waiting():
            for since in waiting:
                durations.censor(at - since)
        self._booting.clear()
        self._starting.clear()
        self._stopping.clear()

    def _of(self, action: str) -> CallTimes:
        kinds = [self._kinds[action, outcome] for outcome in self._outcomes[action] if outcome != CUT_OFF]
        return CallTimes(merged(kind.due for kind in kinds), merged(kind.sent for kind in kinds))

    def _waiting(self) -> Iterator[tuple[list[float], Durations]]:
        yield list(self._booting.values()), self.boot
        yield list(self._starting.values()), self.remote_start
        yield list(self._stopping.values()), self.remote_stop

    # ---- what is told ------------------------------------------------------------------------------------------------

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        return _WANTS

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """Take note of a fact."""
        if type(report) is CallSettled:
            self._settled(charge_point_id, report)
        else:
            self._note(charge_point_id, report)

    def _settled(self, charge_point_id: str, report: CallSettled) -> None:
        outcome, at, sent_at = report.outcome, report.at, report.sent_at
        times = self._kinds.get((report.action, outcome)) or self._kind(report.action, outcome)
        due_s = at - report.due_at
        if outcome == CUT_OFF:
            times.due.record(due_s)
            if sent_at is not None:
                times.sent.record(at - sent_at)
        elif outcome == TIMEOUT:
            times.due.censor(due_s)
            self._interval.due.censor(due_s)
            if sent_at is not None:
                times.sent.censor(at - sent_at)
                self._interval.sent.censor(at - sent_at)
        else:
            times.due.record(due_s)
            self._interval.due.record(due_s)
            if sent_at is not None:
                times.sent.record(at - sent_at)
                self._interval.sent.record(at - sent_at)
        if report.transaction is not None and sent_at is not None and (self._starting or self._stopping):
            self._transaction_message(charge_point_id, report.action, report.transaction, sent_at)

    def _note(self, charge_point_id: str, report: ObservedReport) -> None:
        match report:
            case StatusChanged():
                # Free again: whoever was to charge here won't. An older wish must not be matched with a later start.
                if report.status is ConnectorStatus.AVAILABLE:
                    self._wish(charge_point_id, report.connector)
            case LinkUp():
                self._connected(report)
            case TransactionStarted():
                wish = self._wish(charge_point_id, report.connector)
                if wish is not None and wish.id_tag == report.id_tag:
                    self._starting[charge_point_id, report.transaction] = wish.at
            case AuthorizationRequested():
                # Somebody stands there with a card: what starts now is theirs.
                self._wish(charge_point_id, report.connector)
            case RemoteStartAccepted():
                self._asked.setdefault(charge_point_id, {})[report.connector] = _Wish(report.id_tag, report.at)
            case RemoteStopAccepted():
                self._stopping.setdefault((charge_point_id, report.transaction), report.at)
            case Registered():
                if report.status is RegistrationStatus.ACCEPTED:
                    powered_at = self._booting.pop(charge_point_id, None)
                    if powered_at is not None:
                        self.boot.record(report.at - powered_at)
            case PoweredUp():
                self._life_over(charge_point_id, report.at)
                self._booting[charge_point_id] = report.at
            case Restarted() | GivenUp() | Drained():
                self._life_over(charge_point_id, report.at)

    def _connected(self, report: LinkUp) -> None:
        self.connected.record(report.elapsed_s)
        self.connect["tcp"].record(report.tcp_s)
        self.connect["websocket"].record(report.websocket_s)
        if report.tls_s is not None:
            self.connect["tls"].record(report.tls_s)

    def _life_over(self, charge_point_id: str, at: float) -> None:
        """What was in memory only is gone; transaction messages are in flash and will be said yet."""
        powered_at = self._booting.pop(charge_point_id, None)
        if powered_at is not None:
            self.boot.censor(at - powered_at)
        self._asked.pop(charge_point_id, None)

    def _wish(self, charge_point_id: str, connector: int) -> _Wish | None:
        """What the CSMS has asked of this connector, which is thereby over."""
        wishes = self._asked.get(charge_point_id)
        return None if wishes is None else wishes.pop(connector, None)

    def _transaction_message(self, charge_point_id: str, action: str, transaction: str, sent_at: float) -> None:
        """The first frame that went out with what a remote command has led to; later ones only repeat it."""
        if action == "StartTransaction":
            asked_at = self._starting.pop((charge_point_id, transaction), None)
            if asked_at is not None:
                self.remote_start.record(sent_at - asked_at)
        elif action == "StopTransaction":
            asked_at = self._stopping.pop((charge_point_id, transaction), None)
            if asked_at is not None:
                self.remote_stop.record(sent_at - asked_at)

    def _kind(self, action: str, outcome: str) -> CallTimes:
        """The place of a kind of CALL that was not seen before, or has none of its own."""
        action, outcome = short_word(action), short_word(outcome)
        if action not in self._outcomes and len(self._outcomes) >= ACTIONS_MAX:
            action = OTHER
        known = self._outcomes.setdefault(action, [])
        # Timeouts and cuts are never mixed with answers.
        if outcome not in known and len(known) >= OUTCOMES_MAX and outcome not in (TIMEOUT, CUT_OFF):
            outcome = OTHER
        times = self._kinds.get((action, outcome))
        if times is None:
            times = self._kinds[action, outcome] = CallTimes()
            known.append(outcome)
        return times
