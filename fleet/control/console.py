"""The console: one who gives lines to a plant and gets answers.

A shell, a connection of the control socket and a scenario have a console each; it remembers the target that `use` set
and nothing else. Every line becomes one of the vocabulary's commands: those for connectors and charge points go to the
actors, many at once; those for the fleet are carried out here, and what they show is read off the board.

Whatever is wrong with a line is in its answer. Nothing that anybody says raises out of here, nor ends a run but `quit`.
"""

import logging
from collections.abc import Sequence
from difflib import get_close_matches
from typing import assert_never, cast, get_args

import trio

from fleet.commands.completion import Candidate, complete
from fleet.commands.fleetwide import (
    Add,
    FleetCommand,
    Help,
    List,
    Menu,
    Monitor,
    Pause,
    Quit,
    ResumeDrivers,
    RunScenario,
    Scale,
    ScenarioCommand,
    ShowSeed,
    ShowStatus,
    Stats,
    Use,
)
from fleet.commands.help import help_text
from fleet.commands.parse import Line, LineError, is_blank, parse_line
from fleet.commands.target import Address, Target, TargetError, parse_target
from fleet.commands.vocabulary import Command, Remove
from fleet.control import growth, views
from fleet.control.answer import Answer
from fleet.control.asking import Outcome, ask_all
from fleet.control.glance import Glance
from fleet.control.hub import KINDS, Watch, everything, only
from fleet.control.plant import Plant
from fleet.errors import EXIT_FAILED, FleetError
from fleet.observe.redaction import redacted_about, redacted_line

RATE_OVER_S = 1.0
"""Messages per second are counted over at least this long."""

_log = logging.getLogger("fleet.control")


class Console:
    """Where lines go in and answers come out."""

    def __init__(self, plant: Plant, *, target: Target | str | None = None) -> None:
        self.plant = plant
        self.target: Target | None = parse_target(target) if isinstance(target, str) else target
        """What lines are for that name no target."""
        self._draw = 0
        self._scopes: set[trio.CancelScope] = set()
        self._rate_since = (trio.current_time(), plant.board.messages)
        self._rate_per_s = 0.0

    async def execute(self, line: str, scope: trio.CancelScope | None = None) -> Answer:
        """Carry one line out. Cancelling `scope`, if one is given, gives the line up."""
        if is_blank(line):
            return Answer("")
        try:
            parsed = parse_line(line, default=self.target, known=self.plant.known)
        except LineError as error:
            return Answer.wrong(redacted_about(f"{error}\n{error.caret(line)}", line))
        return await self.perform(parsed, scope)

    async def perform(self, line: Line, scope: trio.CancelScope | None = None, *, in_scenario: bool = False) -> Answer:
        """As `execute`, for a line that is parsed already; `in_scenario` where it is a step of one."""
        outcome = Outcome(redacted_line(line.text.strip()))
        with scope or trio.CancelScope() as own:
            self._scopes.add(own)
            try:
                return await self._carry_out(line, outcome, in_scenario)
            except TargetError as error:
                return Answer.wrong(str(error))
            except FleetError as error:
                return Answer.wrong(str(error), error.exit_code)
            except Exception as error:
                # A bug in here is nobody's reason to lose a run of days.
                _log.exception("a bug, in carrying out %r", outcome.what)
                return Answer.wrong(f"a bug: {type(error).__name__}: {error}", EXIT_FAILED)
            finally:
                self._scopes.discard(own)
        return outcome.cancelled()

    def cancel(self) -> None:
        """Give up every line that this console is carrying out; their answers say how far they came."""
        for scope in tuple(self._scopes):
            scope.cancel()

    def complete(self, line: str, cursor: int) -> list[Candidate]:
        """What may stand at the cursor."""
        return complete(line, cursor, self.plant, self.target)

    def glance(self) -> Glance:
        """The fleet at one look."""
        plant, board, now = self.plant, self.plant.board, trio.current_time()
        since_at, since = self._rate_since
        if now - since_at >= RATE_OVER_S:
            self._rate_per_s = (board.messages - since) / (now - since_at)
            self._rate_since = now, board.messages
        return Glance(
            target=None if self.target is None else self.target.render(),
            charge_points=board.charge_points,
            online=board.online,
            connectors=board.connectors,
            by_state={state.value: count for state, count in board.by_state.items() if count},
            by_status={status.value: count for status, count in board.by_status.items() if count},
            running=board.running,
            power_w=board.power_w,
            messages=board.messages,
            messages_per_s=self._rate_per_s,
            outbox=board.outbox,
            elapsed_s=now - plant.started_at,
            seed=plant.seed,
            paused=plant.drivers is not None and plant.drivers.paused,
            draining=plant.draining,
        )

    def watch(self, target: str | None = None, action: str | None = None) -> Watch:
        """Live events of a target, all by default, and of one action or kind; raises TargetError. See `hub.py`.

        A charge point is watched with all that is its own, a connector with what names it. An action that nobody ever
        says is an error too: a monitor that stays silent for ever looks like a fleet that does.
        """
        if action is not None:
            self._check_action(action)
        if target is None:
            return self.plant.hub.watch(everything, action)
        addresses = frozenset(self.resolve(parse_target(target)))
        charge_points = frozenset(charge_point for charge_point, _ in addresses)
        return self.plant.hub.watch(only(addresses), action, charge_points=charge_points)

    def _check_action(self, action: str) -> None:
        named = {word.casefold(): word for word in (*self.plant.actions, *KINDS)}
        if self.plant.actions and action.casefold() not in named:
            near = [named[word] for word in get_close_matches(action.casefold(), named, n=3)]
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise TargetError(f"no action or event {action!r}{hint}")

    def resolve(self, target: Target) -> list[Address]:
        """Whom a target means now; raises TargetError when nobody.

        A sample that `use` set stays the same one until the next `use`; any other is drawn anew.
        """
        if self.target is None or target not in (self.target, self.target.of_charge_points()):
            self.plant.draws += 1
            return target.resolve(self.plant, seed=self.plant.seed, counter=self.plant.draws)
        return target.resolve(self.plant, seed=self.plant.seed, counter=self._draw)

    # ---- carrying out ------------------------------------------------------------------------------------------------

    async def _carry_out(self, line: Line, outcome: Outcome, in_scenario: bool) -> Answer:
        command = line.command
        self.plant.note(command, outcome.what, in_scenario=in_scenario)
        if isinstance(command, get_args(FleetCommand)):
            return await self._for_the_fleet(cast(FleetCommand, command), line.target, outcome)
        if isinstance(command, get_args(ScenarioCommand)):
            from fleet.control.scenario import run_step

            return await run_step(self, line)
        if line.target is None:
            return Answer.wrong(f"{outcome.what}: for whom? Name a target, or set one with `use`")
        addresses = self.resolve(line.target)
        if isinstance(command, Remove):
            return await growth.remove(self.plant, [charge_point_id for charge_point_id, _ in addresses], outcome)
        await ask_all(self.plant.fleet, addresses, cast(Command, command), outcome)
        return outcome.answer()

    async def _for_the_fleet(self, command: FleetCommand, target: Target | None, outcome: Outcome) -> Answer:
        plant = self.plant
        match command:
            case ShowStatus():
                if target is None:
                    return views.show_fleet(plant)
                return await views.show_connectors(plant, self.resolve(target))
            case List():
                addresses = self._everybody() if target is None else self.resolve(target)
                return await views.list_charge_points(plant, addresses)
            case Stats():
                return views.show_stats(plant)
            case ShowSeed():
                return Answer(f"seed {plant.seed}", data={"seed": plant.seed})
            case Help():
                return Answer(help_text(command.command))
            case Use():
                return self._use(target)
            case Pause() | ResumeDrivers():
                return self._steer_drivers(isinstance(command, Pause))
            case Scale():
                return await growth.scale(plant, command.count, outcome)
            case Add():
                return growth.add(plant, command.id, command.connectors)
            case RunScenario():
                from fleet.control.scenario import run_file

                return await run_file(self, command.path, target)
            case Quit():
                plant.ask_for_the_end()
                return Answer("draining: transactions stop, what waits is delivered, everybody leaves")
            case Monitor() | Menu():
                return Answer.wrong(
                    f"{outcome.what}: only in a shell (`fleet attach`); programs send a watch", EXIT_FAILED
                )
            case _:
                assert_never(command)

    def _everybody(self) -> Sequence[Address]:
        return [(charge_point_id, 0) for charge_point_id in self.plant.ids]

    def _use(self, target: Target | None) -> Answer:
        if target is None:
            self.target = None
            return Answer("no default target any more", data={"target": None})
        self.plant.draws += 1
        count = len(target.resolve(self.plant, seed=self.plant.seed, counter=self.plant.draws))
        self.target, self._draw = target, self.plant.draws
        return Answer(f"using {target.render()} ({count} now)", data={"target": target.render(), "count": count})

    def _steer_drivers(self, pause: bool) -> Answer:
        drivers = self.plant.drivers
        if drivers is None:
            return Answer.wrong("there are no drivers here", EXIT_FAILED)
        if pause:
            drivers.pause()
            return Answer("no driver arrives any more; those who are here finish as they like")
        drivers.resume()
        return Answer("drivers arrive again")
