"""Objectives: what a run has to come to, each one comparison in words that stay the same from release to release.

    p99(Authorize) < 800ms          errors(StartTransaction) / calls(StartTransaction) < 0.1%
    p95(boot) < 5s                  lost_transactions == 0
    p99(Authorize, sent) < 200ms    booted >= 99.9%

On the left stands what is measured (`fleet.verdict.naming` has the names), or one count divided by another; on the
right a quantity with its unit. Text is checked against both when it is read, so that a typo is found before the run
and not in its result.

An objective passes only if it is known to hold. One that measured nothing does not pass, because a `p99(Authorize)`
that is met for want of any Authorize is how a broken load test stays green; it says what was missing. Nor does one that
a lower bound leaves open: that the slowest percent waited for at least 30 s is no answer to `p99(Authorize) < 40s`.
Such a one hasn't failed either, as long as the run goes on: `breached` tells what can't come right any more from what
can't be told.
"""

import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from attrs import frozen

from fleet.observe.books import Balance
from fleet.observe.figures import format_count, printable
from fleet.quantities import format_duration, parse_duration, parse_rate
from fleet.verdict.document import ObjectiveResult
from fleet.verdict.naming import parse_measure
from fleet.verdict.readings import CountOf, Figures, Kind, Measure, Number, Ratio, Reading, lost_transactions

__all__ = ["BOOKS_BALANCE", "Figures", "Objective", "built_in", "parse_objective"]

_COMPARISONS: dict[str, Callable[[Number, Number], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
BOOKS_BALANCE = "the books balance"
"""The one objective that is a sentence: what it shows is what is wrong with them."""

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_SLIPS = {"=": "==", "=<": "<=", "=>": ">=", "<>": "!=", "!": "!=", "===": "==", "≤": "<=", "≥": ">=", "≠": "!="}
_OPERATOR = re.compile(r"[<>=!≤≥≠]+")
_PLAIN = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_ENERGY = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(Wh|kWh|MWh)?")
_WH = {None: 1, "Wh": 1, "kWh": 1_000, "MWh": 1_000_000}
_TEXT_MAX = 100


@frozen
class Objective:
    """`measure comparison threshold`; the threshold is in the base unit of what is measured (s, share, Wh, ...)."""

    text: str
    """As it was written."""
    measure: Measure
    comparison: str
    threshold: Number

    def evaluate(self, figures: Figures) -> ObjectiveResult:
        """What became of it, or would if the run ended now."""
        reading = self.measure.read(figures)
        return ObjectiveResult(
            objective=self.text,
            passed=self._holds(reading) is True,
            value=None if reading.value is None else float(reading.value),
            shown=self._show(reading),
        )

    def breached(self, figures: Figures) -> bool:
        """Whether it is known not to hold now; not so while nothing was measured, or a bound leaves it open."""
        return self._holds(self.measure.read(figures)) is False

    def _holds(self, reading: Reading) -> bool | None:
        """None where it can't be told."""
        if reading.value is None:
            return None
        compared = self._compare(reading.value)
        if not reading.at_least:
            return compared
        if self.comparison in ("==", "!="):
            return None if reading.value <= self.threshold <= reading.at_most else self.comparison == "!="
        # What holds at both ends holds in between.
        return compared if self._compare(reading.at_most) is compared else None

    def _compare(self, value: Number) -> bool:
        return _COMPARISONS[self.comparison](value, self.threshold)

    def _show(self, reading: Reading) -> str:
        if reading.value is None:
            return reading.note
        note = f" ({reading.note})" if reading.note else ""
        shown = self._rounded(reading.value)
        if reading.at_least and reading.at_most == math.inf:
            shown = f">= {shown}"
        elif reading.at_least and (most := self._rounded(reading.at_most)) != shown:
            shown = f"{shown} to {most}"
        return f"{shown}{note}"

    def _rounded(self, value: Number) -> str:
        """The value with as few digits as don't contradict the verdict: where <= 800ms failed, 800.3ms isn't 800ms."""
        *shorter, exact = _shown(value, self.measure.kind)
        for text in shorter:
            if self._compare(_read_quantity(text.replace(",", ""), self.measure.kind)) == self._compare(value):
                return text
        return exact


def parse_objective(text: str, actions: Collection[str]) -> Objective:
    """An objective from its text; `actions` are those that a charge point can send.

    Raises ValueError, one line that quotes the text, for what does not exist, does not fit, or can't be read.
    """
    try:
        return _parse(" ".join(text.split()), actions)
    except ValueError as error:
        quoted = text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 3]}..."
        raise ValueError(printable(f"{quoted!r}: {error}")) from None


def _parse(text: str, actions: Collection[str]) -> Objective:
    example = "such as p99(Authorize) < 800ms"
    if not text:
        raise ValueError(f"expected an objective, {example}")
    found = _OPERATOR.search(text)
    if found is None:
        raise ValueError(f"expected a comparison, {example}")
    left, comparison, right = text[: found.start()].strip(), found[0], text[found.end() :].strip()
    if comparison not in _COMPARISONS:
        meant = f", not {comparison}: did you mean {_SLIPS[comparison]}?" if comparison in _SLIPS else f": {comparison}"
        raise ValueError(f"expected one of {' '.join(_COMPARISONS)}{meant}")
    if not left:
        raise ValueError(f"expected what is measured before {comparison}, {example}")
    _refuse_mirrored(left, comparison, right, actions)
    measure = _parse_left(left, actions)
    if not right:
        raise ValueError(f"expected {measure.kind.value} after {comparison}, such as {_EXAMPLES[measure.kind]}")
    if _OPERATOR.search(right):
        raise ValueError("expected one comparison; make the second one an objective of its own")
    threshold = _parse_quantity(right, measure)
    if threshold == 0 and comparison in ("<", ">="):
        held = "never" if comparison == "<" else "always"
        raise ValueError(f"{measure} is {held} {comparison} 0, so that says nothing")
    return Objective(text, measure, comparison, threshold)


def _refuse_mirrored(left: str, comparison: str, right: str, actions: Collection[str]) -> None:
    """Say so where the sides are the wrong way round."""
    if not left[0].isdigit():
        return
    try:
        _parse_left(right, actions)
    except ValueError:
        return
    mirrored = _MIRRORED.get(comparison, comparison)
    raise ValueError(f"what is measured stands on the left: {right} {mirrored} {left}")


def _parse_left(text: str, actions: Collection[str]) -> Measure:
    parts = [parse_measure(part, actions) for part in text.split("/")]
    if len(parts) == 1:
        return parts[0]
    if len(parts) > 2:
        raise ValueError("expected one count, or one count divided by another")
    for part in parts:
        if part.kind is not Kind.COUNT:
            raise ValueError(f"only counts are divided, such as errors() / calls(); {part} is {part.kind.value}")
    return Ratio(*parts)


# ---- quantities ------------------------------------------------------------------------------------------------------

_EXAMPLES = {
    Kind.DURATION: "800ms",
    Kind.COUNT: "0",
    Kind.SHARE: "99.9% or 0.999",
    Kind.RATE: "50/s or 120/min",
    Kind.ENERGY: "0, 10Wh or 1.5kWh",
}


def _parse_quantity(text: str, measure: Measure) -> Number:
    kind = measure.kind
    try:
        value = _read_quantity(text, kind)
    except ValueError:
        one, hint = f"one such as {_EXAMPLES[kind]}", ""
        if kind is Kind.DURATION and _PLAIN.fullmatch(text):
            one = f"one with its unit, such as {text}ms"
        elif isinstance(measure, CountOf) and measure.function != "calls" and text.endswith("%"):
            hint = f"; for a share divide: {measure} / calls({measure.action})"
        raise ValueError(f"{measure} is {kind.value}: expected {one}, not {text!r}{hint}") from None
    if kind is Kind.SHARE and not isinstance(measure, Ratio) and value > 1:
        raise ValueError(f"{measure} is a share of the fleet, which is never more than 100%, not {text!r}")
    return value


def _read_quantity(text: str, kind: Kind) -> Number:
    """The number in `text`, exactly where it isn't a time; raises ValueError."""
    match kind:
        case Kind.DURATION:
            return parse_duration(text)
        case Kind.RATE:
            zero = re.fullmatch(r"0+(?:\.0*)?\s*/\s*(?:s|m|min|h|d)", text)
            return 0.0 if zero else parse_rate(text)
        case Kind.COUNT:
            if not re.fullmatch(r"[0-9]{1,15}", text):
                raise ValueError(text)
            return int(text)
        case Kind.SHARE:
            number, percent = (text[:-1].rstrip(), True) if text.endswith("%") else (text, False)
            # Without its sign a number above 1 is a slip: nobody wants fewer errors than 500 %.
            if len(number) > 40 or not _PLAIN.fullmatch(number) or (not percent and Fraction(number) > 1):
                raise ValueError(text)
            return Fraction(number) / 100 if percent else Fraction(number)
        case Kind.ENERGY:
            match = _ENERGY.fullmatch(text)
            if match is None or len(match[1]) > 40:
                raise ValueError(text)
            return Fraction(match[1]) * _WH[match[2]]


def _shown(value: Number, kind: Kind) -> Iterator[str]:
    """Ways to show a value, the shortest first and exact in the end; all but the last can be read as quantities."""
    match kind:
        case Kind.COUNT:
            yield format_count(int(value))
        case Kind.ENERGY:
            yield f"{format_count(int(value))} Wh"
        case Kind.DURATION:
            yield format_duration(float(value))
            for digits in (4, 6, 9):
                yield f"{float(value):.{digits}g}s" if value >= 1 else f"{float(value) * 1e3:.{digits}g}ms"
        case Kind.SHARE:
            yield from (f"{_plain(float(value * 100), digits)}%" for digits in (3, 5, 8, 12))
        case Kind.RATE:
            yield from (f"{_plain(float(value), digits)}/s" for digits in (3, 5, 8, 12))


def _plain(value: float, digits: int) -> str:
    """So many significant digits, never an exponent."""
    return f"{Decimal(f'{value:.{digits}g}'):f}"


# ---- what every run has ----------------------------------------------------------------------------------------------


def built_in(balance: Balance, asked: Collection[Objective] = ()) -> tuple[ObjectiveResult, ...]:
    """What no run passes without, asked for or not: the books of both sides balance at the end.

    Those among `asked` are left out, as they are shown already.
    """
    lost, difference_wh = lost_transactions(balance), balance.difference_wh
    every = (
        _built_in("lost_transactions == 0", lost == 0, lost, format_count(lost)),
        _built_in("energy_difference_wh == 0", difference_wh == 0, difference_wh, f"{format_count(difference_wh)} Wh"),
        _built_in(BOOKS_BALANCE, balance.balanced, len(balance.findings), _first(balance.findings)),
    )
    texts = {f"{each.measure} {each.comparison} {each.threshold}" for each in asked}
    return tuple(each for each in every if each.objective not in texts)


def _built_in(objective: str, passed: bool, value: int, shown: str) -> ObjectiveResult:
    return ObjectiveResult(objective, passed, float(value), shown, built_in=True)


def _first(findings: Sequence[str]) -> str:
    """The first of them, and that there are more."""
    if not findings:
        return "balanced"
    return findings[0] if len(findings) == 1 else f"{findings[0]} (the first finding)"
