"""Bad weather for bytes: a stream between a connection's watch and its socket on which a network's faults lie.

Each direction is a queue with a pump. What goes in leaves when its time has come, in order, as TCP keeps it: late,
slowly, in pieces, or never. So a stall costs whoever sends nothing until the buffer is full, as with a real socket, and
a delay delays each chunk instead of making them wait for each other.

A connection gets its weather when the first such fault strikes it, and keeps it to its end; those that never meet a
fault never come here.
"""

import errno
import math
import socket
import ssl
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import trio

from fleet.commands.impairments import Direction, Impair, NetworkFault
from fleet.link.failures import Failure
from fleet.link.faults import Faults

BUFFER_BYTES = 64 * 1024
"""What a direction holds before it holds up whoever sends, as a socket's buffer does."""
GIVES_UP_S = 924.6
"""How long TCP repeats what nobody acknowledges: Linux's default of 15 retransmissions."""
_RECEIVE_BYTES = 4096
_DATA_FRAMES = (0x81, 0x82)
_CLOSE, _PONG = 0x88, 0x8A
_FINAL, _OPCODE, _MASKED, _LENGTH = 0x80, 0x0F, 0x80, 0x7F
_FRAGMENTS = 4

Chunk = bytes | OSError
"""Bytes, or in their place the end: whoever comes to it finds the connection broken for this reason."""


def reset_on_close(stream: trio.abc.Stream) -> None:
    """From now on closing it sends RST in place of FIN, where there is a TCP socket below."""
    while isinstance(stream, trio.SSLStream | Weather):
        stream = stream.transport_stream
    if isinstance(stream, trio.SocketStream):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def abort_tls(stream: trio.SocketStream, context: ssl.SSLContext, host: str) -> Failure:
    """Begin a TLS handshake on it, and reset the connection half-way through the first message."""
    outgoing = ssl.MemoryBIO()
    handshake = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    try:
        handshake.do_handshake()
    except ssl.SSLWantReadError:
        hello = outgoing.read()
        # Unless the other side was quicker.
        with suppress(trio.BrokenResourceError):
            await stream.send_all(hello[: len(hello) // 2])
    finally:
        reset_on_close(stream)
        await trio.aclose_forcefully(stream)
    return Failure("tls", "the TLS handshake was broken off (fault)")


def fragments(frame: bytes) -> Iterator[bytes]:
    """A whole masked data frame as several (RFC 6455 section 5.4); anything else comes back as it is.

    The pieces are multiples of four bytes, so that the mask fits each of them as it did the whole.
    """
    if len(frame) < 2:
        yield frame
        return
    length_bytes = {126: 2, 127: 8}.get(frame[1] & _LENGTH, 0)
    mask_at = 2 + length_bytes
    mask, payload = frame[mask_at : mask_at + 4], frame[mask_at + 4 :]
    length = int.from_bytes(frame[2:mask_at], "big") if length_bytes else frame[1] & _LENGTH
    if frame[0] not in _DATA_FRAMES or not frame[1] & _MASKED or length != len(payload) or length <= 4:
        yield frame
        return
    step = max(4, length // _FRAGMENTS // 4 * 4)
    for at in range(0, length, step):
        piece = payload[at : at + step]
        opcode = frame[0] & _OPCODE if at == 0 else 0
        final = _FINAL if at + step >= length else 0
        size = len(piece)
        if size < 126:
            head = bytes([size | _MASKED])
        else:
            head = struct.pack("!BH", 126 | _MASKED, size) if size < 2**16 else struct.pack("!BQ", 127 | _MASKED, size)
        yield bytes([final | opcode]) + head + mask + piece


class _Way:
    """One direction: chunks, and when each of them may leave."""

    __slots__ = ("_alarm", "_direction", "_faults", "_free_at", "_room", "bytes", "chunks", "stalled")

    def __init__(self, faults: Faults, direction: Direction) -> None:
        self._faults = faults
        self._direction = direction
        self._free_at = 0.0
        self._alarm = trio.CancelScope()
        self._room: trio.Event | None = None
        self.chunks: deque[tuple[float, Chunk]] = deque()
        self.bytes = 0
        self.stalled = False

    def put(self, data: Chunk, *, bytes_per_s: float | None = None) -> None:
        """Take a chunk in; `bytes_per_s` is how fast it goes, where something else than `bandwidth` says so."""
        strike, now = self._faults.strike, trio.current_time()
        size = len(data) if isinstance(data, bytes) else 0
        start_at = max(now, self._free_at)
        if bytes_per_s is None and (narrow := strike(NetworkFault.BANDWIDTH, self._direction)):
            bytes_per_s = narrow.bytes_per_s
        if bytes_per_s is not None:
            start_at += size / bytes_per_s
            self._free_at = start_at
        if late := strike(NetworkFault.LATENCY, self._direction):
            start_at += late.latency_s
        if uneven := strike(NetworkFault.JITTER, self._direction):
            start_at += uneven.jitter_s * self._faults.draw(NetworkFault.JITTER)
        # Whatever is slow: nothing overtakes on a stream.
        self.put_at(max(start_at, self.chunks[-1][0]) if self.chunks else start_at, data)

    def put_at(self, at: float, data: Chunk) -> None:
        """Take a chunk in that leaves at this instant."""
        self.bytes += len(data) if isinstance(data, bytes) else 0
        self.chunks.append((at, data))
        self.wake()

    def end(self, why: OSError) -> None:
        """Nothing comes any more but the end, and that at once."""
        self.clear()
        self.put_at(trio.current_time(), why)

    @property
    def ended(self) -> bool:
        """Nothing can come behind what is in here."""
        return bool(self.chunks) and isinstance(self.chunks[-1][1], OSError)

    def clear(self) -> list[Chunk]:
        """Forget all chunks; returns them."""
        lost = [data for _, data in self.chunks]
        self.chunks.clear()
        self.bytes = 0
        self._make_room()
        return lost

    def take(self) -> Chunk:
        """The first chunk; the end stays where it is, for whoever asks again."""
        _, data = self.chunks[0]
        if isinstance(data, bytes) and data:
            self.chunks.popleft()
            self.bytes -= len(data)
            self._make_room()
        return data

    async def wait(self) -> None:
        """Until the first chunk may leave."""
        while True:
            at, data = self.chunks[0] if self.chunks else (math.inf, b"")
            # A stall holds back bytes; that everything is over is no news from the other side.
            if self.stalled and isinstance(data, bytes):
                at = math.inf
            if at <= trio.current_time():
                return
            with trio.CancelScope(deadline=at) as self._alarm:
                await trio.sleep_forever()

    async def wait_for_room(self, bytes_max: int = BUFFER_BYTES) -> None:
        """Until there are no more bytes in here than this."""
        while self.bytes > bytes_max and not (bytes_max == 0 and self.stalled):
            self._room = self._room or trio.Event()
            await self._room.wait()

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    def wake(self) -> None:
        """Look again: something has changed."""
        self._alarm.cancel()


class Weather(trio.abc.Stream):
    """The stream; `nursery` is the connection's, its pumps live there. `change` it when the faults have changed."""

    __slots__ = (
        "_dead",
        "_drawn",
        "_faults",
        "_in",
        "_lies",
        "_nursery",
        "_out",
        "_pumping_in",
        "_upgraded",
        "transport_stream",
    )

    def __init__(self, stream: trio.abc.Stream, faults: Faults, nursery: trio.Nursery, *, upgraded: bool) -> None:
        """`upgraded`: the opening handshake is over."""
        self.transport_stream = stream
        self._faults = faults
        self._nursery = nursery
        self._out, self._in = _Way(faults, Direction.SENT), _Way(faults, Direction.RECEIVED)
        # The faults that were drawn for this connection, each with whether they struck.
        self._drawn: dict[NetworkFault, tuple[Impair, bool]] = {}
        self._dead = self._lies = False
        self._upgraded = upgraded
        self._pumping_in = False
        nursery.start_soon(self._pump_out)
        self.change()

    def change(self) -> None:
        """The faults are others now."""
        stall = self._faults.on.get(NetworkFault.STALL)
        struck = self._strikes(NetworkFault.STALL)
        for way, direction in ((self._out, Direction.SENT), (self._in, Direction.RECEIVED)):
            way.stalled = struck and stall is not None and stall.direction in (Direction.BOTH, direction)
            way.wake()
        if self._upgraded:
            self._see_whether_dead()

    def caught(self, data: bytes | bytearray | BaseException) -> None:
        """Take in what was received below, or how receiving failed; also where the weather came up only meanwhile."""
        if not self._dead and not self._in.ended:
            self._in.put(_reason(data) if isinstance(data, BaseException) else bytes(data))

    # ---- the stream --------------------------------------------------------------------------------------------------

    async def send_all(self, data: "bytes | bytearray | memoryview[int]") -> None:
        await trio.lowlevel.checkpoint()
        await self._out.wait_for_room()
        frame, out, strike = bytes(data), self._out, self._faults.strike
        opcode = frame[0] if frame else 0
        is_message = opcode in _DATA_FRAMES
        if is_message and not self._upgraded:
            self._upgraded = True
            self._see_whether_dead()
        if out.ended:
            raise trio.BrokenResourceError
        if self._dead:
            # It lies in the socket's buffer, unacknowledged.
            out.put_at(trio.current_time() + GIVES_UP_S, frame)
            self._see_whether_dead()
        elif opcode == _PONG and strike(NetworkFault.NO_PONG, Direction.SENT):
            pass
        elif is_message and strike(NetworkFault.RESET):
            out.put(frame[: len(frame) // 2])
            out.put(OSError(errno.ECONNRESET, "reset in the middle of a frame (fault)"))
        elif is_message and (slow := strike(NetworkFault.SLOW)):
            for byte in frame:
                out.put(bytes([byte]), bytes_per_s=slow.bytes_per_s)
        elif is_message and strike(NetworkFault.FRAGMENTS):
            for fragment in fragments(frame):
                out.put(fragment)
        else:
            out.put(frame)
        if opcode == _CLOSE and not self._dead:
            # Whoever sent it is done and may close the stream: a socket's buffer would be emptied all the same.
            await out.wait_for_room(0)

    async def wait_send_all_might_not_block(self) -> None:
        await self._out.wait_for_room()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        await trio.lowlevel.checkpoint()
        if not self._pumping_in:
            self._pumping_in = True
            self._nursery.start_soon(self._pump_in)
        await self._in.wait()
        data = self._in.take()
        if isinstance(data, OSError):
            raise trio.BrokenResourceError from data
        return data

    async def aclose(self) -> None:
        if not self._left_lying():
            await self.transport_stream.aclose()

    # ---- below it ----------------------------------------------------------------------------------------------------

    async def _pump_out(self) -> None:
        try:
            while True:
                await self._out.wait()
                data = self._out.take()
                if self._dead and isinstance(data, bytes):
                    data = OSError(errno.ETIMEDOUT, "nothing was acknowledged any more (fault)")
                if isinstance(data, OSError):
                    await self._hang_up(data)
                    return
                await self.transport_stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._out.end(_reason(error))

    async def _pump_in(self) -> None:
        data: bytes | bytearray = b"..."
        try:
            while data:
                await self._in.wait_for_room()
                data = await self.transport_stream.receive_some(_RECEIVE_BYTES)
                self.caught(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.caught(error)

    async def _hang_up(self, why: OSError) -> None:
        self._out.end(why)
        self._in.end(why)
        if not self._left_lying():
            reset_on_close(self.transport_stream)
            await trio.aclose_forcefully(self.transport_stream)

    def _left_lying(self) -> bool:
        """Whether the other side isn't told that this connection is over, as nothing gets through to it.

        That takes a socket: without one there is no kernel to hold it open.
        """
        below: trio.abc.Stream = self.transport_stream
        while isinstance(below, trio.SSLStream):
            below = below.transport_stream
        if self._dead and isinstance(below, trio.SocketStream):
            # Once for all: what is closed is asked to close again.
            self._dead = False
            reset_on_close(below)
            if NetworkFault.HALF_OPEN in self._faults.on:
                self._lies = True
                self._faults.leave_lying(below.socket.close)
        return self._lies

    def _see_whether_dead(self) -> None:
        """Half-open or not; and where the other side is back, what lies in the buffer tells it of us."""
        if not self._dead and self._strikes(NetworkFault.HALF_OPEN):
            self._dead = True
            self._in.clear()
            for data in self._out.clear():
                self._out.put_at(trio.current_time() + GIVES_UP_S, data)
        if self._dead and NetworkFault.HALF_OPEN not in self._faults.on and self._out.chunks:
            self._out.end(OSError(errno.ECONNRESET, "reset by a side that knows nothing of this connection (fault)"))

    def _strikes(self, fault: NetworkFault) -> bool:
        """Whether a fault strikes this connection: drawn once for each time that the fault is put on."""
        impair = self._faults.on.get(fault)
        if impair is None:
            return False
        drawn = self._drawn.get(fault)
        if drawn is None or drawn[0] is not impair:
            drawn = self._drawn[fault] = (impair, self._faults.strike(fault) is not None)
        return drawn[1]


def _reason(error: BaseException) -> OSError:
    cause = error.__cause__
    return cause if isinstance(cause, OSError) else OSError(errno.ECONNRESET, "connection lost")
