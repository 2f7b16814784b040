"""A CSMS that a test scripts, over memory streams: a real WebSocket without a socket, so that time may be virtual.

It answers every CALL of OCPP 1.6 Core with a good answer unless the test puts another one in `answers`, keeps
everything that was said, and sends whatever CALL or text the test asks for.
"""

import itertools
from collections.abc import Callable
from typing import Any

import orjson
import trio
import trio_websocket
from attrs import define, field
from trio.testing import memory_stream_pair

CALL, RESULT, ERROR = 2, 3, 4
SILENCE = object()
"""An answer that never comes."""
TIME = "2026-11-22T12:00:00.000Z"

Payload = dict[str, Any]
AnswerMaker = Callable[[Payload], Any]


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
    """The counterpart. `answers[action]` takes the request's payload and returns the result's payload, `SILENCE`, or a
    `(code, description)` pair for a CALLERROR."""

    nursery: trio.Nursery
    answers: dict[str, AnswerMaker] = field(factory=dict)
    heard: list[Heard] = field(factory=list)
    results: dict[str, Any] = field(factory=dict)
    connections: dict[str, trio_websocket.WebSocketConnection] = field(factory=dict)
    connects: int = 0
    refusing: bool = False
    _ids: Any = field(factory=lambda: itertools.count(1))
    _transaction_ids: Any = field(factory=lambda: itertools.count(1001))
    _streams: list[trio.abc.AsyncResource] = field(factory=list)

    # ---- the network -------------------------------------------------------------------------------------------------

    async def open_stream(self) -> trio.abc.Stream:
        """What a charge point's link calls instead of TCP."""
        await trio.lowlevel.checkpoint()
        if self.refusing:
            raise ConnectionRefusedError(111, "Connection refused")
        ours, theirs = memory_stream_pair()
        self._streams.append(ours)
        self.nursery.start_soon(self._serve, ours)
        return theirs

    async def cut(self) -> None:
        """Every connection is gone, without a word."""
        streams, self._streams = self._streams, []
        for stream in streams:
            await trio.aclose_forcefully(stream)

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                request = await trio_websocket.wrap_server_stream(nursery, stream)
                charge_point = request.path.rsplit("/", 1)[1]
                socket = await request.accept(subprotocol="ocpp1.6")
                self.connections[charge_point] = socket
                self.connects += 1
                while True:
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
        self.heard.append(Heard(charge_point, action, payload, trio.current_time(), message_id))
        answer = self.answers.get(action, self._good_answer(action))(payload)
        if answer is SILENCE:
            return
        if isinstance(answer, tuple):
            reply: list[Any] = [ERROR, message_id, *answer, {}]
        else:
            reply = [RESULT, message_id, answer]
        nursery.start_soon(socket.send_message, orjson.dumps(reply).decode())

    def _good_answer(self, action: str) -> AnswerMaker:
        accepted = {"idTagInfo": {"status": "Accepted"}}
        return {
            "BootNotification": lambda _: {"status": "Accepted", "currentTime": TIME, "interval": 300},
            "Heartbeat": lambda _: {"currentTime": TIME},
            "Authorize": lambda _: accepted,
            "StartTransaction": lambda _: {"transactionId": next(self._transaction_ids), **accepted},
            "StopTransaction": lambda _: accepted,
            "DataTransfer": lambda _: {"status": "Accepted"},
        }.get(action, lambda _: {})

    # ---- what the test says ------------------------------------------------------------------------------------------

    async def send_text(self, charge_point: str, text: str | bytes) -> None:
        """Put anything on the wire."""
        await self.connections[charge_point].send_message(text)

    async def call(self, charge_point: str, action: str, payload: Payload, timeout_s: float = 30.0) -> Any:
        """Send a CALL and return the answer's payload, or `(code, description)` of a CALLERROR."""
        message_id = f"central-{next(self._ids)}"
        await self.send_text(charge_point, orjson.dumps([CALL, message_id, action, payload]).decode())
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
