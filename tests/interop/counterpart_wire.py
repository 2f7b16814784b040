"""The counterpart's ear on the wire: what the `ocpp` package is lenient about is checked frame by frame here."""

import asyncio
import contextlib
import json
import time
from datetime import UTC, datetime
from typing import Any, Protocol

from counterpart_books import JsonLines
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

# OCPP-J 1.6 section 4.2.3, as the schemas of the time spell them.
CALLERROR_CODES = {
    "NotImplemented",
    "NotSupported",
    "InternalError",
    "ProtocolError",
    "SecurityError",
    "FormationViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "TypeConstraintViolation",
    "GenericError",
}
FRAME_LENGTHS = {2: 4, 3: 3, 4: 5}


class Behaviour:
    """How charge points are answered; changed by orders, the same for all."""

    def __init__(self) -> None:
        self.boot = "Accepted"
        self.interval_s = 60
        self.latency_s = 0.0
        self.mute: list[str] = []
        self.fail: dict[str, str] = {}
        self.id_tags: dict[str, str] = {}

    def change(self, **fields: Any) -> None:
        for name, value in fields.items():
            if name not in self.__dict__:
                raise ValueError(f"no such behaviour: {name}; there are {', '.join(self.__dict__)}")
            setattr(self, name, value)


class Desk(Protocol):
    """What all charge points of this central system share, as far as the wire needs it."""

    log: JsonLines
    frames: JsonLines
    behaviour: Behaviour
    # The last answer to BootNotification, where there was one in this life.
    registrations: dict[str, str]


class Tap:
    """Between `websockets` and the `ocpp` package: reads eagerly, checks the frame itself, passes on what has shape.

    Reading ahead of the answering is the point: a second CALL on the wire before the first was answered shows only so.
    """

    def __init__(self, charge_point: str, websocket: ServerConnection, desk: Desk) -> None:
        self.charge_point = charge_point
        self.websocket = websocket
        self.desk = desk
        self._inbox: asyncio.Queue[str | None] = asyncio.Queue()
        self._unanswered: dict[str, tuple[str, str]] = {}  # their CALLs: id -> (action, frame)
        self._seen_ids: set[str] = set()
        self._asked: dict[str, str] = {}  # our CALLs without an answer yet: id -> action
        self._answered: set[str] = set()
        self.replies: dict[str, list[Any]] = {}  # the answers, for whoever asked to take out

    def odd(self, rule: str, detail: str, frame: str | bytes | None = None) -> None:
        text = frame.hex() if isinstance(frame, bytes) else frame
        self.desk.log.write(rule=rule, charge_point=self.charge_point, detail=detail, frame=text)

    def trace(self, direction: str, frame: str) -> None:
        self.desk.frames.write(at=time.monotonic(), charge_point=self.charge_point, direction=direction, frame=frame)

    async def pump(self) -> None:
        """Read until the connection ends; then `recv` raises."""
        try:
            async for data in self.websocket:
                if isinstance(data, bytes):
                    self.trace("in", data.hex())
                    self.odd("binary-frame", "OCPP-J frames are text", data)
                    continue
                self.trace("in", data)
                if self._has_shape(data):
                    self._inbox.put_nowait(data)
        except ConnectionClosed:
            pass
        finally:
            self._inbox.put_nowait(None)

    async def recv(self) -> str:
        data = await self._inbox.get()
        if data is None:
            raise EOFError
        return data

    async def send(self, text: str) -> None:
        frame = json.loads(text)
        if frame[0] == 2:
            self._asked[frame[1]] = frame[2]
        else:
            behaviour = self.desk.behaviour
            if behaviour.latency_s:
                await asyncio.sleep(behaviour.latency_s)
            action, asked = self._unanswered.pop(frame[1], ("?", "?"))
            if action in behaviour.mute:
                return
            if action in behaviour.fail:
                text = json.dumps([4, frame[1], behaviour.fail[action], "as ordered", {}])
            elif frame[0] == 4:
                self.odd("refused", f"{action}: {frame[2]}: {frame[3]} {frame[4].get('cause', '')}".rstrip(), asked)
        self.trace("out", text)
        await self.websocket.send(text)

    async def send_raw(self, data: str | bytes) -> None:
        with contextlib.suppress(ValueError, TypeError, IndexError):
            frame = json.loads(data)
            if frame[0] == 2:
                self._asked[frame[1]] = "?"
        self.trace("out", data.hex() if isinstance(data, bytes) else data)
        await self.websocket.send(data)

    def forget(self, message_id: str) -> None:
        """We waited for this answer long enough; it may still come, once."""
        if self._asked.pop(message_id, None) is not None:
            self._answered.add(message_id)

    def _has_shape(self, data: str) -> bool:
        """Whether the `ocpp` package gets to see it: OCPP-J 1.6 section 4."""
        try:
            frame = json.loads(data, parse_constant=_no_constant)
        except ValueError as error:
            self.odd("not-json", str(error), data)
            return False
        if not isinstance(frame, list) or not frame or isinstance(frame[0], bool) or frame[0] not in (2, 3, 4):
            self.odd("wrong-shape", "not a CALL, CALLRESULT or CALLERROR", data)
            return False
        if len(frame) != FRAME_LENGTHS[frame[0]] or not isinstance(frame[1], str):
            self.odd("wrong-shape", f"{len(frame)} elements, message id {frame[1:2]}", data)
            return False
        if frame[0] == 2:
            return self._is_proper_call(frame, data)
        return self._is_proper_reply(frame, data)

    def _is_proper_call(self, frame: list[Any], data: str) -> bool:
        _, message_id, action, payload = frame
        if not isinstance(action, str):
            self.odd("wrong-shape", "the action is no string", data)
            return False
        if not 1 <= len(message_id) <= 36:
            self.odd("bad-message-id", f"{len(message_id)} characters; 1 to 36 are allowed", data)
        if message_id in self._seen_ids:
            self.odd("repeated-message-id", message_id, data)
        self._seen_ids.add(message_id)
        if self._unanswered:
            self.odd("overlapping-call", f"{len(self._unanswered)} of its CALLs had no answer yet", data)
        registration = self.desk.registrations.get(self.charge_point, "Accepted")
        if registration != "Accepted" and action != "BootNotification":
            self.odd("unregistered", f"{action} while the registration is {registration}", data)
        for where, timestamp in _timestamps(payload):
            if not _is_instant(timestamp):
                self.odd("bad-timestamp", f"{where}: {timestamp!r}", data)
        self._unanswered[message_id] = (action, data)
        return True

    def _is_proper_reply(self, frame: list[Any], data: str) -> bool:
        if frame[0] == 4 and (frame[2] not in CALLERROR_CODES or not isinstance(frame[4], dict)):
            self.odd("bad-callerror", f"code {frame[2]!r}", data)
        if frame[0] == 4 and not (isinstance(frame[3], str) and len(frame[3]) <= 255):
            self.odd("bad-callerror", "the description is no string of at most 255 characters", data)
        if self._asked.pop(frame[1], None) is not None:
            self._answered.add(frame[1])
            self.replies[frame[1]] = frame
            return True
        self.odd("double-reply" if frame[1] in self._answered else "unknown-reply", frame[1], data)
        return False


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _timestamps(value: Any, where: str = "") -> list[tuple[str, Any]]:
    """Every date-time of a payload with its path; the package's schemas name the format but don't check it."""
    found: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("timestamp", "expiryDate", "currentTime"):
                found.append((f"{where}.{key}", item))
            found += _timestamps(item, f"{where}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _timestamps(item, f"{where}[{index}]")
    return found


def _is_instant(text: Any) -> bool:
    """Whether it is an RFC 3339 date-time with its offset, not further than a day from now."""
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return False
    if instant.tzinfo is None or "T" not in text:
        return False
    return abs((datetime.now(UTC) - instant).total_seconds()) < 86_400
