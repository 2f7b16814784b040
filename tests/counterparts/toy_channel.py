"""A channel onto a toy: one charge point with two connectors that obey the simplest lines, and lines that take long.

For tests of the shell by itself; what the machines really do is tested elsewhere.
"""

import threading
from typing import Any

from fleet.commands.completion import Candidate
from fleet.control.answer import Answer, Refused
from fleet.control.client import ControlClosed
from fleet.control.glance import Glance
from fleet.shell.channel import Listener

WORDS = ("plug", "unplug", "start", "stop", "status", "sleep", "monitor", "menu", "quit")


class ToyChannel:
    """Remembers every line; `sleep` takes until it is cancelled, `crash` has a bug, `gone` finds the run gone."""

    def __init__(self, *, leaving_ends_the_run: bool = True, charge_points: int = 1) -> None:
        self.leaving_ends_the_run = leaving_ends_the_run
        self.ids = [f"CP{number:04}" for number in range(1, charge_points + 1)]
        self.lines: list[str] = []
        self.watched: tuple[str | None, str | None] | None = None
        self.interrupts = 0
        self.target: str | None = None
        self.gone = False
        self.is_sleeping = threading.Event()
        self.interrupted = threading.Event()
        self._cancelled = threading.Event()
        self.listener: Listener | None = None
        self.connectors: list[dict[str, Any]] = [
            {"charge_point": "CP0001", "connector": number, "status": "Available", "plugged": False}
            for number in (1, 2)
        ]

    def execute(self, line: str) -> Answer:
        if self.gone or line == "gone":
            self.gone = True
            raise ControlClosed("the run at the other end is gone")
        self.lines.append(line)
        match line.split():
            case ["sleep"]:
                self._cancelled.clear()
                self.is_sleeping.set()
                assert self._cancelled.wait(20)
                return Answer.wrong("sleep: cancelled")
            case ["crash"]:
                raise ZeroDivisionError("a bug in a command")
            case ["list", *_]:
                return Answer("", data={"charge_points": [self._listed(each) for each in self.ids]})
            case ["status", _]:
                return Answer("as data", data={"connectors": self.connectors})
            case ["use", target]:
                self.target = target
                return Answer(f"using {target}")
            case ["plug", _]:
                self.connectors[0].update(status="Preparing", plugged=True)
                return Answer(f"{line}: 1 done", done=1)
            case ["unplug", target]:
                reason = "Cannot unplug cable during active transaction"
                return Answer(f"{line}: {target} refused: {reason}", refused=(Refused(target, reason),))
            case _:
                return Answer(f"{line}: done", done=1)

    def cancel(self) -> None:
        self._cancelled.set()

    def complete(self, line: str, cursor: int) -> list[Candidate]:
        if line.startswith("bug"):
            raise ZeroDivisionError("a bug in the shell")
        start = line.rfind(" ", 0, cursor) + 1
        words = WORDS if start == 0 else ["basic-charging.fleet", "configs/"] if line.startswith("run ") else self.ids
        return [Candidate(word, start, f"about {word}") for word in words if word.startswith(line[start:cursor])]

    def glance(self) -> Glance:
        if self.gone:
            raise ControlClosed("the run at the other end is gone")
        return Glance(
            target=self.target,
            charge_points=len(self.ids),
            online=len(self.ids),
            connectors=2,
            by_state={"registered": len(self.ids)},
            by_status={"Charging": 1, "Available": 1},
            running=1,
            power_w=7200.0,
            messages=100,
            messages_per_s=12.0,
            outbox=0,
            elapsed_s=1.0,
            seed=1,
        )

    def watch(self, target: str | None, action: str | None, listener: Listener) -> None:
        self.watched, self.listener = (target, action), listener

    def unwatch(self) -> None:
        self.watched = self.listener = None

    def interrupt(self) -> None:
        self.interrupts += 1
        self.interrupted.set()

    def _listed(self, charge_point_id: str) -> dict[str, Any]:
        return {"charge_point": charge_point_id, "state": "registered", "connectors": {"1": "Available", "2": None}}
