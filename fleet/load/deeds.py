"""What a `[[fault]]` may do: commands of the one vocabulary, by short names too, and what undoes each of them."""

from difflib import get_close_matches
from typing import cast, get_args

from attrs import frozen

from fleet.commands.hazards import (
    BendClock,
    BreakMeter,
    BreakRelay,
    EmergencyStop,
    FailLock,
    PowerCut,
    PowerReturn,
    ReleaseEmergencyStop,
)
from fleet.commands.impairments import Impair, Mend, NetworkFault
from fleet.commands.parse import LineError, parse_line
from fleet.commands.registry import COMMANDS, find
from fleet.commands.target import Target, Term
from fleet.commands.vocabulary import (
    ChangeAvailability,
    ClearFault,
    Command,
    Connect,
    Disconnect,
    Drain,
    InjectFault,
    Resume,
    SetPower,
    SuspendEV,
    SuspendEVSE,
)
from fleet.load.settings import expected
from fleet.words import Availability, MeterFault, RelayFault

RESTART_CSMS = "restart-csms"
"""The one deed that befalls the CSMS: it dies as by `kill -9`, and comes back after `for` with the same records."""
# Stands where a line's target would; nobody can type it.
_LATER = Target((Term("", 1, None),))
_NETWORK_FAULTS = tuple(fault.value for fault in NetworkFault)


@frozen
class RestartCsms:
    """Kill the embedded CSMS, and start it again."""


Deed = Command | RestartCsms


def deed(text: str) -> Deed:
    """What a `do` means; ValueError says in one line what was expected."""
    words = text.split()
    if words == [RESTART_CSMS]:
        return RestartCsms()
    first = words[0].casefold() if words else ""
    verb = " ".join(words[:2])
    if find(first) is None and find(verb) is None and not any(name.startswith(f"{first} ") for name in COMMANDS):
        if first not in _NETWORK_FAULTS:
            near = get_close_matches(first, [*_NETWORK_FAULTS, *COMMANDS, RESTART_CSMS], n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"{expected('a command, a network fault or restart-csms', text)}{hint}")
        text = f"{Impair.verb} {text}"
    try:
        line = parse_line(text, default=_LATER)
    except LineError as error:
        # In a shell a word that is no argument may have been meant as a target; here that has a key of its own.
        raise ValueError(str(error).partition("; and there is no charge point ")[0]) from None
    if not isinstance(line.command, get_args(Command)) or isinstance(line.command, Drain):
        raise expected("something that befalls connectors or charge points", text)
    assert line.target is not None
    if line.target not in (_LATER, _LATER.of_charge_points()):
        raise ValueError(f"{expected('a line without its target', text)}: {line.target} belongs in the key target")
    return cast(Command, line.command)


def undoing(command: Command) -> Command | None:
    """What ends the state that a command began; None where it began none."""
    match command:
        case Impair():
            return Mend(command.fault)
        case InjectFault() | FailLock():
            return ClearFault()
        case PowerCut():
            return PowerReturn()
        case EmergencyStop():
            return ReleaseEmergencyStop()
        case BreakMeter(fault=MeterFault.STICK):
            return BreakMeter(MeterFault.NONE)
        case BreakRelay(fault=RelayFault.OPEN | RelayFault.CLOSED):
            return BreakRelay(RelayFault.NONE)
        case BendClock(drift=float()) | BendClock(jump_s=float()):
            return BendClock()
        case Disconnect():
            return Connect()
        case SuspendEV() | SuspendEVSE():
            return Resume()
        case ChangeAvailability(availability=Availability.INOPERATIVE):
            return ChangeAvailability(Availability.OPERATIVE)
        case SetPower(power_w=float()):
            return SetPower()
        case _:
            return None
