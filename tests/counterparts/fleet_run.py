"""`fleet run` as a process that a test starts, watches, interrupts and reads the last words of."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from counterparts.process import Counterpart


class FleetRun:
    """The process. What it says goes to a file, so that a test that looks elsewhere can't stop it with a full pipe."""

    def __init__(self, configuration: Path, counterpart: Counterpart, *arguments: str) -> None:
        """Against this counterpart, with whose records the fleet compares its books."""
        folder = counterpart.folder
        self._said = folder / "fleet.out"
        self._complained = folder / "fleet.err"
        options = [
            *("--url", f"ws://127.0.0.1:{counterpart.port}/ocpp"),
            *("--records", str(folder / "records.jsonl")),
            *("--seed", "42"),
        ]
        with self._said.open("w") as said, self._complained.open("w") as complained:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fleet", "run", str(configuration), *options, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=complained,
            )

    def __enter__(self) -> "FleetRun":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.alive:
            self._process.kill()
            self._process.wait(10)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def said(self) -> str:
        return self._said.read_text()

    @property
    def all_said(self) -> str:
        """For the message of an assertion."""
        return f"{self.said}\n{self._complained.read_text()}"

    def wait(self, timeout_s: float) -> int:
        """The exit code."""
        return self._process.wait(timeout_s)

    def interrupt(self, timeout_s: float) -> int:
        """Ctrl-C, once: the fleet drains. Returns the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.wait(timeout_s)

    def progress(self, word: str) -> int:
        """The last figure of the progress lines before this word, as in `12 running`; 0 before there is any."""
        figures = re.findall(rf"([\d,]+) {word}\b", "\n".join(line for line in self.said.split("\n") if " | " in line))
        return int(figures[-1].replace(",", "")) if figures else 0

    @property
    def progress_lines(self) -> int:
        return self.said.count(" | transactions: ")

    @property
    def balanced(self) -> bool:
        """What the summary says of the books."""
        return re.search(r"^  books \.+ balanced$", self.said, re.MULTILINE) is not None

    @property
    def energy_wh(self) -> int:
        """What the summary says: one figure, on which all that were compared agree."""
        found = re.search(r"energy \.+ ([\d,]+) Wh metered = reported = acknowledged = recorded", self.said)
        assert found is not None, self.all_said
        return int(found[1].replace(",", ""))
