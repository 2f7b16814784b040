"""A drain reaches every charge point, also one that is between two lives or gets a new one meanwhile."""

from typing import Any

from counterparts.world import world

from fleet.commands.vocabulary import Crash, PlugIn, Reset, StartTransaction
from fleet.core.reports import Drained
from fleet.words import ResetKind


async def test_a_charge_point_that_is_rebooting_when_the_fleet_drains_comes_back_delivers_and_ends(
    autojump_clock: Any,
) -> None:
    async with world(reboot_s=5.0) as w:
        await w.booted()
        assert await w.do("CP1/1", PlugIn()) is None
        assert await w.do("CP1/1", StartTransaction("TAG")) is None
        await w.until(lambda: w.central.said("StartTransaction"))
        assert await w.do("CP1", Reset(ResetKind.HARD)) is None
        await w.until(lambda: w.fleet.tell("CP1", 0, Reset()) is not None)
        w.fleet.berths["CP1"].drain()
        assert await w.fleet.ended()
        assert [stop["reason"] for stop in w.central.said("StopTransaction")] == ["HardReset"]
        assert [report.undelivered for report in w.reported(Drained)] == [0]


async def test_a_charge_point_that_crashes_while_it_drains_still_ends(autojump_clock: Any) -> None:
    async with world() as w:
        await w.booted()
        assert await w.do("CP1/1", PlugIn()) is None
        assert await w.do("CP1/1", StartTransaction("TAG")) is None
        w.central.answers["StopTransaction"] = lambda _: ("InternalError", "not now")
        w.fleet.berths["CP1"].drain()
        await w.until(lambda: w.central.said("StopTransaction"))
        await w.do("CP1/2", Crash())
        del w.central.answers["StopTransaction"]
        assert await w.fleet.ended()
        assert [report.undelivered for report in w.reported(Drained)] == [0]
