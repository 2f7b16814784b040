"""Whoever changes a memory says so: what is said to be written is what there is, whatever happens, without a sweep.

Swarms as in `simulation/test_swarm.py`: drivers, hands, mains, a bad network, and a CSMS that asks for everything that
OCPP 1.6 lets it ask. Again and again, in the instants in which nobody has anything to do, every memory is compared
with what the database would give back after a kill.
"""

import os
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from counterparts.bad_network import BadNetwork
from counterparts.kept import Disk, kept_swarm, unwritten
from counterparts.scripted import EPOCH_S
from counterparts.swarm_errands import errands
from counterparts.swarm_perils import RECOVERY, Perils
from counterparts.swarm_requests import Requests
from trio.testing import MockClock, wait_all_tasks_blocked

from fleet.csms.server import CallFailed
from fleet.ocpp import v16
from fleet.state.keeper import BATCH_S, StateKeeper

CHARGE_POINTS = 2
HAPPENINGS = 100
first, _, last = os.environ.get("FLEET_UNSWEPT_SEEDS", "0-5").partition("-")
SEEDS = range(int(first), int(last or first) + 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_changes_that_nobody_marked(tmp_path: Path, seed: int) -> None:
    trio.run(_life, tmp_path / "state", seed, clock=MockClock(autojump_threshold=0))


async def _life(path: Path, seed: int) -> None:
    draws = random.Random(f"{seed}/unswept")
    disk = Disk().wears_out(draws)
    perils, looks = Perils(draws), 0
    async with kept_swarm(path, CHARGE_POINTS, seed, disk, errands(random.Random(seed))) as (network, keeper):
        await network.booted()
        names = list(network.fleet.berths)
        network.server.latency_s = draws.choice([0.0, 0.3, 3.0, 40.0])
        async with trio.open_nursery() as asking:
            for _ in range(HAPPENINGS):
                name = draws.choice(names)
                requests = Requests(draws, _utc, lambda name=name: list(network.server.central.ledger(name).open))
                match draws.choices(["driver", "hand", "network", "csms"], [3, 2, 1, 5])[0]:
                    case "driver":
                        orders = perils.driver()
                    case "hand":
                        orders = perils.hand()
                    case "network":
                        orders = perils.network()
                    case _:
                        orders = []
                        asking.start_soon(_ask, network, name, *requests.draw())
                for connector, command in orders:
                    network.fleet.tell(name, connector, command)
                await trio.sleep(draws.choice([0.0, 0.01, 0.03, perils.pause_s()]))
                looks += await _look(keeper)
            for name in names:
                for connector, command in RECOVERY:
                    network.fleet.tell(name, connector, command)
                    await trio.sleep(0.1)
            for _ in range(10):
                await trio.sleep(60 + BATCH_S)
                looks += await _look(keeper)
    assert looks > HAPPENINGS / 2


async def _look(keeper: StateKeeper) -> int:
    """Compare when all is quiet for this instant; gives how many charge points had all written."""
    await wait_all_tasks_blocked()
    assert unwritten(keeper) == []
    return sum(page.written for page in keeper._pages.values())


async def _ask(network: BadNetwork, name: str, action: str, payload: dict[str, object]) -> None:
    with suppress(CallFailed):
        await network.server.call(name, v16.CATALOGUE.request(action, payload))


def _utc() -> datetime:
    return datetime.fromtimestamp(EPOCH_S, UTC) + timedelta(seconds=trio.current_time())
