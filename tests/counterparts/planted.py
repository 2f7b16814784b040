"""A world with everything that a console wants: a plant over its fleet."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from attrs import define
from counterparts.scripted import EPOCH_S
from counterparts.world import QUIET, World, world

from fleet.clock import Clock
from fleet.control.answer import Answer
from fleet.control.console import Console
from fleet.control.plant import Plant
from fleet.observe.board import Board


@define
class Planted:
    """The world, the plant over it, and a console on that."""

    world: World
    plant: Plant
    console: Console

    async def do(self, line: str) -> Answer:
        return await self.console.execute(line)


@asynccontextmanager
async def planted(charge_points: int = 1, *, plant: dict[str, Any] | None = None, **how: Any) -> AsyncIterator[Planted]:
    """`charge_points` called CP1, CP2, ... that have booted; `plant` is what the plant has beside them."""
    async with world(charge_points, **{"configuration": QUIET, **how}) as made:
        board = Board([berth.plan for berth in made.fleet.berths.values()])
        made.observer.add(board)
        over = Plant(
            fleet=made.fleet, board=board, observer=made.observer, clock=Clock(EPOCH_S), **{"seed": 7, **(plant or {})}
        )
        await made.booted()
        yield Planted(made, over, Console(over))
