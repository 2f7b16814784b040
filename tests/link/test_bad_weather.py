"""Faults on a link over memory streams, in virtual time: what goes through, when, and what the connection comes to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import ModuleType
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from fleet.commands.impairments import Direction, Impair, NetworkFault
from fleet.core.effects import CloseLink, ImpairLink, MendLink, SetPingInterval
from fleet.core.reports import ConnectFailed, FrameReceived, LinkDown, LinkUp
from fleet.link.backoff import Backoff
from fleet.link.endpoint import Endpoint
from fleet.link.weather import BUFFER_BYTES, GIVES_UP_S, fragments


class Csms:
    """The other end: what it heard and when, and how its connections ended. It says everything back if `echoing`."""

    def __init__(self, lab: ModuleType, *, echoing: bool = True) -> None:
        self.lab = lab
        self.echoing = echoing
        self.heard: list[tuple[float, str | bytes]] = []
        self.chunks: list[tuple[float, bytes]] = []
        self.socket: WebSocketConnection | None = None
        self.ended: list[float] = []

    async def serve(self, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            self.socket = socket = await self.lab.accept(nursery, Overheard(stream, self.chunks))
            with suppress(ConnectionClosed):
                while True:
                    message = await socket.get_message()
                    self.heard.append((trio.current_time(), message))
                    if self.echoing:
                        await socket.send_message(message)
            self.ended.append(trio.current_time())

    @property
    def texts(self) -> list[str | bytes]:
        return [text for _, text in self.heard]


class Overheard(trio.abc.Stream):
    """A stream that writes down each chunk that comes in."""

    def __init__(self, stream: trio.abc.Stream, chunks: list[tuple[float, bytes]]) -> None:
        self.stream = stream
        self.chunks = chunks

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = bytes(await self.stream.receive_some(max_bytes))
        self.chunks.append((trio.current_time(), data))
        return data

    async def send_all(self, data: Any) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.stream.aclose()


@asynccontextmanager
async def linked(
    lab: ModuleType, endpoint: Endpoint, *before: Impair, echoing: bool = True, up: bool = True, **options: Any
) -> AsyncIterator[tuple[Any, Csms]]:
    """A link that is up, with faults that were on `before` it began."""
    csms = Csms(lab, echoing=echoing)
    bench_options = {"serve": csms.serve, "backoff": Backoff(1, 1), **options}
    async with lab.running(endpoint, **bench_options) as link:
        for impair in before:
            link.order(ImpairLink(impair))
        if up:
            await link.next(LinkUp)
            await trio.sleep(1)
        yield link, csms


def impair(link: Any, fault: NetworkFault, **how: Any) -> None:
    link.order(ImpairLink(Impair(fault, **how)))


async def answers_after(link: Any, text: str) -> float:
    """How long it takes until this comes back, in s."""
    began_at = trio.current_time()
    link.order(text)
    assert await link.next(FrameReceived) == FrameReceived(text)
    return trio.current_time() - began_at


# ---- late and slow ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "expected_s"), [(Direction.BOTH, 6.0), (Direction.SENT, 3.0), (Direction.RECEIVED, 3.0)]
)
async def test_latency_is_added_each_way_and_ends_when_mended(
    lab: ModuleType, endpoint: Endpoint, direction: Direction, expected_s: float, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        impair(link, NetworkFault.LATENCY, latency_s=3, direction=direction)
        assert await answers_after(link, "late") == pytest.approx(expected_s)
        link.order(MendLink(NetworkFault.LATENCY))
        assert await answers_after(link, "prompt") == 0
        await link.finish()
        assert (await link.next(LinkDown)).reason == "closed-1000"


async def test_latency_delays_each_frame_and_does_not_make_them_wait_for_each_other(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, csms):
        impair(link, NetworkFault.LATENCY, latency_s=3)
        began_at = trio.current_time()
        for number in range(3):
            link.order(str(number))
            await trio.sleep(1)
        for number in range(3):
            assert await link.next(FrameReceived) == FrameReceived(str(number))
            assert trio.current_time() - began_at == pytest.approx(6 + number)
        assert [at - began_at for at, _ in csms.heard] == pytest.approx([3, 4, 5])


async def test_latency_holds_for_the_opening_handshake_too(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    latency = Impair(NetworkFault.LATENCY, latency_s=2)
    async with linked(lab, endpoint, latency, up=False) as (link, _):
        assert (await link.next(LinkUp)).websocket_s == pytest.approx(4)


async def test_jitter_never_lets_a_frame_overtake_another(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    draws = iter([0.9, 0.1, 0.5, *[0.0] * 100])
    async with linked(lab, endpoint, draw=lambda _: next(draws)) as (link, csms):
        impair(link, NetworkFault.JITTER, jitter_s=10, direction=Direction.SENT)
        began_at = trio.current_time()
        for number in range(3):
            link.order(str(number))
        for _ in range(3):
            await link.next(FrameReceived)
        assert [(round(at - began_at, 3), text) for at, text in csms.heard] == [(9.0, "0"), (9.0, "1"), (9.0, "2")]


async def test_bandwidth_is_how_many_bytes_go_through_in_a_second(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        impair(link, NetworkFault.BANDWIDTH, bytes_per_s=100)
        # 1,000 characters are 1,008 bytes in a masked frame, and 1,004 in the one that comes back.
        assert await answers_after(link, "x" * 1000) == pytest.approx((1008 + 1004) / 100)


async def test_a_slow_frame_goes_out_byte_by_byte(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, csms):
        before = len(csms.chunks)
        impair(link, NetworkFault.SLOW, bytes_per_s=10)
        assert await answers_after(link, "hello") == pytest.approx(1.1)
        assert [len(chunk) for _, chunk in csms.chunks[before:]] == [1] * 11


# ---- in pieces -------------------------------------------------------------------------------------------------------


async def test_a_fragmented_frame_goes_out_in_several_and_is_one_message(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, csms):
        impair(link, NetworkFault.FRAGMENTS)
        for text in ("", "hey", "fünf Äpfel für Zoë", "x" * 300, "y" * 300_000):
            assert await answers_after(link, text) == 0
        assert csms.texts[-1] == "y" * 300_000


@pytest.mark.parametrize("length", [5, 16, 125, 126, 600, 65_536, 300_000])
def test_fragments_are_several_frames_of_which_the_last_is_final(length: int) -> None:
    if length < 126:
        head = bytes([0x81, 0x80 | length])
    elif length < 2**16:
        head = bytes([0x81, 0xFE]) + length.to_bytes(2, "big")
    else:
        head = bytes([0x81, 0xFF]) + length.to_bytes(8, "big")
    made = list(fragments(head + b"mask" + b"z" * length))
    assert len(made) > 1
    assert [piece[0] for piece in made] == [0x01, *[0x00] * (len(made) - 2), 0x80]
    assert b"".join(piece[piece.index(b"mask") + 4 :] for piece in made) == b"z" * length


@pytest.mark.parametrize(
    "frame", [b"", b"\x81", b"\x89\x80mask", b"\x81\x83maskabc", b"\x81\x05hello", b"\x81\x88maskshort"]
)
def test_what_is_no_whole_masked_frame_or_too_short_stays_in_one_piece(frame: bytes) -> None:
    assert list(fragments(frame)) == [frame]


async def test_a_reset_strikes_in_the_middle_of_a_frame(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, csms):
        impair(link, NetworkFault.RESET)
        await trio.sleep(10)
        # Nothing was sent, so nothing was reset.
        assert link.up.receive_nowait() is None
        link.order("x" * 100)
        assert await link.next(LinkDown) == LinkDown("reset", "reset in the middle of a frame (fault)")
        assert csms.chunks[-2][1][:2] == b"\x81\xe4"
        assert len(csms.chunks[-2][1]) == (100 + 6) // 2
        assert csms.chunks[-1][1] == b""
        assert csms.texts == []
        link.order(MendLink(NetworkFault.RESET))
        await link.next(LinkUp)
        assert await answers_after(link, "again") == 0


# ---- nothing moves ---------------------------------------------------------------------------------------------------


async def test_in_a_stall_nothing_moves_and_afterwards_everything_does(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, csms):
        impair(link, NetworkFault.STALL)
        await trio.sleep(0)
        assert csms.socket is not None
        await csms.socket.send_message("said meanwhile")
        link.order("asked meanwhile")
        await trio.sleep(500)
        assert csms.heard == []
        assert link.up.receive_nowait() is None
        link.order(MendLink(NetworkFault.STALL))
        assert await link.next(FrameReceived) == FrameReceived("said meanwhile")
        assert await link.next(FrameReceived) == FrameReceived("asked meanwhile")
        assert await answers_after(link, "as ever") == 0


async def test_a_stall_is_found_out_by_the_ping(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        link.order(SetPingInterval(60))
        impair(link, NetworkFault.STALL)
        assert (await link.next(LinkDown)).reason == "ping-timeout"
        assert await link.next(ConnectFailed) == ConnectFailed(
            "timeout", "no answer to the WebSocket handshake within 30 s", 0.5
        )
        link.order(MendLink(NetworkFault.STALL))
        await link.next(LinkUp)


async def test_who_sends_more_than_a_buffer_holds_in_a_stall_has_to_wait(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        impair(link, NetworkFault.STALL)
        link.order("x" * (BUFFER_BYTES + 1))
        link.order("y")
        assert await link.next(LinkDown) == LinkDown("slow-reader", "nothing was read from us for 30 s")


async def test_a_close_in_a_stall_takes_no_longer_than_any(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        impair(link, NetworkFault.STALL)
        began_at = trio.current_time()
        await link.finish()
        assert (await link.next(LinkDown)).reason == "close-timeout"
        assert trio.current_time() == began_at + 5


async def test_on_a_half_open_connection_everything_vanishes_until_tcp_gives_up(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, csms):
        impair(link, NetworkFault.HALF_OPEN)
        await trio.sleep(0)
        assert csms.socket is not None
        await csms.socket.send_message("anybody there?")
        began_at = trio.current_time()
        link.order("nobody hears this")
        assert await link.next(LinkDown) == LinkDown("reset", "nothing was acknowledged any more (fault)")
        assert trio.current_time() - began_at == pytest.approx(GIVES_UP_S)
        assert csms.heard == []


async def test_a_half_open_connection_is_found_out_by_the_ping(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        link.order(SetPingInterval(60))
        impair(link, NetworkFault.HALF_OPEN)
        assert (await link.next(LinkDown)).reason == "ping-timeout"


@pytest.mark.parametrize("before", [True, False])
async def test_once_the_other_side_is_back_a_half_open_connection_is_reset_by_what_is_sent(
    lab: ModuleType, endpoint: Endpoint, before: bool, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        impair(link, NetworkFault.HALF_OPEN)
        if before:
            link.order("lost")
            await trio.sleep(10)
        link.order(MendLink(NetworkFault.HALF_OPEN))
        if not before:
            await trio.sleep(10)
            assert link.up.receive_nowait() is None
            link.order("who are you?")
        began_at = trio.current_time()
        down = await link.next(LinkDown)
        assert down == LinkDown("reset", "reset by a side that knows nothing of this connection (fault)")
        assert trio.current_time() == began_at
        await link.next(LinkUp)
        assert await answers_after(link, "hello again") == 0


async def test_a_half_open_connection_does_not_hear_that_the_other_side_closed(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, csms):
        impair(link, NetworkFault.HALF_OPEN)
        await trio.sleep(0)
        assert csms.socket is not None
        with trio.move_on_after(1):
            await csms.socket.aclose(1001)
        await trio.sleep(100)
        assert link.up.receive_nowait() is None


async def test_only_its_share_of_connections_is_half_open(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    draws = iter([0.6, 0.4])
    half = Impair(NetworkFault.HALF_OPEN, probability=0.5)
    async with linked(lab, endpoint, half, draw=lambda _: next(draws)) as (link, csms):
        for text in ("drawn once", "and not again"):
            assert await answers_after(link, text) == 0
        link.order(CloseLink(pause_s=0))
        await link.next(LinkDown)
        await link.next(LinkUp)
        link.order("lost")
        await trio.sleep(100)
        assert csms.texts == ["drawn once", "and not again"]


# ---- pings -----------------------------------------------------------------------------------------------------------


async def test_a_ping_whose_pong_is_lost_ends_the_connection(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        link.order(SetPingInterval(60))
        impair(link, NetworkFault.NO_PONG, direction=Direction.RECEIVED)
        assert await link.next(LinkDown) == LinkDown("ping-timeout", "no pong within 30 s")


async def test_the_pings_of_the_csms_stay_unanswered_and_everything_else_does_not(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, csms):
        impair(link, NetworkFault.NO_PONG, direction=Direction.SENT)
        await trio.sleep(0)
        assert csms.socket is not None
        with trio.move_on_after(10) as limit:
            await csms.socket.ping()
        assert limit.cancelled_caught
        assert await answers_after(link, "all is well") == 0
        link.order(MendLink(NetworkFault.NO_PONG))
        await trio.sleep(0)
        with trio.fail_after(1):
            await csms.socket.ping()


# ---- no connection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(NetworkFault.CUT, "unreachable"), (NetworkFault.REFUSED, "refused"), (NetworkFault.DNS, "dns")],
)
async def test_no_connection_comes_about_until_it_is_mended(
    lab: ModuleType, endpoint: Endpoint, fault: NetworkFault, reason: str, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        impair(link, fault)
        if fault is NetworkFault.CUT:
            assert await link.next(LinkDown) == LinkDown("reset", "the network is cut (fault)")
        else:
            # A connection that stands is left alone.
            assert await answers_after(link, "still here") == 0
            link.order(CloseLink(pause_s=0))
            await link.next(LinkDown)
        for _ in range(3):
            failed = await link.next(ConnectFailed)
            assert failed.reason == reason
            assert failed.detail.endswith("(fault)")
        link.order(MendLink(fault))
        await link.next(LinkUp)
        assert await answers_after(link, "again") == 0


async def test_a_cut_ends_an_attempt_that_is_under_way(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, open_stream=trio.sleep_forever) as link:
        await trio.sleep(1)
        began_at = trio.current_time()
        impair(link, NetworkFault.CUT)
        assert (await link.next(ConnectFailed)).reason == "unreachable"
        assert trio.current_time() == began_at


async def test_its_share_of_attempts_fails(lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock) -> None:
    draws = iter([0.1, 0.29, 0.3])
    refused = Impair(NetworkFault.REFUSED, probability=0.3)
    async with linked(
        lab, endpoint, refused, up=False, draw=lambda _: next(draws), connect=trio.testing.wait_all_tasks_blocked
    ) as (link, _):
        for kind in (ConnectFailed, ConnectFailed, LinkUp):
            await link.next(kind)


@pytest.mark.parametrize("agreeing", [True, False])
async def test_an_offer_of_the_wrong_version_is_no_connection_whatever_the_csms_says(
    lab: ModuleType, endpoint: Endpoint, agreeing: bool, autojump_clock: trio.abc.Clock
) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            with suppress(ConnectionClosed):
                await lab.accept(nursery, stream, subprotocol="ocpp0.0" if agreeing else None)

    async with linked(lab, endpoint, Impair(NetworkFault.SUBPROTOCOL), up=False, serve=serve) as (link, _):
        failed = await link.next(ConnectFailed)
        assert (failed.reason, "ocpp0.0" in failed.detail) == ("subprotocol", True)


# ---- frames ----------------------------------------------------------------------------------------------------------


async def test_what_is_dropped_or_doubled_on_its_way_out_and_in(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, csms):
        impair(link, NetworkFault.DROP, direction=Direction.SENT)
        link.order("lost")
        await trio.sleep(1)
        link.order(MendLink(NetworkFault.DROP))
        impair(link, NetworkFault.DOUBLE, direction=Direction.RECEIVED)
        link.order("once")
        for _ in range(2):
            assert await link.next(FrameReceived) == FrameReceived("once")
        assert csms.texts == ["once"]


@pytest.mark.parametrize("direction", [Direction.SENT, Direction.RECEIVED])
async def test_a_delayed_frame_arrives_when_it_is_due_and_others_before_it(
    lab: ModuleType, endpoint: Endpoint, direction: Direction, autojump_clock: trio.abc.Clock
) -> None:
    draws = iter([0.0, 0.9, 0.9])
    async with linked(lab, endpoint, draw=lambda _: next(draws)) as (link, _):
        impair(link, NetworkFault.DELAY, latency_s=5, probability=0.5, direction=direction)
        began_at = trio.current_time()
        link.order("late")
        link.order("prompt")
        assert await link.next(FrameReceived) == FrameReceived("prompt")
        assert await link.next(FrameReceived) == FrameReceived("late")
        assert trio.current_time() == began_at + 5


async def test_a_frame_with_nothing_behind_it_to_change_places_with_comes_a_little_later(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        impair(link, NetworkFault.REORDER, latency_s=2, direction=Direction.SENT)
        assert await answers_after(link, "alone") == 2


async def test_text_that_is_no_unicode_is_spoilt_as_far_as_it_can(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        impair(link, NetworkFault.DELAY, direction=Direction.SENT)
        link.order("half a pair: \ud800")
        assert await link.next(FrameReceived) == FrameReceived("half a pair: ?")


async def test_a_frame_that_was_held_back_does_not_come_out_on_another_connection(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, csms):
        impair(link, NetworkFault.DELAY, latency_s=60)
        link.order("too late")
        await trio.sleep(1)
        link.order(CloseLink(pause_s=0))
        await link.next(LinkDown)
        await link.next(LinkUp)
        await trio.sleep(100)
        assert csms.heard == []
        link.order("delayed")
        assert (await link.next(FrameReceived)).data == "delayed"


# ---- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", NetworkFault)
async def test_under_any_fault_the_link_can_be_closed_for_good_and_leaves_nothing_running(
    lab: ModuleType, endpoint: Endpoint, fault: NetworkFault, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint) as (link, _):
        impair(link, fault)
        link.order('[2,"1","Heartbeat",{}]')
        await trio.sleep(3)
        began_at = trio.current_time()
        await link.finish()
        assert trio.current_time() - began_at <= 5
    async with linked(lab, endpoint) as (link, _):
        impair(link, fault)
        link.order('[2,"1","Heartbeat",{}]')
        link.scope.cancel()
        with trio.fail_after(0.001):
            await link.ended.wait()


@pytest.mark.parametrize("fault", NetworkFault)
async def test_once_a_fault_is_mended_the_link_is_as_good_as_new(
    lab: ModuleType, endpoint: Endpoint, fault: NetworkFault, autojump_clock: trio.abc.Clock
) -> None:
    async with linked(lab, endpoint, up_size=10_000) as (link, _):
        link.order(SetPingInterval(20))
        impair(link, fault, bytes_per_s=5)
        link.order('[2,"1","Heartbeat",{}]')
        await trio.sleep(300)
        link.order(MendLink(fault))
        await trio.sleep(100)
        reports = []
        while (report := link.up.receive_nowait()) is not None:
            reports.append(report)
        downs = [report for report in reports if isinstance(report, LinkDown)]
        ups = [report for report in reports if isinstance(report, LinkUp)]
        assert len(downs) == len(ups)
        assert await answers_after(link, "as good as new") == 0
