"""The trace: every frame of the fleet as a line of JSON, in a file, for whoever has to see what was really said.

    {"time":"2026-11-22T11:17:32.123Z","charge_point":"CP0001","direction":"received","type":"result",
     "action":"MeterValues","id":"5c6f...","latency_ms":3.214,"frame":[3,"5c6f...",{}]}

That is one line. `direction` is `sent` or `received` as the charge point sees it; `type` is `call`, `result` or
`error`, and with `id` and `action` there where the frame can be understood; `latency_ms` is on answers, from CALL to
answer, in both directions. `frame` is the frame as it was, apart from its secrets; what is no JSON is `text`
instead, and `binary` says that it came as such. A line `{"time":...,"lost":12}` stands where 12 frames are missing.

A line is made on the fleet's loop, where it costs a few us, and a thread writes many at once. The loop never waits for
the disk: what it can't take in time is left out and counted. And when the disk is full the run is worth more than its
trace: the trace stops, which is said once.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import orjson
import trio

from fleet.clock import Clock
from fleet.core.reports import FrameSeen, FrameSent, ObservedReport
from fleet.observe.frame_line import FrameLines
from fleet.observe.redaction import Redaction
from fleet.observe.rolling import FILES_MAX, SIZE_MAX_BYTES, RollingFile

FLUSH_INTERVAL_S = 0.5
BUFFER_MAX_BYTES = 32_000_000
"""Lines that wait for the disk."""
BUFFER_KEPT_BYTES = 4_000_000
"""What is kept of it when it was written."""
WRITE_TIMEOUT_S = 10.0
"""A disk that takes longer than this for one write doesn't come back in time for anybody."""
_BUFFER_BYTES = 256 * 1024


class _Buffer:
    """Lines that wait, in memory that is used again: fresh memory for each would cost more than to make the line."""

    __slots__ = ("_data", "frames", "size")

    def __init__(self) -> None:
        self._data = bytearray(_BUFFER_BYTES)
        self.size = 0
        self.frames = 0

    def append(self, line: bytes) -> None:
        end = self.size + len(line)
        while end > len(self._data):
            self._data += bytes(len(self._data))
        self._data[self.size : end] = line
        self.size = end

    def write_to(self, file: RollingFile) -> None:
        file.write(self._data, self.size)

    def clear(self) -> None:
        self.size = self.frames = 0
        if len(self._data) > BUFFER_KEPT_BYTES:
            self._data = bytearray(_BUFFER_BYTES)


class Trace:
    """A listener that writes frames down; `run` it beside the fleet, or nothing reaches the disk.

    `lost` counts frames that are not in it; `stopped` says why there are no more of them, once that is so.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        say: Callable[[str], None],
        secrets: Iterable[str] = (),
        size_max_bytes: int = SIZE_MAX_BYTES,
        files_max: int = FILES_MAX,
        buffer_max_bytes: int = BUFFER_MAX_BYTES,
    ) -> None:
        """Opens the file; raises ConfigurationError for a path that can't be written.

        `say` tells people, a line at a time; `secrets`, such as the password of the run, are masked wherever they turn
        up. `buffer_max_bytes` bounds what waits for the disk.
        """
        self.path = path
        self.lost = 0
        self.stopped: str | None = None
        self._file = RollingFile(path, size_max_bytes, files_max)
        if self._file.earlier is not None:
            say(f"fleet: {path} was there already: it is {self._file.earlier.name} now, of {files_max} that are kept")
        self._lines = FrameLines(clock, Redaction(secrets))
        self._say = say
        self._buffer_max = buffer_max_bytes
        self._waiting = _Buffer()
        self._spare = _Buffer()
        self._lost_said = 0
        """Frames lost of which the trace tells."""
        self._closed = False
        self._writing = trio.Lock()
        self._threads = trio.CapacityLimiter(1)

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """Frames."""
        return frozenset((FrameSent, FrameSeen))

    @property
    def written(self) -> int:
        """Lines that are in the file."""
        return self._file.lines

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """Make a line of a frame."""
        waiting = self._waiting
        if waiting.size > self._buffer_max or self.stopped is not None or self._closed:
            self.lost += 1
            return
        if type(report) is FrameSent:
            line = self._lines.line(charge_point_id, self._lines.sent, report.text, report.at)
        elif type(report) is FrameSeen:
            line = self._lines.line(charge_point_id, self._lines.received, report.text, report.at)
        else:
            return
        waiting.append(line)
        waiting.frames += 1

    async def run(self) -> None:
        """Bring lines to the disk until cancelled; the last of them then, and the file is closed."""
        try:
            while self.stopped is None and not self._closed:
                await trio.sleep(FLUSH_INTERVAL_S)
                await self.flush()
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await self.close()

    async def flush(self) -> None:
        """Bring what waits to the disk. Takes no longer than `WRITE_TIMEOUT_S`, and can't be cancelled."""
        async with self._writing:
            if self._closed:
                return
            self._mark_the_lost()
            if self._waiting.size and self.stopped is None:
                full, self._waiting = self._waiting, self._spare
                await self._in_thread(lambda: self._write(full), full.frames)
                # After a write that hangs for ever nobody uses them any more.
                full.clear()
                self._spare = full

    async def close(self) -> None:
        """The last lines, and the end of the file; only now `lost` is all. What is reported after that is lost too."""
        await self.flush()
        async with self._writing:
            if not self._closed:
                self._closed = True
                if self.stopped is None:
                    await self._in_thread(self._file.close, 0)

    def _mark_the_lost(self) -> None:
        """Say where frames are missing that there was no room for."""
        if self.stopped is not None or self.lost == self._lost_said:
            return
        marker = {"time": self._lines.time(trio.current_time()), "lost": self.lost - self._lost_said}
        self._waiting.append(orjson.dumps(marker, option=orjson.OPT_APPEND_NEWLINE))
        if not self._lost_said:
            self._say(f"fleet: {self.path}: the disk is too slow for the trace: frames are left out")
        self._lost_said = self.lost

    def _write(self, full: _Buffer) -> None:
        try:
            full.write_to(self._file)
        except OSError:
            with suppress(OSError):
                self._file.close()
            raise

    async def _in_thread(self, do: Callable[[], None], frames: int) -> None:
        """Do something with the file that concerns so many frames; stop the trace if it fails."""
        before = self._file.lines
        try:
            with trio.move_on_after(WRITE_TIMEOUT_S, shield=True) as patience:
                await trio.to_thread.run_sync(do, abandon_on_cancel=True, limiter=self._threads)
        except OSError as error:
            self._stop(error.strerror or str(error))
            self.lost += max(0, frames - (self._file.lines - before))
        else:
            if patience.cancelled_caught:
                self._stop(f"a write took more than {WRITE_TIMEOUT_S:g} s")
                self.lost += frames

    def _stop(self, why: str) -> None:
        self.stopped = why
        self.lost += self._waiting.frames
        self._waiting.clear()
        self._lines.forget()
        self._say(f"fleet: {self.path}: the trace stops here: {why}; the run goes on")
