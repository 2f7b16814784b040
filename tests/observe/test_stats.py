"""What `stats` shows of the board while a run goes on."""

from fleet.core.plan import ChargePointPlan
from fleet.core.reports import (
    CallServed,
    CallSettled,
    ConnectFailed,
    Drained,
    GivenUp,
    LinkDown,
    LinkUp,
    ObservedReport,
    ProtocolViolated,
    Registered,
    Restarted,
)
from fleet.observe.board import Board
from fleet.observe.stats import charge_point_lines, message_lines, trouble_lines
from fleet.words import RegistrationStatus


def board_after(*reports: ObservedReport) -> Board:
    board = Board([ChargePointPlan("CP1"), ChargePointPlan("CP2")])
    for report in reports:
        board.report("CP1", report)
    return board


def test_a_quiet_fleet_reads_as_a_quiet_fleet() -> None:
    board = board_after(
        LinkUp(),
        Registered(102.5, RegistrationStatus.ACCEPTED, 300),
        CallSettled("BootNotification", "Result", 0, 0, 0),
        Drained(130.0, 0),
    )
    assert list(charge_point_lines(board, 100.0)) == [
        "  charge points ..... 1 of 2 connected, 1 accepted (the last after 2.5s), 4 connectors",
        "  now ............... 1 starting, 1 drained",
        "  connects .......... 1",
    ]
    assert list(message_lines(board, 30.0)) == [
        "  messages .......... 1, 0.033/s",
        "    to the CSMS                    count      rate   errors  timeouts  cut off",
        "    BootNotification                   1   0.033/s        0         0        0",
    ]
    assert [line.split(" ..")[0].strip() for line in trouble_lines(board)] == ["violations", "crashes", "given up"]
    assert all(line.endswith(" none") for line in trouble_lines(board))


def test_errors_timeouts_and_cut_off_calls_are_told_apart() -> None:
    board = board_after(
        *[CallSettled("Heartbeat", "Result", 0, 0, 0)] * 5,
        *[CallSettled("Heartbeat", "Timeout", 0, 0, 0)] * 2,
        CallSettled("Heartbeat", "Disconnected", 0, 0, 0),
        *[CallSettled("Heartbeat", "InternalError", 0, 0, 0)] * 3,
        CallSettled("Heartbeat", "BadResult", 0, 0, 0),
        CallServed("Reset", "Result", 0),
    )
    lines = list(message_lines(board, 10.0))
    (heartbeat,) = [line.split() for line in lines if "Heartbeat" in line]
    assert heartbeat == ["Heartbeat", "12", "1.2/s", "4", "2", "1", "BadResult", "1,", "InternalError", "3"]
    assert any(line.split()[:2] == ["Reset", "1"] for line in lines)


def test_troubles_are_listed_with_their_first_cases() -> None:
    board = board_after(
        ConnectFailed("refused", "connection refused"),
        LinkUp(),
        LinkDown("reset", "by peer"),
        ProtocolViolated("double-reply", "id 7 was answered twice", 0),
        Restarted(0, crashed=False, cause="HardReset"),
        Restarted(0, crashed=True, cause="RuntimeError: bug"),
        GivenUp(0, "crashed too often"),
    )
    about = "\n".join(charge_point_lines(board, None))
    assert "  connects .......... 1, lost 1 (reset 1)" in about
    assert "  failed connects ... 1 (refused 1)" in about
    assert "  restarts .......... 1 (HardReset 1)" in about
    text = "\n".join(trouble_lines(board))
    assert "  violations ........ 1\n    double-reply: 1\n      CP1: id 7 was answered twice" in text
    assert "  crashes ........... 1\n    RuntimeError: bug: 1\n      CP1" in text
    assert "  given up .......... 1\n    crashed too often: 1\n      CP1" in text


def test_a_call_that_could_not_be_read_has_a_row_with_a_name() -> None:
    lines = message_lines(board_after(CallServed("", "FormationViolation", 0)), 10.0)
    assert any(line.split()[:2] == ["(unreadable)", "1"] for line in lines)
