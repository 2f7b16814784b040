"""Connections that end, or never begin: how a charge point comes back, and what it then has to say."""

from itertools import pairwise
from typing import Any

import trio
from counterparts.books import Books
from counterparts.scripted import SILENCE
from counterparts.world import QUIET, world

from fleet.commands.vocabulary import PlugIn, StartTransaction, StopTransaction, Unplug
from fleet.core.reports import ConnectFailed, LinkDown


async def test_a_csms_that_accepts_and_hangs_up_at_once_is_dialled_ever_more_rarely(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        w.central.hanging_up = True
        await trio.sleep(600)
        # Half of 1, 2, 4, ... 60 s: six fast ones, then one every 30 s.
        assert 20 <= w.central.connects <= 30
        assert len(w.reported(LinkDown)) == w.central.connects
        w.central.hanging_up = False
        await w.booted()
        await w.still_charges()


async def test_a_csms_that_goes_away_during_the_boot_is_asked_again_when_it_is_back(autojump_clock: Any) -> None:
    async with world(configuration=QUIET, answers={"BootNotification": lambda _: SILENCE}) as w:
        await w.until(lambda: w.central.heard)
        for _ in range(5):
            await w.central.cut()
            boots = len(w.central.heard)
            with trio.fail_after(65):
                while len(w.central.heard) == boots:
                    await trio.sleep(0.1)
        assert set(w.central.story()) == {"BootNotification"}
        w.central.answers.clear()
        await w.central.cut()
        await w.booted()
        await w.still_charges()


async def test_the_wait_before_a_new_connection_doubles_and_is_jittered(autojump_clock: Any) -> None:
    drawn: list[int] = []

    def jitter(_: str, failures: int) -> float:
        drawn.append(failures)
        return 0.25

    async with world(configuration=QUIET, jitter=jitter) as w:
        await w.booted()
        await trio.sleep(60)
        w.central.refusing = True
        await w.central.cut()
        await trio.sleep(120)
        waits = [failed.retry_in_s for failed in w.reported(ConnectFailed)]
        assert waits[:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
        assert {failed.reason for failed in w.reported(ConnectFailed)} == {"refused"}
        assert drawn == list(range(len(drawn)))
        w.central.refusing = False
        await w.until(lambda: w.central.connects == 2, timeout_s=16)
        await trio.sleep(60)
        # It stood long enough: the next failure is the first again.
        await w.central.cut()
        await trio.sleep(1)
        assert drawn[-1] == 0
        await w.still_charges()


async def test_after_a_cut_the_outbox_drains_in_order_and_paced_and_the_statuses_are_told_anew(
    autojump_clock: Any,
) -> None:
    async with world(configuration={**QUIET, "HeartbeatInterval": "600", "MeterValueSampleInterval": "60"}) as w:
        w.central.answers["BootNotification"] = lambda _: {
            "status": "Accepted",
            "currentTime": "2026-11-22T12:00:00Z",
            "interval": 600,
        }
        books = Books(w.central).open()
        await w.booted()
        assert await w.do("CP1/1", PlugIn()) is None
        assert await w.do("CP1/1", StartTransaction("A")) is None
        await trio.sleep(90)
        w.central.refusing = True
        await w.central.cut()
        await trio.sleep(1800)
        assert await w.do("CP1/1", StopTransaction()) is None
        assert await w.do("CP1/1", Unplug()) is None
        assert await w.do("CP1/2", PlugIn()) is None
        assert await w.do("CP1/2", StartTransaction("B")) is None
        w.central.forget()
        w.central.refusing = False
        await w.until(lambda: len(books.starts) == 2)
        await trio.sleep(5)
        backlog = [heard for heard in w.central.heard if heard.action != "StatusNotification"]
        assert [heard.action for heard in backlog if heard.action != "Heartbeat"] == [
            *["MeterValues"] * 30,
            "StopTransaction",
            "StartTransaction",
        ]
        gaps = [b.at - a.at for a, b in pairwise(backlog) if "Heartbeat" not in (a.action, b.action)]
        assert min(gaps) >= 0.1 - 1e-9
        statuses = [word for word in w.central.story() if ":" in word]
        assert sorted(statuses) == ["1:Available", "2:Charging"]
        w.central.forget()
        await trio.sleep(3600)
        beats = [heard.at for heard in w.central.heard if heard.action == "Heartbeat"]
        assert len(beats) == 6
        assert {round(b - a) for a, b in pairwise(beats)} == {600}
        assert "BootNotification" not in w.central.story()
        assert books.faults == []
        assert w.central.overlaps == []


async def test_heartbeats_go_on_after_every_cut(autojump_clock: Any) -> None:
    async with world() as w:
        await w.booted()
        for _ in range(10):
            await trio.sleep(450)
            await w.central.cut()
        beats = len(w.central.said("Heartbeat"))
        assert 13 <= beats <= 15
        assert len(w.central.said("BootNotification")) == 1
        await w.still_charges()
