"""Charge points that are written down, in virtual time, and the kill that ends them: nothing after that instant is.

`kept` is a world over a scripted CSMS, `kept_swarm` a fleet behind a bad network with the embedded one.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import attrs
import orjson
import trio
from attrs import define, field
from counterparts.bad_network import PATIENT, BadNetwork
from counterparts.scripted import EPOCH_S
from counterparts.world import World, world

from fleet.actors.charge_point import ErrandRunner, run_no_errand
from fleet.actors.fleet import Fleet
from fleet.clock import Clock
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.csms.central import Central
from fleet.csms.records import RecordFile
from fleet.csms.server import Server
from fleet.observe.books import Books
from fleet.state.codec import SCHEMA
from fleet.state.folder import About, Batch, Folder
from fleet.state.keeper import StateKeeper
from fleet.state.page import REST

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


class UnsweptKeeper(StateKeeper):
    """Writes what it is told of, and looks at nothing else."""

    def _sweep(self) -> None:
        pass


def unwritten(keeper: StateKeeper) -> list[str]:
    """What differs between the memories that are said to be written and what is; in lines with both."""
    database = keeper._folder._database
    assert database is not None
    found = []
    for name, page in keeper._pages.items():
        if not page.written:
            continue
        memory, writing = page._memory, keeper._writing
        there = dict(database.execute("SELECT part, value FROM memories WHERE charge_point = ?", (name,)))
        here = {part: orjson.dumps(simplify(getattr(memory, part))) for part, simplify in writing.large}
        here[REST] = writing.rest(memory, page._power)
        for part in here.keys() | there.keys():
            found += _difference(f"{name}: {part}", here.get(part), there.get(part))
        rows = database.execute("SELECT value FROM messages WHERE charge_point = ? ORDER BY number", (name,))
        waiting = [value for (value,) in rows]
        if waiting != [writing.message(message) for message in memory.outbox.messages]:
            found.append(f"{name}: the outbox is {memory.outbox.messages}, and written is {waiting}")
    return found


def _difference(what: str, here: bytes | None, there: bytes | None) -> list[str]:
    if here is None or there is None:
        return [f"{what} is {here!r}, and written is {there!r}"]
    ours, theirs = orjson.loads(here), orjson.loads(there)
    if not what.endswith(REST):
        return [] if ours == theirs else [f"{what} is {ours}, and written is {theirs}"]
    # Also in the messages: the highest that one of them has is as good.
    del ours["enqueued"], theirs["enqueued"]
    return [f"{what}: {key} is {ours[key]}, and written is {theirs[key]}" for key in ours if ours[key] != theirs[key]]


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
        keeper = UnsweptKeeper(folder, Clock(EPOCH_S), trio.current_time(), elsewhere=disk)
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


@asynccontextmanager
async def kept_swarm(
    path: Path,
    charge_points: int,
    seed: int,
    disk: Disk,
    run_errand: ErrandRunner = run_no_errand,
    records: RecordFile | None = None,
) -> AsyncIterator[tuple[BadNetwork, StateKeeper]]:
    """Charge points of two connectors behind a bad network, from the state in `path`; killed in the end.

    With `records` the CSMS is killed and comes back, too: it goes on with what is in there.
    """
    folder = Folder(path, about(charge_points, seed=seed))
    try:
        keeper = UnsweptKeeper(folder, Clock(EPOCH_S), trio.current_time(), elsewhere=disk)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run, lambda: None)
            network = BadNetwork(nursery, seed, run_errand=run_errand)
            if records is not None:
                network.server = Server(Central(_utc, records, None, records.earlier()))
            network.fleet = Fleet(attrs.evolve(network.fleet._surroundings, keeper=keeper), nursery)
            for number in range(1, charge_points + 1):
                network.fleet.add(ChargePointPlan(f"CP{number}", (ConnectorPlan(),) * 2, configuration=PATIENT))
            yield network, keeper
            disk.dead = True
            nursery.cancel_scope.cancel()
        assert keeper.failure is None
    finally:
        folder.close()


def _utc() -> datetime:
    return datetime.fromtimestamp(EPOCH_S, UTC) + timedelta(seconds=trio.current_time())
