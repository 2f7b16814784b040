"""The exporter over loopback: what it answers, and that nobody who connects can hurt the run."""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest
import trio
from attrs import frozen
from counterparts.scraped import Scraped, samples_of
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.registry import Collector

from fleet.core.reports import LinkUp
from fleet.errors import ConfigurationError
from fleet.observe import exporter
from fleet.observe.exporter import (
    CONNECTIONS_MAX,
    HEAD_BYTES_MAX,
    PORTION_LINES,
    Address,
    Page,
    metrics_url,
    open_metrics_listeners,
    parse_address,
    serve_metrics,
)

GET = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n"
PATIENCE_S = 10.0


@frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    last: bool
    """The server ends the connection after it."""


class Asker:
    """A connection to the exporter, for raw bytes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.http = h11.Connection(h11.CLIENT)

    async def ask(self, sent: bytes, method: str = "GET") -> Answer:
        """Send these bytes and read one answer, as that to a request with this method is read."""
        self.http.send(h11.Request(method=method, target="/", headers=[("Host", "here")]))
        self.http.send(h11.EndOfMessage())
        await self.stream.send_all(sent)
        return await self.answer()

    async def answer(self) -> Answer:
        response, body = None, b""
        with trio.fail_after(PATIENCE_S):
            while True:
                event = self.http.next_event()
                if event is h11.NEED_DATA:
                    self.http.receive_data(await self.stream.receive_some())
                elif isinstance(event, h11.Response):
                    response = event
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    assert isinstance(event, h11.EndOfMessage)
                    break
        assert response is not None
        headers = {name.decode(): value.decode() for name, value in response.headers}
        last = self.http.our_state is h11.MUST_CLOSE
        if not last:
            self.http.start_next_cycle()
        return Answer(response.status_code, headers, body, last)

    async def ended(self) -> None:
        """The exporter ends this connection, by a goodbye or by cutting it."""
        with trio.fail_after(PATIENCE_S):
            try:
                while await self.stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass


class Bench:
    """An exporter that serves, and its port."""

    def __init__(self, port: int, scraped: Scraped) -> None:
        self.port = port
        self.scraped = scraped

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Asker]:
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            yield Asker(stream)

    async def ask(self, sent: bytes, method: str = "GET") -> Answer:
        async with self.connect() as asker:
            return await asker.ask(sent, method)


@asynccontextmanager
async def serving(metrics: Collector | None = None) -> AsyncIterator[Bench]:
    scraped = Scraped()
    listeners = await open_metrics_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_metrics, listeners, metrics or scraped.metrics)
        yield Bench(listeners[0].socket.getsockname()[1], scraped)
        nursery.cancel_scope.cancel()


def get(target: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: here", *headers, "", ""]).encode()


# ---- what it answers -------------------------------------------------------------------------------------------------


async def test_metrics_are_those_of_this_instant() -> None:
    async with serving() as bench:
        before = await bench.ask(GET)
        assert (before.status, before.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert before.headers["cache-control"] == "no-store"
        assert samples_of(before.body.decode())["fleet_connects_total", ("connected",)] == 0
        bench.scraped.tell(LinkUp())
        after = await bench.ask(get("/metrics?name=ignored"))
        assert samples_of(after.body.decode())["fleet_connects_total", ("connected",)] == 1


async def test_the_page_written_in_turns_is_the_page_written_at_once() -> None:
    async with serving() as bench:
        answer = await bench.ask(GET)
        ours = [line for line in answer.body.decode().splitlines() if not line.startswith("process_")]
        assert ours == [line for line in bench.scraped.text().splitlines() if not line.startswith("process_")]


async def test_whoever_accepts_openmetrics_gets_it() -> None:
    prometheus = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    async with serving() as bench:
        answer = await bench.ask(get("/metrics", prometheus))
        assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        text = answer.body.decode()
        assert text.endswith("# EOF\n")
        assert text.count("# EOF") == 1
        assert {"fleet_charge_points", "fleet_call_duration_seconds"} <= {f.name for f in parse_openmetrics(text)}


@pytest.mark.parametrize("accept", ["*/*", "", "nonsense;;;=,", "application/openmetrics-text; version=x", "\xff\xfe"])
async def test_any_accept_header_gets_a_page(accept: str) -> None:
    async with serving() as bench:
        answer = await bench.ask(get("/metrics", f"Accept: {accept}").decode().encode("latin-1"))
        assert answer.status == 200
        assert b"fleet_charge_points" in answer.body


async def test_head_has_the_length_and_no_body() -> None:
    async with serving() as bench, bench.connect() as asker:
        answer = await asker.ask(get("/metrics", method="HEAD"), "HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers["content-length"]) > 10_000
        assert (await asker.ask(GET)).status == 200


async def test_the_root_leads_to_the_metrics() -> None:
    async with serving() as bench:
        answer = await bench.ask(get("/"))
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert b'<a href="/metrics">' in answer.body


async def test_a_connection_is_used_again() -> None:
    async with serving() as bench, bench.connect() as asker:
        for _ in range(3):
            answer = await asker.ask(GET)
            assert (answer.status, answer.last) == (200, False)
        assert (await asker.ask(get("/nowhere"))).status == 404
        assert (await asker.ask(get("/metrics", method="DELETE"), "DELETE")).status == 405
        assert (await asker.ask(get("/metrics", "Connection: upgrade", "Upgrade: websocket"))).status == 200
        assert (await asker.ask(GET)).status == 200
        assert (await asker.ask(get("/metrics", "Connection: close"))).last
        await asker.ended()


async def test_requests_that_come_together_are_answered_one_after_the_other() -> None:
    async with serving() as bench, bench.connect() as asker:
        assert (await asker.ask(get("/") + get("/nowhere"))).status == 200
        assert (await asker.ask(b"")).status == 404


async def test_a_request_may_come_in_pieces() -> None:
    async with serving() as bench, bench.connect() as asker:
        for index in range(len(GET) - 1):
            await asker.stream.send_all(GET[index : index + 1])
            await trio.sleep(0)
        assert (await asker.ask(GET[-1:])).status == 200


async def test_http_1_0_is_answered_and_over() -> None:
    async with serving() as bench, bench.connect() as asker:
        answer = await asker.ask(get("/metrics", version="1.0"))
        assert (answer.status, answer.last) == (200, True)
        await asker.ended()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (get("/metricsx"), 404),
        (get("/metrics/"), 404),
        (get("/../metrics"), 404),
        (get("http://here/metrics"), 404),
        (get("here:9464", method="CONNECT"), 404),
        (get("/metrics", method="POST"), 405),
        (get("/", method="OPTIONS"), 405),
        (get("/metrics", "Content-Length: 5", method="PUT") + b"hello", 405),
        (get("/metrics", "Transfer-Encoding: chunked", method="POST") + b"zz\r\n", 400),
        (get("/metrics", "Content-Length: -1"), 400),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
        (b"hello there\r\n\r\n", 400),
        (b"GET /metrics\x00 HTTP/1.1\r\nHost: here\r\n\r\n", 400),
        (get("/metrics", "X: " + "y" * 2 * HEAD_BYTES_MAX), 431),
        (b"G" * 2 * HEAD_BYTES_MAX, 431),
    ],
)
async def test_whatever_is_wrong_is_answered_as_http_says(sent: bytes, status: int) -> None:
    async with serving() as bench:
        answer = await bench.ask(sent)
        assert answer.status == status
        assert answer.headers.get("allow") == ("GET, HEAD" if status == 405 else None)
        assert answer.body.endswith(b"\n")
        assert (await bench.ask(GET)).status == 200


async def test_a_body_is_not_taken_for_the_next_request() -> None:
    async with serving() as bench, bench.connect() as asker:
        answer = await asker.ask(get("/metrics", f"Content-Length: {len(GET)}") + GET)
        assert (answer.status, answer.last) == (200, True)
        await asker.ended()


async def test_who_announces_a_body_has_the_answer_before_it_and_is_let_go() -> None:
    async with serving() as bench, bench.connect() as asker:
        answer = await asker.ask(get("/metrics", "Content-Length: 1000", "Expect: 100-continue"))
        assert (answer.status, answer.last) == (200, True)
        await asker.ended()


# ---- whoever connects ------------------------------------------------------------------------------------------------


async def test_rubbish_and_cut_connections_harm_nobody() -> None:
    async with serving() as bench:
        for sent in (b"", b"GET", GET[:-2], os.urandom(5_000), b"\r\n" * 50, GET * 3, b"\0" * 100_000):
            for reset in (False, True):
                with socket.create_connection(("127.0.0.1", bench.port)) as connection:
                    connection.sendall(sent)
                    if reset:
                        # No goodbye: closing sends a reset.
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                await trio.sleep(0)
        assert (await bench.ask(GET)).status == 200


async def test_who_says_nothing_or_stops_in_mid_sentence_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "IDLE_MAX_S", 0.05)
    monkeypatch.setattr(exporter, "REQUEST_MAX_S", 0.05)
    async with serving() as bench, bench.connect() as silent, bench.connect() as halting:
        await halting.stream.send_all(GET[:20])
        await silent.ended()
        await halting.ended()


async def test_who_does_not_read_is_cut_off_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "ANSWER_MAX_S", 0.2)
    async with serving() as bench:
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await trio.to_thread.run_sync(lazy.connect, ("127.0.0.1", bench.port))
            lazy.setblocking(False)
            # More answers than all buffers between here and there can hold.
            with trio.fail_after(PATIENCE_S):
                while not sends_in_vain(lazy, GET * 100):
                    assert (await bench.ask(GET)).status == 200
                    await trio.sleep(0.02)


def sends_in_vain(connection: socket.socket, data: bytes) -> bool:
    """The other side is gone; if it only takes nothing at the moment, it isn't."""
    try:
        connection.send(data)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


async def test_more_connections_than_there_may_be_are_told_so() -> None:
    async with serving() as bench:
        held = [await trio.open_tcp_stream("127.0.0.1", bench.port) for _ in range(CONNECTIONS_MAX)]
        # Each is known to be taken once it has been answered.
        for stream in held:
            assert (await Asker(stream).ask(get("/"))).status == 200
        answer = await bench.ask(GET)
        assert (answer.status, answer.last) == (503, True)
        await held.pop().aclose()
        with trio.fail_after(PATIENCE_S):
            while (await bench.ask(GET)).status != 200:
                await trio.sleep(0.01)
        for stream in held:
            await stream.aclose()


async def test_a_scrape_gives_the_rest_of_the_loop_a_turn_after_every_portion() -> None:
    steps: list[str] = []

    class Watched(GaugeMetricFamily):
        def __getattribute__(self, name: str) -> Any:
            if name == "documentation":
                steps.append("written")
            return super().__getattribute__(name)

    class Long(Collector):
        def collect(self) -> Iterator[Metric]:
            for number in range(5):
                family = Watched(f"fleet_{number}", "As long as a portion.", labels=("label",))
                for line in range(PORTION_LINES):
                    family.add_metric((str(line),), 1.0)
                yield family

    async def count_turns() -> None:
        while True:
            steps.append("turn")
            await trio.lowlevel.checkpoint()

    page = Page(Long())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        async with trio.open_nursery() as scrapes:
            # Several at once are no worse than one.
            for _ in range(3):
                scrapes.start_soon(page.write, "")
        nursery.cancel_scope.cancel()
    assert steps.count("written") == 15
    # Trio shuffles the tasks of a turn: one may be the last in its turn and the first in the next.
    assert not any(steps[at : at + 3] == ["written"] * 3 for at in range(len(steps)))


async def test_when_it_ends_nobody_listens_any_more() -> None:
    async with serving() as bench:
        pass
    with pytest.raises(OSError, match="all attempts to connect"):
        await trio.open_tcp_stream("127.0.0.1", bench.port)


# ---- the address -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        (" 127.1.2.3:1 ", ("127.1.2.3", 1)),
        (":9464", ("127.0.0.1", 9464)),
        ("9464", ("127.0.0.1", 9464)),
        ("0", ("127.0.0.1", 0)),
        ("[::1]:9464", ("::1", 9464)),
        ("localhost:9464", ("localhost", 9464)),
        ("LOCALHOST:65535", ("LOCALHOST", 65535)),
    ],
)
def test_an_address_of_this_machine_alone_is_taken(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "127.0.0.1", "localhost", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", ":-1", ":9464.0"),
        *("127.0.0.1:99999999999999999999", "::1:9464", "[::1]", "[::1:9464", "[127.0.0.1]:9464", "300.0.0.1:9464"),
        *("http://127.0.0.1:9464", "127.0.0.1:9464/metrics", "a b:1", "host\0:1", "127.0.0.1:９４６４", "127.1:9464"),
        *("[]:1", "[::1]9464", "127.0.0.1 :9464", "127.0.0.1:+1", "127.0.0.1: 1"),
    ],
)
@pytest.mark.parametrize("public", [False, True])
def test_what_is_no_address_is_one_clear_line(text: str, public: bool) -> None:
    with pytest.raises(ValueError, match=r"^expected an address such as 127\.0\.0\.1:9464, .*, got ") as raised:
        parse_address(text, public)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0:9464", "[::]:9464", "192.168.1.5:9464", "[fe80::1]:9464", "example.org:9464", "localhost.example.org:1"],
)
def test_an_address_that_others_can_reach_has_to_be_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"can be reached from other machines; allow that with --metrics-public$"):
        parse_address(text)
    assert str(parse_address(text, public=True)) == text


async def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            ConfigurationError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: address already in use$"
        ):
            await open_metrics_listeners("127.0.0.1", port)


async def test_an_address_that_is_not_this_machines_is_one_clear_line() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^cannot listen on 192\.0\.2\.1:9464: cannot assign requested address$"
    ):
        await open_metrics_listeners("192.0.2.1", 9464)


async def test_the_url_names_the_port_that_was_free() -> None:
    listeners = await open_metrics_listeners("localhost", 0)
    assert len(listeners) == 1
    port = listeners[0].socket.getsockname()[1]
    assert metrics_url(listeners) in (f"http://127.0.0.1:{port}/metrics", f"http://[::1]:{port}/metrics")
    await listeners[0].aclose()
    assert str(Address("::1", 9464)) == "[::1]:9464"
