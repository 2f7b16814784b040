"""The central system over WebSockets on memory streams, under the autojump clock; and over TCP where that matters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from fleet.csms.central import Central
from fleet.csms.records import OddityRecord, Record, StartRecord, read_books
from fleet.csms.server import MESSAGE_SIZE_MAX, CallFailed, Options, Server, charge_point_of, serve
from fleet.errors import FleetError
from fleet.ocpp.v16 import ClearCacheRequest, ClearCacheResponse
from fleet.ocpp.v16_types import AcceptedOrRejected

BEGINNING = datetime(2026, 11, 22, 11, 17, 32, tzinfo=UTC)
ACCEPTED = ClearCacheResponse(AcceptedOrRejected.ACCEPTED)


def utc() -> datetime:
    """The time of day that goes with trio's clock."""
    return BEGINNING + timedelta(seconds=trio.current_time())


class Bench:
    """A server with its records in a list, and charge points on memory streams."""

    def __init__(self, nursery: trio.Nursery, latency_s: float = 0.0) -> None:
        self.records: list[Record] = []
        self.nursery = nursery
        self.server = Server(Central(utc, self.records.append), latency_s)

    def dial(self) -> trio.StapledStream[Any, Any]:
        """A raw stream to the server."""
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.server.serve_stream, theirs)
        return ours

    async def connect(self, path: str = "/CP0001", subprotocol: str = "ocpp1.6") -> WebSocketConnection:
        stream = self.dial()
        return await wrap_client_stream(self.nursery, cast(Any, stream), "csms", path, subprotocols=[subprotocol])

    @property
    def rules(self) -> list[str]:
        return [record.rule for record in self.records if isinstance(record, OddityRecord)]


@asynccontextmanager
async def opened(latency_s: float = 0.0) -> AsyncIterator[Bench]:
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery, latency_s)
        yield bench
        await bench.server.close()
        nursery.cancel_scope.cancel()


async def ask(link: WebSocketConnection, id: str, action: str, payload: object) -> list[Any]:
    await link.send_message(orjson.dumps([2, id, action, payload]).decode())
    return cast(list[Any], orjson.loads(await link.get_message()))


async def test_a_charge_point_is_answered(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as bench:
        link = await bench.connect("/some/where/CP%2F0001?x=/y")
        assert link.subprotocol == "ocpp1.6"
        boot = await ask(link, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
        assert boot[:2] == [3, "1"]
        assert (boot[2]["status"], boot[2]["interval"]) == ("Accepted", 60)
        assert bench.server.connected == {"CP/0001"}
        await link.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert bench.server.connections == 0
        assert bench.records == []


async def test_latency_delays_every_answer(autojump_clock: trio.testing.MockClock) -> None:
    async with opened(latency_s=0.5) as bench:
        link = await bench.connect()
        for number in range(3):
            asked_at = trio.current_time()
            await ask(link, str(number), "Heartbeat", {})
            assert trio.current_time() - asked_at == pytest.approx(0.5)
        assert bench.rules == []


def start(number: int) -> str:
    payload = {"connectorId": number, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-22T11:17:32Z"}
    return orjson.dumps([2, str(number), "StartTransaction", payload]).decode()


@pytest.mark.parametrize("latency_s", [0.0, 0.5])
async def test_an_answer_tells_the_time_at_which_it_is_given(
    autojump_clock: trio.testing.MockClock, latency_s: float
) -> None:
    async with opened(latency_s) as bench:
        link = await bench.connect()
        boot = await ask(link, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
        assert datetime.fromisoformat(boot[2]["currentTime"]) == utc()
        await trio.sleep(5)
        heartbeat = await ask(link, "2", "Heartbeat", {})
        assert datetime.fromisoformat(heartbeat[2]["currentTime"]) == utc()


async def test_late_answers_and_records_come_in_the_order_of_the_messages(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened(latency_s=0.5) as bench:
        link = await bench.connect()
        for number in range(1, 21):
            await link.send_message(start(number))
        answers = [orjson.loads(await link.get_message()) for _ in range(20)]
        assert [(answer[1], answer[2]["transactionId"]) for answer in answers] == [(str(n), n) for n in range(1, 21)]
        assert [each.connector for each in bench.records if isinstance(each, StartRecord)] == list(range(1, 21))
        # And once more, after a time in which nothing was left to answer.
        assert (await ask(link, "x", "Heartbeat", {}))[1] == "x"


async def test_a_message_whose_late_answer_finds_nobody_is_recorded_before_it_comes_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened(latency_s=0.5) as bench:
        stream = bench.dial()
        link = await wrap_client_stream(bench.nursery, cast(Any, stream), "csms", "/CP1", subprotocols=["ocpp1.6"])
        await link.send_message(start(1))
        await trio.sleep(0.1)
        await stream.aclose()
        again = await bench.connect("/CP1")
        await again.send_message(start(1))
        assert orjson.loads(await again.get_message())[2]["transactionId"] == 1
        assert [type(record).__name__ for record in bench.records] == ["StartRecord", "OddityRecord"]
        assert bench.rules == ["repeated-start"]


async def test_a_charge_point_that_does_not_wait_for_its_answer_is_noticed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened(latency_s=0.5) as bench:
        link = await bench.connect()
        await link.send_message('[2,"a","Heartbeat",{}]')
        await trio.sleep(0.1)
        await link.send_message('[2,"b","Heartbeat",{}]')
        assert [orjson.loads(await link.get_message())[1] for _ in range(2)] == ["a", "b"]
        assert bench.rules == ["overlapping-call"]


async def test_a_charge_point_without_the_subprotocol_is_shown_out(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as bench:
        link = await bench.connect(subprotocol="ocpp2.0.1")
        assert link.subprotocol is None
        with pytest.raises(ConnectionClosed) as closed:
            await link.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1002
        assert bench.rules == ["subprotocol"]


async def test_a_path_that_names_nobody_is_not_found(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as bench:
        statuses: list[int] = []
        try:
            async with trio.open_nursery() as nursery:
                await wrap_client_stream(nursery, cast(Any, bench.dial()), "csms", "/", subprotocols=["ocpp1.6"])
        except* ConnectionRejected as rejected:
            statuses += [cast(ConnectionRejected, each).status_code for each in rejected.exceptions]
        assert statuses == [404]
        assert bench.rules == ["no-identity"]


@pytest.mark.parametrize("noise", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00", b"\x00" * 5000])
async def test_a_peer_that_speaks_something_else_does_no_harm(
    autojump_clock: trio.testing.MockClock, noise: bytes
) -> None:
    async with opened() as bench:
        stream = bench.dial()
        if noise:
            await stream.send_all(noise)
        await trio.testing.wait_all_tasks_blocked()
        await stream.aclose()
        await trio.sleep(60)
        assert (await ask(await bench.connect(), "1", "Heartbeat", {}))[0] == 3


async def test_noise_after_the_handshake_and_sudden_ends_do_no_harm(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as bench:
        stream = bench.dial()
        link = await wrap_client_stream(bench.nursery, cast(Any, stream), "csms", "/CP1", subprotocols=["ocpp1.6"])
        await ask(link, "1", "Heartbeat", {})
        await stream.send_all(b"\xff" * 100)
        await trio.sleep(60)
        assert bench.server.connections == 0
        cut = bench.dial()
        other = await wrap_client_stream(bench.nursery, cast(Any, cut), "csms", "/CP2", subprotocols=["ocpp1.6"])
        await ask(other, "1", "Heartbeat", {})
        await cut.aclose()
        await trio.sleep(60)
        assert bench.server.connections == 0


async def test_an_oversize_message_ends_the_connection_and_is_recorded(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as bench:
        link = await bench.connect()
        await link.send_message("x" * (MESSAGE_SIZE_MAX + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await link.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1009
        await trio.sleep(10)
        assert bench.rules == ["oversize"]
        assert bench.server.connections == 0


async def test_a_newer_connection_of_the_same_charge_point_replaces_the_older(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened() as bench:
        old = await bench.connect()
        await ask(old, "1", "Heartbeat", {})
        new = await bench.connect()
        await ask(new, "1", "Heartbeat", {})
        with pytest.raises(ConnectionClosed):
            await old.get_message()
        assert bench.server.connections == 1
        assert (await ask(new, "2", "Heartbeat", {}))[0] == 3


async def answer_calls(link: WebSocketConnection, delay_s: float = 0.0) -> None:
    """A charge point that accepts everything, after a while."""
    try:
        while True:
            call = orjson.loads(await link.get_message())
            await trio.sleep(delay_s)
            await link.send_message(orjson.dumps([3, call[1], {"status": "Accepted"}]).decode())
    except ConnectionClosed:
        pass


async def test_a_charge_point_can_be_called_one_request_at_a_time(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as bench:
        link = await bench.connect()
        await ask(link, "1", "Heartbeat", {})
        bench.nursery.start_soon(answer_calls, link, 1.0)
        begun_at = trio.current_time()
        responses: list[object] = []

        async def call() -> None:
            responses.append(await bench.server.call("CP0001", ClearCacheRequest()))

        async with trio.open_nursery() as calls:
            for _ in range(3):
                calls.start_soon(call)
        assert responses == [ACCEPTED] * 3
        assert trio.current_time() - begun_at == pytest.approx(3.0)
        assert bench.rules == []


async def test_a_charge_point_that_is_away_or_stays_silent_fails_the_call(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened() as bench:
        with pytest.raises(CallFailed, match="NotConnected: CP0001"):
            await bench.server.call("CP0001", ClearCacheRequest())
        link = await bench.connect()
        await ask(link, "1", "Heartbeat", {})
        with pytest.raises(CallFailed, match=r"Timeout: CP0001 did not answer within 2\.5 s"):
            await bench.server.call("CP0001", ClearCacheRequest(), timeout_s=2.5)
        call = orjson.loads(await link.get_message())
        await link.send_message(orjson.dumps([3, call[1], {"status": "Accepted"}]).decode())
        bench.nursery.start_soon(answer_calls, link)
        assert await bench.server.call("CP0001", ClearCacheRequest()) == ACCEPTED
        assert bench.rules == ["late-reply"]


async def test_a_call_that_is_refused_says_so(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as bench:
        link = await bench.connect()
        await ask(link, "1", "Heartbeat", {})

        async def refuse() -> None:
            call = orjson.loads(await link.get_message())
            await link.send_message(orjson.dumps([4, call[1], "NotSupported", "no cache", {}]).decode())

        bench.nursery.start_soon(refuse)
        with pytest.raises(CallFailed) as failed:
            await bench.server.call("CP0001", ClearCacheRequest())
        assert (failed.value.code, failed.value.description) == ("NotSupported", "no cache")


async def test_a_connection_that_ends_fails_the_call_in_flight_and_those_behind_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with opened() as bench:
        link = await bench.connect()
        await ask(link, "1", "Heartbeat", {})
        codes: list[str] = []

        async def call() -> None:
            with pytest.raises(CallFailed) as failed:
                await bench.server.call("CP0001", ClearCacheRequest())
            codes.append(failed.value.code)

        begun_at = trio.current_time()
        async with trio.open_nursery() as calls:
            calls.start_soon(call)
            calls.start_soon(call)
            await trio.testing.wait_all_tasks_blocked()
            await link.aclose()
        assert codes == ["Disconnected", "Disconnected"]
        assert trio.current_time() == begun_at


async def test_closing_says_goodbye_to_everybody(autojump_clock: trio.testing.MockClock) -> None:
    async with opened() as bench:
        links = [await bench.connect(f"/CP{number}") for number in range(5)]
        for link in links:
            await ask(link, "1", "Heartbeat", {})
        begun_at = trio.current_time()
        await bench.server.close()
        for link in links:
            with pytest.raises(ConnectionClosed) as closed:
                await link.get_message()
            assert closed.value.reason is not None
            assert closed.value.reason.code == 1001
        assert bench.server.connections == 0
        assert trio.current_time() == begun_at


async def test_the_records_of_a_server_on_tcp_are_continued_by_the_next_one(tmp_path: Path) -> None:
    options = Options(records=tmp_path / "records.jsonl")
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-22T11:17:32Z"}
    ids = []
    for life in range(2):
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(serve, options)
            assert server.url == f"ws://127.0.0.1:{server.port}/"
            stream = await trio.open_tcp_stream("127.0.0.1", server.port)
            link = await wrap_client_stream(nursery, stream, "csms", "/CP0001", subprotocols=["ocpp1.6"])
            for number in range(2):
                payload = start | {"meterStart": life * 100 if number else 0}
                ids.append((await ask(link, str(number), "StartTransaction", payload))[2]["transactionId"])
                stop = {"transactionId": ids[-1], "meterStop": 500, "timestamp": "2026-11-22T12:17:32Z"}
                await ask(link, f"{number}s", "StopTransaction", stop)
            await link.aclose()
            await server.close()
            nursery.cancel_scope.cancel()
    assert ids == [1, 1, 1, 2]
    books = read_books(tmp_path / "records.jsonl")
    assert (books.started, books.stopped, books.energy_wh) == (2, 2, 900)
    assert books.oddities == {"repeated-start": 2, "repeated-stop": 2}


async def test_a_taken_port_is_one_clear_line() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(FleetError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: Address already in use$"):
            await serve(Options(port=port))


@pytest.mark.parametrize(
    ("path", "id"),
    [("/CP1", "CP1"), ("/a/b/CP1", "CP1"), ("/CP%201%2F2", "CP 1/2"), ("/CP1?token=a/b", "CP1"), ("/", ""), ("", "")],
)
def test_the_last_segment_of_the_path_names_the_charge_point(path: str, id: str) -> None:
    assert charge_point_of(path) == id
