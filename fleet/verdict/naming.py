"""The names in an objective, from text: `p99(Authorize, sent)`, `errors()`, `violations(clock-skew)`, `booted`.

Whatever isn't one is said in a line of its own, with what was probably meant: most mistakes here are a letter or two.
"""

import re
from collections.abc import Collection
from difflib import get_close_matches

from fleet.observe.rules import BOOK_RULES, CSMS_RULES
from fleet.verdict.readings import ALL, COUNTED, NAMES, TIMED, CountOf, Measure, Named, RateOf, TimeOf, ViolationsOf

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)")
_STATISTICS = ("p50", "p75", "p90", "p95", "p99", "p99.9", "mean", "max", "min")
_FUNCTIONS = (*_STATISTICS, *COUNTED, "rate", "violations")
_RULES = (*CSMS_RULES, *BOOK_RULES)
_SUGGESTED_RULE = "transaction-id-not-positive"
_WORD_MAX = 40
_EFFECTS = {
    "RemoteStartTransaction": "its effect, such as p95(remote_start)",
    "RemoteStopTransaction": "its effect, such as p95(remote_stop)",
}


def parse_measure(text: str, actions: Collection[str]) -> Measure:
    """A function with what is in its brackets, or a plain name; `actions` are those that a charge point can send.

    Empty brackets mean all actions. Raises ValueError, one line, for a name that does not exist.
    """
    text = text.strip()
    match = re.fullmatch(r"([A-Za-z_][\w.-]*)\s*(?:\(([^()]*)\))?", text)
    if match is None:
        raise ValueError(f"can't read {text!r}: expected a name such as booted, or one such as p99(Authorize)")
    name, inside = match.groups()
    if inside is not None:
        arguments = [part.strip() for part in inside.split(",")] if inside.strip() else []
        return _parse_function(name, arguments, actions)
    if name in NAMES:
        return Named(name)
    if name == "violations":
        raise ValueError(f"{name} of what? expected brackets, such as {name}({_SUGGESTED_RULE})")
    if name in _FUNCTIONS or _PERCENTILE.fullmatch(name):
        every = f"{name}()" if name in COUNTED or name == "rate" else f"{name}({ALL})"
        raise ValueError(
            f"{name} of what? expected brackets, such as {name}(Authorize), or {every} for all actions together"
        )
    if name in TIMED:
        raise ValueError(f"{name}: which of its times? expected one such as p95({name}), mean({name}) or max({name})")
    if name in actions or name == ALL:
        raise ValueError(f"{name}: what of it? expected one such as p95({name}), errors({name}) or calls({name})")
    raise ValueError(f"there is no {_cut(name)!r}{_meant(name, [*NAMES, *_FUNCTIONS], NAMES)}")


def _parse_function(name: str, arguments: list[str], actions: Collection[str]) -> Measure:
    if name in NAMES:
        raise ValueError(f"{name} stands without brackets")
    if name == "violations":
        return _parse_violations(arguments)
    if name in COUNTED or name == "rate":
        return _parse_count(name, arguments, actions)
    percentile = _PERCENTILE.fullmatch(name)
    if percentile is not None and float(percentile[1]) > 0:
        return _parse_time(name, arguments, actions)
    if name in ("mean", "max", "min"):
        return _parse_time(name, arguments, actions)
    if re.fullmatch(r"p\d[\d.]*", name):
        raise ValueError(f"there is no {name}: expected a percentile from p0.001 to p99.999, or min or max")
    if name == "p" and len(arguments) == 1 and _PERCENTILE.fullmatch(f"p{arguments[0]}"):
        # As k6 has it.
        raise ValueError(f"there is no p(): did you mean p{arguments[0]}({ALL})?")
    raise ValueError(f"there is no {_cut(name)}(){_meant(name, [*_FUNCTIONS, *NAMES], _FUNCTIONS)}")


def _parse_count(name: str, arguments: list[str], actions: Collection[str]) -> Measure:
    if len(arguments) > 1:
        raise ValueError(f"{name}({', '.join(arguments)}): expected one action, or nothing for all of them")
    action = arguments[0] if arguments else ALL
    if action in TIMED:
        raise ValueError(f"{name}({action}): {action} is no action; it can only be timed, such as p95({action})")
    _require(name, action, [*actions, ALL])
    return RateOf(action) if name == "rate" else CountOf(name, action)


def _parse_time(name: str, arguments: list[str], actions: Collection[str]) -> Measure:
    subject = arguments[0] if arguments else ALL
    _require(name, subject, [*actions, ALL, *TIMED])
    if arguments[1:] in ([], ["due"]):
        return TimeOf(name, subject)
    if arguments[1:] != ["sent"]:
        raise ValueError(
            f"{name}({', '.join(arguments)}): after {subject} expected nothing, due or sent, "
            f"such as {name}({subject}, sent)"
        )
    if subject in TIMED:
        raise ValueError(f"{name}({subject}, sent): only an action is timed from when it was sent")
    return TimeOf(name, subject, sent=True)


def _parse_violations(arguments: list[str]) -> Measure:
    if len(arguments) != 1:
        raise ValueError(f"violations of which rule? expected one, such as violations({_SUGGESTED_RULE})")
    rule = arguments[0]
    if rule not in _RULES:
        raise ValueError(f"there is no rule {_cut(rule)!r}{_meant(rule, _RULES, _RULES)}")
    return ViolationsOf(rule)


def _require(function: str, subject: str, known: Collection[str]) -> None:
    if subject not in known:
        if subject in _EFFECTS:
            raise ValueError(f"{function}() of {subject}: the CSMS says that; what is timed is {_EFFECTS[subject]}")
        raise ValueError(f"{function}() of {_cut(subject)!r}{_meant(subject, known, known)}")


def _meant(word: str, known: Collection[str], listed: Collection[str]) -> str:
    """`: did you mean Authorize?` where something known is near enough, whatever its case; otherwise what there is."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f": did you mean {by_lower[near[0]]}?" if near else f": expected one of {', '.join(listed)}"


def _cut(word: str) -> str:
    return word if len(word) <= _WORD_MAX else f"{word[:_WORD_MAX]}..."
