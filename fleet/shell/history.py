"""The lines that were typed, across runs.

They are kept under the user's state directory, which only its owner may read, because a line may hold what nobody can
tell to be a password. One that is told to hold one isn't kept at all, nor is a line that begins with a space, as in
other shells. Without a writable directory the lines of this run are all there is.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from fleet.observe.redaction import redacted_line

LINES_MAX = 10_000
"""Lines that are kept; the oldest go first, when a shell starts."""


class LineHistory(FileHistory):
    """History in a file, with the newest `LINES_MAX` lines."""

    def load_history_strings(self) -> Iterable[str]:
        """The newest first; nothing if the file can't be read."""
        try:
            lines = list(super().load_history_strings())
        except OSError:
            return []
        return lines[:LINES_MAX]

    def store_string(self, string: str) -> None:
        """Keep a line, if that is possible: a full disk is no reason to end the shell."""
        if string.startswith(" ") or not string.strip() or redacted_line(string) != string:
            return
        try:
            super().store_string(string)
        except OSError:
            return


def history_path() -> Path:
    """`$XDG_STATE_HOME/fleet/history`, by default under `~/.local/state`."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a path that isn't absolute is to be ignored.
    folder = Path(state) if state and Path(state).is_absolute() else Path.home() / ".local" / "state"
    return folder / "fleet" / "history"


def open_history(path: Path | None = None) -> History:
    """The history at `path`, made if it isn't there; in memory only where that is impossible."""
    try:
        path = path or history_path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.close(descriptor)
        os.chmod(path, 0o600)
        _shorten(path)
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return InMemoryHistory()
    return LineHistory(str(path))


def _shorten(path: Path) -> None:
    """Rewrite a file that has grown to twice what is kept."""
    lines = list(FileHistory(str(path)).load_history_strings())
    if len(lines) <= 2 * LINES_MAX:
        return
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    kept = FileHistory(str(new))
    for line in reversed(lines[:LINES_MAX]):
        kept.store_string(line)
    new.replace(path)
