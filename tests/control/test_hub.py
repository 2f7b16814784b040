"""Live events: what a watch sees, and what it costs nobody."""

import json
from typing import Any

import pytest
import trio
from counterparts.planted import Planted, planted

from fleet.commands.target import TargetError
from fleet.control.hub import KINDS, Hub, Watch, kind_of, message_of
from fleet.core.dialects.v16 import Dialect16
from fleet.core.reports import FrameSeen, FrameSent, StatusChanged, TransactionStarted


async def events_of(watch: Watch) -> list[dict[str, Any]]:
    """Everything that came within a virtual second."""
    found: list[dict[str, Any]] = []
    with trio.move_on_after(1):
        while True:
            found += await watch.receive()
    return found


async def test_a_watch_sees_what_is_said_and_what_changes(autojump_clock: Any) -> None:
    async with planted() as on:
        with on.console.watch() as watch:
            await on.do("plug CP1/1")
            events = await events_of(watch)
    status = next(event for event in events if event["kind"] == "status-changed")
    assert status == {
        "time": "2026-11-22T12:00:00.110Z",
        "charge_point": "CP1",
        "connector": 1,
        "kind": "status-changed",
        "status": "Preparing",
        "error_code": "NoError",
        "info": None,
        "vendor_error_code": None,
    }
    sent = next(event for event in events if event["kind"] == "sent")
    assert (sent["action"], sent["message"], sent["connector"]) == ("StatusNotification", "call", 1)
    assert sent["frame"][3]["status"] == "Preparing"
    # An answer is told by what it answers.
    received = next(event for event in events if event["kind"] == "received")
    assert (received["action"], received["message"], received["connector"]) == ("StatusNotification", "result", 1)
    assert received["id"] == sent["id"]
    json.dumps(events, allow_nan=False)


async def test_a_watch_is_for_a_target_and_an_action(autojump_clock: Any) -> None:
    async with planted(2) as on:
        one = on.console.watch("CP1/2")
        whole = on.console.watch("CP2")
        heartbeats = on.console.watch(action="heartbeat")
        statuses = on.console.watch("*/*", "status-changed")
        await on.do("plug */*")
        await on.do("heartbeat *")
        await trio.sleep(0.5)
        assert {(event["charge_point"], event["connector"]) for event in await events_of(one)} == {("CP1", 2)}
        seen = await events_of(whole)
        assert {event["charge_point"] for event in seen} == {"CP2"}
        assert {event["connector"] for event in seen} >= {None, 1, 2}
        beats = await events_of(heartbeats)
        assert [event["kind"] for event in beats].count("sent") == 2
        assert {event["action"] for event in beats} == {"Heartbeat"}
        assert [event["status"] for event in await events_of(statuses)] == ["Preparing"] * 4


async def test_nobody_watching_costs_no_frames(autojump_clock: Any) -> None:
    async with planted() as on:
        assert not on.world.observer.frames_wanted
        first, second = on.console.watch(), on.console.watch()
        assert on.world.observer.frames_wanted
        first.close()
        first.close()
        assert on.world.observer.frames_wanted
        second.close()
        assert not on.world.observer.frames_wanted
        assert await first.receive() == []
        on.world.reports.clear()
        await on.do("heartbeat CP1")
        assert not on.world.reported(FrameSent)


async def test_a_slow_reader_loses_the_newest_and_is_told_how_many(autojump_clock: Any) -> None:
    async with planted() as on:
        with on.plant.hub.watch(size=10) as watch:
            for _ in range(20):
                await on.do("heartbeat CP1")
            *events, last = await watch.receive()
            assert len(events) == 10
            assert last["kind"] == "lost"
            assert last["count"] >= 30
            await on.do("heartbeat CP1")
            assert len(await watch.receive()) < 10


async def test_secrets_pass_nobody(autojump_clock: Any) -> None:
    async with planted() as on:
        with on.console.watch() as watch:
            await on.world.central.call("CP1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "s3cret"})
            await on.world.central.send_text("CP1", '{"AuthorizationKey":"s3cret"}')
            await trio.sleep(1)
            events = await events_of(watch)
    assert any(event.get("action") == "ChangeConfiguration" for event in events)
    assert any(event["kind"] == "protocol-violated" for event in events)
    assert "s3cret" not in json.dumps(events)


async def test_a_target_that_matches_nothing_cant_be_watched(autojump_clock: Any) -> None:
    async with planted() as on:
        with pytest.raises(TargetError, match="CP9"):
            on.console.watch("CP9")
        assert not on.world.observer.frames_wanted


@pytest.mark.parametrize(
    "text", ["", "[]", "[2]", "[9,1]", '[2,"x"]', '[2,"x","A"]', "{}", "null", "[[],[],[]]", b"\xff\x00", "\x1b[31m"]
)
def test_a_broken_frame_is_shown_as_it_is(text: str | bytes) -> None:
    assert message_of(text)["message"] == "broken"


async def test_broken_frames_end_no_watch(autojump_clock: Any) -> None:
    async with planted() as on:
        with on.console.watch() as watch:
            for text in ('[2,["x"],{},[]]', "not JSON", '[3,{"a":1},{}]', '[4,"x","y"]', b"\xff"):
                await on.world.central.send_text("CP1", text)
                await trio.sleep(0.1)
            events = await events_of(watch)
        assert [event["kind"] for event in events].count("received") >= 1
        await restful(on)


async def restful(on: Planted) -> None:
    await trio.sleep(120)
    assert (await on.do("plug CP1/1")).ok


def test_kinds_are_the_reports_in_kebab_case() -> None:
    assert kind_of(TransactionStarted) == "transaction-started"
    assert kind_of(StatusChanged) == "status-changed"
    assert {"sent", "received", "status-changed"} <= set(KINDS)
    assert kind_of(FrameSeen) not in KINDS
    assert Hub.wants is not None


async def test_an_action_that_nobody_ever_says_is_an_error_with_the_nearest_ones(autojump_clock: Any) -> None:
    async with planted(1, plant={"actions": Dialect16.actions}) as on:
        on.console.watch(action="heartbeat")
        on.console.watch(action="status-changed")
        with pytest.raises(TargetError, match=r"no action or event 'Hartbeat'; did you mean Heartbeat"):
            on.console.watch(action="Hartbeat")
