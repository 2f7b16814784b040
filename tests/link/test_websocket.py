"""The link over memory streams, in virtual time: what it says and when."""

import math
from contextlib import suppress
from functools import partial
from types import ModuleType

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, wrap_server_stream

from fleet.actors.mailbox import Mailbox
from fleet.core.effects import CloseLink, LinkOrder, OpenLink, SetPingInterval
from fleet.core.reports import ConnectFailed, FrameReceived, LinkDown, LinkReport, LinkUp
from fleet.link.backoff import Backoff
from fleet.link.endpoint import Endpoint
from fleet.link.websocket import Limits, run_link


async def refuse() -> trio.abc.Stream:
    raise ConnectionRefusedError(111, "Connection refused")


async def test_a_frame_goes_out_and_the_answer_comes_up(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, serve=lab.echo) as link:
        assert await link.next(LinkUp) == LinkUp(0.0)
        for text in ('[2,"1","Heartbeat",{}]', "ü", ""):
            link.order(text)
            assert await link.next(FrameReceived) == FrameReceived(text)
        await link.finish()
        assert await link.next(LinkDown) == LinkDown("closed-1000", "closed by the charge point")


async def test_the_opening_handshake_says_who_we_are(lab: ModuleType, autojump_clock: trio.abc.Clock) -> None:
    seen: list[tuple[str, tuple[str, ...], dict[bytes, bytes]]] = []

    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, stream)
            seen.append((request.path, request.proposed_subprotocols, dict(request.headers)))
            await request.reject(403)
            nursery.cancel_scope.cancel()

    endpoint = Endpoint("ws://CP1:key@csms.example:9000/ocpp/CP%201?a=b", subprotocols=("ocpp1.6", "x"))
    async with lab.running(endpoint, serve=serve) as link:
        assert (await link.next(ConnectFailed)).reason == "http-403"
    path, offered, headers = seen[0]
    assert path == "/ocpp/CP%201?a=b"
    assert offered == ("ocpp1.6", "x")
    assert headers[b"authorization"] == b"Basic Q1AxOmtleQ=="


async def test_binary_frames_come_up_as_bytes(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            socket = await lab.accept(nursery, stream)
            await socket.send_message(b"\x00\xff")
            await socket.send_message("text")

    async with lab.running(endpoint, serve=serve) as link:
        await link.next(LinkUp)
        assert await link.next(FrameReceived) == FrameReceived(b"\x00\xff")
        assert await link.next(FrameReceived) == FrameReceived("text")


async def test_failures_wait_longer_and_longer_with_full_jitter(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    fractions = [0.5, 0.25, 0.75, 0.0, 0.5]
    backoff = Backoff(base_s=1, cap_s=4)
    options = {"open_stream": refuse, "jitter": fractions.__getitem__, "backoff": backoff}
    async with lab.running(endpoint, **options) as link:
        reports = []
        began_at = trio.current_time()
        at = []
        for _ in fractions:
            reports.append(await link.next(ConnectFailed))
            at.append(trio.current_time() - began_at)
        await link.finish()
    assert reports[0] == ConnectFailed("refused", "Connection refused", 0.5)
    assert [report.retry_in_s for report in reports] == [0.5, 0.5, 3.0, 0.0, 2.0]
    assert at == pytest.approx([0, 0.5, 1.0, 4.0, 4.0])


@pytest.mark.parametrize(("stands_s", "failures_counted"), [(9.0, [0, 1, 2]), (11.0, [0, 0, 0])])
async def test_only_a_connection_that_stood_for_a_while_starts_the_backoff_afresh(
    lab: ModuleType, endpoint: Endpoint, stands_s: float, failures_counted: list[int], autojump_clock: trio.abc.Clock
) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            socket = await lab.accept(nursery, stream)
            await trio.sleep(stands_s)
            await socket.aclose(1001, "going away")

    counted: list[int] = []

    def jitter(failures: int) -> float:
        counted.append(failures)
        return 0.5

    async with lab.running(endpoint, serve=serve, jitter=jitter) as link:
        for _ in range(3):
            await link.next(LinkUp)
            assert await link.next(LinkDown) == LinkDown("closed-1001", "going away")
    assert counted == failures_counted


async def test_the_ramp_is_awaited_before_the_first_connection_only(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    began_at = trio.current_time()
    async with lab.running(endpoint, serve=lab.echo, connect=partial(trio.sleep, 30)) as link:
        assert await link.next(LinkUp) == LinkUp(0.0)
        link.order(CloseLink(reconnect=True, pause_s=5))
        await link.next(LinkDown)
        await link.next(LinkUp)
    assert [at - began_at for at in link.twin.opened_at] == [30, 35]


async def test_a_close_is_obeyed_while_the_ramp_still_holds_us_back(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, open_stream=refuse, connect=trio.sleep_forever) as link:
        link.order("dropped")
        await link.finish()
        assert link.up.receive_nowait() is None


async def test_a_close_is_obeyed_while_connecting_and_while_backing_off(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    began_at = trio.current_time()
    async with lab.running(endpoint, open_stream=trio.sleep_forever) as link:
        await trio.sleep(1)
        await link.finish()
        assert link.up.receive_nowait() is None
    async with lab.running(endpoint, open_stream=refuse, jitter=lambda n: 0.9) as link:
        await link.next(ConnectFailed)
        await link.finish()
        assert link.up.receive_nowait() is None
    assert trio.current_time() == began_at + 1


async def test_a_pause_can_be_set_anew_while_away(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    began_at = trio.current_time()
    async with lab.running(endpoint, serve=lab.echo) as link:
        await link.next(LinkUp)
        link.order(CloseLink(pause_s=1000))
        await link.next(LinkDown)
        link.order(CloseLink(pause_s=7))
        await link.next(LinkUp)
    assert [at - began_at for at in link.twin.opened_at] == [0, 7]


STAY_AWAY = CloseLink(pause_s=math.inf)


async def test_a_link_that_is_to_stay_away_does_so_until_it_is_told_to_connect(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    began_at = trio.current_time()
    async with lab.running(endpoint, serve=lab.echo) as link:
        await link.next(LinkUp)
        link.order(STAY_AWAY)
        await link.next(LinkDown)
        await trio.sleep(100_000)
        link.order(SetPingInterval(5))
        link.order(OpenLink())
        await link.next(LinkUp)
        link.order(OpenLink())
        link.order("still there")
        assert await link.next(FrameReceived) == FrameReceived("still there")
    assert [at - began_at for at in link.twin.opened_at] == [0, 100_000]


async def test_told_to_connect_while_it_closes_it_connects_right_after(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, serve=lab.echo) as link:
        await link.next(LinkUp)
        link.order(STAY_AWAY)
        link.order(OpenLink())
        await link.next(LinkDown)
        await link.next(LinkUp)


async def test_a_link_that_was_told_to_stay_away_before_it_began_does_not_even_knock(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    link = lab.Bench()
    link.order(STAY_AWAY)
    async with trio.open_nursery() as nursery:
        twin = lab.Twin(nursery, lab.echo)
        nursery.start_soon(partial(link.run, endpoint, open_stream=twin.open_stream))
        await trio.sleep(1000)
        assert twin.opened_at == []
        link.order(OpenLink())
        with trio.fail_after(1):
            assert isinstance(await link.up.receive(), LinkUp)
        await link.finish()
        nursery.cancel_scope.cancel()
    quick = lab.Bench()
    quick.order(CloseLink(reconnect=False))
    await quick.run(endpoint, open_stream=refuse)


async def test_told_to_connect_it_waits_out_no_back_off(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, open_stream=refuse, jitter=lambda _: 1.0, backoff=Backoff(1000, 1000)) as link:
        assert (await link.next(ConnectFailed)).retry_in_s == 1000
        before = trio.current_time()
        link.order(OpenLink())
        await link.next(ConnectFailed)
        assert trio.current_time() == before


async def test_told_to_connect_it_begins_its_back_off_anew(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, open_stream=refuse, jitter=lambda _: 1.0, backoff=Backoff(1, 1000)) as link:
        waits = [(await link.next(ConnectFailed)).retry_in_s for _ in range(4)]
        link.order(OpenLink())
        waits += [(await link.next(ConnectFailed)).retry_in_s for _ in range(2)]
        assert waits == [1, 2, 4, 8, 1, 2]


async def test_frames_told_while_there_is_no_connection_are_dropped(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, serve=lab.echo, connect=partial(trio.sleep, 1)) as link:
        link.order("before the ramp")
        await link.next(LinkUp)
        link.order(CloseLink(pause_s=10))
        link.order("behind the close")
        await link.next(LinkDown)
        await trio.sleep(1)
        link.order("in the pause")
        await link.next(LinkUp)
        link.order("fresh")
        assert await link.next(FrameReceived) == FrameReceived("fresh")


async def test_a_close_carries_its_code(lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock) -> None:
    codes: list[int] = []

    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            socket = await lab.accept(nursery, stream)
            with suppress(ConnectionClosed):
                await socket.get_message()
            codes.append(socket.closed.code)

    async with lab.running(endpoint, serve=serve) as link:
        await link.next(LinkUp)
        link.order(CloseLink(reconnect=False, code=1001))
        assert (await link.next(LinkDown)).reason == "closed-1001"
        await link.ended.wait()
        await trio.testing.wait_all_tasks_blocked()
    assert codes == [1001]


async def test_a_code_no_close_frame_can_carry_still_ends_the_link(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, serve=lab.echo) as link:
        await link.next(LinkUp)
        link.order(CloseLink(reconnect=False, code=99_999))
        assert (await link.next(LinkDown)).reason == "internal"
        await link.ended.wait()


async def test_text_that_is_no_unicode_goes_out_as_far_as_it_can(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, serve=lab.echo) as link:
        await link.next(LinkUp)
        link.order("half a pair: \ud800")
        assert await link.next(FrameReceived) == FrameReceived("half a pair: ?")


async def test_what_was_received_before_the_end_is_carried_up_before_it(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            socket = await lab.accept(nursery, stream)
            for number in range(10):
                await socket.send_message(str(number))
            await socket.aclose(1012)

    options = {"serve": serve, "up_size": 1}
    async with lab.running(endpoint, **options) as link:
        await link.next(LinkUp)
        await trio.sleep(100)
        for number in range(10):
            assert await link.next(FrameReceived) == FrameReceived(str(number))
        assert (await link.next(LinkDown)).reason == "closed-1012"


async def test_pings_go_out_at_their_interval_and_their_pongs_keep_the_link(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, serve=lab.echo) as link:
        link.order(SetPingInterval(10))
        await link.next(LinkUp)
        await trio.sleep(3_600)
        assert link.up.receive_nowait() is None
        link.order(SetPingInterval(0))
        await link.finish()


@pytest.mark.parametrize("before", [True, False])
async def test_a_pong_that_does_not_come_ends_the_connection(
    lab: ModuleType, endpoint: Endpoint, before: bool, autojump_clock: trio.abc.Clock
) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            await lab.accept(nursery, stream)
            nursery.cancel_scope.cancel()
        await trio.sleep_forever()

    async with lab.running(endpoint, serve=serve, limits=Limits(pong_s=4)) as link:
        if before:
            link.order(SetPingInterval(60))
        await link.next(LinkUp)
        if not before:
            link.order(SetPingInterval(60))
        began_at = trio.current_time()
        assert await link.next(LinkDown) == LinkDown("ping-timeout", "no pong within 4 s")
        assert trio.current_time() == began_at + 64
        # The interval holds for the next connection too.
        await link.next(LinkUp)
        assert (await link.next(LinkDown)).reason == "ping-timeout"


async def test_frames_flow_while_a_pong_is_awaited(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            socket = await lab.accept(nursery, stream)
            # A CSMS that speaks of itself, but whose reading side is slow: the pong comes late.
            nursery.cancel_scope.cancel()
        del socket
        await stream.receive_some(1000)
        await trio.sleep(20)
        await stream.send_all(b"\x81\x02hi")
        await trio.sleep_forever()

    options = {"serve": serve, "limits": Limits(pong_s=30)}
    async with lab.running(endpoint, **options) as link:
        link.order(SetPingInterval(10))
        await link.next(LinkUp)
        assert await link.next(FrameReceived) == FrameReceived("hi")
        link.order("told between ping and pong")
        await trio.sleep(0)
        assert (await link.next(LinkDown)).reason == "ping-timeout"


async def test_no_answer_to_the_handshake_is_a_timeout(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async def silent(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    began_at = trio.current_time()
    async with lab.running(endpoint, serve=silent) as link:
        failed = await link.next(ConnectFailed)
        assert (failed.reason, failed.detail) == ("timeout", "no answer to the WebSocket handshake within 30 s")
        assert trio.current_time() == began_at + 30
    async with lab.running(endpoint, open_stream=trio.sleep_forever) as link:
        assert (await link.next(ConnectFailed)).detail == "no TCP connection within 30 s"


async def test_a_close_handshake_that_never_ends_is_cut_short(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            await lab.accept(nursery, stream)
            nursery.cancel_scope.cancel()
        await trio.sleep_forever()

    async with lab.running(endpoint, serve=serve) as link:
        await link.next(LinkUp)
        began_at = trio.current_time()
        await link.finish()
        assert (await link.next(LinkDown)).reason == "close-timeout"
        assert trio.current_time() == began_at + 5


async def test_cancelled_it_closes_its_stream_at_once(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    gone_at: list[float] = []

    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            socket = await lab.accept(nursery, stream)
            with suppress(ConnectionClosed):
                await socket.get_message()
            gone_at.append(trio.current_time())

    async with lab.running(endpoint, serve=serve) as link:
        await link.next(LinkUp)
        began_at = trio.current_time()
        link.scope.cancel()
        await link.ended.wait()
        assert link.up.receive_nowait() is None
    assert gone_at == [began_at]


@pytest.mark.parametrize("which", ["orders", "up"])
async def test_it_ends_quietly_when_a_mailbox_is_closed(
    lab: ModuleType, endpoint: Endpoint, which: str, autojump_clock: trio.abc.Clock
) -> None:
    async with lab.running(endpoint, serve=lab.echo) as link:
        await link.next(LinkUp)
        link.order("hello")
        await link.next(FrameReceived)
        getattr(link, which).close()
        if which == "up":
            link.order("anybody there?")
        await link.ended.wait()


async def test_a_hundred_cuts_are_a_hundred_pairs_of_reports(
    lab: ModuleType, endpoint: Endpoint, autojump_clock: trio.abc.Clock
) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            await lab.accept(nursery, stream)
            await stream.aclose()

    options = {"serve": serve, "backoff": Backoff(base_s=0.01, cap_s=0.01)}
    async with lab.running(endpoint, **options) as link:
        for _ in range(100):
            await link.next(LinkUp)
            assert (await link.next(LinkDown)).reason == "reset"


async def test_two_links_do_not_share_anything(
    endpoint: Endpoint, lab: ModuleType, autojump_clock: trio.abc.Clock
) -> None:
    async with trio.open_nursery() as nursery:
        twin = lab.Twin(nursery, lab.echo)
        for _ in range(2):
            orders: Mailbox[LinkOrder] = Mailbox(4)
            up: Mailbox[LinkReport] = Mailbox(4)
            orders.address.tell(SetPingInterval(1))
            nursery.start_soon(
                partial(run_link, endpoint, orders, up.address, jitter=lambda n: 0.0, open_stream=twin.open_stream)
            )
            await up.receive()
            orders.address.tell("one")
            assert await up.receive() == FrameReceived("one")
            orders.address.tell(CloseLink(reconnect=False))
