"""The charge point's machine, without tasks: booting, the clock, and the statuses."""

import math

import pytest
from counterparts.charge_point_bench import Bench

from fleet.commands.vocabulary import SendHeartbeat, SetConfiguration
from fleet.core.orders import (
    TakeReading,
)
from fleet.core.registration import RETRY_INTERVAL_S
from fleet.core.reports import (
    AuthorizationRequested,
    MeterSampled,
    Reading,
    SampledValue,
)
from fleet.words import (
    ConnectorStatus,
    ErrorCode,
    Measurand,
    ReadingContext,
)


def sampled(bench: Bench, transaction: str | None = "t1") -> MeterSampled:
    values = (SampledValue(Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, 5.0),)
    reading = Reading(bench.now, ReadingContext.SAMPLE_PERIODIC, values)
    return MeterSampled(1, reading, transaction, 7200.0, 5.0)


# ---- boot ------------------------------------------------------------------------------------------------------------


def test_nothing_is_said_before_there_is_a_connection() -> None:
    bench = Bench()
    bench.wait(86_400)
    assert bench.frames == []
    assert bench.machine.deadline == math.inf


@pytest.mark.parametrize(("interval_s", "wait_s"), [(50, 50), (0, RETRY_INTERVAL_S)])
@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_who_is_not_accepted_asks_again_when_the_interval_is_over(status: str, interval_s: int, wait_s: float) -> None:
    bench = Bench()
    bench.wait(3)
    bench.boot(interval_s, status)
    bench.wait(wait_s - 0.001)
    assert bench.lines == ["BootNotification"]
    bench.wait(0.001)
    assert bench.lines == ["BootNotification", "BootNotification"]
    assert bench.sent_at == [3, 3 + wait_s]


def test_a_boot_notification_without_an_answer_is_repeated() -> None:
    bench = Bench()
    bench.connect()
    bench.wait(30 + RETRY_INTERVAL_S)
    assert bench.sent_at == [0, 30 + RETRY_INTERVAL_S]


def test_a_boot_notification_that_was_cut_is_repeated_as_soon_as_there_is_a_connection() -> None:
    bench = Bench()
    bench.connect()
    bench.cut()
    bench.wait(5)
    bench.connect()
    assert bench.lines == ["BootNotification", "BootNotification"]
    assert bench.sent_at == [0, 5]


def test_nothing_but_boot_notification_goes_out_before_acceptance() -> None:
    bench = Bench()
    bench.start()
    bench.hear(sampled(bench))
    bench.boot(60, "Pending")
    bench.status(ConnectorStatus.PREPARING)
    bench.hear(AuthorizationRequested(1, bench.now, "TAG"))
    bench.stop()
    bench.instruct(SendHeartbeat())
    bench.wait(59)
    assert bench.lines == ["BootNotification"]
    bench.wait(1)
    bench.answer({"status": "Accepted", "currentTime": "2026-11-22T12:00:00Z", "interval": 60})
    assert bench.since(2) == ["StartTransaction"]


def test_what_the_csms_asks_of_a_rejected_charge_point_stays_without_an_answer_and_of_a_pending_one_does_not() -> None:
    bench = Bench()
    bench.boot(60, "Rejected")
    assert bench.call("ClearCache", {}) is None
    assert bench.call("NoSuchAction", {}) is None
    bench.wait(60)
    bench.answer({"status": "Pending", "currentTime": "2026-11-22T12:00:00Z", "interval": 60})
    assert bench.call("ClearCache", {}) == {"status": "Accepted"}
    assert bench.call("NoSuchAction", {}) == "NotImplemented"


# ---- the clock -------------------------------------------------------------------------------------------------------


def test_the_csms_sets_the_clock_with_its_answer_to_boot_notification_and_to_every_heartbeat() -> None:
    bench = Bench()
    bench.wait(10)
    bench.status(ConnectorStatus.AVAILABLE)
    bench.boot(60, time="2027-01-01T00:00:00Z")
    bench.wait(5)
    bench.status(ConnectorStatus.PREPARING)
    assert bench.payload["timestamp"] == "2027-01-01T00:00:05.000Z"
    bench.answer({})
    bench.wait(55)
    assert bench.line == "Heartbeat"
    bench.answer({"currentTime": "2028-01-01T00:00:00+01:00"})
    bench.status(ConnectorStatus.AVAILABLE)
    assert bench.payload["timestamp"] == "2027-12-31T23:00:00.000Z"


def test_heartbeats_keep_their_phase_however_late_the_answers_are() -> None:
    bench = Bench()
    bench.boot(60)
    for due_at in (60, 120, 180):
        bench.wait(due_at - bench.now)
        assert (bench.line, bench.sent_at[-1]) == ("Heartbeat", due_at)
        bench.wait(20)
        bench.answer({"currentTime": "2026-11-22T12:00:00Z"})


def test_a_new_heartbeat_interval_counts_from_now() -> None:
    bench = Bench()
    bench.boot(600)
    bench.wait(100)
    bench.instruct(SetConfiguration("HeartbeatInterval", "30"))
    assert bench.machine.deadline == 130
    assert bench.call("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "45"}) == {"status": "Accepted"}
    assert bench.machine.deadline == 145
    bench.instruct(SetConfiguration("HeartbeatInterval", "0"))
    assert bench.machine.deadline == math.inf


def test_no_second_heartbeat_waits_behind_the_first() -> None:
    bench = Bench()
    bench.boot(10)
    said = len(bench.lines)
    bench.wait(25)  # the CSMS doesn't answer within its 30 s
    assert bench.since(said) == ["Heartbeat"]


def test_heartbeats_of_an_outage_are_not_made_up_for() -> None:
    bench = Bench()
    bench.boot(60)
    bench.cut()
    bench.wait(3_590)
    bench.connect()
    said = len(bench.lines)
    assert bench.since(said) == []
    bench.wait(10)
    assert bench.since(said) == ["Heartbeat"]


@pytest.mark.parametrize(
    ("time", "interval_s", "due_s", "next_s"),
    [
        ("12:00:00", 900, 900, 900),
        ("12:07:30", 900, 450, 900),
        ("12:00:10", 3600, 3590, 3600),
        # 7 hours don't divide a day: the count begins anew at midnight.
        ("22:00:00", 25_200, 7_200, 25_200),
        ("20:00:00", 25_200, 3_600, 10_800),
    ],
)
def test_aligned_readings_are_taken_at_multiples_of_the_interval_since_midnight(
    time: str, interval_s: int, due_s: float, next_s: float
) -> None:
    bench = Bench({"ClockAlignedDataInterval": str(interval_s)})
    bench.boot(0, time=f"2026-11-22T{time}Z")
    bench.instruct(SetConfiguration("HeartbeatInterval", "0"))
    bench.orders.clear()
    for due_at in (due_s, due_s + next_s):
        assert bench.machine.deadline == pytest.approx(due_at, abs=0.001)
        bench.wait(due_at - 0.01 - bench.now)
        assert bench.orders == []
        bench.wait(0.02)
        assert bench.orders == [TakeReading()]
        bench.orders.clear()


def test_aligned_readings_follow_the_clock_when_the_csms_sets_it() -> None:
    bench = Bench({"ClockAlignedDataInterval": "900"})
    bench.boot(600, time="2026-11-22T12:00:00Z")
    bench.wait(600)
    bench.answer({"currentTime": "2026-11-22T12:14:00Z"})
    bench.orders.clear()
    bench.wait(59.9)
    assert bench.orders == []
    bench.wait(0.2)
    assert bench.orders == [TakeReading()]


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_time_at_the_end_of_the_calendar_is_not_believed(time: str) -> None:
    bench = Bench()
    bench.boot(600, time=time)
    bench.wait(10)
    bench.status(ConnectorStatus.PREPARING)
    assert bench.payload["timestamp"] == "2026-11-22T12:00:10.000Z"


def test_an_interval_beyond_all_integers_is_a_very_long_one() -> None:
    bench = Bench()
    bench.boot(2**40)
    assert bench.machine.deadline == 2**31 - 1


# ---- statuses --------------------------------------------------------------------------------------------------------


def test_only_a_status_that_lasts_the_minimum_duration_is_told() -> None:
    bench = Bench({"MinimumStatusDuration": "10"})
    bench.boot(86_400)
    said = len(bench.lines)
    bench.status(ConnectorStatus.PREPARING)
    bench.wait(9.9)
    bench.status(ConnectorStatus.CHARGING)
    bench.wait(9.9)
    assert bench.since(said) == []
    bench.wait(0.1)
    assert bench.since(said) == ["1:Charging"]


def test_a_status_that_comes_back_within_the_minimum_duration_is_not_told_at_all() -> None:
    bench = Bench({"MinimumStatusDuration": "10"})
    bench.boot(86_400)
    said = len(bench.lines)
    bench.status(ConnectorStatus.PREPARING)
    bench.wait(5)
    bench.status(ConnectorStatus.AVAILABLE)
    bench.wait(60)
    assert bench.since(said) == []


def test_after_an_outage_changed_statuses_are_told_and_unchanged_ones_are_not() -> None:
    bench = Bench()
    bench.boot(86_400)
    said = len(bench.lines)
    bench.cut()
    bench.connect()
    assert bench.since(said) == []
    bench.cut()
    bench.status(ConnectorStatus.PREPARING)
    bench.wait(60)
    bench.status(ConnectorStatus.CHARGING)
    bench.wait(60)
    bench.connect()
    bench.acknowledge()
    assert bench.since(said) == ["1:Charging"]
    # When it became so, not when it is told.
    assert bench.payload["timestamp"] == "2026-11-22T12:01:00.000Z"


def test_a_status_that_was_there_and_back_again_during_an_outage_is_not_told() -> None:
    bench = Bench()
    bench.boot(86_400)
    said = len(bench.lines)
    bench.cut()
    bench.status(ConnectorStatus.PREPARING)
    bench.status(ConnectorStatus.AVAILABLE)
    bench.connect()
    assert bench.since(said) == []


def test_the_same_status_with_another_error_is_another_status() -> None:
    bench = Bench()
    bench.boot(86_400)
    said = len(bench.lines)
    for error_code in (ErrorCode.GROUND_FAILURE, ErrorCode.OVER_VOLTAGE, ErrorCode.OVER_VOLTAGE):
        bench.status(ConnectorStatus.FAULTED, error_code)
        bench.acknowledge()
    assert bench.since(said) == ["1:Faulted", "1:Faulted"]


def test_a_status_whose_telling_was_cut_is_told_again() -> None:
    bench = Bench()
    bench.boot(86_400)
    said = len(bench.lines)
    bench.status(ConnectorStatus.PREPARING)
    bench.cut()
    bench.connect()
    assert bench.since(said) == ["1:Preparing", "1:Preparing"]
