"""Faults while a run goes on, on the virtual clock: they strike when they are due, and what they broke is mended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, evolve
from counterparts.planted import Planted, planted

from fleet.core.reports import LinkImpaired, LinkMended, Restarted, StatusChanged
from fleet.load.faulting import Faulting
from fleet.load.faults import FaultConfig, Roll, all_understood
from fleet.observe.journal import EventKind
from fleet.words import ConnectorStatus


@define
class Faulted:
    """A plant that faults befall, and what was said of them."""

    planted: Planted
    faulting: Faulting
    said: list[str]
    restarted: list[tuple[float, float]]
    began_at: float

    @property
    def now(self) -> float:
        return trio.current_time() - self.began_at

    def impaired(self) -> list[tuple[float, str]]:
        """When (s after the beginning) whose network went bad."""
        return [
            (round(report.at - self.began_at, 3), name)
            for name, report in self.planted.world.reports
            if isinstance(report, LinkImpaired)
        ]

    def mended(self) -> list[tuple[float, str]]:
        return [
            (round(report.at - self.began_at, 3), name)
            for name, report in self.planted.world.reports
            if isinstance(report, LinkMended)
        ]

    def notes(self, kind: EventKind = EventKind.FAULT) -> list[str]:
        return [entry.text for entry in self.planted.plant.journal.entries if entry.kind is kind]

    async def end(self) -> None:
        await self.faulting.end(self.planted.plant)
        await trio.sleep(0.1)


@asynccontextmanager
async def faulted(*configs: FaultConfig, charge_points: int = 1, seed: int = 7) -> AsyncIterator[Faulted]:
    """An hour of these faults for charge points that have booted."""
    async with planted(charge_points) as p, trio.open_nursery() as nursery:
        said: list[str] = []
        restarted: list[tuple[float, float]] = []
        p.plant.started_at = trio.current_time()

        async def restart_csms(down_s: float) -> None:
            restarted.append((trio.current_time() - p.plant.started_at, down_s))
            await trio.sleep(down_s)

        roll = Roll(dict.fromkeys((*p.plant.ids, "CP0101"), 2))
        faulting = Faulting(all_understood(configs), seed, 3600, roll, said.append, restart_csms)
        nursery.start_soon(faulting.run, p.plant)
        yield Faulted(p, faulting, said, restarted, p.plant.started_at)
        nursery.cancel_scope.cancel()


async def test_a_fault_strikes_a_share_when_it_is_due_and_ends_by_itself(autojump_clock: trio.abc.Clock) -> None:
    async with faulted(FaultConfig("stall", target="~20%", at_s=600, for_s=45), charge_points=10) as f:
        await trio.sleep(599)
        assert f.impaired() == []
        await trio.sleep(2)
        struck = [name for _, name in f.impaired()]
        assert len(struck) == 2
        assert {at_s for at_s, _ in f.impaired()} == {600}
        assert f.notes() == ["stall for 45s on *~20%: 2 struck"]
        assert f.said == ["fleet: 10m: stall for 45s on *~20%: 2 struck"]
        await trio.sleep(60)
        assert sorted(f.mended()) == sorted((645, name) for name in struck)


async def test_the_same_seed_draws_the_same_sample_and_what_is_typed_changes_none(
    autojump_clock: trio.abc.Clock,
) -> None:
    async def struck(*, typing: bool = False, seed: int = 7) -> list[tuple[float, str]]:
        every = FaultConfig("latency", target="~20%", every_s=60, until_s=200, for_s=5)
        async with faulted(every, charge_points=10, seed=seed) as f:
            if typing:
                await f.planted.do("heartbeat *~20%")
            await trio.sleep(300)
            return sorted(f.impaired())

    once = await struck()
    assert {at_s for at_s, _ in once} == {60, 120, 180}
    # Each time it is another sample.
    assert len({name for _, name in once}) > 2
    assert await struck(typing=True) == once
    assert await struck(seed=8) != once


async def test_a_rate_strikes_each_for_itself(autojump_clock: trio.abc.Clock) -> None:
    async with faulted(FaultConfig("latency", rate_per_s=20 / 3600, for_s=1), charge_points=5) as f:
        await trio.sleep(3601)
        struck = f.impaired()
        assert {name for _, name in struck} == {"CP1", "CP2", "CP3", "CP4", "CP5"}
        assert len({at_s for at_s, _ in struck}) == len(struck) == f.faulting.struck
        assert 60 < len(struck) < 140
        # In the journal, where dashboards count them, but nobody wants to read a hundred lines.
        assert f.notes()[0] == f"latency for 1s on {struck[0][1]}"
        assert f.said == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [(None, True), ("CP1,CP0*", True), ("@Available", True), ("CP1", False), ("*~100%", True), ("*~1", False)],
)
async def test_a_rate_strikes_those_who_come_later_too_where_they_are_meant(
    target: str | None, expected: bool, autojump_clock: trio.abc.Clock
) -> None:
    async with faulted(FaultConfig("latency", target=target, rate_per_s=60 / 3600, for_s=1)) as f:
        await trio.sleep(600)
        assert (await f.planted.do("add CP099")).ok
        await trio.sleep(2400)
        struck = [at_s for at_s, name in f.impaired() if name == "CP099"]
        assert bool(struck) is expected
        assert all(at_s > 600 for at_s in struck)
        assert 20 < len(struck) < 70 or not expected
        await f.end()
        # Nobody is told of those who come now.
        assert (await f.planted.do("add CP098")).ok


async def test_who_leaves_and_comes_back_is_struck_as_often_as_if_it_had_stayed(autojump_clock: trio.abc.Clock) -> None:
    async def struck(*, leaving: bool) -> list[float]:
        async with faulted(FaultConfig("latency", rate_per_s=60 / 3600, for_s=1)) as f:
            await trio.sleep(60)
            assert (await f.planted.do("add CP099")).ok
            await trio.sleep(240)
            for _ in range(3 if leaving else 0):
                assert (await f.planted.do("remove CP099")).ok
                assert (await f.planted.do("add CP099")).ok
            # Longer than it takes to leave and to come.
            await trio.sleep(600 - f.now)
            await trio.sleep(2400)
            return [at_s for at_s, name in f.impaired() if name == "CP099" and at_s > 600]

    assert await struck(leaving=True) == await struck(leaving=False) != []


async def test_what_has_no_end_of_its_own_is_undone_after_its_time(autojump_clock: trio.abc.Clock) -> None:
    async with faulted(FaultConfig("disconnect", at_s=60, for_s=30)) as f:
        await trio.sleep(61)
        assert f.planted.plant.board.online == 0
        await trio.sleep(40)
        assert f.planted.plant.board.online == 1


async def test_one_who_is_off_when_a_fault_ends_hears_of_it_once_it_is_back(autojump_clock: trio.abc.Clock) -> None:
    cut = FaultConfig("power-cut", at_s=85, for_s=30)
    async with faulted(FaultConfig("disconnect", at_s=60, for_s=30), cut) as f:
        await trio.sleep(100)
        assert f.planted.plant.board.online == 0
        await trio.sleep(40)
        assert f.planted.world.reported(Restarted)
        assert f.planted.plant.board.online == 1


async def test_the_end_of_the_load_mends_whatever_is_still_broken(autojump_clock: trio.abc.Clock) -> None:
    faults = (
        FaultConfig("cut", target="CP1", at_s=10),
        FaultConfig("power-cut", target="CP2", at_s=10),
        FaultConfig("fault GroundFailure", target="CP3/1", at_s=10, for_s=9999),
        FaultConfig("cut", target="CP3", every_s=40, for_s=5),
    )
    async with faulted(*faults, charge_points=3) as f:
        await trio.sleep(50)
        assert f.planted.plant.board.online == 1
        await f.end()
        await trio.sleep(30)
        assert f.planted.plant.board.online == 3
        statuses = [report.status for report in f.planted.world.reported(StatusChanged, "CP3") if report.connector == 1]
        assert statuses[-2:] == [ConnectorStatus.FAULTED, ConnectorStatus.AVAILABLE]
        assert f.notes(EventKind.PHASE) == ["the faults are over: what they left is mended"]
        # And nothing strikes any more.
        count = len(f.impaired())
        await trio.sleep(300)
        assert len(f.impaired()) == count


async def test_what_somebody_typed_is_left_as_it_is(autojump_clock: trio.abc.Clock) -> None:
    async with faulted(FaultConfig("latency", target="CP1", at_s=10), charge_points=2) as f:
        await f.planted.do("impair CP2 cut")
        await trio.sleep(20)
        await f.end()
        assert [name for _, name in f.mended()] == ["CP1"]


async def test_a_target_that_is_nobody_now_is_said_and_the_next_time_is_another(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with faulted(FaultConfig("unlock", target="@Charging", every_s=60, until_s=130)) as f:
        await trio.sleep(61)
        assert f.said == ["fleet: 1m: unlock: no connector of */* is Charging now"]
        await f.planted.do("plug CP1/1")
        await f.planted.do("start CP1/1")
        await trio.sleep(60)
        assert f.said[1] == "fleet: 2m: unlock on */*@Charging: 1 struck"


async def test_who_refuses_is_counted(autojump_clock: trio.abc.Clock) -> None:
    async with faulted(FaultConfig("clear", at_s=60)) as f:
        await trio.sleep(61)
        assert f.notes() == ["clear on */*: 0 struck, 2 refused"]


async def test_the_csms_is_killed_and_stays_away(autojump_clock: trio.abc.Clock) -> None:
    async with faulted(FaultConfig("restart-csms", at_s=60, for_s=10)) as f:
        await trio.sleep(65)
        assert f.restarted == [(60, 10)]
        assert f.notes() == ["the CSMS is killed and stays away for 10s"]
        assert f.notes(EventKind.PHASE) == []
        await trio.sleep(10)
        assert f.notes(EventKind.PHASE) == ["the CSMS is back"]


async def test_who_is_switched_on_later_is_struck_as_soon_as_it_is(autojump_clock: trio.abc.Clock) -> None:
    async with faulted(FaultConfig("stall", target="CP*", at_s=1), charge_points=2) as f:
        f.planted.plant.ramping = True
        await trio.sleep(2)
        assert f.notes() == ["stall on CP*: 2 struck, 1 to come"]
        await trio.sleep(10)
        plant = f.planted.plant
        plan = evolve(plant.fleet.berths["CP1"].plan, id="CP0101")
        plant.board.add(plan)
        plant.fleet.add(plan)
        await trio.sleep(2)
        f.planted.plant.ramping = False
        assert [name for _, name in sorted(f.impaired())] == ["CP1", "CP2", "CP0101"]
        await f.end()
        assert sorted({name for _, name in f.mended()}) == ["CP0101", "CP1", "CP2"]
