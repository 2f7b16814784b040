"""Faults that only a real socket shows: resets, a TLS handshake broken off, and both on TLS."""

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType

import pytest
import trio
from attrs import evolve
from trio_websocket import ConnectionClosed

from fleet.commands.impairments import LYING_MAX, Impair, NetworkFault
from fleet.core.effects import CloseLink, ImpairLink, MendLink, SetPingInterval
from fleet.core.reports import ConnectFailed, FrameReceived, LinkDown, LinkUp
from fleet.link.endpoint import Endpoint

CERTIFICATE = Path(__file__).with_name("localhost.pem")


class Watched(trio.abc.Stream):
    """A stream that writes down what came in, and how it ended: `reset`, `eof` or not at all."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.received = b""
        self.ending = ""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        try:
            data = bytes(await self.stream.receive_some(max_bytes))
        except trio.BrokenResourceError:
            self.ending = self.ending or "reset"
            raise
        self.received += data
        if not data:
            self.ending = self.ending or "eof"
        return data

    async def send_all(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.stream.aclose()


Serve = Callable[[trio.SocketStream], Awaitable[None]]


def echoing(lab: ModuleType, seen: list[Watched], *, tls: bool) -> Serve:
    """A CSMS that says everything back; `seen` has its connections, below the TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)

    async def serve(stream: trio.SocketStream) -> None:
        seen.append(Watched(stream))
        if not tls:
            await lab.echo(seen[-1])
            return
        try:
            await lab.echo(trio.SSLStream(seen[-1], context, server_side=True, https_compatible=True))
        except* (trio.BrokenResourceError, ConnectionClosed):
            pass

    return serve


def endpoint(port: int, *, tls: bool) -> Endpoint:
    if not tls:
        return Endpoint(f"ws://127.0.0.1:{port}/CP1")
    return Endpoint(f"wss://localhost:{port}/CP1", ssl_context=ssl.create_default_context(cafile=str(CERTIFICATE)))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("fault", [NetworkFault.RESET, NetworkFault.CUT])
async def test_the_csms_sees_a_reset_and_the_charge_point_comes_back(
    lab: ModuleType, fault: NetworkFault, tls: bool
) -> None:
    seen: list[Watched] = []
    async with (
        lab.listening(echoing(lab, seen, tls=tls)) as port,
        lab.running(endpoint(port, tls=tls), limits=lab.UNHURRIED, backoff=lab.NO_WAIT, up_size=10_000) as link,
    ):
        await link.next(LinkUp)
        link.order(ImpairLink(Impair(fault)))
        if fault is NetworkFault.RESET:
            link.order("x" * 500)
        assert (await link.next(LinkDown)).reason == "reset"
        link.order(MendLink(fault))
        with trio.fail_after(10):
            while not isinstance(await link.up.receive(), LinkUp):
                pass
        link.order("again")
        assert await link.next(FrameReceived) == FrameReceived("again")
        assert seen[0].ending == "reset"
        if fault is NetworkFault.RESET and not tls:
            frame = seen[0].received.partition(b"\r\n\r\n")[2]
            assert frame[:2] == b"\x81\xfe"
            assert len(frame) == (500 + 8) // 2


async def test_a_tls_handshake_is_broken_off_half_way_through_its_first_message(lab: ModuleType) -> None:
    seen: list[Watched] = []
    async with (
        lab.listening(echoing(lab, seen, tls=True)) as port,
        lab.running(endpoint(port, tls=True), limits=lab.UNHURRIED, backoff=lab.NO_WAIT, up_size=10_000) as link,
    ):
        await link.next(LinkUp)
        link.order(ImpairLink(Impair(NetworkFault.TLS)))
        link.order(CloseLink(pause_s=0))
        assert (await link.next(LinkDown)).reason == "closed-1000"
        failed = await link.next(ConnectFailed)
        assert (failed.reason, failed.detail) == ("tls", "the TLS handshake was broken off (fault)")
        link.order(MendLink(NetworkFault.TLS))
        with trio.fail_after(10):
            while not isinstance(await link.up.receive(), LinkUp):
                pass
        broken_off = next(each for each in seen if each.ending == "reset")
        # A handshake record (RFC 8446 section 5.1) that says it is longer than what came.
        assert broken_off.received[:1] == b"\x16"
        assert len(broken_off.received) < 5 + int.from_bytes(broken_off.received[3:5], "big")


async def test_a_broken_tls_handshake_is_nothing_to_a_connection_without_tls(lab: ModuleType) -> None:
    async with lab.listening(lab.echo) as port, lab.running(endpoint(port, tls=False)) as link:
        link.order(ImpairLink(Impair(NetworkFault.TLS)))
        await link.next(LinkUp)


@pytest.mark.parametrize("fault", [NetworkFault.REFUSED, NetworkFault.DNS])
async def test_where_nobody_listens_or_no_name_is_known_nobody_is_asked(lab: ModuleType, fault: NetworkFault) -> None:
    seen: list[Watched] = []
    async with lab.listening(echoing(lab, seen, tls=False)) as port:
        bench = lab.Bench()
        bench.order(ImpairLink(Impair(fault)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.run, endpoint(port, tls=False))
            assert (await bench.next(ConnectFailed)).reason == fault.value
            nursery.cancel_scope.cancel()
    assert seen == []


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("fault", [NetworkFault.FRAGMENTS, NetworkFault.SLOW, NetworkFault.LATENCY])
async def test_a_frame_in_pieces_arrives_whole(lab: ModuleType, fault: NetworkFault, tls: bool) -> None:
    seen: list[Watched] = []
    async with (
        lab.listening(echoing(lab, seen, tls=tls)) as port,
        lab.running(endpoint(port, tls=tls), limits=lab.UNHURRIED) as link,
    ):
        link.order(ImpairLink(Impair(fault, bytes_per_s=20_000, latency_s=0.05)))
        await link.next(LinkUp)
        for text in ("Zürich " * 60, "twice"):
            link.order(text)
            assert await link.next(FrameReceived) == FrameReceived(text)


@pytest.mark.parametrize("tls", [False, True])
async def test_a_csms_is_not_told_that_a_half_open_connection_is_given_up_until_the_fault_is_over(
    lab: ModuleType, tls: bool
) -> None:
    seen: list[Watched] = []
    impatient = evolve(lab.UNHURRIED, pong_s=0.2)
    async with (
        lab.listening(echoing(lab, seen, tls=tls)) as port,
        lab.running(endpoint(port, tls=tls), limits=impatient, backoff=lab.NO_WAIT, up_size=10_000) as link,
    ):
        await link.next(LinkUp)
        link.order("said")
        assert await link.next(FrameReceived) == FrameReceived("said")
        link.order(ImpairLink(Impair(NetworkFault.HALF_OPEN)))
        link.order("never heard")
        link.order(SetPingInterval(0.1))
        assert (await link.next(LinkDown)).reason == "ping-timeout"
        # It is back, and for the CSMS it is there twice.
        await link.next(LinkUp)
        assert [each.ending for each in seen] == ["", ""]
        link.order(MendLink(NetworkFault.HALF_OPEN))
        with trio.fail_after(10):
            while seen[0].ending != "reset":
                await trio.sleep(0.01)


@pytest.mark.parametrize("tls", [False, True])
async def test_what_was_sent_on_a_half_open_connection_finds_it_out_once_the_fault_is_over(
    lab: ModuleType, tls: bool
) -> None:
    seen: list[Watched] = []
    async with (
        lab.listening(echoing(lab, seen, tls=tls)) as port,
        lab.running(endpoint(port, tls=tls), limits=lab.UNHURRIED, backoff=lab.NO_WAIT, up_size=10_000) as link,
    ):
        await link.next(LinkUp)
        link.order("said")
        assert await link.next(FrameReceived) == FrameReceived("said")
        link.order(ImpairLink(Impair(NetworkFault.HALF_OPEN)))
        link.order("never heard")
        await trio.sleep(0.05)
        assert seen[0].ending == ""
        link.order(MendLink(NetworkFault.HALF_OPEN))
        assert (await link.next(LinkDown)).reason == "reset"
        await link.next(LinkUp)
        link.order("again")
        assert await link.next(FrameReceived) == FrameReceived("again")
        assert seen[0].ending == "reset"


async def test_of_many_half_open_connections_the_oldest_come_to_their_end(lab: ModuleType) -> None:
    seen: list[Watched] = []
    impatient = evolve(lab.UNHURRIED, pong_s=0.05)
    async with (
        lab.listening(echoing(lab, seen, tls=False)) as port,
        lab.running(endpoint(port, tls=False), limits=impatient, backoff=lab.NO_WAIT, up_size=10_000) as link,
    ):
        link.order(SetPingInterval(0.05))
        link.order(ImpairLink(Impair(NetworkFault.HALF_OPEN)))
        with trio.fail_after(10):
            while len(seen) < LYING_MAX + 3:
                link.order("never heard")
                await trio.sleep(0.01)
            while seen[0].ending != "reset":
                await trio.sleep(0.01)
        assert [each.ending for each in seen].count("") >= LYING_MAX
