"""Completion: what may stand at the cursor, from the registry and from what is there right now.

Pure data in and out, so that it is tested without a terminal. A candidate replaces the line from its `start` to the
cursor. Nothing here raises: a line that can't be understood yet has no candidates.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from attrs import frozen

from fleet.commands.parse import target_place
from fleet.commands.registry import COMMANDS, Argument, arguments, find
from fleet.commands.speech import Aim, Completes, Spoken
from fleet.commands.target import Directory, Target
from fleet.commands.tokens import LineError, Token, tokenize
from fleet.commands.values import letters, quote
from fleet.words import ConnectorStatus

IDS_MAX = 100
"""Charge points that are offered at once; who wants another types one character more."""
# So few charge points are offered with each of their connectors.
_FEW = 8


@frozen
class Candidate:
    """What may replace the line from `start` to the cursor, and a few words about it."""

    text: str
    start: int
    help: str = ""


class CompletionData(Directory, Protocol):
    """What is there to be named, beside charge points and connectors."""

    @property
    def id_tags(self) -> Sequence[str]:
        """Id tags that somebody here has."""

    @property
    def keys(self) -> Sequence[str]:
        """The names of the configuration keys."""

    @property
    def actions(self) -> Sequence[str]:
        """The names of the OCPP actions."""

    def files(self, beginning: str, /) -> Sequence[str]:
        """Scenario files and folders whose path begins so."""


def complete(line: str, cursor: int, world: CompletionData, default: Target | None = None) -> list[Candidate]:
    """What may stand at the cursor; `default` is the target in use."""
    before = line[: max(0, cursor)]
    words = _words(before)
    if words is None:
        return []
    *typed, current = words
    found = list(_verbs(typed, current))
    kind, rest = _command(typed)
    if kind is not None:
        found += _behind_verb(kind, rest, current, world, default)
    return list(dict.fromkeys(found))


def _words(before: str) -> list[Token] | None:
    """The words up to the cursor, the last of which is being typed and may be empty; None where nothing can stand."""
    try:
        words = tokenize(before)
    except LineError as error:
        # A quote that is being typed is no mistake; a JSON object has nothing to offer.
        if before[error.start : error.start + 1] not in ("'", '"'):
            return None
        try:
            words = tokenize(before[: error.start])
        except LineError:
            return None
        name = words.pop().name if words and words[-1].end == error.start else None
        value = before[error.start + 1 :]
        return [*words, Token(value, error.start, len(before), error.start, name, quoted=True)]
    end = words[-1].end if words else 0
    if before[end:].strip():
        return None
    return words if words and end == len(before) else [*words, Token("", len(before), len(before), len(before))]


def _verbs(typed: Sequence[Token], current: Token) -> Iterator[Candidate]:
    """Verbs, of which the second word may be the one being typed."""
    if len(typed) > 1 or not current.plain:
        return
    so_far = " ".join([*(word.value for word in typed), current.value]).lower()
    start = typed[0].start if typed else current.start
    for verb, kind in COMMANDS.items():
        if verb.startswith(so_far):
            yield Candidate(verb, start, summary(kind))


def summary(kind: type[Spoken]) -> str:
    """A command's help in one line."""
    return (kind.__doc__ or "").partition("\n")[0]


def _command(typed: Sequence[Token]) -> tuple[type[Spoken] | None, Sequence[Token]]:
    """The command whose verb is complete, and the complete words behind it."""
    if len(typed) > 1 and (kind := find(f"{typed[0].value} {typed[1].value}")):
        return kind, typed[2:]
    return (find(typed[0].value), typed[1:]) if typed else (None, ())


def _behind_verb(
    kind: type[Spoken], words: Sequence[Token], current: Token, world: CompletionData, default: Target | None
) -> Iterator[Candidate]:
    own = arguments(kind)
    if kind.aims is Aim.NOWHERE:
        yield from _arguments(own, words, current, world)
    elif kind.aims_last:
        place = len([word for word in words if word.name is None])
        if place < len(own):
            yield from _arguments(own, words, current, world)
        elif place == len(own) and current.plain:
            yield from _targets(kind.aims, current, world)
    elif words:
        aimed = target_place(kind, words, default, frozenset(world.ids).__contains__) is not None
        yield from _arguments(own, words[1:] if aimed else words, current, world)
    else:
        if default is not None or kind.aim_optional:
            yield from _arguments(own, words, current, world)
        if current.plain:
            yield from _targets(kind.aims, current, world)


# ---- targets ---------------------------------------------------------------------------------------------------------


def _targets(aims: Aim, current: Token, world: CompletionData) -> Iterator[Candidate]:
    """What the target that is being typed may go on with."""
    text, start = current.value, current.start
    if "~" in text:
        return
    listed, at, statuses = text.partition("@")
    if at:
        begun = statuses.rpartition(",")[2]
        for status in _beginning([status.value for status in ConnectorStatus], begun):
            yield Candidate(status, start + len(text) - len(begun))
        return
    piece = listed.rpartition(",")[2]
    place = start + len(text) - len(piece)
    pattern, slash, begun = piece.partition("/")
    if slash:
        for candidate, hint in _connectors(pattern, world):
            if candidate.startswith(piece):
                yield Candidate(candidate, place, hint)
        return
    if not piece:
        yield from (Candidate(every, place, hint) for every, hint in _EVERY[aims])
    ids = list(islice((id for id in world.ids if id.lower().startswith(piece.lower())), IDS_MAX))
    for id in ids:
        if aims is not Aim.CONNECTOR:
            yield Candidate(id, place, f"{world.connectors(id)} connectors")
        if aims is not Aim.CHARGE_POINT and len(ids) <= _FEW:
            yield from (Candidate(candidate, place, hint) for candidate, hint in _connectors(id, world))
        elif aims is Aim.CONNECTOR:
            yield Candidate(f"{id}/", place, f"{world.connectors(id)} connectors")


_ALL_CONNECTORS = ("*/*", "every connector")
_ALL_CHARGE_POINTS = ("*", "every charge point")
_EVERY = {
    Aim.NOWHERE: (),
    Aim.CONNECTOR: (_ALL_CONNECTORS,),
    Aim.CHARGE_POINT: (_ALL_CHARGE_POINTS,),
    Aim.EITHER: (_ALL_CHARGE_POINTS, _ALL_CONNECTORS),
}


def _connectors(pattern: str, world: CompletionData) -> Iterator[tuple[str, str]]:
    """The connectors of a charge point with their status, and all of them at once."""
    if pattern in world.ids:
        for number in range(1, world.connectors(pattern) + 1):
            yield f"{pattern}/{number}", str(world.status(pattern, number) or "off")
    elif world.ids:
        yield from ((f"{pattern}/{number}", "") for number in range(1, world.connectors(world.ids[0]) + 1))
    yield f"{pattern}/*", "all of its connectors"


# ---- arguments -------------------------------------------------------------------------------------------------------


def _arguments(
    own: Sequence[Argument], words: Sequence[Token], current: Token, world: CompletionData
) -> Iterator[Candidate]:
    """The values of the argument that is due, and the names of those that are not given yet."""
    by_name = {argument.name: argument for argument in own}
    if current.name is not None:
        named = by_name.get(current.name.replace("-", "_").lower())
        if named is not None:
            yield from _values(named, current, world)
        return
    free = _free(own, words)
    if not free:
        return
    yield from _values(free[0], current, world)
    if current.quoted or current.payload is not None:
        return
    for argument in free:
        if argument.kind is bool:
            if not free[0].required and argument.name.startswith(current.value.lower()):
                yield Candidate(argument.name, current.start)
        elif len(own) > 1 and argument.kind is not dict and argument.name.startswith(current.value.lower()):
            yield Candidate(f"{argument.name}=", current.start, argument.unit or "")


def _free(own: Sequence[Argument], words: Sequence[Token]) -> list[Argument]:
    """The arguments that the words before leave."""
    free = list(own)
    for word in words:
        name = (word.name or "").replace("-", "_").lower()
        given = [a for a in free if a.name == name] if name else []
        if not name and word.plain and not any(a.required for a in free):
            given = [a for a in free if a.kind is bool and a.name == word.value.lower()]
        if not name and word.payload is not None:
            given = [a for a in free if a.kind is dict]
        if name and not given and own and own[0].assigns:
            given = free[:2]
        for argument in given or ([] if name else free[:1]):
            if not (argument.many or argument.rest):
                free.remove(argument)
    return free


def _values(argument: Argument, current: Token, world: CompletionData) -> Iterator[Candidate]:
    begun, start = current.value, current.value_start
    if argument.kind is dict:
        if not begun:
            yield Candidate("{}", start, "the payload")
    elif argument.choices:
        wanted, meanings = letters(begun), argument.meanings
        fitting = (choice for choice in argument.choices if letters(choice).startswith(wanted))
        yield from (Candidate(choice, start, meanings.get(choice, "")) for choice in fitting)
    elif argument.kind is bool and current.name is not None:
        yield from (Candidate(word, start) for word in _beginning(("true", "false"), begun))
    elif argument.completes is not None:
        for word in _worldly(argument.completes, begun, world):
            yield Candidate(word if argument.completes is Completes.VERB else quote(word), start)


def _worldly(completes: Completes, begun: str, world: CompletionData) -> Iterable[str]:
    match completes:
        case Completes.FILE:
            return world.files(begun)
        case Completes.ID_TAG:
            return islice(_beginning(world.id_tags, begun), IDS_MAX)
        case Completes.KEY:
            return _beginning(world.keys, begun)
        case Completes.ACTION:
            return _beginning(world.actions, begun)
        case Completes.VERB:
            return _beginning(COMMANDS, begun)


def _beginning(words: Iterable[str], begun: str) -> Iterator[str]:
    return (word for word in words if word.lower().startswith(begun.lower()))
