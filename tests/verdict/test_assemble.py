"""The summary of a run from what its listeners counted, and the verdict in its order of precedence."""

from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve

from fleet.clock import Clock
from fleet.core.delivery_reports import TransactionBound, TransactionDelivered
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import (
    CallServed,
    CallSettled,
    ConnectFailed,
    GivenUp,
    LinkUp,
    MeterSampled,
    ObservedReport,
    PoweredUp,
    ProtocolViolated,
    Reading,
    Registered,
    TransactionStarted,
    TransactionStopped,
)
from fleet.observe.board import Board
from fleet.observe.books import Books
from fleet.observe.health import Health
from fleet.observe.journal import EventKind, Journal
from fleet.observe.latency import Latency
from fleet.observe.observer import Observer
from fleet.observe.timeline import Timeliner
from fleet.verdict.assemble import Circumstances, Listeners, assemble
from fleet.verdict.document import ObjectiveResult, Result, Summary, dump, load
from fleet.verdict.slo import parse_objective
from fleet.words import ReadingContext, RegistrationStatus, StopReason

UP: Sequence[ObservedReport] = (PoweredUp(100.0), LinkUp(), Registered(100.5, RegistrationStatus.ACCEPTED, 300))
NO_DESCRIPTORS = ConnectFailed("resources", "too many open files")
FAILED = parse_objective("calls() > 1000", ())
MET = parse_objective("booted >= 100%", ())
KNOWN = Circumstances(
    version="1",
    seed=42,
    target="ws://csms",
    began_at="2026-11-22T14:18:49Z",
    started_at=100.0,
    duration_s=10.0,
    elapsed_s=10.0,
    objectives=[MET],
)


class Run:
    """Listeners that hear of a run that began at 100 s and took 10 s, and its summary."""

    def __init__(self, *reports: ObservedReport) -> None:
        self.board = Board([ChargePointPlan("CP1", connectors=(ConnectorPlan(),))])
        books, latency, health, journal = Books(), Latency(), Health(), Journal(Clock(0.0))
        timeline = Timeliner(self.board, latency, health, 100.0)
        self.listeners = Listeners(self.board, books, latency, health, journal, timeline)
        self._observer = Observer(self.board, books, latency, health)
        self.tell(*UP, *reports)

    def tell(self, *reports: ObservedReport) -> None:
        for report in reports:
            self._observer.report("CP1", report)

    def summary(self, **circumstances: Any) -> Summary:
        return assemble(self.listeners, self.listeners.books.compare(), evolve(KNOWN, **circumstances))


def transaction(stop_wh: int = 50) -> tuple[ObservedReport, ...]:
    return (
        TransactionStarted(1, 101.0, "1", "TAG", 0),
        TransactionBound(1, "1", 7, 101.1),
        MeterSampled(1, Reading(105.0, ReadingContext.SAMPLE_PERIODIC, ()), "1", 7200.0, stop_wh),
        TransactionStopped(1, 105.0, "1", stop_wh, StopReason.LOCAL),
    )


def test_a_run_in_which_everything_was_as_it_should_be_has_passed(tmp_path: Any) -> None:
    run = Run(*transaction(), TransactionDelivered(1, "1", 7, 50, 106.0))
    summary = run.summary()
    assert (summary.result, summary.exit_code, summary.reasons) == (Result.PASSED, 0, ())
    assert [(each.objective, each.built_in) for each in summary.objectives] == [
        ("booted >= 100%", False),
        ("lost_transactions == 0", True),
        ("energy_difference_wh == 0", True),
        ("the books balance", True),
    ]
    (tmp_path / "summary.json").write_bytes(dump(summary))
    assert load(tmp_path / "summary.json") == summary


@pytest.mark.parametrize(
    ("reports", "circumstances", "result", "exit_code"),
    [
        ((), {"objectives": [FAILED]}, Result.FAILED, 99),
        ((), {"failed_expectations": 1}, Result.FAILED, 99),
        (transaction(), {}, Result.FAILED, 99),
        ((), {"incomplete": ("no records",)}, Result.INCOMPLETE, 98),
        ((GivenUp(103.0, "a bug"),), {}, Result.INCOMPLETE, 98),
        ((NO_DESCRIPTORS,), {}, Result.INVALID, 98),
        # Whoever plays with one charge point doesn't measure anything.
        ((NO_DESCRIPTORS,), {"measuring": False}, Result.PASSED, 0),
        # What says most about the others decides.
        ((), {"objectives": [FAILED], "incomplete": ("no records",)}, Result.INCOMPLETE, 98),
        ((NO_DESCRIPTORS,), {"objectives": [FAILED], "incomplete": ("no records",)}, Result.INVALID, 98),
        ((NO_DESCRIPTORS,), {"objectives": [FAILED], "interrupted": True}, Result.INTERRUPTED, 105),
        ((), {"interrupted": True}, Result.INTERRUPTED, 105),
    ],
)
def test_the_verdict_and_its_exit_code(
    reports: Sequence[ObservedReport], circumstances: dict[str, Any], result: Result, exit_code: int
) -> None:
    summary = Run(*reports).summary(**circumstances)
    assert (summary.result, summary.exit_code) == (result, exit_code)
    assert bool(summary.reasons) is (circumstances not in ({"interrupted": True}, {"measuring": False}))


def test_who_was_given_up_is_missing_also_when_it_was_taken_out_of_the_fleet() -> None:
    run = Run(GivenUp(103.0, "a bug"))
    run.board.remove("CP1")
    summary = run.summary(objectives=[])
    assert (summary.result, summary.charge_points.given_up) == (Result.INCOMPLETE, 1)
    assert summary.reasons == ("charge points that crashed too often and were given up: 1",)


def test_the_objective_that_ended_the_run_has_failed_whatever_it_came_to_while_it_drained() -> None:
    then = ObjectiveResult("booted >= 100%", False, 0.5, "50% (1 of 2)")
    summary = Run().summary(aborted=then)
    assert summary.objectives[0] == then
    assert summary.result is Result.FAILED


def test_a_transaction_that_was_never_acknowledged_is_lost_and_unbalances_the_books() -> None:
    summary = Run(*transaction()).summary()
    assert (summary.transactions.lost, summary.transactions.delivered, summary.books.balanced) == (1, 0, False)
    assert (summary.books.reported_wh, summary.books.acknowledged_wh, summary.books.difference_wh) == (50, 0, 50)


def test_calls_are_told_by_action_with_what_became_of_them() -> None:
    run = Run(
        *(CallSettled("Authorize", "Result", 101.0, 101.5, 102.0) for _ in range(8)),
        CallSettled("Authorize", "InternalError", 101.0, 101.5, 102.0),
        CallSettled("Authorize", "Timeout", 101.0, 101.5, 131.5),
        CallSettled("Authorize", "Disconnected", 101.0, None, 102.0),
        CallSettled("Heartbeat", "Result", 101.0, 101.0, 101.25),
        CallServed("Reset", "Result", 103.0),
        CallServed("Nonsense", "NotImplemented", 103.0),
    )
    summary = run.summary()
    assert list(summary.calls) == ["Authorize", "Heartbeat"]
    call = summary.calls["Authorize"]
    assert (call.count, call.rate_per_s, call.errors, call.timeouts, call.cut_off) == (11, 1.1, 1, 1, 1)
    assert call.error_codes == {"InternalError": 1}
    assert call.due is not None
    assert call.sent is not None
    # The one that was cut off is in no percentile; the one without an answer is, and those from it on are lower bounds.
    assert (call.due.count, call.due.censored, call.due.p50_s) == (10, 1, pytest.approx(1.0, rel=0.001))
    assert (call.sent.p50_s, call.sent.p99_s) == (pytest.approx(0.5, rel=0.001), 30.0)
    assert call.sent.at_least == ("p95_s", "p99_s", "p99_9_s", "max_s")
    assert {action: served.outcomes for action, served in summary.served.items()} == {
        "Reset": {"Result": 1},
        "Nonsense": {"NotImplemented": 1},
    }
    assert summary.messages == 14


def test_violations_and_events_are_there_with_their_words() -> None:
    run = Run(*(ProtocolViolated("clock-skew", f"its clock is {seconds} s fast", 101.0) for seconds in range(60, 70)))
    run.listeners.journal.note(EventKind.COMMAND, "scale 500", 104.5)
    summary = run.summary()
    assert summary.violations["clock-skew"].count == 10
    assert summary.violations["clock-skew"].examples[0] == "CP1: its clock is 60 s fast"
    assert len(summary.violations["clock-skew"].examples) == 3
    assert [(event.at_s, event.kind, event.text) for event in summary.events] == [(4.5, "command", "scale 500")]
