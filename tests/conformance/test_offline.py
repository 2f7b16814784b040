"""Without the CSMS: OCPP 1.6 sections 3.5, 3.7.1 and 5.11 (TC_036 to TC_039)."""

from itertools import pairwise
from typing import Any

import pytest
import trio
from counterparts.script import id_tag_info, in_turn, stage, utc
from counterparts.scripted import SILENCE

from fleet.commands.vocabulary import PlugIn, Swipe, Unplug

INVALID = {"StartTransaction": lambda _: id_tag_info("Invalid", transaction_id=77)}
POWER_W = 7200


async def test_tc_036_cs_connection_loss_during_transaction(autojump_clock: Any) -> None:
    async with stage({"MeterValueSampleInterval": "60"}) as s:
        transaction_id = await s.charge()
        await s.expect("MeterValues")
        lost_at = trio.current_time()
        await s.go_offline()
        await trio.sleep(300)
        assert s.central.spoken == []
        s.go_online()
        await s.until("MeterValues")
        await trio.sleep(5)
        back = s.forget()
        # No BootNotification, no new status: the transaction went on and the CSMS gets what it missed, in order.
        assert {spoken.line for spoken in back} == {"MeterValues"}
        assert {spoken.payload["transactionId"] for spoken in back} == {transaction_id}
        taken = [spoken.payload["meterValue"][0]["timestamp"] for spoken in back]
        assert taken == sorted(set(taken))
        assert len(taken) == int(trio.current_time() // 60) - int(lost_at // 60)
        energy = [int(spoken.payload["meterValue"][0]["sampledValue"][0]["value"]) for spoken in back]
        for before_wh, after_wh in pairwise(energy):
            assert after_wh - before_wh == pytest.approx(POWER_W / 60, abs=1)
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert stop.payload["transactionId"] == transaction_id


async def test_tc_037_1_cs_offline_start_transaction_valid_id_tag(autojump_clock: Any) -> None:
    async with stage({"AllowOfflineTxForUnknownId": "true"}) as s:
        await s.go_offline()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        began_at = trio.current_time()
        await trio.sleep(600)
        s.go_online()
        # Only the latest status is told: that it once was Preparing helps nobody any more.
        start, charging = await s.expect("StartTransaction", "1:Charging", quiet_s=60)
        assert start.payload.pop("timestamp") == charging.payload["timestamp"] == utc(round(began_at, 3))
        assert start.payload == {"connectorId": 1, "idTag": "TAG", "meterStart": 0}


async def test_tc_037_1_cs_a_cached_id_tag_may_start_offline_and_an_unknown_one_not(autojump_clock: Any) -> None:
    keys = {"AllowOfflineTxForUnknownId": "false", "LocalAuthorizeOffline": "true"}
    async with stage(keys) as s:
        await s.charge(1, "KNOWN")
        await s.do(1, Swipe("KNOWN"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        await s.go_offline()
        await s.do(1, Swipe("UNKNOWN"))
        await trio.sleep(60)
        assert s.memory.connectors[0].transaction is None
        await s.do(1, Swipe("KNOWN"))
        s.go_online()
        start, _ = await s.expect("StartTransaction", "1:Charging", within_s=120)
        assert start.payload["idTag"] == "KNOWN"


async def test_tc_037_1_cs_an_id_tag_known_to_be_blocked_may_not_start_even_where_unknown_ones_may(
    autojump_clock: Any,
) -> None:
    answers = {"Authorize": lambda _: id_tag_info("Blocked")}
    async with stage({"AllowOfflineTxForUnknownId": "true"}, answers) as s:
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        await s.expect("1:Preparing", "Authorize")
        await s.go_offline()
        await s.do(1, Swipe("TAG"))
        s.go_online()
        await s.expect(quiet_s=120, within_s=0)


async def test_tc_037_2_cs_offline_start_transaction_invalid_id_tag_stop_transaction_on_invalid_id_false(
    autojump_clock: Any,
) -> None:
    keys = {"StopTransactionOnInvalidId": "false", "MaxEnergyOnInvalidId": "0"}
    async with stage(keys, INVALID) as s:
        await s.go_offline()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        s.go_online()
        start, _, suspended = await s.expect("StartTransaction", "1:Charging", "1:SuspendedEVSE", quiet_s=3600)
        assert suspended.at - start.at < 1
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (77, "Local")
        # All that ever flowed, flowed before the CSMS said no.
        assert stop.payload["meterStop"] <= POWER_W / 3600 * suspended.at


async def test_tc_037_2_cs_up_to_max_energy_on_invalid_id_still_flows(autojump_clock: Any) -> None:
    keys = {"StopTransactionOnInvalidId": "false", "MaxEnergyOnInvalidId": "1200"}
    async with stage(keys, INVALID) as s:
        await s.go_offline()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        s.go_online()
        start, _ = await s.expect("StartTransaction", "1:Charging", quiet_s=60)
        (suspended,) = await s.expect("1:SuspendedEVSE", within_s=3600, quiet_s=3600)
        assert suspended.at - start.at == pytest.approx(1200 / POWER_W * 3600, abs=1)
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert 1200 <= stop.payload["meterStop"] <= 1200 + POWER_W / 3600 * start.at


async def test_tc_037_3_cs_offline_start_transaction_invalid_id_tag_stop_transaction_on_invalid_id_true(
    autojump_clock: Any,
) -> None:
    async with stage({"StopTransactionOnInvalidId": "true"}, INVALID) as s:
        await s.go_offline()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        s.go_online()
        _, _, stop, _ = await s.expect("StartTransaction", "1:Charging", "StopTransaction", "1:Finishing")
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (77, "DeAuthorized")
        assert "idTag" not in stop.payload


async def test_tc_037_3_cs_the_same_goes_for_a_start_that_was_online(autojump_clock: Any) -> None:
    async with stage({"StopTransactionOnInvalidId": "true"}, INVALID) as s:
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        *_, stop, _ = await s.expect(
            "1:Preparing", "Authorize", "StartTransaction", "1:Charging", "StopTransaction", "1:Finishing"
        )
        assert stop.payload["reason"] == "DeAuthorized"


async def test_tc_038_cs_offline_stop_transaction(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        await s.go_offline()
        await trio.sleep(600)
        await s.do(1, Swipe("TAG"))
        stopped_at = trio.current_time()
        await trio.sleep(600)
        await s.do(1, Unplug())
        s.go_online()
        stop, available = await s.expect("StopTransaction", "1:Available", quiet_s=60)
        assert stop.payload.pop("timestamp") == utc(round(stopped_at, 3))
        assert stop.payload.pop("meterStop") == pytest.approx(POWER_W / 6, abs=10)
        assert stop.payload == {"transactionId": transaction_id, "idTag": "TAG", "reason": "Local"}
        assert available.payload["timestamp"] == utc(round(stopped_at + 600, 3))


async def test_tc_039_cs_offline_transaction(autojump_clock: Any) -> None:
    async with stage({"MeterValueSampleInterval": "300"}) as s:
        await s.go_offline()
        began_at = trio.current_time()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        await trio.sleep(700)
        await s.do(1, Swipe("TAG"))
        await s.do(1, Unplug())
        s.go_online()
        start, *samples, stop = await s.expect("StartTransaction", "MeterValues", "MeterValues", "StopTransaction")
        # The id that the answer to the first brought is in all that follows.
        assert "transactionId" not in start.payload
        assert [sample.payload["transactionId"] for sample in samples] == [1001, 1001]
        assert stop.payload["transactionId"] == 1001
        taken = [sample.payload["meterValue"][0]["timestamp"] for sample in samples]
        instants = [start.payload["timestamp"], *taken, stop.payload["timestamp"]]
        assert instants == [utc(round(began_at + after_s, 3)) for after_s in (0, 300, 600, 700)]
        assert stop.payload["meterStop"] == pytest.approx(POWER_W * 700 / 3600, abs=2)


async def test_tc_039_cs_two_offline_transactions_get_their_own_ids(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.go_offline()
        for id_tag in ("ONE", "TWO"):
            await s.do(1, PlugIn())
            await s.do(1, Swipe(id_tag))
            await trio.sleep(600)
            await s.do(1, Swipe(id_tag))
            await s.do(1, Unplug())
        s.go_online()
        said = await s.expect("StartTransaction", "StopTransaction", "StartTransaction", "StopTransaction", quiet_s=60)
        assert [spoken.payload.get("idTag") for spoken in said] == ["ONE", "ONE", "TWO", "TWO"]
        assert [spoken.payload.get("transactionId") for spoken in said] == [None, 1001, None, 1002]


async def test_tc_039_cs_an_id_tag_refused_after_the_transaction_is_over_changes_nothing(autojump_clock: Any) -> None:
    async with stage({"StopTransactionOnInvalidId": "true"}, INVALID) as s:
        await s.go_offline()
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        await s.do(1, Swipe("TAG"))
        await s.do(1, Unplug())
        s.go_online()
        _, stop = await s.expect("StartTransaction", "StopTransaction", quiet_s=60)
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (77, "Local")


async def test_a_message_that_was_cut_in_flight_is_said_again_with_another_id(autojump_clock: Any) -> None:
    async with stage(answers={"StartTransaction": in_turn(SILENCE, id_tag_info(transaction_id=5))}) as s:
        await s.do(1, PlugIn())
        await s.do(1, Swipe("TAG"))
        await s.expect("1:Preparing", "Authorize", "StartTransaction")
        await s.central.cut()
        start, _ = await s.expect("StartTransaction", "1:Charging")
        said = [heard for heard in s.central.heard if heard.action == "StartTransaction"]
        assert [heard.payload for heard in said] == [start.payload, start.payload]
        assert said[0].message_id != said[1].message_id
