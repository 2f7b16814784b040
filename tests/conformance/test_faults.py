"""When something breaks: OCPP 1.6 sections 4.9, 5.18 and 7.6 (TC_024, TC_030, TC_041)."""

from typing import Any

import pytest
import trio
from counterparts.script import stage, utc

from fleet.commands.hazards import FailLock
from fleet.commands.vocabulary import (
    ClearFault,
    InjectFault,
    PlugIn,
    Resume,
    SetPower,
    StartTransaction,
    StopTransaction,
    SuspendEVSE,
    Swipe,
    UnlockConnector,
    Unplug,
)
from fleet.core.plan import ConnectorPlan
from fleet.words import CableEnd, ErrorCode, StopReason

POWER_W = 7200
HOUR_S = 3600
LOCK_FAILED = "1:Faulted ConnectorLockFailure"


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


UNHEARD = "1:SuspendedEVSE EVCommunicationError"


async def test_a_car_that_is_not_heard_suspends_the_energy_and_is_no_reason_to_be_faulted(autojump_clock: Any) -> None:
    """OCPP 1.6 section 7.6: it should go to the SuspendedEVSE state."""
    async with stage() as s:
        transaction_id = await s.charge()
        await trio.sleep(HOUR_S)
        await s.do(1, InjectFault(ErrorCode.EV_COMMUNICATION_ERROR, "no pilot", "E7"))
        (told,) = await s.expect(UNHEARD, quiet_s=HOUR_S)
        assert (told.payload["info"], told.payload["vendorErrorCode"]) == ("no pilot", "E7")
        await s.do(1, ClearFault())
        (heard,) = await s.expect("1:Charging", quiet_s=HOUR_S)
        assert heard.payload["errorCode"] == "NoError"
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert stop.payload["transactionId"] == transaction_id
        assert stop.payload["meterStop"] == pytest.approx(2 * POWER_W, abs=10)


async def test_a_car_that_is_not_heard_for_a_while_charges_on_by_itself(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        await s.do(1, InjectFault(ErrorCode.EV_COMMUNICATION_ERROR, for_s=60))
        await s.expect(UNHEARD)
        # Another limit meanwhile brings neither the power nor the car back.
        await s.do(1, SetPower(3_000))
        await s.expect(within_s=0, quiet_s=50)
        await s.expect("1:Charging", within_s=20)


async def test_a_transaction_that_ends_while_its_car_is_not_heard_leaves_nothing_to_the_next(
    autojump_clock: Any,
) -> None:
    async with stage() as s:
        await s.charge()
        await s.do(1, InjectFault(ErrorCode.EV_COMMUNICATION_ERROR))
        await s.expect(UNHEARD)
        await s.do(1, Swipe("TAG"))
        _, finishing = await s.expect("StopTransaction", "1:Finishing")
        assert finishing.payload["errorCode"] == "NoError"
        await s.do(1, Unplug())
        await s.expect("1:Available")
        assert await s.ask(1, ClearFault()) is not None
        await s.charge()


async def test_a_fault_that_is_one_weighs_more_than_a_car_that_is_not_heard(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        await s.do(1, InjectFault(ErrorCode.EV_COMMUNICATION_ERROR))
        await s.do(1, InjectFault(ErrorCode.GROUND_FAILURE))
        await s.do(1, InjectFault(ErrorCode.EV_COMMUNICATION_ERROR))
        await s.expect(UNHEARD, "1:Faulted GroundFailure", "1:Faulted EVCommunicationError")
        await s.do(1, ClearFault())
        await s.expect("1:Charging")


async def test_a_charge_point_that_offers_nothing_tells_of_a_car_that_is_not_heard_all_the_same(
    autojump_clock: Any,
) -> None:
    async with stage() as s:
        await s.charge()
        await s.do(1, SuspendEVSE())
        await s.expect("1:SuspendedEVSE")
        await s.do(1, InjectFault(ErrorCode.EV_COMMUNICATION_ERROR))
        await s.expect(UNHEARD)
        await s.do(1, Resume())
        await s.do(1, SuspendEVSE())
        await s.expect(within_s=0, quiet_s=60)
        await s.do(1, ClearFault())
        await s.expect("1:SuspendedEVSE")


async def test_a_cable_whose_lock_failed_is_let_go_by_no_id_tag(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        await s.do(1, FailLock())
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", LOCK_FAILED)
        assert await s.ask(1, Unplug()) == "Connector 1 cannot be unlocked: ConnectorLockFailure"


async def test_an_emergency_stop_says_so(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        await s.do(1, StopTransaction(StopReason.EMERGENCY_STOP))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert stop.payload["reason"] == "EmergencyStop"


# ---- the lock --------------------------------------------------------------------------------------------------------


async def test_tc_024_cs_the_lock_fails_when_the_transaction_is_to_begin(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, FailLock())
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        await s.do(1, Swipe("TAG"))
        # Authorised, but the cable can't be held: no StartTransaction.
        await s.expect("Authorize", LOCK_FAILED, quiet_s=HOUR_S)
        await s.do(1, ClearFault())
        await s.expect("1:Preparing")
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize", "StartTransaction", "1:Charging")


async def test_tc_024_cs_the_lock_fails_when_the_cable_comes_after_the_tag(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, FailLock())
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize", "1:Preparing")
        await s.do(1, PlugIn())
        await s.expect(LOCK_FAILED, quiet_s=HOUR_S)


async def test_tc_024_cs_a_remote_start_fails_with_the_lock_too(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, FailLock())
        await s.do(1, PlugIn())
        await s.expect("1:Preparing")
        await s.call("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1})
        await s.expect(
            "RemoteStartTransaction.req", "RemoteStartTransaction.conf Accepted", LOCK_FAILED, quiet_s=HOUR_S
        )


async def test_whoever_starts_a_transaction_by_hand_is_told_that_the_lock_failed(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, FailLock())
        await s.do(1, PlugIn())
        assert await s.ask(1, StartTransaction("TAG")) == "Connector 1 cannot be locked: ConnectorLockFailure"
        await s.expect("1:Preparing", LOCK_FAILED)


async def test_tc_030_cs_a_lock_that_does_not_open_fails_the_unlocking(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, FailLock())
        assert await s.call("UnlockConnector", {"connectorId": 1}) == {"status": "UnlockFailed"}
        await s.expect("UnlockConnector.req", "UnlockConnector.conf UnlockFailed", LOCK_FAILED, quiet_s=HOUR_S)
        await s.do(1, ClearFault())
        await s.expect("1:Available")
        assert await s.call("UnlockConnector", {"connectorId": 1}) == {"status": "Unlocked"}


async def test_tc_030_cs_with_a_transaction_it_ends_before_the_unlocking_fails(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await s.charge()
        await s.do(1, FailLock())
        assert await s.call("UnlockConnector", {"connectorId": 1}) == {"status": "UnlockFailed"}
        said = s.forget() + await s.expect(within_s=0)
        # Section 5.18: a transaction is finished first, whatever becomes of the lock.
        stop = next(spoken.payload for spoken in said if spoken.action == "StopTransaction")
        assert (stop["transactionId"], stop["reason"]) == (transaction_id, "UnlockCommand")
        assert said[-1].line == LOCK_FAILED


async def test_a_lock_that_fails_at_the_end_of_a_transaction_holds_the_cable_until_it_is_repaired(
    autojump_clock: Any,
) -> None:
    async with stage() as s:
        await s.charge()
        await s.do(1, FailLock())
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", LOCK_FAILED)
        assert "locked" in (await s.ask(1, Unplug()) or "")
        await s.do(1, ClearFault())
        await s.do(1, Unplug())
        await s.expect("1:Finishing", "1:Available")


async def test_a_fixed_cable_has_no_lock_that_could_fail(autojump_clock: Any) -> None:
    async with stage(connector_plan=ConnectorPlan(fixed_cable=True)) as s:
        assert await s.ask(1, FailLock()) == "Connector 1 has a fixed cable, and no lock that could fail"


async def test_unlocking_by_hand_fails_once_and_the_lock_is_repaired_with_the_fault(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, FailLock())
        assert await s.ask(1, UnlockConnector()) == "Connector 1 cannot be unlocked: ConnectorLockFailure"
        await s.expect(LOCK_FAILED)
        assert await s.ask(1, UnlockConnector()) is not None
        await s.do(1, ClearFault())
        await s.do(1, UnlockConnector())


# ---- faults that pass by themselves ----------------------------------------------------------------------------------


async def test_a_fault_that_passes_lasts_as_long_as_was_said(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, InjectFault(ErrorCode.HIGH_TEMPERATURE, for_s=90))
        faulted, available = await s.expect("1:Faulted HighTemperature", "1:Available", within_s=120)
        assert available.at - faulted.at == pytest.approx(90, abs=0.1)


async def test_a_transaction_goes_on_when_the_fault_has_passed(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.charge()
        await trio.sleep(HOUR_S)
        await s.do(1, InjectFault(ErrorCode.OVER_VOLTAGE, for_s=HOUR_S))
        await s.expect("1:Faulted OverVoltage", "1:Charging", within_s=2 * HOUR_S)
        await trio.sleep(HOUR_S)
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert stop.payload["meterStop"] == pytest.approx(2 * POWER_W, abs=10)


async def test_a_fault_raised_again_is_told_once_and_lasts_from_then_on(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, InjectFault(ErrorCode.WEAK_SIGNAL, for_s=60))
        await trio.sleep(30)
        await s.do(1, InjectFault(ErrorCode.WEAK_SIGNAL, for_s=60))
        faulted, available = await s.expect("1:Faulted WeakSignal", "1:Available", within_s=120)
        assert available.at - faulted.at == pytest.approx(90, abs=0.1)
        # And a fault without an end has none.
        await s.do(1, InjectFault(ErrorCode.WEAK_SIGNAL, for_s=60))
        await s.do(1, InjectFault(ErrorCode.WEAK_SIGNAL))
        await s.expect("1:Faulted WeakSignal", quiet_s=HOUR_S)


async def test_a_cable_pulled_out_of_the_car_does_not_prolong_the_fault(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, PlugIn())
        await s.do(1, InjectFault(ErrorCode.GROUND_FAILURE, for_s=60))
        await s.expect("1:Preparing", "1:Faulted GroundFailure")
        await s.do(1, Unplug(CableEnd.EV))
        await s.do(1, Unplug())
        await s.expect("1:Available", within_s=120)
