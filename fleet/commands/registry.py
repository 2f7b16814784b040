"""Verb to class, and each class's arguments: what parsing, help and completion all read.

An argument is a field of the class. The fields of a car stand where the car would: nobody types objects.
"""

import difflib
from collections.abc import Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

import attrs
from attrs import frozen

from fleet.commands import fleetwide, vocabulary
from fleet.commands.speech import Completes, Spoken
from fleet.commands.vocabulary import EV, Remove

AnyCommand = vocabulary.Command | Remove | fleetwide.FleetCommand | fleetwide.ScenarioCommand
"""Whatever a line can become."""


@frozen
class Argument:
    """One argument of a command.

    `kind` is `str`, `int`, `float`, `bool`, `dict` or an enum; `many` takes all words that are left, each for itself,
    `rest` as one. `inside` names the field that the argument is a part of, if it is (a car's). The other attributes are
    those of the field's metadata (`speech.py`).
    """

    name: str
    kind: type
    required: bool
    default: Any
    attribute: "attrs.Attribute[Any]"
    inside: str | None = None
    many: bool = False
    rest: bool = False
    assigns: bool = False
    unit: str | None = None
    unlimited: bool = False
    signed: bool = False
    length_max: int | None = None
    completes: Completes | None = None

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of an enum, in its order."""
        return tuple(choice.value for choice in self.kind) if issubclass(self.kind, StrEnum) else ()

    @property
    def meanings(self) -> Mapping[str, str]:
        """What each value of an enum means, where the enum says so."""
        if not issubclass(self.kind, StrEnum):
            return {}
        return {choice.value: choice.meaning for choice in self.kind if hasattr(choice, "meaning")}


def _commands() -> dict[str, type[Spoken]]:
    """Every class of the unions, in the order of the help, each once."""
    unions = (AnyCommand, fleetwide.FleetCommand, fleetwide.ScenarioCommand)
    return {kind.verb: kind for union in unions for kind in get_args(union)}


COMMANDS: Mapping[str, type[Spoken]] = _commands()
"""Every command class by its verb."""


def find(verb: str) -> type[Spoken] | None:
    """The class of a verb, however it is capitalised and spaced."""
    return COMMANDS.get(" ".join(verb.lower().split()))


_OTHERS_SAY: Mapping[str, str] = {
    "card": "swipe",
    "exit": "quit",
    "offline": "disconnect",
    "online": "connect",
    "plugout": "unplug",
    "poweroff": "power-cut",
    "poweron": "power-return",
    "present": "swipe",
    "recover": "clear",
    "reset": "reboot",
    "restart": "reboot",
    "rfid": "swipe",
    "send": "raw",
    "sleep": "wait",
    "tap": "swipe",
}
"""The verbs for what other tools and the specification have other words for, which look like something else here."""


def nearest(verb: str, count: int = 3) -> list[str]:
    """The verbs that may have been meant: those that begin so, are called so elsewhere or, if none is, look alike."""
    wanted = " ".join(verb.lower().split())
    if not wanted:
        return []
    begin = [name for name in COMMANDS if name.startswith(wanted)]
    if meant := _OTHERS_SAY.get(wanted.replace("-", "").replace("_", "")):
        return [meant]
    return begin[:count] or difflib.get_close_matches(wanted, COMMANDS, n=count, cutoff=0.6)


def arguments(command: type[Spoken]) -> tuple[Argument, ...]:
    """The arguments of a command, in their order."""
    return _ARGUMENTS[command]


def _arguments(command: type[Spoken]) -> tuple[Argument, ...]:
    found: list[Argument] = []
    hints = get_type_hints(command)
    for part in attrs.fields(cast(type[attrs.AttrsInstance], command)):
        if hints[part.name] is EV:
            inner = get_type_hints(EV)
            found += (_argument(own, inner[own.name], part.name) for own in attrs.fields(EV))
        else:
            found.append(_argument(part, hints[part.name]))
    return tuple(found)


def _argument(part: "attrs.Attribute[Any]", hint: Any, inside: str | None = None) -> Argument:
    kind = _without_none(hint)
    default: Any = part.default
    return Argument(
        part.name,
        str if get_origin(kind) is tuple else get_origin(kind) or kind,
        required=part.default is attrs.NOTHING,
        default=default.factory() if hasattr(default, "factory") else default,
        attribute=part,
        inside=inside,
        many=get_origin(kind) is tuple,
        **part.metadata,
    )


def _without_none(hint: Any) -> Any:
    """`float` of `float | None`: what is left out is None, nobody types it."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (choice for choice in get_args(hint) if choice is not NoneType)
    return hint


_ARGUMENTS: Mapping[type[Spoken], tuple[Argument, ...]] = {kind: _arguments(kind) for kind in COMMANDS.values()}
