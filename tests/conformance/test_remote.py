"""Transactions by the CSMS's hand, and unlocking: OCPP 1.6 sections 5.11, 5.12 and 5.18.

TC_007_2, 010, 011_1, 011_2, 012, 017_1, 017_2, 018_1, 018_2, 023_5, 026, 027, 028, 030, 031, 061_2.
"""

from typing import Any

import pytest
import trio
from counterparts.script import id_tag_info, stage, utc
from counterparts.scripted import SILENCE

from fleet.commands.vocabulary import InjectFault, PlugIn, Swipe, Unplug
from fleet.core.plan import ConnectorPlan
from fleet.words import CableEnd, ErrorCode

ACCEPTED, REJECTED, UNLOCKED = {"status": "Accepted"}, {"status": "Rejected"}, {"status": "Unlocked"}
NOT_SUPPORTED = {"status": "NotSupported"}
START = ("RemoteStartTransaction.req", "RemoteStartTransaction.conf Accepted")
START_REJECTED = ("RemoteStartTransaction.req", "RemoteStartTransaction.conf Rejected")
STOP = ("RemoteStopTransaction.req", "RemoteStopTransaction.conf Accepted")
UNLOCK = ("UnlockConnector.req", "UnlockConnector.conf Unlocked")
FIXED = ConnectorPlan(fixed_cable=True)
ASK_FIRST = {"AuthorizeRemoteTxRequests": "true"}


async def test_tc_007_2_cs_remote_start_charging_session_cached_id(autojump_clock: Any) -> None:
    async with stage({**ASK_FIRST, "AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true"}) as s:
        await s.charge(1, "TAG")
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == ACCEPTED
        await s.expect(*START, "StartTransaction", "1:Charging")


async def test_tc_010_cs_remote_start_charging_session_cable_plugged_in_first(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == ACCEPTED
        *_, start, charging = await s.expect(*START, "StartTransaction", "1:Charging")
        assert start.payload.pop("timestamp") == charging.payload["timestamp"] <= utc(start.at)
        assert start.payload == {"connectorId": 1, "idTag": "TAG", "meterStart": 0}


async def test_tc_010_cs_the_id_tag_is_authorised_first_where_the_key_says_so(autojump_clock: Any) -> None:
    async with stage(ASK_FIRST) as s:
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == ACCEPTED
        _, _, authorize, *_ = await s.expect(*START, "Authorize", "StartTransaction", "1:Charging")
        assert authorize.payload == {"idTag": "TAG"}


async def test_tc_010_cs_without_a_connector_the_one_with_the_car_is_chosen(autojump_clock: Any) -> None:
    async with stage(connectors=3) as s:
        await s.do(2, PlugIn())
        await s.expect("2:Preparing")
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG"}) == ACCEPTED
        await s.expect(*START, "StartTransaction", "2:Charging")


async def test_tc_010_cs_a_charging_profile_is_ignored_by_who_knows_no_smart_charging(autojump_clock: Any) -> None:
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
        },
    }
    async with stage({"SupportedFeatureProfiles": "Core"}) as s:
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        wish = {"idTag": "TAG", "connectorId": 1, "chargingProfile": profile}
        assert await s.call("RemoteStartTransaction", wish) == ACCEPTED
        await s.expect(*START, "StartTransaction", "1:Charging")


async def test_tc_011_1_cs_remote_start_charging_session_remote_start_first(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == ACCEPTED
        await s.expect(*START, "1:Preparing")
        await s.do(1, PlugIn())
        await s.expect("StartTransaction", "1:Charging", quiet_s=120)


async def test_tc_011_2_cs_remote_start_charging_session_time_out(autojump_clock: Any) -> None:
    async with stage({"ConnectionTimeOut": "45"}) as s:
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == ACCEPTED
        *_, preparing = await s.expect(*START, "1:Preparing")
        (available,) = await s.expect("1:Available")
        assert available.at - preparing.at == pytest.approx(45, abs=0.1)
        await s.do(1, PlugIn())
        await s.expect("1:Preparing", quiet_s=120)


async def test_tc_012_cs_remote_stop_charging_session(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        assert await s.call("RemoteStopTransaction", {"transactionId": transaction_id}) == ACCEPTED
        *_, stop, _ = await s.expect(*STOP, "StopTransaction", "1:Finishing")
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (transaction_id, "Remote")
        assert "idTag" not in stop.payload
        await s.do(1, Unplug())
        await s.expect("1:Available")


async def test_tc_012_cs_only_the_transaction_that_is_meant_stops(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        await s.charge(1)
        second = await s.charge(2)
        assert await s.call("RemoteStopTransaction", {"transactionId": second}) == ACCEPTED
        *_, stop, _ = await s.expect(*STOP, "StopTransaction", "2:Finishing")
        assert stop.payload["transactionId"] == second


async def test_tc_017_1_cs_unlock_connector_no_session_not_fixed_cable(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await s.call("UnlockConnector", {"connectorId": 1}) == UNLOCKED
        await s.expect(*UNLOCK)


async def test_tc_017_1_cs_unlock_connector_gives_back_a_cable_that_was_held(autojump_clock: Any) -> None:
    async with stage({"UnlockConnectorOnEVSideDisconnect": "false"}) as s:
        await s.charge()
        await s.do(1, Unplug(CableEnd.EV))
        await s.expect("StopTransaction", "1:Finishing")
        assert await s.ask(1, Unplug()) is not None
        assert await s.call("UnlockConnector", {"connectorId": 1}) == UNLOCKED
        await s.do(1, Unplug())
        await s.expect(*UNLOCK, "1:Available")


async def test_tc_017_2_cs_unlock_connector_no_session_fixed_cable(autojump_clock: Any) -> None:
    async with stage(connector_plan=FIXED) as s:
        assert await s.call("UnlockConnector", {"connectorId": 1}) == NOT_SUPPORTED
        await s.expect("UnlockConnector.req", "UnlockConnector.conf NotSupported")


async def test_tc_018_1_cs_unlock_connector_with_charging_session_not_fixed_cable(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        assert await s.call("UnlockConnector", {"connectorId": 1}) == UNLOCKED
        *_, stop, _ = await s.expect(*UNLOCK, "StopTransaction", "1:Finishing")
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (transaction_id, "UnlockCommand")
        await s.do(1, Unplug())
        await s.expect("1:Available")


async def test_tc_018_2_cs_unlock_connector_with_charging_session_fixed_cable(autojump_clock: Any) -> None:
    async with stage(connector_plan=FIXED) as s:
        await s.charge()
        assert await s.call("UnlockConnector", {"connectorId": 1}) == NOT_SUPPORTED
        # There is no lock, so there is nothing to stop the transaction for.
        await s.expect("UnlockConnector.req", "UnlockConnector.conf NotSupported", quiet_s=300)


@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired"])
async def test_tc_023_5_cs_start_remote_charging_session_authorize_invalid(autojump_clock: Any, status: str) -> None:
    async with stage(ASK_FIRST, {"Authorize": lambda _: id_tag_info(status)}) as s:
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == ACCEPTED
        await s.expect(*START, "Authorize", quiet_s=300)


async def test_tc_026_cs_remote_start_charging_session_rejected(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        assert await s.call("RemoteStartTransaction", {"idTag": "OTHER", "connectorId": 1}) == REJECTED
        await s.expect(*START_REJECTED, quiet_s=300)
        # The only connector is taken: without a number there is none either.
        assert await s.call("RemoteStartTransaction", {"idTag": "OTHER"}) == REJECTED
        await s.expect(*START_REJECTED, quiet_s=300)


async def test_tc_011_1_cs_two_remote_starts_get_two_connectors(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        for id_tag in ("ONE", "TWO"):
            assert await s.call("RemoteStartTransaction", {"idTag": id_tag}) == ACCEPTED
        assert await s.call("RemoteStartTransaction", {"idTag": "THREE"}) == REJECTED
        s.forget()
        await s.do(1, PlugIn())
        await s.do(2, PlugIn())
        one, _, two, _ = await s.expect("StartTransaction", "1:Charging", "StartTransaction", "2:Charging")
        assert (one.payload["idTag"], two.payload["idTag"]) == ("ONE", "TWO")


async def test_tc_026_cs_remote_start_on_a_faulted_or_unavailable_connector_is_rejected(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        await s.do(1, InjectFault())
        await s.call("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"})
        await trio.sleep(1)
        s.forget()
        for connector in (1, 2):
            answer = await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": connector})
            assert answer == REJECTED
        await s.expect(*START_REJECTED, *START_REJECTED, quiet_s=300)


@pytest.mark.parametrize("connector", [0, 3])
async def test_tc_027_cs_remote_start_transaction_connector_id_shall_not_be_0(
    autojump_clock: Any, connector: int
) -> None:
    async with stage(connectors=2) as s:
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": connector}) == REJECTED
        await s.expect(*START_REJECTED, quiet_s=300)


async def test_tc_028_cs_remote_stop_transaction_rejected(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        assert await s.call("RemoteStopTransaction", {"transactionId": transaction_id + 1}) == REJECTED
        await s.expect("RemoteStopTransaction.req", "RemoteStopTransaction.conf Rejected", quiet_s=300)


async def test_tc_028_cs_a_transaction_that_is_over_can_not_be_stopped(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        assert await s.call("RemoteStopTransaction", {"transactionId": transaction_id}) == REJECTED


async def test_tc_030_cs_unlock_connector_unlock_failure(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, InjectFault(ErrorCode.CONNECTOR_LOCK_FAILURE))
        await s.expect("1:Faulted ConnectorLockFailure")
        assert await s.call("UnlockConnector", {"connectorId": 1}) == {"status": "UnlockFailed"}
        await s.expect("UnlockConnector.req", "UnlockConnector.conf UnlockFailed", quiet_s=300)


@pytest.mark.parametrize("connector", [0, 2, -1])
async def test_tc_031_cs_unlock_connector_unknown_connector(autojump_clock: Any, connector: int) -> None:
    async with stage() as s:
        assert await s.call("UnlockConnector", {"connectorId": connector}) == NOT_SUPPORTED
        await s.expect("UnlockConnector.req", "UnlockConnector.conf NotSupported")


async def test_tc_061_2_cs_clear_authorization_data_in_authorization_cache_remote(autojump_clock: Any) -> None:
    async with stage({**ASK_FIRST, "AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true"}) as s:
        await s.charge(1, "TAG")
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        assert await s.call("ClearCache") == ACCEPTED
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) == ACCEPTED
        cleared = ("ClearCache.req", "ClearCache.conf Accepted")
        await s.expect(*cleared, *START, "Authorize", "StartTransaction", "1:Charging")


async def test_two_remote_starts_before_the_first_is_authorised_take_two_connectors(autojump_clock: Any) -> None:
    async with stage(ASK_FIRST, connectors=2) as s:
        for id_tag, answer in (("A", ACCEPTED), ("B", ACCEPTED), ("C", REJECTED)):
            s.central.answers["Authorize"] = lambda _: SILENCE
            assert await s.call("RemoteStartTransaction", {"idTag": id_tag}) == answer


async def test_a_remote_start_is_rejected_where_only_the_loose_cable_is_left(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge(1, "TAG")
        await s.do(1, Unplug(CableEnd.EV))
        await s.expect("StopTransaction", "1:Finishing")
        assert await s.call("RemoteStartTransaction", {"idTag": "TAG"}) == REJECTED
