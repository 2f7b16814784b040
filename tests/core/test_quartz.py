"""A charge point's own clock: it drifts, it jumps, and the CSMS sets it right for a moment."""

from datetime import datetime
from typing import Any

import pytest
from counterparts.charge_point_bench import Bench
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands.hazards import BendClock
from fleet.commands.vocabulary import SendHeartbeat
from fleet.core.orders import TakeReading
from fleet.core.quartz import UTC_MAX_S, Quartz, shown_utc_s
from fleet.core.reports import ProtocolViolated
from fleet.words import ConnectorStatus

HOUR_S, DAY_S = 3600.0, 86_400.0
NOON = "2026-11-22T12:00:00Z"
CENTURY_S = 36_600 * DAY_S


def booted(configuration: dict[str, str] | None = None) -> Bench:
    bench = Bench({"HeartbeatInterval": "0", **(configuration or {})})
    bench.boot(time=NOON)
    return bench


def shown_s(bench: Bench) -> float:
    """What the clock shows, in s after noon: as a StatusNotification says it."""
    status = ConnectorStatus.PREPARING if bench.line == "1:Available" else ConnectorStatus.AVAILABLE
    bench.status(status)
    stamp = datetime.fromisoformat(bench.payload["timestamp"])
    bench.answer({})
    return (stamp - datetime.fromisoformat(NOON)).total_seconds()


def tell_time(bench: Bench, time: str) -> None:
    bench.instruct(SendHeartbeat())
    assert bench.line == "Heartbeat"
    bench.answer({"currentTime": time})


def test_a_clock_that_is_two_percent_fast_is_72_s_ahead_after_an_hour() -> None:
    bench = booted()
    bench.instruct(BendClock(drift=0.02))
    assert shown_s(bench) == 0
    bench.wait(HOUR_S)
    assert shown_s(bench) == pytest.approx(HOUR_S + 72, abs=0.001)


def test_a_right_clock_is_not_put_back_by_a_csms_that_tells_whole_seconds() -> None:
    bench = booted()
    assert shown_s(bench) == 0
    bench.wait(59.9)
    tell_time(bench, "2026-11-22T12:00:59Z")
    bench.wait(0.2)
    tell_time(bench, "2026-11-22T12:00:59Z")  # cut off at 59.9, and under way since
    assert shown_s(bench) == pytest.approx(60.1, abs=0.001)


@pytest.mark.parametrize("told", ["12:00:57Z", "12:01:00Z", "12:00:59.500Z", "12:00:59.100+00:00"])
def test_a_clock_that_is_wrong_is_set(told: str) -> None:
    bench = booted()
    assert shown_s(bench) == 0
    bench.wait(59.9)
    tell_time(bench, f"2026-11-22T{told}")
    seconds = (datetime.fromisoformat(f"2026-11-22T{told}") - datetime.fromisoformat(NOON)).total_seconds()
    assert shown_s(bench) == pytest.approx(seconds, abs=0.001)


def test_a_clock_that_jumped_is_off_until_the_csms_tells_the_time() -> None:
    bench = booted()
    bench.instruct(BendClock(jump_s=HOUR_S))
    bench.wait(60)
    assert shown_s(bench) == HOUR_S + 60
    tell_time(bench, "2026-11-22T12:01:00Z")
    assert shown_s(bench) == 60
    bench.instruct(BendClock(jump_s=-600))
    assert shown_s(bench) == 60 - 600


def test_a_drift_goes_on_after_the_csms_has_told_the_time() -> None:
    bench = booted()
    bench.instruct(BendClock(drift=-0.01))
    bench.wait(HOUR_S)
    assert shown_s(bench) == pytest.approx(HOUR_S - 36, abs=0.001)
    tell_time(bench, "2026-11-22T13:00:00Z")
    assert shown_s(bench) == pytest.approx(HOUR_S, abs=0.001)
    bench.wait(HOUR_S)
    assert shown_s(bench) == pytest.approx(2 * HOUR_S - 36, abs=0.001)


def test_jumps_and_drift_add_up_and_are_all_gone_when_the_clock_is_repaired() -> None:
    bench = booted()
    bench.instruct(BendClock(drift=0.1))
    bench.wait(100)
    bench.instruct(BendClock(jump_s=1000))
    bench.wait(100)
    bench.instruct(BendClock(drift=0.2, jump_s=-500))
    bench.wait(100)
    assert shown_s(bench) == pytest.approx(300 + 10 + 1000 + 10 - 500 + 20, abs=0.001)
    bench.instruct(BendClock())
    assert shown_s(bench) == 300
    bench.wait(100)
    assert shown_s(bench) == 400


def test_a_bad_clock_outlives_a_reboot() -> None:
    bench = booted()
    bench.instruct(BendClock(drift=0.02, jump_s=HOUR_S))
    again = Bench(memory=bench.memory)
    again.now = 1.0
    assert again.machine.utc(1.0) - booted().machine.utc(1.0) == pytest.approx(HOUR_S + 0.02, abs=1e-6)


@pytest.mark.parametrize("drift", [0.02, -0.02, 0.5, -0.5])
def test_aligned_readings_are_taken_when_its_own_clock_says_so(drift: float) -> None:
    bench = booted({"ClockAlignedDataInterval": "900"})
    bench.instruct(BendClock(drift=drift))
    orders: list[Any] = bench.orders
    for number in range(1, 6):
        bench.wait(900 / (1 + drift) - 1)
        assert orders.count(TakeReading()) == number - 1
        bench.wait(1)
        bench.wait(0.001)
        assert orders.count(TakeReading()) == number


def test_the_csms_is_not_blamed_for_the_charge_points_clock() -> None:
    bench = booted()
    bench.instruct(BendClock(jump_s=DAY_S))
    bench.start()
    expires = {"idTagInfo": {"status": "Accepted", "expiryDate": "2026-11-22T18:00:00Z"}}
    bench.answer({"transactionId": 1, **expires})
    tell_time(bench, NOON)
    assert not bench.told(ProtocolViolated)


@given(st.lists(st.floats(-CENTURY_S, CENTURY_S), max_size=30), st.floats(-0.5, 0.5), st.floats(0, CENTURY_S))
def test_whatever_is_done_to_a_clock_it_shows_a_date(jumps_s: list[float], drift: float, at: float) -> None:
    quartz = Quartz()
    for jump_s in jumps_s:
        quartz.bend(drift, jump_s, 0.0)
    assert 0 <= shown_utc_s(1_795_348_800.0 + at, quartz, at) <= UTC_MAX_S
