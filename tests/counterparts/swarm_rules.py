"""What must be so whatever befell: the rules that every charge point keeps, checked from outside it.

`Rules` listens to reports and frames as they happen, `books` looks at both sides' books once all is over. What is wrong
is a line of text each. None of this knows what was done to the charge points; a meter that was broken is known by what
was reported of it (`RegisterMoved`).
"""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson
from attrs import define, field

from fleet.core.delivery_reports import MessageLost
from fleet.core.reports import (
    Drained,
    FrameSeen,
    FrameSent,
    GivenUp,
    LinkDown,
    MeterSampled,
    ObservedReport,
    PowerChanged,
    PoweredUp,
    PowerLimited,
    Registered,
    RegisterMoved,
    Restarted,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.csms.records import OddityRecord, Record, StartRecord, StopRecord
from fleet.words import RegistrationStatus

LETTERS = dict(
    zip(
        [
            *("Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"),
            *("Reserved", "Unavailable", "Faulted"),
        ],
        "ABCDEFGHI",
        strict=True,
    )
)
LEGAL = {
    *("A2", "A3", "A4", "A5", "A7", "A8", "A9"),
    *("B1", "B3", "B4", "B5", "B6", "B9"),
    *("C1", "C4", "C5", "C6", "C8", "C9"),
    *("D1", "D3", "D5", "D6", "D8", "D9"),
    *("E1", "E3", "E4", "E6", "E8", "E9"),
    *("F1", "F2", "F8", "F9"),
    *("G1", "G2", "G8", "G9"),
    *("H1", "H2", "H3", "H4", "H5", "H9"),
    *("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8"),
}
"""The table of OCPP 1.6 section 4.9: a row's letter, and the number of the status that a connector may go to."""
CALL_TIMEOUT_S = 30.0
INJECTED = "crash injected"
"""What a crash says of itself that somebody ordered."""
CALL = 2


def transition(before: str, after: str) -> str:
    """A move's name in that table."""
    return LETTERS[before] + str(ord(LETTERS[after]) - ord("A") + 1)


@define(eq=False)
class Rules:
    """A listener; `wrong` is what it found so far, one line each."""

    wrong: list[str] = field(factory=list)
    _statuses: dict[tuple[str, int], str] = field(factory=dict)
    _told: dict[tuple[str, int], str] = field(factory=dict)
    _registers: dict[tuple[str, int], float] = field(factory=dict)
    _running: dict[tuple[str, int], str] = field(factory=dict)
    _known: set[tuple[str, str]] = field(factory=set)
    _in_flight: dict[str, tuple[str, float]] = field(factory=dict)
    _rejected: set[str] = field(factory=set)
    _limits: dict[tuple[str, int], PowerLimited] = field(factory=dict)

    def report(self, charge_point: str, report: ObservedReport) -> None:
        """Look at one fact."""
        match report:
            case StatusChanged():
                self._status(charge_point, report)
            case TransactionStarted():
                self._started(charge_point, report)
            case TransactionStopped():
                self._stopped(charge_point, report)
            case MeterSampled() | PowerChanged():
                self._register(charge_point, report.connector, report.register_wh)
                if isinstance(report, PowerChanged):
                    self._power(charge_point, report)
            case PowerLimited():
                self._limits[charge_point, report.connector] = report
            case RegisterMoved():
                self._registers[charge_point, report.connector] = report.is_wh
            case FrameSent():
                self._sent(charge_point, report)
            case FrameSeen():
                self._seen(charge_point, report)
            case Registered(status=RegistrationStatus.REJECTED):
                self._rejected.add(charge_point)
            case Registered():
                self._rejected.discard(charge_point)
            case LinkDown():
                self._in_flight.pop(charge_point, None)
            case PoweredUp() | Restarted():
                # A new life begins with whatever status it finds.
                for place in [place for place in self._statuses if place[0] == charge_point]:
                    del self._statuses[place]
                self._in_flight.pop(charge_point, None)
                for place in [place for place in self._limits if place[0] == charge_point]:
                    del self._limits[place]
                if isinstance(report, Restarted) and report.crashed and INJECTED not in (report.cause or ""):
                    self.wrong.append(f"{charge_point} crashed: {report.cause}")
            case GivenUp():
                self.wrong.append(f"{charge_point} was given up: {report.cause}")
            case MessageLost():
                self.wrong.append(f"{charge_point} gave up {report.action} of {report.transaction}: {report.reason}")
            case Drained(undelivered=undelivered) if undelivered:
                self.wrong.append(f"{charge_point} ended with {undelivered} messages undelivered")
            case _:
                pass

    def over(self) -> None:
        """All charge points have ended: nothing may be open, and the last status is the one that was told."""
        self.wrong += [f"{place} never stopped {transaction}" for place, transaction in self._running.items()]
        self.wrong += [
            f"{charge_point}/{connector} is {status} and said {self._told.get((charge_point, connector))}"
            for (charge_point, connector), status in self._statuses.items()
            if self._told.get((charge_point, connector)) != status
        ]

    def _status(self, charge_point: str, report: StatusChanged) -> None:
        place = charge_point, report.connector
        before = self._statuses.get(place)
        # Connector 0 has three statuses, and may have any of them after any other.
        if report.connector and before not in (None, report.status):
            move = transition(str(before), report.status)
            if move not in LEGAL:
                self.wrong.append(f"{place} went from {before} to {report.status} ({move}) at {report.at:g}")
        self._statuses[place] = report.status

    def _started(self, charge_point: str, report: TransactionStarted) -> None:
        place, key = (charge_point, report.connector), (charge_point, report.transaction)
        if place in self._running:
            self.wrong.append(f"{place} started {report.transaction} while {self._running[place]} was running")
        if key in self._known:
            self.wrong.append(f"{place} started {report.transaction} again")
        self._known.add(key)
        self._running[place] = report.transaction
        self._register(*place, report.meter_start_wh)

    def _stopped(self, charge_point: str, report: TransactionStopped) -> None:
        place = charge_point, report.connector
        if self._running.pop(place, None) != report.transaction:
            self.wrong.append(f"{place} stopped {report.transaction}, which was not running")
        self._register(*place, report.meter_stop_wh)

    def _power(self, charge_point: str, report: PowerChanged) -> None:
        limited = self._limits.get((charge_point, report.connector))
        # What changed in the instant in which the limit came may have been told after it.
        if limited is None or limited.power_w is None or report.at <= limited.at:
            return
        if report.power_w > limited.power_w + 1e-3:
            self.wrong.append(f"{charge_point}: {report} is more than {limited}")

    def _register(self, charge_point: str, connector: int, register_wh: float) -> None:
        place = charge_point, connector
        before = self._registers.get(place, 0.0)
        # StartTransaction and StopTransaction tell whole Wh, rounded down, and so does who reports a broken meter.
        if math.floor(register_wh + 1e-6) < math.floor(before):
            self.wrong.append(f"the meter of {place} fell from {before} to {register_wh} Wh")
        self._registers[place] = register_wh

    def _sent(self, charge_point: str, report: FrameSent) -> None:
        frame = orjson.loads(report.text)
        if frame[0] != CALL:
            return
        awaited, since = self._in_flight.get(charge_point, ("", -math.inf))
        if report.at < since + CALL_TIMEOUT_S:
            self.wrong.append(f"{charge_point} said {report.text} {report.at - since:g} s after {awaited}, unanswered")
        self._in_flight[charge_point] = frame[1], report.at
        if charge_point in self._rejected and frame[2] != "BootNotification":
            # OCPP 1.6 section 4.2.
            self.wrong.append(f"{charge_point} said {report.text} though it was rejected")
        if frame[2] == "StatusNotification":
            self._told[charge_point, frame[3]["connectorId"]] = frame[3]["status"]

    def _seen(self, charge_point: str, report: FrameSeen) -> None:
        try:
            frame: Any = orjson.loads(report.text)
            kind, id = frame[0], frame[1]
        except (ValueError, TypeError, IndexError, KeyError):
            return
        if kind != CALL and self._in_flight.get(charge_point, ("", 0.0))[0] == id:
            del self._in_flight[charge_point]


Account = tuple[str, int, str, int, int, str]
"""Charge point, connector, id tag, meter at start and stop, reason."""


def books(reports: Iterable[tuple[str, ObservedReport]], records: Iterable[Record]) -> list[str]:
    """What is wrong between what happened at the charge points and what the CSMS wrote down, one line each."""
    began: dict[tuple[str, str], TransactionStarted] = {}
    ended: list[Account] = []
    for charge_point, report in reports:
        if isinstance(report, TransactionStarted):
            began[charge_point, report.transaction] = report
        elif isinstance(report, TransactionStopped):
            start = began[charge_point, report.transaction]
            figures = start.id_tag, start.meter_start_wh, report.meter_stop_wh, str(report.reason)
            ended.append((charge_point, report.connector, *figures))
    written = list(records)
    starts = [record for record in written if isinstance(record, StartRecord)]
    closed: list[Account] = [
        (r.charge_point, r.connector, r.id_tag, r.meter_start_wh, r.meter_stop_wh, str(r.reason))
        for r in written
        if isinstance(r, StopRecord)
    ]
    wrong = []
    if not len(began) == len(ended) == len(starts) == len(closed):
        wrong.append(f"{len(began)} began, {len(ended)} ended, {len(starts)} recorded, {len(closed)} closed")
    wrong += [f"not in the records: {each}" for each in (Counter(ended) - Counter(closed)).elements()]
    wrong += [f"only in the records: {each}" for each in (Counter(closed) - Counter(ended)).elements()]
    never = {"conflicting-stop", "orphan-stop", "connector-busy", "stray-meter-values"}
    wrong += [str(record) for record in written if isinstance(record, OddityRecord) and record.rule in never]
    return wrong
