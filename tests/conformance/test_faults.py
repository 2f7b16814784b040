"""When something breaks: OCPP 1.6 sections 4.9 and 7.6 (TC_024, TC_041)."""

from typing import Any

import pytest
import trio
from counterparts.script import stage, utc

from fleet.commands.vocabulary import ClearFault, InjectFault, PlugIn, StopTransaction, Swipe, Unplug
from fleet.words import ErrorCode, StopReason

POWER_W = 7200


async def test_tc_024_cs_start_charging_session_lock_failure(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        # The lock doesn't close around the cable: whoever presents a tag now starts nothing.
        await s.do(1, InjectFault(ErrorCode.CONNECTOR_LOCK_FAILURE))
        (faulted,) = await s.expect("1:Faulted ConnectorLockFailure")
        assert faulted.payload.pop("timestamp") <= utc(faulted.at)
        assert faulted.payload == {"connectorId": 1, "status": "Faulted", "errorCode": "ConnectorLockFailure"}
        assert await s.ask(1, Swipe("TAG")) is not None
        await s.expect(within_s=0, quiet_s=300)


async def test_tc_024_cs_a_tag_that_was_being_judged_when_the_lock_failed_starts_nothing(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize", "1:Preparing")
        await s.do(1, InjectFault(ErrorCode.CONNECTOR_LOCK_FAILURE))
        await s.expect("1:Faulted ConnectorLockFailure", quiet_s=300)
        await s.do(1, ClearFault())
        await s.do(1, PlugIn())
        await s.expect("1:Available", "1:Preparing", quiet_s=300)


async def test_tc_041_cs_fault_behavior(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, InjectFault(ErrorCode.HIGH_TEMPERATURE, "too hot", "E42"))
        (faulted,) = await s.expect("1:Faulted HighTemperature")
        assert faulted.payload.pop("timestamp") <= utc(faulted.at)
        assert faulted.payload == {
            "connectorId": 1,
            "status": "Faulted",
            "errorCode": "HighTemperature",
            "info": "too hot",
            "vendorErrorCode": "E42",
        }
        assert await s.ask(1, PlugIn()) is not None
        assert await s.ask(1, Swipe("TAG")) is not None
        await s.do(1, ClearFault())
        (available,) = await s.expect("1:Available", quiet_s=300)
        assert available.payload["errorCode"] == "NoError"


@pytest.mark.parametrize("error_code", [code for code in ErrorCode if code is not ErrorCode.NO_ERROR])
async def test_tc_041_cs_every_error_code_is_told(autojump_clock: Any, error_code: ErrorCode) -> None:
    async with stage() as s:
        await s.do(1, InjectFault(error_code))
        await s.expect(f"1:Faulted {error_code}")


async def test_tc_041_cs_another_error_of_a_faulted_connector_is_told_too(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, InjectFault(ErrorCode.HIGH_TEMPERATURE))
        await s.do(1, InjectFault(ErrorCode.GROUND_FAILURE))
        await s.expect("1:Faulted HighTemperature", "1:Faulted GroundFailure")


async def test_tc_041_cs_a_fault_interrupts_the_energy_and_not_the_transaction(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        await trio.sleep(3600)
        await s.do(1, InjectFault(ErrorCode.OVER_VOLTAGE))
        await s.expect("1:Faulted OverVoltage", quiet_s=3600)
        await s.do(1, ClearFault())
        await s.expect("1:Charging", quiet_s=3600)
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert stop.payload["transactionId"] == transaction_id
        assert stop.payload["meterStop"] == pytest.approx(2 * POWER_W, abs=10)


async def test_tc_041_cs_a_transaction_can_be_stopped_while_the_fault_lasts(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        await s.do(1, InjectFault(ErrorCode.GROUND_FAILURE))
        await s.expect("1:Faulted GroundFailure")
        await s.call("RemoteStopTransaction", {"transactionId": transaction_id})
        *_, stop = await s.expect(
            "RemoteStopTransaction.req", "RemoteStopTransaction.conf Accepted", "StopTransaction", quiet_s=60
        )
        assert stop.payload["reason"] == "Remote"
        await s.do(1, Unplug())
        await s.do(1, ClearFault())
        await s.expect("1:Available")


async def test_an_emergency_stop_says_so(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        await s.do(1, StopTransaction(StopReason.EMERGENCY_STOP))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert stop.payload["reason"] == "EmergencyStop"
