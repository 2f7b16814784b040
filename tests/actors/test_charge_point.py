"""Whole charge points, task and wire and all, against a scripted CSMS on virtual time."""

from typing import Any

from counterparts.world import world

from fleet.commands.vocabulary import PlugIn, StopTransaction, Swipe, Unplug


async def test_a_driver_who_plugs_in_first_is_told_to_the_csms_in_the_specified_order(autojump_clock: Any) -> None:
    async with world() as w:
        await w.booted()
        assert w.central.story() == ["BootNotification", "0:Available", "1:Available", "2:Available"]
        w.central.forget()
        assert await w.do("CP1/1", PlugIn()) is None
        assert await w.do("CP1/1", Swipe("TAG")) is None
        await w.until(lambda: "1:Charging" in w.central.story())
        assert await w.do("CP1/1", Swipe("TAG")) is None
        await w.until(lambda: "1:Preparing" in w.central.story()[1:])
        assert await w.do("CP1/1", Unplug()) is None
        await w.until(lambda: "1:Available" in w.central.story())
        assert w.central.story() == [
            "1:Preparing",
            "Authorize",
            "StartTransaction",
            "1:Charging",
            "StopTransaction",
            "1:Finishing",
            "1:Preparing",
            "1:Available",
        ]
        assert await w.do("CP1/1", StopTransaction()) == "No active transaction on connector 1"
