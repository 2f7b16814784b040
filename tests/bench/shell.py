"""The shell over a working fleet: how soon it answers, and how late the load runs meanwhile.

    python tests/bench/shell.py [--charge-points 1000] [--rounds 5]

A whole run in this process, as `fleet run --shell` makes it: embedded CSMS, drivers, board, control socket; about four
connectors in ten charge. Each line is timed at the console, where the shell of the run's own terminal gives it, and at
the control socket from another process, as `fleet attach` and `fleet do` give it.

The schedule lag is how late the charge points themselves are: from the instant at which a connector's meter sample was
due to the instant at which its charge point has it in hand for the wire. Beside it, how late a task wakes that sleeps
until an instant every 10 ms. Both are watched while the line is carried out and for a second afterwards, when what it
caused goes over the wire.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import trio

from fleet.control.client import ControlClient
from fleet.control.console import Console
from fleet.control.plant import Plant
from fleet.core.reports import MeterSampled, ObservedReport
from fleet.load.config import CsmsConfig, DriversConfig, GroupConfig, RunConfig
from fleet.load.controls import Manner
from fleet.load.distributions import Uniform
from fleet.load.runner import run
from fleet.words import ReadingContext

PROBE_INTERVAL_S = 0.01
AFTERMATH_S = 1.0
LOOKS = ("status", "list", "status */*")

Execute = Callable[[str], Awaitable[tuple[float, str]]]
"""Carries a line out; seconds, and the first line of the answer."""


class Quiet(Manner):
    """A run that says nothing."""

    def say(self, line: str) -> None:
        """Not a word."""


class Lag:
    """A listener, and a task: how late samples are taken and tasks wake, in s."""

    wants = frozenset({MeterSampled})

    def __init__(self) -> None:
        self.samples_s: list[float] = []
        self.probes_s: list[float] = []

    def report(self, _charge_point_id: str, report: ObservedReport) -> None:
        assert isinstance(report, MeterSampled)
        if report.reading.context is ReadingContext.SAMPLE_PERIODIC:  # dated at the instant at which it was due
            self.samples_s.append(trio.current_time() - report.reading.at)

    async def probe(self) -> None:
        while True:
            due_at = trio.current_time() + PROBE_INTERVAL_S
            await trio.sleep_until(due_at)
            self.probes_s.append(trio.current_time() - due_at)

    def forget(self) -> None:
        self.samples_s.clear()
        self.probes_s.clear()

    def __str__(self) -> str:
        return f"lag of {len(self.samples_s)} samples {tail(self.samples_s)}; of a task {tail(self.probes_s)}"


def tail(lags_s: list[float]) -> str:
    """The 99th percentile and the worst."""
    if not lags_s:
        return "unknown"
    ordered = sorted(lags_s)
    return f"p99 {ordered[math.ceil(len(ordered) * 0.99) - 1] * 1e3:.0f} ms, worst {ordered[-1] * 1e3:.0f} ms"


def spread(times_s: list[float]) -> str:
    """The median and the worst."""
    ordered = sorted(times_s)
    return f"median {ordered[len(ordered) // 2] * 1e3:.0f} ms, worst {ordered[-1] * 1e3:.0f} ms"


class Outsider:
    """Another process that gives lines over the control socket, as a person would: one after the other."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--ask", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    async def execute(self, line: str) -> tuple[float, str]:
        """Seconds, and the first line of the answer."""
        return await trio.to_thread.run_sync(self._execute, line)

    def _execute(self, line: str) -> tuple[float, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        took_s, _, text = self._process.stdout.readline().partition(" ")
        return float(took_s), text.strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def ask(path: str) -> None:
    """The outsider's process: lines in, seconds and answers out."""
    with ControlClient(path) as peer:
        for line in sys.stdin:
            began_at = time.perf_counter()
            answer = peer.execute(line.strip())
            print(time.perf_counter() - began_at, *answer.text.splitlines()[:1], flush=True)


async def measure(plant: Plant, path: Path, options: argparse.Namespace) -> None:
    """Everything, once everybody is registered and at work."""
    while plant.ramping or plant.board.accepted < plant.board.charge_points:
        await trio.sleep(0.1)
    await trio.sleep(options.warm_up)
    lag, console, outsider = Lag(), Console(plant), Outsider(path)
    plant.observer.add(lag)

    async def at_console(line: str) -> tuple[float, str]:
        began_at = time.perf_counter()
        answer = await console.execute(line)
        return time.perf_counter() - began_at, answer.text.partition("\n")[0]

    places = (("console", at_console), ("socket", outsider.execute))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lag.probe)
            await outsider.execute("seed")
            before, since_at = plant.board.messages, trio.current_time()
            lag.forget()
            await trio.sleep(options.seconds)
            rate_per_s = (plant.board.messages - before) / (trio.current_time() - since_at)
            print(
                f"{plant.board.charge_points} charge points, {plant.board.connectors} connectors, "
                f"{plant.board.running} transactions, {rate_per_s:.0f} messages/s\n"
                f"nobody asks: {lag}",
                flush=True,
            )
            for line in LOOKS:
                for place, execute in places:
                    lag.forget()
                    times_s = []
                    for _ in range(options.looks):
                        times_s.append((await execute(line))[0])
                        await trio.sleep(0.1)
                    print(f"{line} ({place}): {spread(times_s)}; {lag}", flush=True)
            for place, execute in places:
                await act("plug */*", "unplug */*@Preparing", place, execute, lag, options.rounds)
            # And where no connector has a car yet: each of them has something to do, and something to say.
            for line in ("pause", "stop */*@Charging", "unplug */*"):
                await console.execute(line)
                await trio.sleep(3)
            for place, execute in places:
                await act("plug */*", "unplug */*", f"all free, {place}", execute, lag, options.rounds)
            nursery.cancel_scope.cancel()
    finally:
        outsider.close()
        plant.interrupt()
        plant.interrupt()


async def act(line: str, back: str, where: str, execute: Execute, lag: Lag, rounds: int) -> None:
    """Carry a line out several times, each time put back afterwards."""
    times_s, text = [], ""
    samples_s: list[float] = []
    probes_s: list[float] = []
    for _ in range(rounds):
        lag.forget()
        took_s, text = await execute(line)
        await trio.sleep(AFTERMATH_S)
        times_s.append(took_s)
        samples_s += lag.samples_s
        probes_s += lag.probes_s
        await execute(back)
        await trio.sleep(3)
    lag.samples_s, lag.probes_s = samples_s, probes_s
    print(f"{text} ({where}): {spread(times_s)}; {lag}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--charge-points", type=int, default=1000)
    arguments.add_argument("--warm-up", type=float, default=40.0, help="s of load before anything is measured")
    arguments.add_argument("--seconds", type=float, default=10.0, help="that the lag is watched while nobody asks")
    arguments.add_argument("--looks", type=int, default=20, help="times that each look is taken")
    arguments.add_argument("--rounds", type=int, default=5, help="times that each command is given")
    arguments.add_argument("--ask", metavar="SOCKET", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.ask:
        ask(options.ask)
        return
    config = RunConfig(
        seed=1,
        duration_s=3600.0,
        csms=CsmsConfig(connect_rate_per_s=200.0),
        charge_points=(GroupConfig(count=options.charge_points, configuration={"MeterValueSampleInterval": "10"}),),
        drivers=DriversConfig(arrivals_per_s=1 / 60, stay_s=Uniform(20.0, 40.0)),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "control.sock"
        manner = Quiet(control=str(path), attend=partial(measure, path=path, options=options))
        trio.run(partial(run, config, manner=manner))


main()
