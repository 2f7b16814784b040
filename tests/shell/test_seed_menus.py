"""The interactive guide's menus by key, over whole charge points: every entry of the main menu does its work.

The desk presses keys, the menu composes lines, a console carries them out, and the CSMS hears of it. What the menus
offer, to the letter, is in `test_menu.py`.
"""

from typing import Any

import pytest
import trio
from counterparts.desk import pressed
from counterparts.planted import Planted, planted

from fleet.words import ConnectorStatus, ErrorCode

# Main menu and connector operations, by number.
STATUS, CONNECTORS, TRANSACTIONS, FAULTS, SCENARIOS, STATISTICS, MONITOR, EXIT = map(str, range(1, 9))
PLUG_IN, PLUG_OUT, START, STOP, AVAILABILITY, DETAILED, BACK = map(str, range(1, 8))
AVAILABLE, UNAVAILABLE, FAULTED = "1", "2", "3"
LAST = "up enter"
"""Back, where it stands last and the choice first: up from the first is the last."""


def status(on: Planted, connector: int = 1) -> ConnectorStatus | None:
    return on.plant.status("CP1", connector)


async def operate(on: Planted, *keys: str, answers: tuple[str, ...] = ()) -> str:
    """Connector Operations: press, go back and leave; what was shown."""
    desk = await pressed(on.console, CONNECTORS, *keys, BACK, EXIT, answers=answers)
    await trio.sleep(0.1)
    return desk.shown


# ---- connector operations --------------------------------------------------------------------------------------------


async def test_a_basic_charging_session_by_number(autojump_clock: Any) -> None:
    async with planted() as on:
        on.world.central.forget()
        shown = await operate(on, PLUG_IN, "1")
        assert "   ⚪ Connector 1: Available \n" in shown
        assert shown.endswith("   🔌 Connector 1: Preparing \n   ⚪ Connector 2: Available \n")
        shown = await operate(on, START, "1", answers=("",))
        assert "Connector 1: Charging (Tx: " in shown
        await trio.sleep(60)
        assert "   🔌 Connector 1: Charging (Tx: 1001) 7.2kW\n" in await operate(on, STOP, "1")
        await trio.sleep(3)
        assert "   🔌 Connector 1: Preparing \n" in await operate(on, PLUG_OUT, "1")
        assert on.world.central.story() == [
            *("1:Preparing", "StartTransaction", "1:Charging"),
            *("StopTransaction", "1:Finishing", "1:Preparing", "1:Available"),
        ]
        assert on.world.central.said("StartTransaction")[0]["idTag"] == "DEMO_TAG"
        assert on.world.central.said("StopTransaction")[0]["meterStop"] == 120


async def test_by_arrows_the_likely_connector_is_offered_first(autojump_clock: Any) -> None:
    async with planted() as on:
        await on.do("plug CP1/1")
        # Connector 1 has a cable already, so Enter means 2; and it has the other one taken out with the arrow.
        await operate(on, "enter", "enter", "down enter", "down enter")
        assert (status(on, 1), status(on, 2)) == ("Preparing", "Available")


async def test_an_id_tag_of_ones_own_goes_to_the_csms(autojump_clock: Any) -> None:
    async with planted() as on:
        await operate(on, PLUG_IN, "2", START, "2", answers=(" TAG 7 ",))
        (started,) = on.world.central.said("StartTransaction")
        assert (started["connectorId"], started["idTag"]) == (2, "TAG 7")


@pytest.mark.parametrize(
    ("before", "keys", "text"),
    [
        ((), (START, "1"), "Cable must be plugged in before starting transaction"),
        (("plug CP1/1", "start CP1/1"), (PLUG_OUT, "1"), "Cannot unplug cable during active transaction"),
        ((), (STOP, "2"), "No active transaction on connector 2"),
        (("availability CP1/1 Inoperative",), (START, "1"), "Connector 1 is Unavailable"),
        (("plug CP1/1", "fault CP1/1"), (START, "1"), "Connector 1 is Faulted"),
    ],
)
async def test_what_is_blocked_says_why_in_the_menu(
    before: tuple[str, ...], keys: tuple[str, ...], text: str, autojump_clock: Any
) -> None:
    async with planted() as on:
        for line in before:
            assert (await on.do(line)).ok
        await trio.sleep(1)
        on.world.central.forget()
        assert f"CP1/{keys[-1]}: {text}\n" in await operate(on, *keys, answers=("",) if keys[0] == START else ())
        assert on.world.central.said() == []


async def test_maintenance_by_number(autojump_clock: Any) -> None:
    async with planted() as on:
        on.world.central.forget()
        for choice, expected in ((UNAVAILABLE, "Unavailable"), (FAULTED, "Faulted"), (AVAILABLE, "Available")):
            assert f"Connector 1: {expected} \n" in await operate(on, AVAILABILITY, "1", choice)
        assert on.world.central.story() == ["1:Unavailable", "1:Faulted", "1:Available"]


@pytest.mark.parametrize("choice", [UNAVAILABLE, FAULTED])
async def test_availability_stays_during_a_transaction_except_to_available(choice: str, autojump_clock: Any) -> None:
    async with planted() as on:
        await operate(on, PLUG_IN, "1", START, "1", answers=("",))
        on.world.central.forget()
        shown = await operate(on, AVAILABILITY, "1", choice)
        assert "Cannot change availability during active transaction\n" in shown
        await operate(on, AVAILABILITY, "1", AVAILABLE)
        assert (status(on), on.world.central.said()) == ("Charging", [])
        await operate(on, STOP, "1")
        assert on.world.central.story() == ["StopTransaction", "1:Finishing"]


async def test_the_detailed_status_shows_what_charges(autojump_clock: Any) -> None:
    async with planted() as on:
        await operate(on, PLUG_IN, "1", START, "1", answers=("",))
        await trio.sleep(1_175)
        shown = await operate(on, DETAILED)
        assert "   Current Power: 7.2 kW\n   Energy Delivered: 2.35 kWh\n   ID Tag: DEMO_TAG\n" in shown
        assert "🔌 Connector 2:\n   Status: Available\n   Cable: Not plugged\n   Error Code: NoError\n" in shown


# ---- the rest of the main menu ---------------------------------------------------------------------------------------


async def test_show_status_shows_the_fleet_and_the_connectors(autojump_clock: Any) -> None:
    async with planted() as on:
        await on.do("plug CP1/2")
        shown = (await pressed(on.console, STATUS, EXIT)).shown
        assert "> status\n" in shown
        assert "   🔌 Connector 2: Preparing \n" in shown


async def test_transaction_operations_list_start_stop_and_authorize(autojump_clock: Any) -> None:
    blocked = {"Authorize": lambda said: {"idTagInfo": {"status": "Blocked" if said["idTag"] == "BAD" else "Accepted"}}}
    async with planted(answers=blocked) as on:
        await on.do("plug CP1/*")
        desk = await pressed(
            on.console,
            TRANSACTIONS,
            *("2", "1", "2", "2"),  # start on 1, start on 2
            "1",  # list
            *("3", "1"),  # stop on 1
            "4",  # stop all
            *("5", "5"),  # authorize twice
            "6",
            EXIT,
            answers=("ONE", "TWO", "GOOD", "BAD"),
        )
        assert [each["idTag"] for each in on.world.central.said("StartTransaction")] == ["ONE", "TWO"]
        for words in ("CP1/1      Charging", "CP1/2      Charging", "Accepted", "Blocked"):
            assert words in desk.shown
        assert desk.performed[2:4] == ["stop CP1/1", "stop CP1/2"]
        await trio.sleep(1)
        assert len(on.world.central.said("StopTransaction")) == 2


async def test_fault_injection_reaches_connector_link_and_power(autojump_clock: Any) -> None:
    async with planted() as on:
        await on.do("plug CP1/1")
        await on.do("start CP1/1")
        await trio.sleep(1)
        on.world.central.forget()
        code = list(ErrorCode).index(ErrorCode.GROUND_FAILURE)
        down = " ".join(["home", *["down"] * code, "enter"])
        await pressed(on.console, FAULTS, "1", "1", down, "2", "1", "6", EXIT)
        await trio.sleep(1)
        assert on.world.central.story() == ["1:Faulted", "1:Charging"]
        assert on.world.central.said()[0]["errorCode"] == "GroundFailure"
        connects = on.world.central.connects
        await pressed(on.console, FAULTS, "3", "6", EXIT)
        await trio.sleep(60)
        assert on.plant.board.state("CP1") != "registered"
        await pressed(on.console, FAULTS, "4", "6", EXIT)
        await trio.sleep(60)
        assert (on.plant.board.state("CP1"), on.world.central.connects) == ("registered", connects + 1)
        on.world.central.forget()
        await pressed(on.console, FAULTS, "5", "6", EXIT)
        await trio.sleep(60)
        assert "BootNotification" in on.world.central.story()
        assert on.world.central.said("StopTransaction")[0]["reason"] in ("PowerLoss", "HardReset")


async def test_run_scenario_runs_one_of_those_that_come_with_it(autojump_clock: Any) -> None:
    async with planted() as on:
        on.world.central.forget()
        offered = await pressed(on.console, SCENARIOS, LAST, EXIT)
        names = list(offered.pickers[1].entries)
        assert names[:7] == [
            *("basic-charging", "emergency-stop", "fault-during-charging", "interrupted-charging"),
            *("maintenance", "multiple-connectors", "network-issues"),
        ]
        desk = await pressed(on.console, SCENARIOS, str(names.index("basic-charging") + 1), EXIT, answers=("CP1/2",))
        assert desk.questions == ["Target (or press Enter for CP1/*)"]
        await trio.sleep(1)
        assert on.world.central.story() == [
            *("2:Preparing", "StartTransaction", "2:Charging"),
            *("StopTransaction", "2:Finishing", "2:Preparing", "2:Available"),
        ]


async def test_statistics_count_what_was_said_and_charged(autojump_clock: Any) -> None:
    async with planted() as on:
        await operate(on, PLUG_IN, "1", START, "1", answers=("",))
        shown = (await pressed(on.console, STATISTICS, EXIT)).shown
        assert "StartTransaction" in shown
        assert "1 started, 1 running" in shown


async def test_monitor_events_streams_the_target_in_use(autojump_clock: Any) -> None:
    async with planted() as on:
        assert (await pressed(on.console, MONITOR, EXIT)).streamed == [None]
        await on.do("use CP1/2")
        assert (await pressed(on.console, MONITOR, EXIT)).streamed == ["CP1/2"]


@pytest.mark.parametrize("key", [EXIT, "up enter", "c-d"])
async def test_exit_leaves(key: str, autojump_clock: Any) -> None:
    async with planted() as on:
        await pressed(on.console, key)
