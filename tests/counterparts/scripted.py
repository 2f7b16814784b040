"""A CSMS that a test scripts, over memory streams: a real WebSocket without a socket, so that time may be virtual.

It answers every CALL of OCPP 1.6 Core with a good answer unless the test puts another one in `answers`, keeps
everything that was said, and sends whatever CALL or text the test asks for. It watches one rule by itself: a charge
point that speaks again before its last CALL was answered or timed out stands in `overlaps`.
"""

import itertools
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import trio
import trio_websocket
from attrs import define, field
from trio.testing import lockstep_stream_pair, memory_stream_pair

CALL, RESULT, ERROR = 2, 3, 4
SILENCE = object()
"""An answer that never comes."""
EPOCH_S = 1_795_348_800.0
"""2026-11-22T12:00:00Z, when the virtual clock says 0."""
TIME = "2026-11-22T12:00:00.000Z"
CALL_TIMEOUT_S = 30.0
"""How long a charge point waits for an answer before it may speak again."""

Payload = dict[str, Any]
AnswerMaker = Callable[[Payload], Any]


def utc_now() -> str:
    """The virtual clock as a timestamp."""
    instant = datetime.fromtimestamp(EPOCH_S + trio.current_time(), UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@define
class Heard:
    """One CALL from a charge point, with the instant at which it came."""

    charge_point: str
    action: str
    payload: Payload
    at: float
    message_id: str = ""


@define(eq=False)
class ScriptedCentral:
    """The counterpart.

    `answers[action]` takes the request's payload and returns the result's payload, `SILENCE`, a `(code, description)`
    pair for a CALLERROR, or a `str` or `bytes` that goes out as it is with the CALL's id in place of `{id}`.
    `latency_s` says how long an answer takes; `refusing` lets nobody connect, `swallowing` doesn't even say so, and
    `hanging_up` lets nobody stay. `shown` are the Authorization headers of all who came, None where there was none;
    `let_in` says which of them is let in.
    With `buffering` off the wire holds nothing, and whoever talks to a `deaf` CSMS has to wait.
    """

    nursery: trio.Nursery
    answers: dict[str, AnswerMaker] = field(factory=dict)
    heard: list[Heard] = field(factory=list)
    results: dict[str, Any] = field(factory=dict)
    connections: dict[str, trio_websocket.WebSocketConnection] = field(factory=dict)
    connects: int = 0
    refusing: bool = False
    swallowing: bool = False
    hanging_up: bool = False
    heartbeat_interval_s: int = 300
    buffering: bool = True
    deaf: bool = False
    latency_s: Callable[[Heard], float] | None = None
    shown: list[str | None] = field(factory=list)
    let_in: Callable[[str | None], bool] = lambda _: True
    overlaps: list[Heard] = field(factory=list)
    _ids: Any = field(factory=lambda: itertools.count(1))
    _transaction_ids: Any = field(factory=lambda: itertools.count(1001))
    _streams: list[trio.abc.AsyncResource] = field(factory=list)
    _stream_of: dict[str, trio.abc.AsyncResource] = field(factory=dict)
    _awaited_at: dict[str, float] = field(factory=dict)

    # ---- the network -------------------------------------------------------------------------------------------------

    async def open_stream(self) -> trio.abc.Stream:
        """What a charge point's link calls instead of TCP."""
        await trio.lowlevel.checkpoint()
        if self.refusing:
            raise ConnectionRefusedError(111, "Connection refused")
        if self.swallowing:
            await trio.sleep_forever()
        ours, theirs = memory_stream_pair() if self.buffering else lockstep_stream_pair()
        self._streams.append(ours)
        self.nursery.start_soon(self._serve, ours)
        return theirs

    async def cut(self, charge_point: str | None = None) -> None:
        """Every connection, or this charge point's, is gone without a word."""
        if charge_point is None:
            streams, self._streams = self._streams, []
        else:
            stream = self._stream_of.pop(charge_point, None)
            streams = [] if stream is None else [stream]
        for stream in streams:
            await trio.aclose_forcefully(stream)

    async def close(self, charge_point: str, code: int, reason: str | None = None) -> None:
        """Close a connection with a close frame."""
        # The reader ends the connection's nursery, and the library then waits for an answer that it has had.
        with trio.move_on_after(1):
            await self.connections[charge_point].aclose(code, reason)

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                request = await trio_websocket.wrap_server_stream(nursery, stream)
                charge_point = request.path.rsplit("/", 1)[1]
                given = {name.lower(): value for name, value in request.headers}.get(b"authorization")
                self.shown.append(None if given is None else given.decode())
                if not self.let_in(self.shown[-1]):
                    await request.reject(401)
                    return
                socket = await request.accept(subprotocol="ocpp1.6")
                self.connections[charge_point] = socket
                self._stream_of[charge_point] = stream
                self._awaited_at[charge_point] = -math.inf
                self.connects += 1
                if self.hanging_up:
                    await socket.aclose()
                while True:
                    while self.deaf:
                        await trio.sleep(1)
                    self._take(charge_point, orjson.loads(await socket.get_message()), nursery, socket)
        except* (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    def _take(
        self,
        charge_point: str,
        frame: list[Any],
        nursery: trio.Nursery,
        socket: trio_websocket.WebSocketConnection,
    ) -> None:
        if frame[0] != CALL:
            self.results[frame[1]] = frame[2] if frame[0] == RESULT else (frame[2], frame[3])
            return
        _, message_id, action, payload = frame
        heard = Heard(charge_point, action, payload, trio.current_time(), message_id)
        self.heard.append(heard)
        if heard.at < self._awaited_at[charge_point] + CALL_TIMEOUT_S:
            self.overlaps.append(heard)
        self._awaited_at[charge_point] = heard.at
        answer = self.answers.get(action, self._good_answer(action))(payload)
        if answer is SILENCE:
            return
        if isinstance(answer, str):
            reply: str | bytes = answer.replace("{id}", message_id)
        elif isinstance(answer, bytes):
            reply = answer
        elif isinstance(answer, tuple):
            reply = orjson.dumps([ERROR, message_id, *answer, {}]).decode()
        else:
            reply = orjson.dumps([RESULT, message_id, answer]).decode()
        nursery.start_soon(self._answer, heard, reply, socket)

    async def _answer(self, heard: Heard, reply: str | bytes, socket: trio_websocket.WebSocketConnection) -> None:
        if self.latency_s is not None:
            await trio.sleep(self.latency_s(heard))
        # Before the send: what the charge point says next may be here before this task runs on.
        if self.connections.get(heard.charge_point) is socket:
            self._awaited_at[heard.charge_point] = -math.inf
        await socket.send_message(reply)

    def _good_answer(self, action: str) -> AnswerMaker:
        accepted = {"idTagInfo": {"status": "Accepted"}}
        return {
            "BootNotification": lambda _: {
                "status": "Accepted",
                "currentTime": utc_now(),
                "interval": self.heartbeat_interval_s,
            },
            "Heartbeat": lambda _: {"currentTime": utc_now()},
            "Authorize": lambda _: accepted,
            "StartTransaction": lambda _: {"transactionId": next(self._transaction_ids), **accepted},
            "StopTransaction": lambda _: accepted,
            "DataTransfer": lambda _: {"status": "Accepted"},
        }.get(action, lambda _: {})

    # ---- what the test says ------------------------------------------------------------------------------------------

    async def send_text(self, charge_point: str, text: str | bytes) -> None:
        """Put anything on the wire."""
        await self.connections[charge_point].send_message(text)

    async def ask(self, charge_point: str, action: str, payload: Payload) -> str:
        """Send a CALL and don't wait for the answer; returns its message id, under which `results` will have it."""
        message_id = f"central-{next(self._ids)}"
        await self.send_text(charge_point, orjson.dumps([CALL, message_id, action, payload]).decode())
        return message_id

    async def call(self, charge_point: str, action: str, payload: Payload, timeout_s: float = 30.0) -> Any:
        """Send a CALL and return the answer's payload, or `(code, description)` of a CALLERROR."""
        message_id = await self.ask(charge_point, action, payload)
        with trio.fail_after(timeout_s):
            while message_id not in self.results:
                await trio.sleep(0.01)
        return self.results.pop(message_id)

    # ---- what the test asks ------------------------------------------------------------------------------------------

    def said(self, *actions: str, charge_point: str | None = None) -> list[Payload]:
        """The payloads of these actions (all if none is given), in the order in which they came."""
        return [
            heard.payload
            for heard in self.heard
            if (not actions or heard.action in actions) and charge_point in (None, heard.charge_point)
        ]

    def story(self, charge_point: str | None = None) -> list[str]:
        """What was said, as short words: the action, and for a status `connector:status`."""
        return [
            f"{heard.payload['connectorId']}:{heard.payload['status']}"
            if heard.action == "StatusNotification"
            else heard.action
            for heard in self.heard
            if charge_point in (None, heard.charge_point)
        ]

    def forget(self) -> None:
        """Start the story anew."""
        self.heard.clear()
