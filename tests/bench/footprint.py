"""Memory per charge point, memory before the first one, and how fast the command line answers.

    python tests/bench/footprint.py [--charge-points 2000]

Memory is resident memory of this process, growth from before the first charge point to all of them booted and idle,
against a responder in another process.
"""

import argparse
import gc
import subprocess
import sys
import time

import trio
from bench import charge_points, responder, rss_mib

BEFORE = """
import trio
from pathlib import Path
import fleet.cli, fleet.load.command, fleet.load.runner
async def main():
    print(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20)
trio.run(main)
"""


async def growth_kib(url: str, count: int, seconds: float) -> tuple[float, float]:
    """KiB per charge point once booted, and after idling for a while."""
    gc.collect()
    before = rss_mib()
    async with charge_points(url, count, {}, rate_per_s=400):
        gc.collect()
        booted = rss_mib()
        await trio.sleep(seconds)
        idle = rss_mib()
    return (booted - before) * 1024 / count, (idle - before) * 1024 / count


def help_s() -> float:
    """Wall time of `fleet --help`, the best of five."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fleet", "--help"], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--charge-points", type=int, default=2000)
    arguments.add_argument("--seconds", type=float, default=5.0, help="to idle before the second reading")
    options = arguments.parse_args()
    print(f"fleet --help: {help_s():.2f} s")
    before = subprocess.run([sys.executable, "-c", BEFORE], capture_output=True, text=True, check=True).stdout
    print(f"before the first charge point: {float(before):.0f} MiB")
    with responder() as port:
        booted, idle = trio.run(growth_kib, f"ws://127.0.0.1:{port}", options.charge_points, options.seconds)
    print(f"{options.charge_points} charge points of two connectors: {booted:.1f} KiB each, {idle:.1f} KiB idle")


main()
