"""The central system on the network: WebSockets of subprotocol ocpp1.6, over TCP or over any stream handed in.

One task per connection reads, answers and reads on, besides trio-websocket's own. Only a CSMS that is asked to be slow
has the answers given by a second one, so that a charge point that doesn't wait for its answer is noticed. Nothing that
a peer sends ends the server: foreign exceptions stop in `serve_stream`.
"""

from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import trio
from attrs import field, frozen
from attrs.validators import ge
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, wrap_server_stream
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from fleet.csms.central import Central, Policy
from fleet.csms.conversation import Conversation, Heard, Refused
from fleet.csms.gate import Gate, Security, tls_failure
from fleet.csms.records import Record, RecordFile
from fleet.csms.signing import Signer
from fleet.errors import FleetError
from fleet.ocpp.v16 import ChangeConfigurationRequest, ChangeConfigurationResponse
from fleet.ocpp.v16_security import CertificateSignedRequest, CertificateSignedResponse
from fleet.ocpp.v16_types import AcceptedOrRejected
from fleet.pki.layout import Layout
from fleet.words import ConfigurationStatus, RegistrationStatus

SUBPROTOCOL = "ocpp1.6"
MESSAGE_SIZE_MAX = 1024 * 1024
HANDSHAKE_MAX_S = 10.0
GOODBYE_MAX_S = 2.0
CALL_TIMEOUT_S = 30.0
_PASSWORD_KEY = "authorizationkey"
# A whole fleet may connect in one instant.
BACKLOG = 4096


@frozen
class Options:
    """What a central system is told at its start.

    `port` 0 takes a free one; every answer waits `latency_s` first; `records` is appended to, and a file that is there
    already is continued; None keeps no records. `authority` is the PKI whose root signs charge points' certificates.
    """

    host: str = "127.0.0.1"
    port: int = 0
    latency_s: float = field(default=0.0, validator=ge(0))
    boot: RegistrationStatus = RegistrationStatus.ACCEPTED
    heartbeat_interval_s: int = field(default=60, validator=ge(0))
    boot_retry_s: int = field(default=10, validator=ge(0))
    records: Path | None = None
    security: Security = field(factory=Security)
    authority: Layout | None = None


class CallFailed(Exception):
    """A CALL of ours got no result. `code`: a CALLERROR code, NotConnected, Disconnected, Timeout or BadResult."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class Connection:
    """One charge point's WebSocket, and the turn of whoever wants to call it: one CALL in flight."""

    __slots__ = ("answered", "conversation", "late", "over", "scope", "turn", "websocket")

    def __init__(self, websocket: WebSocketConnection, conversation: Conversation, scope: trio.CancelScope) -> None:
        self.websocket = websocket
        self.conversation = conversation
        self.scope = scope
        self.turn: trio.Lock | None = None
        self.answered: trio.Event | None = None
        # What waits for its answer and until when, in the order it came; None while no task is there to give them.
        self.late: deque[tuple[float, Heard]] | None = None
        self.over = False


class Server:
    """A central system that is connected to charge points.

    `central` keeps its books; `gate` knows who may come in; `port` is known once it listens.
    """

    def __init__(self, central: Central, latency_s: float = 0.0, gate: Gate | None = None) -> None:
        self.central = central
        self.gate = gate or Gate()
        self.latency_s = latency_s
        self.host = ""
        self.port = 0
        self._closing = False
        self._connections: dict[str, Connection] = {}

    @property
    def url(self) -> str:
        """Where charge points connect; their id is appended."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ws' if self.gate.context is None else 'wss'}://{host}:{self.port}/"

    @property
    def connected(self) -> frozenset[str]:
        """The ids of the charge points that are connected."""
        return frozenset(self._connections)

    @property
    def connections(self) -> int:
        """How many charge points are connected."""
        return len(self._connections)

    # ---- our own CALLs -----------------------------------------------------------------------------------------------

    async def call(self, charge_point: str, request: object, timeout_s: float = CALL_TIMEOUT_S) -> object:
        """Ask a charge point, wait for its response, and return that; one request at a time, others queue.

        Raises CallFailed when it isn't connected, refuses, answers against the specification or not in time.
        """
        connection = self._connections.get(charge_point)
        if connection is None:
            raise CallFailed("NotConnected", f"{charge_point} is not connected")
        if connection.turn is None:
            connection.turn = trio.Lock()
        async with connection.turn:
            if connection.over:
                raise CallFailed("Disconnected", f"{charge_point} is gone")
            if isinstance(request, ChangeConfigurationRequest) and request.key.casefold() == _PASSWORD_KEY:
                return await self._change_password(connection, request, timeout_s)
            return await self._call_in_turn(connection, request, timeout_s)

    async def _change_password(
        self, connection: Connection, request: ChangeConfigurationRequest, timeout_s: float
    ) -> object:
        """The password that a charge point is given is the one it has to come back with, once it has accepted it.

        While that isn't known it may come with either: it reconnects as soon as it has answered.
        """
        gate, charge_point = self.gate, connection.conversation.charge_point
        before = gate.accepted(charge_point)
        if before:
            gate.accept(charge_point, *before, request.value)
        response = None
        try:
            response = await self._call_in_turn(connection, request, timeout_s)
        finally:
            if isinstance(response, ChangeConfigurationResponse) and response.status is ConfigurationStatus.ACCEPTED:
                gate.accept(charge_point, request.value)
            elif response is not None and before:
                gate.accept(charge_point, *before)
        return response

    async def _call_in_turn(self, connection: Connection, request: object, timeout_s: float) -> object:
        conversation = connection.conversation
        text = conversation.ask(request)
        connection.answered = trio.Event()
        try:
            with trio.move_on_after(timeout_s):
                await connection.websocket.send_message(text)
                await connection.answered.wait()
        except ConnectionClosed:
            connection.over = True
        finally:
            connection.answered = None
            if conversation.settled is None:
                conversation.give_up()
        settled = conversation.settled
        if isinstance(settled, Refused):
            raise CallFailed(settled.code, settled.description)
        if settled is not None:
            return settled
        if connection.over:
            raise CallFailed("Disconnected", f"{conversation.charge_point} went before it answered")
        raise CallFailed("Timeout", f"{conversation.charge_point} did not answer within {timeout_s:g} s")

    # ---- connections -------------------------------------------------------------------------------------------------

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one connection from its handshake to its end; returns then, whatever the peer did."""
        try:
            async with trio.open_nursery() as nursery:
                await self._attend(stream, nursery)
                # trio-websocket's reader ends by itself once the closing handshake is through.
                nursery.cancel_scope.deadline = trio.current_time() + GOODBYE_MAX_S
        except* (ConnectionClosed, LocalProtocolError, RemoteProtocolError, trio.BrokenResourceError):
            # The peer went in the middle of something, or speaks no WebSocket.
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _attend(self, stream: trio.abc.Stream, nursery: trio.Nursery) -> None:
        request: WebSocketRequest | None = None
        with trio.move_on_after(HANDSHAKE_MAX_S):
            try:
                stream = await self.gate.secure(stream)
            except trio.BrokenResourceError as broken:
                self.central.note("", "tls", tls_failure(broken))
                raise
            request = await wrap_server_stream(nursery, stream, max_message_size=MESSAGE_SIZE_MAX)
        if request is None or self._closing:
            nursery.cancel_scope.cancel()
            return
        charge_point = charge_point_of(request.path)
        if not charge_point:
            self.central.note("", "no-identity", f"path {request.path[:80]!r} names no charge point")
            await request.reject(404)
        elif (refusal := self.gate.refusal(charge_point, request.headers, stream)) is not None:
            self.central.note(charge_point, "unauthorized", refusal.why)
            await request.reject(refusal.status, extra_headers=refusal.headers)
        elif SUBPROTOCOL not in request.proposed_subprotocols:
            # OCPP-J 1.6 section 3.2: complete the handshake without a subprotocol, then close at once.
            self.central.note(charge_point, "subprotocol", f"offered {', '.join(request.proposed_subprotocols)!r}")
            websocket = await request.accept()
            await websocket.aclose(1002, f"only {SUBPROTOCOL} is spoken here")
        else:
            websocket = await request.accept(subprotocol=SUBPROTOCOL)
            conversation = Conversation(charge_point, self.central)
            await self._converse(Connection(websocket, conversation, nursery.cancel_scope), nursery)

    async def _converse(self, connection: Connection, nursery: trio.Nursery) -> None:
        """Answer until the connection ends."""
        websocket, conversation = connection.websocket, connection.conversation
        charge_point = conversation.charge_point
        replaced = self._connections.get(charge_point)
        if replaced is not None:
            # It was cut and we haven't heard: the newer connection counts.
            replaced.scope.cancel()
        self._connections[charge_point] = connection
        try:
            while True:
                heard = conversation.receive(await websocket.get_message())
                if heard is None:
                    if connection.answered is not None and conversation.settled is not None:
                        connection.answered.set()
                elif self.latency_s > 0:
                    if connection.late is None:
                        connection.late = deque()
                        nursery.start_soon(self._answer_late, connection, connection.late, nursery)
                    connection.late.append((trio.current_time() + self.latency_s, heard))
                else:
                    await websocket.send_message(conversation.answer(heard))
                    self._send_granted(charge_point, nursery)
        except ConnectionClosed:
            if websocket.closed is not None and websocket.closed.code == 1009:
                self.central.note(charge_point, "oversize", f"a message of more than {MESSAGE_SIZE_MAX} bytes")
        finally:
            connection.over = True
            if connection.answered is not None:
                connection.answered.set()
            if self._connections.get(charge_point) is connection:
                del self._connections[charge_point]
            while connection.late:
                # It came here, though the answer goes nowhere: recorded before the charge point comes back with it.
                conversation.answer(connection.late.popleft()[1])

    async def _answer_late(
        self, connection: Connection, late: "deque[tuple[float, Heard]]", nursery: trio.Nursery
    ) -> None:
        """Give each answer when it is due, one after the other, until none is left to give."""
        while late:
            await trio.sleep_until(late[0][0])
            # None are left once the connection is over.
            if late:
                text = connection.conversation.answer(late.popleft()[1])
                with suppress(ConnectionClosed):
                    await connection.websocket.send_message(text)
                    self._send_granted(connection.conversation.charge_point, nursery)
        connection.late = None

    def _send_granted(self, charge_point: str, nursery: trio.Nursery) -> None:
        """A certificate that was promised with the last answer follows it."""
        granted = self.central.granted
        if granted and (chain := granted.pop(charge_point, None)) is not None:
            nursery.start_soon(self._send_certificate, charge_point, chain)

    async def _send_certificate(self, charge_point: str, chain: str) -> None:
        try:
            response = await self.call(charge_point, CertificateSignedRequest(chain))
        except CallFailed as failed:
            self.central.note(charge_point, "certificate-not-taken", str(failed))
            return
        if isinstance(response, CertificateSignedResponse) and response.status is AcceptedOrRejected.REJECTED:
            self.central.note(charge_point, "certificate-not-taken", "the charge point rejects it")

    async def close(self) -> None:
        """Say goodbye to everybody with 1001 (going away), for a moment at most; nobody new is served."""
        self._closing = True
        with trio.move_on_after(GOODBYE_MAX_S):
            async with trio.open_nursery() as nursery:
                for connection in self._connections.values():
                    nursery.start_soon(connection.websocket.aclose, 1001)


def charge_point_of(path: str) -> str:
    """The charge point's id: the last segment of the URL's path (OCPP-J 1.6 section 3.1.1); empty if there is none."""
    return unquote(path.partition("?")[0].rpartition("/")[2])


async def _listen(host: str, port: int) -> tuple[list[trio.SocketListener], int]:
    """Listeners and their port; raises FleetError with one clear line."""
    try:
        listeners = list(await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG))
    except OSError as error:
        raise FleetError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    listening_port: int = listeners[0].socket.getsockname()[1]
    if port == 0:
        # A name may have several addresses, and each would get a free port of its own.
        for other in listeners[1:]:
            await other.aclose()
        del listeners[1:]
    return listeners, listening_port


def _keep_nothing(_: Record) -> None:
    """For a central system without records."""


async def serve(options: Options, *, task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled; the `Server` is handed over once it listens. Cancelling cuts: `Server.close` first.

    Raises FleetError (in a group, once it serves) for an address that can't be had, certificates that can't be used and
    records that can't be kept.
    """
    gate = Gate(options.security)
    file = None if options.records is None else RecordFile(options.records)
    try:
        central = Central(
            lambda: datetime.now(UTC),
            _keep_nothing if file is None else file,
            Policy(options.boot, options.heartbeat_interval_s, options.boot_retry_s),
            () if file is None else file.earlier(),
            None if options.authority is None else Signer(options.authority),
        )
        server = Server(central, options.latency_s, gate)
        listeners, server.port = await _listen(options.host, options.port)
        server.host = options.host
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, server.serve_stream, listeners)
            task_status.started(server)
    finally:
        if file is not None:
            file.close()
