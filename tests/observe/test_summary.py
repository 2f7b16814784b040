from attrs import evolve

from fleet.core.plan import ChargePointPlan
from fleet.core.reports import (
    CallServed,
    CallSettled,
    ConnectFailed,
    Drained,
    GivenUp,
    LinkDown,
    LinkUp,
    MessageLost,
    ObservedReport,
    ProtocolViolated,
    Registered,
    Restarted,
    TransactionStarted,
    TransactionStopped,
)
from fleet.observe.board import Board
from fleet.observe.books import Balance
from fleet.observe.summary import render
from fleet.words import RegistrationStatus, StopReason

EVEN = Balance(
    started=1,
    stopped=1,
    delivered=1,
    recorded=1,
    metered_wh=12_345,
    reported_wh=12_345,
    acknowledged_wh=12_345,
    recorded_wh=12_345,
    open_here=0,
    undelivered=0,
    lost=0,
)


def board_after(*reports: ObservedReport) -> Board:
    board = Board([ChargePointPlan("CP1"), ChargePointPlan("CP2")])
    for report in reports:
        board.report("CP1", report)
    return board


QUIET = (
    LinkUp(),
    Registered(102.5, RegistrationStatus.ACCEPTED, 300),
    CallSettled("BootNotification", "Result", 0, 0, 0),
    TransactionStarted(1, 0, "a", "TAG", 0),
    TransactionStopped(1, 0, "a", 12_345, StopReason.LOCAL),
    Drained(130.0, 0),
)


def test_a_quiet_run_reads_as_a_quiet_run() -> None:
    text = render(board_after(*QUIET), EVEN, 30.0, 42, started_at=100.0, visits={"served": 1, "turned_away": 2})
    assert (
        text
        == """\
fleet: 2 charge points, 30s, seed 42

  charge points ..... 1 of 2 connected, 1 accepted (the last after 2.5s), 4 connectors
  at the end ........ 1 starting, 1 drained
  connects .......... 1

  messages .......... 1, 0.033/s
    to the CSMS                    count      rate   errors  timeouts  cut off
    BootNotification                   1   0.033/s        0         0        0

  transactions ...... 1 started, 1 stopped, 1 delivered, 0 lost
  stopped by ........ 1 Local
  visits ............ 1 served, 2 turned away

  energy ............ 12,345 Wh metered = reported = acknowledged = recorded (12.3 kWh)
  books ............. balanced

  violations ........ none
  crashes ........... none
  given up .......... none

to repeat this run: --seed 42"""
    )


def test_errors_timeouts_and_cut_off_calls_are_told_apart() -> None:
    board = board_after(
        *[CallSettled("Heartbeat", "Result", 0, 0, 0)] * 5,
        *[CallSettled("Heartbeat", "Timeout", 0, 0, 0)] * 2,
        CallSettled("Heartbeat", "Disconnected", 0, 0, 0),
        *[CallSettled("Heartbeat", "InternalError", 0, 0, 0)] * 3,
        CallSettled("Heartbeat", "BadResult", 0, 0, 0),
        CallServed("Reset", "Result", 0),
    )
    lines = render(board, EVEN, 10.0, 1).splitlines()
    (heartbeat,) = [line.split() for line in lines if "Heartbeat" in line]
    assert heartbeat == ["Heartbeat", "12", "1.2/s", "4", "2", "1", "BadResult", "1,", "InternalError", "3"]
    assert any(line.split()[:2] == ["Reset", "1"] for line in lines)


def test_books_that_do_not_balance_say_so_and_why() -> None:
    balance = evolve(EVEN, recorded_wh=12_000, findings=("CP1/1 transaction 7: missing", "and 3 more"))
    text = render(board_after(*QUIET), balance, 30.0, 42)
    assert "  books ............. NOT BALANCED\n    CP1/1 transaction 7: missing\n    and 3 more\n" in text
    assert "12,345 Wh metered, 12,345 Wh reported, 12,345 Wh acknowledged, 12,000 Wh recorded" in text


def test_without_records_the_verdict_speaks_of_our_side_alone() -> None:
    text = render(board_after(*QUIET), evolve(EVEN, recorded=None, recorded_wh=None), 30.0, 42)
    assert "balanced on our side; no records of the CSMS to compare with" in text


def test_troubles_are_listed_with_their_first_cases() -> None:
    board = board_after(
        ConnectFailed("refused", "connection refused"),
        LinkUp(),
        LinkDown("reset", "by peer"),
        ProtocolViolated("double-reply", "id 7 was answered twice", 0),
        Restarted(0, crashed=False, cause="HardReset"),
        Restarted(0, crashed=True, cause="RuntimeError: bug"),
        MessageLost("StopTransaction", "a", "3 attempts", 0),
        GivenUp(0, "crashed too often"),
    )
    text = render(board, EVEN, 30.0, 42)
    assert "  connects .......... 1, lost 1 (reset 1)" in text
    assert "  failed connects ... 1 (refused 1)" in text
    assert "  restarts .......... 1 (HardReset 1)" in text
    assert "  violations ........ 1\n    double-reply: 1\n      CP1: id 7 was answered twice" in text
    assert "  crashes ........... 1\n    RuntimeError: bug: 1\n      CP1" in text
    assert "  given up .......... 1\n    crashed too often: 1\n      CP1" in text
    assert "  messages lost ..... 1 (StopTransaction 1)" in text


def test_lost_readings_are_told_apart_from_lost_transactions() -> None:
    board = board_after(*QUIET, *[MessageLost("MeterValues", "a", "3 attempts", 0)] * 6)
    text = render(board, EVEN, 30.0, 42)
    assert "1 delivered, 0 lost\n" in text
    assert "  messages lost ..... 6 (MeterValues 6)" in text


def test_a_call_that_could_not_be_read_has_a_row_with_a_name() -> None:
    lines = render(board_after(CallServed("", "FormationViolation", 0)), EVEN, 10.0, 1).splitlines()
    assert any(line.split()[:2] == ["(unreadable)", "1"] for line in lines)
