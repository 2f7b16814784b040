"""The keeper: batches, gates that open after them, a disk that fails, and what the next run finds."""

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from counterparts.kept import UnsweptKeeper, about, kept, unwritten
from counterparts.scripted import EPOCH_S
from counterparts.world import QUIET

from fleet.clock import Clock
from fleet.commands.vocabulary import PlugIn, StartTransaction
from fleet.core.memory import Cable
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.errors import ConfigurationError
from fleet.ocpp.outbox import Outgoing
from fleet.state.folder import Batch, Folder, Unwritable, checksum
from fleet.state.keeper import ALIVE_S, AT_ONCE_MAX, BATCH_S, SWEEP_S, StateKeeper
from fleet.state.restored import LIVES_MAX


@define(eq=False)
class Disk:
    """Notes when batches came; `full` it takes none."""

    full: bool = False
    batches: list[tuple[float, Batch]] = field(factory=list)

    async def __call__(self, write: Callable[[Batch], None], batch: Batch) -> None:
        await trio.lowlevel.checkpoint()
        if self.full:
            raise Unwritable("state: database or disk is full")
        write(batch)
        self.batches.append((trio.current_time(), batch))


class Waiting:
    """Where a gate would be."""

    def __init__(self) -> None:
        self.taken = self.opened = 0

    def take(self) -> None:
        self.taken += 1

    def open(self) -> None:
        self.opened += 1


def plan(name: str, connectors: int = 2) -> ChargePointPlan:
    return ChargePointPlan(name, (ConnectorPlan(),) * connectors)


def keeper_over(path: Path, disk: Any, charge_points: int = 3, **settings: Any) -> StateKeeper:
    folder = Folder(path / "state", about(charge_points))
    return UnsweptKeeper(folder, Clock(EPOCH_S), trio.current_time(), elsewhere=disk, **settings)


async def test_what_changes_at_once_is_one_batch_and_batches_keep_a_distance(
    autojump_clock: Any, tmp_path: Path, nursery: trio.Nursery
) -> None:
    disk = Disk()
    keeper = keeper_over(tmp_path, disk)
    pages = [keeper.page(name, keeper.memory(plan(name))) for name in ("CP1", "CP2", "CP3")]
    nursery.start_soon(keeper.run, lambda: None)
    await trio.sleep(1)
    assert disk.batches == []
    for page in pages:
        page.changed()
    for _ in range(100):
        await trio.sleep(4 * BATCH_S / 100)
        pages[0].changed()
        pages[0]._memory.incarnation += 1
    await trio.sleep(1)
    assert {name for name, *_ in disk.batches[0][1].parts} == {"CP1", "CP2", "CP3"}
    instants = [at for at, _ in disk.batches]
    assert min(later - earlier for earlier, later in pairwise(instants)) >= BATCH_S - 1e-9
    assert 4 <= len(instants) <= 6
    assert unwritten(keeper) == []
    nursery.cancel_scope.cancel()


async def test_a_gate_opens_after_the_commit_and_not_before(autojump_clock: Any, tmp_path: Path) -> None:
    gate: Any = Waiting()
    stages = []

    async def slowly(write: Callable[[Batch], None], batch: Batch) -> None:
        await trio.sleep(5)
        stages.append(("before", gate.opened))
        write(batch)
        await trio.sleep(5)
        stages.append(("after", gate.opened))

    keeper = keeper_over(tmp_path, slowly)
    page = keeper.page("CP1", keeper.memory(plan("CP1")))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run, lambda: None)
        page.changed()
        page.hold(gate)
        await trio.sleep(10.1)
        nursery.cancel_scope.cancel()
    assert stages == [("before", 0), ("after", 0)]
    assert (gate.taken, gate.opened) == (1, 1)


async def test_a_disk_that_fails_shuts_every_gate_for_good_and_says_so_once(
    autojump_clock: Any, tmp_path: Path, nursery: trio.Nursery
) -> None:
    disk, failures = Disk(), []
    keeper = keeper_over(tmp_path, disk)
    page = keeper.page("CP1", keeper.memory(plan("CP1")))
    nursery.start_soon(keeper.run, lambda: failures.append(keeper.failure))
    page.changed()
    await trio.sleep(1)
    disk.full = True
    gate: Any = Waiting()
    page.changed()
    page.hold(gate)
    await trio.sleep(1)
    disk.full = False
    other: Any = Waiting()
    page.changed()
    page.hold(other)
    await trio.sleep(100)
    assert failures == ["state: database or disk is full"]
    assert (gate.opened, other.opened) == (0, 0)
    assert not page.written
    assert len(disk.batches) == 1
    await keeper.finish()
    assert len(disk.batches) == 1


async def test_a_lock_file_that_takes_no_stamp_any_more_ends_the_run_too(
    autojump_clock: Any, tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, failures = keeper_over(tmp_path, Disk()), []

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pwrite", fail)
    nursery.start_soon(keeper.run, lambda: failures.append(keeper.failure))
    await trio.sleep(1)
    assert failures == [f"{tmp_path / 'state'}: Input/output error"]


async def test_in_the_end_everything_is_written_and_the_folder_is_free(autojump_clock: Any, tmp_path: Path) -> None:
    disk = Disk()
    keeper = keeper_over(tmp_path, disk)
    page = keeper.page("CP1", keeper.memory(plan("CP1")))
    page._memory.emergency = True
    page.changed()
    await keeper.finish()
    again = keeper_over(tmp_path, disk)
    assert again.returned["CP1"].memory.emergency
    await again.finish()


async def test_a_run_that_has_nothing_to_say_is_seen_alive(
    autojump_clock: Any, tmp_path: Path, nursery: trio.Nursery
) -> None:
    keeper = keeper_over(tmp_path, Disk())
    nursery.start_soon(keeper.run, lambda: None)
    await trio.sleep(1000)
    nursery.cancel_scope.cancel()
    keeper._folder.close()
    folder = Folder(tmp_path / "state", about(3))
    assert EPOCH_S + 1000 - folder.last_utc_s <= ALIVE_S + BATCH_S
    folder.close()


async def test_every_memory_is_looked_at_now_and_then_whatever_is_said(
    autojump_clock: Any, tmp_path: Path, nursery: trio.Nursery
) -> None:
    disk = Disk()
    folder = Folder(tmp_path / "state", about(3))
    keeper = StateKeeper(folder, Clock(EPOCH_S), trio.current_time(), elsewhere=disk)
    memories = [keeper.memory(plan(name)) for name in ("CP1", "CP2", "CP3")]
    for number, memory in enumerate(memories, 1):
        keeper.page(f"CP{number}", memory)
    nursery.start_soon(keeper.run, lambda: None)
    await trio.sleep(1)
    for memory in memories:
        memory.emergency = True
    await trio.sleep(SWEEP_S + ALIVE_S)
    assert unwritten(keeper) == []
    nursery.cancel_scope.cancel()


async def test_a_fleet_that_changes_all_at_once_leaves_others_their_turn(autojump_clock: Any, tmp_path: Path) -> None:
    count = AT_ONCE_MAX * 3
    disk = Disk()
    keeper = keeper_over(tmp_path, disk, count)
    for number in range(1, count + 1):
        keeper.page(f"CP{number}", keeper.memory(plan(f"CP{number}"))).changed()
    turns = 0
    async with trio.open_nursery() as nursery:

        async def count_turns() -> None:
            nonlocal turns
            while not disk.batches:
                turns += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(keeper.run, lambda: None)
        nursery.start_soon(count_turns)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert len(disk.batches) == 1
    assert turns >= 3
    await keeper.finish()


# ---- the next run ----------------------------------------------------------------------------------------------------


async def test_no_message_id_comes_again_however_a_run_ended(autojump_clock: Any, tmp_path: Path) -> None:
    """Each run numbers its lives from its own beginning, those included of which nothing was ever written."""
    for run in range(1, 4):
        keeper = keeper_over(tmp_path, Disk())
        assert keeper.memory(plan("CP1")).incarnation == (run - 1) * LIVES_MAX
        assert keeper.memory(plan("CP2")).incarnation == (run - 1) * LIVES_MAX
        keeper.page("CP1", keeper.memory(plan("CP1"))).changed()
        if run == 2:
            keeper._folder.close()  # killed
        else:
            await keeper.finish()


async def test_rows_of_messages_go_on_counting(autojump_clock: Any, tmp_path: Path) -> None:
    keeper = keeper_over(tmp_path, Disk())
    memory = keeper.memory(plan("CP1"))
    memory.outbox.messages.append(Outgoing("StartTransaction", {}, 0.0, "1", order=1))
    keeper.page("CP1", memory).changed()
    await keeper.finish()
    keeper = keeper_over(tmp_path, Disk())
    assert keeper.next_number() == 2
    await keeper.finish()


async def test_whoever_is_put_up_again_with_other_connectors_is(autojump_clock: Any, tmp_path: Path) -> None:
    keeper = keeper_over(tmp_path, Disk())
    memory = keeper.memory(plan("X", 1))
    memory.connectors[0].cable = Cable.PLUGGED
    memory.connectors[0].meter.shift(500, 0.0)
    keeper.page("X", memory).changed()
    await keeper.finish()
    keeper = keeper_over(tmp_path, Disk())
    again = keeper.memory(plan("X", 3))
    assert [each.meter.reading_wh(0.0) for each in again.connectors] == [500, 0, 0]
    assert again.connectors[0].cable is Cable.NONE
    await keeper.finish()


@pytest.mark.parametrize("lacking", ["parts", "messages"])
async def test_rows_that_are_missing_are_a_damaged_state(autojump_clock: Any, tmp_path: Path, lacking: str) -> None:
    folder = Folder(tmp_path / "state", about(3))
    part, message = b"{}", b"{}"
    batch = Batch(1.0)
    if lacking == "messages":
        batch.parts.append(("CP1", "rest", part, checksum("CP1", "rest", part)))
    else:
        batch.messages.append((1, "CP1", message, checksum("CP1", 1, message)))
    folder.write(batch)
    folder.close()
    with pytest.raises(ConfigurationError, match=r"state: the state is damaged: .*CP1"):
        keeper_over(tmp_path, Disk())


async def test_killed_before_all_are_switched_on_those_that_are_not_did_not_charge_meanwhile(
    autojump_clock: Any, tmp_path: Path
) -> None:
    path = tmp_path / "state"
    async with kept(path, charge_points=2, configuration=QUIET) as here:
        await here.world.booted()
        for name in ("CP1/1", "CP2/1"):
            assert await here.world.do(name, PlugIn()) is None
            assert await here.world.do(name, StartTransaction("TAG")) is None
        await trio.sleep(60)
    killed_at = trio.current_time()
    for _ in range(3):
        # Nobody is switched on in these.
        await trio.sleep(3600)
        keeper = keeper_over(tmp_path, Disk(), 2)
        with trio.move_on_after(10):
            await keeper.run(lambda: None)
        keeper._folder.close()
        for name in ("CP1", "CP2"):
            register_wh = keeper.returned[name].memory.connectors[0].meter.reading_wh(trio.current_time())
            assert 118 <= register_wh <= 120
            assert keeper.returned[name].memory.connectors[0].cut_at == pytest.approx(killed_at, abs=1)
