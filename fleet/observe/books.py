"""The books: every transaction from its start to the CSMS's record of it, in whole Wh.

Four figures must be one and the same: what the meters counted, what StopTransaction reported, what the CSMS
acknowledged, and what the CSMS's own records say. The first three come from reports, as they happen; the last is read
at the end, by `compare`. The meters are followed on their own: a Wh that a register gained outside any transaction, or
that two transactions both claim, shows as a difference. What an earlier run left unfinished is in the books from its
own beginning.

The records may be those of a CSMS that serves other fleets too. Whose transactions are compared is told by the reports:
a charge point that tried to connect is ours, whether or not it ever charged, so that what a CSMS makes up about it is
found.

The messages themselves are counted too, by what became of them. Said twice or late they leave the books as they are;
lost or out of order they don't.

Memory: what is open is few. A transaction that is closed and acknowledged is seven numbers in arrays, 33 bytes, because
at the end each one has to be found in the records; a million of them are 33 MB. So is one whose stop was given up.
Whatever else was to be said about it is said when it closes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, field, frozen

from fleet.core.delivery_reports import MessageLost, TransactionBound, TransactionDelivered, TransactionRestored
from fleet.core.meter import whole_wh
from fleet.core.reports import (
    CallSettled,
    ConnectFailed,
    LinkUp,
    MeterSampled,
    ObservedReport,
    PowerChanged,
    RegisterMoved,
    TransactionStarted,
    TransactionStopped,
)
from fleet.observe.ledger import LATE_S, STARTED, STOPPED, Entry, Fate, Findings, Pages, id_tag_mark
from fleet.observe.records import Comparison, Record, read_records
from fleet.observe.tally import Tally

__all__ = ["LATE_S", "Balance", "Books", "Fate", "Record", "read_records"]

START, METER_VALUES, STOP = "StartTransaction", "MeterValues", "StopTransaction"
TRANSACTION_MESSAGES = (START, METER_VALUES, STOP)
_SETTLED = "Result"


@frozen
class Balance:
    """What the two sides' books come to. Transactions are counted, energies are Wh.

    The records' figures are None when there were none to compare with; then `balanced` speaks of our side alone.
    """

    started: int
    """Begun in this run, or `restored`."""
    stopped: int
    delivered: int
    """StopTransaction acknowledged by the CSMS."""
    recorded: int | None
    """Closed in the CSMS's records."""
    metered_wh: int
    reported_wh: int
    acknowledged_wh: int
    recorded_wh: int | None
    open_here: int
    """Started and never stopped."""
    undelivered: int
    """Stopped, and the CSMS never said that it knows."""
    lost: int
    """Transactions whose stop was given up; a reading that was lost on the way loses no transaction."""
    difference_wh: int = 0
    """Between the largest and the smallest of the energies."""
    violations: dict[str, int] = field(factory=dict)
    """What is wrong, counted by a rule of `fleet.observe.rules.BOOK_RULES`."""
    open_there: int = 0
    """Closed here, open in the records."""
    missing: int = 0
    """Acknowledged, and not in the records."""
    duplicated: int = 0
    """Recorded twice, or one id given to two."""
    unknown: int = 0
    """Recorded of a charge point of ours, and not known to it."""
    different: int = 0
    """Known to both sides, but not the same."""
    restored: int = 0
    """Begun in an earlier run that left them unfinished."""
    findings: tuple[str, ...] = ()
    """One line each for what is wrong, `FINDINGS_MAX` of them at most, then how many more."""

    @property
    def balanced(self) -> bool:
        """Everything that began has ended on both sides, and the energies are one."""
        return not self.findings


@define
class Trail:
    """What a connector's register showed, whole Wh, and how much of it transactions have reported."""

    first_wh: int
    last_wh: int
    reported_wh: int = 0
    running: int = 0


class Books:
    """A listener that follows every transaction of the fleet."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._open: dict[tuple[str, str], Entry] = {}
        self._closed = Pages()
        self._given_up = Pages()
        self._trails: dict[tuple[str, int], Trail] = {}
        self._wrong = Findings()
        self._handlers = self._dispatch()
        self.messages = {action: Fate() for action in TRANSACTION_MESSAGES}
        """What became of the transaction messages, by action."""
        self.violations: Tally = self._wrong.violations
        """What is wrong by now, by rule; after `compare`, what was wrong in the end."""
        self.restored: list[tuple[str, TransactionRestored]] = []
        """What an earlier run left, by charge point."""
        self.restored_ids: set[tuple[str, int]] = set()
        """The CSMS's ids of these, as far as they are known."""
        self._restored_keys: set[tuple[str, str]] = set()
        self.started = 0
        self.stopped = 0
        self.lost_messages = 0
        self.reported_wh = 0
        self.acknowledged_wh = 0

    @property
    def delivered(self) -> int:
        """Transactions whose StopTransaction the CSMS acknowledged."""
        return len(self._closed)

    @property
    def lost(self) -> int:
        """Transactions whose StopTransaction was given up."""
        return len(self._given_up)

    @property
    def open(self) -> int:
        """Transactions of which more is to come."""
        return len(self._open)

    # ---- listening ---------------------------------------------------------------------------------------------------

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """Whatever concerns transactions and meters, and who is there at all."""
        return frozenset(self._handlers)

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """Enter it."""
        if charge_point_id not in self._numbers:
            self._numbers[charge_point_id] = len(self._ids)
            self._ids.append(charge_point_id)
        self._handlers[type(report)](charge_point_id, report)

    def _dispatch(self) -> dict[type[ObservedReport], Callable[[str, Any], None]]:
        return {
            CallSettled: self._settled,
            LinkUp: self._connecting,
            ConnectFailed: self._connecting,
            MeterSampled: self._metered,
            PowerChanged: self._metered,
            RegisterMoved: self._register_moved,
            TransactionStarted: self._started,
            TransactionRestored: self._restored,
            TransactionBound: self._bound,
            TransactionStopped: self._stopped,
            TransactionDelivered: self._delivered,
            MessageLost: self._message_lost,
        }

    def _connecting(self, charge_point_id: str, report: LinkUp | ConnectFailed) -> None:
        """It is one of ours: that is all there is to it."""

    def _settled(self, charge_point_id: str, report: CallSettled) -> None:
        """One of our CALLs is over; where it is a transaction message that arrived, that is its fate."""
        key = report.transaction
        if key is None or report.outcome != _SETTLED:
            return
        action = report.action
        fate = self.messages.get(action)
        if fate is None:
            fate = self.messages[action] = Fate()
        fate.delivered += 1
        entry = self._open.get((charge_point_id, key))
        if report.attempt > 1:
            fate.repeated += 1
            if entry is not None and action != METER_VALUES:
                entry.said_again |= STARTED if action == START else STOPPED
        if report.at - report.due_at > LATE_S:
            fate.late += 1
        # The start's answer binds the id before anything else goes, the stop's closes the entry after everything.
        if entry is None or (entry.transaction_id is None) is not (action == START):
            fate.out_of_order += 1
            self._breach("out-of-order", f"{charge_point_id}: {action} of {key} was delivered out of order")

    def _breach(self, rule: str, line: str) -> None:
        # What a comparison came to before this is out of date.
        self.violations = self._wrong.violations
        self._wrong.add(rule, line)

    def _metered(self, charge_point_id: str, report: MeterSampled | PowerChanged) -> None:
        self._trail(charge_point_id, report.connector, whole_wh(report.register_wh))

    def _register_moved(self, charge_point_id: str, report: RegisterMoved) -> None:
        """A charge point that breaks as it is told is no fault of the CSMS's: nobody owes what moved by itself.

        Unless it did while a transaction ran: that one reports what the meter shows, be it less than it was.
        """
        trail = self._trail(charge_point_id, report.connector, report.was_wh)
        if not trail.running:
            trail.first_wh += report.is_wh - report.was_wh
        trail.last_wh = report.is_wh

    def _trail(self, charge_point_id: str, connector: int, register_wh: int) -> Trail:
        trail = self._trails.get((charge_point_id, connector))
        if trail is None:
            trail = self._trails[charge_point_id, connector] = Trail(register_wh, register_wh)
        elif register_wh > trail.last_wh:
            trail.last_wh = register_wh
        return trail

    def _started(self, charge_point_id: str, report: TransactionStarted) -> None:
        self.started += 1
        self._open[charge_point_id, report.transaction] = Entry(
            report.connector, report.meter_start_wh, id_tag_mark=id_tag_mark(report.id_tag)
        )
        self._trail(charge_point_id, report.connector, report.meter_start_wh).running += 1

    def _restored(self, charge_point_id: str, report: TransactionRestored) -> None:
        """What it has taken so far is on its meter; whatever of it was on its way may have arrived and come again."""
        self.started += 1
        self.restored.append((charge_point_id, report))
        self._restored_keys.add((charge_point_id, report.transaction))
        mark = 0 if report.id_tag is None else id_tag_mark(report.id_tag)
        entry = Entry(report.connector, report.meter_start_wh, report.meter_stop_wh, None, mark, STARTED | STOPPED)
        self._open[charge_point_id, report.transaction] = entry
        if report.transaction_id is not None:
            self._give_id(charge_point_id, report.transaction, entry, report.transaction_id)
        trail = self._trail(charge_point_id, report.connector, report.register_wh)
        if report.meter_stop_wh is None:
            trail.first_wh -= report.register_wh - report.meter_start_wh
            trail.running += 1
        else:
            self.stopped += 1
            self.reported_wh += entry.energy_wh
            trail.first_wh -= entry.energy_wh
            trail.reported_wh += entry.energy_wh

    def _give_id(self, charge_point_id: str, key: str, entry: Entry, transaction_id: int) -> None:
        entry.transaction_id = transaction_id
        if (charge_point_id, key) in self._restored_keys:
            self.restored_ids.add((charge_point_id, transaction_id))

    def _bound(self, charge_point_id: str, report: TransactionBound) -> None:
        entry = self._open.get((charge_point_id, report.transaction))
        if entry is not None:
            self._give_id(charge_point_id, report.transaction, entry, report.transaction_id)

    def _stopped(self, charge_point_id: str, report: TransactionStopped) -> None:
        entry = self._open.get((charge_point_id, report.transaction))
        if entry is None or entry.meter_stop_wh is not None:
            where = f"{charge_point_id}/{report.connector}: {report.transaction}"
            how = "stopped but never started" if entry is None else "stopped twice"
            self._breach("stop-without-start", f"{where} was {how}")
            return
        self.stopped += 1
        entry.meter_stop_wh = report.meter_stop_wh
        self.reported_wh += entry.energy_wh
        trail = self._trail(charge_point_id, report.connector, report.meter_stop_wh)
        trail.running -= 1
        trail.reported_wh += entry.energy_wh

    def _delivered(self, charge_point_id: str, report: TransactionDelivered) -> None:
        entry = self._open.pop((charge_point_id, report.transaction), None)
        where = f"{charge_point_id}/{report.connector} transaction {report.transaction_id}"
        if entry is None or entry.meter_stop_wh is None:
            self._breach("acknowledged-without-stop", f"{where}: acknowledged but never stopped")
            return
        self.acknowledged_wh += report.energy_wh
        if report.energy_wh != entry.energy_wh:
            line = f"{where}: {entry.energy_wh} Wh were reported, {report.energy_wh} Wh acknowledged"
            self._breach("acknowledged-difference", line)
        entry.transaction_id = report.transaction_id
        self._closed.add(self._numbers[charge_point_id], entry)

    def _message_lost(self, charge_point_id: str, report: MessageLost) -> None:
        self.lost_messages += 1
        fate = self.messages.get(report.action)
        if fate is None:
            fate = self.messages[report.action] = Fate()
        fate.lost += 1
        line = f"{charge_point_id}: {report.action} of {report.transaction} was lost: {report.reason}"
        self._breach("lost-message", line)
        key = charge_point_id, report.transaction
        entry = self._open.get(key)
        if report.final and entry is not None and entry.meter_stop_wh is not None:
            del self._open[key]
            self._given_up.add(self._numbers[charge_point_id], entry)
            self._breach("lost-transaction", _unacknowledged(charge_point_id, report.transaction, entry))

    # ---- the balance -------------------------------------------------------------------------------------------------

    def compare(self, records: Iterable[Record] | None = None) -> Balance:
        """The balance so far, with the CSMS's records (see `fleet.csms.records`) where there are any.

        What it finds beyond what was wrong already is in `violations` too, until something else goes wrong.
        """
        findings = self._wrong.copy()
        metered_wh = self._compare_meters(findings)
        open_here, undelivered = 0, self.lost
        for (charge_point_id, key), entry in self._open.items():
            if entry.meter_stop_wh is None:
                open_here += 1
                findings.add("never-stopped", f"{_named(charge_point_id, key, entry)}: never stopped")
            else:
                undelivered += 1
                findings.add("unacknowledged", _unacknowledged(charge_point_id, key, entry))
        there = None if records is None else Comparison(self._ids, self._closed, self._unclosed(), findings)
        if there is not None and records is not None:
            there.take(records)
        energies = {"metered": metered_wh, "reported": self.reported_wh, "acknowledged": self.acknowledged_wh}
        if there is not None:
            energies["recorded"] = there.energy_wh
        difference_wh = max(energies.values()) - min(energies.values())
        if difference_wh:
            _tell_difference(energies, findings)
        self.violations = findings.violations
        return Balance(
            started=self.started,
            stopped=self.stopped,
            delivered=self.delivered,
            recorded=None if there is None else there.closed,
            metered_wh=metered_wh,
            reported_wh=self.reported_wh,
            acknowledged_wh=self.acknowledged_wh,
            recorded_wh=None if there is None else there.energy_wh,
            open_here=open_here,
            undelivered=undelivered,
            lost=self.lost,
            difference_wh=difference_wh,
            violations=dict(findings.violations.counts),
            open_there=there.open if there else 0,
            missing=there.missing if there else 0,
            duplicated=there.duplicated if there else 0,
            unknown=there.unknown if there else 0,
            different=there.different if there else 0,
            restored=len(self.restored),
            findings=tuple(findings),
        )

    def _unclosed(self) -> list[tuple[str, Entry]]:
        """What the CSMS never said that it closed, by charge point; it may have it in its records even so."""
        given_up = self._given_up
        return [
            *((charge_point_id, entry) for (charge_point_id, _), entry in self._open.items()),
            *((self._ids[given_up.charge_point[place]], given_up.entry(place)) for place in range(len(given_up))),
        ]

    def _compare_meters(self, findings: Findings) -> int:
        """Every Wh of every register belongs to one transaction; returns their sum."""
        metered_wh = 0
        for (charge_point_id, connector), trail in self._trails.items():
            gained_wh = trail.last_wh - trail.first_wh
            metered_wh += gained_wh
            # A register that still runs is ahead of what was reported, and its transaction is a finding of its own.
            if not trail.running and gained_wh != trail.reported_wh:
                findings.add(
                    "meter-difference",
                    f"{charge_point_id}/{connector}: the meter counted {gained_wh} Wh, "
                    f"its transactions reported {trail.reported_wh} Wh",
                )
        return metered_wh


def _unacknowledged(charge_point_id: str, transaction: str, entry: Entry) -> str:
    return f"{_named(charge_point_id, transaction, entry)}, {entry.energy_wh} Wh: never acknowledged"


def _named(charge_point_id: str, transaction: str, entry: Entry) -> str:
    """By the CSMS's id; as long as it gave none, by the charge point's own."""
    name = f"{transaction} (its own number)" if entry.transaction_id is None else str(entry.transaction_id)
    return f"{charge_point_id}/{entry.connector} transaction {name}"


def _tell_difference(energies: Mapping[str, int], findings: Findings) -> None:
    """The sums differ: as a rule because of what has been found already, which says it better."""
    line = "the energies are not one: " + ", ".join(f"{energy_wh} Wh {word}" for word, energy_wh in energies.items())
    if findings:
        findings.violations.add("energy-difference", line)
    else:
        findings.add("energy-difference", line)
