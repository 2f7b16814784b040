"""One connection of a charge point to its CSMS, from the first packet to the last.

Per connection there is one nursery of three tasks: the one that lives it, which obeys orders and writes; one that
connects and then carries messages up; and trio-websocket's own reader. A fourth lives for the length of a WebSocket
ping, and faults have tasks of their own while they hold something back (`faults.py`, `weather.py`). Orders are read
from the first moment on, so that a close is obeyed while a connection is still being tried; frames told while there is
none are stale and dropped, and the charge point knows: it was told that the link is down.
"""

import math
from collections.abc import Awaitable, Callable

import trio
from attrs import define
from trio_websocket import ConnectionClosed, WebSocketConnection

from fleet.actors.mailbox import Address, Mailbox, MailboxClosed
from fleet.commands.impairments import Direction, NetworkFault
from fleet.core.effects import (
    CloseLink,
    ImpairLink,
    LinkOrder,
    MendLink,
    OpenLink,
    SetPingInterval,
    UseCredentials,
)
from fleet.core.reports import FrameReceived, LinkReport, LinkUp
from fleet.link.dialling import Limits, dial
from fleet.link.endpoint import Endpoint, EndpointFor
from fleet.link.failures import Failure, connection_ended, library_failed, slow_reader
from fleet.link.faults import Draw, Faults, FrameFaults, Held
from fleet.link.wire import Opened, OpenStream, StageFailed, Wire

Gate = Callable[[], Awaitable[object]]

ORDERS_WAITING_MAX = 32
"""With more than this still to be written nothing more is read: a CSMS that asks faster than it listens has to wait."""


@define(eq=False)
class Connection:
    """The one that a link has now: `live` it, see what became of it, `forget` that, and live the next.

    What the charge point has asked of its link holds from one to the next: faults, credentials, pings.
    """

    endpoint: Endpoint
    orders: Mailbox[LinkOrder]
    up: Address[LinkReport]
    gate: Gate | None
    open_stream: OpenStream | None
    limits: Limits
    draw: Draw
    endpoint_for: EndpointFor | None = None
    following: Endpoint | None = None
    ping_interval_s: float = 0.0
    ping_at: float = math.inf
    pinging: bool = False
    # Of the one under way: the nursery it lives in, and what became of it so far.
    nursery: trio.Nursery | None = None
    dialling: trio.CancelScope | None = None
    wire: Wire | None = None
    socket: WebSocketConnection | None = None
    up_at: float | None = None
    failure: Failure | None = None
    asked: CloseLink | None = None
    orphaned: bool = False
    sending: bool = False
    room: trio.Event | None = None
    # Faults, once there have been any; and what spoils frames, only while something does.
    faults: Faults | None = None
    spoiling: FrameFaults | None = None

    async def live(self) -> None:
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
            if self.faults is not None:
                self.faults.frames.forget()
            if self.wire is not None:
                await trio.aclose_forcefully(self.wire)
                self.wire = None

    def forget(self) -> None:
        """What became of it has been told: the next one begins with nothing of it."""
        self.up_at = self.failure = self.asked = None

    def note(self, order: LinkOrder) -> None:
        """Take in an order that is no frame; a frame is dropped, as it has no connection to go to."""
        if isinstance(order, SetPingInterval):
            self.ping_interval_s = order.interval_s
            if self.socket is not None:
                self._schedule_ping()
        elif isinstance(order, ImpairLink | MendLink):
            self._change_faults(order)
        elif isinstance(order, CloseLink):
            self.asked = order
        elif isinstance(order, OpenLink):
            self.asked = None
        elif isinstance(order, UseCredentials) and self.endpoint_for is not None:
            self.following = self.endpoint_for(order.credentials, order.roots)

    def discard_stale_orders(self) -> None:
        """Frames from before the connection are dropped, the other orders hold."""
        while (order := self.orders.receive_nowait()) is not None:
            self.note(order)

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
            opened = await self._open()
            if opened is not None:
                socket, (_, tcp_s, tls_s) = opened
                self.discard_stale_orders()
                if self.asked is None:
                    # First the way for frames, then the news: the first frame may come before this task runs again.
                    self.socket = socket
                    self._schedule_ping()
                    if self.dialling is not None:
                        self.dialling.cancel()
                    elapsed_s = trio.current_time() - began_at
                    await self.up.report(LinkUp(elapsed_s, tcp_s, tls_s, elapsed_s - tcp_s - (tls_s or 0.0)))
                    self.up_at = trio.current_time()
                    await self._listen(socket)
        except MailboxClosed:
            self.orphaned = True
        # While a close is under way the task that obeys orders ends the connection.
        if self.asked is None or self.up_at is None:
            self._end()

    async def _open(self) -> tuple[WebSocketConnection, Opened] | None:
        """A WebSocket with its subprotocol agreed, and the stream below; or None and `failure` set."""
        assert self.nursery is not None
        try:
            return await dial(
                self.endpoint,
                self.limits,
                self.nursery,
                self.open_stream,
                self.faults,
                self._wired,
                self._give_up,
            )
        except StageFailed as stage:
            self._fail(stage.failure)
            return None

    def _wired(self, wire: Wire) -> None:
        self.wire = wire
        if self.faults is not None and self.nursery is not None:
            wire.expose(self.faults, self.nursery)

    async def _listen(self, socket: WebSocketConnection) -> None:
        receive, report = socket.get_message, self.up.report
        try:
            while True:
                message = await receive()
                if self.sending:
                    await self._wait_for_room()
                if self.spoiling is None:
                    await report(FrameReceived(message))
                else:
                    for frame in self._spoil(self.spoiling, message, Direction.RECEIVED):
                        await report(FrameReceived(frame))
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
                self.note(await self.orders.receive())
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
                        self.note(order)
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

    async def _send(self, socket: WebSocketConnection, text: str) -> None:
        self.sending = True
        try:
            if self.spoiling is not None:
                for frame in self._spoil(self.spoiling, _sendable(text), Direction.SENT):
                    await socket.send_message(frame)
                return
            try:
                await socket.send_message(text)
            except UnicodeEncodeError:
                await socket.send_message(_sendable(text))
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
                if self.faults is not None and self.faults.strike(NetworkFault.NO_PONG, Direction.RECEIVED):
                    await trio.sleep_forever()
            if limit.cancelled_caught:
                self._fail(Failure("ping-timeout", f"no pong within {self.limits.pong_s:g} s"))
                self._end()
        except ConnectionClosed:
            pass
        finally:
            self.pinging = False

    # ---- faults ------------------------------------------------------------------------------------------------------

    def _change_faults(self, order: ImpairLink | MendLink) -> None:
        """Something goes wrong from now on, or no more; a connection that stands has its share of it."""
        faults = self.faults = self.faults or Faults(self.draw)
        faults.change(order)
        self.spoiling = faults.of_frames
        if self.nursery is not None and self.wire is not None:
            self.wire.expose(faults, self.nursery)
        if isinstance(order, ImpairLink) and order.impair.fault is NetworkFault.CUT and (cut := faults.not_connected()):
            self._fail(cut if self.up_at is None else Failure("reset", cut.detail))
            if self.wire is not None:
                self.wire.reset_on_close()
            self._end()

    def _spoil(self, frames: FrameFaults, frame: str | bytes, direction: Direction) -> list[str | bytes]:
        """What goes on in place of a frame."""
        passed = frames.pass_on(frame, direction, trio.current_time())
        if self.nursery is not None:
            frames.see_to_held(self.nursery, self._carry_on)
        return passed

    async def _carry_on(self, held: Held) -> None:
        """A frame that a fault has held back."""
        try:
            if held.direction is Direction.RECEIVED:
                await self.up.report(FrameReceived(held.frame))
            elif self.socket is not None:
                await self.socket.send_message(held.frame)
        except MailboxClosed:
            self.orphaned = True
            self._end()
        except ConnectionClosed:
            pass  # the listening task learns why


def _sendable(text: str) -> str:
    """Text typed by hand can hold half a surrogate pair, which no text frame can."""
    return text.encode("utf-8", "replace").decode("utf-8")
