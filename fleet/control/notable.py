"""Which commands belong in the journal: those that change something, each under its kind."""

from fleet.commands.fleetwide import Add, Pause, Quit, ResumeDrivers, RunScenario, Scale
from fleet.commands.hazards import (
    BendClock,
    BreakMeter,
    BreakRelay,
    EmergencyStop,
    FailInstallation,
    FailLock,
    PowerCut,
)
from fleet.commands.impairments import Impair
from fleet.commands.registry import AnyCommand
from fleet.commands.speech import Aim, InScenario
from fleet.commands.vocabulary import Crash, Drain, GetConfiguration, InjectFault, Remove, ShowProfiles
from fleet.observe.journal import EventKind

_OF_THE_FLEET = (Add, Pause, ResumeDrivers, RunScenario, Scale)


def kind_of(command: AnyCommand, *, in_scenario: bool = False) -> EventKind | None:
    """The kind of event that this command is, None where it only looks, waits or checks."""
    match command:
        case InjectFault() | Crash() | FailLock() | BreakMeter() | BreakRelay():
            return EventKind.FAULT
        case PowerCut() | EmergencyStop() | BendClock() | FailInstallation() | Impair():
            return EventKind.FAULT
        case Drain() | Remove() | Quit():
            return EventKind.DRAIN
        case GetConfiguration() | ShowProfiles() | InScenario():
            return None
    if isinstance(command, _OF_THE_FLEET) or command.aims in (Aim.CONNECTOR, Aim.CHARGE_POINT):
        return EventKind.SCENARIO if in_scenario else EventKind.COMMAND
    return None
