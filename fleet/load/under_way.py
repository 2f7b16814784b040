"""A run under way: the parts that its tasks share, and why its load ended."""

from enum import Enum

import trio
from attrs import define

from fleet.actors.fleet import Fleet
from fleet.control.plant import Plant
from fleet.core.plan import ChargePointPlan
from fleet.load.config import RunConfig
from fleet.load.controls import Manner
from fleet.load.driving import Driving
from fleet.load.ending import Ending
from fleet.load.faulting import Faulting
from fleet.load.observing import Observing
from fleet.load.outputs import Outputs
from fleet.load.scenarios import Scenarios
from fleet.observe.board import Board
from fleet.observe.journal import EventKind
from fleet.state.keeper import StateKeeper
from fleet.verdict.document import ObjectiveResult


class End(Enum):
    """Why the load ended."""

    DONE = "done"
    ABORTED = "aborted"
    INTERRUPTED = "interrupted"
    UNREACHABLE = "unreachable"


@define
class Run:
    """The parts of a run that its tasks share."""

    config: RunConfig
    manner: Manner
    outputs: Outputs
    observing: Observing
    seed: int
    plans: list[ChargePointPlan]
    url: str
    plant: Plant
    driving: Driving
    ending: Ending
    scenarios: Scenarios
    faulting: Faulting
    keeper: StateKeeper | None = None
    hopeless: ObjectiveResult | None = None
    """The objective that ended the load."""
    undrained: int = 0
    """Charge points that were not done when the grace was over."""
    csms_ended: str | None = None
    """Why the embedded CSMS was not there to the end."""

    @property
    def fleet(self) -> Fleet:
        """The charge points."""
        return self.plant.fleet

    @property
    def board(self) -> Board:
        """Their figures."""
        return self.plant.board

    @property
    def started_at(self) -> float:
        """When it all began."""
        return self.plant.started_at

    def note(self, kind: EventKind, text: str) -> None:
        """For the journal: this happens now."""
        self.plant.journal.note(kind, text, trio.current_time())
