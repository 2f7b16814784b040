"""The hub: live events for whoever watches, filtered, as plain JSON values.

Nobody watching costs nothing: the hub listens to the observer only while there is a watch. A watch holds a bounded
number of events; one who reads too slowly loses the newest and is told how many, and the fleet never waits for them.
"""

import math
import re
from collections import deque
from collections.abc import Callable, Container, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, get_args

import attrs
import orjson
import trio

from fleet.clock import Clock
from fleet.core import reports
from fleet.observe.observer import Observer
from fleet.observe.redaction import redacted_broken, redacted_frame, redacted_violation

EVENTS_MAX = 2_000
"""Events that wait for one watch."""
CALLS_MAX = 20_000
"""CALLs whose answers are still to come, in all charge points."""

Event = dict[str, Any]
Wanted = Callable[[str, int | None], bool]


def everything(_charge_point_id: str, _connector: int | None) -> bool:
    """Watch all there is."""
    return True


def only(addresses: Container[tuple[str, int]]) -> Wanted:
    """Watch these: a charge point (connector 0) with all of it, a connector with what is its own."""

    def wanted(charge_point_id: str, connector: int | None) -> bool:
        if (charge_point_id, 0) in addresses:
            return True
        return connector is not None and (charge_point_id, connector) in addresses

    return wanted


class Watch:
    """One who watches. `receive` waits for events; close it when done."""

    def __init__(
        self, hub: "Hub", wanted: Wanted, action: str | None, size: int, charge_points: Container[str] | None
    ) -> None:
        self._hub = hub
        self.wanted = wanted
        self.charge_points = charge_points
        self.action = action and action.casefold()
        self._events: deque[Event] = deque()
        self._size = size
        self._lost = 0
        self._closed = False
        self._some = trio.Event()

    async def receive(self) -> list[Event]:
        """The events since the last time, the last saying how many were lost, if any were; none once it is closed."""
        await trio.lowlevel.checkpoint()
        while not self._events and not self._lost:
            if self._closed:
                return []
            await self._some.wait()
        events = list(self._events)
        self._events.clear()
        if self._lost:
            events.append({"kind": "lost", "count": self._lost})
            self._lost = 0
        self._some = trio.Event()
        return events

    def put(self, event: Event) -> None:
        """Keep an event for the reader."""
        if len(self._events) < self._size:
            self._events.append(event)
        else:
            self._lost += 1
        self._some.set()

    def close(self) -> None:
        """No more of it; what waits is dropped."""
        self._closed = True
        self._events.clear()
        self._lost = 0
        self._hub.close(self)
        self._some.set()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Hub:
    """A listener of the observer, while anybody watches."""

    def __init__(self, observer: Observer, clock: Clock) -> None:
        self._observer = observer
        self._clock = clock
        self._watches: tuple[Watch, ...] = ()
        # Which action and connector an answer belongs to, by (charge point, message id).
        self._calls: dict[tuple[str, str], tuple[str, int | None]] = {}

    @property
    def wants(self) -> frozenset[type[reports.ObservedReport]]:
        """Everything."""
        return frozenset(EVERY_REPORT)

    def watch(
        self,
        wanted: Wanted = everything,
        action: str | None = None,
        size: int = EVENTS_MAX,
        charge_points: Container[str] | None = None,
    ) -> Watch:
        """Events from now on: those of what is `wanted`, and with `action` only those messages or that kind.

        `charge_points`, if given, are all those of which anything can be wanted. What the rest of the fleet reports
        then isn't even made an event of, which matters: an event costs more than a message.
        """
        watch = Watch(self, wanted, action, size, charge_points)
        if not self._watches:
            self._observer.add(self)
        self._watches = (*self._watches, watch)
        return watch

    def close(self, watch: Watch) -> None:
        """End a watch; nothing happens when it has ended."""
        had = bool(self._watches)
        self._watches = tuple(other for other in self._watches if other is not watch)
        if had and not self._watches:
            self._observer.remove(self)
            self._calls.clear()

    def report(self, charge_point_id: str, report: reports.ObservedReport) -> None:
        """Pass it on to those who watch for it."""
        if not any(watch.charge_points is None or charge_point_id in watch.charge_points for watch in self._watches):
            return
        if isinstance(report, FRAMES):
            event = self._frame_event(charge_point_id, report)
            words = [event["kind"], event.get("action", "")]
        else:
            event = self._event(charge_point_id, report)
            # CallSettled names an action too, but the monitor of an action wants its frames, once each.
            words = [event["kind"]]
        for watch in self._watches:
            if watch.wanted(charge_point_id, event["connector"]) and _matches(watch.action, words):
                watch.put(event)

    def _event(self, charge_point_id: str, report: reports.ObservedReport) -> Event:
        fields = {name: json_value(getattr(report, name)) for name in _fields(type(report))}
        at = fields.pop("at", None)
        connector = fields.pop("connector", None)
        if isinstance(report, reports.ProtocolViolated):
            fields["detail"] = redacted_violation(report)
        return {
            "time": self._utc(trio.current_time() if at is None else at),
            "charge_point": charge_point_id,
            "connector": connector,
            "kind": kind_of(type(report)),
            **fields,
        }

    def _frame_event(self, charge_point_id: str, report: Any) -> Event:
        sent = isinstance(report, reports.FrameSent)
        event = {
            "time": self._utc(report.at),
            "charge_point": charge_point_id,
            "connector": None,
            "kind": "sent" if sent else "received",
            **message_of(report.text),
        }
        key = (charge_point_id, str(event.get("id")))
        if event["message"] == "call":
            event["connector"] = _connector_in(event.pop("payload"))
            if len(self._calls) >= CALLS_MAX:
                self._calls.pop(next(iter(self._calls)))
            self._calls[key] = (event["action"], event["connector"])
        elif key in self._calls:
            event["action"], event["connector"] = self._calls.pop(key)
        return event

    def _utc(self, at: float) -> str:
        return utc_text(self._clock.utc(at))


def message_of(text: str | bytes) -> Event:
    """A frame taken apart: `message` (call, result, error or broken), `id`, `action` of a CALL, `frame` redacted."""
    try:
        frame = orjson.loads(text)
        name = _MESSAGES[frame[0]]
        event = {"message": name, "id": frame[1], "frame": redacted_frame(frame, text)}
        if name == "call":
            event["action"] = str(frame[2])
            event["payload"] = event["frame"][3]
    except (ValueError, LookupError, TypeError):
        shown = text if isinstance(text, str) else text.decode(errors="replace")
        return {"message": "broken", "frame": redacted_broken(shown)}
    return event


def utc_text(utc_s: float) -> str:
    """`2026-11-22T11:17:32.123Z`."""
    return datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_value(value: Any) -> Any:
    """A field of a report as JSON has it; what isn't finite is null."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, tuple | list):
        return [json_value(inner) for inner in value]
    if attrs.has(type(value)):
        return {name: json_value(getattr(value, name)) for name in _fields(type(value))}
    return value


def kind_of(report: type[Any]) -> str:
    """`status-changed` for StatusChanged."""
    kind = _kinds.get(report)
    if kind is None:
        kind = _kinds[report] = re.sub(r"(?<=.)(?=[A-Z])", "-", report.__name__).lower()
    return kind


def _fields(of: type[Any]) -> tuple[str, ...]:
    names = _names.get(of)
    if names is None:
        names = _names[of] = tuple(field.name for field in attrs.fields(of))
    return names


def _matches(action: str | None, words: Sequence[str]) -> bool:
    return action is None or any(word.casefold() == action for word in words)


def _connector_in(payload: Any) -> int | None:
    number = payload.get("connectorId") if isinstance(payload, dict) else None
    return number if isinstance(number, int) else None


_kinds: dict[type[Any], str] = {}
_names: dict[type[Any], tuple[str, ...]] = {}
_MESSAGES = {2: "call", 3: "result", 4: "error"}
FRAMES = (reports.FrameSent, reports.FrameSeen)
EVERY_REPORT: tuple[type[reports.ObservedReport], ...] = get_args(reports.ObservedReport)
KINDS = tuple(sorted({"sent", "received"} | {kind_of(each) for each in EVERY_REPORT if each not in FRAMES}))
"""Every kind of event, beside `lost`."""
