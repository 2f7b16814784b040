"""The journal: what somebody did to the fleet or the run, so that a bend in a chart has its reason beside it.

Commands from a shell, steps of a scenario, faults, drains and the phases of the run itself. Kept word for word as far
as anybody reads them, counted all the same: dashboards show counts and times by kind, the page at the end the words.
"""

from enum import StrEnum

from attrs import frozen

from fleet.clock import Clock

ENTRIES_MAX = 1_000
TEXT_LENGTH_MAX = 200


class EventKind(StrEnum):
    """What sort of thing happened."""

    COMMAND = "command"
    SCENARIO = "scenario"
    FAULT = "fault"
    DRAIN = "drain"
    PHASE = "phase"
    """The run began, everybody was switched on, the load ended."""
    ABORT = "abort"


@frozen
class Entry:
    """One event; `at` is on the monotonic clock."""

    at: float
    kind: EventKind
    text: str


class Journal:
    """Notes events. `counts` and `last_utc_s` (s since 1970) are by kind; a kind that never happened has no last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.entries: list[Entry] = []
        self.counts: dict[str, int] = dict.fromkeys((kind.value for kind in EventKind), 0)
        self.last_utc_s: dict[str, float] = {}

    def note(self, kind: EventKind, text: str, at: float) -> None:
        """It happened; the text is cut to one short line, and beyond `ENTRIES_MAX` only counted."""
        self.counts[kind.value] += 1
        self.last_utc_s[kind.value] = self._clock.utc(at)
        if len(self.entries) < ENTRIES_MAX:
            line = " ".join(text.split())
            self.entries.append(Entry(at, kind, line if len(line) <= TEXT_LENGTH_MAX else line[:TEXT_LENGTH_MAX] + "…"))
