"""The link: one charge point's WebSocket to its CSMS, opened again whenever it ends.

`run_link` is an actor beside the charge point. Orders come down its mailbox, what happens goes up as reports, and
whatever a CSMS or a network does becomes exactly one of these: `ConnectFailed` for a connection that never came about,
`LinkDown` for one that had been reported up. No exception but cancellation comes out of it.

Per connection there is one nursery of three tasks: this one, which obeys orders and writes; one that connects and then
carries messages up; and trio-websocket's own reader. A fourth lives for the length of a WebSocket ping. Orders are read
from the first moment on, so that a close is obeyed while a connection is still being tried; frames told while there is
none are stale and dropped, and the charge point knows: it was told that the link is down.

Cancelled, the link closes its socket at once; asked with `CloseLink`, it closes politely within `close_s`.
"""

import math
from collections.abc import Awaitable, Callable

import trio
from attrs import define, field, frozen
from attrs.validators import gt
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from fleet.actors.mailbox import Address, Mailbox, MailboxClosed
from fleet.core.credentials import Credentials
from fleet.core.effects import CloseLink, LinkOrder, OpenLink, SetPingInterval, UseCredentials
from fleet.core.reports import ConnectFailed, FrameReceived, LinkDown, LinkReport, LinkUp
from fleet.link.backoff import Backoff
from fleet.link.endpoint import Endpoint
from fleet.link.failures import Failure, connecting_failed, connection_ended, library_failed, slow_reader
from fleet.link.wire import Opened, OpenStream, StageFailed, Wire, open_wire_stream

Gate = Callable[[], Awaitable[object]]


@frozen
class Limits:
    """How long and how large things may get, in s and bytes. One object serves every link."""

    connect_s: float = field(default=30.0, validator=gt(0))
    close_s: float = field(default=5.0, validator=gt(0))
    send_s: float = field(default=30.0, validator=gt(0))
    pong_s: float = field(default=30.0, validator=gt(0))
    message_bytes: int = field(default=2**20, validator=gt(0))


ORDERS_WAITING_MAX = 32
"""With more than this still to be written nothing more is read: a CSMS that asks faster than it listens has to wait."""

_LIMITS = Limits()
_BACKOFF = Backoff()


async def run_link(
    endpoint: Endpoint,
    orders: Mailbox[LinkOrder],
    up: Address[LinkReport],
    *,
    jitter: Callable[[int], float],
    connect: Gate | None = None,
    backoff: Backoff = _BACKOFF,
    open_stream: OpenStream | None = None,
    limits: Limits = _LIMITS,
    endpoint_for: Callable[[Credentials], Endpoint] | None = None,
) -> None:
    """Keep one charge point connected until a `CloseLink(reconnect=False)`, or until either mailbox is closed.

    `connect` is awaited before the first connection only (the ramp); `jitter` gives the fraction in [0, 1) of the
    longest wait after so many failures in a row; `open_stream` stands in for TCP and TLS; `endpoint_for` is where to
    connect with other credentials than those it begins with.
    """
    await _Link(endpoint, orders, up, jitter, connect, backoff, open_stream, limits, endpoint_for).run()


@define(eq=False)
class _Link:
    endpoint: Endpoint
    orders: Mailbox[LinkOrder]
    up: Address[LinkReport]
    jitter: Callable[[int], float]
    gate: Gate | None
    backoff: Backoff
    open_stream: OpenStream | None
    limits: Limits
    endpoint_for: Callable[[Credentials], Endpoint] | None = None
    following: Endpoint | None = None
    failures: int = 0
    ping_interval_s: float = 0.0
    ping_at: float = math.inf
    pinging: bool = False
    # Of the connection under way: the nursery it lives in, and what became of it so far.
    nursery: trio.Nursery | None = None
    dialling: trio.CancelScope | None = None
    opened: Opened | None = None
    wire: Wire | None = None
    socket: WebSocketConnection | None = None
    up_at: float | None = None
    failure: Failure | None = None
    asked: CloseLink | None = None
    orphaned: bool = False
    sending: bool = False
    room: trio.Event | None = None

    async def run(self) -> None:
        # Who is switched on while it is to stay away doesn't even knock.
        self._discard_stale_orders()
        asked = self.asked
        if asked is not None:
            self._forget()
            if not asked.reconnect or not await self._stay_away(trio.current_time() + asked.pause_s):
                return
        while True:
            await self._live_once()
            asked = self.asked
            delay_s = self._next_delay_s()
            # Reported before anything else is read: the charge point must know before it can be asked again.
            if not self.orphaned:
                await self._report_end(delay_s)
            if self.orphaned or (asked is not None and not asked.reconnect):
                return
            self._forget()
            if not await self._stay_away(trio.current_time() + delay_s):
                return

    # ---- one connection, from the first packet to the last -----------------------------------------------------------

    async def _live_once(self) -> None:
        """Connect, talk, end. Afterwards `up_at`, `failure`, `asked` and `orphaned` tell what happened."""
        if self.following is not None:
            # Not earlier: what is told of the last connection's end must show nothing of what that one was opened with.
            self.endpoint, self.following = self.following, None
        try:
            async with trio.open_nursery() as nursery:
                self.nursery = nursery
                self.dialling = trio.CancelScope()
                nursery.start_soon(self._connect_and_listen)
                await self._obey()
        except BaseExceptionGroup as group:
            # From trio-websocket's reader: the tasks here raise nothing. Whoever cancelled us is served below.
            others = group.split(trio.Cancelled)[1]
            if others is None or not isinstance(others, Exception):
                raise
            self._fail(library_failed(others, opened=self.up_at is not None))
            await trio.lowlevel.checkpoint_if_cancelled()
        finally:
            self.nursery = self.socket = None
            self.ping_at = math.inf
            if self.wire is not None:
                await trio.aclose_forcefully(self.wire)
                self.wire = None

    def _fail(self, failure: Failure) -> None:
        """What is said first about a connection's end counts: the rest only follows from it."""
        if self.failure is None:
            self.failure = failure

    def _give_up(self, failure: Failure) -> None:
        """The wire under the connection is no good any more."""
        self._fail(failure)
        # An open connection ends by itself, after what was received on it has been carried up.
        if self.up_at is None:
            self._end()

    def _end(self) -> None:
        if self.nursery is not None:
            self.nursery.cancel_scope.cancel()

    # ---- the task that connects and carries messages up --------------------------------------------------------------

    async def _connect_and_listen(self) -> None:
        try:
            if self.gate is not None:
                gate, self.gate = self.gate, None
                await gate()
            began_at = trio.current_time()
            socket = await self._open()
            if socket is not None:
                self._discard_stale_orders()
                if self.asked is None:
                    # First the way for frames, then the news: the first frame may come before this task runs again.
                    self.socket = socket
                    self._schedule_ping()
                    if self.dialling is not None:
                        self.dialling.cancel()
                    await self.up.report(self._link_up(trio.current_time() - began_at))
                    self.up_at = trio.current_time()
                    await self._listen(socket)
        except MailboxClosed:
            self.orphaned = True
        # While a close is under way the task that obeys orders ends the connection.
        if self.asked is None or self.up_at is None:
            self._end()

    def _link_up(self, elapsed_s: float) -> LinkUp:
        assert self.opened is not None
        _, tcp_s, tls_s = self.opened
        self.opened = None
        return LinkUp(elapsed_s, tcp_s, tls_s, elapsed_s - tcp_s - (tls_s or 0.0))

    async def _open(self) -> WebSocketConnection | None:
        """A WebSocket with its subprotocol agreed, or None and `failure` set."""
        nursery = self.nursery
        assert nursery is not None
        target = self.endpoint.target()
        what = "TLS connection" if target.secure else "TCP connection"
        with trio.move_on_after(self.limits.connect_s):
            try:
                if self.open_stream is not None:
                    opened = Opened(await self.open_stream())
                else:
                    opened = await open_wire_stream(target, self.endpoint.tls_context)
            except StageFailed as stage:
                self._fail(stage.failure)
                return None
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self._fail(connecting_failed(error, stage="tcp"))
                return None
            what = "answer to the WebSocket handshake"
            self.opened = opened
            self.wire = Wire(opened.stream, self.endpoint.subprotocols, self.limits.send_s, self._give_up)
            return await wrap_client_stream(
                nursery,
                self.wire,  # type: ignore[arg-type]  # any stream will do, its own documentation says
                target.host_header,
                target.resource,
                subprotocols=self.endpoint.subprotocols,
                extra_headers=self.endpoint.request_headers(target),
                max_message_size=self.limits.message_bytes,
            )
        self._fail(Failure("timeout", f"no {what} within {self.limits.connect_s:g} s"))
        return None

    async def _listen(self, socket: WebSocketConnection) -> None:
        receive, report = socket.get_message, self.up.report
        try:
            while True:
                message = await receive()
                if self.sending:
                    await self._wait_for_room()
                await report(FrameReceived(message))
        except ConnectionClosed as closed:
            wire = self.wire
            if self.asked is None and wire is not None:
                self._fail(connection_ended(closed, loss=wire.loss, close_frame_sent=wire.close_frame_sent))

    async def _wait_for_room(self) -> None:
        """Every message carried up may bring an answer down: take no more of them than can be written."""
        while self.socket is not None and self.orders.waiting > ORDERS_WAITING_MAX:
            self.room = trio.Event()
            await self.room.wait()

    # ---- the task that obeys orders ----------------------------------------------------------------------------------

    async def _obey(self) -> None:
        """Until cancelled, or until the connection is closed as asked."""
        try:
            await self._obey_dialling()
            await self._obey_open()
        except (trio.ClosedResourceError, trio.EndOfChannel):
            self.orphaned = True
        else:
            await self._close()
        self._end()

    async def _obey_dialling(self) -> None:
        """While there is nothing to send on: until the connection is open, or a close is asked for."""
        assert self.dialling is not None
        with self.dialling:
            while self.asked is None:
                self._note(await self.orders.receive())
        self.dialling = None

    async def _obey_open(self) -> None:
        """Send, and ping when it is time: until a close is asked for, or until the CSMS reads no more.

        One guard, its deadline moved along, is both the ping's timer and the limit on sending: a scope of its own for
        each of these would cost every message as much as a switch of tasks.
        """
        receive, order = self.orders.receive, None
        while self.asked is None:
            sending = False
            with trio.CancelScope() as guard:
                while self.asked is None and not guard.cancel_called:
                    if order is None:
                        guard.deadline = self.ping_at
                        order = await receive()
                        if guard.cancel_called:
                            # Not under a guard that is spent: the order is seen to in the next round.
                            break
                    if not isinstance(order, str):
                        self._note(order)
                    elif self.socket is not None:
                        guard.deadline = trio.current_time() + self.limits.send_s
                        sending = True
                        await self._send(self.socket, order)
                        sending = False
                    order = None
                    if self.room is not None:
                        self.room.set()
                        self.room = None
            if sending:
                # Part of a frame may be out: nothing sensible can be sent on this wire any more.
                self._fail(slow_reader(self.limits.send_s))
                self._end()
                await trio.sleep_forever()
            if trio.current_time() >= self.ping_at:
                self._start_ping()

    def _note(self, order: LinkOrder) -> None:
        """Take in an order that is no frame; a frame is dropped, as it has no connection to go to."""
        if isinstance(order, SetPingInterval):
            self.ping_interval_s = order.interval_s
            if self.socket is not None:
                self._schedule_ping()
        elif isinstance(order, CloseLink):
            self.asked = order
        elif isinstance(order, OpenLink):
            self.asked = None
        elif isinstance(order, UseCredentials) and self.endpoint_for is not None:
            self.following = self.endpoint_for(order.credentials)

    async def _send(self, socket: WebSocketConnection, text: str) -> None:
        self.sending = True
        try:
            try:
                await socket.send_message(text)
            except UnicodeEncodeError:
                # Text typed by hand can hold half a surrogate pair, which no text frame can.
                await socket.send_message(text.encode("utf-8", "replace").decode("utf-8"))
        except ConnectionClosed:
            # The listening task learns why, once it has carried up what still came in.
            self.socket = None
        finally:
            self.sending = False

    async def _close(self) -> None:
        """Close as asked: politely where there is something to close, and in bounded time."""
        assert self.asked is not None
        code = self.asked.code
        if self.socket is not None:
            with trio.move_on_after(self.limits.close_s) as limit:
                await self.socket.aclose(code)
            if limit.cancelled_caught:
                seconds = f"{self.limits.close_s:g} s"
                self._fail(Failure("close-timeout", f"our close frame was not answered within {seconds}"))
        self._fail(Failure(f"closed-{code}", "closed by the charge point"))

    def _discard_stale_orders(self) -> None:
        """Frames from before the connection are dropped, the other orders hold."""
        while (order := self.orders.receive_nowait()) is not None:
            self._note(order)

    # ---- WebSocket pings ---------------------------------------------------------------------------------------------

    def _schedule_ping(self) -> None:
        self.ping_at = trio.current_time() + self.ping_interval_s if self.ping_interval_s > 0 else math.inf

    def _start_ping(self) -> None:
        self._schedule_ping()
        if self.nursery is not None and self.socket is not None and not self.pinging:
            # A task for the length of a round trip, as frames must not wait for a pong.
            self.pinging = True
            self.nursery.start_soon(self._ping, self.socket)

    async def _ping(self, socket: WebSocketConnection) -> None:
        try:
            with trio.move_on_after(self.limits.pong_s) as limit:
                await socket.ping()
            if limit.cancelled_caught:
                self._fail(Failure("ping-timeout", f"no pong within {self.limits.pong_s:g} s"))
                self._end()
        except ConnectionClosed:
            pass
        finally:
            self.pinging = False

    # ---- between two connections -------------------------------------------------------------------------------------

    def _next_delay_s(self) -> float:
        if self.asked is not None:
            self.failures = 0
            return self.asked.pause_s
        if self.up_at is not None and trio.current_time() - self.up_at >= self.backoff.settled_s:
            self.failures = 0
        delay_s = self.backoff.delay_s(self.failures, self.jitter(self.failures))
        self.failures += 1
        return delay_s

    async def _report_end(self, retry_in_s: float) -> None:
        failure = self.failure
        try:
            if self.up_at is not None:
                reason, detail = failure or Failure("internal", "ended for no known reason")
                await self.up.report(LinkDown(reason, self.endpoint.redact(detail)))
            elif self.asked is None:
                reason, detail = failure or Failure("internal", "not connected for no known reason")
                await self.up.report(ConnectFailed(reason, self.endpoint.redact(detail), retry_in_s))
        except MailboxClosed:
            self.orphaned = True

    def _forget(self) -> None:
        self.up_at = self.failure = self.asked = None

    async def _stay_away(self, until: float) -> bool:
        """Until `until`, or until told to connect; frames are dropped. False when there is to be no more connection."""
        while True:
            try:
                order = await self.orders.receive_until(until)
            except (trio.ClosedResourceError, trio.EndOfChannel):
                return False
            if order is None:
                return True
            if isinstance(order, OpenLink):
                # Somebody wants it now: what failed before says nothing any more.
                self.failures = 0
                return True
            self._note(order)
            asked, self.asked = self.asked, None
            if asked is not None:
                if not asked.reconnect:
                    return False
                until = trio.current_time() + asked.pause_s
