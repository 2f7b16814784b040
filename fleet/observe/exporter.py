"""The exporter: `/metrics` over HTTP, for Prometheus to scrape, out of the same loop that the fleet runs in.

The loop is the fleet's, and a scrape must not be felt there. So a page of metrics is written in portions with a
turn for everybody else in between, and whoever asks meanwhile waits for his own. There is no compression: it would
cost the loop more than the loopback interface costs anybody.

Whoever connects is nobody in particular. Requests are read by h11, with limits on their size, on the time they may
take and on how many connect at once; whatever else arrives is answered as HTTP says, or not at all, and is never an
error of the run.

Addresses are those of this machine alone unless it is said otherwise: who can reach `/metrics` can read how a test of a
CSMS goes.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

import h11
import trio
from attrs import frozen
from prometheus_client import exposition
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from fleet.errors import ConfigurationError

EXAMPLE = "127.0.0.1:9464"
LOOPBACK = "127.0.0.1"
"""Where to listen if only a port is given."""
PORT_MAX = 65_535

CONNECTIONS_MAX = 16
HEAD_BYTES_MAX = 16 * 1024
READ_BYTES_MAX = 4 * 1024
IDLE_MAX_S = 150.0
"""So long a connection may stay without a request; Prometheus scrapes every minute at the slowest, as a rule."""
REQUEST_MAX_S = 10.0
"""From the first byte of a request to its last."""
ANSWER_MAX_S = 10.0
"""For taking an answer, of a reader that is slow."""
FAREWELL_MAX_S = 1.0
FAREWELL_READS_MAX = 16
ACCEPT_PAUSE_S = 0.2
"""Before trying again where this machine has no descriptor left for one more connection."""

PORTION_LINES = 100
"""So much of a page is written in one turn of the loop: a millisecond or two."""
PATH = "/metrics"
_HOST = re.compile(r"[A-Za-z0-9_.-]+")
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_END = b"# EOF\n"
_INDEX = b'<!doctype html><title>fleet</title><a href="/metrics">/metrics</a>\n'
_HTML = "text/html; charset=utf-8"


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


# ---- the address -----------------------------------------------------------------------------------------------------


def parse_address(text: str, public: bool = False) -> Address:
    """`127.0.0.1:9464`, `[::1]:9464`, `localhost:9464`; `:9464` and `9464` are ports of 127.0.0.1, 0 is a free one.

    Raises ValueError, one line, for anything else, and for an address that others can reach unless it is to be
    `public`.
    """
    host, port = _split(text.strip())
    if host is None or not (port.isascii() and port.isdecimal() and int(port) <= PORT_MAX):
        raise ValueError(f"expected an address such as {EXAMPLE}, [::1]:9464 or :9464, got {text!r}")
    if not public and not _is_loopback(host):
        raise ValueError(f"{text!r} can be reached from other machines; allow that with --metrics-public")
    return Address(host, int(port))


def _split(text: str) -> tuple[str | None, str]:
    """Host, None for what can't be one, and port."""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]:")
        return (host if bracket and _is_address(host, 6) else None), port
    host, _, port = text.rpartition(":")
    if not host:
        return LOOPBACK, port
    if not _HOST.fullmatch(host) or (host.replace(".", "").isdigit() and not _is_address(host, 4)):
        return None, port
    return host, port


def _is_address(host: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(host).version == version
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


async def open_metrics_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Listen there; raises ConfigurationError, one line, where that can't be."""
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(f"cannot listen on {Address(host, port)}: {reason[:1].lower()}{reason[1:]}") from None
    if port == 0:
        # A name may have several addresses, and each would get a free port of its own.
        for other in listeners[1:]:
            await other.aclose()
        del listeners[1:]
    return list(listeners)


def metrics_url(listeners: Sequence[trio.SocketListener]) -> str:
    """Where the metrics are, as somebody would open them: `http://127.0.0.1:9464/metrics`."""
    host, port = listeners[0].socket.getsockname()[:2]
    return f"http://{Address(host, port)}{PATH}"


# ---- the page --------------------------------------------------------------------------------------------------------


class Page:
    """The metrics as text, written with a turn for the rest of the loop after each portion."""

    def __init__(self, metrics: Collector) -> None:
        self._metrics = metrics
        # One at a time: a turn for everybody else is no use if each of them writes a family in it.
        self._writing = trio.Lock()

    async def write(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type: OpenMetrics where it is accepted, Prometheus' own text otherwise."""
        if "application/openmetrics-text" in accept.lower():
            return await self._parts(openmetrics.generate_latest) + _END, _OPEN_METRICS
        return await self._parts(exposition.generate_latest), _PROMETHEUS

    async def _parts(self, encode: Callable[[Collector], bytes]) -> bytes:
        async with self._writing:
            # All at one instant, so that figures that belong together fit together.
            families = list(self._metrics.collect())
            parts = []
            for some in _portions(families):
                await trio.lowlevel.checkpoint()
                # Each would be a page of its own in OpenMetrics, and end as one.
                parts.append(encode(_Portion(some)).removesuffix(_END))
        return b"".join(parts)


@frozen
class _Portion(Collector):
    """What is written in one turn."""

    families: Sequence[Metric]

    def collect(self) -> Sequence[Metric]:
        return self.families


def _portions(families: Iterable[Metric]) -> Iterator[list[Metric]]:
    """Families together until they are `PORTION_LINES` long; a longer one by itself is not cut."""
    some: list[Metric] = []
    lines = 0
    for family in families:
        some.append(family)
        lines += len(family.samples)
        if lines >= PORTION_LINES:
            yield some
            some, lines = [], 0
    if some:
        yield some


# ---- the conversation ------------------------------------------------------------------------------------------------


async def serve_metrics(
    listeners: Sequence[trio.SocketListener],
    metrics: Collector,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer whoever connects, until cancelled; the listeners are closed at the end."""
    exporter = _Exporter(Page(metrics))
    try:
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(exporter.accept, listener, nursery)
            task_status.started()
    finally:
        for listener in listeners:
            listener.socket.close()


class _Exporter:
    """The server's side of all connections."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._connections = 0

    async def accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        """Take connections, as many as there may be."""
        while True:
            try:
                stream = await listener.accept()
            except OSError:
                await trio.sleep(ACCEPT_PAUSE_S)
            else:
                nursery.start_soon(self._serve, stream)

    async def _serve(self, stream: trio.SocketStream) -> None:
        """One connection, request by request."""
        self._connections += 1
        try:
            http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
            if self._connections > CONNECTIONS_MAX:
                await _say(stream, http, _Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"too many connections\n"), last=True)
                return
            while await self._next(stream, http):
                http.start_next_cycle()
        except trio.BrokenResourceError:
            # They left.
            pass
        finally:
            self._connections -= 1
            stream.socket.close()

    async def _next(self, stream: trio.SocketStream, http: h11.Connection) -> bool:
        """Answer the next request; False if there is none after it on this connection."""
        try:
            request = await _request(stream, http)
            if request is None:
                return False
            # Nothing here takes a body: whoever sends one is answered and has to connect anew.
            last = type(http.next_event()) is not h11.EndOfMessage
        except h11.RemoteProtocolError as error:
            await _say(stream, http, _Answer(HTTPStatus(error.error_status_hint), f"{error}\n".encode()), last=True)
            return False
        answer = await self._answer_to(request)
        return await _say(stream, http, answer, last=last, bare=request.method == b"HEAD")

    async def _answer_to(self, request: h11.Request) -> "_Answer":
        path = request.target.partition(b"?")[0]
        if path not in (PATH.encode(), b"/"):
            return _Answer(HTTPStatus.NOT_FOUND, f"there is only {PATH}\n".encode())
        if request.method not in (b"GET", b"HEAD"):
            return _Answer(HTTPStatus.METHOD_NOT_ALLOWED, b"expected GET or HEAD\n")
        if path == b"/":
            return _Answer(HTTPStatus.OK, _INDEX, _HTML)
        accept = b",".join(value for name, value in request.headers if name == b"accept")
        return _Answer(HTTPStatus.OK, *await self._page.write(accept.decode("latin-1")))


@frozen
class _Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


async def _request(stream: trio.SocketStream, http: h11.Connection) -> h11.Request | None:
    """The head of the next request; None if none comes in time. Raises h11.RemoteProtocolError."""
    with trio.move_on_after(IDLE_MAX_S) as patience:
        begun = False
        while True:
            event = http.next_event()
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA:
                return None
            data = await stream.receive_some(READ_BYTES_MAX)
            if not begun:
                begun, patience.deadline = True, trio.current_time() + REQUEST_MAX_S
            http.receive_data(data)
    return None


async def _say(
    stream: trio.SocketStream, http: h11.Connection, answer: _Answer, *, last: bool, bare: bool = False
) -> bool:
    """Send it, without its body if it is to be `bare`; False if the connection is to end now."""
    data = _packed(http, answer, last, bare)
    with trio.move_on_after(ANSWER_MAX_S) as patience:
        await stream.send_all(data)
    if patience.cancelled_caught:
        return False
    if last:
        await _part(stream)
    return http.our_state is h11.DONE


def _packed(http: h11.Connection, answer: _Answer, last: bool, bare: bool) -> bytes:
    headers = [
        ("Date", formatdate(usegmt=True)),
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Cache-Control", "no-store"),
    ]
    if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("Allow", "GET, HEAD"))
    if last:
        headers.append(("Connection", "close"))
    response = h11.Response(status_code=answer.status, headers=headers, reason=answer.status.phrase.encode())
    body = b"" if bare else answer.body
    return b"".join(http.send(event) or b"" for event in (response, h11.Data(data=body), h11.EndOfMessage()))


async def _part(stream: trio.SocketStream) -> None:
    """Close so that the answer arrives: what they still send must not meet a closed socket, or they'd see a reset."""
    with trio.move_on_after(FAREWELL_MAX_S):
        await stream.send_eof()
        for _ in range(FAREWELL_READS_MAX):
            if not await stream.receive_some():
                return
