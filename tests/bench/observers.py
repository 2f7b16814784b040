"""What looking costs: CPU per MeterValues round trip with nobody looking, with every observer on, and the trace too.

    python tests/bench/observers.py [--charge-points 100 1000] [--rate 1000] [--seconds 5] [--rounds 8]

One fleet against a responder in another process. It samples its meters all the time, and in turns nobody listens but a
counter; all observers of a run do, with the tasks that they have and a scrape of the metrics; the trace does as well;
and instead of it somebody's monitor of one charge point, or of everything. Turns follow each other within seconds and
are compared with those of the same round, so that whatever else the machine does hits all of them.

First, each observer by itself: the reports of a round trip over and over in a loop, the fastest of many times, which a
busy machine changes little. What it doesn't see is what the observers cost by pushing each other out of the caches.
"""

import argparse
import gc
import math
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import trio
from attrs import frozen
from bench import Cpu, charge_points, plans, responder

from fleet.actors.fleet import Fleet
from fleet.clock import Clock
from fleet.commands.vocabulary import PlugIn, StartTransaction
from fleet.control.details import Details
from fleet.control.hub import Hub, only
from fleet.core.orders import ApplySettings, ConnectorSettings
from fleet.core.reports import (
    CallSettled,
    FrameSeen,
    FrameSent,
    LinkUp,
    MeterSampled,
    ObservedReport,
    PoweredUp,
    Reading,
    Registered,
    SampledValue,
    TransactionStarted,
)
from fleet.load.ramp import freeze
from fleet.observe.board import Board
from fleet.observe.books import Books
from fleet.observe.exporter import Page
from fleet.observe.health import Health
from fleet.observe.journal import Journal
from fleet.observe.latency import Latency
from fleet.observe.metrics import Metrics
from fleet.observe.observer import Listener, Observer
from fleet.observe.oracle import Oracle
from fleet.observe.timeline import Timeliner
from fleet.observe.trace import Trace
from fleet.words import Measurand, ReadingContext, RegistrationStatus

CONFIGURATION = {"MeterValueSampleInterval": "0"}
PAYLOAD = {
    "connectorId": 1,
    "meterValue": [
        {
            "timestamp": "2026-11-22T11:17:32.123Z",
            "sampledValue": [
                {
                    "value": "1234",
                    "context": "Sample.Periodic",
                    "measurand": "Energy.Active.Import.Register",
                    "unit": "Wh",
                }
            ],
        }
    ],
    "transactionId": 1,
}
SETTLE_S = 0.3
"""Between two turns, so that neither pays for the other."""
NOBODY, ALL, TRACE = "nobody", "all", "all and the trace"
ONE, EVERYTHING = "all and a monitor of one", "all and a monitor of everything"


@frozen
class Turn:
    """Who listens, and what runs meanwhile until it is cancelled."""

    name: str
    listeners: Sequence[Listener] = ()
    tasks: Sequence[Callable[[], Awaitable[object]]] = ()


def turns(count: int, observer: Observer, trace: Trace, scrape_s: float) -> list[Turn]:
    """The observers of a run as `fleet run` has them."""
    clock = Clock.system()
    board, books, health, latency = Board(plans(count, CONFIGURATION)), Books(), Health(), Latency()
    timeline = Timeliner(board, latency, health, trio.current_time())
    metrics = Metrics(board, books, health, Journal(clock), version="0", seed=1)
    page, hub = Page(metrics), Hub(observer, clock)

    async def scrape() -> None:
        while True:
            await trio.sleep(scrape_s / 2)
            await page.write("")
            await trio.sleep(scrape_s / 2)

    async def monitor_one() -> None:
        with hub.watch(only({("CP0001", 0)}), charge_points={"CP0001"}) as watch:
            while True:
                await watch.receive()

    async def monitor_everything() -> None:
        with hub.watch() as watch:
            while True:
                await watch.receive()

    listeners = (board, books, Oracle(observer), Details(), latency, health, metrics)
    tasks = (health.run, timeline.run, scrape)
    return [
        Turn(NOBODY),
        Turn(ALL, listeners, tasks),
        Turn(TRACE, (*listeners, trace), tasks),
        Turn(ONE, listeners, (*tasks, monitor_one)),
        Turn(EVERYTHING, listeners, (*tasks, monitor_everything)),
    ]


async def alone(listener: Listener) -> float:
    """What the reports of one round trip cost this one, in us."""
    observer = Observer(listener)
    key, at = "CP0001/1", 0.0
    for report in (PoweredUp(0.0), LinkUp(), Registered(0.0, RegistrationStatus.ACCEPTED, 300)):
        observer.report("CP0001", report)
    observer.report("CP0001", TransactionStarted(1, 0.0, key, "TAG1", 1234))
    values = (SampledValue(Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, 1234.0),)
    call = orjson.dumps([2, "0c6f2a1e-4b7d-4e0a-9c55-0123456789ab", "MeterValues", PAYLOAD]).decode()
    answer = '[3,"0c6f2a1e-4b7d-4e0a-9c55-0123456789ab",{}]'
    best_s = math.inf
    for _ in range(40):
        heard = []
        for _ in range(500):
            at += 0.001
            reading = Reading(at, ReadingContext.SAMPLE_PERIODIC, values)
            heard += [
                MeterSampled(1, reading, key, 7200.0, 1234.0 + at),
                FrameSent(call, at),
                FrameSeen(answer, at + 0.0005),
                CallSettled("MeterValues", "Result", at, at, at + 0.0005, key, 1),
            ]
        began = time.perf_counter()
        for report in heard:
            observer.report("CP0001", report)
        best_s = min(best_s, (time.perf_counter() - began) / 500)
        if isinstance(listener, Trace):
            await listener.flush()
    return best_s * 1e6


@asynccontextmanager
async def listening(observer: Observer, turn: Turn) -> AsyncIterator[None]:
    """It is this turn's turn."""
    for listener in turn.listeners:
        observer.add(listener)
    async with trio.open_nursery() as nursery:
        for task in turn.tasks:
            nursery.start_soon(task)
        await trio.sleep(SETTLE_S)
        yield
        nursery.cancel_scope.cancel()
    for listener in turn.listeners:
        observer.remove(listener)
    await trio.sleep(SETTLE_S)


async def sample_meters(fleet: Fleet, rate_per_s: float) -> None:
    """Let every connector charge and send its meter values, so many a second in all."""
    for berth in fleet.berths.values():
        for connector in (1, 2):
            assert await berth.ask(connector, PlugIn()) is None
            assert await berth.ask(connector, StartTransaction(f"TAG{connector}")) is None
    settings = ApplySettings(ConnectorSettings(sample_interval_s=2 * len(fleet.berths) / rate_per_s))
    for berth in fleet.berths.values():
        for connector in (1, 2):
            berth.tell(connector, settings)  # type: ignore[arg-type]  # shorter than the key can say
        await trio.sleep(1 / rate_per_s)


async def measure(url: str, count: int, options: argparse.Namespace, file: Path) -> dict[str, list[float]]:
    """CPU per round trip in us by turn, one figure per round."""
    observer = Observer()
    said: list[str] = []
    # It writes to the disk in all turns; there is only something to write in its own.
    trace = Trace(file, Clock.system(), say=said.append)
    all_turns = turns(count, observer, trace, options.seconds)
    figures: dict[str, list[float]] = {turn.name: [] for turn in all_turns}
    for listener in all_turns[1].listeners:
        # They know the fleet from its beginning.
        observer.add(listener)
    async with (
        trio.open_nursery() as nursery,
        charge_points(url, count, CONFIGURATION, rate_per_s=500, observer=observer) as (fleet, counted),
    ):
        nursery.start_soon(trace.run)
        await sample_meters(fleet, options.rate)
        freeze()
        for listener in all_turns[1].listeners:
            observer.remove(listener)
        await trio.sleep(2)
        for number in range(options.rounds):
            # Forwards and backwards: nobody is always first.
            for turn in all_turns[:: 1 if number % 2 else -1]:
                async with listening(observer, turn):
                    before, cpu = counted.settled["MeterValues"], Cpu()
                    await trio.sleep(options.seconds)
                    figures[turn.name].append(cpu() / (counted.settled["MeterValues"] - before) * 1e6)
        assert not counted.failed, counted.failed
        nursery.cancel_scope.cancel()
    gc.unfreeze()
    assert not said, said
    assert not trace.lost
    return figures


class Nobody:
    """Wants to know nothing."""

    wants: frozenset[type[ObservedReport]] = frozenset()

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        raise AssertionError("nobody asked")


async def every_one_alone(file: Path) -> None:
    """Print them."""
    trace = Trace(file, Clock.system(), say=print)
    everybody = turns(1, Observer(), trace, 1.0)[1].listeners
    nobody_us = await alone(Nobody())
    for listener in (*everybody, trace):
        print(f"  {type(listener).__name__:32} {await alone(listener) - nobody_us:6.1f} us", flush=True)
    await trace.close()


def more(figures: list[float], than: list[float]) -> float:
    """The median over all rounds of the ratio to another turn of the same round."""
    return statistics.median(mine / other for mine, other in zip(figures, than, strict=True))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--charge-points", type=int, nargs="+", default=[100, 1000])
    arguments.add_argument("--rate", type=float, default=1000.0, help="round trips per second in all")
    arguments.add_argument("--seconds", type=float, default=5.0, help="of each turn, with one scrape in it")
    arguments.add_argument("--rounds", type=int, default=8)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        print("the reports of a round trip:")
        trio.run(every_one_alone, Path(folder) / "alone.jsonl")
    with responder() as port, tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        for count in options.charge_points:
            file = Path(folder) / f"{count}.jsonl"
            figures = trio.run(measure, f"ws://127.0.0.1:{port}", count, options, file)
            print(f"{count} charge points, {options.rate:.0f} round trips/s:")
            for name, found in figures.items():
                print(
                    f"  {name:32} {statistics.median(found):6.1f} us ({min(found):.0f} to {max(found):.0f}), "
                    f"ratio to nobody {more(found, figures[NOBODY]):.3f}",
                    flush=True,
                )
            print(f"  the trace on top: ratio {more(figures[TRACE], figures[ALL]):.3f}", flush=True)


main()
