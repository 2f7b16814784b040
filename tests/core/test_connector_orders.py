"""Every order in every status, in every variant of the world that leads to it: done along a row, or refused in vain."""

from collections.abc import Callable

import pytest
from counterparts.connector_bench import Bench

from fleet.commands.hazards import BreakMeter, BreakRelay, FailLock
from fleet.commands.vocabulary import (
    EV,
    ChangeAvailability,
    ClearFault,
    ConnectorCommand,
    Crash,
    InjectFault,
    PlugIn,
    Resume,
    SetEV,
    SetPower,
    StartTransaction,
    StopTransaction,
    SuspendEV,
    SuspendEVSE,
    Swipe,
    UnlockConnector,
    Unplug,
)
from fleet.core.orders import (
    ApplySettings,
    BindTransaction,
    ConnectorOrder,
    ConnectorSettings,
    DenyAuthorization,
    GrantAuthorization,
    LimitPower,
    Release,
    Reserve,
    StopEnergy,
    TakeReading,
)
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import IdTagRefused, StatusChanged, TransactionStarted, TransactionStopped
from fleet.core.reservation import Reservation
from fleet.core.status import IN_TRANSACTION, MOVES, ORDERS
from fleet.words import (
    AuthorizationStatus,
    Availability,
    CableEnd,
    ConnectorStatus,
    ErrorCode,
    Measurand,
    MeterFault,
    RelayFault,
)
from fleet.words import ReadingContext as Context

Order = ConnectorCommand | ConnectorOrder

DETACHABLE = ConnectorPlan()
FIXED = ConnectorPlan(fixed_cable=True)
WAITING = ConnectorSettings(stop_on_ev_side_disconnect=False)
LOCKING = ConnectorSettings(unlock_on_ev_side_disconnect=False)
KEEPING = ConnectorSettings(stop_sampled_data=((Measurand.SOC, None),))
OUT_OF_CAR = Unplug(CableEnd.EV)
INOPERATIVE = ChangeAvailability(Availability.INOPERATIVE)
CHARGING = (PlugIn(), StartTransaction("TAG"))
KEPT = Reservation(1, 1, "TAG", 1e9, "FAMILY")
KEPT_ANYWHERE = Reservation(2, 0, "OTHER", 1e9)


def made(
    *orders: Order,
    plan: ConnectorPlan = DETACHABLE,
    settings: ConnectorSettings = KEEPING,
) -> Callable[[], Bench]:
    def make() -> Bench:
        bench = Bench(plan, settings)
        bench.hear(*orders)
        bench.now = 1.0
        return bench

    return make


def wanting_ended() -> Bench:
    bench = made(PlugIn(EV(energy_wanted_wh=10)), StartTransaction("TAG"))()
    bench.wait(30)
    return bench


def welded() -> Bench:
    bench = made(*CHARGING, BreakRelay(RelayFault.CLOSED), StopTransaction())()
    bench.hear(TakeReading())  # what has flowed since is told
    return bench


VARIANTS: dict[str, tuple[ConnectorStatus, Callable[[], Bench]]] = {
    "available": (ConnectorStatus.AVAILABLE, made()),
    "available, fixed cable": (ConnectorStatus.AVAILABLE, made(plan=FIXED)),
    "available, no power": (ConnectorStatus.AVAILABLE, made(SetPower(0))),
    "preparing, cable": (ConnectorStatus.PREPARING, made(PlugIn())),
    "preparing, fixed cable": (ConnectorStatus.PREPARING, made(PlugIn(), plan=FIXED)),
    "preparing, tag": (ConnectorStatus.PREPARING, made(GrantAuthorization("TAG", "FAMILY"))),
    "preparing, loose cable": (ConnectorStatus.PREPARING, made(PlugIn(), OUT_OF_CAR)),
    "preparing, loose cable, tag": (
        ConnectorStatus.PREPARING,
        made(PlugIn(), OUT_OF_CAR, GrantAuthorization("TAG")),
    ),
    "preparing, locked loose cable": (
        ConnectorStatus.PREPARING,
        made(*CHARGING, OUT_OF_CAR, INOPERATIVE, ChangeAvailability(Availability.OPERATIVE), settings=LOCKING),
    ),
    "charging": (ConnectorStatus.CHARGING, made(*CHARGING)),
    "charging, fixed cable": (ConnectorStatus.CHARGING, made(*CHARGING, plan=FIXED)),
    "charging, locking": (ConnectorStatus.CHARGING, made(*CHARGING, settings=LOCKING)),
    "charging, waiting for the car": (ConnectorStatus.CHARGING, made(*CHARGING, settings=WAITING)),
    "charging, with a parent": (
        ConnectorStatus.CHARGING,
        made(PlugIn(), GrantAuthorization("TAG", "FAMILY")),
    ),
    "charging, soon unavailable": (ConnectorStatus.CHARGING, made(*CHARGING, INOPERATIVE)),
    "charging, on an allowance": (ConnectorStatus.CHARGING, made(*CHARGING, StopEnergy("t1", 1000))),
    "suspended by the car": (ConnectorStatus.SUSPENDED_EV, made(*CHARGING, SuspendEV())),
    "charging, nothing flows": (ConnectorStatus.CHARGING, made(*CHARGING, BreakRelay(RelayFault.OPEN))),
    "charging, welded": (ConnectorStatus.CHARGING, made(*CHARGING, BreakRelay(RelayFault.CLOSED))),
    "suspended, full": (ConnectorStatus.SUSPENDED_EV, wanting_ended),
    "suspended, out of the car": (ConnectorStatus.SUSPENDED_EV, made(*CHARGING, OUT_OF_CAR, settings=WAITING)),
    "suspended, fixed cable out of the car": (
        ConnectorStatus.SUSPENDED_EV,
        made(*CHARGING, OUT_OF_CAR, settings=WAITING, plan=FIXED),
    ),
    "suspended, soon unavailable": (ConnectorStatus.SUSPENDED_EV, made(*CHARGING, SuspendEV(), INOPERATIVE)),
    "suspended by the charge point": (ConnectorStatus.SUSPENDED_EVSE, made(*CHARGING, SuspendEVSE())),
    "suspended by both": (ConnectorStatus.SUSPENDED_EVSE, made(*CHARGING, SuspendEV(), SuspendEVSE())),
    "suspended, no power": (ConnectorStatus.SUSPENDED_EVSE, made(*CHARGING, SetPower(0))),
    "suspended, invalid tag": (ConnectorStatus.SUSPENDED_EVSE, made(*CHARGING, StopEnergy("t1"))),
    "suspended, no power, out of the car": (
        ConnectorStatus.SUSPENDED_EVSE,
        made(*CHARGING, SetPower(0), OUT_OF_CAR, settings=WAITING),
    ),
    "finishing, cable": (ConnectorStatus.FINISHING, made(*CHARGING, StopTransaction())),
    "finishing, loose cable": (ConnectorStatus.FINISHING, made(*CHARGING, OUT_OF_CAR)),
    "finishing, locked loose cable": (ConnectorStatus.FINISHING, made(*CHARGING, OUT_OF_CAR, settings=LOCKING)),
    "finishing, welded": (ConnectorStatus.FINISHING, welded),
    "reserved": (ConnectorStatus.RESERVED, made(Reserve(KEPT))),
    "reserved, cable": (ConnectorStatus.RESERVED, made(Reserve(KEPT), PlugIn())),
    "reserved, loose cable": (ConnectorStatus.RESERVED, made(Reserve(KEPT_ANYWHERE), PlugIn(), OUT_OF_CAR)),
    "reserved, fixed cable": (ConnectorStatus.RESERVED, made(Reserve(KEPT_ANYWHERE), PlugIn(), plan=FIXED)),
    "preparing, tag of a reservation": (ConnectorStatus.PREPARING, made(Reserve(KEPT), GrantAuthorization("TAG"))),
    "preparing, loose cable, tag of a reservation": (
        ConnectorStatus.PREPARING,
        made(Reserve(KEPT), PlugIn(), OUT_OF_CAR, GrantAuthorization("TAG")),
    ),
    "unavailable": (ConnectorStatus.UNAVAILABLE, made(INOPERATIVE)),
    "unavailable, cable": (ConnectorStatus.UNAVAILABLE, made(PlugIn(), INOPERATIVE)),
    "unavailable, locked loose cable": (
        ConnectorStatus.UNAVAILABLE,
        made(*CHARGING, INOPERATIVE, OUT_OF_CAR, settings=LOCKING),
    ),
    "faulted": (ConnectorStatus.FAULTED, made(InjectFault())),
    "faulted, cable": (ConnectorStatus.FAULTED, made(PlugIn(), InjectFault())),
    "faulted for a while": (ConnectorStatus.FAULTED, made(PlugIn(), InjectFault(for_s=60))),
    "faulted, tag": (ConnectorStatus.FAULTED, made(GrantAuthorization("TAG"), InjectFault())),
    "faulted, broken lock": (
        ConnectorStatus.FAULTED,
        made(*CHARGING, InjectFault(ErrorCode.CONNECTOR_LOCK_FAILURE)),
    ),
    "faulted, transaction": (ConnectorStatus.FAULTED, made(*CHARGING, InjectFault())),
    "faulted, transaction with a parent": (
        ConnectorStatus.FAULTED,
        made(PlugIn(), GrantAuthorization("TAG", "FAMILY"), InjectFault()),
    ),
    "faulted, transaction, waiting for the car": (
        ConnectorStatus.FAULTED,
        made(*CHARGING, InjectFault(), settings=WAITING),
    ),
    "faulted, transaction, out of the car": (
        ConnectorStatus.FAULTED,
        made(*CHARGING, OUT_OF_CAR, InjectFault(), settings=WAITING),
    ),
    "faulted, transaction, welded": (
        ConnectorStatus.FAULTED,
        made(*CHARGING, BreakRelay(RelayFault.CLOSED), InjectFault()),
    ),
    "faulted, transaction over": (ConnectorStatus.FAULTED, made(*CHARGING, InjectFault(), StopTransaction())),
    "faulted, finishing": (ConnectorStatus.FAULTED, made(*CHARGING, StopTransaction(), InjectFault())),
    "faulted, locked loose cable": (
        ConnectorStatus.FAULTED,
        made(*CHARGING, OUT_OF_CAR, InjectFault(), settings=LOCKING),
    ),
    "faulted, unavailable": (ConnectorStatus.FAULTED, made(INOPERATIVE, InjectFault())),
    "faulted, unavailable, cable": (ConnectorStatus.FAULTED, made(PlugIn(), INOPERATIVE, InjectFault())),
}

GIVEN: tuple[Order, ...] = (
    PlugIn(),
    PlugIn(EV(soc=1.0)),
    Unplug(),
    OUT_OF_CAR,
    Swipe("TAG"),
    Swipe("OTHER"),
    StartTransaction("TAG"),
    StartTransaction("OTHER"),
    StopTransaction(),
    ChangeAvailability(Availability.OPERATIVE),
    INOPERATIVE,
    InjectFault(),
    InjectFault(ErrorCode.GROUND_FAILURE, "wet"),
    InjectFault(ErrorCode.NO_ERROR),
    InjectFault(ErrorCode.WEAK_SIGNAL, for_s=60),
    ClearFault(),
    FailLock(),
    *map(BreakMeter, MeterFault),
    *map(BreakRelay, RelayFault),
    SuspendEV(),
    SuspendEVSE(),
    Resume(),
    SetPower(0),
    SetPower(3000),
    SetPower(),
    LimitPower(0),
    LimitPower(3000),
    SetEV(soc=1.0),
    SetEV(power_max_w=1000, energy_wanted_wh=0),
    UnlockConnector(),
    ApplySettings(ConnectorSettings(sample_interval_s=5)),
    GrantAuthorization("TAG"),
    GrantAuthorization("OTHER"),
    GrantAuthorization("OTHER", "FAMILY"),
    GrantAuthorization("OTHER", None, KEPT_ANYWHERE),
    Reserve(KEPT),
    Reserve(KEPT_ANYWHERE),
    Release(),
    DenyAuthorization("TAG", AuthorizationStatus.INVALID),
    DenyAuthorization("OTHER", AuthorizationStatus.INVALID),
    BindTransaction("t1", 42, "FAMILY"),
    BindTransaction("t0", 42),
    StopEnergy("t1"),
    StopEnergy("t1", 100),
    StopEnergy("t0"),
    TakeReading(),
    TakeReading(Context.TRIGGER),
)


def test_all_statuses_and_all_orders_are_among_these() -> None:
    assert {status for status, _ in VARIANTS.values()} == set(ConnectorStatus)
    assert {type(order) for order in GIVEN} | {Crash} == {order for row in ORDERS.values() for order in row}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_what_it_says(variant: str) -> None:
    status, make = VARIANTS[variant]
    assert make().status is status


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_order_follows_its_row_or_changes_nothing(variant: str) -> None:
    status, make = VARIANTS[variant]
    for order in GIVEN:
        give(make(), status, order)


@pytest.mark.parametrize("variant", VARIANTS)
def test_with_a_lock_that_will_fail_every_order_follows_its_row_or_finds_it_out(variant: str) -> None:
    status, make = VARIANTS[variant]
    for order in GIVEN:
        bench = make()
        bench.memory.lock_fails = not bench.plan.fixed_cable
        give(bench, status, order)


def give(bench: Bench, status: ConnectorStatus, order: Order) -> None:
    before, said, would_fail = bench.snapshot(), len(bench.reports), bench.memory.lock_fails
    refusal = bench.tell(order)
    reports = bench.reports[said:]
    if refusal is not None:
        assert refusal
        assert "\n" not in refusal
        if would_fail and not bench.memory.lock_fails:
            assert bench.status is ConnectorStatus.FAULTED
            assert "Faulted ConnectorLockFailure" in bench.log[-2:]
            return
        # Whoever presented the tag is told; nothing else is.
        tag = [IdTagRefused(1, bench.now, order.id_tag, refusal)] if isinstance(order, GrantAuthorization) else []
        assert reports == tag
        assert bench.snapshot() == before, order
        return
    assert bench.status in ORDERS[status][type(order)]
    here = status
    for report in reports:
        if isinstance(report, StatusChanged):
            if report.status is not here:
                assert report.status in MOVES[here]
            here = report.status
    assert here is bench.status
    started = sum(isinstance(report, TransactionStarted) for report in reports)
    ended = sum(isinstance(report, TransactionStopped) for report in reports)
    assert started + ended <= 1
    if bench.status is not ConnectorStatus.FAULTED:
        assert (bench.memory.transaction is not None) is (bench.status in IN_TRANSACTION)


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_order_without_a_row_is_always_refused(variant: str) -> None:
    status, make = VARIANTS[variant]
    for order in GIVEN:
        if type(order) not in ORDERS[status]:
            assert make().tell(order) is not None, order


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_can_be_brought_back_to_available(variant: str) -> None:
    _, make = VARIANTS[variant]
    bench = make()
    for order in (
        ClearFault(),
        StopTransaction(),
        ChangeAvailability(Availability.OPERATIVE),
        ClearFault(),
        UnlockConnector(),
        Unplug(),
    ):
        bench.tell(order)
    if bench.status is ConnectorStatus.PREPARING:
        bench.wait(60)  # a tag without a cable
    if bench.status is ConnectorStatus.RESERVED:
        bench.hear(INOPERATIVE, ChangeAvailability(Availability.OPERATIVE))
    assert bench.status is ConnectorStatus.AVAILABLE
