"""A file of lines that begins anew when it is large, and never holds half a line.

`wire.jsonl` is the file that is written; the one before it is `wire.1.jsonl`, the one before that `wire.2.jsonl`. What
an earlier run left under that name moves on in the same way, so that nobody's evidence is overwritten by a second look.
A device or a pipe is simply written to.

All here blocks, so it is called in a thread. Lines go to the kernel whole, many at a time, and a write that fails
half-way is taken back to the last whole line; only a process that is killed in the midst of one may leave a part.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from fleet.errors import ConfigurationError

SIZE_MAX_BYTES = 100_000_000
FILES_MAX = 10


class RollingFile:
    """At most `files_max` files of about `size_max_bytes` each, the one in use among them."""

    def __init__(self, path: Path, size_max_bytes: int = SIZE_MAX_BYTES, files_max: int = FILES_MAX) -> None:
        """Opens it; raises ConfigurationError, one line, for a path that can't be written."""
        # A link stays where it is; what it leads to rolls.
        self._path = Path(os.path.realpath(path))
        self._size_max = size_max_bytes
        self._files_max = files_max
        self._fd = -1
        self._size = 0
        self._rolls = False
        self.lines = 0
        """Lines written so far, all files together."""
        self.earlier: Path | None = None
        """Where that is now which was there already."""
        try:
            self._open()
            if self._size:
                self._roll()
                self.earlier = None if self._files_max == 1 else self._numbered(1)
        except BlockingIOError:
            self.close()
            raise ConfigurationError(f"{path}: another process writes there") from None
        except OSError as error:
            with suppress(OSError):
                self.close()
            why = "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror
            raise ConfigurationError(f"{path}: can't write there: {why}") from None

    def write(self, lines: bytes | bytearray, end: int) -> None:
        """Append what stands before `end`, all whole lines; raises OSError, and then `lines` has counted what went."""
        begin = 0
        while begin < end:
            until = end
            if self._rolls and self._size + end - begin > self._size_max:
                # As many lines as still fit, and at least one in a file.
                until = lines.rfind(b"\n", begin, begin + max(0, self._size_max - self._size)) + 1
                if not until:
                    if self._size:
                        self._roll()
                        continue
                    until = lines.index(b"\n", begin) + 1
            self._append(lines, begin, until)
            begin = until

    def close(self) -> None:
        """No more of it; raises OSError where the disk finds out only now that it is full."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _append(self, lines: bytes | bytearray, begin: int, end: int) -> None:
        done = begin
        try:
            with memoryview(lines) as view:
                while done < end:
                    done += os.write(self._fd, view[done:end])
        except OSError:
            whole = max(begin, lines.rfind(b"\n", begin, done) + 1)
            with suppress(OSError):
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - (done - whole))
            done = whole
            raise
        finally:
            self._size += done - begin
            self.lines += lines.count(b"\n", begin, done)

    def _open(self) -> None:
        # Not waiting for a reader, should it be a pipe: nobody reads is an error like any other.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        self._fd = os.open(self._path, flags, 0o666)
        os.set_blocking(self._fd, True)
        status = os.fstat(self._fd)
        self._rolls = stat.S_ISREG(status.st_mode)
        self._size = status.st_size if self._rolls else 0
        if self._rolls:
            _lock(self._fd)

    def _roll(self) -> None:
        """Move every file one on, the oldest out, and begin a new one."""
        if self._files_max == 1:
            os.ftruncate(self._fd, 0)
            self._size = 0
            return
        for number in range(self._files_max - 1, 0, -1):
            # Somebody may have taken one of them away.
            with suppress(FileNotFoundError):
                os.replace(self._numbered(number - 1), self._numbered(number))
        self.close()
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.stem}.{number}{self._path.suffix}") if number else self._path


def _lock(fd: int) -> None:
    """Keep other fleets from it; raises BlockingIOError where one is there already."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        # A file system without locks: nothing that should keep anybody from a trace.
        return
