"""Scenario files: read whole and understood before anything of them runs.

Apart from the running, because a run's configuration is checked long before there is a loop to run anything on.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from fleet.commands.scenario import Scenario, ScenarioError, parse_scenario

SIZE_MAX = 1024 * 1024
"""Bytes of one file: far more than anybody writes, and no device or log by mistake."""

SHORT_SIZE_MAX = 8 * 1024
"""Bytes that are understood within 20 ms."""


def is_short(path: str | Path) -> bool:
    """Whether it is read at once, or can't be: a pipe may take for ever, and a long file long."""
    try:
        status = os.stat(os.path.expanduser(path))
    except (OSError, ValueError):
        return True
    return stat.S_ISREG(status.st_mode) and status.st_size <= SHORT_SIZE_MAX


def read_scenario(path: str | Path, known: Callable[[str], bool]) -> Scenario:
    """The scenario in a file, `~` being a home; `known` tells an id of the fleet from another word.

    Raises ScenarioError with one line for each mistake, the file first.
    """
    try:
        path = os.path.expanduser(path)
        with open(path, "rb") as file:
            raw = file.read(SIZE_MAX + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise ScenarioError(f"{path}: can't read it{_where(path)}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: expected UTF-8 text, got byte 0x{error.object[error.start]:02x}") from None
    except ValueError as error:
        # A path with a null byte in it.
        raise ScenarioError(f"{str(path)!r}: can't read it: {error}") from None
    if len(raw) > SIZE_MAX:
        raise ScenarioError(f"{path}: expected at most {SIZE_MAX} bytes")
    return parse_scenario(text, str(path), known=known)


def _where(path: str | Path) -> str:
    """A relative path means another file wherever it is typed: say which."""
    return "" if Path(path).is_absolute() else f" (in {Path.cwd()})"
