"""Running scenarios: one line after the other, each on everybody it is for at once.

A line is done when all whom it is for have answered, and then comes the next: on a thousand charge points as on one.
Whom the supplied target means is settled once, when the scenario begins, so that `*/*@Available~10%` stays the same
connectors after they were plugged in; targets of a line's own, and those of `use`, are settled when the line is
reached. A supplied charge point stands for all its connectors where a line is for connectors, and a connector for its
charge point where a line is for charge points.

A failed expectation is a fact and no end: it is kept, said at once, and the next line comes. Statuses are read off the
board; `wait-for` listens to the observer and asks nobody.
"""

from collections.abc import Callable, Iterable, Sequence

import trio
from attrs import define, field

from fleet.commands.fleetwide import At, Expect, List, ShowSeed, ShowStatus, Stats, Use, Wait, WaitFor
from fleet.commands.parse import Line
from fleet.commands.scenario import Round, Scenario, ScenarioError, Step
from fleet.commands.speech import Aim
from fleet.commands.target import Address, Target, TargetError, Term
from fleet.commands.vocabulary import Command
from fleet.control.answer import Answer, Refused
from fleet.control.asking import Outcome, ask_all, render_address
from fleet.control.console import Console
from fleet.control.plant import Plant
from fleet.control.scenario_file import is_short, read_scenario
from fleet.core.reports import ObservedReport, StatusChanged
from fleet.errors import EXIT_DONE, EXIT_EXPECTATION, EXIT_FAILED
from fleet.quantities import format_duration
from fleet.words import ConnectorStatus

SHOWN_MAX = 3
"""Targets that one failed expectation names."""
FAILURES_MAX = 100
"""Failed expectations that are kept and said; the others are counted."""
SHOWN_LINES_MAX = 1_000
"""Lines that `status`, `list` and `stats` may leave in the answer."""

Say = Callable[[str], None]


def _silent(_line: str) -> None:
    pass


async def run_file(console: Console, path: str, target: Target | None) -> Answer:
    """`run FILE TARGET`: the answer has a line for each failed expectation and one that sums up.

    What isn't read at once is read in a thread: a pipe that nobody writes to must hold no charge point up.
    """
    known = console.plant.known
    try:
        if is_short(path):
            scenario = read_scenario(path, known)
        else:
            scenario = await trio.to_thread.run_sync(
                read_scenario, path, known, abandon_on_cancel=True, limiter=trio.CapacityLimiter(1)
            )
    except ScenarioError as error:
        return Answer.wrong(str(error))
    return await run_scenario(console, scenario, target or console.target)


async def run_step(console: Console, line: Line) -> Answer:
    """`wait`, `wait-for` or `expect` by itself, typed between other lines."""
    command = line.command
    match command:
        case Wait():
            await trio.sleep(command.duration_s)
            return Answer(f"waited {format_duration(command.duration_s)}")
        case WaitFor() | Expect():
            if line.target is None:
                return Answer.wrong(f"{line.text}: for whom? Name a target, or set one with `use`")
            addresses = _connectors(console.plant, console.resolve(line.target))
            others = await _differing(console.plant, addresses, command)
            if others:
                reason = _differs(console.plant, others, command)
                return Answer(
                    reason,
                    len(addresses) - len(others),
                    tuple(Refused(render_address(each), _is(console.plant, each)) for each in others),
                    exit_code=EXIT_EXPECTATION,
                )
            count = len(addresses)
            who = render_address(addresses[0]) if count == 1 else f"{count} connectors"
            return Answer(f"{who} {'is' if count == 1 else 'are'} {command.status}", count)
        case _:
            return Answer.wrong(f"{line.text}: only in a scenario file (see `help run`)", EXIT_FAILED)


async def run_scenario(
    console: Console, scenario: Scenario, target: Target | None = None, say: Say = _silent
) -> Answer:
    """Run a scenario on a target; `say` hears each failed expectation when it fails, and what lines show.

    The answer's text is all of that with a last line that sums up; a failed expectation is among `refused`, with its
    FILE:LINE, and the exit code then is EXIT_EXPECTATION.
    """
    if target is None and (place := scenario.orphan) is not None:
        return Answer.wrong(f"{place}: for whom? Name a target, run the scenario on one, or begin with `use`")
    try:
        supplied = [] if target is None else console.resolve(target)
    except TargetError as error:
        return Answer.wrong(f"{scenario.file}: {error}")
    run = _Run(console, scenario, supplied, say)
    await run.steps(scenario.steps)
    return run.answer()


class _Failed(Exception):
    """An expectation that is not met, in words."""


@define(eq=False)
class _Run:
    """A scenario that is running."""

    console: Console
    scenario: Scenario
    supplied: list[Address]
    say: Say
    started_at: float = field(factory=trio.current_time)
    carried_out: int = 0
    failed: int = 0
    failures: list[Refused] = field(factory=list)
    shown: list[str] = field(factory=list)
    used: list[Address] = field(init=False)
    connectors: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.used = self.supplied
        self.connectors = len(_connectors(self.console.plant, self.supplied))

    # ---- the lines ---------------------------------------------------------------------------------------------------

    async def steps(self, steps: Iterable[Step | Round], rounds: str = "") -> None:
        """Carry them out, in their order."""
        for step in steps:
            if isinstance(step, Round):
                for number in range(1, step.count + 1):
                    await self.steps(step.steps, f" (round {number} of {step.count})")
                continue
            # A round of lines that wait for nobody must not keep everybody else waiting.
            await trio.lowlevel.checkpoint()
            self.carried_out += 1
            try:
                await self._step(step)
            except (_Failed, TargetError) as error:
                self._fail(step, f"{error}{rounds}")

    async def _step(self, step: Step) -> None:
        """One line; raises _Failed or TargetError."""
        plant = self.console.plant
        match step.command:
            case Wait(duration_s=duration_s):
                await trio.sleep(duration_s)
            case At(offset_s=offset_s):
                await trio.sleep_until(self.started_at + offset_s)
            case WaitFor() | Expect() as expectation:
                others = await _differing(plant, self._whom(step), expectation)
                if others:
                    raise _Failed(_differs(plant, others, expectation))
            case Use():
                self.used = self.supplied if step.target is None else self.console.resolve(step.target)
            case command if isinstance(command, Command):
                await self._ask(step, command)
            case _:
                await self._perform(step)

    async def _ask(self, step: Step, command: Command) -> None:
        """A command to connectors or charge points."""
        outcome = Outcome(step.text)
        addresses = self._whom(step)
        self.console.plant.note(command, step.text, in_scenario=True)
        await ask_all(self.console.plant.fleet, addresses, command, outcome)
        # They answered in any order.
        names = list(dict.fromkeys(render_address(each) for each in addresses))
        if step.refused and outcome.done:
            obeyed = [name for name in names if name in outcome.done]
            raise _Failed(f"expected {step.text} to be refused, but {_some(obeyed, ', ')} did it")
        if not step.refused and outcome.refused:
            reasons = {refusal.target: refusal.reason for refusal in outcome.refused}
            told = [f"{name}: {reasons[name]}" for name in names if name in reasons]
            raise _Failed(f"{step.text} was refused: {_some(told)}")

    async def _perform(self, step: Step) -> None:
        """A line that the console knows how to carry out."""
        target = step.target
        if step.needs_supply or (step.supplied and self.used):
            target = Target.of(self._whom(step))
        answer = await self.console.perform(Line(step.command, target, step.text), in_scenario=True)
        if step.refused and answer.ok:
            raise _Failed(f"expected {step.text} to be refused, but it was done")
        if not step.refused and not answer.ok:
            raise _Failed(f"{step.text}: {answer.text.splitlines()[0]}")
        if isinstance(step.command, ShowStatus | List | Stats | ShowSeed):
            self._show(answer.text)

    # ---- for whom ----------------------------------------------------------------------------------------------------

    def _whom(self, step: Step) -> list[Address]:
        """Whom a line is for; raises TargetError when that is nobody."""
        plant = self.console.plant
        if step.target is not None:
            addresses = self.console.resolve(step.target)
        elif step.connectors is not None:
            addresses = self._numbered(step.connectors)
        else:
            addresses = self.used
        if not addresses:
            raise TargetError("for whom? No target is in use")
        match type(step.command).aims:
            case Aim.CONNECTOR:
                return _connectors(plant, addresses)
            case Aim.CHARGE_POINT:
                return list(dict.fromkeys((charge_point_id, 0) for charge_point_id, _ in addresses))
            case _:
                return addresses

    def _numbered(self, numbers: Term) -> list[Address]:
        """Connectors of the charge points that were supplied."""
        plant = self.console.plant
        ids = [id for id in dict.fromkeys(id for id, _ in self.used) if plant.known(id)]
        found = [(id, number) for id in ids for number in numbers.numbers(plant.connectors(id))]
        if not found:
            what = numbers.render().removeprefix(numbers.pattern)
            raise TargetError(f"no charge point of the target has a connector {what}")
        return found

    # ---- the outcome -------------------------------------------------------------------------------------------------

    def _fail(self, step: Step, reason: str) -> None:
        self.failed += 1
        if self.failed <= FAILURES_MAX:
            self.failures.append(Refused(str(step.place), reason))
            self._show(f"{step.place}: {reason}")

    def _show(self, text: str) -> None:
        self.say(text)
        self.shown += text.splitlines()[: max(0, SHOWN_LINES_MAX - len(self.shown))]

    def answer(self) -> Answer:
        """What became of it."""
        elapsed_s = trio.current_time() - self.started_at
        steps = f"{self.carried_out} step{'s' * (self.carried_out != 1)}"
        on = f" on {self.connectors} connector{'s' * (self.connectors != 1)}" if self.connectors else ""
        outcome = "every expectation met"
        if self.failed:
            outcome = f"{self.failed} expectation{'s' * (self.failed != 1)} failed"
        summary = f"{self.scenario.file}: {steps}{on} in {format_duration(elapsed_s)}: {outcome}"
        self.say(summary)
        data = {
            "scenario": self.scenario.file,
            "steps": self.carried_out,
            "failed": self.failed,
            "elapsed_s": round(elapsed_s, 3),
        }
        return Answer(
            "\n".join([*self.shown, summary]),
            self.carried_out - self.failed,
            tuple(self.failures),
            data,
            exit_code=EXIT_EXPECTATION if self.failed else EXIT_DONE,
        )


# ---- statuses --------------------------------------------------------------------------------------------------------


class _Arrivals:
    """A listener: who has not been in a status yet."""

    __slots__ = ("everybody", "missing", "status")

    def __init__(self, status: ConnectorStatus, missing: Iterable[Address]) -> None:
        self.status = status
        self.missing = dict.fromkeys(missing)
        self.everybody = trio.Event()

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """Statuses."""
        return frozenset({StatusChanged})

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """Somebody is something now."""
        assert isinstance(report, StatusChanged)
        if report.status is self.status:
            self.missing.pop((charge_point_id, report.connector), None)
            if not self.missing:
                self.everybody.set()


async def _differing(plant: Plant, addresses: Sequence[Address], expectation: WaitFor | Expect) -> list[Address]:
    """Those that are not as expected, or were not in time."""
    others = [each for each in addresses if _status(plant, each) is not expectation.status]
    if not others or isinstance(expectation, Expect):
        return others
    arrivals = _Arrivals(expectation.status, others)
    plant.observer.add(arrivals)
    try:
        with trio.move_on_after(expectation.within_s):
            await arrivals.everybody.wait()
    finally:
        plant.observer.remove(arrivals)
    return list(arrivals.missing)


def _differs(plant: Plant, others: Sequence[Address], expectation: WaitFor | Expect) -> str:
    """`expected CP0001/1 Charging, it is Preparing; CP0002/1 is Available; and 3 more`."""
    within = f" within {format_duration(expectation.within_s)}" if isinstance(expectation, WaitFor) else ""
    first = others[0]
    lines = [f"it is {_is(plant, first)}"]
    lines += [f"{render_address(each)} is {_is(plant, each)}" for each in others[1:SHOWN_MAX]]
    if (more := len(others) - SHOWN_MAX) > 0:
        lines.append(f"and {more} more")
    return f"expected {render_address(first)} {expectation.status}{within}, {'; '.join(lines)}"


def _status(plant: Plant, address: Address) -> ConnectorStatus | None:
    return plant.status(*address) if plant.known(address[0]) else None


def _is(plant: Plant, address: Address) -> str:
    if not plant.known(address[0]):
        return "gone"
    return _status(plant, address) or "switched off"


def _connectors(plant: Plant, addresses: Sequence[Address]) -> list[Address]:
    """These, with every charge point's connectors in its place."""
    found: dict[Address, None] = {}
    for id, number in addresses:
        if number:
            found[id, number] = None
        elif plant.known(id):
            found.update(dict.fromkeys((id, each) for each in range(1, plant.connectors(id) + 1)))
    return list(found)


def _some(those: Iterable[str], between: str = "; ") -> str:
    """The first few, and how many more."""
    those = list(those)
    shown = between.join(those[:SHOWN_MAX])
    return f"{shown}{between}and {len(those) - SHOWN_MAX} more" if len(those) > SHOWN_MAX else shown
