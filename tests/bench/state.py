"""What `--state` costs: CPU per MeterValues round trip of a fleet that is written down beside one that isn't.

    python tests/bench/state.py [--charge-points 100 1000] [--rate 1000] [--seconds 5] [--rounds 8]

Both fleets are in one process, against one responder in another, and sample their meters in turns: while one sends its
MeterValues the other stands still. Each reading is written before it is sent and its settlement afterwards. The CPU is
that of the whole process, the thread that writes included. Turns follow each other within seconds and are compared
with the one beside them, so that whatever else the machine does hits both.
"""

import argparse
import gc
import statistics
import tempfile
from pathlib import Path

import trio
from bench import Count, Cpu, charge_points, plans, responder

from fleet.actors.fleet import Fleet
from fleet.clock import Clock
from fleet.commands.vocabulary import PlugIn, StartTransaction
from fleet.core.orders import ApplySettings, ConnectorSettings
from fleet.load.ramp import freeze
from fleet.state.codec import SCHEMA
from fleet.state.folder import About, Folder
from fleet.state.keeper import StateKeeper

CONFIGURATION = {"MeterValueSampleInterval": "0"}
SETTLE_S = 2.0
"""For the first readings of a turn to come, spread as they will be."""


def fail() -> None:
    raise AssertionError("the state can't be written")


async def start(fleet: Fleet) -> None:
    for berth in fleet.berths.values():
        for connector in (1, 2):
            assert await berth.ask(connector, PlugIn()) is None
            assert await berth.ask(connector, StartTransaction(f"TAG{connector}")) is None


async def sample(fleet: Fleet, rate_per_s: float) -> None:
    """Let the connectors send so many readings a second in all, spread evenly; 0 is none."""
    interval_s = 2 * len(fleet.berths) / rate_per_s if rate_per_s else 0.0
    settings = ApplySettings(ConnectorSettings(sample_interval_s=interval_s))
    for berth in fleet.berths.values():
        for connector in (1, 2):
            berth.tell(connector, settings)  # type: ignore[arg-type]  # shorter than the key can say
        await trio.sleep(1 / rate_per_s if rate_per_s else 0)


async def turn(fleet: Fleet, counted: Count, options: argparse.Namespace) -> float:
    """CPU per round trip in us."""
    await sample(fleet, options.rate)
    await trio.sleep(SETTLE_S)
    before, cpu = counted.settled["MeterValues"], Cpu()
    await trio.sleep(options.seconds)
    figure = cpu() / (counted.settled["MeterValues"] - before) * 1e6
    await sample(fleet, 0)
    await trio.sleep(0.5)
    return figure


async def measure(url: str, count: int, options: argparse.Namespace, path: Path) -> tuple[list[float], list[float]]:
    """Without and with, one figure per round."""
    without: list[float] = []
    kept: list[float] = []
    about = About(SCHEMA, "bench", 1, tuple((plan.id, 2) for plan in plans(count, CONFIGURATION)))
    keeper = StateKeeper(Folder(path, about), Clock.system(), trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run, fail)
        async with (
            charge_points(url, count, CONFIGURATION, rate_per_s=300) as (plain, plain_counted),
            charge_points(url, count, CONFIGURATION, rate_per_s=300, keeper=keeper) as (written, written_counted),
        ):
            await start(plain)
            await start(written)
            freeze()
            for number in range(options.rounds):
                pair = [(plain, plain_counted, without), (written, written_counted, kept)]
                for fleet, counted, figures in pair[:: 1 if number % 2 else -1]:
                    figures.append(await turn(fleet, counted, options))
            assert not plain_counted.failed, plain_counted.failed
            assert not written_counted.failed, written_counted.failed
        nursery.cancel_scope.cancel()
    await keeper.finish()
    gc.unfreeze()
    return without, kept


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--charge-points", type=int, nargs="+", default=[100, 1000])
    arguments.add_argument("--rate", type=float, default=1000.0, help="round trips per second in all")
    arguments.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    arguments.add_argument("--rounds", type=int, default=8)
    options = arguments.parse_args()
    with responder() as port, tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        for count in options.charge_points:
            url, path = f"ws://127.0.0.1:{port}", Path(folder) / str(count)
            without, kept = trio.run(measure, url, count, options, path)
            ratio = statistics.median(b / a for a, b in zip(without, kept, strict=True))
            print(
                f"{count:5} charge points, {options.rate:.0f} round trips/s: {statistics.median(without):.0f} us "
                f"({min(without):.0f} to {max(without):.0f}), with a state {statistics.median(kept):.0f} us "
                f"({min(kept):.0f} to {max(kept):.0f}), ratio {ratio:.3f}",
                flush=True,
            )


main()
