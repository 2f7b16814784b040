"""Quirks of real CSMSs that a charge point has to live with: legal, or so common that nobody may stumble over them.

Whatever is reported of it as a broken rule, and is not expected to be, fails the test.
"""

from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from counterparts.script import DAY_S, stage
from counterparts.scripted import EPOCH_S

from fleet.commands.vocabulary import PlugIn, SendHeartbeat, Swipe, Unplug
from fleet.core.delivery_reports import MessageLost, TransactionDelivered

ACCEPTED = {"status": "Accepted"}
NOT_POSITIVE = ["transaction-id-not-positive"]
"""What is said of a CSMS that counts from 0, whose transactions are as good as any."""
SAMPLING = {"MeterValueSampleInterval": "60"}
FORMS = {
    "with an offset": "{:%Y-%m-%dT%H:%M:%S}.000+00:00",
    "with an offset and no fraction": "{:%Y-%m-%dT%H:%M:%S}+00:00",
    "with microseconds": "{:%Y-%m-%dT%H:%M:%S.%f}Z",
    "with microseconds and an offset": "{:%Y-%m-%dT%H:%M:%S.%f}+00:00",
    "with seven digits": "{:%Y-%m-%dT%H:%M:%S.%f}0Z",
    "without fraction": "{:%Y-%m-%dT%H:%M:%S}Z",
}
"""How CSMSs write one and the same instant."""


def written(form: str, at: float) -> str:
    """An instant of the virtual clock."""
    return FORMS[form].format(datetime.fromtimestamp(EPOCH_S + at, UTC))


# ---- transaction ids -------------------------------------------------------------------------------------------------


async def test_a_transaction_whose_id_is_0_is_a_transaction_like_any_other(autojump_clock: Any) -> None:
    answers = {"StartTransaction": lambda _: {"transactionId": 0, "idTagInfo": ACCEPTED}}
    async with stage(SAMPLING, answers) as s:
        assert await s.charge() == 0
        (sample,) = await s.expect("MeterValues", within_s=70)
        assert sample.payload["transactionId"] == 0
        await s.do(1, Swipe("TAG"))
        stop, _ = await s.expect("StopTransaction", "1:Finishing")
        assert stop.payload["transactionId"] == 0
        assert [report.transaction_id for report in s.reports if isinstance(report, TransactionDelivered)] == [0]
        assert s.broken_rules() == NOT_POSITIVE


async def test_a_transaction_whose_id_is_0_obeys_the_csms(autojump_clock: Any) -> None:
    answers = {"StartTransaction": lambda _: {"transactionId": 0, "idTagInfo": ACCEPTED}}
    async with stage(answers=answers) as s:
        assert await s.call("RemoteStopTransaction", {"transactionId": 0}) == {"status": "Rejected"}
        s.forget()
        assert await s.charge() == 0
        profile = {
            "chargingProfileId": 1,
            "transactionId": 0,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "W",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0.0}],
            },
        }
        limited = {"connectorId": 1, "csChargingProfiles": profile}
        assert await s.call("SetChargingProfile", limited) == {"status": "Accepted"}
        await s.expect("SetChargingProfile.req", "SetChargingProfile.conf Accepted", "1:SuspendedEVSE")
        assert await s.call("RemoteStopTransaction", {"transactionId": 0}) == {"status": "Accepted"}
        _, _, stop, _ = await s.expect(
            *("RemoteStopTransaction.req", "RemoteStopTransaction.conf Accepted"),
            *("StopTransaction", "1:Finishing"),
        )
        assert (stop.payload["transactionId"], stop.payload["reason"]) == (0, "Remote")
        assert await s.call("RemoteStopTransaction", {"transactionId": 0}) == {"status": "Rejected"}
        assert s.broken_rules() == NOT_POSITIVE


async def test_a_transaction_whose_id_is_0_survives_a_power_cut(autojump_clock: Any) -> None:
    answers = {"StartTransaction": lambda _: {"transactionId": 0, "idTagInfo": ACCEPTED}}
    async with stage(answers=answers) as s:
        await s.charge()
        await trio.sleep(600)
        await s.power_cut()
        s.power_on()
        await s.until("StopTransaction")
        (stop,) = s.central.said("StopTransaction")
        assert (stop["transactionId"], stop["reason"]) == (0, "PowerLoss")
        assert s.broken_rules() == NOT_POSITIVE


async def test_a_csms_that_gives_every_transaction_the_id_0_hears_of_every_transaction(autojump_clock: Any) -> None:
    answers = {"StartTransaction": lambda _: {"transactionId": 0, "idTagInfo": ACCEPTED}}
    async with stage(SAMPLING, answers, connectors=2) as s:
        await s.go_offline()
        for connector in (1, 2):
            for _ in range(2):
                await s.do(connector, PlugIn())
                await s.do(connector, Swipe("TAG"))
                await trio.sleep(300)
                await s.do(connector, Swipe("TAG"))
                await s.do(connector, Unplug())
        s.go_online()
        await trio.sleep(600)
        starts, stops = s.central.said("StartTransaction"), s.central.said("StopTransaction")
        assert len(starts) == len(stops) == 4
        assert {stop["transactionId"] for stop in stops} == {0}
        assert [start["meterStart"] for start in starts[1::2]] == [stop["meterStop"] for stop in stops[::2]]
        assert not [report for report in s.reports if isinstance(report, MessageLost)]
        assert s.broken_rules() == NOT_POSITIVE * 4


# ---- configuration ---------------------------------------------------------------------------------------------------


async def test_an_empty_list_of_keys_asks_for_all_of_them(autojump_clock: Any) -> None:
    async with stage() as s:
        everything = await s.call("GetConfiguration", {})
        assert await s.call("GetConfiguration", {"key": []}) == everything
        assert len(everything["configurationKey"]) > 30
        assert "unknownKey" not in everything


# ---- timestamps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
async def test_the_time_is_understood_however_it_is_written(autojump_clock: Any, form: str) -> None:
    def boot(_: Any) -> Any:
        return {"status": "Accepted", "currentTime": written(form, trio.current_time() + 100), "interval": DAY_S}

    def beat(_: Any) -> Any:
        return {"currentTime": written(form, trio.current_time() + 200)}

    async with stage(answers={"BootNotification": boot, "Heartbeat": beat}) as s:
        await s.do(1, PlugIn())
        (plugged,) = await s.expect("1:Preparing")
        assert written("without fraction", plugged.at + 98) <= plugged.payload["timestamp"]
        assert plugged.payload["timestamp"] <= written("without fraction", plugged.at + 101)
        await s.do(0, SendHeartbeat())
        await s.expect("Heartbeat")
        await s.do(1, Unplug())
        (unplugged,) = await s.expect("1:Available")
        assert written("without fraction", unplugged.at + 198) <= unplugged.payload["timestamp"]
        assert unplugged.payload["timestamp"] <= written("without fraction", unplugged.at + 201)
        # That the time jumps is told, how it is written is not.
        assert set(s.broken_rules()) <= {"clock-skew"}


@pytest.mark.parametrize("form", FORMS)
async def test_an_expiry_is_understood_however_it_is_written(autojump_clock: Any, form: str) -> None:
    async with stage() as s:
        reservation = {
            "connectorId": 1,
            "expiryDate": written(form, trio.current_time() + 600),
            "idTag": "TAG",
            "reservationId": 1,
        }
        assert await s.call("ReserveNow", reservation) == {"status": "Accepted"}
        await s.expect("ReserveNow.req", "ReserveNow.conf Accepted", "1:Reserved")
        (over,) = await s.expect("1:Available", within_s=700)
        assert over.at == pytest.approx(600, abs=2)


@pytest.mark.parametrize("form", FORMS)
async def test_an_id_tag_expires_however_its_end_is_written(autojump_clock: Any, form: str) -> None:
    def info() -> Any:
        return {"status": "Accepted", "expiryDate": written(form, 1_000.0 if trio.current_time() < 1_000 else DAY_S)}

    answers = {
        "Authorize": lambda _: {"idTagInfo": info()},
        "StartTransaction": lambda _: {"transactionId": 1001, "idTagInfo": info()},
        "StopTransaction": lambda _: {},
    }
    async with stage({"LocalPreAuthorize": "true"}, answers) as s:
        await s.charge()
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        # Known, and good until then; it has to be asked for again afterwards.
        await s.do(1, Swipe("TAG"))
        await s.expect("StartTransaction", "1:Charging")
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        await trio.sleep(1_000)
        await s.do(1, Swipe("TAG"))
        await s.expect("Authorize", "StartTransaction", "1:Charging")


# ---- empty answers ---------------------------------------------------------------------------------------------------


async def test_a_stop_that_is_answered_with_nothing_is_delivered(autojump_clock: Any) -> None:
    async with stage(answers={"StopTransaction": lambda _: {}}) as s:
        for _ in range(2):
            await s.charge()
            await s.do(1, Swipe("TAG"))
            await s.expect("StopTransaction", "1:Finishing")
            await s.do(1, Unplug())
            await s.expect("1:Available", quiet_s=120)
        assert len([report for report in s.reports if isinstance(report, TransactionDelivered)]) == 2
