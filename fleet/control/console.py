"""The console: one who gives lines to a plant and gets answers.

A shell, a connection of the control socket and a scenario have a console each; it remembers the target that `use` set
and nothing else. Every line becomes one of the vocabulary's commands: those for connectors and charge points go to the
actors, many at once; those for the fleet are carried out here, and what they show is read off the board.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from fleet.commands import fleetwide as fleetwide
from fleet.commands.completion import Candidate, complete
from fleet.commands.help import help_text
from fleet.commands.parse import Line, LineError, parse_line
from fleet.commands.target import Target, TargetError, parse_target
from fleet.control.answer import Answer
from fleet.control.asking import Outcome, ask_all
from fleet.control.glance import Glance
from fleet.control.hub import Watch, everything, only
from fleet.control.plant import Plant

RATE_OVER_S = 1.0
"""Messages per second are counted over at least this long."""


class Console:
    """Where lines go in and answers come out."""

    def __init__(self, plant: Plant, *, target: Target | str | None = None) -> None:
        self.plant = plant
        self.target = parse_target(target) if isinstance(target, str) else target
        self._scopes: set[trio.CancelScope] = set()
        self._rate = (trio.current_time(), plant.board.messages, 0.0)

    async def execute(self, line: str, scope: trio.CancelScope | None = None) -> Answer:
        """Carry one line out; whatever is wrong with it is in the answer. Cancelling `scope` gives it up."""
        try:
            parsed = parse_line(line, default=self.target, known=self.plant.known)
        except LineError as error:
            return Answer.wrong(f"{error.caret(line)}\n{error}")
        return await self.perform(parsed, scope)

    async def perform(self, line: Line, scope: trio.CancelScope | None = None) -> Answer:
        """As `execute`, for a line that is parsed already."""
        outcome = Outcome(line.text)
        with scope or trio.CancelScope() as own:
            self._scopes.add(own)
            try:
                return await self._carry_out(line, outcome)
            except (TargetError, LineError) as error:
                return Answer.wrong(str(error))
            finally:
                self._scopes.discard(own)
        return outcome.cancelled()

    def cancel(self) -> None:
        """Give up every line that this console is carrying out; their answers say how far they came."""
        for scope in tuple(self._scopes):
            scope.cancel()

    def complete(self, line: str, cursor: int) -> list[Candidate]:
        """What may stand at the cursor."""
        return complete(line, cursor, self.plant)

    def glance(self) -> Glance:
        """The fleet at one look."""

    def watch(self, target: str | None = None, action: str | None = None) -> Watch:
        """Live events of a target (all by default); raises TargetError. See `fleet.control.hub`."""
        if target is None:
            return self.plant.hub.watch(everything, action)
        return self.plant.hub.watch(only(frozenset(self.resolve(parse_target(target)))), action)
