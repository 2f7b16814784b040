"""A CSMS on a real socket that does wrong whatever can be done wrong, now and then, and most things right.

For tests that need some of everything in a few seconds: errors, silence, broken answers, transaction ids twice, cut
connections, messages that nobody asked for. What it does wrong goes by number, so that a run is as good as the next.
"""

import itertools
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import trio
import trio_websocket
from attrs import define, field
from counterparts.scripted import SILENCE, Payload, ScriptedCentral

PACE_S = 0.25
TURNED_AWAY = 5


@define(eq=False)
class MisbehavingCentral(ScriptedCentral):
    """`misbehave` is the task in which it does what nobody asked for; answers are wrong by themselves."""

    asked: int = 0
    """CALLs of its own."""
    _to_turn_away: int = TURNED_AWAY
    _numbers: dict[str, Any] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.answers = {
            "Authorize": self._one_in("Authorize", {6: ("InternalError", "No database"), 8: SILENCE}),
            "Heartbeat": self._one_in("Heartbeat", {5: '[3,"{id}",{"currentTime":"yesterday"}]', 7: "never mind"}),
            "StartTransaction": self._one_in(
                "StartTransaction", {9: {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}}
            ),
            "StopTransaction": self._one_in("StopTransaction", {6: ("GenericError", "Not today")}),
            "MeterValues": self._one_in("MeterValues", {25: ("SecurityError", "Who are you?")}),
        }
        self.latency_s = lambda heard: 0.4 if heard.action == "Authorize" else 0.003

    async def listen(self) -> int:
        """Be there for whoever connects on this machine; returns the port."""
        listeners: list[trio.SocketListener] = await self.nursery.start(
            partial(trio.serve_tcp, self._welcome, 0, host="127.0.0.1")
        )
        port: int = listeners[0].socket.getsockname()[1]
        return port

    async def misbehave(self) -> None:
        """Cut one off, hang up on one, ask one for something, and say something to one, again and again."""
        for number in itertools.count():
            await trio.sleep(PACE_S)
            names = sorted(self.connections)
            if not names:
                continue
            name = names[number * 7 % len(names)]
            with suppress(trio_websocket.ConnectionClosed, trio.ClosedResourceError, trio.BrokenResourceError):
                match number % 8:
                    case 0:
                        await self.cut(name)
                    case 1:
                        await self.close(name, 1001, "Out of order")
                    case 2:
                        await self._ask(name, "Reset", {"type": "Hard"})
                    case 3:
                        await self._ask(name, "RemoteStartTransaction", {"connectorId": 1, "idTag": "REMOTE"})
                    case 4:
                        await self._ask(name, "ChangeConfiguration", {"key": "HeartbeatInterval"})
                    case 5:
                        await self._ask(name, "BeNice", {})
                    case 6:
                        await self.send_text(name, '[3,"nobody-asked",{}]')
                    case _:
                        await self._ask(name, "GetConfiguration", {})

    async def _ask(self, name: str, action: str, payload: Payload) -> None:
        await self.ask(name, action, payload)
        self.asked += 1

    async def _welcome(self, stream: trio.SocketStream) -> None:
        if self._to_turn_away:
            self._to_turn_away -= 1
            return
        with suppress(trio_websocket.HandshakeError):
            await self._serve(stream)

    def _one_in(self, action: str, wrong: dict[int, Any]) -> Callable[[Payload], Any]:
        """Every so many-th of these CALLs is answered like this, all others well."""
        numbers = itertools.count(1)
        well = self._good_answer(action)

        def answer(payload: Payload) -> Any:
            number = next(numbers)
            return next((bad for every, bad in wrong.items() if number % every == 0), None) or well(payload)

        return answer
