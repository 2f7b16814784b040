"""The monitor: live events above the prompt, in bundles, so that the line being typed is never disturbed.

Events come from another thread as fast as a fleet makes them. They are drawn a few times per second, and of more than
anybody can read only a part, with a word on how many are missing.
"""

import asyncio
import threading
from collections import deque
from typing import Any

from fleet.shell.events import event_line, is_noise
from fleet.shell.render import Fragments, lines_of
from fleet.shell.terminal import Terminal

DRAW_INTERVAL_S = 0.1
DRAWN_MAX = 50
"""Lines that are drawn in one interval."""
WAITING_MAX = 1_000


class Monitor:
    """Shows events on a terminal while it is on."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._lock = threading.Lock()
        self._events: deque[dict[str, Any]] = deque()
        self._missed = 0
        self.on = False
        self.what = ""
        self._everything = False

    @property
    def word(self) -> str:
        """For the toolbar, empty while off."""
        return f"monitoring {self.what}".strip() if self.on else ""

    def start(self, what: str, *, everything: bool = False) -> None:
        """Show events from now on; `what` says which, in words; `everything`: also those that only repeat others."""
        with self._lock:
            self._events.clear()
            self._missed = 0
        self.on, self.what, self._everything = True, what, everything

    def stop(self) -> None:
        """Show no more."""
        self.on = False

    def put(self, event: dict[str, Any]) -> None:
        """An event, from any thread; never waits."""
        if is_noise(event) and not self._everything:
            return
        with self._lock:
            if len(self._events) < WAITING_MAX:
                self._events.append(event)
            else:
                self._missed += 1

    async def run(self) -> None:
        """Draw what comes, until cancelled."""
        while True:
            await asyncio.sleep(DRAW_INTERVAL_S)
            if self.on:
                await self._terminal.show(self._lines())

    def _lines(self) -> Fragments:
        with self._lock:
            events, missed = list(self._events), self._missed
            self._events.clear()
            self._missed = 0
        width = self._terminal.width
        shown: Fragments = []
        for event in events[:DRAWN_MAX]:
            shown += event_line(event, width)
        missed += max(0, len(events) - DRAWN_MAX)
        return shown + (lines_of(f"({missed} more events in this moment)", "faint") if missed else [])
