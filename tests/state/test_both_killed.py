"""Charge points and their CSMS in one fire: both are killed in the same instant, and each goes on with what it wrote.

That is `fleet run --state` with its own CSMS. A record is written before its answer goes out, and a frame leaves after
what it tells is written: so whatever one side knows of the other is on that other's disk.
"""

import math
import random
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from counterparts.bad_network import BadNetwork
from counterparts.kept import Disk, kept_swarm
from counterparts.swarm_perils import RECOVERY, Perils
from trio.testing import MockClock

from fleet.commands.impairments import Impair, NetworkFault
from fleet.csms.records import OddityRecord, Record, RecordFile, StartRecord, StopRecord
from fleet.csms.records import read_records as read_own
from fleet.errors import FleetError
from fleet.load.keeping import records_before
from fleet.observe.books import Books
from fleet.observe.earlier import of_restored
from fleet.observe.observer import Observer
from fleet.observe.records import read_records
from fleet.state.keeper import StateKeeper

CHARGE_POINTS, KILLS = 2, 8


@pytest.mark.parametrize("seed", range(8))
def test_the_books_of_both_sides_balance_however_often_both_are_killed(tmp_path: Path, seed: int) -> None:
    trio.run(_history, tmp_path, seed, clock=MockClock(autojump_threshold=0))


async def _history(tmp_path: Path, seed: int) -> None:
    draws = random.Random(f"{seed}/both")
    path = tmp_path / "records.jsonl"
    for kill in range(KILLS + 1):
        last = kill == KILLS
        before = records_before(path)
        records = Fuse(path)
        disk = Disk().wears_out(draws)
        async with kept_swarm(tmp_path / "state", CHARGE_POINTS, seed, disk, records=records) as (network, keeper):
            network.server.latency_s = draws.choice([0.0, 0.02, 0.3])
            if last:
                await _leave(network)
                _check_balance(network, keeper, path, before)
            else:
                records.lit_at = trio.current_time() + 10 ** draws.uniform(-1, 3)
                records.after_s = draws.choice([0.0, 0.001, 0.01, 0.03, 0.1])
                with records.scope:
                    await _live(network, draws)
        records.close()
        if draws.random() < 0.5:
            _tear(path)
    _check_records(path)


class Fuse(RecordFile):
    """Kills both some instants after a record was written, the first after a while."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.lit_at = math.inf
        self.after_s = 0.0
        self.scope = trio.CancelScope()

    def __call__(self, record: Record) -> None:
        super().__call__(record)
        if trio.current_time() >= self.lit_at:
            self.scope.deadline = min(self.scope.deadline, trio.current_time() + self.after_s)


async def _live(network: BadNetwork, draws: random.Random) -> None:
    perils, names = Perils(draws), list(network.fleet.berths)
    while True:
        name = draws.choice(names)
        orders = perils.driver()
        if draws.random() < 0.1:
            orders = [(0, Impair(NetworkFault.CUT, for_s=draws.choice([1.0, 60.0])))]
        for connector, command in orders:
            network.fleet.tell(name, connector, command)
            await trio.sleep(0.01)
        await trio.sleep(perils.pause_s())


async def _leave(network: BadNetwork) -> None:
    await network.until(lambda: network.server.connected == set(network.fleet.berths))
    for name, berth in network.fleet.berths.items():
        for connector, command in RECOVERY:
            network.fleet.tell(name, connector, command)
            await trio.sleep(0.1)
        berth.drain()
    assert await network.fleet.ended(trio.current_time() + 7200)


def _tear(path: Path) -> None:
    """A line that the kill cut short: its answer never went out."""
    with path.open("ab") as file:
        file.write(b'{"kind":"stop","recorded_at":"2026-')


def _check_balance(network: BadNetwork, keeper: StateKeeper, path: Path, before: int) -> None:
    """As the last run's own books have it."""
    books, observer = Books(), Observer()
    observer.add(books)
    for name, returned in keeper.returned.items():
        for report in returned.owed:
            observer.report(name, report)
    for name, each in network.reports:
        observer.report(name, each)
    earlier = of_restored(read_records(path, end=before), books.restored, books.restored_ids)
    balance = books.compare([*earlier, *read_records(path, before)])
    assert balance.balanced, balance.findings


def _check_records(path: Path) -> None:
    """Over all lives: every start once, every stop once, and nothing that a charge point should not have said."""
    records = list(read_own(path))
    starts = [each for each in records if isinstance(each, StartRecord)]
    stops = [each for each in records if isinstance(each, StopRecord)]
    assert len(starts) > 3
    assert len({each.transaction_id for each in starts}) == len(starts)
    assert len({(each.charge_point, each.connector, each.started_at) for each in starts}) == len(starts)
    assert sorted(each.transaction_id for each in stops) == [each.transaction_id for each in starts]
    odd = {each.rule for each in records if isinstance(each, OddityRecord)}
    # What was under way when either side went down.
    assert odd <= {"repeated-start", "repeated-stop", "late-meter-values", "broken-websocket"}, odd
    registers: dict[tuple[str, int], int] = {}
    for each in sorted(stops, key=lambda stop: stop.transaction_id):
        place = each.charge_point, each.connector
        assert registers.get(place, 0) == each.meter_start_wh, "a Wh that nobody was billed for, or twice"
        registers[place] = each.meter_stop_wh


_ANOTHER = """
import sys, time
from pathlib import Path
from fleet.csms.records import RecordFile
RecordFile(Path(sys.argv[1]))
print(".", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize(("lives_s", "wait_s", "had"), [(0.3, 10.0, True), (10.0, 0.2, False)])
def test_two_csmss_never_go_on_with_the_same_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives_s: float, wait_s: float, had: bool
) -> None:
    """That of a killed run has what is still in its sockets to write down; the next one waits for that."""
    path = tmp_path / "records.jsonl"
    monkeypatch.setattr("fleet.csms.records.WAIT_S", wait_s)
    command = [sys.executable, "-c", _ANOTHER, str(path), str(lives_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == ".\n"
        if had:
            RecordFile(path).close()
            assert other.wait() == 0
        else:
            with pytest.raises(FleetError, match=r"records\.jsonl: another CSMS does$"):
                RecordFile(path)
            other.kill()
