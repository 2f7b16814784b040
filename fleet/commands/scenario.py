"""Scenarios: what one would type, in a file, with waiting, checking and repeating between the lines.

    # What it shows, and what to watch.
    plug                        a line without a target acts on the target that the scenario is run with
    start /1 TAG1               `/1`: the connectors 1 of the charge points of that target
    stop CP0007/*               a target of its own
    ! unplug                    must be refused; it fails when anybody obeys
    wait 30s                    do nothing for a while
    at 10m                      go on ten minutes after the scenario's begin
    wait-for Charging 20s       until everybody was Charging, each at some time within 20 s
    expect Charging             everybody is Charging now
    use CP0001/*                from here on, act on this target; `use` alone: on the supplied one again
    repeat 3
      ...                       these lines, three times; may hold another `repeat`
    end

A line is done when everybody it is for has answered; then comes the next. A refusal is a failed expectation, unless the
line begins with `!`, which stands for "not": then obeying is one. `!` is for commands to connectors and charge points
alone. The opening comment is what the scenario says of itself.

Here text becomes steps and nothing more; every bad line is reported at once, each with its file, its line and the
reason, and a scenario with a bad line is none. `fleet.control.scenario` runs the steps.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from attrs import define, field, frozen

from fleet.commands.fleetwide import At, End, Help, Menu, Monitor, Quit, Repeat, RunScenario, Use, Wait
from fleet.commands.parse import LineError, parse_line
from fleet.commands.registry import AnyCommand
from fleet.commands.speech import Subject
from fleet.commands.target import Target, Term
from fleet.commands.tokens import tokenize
from fleet.errors import ConfigurationError

LINES_MAX = 10_000
LINE_LENGTH_MAX = 10_000
DEPTH_MAX = 8
"""Repeats within repeats."""

# Those that are answered to somebody who sits there, or that would never come to an end.
_NOT_HERE: dict[type, str] = {
    Monitor: "nobody watches within a scenario",
    Menu: "a scenario has no menu",
    Help: "a scenario needs no help",
    RunScenario: "a scenario runs no other; put their files one after the other in the run's configuration",
    Quit: "a scenario does not end the run: it ends when its lines do",
}
# Stands for "the target that the scenario is run with" while a line is parsed: nothing that anybody could type.
_SUPPLIED = Target((Term("\0supplied", 1, None),))
# A word such as /1 where the target would stand: a connector of each of the supplied charge points.
_RELATIVE = re.compile(r"(?<=\s)/(\d{1,6}|\*|\[\d{1,6}-\d{1,6}\])(?=\s|$)")


class ScenarioError(ConfigurationError):
    """A scenario that can't be run; one line for each bad line of it."""


class Mistake(NamedTuple):
    """A bad line, and why it is bad."""

    place: "Place"
    reason: str


@frozen
class Place:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@frozen
class Step:
    """One line to carry out.

    `target` is the line's own. Where it has none, `supplied` says that it acts on the supplied target, and
    `connectors`, if there are any, on those of the supplied charge points. `refused` says that it has to be.
    """

    place: Place
    command: AnyCommand
    text: str
    target: Target | None = None
    supplied: bool = False
    connectors: Term | None = None
    refused: bool = False

    @property
    def needs_supply(self) -> bool:
        """Whether it can't be carried out unless there is a supplied target."""
        return self.supplied and not (type(self.command).aim_optional and self.connectors is None)


@frozen
class Round:
    """Steps that are repeated."""

    place: Place
    count: int
    steps: tuple["Step | Round", ...]


@frozen
class Scenario:
    """A file that was understood; `about` is its opening comment, a line each."""

    file: str
    steps: tuple[Step | Round, ...]
    about: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The first line that it says of itself, or its file."""
        return next((line for line in self.about if line), self.file)

    @property
    def orphan(self) -> Place | None:
        """The first line that needs a target to be supplied: it names none, and none is in use."""
        used = False
        for step in flat(self.steps):
            if isinstance(step.command, Use):
                used = step.target is not None
            elif step.needs_supply and not used:
                return step.place
        return None

    @property
    def duration_s(self) -> float:
        """How long it takes at least, in s: its waiting alone, when everybody answers at once."""
        return _duration_s(self.steps, 0.0)

    def __len__(self) -> int:
        return sum(1 for _ in flat(self.steps))


def flat(steps: Iterable[Step | Round]) -> Iterator[Step]:
    """Every step once, whatever repeats it."""
    for step in steps:
        if isinstance(step, Round):
            yield from flat(step.steps)
        else:
            yield step


def _duration_s(steps: Iterable[Step | Round], elapsed_s: float) -> float:
    for step in steps:
        if isinstance(step, Round):
            elapsed_s += step.count * _duration_s(step.steps, 0.0)
        elif isinstance(step.command, Wait):
            elapsed_s += step.command.duration_s
        elif isinstance(step.command, At):
            elapsed_s = max(elapsed_s, step.command.offset_s)
    return elapsed_s


def parse_scenario(text: str, file: str, *, known: Callable[[str], bool]) -> Scenario:
    """The scenario in `text`; `known` tells an id of the fleet from another word, as for `parse_line`.

    Raises ScenarioError with one line `FILE:LINE: REASON` for each bad line.
    """
    reader = _Reader(file, known)
    lines = text.split("\n")
    if len(lines) > LINES_MAX:
        reader.wrong(LINES_MAX + 1, f"expected at most {LINES_MAX} lines, got {len(lines)}")
        lines = lines[:LINES_MAX]
    for number, line in enumerate(lines, 1):
        reader.read(number, line.rstrip("\r"))
    return reader.finished(_about(lines))


def _about(lines: Iterable[str]) -> tuple[str, ...]:
    about = []
    for line in lines:
        if not line.startswith("#"):
            break
        about.append(line.lstrip("#").strip())
    return tuple(about)


@define
class _Block:
    """A `repeat` that waits for its `end`, or the file itself."""

    place: Place
    count: int
    steps: list[Step | Round] = field(factory=list)


class _Reader:
    """Reads line after line, goes on after a bad one, and says them all at the end."""

    def __init__(self, file: str, known: Callable[[str], bool]) -> None:
        self._file = file
        self._known = known
        self._blocks = [_Block(Place(file, 1), 1)]
        self._mistakes: list[Mistake] = []
        self._latest_at: At | None = None

    def wrong(self, number: int, reason: str) -> None:
        """This line is bad."""
        self._mistakes.append(Mistake(Place(self._file, number), reason))

    def read(self, number: int, text: str) -> None:
        """Take one line in."""
        stripped = text.strip()
        if not stripped or stripped.startswith("#"):
            return
        if len(text) > LINE_LENGTH_MAX:
            self.wrong(number, f"expected at most {LINE_LENGTH_MAX} characters, got {len(text)}")
            return
        try:
            self._take(self._step(Place(self._file, number), stripped))
        except (LineError, ValueError) as error:
            self.wrong(number, str(error).replace(_SUPPLIED.terms[0].pattern, "*"))

    def finished(self, about: tuple[str, ...]) -> Scenario:
        """The scenario; raises ScenarioError."""
        for block in self._blocks[1:]:
            self.wrong(block.place.line, "repeat without its end")
        if not self._mistakes and not self._blocks[0].steps:
            self.wrong(1, "nothing to do: expected at least one line that isn't a comment")
        if self._mistakes:
            mistakes = sorted(self._mistakes, key=lambda mistake: mistake.place.line)
            raise ScenarioError("\n".join(f"{mistake.place}: {mistake.reason}" for mistake in mistakes))
        return Scenario(self._file, tuple(self._blocks[0].steps), about)

    def _step(self, place: Place, text: str) -> Step:
        """One line as a step; raises LineError, or ValueError for what is wrong only here."""
        refused = text.startswith("!")
        text = text.removeprefix("!").lstrip()
        if not text or text.startswith("#"):
            raise ValueError("expected a command after !")
        text = text[: tokenize(text)[-1].end]  # without its comment
        relative = _RELATIVE.search(text)
        pattern = _SUPPLIED.terms[0].pattern
        typed = f"{text[: relative.start()]}{pattern}{text[relative.start() :]}" if relative else text
        line = parse_line(typed, default=_SUPPLIED, known=self._known)
        command, target = line.command, line.target
        if (reason := _NOT_HERE.get(type(command))) is not None:
            raise ValueError(reason)
        if refused and type(command).subject not in (Subject.CONNECTOR, Subject.CHARGE_POINT):
            raise ValueError("! says that a command must be refused, and nobody can refuse this one")
        if target is None or target.terms[0].pattern != pattern:
            return Step(place, command, text, target, refused=refused)
        connectors = target.terms[0] if relative else None
        return Step(place, command, text, supplied=True, connectors=connectors, refused=refused)

    def _take(self, step: Step) -> None:
        match step.command:
            case Repeat(count=count):
                if len(self._blocks) > DEPTH_MAX:
                    raise ValueError(f"expected at most {DEPTH_MAX} repeats within each other")
                self._blocks.append(_Block(step.place, count))
            case End():
                if len(self._blocks) == 1:
                    raise ValueError("end without a repeat")
                block = self._blocks.pop()
                if not block.steps and not self._mistakes:
                    self.wrong(block.place.line, "nothing to repeat")
                self._blocks[-1].steps.append(Round(block.place, block.count, tuple(block.steps)))
            case At() as at:
                if len(self._blocks) > 1:
                    raise ValueError("at counts from the scenario's begin, so it can't be repeated")
                if self._latest_at is not None and at.offset_s < self._latest_at.offset_s:
                    raise ValueError("this time comes before that of an earlier line")
                self._latest_at = at
                self._blocks[-1].steps.append(step)
            case _:
                self._blocks[-1].steps.append(step)
