"""Standard output that may be lost: a pipe whose reader went, a disk that is full, an alphabet that is too small.

What people read must not decide what a fleet does: the first write that fails mutes the output for good and tells
whoever asked to know. A terminal is left alone; it isn't lost by writing to it. Where the locale's encoding has no
such character, another one stands in its place: after eight hours a tick that Latin-1 doesn't know must not take the
result away.
"""

import codecs
import errno
import io
import os
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


def reader_is_gone(error: OSError) -> bool:
    """Nobody reads any more, as in `fleet run | head`."""
    return error.errno == errno.EPIPE
