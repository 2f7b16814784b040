"""A bench for links: one `run_link` with its two mailboxes, and CSMSs that behave as badly as wanted."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from fleet.actors.mailbox import Mailbox
from fleet.core.effects import CloseLink, LinkOrder
from fleet.core.reports import LinkReport
from fleet.link.backoff import Backoff
from fleet.link.endpoint import Endpoint
from fleet.link.websocket import Limits, run_link

R = TypeVar("R")
Serve = Callable[[trio.abc.Stream], Awaitable[None]]


class Bench:
    """One link under test. `next(kind)` is its next report, which must be of that kind."""

    def __init__(self, *, up_size: int = 16) -> None:
        self.orders: Mailbox[LinkOrder] = Mailbox(16)
        self.up: Mailbox[LinkReport] = Mailbox(up_size)
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self.twin: Twin | None = None
        self.patience_s = 20.0

    async def run(self, endpoint: Endpoint, **options: Any) -> None:
        options.setdefault("jitter", lambda failures: 0.5)
        with self.scope:
            await run_link(endpoint, self.orders, self.up.address, **options)
        self.ended.set()

    async def next(self, kind: type[R]) -> R:
        with trio.fail_after(self.patience_s):
            report = await self.up.receive()
        assert isinstance(report, kind), report
        return report

    def order(self, order: LinkOrder) -> None:
        self.orders.address.tell(order)

    async def finish(self) -> None:
        """Close for good and see the link return."""
        self.order(CloseLink(reconnect=False))
        with trio.fail_after(self.patience_s):
            await self.ended.wait()


QUICK = Limits(connect_s=0.3, close_s=0.2, send_s=0.3, pong_s=0.2, message_bytes=1000)
UNHURRIED = Limits(connect_s=10.0, close_s=0.2, message_bytes=1000)
"""For what is no matter of time: a busy machine must not make a timeout of it."""
NO_WAIT = Backoff(base_s=0.001, cap_s=0.001)


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """A CSMS on a loopback port; each connection is handed to `serve` and closed after it."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError, ConnectionClosed):
                await serve(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handle, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def accept(
    nursery: trio.Nursery, stream: trio.abc.Stream, *, subprotocol: str | None = "ocpp1.6"
) -> WebSocketConnection:
    """The CSMS's side of an opening handshake."""
    request = await wrap_server_stream(nursery, stream)
    return await request.accept(subprotocol=subprotocol)


async def echo(stream: trio.abc.Stream) -> None:
    """A CSMS that says everything back until the connection ends."""
    async with trio.open_nursery() as nursery:
        socket = await accept(nursery, stream)
        with suppress(ConnectionClosed):
            while True:
                await socket.send_message(await socket.get_message())


class Twin:
    """An in-process CSMS over memory streams: give `open_stream` to `run_link`."""

    def __init__(self, nursery: trio.Nursery, serve: Serve) -> None:
        self._nursery = nursery
        self._serve = serve
        self.opened_at: list[float] = []

    async def open_stream(self) -> trio.abc.Stream:
        self.opened_at.append(trio.current_time())
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self._serve, theirs)
        return ours


@asynccontextmanager
async def running(
    endpoint: Endpoint, *, serve: Serve | None = None, up_size: int = 16, **options: Any
) -> AsyncIterator[Bench]:
    """A bench whose link runs; with `serve`, against a twin. What is left of either at the end is cancelled."""
    bench = Bench(up_size=up_size)
    async with trio.open_nursery() as nursery:
        if serve is not None:
            bench.twin = Twin(nursery, serve)
            options["open_stream"] = bench.twin.open_stream
        if "open_stream" in options:
            # No real sockets: virtual seconds, which cost nothing.
            bench.patience_s = 3600.0
        nursery.start_soon(partial(bench.run, endpoint, **options))
        yield bench
        nursery.cancel_scope.cancel()


@pytest.fixture
def lab() -> ModuleType:
    """This module, as tests have no package to import it from."""
    return sys.modules[__name__]


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint("ws://csms.invalid/ocpp/CP0001")
