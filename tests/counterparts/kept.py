"""A world whose charge points are written down, and the kill that ends it: nothing after that instant is."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import trio
from attrs import define, field
from counterparts.scripted import EPOCH_S
from counterparts.world import World, world

from fleet.clock import Clock
from fleet.observe.books import Books
from fleet.state.codec import SCHEMA
from fleet.state.folder import About, Batch, Folder
from fleet.state.keeper import StateKeeper

SEED = 7


def about(charge_points: int = 1, connectors: int = 2, seed: int = SEED) -> About:
    """The state of the world's charge points."""
    return About(SCHEMA, "test", seed, tuple((f"CP{number}", connectors) for number in range(1, charge_points + 1)))


@define(eq=False)
class Disk:
    """Takes a while for every batch, before and after it is there; `dead` it takes nothing any more."""

    slowness: Callable[[], float] = lambda: 0.0
    dead: bool = False
    batches: int = 0

    async def __call__(self, write: Callable[[Batch], None], batch: Batch) -> None:
        await trio.sleep(self.slowness())
        if not self.dead:
            write(batch)
            self.batches += 1
        await trio.sleep(self.slowness())

    def wears_out(self, random: Random) -> "Disk":
        self.slowness = lambda: random.choice((0.0, 0.0, 0.002, 0.03))
        return self


@define(eq=False)
class Kept:
    """A world with its state."""

    world: World
    keeper: StateKeeper
    books: Books
    disk: Disk
    failures: list[str] = field(factory=list)


@asynccontextmanager
async def kept(
    path: Path,
    *,
    charge_points: int = 1,
    connectors: int = 2,
    disk: Disk | None = None,
    kill: bool = True,
    **settings: Any,
) -> AsyncIterator[Kept]:
    """A world that goes on from the state in `path`; at its end it is killed, or with `kill` off finished."""
    disk = disk or Disk()
    folder = Folder(path, about(charge_points, connectors))
    books = Books()
    try:
        keeper = StateKeeper(folder, Clock(EPOCH_S), trio.current_time(), elsewhere=disk)
        async with trio.open_nursery() as nursery:
            made: Kept | None = None

            def failed() -> None:
                assert made is not None
                made.failures.append(str(keeper.failure))

            nursery.start_soon(keeper.run, failed)
            async with world(charge_points, connectors, seed=SEED, keeper=keeper, **settings) as w:
                # Before anybody's task has run.
                w.observer.add(books)
                for charge_point_id, returned in keeper.returned.items():
                    for report in returned.owed:
                        w.observer.report(charge_point_id, report)
                made = Kept(w, keeper, books, disk)
                yield made
                disk.dead = kill
            nursery.cancel_scope.cancel()
        if not kill:
            await keeper.finish()
    finally:
        folder.close()
