"""A run from beginning to end: CSMS, ramp, drivers, drain, books, verdict, exit code."""

import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio

from fleet.actors.fleet import Fleet, Surroundings
from fleet.control.growth import grow
from fleet.control.plant import Plant
from fleet.core.dialects.v16 import Dialect16
from fleet.errands.runner import Errands
from fleet.link.endpoint import endpoint_url, mask
from fleet.load import limits
from fleet.load.central import Central, Embedded, embedded
from fleet.load.conclusion import conclude
from fleet.load.config import RunConfig
from fleet.load.controls import Manner, controlled
from fleet.load.drivers import Drivers
from fleet.load.driving import Driving
from fleet.load.ending import Ending
from fleet.load.faulting import Faulting
from fleet.load.keeping import (
    finished,
    opened,
    own_records,
    records_before,
    records_of,
    resumed,
    show_cables,
    strays,
    tell,
)
from fleet.load.links import WebSocketLinks
from fleet.load.objectives import until_hopeless
from fleet.load.observing import Observing
from fleet.load.outputs import Outputs
from fleet.load.planning import plan_at, plans
from fleet.load.ramp import freeze, switch_on
from fleet.load.scenarios import Scenarios
from fleet.load.security import NOT_VERIFIED, Guard, guarded, require_files, warn
from fleet.load.under_way import End, Run
from fleet.observe.journal import EventKind
from fleet.observe.progress import show_progress
from fleet.observe.records import require_records
from fleet.quantities import format_duration
from fleet.state.folder import Folder
from fleet.state.keeper import StateKeeper
from fleet.verdict import report
from fleet.verdict.slo import Figures

PATIENCE_S = 15.0
"""How long nobody at all may get through to the CSMS before the run is called off."""
ID_TAGS_SHOWN = 100
"""Id tags that completion offers."""
LEAVING_SHARE = 0.5
"""The part of the grace that drivers get to stop and leave by themselves before the charge points drain."""


async def run(
    config: RunConfig, records: Path | None = None, manner: Manner | None = None, outputs: Outputs | None = None
) -> int:
    """Run the load that `config` describes and return the exit code.

    `records` is where the CSMS keeps its records, for the books; the embedded CSMS writes them itself. Raises
    `FleetError` for what a person can mend.
    """
    manner, outputs = manner or Manner(), outputs or Outputs()
    seed = config.seed if config.seed is not None else random.SystemRandom().randrange(2**32)
    with opened(outputs.state, config, seed) as folder, guarded(config.csms, manner.password) as guard:
        config = attrs.evolve(config, csms=guard.csms, seed=seed if folder is None else folder.about.seed)
        code = await _run_guarded(config, records, manner, outputs, guard, folder)
        if not config.csms.verify:
            manner.say(f"fleet: {NOT_VERIFIED}")
        return code


async def _run_guarded(
    config: RunConfig, records: Path | None, manner: Manner, outputs: Outputs, guard: Guard, folder: Folder | None
) -> int:
    assert config.seed is not None
    seed = config.seed
    limits.require(config.charge_point_count)
    # Said before anything is started, should the password or the certificates not be there, or a port be taken.
    links = WebSocketLinks(config.csms.url, config.csms, seed, Dialect16.subprotocol, guard.password, guard.issue)
    if guard.issue is None:
        require_files(config.csms, (plan.id for plan in plans(config)))
    warn(config.csms)
    if records is not None:
        require_records(records, written=config.csms.url is None)
    if outputs.report is not None:
        report.prepare(outputs.report)
    secrets = () if guard.password is None else (guard.password,)
    observing = await Observing.of(plans(config), seed, outputs, manner.say, secrets)
    keeper = resumed(folder, observing.clock, config, alone=manner.alone)
    if records is None and config.csms.url is None:
        records = own_records(folder)
    ending = Ending(manner.say)
    ending.watch_output()
    manner.say(f"fleet: seed {seed}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ending.watch_signals)
        nursery.start_soon(observing.serve)
        if outputs.metrics is not None:
            manner.say(f"fleet: metrics at {observing.metrics_url}")
        try:
            code = await _run_and_conclude(config, records, manner, outputs, observing, links, ending, guard, keeper)
        finally:
            await ending.settle()
        if observing.metrics is not None and outputs.linger_s and not ending.interrupted:
            manner.say(f"fleet: metrics stay for {format_duration(outputs.linger_s)} (Ctrl-C to leave)")
            await ending.linger(outputs.linger_s)
        nursery.cancel_scope.cancel()
    return code


async def _run_and_conclude(
    config: RunConfig,
    records: Path | None,
    manner: Manner,
    outputs: Outputs,
    observing: Observing,
    links: WebSocketLinks,
    ending: Ending,
    guard: Guard,
    keeper: StateKeeper | None,
) -> int:
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        records = records or (Path(folder) / "records.jsonl" if config.csms.url is None else None)
        # A file that is gone on with holds other runs' transactions: they are nobody's business here.
        before = records_before(records)
        async with _central(config, records, guard) as central:
            manner.say(f"fleet: {_whom(config, central.url)}")
            links.aim(central.url)
            end, running = await _run(config, central, manner, outputs, observing, links, ending, keeper)
            ending.over = True
            running.csms_ended = central.ended
            elapsed_s = trio.current_time() - running.started_at
        if observing.trace is not None:
            # Now, so that the summary knows of what the disk has refused at the very last.
            await observing.trace.close()
        # The CSMS has closed its records by now.
        return conclude(end, running, None if records is None else records_of(records, before, observing), elapsed_s)


def _whom(config: RunConfig, url: str) -> str:
    if config.charge_point_count == 1:
        name = plans(config)[0].id
        return f"charge point {name} against {mask(endpoint_url(url, name))}"
    return f"{config.charge_point_count} charge points against {mask(url)}"


@asynccontextmanager
async def _central(config: RunConfig, records: Path | None, guard: Guard) -> AsyncIterator[Central]:
    if config.csms.url is not None:
        yield Central(config.csms.url)
    else:
        assert records is not None
        async with embedded(config.csms, records, guard) as central:
            yield central


async def _run(
    config: RunConfig,
    central: Central,
    manner: Manner,
    outputs: Outputs,
    observing: Observing,
    links: WebSocketLinks,
    ending: Ending,
    keeper: StateKeeper | None,
) -> tuple[End, Run]:
    assert config.seed is not None
    seed, fleet_plans = config.seed, plans(config)
    driving = Driving(Drivers(config, fleet_plans, seed))
    observing.add((*(() if manner.alone else (driving,)), *manner.listeners))
    observer, clock, listeners = observing.observer, observing.clock, observing.listeners
    scenarios = Scenarios.of(config, manner.say)
    restart_csms = central.restart if isinstance(central, Embedded) else None
    faulting = Faulting.of(config, seed, manner.say, restart_csms)
    errands = Errands(links.files_context)
    surroundings = Surroundings(
        seed,
        clock,
        Dialect16(),
        observer,
        links,
        call_timeout_s=config.csms.call_timeout_s,
        run_errand=errands.run,
        keeper=keeper,
    )
    ramp = trio.CancelScope()
    end = End.DONE
    async with errands, finished(keeper), trio.open_nursery() as everything:
        async with trio.open_nursery() as living:
            plant = Plant(
                fleet=Fleet(surroundings, living),
                board=listeners.board,
                observer=observer,
                clock=clock,
                seed=seed,
                drain=ending.drain,
                interrupt=ending.interrupt,
                drivers=None if manner.alone else driving,
                plan_at=partial(plan_at, config),
                model=fleet_plans[0],
                some_id_tags=[config.id_tag(index) for index in range(min(config.id_tag_count, ID_TAGS_SHOWN))],
                actions=Dialect16.actions,
                connect_rate_per_s=config.csms.connect_rate_per_s,
                journal=listeners.journal,
            )
            plant.ramping = True
            running = Run(
                config,
                manner,
                outputs,
                observing,
                seed,
                fleet_plans,
                central.url,
                plant,
                driving,
                ending,
                scenarios,
                faulting,
                keeper,
            )
            if keeper is not None:
                manner.say(f"fleet: {tell(keeper, observing)}")
                show_cables(keeper, plant.details)
                everything.start_soon(keeper.run, partial(_stop_unkept, running, living.cancel_scope))
            everything.start_soon(ending.cancel_at_once, living.cancel_scope)
            everything.start_soon(observing.watch)
            async with controlled(plant, manner):
                if manner.progress:
                    everything.start_soon(partial(show_progress, plant.board, plant.started_at, config.duration_s))
                if manner.attend is not None:
                    everything.start_soon(manner.attend, plant)
                living.start_soon(_ramp, running, ramp)
                if not manner.alone:
                    living.start_soon(driving.run, plant.fleet)
                living.start_soon(scenarios.run, plant)
                living.start_soon(faulting.run, plant)
                end = await _until_over(running)
                # Nobody is switched on any more who would only have to leave.
                ramp.cancel()
                scenarios.cut_short()
                plant.draining = True
                if end is not End.UNREACHABLE:
                    await faulting.end(plant)
                    running.note(EventKind.DRAIN, "the load is over: everybody leaves")
                    await _drain(running)
            living.cancel_scope.cancel()
        everything.cancel_scope.cancel()
    return End.INTERRUPTED if ending.abort.is_set() else end, running


async def _ramp(running: Run, scope: trio.CancelScope) -> None:
    with scope:
        await switch_on(running.fleet, running.plans, running.config.csms.connect_rate_per_s)
        running.note(EventKind.PHASE, f"{len(running.plans)} charge points switched on")
        if running.keeper is not None:
            for plan in strays(running.keeper, running.config, running.plans):
                grow(running.plant, plan)
        freeze()
    running.plant.ramping = False


def _stop_unkept(running: Run, living: trio.CancelScope) -> None:
    """What the charge points do can't be kept any more: stop at once, so that the state holds what the CSMS knows."""
    assert running.keeper is not None
    text = f"the state can't be kept any more, stopping: {running.keeper.failure}"
    running.note(EventKind.ABORT, text)
    running.manner.say(f"fleet: {text}")
    living.cancel()


async def _until_over(running: Run) -> End:
    """Wait for the end of the load: long enough, somebody's word, no hope, or nobody reaching the CSMS."""
    ending, alone = running.ending, running.manner.alone
    async with trio.open_nursery() as waiting:
        if not alone:
            waiting.start_soon(_until_long_enough, running, waiting.cancel_scope)
            waiting.start_soon(_until_called_off, running, waiting.cancel_scope)
            waiting.start_soon(_until_hopeless, running, waiting.cancel_scope)
        await ending.asked.wait()
        waiting.cancel_scope.cancel()
    if ending.asked.is_set():
        return End.INTERRUPTED if ending.interrupted else End.DONE
    if running.hopeless is not None:
        return End.ABORTED
    return End.DONE if running.board.connects else End.UNREACHABLE


async def _until_long_enough(running: Run, load: trio.CancelScope) -> None:
    """Its time is over, and every scenario seen through."""
    await trio.sleep_until(running.started_at + running.config.duration_s)
    await running.scenarios.over.wait()
    load.cancel()


async def _until_called_off(running: Run, load: trio.CancelScope) -> None:
    """Nobody reaches the CSMS."""
    await trio.sleep_until(running.started_at + PATIENCE_S)
    if not running.board.connects:
        load.cancel()


async def _until_hopeless(running: Run, load: trio.CancelScope) -> None:
    """An objective has failed without which the rest of the run isn't wanted."""

    def figures() -> Figures:
        return running.observing.listeners.figures(trio.current_time() - running.started_at)

    result = await until_hopeless(running.config.objectives, figures, running.started_at)
    text = f"{result.objective}: {result.shown}"
    running.note(EventKind.ABORT, text)
    running.manner.say(f"fleet: an objective failed, draining: {text}")
    running.hopeless = result
    load.cancel()


async def _drain(running: Run) -> None:
    """Everybody leaves: drivers first, then the charge points deliver what waits and go."""
    grace_s = running.config.grace_s
    deadline = trio.current_time() + grace_s
    if not running.manner.alone:
        with trio.move_on_after(grace_s * LEAVING_SHARE):
            await running.driving.leave()
    # At the ramp's rate: a thousand StopTransactions in one instant would be a test of its own.
    pause_s = min(1.0 / running.config.csms.connect_rate_per_s, grace_s / 4 / max(1, len(running.fleet.berths)))
    with trio.move_on_at(deadline):
        for berth in tuple(running.fleet.berths.values()):
            berth.drain()
            await trio.sleep(pause_s)
    await running.fleet.ended(deadline)
    running.undrained = running.fleet.running
