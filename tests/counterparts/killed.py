"""`fleet run --state` in one life after the other, each killed (`kill -9`) in its own moment but for the last."""

import json
import os
import subprocess
import sys
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field, frozen

KILLED = -9
BEGAN = "fleet: control socket "
"""What a run says last before it switches its charge points on."""
SILENT_S = 0.25
"""Far less than what a process needs before it can say its first word."""
TIMEOUT_S = 60.0
POLL_S = 0.005


@frozen
class Life:
    """How one that was killed went, by the monotonic clock that all processes share and by UTC.

    `began_at` is None where no charge point was switched on.
    """

    moment: str
    spawned_at: float
    began_at: float | None
    killed_at: float
    killed_utc_s: float


class Process:
    """One life; what it says and its trace go to files."""

    def __init__(self, folder: Path, number: int, state: Path, *arguments: str) -> None:
        self._said = folder / f"said-{number}"
        self._wal = state / "state.sqlite-wal"
        self.began_at: float | None = None
        runtime = folder / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        self.spawned_at = time.monotonic()
        with self._said.open("w") as said:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "fleet", "run", "--state", str(state)),
                    *("--trace", str(trace_of(folder, number)), *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def live(self, for_s: float) -> None:
        """Let it live so long after it began."""
        self._until(lambda: BEGAN in self.said, TIMEOUT_S)
        self.began_at = time.monotonic()
        self._until(lambda: False, for_s)

    def write(self, after_s: float) -> None:
        """The same, and then until it is just writing."""
        self.live(after_s)
        before = self._written()
        # No sleep in between: the very instant is what is wanted.
        give_up_at = time.monotonic() + 0.5
        while self._written() == before and time.monotonic() < give_up_at:
            pass

    def _written(self) -> int:
        with suppress(FileNotFoundError):
            return self._wal.stat().st_mtime_ns
        return 0

    def _until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        give_up_at = time.monotonic() + timeout_s
        while self.alive and time.monotonic() < give_up_at and not condition():
            time.sleep(POLL_S)


@define(eq=False)
class Lives:
    """The lives of one fleet over one state. `load_s` is how long it has its load before it drains.

    Those that ended before they could be killed aren't among `killed`.
    """

    folder: Path
    random: Random
    arguments: tuple[str, ...]
    load_s: float
    killed: list[Life] = field(factory=list)
    spawned_at: list[float] = field(factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def moments(self) -> dict[str, Callable[[Process], None]]:
        """Kinds of moments, and what waits for one."""
        uniform = self.random.uniform
        return {
            "start-up": lambda process: time.sleep(uniform(0.0, 0.8)),
            "boot": lambda process: process.live(uniform(0.0, 0.25)),
            "charging": lambda process: process.live(uniform(0.25, self.load_s)),
            "drain": lambda process: process.live(self.load_s + uniform(0.0, 0.3)),
            "writing": lambda process: process.write(uniform(0.1, self.load_s)),
        }

    def kill_times(self, count: int) -> None:
        """So many lives are killed, as often in one kind of moment as in another."""
        kinds = list(self.moments)
        wanted = [kinds[number % len(kinds)] for number in range(count)]
        self.random.shuffle(wanted)
        while len(self.killed) < count:
            self._kill(wanted[len(self.killed)])

    def _kill(self, moment: str) -> None:
        process = self._start()
        try:
            self.moments[moment](process)
        finally:
            killed_at, killed_utc_s = time.monotonic(), time.time()
            process.process.kill()
            code = process.process.wait(TIMEOUT_S)
        if code == KILLED:
            began_at = process.began_at if process.began_at or BEGAN not in process.said else killed_at
            self.killed.append(Life(moment, process.spawned_at, began_at, killed_at, killed_utc_s))
        else:
            assert code == 0, process.said  # a drain that was quicker than the kill

    def finish(self) -> Process:
        """One more life, which is left alone."""
        process = self._start()
        process.process.wait(TIMEOUT_S)
        return process

    def _start(self) -> Process:
        process = Process(self.folder, len(self.spawned_at), self.state, *self.arguments)
        self.spawned_at.append(process.spawned_at)
        return process

    def number(self, at: float) -> int:
        """Of the life that said what its CSMS heard then: the next one takes a while before it says anything."""
        return bisect(self.spawned_at, at - SILENT_S)

    def counts(self) -> Counter[str]:
        """How many in each kind of moment; `unborn` before anybody was switched on, `late` after the load."""
        counts = Counter(life.moment for life in self.killed)
        counts["unborn"] = sum(life.began_at is None for life in self.killed)
        counts["late"] = sum(
            life.began_at is not None and life.killed_at > life.began_at + self.load_s for life in self.killed
        )
        return counts

    def said(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        """Every CALL of every life, as far as its trace got: charge point, message id, action, payload."""
        found = []
        for number in range(len(self.spawned_at)):
            trace = trace_of(self.folder, number)
            for line in trace.read_bytes().splitlines() if trace.exists() else ():
                with suppress(ValueError):  # the kill cut it short
                    record = json.loads(line)
                    if record.get("direction") == "sent" and record.get("type") == "call":
                        _, id, action, payload = record["frame"]
                        found.append((record["charge_point"], id, action, payload))
        return found


def trace_of(folder: Path, number: int) -> Path:
    return folder / f"trace-{number}.jsonl"
