"""Two runs side by side: every figure that either holds, its change, and whether that is for the better or the worse.

A difference between two different loads says nothing about a CSMS, so what makes the runs unlike is part of it; and a
run that is invalid or incomplete shows nothing, whichever of the two it is.
"""

from collections.abc import Iterator, Sequence

from attrs import field, frozen

from fleet.errors import EXIT_DONE, EXIT_EXPECTATION, EXIT_INVALID, ConfigurationError
from fleet.observe.figures import format_count, printable
from fleet.quantities import format_duration
from fleet.verdict.document import Result, Summary
from fleet.verdict.measures import VIOLATIONS, Figure, Name
from fleet.verdict.rules import Rule

NOTABLE = 0.05
"""A change of less than this share is called neither better nor worse."""
FEW = 100
"""Of fewer calls the slowest percent is less than one of them."""

_WORTHLESS = (Result.INVALID, Result.INCOMPLETE)


@frozen
class Run:
    """One of the two."""

    path: str
    summary: Summary
    figures: dict[Name, Figure]


@frozen
class Row:
    """A figure of both runs; None in the run that has none. `mark` is `better`, `worse` or nothing."""

    name: Name
    before: Figure | None
    after: Figure | None

    @property
    def anything(self) -> bool:
        """Whether there was anything of it in either run."""
        return any(figure is not None and figure.value for figure in (self.before, self.after))

    @property
    def change(self) -> float | None:
        """In the figure's unit; None where a lower bound leaves it open, or there is nothing to compare."""
        if self.before is None or self.after is None or (self.before.at_least and self.after.at_least):
            return None
        change = self.after.value - self.before.value
        # B, at least so much, is more than A by at least so much; what is less than a lower bound is lower indeed.
        unsure = (self.after.at_least and change <= 0) or (self.before.at_least and change >= 0)
        return None if unsure else change

    @property
    def share(self) -> float | None:
        """The change as a share of the first run's value."""
        if self.change is None or self.before is None or self.before.value == 0:
            return None
        return self.change / abs(self.before.value)

    @property
    def mark(self) -> str:
        change = self.change
        if not change or not self.name.worse or (self.share is not None and abs(self.share) < NOTABLE):
            return ""
        return "worse" if change * self.name.worse > 0 else "better"


@frozen
class Comparison:
    """Everything that can be said of the two; `breaches` has an entry for each rule, empty where it holds."""

    before: Run
    after: Run
    rows: tuple[Row, ...]
    unlike: tuple[str, ...]
    breaches: dict[str, tuple[str, ...]] = field(factory=dict)

    @property
    def worthless(self) -> tuple[str, ...]:
        """Why no rule can be shown to hold, a line each."""
        runs = (("A", self.before), ("B", self.after))
        return tuple(
            f"{name} is {run.summary.result.upper()}: its figures show nothing"
            for name, run in runs
            if run.summary.result in _WORTHLESS
        )

    @property
    def exit_code(self) -> int:
        if self.breaches and self.worthless:
            return EXIT_INVALID
        return EXIT_EXPECTATION if any(self.breaches.values()) else EXIT_DONE


def compared(before: Run, after: Run, rules: Sequence[Rule] = ()) -> Comparison:
    """Set two runs side by side; raises ConfigurationError for a rule on an action that neither of them knows."""
    names = {name: None for run in (before, after) for name in run.figures}
    rows = [Row(name, before.figures.get(name), after.figures.get(name)) for name in names]
    breaches = {}
    for rule in rules:
        try:
            breaches[rule.text] = tuple(rule.breaches(before.figures, after.figures))
        except ValueError as error:
            raise ConfigurationError(f"argument --fail-on: {rule.text!r}: {error}") from None
    # Of the rules, which are many, only those that were broken.
    told = tuple(row for row in rows if row.name.function != VIOLATIONS or row.anything)
    return Comparison(before, after, told, tuple(_unlike(before.summary, after.summary)), breaches)


def _unlike(before: Summary, after: Summary) -> Iterator[str]:
    """Why a difference may be one of the runs, not of the CSMS."""
    for name, run in (("A", before), ("B", after)):
        if run.result in (*_WORTHLESS, Result.INTERRUPTED):
            why = f": {printable(run.reasons[0])}" if run.reasons else ""
            yield f"{name} is {run.result.upper()}{why}"
    for what, first, second in (
        ("charge points", before.charge_points.count, after.charge_points.count),
        ("connectors", before.charge_points.connectors, after.charge_points.connectors),
        ("charge points connected", before.charge_points.connected, after.charge_points.connected),
    ):
        if first != second:
            yield f"{format_count(first)} {what} in A, {format_count(second)} in B"
    if before.duration_s != after.duration_s:
        yield f"A was to take {format_duration(before.duration_s)}, B {format_duration(after.duration_s)}"
    elif abs(before.elapsed_s - after.elapsed_s) > 0.1 * max(before.elapsed_s, after.elapsed_s):
        yield f"A took {format_duration(before.elapsed_s)}, B {format_duration(after.elapsed_s)}"
    if (before.books.recorded_wh is None) != (after.books.recorded_wh is None):
        with_records, without = ("A", "B") if after.books.recorded_wh is None else ("B", "A")
        yield f"the books of {with_records} were compared with records of the CSMS, those of {without} were not"
    if before.fleet != after.fleet:
        yield f"A was made by fleet {printable(before.fleet)}, B by fleet {printable(after.fleet)}"
    common = before.calls.keys() & after.calls.keys()
    if few := sorted(action for action in common if min(before.calls[action].count, after.calls[action].count) < FEW):
        yield f"fewer than {FEW} calls, which makes a p99 the slowest or nearly: {', '.join(map(printable, few))}"
    for name, run, other in (("A", before, after), ("B", after, before)):
        if alone := sorted(run.calls.keys() - other.calls.keys()):
            yield f"only {name} has {', '.join(map(printable, alone))}"
