"""What security costs: charge points that connect all at once with profile 0, 2 (TLS, password) and 3 (mutual TLS).

    python tests/bench/tls.py [--charge-points 500] [--profiles 0 2 3]

Against the embedded CSMS in a process of its own, on the same machine. Each profile in a process of its own, so that
the memory of one is not the other's. Connections per second are from the first packet to the last WebSocket that is
open; the CPU is that of this process alone; memory is the growth of resident memory of this process and of the CSMS
from before the first charge point to all of them booted.
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import trio
from bench import PAGE, Count, Cpu, plans

from fleet.actors.fleet import Fleet, Surroundings
from fleet.clock import Clock
from fleet.core.dialects.v16 import Dialect16
from fleet.core.reports import CallSettled, LinkUp, ObservedReport, Registered
from fleet.load.central import embedded
from fleet.load.config import CsmsConfig
from fleet.load.links import WebSocketLinks
from fleet.load.security import WHAT, guarded


class Connections(Count):
    """Counts connections too, and how long each took, of that in TLS; in s."""

    wants: frozenset[type[ObservedReport]] = frozenset({CallSettled, Registered, LinkUp})

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s: list[float] = []
        self.tls_s: list[float] = []

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        if type(report) is LinkUp:
            self.elapsed_s.append(report.elapsed_s)
            self.tls_s.append(report.tls_s or 0.0)
        super().report(charge_point_id, report)


def rss_kib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1024


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


async def measure(profile: int, count: int) -> str:
    with tempfile.TemporaryDirectory() as folder, guarded(CsmsConfig(security_profile=profile), None) as guard:
        async with embedded(guard.csms, Path(folder) / "records.jsonl", guard) as central:
            assert central.process is not None
            counted, pid = Connections(), central.process.pid
            links = WebSocketLinks(None, guard.csms, 1, Dialect16.subprotocol, guard.password, guard.issue)
            links.aim(central.url)
            surroundings = Surroundings(1, Clock.system(), Dialect16(), counted, links)
            gc.collect()
            before = rss_kib(os.getpid()), rss_kib(pid)
            async with trio.open_nursery() as nursery:
                fleet, cpu, began = Fleet(surroundings, nursery), Cpu(), trio.current_time()
                for plan in plans(count, {}):
                    fleet.add(plan)
                while len(counted.elapsed_s) < count:
                    await trio.sleep(0.005)
                took_s, cpu_s = trio.current_time() - began, cpu()
                while counted.settled["StatusNotification"] < 3 * count:
                    await trio.sleep(0.05)
                gc.collect()
                kib = [(now - then) / count for now, then in zip(_now(pid), before, strict=True)]
                nursery.cancel_scope.cancel()
    return (
        f"{profile:>7}{count / took_s:>16.0f}{cpu_s / count * 1000:>14.2f}{median(counted.tls_s) * 1000:>16.0f}"
        f"{kib[0]:>16.1f}{kib[1]:>14.1f}   {WHAT[profile]}"
    )


def _now(pid: int) -> tuple[float, float]:
    return rss_kib(os.getpid()), rss_kib(pid)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--charge-points", type=int, default=500)
    arguments.add_argument("--profiles", type=int, nargs="+", choices=range(4), default=[0, 2, 3])
    arguments.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.one is not None:
        print(trio.run(measure, options.one, options.charge_points), flush=True)
        return
    print(f"{options.charge_points} charge points at once")
    print("profile   connections/s   CPU ms each   TLS ms, median   KiB each here   KiB, CSMS", flush=True)
    for profile in options.profiles:
        again = [sys.executable, __file__, "--one", str(profile), "--charge-points", str(options.charge_points)]
        subprocess.run(again, check=True)


main()
