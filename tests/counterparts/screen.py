"""A terminal for tests: a process in a pty, and what one would see on the screen.

Only as much of a VT100 is understood as a line editor needs: characters of one or two cells, moving about, erasing,
scrolling, and the question where the cursor is, which is answered as a terminal does.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prompt_toolkit.utils import get_cwidth

TIMEOUT_S = 15.0
# The process has to be the leader of the pty's foreground group, as under a shell, for its signals.
_LAUNCH = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
_SEQUENCE = re.compile(r"\x1b(?:\[([?>]?)([\d;]*)([A-Za-z])|\][^\x07]*\x07|[=>78])")
_UNFINISHED = re.compile(r"\x1b(?:\[[?>]?[\d;]*|\][^\x07]*)?\Z")


class Screen:
    """Lines of cells, and a cursor; what was scrolled away stays in `scrolled`."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.scrolled: list[str] = []
        self.answers = ""
        self.colours = 0
        self._rest = ""

    @property
    def lines(self) -> list[str]:
        return ["".join(line).rstrip() for line in self.cells]

    @property
    def text(self) -> str:
        """All there ever was, oldest first."""
        return "\n".join([*self.scrolled, *self.lines])

    def resize(self, rows: int, columns: int) -> None:
        kept = self.cells[max(0, self.row + 1 - rows) : self.row + 1]
        self.row = len(kept) - 1
        self.cells = [(line + [" "] * columns)[:columns] for line in kept]
        self.cells += [[" "] * columns for _ in range(rows - len(kept))]
        self.rows, self.columns = rows, columns
        self.column = min(self.column, columns - 1)

    def feed(self, data: str) -> None:
        data = self._rest + data
        unfinished = _UNFINISHED.search(data)
        self._rest = unfinished[0] if unfinished else ""
        data = data.removesuffix(self._rest) if self._rest else data
        place = 0
        while place < len(data):
            if match := _SEQUENCE.match(data, place):
                place = match.end()
                if match[3]:
                    self._control(match[1], match[2], match[3])
                continue
            self._put(data[place])
            place += 1

    def _put(self, character: str) -> None:
        match character:
            case "\r":
                self.column = 0
            case "\n":
                self._down()
            case "\b":
                self.column = max(0, self.column - 1)
            case _ if character >= " ":
                width = get_cwidth(character)
                if width == 0:
                    return
                if self.column + width > self.columns:
                    self.column = 0
                    self._down()
                self.cells[self.row][self.column] = character
                if width == 2:
                    self.cells[self.row][self.column + 1] = ""
                self.column += width

    def _down(self) -> None:
        if self.row == self.rows - 1:
            self.scrolled.append("".join(self.cells.pop(0)).rstrip())
            self.cells.append([" "] * self.columns)
        else:
            self.row += 1

    def _control(self, mark: str, numbers: str, name: str) -> None:
        if mark:
            return
        first = int(numbers.split(";")[0] or 0)
        count = max(1, first)
        match name:
            case "A":
                self.row = max(0, self.row - count)
            case "B":
                self.row = min(self.rows - 1, self.row + count)
            case "C":
                self.column = min(self.columns - 1, self.column + count)
            case "D":
                self.column = max(0, self.column - count)
            case "H":
                self.row, self.column = 0, 0
            case "K":
                self._erase(self.row, self.column if first == 0 else 0)
            case "J":
                self._erase(self.row, self.column if first == 0 else 0)
                for row in range(self.row + 1 if first == 0 else 0, self.rows):
                    self._erase(row, 0)
            case "m":
                self.colours += any(30 <= int(number or 0) <= 107 for number in numbers.split(";"))
            case "n" if first == 6:
                self.answers += f"\x1b[{self.row + 1};{self.column + 1}R"

    def _erase(self, row: int, column: int) -> None:
        self.cells[row][column:] = [" "] * (self.columns - column)


class TerminalProcess:
    """A Python process in a terminal of its own."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        rows: int = 24,
        columns: int = 80,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = Screen(rows, columns)
        self.master, self.slave = pty.openpty()
        self._set_size()
        self.attributes = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, sys.executable, *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
        )

    def __enter__(self) -> "TerminalProcess":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def press(self, keys: str) -> None:
        """Press keys, as the bytes that they send."""
        os.write(self.master, keys.encode())

    def hang_up(self) -> None:
        """Close the terminal."""
        os.close(self.master)
        os.close(self.slave)
        self.master = self.slave = os.open(os.devnull, os.O_RDONLY)
        self.slave = os.dup(self.master)

    def resize(self, rows: int, columns: int) -> None:
        self.screen.resize(rows, columns)
        self._set_size()
        os.killpg(self.process.pid, signal.SIGWINCH)

    def see(self, wanted: str | Callable[[Screen], Any], timeout_s: float = TIMEOUT_S) -> Any:
        """Wait until a text is on the screen or was, or until what is wanted comes true of it."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = wanted in self.screen.text if isinstance(wanted, str) else wanted(self.screen)
            if found:
                return found
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                screen = "\n".join(self.screen.lines)
                raise AssertionError(f"not seen: {wanted!r}\n{screen}\nscrolled away:\n{self.screen.scrolled}")

    def prompt(self) -> None:
        """Wait for an empty prompt, with the toolbar in place."""
        self.see(lambda screen: screen.lines[screen.row].endswith(">") and "msg/s" in screen.lines[-1])

    def end(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait for the process's end, reading to the last; its exit code."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.05)
        while self._read(0.05):
            pass
        return self.process.wait(1)

    @property
    def restored(self) -> bool:
        """Is the terminal as it was at the beginning?"""
        return termios.tcgetattr(self.slave) == self.attributes

    def _read(self, wait_s: float) -> bool:
        if not select.select([self.master], [], [], min(wait_s, TIMEOUT_S))[0]:
            return False
        self.screen.feed(os.read(self.master, 65536).decode(errors="replace"))
        if self.screen.answers:
            os.write(self.master, self.screen.answers.encode())
            self.screen.answers = ""
        return True

    def _set_size(self) -> None:
        size = struct.pack("HHHH", self.screen.rows, self.screen.columns, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)
