"""What an objective can be about: everything of a run that has a name, and how it is read off the run's listeners.

Three kinds of name: a function of an action, such as `p99(Authorize)` or `errors(StartTransaction)`; a function of
something else that takes time (`p95(boot)`); and a plain name, such as `lost_transactions`. Each knows what it is (a
duration, a count, ...), so that `fleet.verdict.slo` can refuse a unit that does not fit before anything runs.

A reading is honest about what it does not know. It has no value where nothing was measured: no Authorize was sent, so
there is no percentile of it, and the books are only compared at the end. And it may be a lower bound: a percentile that
falls among calls that were never answered, or a count of which some may be missing.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from fractions import Fraction
from typing import Protocol

from attrs import frozen

from fleet.observe.board import Board
from fleet.observe.books import Balance
from fleet.observe.durations import Durations
from fleet.observe.figures import format_count
from fleet.observe.latency import Latency
from fleet.observe.rules import BOOK_RULES
from fleet.observe.tally import OTHER

Number = int | float | Fraction

ALL = "all"
"""In place of an action: all of them together."""
_RESULT, _TIMEOUT, _DISCONNECTED = "Result", "Timeout", "Disconnected"
_LAST_MESSAGE = "StopTransaction"
"""Whose loss is its transaction's."""


class Kind(Enum):
    """What sort of quantity it is; its base unit is s, one, one, per second, Wh."""

    DURATION = "a duration"
    COUNT = "a count"
    SHARE = "a share"
    RATE = "a rate"
    ENERGY = "an energy"


@frozen
class Figures:
    """Where a run stands, for objectives to be read off: its listeners, and at the end its books."""

    board: Board
    latency: Latency
    balance: Balance | None
    """None while the run goes on."""
    elapsed_s: float
    failed_expectations: int = 0


@frozen
class Reading:
    """What was measured; `value` is None where nothing was, and `note` then says why (otherwise: of how many)."""

    value: Number | None
    at_least: bool = False
    """It is a lower bound: the truth is this or more."""
    note: str = ""
    at_most: Number = math.inf
    """If it is a lower bound: the upper one, inf where nobody knows any."""


class Measure(Protocol):
    """Something that can be read off a run."""

    @property
    def kind(self) -> Kind:
        """What it is."""

    def __str__(self) -> str:
        """As it is written in an objective."""

    def read(self, figures: Figures) -> Reading:
        """What it is now."""


# ---- durations -------------------------------------------------------------------------------------------------------

TIMED: Mapping[str, str] = {
    "boot": "no charge point was accepted",
    "connect": "no charge point connected",
    "remote_start": "no RemoteStartTransaction led to a transaction",
    "remote_stop": "no RemoteStopTransaction ended a transaction",
}
"""What takes time and is no action, with what it means when there was none of it."""


@frozen
class TimeOf:
    """`p99(Authorize)`, `max(boot)`, `mean(all, sent)`: a statistic of how long something took.

    Of a CALL it counts from when it was due, or with `sent` from when its frame went out.
    """

    statistic: str
    subject: str
    sent: bool = False

    @property
    def kind(self) -> Kind:
        return Kind.DURATION

    def __str__(self) -> str:
        return f"{self.statistic}({self.subject}{', sent' if self.sent else ''})"

    def read(self, figures: Figures) -> Reading:
        """The statistic, if anything was timed."""
        durations = self._durations(figures.latency)
        if durations is None or not durations.count:
            return Reading(None, note=self._nothing(figures.board))
        if self.statistic == "mean":
            return Reading(durations.mean_s, at_least=durations.censored > 0)
        if self.statistic == "max":
            return Reading(durations.max_s, at_least=durations.censored > 0)
        share = 0.0 if self.statistic == "min" else float(Fraction(self.statistic[1:]) / 100)
        quantile = durations.quantile(share)
        if not quantile.at_least:
            return Reading(quantile.value_s)
        return Reading(quantile.value_s, at_least=True, at_most=durations.at_most_s(share))

    def _durations(self, latency: Latency) -> Durations | None:
        match self.subject:
            case "boot":
                return latency.boot
            case "connect":
                return latency.connected
            case "remote_start":
                return latency.remote_start
            case "remote_stop":
                return latency.remote_stop
            case "all":
                together = Durations()
                for action in latency.actions:
                    together.add(self._of(latency, action) or Durations())
                return together
            case action:
                return self._of(latency, action)

    def _of(self, latency: Latency, action: str) -> Durations | None:
        times = latency.of(action)
        if times is None:
            return None
        return times.sent if self.sent else times.due

    def _nothing(self, board: Board) -> str:
        if self.subject in TIMED:
            return TIMED[self.subject]
        return f"no {_call(self.subject)} was {'answered' if _calls(board, self.subject).value else 'sent'}"


# ---- counts ----------------------------------------------------------------------------------------------------------


def _call(action: str) -> str:
    return "call" if action == ALL else action


def _outcomes(board: Board, action: str) -> Iterator[tuple[str, int]]:
    return ((outcome, count) for (said, outcome), count in board.sent.items() if action in (ALL, said))


def _counted(board: Board, action: str, wanted: Callable[[str], bool]) -> Reading:
    count = sum(count for outcome, count in _outcomes(board, action) if wanted(outcome))
    # Beyond so many kinds of message the board tells them apart no more, and some of those may be of this action.
    return Reading(count, at_least=action != ALL and (OTHER, OTHER) in board.sent)


def _calls(board: Board, action: str) -> Reading:
    return _counted(board, action, lambda _: True)


def _errors(board: Board, action: str) -> Reading:
    return _counted(board, action, lambda outcome: outcome not in (_RESULT, _TIMEOUT, _DISCONNECTED))


def _timeouts(board: Board, action: str) -> Reading:
    return _counted(board, action, lambda outcome: outcome == _TIMEOUT)


def _cut_off(board: Board, action: str) -> Reading:
    return _counted(board, action, lambda outcome: outcome == _DISCONNECTED)


COUNTED: Mapping[str, Callable[[Board, str], Reading]] = {
    "calls": _calls,
    "errors": _errors,
    "timeouts": _timeouts,
    "cut_off": _cut_off,
}


@frozen
class CountOf:
    """`calls(X)`, `errors(X)`, `timeouts(X)`, `cut_off(X)`: our CALLs of an action that are over, by how they ended."""

    function: str
    action: str

    @property
    def kind(self) -> Kind:
        return Kind.COUNT

    def __str__(self) -> str:
        return f"{self.function}({self.action})"

    def read(self, figures: Figures) -> Reading:
        """How many there were, possibly none."""
        return COUNTED[self.function](figures.board, self.action)


@frozen
class RateOf:
    """`rate(X)`: our CALLs of an action that are over, per second of the run so far."""

    action: str

    @property
    def kind(self) -> Kind:
        return Kind.RATE

    def __str__(self) -> str:
        return f"rate({self.action})"

    def read(self, figures: Figures) -> Reading:
        """So many per second."""
        calls = _calls(figures.board, self.action)
        if figures.elapsed_s <= 0 or calls.value is None:
            return Reading(None, note="the run has not begun")
        return Reading(float(calls.value / figures.elapsed_s), calls.at_least)


@frozen
class ViolationsOf:
    """`violations(rule)`: how often one rule was broken, by the CSMS or, known at the end, in the books."""

    rule: str

    @property
    def kind(self) -> Kind:
        return Kind.COUNT

    def __str__(self) -> str:
        return f"violations({self.rule})"

    def read(self, figures: Figures) -> Reading:
        """How often, possibly never."""
        if self.rule in BOOK_RULES:
            return _of_books(lambda balance: balance.violations.get(self.rule, 0), figures)
        counts = figures.board.violations.counts
        # Beyond so many different words the board counts them as one.
        return Reading(counts.get(self.rule, 0), at_least=OTHER in counts)


@frozen
class Ratio:
    """One count divided by another."""

    part: Measure
    whole: Measure

    @property
    def kind(self) -> Kind:
        return Kind.SHARE

    def __str__(self) -> str:
        return f"{self.part} / {self.whole}"

    def read(self, figures: Figures) -> Reading:
        """The share; nothing divided by nothing is no share."""
        part, whole = self.part.read(figures), self.whole.read(figures)
        for reading in (part, whole):
            if reading.value is None:
                return reading
        if whole.at_least:
            return Reading(None, note=f"{self.whole} is not known exactly")
        assert isinstance(part.value, int)
        assert isinstance(whole.value, int)
        if whole.value:
            return _share(part.value, whole.value, part.at_least)
        if isinstance(self.whole, CountOf) and self.whole.function == "calls":
            return Reading(None, note=f"no {_call(self.whole.action)} was sent")
        return Reading(None, note=f"{self.whole} is 0")


def _share(part: int, whole: int, at_least: bool = False) -> Reading:
    # A fraction, so that 999 of 1,000 is 99.9 % and not a hair less.
    return Reading(Fraction(part, whole), at_least, f"{format_count(part)} of {format_count(whole)}")


# ---- plain names -----------------------------------------------------------------------------------------------------


def _of_books(count: Callable[[Balance], int], figures: Figures) -> Reading:
    if figures.balance is None:
        return Reading(None, note="not known before the end")
    return Reading(count(figures.balance))


def _of_balance(count: Callable[[Balance], int]) -> Callable[[Figures], Reading]:
    return lambda figures: _of_books(count, figures)


def _of_board(count: Callable[[Board], int]) -> Callable[[Figures], Reading]:
    return lambda figures: Reading(count(figures.board))


def _booted(figures: Figures) -> Reading:
    board = figures.board
    if not board.charge_points:
        return Reading(None, note="there is no charge point")
    return _share(board.accepted, board.charge_points)


def lost_transactions(balance: Balance) -> int:
    """Transactions whose end never reached the CSMS, or that it acknowledged and then had no record of."""
    return balance.undelivered + balance.missing


def _lost_transactions(figures: Figures) -> Reading:
    """While the run goes on those whose stop was given up: what is lost stays lost, and more may turn out to be."""
    if figures.balance is not None:
        return Reading(lost_transactions(figures.balance))
    given_up = figures.board.lost.counts.get(_LAST_MESSAGE, 0)
    return Reading(given_up, at_least=True) if given_up else Reading(None, note="not known before the end")


_NAMED: Mapping[str, tuple[Kind, Callable[[Figures], Reading]]] = {
    # The fleet: a charge point is booted that the CSMS accepted at least once.
    "booted": (Kind.SHARE, _booted),
    "booted_count": (Kind.COUNT, _of_board(lambda board: board.accepted)),
    "disconnects": (Kind.COUNT, _of_board(lambda board: board.disconnects.total)),
    "connect_failures": (Kind.COUNT, _of_board(lambda board: board.connect_failures.total)),
    "restarts": (Kind.COUNT, _of_board(lambda board: board.restarts.total)),
    "crashes": (Kind.COUNT, _of_board(lambda board: board.crashes.total)),
    "given_up": (Kind.COUNT, _of_board(lambda board: board.given_up.total)),
    "failed_expectations": (Kind.COUNT, lambda figures: Reading(figures.failed_expectations)),
    "csms_violations": (Kind.COUNT, _of_board(lambda board: board.violations.total)),
    # Transactions and the books. Open are those that have not ended on both sides.
    "transactions": (Kind.COUNT, _of_board(lambda board: board.started)),
    "abandoned_transactions": (Kind.COUNT, _of_board(lambda board: board.abandoned)),
    "lost_messages": (Kind.COUNT, _of_board(lambda board: board.lost.total)),
    "lost_transactions": (Kind.COUNT, _lost_transactions),
    "open_transactions": (Kind.COUNT, _of_balance(lambda balance: balance.open_here + balance.open_there)),
    "energy_difference_wh": (Kind.ENERGY, _of_balance(lambda balance: balance.difference_wh)),
    "book_violations": (Kind.COUNT, _of_balance(lambda balance: sum(balance.violations.values()))),
}
NAMES = tuple(_NAMED)
"""The plain names."""


@frozen
class Named:
    """A plain name, such as `lost_transactions` or `booted`."""

    name: str

    @property
    def kind(self) -> Kind:
        return _NAMED[self.name][0]

    def __str__(self) -> str:
        return self.name

    def read(self, figures: Figures) -> Reading:
        """As the table has it."""
        return _NAMED[self.name][1](figures)
