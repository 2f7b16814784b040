"""A connector's conduct, as transcripts: what it is told, what it says, in which order."""

import math

import pytest
from counterparts.connector_bench import Bench

from fleet.commands.vocabulary import (
    EV,
    ChangeAvailability,
    ClearFault,
    Crash,
    InjectFault,
    PlugIn,
    Resume,
    SetPower,
    StartTransaction,
    StopTransaction,
    SuspendEV,
    SuspendEVSE,
    Swipe,
    UnlockConnector,
    Unplug,
)
from fleet.core.connector import Connector
from fleet.core.memory import Cable
from fleet.core.orders import (
    BindTransaction,
    ConnectorSettings,
    DenyAuthorization,
    GrantAuthorization,
)
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import StatusChanged, TransactionStarted, TransactionStopped
from fleet.core.status_machine import IllegalMove
from fleet.words import AuthorizationStatus, Availability, CableEnd, ConnectorStatus, ErrorCode, StopReason

UNPLUG_CAR = Unplug(CableEnd.EV)
INOPERATIVE = ChangeAvailability(Availability.INOPERATIVE)
OPERATIVE = ChangeAvailability(Availability.OPERATIVE)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def charging(bench: Bench) -> Bench:
    bench.hear(PlugIn(), StartTransaction("TAG"))
    return bench


# ---- the walk-throughs of the seed document --------------------------------------------------------------------------


def test_the_basic_charging_session(bench: Bench) -> None:
    assert bench.log == ["Available"]
    assert bench.hear(PlugIn()) == ["Preparing", "plugged"]
    assert bench.hear(StartTransaction()) == ["start DEMO_TAG at 0 Wh", "Charging", "power 7200 W"]
    assert bench.wait(75) == ["sample Sample.Periodic 120 Wh"]
    assert bench.hear(StopTransaction()) == ["stop Local at 150 Wh", "Finishing", "power 0 W"]
    assert bench.wait(1.999) == []
    assert bench.wait(0.001) == ["Preparing"]
    assert bench.hear(Unplug()) == ["Available", "unplugged"]


def test_preparing_comes_exactly_two_seconds_after_finishing(charging: Bench) -> None:
    charging.wait(100)
    charging.hear(StopTransaction())
    charging.wait(10)
    finishing, preparing = [r for r in charging.reports if isinstance(r, StatusChanged)][-2:]
    assert (finishing.status, preparing.status) == (ConnectorStatus.FINISHING, ConnectorStatus.PREPARING)
    assert preparing.at - finishing.at == 2.0


def test_where_a_cable_may_stay_in_it_is_finishing_until_somebody_does_something() -> None:
    bench = Bench(ConnectorPlan(finishing_s=math.inf))
    bench.hear(PlugIn(), StartTransaction("TAG"), StopTransaction())
    assert bench.wait(86_400) == []
    assert bench.status is ConnectorStatus.FINISHING
    assert bench.hear(Unplug()) == ["Available", "unplugged"]


def test_unplugging_during_a_transaction_is_blocked(charging: Bench) -> None:
    assert charging.tell(Unplug()) == "Cannot unplug cable during active transaction"
    assert charging.status is ConnectorStatus.CHARGING


def test_starting_without_a_cable_is_blocked(bench: Bench) -> None:
    assert bench.tell(StartTransaction()) == "Cable must be plugged in before starting transaction"


def test_starting_with_a_granted_tag_but_no_cable_is_blocked(bench: Bench) -> None:
    bench.hear(GrantAuthorization("TAG"))
    assert bench.tell(StartTransaction()) == "Cable must be plugged in before starting transaction"


def test_stopping_what_never_started_is_blocked_in_the_connector_s_own_number() -> None:
    bench = Bench(number=4)
    assert bench.tell(StopTransaction()) == "No active transaction on connector 4"


def test_starting_on_an_unavailable_connector_is_blocked(bench: Bench) -> None:
    bench.hear(INOPERATIVE)
    assert bench.tell(StartTransaction()) == "Connector 1 is Unavailable"


def test_starting_on_a_faulted_connector_is_blocked(bench: Bench) -> None:
    bench.hear(PlugIn(), InjectFault())
    assert bench.tell(StartTransaction()) == "Connector 1 is Faulted"


def test_a_second_transaction_is_blocked(charging: Bench) -> None:
    assert charging.tell(StartTransaction("OTHER")) == "Connector 1 already has an active transaction"


def test_a_second_cable_is_blocked(bench: Bench) -> None:
    bench.hear(PlugIn())
    assert bench.tell(PlugIn()) == "Cable is already plugged in on connector 1"


def test_maintenance(bench: Bench) -> None:
    assert bench.hear(INOPERATIVE) == ["Unavailable"]
    assert bench.hear(OPERATIVE) == ["Available"]
    assert bench.hear(InjectFault()) == ["Faulted OtherError"]
    assert bench.hear(ClearFault()) == ["Available"]


# ---- the id tag ------------------------------------------------------------------------------------------------------


def test_plug_first(bench: Bench) -> None:
    assert bench.hear(PlugIn()) == ["Preparing", "plugged"]
    assert bench.hear(Swipe("TAG")) == ["authorize TAG"]
    assert bench.hear(GrantAuthorization("TAG")) == ["start TAG at 0 Wh", "Charging", "power 7200 W"]


def test_identify_first(bench: Bench) -> None:
    assert bench.hear(Swipe("TAG")) == ["authorize TAG"]
    assert bench.hear(GrantAuthorization("TAG")) == ["Preparing"]
    assert bench.hear(PlugIn()) == ["start TAG at 0 Wh", "Charging", "plugged", "power 7200 W"]


def test_a_granted_tag_waits_for_the_cable_until_connection_timeout(bench: Bench) -> None:
    bench.hear(GrantAuthorization("TAG"))
    assert bench.wait(59.9) == []
    assert bench.wait(0.1) == ["Available"]
    assert bench.hear(PlugIn()) == ["Preparing", "plugged"]


def test_a_connection_timeout_of_zero_is_none() -> None:
    bench = Bench(settings=ConnectorSettings(connection_timeout_s=0))
    bench.hear(GrantAuthorization("TAG"))
    assert bench.wait(1e6) == []


def test_the_same_tag_again_ends_the_intended_use(bench: Bench) -> None:
    bench.hear(GrantAuthorization("TAG"))
    assert bench.hear(Swipe("tag")) == ["Available"]
    assert bench.wait(100) == []


def test_another_tag_takes_over_the_intended_use(bench: Bench) -> None:
    bench.hear(GrantAuthorization("TAG"))
    assert bench.hear(Swipe("OTHER"), GrantAuthorization("OTHER")) == ["authorize OTHER"]
    assert bench.hear(PlugIn())[0] == "start OTHER at 0 Wh"


def test_a_denied_tag_changes_nothing(bench: Bench) -> None:
    bench.hear(PlugIn())
    assert bench.hear(DenyAuthorization("TAG", AuthorizationStatus.INVALID)) == []
    assert bench.status is ConnectorStatus.PREPARING


def test_a_tag_that_was_granted_and_is_then_denied_loses_its_claim(bench: Bench) -> None:
    bench.hear(GrantAuthorization("TAG"))
    assert bench.hear(DenyAuthorization("TAG", AuthorizationStatus.BLOCKED)) == ["Available"]


def test_the_same_tag_stops_without_being_asked_for(charging: Bench) -> None:
    charging.wait(10)
    assert charging.hear(Swipe("TAG")) == ["stop Local by TAG at 20 Wh", "Finishing", "power 0 W"]


def test_another_tag_of_the_same_parent_stops(bench: Bench) -> None:
    bench.hear(PlugIn(), GrantAuthorization("TAG", "FAMILY"))
    assert bench.hear(Swipe("OTHER")) == ["authorize OTHER"]
    assert bench.hear(GrantAuthorization("OTHER", "FAMILY"))[:2] == ["stop Local by OTHER at 0 Wh", "Finishing"]


def test_the_parent_that_comes_with_the_transaction_id_counts_too(charging: Bench) -> None:
    charging.hear(BindTransaction("t1", 77, "FAMILY"))
    transaction = charging.memory.transaction
    assert transaction is not None
    assert (transaction.transaction_id, transaction.parent_id_tag) == (77, "FAMILY")
    assert charging.hear(GrantAuthorization("OTHER", "family"))[0] == "stop Local by OTHER at 0 Wh"


@pytest.mark.parametrize(
    "grant", [GrantAuthorization("OTHER"), GrantAuthorization("OTHER", "B"), GrantAuthorization("TAG", "A")]
)
def test_no_other_grant_stops(bench: Bench, grant: GrantAuthorization) -> None:
    bench.hear(PlugIn(), GrantAuthorization("TAG", "A"))
    assert bench.tell(grant) == "Connector 1 already has an active transaction"


def test_a_tag_presented_while_finishing_starts_another_transaction(charging: Bench) -> None:
    charging.hear(StopTransaction())
    assert charging.hear(Swipe("NEXT")) == ["authorize NEXT"]
    assert charging.hear(GrantAuthorization("NEXT")) == [
        "Preparing",
        "start NEXT at 0 Wh",
        "Charging",
        "power 7200 W",
    ]


def test_a_transaction_id_for_another_transaction_is_refused(charging: Bench) -> None:
    assert charging.tell(BindTransaction("t9", 1)) == "Transaction t9 is not active on connector 1"


# ---- the cable -------------------------------------------------------------------------------------------------------


def test_pulled_out_of_the_car_the_transaction_stops_and_the_cable_is_free(charging: Bench) -> None:
    assert charging.hear(UNPLUG_CAR) == ["stop EVDisconnected at 0 Wh", "Finishing", "unplugged", "power 0 W"]
    assert charging.wait(100) == []
    assert charging.hear(Unplug()) == ["Available"]


def test_a_cable_that_stays_locked_needs_an_id_tag() -> None:
    bench = Bench(settings=ConnectorSettings(unlock_on_ev_side_disconnect=False))
    bench.hear(PlugIn(), StartTransaction("TAG"), UNPLUG_CAR)
    assert (
        bench.tell(Unplug())
        == "Cable is locked on connector 1: present the id tag that charged, or one of its parent's, to unlock it"
    )
    assert bench.hear(Swipe("TAG"), GrantAuthorization("TAG")) == ["authorize TAG"]
    assert bench.hear(Unplug()) == ["Available"]


def test_a_cable_locked_into_an_unavailable_connector_is_unlocked_by_an_id_tag_too() -> None:
    bench = Bench(settings=ConnectorSettings(unlock_on_ev_side_disconnect=False))
    bench.hear(PlugIn(), StartTransaction("TAG"), INOPERATIVE, UNPLUG_CAR)
    assert bench.status is ConnectorStatus.UNAVAILABLE
    bench.hear(Swipe("TAG"), GrantAuthorization("TAG"), Unplug())
    assert bench.tell(Swipe("TAG")) == "Connector 1 is Unavailable"
    assert bench.memory.cable is Cable.NONE


def test_pulled_out_of_the_car_the_transaction_may_also_wait_for_it() -> None:
    bench = Bench(settings=ConnectorSettings(stop_on_ev_side_disconnect=False))
    car = EV(energy_wanted_wh=100)
    bench.hear(PlugIn(car), StartTransaction("TAG"))
    bench.wait(30)
    assert bench.hear(UNPLUG_CAR) == ["SuspendedEV", "unplugged", "power 0 W"]
    bench.wait(30)
    assert bench.hear(PlugIn(car)) == ["Charging", "plugged", "power 7200 W"]
    # 60 of its 100 Wh came before the break: the same car wants only the rest.
    assert bench.wait(20) == ["SuspendedEV", "power 0 W"]
    assert bench.hear(StopTransaction())[0] == "stop Local at 100 Wh"


def test_another_car_at_the_same_cable_has_its_own_wishes() -> None:
    bench = Bench(settings=ConnectorSettings(stop_on_ev_side_disconnect=False))
    bench.hear(PlugIn(EV(energy_wanted_wh=100)), StartTransaction("TAG"))
    bench.wait(10)
    bench.hear(UNPLUG_CAR, PlugIn(EV(energy_wanted_wh=90)))
    assert bench.wait(44.9) == []
    assert bench.wait(0.2) == ["SuspendedEV", "power 0 W"]


def test_a_fixed_cable_out_of_the_car_leaves_nothing_to_do() -> None:
    bench = Bench(ConnectorPlan(fixed_cable=True))
    bench.hear(PlugIn(), StartTransaction("TAG"))
    assert bench.tell(Unplug()) == "Cannot unplug cable during active transaction"
    assert bench.hear(UNPLUG_CAR) == ["stop EVDisconnected at 0 Wh", "Available", "unplugged", "power 0 W"]
    assert bench.memory.cable is Cable.NONE


def test_a_fixed_cable_is_never_held_after_the_transaction() -> None:
    bench = Bench(ConnectorPlan(fixed_cable=True), ConnectorSettings(unlock_on_ev_side_disconnect=False))
    bench.hear(PlugIn(), StartTransaction("TAG"), UNPLUG_CAR)
    assert bench.hear(GrantAuthorization("NEXT")) == ["Preparing"]


def test_out_of_the_car_a_finishing_connector_waits_for_the_other_end(charging: Bench) -> None:
    charging.hear(StopTransaction(), UNPLUG_CAR)
    assert charging.wait(100) == []
    assert charging.hear(Unplug()) == ["Available"]


@pytest.mark.parametrize("end", CableEnd)
def test_a_fixed_cable_has_one_end_to_unplug(end: CableEnd) -> None:
    bench = Bench(ConnectorPlan(fixed_cable=True))
    bench.hear(PlugIn())
    assert bench.hear(Unplug(end)) == ["Available", "unplugged"]


def test_a_loose_cable_in_the_socket_still_counts_as_a_beginning(bench: Bench) -> None:
    bench.hear(PlugIn())
    assert bench.hear(UNPLUG_CAR) == ["unplugged"]
    assert bench.tell(UNPLUG_CAR) == "Cable is already out of the car on connector 1"
    assert bench.tell(StartTransaction()) == "Cable must be plugged in before starting transaction"
    assert bench.hear(GrantAuthorization("TAG")) == []
    assert bench.wait(60) == []
    assert bench.hear(PlugIn()) == ["plugged"]
    assert bench.hear(Unplug()) == ["Available", "unplugged"]


def test_reconnecting_while_finishing_begins_anew(charging: Bench) -> None:
    charging.hear(UNPLUG_CAR)
    assert charging.hear(PlugIn()) == ["Preparing", "plugged"]


def test_a_locked_cable_is_free_once_the_car_is_back() -> None:
    bench = Bench(settings=ConnectorSettings(unlock_on_ev_side_disconnect=False))
    bench.hear(PlugIn(), StartTransaction("TAG"), UNPLUG_CAR, PlugIn())
    assert bench.hear(Unplug()) == ["Available", "unplugged"]


def test_unlocking_stops_the_transaction(charging: Bench) -> None:
    assert charging.hear(UnlockConnector()) == ["stop UnlockCommand at 0 Wh", "Finishing", "power 0 W"]
    assert charging.hear(Unplug()) == ["Available", "unplugged"]


def test_unlocking_without_a_transaction_frees_the_cable() -> None:
    bench = Bench(settings=ConnectorSettings(unlock_on_ev_side_disconnect=False))
    bench.hear(PlugIn(), StartTransaction("TAG"), UNPLUG_CAR)
    assert bench.hear(UnlockConnector()) == []
    assert bench.hear(Unplug()) == ["Available"]


def test_a_fixed_cable_has_no_lock() -> None:
    bench = Bench(ConnectorPlan(fixed_cable=True))
    bench.hear(PlugIn(), StartTransaction("TAG"))
    assert bench.tell(UnlockConnector()) == "Connector 1 has a fixed cable"
    assert bench.status is ConnectorStatus.CHARGING


def test_a_broken_lock_cannot_be_unlocked(charging: Bench) -> None:
    charging.hear(InjectFault(ErrorCode.CONNECTOR_LOCK_FAILURE))
    assert charging.tell(UnlockConnector()) == "Connector 1 cannot be unlocked: ConnectorLockFailure"
    assert charging.memory.transaction is not None


# ---- availability ----------------------------------------------------------------------------------------------------


def test_inoperative_waits_for_the_end_of_the_transaction(charging: Bench) -> None:
    assert charging.hear(INOPERATIVE) == []
    assert charging.memory.inoperative
    assert charging.hear(StopTransaction()) == ["stop Local at 0 Wh", "Unavailable", "power 0 W"]
    assert charging.hear(Unplug()) == ["unplugged"]
    assert charging.hear(OPERATIVE) == ["Available"]


def test_operative_again_before_the_transaction_ends_is_as_if_nothing_had_been(charging: Bench) -> None:
    assert charging.hear(INOPERATIVE, OPERATIVE) == []
    assert charging.hear(StopTransaction())[1] == "Finishing"


def test_a_preparing_connector_is_made_inoperative_by_way_of_available(bench: Bench) -> None:
    bench.hear(PlugIn())
    assert bench.hear(INOPERATIVE) == ["Available", "Unavailable"]
    assert bench.tell(PlugIn()) == "Connector 1 is Unavailable"
    assert bench.hear(OPERATIVE) == ["Preparing"]


def test_a_granted_tag_is_forgotten_when_the_connector_goes_inoperative(bench: Bench) -> None:
    bench.hear(GrantAuthorization("TAG"), INOPERATIVE, OPERATIVE)
    assert bench.hear(PlugIn()) == ["Preparing", "plugged"]


def test_the_same_availability_again_is_done_already(bench: Bench) -> None:
    assert bench.hear(OPERATIVE) == []
    assert bench.hear(INOPERATIVE, INOPERATIVE) == ["Unavailable"]


# ---- faults ----------------------------------------------------------------------------------------------------------


def test_a_fault_stops_the_energy_but_not_the_transaction(charging: Bench) -> None:
    charging.wait(30)
    assert charging.hear(InjectFault(ErrorCode.GROUND_FAILURE)) == ["Faulted GroundFailure", "power 0 W"]
    assert charging.wait(40) == ["sample Sample.Periodic 60 Wh"]
    assert charging.hear(ClearFault()) == ["Charging", "power 7200 W"]


def test_a_transaction_may_be_stopped_in_a_fault(charging: Bench) -> None:
    charging.hear(InjectFault())
    assert charging.hear(StopTransaction(StopReason.EMERGENCY_STOP)) == ["stop EmergencyStop at 0 Wh"]
    assert charging.tell(StopTransaction()) == "No active transaction on connector 1"
    assert charging.hear(ClearFault()) == ["Finishing"]
    assert charging.wait(2) == ["Preparing"]


def test_another_fault_in_a_fault_is_reported_and_the_same_is_not(bench: Bench) -> None:
    bench.hear(InjectFault(ErrorCode.UNDER_VOLTAGE, "brown-out"))
    assert bench.hear(InjectFault(ErrorCode.UNDER_VOLTAGE, "brown-out")) == []
    assert bench.hear(InjectFault(ErrorCode.HIGH_TEMPERATURE)) == ["Faulted HighTemperature"]
    assert bench.hear(ClearFault()) == ["Available"]


def test_a_fault_carries_its_words(bench: Bench) -> None:
    bench.hear(InjectFault(ErrorCode.OTHER_ERROR, "door open", "E42"))
    assert bench.reports[-1] == StatusChanged(
        1, 0.0, ConnectorStatus.FAULTED, ErrorCode.OTHER_ERROR, "door open", "E42"
    )


def test_no_error_is_no_fault(bench: Bench) -> None:
    assert bench.tell(InjectFault(ErrorCode.NO_ERROR)) == "A fault needs an error code other than NoError"


def test_a_fault_is_cleared_into_the_world_as_it_is_then(bench: Bench) -> None:
    bench.hear(PlugIn(), InjectFault(), Unplug())
    assert bench.hear(ClearFault()) == ["Available"]
    bench.hear(PlugIn(), InjectFault(), INOPERATIVE)
    assert bench.hear(ClearFault()) == ["Unavailable"]


def test_a_suspension_outlives_a_fault(charging: Bench) -> None:
    charging.hear(SuspendEVSE(), InjectFault())
    assert charging.hear(ClearFault()) == ["SuspendedEVSE"]


# ---- power-up --------------------------------------------------------------------------------------------------------


def test_a_transaction_that_was_cut_off_is_stopped_at_power_up(charging: Bench) -> None:
    charging.wait(50)
    assert charging.reboot(off_s=600) == ["stop PowerLoss at 100 Wh", "Preparing", "power 0 W"]
    assert charging.memory.transaction is None
    assert charging.hear(Unplug()) == ["Available", "unplugged"]


def test_the_reason_of_the_interruption_is_given_from_outside(charging: Bench) -> None:
    assert charging.reboot(StopReason.HARD_RESET)[0] == "stop HardReset at 0 Wh"


def test_inoperative_survives_a_reboot(bench: Bench) -> None:
    bench.hear(INOPERATIVE)
    assert bench.reboot() == ["Unavailable"]


def test_a_fault_does_not_survive_a_reboot(bench: Bench) -> None:
    bench.hear(InjectFault())
    assert bench.reboot() == ["Available"]


def test_a_fixed_cable_that_was_out_of_the_car_at_the_cut_is_out() -> None:
    bench = Bench(ConnectorPlan(fixed_cable=True), ConnectorSettings(stop_on_ev_side_disconnect=False))
    bench.hear(PlugIn(), StartTransaction("TAG"), UNPLUG_CAR)
    assert bench.reboot() == ["stop PowerLoss at 0 Wh", "Available", "power 0 W"]
    assert bench.memory.cable is Cable.NONE


def test_the_keys_of_transactions_come_from_outside_and_bind_start_to_stop(charging: Bench) -> None:
    charging.hear(StopTransaction(), StartTransaction("TAG"), StopTransaction())
    started = [report.transaction for report in charging.reports if isinstance(report, TransactionStarted)]
    stopped = [report.transaction for report in charging.reports if isinstance(report, TransactionStopped)]
    assert started == stopped == ["t1", "t2"]


# ---- suspensions -----------------------------------------------------------------------------------------------------


def test_either_side_suspends_and_resumes(charging: Bench) -> None:
    assert charging.hear(SuspendEV()) == ["SuspendedEV", "power 0 W"]
    assert charging.hear(Resume()) == ["Charging", "power 7200 W"]
    assert charging.hear(SuspendEVSE()) == ["SuspendedEVSE", "power 0 W"]
    assert charging.hear(Resume()) == ["Charging", "power 7200 W"]
    assert charging.tell(Resume()) == "Nothing to resume on connector 1"


def test_when_neither_side_lets_flow_the_charge_point_s_suspension_counts(charging: Bench) -> None:
    charging.hear(SuspendEV())
    assert charging.hear(SetPower(0)) == ["SuspendedEVSE"]
    assert charging.hear(SetPower(None)) == ["SuspendedEV"]


def test_a_suspension_ends_with_its_transaction(charging: Bench) -> None:
    charging.hear(SuspendEV(), StopTransaction())
    assert charging.hear(StartTransaction("NEXT"))[2] == "Charging"


def test_a_transaction_can_begin_suspended_by_either_side() -> None:
    bench = Bench()
    bench.hear(PlugIn(EV(soc=1.0)))
    assert bench.hear(StartTransaction()) == ["start DEMO_TAG at 0 Wh", "SuspendedEV"]
    bench = Bench()
    bench.hear(SetPower(0), PlugIn())
    assert bench.hear(StartTransaction()) == ["start DEMO_TAG at 0 Wh", "SuspendedEVSE"]


def test_nothing_is_suspended_without_a_transaction(bench: Bench) -> None:
    bench.hear(PlugIn())
    for order in (SuspendEV(), SuspendEVSE(), Resume()):
        assert bench.tell(order) == "No active transaction on connector 1"


# ---- bugs ------------------------------------------------------------------------------------------------------------


def test_a_crash_on_purpose_leaves_memory_as_it_was(charging: Bench) -> None:
    before = charging.snapshot()[1]
    with pytest.raises(RuntimeError, match="crash injected into connector 1"):
        charging.tell(Crash())
    assert charging.snapshot()[1] == before


def test_a_move_that_the_specification_does_not_know_is_a_bug(bench: Bench) -> None:
    with pytest.raises(IllegalMove, match="no transition from Available to Finishing"):
        bench.connector._move(ConnectorStatus.FINISHING, 0.0, [])
    assert bench.status is ConnectorStatus.AVAILABLE


def test_a_connector_is_small() -> None:
    assert not hasattr(Bench().connector, "__dict__")
    assert Connector.__slots__ == ()
