"""The bytes below a WebSocket: opening them, and a watch over them while they are open.

trio-websocket reports less than it knows: a connection that is lost during its opening handshake leaves it waiting,
a refusal comes only after its whole body, and a peer that stops reading blocks it for ever. `Wire` is the stream it is
given; it sees every byte pass, ends each of these at once and keeps the reason.
"""

import math
import ssl
from collections.abc import Awaitable, Callable
from typing import NamedTuple, NoReturn

import trio

from fleet.link.endpoint import CertificateUnusable, Target
from fleet.link.failures import Failure, answer_failed, connecting_failed, one_line, slow_reader
from fleet.link.faults import Faults
from fleet.link.weather import Weather, abort_tls, reset_on_close

OpenStream = Callable[[], Awaitable[trio.abc.Stream]]

_CLOSE_FRAME = 0x88
# What trio-websocket sends of its own accord, in answer: pongs and closes.
_CONTROL_FRAMES = frozenset({_CLOSE_FRAME, 0x8A})


class StageFailed(Exception):
    """No stream came about; carries the `Failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class Opened(NamedTuple):
    """A stream, and how long its stages took, in s; `tls_s` is None without TLS."""

    stream: trio.abc.Stream
    tcp_s: float = 0.0
    tls_s: float | None = None


async def open_wire_stream(target: Target, context: Callable[[], ssl.SSLContext], *, aborting: bool = False) -> Opened:
    """A TCP stream to the target, TLS on it for wss; raises `StageFailed`. Cancelled, it leaves nothing open.

    `context` is asked when TLS is to begin, and what it gives is used before anybody else can ask. `aborting` breaks
    the TLS handshake off.
    """
    began_at = trio.current_time()
    try:
        plain = await trio.open_tcp_stream(target.host, target.port)
    except (OSError, ValueError) as error:
        raise StageFailed(connecting_failed(error, stage="tcp")) from None
    connected_at = trio.current_time()
    if not target.secure:
        return Opened(plain, connected_at - began_at)
    try:
        if aborting:
            await _abort_tls(plain, context(), target.host)
        secured = trio.SSLStream(plain, context(), server_hostname=target.host, https_compatible=True)
        await secured.do_handshake()
    except CertificateUnusable as unusable:
        await trio.aclose_forcefully(plain)
        raise StageFailed(Failure("tls", one_line(str(unusable)))) from None
    except (trio.BrokenResourceError, OSError, ValueError) as error:
        await trio.aclose_forcefully(plain)
        raise StageFailed(connecting_failed(error, stage="tls")) from None
    except BaseException:
        await trio.aclose_forcefully(plain)
        raise
    return Opened(secured, connected_at - began_at, trio.current_time() - connected_at)


async def _abort_tls(plain: trio.SocketStream, context: ssl.SSLContext, host: str) -> NoReturn:
    raise StageFailed(await abort_tls(plain, context, host))


class Wire(trio.abc.Stream):
    """A stream under watch. `fail(failure)` is called, at most once, when it must be given up for a reason of its own.

    `loss` says how the connection was lost once it is; `close_frame_sent` whether a WebSocket close frame went out.
    """

    __slots__ = ("_fail", "_head", "_offered", "_send_limit_s", "_stream", "close_frame_sent", "loss", "weather")

    def __init__(
        self,
        stream: trio.abc.Stream,
        offered: tuple[str, ...],
        send_limit_s: float,
        fail: Callable[[Failure], None],
    ) -> None:
        self._stream = stream
        self._offered = offered
        self._send_limit_s = send_limit_s
        self._fail = fail
        # The head of the answer to the opening handshake as far as it came; None once it was judged good.
        self._head: bytes | None = b""
        self.close_frame_sent = False
        self.loss = ""
        self.weather: Weather | None = None

    def expose(self, faults: Faults, nursery: trio.Nursery) -> None:
        """Let these faults lie on the bytes, as they are now; pumps run in the connection's nursery."""
        if self.weather is not None:
            self.weather.change()
        elif faults.of_stream:
            self._stream = self.weather = Weather(self._stream, faults, nursery, upgraded=self._head is None)

    def reset_on_close(self) -> None:
        """Closing it will be a reset."""
        reset_on_close(self._stream)

    async def send_all(self, data: "bytes | bytearray | memoryview[int]") -> None:
        # Whoever sends anything else watches the time, and a limit of its own costs every message 5 us.
        limit_s = math.inf
        if data and data[0] in _CONTROL_FRAMES:
            limit_s = self._send_limit_s
            self.close_frame_sent |= data[0] == _CLOSE_FRAME
        try:
            if limit_s == math.inf:
                await self._stream.send_all(data)
                return
            with trio.move_on_after(limit_s) as limit:
                await self._stream.send_all(data)
        except trio.BrokenResourceError as broken:
            self._lost(broken)
            raise
        if limit.cancelled_caught:
            self._fail(slow_reader(limit_s))
            raise trio.BrokenResourceError

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        stream = self._stream
        try:
            data = await stream.receive_some(max_bytes)
        except trio.BrokenResourceError as broken:
            if stream is self._stream:
                self._lost(broken)
                raise
            data = await self._receive_exposed(broken)
        except trio.ClosedResourceError as closed:
            if stream is self._stream:
                raise
            data = await self._receive_exposed(closed)
        else:
            if stream is not self._stream:
                data = await self._receive_exposed(data)
        if self._head is not None:
            self._judge(data)
        elif not data and not self.loss:
            self.loss = "connection ended without a close frame"
        return data

    async def _receive_exposed(self, caught: bytes | bytearray | BaseException) -> bytes | bytearray:
        """The weather came up while this was awaited: it goes through it as well."""
        assert self.weather is not None
        self.weather.caught(caught)
        try:
            return await self.weather.receive_some()
        except trio.BrokenResourceError as broken:
            self._lost(broken)
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _judge(self, data: bytes | bytearray) -> None:
        if not data:
            said = f" after {len(self._head)} bytes of an answer" if self._head else " without an answer"
            self._fail(Failure("handshake", f"the connection ended{said}"))
            return
        self._head = (self._head or b"") + data
        complete, failure = answer_failed(self._head, self._offered)
        if failure is not None:
            self._fail(failure)
        if complete:
            self._head = None

    def _lost(self, broken: trio.BrokenResourceError) -> None:
        failure = connecting_failed(broken, stage="handshake")
        if self._head is not None:
            self._fail(failure)
        elif not self.loss:
            cause = broken.__cause__
            self.loss = (cause.strerror if isinstance(cause, OSError) else None) or "connection lost"
