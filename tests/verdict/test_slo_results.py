"""What becomes of objectives, on the listeners of a run that never was."""

from collections.abc import Iterable
from fractions import Fraction

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.delivery_reports import MessageLost, TransactionBound, TransactionDelivered
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import (
    CallSettled,
    ConnectFailed,
    LinkDown,
    LinkUp,
    MeterSampled,
    ObservedReport,
    PoweredUp,
    ProtocolViolated,
    Reading,
    Registered,
    RemoteStartAccepted,
    TransactionStarted,
    TransactionStopped,
)
from fleet.observe.board import Board
from fleet.observe.books import Balance, Books
from fleet.observe.latency import Latency
from fleet.observe.observer import Observer
from fleet.observe.tally import KINDS_MAX
from fleet.verdict.document import ObjectiveResult
from fleet.verdict.slo import Figures, built_in, parse_objective
from fleet.words import ReadingContext, RegistrationStatus, StopReason

ACTIONS = ("Authorize", "Heartbeat", "StartTransaction")


class Run:
    """Listeners that were told something, and objectives asked of them."""

    def __init__(self, charge_points: int = 1) -> None:
        plans = [ChargePointPlan(f"CP{number}", connectors=(ConnectorPlan(),)) for number in range(charge_points)]
        self.board, self.latency, self.books = Board(plans), Latency(), Books()
        self._observer = Observer(self.board, self.latency, self.books)

    def tell(self, *reports: ObservedReport, to: str = "CP0") -> "Run":
        for report in reports:
            self._observer.report(to, report)
        return self

    def calls(self, durations_s: Iterable[float], outcome: str = "Result", action: str = "Authorize") -> "Run":
        """CALLs that were due 1 s before they were sent, and over so long after that."""
        return self.tell(*(CallSettled(action, outcome, 9.0, 10.0, 10.0 + each) for each in durations_s))

    def transaction(self, energy_wh: int = 1000, *, delivered: bool = True) -> "Run":
        self.tell(
            TransactionStarted(1, 1.0, "T1", "TAG", 0),
            MeterSampled(1, Reading(2.0, ReadingContext.SAMPLE_PERIODIC, ()), "T1", 0.0, energy_wh),
            TransactionBound(1, "T1", 7, 1.0),
            TransactionStopped(1, 2.0, "T1", energy_wh, StopReason.LOCAL),
        )
        return self.tell(TransactionDelivered(1, "T1", 7, energy_wh, 3.0)) if delivered else self

    def figures(self, *, running: bool = False, elapsed_s: float = 100.0, failed_expectations: int = 0) -> Figures:
        balance = None if running else self.books.compare()
        return Figures(self.board, self.latency, balance, elapsed_s, failed_expectations)

    def result(self, objective: str, **circumstances: bool | float) -> ObjectiveResult:
        return parse_objective(objective, ACTIONS).evaluate(self.figures(**circumstances))  # type: ignore[arg-type]

    def breached(self, objective: str, **circumstances: bool | float) -> bool:
        return parse_objective(objective, ACTIONS).breached(self.figures(**circumstances))  # type: ignore[arg-type]


def outcome(result: ObjectiveResult) -> tuple[bool, str]:
    return result.passed, result.shown


# ---- durations -------------------------------------------------------------------------------------------------------


def test_a_percentile_counts_from_when_the_message_was_due_unless_sent_is_asked_for() -> None:
    run = Run().calls(number / 100 for number in range(1, 101))
    assert outcome(run.result("p99(Authorize) < 2s")) == (True, "1.99s")
    assert outcome(run.result("p99(Authorize) < 1s")) == (False, "1.99s")
    assert outcome(run.result("p99(Authorize, sent) < 1s")) == (True, "990ms")
    assert outcome(run.result("p50(Authorize, sent) <= 600ms")) == (True, "500ms")
    assert run.result("p99(Authorize, sent) < 1s").value == pytest.approx(0.99, rel=0.001)
    assert outcome(run.result("max(Authorize, sent) < 1s")) == (False, "1s")
    assert outcome(run.result("min(Authorize, sent) <= 10.1ms")) == (True, "10ms")
    assert outcome(run.result("mean(Authorize, sent) < 600ms")) == (True, "505ms")


def test_one_boot_of_a_thousand_that_was_cut_short_does_not_leave_the_percentiles_open_for_ever() -> None:
    run = Run()
    for number in range(1, 1000):
        run.tell(PoweredUp(0.0), Registered(number / 1000, RegistrationStatus.ACCEPTED, 300))
    run.tell(PoweredUp(0.0), PoweredUp(0.002))
    assert outcome(run.result("p95(boot) < 5s")) == (True, "949ms to 950ms")
    assert outcome(run.result("p95(boot) < 940ms")) == (False, "949ms to 950ms")
    assert run.breached("p95(boot) < 940ms")
    assert outcome(run.result("p95(boot) > 940ms")) == (True, "949ms to 950ms")
    assert outcome(run.result("p95(boot) == 2s")) == (False, "949ms to 950ms")
    # Between the two nobody knows, and of the slowest it is the boot itself that isn't known.
    assert outcome(run.result("p95(boot) < 949.9ms")) == (False, "949ms to 950ms")
    assert not run.breached("p95(boot) < 949.9ms")
    assert outcome(run.result("max(boot) < 5s")) == (False, ">= 999ms")


def test_all_is_every_action_together() -> None:
    run = Run().calls([0.1] * 99).calls([5.0], action="Heartbeat")
    assert outcome(run.result("max(all, sent) < 1s")) == (False, "5s")
    assert outcome(run.result("p95(all, sent) < 1s")) == (True, "100ms")


def test_errors_answer_as_results_do_and_calls_that_were_cut_off_say_nothing_of_the_csms() -> None:
    run = Run().calls([0.1]).calls([3.0], "InternalError").calls([20.0], "Disconnected")
    assert outcome(run.result("max(Authorize, sent) < 1s")) == (False, "3s")


@pytest.mark.parametrize(
    ("objective", "shown"),
    [
        ("p99(Authorize) < 1s", "no Authorize was sent"),
        ("p99(all) < 1s", "no call was sent"),
        ("max(boot) < 1s", "no charge point was accepted"),
        ("max(connect) < 1s", "no charge point connected"),
        ("max(remote_start) < 1s", "no RemoteStartTransaction led to a transaction"),
        ("max(remote_stop) < 1s", "no RemoteStopTransaction ended a transaction"),
        ("errors(Authorize) / calls(Authorize) < 1%", "no Authorize was sent"),
        ("errors() / calls() < 1%", "no call was sent"),
        ("disconnects / transactions < 1%", "transactions is 0"),
    ],
)
def test_an_objective_that_measured_nothing_does_not_pass_and_says_what_was_missing(objective: str, shown: str) -> None:
    result = Run().result(objective)
    assert outcome(result) == (False, shown)
    assert result.value is None
    assert not Run().breached(objective)


def test_calls_that_were_all_cut_off_leave_nothing_to_measure() -> None:
    assert outcome(Run().calls([1.0], "Disconnected").result("p99(Authorize) < 9s")) == (
        False,
        "no Authorize was answered",
    )


def test_a_percentile_among_timeouts_is_a_lower_bound_that_passes_no_upper_limit() -> None:
    run = Run().calls([0.1] * 90).calls([30.0] * 10, "Timeout")
    assert outcome(run.result("p99(Authorize, sent) < 10s")) == (False, ">= 30s")
    assert outcome(run.result("p99(Authorize, sent) < 40s")) == (False, ">= 30s")
    assert outcome(run.result("max(Authorize, sent) < 40s")) == (False, ">= 30s")
    assert not run.result("mean(Authorize, sent) < 40s").passed
    assert outcome(run.result("p90(Authorize, sent) < 10s")) == (True, "100ms")
    assert outcome(run.result("p99(Authorize, sent) > 10s")) == (True, ">= 30s")
    assert outcome(run.result("p99(Authorize, sent) > 40s")) == (False, ">= 30s")
    assert outcome(run.result("p99(Authorize, sent) != 10s")) == (True, ">= 30s")
    assert outcome(run.result("p99(Authorize, sent) == 30s")) == (False, ">= 30s")


def test_only_a_bound_beyond_the_limit_is_a_breach_and_one_below_leaves_it_open() -> None:
    run = Run().calls([0.1] * 90).calls([30.0] * 10, "Timeout")
    assert run.breached("p99(Authorize, sent) < 10s")
    assert run.breached("p99(Authorize, sent) == 10s")
    assert not run.breached("p99(Authorize, sent) < 40s")
    assert not run.breached("p99(Authorize, sent) > 40s")
    assert not run.breached("p99(Authorize, sent) > 10s")
    assert not run.breached("p90(Authorize, sent) < 10s")


def test_connecting_booting_and_remote_starts_are_timed_too() -> None:
    run = Run().tell(
        PoweredUp(1.0),
        LinkUp(0.4, 0.1, None, 0.3),
        Registered(3.0, RegistrationStatus.ACCEPTED, 300),
        RemoteStartAccepted(1, "TAG", 10.0),
        TransactionStarted(1, 10.1, "T1", "TAG", 0),
        CallSettled("StartTransaction", "Result", 10.1, 10.25, 10.5, transaction="T1"),
    )
    assert outcome(run.result("p95(boot) < 5s")) == (True, "2s")
    assert outcome(run.result("p95(connect) < 300ms")) == (False, "400ms")
    assert outcome(run.result("max(remote_start) < 1s")) == (True, "250ms")


def test_a_value_is_shown_with_as_many_digits_as_its_verdict_needs() -> None:
    run = Run().calls([0.8003])
    assert outcome(run.result("max(Authorize, sent) <= 800ms")) == (False, "800.3ms")
    assert outcome(run.result("max(Authorize, sent) < 900ms")) == (True, "800ms")
    run = Run(charge_points=1)
    run.calls([0.1] * 99_999).calls([0.1], "InternalError")
    assert outcome(run.result("errors() / calls() == 0%")) == (False, "0.001% (1 of 100,000)")


# ---- counts, shares and rates ----------------------------------------------------------------------------------------


def test_calls_count_by_how_they_ended() -> None:
    run = Run().calls([1.0] * 4).calls([1.0] * 2, "InternalError").calls([1.0], "BadResult")
    run.calls([1.0] * 3, "Timeout").calls([1.0] * 5, "Disconnected").calls([1.0] * 7, action="Heartbeat")
    assert run.result("calls(Authorize) == 15").passed
    assert run.result("errors(Authorize) == 3").passed
    assert run.result("timeouts(Authorize) == 3").passed
    assert run.result("cut_off(Authorize) == 5").passed
    assert run.result("calls() == 22").passed
    assert run.result("errors(all) == 3").passed
    assert outcome(run.result("errors(Authorize) / calls(Authorize) < 20%")) == (False, "20% (3 of 15)")
    assert outcome(run.result("errors(Heartbeat) == 0")) == (True, "0")


def test_a_rate_is_over_the_run_so_far() -> None:
    run = Run().calls([0.1] * 4999)
    assert outcome(run.result("rate(Authorize) >= 50/s", elapsed_s=100.0)) == (False, "49.99/s")
    assert outcome(run.result("rate(Authorize) >= 2900/min", elapsed_s=100.0)) == (True, "50/s")
    assert outcome(run.result("rate(Authorize) >= 1/s", elapsed_s=0.0)) == (False, "the run has not begun")
    assert outcome(run.result("rate(Heartbeat) > 0/s", elapsed_s=10.0)) == (False, "0/s")


def test_999_of_1000_booted_is_99_9_percent_and_not_a_hair_less() -> None:
    run = Run(charge_points=1000)
    for number in range(999):
        run.tell(Registered(3.0, RegistrationStatus.ACCEPTED, 300), to=f"CP{number}")
    assert outcome(run.result("booted >= 99.9%")) == (True, "99.9% (999 of 1,000)")
    assert outcome(run.result("booted > 99.9%")) == (False, "99.9% (999 of 1,000)")
    assert outcome(run.result("booted >= 0.999")) == (True, "99.9% (999 of 1,000)")
    assert outcome(run.result("booted == 100%")) == (False, "99.9% (999 of 1,000)")
    assert run.result("booted_count == 999").passed


@given(whole=st.integers(1, 5000), share=st.integers(0, 1000), permille=st.integers(1, 999))
def test_a_share_is_compared_exactly_and_shown_so_that_it_agrees(whole: int, share: int, permille: int) -> None:
    part = whole * share // 1000
    run = Run(charge_points=1)
    run.board.charge_points, run.board.accepted = whole, part
    for comparison, holds in ((">=", part * 1000 >= permille * whole), ("<", part * 1000 < permille * whole)):
        text = f"booted {comparison} {permille / 10}%"
        result = run.result(text)
        assert result.passed is holds
        shown = Fraction(result.shown.partition("%")[0]) * 10
        assert (shown >= permille if comparison == ">=" else shown < permille) is holds


def test_plain_names_are_what_the_board_has() -> None:
    run = Run().tell(
        LinkUp(),
        LinkDown("reset"),
        ConnectFailed("refused", ""),
        ProtocolViolated("clock-skew", "", 1.0),
        ProtocolViolated("not-json", "", 1.0),
    )
    assert run.result("disconnects == 1").passed
    assert run.result("connect_failures == 1").passed
    assert run.result("csms_violations == 2").passed
    assert run.result("violations(clock-skew) == 1").passed
    assert run.result("violations(bad-result) == 0").passed
    assert run.result("failed_expectations == 2", failed_expectations=2).passed


def test_a_count_that_may_be_larger_than_known_is_a_lower_bound() -> None:
    run = Run()
    for number in range(KINDS_MAX + 10):
        run.calls([0.1], f"Code{number}", action="Heartbeat")
    run.calls([0.1] * 3, "InternalError", action="Authorize")
    assert outcome(run.result("errors(Authorize) == 0")) == (False, ">= 0")
    assert outcome(run.result("errors(Authorize) / calls(Authorize) < 1%")) == (
        False,
        "calls(Authorize) is not known exactly",
    )
    assert run.result(f"errors() == {KINDS_MAX + 13}").passed


# ---- the books -------------------------------------------------------------------------------------------------------

BOOKS = ["lost_transactions == 0", "open_transactions == 0", "energy_difference_wh == 0", "book_violations == 0"]


def test_a_transaction_that_is_lost_while_the_run_goes_on_has_breached_already() -> None:
    run = Run().transaction()
    run.board.report("CP1", MessageLost("MeterValues", "1", "3 attempts", 1.0))
    assert not run.breached("lost_transactions == 0", running=True)
    run.board.report("CP1", MessageLost("StopTransaction", "1", "3 attempts", 1.0, final=True))
    assert run.breached("lost_transactions == 0", running=True)
    assert outcome(run.result("lost_transactions == 0", running=True)) == (False, ">= 1")


@pytest.mark.parametrize("objective", [*BOOKS, "violations(lost-message) == 0"])
def test_what_the_books_say_is_known_at_the_end_and_not_before(objective: str) -> None:
    run = Run().transaction()
    assert outcome(run.result(objective, running=True)) == (False, "not known before the end")
    assert not run.breached(objective, running=True)
    assert run.result(objective).passed


def test_a_stop_that_never_reached_the_csms_is_a_lost_transaction_and_a_difference() -> None:
    run = Run().transaction(1234, delivered=False)
    assert outcome(run.result("lost_transactions == 0")) == (False, "1")
    assert outcome(run.result("energy_difference_wh == 0")) == (False, "1,234 Wh")
    assert outcome(run.result("energy_difference_wh <= 1.5kWh")) == (True, "1,234 Wh")
    assert outcome(run.result("violations(unacknowledged) == 0")) == (False, "1")
    assert run.result("transactions == 1").passed


def test_a_transaction_that_the_csms_acknowledged_and_has_no_record_of_is_lost() -> None:
    run = Run().transaction()
    balance = run.books.compare([])
    result = parse_objective("lost_transactions == 0", ACTIONS).evaluate(evolve(run.figures(), balance=balance))
    assert outcome(result) == (False, "1")


def test_balanced_books_are_an_objective_of_every_run() -> None:
    results = built_in(Run().transaction().books.compare())
    assert all(result.passed and result.built_in for result in results)
    assert {result.objective: result.shown for result in results} == {
        "lost_transactions == 0": "0",
        "energy_difference_wh == 0": "0 Wh",
        "the books balance": "balanced",
    }


def test_books_that_do_not_balance_fail_a_run_that_asked_for_nothing_with_the_first_reason() -> None:
    balance: Balance = Run().transaction(1234, delivered=False).books.compare()
    results = {result.objective: result for result in built_in(balance)}
    assert not any(result.passed for result in results.values())
    assert "1234 Wh: never acknowledged" in results["the books balance"].shown


def test_what_was_asked_for_is_not_there_twice() -> None:
    balance = Run().books.compare()
    asked = [parse_objective(text, ACTIONS) for text in ("lost_transactions==0", "energy_difference_wh < 1kWh")]
    assert [result.objective for result in built_in(balance, asked)] == [
        "energy_difference_wh == 0",
        "the books balance",
    ]
