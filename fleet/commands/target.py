"""Targets: how one line names a connector, a charge point, or a thousand of them.

    CP0001/2                the second connector of a charge point
    CP0001                  the charge point itself (CP0001/0 says the same)
    CP00*/1   */*   CP?     globs: `*` is anything, `?` one character; `/*` every connector, `/[1-2]` some
    CP[0001-0100]/*         a range of numbers; leading zeros are kept
    CP0001/1,CP0007/*       a list: all connectors, or all charge points
    */*@Charging,Faulted    of all those, the ones in one of these statuses now
    */*~10%   */*~25        of all those, a sample; it stands last

A status filter or a sample alone is one of `*/*`. Charge points filtered by status are those with a connector in it. An
id that exists is always itself, whatever characters are in it. A target is text that was understood, no more: what it
comes to is seen when it is resolved, and coming to nothing is an error, because nobody means nothing.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Protocol

from attrs import evolve, frozen

from fleet.commands.speech import Aim
from fleet.errors import FleetError
from fleet.words import ConnectorStatus

Address = tuple[str, int]
"""A charge point's id and a connector's number; 0 is the charge point itself."""

_STATUSES = {status.casefold(): status for status in ConnectorStatus}
_RANGE = re.compile(r"\[([0-9]{1,18})-([0-9]{1,18})\]")
_CONNECTORS = re.compile(r"([0-9]{1,6})|\[([0-9]{1,6})-([0-9]{1,6})\]|\*")
_SAMPLE = re.compile(r"([0-9]{1,9})|([0-9]{1,3}(?:\.[0-9]{1,9})?)%")
# Each star multiplies the ways in which a pattern may be tried; the ids of EVSEs have three or four of their own.
_STARS_MAX = 5
_SYNTAX = frozenset("/@~*?[")
_NOT_IN_IDS = re.compile(r"""[\s"'@~\]{}]""")


class TargetError(FleetError):
    """A target that can't be understood, or that comes to nothing; `position` is where in `text`."""

    def __init__(self, message: str, text: str = "", position: int = 0) -> None:
        super().__init__(message)
        self.text = text
        self.position = position


class Directory(Protocol):
    """Who is there: what targets are resolved against."""

    @property
    def ids(self) -> Sequence[str]:
        """Every charge point's id, in global order."""

    def connectors(self, charge_point_id: str, /) -> int:
        """How many connectors it has."""

    def status(self, charge_point_id: str, connector: int, /) -> ConnectorStatus | None:
        """A connector's status; None while its charge point is off."""


@frozen
class Term:
    """One entry of the list: a pattern of ids, and of each the connectors from `first` to `last`.

    `last` None is as many as there are; `first` 0 is the charge point itself.
    """

    pattern: str
    first: int = 0
    last: int | None = 0

    def render(self) -> str:
        """The term as one would type it."""
        if self.first == 0:
            return self.pattern
        if self.last is None:
            return f"{self.pattern}/*"
        return (
            f"{self.pattern}/{self.first}" if self.first == self.last else f"{self.pattern}/[{self.first}-{self.last}]"
        )

    def numbers(self, connectors: int) -> range:
        """The addressed connectors of a charge point that has so many."""
        return range(self.first, (connectors if self.last is None else min(self.last, connectors)) + 1)


@frozen
class Sample:
    """So many of them, or so many in a hundred; of few at least one."""

    amount: float
    percent: bool

    def of(self, count: int) -> int:
        """How many of `count` that is."""
        return min(count, max(1, round(count * self.amount / 100) if self.percent else int(self.amount)))

    def render(self) -> str:
        """The sample as one would type it."""
        return f"~{self.amount:.9f}".rstrip("0").rstrip(".") + "%" if self.percent else f"~{self.amount:.0f}"


@frozen
class Target:
    """What a line is for, as text that was understood. All terms name connectors, or all charge points.

    `whole` makes it the charge points of whatever connectors it names.
    """

    terms: tuple[Term, ...]
    statuses: tuple[ConnectorStatus, ...] = ()
    sample: Sample | None = None
    whole: bool = False

    @classmethod
    def of(cls, addresses: Iterable[Address]) -> "Target":
        """Exactly these: what a sample or a filter came to, to keep on meaning the same."""
        return cls(tuple(Term(id, connector, connector) for id, connector in addresses))

    @property
    def aim(self) -> Aim:
        """Whether it names connectors or charge points."""
        return Aim.CONNECTOR if self.terms[0].first and not self.whole else Aim.CHARGE_POINT

    def of_charge_points(self) -> "Target":
        """The charge points of the connectors that it names."""
        if self.statuses or self.sample:
            return evolve(self, whole=True)
        return Target(tuple(dict.fromkeys(Term(term.pattern) for term in self.terms)))

    def render(self) -> str:
        """The target as one would type it; it reads back the same, apart from `whole`."""
        statuses = "@" + ",".join(self.statuses) if self.statuses else ""
        return ",".join(term.render() for term in self.terms) + statuses + (self.sample.render() if self.sample else "")

    __str__ = render

    def resolve(self, directory: Directory, *, seed: int = 0, counter: int = 0) -> list[Address]:
        """Whom it means now, in global order and each once; a sample is the same for the same seed and counter.

        Raises TargetError when nobody is meant, or nobody by one of its terms.
        """
        found = self._listed(directory)
        if self.statuses:
            found = [address for address in found if self._has_status(directory, address)]
            if not found:
                of, names = _list(self.terms), " or ".join(self.statuses)
                none = f"no connector of {of} is" if self.terms[0].first else f"no charge point of {of} has one that is"
                raise TargetError(f"{none} {names} now", self.render())
        if self.sample is not None:
            found = _drawn(found, self.sample.of(len(found)), f"{seed}/{counter}")
        if self.whole:
            return list(dict.fromkeys((id, 0) for id, _ in found))
        return found

    def _listed(self, directory: Directory) -> list[Address]:
        """The addresses of all terms."""
        ids = directory.ids
        known = frozenset(ids)
        if len(self.terms) == 1:
            return _matches(self.terms[0], ids, known, directory)
        meant = {address for term in self.terms for address in _matches(term, ids, known, directory)}
        places = {id: place for place, id in enumerate(ids)}
        return sorted(meant, key=lambda address: (places[address[0]], address[1]))

    def _has_status(self, directory: Directory, address: Address) -> bool:
        id, connector = address
        if connector:
            return directory.status(id, connector) in self.statuses
        return any(directory.status(id, number) in self.statuses for number in range(1, directory.connectors(id) + 1))


def looks_like_target(text: str, known: Callable[[str], bool]) -> bool:
    """Whether a word can only be meant as a target: by its characters, or because such a charge point is there."""
    return not _SYNTAX.isdisjoint(text) or any(known(part) for part in text.split(","))


def parse_target(text: str) -> Target:
    """The target in `text`; raises TargetError with the place that can't be understood."""
    listed, filtered, sampled = _parts(text)
    statuses: tuple[ConnectorStatus, ...] = ()
    sample = None
    if filtered is not None:
        statuses = tuple(dict.fromkeys(_statuses(text, filtered)))
    if sampled is not None:
        sample = _sample(text, sampled)
    if listed == 0 and (statuses or sample):
        return Target((Term("*", 1, None),), statuses, sample)
    terms = []
    position = 0
    for part in text[:listed].split(","):
        terms.append(_term(text, part, position))
        position += len(part) + 1
    if len({term.first == 0 for term in terms}) > 1:
        raise TargetError("a list names connectors or charge points, not both", text)
    return Target(tuple(dict.fromkeys(terms)), statuses, sample)


def _parts(text: str) -> tuple[int, int | None, int | None]:
    """Where the list ends, where the status filter begins, and where the sample does."""
    at, tilde = text.find("@"), text.find("~")
    if 0 <= tilde < at:
        raise TargetError("the sample comes last, such as */*@Charging~10%", text, at)
    listed = min(place for place in (at, tilde, len(text)) if place >= 0)
    return listed, at if at >= 0 else None, tilde if tilde >= 0 else None


def _statuses(text: str, at: int) -> Iterable[ConnectorStatus]:
    position = at + 1
    for word in text[position:].partition("~")[0].split(","):
        status = _STATUSES.get(word.casefold())
        if status is None:
            raise TargetError(f"no status {word!r}; expected one of {', '.join(ConnectorStatus)}", text, position)
        yield status
        position += len(word) + 1


def _sample(text: str, tilde: int) -> Sample:
    match = _SAMPLE.fullmatch(text, tilde + 1)
    if match is None or not (amount := float(match[1] or match[2])) or (match[2] and amount > 100):
        raise TargetError("expected a sample such as ~25 or ~10%", text, tilde)
    return Sample(amount, percent=match[2] is not None)


def _term(text: str, part: str, position: int) -> Term:
    """One entry of the list, which begins at `position` of the text."""
    pattern, slash, connectors = part.partition("/")
    if not pattern:
        raise TargetError("expected a charge point, such as CP0001 or CP00*", text, position)
    if pattern.count("*") > _STARS_MAX:
        raise TargetError(f"more than {_STARS_MAX} stars in an id", text, position)
    bare = _RANGE.sub("", pattern)
    for found in _RANGE.finditer(pattern):
        if int(found[1]) > int(found[2]):
            raise TargetError(f"the range {found[0]} is empty: {found[1]} is more than {found[2]}", text, position)
    if "[" in bare:
        bracket = next(m.start() for m in re.finditer(r"\[", pattern) if not _RANGE.match(pattern, m.start()))
        raise TargetError("expected a range of numbers, such as CP[0001-0100]", text, position + bracket)
    if odd := _NOT_IN_IDS.search(bare):
        raise TargetError(f"an id has no {odd[0]!r} in it", text, position + pattern.find(odd[0]))
    if not slash:
        return Term(pattern)
    match = _CONNECTORS.fullmatch(connectors)
    if match is None:
        place = position + len(pattern) + 1
        raise TargetError("expected a connector's number, * or a range such as [1-2]", text, place)
    first, last = int(match[1] or match[2] or 1), match[1] or match[3]
    if match[2] and not 0 < first <= int(match[3]):
        raise TargetError(f"the range {connectors} names no connector", text, position + len(pattern) + 1)
    return Term(pattern, first, None if last is None else int(last))


def _matches(term: Term, ids: Sequence[str], known: frozenset[str], directory: Directory) -> list[Address]:
    """The addresses of one term, in global order."""
    matching: Sequence[str]
    if term.pattern in known:
        matching = (term.pattern,)
    elif term.pattern == "*":
        matching = ids
    else:
        fits = re.compile(_regex(term.pattern)).fullmatch
        matching = [id for id in ids if fits(id)]
    if not matching:
        what = "no charge point matches" if _is_pattern(term.pattern) else "there is no charge point"
        raise TargetError(f"{what} {term.pattern}" if ids else "there are no charge points", term.render())
    if not term.first:
        return [(id, 0) for id in matching]
    found = [(id, number) for id in matching for number in term.numbers(directory.connectors(id))]
    if not found:
        if len(matching) == 1:
            count = directory.connectors(matching[0])
            raise TargetError(f"{matching[0]} has {count} connectors; there is no {term.render()}", term.render())
        raise TargetError(f"no charge point of {term.pattern} has such a connector: {term.render()}", term.render())
    return found


def _drawn(found: list[Address], count: int, key: str) -> list[Address]:
    """`count` of them, in their order: those whose own hash is lowest, so that one who joins changes little."""

    def rank(address: Address) -> bytes:
        return blake2b(f"{key}/{address[0]}/{address[1]}".encode(), digest_size=8).digest()

    chosen = set(sorted(found, key=rank)[:count])
    return [address for address in found if address in chosen]


def _list(terms: tuple[Term, ...]) -> str:
    rendered = ",".join(term.render() for term in terms)
    return rendered if len(rendered) <= 60 else rendered[:57] + "..."


def _is_pattern(pattern: str) -> bool:
    return not _SYNTAX.isdisjoint(pattern)


def _regex(pattern: str) -> str:
    """The regular expression of a pattern of ids."""
    pieces = []
    position = 0
    while position < len(pattern):
        if match := _RANGE.match(pattern, position):
            pieces.append(_range_regex(match[1], match[2]))
            position = match.end()
            continue
        character = pattern[position]
        # A run of stars says no more than one, but would be tried in very many ways.
        if character != "*" or pieces[-1:] != [".*"]:
            pieces.append({"*": ".*", "?": "."}.get(character) or re.escape(character))
        position += 1
    return "(?s:" + "".join(pieces) + ")"


def _range_regex(first: str, last: str) -> str:
    """The numbers from `first` to `last`; a leading zero in either makes them all as wide as the wider."""
    if first != str(int(first)) or last != str(int(last)):
        width = max(len(first), len(last))
        return f"(?:{_between(first.zfill(width), last.zfill(width))})"
    choices = []
    for width in range(len(first), len(last) + 1):
        low = first if width == len(first) else "1" + "0" * (width - 1)
        choices.append(_between(low, last if width == len(last) else "9" * width))
    return f"(?:{'|'.join(choices)})"


def _between(low: str, high: str) -> str:
    """The numbers between two that are equally wide, digit by digit."""
    rest = len(low) - 1
    if set(low) <= {"0"} and set(high) <= {"9"}:
        return "[0-9]" * len(low)
    if low[0] == high[0]:
        return low[0] + _between(low[1:], high[1:])
    choices = [low[0] + _between(low[1:], "9" * rest), high[0] + _between("0" * rest, high[1:])]
    if int(high[0]) - int(low[0]) > 1:
        choices.append(f"[{int(low[0]) + 1}-{int(high[0]) - 1}]" + "[0-9]" * rest)
    return f"(?:{'|'.join(choices)})"
