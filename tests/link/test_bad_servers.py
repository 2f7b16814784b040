"""The link against servers on loopback sockets that do everything wrong: one report each, with the right word."""

import os
import socket as sockets
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType

import pytest
import trio
from trio_websocket import WebSocketConnection

from fleet.core.effects import CloseLink, SetPingInterval
from fleet.core.reports import ConnectFailed, FrameReceived, LinkDown, LinkUp
from fleet.link.endpoint import Endpoint, basic_auth

CERTIFICATE = Path(__file__).parent / "localhost.pem"
# More than fits in the buffers between two loopback sockets of which one is never read.
STUFFING = "x" * 8_000_000
Spoil = Callable[[trio.SocketStream, WebSocketConnection], Awaitable[None]]


def at(port: int, scheme: str = "ws", host: str = "127.0.0.1", **options: object) -> Endpoint:
    return Endpoint(f"{scheme}://{host}:{port}/CP0001", **options)  # type: ignore[arg-type]


async def read_request(stream: trio.SocketStream) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        data = await stream.receive_some()
        if not data:
            break
        request += data
    return request


async def reset(stream: trio.SocketStream) -> None:
    """End a TCP connection with RST instead of FIN."""
    stream.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def first_failure(lab: ModuleType, endpoint: Endpoint, *, timed: bool = False) -> ConnectFailed:
    """The first report, after which the link must have tried again and still obey a close; `timed`: a timeout."""
    limits = lab.QUICK if timed else lab.UNHURRIED
    async with lab.running(endpoint, limits=limits, backoff=lab.NO_WAIT) as link:
        failed = await link.next(ConnectFailed)
        again = await link.next(ConnectFailed)
        assert again.reason == failed.reason
        await link.finish()
        assert isinstance(failed, ConnectFailed)
        return failed


# ---- no connection comes about ---------------------------------------------------------------------------------------


async def test_nobody_listening_is_refused(lab: ModuleType) -> None:
    with sockets.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        failed = await first_failure(lab, at(bound.getsockname()[1]))
    assert failed.reason == "refused"
    assert failed.detail.endswith("Connection refused")


async def test_a_name_nobody_knows_is_dns(lab: ModuleType) -> None:
    # RFC 6761: names under .invalid never resolve, whatever the resolver. A long limit, as a resolver may be slow.
    async with lab.running(Endpoint("ws://csms.invalid/CP0001")) as link:
        assert (await link.next(ConnectFailed)).reason == "dns"


async def test_a_server_that_accepts_and_says_nothing_is_a_timeout(lab: ModuleType) -> None:
    async with lab.listening(lambda stream: trio.sleep_forever()) as port:
        failed = await first_failure(lab, at(port), timed=True)
    assert (failed.reason, failed.detail) == ("timeout", "no answer to the WebSocket handshake within 0.3 s")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "http-401"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello", "http-404"),
        (b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", "http-500"),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", "http-503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nthe rest never comes", "http-200"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "http-100"),
        (b"HTTP/1.1 401 ", "handshake"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "subprotocol"),
        (b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: ocpp2.0.1\r\n\r\n", "subprotocol"),
        (b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n", "handshake"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: wrong\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n",
            "handshake",
        ),
        (b"HTTP/1.1 101 x\r\nno colon\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n", "handshake"),
        (b"HTTP/1.1 101 x\r\nContent-Length: what\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n", "handshake"),
        (b"220 mail.example ESMTP\r\n", "handshake"),
        (b"\x00\x01\x02\x03" * 300, "handshake"),
        (b"H", "handshake"),
        (b"", "handshake"),
    ],
)
async def test_an_answer_that_is_no_acceptance_is_named(lab: ModuleType, answer: bytes, reason: str) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(answer)

    async with lab.listening(serve) as port:
        assert (await first_failure(lab, at(port))).reason == reason


async def test_a_refusal_is_told_before_its_endless_body_ends(lab: ModuleType) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        while True:
            await stream.send_all(b"x" * 65_536)

    async with lab.listening(serve) as port:
        assert (await first_failure(lab, at(port))).reason == "http-403"


async def test_a_reset_in_the_handshake_is_told_at_once(lab: ModuleType) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await reset(stream)

    async with lab.listening(serve) as port:
        assert (await first_failure(lab, at(port))).reason == "handshake"


async def test_an_answer_that_trickles_in_byte_by_byte_is_an_answer(lab: ModuleType) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        for byte in b"HTTP/1.1 418 I'm a teapot\r\n":
            await stream.send_all(bytes([byte]))
        await trio.sleep_forever()

    async with lab.listening(serve) as port:
        failed = await first_failure(lab, at(port))
    assert (failed.reason, failed.detail) == ("http-418", "418 I'm a teapot")


async def test_no_secret_comes_back_in_a_report_even_if_the_server_echoes_it(lab: ModuleType) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        request = await read_request(stream)
        token = request.split(b"Authorization: ")[1].split(b"\r\n")[0]
        await stream.send_all(b"HTTP/1.1 401 not " + token + b" nor s3cret\r\n\r\n")

    async with lab.listening(serve) as port:
        for endpoint in (
            Endpoint(f"ws://CP1:s3cret@127.0.0.1:{port}/CP1"),
            at(port, headers=(basic_auth("CP1", "s3cret"),)),
        ):
            failed = await first_failure(lab, endpoint)
            assert (failed.reason, failed.detail) == ("http-401", "401 not *** nor ***")


# ---- TLS -------------------------------------------------------------------------------------------------------------


def serving_tls(serve: Callable[[trio.abc.Stream], Awaitable[None]]) -> Callable[[trio.SocketStream], Awaitable[None]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)

    async def handle(stream: trio.SocketStream) -> None:
        secured = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        await secured.do_handshake()
        await serve(secured)

    return handle


async def test_a_certificate_nobody_vouches_for_is_tls(lab: ModuleType) -> None:
    async with lab.listening(serving_tls(lab.echo)) as port:
        failed = await first_failure(lab, at(port, "wss"))
    assert failed.reason == "tls"
    assert failed.detail == "certificate not trusted: self-signed certificate"


async def test_a_trusted_certificate_makes_a_link_and_the_wrong_name_does_not(lab: ModuleType) -> None:
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with lab.listening(serving_tls(lab.echo)) as port:
        async with lab.running(at(port, "wss", ssl_context=trusting)) as link:
            await link.next(LinkUp)
            link.order("over TLS")
            assert await link.next(FrameReceived) == FrameReceived("over TLS")
            await link.finish()
            assert (await link.next(LinkDown)).reason == "closed-1000"
        failed = await first_failure(lab, at(port, "wss", host="127.1", ssl_context=trusting))
    assert failed.reason == "tls"
    assert failed.detail.startswith("certificate not trusted: ")


async def test_a_server_without_tls_on_a_wss_url_is_tls(lab: ModuleType) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with lab.listening(serve) as port:
        assert (await first_failure(lab, at(port, "wss"))).reason == "tls"


async def test_a_server_with_tls_on_a_ws_url_is_a_failed_handshake(lab: ModuleType) -> None:
    async with lab.listening(serving_tls(lab.echo)) as port:
        assert (await first_failure(lab, at(port))).reason == "handshake"


@pytest.mark.parametrize("how", [reset, trio.aclose_forcefully])
async def test_a_connection_lost_in_the_tls_handshake_is_tls(
    lab: ModuleType, how: Callable[[trio.SocketStream], Awaitable[None]]
) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await how(stream)

    async with lab.listening(serve) as port:
        assert (await first_failure(lab, at(port, "wss"))).reason == "tls"


async def test_a_tls_handshake_that_never_ends_is_a_timeout(lab: ModuleType) -> None:
    async with lab.listening(lambda stream: trio.sleep_forever()) as port:
        failed = await first_failure(lab, at(port, "wss"), timed=True)
    assert (failed.reason, failed.detail) == ("timeout", "no TLS connection within 0.3 s")


# ---- an open connection goes wrong -----------------------------------------------------------------------------------


def after_handshake(lab: ModuleType, spoil: Spoil) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """A server that accepts, and from then on is no WebSocket server but `spoil`."""

    async def serve(stream: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:
            socket = await lab.accept(nursery, stream)
            nursery.cancel_scope.cancel()
        await spoil(stream, socket)

    return serve


async def first_end(lab: ModuleType, spoil: Spoil, *orders: object) -> LinkDown:
    """How the first connection ended, after which there must have been another."""
    options = {"limits": lab.QUICK, "backoff": lab.NO_WAIT}
    async with lab.listening(after_handshake(lab, spoil)) as port, lab.running(at(port), **options) as link:
        await link.next(LinkUp)
        for order in orders:
            link.order(order)
        down = await link.next(LinkDown)
        await link.next(LinkUp)
        assert isinstance(down, LinkDown)
        return down


LAST_WORDS = [
    (b"", "reset"),
    (b"\x81", "reset"),
    (b"\x81\x7e\x01\x00half a frame", "reset"),
    (b"\x01\x03abc", "reset"),
    (b"\x88\x02\x03\xe8", "closed-1000"),
    (b"\x88\x00", "closed-1005"),
    (b"\x88\x06\x0f\xa3good", "closed-4003"),
    (b"\x88\x02\x03\xf1", "closed-1009"),
    (b"\x88\x02\x03\xea", "closed-1002"),
    (b"\x88\x02\x03\xee", "protocol"),
    (b"\x88\x01\x03", "protocol"),
    (b"\x83\x00", "protocol"),
    (b"\xc1\x00", "protocol"),
    (b"\x80\x00", "protocol"),
    (b"\x89\x7e\x00\x80" + b"x" * 128, "protocol"),
    (b"\x81\x85\x00\x00\x00\x00masked"[:11], "protocol"),
    (b"\x81\x02\xff\xfe", "protocol"),
    (b"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", "protocol"),
    (b"HTTP/1.1 500 Oops\r\n\r\n", "protocol"),
    (b"\x81\x7e\x03\xe9" + b"x" * 1001, "oversize"),
    (b"\x82\x7e\x03\xe9" + b"x" * 1001, "oversize"),
    (b"\x01\x7e\x01\xf4" + b"x" * 500 + b"\x80\x7e\x01\xf5" + b"x" * 501, "oversize"),
    (b"\x81\x7f\x00\x00\x00\x10\x00\x00\x00\x00" + b"x" * 5000, "oversize"),
]
"""What a server sends last, and what that makes of the connection."""


@pytest.mark.parametrize(
    ("sent", "reason", "then"),
    [
        (sent, reason, then)
        for then in (reset, trio.aclose_forcefully, None)
        for sent, reason in LAST_WORDS
        # A server that stays, with a frame that isn't whole yet, has not ended anything.
        if not (then is None and reason == "reset")
    ],
)
async def test_what_the_server_sends_last_is_named(
    lab: ModuleType, sent: bytes, reason: str, then: Callable[[trio.SocketStream], Awaitable[None]] | None
) -> None:
    async def spoil(stream: trio.SocketStream, socket: WebSocketConnection) -> None:
        if sent:
            await stream.send_all(sent)
        if then is reset and reason != "reset":
            # RST may overtake what was sent: only once the other side has closed or answered it may go.
            with trio.move_on_after(0.2):
                await stream.receive_some()
        await (trio.sleep_forever() if then is None else then(stream))

    assert (await first_end(lab, spoil)).reason == reason


async def test_a_message_of_just_the_limit_is_carried_up(lab: ModuleType) -> None:
    async def spoil(stream: trio.SocketStream, socket: WebSocketConnection) -> None:
        await stream.send_all(b"\x81\x7e\x03\xe8" + b"x" * 1000)
        await trio.sleep_forever()

    async with lab.listening(after_handshake(lab, spoil)) as port, lab.running(at(port), limits=lab.QUICK) as link:
        await link.next(LinkUp)
        assert await link.next(FrameReceived) == FrameReceived("x" * 1000)


async def test_a_server_that_stops_reading_does_not_stall_us_for_ever(lab: ModuleType) -> None:
    async def deaf(stream: trio.SocketStream, socket: WebSocketConnection) -> None:
        await trio.sleep_forever()

    down = await first_end(lab, deaf, STUFFING)
    assert (down.reason, down.detail) == ("slow-reader", "nothing was read from us for 0.3 s")


async def test_a_server_that_pings_without_end_and_never_reads_does_not_stall_us(lab: ModuleType) -> None:
    async def flood(stream: trio.SocketStream, socket: WebSocketConnection) -> None:
        while True:
            await stream.send_all((b"\x89\x7d" + b"p" * 125) * 500)

    assert (await first_end(lab, flood)).reason == "slow-reader"


async def test_a_server_that_falls_silent_is_found_out_by_ping(lab: ModuleType) -> None:
    async def silent(stream: trio.SocketStream, socket: WebSocketConnection) -> None:
        await trio.sleep_forever()

    down = await first_end(lab, silent, SetPingInterval(0.05))
    assert (down.reason, down.detail) == ("ping-timeout", "no pong within 0.2 s")


async def test_a_close_the_server_never_answers_is_cut_short(lab: ModuleType) -> None:
    async def deaf(stream: trio.SocketStream, socket: WebSocketConnection) -> None:
        await trio.sleep_forever()

    assert (await first_end(lab, deaf, CloseLink(reconnect=True))).reason == "close-timeout"
    # The same with the way out stopped up already.
    down = await first_end(lab, deaf, STUFFING, CloseLink(reconnect=True))
    assert down.reason in {"slow-reader", "close-timeout"}


async def test_a_close_answered_by_a_reset_is_a_close(lab: ModuleType) -> None:
    async def rude(stream: trio.SocketStream, socket: WebSocketConnection) -> None:
        await stream.receive_some()
        await reset(stream)

    assert (await first_end(lab, rude, CloseLink(reconnect=True))).reason == "closed-1000"


async def test_a_flood_of_messages_is_held_back_and_none_is_lost(lab: ModuleType) -> None:
    async def flood(stream: trio.SocketStream, socket: WebSocketConnection) -> None:
        for number in range(3000):
            await stream.send_all(b"\x81\x04%04d" % number)
        await trio.sleep_forever()

    async with lab.listening(after_handshake(lab, flood)) as port, lab.running(at(port), up_size=1) as link:
        await link.next(LinkUp)
        for number in range(3000):
            assert await link.next(FrameReceived) == FrameReceived(f"{number:04d}")


# ---- cancellation and leaks ------------------------------------------------------------------------------------------


async def test_cancelled_at_any_moment_it_leaves_no_descriptor_open(lab: ModuleType) -> None:
    async def slow(stream: trio.SocketStream) -> None:
        await trio.sleep(0.002)
        await lab.echo(stream)

    before = len(os.listdir("/proc/self/fd"))
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with lab.listening(slow) as port, lab.listening(serving_tls(lab.echo)) as tls_port:
        for step in range(40):
            for endpoint in (at(port), at(tls_port, "wss", ssl_context=trusting)):
                async with lab.running(endpoint) as link:
                    link.order("hello")
                    with trio.move_on_after(step * 0.0005):
                        await trio.sleep_forever()
                    link.scope.cancel()
                    await link.ended.wait()
    assert len(os.listdir("/proc/self/fd")) == before
