"""Durations, rates and sizes as people write them: `50ms`, `2s`, `10m`, `1h30m`; `50/s`, `120/min`; `100MB`.

A leaf: the command line, configuration files and the shell read their quantities here, so that one spelling works
everywhere. A number always carries its unit, because a bare `10` means seconds to one reader and minutes to the next;
only zero needs none. Every error is a `ValueError` of one line that says what was expected.
"""

import re

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_PER_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
# With an exponent, because that is how programs write small numbers: 1e-05.
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d{1,3})?"
_PART = re.compile(rf"({_NUMBER})\s*(us|ms|min|s|m|h|d)\s*")
_RATE = re.compile(rf"({_NUMBER})\s*/\s*({_NUMBER})?\s*(min|s|m|h|d)")
# A century: beyond it a duration is a slip of the keyboard, and far beyond it floats overflow.
_DURATION_MAX_S = 100 * 366 * 86_400.0
_RATE_MAX_PER_S = 1e9
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = re.compile(rf"({_NUMBER})\s*({'|'.join(_BYTES)})", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Seconds in `text`: one or more numbers with a unit (us, ms, s, m or min, h, d), added up; `0` needs no unit.

    Raises ValueError with one clear line for anything else, for negative durations and for ones over a century.
    """
    stripped = text.strip()
    if re.fullmatch(r"0+(?:\.0*)?", stripped):
        return 0.0
    total_s = 0.0
    position = 0
    while match := _PART.match(stripped, position):
        total_s += float(match[1]) * _SECONDS[match[2]]
        position = match.end()
    if position == 0 or position != len(stripped):
        raise ValueError(f"not a duration: {_quoted(text)}; expected a number with its unit, such as 50ms, 2s or 1h30m")
    if total_s > _DURATION_MAX_S:
        raise ValueError(f"not a duration: {_quoted(text)} is more than a century")
    return total_s


def parse_rate(text: str) -> float:
    """Events per second in `text`, such as `50/s`, `120/min`, `1/10s` or `0.5/h`.

    Raises ValueError with one clear line for anything else; a rate of zero is one, because nothing would ever happen.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a rate: {_quoted(text)}; expected a number per unit of time, such as 50/s or 120/min")
    span_s = float(match[2] or 1) * _PER_SECONDS[match[3]]
    if span_s == 0 or float(match[1]) == 0:
        raise ValueError(f"not a rate: {_quoted(text)}; it must be more than zero")
    rate_per_s = float(match[1]) / span_s
    if rate_per_s > _RATE_MAX_PER_S:
        raise ValueError(f"not a rate: {_quoted(text)} is more than a billion per second")
    return rate_per_s


def parse_size(text: str) -> int:
    """Bytes in `text`, such as `100MB`, `1.5 GiB` or `64kB`, more than zero; raises ValueError with one clear line."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a size: {_quoted(text)}; expected a number with its unit, such as 64kB, 100MB or 1GiB")
    size = int(float(match[1]) * next(value for unit, value in _BYTES.items() if unit.lower() == match[2].lower()))
    if size < 1:
        raise ValueError(f"not a size: {_quoted(text)}; it must be more than zero")
    return size


def format_duration(duration_s: float) -> str:
    """A duration in s for people, in at most two units: `850us`, `50ms`, `2.5s`, `1m30s`, `2h05m`, `3d4h`.

    Rounded to what a reader needs; it reads back with `parse_duration`. Infinity is `forever`.
    """
    if duration_s == float("inf"):
        return "forever"
    if duration_s < 0:
        return "-" + format_duration(-duration_s)
    if duration_s < 59.95:
        return _format_short(duration_s)
    seconds = round(duration_s)
    if seconds < 3600:
        return _join(seconds // 60, "m", seconds % 60, "s")
    minutes = round(duration_s / 60)
    if minutes < 24 * 60:
        return _join(minutes // 60, "h", minutes % 60, "m")
    hours = round(duration_s / 3600)
    return f"{hours // 24}d{hours % 24}h" if hours % 24 else f"{hours // 24}d"


def _format_short(duration_s: float) -> str:
    """Under a minute: three digits and one unit."""
    if duration_s == 0:
        return "0s"
    if duration_s < 0.0009995:
        return f"{duration_s * 1e6:.3g}us"
    if duration_s < 0.9995:
        return f"{duration_s * 1e3:.3g}ms"
    return f"{duration_s:.3g}s"


def _join(major: int, major_unit: str, minor: int, minor_unit: str) -> str:
    return f"{major}{major_unit}{minor:02}{minor_unit}" if minor else f"{major}{major_unit}"


def _quoted(text: str) -> str:
    """The text as part of one line, however long or odd it is."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
