"""Commands about the whole run, and the lines that make scenarios of commands.

Nobody in the fleet obeys these: the console does, by looking at the board, by telling the drivers, or by running other
lines. They are classes like all commands, so that parsing, help and completion know no difference. A target, where one
is taken, is beside the command and not in it.
"""

from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge, le, min_len, optional

from fleet.commands.speech import Aim, Completes, InScenario, ToFleet
from fleet.words import ConnectorStatus

# A limit on everything: more than anybody runs on one machine, less than a slip of the keyboard.
CHARGE_POINTS_MAX = 100_000
CONNECTORS_MAX = 100
REPEATS_MAX = 1_000_000
WITHIN_S = 30.0

_DURATION = {"unit": "s"}

# ---- looking ---------------------------------------------------------------------------------------------------------


@frozen
class ShowStatus(ToFleet):
    """Show how the fleet is doing or, of a target, every connector with all its details."""

    verb: ClassVar[str] = "status"
    aims: ClassVar[Aim] = Aim.EITHER
    aim_optional: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("status", "status CP0001", "status CP0001/1")


@frozen
class List(ToFleet):
    """List the charge points and their connectors, all or those of a target."""

    verb: ClassVar[str] = "list"
    aims: ClassVar[Aim] = Aim.EITHER
    aim_optional: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("list", "list CP00*", "list */*@Faulted")


@frozen
class Stats(ToFleet):
    """Show what was sent, answered, charged and lost so far."""

    verb: ClassVar[str] = "stats"
    examples: ClassVar[tuple[str, ...]] = ("stats",)


@frozen
class Monitor(ToFleet):
    """Stream messages and state changes as they happen, of a target, of one action, until Ctrl-C."""

    verb: ClassVar[str] = "monitor"
    aims: ClassVar[Aim] = Aim.EITHER
    aim_optional: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("monitor", "monitor CP0001", "monitor */* StatusNotification")

    action: str | None = field(default=None, metadata={"completes": Completes.ACTION})


@frozen
class ShowSeed(ToFleet):
    """Show the seed that repeats this run."""

    verb: ClassVar[str] = "seed"
    examples: ClassVar[tuple[str, ...]] = ("seed",)


# ---- steering --------------------------------------------------------------------------------------------------------


@frozen
class Use(ToFleet):
    """Set the target of every line that names none; without a target, forget it."""

    verb: ClassVar[str] = "use"
    aims: ClassVar[Aim] = Aim.EITHER
    aim_optional: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("use CP0001/1", "use */*", "use")


@frozen
class RunScenario(ToFleet):
    """Run the lines of a scenario file, on a target."""

    verb: ClassVar[str] = "run"
    aims: ClassVar[Aim] = Aim.EITHER
    aim_optional: ClassVar[bool] = True
    aims_last: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = ("run configs/scenarios/basic-charging.fleet CP0001/1",)

    path: str = field(validator=min_len(1), metadata={"completes": Completes.FILE})


@frozen
class Pause(ToFleet):
    """Let no more drivers arrive; those who are here finish as they like."""

    verb: ClassVar[str] = "pause"
    examples: ClassVar[tuple[str, ...]] = ("pause",)


@frozen
class ResumeDrivers(ToFleet):
    """Let drivers arrive again; where no target is in use, `resume` alone means it too."""

    verb: ClassVar[str] = "resume drivers"
    examples: ClassVar[tuple[str, ...]] = ("resume drivers", "resume")


@frozen
class Scale(ToFleet):
    """Make the fleet so many charge points: adds at the end, or drains and removes from there."""

    verb: ClassVar[str] = "scale"
    examples: ClassVar[tuple[str, ...]] = ("scale 500",)

    count: int = field(validator=[ge(0), le(CHARGE_POINTS_MAX)])


@frozen
class Add(ToFleet):
    """Add a charge point; with as many connectors as its like have, unless said otherwise."""

    verb: ClassVar[str] = "add"
    examples: ClassVar[tuple[str, ...]] = ("add CP9001", "add CP9001 4")

    id: str = field(validator=min_len(1), metadata={"length_max": 255})
    connectors: int | None = field(default=None, validator=optional([ge(1), le(CONNECTORS_MAX)]))


@frozen
class Menu(ToFleet):
    """Offer everything as a menu."""

    verb: ClassVar[str] = "menu"
    examples: ClassVar[tuple[str, ...]] = ("menu",)


@frozen
class Help(ToFleet):
    """Show all commands or, of one, its arguments with examples."""

    verb: ClassVar[str] = "help"
    examples: ClassVar[tuple[str, ...]] = ("help", "help plug", "help suspend ev")

    command: str | None = field(default=None, metadata={"completes": Completes.VERB, "rest": True})


@frozen
class Quit(ToFleet):
    """End the run: transactions stop, every message is delivered, everybody leaves."""

    verb: ClassVar[str] = "quit"
    examples: ClassVar[tuple[str, ...]] = ("quit",)


# ---- scenario lines --------------------------------------------------------------------------------------------------


@frozen
class Wait(InScenario):
    """Do nothing for a while."""

    verb: ClassVar[str] = "wait"
    examples: ClassVar[tuple[str, ...]] = ("wait 30s",)

    duration_s: float = field(validator=ge(0), metadata=_DURATION)


@frozen
class WaitFor(InScenario):
    """Wait until every connector of the target has the status; it fails when that takes too long."""

    verb: ClassVar[str] = "wait-for"
    aims: ClassVar[Aim] = Aim.CONNECTOR
    examples: ClassVar[tuple[str, ...]] = ("wait-for CP0001/1 Charging 20s",)

    status: ConnectorStatus
    within_s: float = field(default=WITHIN_S, validator=ge(0), metadata=_DURATION)


@frozen
class Expect(InScenario):
    """Check that every connector of the target has the status now; it fails otherwise."""

    verb: ClassVar[str] = "expect"
    aims: ClassVar[Aim] = Aim.CONNECTOR
    examples: ClassVar[tuple[str, ...]] = ("expect CP0001/1 Available",)

    status: ConnectorStatus


@frozen
class Repeat(InScenario):
    """Do the lines up to `end` so many times."""

    verb: ClassVar[str] = "repeat"
    examples: ClassVar[tuple[str, ...]] = ("repeat 10",)

    count: int = field(validator=[ge(1), le(REPEATS_MAX)])


@frozen
class End(InScenario):
    """The end of what is repeated."""

    verb: ClassVar[str] = "end"
    examples: ClassVar[tuple[str, ...]] = ("end",)


@frozen
class At(InScenario):
    """Go on at this time after the scenario's begin; at once when that is past."""

    verb: ClassVar[str] = "at"
    examples: ClassVar[tuple[str, ...]] = ("at 10m",)

    offset_s: float = field(validator=ge(0), metadata=_DURATION)


FleetCommand = (
    ShowStatus
    | List
    | Stats
    | Monitor
    | ShowSeed
    | Use
    | RunScenario
    | Pause
    | ResumeDrivers
    | Scale
    | Add
    | Menu
    | Help
    | Quit
)
ScenarioCommand = Wait | WaitFor | Expect | Repeat | End | At
