"""`fleet run`, and whatever else goes on, as a process that others tell something over its control socket.

Every process of a `Household` has one runtime directory, so that each finds the others and nobody else's.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

TIMEOUT_S = 60.0


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Told:
    """A process with a control socket. What it says goes to a file, so that a full pipe can't stop it."""

    def __init__(self, said: Path, environment: dict[str, str], *arguments: str) -> None:
        self._said = said
        with said.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fleet", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def socket(self) -> Path:
        """The path it names once it listens."""
        found = until(lambda: re.search(r"control socket (\S+)\n", self.said), lambda: self.said)
        return Path(found[1])

    def kill(self) -> None:
        """So that it can't tidy up."""
        self.process.kill()
        self.process.wait()


class Household:
    """Processes of one person on one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.runtime = folder / "run"
        self.runtime.mkdir(mode=0o700)
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.runtime), "XDG_STATE_HOME": str(folder)}
        self._told: list[Told] = []

    def start(self, *arguments: str) -> Told:
        told = Told(self._folder / f"said-{len(self._told)}", self.environment, *arguments)
        self._told.append(told)
        return told

    def fleet(self, *arguments: str, script: str = "") -> Said:
        """`fleet ARGUMENTS` with `script` as its standard input, to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "fleet", *arguments],
            input=script,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            env=self.environment,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def do(self, *arguments: str) -> Said:
        return self.fleet("do", *arguments)

    def end(self) -> None:
        for told in self._told:
            if told.process.poll() is None:
                told.kill()


def until(condition: Callable[[], Any], why: Callable[[], str] = lambda: "", timeout_s: float = TIMEOUT_S) -> Any:
    """Wait until something is so; returns it."""
    give_up_at = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < give_up_at, f"it never got so: {why()}"
        time.sleep(0.05)
    return found
