import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.delivery_reports import MessageLost, OutboxChanged, TransactionBound, TransactionDelivered
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import (
    CableChanged,
    CallServed,
    CallSettled,
    ConnectFailed,
    Drained,
    GivenUp,
    LinkDown,
    LinkUp,
    MeterSampled,
    ObservedReport,
    PowerChanged,
    PoweredUp,
    ProtocolViolated,
    Reading,
    Registered,
    Restarted,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.observe.board import Board
from fleet.observe.tally import KINDS_MAX
from fleet.words import ConnectorStatus, ReadingContext, RegistrationStatus, StopReason

PLANS = [ChargePointPlan("CP1"), ChargePointPlan("CP2", connectors=(ConnectorPlan(),)), ChargePointPlan("CP3")]
CONNECTORS = [("CP1", 1), ("CP1", 2), ("CP2", 1), ("CP3", 1), ("CP3", 2)]
ACCEPTED = Registered(1.0, RegistrationStatus.ACCEPTED, 300)


@pytest.fixture
def board() -> Board:
    return Board(PLANS)


def tell(board: Board, charge_point_id: str, *reports: ObservedReport) -> None:
    for report in reports:
        board.report(charge_point_id, report)


def states(board: Board) -> dict[str, int]:
    return {state.value: count for state, count in board.by_state.items() if count}


def test_a_charge_point_goes_from_starting_over_connected_to_registered(board: Board) -> None:
    assert states(board) == {"starting": 3}
    tell(board, "CP1", ConnectFailed("refused", "no one listens", 1.0))
    assert states(board) == {"starting": 3}
    tell(board, "CP1", LinkUp(0.1))
    assert states(board) == {"starting": 2, "connected": 1}
    tell(board, "CP1", Registered(1.0, RegistrationStatus.PENDING, 5))
    assert states(board) == {"starting": 2, "pending": 1}
    tell(board, "CP1", ACCEPTED)
    assert states(board) == {"starting": 2, "registered": 1}
    assert (board.reached, board.accepted, board.accepted_at, board.online) == (1, 1, 1.0, 1)
    assert board.connect_failures.counts == {"refused": 1}


def test_a_registered_charge_point_that_lost_its_connection_is_registered_again_when_it_is_back(board: Board) -> None:
    tell(board, "CP1", LinkUp(), ACCEPTED, LinkDown("reset", "by peer"))
    assert states(board) == {"starting": 2, "offline": 1}
    tell(board, "CP1", LinkUp())
    assert states(board) == {"starting": 2, "registered": 1}
    assert (board.connects, board.reached) == (2, 1)
    assert board.disconnects.counts == {"reset": 1}
    assert board.disconnects.cases == {"reset": ["CP1: by peer"]}


def test_after_a_restart_a_charge_point_has_to_register_anew(board: Board) -> None:
    tell(board, "CP1", LinkUp(), ACCEPTED, Restarted(5.0, crashed=False, cause="HardReset"))
    assert states(board) == {"starting": 2, "restarting": 1}
    tell(board, "CP1", LinkUp())
    assert states(board) == {"starting": 2, "connected": 1}
    assert board.restarts.counts == {"HardReset": 1}
    assert board.disconnects.counts == {"restart": 1}


def test_who_has_no_power_is_restarting_only_once_it_returns(board: Board) -> None:
    tell(board, "CP1", LinkUp(), ACCEPTED, Restarted(5.0, crashed=False, cause="PowerLoss"))
    assert states(board) == {"starting": 2, "without power": 1}
    tell(board, "CP1", PoweredUp(9.0))
    assert states(board) == {"starting": 2, "restarting": 1}
    tell(board, "CP1", LinkUp())
    assert states(board) == {"starting": 2, "connected": 1}


def test_who_is_given_up_or_drained_stays_so_whatever_the_link_still_says(board: Board) -> None:
    tell(board, "CP1", LinkUp(), GivenUp(1.0, "RuntimeError: bug"), LinkDown("closed-1000"))
    tell(board, "CP2", LinkUp(), ACCEPTED, Drained(2.0, 1), LinkDown("closed-1000"))
    assert states(board) == {"starting": 1, "given up": 1, "drained": 1}
    assert board.given_up.cases == {"RuntimeError: bug": ["CP1"]}
    assert board.outbox == 1


def test_a_connector_is_counted_once_in_the_status_it_has_and_not_at_all_while_switched_off(board: Board) -> None:
    tell(
        board,
        "CP1",
        StatusChanged(0, 0.0, ConnectorStatus.AVAILABLE),
        StatusChanged(1, 0.0, ConnectorStatus.AVAILABLE),
        StatusChanged(2, 0.0, ConnectorStatus.AVAILABLE),
        StatusChanged(2, 0.0, ConnectorStatus.PREPARING),
    )
    assert board.by_status[ConnectorStatus.AVAILABLE] == 1
    assert board.by_status[ConnectorStatus.PREPARING] == 1
    assert board.status("CP1", 2) is ConnectorStatus.PREPARING
    tell(board, "CP1", LinkDown("reset"))
    assert sum(board.by_status.values()) == 2
    tell(board, "CP1", Restarted(1.0, crashed=True, cause="RuntimeError"))
    assert sum(board.by_status.values()) == 0
    tell(board, "CP1", StatusChanged(1, 2.0, ConnectorStatus.PREPARING))
    assert sum(board.by_status.values()) == 1


def test_a_transaction_that_survives_a_crash_in_memory_runs_until_it_is_stopped(board: Board) -> None:
    tell(board, "CP1", TransactionStarted(1, 1.0, "a", "TAG", 0), Restarted(2.0, crashed=True, cause="bug"))
    assert board.running == 1
    tell(board, "CP1", TransactionStopped(1, 2.0, "a", 5, StopReason.POWER_LOSS))
    assert (board.running, board.started, board.stopped.counts) == (0, 1, {"PowerLoss": 1})


def test_the_transaction_of_a_charge_point_that_is_given_up_is_abandoned(board: Board) -> None:
    tell(board, "CP1", TransactionStarted(2, 1.0, "a", "TAG", 0), GivenUp(2.0, "bug"))
    assert (board.running, board.abandoned) == (0, 1)


def test_transactions_are_counted_from_start_to_delivery(board: Board) -> None:
    tell(
        board,
        "CP2",
        TransactionStarted(1, 1.0, "a", "TAG", 100),
        TransactionBound(1, "a", 7, 1.5),
        TransactionStopped(1, 9.0, "a", 350, StopReason.LOCAL),
        TransactionDelivered(1, "a", 7, 250, 9.5),
        MessageLost("StopTransaction", "b", "3 attempts", 10.0),
    )
    assert (board.started, board.bound, board.delivered, board.delivered_wh) == (1, 1, 1, 250)
    assert board.lost.cases == {"StopTransaction": ["CP2 transaction b: 3 attempts"]}


def test_messages_are_counted_by_action_and_outcome_in_both_directions(board: Board) -> None:
    tell(
        board,
        "CP1",
        CallSettled("Heartbeat", "Result", 0.0, 0.0, 0.1),
        CallSettled("Heartbeat", "Result", 1.0, 1.0, 1.1),
        CallSettled("Heartbeat", "Timeout", 2.0, 2.0, 32.0),
        CallServed("Reset", "Result", 3.0),
        ProtocolViolated("double-reply", "id 7", 4.0),
        OutboxChanged(4, 5.0),
        OutboxChanged(1, 6.0),
    )
    tell(board, "CP2", OutboxChanged(2, 6.0))
    assert board.sent == {("Heartbeat", "Result"): 2, ("Heartbeat", "Timeout"): 1}
    assert board.served == {("Reset", "Result"): 1}
    assert board.messages == 4
    assert board.violations.cases == {"double-reply": ["CP1: id 7"]}
    assert board.outbox == 3


def test_one_hour_at_7200_watts_reads_7200_watt_hours_without_a_report_in_between(board: Board) -> None:
    tell(board, "CP1", PowerChanged(1, 1000.0, 7200.0, 500.0))
    assert board.power_w == 7200.0
    assert board.energy_wh(1000.0) == 0.0
    assert board.energy_wh(4600.0) == pytest.approx(7200.0)
    tell(board, "CP1", PowerChanged(1, 4600.0, 0.0, 7700.0))
    assert board.energy_wh(9999.0) == 7200.0
    assert board.power_w == 0.0


def test_a_crash_takes_the_power_away_and_keeps_the_energy(board: Board) -> None:
    tell(board, "CP1", PowerChanged(1, 0.0, 3600.0, 0.0), PowerChanged(2, 0.0, 3600.0, 0.0))
    tell(board, "CP2", PowerChanged(1, 0.0, 1000.0, 0.0))
    tell(board, "CP1", Restarted(10.0, crashed=True, cause="bug"))
    assert board.power_w == 1000.0
    assert board.energy_wh(10.0) == pytest.approx(20.0 + 10_000 / 3600)


def test_a_reading_corrects_what_was_extrapolated_along_a_taper(board: Board) -> None:
    tell(board, "CP1", PowerChanged(1, 0.0, 7200.0, 0.0))
    assert board.energy_wh(60.0) == pytest.approx(120.0)
    tell(board, "CP1", MeterSampled(1, Reading(60.0, ReadingContext.SAMPLE_PERIODIC, ()), "a", 6000.0, 110.0))
    assert board.energy_wh(60.0) == pytest.approx(110.0)
    assert board.energy_wh(120.0) == pytest.approx(210.0)


measurements = st.lists(
    st.tuples(st.sampled_from(CONNECTORS), st.floats(0, 350_000), st.floats(0, 3600)), min_size=1, max_size=60
)


@given(measurements, st.floats(0, 1e6))
def test_the_sum_over_the_fleet_is_the_sum_over_its_meters(
    steps: list[tuple[tuple[str, int], float, float]], origin: float
) -> None:
    board, now = Board(PLANS), origin
    power = dict.fromkeys(CONNECTORS, 0.0)
    register = dict.fromkeys(CONNECTORS, 1000.0)
    for who in CONNECTORS:
        board.report(who[0], PowerChanged(who[1], now, 0.0, 1000.0))
    for who, power_w, elapsed_s in steps:
        now += elapsed_s
        for each in CONNECTORS:
            register[each] += power[each] * elapsed_s / 3600
        power[who] = power_w
        board.report(who[0], PowerChanged(who[1], now, power_w, register[who]))
        assert math.isclose(board.power_w, sum(power.values()), rel_tol=1e-9, abs_tol=1e-3)
        delivered_wh = sum(register.values()) - 5000.0
        assert math.isclose(board.energy_wh(now), delivered_wh, rel_tol=1e-6, abs_tol=1e-2)


links = st.sampled_from(
    [
        LinkUp(),
        LinkDown("reset"),
        ConnectFailed("refused", ""),
        ACCEPTED,
        Registered(1.0, RegistrationStatus.REJECTED, 1),
        Restarted(1.0, crashed=True, cause="bug"),
        GivenUp(1.0, "bug"),
        Drained(1.0, 0),
        StatusChanged(1, 1.0, ConnectorStatus.CHARGING),
        StatusChanged(2, 1.0, ConnectorStatus.FAULTED),
    ]
)


@given(st.lists(st.tuples(st.sampled_from(["CP1", "CP3"]), links), max_size=80))
def test_every_charge_point_is_in_exactly_one_state_and_every_connector_in_at_most_one_status(
    history: list[tuple[str, ObservedReport]],
) -> None:
    board = Board(PLANS)
    for charge_point_id, report in history:
        board.report(charge_point_id, report)
        assert sum(board.by_state.values()) == board.charge_points == 3
        assert min(board.by_state.values()) >= 0
        assert min(board.by_status.values()) >= 0
        shown = [board.status(*who) for who in CONNECTORS]
        for status, count in board.by_status.items():
            assert count == shown.count(status)
        for state, count in board.by_state.items():
            assert count == [board.state(plan.id) for plan in PLANS].count(state)


def test_the_board_does_not_ask_for_reports_that_change_nothing_on_it(board: Board) -> None:
    assert LinkUp in board.wants
    assert CableChanged not in board.wants


# ---- a fleet that grows and shrinks ----------------------------------------------------------------------------------


def test_a_charge_point_that_is_added_counts_as_the_others_do(board: Board) -> None:
    board.add(ChargePointPlan("NEW"))
    assert (board.charge_points, board.connectors, states(board)) == (4, 7, {"starting": 4})
    tell(board, "NEW", LinkUp(), ACCEPTED, StatusChanged(2, 1.0, ConnectorStatus.CHARGING))
    tell(board, "NEW", PowerChanged(2, 1.0, 3600.0, 77.0))
    assert (board.reached, board.accepted, board.power_w) == (1, 1, 3600.0)
    assert board.status("NEW", 2) is ConnectorStatus.CHARGING
    assert board.energy_wh(2.0) == pytest.approx(1.0)
    assert board.status("CP3", 2) is None
    with pytest.raises(ValueError, match="there is a charge point NEW already"):
        board.add(ChargePointPlan("NEW"))


def test_a_charge_point_that_is_removed_leaves_its_history_and_nothing_else(board: Board) -> None:
    tell(board, "CP1", LinkUp(), ACCEPTED)
    tell(board, "CP2", LinkUp(), ACCEPTED, StatusChanged(1, 1.0, ConnectorStatus.CHARGING), OutboxChanged(3, 1.0))
    tell(board, "CP2", PowerChanged(1, 1.0, 3600.0, 0.0), TransactionStarted(1, 1.0, "t", "TAG", 0))
    tell(board, "CP2", Drained(3.0, 1))
    board.remove("CP2")
    assert (board.charge_points, board.connectors, states(board)) == (2, 4, {"starting": 1, "registered": 1})
    assert (board.reached, board.accepted, board.online, board.outbox) == (1, 1, 1, 0)
    assert (board.running, board.abandoned, board.started, board.connects) == (0, 1, 1, 2)
    assert (board.power_w, board.energy_wh(99.0)) == (0.0, pytest.approx(2.0))
    assert sum(board.by_status.values()) == 0


def test_what_a_charge_point_still_reports_after_its_end_has_neither_power_nor_status(board: Board) -> None:
    tell(board, "CP2", LinkUp(), ACCEPTED, Drained(3.0, 0))
    reading = Reading(3.1, ReadingContext.TRANSACTION_BEGIN, ())
    tell(board, "CP2", StatusChanged(1, 3.0, ConnectorStatus.CHARGING), PowerChanged(1, 3.0, 7200.0, 10.0))
    tell(board, "CP2", MeterSampled(1, reading, "t", 7200.0, 12.0))
    assert (board.power_w, board.by_status[ConnectorStatus.CHARGING]) == (0.0, 0)
    assert board.energy_wh(9000.0) == pytest.approx(2.0)


def test_a_charge_point_that_comes_back_begins_anew(board: Board) -> None:
    tell(board, "CP2", LinkUp(), ACCEPTED, PowerChanged(1, 1.0, 0.0, 5000.0), Drained(3.0, 0))
    board.remove("CP2")
    board.add(PLANS[1])
    assert states(board) == {"starting": 3}
    tell(board, "CP2", LinkUp(), PowerChanged(1, 5.0, 0.0, 5000.0))
    assert states(board) == {"starting": 2, "connected": 1}
    assert (board.reached, board.accepted, board.energy_wh(5.0)) == (1, 0, 0.0)


def test_actions_and_error_codes_that_a_csms_invents_are_counted_within_limits(board: Board) -> None:
    board.report("CP1", CallServed("\x1b[2J" + "x" * 1_000_000, "NotImplemented", 1.0))
    assert board.served == {("\\x1b[2J" + "x" * 43 + "...", "NotImplemented"): 1}
    for number in range(2 * KINDS_MAX):
        board.report("CP1", CallServed(f"Action{number}", "NotImplemented", 1.0))
        board.report("CP1", CallSettled("Heartbeat", f"Code{number}", 1.0, 1.0, 1.0))
    assert len(board.sent) == len(board.served) == KINDS_MAX + 1
    assert sum(board.sent.values()) == 2 * KINDS_MAX
    assert sum(board.served.values()) == 2 * KINDS_MAX + 1


def test_a_call_that_could_not_be_read_is_counted_under_a_name() -> None:
    board = Board([ChargePointPlan("CP1")])
    board.report("CP1", CallServed("", "FormationViolation", 0.0))
    assert board.served == {("(unreadable)", "FormationViolation"): 1}
