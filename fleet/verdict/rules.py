"""What may not get worse from one run to the next: `p99 +20%`, `p95(boot) +100ms`, `errors`, `rate -10%`.

A rule names a figure and how far it may move: up by so much at most, or down by so much at most, as a share of the
first run's value or in the figure's own unit. A bare name may not get worse at all. A percentile without an action is
asked of each action that both runs know.

What can't be shown to hold is broken: a figure that one of the runs doesn't have, or one that is only a lower bound.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

from attrs import frozen

from fleet.quantities import parse_duration, parse_rate
from fleet.verdict.measures import ALONE, COUNTS, DURATIONS, LAG, PERCENTILES, VIOLATIONS, Figure, Name, Unit, shown

Figures = Mapping[Name, Figure]

_RULE = re.compile(
    r"(?P<function>[a-z][a-z_]*|p[\d.]+)\s*(?:\((?P<subject>[^(),]*)(?:,\s*(?P<start>[^(),]*))?\))?"
    r"\s*(?:(?P<sign>[-+])\s*(?P<amount>\S.*))?"
)
ALL = "all"
"""In place of an action: all of them together."""
_NUMBER = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(\S*)")
_EXAMPLES = "'p99 +20%', 'p95(boot) +100ms', 'errors +0' or 'rate -10%'"
_UNITS: dict[Unit, tuple[dict[str, float], str]] = {
    Unit.COUNT: ({"": 1.0}, "a plain number such as +5"),
    Unit.SHARE: ({"": 1.0}, "a plain number such as 0.01 of 1"),
    Unit.ENERGY: ({"": 1.0, "Wh": 1.0, "kWh": 1000.0}, "an energy such as 10Wh"),
    Unit.MEMORY: ({"": 1.0, "MiB": 1.0}, "a size such as 50MiB"),
}


@frozen
class Rule:
    """How far a figure may move. `sign` is the direction that is limited; `amount` is in the figure's unit or,
    if `relative`, a share of the first run's value."""

    text: str
    name: Name
    sign: int
    amount: float
    relative: bool

    def breaches(self, before: Figures, after: Figures) -> Iterator[str]:
        """Why it is broken, a line for each figure; nothing if it holds. Raises ValueError for an unknown action."""
        names = self._names(before, after)
        if not names:
            yield "neither run has an action with this figure"
        for name in names:
            if (why := self._breach(name, before.get(name), after.get(name))) is not None:
                yield f"{name}: {why}"

    def _names(self, before: Figures, after: Figures) -> list[Name]:
        """The figures that it is asked of."""
        name = self.name
        if name.subject:
            subjects = {known.subject for figures in (before, after) for known in figures if name.may_be_of(known)}
            if name.subject not in subjects:
                raise ValueError(f"neither run has {name.subject!r}{_near(name.subject, subjects)}")
            return [name]
        if name.function not in PERCENTILES:
            return [name]
        # An action that one run doesn't know at all has nothing to be held against; one that was never answered has.
        common = [known.subject for known in before if known.function == "calls" and known.subject and known in after]
        each = (Name(name.function, action, name.sent) for action in common)
        return [name for name in each if name in before or name in after]

    def _breach(self, name: Name, before: Figure | None, after: Figure | None) -> str | None:
        if before is None or after is None:
            missing = " and ".join(run for run, figure in (("A", before), ("B", after)) if figure is None)
            return f"there is none in {missing}"
        unit = name.unit
        limit = before.value + self.sign * (abs(before.value) * self.amount if self.relative else self.amount)
        moved = (
            f"{shown(before.value, unit, at_least=before.at_least)} -> "
            f"{shown(after.value, unit, at_least=after.at_least)}"
        )
        # Floats: 10 % more than 0.1 is no more than 0.11.
        slack = 1e-9 * max(abs(limit), abs(after.value))
        if (after.value - limit) * self.sign > slack:
            change = f" ({(after.value / before.value - 1):+.1%})" if before.value else ""
            return f"{moved}{change}, and the limit is {shown(limit, unit)}"
        # The true value is beyond a lower bound: upwards nobody knows how far B is, downwards how high A was.
        if (after if self.sign > 0 else before).at_least:
            return f"{moved}, a lower bound, can't be shown to keep within {shown(limit, unit)}"
        return None


def parse_rule(text: str) -> Rule:
    """The rule in `text`; raises ValueError with one clear line that says what was expected."""
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected NAME, then + or - and how much it may move, such as {_EXAMPLES}")
    name = _name(match["function"], match["subject"], match["start"])
    if match["sign"] is None:
        if not name.worse:
            raise ValueError(f"{name} is neither better nor worse when it grows: say +0 or -0, or by how much")
        return Rule(text, name, name.worse, 0.0, relative=False)
    amount, relative = _amount(match["amount"].strip(), name.unit)
    return Rule(text, name, 1 if match["sign"] == "+" else -1, amount, relative)


def _name(function: str, subject: str | None, start: str | None) -> Name:
    known = (*PERCENTILES, *COUNTS, VIOLATIONS, *ALONE)
    if function in (*DURATIONS, LAG):
        raise ValueError(f"{function}: which of its times? expected one such as p99({function}) or max({function})")
    if function not in known:
        near = _near(function, known) or f"; expected one of {', '.join(known)}"
        raise ValueError(f"no figure is called {function!r}{near}")
    if function == VIOLATIONS and not (subject or "").strip():
        raise ValueError("violations of which rule? expected one, such as violations(clock-skew), or csms_violations")
    if subject is None:
        return Name(function)
    if function in ALONE:
        raise ValueError(f"{function} is of the whole run: it takes no ({subject})")
    if subject.strip() in ("", ALL):
        if function in COUNTS and start is None:
            return Name(function)
        raise ValueError(
            f"a summary has no {function} of all actions together: "
            f"{function} without brackets asks it of each, {function}(Authorize) of one"
        )
    if start is None:
        return Name(function, subject.strip())
    if function not in PERCENTILES or start.strip() not in ("due", "sent"):
        expected = "due or sent" if function in PERCENTILES else "nothing"
        raise ValueError(f"expected {expected} after the comma in {function}(...), got {start.strip()!r}")
    return Name(function, subject.strip(), start.strip() == "sent")


def _amount(text: str, unit: Unit) -> tuple[float, bool]:
    """The number, and whether it is a share of the first run's value."""
    number = _NUMBER.fullmatch(text)
    if number is not None and number[2] == "%":
        return float(number[1]) / 100, True
    if number is not None and float(number[1]) == 0 and not number[2]:
        return 0.0, False
    if unit in _UNITS:
        factors, expected = _UNITS[unit]
        if number is not None and number[2] in factors:
            return float(number[1]) * factors[number[2]], False
        raise ValueError(f"expected a share such as 20%, or {expected}, got {text!r}")
    try:
        return (parse_duration(text) if unit is Unit.SECONDS else parse_rate(text)), False
    except ValueError as error:
        raise ValueError(f"expected a share such as 20%, or another amount: {error}") from None


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, sorted(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
