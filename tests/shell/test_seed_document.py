"""The interactive guide, row by row: every operation, what it needs, what it says to the CSMS, and when.

Typed as lines; the same through the menus is in `test_seed_menus.py`, and through a terminal in `test_seed_walk.py`.
The clock is virtual, so that instants on the wire are exact.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import trio
from counterparts.planted import Planted, planted
from counterparts.scripted import utc_now

from fleet.control.answer import Refused
from fleet.shell.answers import connector_rows, render_answer
from fleet.shell.render import plain
from fleet.shell.status import status_block
from fleet.words import ConnectorStatus

PLUGGED = ("plug CP1/1",)
CHARGING = (*PLUGGED, "start CP1/1")
INOPERATIVE = ("availability CP1/1 Inoperative",)
OPERATIVE = "availability CP1/1 Operative"
FAULTED = ("fault CP1/1",)
NO_CABLE = "Cable must be plugged in before starting transaction"
IN_USE = "Cannot unplug cable during active transaction"


@pytest.fixture(autouse=True)
def in_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day are shown as they are here."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def done(on: Planted, *lines: str) -> None:
    """Carry the lines out, and wait a moment for what they say to arrive."""
    for line in lines:
        answer = await on.do(line)
        assert answer.ok, answer.text
    await trio.sleep(0.1)


async def row(on: Planted, target: str = "CP1/1") -> dict[str, Any]:
    (found,) = (await on.do(f"status {target}")).data["connectors"]
    return dict(found)


def instant(payload: dict[str, Any]) -> datetime:
    """A timestamp of the wire; RFC 3339, which this reads and nothing more."""
    text = payload["timestamp"]
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def status(connector: int, word: str, timestamp: str, error_code: str = "NoError") -> dict[str, Any]:
    return {"connectorId": connector, "errorCode": error_code, "status": word, "timestamp": timestamp}


# ---- getting started -------------------------------------------------------------------------------------------------


async def test_on_connection_it_boots_and_tells_the_status_of_both_connectors(autojump_clock: Any) -> None:
    async with planted() as on:
        assert on.world.central.story() == ["BootNotification", "0:Available", "1:Available", "2:Available"]


# ---- 1. plug in cable ------------------------------------------------------------------------------------------------


async def test_plugging_in_prepares_the_connector_and_says_so(autojump_clock: Any) -> None:
    async with planted() as on:
        on.world.central.forget()
        await trio.sleep(60)
        now = utc_now()
        await done(on, "plug CP1/1")
        assert on.world.central.said() == [status(1, "Preparing", now)]
        found = await row(on)
        assert (found["status"], found["plugged"], found["updated"]) == ("Preparing", True, now)
        other = await row(on, "CP1/2")
        assert (other["status"], other["plugged"]) == ("Available", False)
        assert other["updated"] < now


# ---- 2. plug out cable -----------------------------------------------------------------------------------------------


async def test_plugging_out_makes_the_connector_available_and_says_so(autojump_clock: Any) -> None:
    async with planted() as on:
        await done(on, "plug CP1/1")
        on.world.central.forget()
        now = utc_now()
        await done(on, "unplug CP1/1")
        assert on.world.central.said() == [status(1, "Available", now)]
        assert ((await row(on))["status"], (await row(on))["plugged"]) == ("Available", False)


# ---- 3. start transaction --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "id_tag"), [("start CP1/1", "DEMO_TAG"), ("start CP1/1 GUEST", "GUEST")])
async def test_a_start_says_start_transaction_then_charging(line: str, id_tag: str, autojump_clock: Any) -> None:
    async with planted() as on:
        await done(on, "plug CP1/1")
        on.world.central.forget()
        now = utc_now()
        await done(on, line)
        assert on.world.central.story() == ["StartTransaction", "1:Charging"]
        started, charging = on.world.central.said()
        assert started == {"connectorId": 1, "idTag": id_tag, "meterStart": 0, "timestamp": now}
        assert charging == status(1, "Charging", now)
        found = await row(on)
        assert (found["transaction_id"], found["power_w"], found["id_tag"]) == (1001, 7_200, id_tag)


async def test_transactions_have_ids_of_their_own_and_so_has_every_message(autojump_clock: Any) -> None:
    async with planted() as on:
        await done(on, "plug CP1/*", "start CP1/*", "stop CP1/1", "start CP1/1")
        assert (await row(on, "CP1/1"))["transaction_id"] != (await row(on, "CP1/2"))["transaction_id"]
        ids = [heard.message_id for heard in on.world.central.heard]
        assert len(ids) == len(set(ids))
        assert all(0 < len(each) <= 36 for each in ids)


# ---- 4. stop transaction ---------------------------------------------------------------------------------------------


async def test_a_stop_says_stop_transaction_then_finishing_and_two_seconds_later_preparing(
    autojump_clock: Any,
) -> None:
    async with planted() as on:
        await done(on, *PLUGGED)
        assert (await on.do("start CP1/1")).ok
        await trio.sleep(75)
        on.world.central.forget()
        now = utc_now()
        await done(on, "stop CP1/1")
        assert on.world.central.story() == ["StopTransaction", "1:Finishing"]
        found = await row(on)
        assert (found["status"], found["transaction_id"], found["power_w"]) == ("Finishing", None, 0)
        await trio.sleep(10)
        assert on.world.central.story() == ["StopTransaction", "1:Finishing", "1:Preparing"]
        stopped, finishing, preparing = on.world.central.said()
        # 75 s at 7.2 kW. No id tag: nobody presented one; no reason: it is Local (OCPP 1.6 section 6.49).
        assert {**stopped, "reason": "Local"} == {
            "transactionId": 1001,
            "meterStop": 150,
            "timestamp": now,
            "reason": "Local",
        }
        assert finishing == status(1, "Finishing", now)
        assert preparing == status(1, "Preparing", preparing["timestamp"])
        assert instant(preparing) - instant(finishing) == timedelta(seconds=2)
        heard = [each.at for each in on.world.central.heard]
        assert heard[2] - heard[1] == pytest.approx(2, abs=0.05)


# ---- 5. set availability ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "line", "word", "error_code"),
    [
        ((), INOPERATIVE[0], "Unavailable", "NoError"),
        (INOPERATIVE, OPERATIVE, "Available", "NoError"),
        ((), "fault CP1/1", "Faulted", "OtherError"),
        ((), "fault CP1/1 GroundFailure", "Faulted", "GroundFailure"),
        (FAULTED, "clear CP1/1", "Available", "NoError"),
        (INOPERATIVE, "fault CP1/1", "Faulted", "OtherError"),
        ((*INOPERATIVE, *FAULTED, OPERATIVE), "clear CP1/1", "Available", "NoError"),
        ((*PLUGGED, *INOPERATIVE), OPERATIVE, "Preparing", "NoError"),
    ],
)
async def test_availability_is_one_status_notification(
    before: tuple[str, ...], line: str, word: str, error_code: str, autojump_clock: Any
) -> None:
    async with planted() as on:
        await done(on, *before)
        on.world.central.forget()
        now = utc_now()
        await done(on, line)
        assert on.world.central.said() == [status(1, word, now, error_code)]
        found = await row(on)
        assert (found["status"], found["error_code"]) == (word, error_code)


async def test_during_a_transaction_availability_stays_as_it_is(autojump_clock: Any) -> None:
    async with planted() as on:
        await done(on, *CHARGING)
        on.world.central.forget()
        await done(on, *INOPERATIVE)
        await trio.sleep(60)
        assert ((await row(on))["status"], on.world.central.said()) == ("Charging", [])
        # To Available it may be changed back; otherwise it comes when the transaction is over (OCPP 1.6 section 5.2).
        await done(on, OPERATIVE, "stop CP1/1")
        assert on.world.central.story() == ["StopTransaction", "1:Finishing"]
        await trio.sleep(3)
        await done(on, "start CP1/1", *INOPERATIVE, "stop CP1/1")
        assert on.world.central.story()[-2:] == ["StopTransaction", "1:Unavailable"]


# ---- what each needs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "line", "reason"),
    [
        (PLUGGED, "plug CP1/1", "Cable is already plugged in on connector 1"),
        (CHARGING, "plug CP1/1", "Cable is already plugged in on connector 1"),
        (INOPERATIVE, "plug CP1/1", "Connector 1 is Unavailable"),
        (FAULTED, "plug CP1/1", "Connector 1 is Faulted"),
        ((), "unplug CP1/1", "No cable is plugged in on connector 1"),
        (CHARGING, "unplug CP1/1", IN_USE),
        ((*CHARGING, "suspend ev CP1/1"), "unplug CP1/1", IN_USE),
        ((*CHARGING, "suspend evse CP1/1"), "unplug CP1/1", IN_USE),
        ((*CHARGING, *FAULTED), "unplug CP1/1", IN_USE),
        ((), "start CP1/1", NO_CABLE),
        (("plug CP1/2",), "start CP1/1", NO_CABLE),
        ((*PLUGGED, "unplug CP1/1"), "start CP1/1", NO_CABLE),
        (INOPERATIVE, "start CP1/1", "Connector 1 is Unavailable"),
        (FAULTED, "start CP1/1", "Connector 1 is Faulted"),
        ((*PLUGGED, *INOPERATIVE), "start CP1/1", "Connector 1 is Unavailable"),
        ((*PLUGGED, *FAULTED), "start CP1/1", "Connector 1 is Faulted"),
        (CHARGING, "start CP1/1 OTHER", "Connector 1 already has an active transaction"),
        ((), "stop CP1/1", "No active transaction on connector 1"),
        (CHARGING, "stop CP1/2", "No active transaction on connector 2"),
        (PLUGGED, "stop CP1/1", "No active transaction on connector 1"),
        ((*CHARGING, "stop CP1/1"), "stop CP1/1", "No active transaction on connector 1"),
        (FAULTED, "stop CP1/1", "No active transaction on connector 1"),
        (INOPERATIVE, "stop CP1/1", "No active transaction on connector 1"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    before: tuple[str, ...], line: str, reason: str, autojump_clock: Any
) -> None:
    async with planted() as on:
        await done(on, *before)
        await trio.sleep(3)
        as_it_was = {**(await row(on)), "energy_wh": None}
        on.world.central.forget()
        answer = await on.do(line)
        assert answer.refused == (Refused(line.split()[1], reason),)
        await trio.sleep(3)
        assert on.world.central.said() == []
        assert {**(await row(on)), "energy_wh": None} == as_it_was


# ---- 6. status and energy --------------------------------------------------------------------------------------------


async def test_the_status_block_shows_cable_transaction_and_power(autojump_clock: Any) -> None:
    async with planted(connectors=4) as on:
        await done(on, "plug CP1/2,CP1/4", "start CP1/2", "availability CP1/3 Inoperative")
        assert plain(status_block(connector_rows(await on.do("status CP1/*")))) == (
            "📊 Current Connector Status:\n"
            "   ⚪ Connector 1: Available \n"
            "   🔌 Connector 2: Charging (Tx: 1001) 7.2kW\n"
            "   ⚪ Connector 3: Unavailable \n"
            "   🔌 Connector 4: Preparing \n"
        )


async def test_the_detailed_status_shows_every_field(autojump_clock: Any) -> None:
    async with planted() as on:
        booted = (await row(on))["updated"][11:19]
        await trio.sleep(100)
        assert (await on.do("plug CP1/1")).ok
        assert (await on.do("start CP1/1")).ok
        started = utc_now()[11:19]
        await trio.sleep(1_175)
        assert plain(render_answer(await on.do("status CP1/*"), 80)) == (
            "📊 Detailed Connector Status\n"
            "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━\n"
            "\n"
            "🔌 Connector 1:\n"
            "   Status: Charging\n"
            "   Cable: Plugged\n"
            "   Error Code: NoError\n"
            "   Transaction ID: 1001\n"
            "   Current Power: 7.2 kW\n"
            "   Energy Delivered: 2.35 kWh\n"
            "   ID Tag: DEMO_TAG\n"
            f"   Last Update: {started}\n"
            "\n"
            "🔌 Connector 2:\n"
            "   Status: Available\n"
            "   Cable: Not plugged\n"
            "   Error Code: NoError\n"
            f"   Last Update: {booted}\n"
        )


async def test_energy_is_power_times_time_at_every_look(autojump_clock: Any) -> None:
    async with planted() as on:
        await done(on, *PLUGGED)
        assert (await on.do("start CP1/1")).ok
        seen = []
        for _ in range(6):
            await trio.sleep(5)
            seen.append((await row(on))["energy_wh"])
        # 7.2 kW for 5 s.
        assert [after - before for before, after in pairwise(seen)] == pytest.approx([10] * 5, abs=0.1)
        await done(on, "meter CP1/1 3.6kW")
        before = (await row(on))["energy_wh"]
        await trio.sleep(100)
        assert (await row(on))["energy_wh"] - before == pytest.approx(100, abs=0.5)
        await done(on, "stop CP1/1")
        stopped = on.world.central.said("StopTransaction")[0]
        assert stopped["meterStop"] == pytest.approx(before + 100, abs=1)


@pytest.mark.parametrize("word", list(ConnectorStatus))
async def test_every_status_can_be_told(word: ConnectorStatus, autojump_clock: Any) -> None:
    async with planted() as on:
        on.world.central.forget()
        now = utc_now()
        assert (await on.do(f"force CP1/1 {word}")).ok
        assert on.world.central.said() == [status(1, word.value, now)]


# ---- its testing scenarios -------------------------------------------------------------------------------------------


async def test_a_basic_charging_session(autojump_clock: Any) -> None:
    async with planted() as on:
        on.world.central.forget()
        shown = []
        for line in ("plug CP1/1", "start CP1/1", "wait 30s", "stop CP1/1", "wait 3s", "unplug CP1/1"):
            assert (await on.do(line)).ok
            shown.append((await row(on))["status"])
        assert shown == ["Preparing", "Charging", "Charging", "Finishing", "Preparing", "Available"]
        await trio.sleep(1)
        assert on.world.central.story() == [
            *("1:Preparing", "StartTransaction", "1:Charging"),
            *("StopTransaction", "1:Finishing", "1:Preparing", "1:Available"),
        ]
        assert on.world.central.overlaps == []


async def test_maintenance(autojump_clock: Any) -> None:
    async with planted() as on:
        on.world.central.forget()
        await done(on, *INOPERATIVE, *FAULTED, OPERATIVE, "clear CP1/1")
        assert on.world.central.story() == ["1:Unavailable", "1:Faulted", "1:Available"]
        await on.world.still_charges("CP1/1")


async def test_states_persist_over_many_steps_and_a_lost_connection(autojump_clock: Any) -> None:
    async with planted() as on:
        await done(on, "plug CP1/*", "start CP1/2 GUEST", "availability CP1/1 Inoperative")
        await on.world.central.cut()
        await trio.sleep(120)
        found = [(each["status"], each["plugged"], each["id_tag"]) for each in [await row(on), await row(on, "CP1/2")]]
        assert found == [("Unavailable", True, None), ("Charging", True, "GUEST")]
        await done(on, OPERATIVE, "start CP1/1", "stop CP1/*")
        assert len(on.world.central.said("StopTransaction")) == 2
