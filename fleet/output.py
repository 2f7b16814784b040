"""Standard output and error that may be lost: a pipe whose reader went or doesn't read, a disk that is full.

What people read must not decide what a fleet does: the first write that fails mutes the output for good and tells
whoever asked to know. A terminal is left alone; it isn't lost by writing to it. Where the locale's encoding has no
such character, another one stands in its place: after eight hours a tick that Latin-1 doesn't know must not take the
result away. And whoever starts `fleet connect` with a pipe for the log, and never reads it, would stop the charge point
as soon as the pipe is full: what doesn't fit is left out instead.
"""

import codecs
import errno
import io
import os
import select
import stat
import sys
from collections.abc import Callable
from typing import Any, TextIO

_SUBSTITUTES = {
    "\N{CHECK MARK}": "+",
    "\N{BALLOT X}": "x",
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{RIGHTWARDS ARROW}": "->",
}
_ERRORS = "fleet-substitute"


def _substitute(error: UnicodeError) -> tuple[str, int]:
    """What to write for characters that the encoding doesn't have, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_SUBSTITUTES.get(character, "?") for character in characters), error.end


codecs.register_error(_ERRORS, _substitute)


class Output:
    """A text stream that never raises for a write. `lost` is why it is mute, once it is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told: Callable[[OSError], None] | None = None
        self.lost: OSError | None = None

    def tell(self, told: Callable[[OSError], None]) -> None:
        """Call `told` when the output is lost, in whichever thread finds out; at once if that was before."""
        self._told = told
        if self.lost is not None:
            told(self.lost)

    def write(self, text: str) -> int:
        if self.lost is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        if self.lost is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = error
        # What the stream still buffers goes nowhere, also when the interpreter flushes it at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if self._told is not None:
            self._told(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard() -> Output | None:
    """Put an `Output` in the place of standard output; None where that is a terminal."""
    if sys.stdout is None:
        # Closed by whoever started us: as good as a place where nobody reads.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for the process's life
    if isinstance(sys.stdout, Output):
        return sys.stdout
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_ERRORS)
    if sys.stdout.isatty():
        return None
    output = Output(sys.stdout)
    sys.stdout = output
    return output


class Unhurried:
    """A text stream into a pipe that waits for a reader once and briefly, and from then on leaves out what has no room.

    What finds room again is preceded by a line that says so. To wait anew for each gap would let a slow reader hold up
    whoever writes time and again; where it is worth that, `wait_again`.
    """

    def __init__(self, stream: TextIO, patience_s: float = 1.0) -> None:
        self._stream = stream
        self.patience_s = patience_s
        self._room = select.poll()
        self._room.register(stream.fileno(), select.POLLOUT)
        self._line = ""
        self._left_out = self._hurried = False

    def write(self, text: str) -> int:
        self._line += text
        if "\n" in text:
            self.flush()
        return len(text)

    def flush(self) -> None:
        line, self._line = self._line, ""
        if line:
            # In one piece: a pipe of which a reader empties a little at a time would else be filled with gaps.
            self._left_out = not self._fits(_GAP + line if self._left_out else line)

    def wait_again(self) -> None:
        """What comes now is worth one more wait."""
        self._hurried = False

    def _fits(self, text: str) -> bool:
        """Write it, as far as nothing has to be waited for in vain."""
        data = text.encode(self._stream.encoding, "backslashreplace")
        # A pipe that is ready has room for so many bytes at once.
        for start in range(0, len(data), select.PIPE_BUF):
            if not self._room.poll(0 if self._hurried else self.patience_s * 1000):
                self._hurried = True
                return False
            os.write(self._stream.fileno(), data[start : start + select.PIPE_BUF])
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_GAP = "\nfleet: lines are missing here, which nobody read in time\n"


def guard_errors() -> None:
    """Put an `Unhurried` in the place of standard error where that is a pipe or a socket."""
    if isinstance(sys.stderr, io.TextIOWrapper):
        try:
            mode = os.fstat(sys.stderr.fileno()).st_mode
        except OSError:
            return  # a stand-in that has no file
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            sys.stderr.flush()
            sys.stderr = Unhurried(sys.stderr)


def wait_for_readers() -> None:
    """What is written now is what all the rest was for: whoever reads it slowly is waited for, as at the beginning."""
    if isinstance(sys.stderr, Unhurried):
        sys.stderr.wait_again()


def reader_is_gone(error: OSError) -> bool:
    """Nobody reads any more, as in `fleet run | head`."""
    return error.errno == errno.EPIPE
