"""A frame as a line of the trace: when, where, which way, what it answers and how late; and itself, without secrets.

Two lines are made for every exchange of the whole fleet, so there are two ways to make one. Nearly all frames are JSON
as everybody's encoder writes it, with nothing in them that could be secret: their envelope is read off the text, and
the text goes into the line as it is. Everything else is taken apart, masked, and put together again.
"""

import re
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

import orjson
from attrs import define, field

from fleet.clock import Clock
from fleet.observe.redaction import MASK, Redaction

CALLS_MAX = 50_000
"""CALLs whose answers are still to come, in each direction."""

CALL = 2
_TYPES = {CALL: "call", 3: "result", 4: "error"}
_TYPES_AS_WRITTEN = {str(number): name for number, name in _TYPES.items()}
# Message type, id, and the string after it if there is one: the action of a CALL. Both with their quotes, no escapes.
_ENVELOPE = re.compile(r'\[([234]), ?("[^"\\]*"), ?("[^"\\]*")?')
# By (charge point, message id as JSON): when, and what was asked, as JSON.
_Calls = OrderedDict[tuple[str, str], tuple[float, str]]


@define(eq=False)
class Direction:
    """Frames that go one way: as the line says it, the CALLs among them, and those which their answers belong to."""

    word: str
    asked: _Calls
    answered: _Calls


@define(eq=False)
class FrameLines:
    """Makes lines, each with its line break; remembers the CALLs whose answers are to come."""

    _clock: Clock
    _redaction: Redaction
    sent: Direction = field(init=False)
    received: Direction = field(init=False)
    _charge_points: dict[str, str] = field(factory=dict, init=False)
    """Their ids as JSON."""
    _ms: int = field(default=-1, init=False)
    _second: int = field(default=-1, init=False)
    _time: str = field(default="", init=False)
    _second_text: str = field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        ours: _Calls = OrderedDict()
        theirs: _Calls = OrderedDict()
        self.sent, self.received = Direction("sent", ours, theirs), Direction("received", theirs, ours)

    def line(self, charge_point_id: str, direction: Direction, text: str | bytes, at: float) -> bytes:
        """The line of a frame that went this way at `at`, on the monotonic clock."""
        binary = isinstance(text, bytes)
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        try:
            frame = orjson.loads(text)
        except ValueError:
            # Half a surrogate pair can't be written.
            shown = self._redaction.broken(text).encode(errors="replace").decode()
            return self._packed(charge_point_id, direction, at, binary, {"text": shown})
        suspect = self._redaction.suspects(text)
        envelope = _ENVELOPE.match(text)
        if suspect or binary or envelope is None or "\n" in text or "\r" in text:
            return self._unusual(charge_point_id, direction, text, at, binary, frame, suspect)
        kind, message_id, action = envelope.groups()
        latency = ""
        if kind == "2":
            if action is None:
                return self._unusual(charge_point_id, direction, text, at, binary, frame, suspect)
            _remember(direction.asked, (charge_point_id, message_id), (at, action))
        elif (call := direction.answered.pop((charge_point_id, message_id), None)) is not None:
            action = call[1]
            latency = f'"latency_ms":{(at - call[0]) * 1000:.3f},'
        else:
            action = None
        place = self._charge_points.get(charge_point_id) or self._place(charge_point_id)
        asked = "" if action is None else f'"action":{action},'
        return (
            f'{{"time":"{self.time(at)}","charge_point":{place},"direction":"{direction.word}",'
            f'"type":"{_TYPES_AS_WRITTEN[kind]}",{asked}"id":{message_id},{latency}"frame":{text}}}\n'
        ).encode()

    def time(self, at: float) -> str:
        """UTC to the millisecond, for an instant on the monotonic clock."""
        ms = int(self._clock.utc(at) * 1000)
        if ms != self._ms:
            self._ms = ms
            second = ms // 1000
            if second != self._second:
                self._second = second
                self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._time = f"{self._second_text}.{ms % 1000:03}Z"
        return self._time

    def forget(self) -> None:
        """No answer is waited for any more."""
        self.sent.asked.clear()
        self.received.asked.clear()

    def _unusual(
        self,
        charge_point_id: str,
        direction: Direction,
        text: str,
        at: float,
        binary: bool,
        frame: Any,
        suspect: bool,
    ) -> bytes:
        masked = self._redaction.value(frame) if suspect else frame
        fields: dict[str, Any] = {}
        if type(frame) is list and len(frame) > 2 and type(frame[0]) is int and type(frame[1]) is str:
            self._describe(fields, charge_point_id, direction, at, frame, masked)
        if masked is frame:
            # Outside of strings a line break is as good as a space, and inside of them JSON has none.
            fields["frame"] = orjson.Fragment(text.replace("\n", " ").replace("\r", " "))
        else:
            fields["frame"] = masked
        return self._packed(charge_point_id, direction, at, binary, fields)

    def _describe(
        self, fields: dict[str, Any], charge_point_id: str, direction: Direction, at: float, frame: Any, masked: Any
    ) -> None:
        """What the envelope says, and of an answer what it is the answer to."""
        kind = frame[0]
        if kind not in _TYPES:
            return
        # What nests too deep to be masked is masked as a whole.
        shown = masked if type(masked) is list else [kind, MASK, MASK]
        key = (charge_point_id, orjson.dumps(frame[1]).decode())
        fields["type"] = _TYPES[kind]
        latency: dict[str, float] = {}
        if kind == CALL:
            fields["action"] = shown[2]
            _remember(direction.asked, key, (at, orjson.dumps(str(shown[2])).decode()))
        elif (call := direction.answered.pop(key, None)) is not None:
            fields["action"] = orjson.Fragment(call[1])
            latency["latency_ms"] = round((at - call[0]) * 1000, 3)
        fields |= {"id": shown[1], **latency}

    def _packed(
        self, charge_point_id: str, direction: Direction, at: float, binary: bool, fields: dict[str, Any]
    ) -> bytes:
        where: dict[str, Any] = {
            "time": self.time(at),
            "charge_point": charge_point_id,
            "direction": direction.word,
            **({"binary": True} if binary else {}),
        }
        try:
            return orjson.dumps(where | fields, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:
            # Nested deeper than can be written.
            return orjson.dumps(where | {"frame": MASK}, option=orjson.OPT_APPEND_NEWLINE)

    def _place(self, charge_point_id: str) -> str:
        place = self._charge_points[charge_point_id] = orjson.dumps(charge_point_id).decode()
        return place


def _remember(calls: _Calls, key: tuple[str, str], call: tuple[float, str]) -> None:
    calls[key] = call
    if len(calls) > CALLS_MAX:
        calls.popitem(last=False)
