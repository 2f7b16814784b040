"""What the benchmarks share: the responder process, a fleet of charge points, and readings of CPU and memory."""

import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio

from fleet.actors.fleet import Fleet, Surroundings
from fleet.actors.keeping import Keeper
from fleet.clock import Clock
from fleet.core.dialects.v16 import Dialect16
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import CallSettled, ObservedReport, Registered
from fleet.load.config import CsmsConfig
from fleet.load.links import WebSocketLinks
from fleet.observe.observer import Observer

HERE = Path(__file__).parent
PAGE = os.sysconf("SC_PAGE_SIZE")


def rss_mib() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


@contextmanager
def responder(heartbeat_interval_s: int = 0) -> Iterator[int]:
    """The responder in another process; yields its port."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "responder.py"), str(heartbeat_interval_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)


class Count:
    """An observer that only counts."""

    frames_wanted = False
    wants: frozenset[type[ObservedReport]] = frozenset({CallSettled, Registered})

    def __init__(self) -> None:
        self.registered = 0
        self.settled: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        if type(report) is CallSettled:
            if report.outcome == "Result":
                self.settled[report.action] += 1
            else:
                self.failed[f"{report.action} {report.outcome}"] += 1
        elif type(report) is Registered:
            self.registered += 1


def plans(count: int, configuration: dict[str, str]) -> list[ChargePointPlan]:
    """Charge points of two connectors."""
    connectors = (ConnectorPlan(), ConnectorPlan())
    return [ChargePointPlan(f"CP{index + 1:04}", connectors, configuration=configuration) for index in range(count)]


@asynccontextmanager
async def charge_points(
    url: str,
    count: int,
    configuration: dict[str, str],
    rate_per_s: float = math.inf,
    observer: Observer | None = None,
    keeper: Keeper | None = None,
) -> AsyncIterator[tuple[Fleet, Count]]:
    """`count` charge points of two connectors, booted. What they report is counted, and told to `observer` if given."""
    counted = Count()
    if observer is not None:
        observer.add(counted)
    links = WebSocketLinks(url, CsmsConfig(), 1, Dialect16.subprotocol)
    surroundings = Surroundings(1, Clock.system(), Dialect16(), observer or counted, links, keeper=keeper)
    async with trio.open_nursery() as nursery:
        fleet = Fleet(surroundings, nursery)
        for plan in plans(count, configuration):
            fleet.add(plan)
            await trio.sleep(1 / rate_per_s if rate_per_s < math.inf else 0)
        while counted.settled["StatusNotification"] < 3 * count:
            await trio.sleep(0.05)
        yield fleet, counted
        nursery.cancel_scope.cancel()


class Cpu:
    """CPU time of this process since it was made, in s."""

    def __init__(self) -> None:
        self._began = time.process_time()

    def __call__(self) -> float:
        return time.process_time() - self._began
