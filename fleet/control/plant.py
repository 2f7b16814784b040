"""The plant: everything that a console acts on and reads from, in one hand.

Commands go to the fleet's actors; whatever is shown comes from listeners of the observer (the board, the details, the
hub), so that looking at a thousand charge points asks nobody anything. Whoever runs the fleet fills a plant in.
"""

import os
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

import trio
from attrs import Factory, define, field

from fleet.actors.fleet import Fleet
from fleet.clock import Clock
from fleet.commands.registry import AnyCommand
from fleet.commands.vocabulary import DEFAULT_ID_TAG
from fleet.control.details import ConnectorDetails, Details
from fleet.control.hub import Hub
from fleet.control.notable import kind_of
from fleet.core.keys import KEYS
from fleet.core.plan import ChargePointPlan
from fleet.observe.board import Board
from fleet.observe.journal import Journal
from fleet.observe.observer import Observer
from fleet.observe.redaction import redacted_line
from fleet.words import ConnectorStatus

ID_TAGS_MAX = 100
FILES_MAX = 10_000
"""Entries of one folder that are looked at."""
SCENARIO_SUFFIX = ".fleet"


class Crowd(Protocol):
    """The drivers of a run: `fleet.load.driving.Driving`."""

    @property
    def paused(self) -> bool:
        """Nobody comes any more until `resume`."""

    def pause(self) -> None:
        """Nobody comes from now on; who is there goes on."""

    def resume(self) -> None:
        """Drivers come again."""

    def add(self, plan: ChargePointPlan, /) -> None:
        """They may go to this charge point too."""

    def remove(self, charge_point_id: str, /) -> None:
        """They no longer go there."""


PlanAt = Callable[[int], ChargePointPlan]


def _unheard() -> None:
    """Nobody ends it from here."""


def _unnoticed(_charge_point_id: str) -> None:
    """Nobody wants to know who comes."""


@define(eq=False)
class Plant:
    """A fleet that runs, with all that is to be seen of it.

    `plan_at` makes the plan of the charge point with a global index (from 1), also beyond those configured; None where
    the fleet can't grow by number; `model` is whom one who is added by name is like, by default the first of the fleet.
    `drain` asks for the end of the run; `interrupt` is Ctrl-C by other means: the drain, and the second time the end at
    once. `some_id_tags` of the drivers and the `actions` of the protocol are for completion. `drivers` is None where
    nobody drives; `newcomer` hears of each charge point that is switched on.
    """

    fleet: Fleet
    board: Board
    observer: Observer
    clock: Clock
    seed: int
    drain: Callable[[], None] = _unheard
    interrupt: Callable[[], None] = _unheard
    drivers: Crowd | None = None
    newcomer: Callable[[str], None] = _unnoticed
    plan_at: PlanAt | None = None
    model: ChargePointPlan | None = None
    some_id_tags: Sequence[str] = ()
    actions: Sequence[str] = ()
    connect_rate_per_s: float = 50.0
    started_at: float = field(factory=trio.current_time)
    journal: Journal = field(default=Factory(lambda plant: Journal(plant.clock), takes_self=True))
    details: Details = field(factory=Details)
    hub: Hub = field(init=False)
    draining: bool = field(default=False, init=False)
    ramping: bool = field(default=False, init=False)
    """Not everybody was switched on for the first time yet."""
    draws: int = field(default=0, init=False)
    """Samples drawn so far, so that each is another one."""

    def __attrs_post_init__(self) -> None:
        self.observer.add(self.details)
        self.hub = Hub(self.observer, self.clock)

    def like(self) -> ChargePointPlan | None:
        """Whom one who is added by name is like."""
        return self.model or next((berth.plan for berth in self.fleet.berths.values()), None)

    def note(self, command: AnyCommand, line: str, *, in_scenario: bool = False) -> None:
        """Somebody gives this command, in these words: remember it where it changes anything."""
        kind = kind_of(command, in_scenario=in_scenario)
        if kind is not None:
            self.journal.note(kind, redacted_line(line), trio.current_time())

    def ask_for_the_end(self) -> None:
        """The run drains and ends."""
        self.draining = True
        self.drain()

    # ---- a directory for targets ---------------------------------------------------------------------------------

    @property
    def ids(self) -> Sequence[str]:
        """Every charge point's id, in global order."""
        return tuple(self.fleet.berths)

    def known(self, charge_point_id: str) -> bool:
        """Is there a charge point of this id?"""
        return charge_point_id in self.fleet.berths

    def connectors(self, charge_point_id: str) -> int:
        """How many connectors it has."""
        return len(self.fleet.berths[charge_point_id].plan.connectors)

    def status(self, charge_point_id: str, connector: int) -> ConnectorStatus | None:
        """One connector's status, None while its charge point is off; connector 0 is the charge point itself."""
        if connector:
            return self.board.status(charge_point_id, connector)
        return self.details.of(charge_point_id, 0, 0.0).status

    # ---- what completion may name beside ------------------------------------------------------------------------

    @property
    def id_tags(self) -> Sequence[str]:
        """Id tags that somebody has: those that charge first."""
        tags = dict.fromkeys((*self.details.id_tags(ID_TAGS_MAX), *self.some_id_tags, DEFAULT_ID_TAG))
        return tuple(tags)[:ID_TAGS_MAX]

    @property
    def keys(self) -> Sequence[str]:
        """The names of the configuration keys."""
        return tuple(KEYS)

    def files(self, beginning: str, /) -> Sequence[str]:
        """Scenario files and folders whose path begins so, folders with a slash at their end."""
        folder, slash, name = beginning.rpartition("/")
        found = []
        try:
            with os.scandir(os.path.expanduser(folder + slash) or ".") as entries:
                for entry in islice(entries, FILES_MAX):
                    if not entry.name.startswith(name) or (entry.name.startswith(".") and not name):
                        continue
                    if entry.is_dir():
                        found.append(f"{folder}{slash}{entry.name}/")
                    elif entry.name.endswith(SCENARIO_SUFFIX):
                        found.append(f"{folder}{slash}{entry.name}")
        except (OSError, ValueError):
            return ()  # no such folder, or not for us: there is nothing to offer
        return sorted(found)

    # ---- looking -------------------------------------------------------------------------------------------------

    def look_at(self, charge_point_id: str, connector: int) -> ConnectorDetails:
        """Everything that is known of one connector."""
        return self.details.of(charge_point_id, connector, trio.current_time())
