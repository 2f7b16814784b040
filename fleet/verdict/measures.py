"""The figures of a summary by name, so that those of two runs can be set side by side and a rule can ask for one.

A name is spelt as an objective spells it: `p99(Authorize)` from when it was due, `p99(Authorize, sent)` from when it
was sent, `errors(Authorize)`, and `errors` for all actions together; `violations(clock-skew)` by rule;
`lost_transactions` and its like stand alone. Only what a summary holds has a name: the percentiles are those that were
kept, and only of each action for itself.
"""

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen

from fleet.observe.figures import format_count, format_latency, format_rate, printable
from fleet.observe.rules import BOOK_RULES, CSMS_RULES
from fleet.verdict.document import Percentiles, Summary


class Unit(StrEnum):
    """What a figure is counted in."""

    SECONDS = "s"
    COUNT = "count"
    RATE = "/s"
    SHARE = "share"
    ENERGY = "Wh"
    MEMORY = "MiB"


PERCENTILES = {
    "mean": "mean_s",
    "p50": "p50_s",
    "p90": "p90_s",
    "p95": "p95_s",
    "p99": "p99_s",
    "p99.9": "p99_9_s",
    "max": "max_s",
}
"""Functions on an action or a duration, and the fields that hold them."""
COUNTS = ("calls", "rate", "errors", "timeouts", "cut_off")
"""Functions on an action, or alone for all of them together."""
VIOLATIONS = "violations"
"""The function on a rule of the CSMS or the books."""
ALONE = {
    "booted": Unit.SHARE,
    "booted_count": Unit.COUNT,
    "connect_failures": Unit.COUNT,
    "disconnects": Unit.COUNT,
    "restarts": Unit.COUNT,
    "crashes": Unit.COUNT,
    "given_up": Unit.COUNT,
    "transactions": Unit.COUNT,
    "open_transactions": Unit.COUNT,
    "abandoned_transactions": Unit.COUNT,
    "lost_transactions": Unit.COUNT,
    "lost_messages": Unit.COUNT,
    "energy_difference_wh": Unit.ENERGY,
    "book_violations": Unit.COUNT,
    "csms_violations": Unit.COUNT,
    "utilisation": Unit.SHARE,
    "utilisation_peak": Unit.SHARE,
    "rss_mib": Unit.MEMORY,
}
DURATIONS = (
    *("connect", "connect_tcp", "connect_tls", "connect_websocket"),
    *("boot", "remote_start", "remote_stop"),
)
"""What takes time and is no action."""
LAG = "lag"
"""The generator's own lateness, as a duration like `boot`."""

_LESS_IS_WORSE = {"rate", "booted", "booted_count"}
# More of these is as it was asked for: neither better nor worse.
_NEUTRAL = {"calls", "transactions"}


@frozen
class Name:
    """What a figure is of. `subject` is an action, a duration or a rule, empty for all of a run."""

    function: str
    subject: str = ""
    sent: bool = False

    def __str__(self) -> str:
        subject = printable(self.subject)
        return f"{self.function}({subject}{', sent' if self.sent else ''})" if subject else self.function

    @property
    def unit(self) -> Unit:
        if self.function in PERCENTILES:
            return Unit.SECONDS
        if self.function in COUNTS:
            return Unit.RATE if self.function == "rate" else Unit.COUNT
        return ALONE.get(self.function, Unit.COUNT)

    @property
    def worse(self) -> int:
        """The sign of a change to the worse: 1, -1, or 0 where a change is neither."""
        return 0 if self.function in _NEUTRAL else -1 if self.function in _LESS_IS_WORSE else 1

    def may_be_of(self, other: "Name") -> bool:
        """Whether what the other figure is of is something that this one can be of too: only actions are counted."""
        if self.function in PERCENTILES:
            return other.function in PERCENTILES or (other.function == "calls" and other.subject != "")
        return other.function == self.function and other.subject != ""


@frozen
class Figure:
    """A value in the unit of its name; one that is `at_least` so is a lower bound."""

    value: float
    at_least: bool = False


def figures(summary: Summary) -> dict[Name, Figure]:
    """Everything in a summary that has a name."""
    return dict(_figures(summary))


def _figures(summary: Summary) -> Iterator[tuple[Name, Figure]]:
    totals = dict.fromkeys(COUNTS, 0.0)
    for action, call in summary.calls.items():
        counts = call.count, call.rate_per_s, call.errors, call.timeouts, call.cut_off
        for function, count in zip(COUNTS, counts, strict=True):
            totals[function] += count
            yield Name(function, action), Figure(count)
        yield from _percentiles(action, call.due)
        yield from _percentiles(action, call.sent, sent=True)
    yield from ((Name(function), Figure(total)) for function, total in totals.items())
    for name, times in summary.durations.items():
        yield from _percentiles(name, times)
    yield from _percentiles(LAG, summary.generator.lag)
    yield from ((Name(function), Figure(value)) for function, value in _alone(summary).items())
    violations = dict.fromkeys((*CSMS_RULES, *BOOK_RULES), 0)
    violations |= {rule: violation.count for rule, violation in summary.violations.items()} | summary.books.violations
    yield from ((Name(VIOLATIONS, rule), Figure(count)) for rule, count in violations.items())


def _percentiles(subject: str, times: Percentiles | None, *, sent: bool = False) -> Iterator[tuple[Name, Figure]]:
    if times is not None:
        for function, field in PERCENTILES.items():
            yield Name(function, subject, sent), Figure(getattr(times, field), field in times.at_least)


def _alone(summary: Summary) -> dict[str, float]:
    charge_points, transactions, found = summary.charge_points, summary.transactions, summary.books.violations
    return {
        "booted": charge_points.accepted / charge_points.count if charge_points.count else 0.0,
        "booted_count": charge_points.accepted,
        "connect_failures": sum(charge_points.connect_failures.values()),
        "disconnects": sum(charge_points.disconnects.values()),
        "restarts": sum(charge_points.restarts.values()),
        "crashes": sum(charge_points.crashes.values()),
        "given_up": charge_points.given_up,
        "transactions": transactions.started,
        "open_transactions": transactions.open + found.get("open-in-records", 0),
        "abandoned_transactions": transactions.abandoned,
        "lost_transactions": transactions.lost,
        "lost_messages": sum(fate.lost for fate in summary.transaction_messages.values()),
        "energy_difference_wh": summary.books.difference_wh,
        "book_violations": sum(found.values()),
        "csms_violations": sum(violation.count for violation in summary.violations.values()),
        "utilisation": summary.generator.utilisation,
        "utilisation_peak": summary.generator.utilisation_peak,
        "rss_mib": summary.generator.rss_mib,
    }


def shown(value: float, unit: Unit, *, at_least: bool = False) -> str:
    """A value for people."""
    bound = ">" if at_least else ""
    if unit is Unit.SECONDS:
        return f"{bound}{'-' if value < 0 else ''}{format_latency(abs(value))}"
    if unit is Unit.RATE:
        return f"{bound}{'-' if value < 0 else ''}{format_rate(abs(value))}"
    if unit is Unit.SHARE:
        return f"{bound}{value * 100:.4g}%"
    if unit is Unit.ENERGY:
        # To the Wh: books that are one short don't balance.
        return f"{bound}{format_count(int(value))} Wh"
    if unit is Unit.MEMORY:
        return f"{bound}{value:.0f} MiB"
    return bound + (format_count(int(value)) if value == int(value) else f"{value:,.2f}")


def shown_change(value: float, unit: Unit) -> str:
    """A difference for people, with its sign."""
    text = shown(value, unit)
    return text if text.startswith("-") else f"+{text}"
