"""A run's state: opened before anything else, given back to the charge points, and written until the end."""

import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import attrs
import trio

from fleet.clock import Clock
from fleet.control.details import Details
from fleet.core.memory import Cable
from fleet.core.plan import ChargePointPlan
from fleet.errors import ConfigurationError
from fleet.load.config import RunConfig
from fleet.load.observing import Observing, named
from fleet.load.planning import plan_at, plans
from fleet.observe.earlier import of_restored
from fleet.observe.records import LINE_MAX_BYTES, Record, read_records
from fleet.state.codec import SCHEMA
from fleet.state.folder import RECORDS, About, Folder
from fleet.state.keeper import Returned, StateKeeper
from fleet.version import VERSION

_SEARCHED_MAX = 1000
"""How far beyond the configured ones it is looked for a charge point that a grown fleet had."""


@contextmanager
def opened(path: Path | None, config: RunConfig, seed: int) -> Iterator[Folder | None]:
    """The folder of the state, None where none is wanted, locked while the block runs; raises ConfigurationError.

    A run that was given no seed goes on with that of the folder: it is in `about`.
    """
    if path is None:
        yield None
        return
    fleet = tuple((plan.id, len(plan.connectors)) for plan in plans(config))
    with named("--state"):
        folder = Folder(path, About(SCHEMA, VERSION, seed, fleet), seed_given=config.seed is not None)
    try:
        yield folder
    finally:
        folder.close()


def resumed(folder: Folder | None, clock: Clock, config: RunConfig, *, alone: bool) -> StateKeeper | None:
    """The keeper over it, with what an earlier run left; raises ConfigurationError.

    Where drivers come, those of the earlier run are gone with their cars, and so are the cars of a scenario, which
    begins anew. Where somebody gives orders, the cars are still there.
    """
    if folder is None:
        return None
    cars_gone = not alone and (config.drivers.arrivals_per_s > 0 or bool(config.scenario))
    with named("--state"):
        return StateKeeper(folder, clock, trio.current_time(), cars_gone=cars_gone)


@asynccontextmanager
async def finished(keeper: StateKeeper | None) -> AsyncIterator[None]:
    """Afterwards everything is written."""
    try:
        yield
    finally:
        if keeper is not None:
            await keeper.finish()


def own_records(folder: Folder | None) -> Path | None:
    """Where a run's own CSMS has its records: it goes on with them when the run does."""
    return None if folder is None else folder.path / RECORDS


def show_cables(keeper: StateKeeper, details: Details) -> None:
    """Let the details show the cables that the earlier run left in: nobody plugs them in again."""
    for charge_point_id, returned in keeper.returned.items():
        for number, connector in enumerate(returned.memory.connectors, 1):
            if connector.cable is Cable.PLUGGED:
                details.found_plugged(charge_point_id, number)


def tell(keeper: StateKeeper, observing: Observing) -> str:
    """Let the books know what is owed, before any of it is said; returns a line for people."""
    transactions = messages = 0
    for charge_point_id, returned in keeper.returned.items():
        messages += len(returned.memory.outbox)
        for report in returned.owed:
            transactions += 1
            observing.observer.report(charge_point_id, report)
    if not keeper.returned:
        return f"state in {keeper.path}"
    return (
        f"state in {keeper.path}: {len(keeper.returned)} charge points come back, "
        f"with {transactions} unfinished transactions and {messages} messages that wait"
    )


def strays(keeper: StateKeeper, config: RunConfig, known: Sequence[ChargePointPlan]) -> Iterable[ChargePointPlan]:
    """Charge points that came while the earlier run went on and were there at its end, or still owe something."""
    names = {plan.id for plan in known}
    missing = {
        name: returned
        for name, returned in keeper.returned.items()
        if name not in names and (returned.powered or returned.memory.owes)
    }
    if not missing:
        return
    for index in range(len(known) + 1, len(known) + _SEARCHED_MAX):
        try:
            plan = plan_at(config, index)
        except ConfigurationError:
            break  # this fleet has no pattern to grow by: they came by name
        if (returned := missing.pop(plan.id, None)) is not None:
            yield _with_connectors(plan, returned)
        if not missing:
            return
    model = known[0]
    for name, returned in missing.items():
        yield _with_connectors(attrs.evolve(model, id=name, connectors=(), serial_number=None), returned, model)


def _with_connectors(
    plan: ChargePointPlan, returned: Returned, model: ChargePointPlan | None = None
) -> ChargePointPlan:
    """As many as it had: whoever put it up said how many."""
    count = len(returned.memory.connectors)
    if len(plan.connectors) == count:
        return plan
    return attrs.evolve(plan, connectors=(model or plan).connectors[:1] * count)


def records_before(path: Path | None) -> int:
    """How many bytes of records there are before this run: up to the end of the last whole line.

    What a kill or a full disk cut short is taken out by a CSMS that goes on with the file.
    """
    if path is None or not path.exists():
        return 0
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LINE_MAX_BYTES))
        tail = file.read()
    return size - len(tail) + tail.rfind(b"\n") + 1


def records_of(path: Path, before: int, observing: Observing) -> Iterable[Record]:
    """Records of this run, from byte `before` on, and of those before it what is about restored transactions."""
    books = observing.listeners.books
    if books.restored:
        yield from of_restored(read_records(path, end=before), books.restored, books.restored_ids)
    yield from read_records(path, before)
