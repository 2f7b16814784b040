"""What a scrape costs the fleet: the time that it takes, and by how much it holds up the loop.

    python tests/bench/scrape.py [--charge-points 2000] [--scrapes 50]

Charge points of two connectors are connected to a responder in another process and heard by board, books, health and
metrics; a third process scrapes them over HTTP as Prometheus does. Meanwhile a task is due every millisecond, and how
late it is at most tells how long the loop was held up. The same is told of as much time without any scrape, which is
the machine's own doing, and once more with as many series as a hostile CSMS can make. CPU is that of the fleet's
process beyond what it takes unscraped.
"""

import argparse
import statistics
import subprocess
import sys

import trio
from bench import Cpu, charge_points, plans, responder

from fleet.clock import Clock
from fleet.core.reports import CallServed, CallSettled, ConnectFailed, LinkDown, ProtocolViolated
from fleet.load.ramp import freeze
from fleet.observe.board import Board
from fleet.observe.books import Books
from fleet.observe.exporter import metrics_url, open_metrics_listeners, serve_metrics
from fleet.observe.health import Health
from fleet.observe.journal import Journal
from fleet.observe.metrics import Metrics
from fleet.observe.observer import Observer

PAUSE_S = 0.1
SLOT_S = 0.001
SCRAPER = """
import sys, time, http.client
_, port, scrapes, pause_s = sys.argv
connection = http.client.HTTPConnection("127.0.0.1", int(port))
for _ in range(int(scrapes)):
    time.sleep(float(pause_s))
    began = time.perf_counter()
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    body = connection.getresponse().read()
    print(time.perf_counter() - began, sum(not line.startswith(b"#") for line in body.splitlines()), len(body))
"""


class Probe:
    """A task that is due every millisecond."""

    def __init__(self) -> None:
        self.lags_s: list[float] = []

    async def run(self) -> None:
        due_at = trio.current_time()
        while True:
            due_at += SLOT_S
            await trio.sleep_until(due_at)
            lag_s = trio.current_time() - due_at
            self.lags_s.append(lag_s)
            due_at += lag_s

    def take(self) -> str:
        lags_s, self.lags_s = sorted(self.lags_s), []
        p99_s, max_s = lags_s[int(0.99 * len(lags_s))], lags_s[-1]
        return f"loop held up: p99 {p99_s * 1e3:.1f} ms, at most {max_s * 1e3:.1f} ms"


async def scrape(port: int, scrapes: int) -> str:
    """Scrape in another process and tell how long each took."""
    done = await trio.run_process(
        [sys.executable, "-c", SCRAPER, str(port), str(scrapes), str(PAUSE_S)],
        capture_stdout=True,
        stdin=subprocess.DEVNULL,
    )
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    took_s = sorted(float(row[0]) for row in rows)
    return (
        f"{rows[-1][1]} series, {int(rows[-1][2]) / 1024:.0f} KiB; a scrape takes "
        f"{statistics.median(took_s) * 1e3:.1f} ms, at most {took_s[-1] * 1e3:.1f} ms"
    )


def make_up(observer: Observer, size: int) -> None:
    """What a CSMS or a person may say, never the same twice."""
    for number in range(size):
        for report in (
            CallSettled(f"Action{number}", f"Code{number}", 0.0, 0.0, 0.1),
            CallServed(f"Action{number}", "Result", 1.0),
            ConnectFailed(f"http-{number}", ""),
            LinkDown(f"closed-{number}"),
            ProtocolViolated(f"rule-{number}", "", 1.0),
        ):
            observer.report("CP0001", report)


async def measure(count: int, scrapes: int) -> None:
    board, books, health = Board(plans(count, {})), Books(), Health()
    metrics = Metrics(board, books, health, Journal(Clock.system()), version="bench", seed=1)
    observer = Observer(board, books, health, metrics)
    listeners = await open_metrics_listeners("127.0.0.1", 0)
    port = listeners[0].socket.getsockname()[1]
    with responder() as csms:
        async with (
            charge_points(f"ws://127.0.0.1:{csms}", count, {}, observer=observer),
            trio.open_nursery() as nursery,
        ):
            freeze()
            probe = Probe()
            await nursery.start(serve_metrics, listeners, metrics)
            nursery.start_soon(health.run)
            nursery.start_soon(probe.run)
            print(f"{board.online:,} charge points are connected; {scrapes} scrapes of {metrics_url(listeners)}")
            cpu = Cpu()
            await trio.sleep(scrapes * PAUSE_S)
            idle_s = cpu()
            print(f"nobody scrapes: {probe.take()}")
            for made_up in (0, 500):
                make_up(observer, made_up)
                probe.lags_s.clear()
                cpu = Cpu()
                scraped = await scrape(port, scrapes)
                print(f"{scraped}, {(cpu() - idle_s) / scrapes * 1e3:.1f} ms CPU; {probe.take()}")
            nursery.cancel_scope.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--charge-points", type=int, default=2_000)
    parser.add_argument("--scrapes", type=int, default=50)
    options = parser.parse_args()
    trio.run(measure, options.charge_points, options.scrapes)


if __name__ == "__main__":
    main()
