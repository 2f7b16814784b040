"""What a scrape says, and that it never says too much."""

import os
import re
import shutil
import subprocess

import pytest
from counterparts.scraped import Scraped, samples_of
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from fleet.clock import Clock
from fleet.core.delivery_reports import MessageLost, OutboxChanged, TransactionDelivered
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import (
    CableChanged,
    CallServed,
    CallSettled,
    ConnectFailed,
    Drained,
    LinkDown,
    LinkUp,
    ObservedReport,
    PowerChanged,
    ProtocolViolated,
    Registered,
    Restarted,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.observe.board import Board, ChargePointState
from fleet.observe.books import Books
from fleet.observe.health import Health
from fleet.observe.journal import EventKind, Journal
from fleet.observe.metrics import SERIES_MAX, Metrics
from fleet.observe.observer import Observer
from fleet.words import ConnectorStatus, RegistrationStatus, StopReason

NAMES = {
    "fleet_charge_points": ("gauge", {"state"}),
    "fleet_connectors": ("gauge", {"status"}),
    "fleet_messages_total": ("counter", {"action", "direction", "type"}),
    "fleet_call_duration_seconds": ("histogram", {"action"}),
    "fleet_call_response_seconds": ("histogram", {"action"}),
    "fleet_call_errors_total": ("counter", {"action", "code"}),
    "fleet_call_timeouts_total": ("counter", {"action"}),
    "fleet_call_cut_offs_total": ("counter", {"action"}),
    "fleet_transactions_active": ("gauge", set()),
    "fleet_transactions_started_total": ("counter", set()),
    "fleet_transactions_stopped_total": ("counter", {"reason"}),
    "fleet_transactions_total": ("counter", {"outcome"}),
    "fleet_transaction_messages_lost_total": ("counter", {"action"}),
    "fleet_power_watts": ("gauge", set()),
    "fleet_energy_delivered_watthours_total": ("counter", set()),
    "fleet_energy_reported_watthours_total": ("counter", set()),
    "fleet_energy_acknowledged_watthours_total": ("counter", set()),
    "fleet_connects_total": ("counter", {"outcome"}),
    "fleet_disconnects_total": ("counter", {"reason"}),
    "fleet_connect_duration_seconds": ("histogram", {"phase"}),
    "fleet_outbox_messages": ("gauge", set()),
    "fleet_outbox_oldest_seconds": ("gauge", set()),
    "fleet_schedule_lag_seconds": ("histogram", set()),
    "fleet_generator_utilisation_ratio": ("gauge", set()),
    "fleet_csms_violations_total": ("counter", {"rule"}),
    "fleet_book_violations_total": ("counter", {"rule"}),
    "fleet_events_total": ("counter", {"kind"}),
    "fleet_event_timestamp_seconds": ("gauge", {"kind"}),
    "fleet_actor_restarts_total": ("counter", set()),
    "fleet_reboots_total": ("counter", set()),
    "fleet_build_info": ("gauge", {"seed", "version"}),
}


@pytest.fixture
def scraped() -> Scraped:
    return Scraped()


def settled(
    action: str, outcome: str = "Result", *, due: float = 0.0, sent: float | None = 0.0, at: float = 0.1
) -> CallSettled:
    return CallSettled(action, outcome, due, sent, at)


# ---- the names -------------------------------------------------------------------------------------------------------


def test_the_names_types_and_labels_are_those_that_dashboards_rely_on(scraped: Scraped) -> None:
    # A CALL of the CSMS, so that every family has a series of each shape.
    scraped.tell(CallServed("Reset", "Result", 1.0))
    text = scraped.text()
    types = dict(re.findall(r"^# TYPE (fleet_\w+) (\w+)$", text, re.MULTILINE))
    assert types == {name: kind for name, (kind, _) in NAMES.items()}
    for name, (kind, labels) in NAMES.items():
        found = re.findall(rf"^{name}(?:_bucket)?(?:{{(.*)}})? ", text, re.MULTILINE)
        assert found, name
        extra = {"le"} if kind == "histogram" else set()
        assert all(set(re.findall(r"(\w+)=", line)) == labels | extra for line in found), name


def test_every_family_says_what_it_is(scraped: Scraped) -> None:
    helped = dict(re.findall(r"^# HELP (fleet_\w+) (.+)$", scraped.text(), re.MULTILINE))
    assert helped.keys() == NAMES.keys()
    assert all(text.endswith(".") for text in helped.values())
    assert "from when each was due" in helped["fleet_call_duration_seconds"]


def test_promtool_has_nothing_to_object(scraped: Scraped) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("FLEET_REAL_PARTS") != "required", "promtool is not installed"
        pytest.skip("promtool is not installed")
    for reports in ((), EVERYTHING):
        scraped.tell(*reports)
        checked = subprocess.run(
            [promtool, "check", "metrics"],
            input=scraped.text(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_page_is_openmetrics_too(scraped: Scraped) -> None:
    scraped.tell(*EVERYTHING)
    text = openmetrics.generate_latest(scraped.metrics).decode()
    names = {family.name for family in parse_openmetrics(text)}
    assert {"fleet_messages", "fleet_call_duration_seconds", "fleet_build"} <= names


def test_what_is_known_to_come_is_there_with_zero_before_it_comes(scraped: Scraped) -> None:
    samples = scraped.samples()
    for name, labels in [
        ("fleet_connectors", ("Charging",)),
        ("fleet_charge_points", ("offline",)),
        ("fleet_call_errors_total", ("Authorize", "InternalError")),
        ("fleet_call_timeouts_total", ("MeterValues",)),
        ("fleet_call_duration_seconds_count", ("StartTransaction",)),
        ("fleet_messages_total", ("StopTransaction", "sent", "call")),
        ("fleet_connects_total", ("refused",)),
        ("fleet_disconnects_total", ("reset",)),
        ("fleet_connect_duration_seconds_count", ("tls",)),
        ("fleet_transactions_total", ("lost",)),
        ("fleet_transactions_stopped_total", ("PowerLoss",)),
        ("fleet_transaction_messages_lost_total", ("StopTransaction",)),
        ("fleet_csms_violations_total", ("double-reply",)),
        ("fleet_book_violations_total", ("lost-transaction",)),
        ("fleet_events_total", ("fault",)),
        ("fleet_event_timestamp_seconds", ("fault",)),
    ]:
        assert samples[name, labels] == 0, name
    assert {labels[0] for name, labels in samples if name == "fleet_charge_points"} == set(ChargePointState)
    assert {labels[0] for name, labels in samples if name == "fleet_connectors"} == set(ConnectorStatus)
    assert samples["fleet_build_info", ("7", "1.2.3")] == 1


# ---- what it counts --------------------------------------------------------------------------------------------------


def test_a_call_counts_from_when_it_was_due_and_from_when_it_was_sent(scraped: Scraped) -> None:
    scraped.tell(
        settled("MeterValues", due=10.0, sent=12.0, at=12.1), settled("MeterValues", due=10.0, sent=12.1, at=12.125)
    )
    samples = scraped.samples()
    assert samples["fleet_call_duration_seconds_bucket", ("MeterValues", "2.0")] == 0
    assert samples["fleet_call_duration_seconds_bucket", ("MeterValues", "3.0")] == 2
    assert samples["fleet_call_duration_seconds_sum", ("MeterValues",)] == pytest.approx(4.225)
    assert samples["fleet_call_response_seconds_bucket", ("MeterValues", "0.02")] == 0
    assert samples["fleet_call_response_seconds_bucket", ("MeterValues", "0.05")] == 1
    assert samples["fleet_call_response_seconds_bucket", ("MeterValues", "+Inf")] == 2
    assert samples["fleet_call_response_seconds_sum", ("MeterValues",)] == pytest.approx(0.125)


def test_a_bound_belongs_to_its_own_bucket(scraped: Scraped) -> None:
    scraped.tell(settled("Heartbeat", due=0.0, at=0.5), settled("Heartbeat", due=0.0, at=3600.0))
    samples = scraped.samples()
    assert samples["fleet_call_duration_seconds_bucket", ("Heartbeat", "0.3")] == 0
    assert samples["fleet_call_duration_seconds_bucket", ("Heartbeat", "0.5")] == 1
    assert samples["fleet_call_duration_seconds_bucket", ("Heartbeat", "30.0")] == 1
    assert samples["fleet_call_duration_seconds_count", ("Heartbeat",)] == 2


def test_a_timeout_counts_with_the_time_waited_and_one_cut_off_not_at_all(scraped: Scraped) -> None:
    scraped.tell(
        settled("Heartbeat", "Timeout", due=0.0, sent=0.0, at=15.0),
        settled("Heartbeat", "Disconnected", due=0.0, sent=0.0, at=3.0),
        settled("Heartbeat", "Disconnected", due=0.0, sent=None, at=3.0),
    )
    samples = scraped.samples()
    assert samples["fleet_call_duration_seconds_count", ("Heartbeat",)] == 1
    assert samples["fleet_call_duration_seconds_bucket", ("Heartbeat", "20.0")] == 1
    assert samples["fleet_call_timeouts_total", ("Heartbeat",)] == 1
    assert samples["fleet_call_cut_offs_total", ("Heartbeat",)] == 2
    assert samples["fleet_messages_total", ("Heartbeat", "sent", "call")] == 2
    assert samples["fleet_messages_total", ("Heartbeat", "received", "result")] == 0
    assert not any(value for (name, _), value in samples.items() if name == "fleet_call_errors_total")


def test_messages_are_counted_by_action_direction_and_type(scraped: Scraped) -> None:
    scraped.tell(
        settled("Authorize"),
        settled("Authorize"),
        settled("Authorize", "InternalError"),
        settled("Authorize", "BadResult"),
        CallServed("Reset", "Result", 1.0),
        CallServed("Reset", "FormationViolation", 1.0),
        CallServed("DataTransfer", "NotImplemented", 1.0),
        settled("DataTransfer"),
    )
    messages = {labels: value for (name, labels), value in scraped.samples().items() if name == "fleet_messages_total"}
    assert {labels: value for labels, value in messages.items() if value} == {
        ("Authorize", "sent", "call"): 4,
        ("Authorize", "received", "result"): 3,
        ("Authorize", "received", "error"): 1,
        ("Reset", "received", "call"): 2,
        ("Reset", "sent", "result"): 1,
        ("Reset", "sent", "error"): 1,
        ("DataTransfer", "received", "call"): 1,
        ("DataTransfer", "sent", "error"): 1,
        ("DataTransfer", "sent", "call"): 1,
        ("DataTransfer", "received", "result"): 1,
    }
    errors = {labels: value for (name, labels), value in scraped.samples().items() if name == "fleet_call_errors_total"}
    assert {labels: value for labels, value in errors.items() if value} == {
        ("Authorize", "InternalError"): 1,
        ("Authorize", "BadResult"): 1,
    }


def test_connections_are_counted_with_what_each_stage_took(scraped: Scraped) -> None:
    scraped.tell(
        ConnectFailed("refused", "nobody listens", 1.0),
        LinkUp(0.3, 0.004, None, 0.02),
        LinkDown("reset"),
        LinkUp(0.3, 0.004, 0.25, 0.02),
    )
    samples = scraped.samples()
    assert samples["fleet_connects_total", ("connected",)] == 2
    assert samples["fleet_connects_total", ("refused",)] == 1
    assert samples["fleet_disconnects_total", ("reset",)] == 1
    counts = {phase: samples["fleet_connect_duration_seconds_count", (phase,)] for phase in ("tcp", "tls", "websocket")}
    assert counts == {"tcp": 2, "tls": 1, "websocket": 2}
    assert samples["fleet_connect_duration_seconds_sum", ("tls",)] == 0.25


def test_transactions_are_counted_by_what_became_of_them(scraped: Scraped) -> None:
    scraped.tell(
        TransactionStarted(1, 0.0, "a", "TAG", 0),
        TransactionStarted(2, 0.0, "b", "TAG", 0),
        TransactionStopped(1, 9.0, "a", 250, StopReason.LOCAL),
        TransactionDelivered(1, "a", 7, 250, 9.5),
        MessageLost("MeterValues", "b", "3 attempts", 10.0),
        MessageLost("StopTransaction", "b", "3 attempts", 10.0, final=True),
    )
    samples = scraped.samples()
    assert samples["fleet_transactions_active", ()] == 1
    assert samples["fleet_transactions_started_total", ()] == 2
    assert samples["fleet_transactions_stopped_total", ("Local",)] == 1
    outcomes = {
        outcome: samples["fleet_transactions_total", (outcome,)] for outcome in ("delivered", "lost", "abandoned")
    }
    assert outcomes == {"delivered": 1, "lost": 1, "abandoned": 0}
    assert samples["fleet_transaction_messages_lost_total", ("MeterValues",)] == 1


def test_energy_delivered_goes_on_between_readings_and_never_falls(scraped: Scraped) -> None:
    scraped.books.reported_wh, scraped.books.acknowledged_wh = 300, 200
    scraped.tell(PowerChanged(1, 0.0, 7200.0, 0.0))
    scraped.now = 60.0
    assert scraped.value("fleet_energy_delivered_watthours_total") == pytest.approx(120.0)
    assert scraped.value("fleet_power_watts") == 7200
    # The battery's taper: less flowed than the power a minute ago let expect.
    scraped.tell(PowerChanged(1, 60.0, 3600.0, 110.0))
    assert scraped.value("fleet_energy_delivered_watthours_total") == pytest.approx(120.0)
    scraped.now = 80.0
    assert scraped.value("fleet_energy_delivered_watthours_total") == pytest.approx(130.0)
    assert scraped.value("fleet_energy_reported_watthours_total") == 300
    assert scraped.value("fleet_energy_acknowledged_watthours_total") == 200


def test_the_outbox_tells_how_long_its_oldest_message_has_waited(scraped: Scraped) -> None:
    assert scraped.value("fleet_outbox_oldest_seconds") == 0
    scraped.now = 100.0
    scraped.tell(OutboxChanged(3, 90.0, 70.0))
    scraped.tell(OutboxChanged(1, 95.0, 40.0), charge_point_id="CP2")
    assert (scraped.value("fleet_outbox_messages"), scraped.value("fleet_outbox_oldest_seconds")) == (4, 60)
    scraped.tell(OutboxChanged(0, 100.0), charge_point_id="CP2")
    assert (scraped.value("fleet_outbox_messages"), scraped.value("fleet_outbox_oldest_seconds")) == (3, 30)
    scraped.tell(Drained(100.0, 0))
    assert (scraped.value("fleet_outbox_messages"), scraped.value("fleet_outbox_oldest_seconds")) == (0, 0)


def test_crashes_and_reboots_are_counted_apart(scraped: Scraped) -> None:
    scraped.tell(Restarted(1.0, crashed=True, cause="bug"), Restarted(2.0, crashed=False, cause="HardReset"))
    assert (scraped.value("fleet_actor_restarts_total"), scraped.value("fleet_reboots_total")) == (1, 1)


def test_the_generator_tells_how_late_and_how_busy_it_is(scraped: Scraped) -> None:
    scraped.health.lag_counts = [5, 3, 0, 1, 1]
    scraped.health.lag_sum_s, scraped.health.utilisation_lately = 3.5, 0.25
    samples = scraped.samples()
    bounds = ("0.001", "0.01", "0.1", "1.0", "+Inf")
    assert [samples["fleet_schedule_lag_seconds_bucket", (bound,)] for bound in bounds] == [5, 8, 8, 9, 10]
    assert samples["fleet_schedule_lag_seconds_sum", ()] == 3.5
    assert samples["fleet_generator_utilisation_ratio", ()] == 0.25


def test_a_run_s_own_books_and_health_are_read() -> None:
    board, books, health = Board([ChargePointPlan("CP1")]), Books(), Health()
    metrics = Metrics(board, books, health, Journal(Clock(0.0)), version="1", seed=1, now=lambda: 20.0)
    observer = Observer(board, books, health, metrics)
    health.begin()
    health.reached(0.3)
    observer.report("CP1", TransactionStarted(1, 0.0, "a", "TAG", 1_000))
    observer.report("CP1", TransactionStopped(1, 9.0, "a", 1_250, StopReason.LOCAL))
    observer.report("CP1", TransactionDelivered(1, "a", 7, 249, 9.5))
    samples = samples_of(generate_latest(metrics).decode())
    assert samples["fleet_energy_reported_watthours_total", ()] == 250
    assert samples["fleet_energy_acknowledged_watthours_total", ()] == books.acknowledged_wh > 0
    assert samples["fleet_book_violations_total", ("acknowledged-difference",)] == 1
    assert samples["fleet_schedule_lag_seconds_bucket", ("+Inf",)] == health.lag.count > 0


def test_events_tell_when_the_last_of_a_kind_was(scraped: Scraped) -> None:
    scraped.journal.note(EventKind.FAULT, "cut 500 links", 25.0)
    scraped.journal.note(EventKind.FAULT, "cut 500 links", 50.0)
    assert scraped.value("fleet_events_total", "fault") == 2
    assert scraped.value("fleet_event_timestamp_seconds", "fault") == 1_000_050


def test_violations_are_counted_by_rule_on_both_sides(scraped: Scraped) -> None:
    scraped.tell(ProtocolViolated("double-reply", "id 7", 1.0), ProtocolViolated("not-json", "x", 1.0))
    scraped.books.violations.add("lost-transaction")
    assert scraped.value("fleet_csms_violations_total", "double-reply") == 1
    assert scraped.value("fleet_csms_violations_total", "not-json") == 1
    assert scraped.value("fleet_book_violations_total", "lost-transaction") == 1


def test_the_metrics_do_not_ask_for_what_they_do_not_count(scraped: Scraped) -> None:
    assert CallSettled in scraped.metrics.wants
    assert CableChanged not in scraped.metrics.wants


# ---- what it never says ----------------------------------------------------------------------------------------------

EVERYTHING: tuple[ObservedReport, ...] = (
    LinkUp(0.3, 0.004, 0.25, 0.02),
    Registered(1.0, RegistrationStatus.ACCEPTED, 300),
    StatusChanged(1, 1.0, ConnectorStatus.CHARGING),
    settled("Authorize"),
    settled("Authorize", 'Bad"code\\\n'),
    settled('act"ion\\\n{}', "Timeout"),
    CallServed("", "FormationViolation", 1.0),
    CallServed("GetConfiguration", "Result", 1.0),
    ProtocolViolated("not-json", "x", 1.0),
    ConnectFailed("http-503", ""),
    LinkDown("closed-4999"),
    OutboxChanged(3, 5.0, 2.0),
)


def flood(scraped: Scraped, size: int) -> None:
    """A CSMS and a person at the shell that never say the same thing twice."""
    for number in range(size):
        scraped.tell(
            settled(f"Action{number}", f"Code{number}"),
            settled("Authorize", f"Code{number}"),
            settled(f"Another{number}", "Timeout"),
            CallServed(f"Wish{number}", "NotImplemented", 1.0),
            CallServed(f"Wish{number}", "Result", 1.0),
            ConnectFailed(f"http-{number}", ""),
            LinkUp(0.1, 0.1, 0.1, 0.1),
            LinkDown(f"closed-{number}"),
            ProtocolViolated(f"rule-{number}", "", 1.0),
            MessageLost(f"Message{number}", "t", "", 1.0),
            Restarted(1.0, crashed=True, cause=f"bug {number}"),
        )
        scraped.books.violations.add(f"rule-{number}")


def test_there_are_fewer_than_a_thousand_series_whatever_a_csms_makes_up(scraped: Scraped) -> None:
    # More bounds than the generator's lag has.
    scraped.health.lag_bounds_s = tuple(float(bound) for bound in range(1, 31))
    scraped.health.lag_counts = [1] * 31
    flood(scraped, 2_000)
    samples = scraped.samples()
    assert len(samples) < SERIES_MAX
    # And nothing of it is lost.
    assert total(samples, "fleet_messages_total", "sent", "call") == 6_000
    assert total(samples, "fleet_messages_total", "received", "call") == 4_000
    assert total(samples, "fleet_call_errors_total") == 4_000
    assert total(samples, "fleet_call_timeouts_total") == 2_000
    assert total(samples, "fleet_call_duration_seconds_count") == 6_000
    assert total(samples, "fleet_disconnects_total") == 2_000
    assert total(samples, "fleet_csms_violations_total") == 2_000
    assert total(samples, "fleet_book_violations_total") == 2_000


def total(samples: dict[tuple[str, tuple[str, ...]], float], name: str, *labels: str) -> float:
    return sum(value for (found, having), value in samples.items() if found == name and set(labels) <= set(having))


def test_a_fleet_of_many_has_no_more_series_than_a_fleet_of_two(scraped: Scraped) -> None:
    many = Scraped([ChargePointPlan(f"CP{number}") for number in range(3_000)])
    assert many.samples().keys() == scraped.samples().keys()


def test_nobody_makes_what_is_well_known_disappear_by_making_things_up_first(scraped: Scraped) -> None:
    flood(scraped, 60)
    scraped.tell(settled("StopTransaction", "InternalError"), ConnectFailed("refused", ""), LinkDown("reset"))
    samples = scraped.samples()
    assert samples["fleet_call_errors_total", ("StopTransaction", "InternalError")] == 1
    assert samples["fleet_call_duration_seconds_count", ("StopTransaction",)] == 1
    assert samples["fleet_connects_total", ("refused",)] == 1
    assert samples["fleet_disconnects_total", ("reset",)] == 1


def test_no_counter_falls_while_things_are_made_up(scraped: Scraped) -> None:
    before = scraped.samples()
    for _ in range(40):
        flood(scraped, 7)
        after = scraped.samples()
        fallen = [
            series
            for series, value in before.items()
            if series[0].endswith(("_total", "_count", "_bucket")) and after[series] < value
        ]
        assert fallen == []
        before = after


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_foreign_words_make_short_and_printable_label_values(action: str, code: str) -> None:
    scraped = Scraped()
    scraped.tell(settled(action, code), CallServed(action, code, 1.0), ProtocolViolated(code, "", 1.0))
    text = scraped.text()
    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text.split("\n")) == len(text.splitlines()) + 1
    assert all(len(label) < 60 for _, labels in samples_of(text) for label in labels)
