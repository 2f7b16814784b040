"""1,000 charge points against the embedded CSMS: how soon all are booted; then 2,000 that only beat their hearts.

    python tests/bench/boot_and_hold.py

The embedded CSMS runs in a process of its own on the same machine, so that the two share its cores.
"""

import argparse
import tempfile
from pathlib import Path

import trio
from bench import Cpu, charge_points, responder

from fleet.load.central import embedded
from fleet.load.config import CsmsConfig
from fleet.load.ramp import freeze


async def boot_s(count: int, rate_per_s: float) -> float:
    """Seconds until `count` charge points have connected, booted and told their statuses."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded(CsmsConfig(), Path(folder) / "records.jsonl") as central:
            began = trio.current_time()
            async with charge_points(central.url, count, {}, rate_per_s):
                return trio.current_time() - began
    raise AssertionError


async def hold(url: str, count: int, seconds: float) -> tuple[float, int]:
    """Share of one core that `count` idle charge points take, and how many heartbeats they sent meanwhile."""
    async with charge_points(url, count, {}, rate_per_s=400) as (_, observer):
        freeze()
        await trio.sleep(2)
        before, cpu = observer.settled["Heartbeat"], Cpu()
        await trio.sleep(seconds)
        return cpu() / seconds, observer.settled["Heartbeat"] - before


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--boot", type=int, default=1000)
    arguments.add_argument("--connect-rate", type=float, default=250.0)
    arguments.add_argument("--hold", type=int, default=2000)
    arguments.add_argument("--seconds", type=float, default=60.0)
    options = arguments.parse_args()
    took_s = trio.run(boot_s, options.boot, options.connect_rate)
    print(f"{options.boot} charge points connected and booted in {took_s:.1f} s", flush=True)
    with responder(heartbeat_interval_s=60) as port:
        share, heartbeats = trio.run(hold, f"ws://127.0.0.1:{port}", options.hold, options.seconds)
    print(
        f"{options.hold} charge points held for {options.seconds:.0f} s at a 60 s heartbeat: "
        f"{share:.1%} of one core, {heartbeats} heartbeats"
    )


main()
