"""The observer: everything that is to know what happens in the fleet listens here.

Actors hand every report to one `Observer` and go on; it passes the report, at once and in the actor's own task, to
those listeners that want reports of this type. Nothing is counted in the actors themselves, and no listener ever
reaches into an actor's state. The same call happens for every message of the whole fleet, so it is one look-up by type
and one plain call per listener; a listener must not wait and must not do much.

Frames are special, because there are two of them in every exchange and hardly ever anybody looks: `frames_wanted` says
whether a listener wants `FrameSent` or `FrameSeen`, and while it is false nobody reports them.

A listener that raises has a bug, and crashes the actor that reported, as any bug does.
"""

from collections.abc import Callable
from typing import Protocol

from fleet.core.reports import FrameSeen, FrameSent, ObservedReport


class Listener(Protocol):
    """Somebody who wants to know."""

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """The types of report to be told about; asked once, when the listener is added."""

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """A charge point reports; called in the order in which that charge point's facts happened."""


class Observer:
    """Fans reports out to listeners, in the order in which the listeners were added."""

    __slots__ = ("_told", "frames_wanted")

    def __init__(self, *listeners: Listener) -> None:
        self._told: dict[type[ObservedReport], tuple[Callable[[str, ObservedReport], None], ...]] = {}
        self.frames_wanted = False
        for listener in listeners:
            self.add(listener)

    def add(self, listener: Listener) -> None:
        """From now on tell this one too."""
        for wanted in listener.wants:
            self._told[wanted] = (*self._told.get(wanted, ()), listener.report)
        self._look_for_frames()

    def remove(self, listener: Listener) -> None:
        """Tell this one nothing more."""
        for wanted, told in self._told.items():
            self._told[wanted] = tuple(tell for tell in told if tell != listener.report)
        self._look_for_frames()

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """Pass a report on to whoever wants its type."""
        for tell in self._told.get(type(report), ()):
            tell(charge_point_id, report)

    def _look_for_frames(self) -> None:
        self.frames_wanted = bool(self._told.get(FrameSent) or self._told.get(FrameSeen))
