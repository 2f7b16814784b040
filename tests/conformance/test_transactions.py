"""Drivers at the charge point: OCPP 1.6 sections 4.1, 4.8 to 4.10 and 9.1.

TC_003, 004_1, 004_2, 005_1, 005_2, 005_3, 007_1, 023_4, 068, 069.
"""

from typing import Any

import pytest
import trio
from counterparts.script import id_tag_info, stage, utc

from fleet.commands.vocabulary import PlugIn, Resume, SuspendEV, SuspendEVSE, Swipe, Unplug
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import IdTagRefused
from fleet.words import CableEnd

OUT_OF_THE_CAR = Unplug(CableEnd.EV)
HOUR_S = 3600
POWER_W = 7200


async def test_tc_003_cs_regular_charging_session_plugin_first(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        await s.do(1, Swipe("TAG"))
        authorize, start, charging = await s.expect("Authorize", "StartTransaction", "1:Charging")
        assert authorize.payload == {"idTag": "TAG"}
        assert start.payload.pop("timestamp") == charging.payload["timestamp"] <= utc(start.at)
        assert start.payload == {"connectorId": 1, "idTag": "TAG", "meterStart": 0}

        await trio.sleep(HOUR_S)
        await s.do(1, Swipe("TAG"))
        stop, finishing = await s.expect("StopTransaction", "1:Finishing")
        # What was said half a second after it began is what was done when it began.
        assert stop.payload.pop("timestamp") == finishing.payload["timestamp"] <= utc(stop.at)
        assert stop.payload.pop("meterStop") == pytest.approx(POWER_W, abs=3)
        assert stop.payload == {"transactionId": 1001, "idTag": "TAG", "reason": "Local"}

        # The cable that stays in is the beginning of another use (transition F2).
        (preparing,) = await s.expect("1:Preparing")
        assert preparing.at - finishing.at == pytest.approx(2, abs=0.1)
        await s.do(1, Unplug())
        await s.expect("1:Available")


async def test_tc_003_cs_the_next_transaction_begins_where_the_meter_stands(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.charge() == 1001
        await trio.sleep(HOUR_S)
        await s.do(1, Swipe("TAG"))
        stop, *_ = await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        await trio.sleep(HOUR_S)
        await s.do(1, Swipe("OTHER"))
        _, start, _ = await s.expect("Authorize", "StartTransaction", "1:Charging")
        assert start.payload["meterStart"] == stop.payload["meterStop"] > POWER_W - 10


async def test_tc_003_cs_the_cable_is_locked_while_the_transaction_runs(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        assert await s.ask(1, Unplug()) == "Cannot unplug cable during active transaction"
        await s.expect(within_s=0, quiet_s=300)


async def test_tc_003_cs_unplugging_while_finishing_makes_the_connector_available(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing")
        await s.do(1, Unplug())
        await s.expect("1:Available", quiet_s=10)


async def test_tc_004_1_cs_regular_charging_session_identification_first(autojump_clock: Any) -> None:
    async with stage({"ConnectionTimeOut": "60"}) as s:
        await s.do(1, Swipe("TAG"))
        authorize, preparing = await s.expect("Authorize", "1:Preparing")
        assert authorize.payload == {"idTag": "TAG"}
        await trio.sleep(55)
        await s.do(1, PlugIn())
        start, charging = await s.expect("StartTransaction", "1:Charging", quiet_s=120)
        assert start.payload["idTag"] == "TAG"
        assert start.payload["timestamp"] == charging.payload["timestamp"] > preparing.payload["timestamp"]


async def test_tc_004_2_cs_regular_charging_session_identification_first_connection_time_out(
    autojump_clock: Any,
) -> None:
    async with stage({"ConnectionTimeOut": "45"}) as s:
        await s.do(1, Swipe("TAG"))
        _, preparing = await s.expect("Authorize", "1:Preparing")
        (available,) = await s.expect("1:Available")
        assert available.at - preparing.at == pytest.approx(45, abs=0.1)
        # The authorisation went with it.
        await s.do(1, PlugIn())
        await s.expect("1:Preparing", quiet_s=120)


async def test_tc_005_1_cs_ev_side_disconnected_stop_transaction_on_ev_side_disconnect_true_unlock_true(
    autojump_clock: Any,
) -> None:
    keys = {"StopTransactionOnEVSideDisconnect": "true", "UnlockConnectorOnEVSideDisconnect": "true"}
    async with stage(keys) as s:
        transaction_id = await s.charge()
        await s.do(1, OUT_OF_THE_CAR)
        stop, _ = await s.expect("StopTransaction", "1:Finishing", quiet_s=60)
        assert stop.payload["transactionId"] == transaction_id
        assert stop.payload["reason"] == "EVDisconnected"
        assert "idTag" not in stop.payload
        await s.do(1, Unplug())
        await s.expect("1:Available")


async def test_tc_005_1_cs_with_a_fixed_cable_the_connector_is_available_at_once(autojump_clock: Any) -> None:
    async with stage(connector_plan=ConnectorPlan(fixed_cable=True)) as s:
        await s.charge()
        await s.do(1, OUT_OF_THE_CAR)
        stop, _ = await s.expect("StopTransaction", "1:Available")
        assert stop.payload["reason"] == "EVDisconnected"


async def test_tc_005_2_cs_ev_side_disconnected_stop_transaction_on_ev_side_disconnect_true_unlock_false(
    autojump_clock: Any,
) -> None:
    keys = {"StopTransactionOnEVSideDisconnect": "true", "UnlockConnectorOnEVSideDisconnect": "false"}
    async with stage(keys) as s:
        await s.charge()
        await s.do(1, OUT_OF_THE_CAR)
        stop, _ = await s.expect("StopTransaction", "1:Finishing", quiet_s=60)
        assert stop.payload["reason"] == "EVDisconnected"
        assert "locked" in (await s.ask(1, Unplug()) or "")
        # Whoever presents the tag gets the cable back, and starts nothing by it.
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize")
        await s.do(1, Unplug())
        await s.expect("1:Available")


@pytest.mark.parametrize(("id_tag", "parent", "gets_it"), [("SON", "FAMILY", True), ("STRANGER", None, False)])
async def test_tc_005_2_cs_nobody_but_the_owner_of_the_cable_or_its_family_gets_it_back(
    autojump_clock: Any, id_tag: str, parent: str | None, gets_it: bool
) -> None:
    keys = {"StopTransactionOnEVSideDisconnect": "true", "UnlockConnectorOnEVSideDisconnect": "false"}
    answers = {
        "Authorize": lambda said: id_tag_info(parent=parent if said["idTag"] == id_tag else "FAMILY"),
        "StartTransaction": lambda _: id_tag_info(parent="FAMILY", transaction_id=5),
    }
    async with stage(keys, answers=answers) as s:
        await s.charge(1, "MUM")
        await s.do(1, OUT_OF_THE_CAR)
        await s.expect("StopTransaction", "1:Finishing")
        await s.do(1, Swipe(id_tag))
        await s.expect("Authorize")
        refusal = await s.ask(1, Unplug())
        assert (refusal is None) is gets_it
        if not gets_it:
            assert "locked" in (refusal or "")
            (refused,) = [report for report in s.reports if isinstance(report, IdTagRefused)]
            assert refused.id_tag == id_tag
            assert refused.reason.startswith("Cable is locked on connector 1")


async def test_tc_005_3_cs_ev_side_disconnected_stop_transaction_on_ev_side_disconnect_false(
    autojump_clock: Any,
) -> None:
    async with stage({"StopTransactionOnEVSideDisconnect": "false"}) as s:
        await s.charge()
        await trio.sleep(HOUR_S)
        await s.do(1, OUT_OF_THE_CAR)
        await s.expect("1:SuspendedEV")
        await trio.sleep(HOUR_S)
        await s.do(1, PlugIn())
        await s.expect("1:Charging")
        await trio.sleep(HOUR_S)
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert stop.payload["reason"] == "Local"
        # Nothing flowed while the cable was out of the car.
        assert stop.payload["meterStop"] == pytest.approx(2 * POWER_W, abs=10)


async def test_tc_007_1_cs_regular_start_charging_session_cached_id(autojump_clock: Any) -> None:
    async with stage({"AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true"}) as s:
        await s.charge(1, "TAG")
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        await s.do(1, Swipe("TAG"))
        start, _ = await s.expect("StartTransaction", "1:Charging")
        assert start.payload["idTag"] == "TAG"


@pytest.mark.parametrize("key", ["AuthorizationCacheEnabled", "LocalPreAuthorize"])
async def test_tc_007_1_cs_without_cache_or_pre_authorisation_the_csms_is_asked(autojump_clock: Any, key: str) -> None:
    async with stage({"AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true", key: "false"}) as s:
        await s.charge(1, "TAG")
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize", "StartTransaction", "1:Charging")


@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired", "ConcurrentTx"])
async def test_tc_023_4_cs_start_local_charging_session_authorize_invalid(autojump_clock: Any, status: str) -> None:
    async with stage(answers={"Authorize": lambda _: id_tag_info(status)}) as s:
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        await s.expect("1:Preparing", "Authorize", quiet_s=300)
        await s.do(1, Unplug())
        # Identification first: the connector doesn't even prepare.
        await s.expect("1:Available")
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize", quiet_s=300)
        assert set(s.broken_rules()) == ({"impossible-id-tag-info"} if status == "ConcurrentTx" else set())


async def test_tc_068_cs_stop_transaction_id_tag_matches_start_transaction_id_tag(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge(1, "TAG")
        # Id tags are case-insensitive (section 7.28).
        await s.do(1, Swipe("tag"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (transaction_id, "Local")
        assert stop.payload["idTag"].upper() == "TAG"


async def test_tc_069_cs_stop_transaction_parent_id_tag_matches_start_transaction_parent_id_tag(
    autojump_clock: Any,
) -> None:
    answers = {
        "Authorize": lambda _: id_tag_info(parent="FAMILY"),
        "StartTransaction": lambda _: id_tag_info(parent="FAMILY", transaction_id=5),
    }
    async with stage(answers=answers) as s:
        await s.charge(1, "MUM")
        await s.do(1, Swipe("DAD"))
        authorize, stop, _ = await s.expect("Authorize", "StopTransaction", "1:Finishing")
        assert authorize.payload == {"idTag": "DAD"}
        assert (stop.payload["transactionId"], stop.payload["idTag"]) == (5, "DAD")
        assert stop.payload["reason"] == "Local"


@pytest.mark.parametrize(
    "judged",
    [id_tag_info(parent="OTHERS"), id_tag_info(), id_tag_info("Blocked", parent="FAMILY")],
    ids=["another family", "no family", "blocked"],
)
async def test_tc_069_cs_nobody_else_stops_the_transaction(autojump_clock: Any, judged: dict[str, Any]) -> None:
    answers = {
        "Authorize": lambda said: judged if said["idTag"] == "STRANGER" else id_tag_info(parent="FAMILY"),
        "StartTransaction": lambda _: id_tag_info(parent="FAMILY", transaction_id=5),
    }
    async with stage(answers=answers) as s:
        await s.charge(1, "MUM")
        await s.do(1, Swipe("STRANGER"))
        await s.expect("Authorize", quiet_s=300)
        # The specification has no message for it, so that only whoever watches can know.
        (refused,) = [report for report in s.reports if isinstance(report, IdTagRefused)]
        blocked = judged["idTagInfo"]["status"] == "Blocked"
        assert refused.id_tag == "STRANGER"
        assert refused.reason == ("Blocked" if blocked else "Connector 1 already has an active transaction")


async def test_tc_069_cs_two_tags_without_a_parent_have_no_parent_in_common(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge(1, "MUM")
        await s.do(1, Swipe("STRANGER"))
        await s.expect("Authorize", quiet_s=300)


async def test_tc_069_cs_the_parent_tag_itself_stops_the_transaction_of_its_family(autojump_clock: Any) -> None:
    answers = {
        "Authorize": lambda said: id_tag_info(parent=None if said["idTag"] == "FAMILY" else "FAMILY"),
        "StartTransaction": lambda _: id_tag_info(parent="FAMILY", transaction_id=5),
    }
    async with stage(answers=answers) as s:
        await s.charge(1, "MUM")
        await s.do(1, Swipe("FAMILY"))
        _, stop, _ = await s.expect("Authorize", "StopTransaction", "1:Finishing")
        assert (stop.payload["idTag"], stop.payload["reason"]) == ("FAMILY", "Local")


async def test_car_and_charge_point_suspend_and_resume_and_the_transaction_goes_on(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        await trio.sleep(HOUR_S)
        await s.do(1, SuspendEV())
        await s.expect("1:SuspendedEV", quiet_s=HOUR_S)
        # Where neither side lets power flow, the charge point's no is told (section 4.9).
        await s.do(1, SuspendEVSE())
        await s.expect("1:SuspendedEVSE", quiet_s=HOUR_S)
        await s.do(1, Resume())
        await s.expect("1:Charging", quiet_s=HOUR_S)
        await s.do(1, SuspendEVSE())
        await s.expect("1:SuspendedEVSE", quiet_s=HOUR_S)
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert stop.payload["meterStop"] == pytest.approx(2 * POWER_W, abs=10)
