"""Settings: the values a configuration is made of, each read strictly and each wrong one named with what was expected.

A class of the configuration annotates its fields with the aliases here: `duration_s: Duration`. The alias carries the
reader, so that a TOML value and a command-line flag are read by the same code into the same unit. Strict on purpose:
`count = "100"` or `connectors = true` is a slip worth a line, not something to guess about.

A reader takes what TOML gave it and returns the value in the unit that the field's name ends in, or raises ValueError
(`expected a rate such as '0.5/s', got 'fast'`), or `Mistakes` where the value is a table and its parts are wrong.
"""

import math
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from string import Formatter
from typing import TypeGuard

import attrs
from attrs import frozen

from fleet.commands.target import TargetError, parse_target
from fleet.errors import ConfigurationError
from fleet.link.endpoint import endpoint_url
from fleet.load.distributions import DISTRIBUTIONS, Constant, Distribution
from fleet.quantities import parse_duration, parse_rate


class Mistakes(Exception):
    """Several things are wrong inside one value: (path below it, what was expected) each."""

    def __init__(self, mistakes: list[tuple[str, str]]) -> None:
        super().__init__(mistakes)
        self.mistakes = mistakes


@frozen
class Setting:
    """How one kind of value is read; the `Annotated` metadata of a field."""

    read: Callable[[object], object]
    # What the field's name ends in but the key in the file doesn't, because there the value says its own unit.
    unit_suffix: str = ""


def shown(value: object) -> str:
    """The value as TOML would spell it, however long or odd it is, as part of one line."""
    if isinstance(value, bool):
        return str(value).lower()
    text = "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)
    return text if len(text) <= 60 else text[:56] + "...'"


def expected(what: str, value: object) -> ValueError:
    """The one sentence that every wrong value gets."""
    return ValueError(f"expected {what}, got {shown(value)}")


def meant(key: str, known: Iterable[str]) -> str:
    """` (did you mean 'connectors'?)` where something known is near enough, otherwise nothing."""
    near = get_close_matches(key, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def read_duration(value: object) -> float:
    """Seconds from `'10m'`, or from a plain number, which is seconds."""
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError:
            pass
    elif _is_number(value) and value >= 0:
        return float(value)
    raise expected("a duration such as '30s' or '10m'", value)


def read_positive_duration(value: object) -> float:
    """A duration that isn't zero."""
    duration_s = read_duration(value)
    if duration_s == 0:
        raise expected("a duration of more than zero", value)
    return duration_s


def read_whole_duration(value: object) -> float:
    """A duration in whole seconds, not zero: the intervals that OCPP carries."""
    duration_s = read_positive_duration(value)
    if duration_s != int(duration_s):
        raise expected("a duration in whole seconds", value)
    return duration_s


def read_rate(value: object) -> float:
    """Events per second from `'50/s'` or `'6/h'`, or from a plain number, which is per second."""
    if isinstance(value, str):
        try:
            return parse_rate(value)
        except ValueError:
            pass
    elif _is_number(value) and value > 0:
        return float(value)
    raise expected("a rate such as '0.5/s'", value)


def read_rate_or_none(value: object) -> float:
    """A rate, or 0 for never."""
    return 0.0 if value == 0 and _is_number(value) else read_rate(value)


def whole(least: int, most: int = 2**31 - 1) -> Callable[[object], int]:
    """Reads a whole number within bounds."""
    what = f"a whole number of at least {least}" if most == 2**31 - 1 else f"a whole number from {least} to {most}"

    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise expected(what, value)

    return read


def read_seed(value: object) -> int:
    """Any whole number that a summary can hold."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise expected("a whole number", value)
    if not -(2**63) <= value < 2**63:
        raise expected("a whole number of 64 bits", value)
    return value


def number(least: float, most: float = math.inf) -> Callable[[object], float]:
    """Reads a finite number within bounds."""
    what = f"a number of at least {least:g}" if most == math.inf else f"a number from {least:g} to {most:g}"

    def read(value: object) -> float:
        if _is_number(value) and least <= value <= most:
            return float(value)
        raise expected(what, value)

    return read


def read_flag(value: object) -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    raise expected("true or false", value)


def text(length_max: int) -> Callable[[object], str]:
    """Reads a text of 1 to `length_max` characters; OCPP's CiString types have such limits."""

    def read(value: object) -> str:
        if isinstance(value, str) and 1 <= len(value) <= length_max and _is_unicode(value):
            return value
        raise expected(f"a text of 1 to {length_max} characters", value)

    return read


def read_pattern(value: object) -> str:
    """A text in which `{}` (or `{:04}`, with leading zeros) stands for the index."""
    if isinstance(value, str) and value and _is_unicode(value) and _takes_an_index(value):
        return value
    raise expected("a pattern such as 'CP{:04}'", value)


def _is_unicode(text: str) -> bool:
    """Can it be said at all? Bytes that are no UTF-8 can come from a command line, as half surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# Digits, or digits with leading zeros; not so many that one name fills a screen.
_INDEX_FORMAT = re.compile("(0[1-9][0-9]?)?d?")


def _takes_an_index(pattern: str) -> bool:
    try:
        for _, name, spec, conversion in Formatter().parse(pattern):
            # {:f} and {:,} would be a number, {!r} a program's spelling of it: no name of anything.
            if name is not None and (conversion or not _INDEX_FORMAT.fullmatch(spec or "")):
                return False
        # Whoever writes {name} or {0.x} means something that isn't there.
        return bool(pattern.format(1))
    except (ValueError, IndexError, KeyError, AttributeError, TypeError):
        return False


def read_url(value: object) -> str:
    """A WebSocket URL; `{id}` in it stands for the charge point's id, which otherwise is appended."""
    if not isinstance(value, str):
        raise expected("a URL such as 'ws://host:9000/ocpp'", value)
    try:
        endpoint_url(value, "CP0001")
    except ConfigurationError as error:
        # In the link's own words, which hide a password in the URL.
        raise ValueError(str(error)) from None
    return value


def read_target(value: object) -> str:
    """Whom something is for, such as `CP00*/1`; whether anybody is there shows when the run goes on."""
    if not isinstance(value, str):
        raise expected("a target such as '*/*' or 'CP0001/1'", value)
    try:
        parse_target(value)
    except TargetError as error:
        raise ValueError(f"{expected('a target', value)}: {error}") from None
    return value


def choice(*words: str) -> Callable[[object], str]:
    """Reads one of a few words."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise expected(f"{', '.join(repr(word) for word in words[:-1])} or {words[-1]!r}", value)

    return read


def distribution(
    read: Callable[[object], float], *, least: float = 0.0, most: float = math.inf
) -> Callable[[object], Distribution]:
    """Reads a distribution whose values `read` reads; nothing outside `least` to `most` is ever drawn from it.

    A plain value is a constant; a table names its kind:

        stay = "20m"
        stay = { kind = "uniform", low = "10m", high = "30m" }
        stay = { kind = "normal", mean = "40m", deviation = "10m" }
        stay = { kind = "lognormal", median = "40m", sigma = 0.5, at_most = "4h" }
        stay = { kind = "exponential", mean = "40m" }
    """

    def read_distribution(value: object) -> Distribution:
        return _read_table(value, read, least, most) if isinstance(value, dict) else Constant(read(value))

    return read_distribution


def _read_table(table: dict[str, object], read: Callable[[object], float], least: float, most: float) -> Distribution:
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in DISTRIBUTIONS:
        what = f"one of {', '.join(repr(name) for name in DISTRIBUTIONS)}"
        raise Mistakes([("kind", str(expected(what, kind)) if "kind" in table else f"missing: expected {what}")])
    made = DISTRIBUTIONS[kind]
    # What a file calls the mean is the centre of the bell before it is clamped.
    parts = {"mean" if part.name == "centre" else part.name: part for part in attrs.fields(made)}
    values: dict[str, float] = {"at_least": least, "at_most": most} if "at_least" in parts else {}
    wrong = [(key, "unknown key" + meant(key, [*parts, "kind"])) for key in table if key not in {*parts, "kind"}]
    for key, part in parts.items():
        try:
            if key in table:
                # Sigma is of the logarithm: it has no unit.
                values[part.name] = number(0)(table[key]) if key == "sigma" else read(table[key])
            elif part.default is attrs.NOTHING:
                wrong.append((key, f"missing: the distribution {kind!r} needs it"))
        except ValueError as error:
            wrong.append((key, str(error)))
    for low, high in (("low", "high"), ("at_least", "at_most")):
        if not wrong and low in values and values[low] > values[high]:
            wrong.append((high, str(expected(f"no less than {low}", table.get(high, values[high])))))
    if wrong:
        raise Mistakes(wrong)
    return made(**values)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
