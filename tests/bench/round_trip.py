"""CPU per MeterValues round trip: the whole charge point beside a bare trio-websocket loop, in one run.

    python tests/bench/round_trip.py [--charge-points 100 1000] [--rate 1000] [--seconds 4]

Both send the same MeterValues text at the same pace over as many connections to the same responder in another process:
the bare loop is a task per connection that sleeps until its next message is due, sends, and waits for the answer; the
whole is `fleet` with two connectors per charge point that sample their meters (connector -> charge point -> wire ->
answer). Each is measured in turn, several times, so that a noisy neighbour on the machine hits both.
"""

import argparse
import gc
import statistics

import orjson
import trio
import trio_websocket
from bench import Cpu, charge_points, responder

from fleet.commands.vocabulary import PlugIn, StartTransaction
from fleet.core.orders import ApplySettings, ConnectorSettings
from fleet.load.ramp import freeze

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


async def bare(url: str, connections: int, rate_per_s: float, seconds: float, rounds: int) -> list[float]:
    """CPU per round trip in us, one figure per round."""
    count = 0

    async def speak(index: int) -> None:
        nonlocal count
        name = f"BARE{index}"
        socket = await trio_websocket.connect_websocket_url(nursery, f"{url}/{name}", subprotocols=["ocpp1.6"])
        connected.append(index)
        await start.wait()
        period_s = connections / rate_per_s
        due_at = trio.current_time() + period_s * index / connections
        number = 0
        while True:
            await trio.sleep_until(due_at)
            number += 1
            await socket.send_message(orjson.dumps([2, f"{name}-{number}", "MeterValues", PAYLOAD]).decode())
            orjson.loads(await socket.get_message())
            count += 1
            due_at += period_s

    connected: list[int] = []
    start = trio.Event()
    figures = []
    async with trio.open_nursery() as nursery:
        for index in range(connections):
            nursery.start_soon(speak, index)
            if index % 20 == 0:
                await trio.sleep(0.02)
        while len(connected) < connections:
            await trio.sleep(0.05)
        freeze()
        start.set()
        await trio.sleep(2)
        for _ in range(rounds):
            before, cpu = count, Cpu()
            await trio.sleep(seconds)
            figures.append(cpu() / (count - before) * 1e6)
        nursery.cancel_scope.cancel()
    gc.unfreeze()
    return figures


async def whole(url: str, count: int, rate_per_s: float, seconds: float, rounds: int) -> list[float]:
    """The same for whole charge points."""
    figures = []
    async with charge_points(url, count, {"MeterValueSampleInterval": "0"}, rate_per_s=500) as (fleet, observer):
        for berth in fleet.berths.values():
            for connector in (1, 2):
                assert await berth.ask(connector, PlugIn()) is None
                assert await berth.ask(connector, StartTransaction(f"TAG{connector}")) is None
        settings = ApplySettings(ConnectorSettings(sample_interval_s=2 * count / rate_per_s))
        for berth in fleet.berths.values():
            for connector in (1, 2):
                berth.tell(connector, settings)  # type: ignore[arg-type]  # shorter than the key can say
            await trio.sleep(1 / rate_per_s)
        freeze()
        await trio.sleep(2)
        for _ in range(rounds):
            before, cpu = observer.settled["MeterValues"], Cpu()
            await trio.sleep(seconds)
            figures.append(cpu() / (observer.settled["MeterValues"] - before) * 1e6)
        assert not observer.failed, observer.failed
    gc.unfreeze()
    return figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--charge-points", type=int, nargs="+", default=[100, 1000])
    arguments.add_argument("--rate", type=float, default=1000.0, help="round trips per second in all")
    arguments.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    with responder() as port:
        url = f"ws://127.0.0.1:{port}"
        for count in options.charge_points:
            bare_us, whole_us = [], []
            for _ in range(2):
                bare_us += trio.run(bare, url, count, options.rate, options.seconds, options.rounds)
                whole_us += trio.run(whole, url, count, options.rate, options.seconds, options.rounds)
            a, b = statistics.median(bare_us), statistics.median(whole_us)
            print(
                f"{count:5} charge points: bare {a:.0f} us, whole {b:.0f} us, ratio {b / a:.2f} "
                f"(whole: {min(whole_us):.0f} to {max(whole_us):.0f}; bare: {min(bare_us):.0f} to {max(bare_us):.0f})",
                flush=True,
            )


main()
