"""A drain reaches every charge point, also one that is between two lives or gets a new one meanwhile."""

from typing import Any

import trio
from counterparts.world import QUIET, world

from fleet.commands.vocabulary import Crash, PlugIn, Reset, StartTransaction, Swipe
from fleet.core.reports import Drained, TransactionStarted
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


async def test_an_id_tag_that_is_accepted_while_its_charge_point_drains_begins_no_transaction(
    autojump_clock: Any,
) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        w.central.latency_s = lambda heard: 0.5
        await w.do("CP1/1", PlugIn())
        await trio.sleep(5)
        await w.do("CP1/1", Swipe("TAG"))
        await trio.sleep(0.1)
        w.fleet.berths["CP1"].drain()
        assert await w.fleet.ended(trio.current_time() + 20)
        assert not w.reported(TransactionStarted)
        assert "StartTransaction" not in [heard.action for heard in w.central.heard]


async def test_a_drain_tells_the_last_status_however_long_statuses_have_to_last(autojump_clock: Any) -> None:
    async with world(configuration={**QUIET, "MinimumStatusDuration": "60"}) as w:
        await w.booted()
        await trio.sleep(100)
        w.central.forget()
        assert await w.do("CP1/1", PlugIn()) is None
        assert await w.do("CP1/1", StartTransaction("TAG")) is None
        w.fleet.berths["CP1"].drain()
        assert await w.fleet.ended(trio.current_time() + 20)
        told = [(said["connectorId"], said["status"]) for said in w.central.said("StatusNotification")]
        assert told == [(1, "Finishing")]
