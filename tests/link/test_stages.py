"""How long the stages of a connection took, over real sockets: a CSMS that dawdles in one is not blamed for another."""

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType

import pytest
import trio

from fleet.core.reports import LinkUp
from fleet.link.endpoint import Endpoint

CERTIFICATE = Path(__file__).parent / "localhost.pem"
DAWDLING_S = 0.2
Serve = Callable[[trio.SocketStream], Awaitable[None]]


def dawdling(lab: ModuleType, *, tls_s: float | None = None, websocket_s: float = 0.0) -> Serve:
    """A CSMS that takes its time before the TLS handshake (None: there is none) and before the WebSocket's."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)

    async def serve(stream: trio.SocketStream) -> None:
        wire: trio.abc.Stream = stream
        if tls_s is not None:
            await trio.sleep(tls_s)
            wire = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
            await wire.do_handshake()
        await trio.sleep(websocket_s)
        await lab.echo(wire)

    return serve


async def connected(lab: ModuleType, serve: Serve, scheme: str) -> LinkUp:
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with lab.listening(serve) as port:
        endpoint = Endpoint(f"{scheme}://127.0.0.1:{port}/CP0001", ssl_context=trusting)
        began_at = trio.current_time()
        async with lab.running(endpoint, limits=lab.UNHURRIED) as link:
            up = await link.next(LinkUp)
            assert isinstance(up, LinkUp)
            assert up.elapsed_s <= trio.current_time() - began_at
            await link.finish()
            return up


async def test_without_tls_there_is_no_time_for_it_and_the_rest_is_the_whole(lab: ModuleType) -> None:
    up = await connected(lab, dawdling(lab, websocket_s=DAWDLING_S), "ws")
    assert up.tls_s is None
    assert up.websocket_s >= DAWDLING_S
    assert up.tcp_s > 0
    assert up.tcp_s + up.websocket_s == pytest.approx(up.elapsed_s)


@pytest.mark.parametrize(("tls_s", "websocket_s"), [(DAWDLING_S, 0.0), (0.0, DAWDLING_S)])
async def test_with_tls_each_stage_has_its_own_time(lab: ModuleType, tls_s: float, websocket_s: float) -> None:
    up = await connected(lab, dawdling(lab, tls_s=tls_s, websocket_s=websocket_s), "wss")
    assert up.tls_s is not None
    assert up.tcp_s > 0
    assert up.tls_s > tls_s
    assert up.websocket_s > websocket_s
    assert up.tcp_s + up.tls_s + up.websocket_s == pytest.approx(up.elapsed_s)
    # Whoever dawdled has the longest stage: the work itself is a few ms on a busy machine.
    assert (up.tls_s > up.websocket_s) == (tls_s > websocket_s)


async def test_the_time_of_a_failed_attempt_is_not_in_the_next_one(lab: ModuleType) -> None:
    attempts = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await trio.sleep(DAWDLING_S)
        else:
            await lab.echo(stream)

    async with lab.listening(serve) as port:
        endpoint = Endpoint(f"ws://127.0.0.1:{port}/CP0001")
        began_at = trio.current_time()
        async with lab.running(endpoint, limits=lab.UNHURRIED, backoff=lab.NO_WAIT) as link:
            report = await link.up.receive()
            assert not isinstance(report, LinkUp)
            up = await link.next(LinkUp)
            assert up.elapsed_s <= trio.current_time() - began_at - DAWDLING_S
            await link.finish()
