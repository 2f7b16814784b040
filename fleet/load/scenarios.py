"""The scenarios of a run: read before anything starts, begun when they are due, and seen through.

A run isn't over before its scenarios are, however long its load was to be. Each has a console of its own, so that they
go on beside each other and beside whoever types. What one expected and didn't find makes the run's exit code.
"""

from collections.abc import Callable, Sequence

import trio
from attrs import define, field, frozen

from fleet.commands.scenario import Scenario
from fleet.commands.target import Target, parse_target
from fleet.control.console import Console
from fleet.control.plant import Plant
from fleet.control.scenario import run_scenario
from fleet.core.reports import ObservedReport, Registered
from fleet.load.config import RunConfig
from fleet.load.scenario_files import read_scenarios

REGISTERED_WITHIN_S = 30.0
"""How long after the ramp a scenario waits for everybody to be registered, before it begins all the same."""


@frozen
class Due:
    """A scenario, whom it is for, and when it begins: s after the run, or None for when everybody is registered."""

    scenario: Scenario
    target: Target
    at_s: float | None


class _Everybody:
    """A listener: is every charge point registered? It asks the board, which heard of it just before."""

    def __init__(self, plant: Plant) -> None:
        self._board = plant.board
        self.registered = trio.Event()
        self._look()

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """Answers to BootNotification."""
        return frozenset({Registered})

    def report(self, _charge_point_id: str, _report: ObservedReport) -> None:
        """One more."""
        self._look()

    def _look(self) -> None:
        if self._board.accepted >= self._board.charge_points:
            self.registered.set()


@define(eq=False)
class Scenarios:
    """All of a run's. `failed` counts those that were not met, or not even carried out."""

    due: Sequence[Due]
    say: Callable[[str], None]
    ramp_s: float
    failed: int = 0
    over: trio.Event = field(factory=trio.Event)
    """Every one is."""
    _scope: trio.CancelScope = field(factory=trio.CancelScope)

    @classmethod
    def of(cls, config: RunConfig, say: Callable[[str], None]) -> "Scenarios":
        """Those of a configuration; raises ScenarioError."""
        due = [
            Due(scenario, parse_target(wanted.target), wanted.at_s)
            for wanted, scenario in zip(config.scenario, read_scenarios(config), strict=True)
        ]
        return cls(due, say, config.charge_point_count / config.csms.connect_rate_per_s)

    async def run(self, plant: Plant) -> None:
        """Run them all, each when it is due."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                for due in self.due:
                    nursery.start_soon(self._run, plant, due)
        self.over.set()

    def cut_short(self) -> None:
        """The load is over; whatever isn't has failed."""
        self._scope.cancel()

    async def _run(self, plant: Plant, due: Due) -> None:
        met = False
        try:
            await self._begin(plant, due)
            answer = await run_scenario(Console(plant), due.scenario, due.target, self.say)
            met = answer.ok
            if answer.error is not None:
                self.say(answer.error)
        except trio.Cancelled:
            self.say(f"{due.scenario.file}: cut short by the end of the run")
            raise
        finally:
            self.failed += not met

    async def _begin(self, plant: Plant, due: Due) -> None:
        if due.at_s is not None:
            await trio.sleep_until(plant.started_at + due.at_s)
            return
        everybody = _Everybody(plant)
        plant.observer.add(everybody)
        try:
            with trio.move_on_at(plant.started_at + self.ramp_s + REGISTERED_WITHIN_S):
                await everybody.registered.wait()
                return
        finally:
            plant.observer.remove(everybody)
        board = plant.board
        self.say(f"{due.scenario.file}: begins with {board.accepted} of {board.charge_points} charge points registered")
