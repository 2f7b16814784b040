"""Events as lines: what `monitor` streams, one line for each, in the width there is.

A message shows as it went over the wire; everything else shows its kind and what it says. The time is local, because
the person's watch is.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fleet.shell.render import Fragments, cut, style

_ARROWS = {"sent": ("→", "busy"), "received": ("←", "other")}
_KNOWN = frozenset({"time", "charge_point", "connector", "kind", "action", "message", "id", "frame"})
_NOISE = frozenset({"call-settled", "call-served", "meter-sampled", "outbox-changed", "power-changed"})
_BAD_KINDS = frozenset({"connect-failed", "link-down", "given-up", "message-lost", "protocol-violated", "restarted"})


def is_noise(event: Mapping[str, Any]) -> bool:
    """Does it only repeat what the messages and state changes beside it say?"""
    return event.get("kind") in _NOISE


def event_line(event: Mapping[str, Any], width: int) -> Fragments:
    """One event in one line of at most `width` cells."""
    kind = str(event.get("kind", "?"))
    if kind == "lost":
        return [(style("error"), cut(f"({event.get('count')} events lost: too many at once)", width) + "\n")]
    head = f"{_clock(event.get('time'))} {_where(event)} "
    if kind in _ARROWS:
        arrow, name = _ARROWS[kind]
        what = f"{arrow} {_message(event)}"
    else:
        name = "bad" if kind in _BAD_KINDS else "good"
        what = " ".join([kind, *_said(event)])
    room = max(0, width - len(head))
    return [(style("faint"), cut(head, width)), (style(name), cut(what, room)), ("", "\n")]


def _where(event: Mapping[str, Any]) -> str:
    connector = event.get("connector")
    charge_point = str(event.get("charge_point", ""))
    return charge_point if connector is None else f"{charge_point}/{connector}"


def _message(event: Mapping[str, Any]) -> str:
    frame = event.get("frame")
    text = frame if isinstance(frame, str) else compact(frame)
    # A CALL says its action itself; to an answer it has to be said which one it answers.
    return text if event.get("message") == "call" or "action" not in event else f"{event['action']} {text}"


def _said(event: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_value(value)}" for name, value in event.items() if _says(name, value)]


def _says(name: str, value: Any) -> bool:
    """Instants of the monotonic clock are for programs."""
    return name not in _KNOWN and not name.endswith("_at") and value is not None


def _value(value: Any) -> str:
    return value if isinstance(value, str) and " " not in value else compact(value)


def compact(value: Any) -> str:
    """JSON as it goes over the wire."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _clock(time: Any) -> str:
    try:
        return datetime.fromisoformat(str(time)).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except ValueError:
        return "--:--:--"
