"""A line of text becomes a command and its target, and a command becomes a line of text.

    VERB [TARGET] [VALUE | NAME=VALUE]...      # comment

The first word behind the verb is the target if it looks like one (`CP00*/1`), if such a charge point is there, if the
command must have one and none is in use, or if there would be a word too many otherwise. If not, the target in use
serves, and the word is an argument. Quotes keep a word from being a target. A mistake is a `LineError` that knows its
place in the line.
"""

import difflib
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import attrs
from attrs import frozen

from fleet.commands.fleetwide import ResumeDrivers, Use
from fleet.commands.registry import COMMANDS, AnyCommand, Argument, arguments, find, nearest
from fleet.commands.speech import Aim, Spoken
from fleet.commands.target import Target, TargetError, looks_like_target, parse_target
from fleet.commands.tokens import LineError as LineError
from fleet.commands.tokens import Token, tokenize
from fleet.commands.values import expected, quote, read, write
from fleet.commands.vocabulary import EV, Resume

_EXAMPLES = {Aim.CONNECTOR: "CP0001/1", Aim.CHARGE_POINT: "CP0001", Aim.EITHER: "CP0001 or CP0001/1"}
# With more arguments than this, values without names are a riddle.
_POSITIONAL_MAX = 3


@frozen
class Line:
    """A line that was understood: the command, whom it is for (None where it is for nobody), and what was typed."""

    command: AnyCommand
    target: Target | None
    text: str


def is_blank(text: str) -> bool:
    """Nothing to do: no words, or only a comment."""
    stripped = text.lstrip()
    return not stripped or stripped.startswith("#")


def parse_line(text: str, *, default: Target | None = None, known: Callable[[str], bool] = lambda _: False) -> Line:
    """Understand a line; `default` is the target in use, `known` says whether a charge point of an id is there.

    A default that names connectors serves commands for charge points too: they get the charge points of those. Raises
    LineError, also for a blank line.
    """
    tokens = tokenize(text)
    kind, words = _verb(tokens)
    if kind is Resume and not words and default is None:
        return Line(ResumeDrivers(), None, text)
    end = tokens[-1].end
    if kind is Use:
        default = None
    target, words, typed = _target(kind, words, default, known, end)
    # A word that was taken for an argument may have been meant as a target.
    doubtful = words[0] if not typed and kind.aims is not Aim.NOWHERE and not kind.aims_last and words else None
    values = _Binding(kind, doubtful).bind(words, end)
    return Line(_make(kind, values), target, text)


def _verb(tokens: Sequence[Token]) -> tuple[type[Spoken], Sequence[Token]]:
    """The command of a line, and the words behind its verb."""
    if not tokens:
        raise LineError("nothing to do: an empty line")
    first = tokens[0]
    if len(tokens) > 1 and (kind := find(f"{first.value} {tokens[1].value}")) and tokens[1].plain:
        return kind, tokens[2:]
    if kind := find(first.value):
        return kind, tokens[1:]
    longer = [verb for verb in COMMANDS if verb.startswith(first.value.lower() + " ")]
    near = longer or nearest(first.value)
    meant = f"did you mean {_either(near)}?" if near else "see `help` for all there are"
    word = first.value if len(first.value) <= 40 else first.value[:37] + "..."
    raise LineError(f"no command {word!r}; {meant}", first.start, first.end)


# ---- targets ---------------------------------------------------------------------------------------------------------


def _target(
    kind: type[Spoken], words: Sequence[Token], default: Target | None, known: Callable[[str], bool], end: int
) -> tuple[Target | None, Sequence[Token], bool]:
    """The target of a command, the words that are left, and whether the target was typed."""
    if kind.aims is Aim.NOWHERE:
        return None, words, False
    place = target_place(kind, words, default, known)
    if place is not None:
        token = words[place]
        target = _read_target(token)
        if not _fits(kind.aims, target):
            raise LineError(_misfit(kind, token.value, known), token.start, token.end)
        return target, [*words[:place], *words[place + 1 :]], True
    if default is None:
        if not kind.aim_optional:
            raise LineError(
                f"{kind.verb} needs a target, such as {_EXAMPLES[kind.aims]}, or one that is in use: `help use`",
                end + 1,
            )
        return None, words, False
    if kind.aims is Aim.CHARGE_POINT:
        return (default.of_charge_points() if default.aim is Aim.CONNECTOR else default), words, False
    if not _fits(kind.aims, default):
        raise LineError(f"{_misfit(kind, default.render(), known)}; {default} is in use", end + 1)
    return default, words, False


def target_place(
    kind: type[Spoken], words: Sequence[Token], default: Target | None, known: Callable[[str], bool]
) -> int | None:
    """Which word is the target, if any is."""
    if kind.aims_last:
        behind = [place for place, word in enumerate(words) if word.name is None][len(arguments(kind)) :]
        return behind[0] if behind else None
    if not words or not words[0].plain:
        return None
    must = default is None and not kind.aim_optional
    # One word more than the arguments take can only be the target.
    more = len([word for word in words if word.name is None]) > _room(kind)
    return 0 if must or more or looks_like_target(words[0].value, known) else None


def _room(kind: type[Spoken]) -> float:
    """How many words without a name its arguments take."""
    own = arguments(kind)
    return math.inf if any(argument.many or argument.rest for argument in own) else len(own)


def _read_target(token: Token) -> Target:
    try:
        return parse_target(token.value)
    except TargetError as error:
        start = token.value_start + error.position
        raise LineError(str(error), start, max(start + 1, token.end)) from None


def _fits(aims: Aim, target: Target) -> bool:
    return aims is Aim.EITHER or aims is target.aim


def _misfit(kind: type[Spoken], typed: str, known: Callable[[str], bool]) -> str:
    """A target of the wrong kind, with the right one beside it."""
    if kind.aims is Aim.CONNECTOR:
        pattern = not set(typed).isdisjoint("*?[") and set(typed).isdisjoint("@~,")
        # Connector 0 is the whole charge point: of the right one, but none that a cable goes into.
        whole = typed.removesuffix("/0")
        id = whole if known(whole) or pattern else "CP0001"
        return f"{kind.verb} needs a connector, such as {id}/1 or {id}/*"
    id = typed.partition("/")[0]
    return f"{kind.verb} needs a charge point, such as {'CP0001' if not set(id).isdisjoint('@~,') else id}"


# ---- arguments -------------------------------------------------------------------------------------------------------


class _Binding:
    """Words to the arguments of a command."""

    def __init__(self, kind: type[Spoken], doubtful: Token | None) -> None:
        self.verb = kind.verb
        self.arguments = arguments(kind)
        self.by_name = {argument.name: argument for argument in self.arguments}
        self.values: dict[str, Any] = {}
        self.doubtful = doubtful

    def bind(self, words: Sequence[Token], end: int) -> dict[str, Any]:
        """The values by argument; `end` is the end of the line, where a missing one is missed."""
        for word in words:
            if word.name is not None:
                self._bind_named(word, word.name)
            else:
                self._bind_next(word)
        for argument in self.arguments:
            if argument.required and argument.name not in self.values:
                raise LineError(f"{self.verb} needs {argument.name}: {expected(argument)}", end + 1)
        return self.values

    def _bind_named(self, word: Token, name: str) -> None:
        argument = self.by_name.get(name.replace("-", "_").lower())
        if argument is not None:
            self._set(argument, word)
        elif self.arguments and self.arguments[0].assigns and not self.values:
            self._set(self.arguments[0], attrs.evolve(word, value=name, payload=None))
            self._set(self.arguments[1], word)
        else:
            near = difflib.get_close_matches(name.lower(), self.by_name, n=1)
            meant = f"did you mean {near[0]}?" if near else f"it has {_either(list(self.by_name) or ['none'])}"
            raise LineError(f"{self.verb} has no argument {name!r}; {meant}", word.start, word.value_start - 1)

    def _bind_next(self, word: Token) -> None:
        """A word without a name: a flag, once everything is there that must be, or what comes next."""
        complete = all(argument.name in self.values for argument in self.arguments if argument.required)
        flag = self.by_name.get(word.value.lower()) if word.plain and complete else None
        if flag is not None and flag.kind is bool:
            self._set(flag, attrs.evolve(word, value="true"))
            return
        free = [a for a in self.arguments if a.name not in self.values or a.many or a.rest]
        if word.payload is not None:
            free = [a for a in free if a.kind is dict] or free
        if free:
            self._set(free[0], word)
            return
        names = " ".join(self.by_name)
        takes = f"takes no more than {names}" if names else "takes no arguments"
        raise self._error(f"{self.verb} {takes}", word)

    def _set(self, argument: Argument, word: Token) -> None:
        name = argument.name
        try:
            value = read(argument, word)
        except ValueError as error:
            raise self._error(str(error), word) from None
        if argument.many:
            self.values[name] = (*self.values.get(name, ()), value)
        elif argument.rest:
            self.values[name] = f"{self.values[name]} {value}" if name in self.values else value
        elif name in self.values:
            raise LineError(f"{name} is given twice", word.start, word.end)
        else:
            self.values[name] = value

    def _error(self, message: str, word: Token) -> LineError:
        doubt = f"; and there is no charge point {word.value}" if word is self.doubtful and word.plain else ""
        return LineError(message + doubt, word.value_start, word.end)


def _make(kind: type[Spoken], values: dict[str, Any]) -> AnyCommand:
    """The command with these values; a car's go into the car."""
    parts = {argument.name for argument in arguments(kind) if argument.inside}
    own = {name: value for name, value in values.items() if name not in parts}
    if parts:
        (inside,) = {argument.inside for argument in arguments(kind) if argument.inside}
        own[str(inside)] = EV(**{name: value for name, value in values.items() if name in parts})
    return cast(AnyCommand, kind(**own))


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


# ---- and back --------------------------------------------------------------------------------------------------------


def render(command: AnyCommand, target: Target | None = None) -> str:
    """The line that reads back as this command for this target; what is as it is anyhow is left out."""
    kind = type(command)
    words = [_word(command, argument) for argument in arguments(kind)]
    said: list[str] = []
    # Without its target the first value might be taken for one; and names begin where something is left out.
    named = len(words) > _POSITIONAL_MAX or (target is None and kind.aims is not Aim.NOWHERE and not kind.aims_last)
    for argument, values in zip(arguments(kind), words, strict=True):
        if not values and not argument.many:
            named = True
        elif argument.kind is bool:
            said.append(argument.name)
        else:
            said += (f"{argument.name}={value}" if named else value for value in values)
    aimed = [] if target is None else [target.render()]
    return " ".join([kind.verb, *said, *aimed] if kind.aims_last else [kind.verb, *aimed, *said])


def _word(command: AnyCommand, argument: Argument) -> list[str]:
    """The argument's values as words: none where it is as by default, several where it takes many."""
    holder = getattr(command, argument.inside) if argument.inside else command
    value = getattr(holder, argument.name)
    if argument.many:
        return [quote(part) for part in value]
    return [] if not argument.required and value == argument.default else [write(argument, value)]
