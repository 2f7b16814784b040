"""The published cases about smart charging, by name, and what power then flows (OCPP 1.6 sections 3.13, 5.5-5.7, 5.16).

A connector has 7.2 kW on one phase of 230 V unless a test says otherwise; its car takes what it gets.
"""

import math
from typing import Any

import pytest
import trio
from counterparts.script import EPOCH_S, Stage, id_tag_info, stage, utc

from fleet.commands.vocabulary import EV, PlugIn, Resume, SetEV, SuspendEV, Swipe
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import MeterSampled, PowerChanged, PowerLimited, RequestRefused

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
START = ("RemoteStartTransaction.req", "RemoteStartTransaction.conf Accepted")
FULL_W = 7_200
BIG = EV(battery_wh=1e6, soc=0.0)
THREE_PHASE = ConnectorPlan(power_max_w=22_080, phases=3)

Line = tuple[int, float] | tuple[int, float, int]


def profile(
    purpose: str,
    *periods: Line,
    id: int = 1,
    level: int = 0,
    kind: str = "Relative",
    unit: str = "W",
    schedule: dict[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    names = ("startPeriod", "limit", "numberPhases")
    lines = [dict(zip(names, line, strict=False)) for line in periods]
    return {
        "chargingProfileId": id,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": {"chargingRateUnit": unit, "chargingSchedulePeriod": lines, **(schedule or {})},
        **fields,
    }


def absolute(purpose: str, start_at: float, *periods: Line, **fields: Any) -> dict[str, Any]:
    schedule = {"startSchedule": utc(start_at), **fields.pop("schedule", {})}
    return profile(purpose, *periods, kind="Absolute", schedule=schedule, **fields)


async def put(s: Stage, connector: int, given: dict[str, Any]) -> str:
    answer = await s.call("SetChargingProfile", {"connectorId": connector, "csChargingProfiles": given})
    return answer["status"]


async def schedule_of(s: Stage, connector: int, duration_s: int, unit: str | None = "W") -> list[tuple[int, float]]:
    payload = {"connectorId": connector, "duration": duration_s, **({"chargingRateUnit": unit} if unit else {})}
    answer = await s.call("GetCompositeSchedule", payload)
    assert answer["status"] == "Accepted"
    assert answer["connectorId"] == connector
    assert answer["chargingSchedule"]["duration"] == duration_s
    return [(p["startPeriod"], p["limit"]) for p in answer["chargingSchedule"]["chargingSchedulePeriod"]]


def drawn_w(s: Stage, connector: int = 1) -> float:
    return s.memory.connectors[connector - 1].meter.power_w(trio.current_time())


def told_limits(s: Stage) -> dict[int, float | None]:
    """What observers were told last of each connector's limit, in W."""
    return {report.connector: report.power_w for report in s.reports if isinstance(report, PowerLimited)}


async def charge(s: Stage, connector: int = 1, id_tag: str = "TAG", status: str = "Charging") -> int:
    """Start a transaction; returns its id. The transcript starts anew."""
    await s.do(connector, PlugIn(BIG))
    await s.do(connector, Swipe(id_tag))
    await s.expect(f"{connector}:Preparing", "Authorize", "StartTransaction", f"{connector}:{status}")
    running = s.memory.connectors[connector - 1].transaction
    assert running is not None
    assert running.transaction_id is not None
    return running.transaction_id


# ---- the published cases ---------------------------------------------------------------------------------------------


async def test_tc_056_cs_central_smart_charging_tx_default_profile(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await put(s, 1, absolute("TxDefaultProfile", 0, (0, 6.0), (600, 10.0), unit="A")) == "Accepted"
        s.forget()
        await charge(s)
        assert drawn_w(s) == pytest.approx(6 * 230)
        await trio.sleep_until(601)
        assert drawn_w(s) == pytest.approx(10 * 230)
        await s.expect(quiet_s=60)


async def test_tc_057_cs_central_smart_charging_tx_profile(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await charge(s)
        assert drawn_w(s) == FULL_W
        given = profile("TxProfile", (0, 6.0), (300, 8.0), unit="A", transactionId=transaction_id)
        assert await put(s, 1, given) == "Accepted"
        await s.expect("SetChargingProfile.req", "SetChargingProfile.conf Accepted")
        assert drawn_w(s) == pytest.approx(6 * 230)
        await trio.sleep(300)
        assert drawn_w(s) == pytest.approx(8 * 230)
        # It was for this transaction only.
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        assert s.memory.profiles == []
        await s.do(1, Swipe("TAG"))
        await trio.sleep(1)
        assert drawn_w(s) == FULL_W


async def test_tc_058_1_cs_central_smart_charging_no_ongoing_transaction(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await put(s, 1, profile("TxProfile", (0, 6.0))) == "Rejected"
        assert s.memory.profiles == []


async def test_tc_058_2_cs_central_smart_charging_wrong_transaction_id(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await charge(s)
        assert await put(s, 1, profile("TxProfile", (0, 6.0), transactionId=transaction_id + 1)) == "Rejected"
        assert drawn_w(s) == FULL_W


async def test_tc_059_cs_remote_start_transaction_with_charging_profile(autojump_clock: Any) -> None:
    async with stage() as s:
        await s.do(1, PlugIn(BIG))
        await s.expect("1:Preparing")
        given = profile("TxProfile", (0, 6.0), (300, 8.0), unit="A")
        start = {"idTag": "TAG", "connectorId": 1, "chargingProfile": given}
        assert await s.call("RemoteStartTransaction", start) == ACCEPTED
        await s.expect(*START, "StartTransaction", "1:Charging")
        assert drawn_w(s) == pytest.approx(6 * 230)
        await trio.sleep(300)
        assert drawn_w(s) == pytest.approx(8 * 230)
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        assert s.memory.profiles == []


async def test_tc_059_cs_the_profile_waits_for_the_cable_and_for_nobody_else(autojump_clock: Any) -> None:
    async with stage({"ConnectionTimeOut": "60"}) as s:
        start = {"idTag": "TAG", "connectorId": 1, "chargingProfile": profile("TxProfile", (0, 0.0))}
        assert await s.call("RemoteStartTransaction", start) == ACCEPTED
        await s.expect(*START, "1:Preparing")
        await s.do(1, PlugIn(BIG))
        # It never was Charging: the transaction begins with the power that it may have.
        await s.expect("StartTransaction", "1:SuspendedEVSE")
        await s.do(1, Swipe("TAG"))
        await s.expect("StopTransaction", "1:Finishing", "1:Preparing", quiet_s=3)
        s.forget()
    async with stage({"ConnectionTimeOut": "60"}) as s:
        assert await s.call("RemoteStartTransaction", start) == ACCEPTED
        await s.expect(*START, "1:Preparing")
        await s.expect("1:Available")
        await charge(s)
        assert drawn_w(s) == FULL_W


@pytest.mark.parametrize("purpose", ["TxDefaultProfile", "ChargePointMaxProfile"])
async def test_tc_060_cs_remote_start_transaction_with_charging_profile_rejected(
    autojump_clock: Any, purpose: str
) -> None:
    async with stage() as s:
        await s.do(1, PlugIn(BIG))
        await s.expect("1:Preparing")
        start = {"idTag": "TAG", "connectorId": 1, "chargingProfile": profile(purpose, (0, 6.0))}
        assert await s.call("RemoteStartTransaction", start) == REJECTED
        await s.expect("RemoteStartTransaction.req", "RemoteStartTransaction.conf Rejected", quiet_s=300)


async def test_tc_066_cs_get_composite_schedule(autojump_clock: Any) -> None:
    async with stage() as s:
        transaction_id = await charge(s)
        now = math.floor(trio.current_time()) + 1.0
        await trio.sleep_until(now)
        maximum = absolute("ChargePointMaxProfile", now, (0, 10.0), id=1, unit="A")
        default = absolute("TxDefaultProfile", now, (0, 6.0), id=2, unit="A")
        tx = absolute("TxProfile", now, (0, 8.0), (50, 15.0), (100, 8.0), id=3, unit="A", transactionId=transaction_id)
        tx["chargingSchedule"]["duration"] = 260
        assert [await put(s, c, p) for c, p in ((0, maximum), (1, default), (1, tx))] == ["Accepted"] * 3
        payload = {"connectorId": 1, "duration": 350, "chargingRateUnit": "A"}
        answer = await s.call("GetCompositeSchedule", payload)
        assert answer == {
            "status": "Accepted",
            "connectorId": 1,
            "scheduleStart": utc(now),
            "chargingSchedule": {
                "duration": 350,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": 8.0, "numberPhases": 1},
                    {"startPeriod": 50, "limit": 10.0, "numberPhases": 1},
                    {"startPeriod": 100, "limit": 8.0, "numberPhases": 1},
                    {"startPeriod": 260, "limit": 6.0, "numberPhases": 1},
                ],
            },
        }
        # What was promised is what is drawn.
        for start_s, amperes in ((0, 8), (50, 10), (100, 8), (260, 6)):
            await trio.sleep_until(now + start_s + 1)
            assert drawn_w(s) == pytest.approx(amperes * 230)


@pytest.mark.parametrize(
    "payload", [{"connectorId": 2, "duration": 60}, {"connectorId": -1, "duration": 60}], ids=["too high", "negative"]
)
async def test_tc_066_cs_get_composite_schedule_of_an_unknown_connector(
    autojump_clock: Any, payload: dict[str, Any]
) -> None:
    async with stage() as s:
        assert await s.call("GetCompositeSchedule", payload) == REJECTED


async def test_tc_067_cs_clear_charging_profile(autojump_clock: Any) -> None:
    async with stage() as s:
        await charge(s)
        assert await put(s, 1, profile("TxDefaultProfile", (0, 2_000), id=5)) == "Accepted"
        assert drawn_w(s) == 2_000
        assert await s.call("ClearChargingProfile", {"id": 5}) == ACCEPTED
        await trio.sleep(0)
        assert drawn_w(s) == FULL_W
        assert await s.call("ClearChargingProfile", {"id": 5}) == {"status": "Unknown"}
        assert await put(s, 0, profile("ChargePointMaxProfile", (0, 2_000), id=6, level=2)) == "Accepted"
        for other in ({"connectorId": 1}, {"stackLevel": 1}, {"chargingProfilePurpose": "TxProfile"}):
            assert await s.call("ClearChargingProfile", other) == {"status": "Unknown"}
        criteria = {"connectorId": 0, "chargingProfilePurpose": "ChargePointMaxProfile", "stackLevel": 2}
        assert await s.call("ClearChargingProfile", criteria) == ACCEPTED
        await trio.sleep(0)
        assert drawn_w(s) == FULL_W


async def test_tc_072_cs_stacking_charging_profiles(autojump_clock: Any) -> None:
    async with stage() as s:
        await charge(s)
        now = math.floor(trio.current_time()) + 1.0
        await trio.sleep_until(now)
        below = absolute("TxDefaultProfile", now, (0, 6.0), id=1, level=0, unit="A", schedule={"duration": 300})
        above = absolute("TxDefaultProfile", now, (0, 7.0), (80, 9.0), id=2, level=1, unit="A")
        above["chargingSchedule"]["duration"] = 150
        assert [await put(s, 1, p) for p in (below, above)] == ["Accepted"] * 2
        expected = [(0, 7.0), (80, 9.0), (150, 6.0), (300, 31.3)]
        assert await schedule_of(s, 1, 350, "A") == expected
        for start_s, amperes in expected[:3]:
            await trio.sleep_until(now + start_s + 1)
            assert drawn_w(s) == pytest.approx(amperes * 230)
        await trio.sleep_until(now + 301)
        assert drawn_w(s) == FULL_W


async def test_tc_082_cs_central_smart_charging_tx_default_profile_with_ongoing_transaction(
    autojump_clock: Any,
) -> None:
    async with stage() as s:
        await charge(s)
        assert await put(s, 1, profile("TxDefaultProfile", (0, 6.0), unit="A")) == "Accepted"
        assert drawn_w(s) == pytest.approx(6 * 230)
        await s.do(1, Swipe("TAG"))
        await trio.sleep(3)
        await s.do(1, Swipe("TAG"))
        await trio.sleep(1)
        assert drawn_w(s) == pytest.approx(6 * 230)


# ---- the power that flows --------------------------------------------------------------------------------------------


async def test_the_meter_follows_within_one_sample(autojump_clock: Any) -> None:
    keys = {"MeterValueSampleInterval": "10", "MeterValuesSampledData": "Power.Active.Import,Power.Offered"}
    async with stage(keys) as s:
        await charge(s)
        assert await put(s, 1, profile("TxProfile", (0, 4_000), (95, 1_000))) == "Accepted"
        await trio.sleep(130)
        samples = [r for r in s.reports if isinstance(r, MeterSampled)]
        started_at = samples[0].reading.at - 10
        shown = [(r.reading.at - started_at, *(v.value for v in r.reading.values)) for r in samples]
        assert shown[0] == pytest.approx((10, 4_000, 4_000))
        assert [w for at, w, _ in shown if at < 95] == [4_000] * 9
        assert [w for at, w, _ in shown if at > 95] == [1_000] * (len(shown) - 9)


async def test_at_zero_the_connector_is_suspended_by_the_charge_point_and_comes_back(autojump_clock: Any) -> None:
    async with stage() as s:
        await charge(s)
        begun = trio.current_time()
        assert await put(s, 1, absolute("TxProfile", begun + 60, (0, 0.0), (120, 3_000))) == "Accepted"
        s.forget()
        (suspended,) = await s.expect("1:SuspendedEVSE", within_s=100)
        assert suspended.at - begun == pytest.approx(60, abs=0.1)
        assert drawn_w(s) == 0
        (charging,) = await s.expect("1:Charging", within_s=200)
        assert charging.at - suspended.at == pytest.approx(120, abs=0.1)
        assert drawn_w(s) == 3_000


async def test_a_transaction_that_begins_at_zero_is_suspended_from_the_start(autojump_clock: Any) -> None:
    async with stage() as s:
        # At night nobody charges; the limit had changed while nobody was there.
        assert await put(s, 0, absolute("TxDefaultProfile", 0, (0, 5_000), (3_600, 0.0))) == "Accepted"
        s.forget()
        await trio.sleep_until(4_000)
        await charge(s, status="SuspendedEVSE")


async def test_a_maximum_is_shared_by_who_charges_and_what_one_leaves_is_the_others(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await put(s, 0, profile("ChargePointMaxProfile", (0, 6_000))) == "Accepted"
        s.forget()
        await charge(s, 1, "ONE")
        assert drawn_w(s, 1) == 6_000
        await charge(s, 2, "TWO")
        assert [drawn_w(s, 1), drawn_w(s, 2)] == [3_000, 3_000]
        assert await schedule_of(s, 1, 60) == await schedule_of(s, 2, 60) == [(0, 3_000)]
        assert await schedule_of(s, 0, 60) == [(0, 6_000)]
        s.forget()
        await s.do(1, SuspendEV())
        await s.expect("1:SuspendedEV")
        assert [drawn_w(s, 1), drawn_w(s, 2)] == [0, 6_000]
        await s.do(1, Resume())
        await s.expect("1:Charging")
        assert [drawn_w(s, 1), drawn_w(s, 2)] == [3_000, 3_000]
        await s.do(2, Swipe("TWO"))
        await s.expect("StopTransaction", "2:Finishing", "2:Preparing", quiet_s=3)
        assert drawn_w(s, 1) == 6_000


async def test_what_a_slow_car_leaves_is_the_others_until_it_can_take_more(autojump_clock: Any) -> None:
    async with stage(connectors=2) as s:
        assert await put(s, 0, profile("ChargePointMaxProfile", (0, 6_000))) == "Accepted"
        s.forget()
        await charge(s, 1, "ONE")
        await charge(s, 2, "TWO")
        await s.do(1, SetEV(power_max_w=1_000))
        await trio.sleep(1)
        assert [drawn_w(s, 1), drawn_w(s, 2)] == [1_000, 5_000]
        assert told_limits(s) == {1: 1_000, 2: 5_000}
        assert [await schedule_of(s, n, 60) for n in (0, 1, 2)] == [[(0, w)] for w in (6_000, 1_000, 5_000)]
        await s.do(1, SetEV(power_max_w=50_000))
        await trio.sleep(1)
        assert [drawn_w(s, 1), drawn_w(s, 2)] == [3_000, 3_000]
        assert await s.call("ClearChargingProfile") == ACCEPTED
        await trio.sleep(1)
        assert told_limits(s) == {1: None, 2: None}


async def test_why_a_profile_was_rejected_is_told_to_whoever_watches(autojump_clock: Any) -> None:
    async with stage() as s:
        assert await put(s, 1, profile("TxProfile", (0, 6.0))) == "Rejected"
        assert await put(s, 0, profile("TxDefaultProfile", (0, 6.0), level=99)) == "Rejected"
        assert [(r.action, r.reason) for r in s.reports if isinstance(r, RequestRefused)] == [
            ("SetChargingProfile", "a TxProfile needs a transaction, and none runs on connector 1"),
            ("SetChargingProfile", "stack level 99: expected 0 to 10 (ChargeProfileMaxStackLevel)"),
        ]
        start = {"idTag": "TAG", "connectorId": 1, "chargingProfile": profile("TxDefaultProfile", (0, 6.0))}
        assert await s.call("RemoteStartTransaction", start) == REJECTED
        *_, last = (r for r in s.reports if isinstance(r, RequestRefused))
        assert (last.action, last.reason) == (
            "RemoteStartTransaction",
            "a remote start takes a TxProfile, not a TxDefaultProfile",
        )


async def test_a_remote_start_whose_profile_finds_no_room_charges_without_it_and_says_so(autojump_clock: Any) -> None:
    async with stage({"MaxChargingProfilesInstalled": "1"}) as s:
        assert await put(s, 0, profile("ChargePointMaxProfile", (0, 5_000))) == "Accepted"
        await s.do(1, PlugIn(BIG))
        start = {"idTag": "TAG", "connectorId": 1, "chargingProfile": profile("TxProfile", (0, 1_000), id=2)}
        assert await s.call("RemoteStartTransaction", start) == ACCEPTED
        await trio.sleep(5)
        assert drawn_w(s) == 5_000
        assert [r.reason for r in s.reports if isinstance(r, RequestRefused)] == [
            "MaxChargingProfilesInstalled is 1, and so many are there already"
        ]


async def test_at_no_time_do_all_connectors_draw_more_than_the_maximum(autojump_clock: Any) -> None:
    async with stage(connectors=3) as s:
        given = absolute("ChargePointMaxProfile", 0, (0, 9_000), (900, 4_000), (1_800, 12_000), (2_700, 0.0))
        assert await put(s, 0, given) == "Accepted"
        for connector in (1, 2, 3):
            await s.do(connector, PlugIn(BIG))
            await s.do(connector, Swipe(f"TAG{connector}"))
            await trio.sleep(500)
        await trio.sleep_until(3_600)
        powers: dict[int, float] = {}
        at_once: dict[float, float] = {}
        for report in s.reports:
            if isinstance(report, PowerChanged):
                powers[report.connector] = report.power_w
                at_once[report.at] = sum(powers.values())
        assert len(at_once) >= 6
        for at, total_w in at_once.items():
            limit_w = [limit for start, limit in ((0, 9_000), (900, 4_000), (1_800, 12_000), (2_700, 0)) if start <= at]
            assert total_w <= limit_w[-1] + 1e-6, at


async def test_a_composite_schedule_is_what_is_then_drawn(autojump_clock: Any) -> None:
    """Every few seconds over an hour, with profiles of all purposes, kinds and units, on three phases."""
    async with stage(connector_plan=THREE_PHASE) as s:
        transaction_id = await charge(s)
        daily = profile("TxDefaultProfile", (0, 16.0), (43_200, 10.0, 1), id=1, unit="A", kind="Recurring")
        daily["recurrencyKind"] = "Daily"
        # Twelve hours before ten minutes from now, which is noon.
        daily["chargingSchedule"]["startSchedule"] = utc(600 - 43_200)
        tx = profile("TxProfile", (0, 9_000), (400, 25_000), id=2, transactionId=transaction_id)
        tx["chargingSchedule"]["duration"] = 500
        relative = profile("TxProfile", (0, 12.0, 2), (900, 5.5), id=3, level=1, unit="A")
        relative["validFrom"], relative["validTo"] = utc(1_000), utc(2_000)
        maximum = absolute("ChargePointMaxProfile", 100, (0, 20_000), (100, 14_000), (2_400, 2_000), id=4)
        for connector, given in ((1, daily), (1, tx), (1, relative), (0, maximum)):
            assert await put(s, connector, given) == "Accepted"
        begun = math.floor(trio.current_time())
        promised = await schedule_of(s, 1, 3_600)
        assert len(promised) >= 6
        for start_s, end_s in zip([s for s, _ in promised], [s for s, _ in promised[1:]] + [3_600], strict=True):
            for at in (start_s + 1.5, (start_s + end_s) / 2, end_s - 1.5):
                if begun + at > trio.current_time():
                    await trio.sleep_until(begun + at)
                    limit_w = next(limit for start, limit in reversed(promised) if start <= at)
                    assert drawn_w(s) == pytest.approx(limit_w, abs=0.1), at


# ---- keeping them ----------------------------------------------------------------------------------------------------


async def test_profiles_outlive_a_power_cut_but_those_of_the_transaction_do_not(autojump_clock: Any) -> None:
    async with stage() as s:
        await charge(s)
        assert await put(s, 1, profile("TxDefaultProfile", (0, 2_000), id=1)) == "Accepted"
        assert await put(s, 1, profile("TxProfile", (0, 1_000), id=2)) == "Accepted"
        assert drawn_w(s) == 1_000
        await s.power_cut()
        await trio.sleep(10)
        s.power_on()
        await trio.sleep(10)
        assert [each.profile.id for each in s.memory.profiles] == [1]
        await s.do(1, Swipe("TAG"))
        await trio.sleep(1)
        assert drawn_w(s) == 2_000


async def test_offline_a_profile_goes_on_limiting(autojump_clock: Any) -> None:
    async with stage() as s:
        await charge(s)
        assert await put(s, 1, profile("TxProfile", (0, 4_000), (600, 1_000))) == "Accepted"
        await s.go_offline()
        await trio.sleep(700)
        assert drawn_w(s) == 1_000


async def test_limits_follow_the_clock_that_the_csms_sets(autojump_clock: Any) -> None:
    async with stage() as s:
        await charge(s)
        assert await put(s, 1, absolute("TxDefaultProfile", 3_600, (0, 1_000))) == "Accepted"
        assert drawn_w(s) == FULL_W
        s.central.answers["BootNotification"] = lambda _: {
            "status": "Accepted",
            "currentTime": utc(trio.current_time() + 3_600),
            "interval": 86_400,
        }
        s.central.answers["Heartbeat"] = lambda _: {"currentTime": utc(trio.current_time() + 3_600)}
        await s.call("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "30"})
        await trio.sleep(40)
        assert drawn_w(s) == 1_000
        s.broken_rules()


@pytest.mark.parametrize("transaction_id", [0, -1])
async def test_a_transaction_id_of_zero_is_one_like_any_other(autojump_clock: Any, transaction_id: int) -> None:
    answer = id_tag_info(transaction_id=transaction_id)
    async with stage(answers={"StartTransaction": lambda _: answer}) as s:
        assert await charge(s) == transaction_id
        assert await put(s, 1, profile("TxProfile", (0, 1_000), transactionId=7)) == "Rejected"
        assert await put(s, 1, profile("TxProfile", (0, 1_000), transactionId=transaction_id)) == "Accepted"
        assert drawn_w(s) == 1_000
        s.broken_rules()


# ---- what is refused -------------------------------------------------------------------------------------------------


async def test_a_profile_beyond_what_the_keys_say_is_rejected(autojump_clock: Any) -> None:
    keys = {
        "ChargeProfileMaxStackLevel": "2",
        "ChargingScheduleMaxPeriods": "3",
        "MaxChargingProfilesInstalled": "2",
        "ChargingScheduleAllowedChargingRateUnit": "Power",
    }
    async with stage(keys) as s:
        good = [(0, 1_000.0), (1, 2_000.0), (2, 3_000.0)]
        assert await put(s, 1, profile("TxDefaultProfile", *good, id=1, level=2)) == "Accepted"
        assert await put(s, 1, profile("TxDefaultProfile", *good, id=2, level=3)) == "Rejected"
        assert await put(s, 1, profile("TxDefaultProfile", *good, (3, 1.0), id=2)) == "Rejected"
        assert await put(s, 1, profile("TxDefaultProfile", (0, 6.0), id=2, unit="A")) == "Rejected"
        assert await put(s, 1, profile("TxDefaultProfile", *good, id=2, level=1)) == "Accepted"
        assert await put(s, 1, profile("TxDefaultProfile", *good, id=3, level=0)) == "Rejected"
        in_amperes = {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"}
        assert await s.call("GetCompositeSchedule", in_amperes) == REJECTED


async def test_who_has_no_smart_charging_says_so(autojump_clock: Any) -> None:
    async with stage({"SupportedFeatureProfiles": "Core"}) as s:
        assert await put(s, 1, profile("TxDefaultProfile", (0, 1_000))) == "NotSupported"
        assert await s.call("GetCompositeSchedule", {"connectorId": 1, "duration": 60}) == REJECTED
        assert await s.call("ClearChargingProfile") == {"status": "Unknown"}


def test_the_virtual_clock_begins_at_noon() -> None:
    assert EPOCH_S % 86_400 == 43_200
