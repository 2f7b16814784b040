"""The control server: lines of JSON in, lines of JSON out, over a Unix socket or over standard input and output.

Each line is one JSON object in UTF-8, at most `LINE_BYTES_MAX` long, ended by a newline. A request has an `id` of the
asker's choice (any number or string), which its answer repeats, and one of these keys:

    {"id": 1, "do": "plug CP0001/1"}                 carry out a line of the shell; `use` lasts for the connection
    {"id": 2, "complete": "plu", "cursor": 3}        what may stand at the cursor
    {"id": 3, "glance": true}                        the fleet's figures at one look
    {"id": 4, "watch": {"target": "CP0001", "action": "Heartbeat"}}      live events; both keys may be left out
    {"id": 5, "unwatch": 4}                          end that watch; `true` ends all of the connection
    {"id": 6, "cancel": 1}                           give up a line that is being carried out

Every request has exactly one answer, in whatever order they come:

    {"id": 1, "ok": true, "text": "...", "done": 1, "refused": [{"target": "CP0001/1", "reason": "..."}], "data": null,
     "error": null, "exit_code": 0}

`ok` is false when anything was refused or wrong; `error` says what was wrong with the line or the request; `text` is
for people. `data` holds what there is for programs: for `complete` a list of {"text", "start", "help"}, for `glance`
its figures, for `status`, `list`, `stats`, `get` and the like what they show. A request that can't be understood is
answered too, with the `id` it had, or null. `exit_code` is what a script would end with: 0, 1 for refusals, 104 for a
line that doesn't parse, 105 for a cancelled one, 99 for a scenario's failed expectation.

Events come between answers, in the order in which they happened, until the watch ends:

    {"watch": 4, "event": {"time": "2026-11-22T11:17:32.123Z", "charge_point": "CP0001", "connector": 1,
     "kind": "status-changed", "status": "Preparing", ...}}

Kinds are the reports of the fleet (`status-changed`, `transaction-started`, `link-down`, ...) and the frames, `sent`
and `received`, with `message` (call, result, error, broken), `action`, `id` and the whole `frame`. An event of kind
`lost` has the `count` of those that a slow reader missed.

Whoever reads slowly, writes nonsense or hangs up hurts nobody but himself: everything that waits for him is bounded,
and the fleet never waits. When he stops writing, what he asked for is still done and answered; then the connection
ends.
"""

import logging
import os
import select
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import orjson
import trio

from fleet.commands.target import TargetError
from fleet.control.answer import Answer
from fleet.control.console import Console
from fleet.control.hub import Watch
from fleet.control.paths import identity
from fleet.control.plant import Plant
from fleet.errors import EXIT_FAILED

LINE_BYTES_MAX = 65_536
AT_ONCE_MAX = 64
"""Requests of one connection that may be on their way at the same time."""
WATCHES_MAX = 16
CONNECTIONS_MAX = 64
WAITING_MAX = 16
"""Pieces of output that wait for a reader; beyond them, whoever writes one waits too."""
EVENTS_AT_ONCE = 100
FLUSH_TIMEOUT_S = 0.5
"""How long the end of the run waits for a reader to take its last answers."""
GONE_INTERVAL_S = 0.5
ROOT = 0
_CHUNK = 16_384

_log = logging.getLogger("fleet.control")

Send = Callable[[bytes], Awaitable[None]]
Receive = Callable[[], Awaitable[bytes]]
Said = dict[str, Any]


class Conversation:
    """One who asks: reads requests, runs them side by side, writes answers and events."""

    def __init__(self, plant: Plant, receive: Receive, send: Send, *, target: str | None = None) -> None:
        self._console = Console(plant, target=target)
        self._receive = receive
        self._send = send
        self._doing: dict[Any, trio.CancelScope] = {}
        self._running = 0
        self._watches: dict[Any, Watch] = {}
        self._out, self._waiting = trio.open_memory_channel[bytes](WAITING_MAX)
        self._written = trio.Event()
        self._nursery: trio.Nursery

    async def run(self, gone: Callable[[], bool] = lambda: False) -> None:
        """Talk until the other one stops writing and has had all answers, or is `gone`."""
        try:
            async with trio.open_nursery() as connection:
                connection.start_soon(self._write, connection.cancel_scope)
                async with trio.open_nursery() as self._nursery:
                    await self._read()
                    # What was asked is still answered, but nobody can say any more when to stop watching.
                    self._end_watches()
                    connection.start_soon(self._notice, gone, connection.cancel_scope)
                self._out.close()
                await self._written.wait()
                connection.cancel_scope.cancel()
        finally:
            self._end_watches()

    async def _notice(self, gone: Callable[[], bool], connection: trio.CancelScope) -> None:
        """What somebody asked who is gone altogether need not be done."""
        while not gone():
            await trio.sleep(GONE_INTERVAL_S)
        connection.cancel()

    # ---- the wire ----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        buffer, skipping = bytearray(), False
        while True:
            try:
                chunk = await self._receive()
            except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                return
            if not chunk:
                return
            buffer += chunk
            while (end := buffer.find(b"\n")) >= 0:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                if skipping:
                    skipping = False
                elif len(line) > LINE_BYTES_MAX:
                    await self._too_long()
                else:
                    await self._take(line)
            if skipping:
                buffer.clear()
            elif len(buffer) > LINE_BYTES_MAX:
                buffer.clear()
                skipping = True
                await self._too_long()

    async def _too_long(self) -> None:
        await self._wrong(None, f"a line can have {LINE_BYTES_MAX} bytes at most")

    async def _write(self, connection: trio.CancelScope) -> None:
        """Write what waits; a reader who is gone ends the connection, and the end of the run leaves him a moment."""
        try:
            async for piece in self._waiting:
                await self._send(piece)
            self._written.set()
        except trio.Cancelled:
            with trio.move_on_after(FLUSH_TIMEOUT_S, shield=True):
                await self._flush()
            raise
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            connection.cancel()

    async def _flush(self) -> None:
        try:
            while True:
                await self._send(self._waiting.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass

    async def _say(self, *said: Said) -> None:
        await self._out.send(b"".join(orjson.dumps(each, default=str, option=_JSON) + b"\n" for each in said))

    # ---- requests ----------------------------------------------------------------------------------------------------

    async def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            said = orjson.loads(line)
        except ValueError as error:
            await self._wrong(None, f"not JSON: {error}; {_EXPECTED}")
            return
        if not isinstance(said, dict):
            await self._wrong(None, _EXPECTED)
            return
        number = said.get("id")
        if isinstance(number, dict | list | bool):
            await self._wrong(None, "expected an id that is a number or a string")
            return
        asked = [name for name in _REQUESTS if name in said]
        if len(asked) != 1:
            await self._wrong(number, f"expected exactly one of {', '.join(_REQUESTS)}, such as {_EXAMPLE}")
            return
        [request] = asked
        # Left unheard, a target beside the line would let another connector obey.
        if beside := said.keys() - {"id", request, *_BESIDE.get(request, ())}:
            named = ", ".join(repr(each) for each in sorted(beside))
            instead = f"; all of it stands in the line, such as {_EXAMPLE}" if request == "do" else ""
            await self._wrong(number, f"{request}: expected no {named} beside it{instead}")
            return
        await _REQUESTS[request](self, number, said)

    async def _do(self, number: Any, said: Said) -> None:
        line = said["do"]
        if not isinstance(line, str):
            await self._wrong(number, "do: expected a line of text")
        elif self._running >= AT_ONCE_MAX:
            await self._wrong(number, f"{AT_ONCE_MAX} requests are on their way already", EXIT_FAILED)
        elif number is not None and number in self._doing:
            await self._wrong(number, "a request of this id is on its way already")
        else:
            scope = trio.CancelScope()
            if number is not None:
                self._doing[number] = scope
            self._running += 1
            self._nursery.start_soon(self._carry_out, number, line, scope)

    async def _carry_out(self, number: Any, line: str, scope: trio.CancelScope) -> None:
        try:
            answer = await self._console.execute(line, scope)
            await self._answer(number, answer)
        finally:
            self._running -= 1
            self._doing.pop(number, None)

    async def _complete(self, number: Any, said: Said) -> None:
        line, cursor = said["complete"], said.get("cursor")
        cursor = len(line) if cursor is None and isinstance(line, str) else cursor
        if not isinstance(line, str) or not isinstance(cursor, int) or not 0 <= cursor <= len(line):
            await self._wrong(number, "complete: expected a line of text, and a cursor in it")
            return
        candidates = [attrs.asdict(each) for each in self._console.complete(line, cursor)]
        await self._answer(number, Answer("", data=candidates))

    async def _glance(self, number: Any, _: Said) -> None:
        await self._answer(number, Answer("", data=self._console.glance().as_dict()))

    async def _watch(self, number: Any, said: Said) -> None:
        wanted = said["watch"]
        wanted = {} if wanted is True or wanted is None else wanted
        if not isinstance(wanted, dict) or not all(isinstance(each, str | None) for each in wanted.values()):
            await self._wrong(number, 'watch: expected {"target": text, "action": text}')
        elif unknown := wanted.keys() - {"target", "action"}:
            await self._wrong(number, f"watch: expected target and action, got {', '.join(sorted(unknown))}")
        elif len(self._watches) >= WATCHES_MAX or number in self._watches:
            await self._wrong(number, f"watch: at most {WATCHES_MAX}, each with an id of its own", EXIT_FAILED)
        else:
            try:
                watch = self._console.watch(wanted.get("target"), wanted.get("action"))
            except TargetError as error:
                await self._wrong(number, str(error))
                return
            self._watches[number] = watch
            await self._answer(number, Answer(""))
            self._nursery.start_soon(self._pass_on, number, watch)

    async def _pass_on(self, number: Any, watch: Watch) -> None:
        while events := await watch.receive():
            for start in range(0, len(events), EVENTS_AT_ONCE):
                some = events[start : start + EVENTS_AT_ONCE]
                await self._say(*({"watch": number, "event": event} for event in some))

    async def _unwatch(self, number: Any, said: Said) -> None:
        which = said["unwatch"]
        if which is True:
            self._end_watches()
        elif isinstance(which, dict | list) or which not in self._watches:
            await self._wrong(number, "unwatch: there is no such watch", EXIT_FAILED)
            return
        else:
            self._watches.pop(which).close()
        await self._answer(number, Answer(""))

    async def _cancel(self, number: Any, said: Said) -> None:
        which = said["cancel"]
        scope = None if isinstance(which, dict | list) else self._doing.get(which)
        if scope is None:
            await self._wrong(number, "cancel: no such request is on its way", EXIT_FAILED)
            return
        scope.cancel()
        await self._answer(number, Answer(""))

    def _end_watches(self) -> None:
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()

    async def _wrong(self, number: Any, error: str, exit_code: int | None = None) -> None:
        await self._answer(number, Answer.wrong(error) if exit_code is None else Answer.wrong(error, exit_code))

    async def _answer(self, number: Any, answer: Answer) -> None:
        await self._say({"id": number, **answer.as_dict()})


_JSON = orjson.OPT_NON_STR_KEYS
_EXAMPLE = '{"id": 1, "do": "plug CP0001/1"}'
_EXPECTED = f"expected a JSON object, such as {_EXAMPLE}"
_BESIDE = {"complete": ("cursor",)}
_REQUESTS: dict[str, Callable[[Conversation, Any, Said], Awaitable[None]]] = {
    "do": Conversation._do,
    "complete": Conversation._complete,
    "glance": Conversation._glance,
    "watch": Conversation._watch,
    "unwatch": Conversation._unwatch,
    "cancel": Conversation._cancel,
}


@asynccontextmanager
async def served(plant: Plant, listening: socket.socket, *, target: str | None = None) -> AsyncIterator[None]:
    """Talk to whoever connects to a socket of `paths.listen` while the block runs; it and its file are gone afterwards.

    `target` is what lines without one are for.
    """
    path = Path(listening.getsockname())
    mine = identity(path)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_accept, plant, trio.SocketListener(trio.socket.from_stdlib_socket(listening)), target)
            yield
            nursery.cancel_scope.cancel()
    finally:
        listening.close()
        # Somebody may have taken our file for stale and put theirs in its place.
        if mine is not None and identity(path) == mine:
            path.unlink(missing_ok=True)


async def _accept(plant: Plant, listener: trio.SocketListener, target: str | None) -> None:
    places = trio.CapacityLimiter(CONNECTIONS_MAX)
    await trio.serve_listeners(partial(_converse, plant, places, target), [listener])


async def _converse(plant: Plant, places: trio.CapacityLimiter, target: str | None, stream: trio.SocketStream) -> None:
    async with stream:
        if (why := _unwelcome(stream.socket, places)) is not None:
            with trio.move_on_after(FLUSH_TIMEOUT_S):
                with suppress(trio.BrokenResourceError, OSError):
                    answer = {"id": None, **Answer.wrong(why, EXIT_FAILED).as_dict()}
                    await stream.send_all(orjson.dumps(answer) + b"\n")
            return
        async with places:
            talk = Conversation(plant, partial(stream.receive_some, _CHUNK), stream.send_all, target=target)
            try:
                await talk.run(gone=partial(_is_gone, stream.socket))
            except Exception:
                # As in the console: a bug in here costs its own conversation and no run.
                _log.exception("a bug, in a conversation over the control socket")


def _unwelcome(connection: trio.socket.SocketType, places: trio.CapacityLimiter) -> str | None:
    """Why this one is not talked to; None when he is."""
    if places.available_tokens < 1:
        return f"there are {CONNECTIONS_MAX} connections already"
    # The file's mode keeps others out; this keeps them out too where somebody changed it.
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        if uid not in (os.geteuid(), ROOT):
            return "this run is somebody else's"
    return None


def _is_gone(connection: trio.socket.SocketType) -> bool:
    """Has the other end closed altogether, and not only stopped writing?"""
    poll = select.poll()
    poll.register(connection.fileno(), 0)  # a hang-up is told unasked
    return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))


async def talk_on_standard_streams(plant: Plant, *, target: str | None = None) -> None:
    """The same conversation on standard input and output; returns when the input has ended and all is answered.

    In threads, because they may be files or a terminal that others read and write too.
    """
    threads = trio.CapacityLimiter(2)
    in_thread = partial(trio.to_thread.run_sync, abandon_on_cancel=True, limiter=threads)

    async def receive() -> bytes:
        return await in_thread(os.read, _STDIN, _CHUNK)

    async def send(piece: bytes) -> None:
        while piece:
            piece = piece[await in_thread(os.write, _STDOUT, piece) :]

    await Conversation(plant, receive, send, target=target).run()


_STDIN, _STDOUT = 0, 1
