"""Random lives of a connector, with everything that can be ordered, overslept and cut off in between."""

import math

from counterparts.connector_bench import Bench
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fleet.commands.hazards import FailLock
from fleet.commands.vocabulary import (
    EV,
    ChangeAvailability,
    ClearFault,
    ConnectorCommand,
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
from fleet.core.memory import Cable
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
from fleet.core.reports import (
    CableChanged,
    MeterSampled,
    PowerChanged,
    Reading,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.core.reservation import Reservation
from fleet.core.status import IN_TRANSACTION, MOVES
from fleet.words import AuthorizationStatus, Availability, CableEnd, ConnectorStatus, ErrorCode, Measurand, StopReason

TAGS = st.sampled_from(["A", "B", "C"])
PARENTS = st.sampled_from([None, "P", "Q"])
KEYS = st.integers(1, 6).map("t{}".format)
DATA = st.sampled_from([(), ((Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, None),)])
CARS = st.builds(
    EV,
    battery_wh=st.just(20_000.0),
    soc=st.floats(0, 1),
    power_max_w=st.sampled_from([3_000.0, math.inf]),
    energy_wanted_wh=st.none() | st.floats(0, 5_000),
)
SETTINGS = st.builds(
    ConnectorSettings,
    connection_timeout_s=st.sampled_from([0.0, 30.0, 60.0]),
    sample_interval_s=st.sampled_from([0.0, 1.0, 60.0, 900.0]),
    sampled_data=DATA,
    aligned_data=DATA,
    stop_sampled_data=DATA,
    stop_aligned_data=DATA,
    stop_on_ev_side_disconnect=st.booleans(),
    unlock_on_ev_side_disconnect=st.booleans(),
)
RESERVATIONS = st.builds(Reservation, st.integers(1, 3), st.sampled_from([0, 1]), TAGS, st.just(1e9), PARENTS)
ORDERS_OF_DRIVERS = st.one_of(
    st.builds(PlugIn, CARS),
    st.builds(Unplug, st.sampled_from(CableEnd)),
    st.builds(Swipe, TAGS),
    st.builds(StartTransaction, TAGS),
    st.just(StopTransaction()),
    st.builds(GrantAuthorization, TAGS, PARENTS, st.none() | RESERVATIONS),
)
ORDERS_OF_OTHERS = st.one_of(
    st.builds(ChangeAvailability, st.sampled_from(Availability)),
    st.builds(InjectFault, st.sampled_from(ErrorCode)),
    st.just(ClearFault()),
    st.builds(InjectFault, st.sampled_from(ErrorCode), for_s=st.sampled_from([10.0, 600.0])),
    st.sampled_from([SuspendEV(), SuspendEVSE(), Resume(), UnlockConnector(), TakeReading(), FailLock()]),
    st.builds(SetPower, st.sampled_from([None, 0.0, 1_000.0, 22_000.0])),
    st.builds(LimitPower, st.sampled_from([0.0, 2_000.0, 22_000.0])),
    st.builds(ApplySettings, SETTINGS),
    st.builds(DenyAuthorization, TAGS, st.just(AuthorizationStatus.BLOCKED)),
    st.builds(BindTransaction, KEYS, st.integers(1, 9), PARENTS),
    st.builds(StopEnergy, KEYS, st.sampled_from([0.0, 100.0])),
    st.builds(Reserve, RESERVATIONS),
    st.just(Release()),
)
SECONDS = st.one_of(st.floats(0, 5), st.floats(0, 4_000))


class ConnectorLife(RuleBasedStateMachine):
    """One connector's life; after every step all that it said is consistent with all that it said before."""

    @initialize(fixed_cable=st.booleans(), its_settings=SETTINGS, start_at=st.floats(0, 1e6))
    def switch_on(self, fixed_cable: bool, its_settings: ConnectorSettings, start_at: float) -> None:
        self.bench = Bench(ConnectorPlan(fixed_cable=fixed_cable), its_settings)
        self.bench.wait(start_at)
        self.heard = 0
        self.here = ConnectorStatus.AVAILABLE
        self.at = 0.0
        self.register_wh = 0.0
        self.shown_wh = 0
        self.running: TransactionStarted | None = None
        self.plugged = False
        self.power_w = 0.0
        self.rebooted = False

    @rule(order=ORDERS_OF_DRIVERS)
    def drive(self, order: ConnectorCommand | ConnectorOrder) -> None:
        self.tell(order)

    @rule(order=ORDERS_OF_OTHERS)
    def interfere(self, order: ConnectorCommand | ConnectorOrder) -> None:
        self.tell(order)

    @precondition(lambda self: self.bench.status is ConnectorStatus.FAULTED)
    @rule()
    def repair(self) -> None:
        self.tell(ClearFault())

    def tell(self, order: ConnectorCommand | ConnectorOrder) -> None:
        before, said, would_fail = self.bench.snapshot(), len(self.bench.reports), self.bench.memory.lock_fails
        kept = self.bench.memory.reservation if self.bench.status is ConnectorStatus.RESERVED else None
        refusal = self.bench.tell(order)
        if kept is not None and refusal is None and isinstance(order, StartTransaction | GrantAuthorization):
            assert kept.is_for(order.id_tag, None if isinstance(order, StartTransaction) else order.parent_id_tag)
        if refusal is not None:
            if would_fail and not self.bench.memory.lock_fails:
                # A lock that jammed is found out by what it refuses.
                assert self.bench.status is ConnectorStatus.FAULTED
                return
            assert len(self.bench.reports) == said + isinstance(order, GrantAuthorization)
            assert self.bench.snapshot() == before

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        """In short steps, over which power only falls, so that its two ends bound what flowed between them.

        But for a fault that is over by itself: the power that is back at its end says nothing of what flowed before.
        """
        bench, meter = self.bench, self.bench.memory.meter
        until = bench.now + seconds
        while bench.now < until:
            step_s = min(until - bench.now, 20.0)
            before_w, before_wh = meter.power_w(bench.now), meter.register_wh(bench.now)
            was_faulted = bench.status is ConnectorStatus.FAULTED
            bench.wait(step_s)
            after_w, flowed_wh = meter.power_w(bench.now), meter.register_wh(bench.now) - before_wh
            if was_faulted and bench.status is not ConnectorStatus.FAULTED:
                assert 0 <= flowed_wh <= max(before_w, after_w) * step_s / 3600 + 1e-5
                continue
            assert after_w * step_s / 3600 - 1e-5 <= flowed_wh <= before_w * step_s / 3600 + 1e-5

    @rule(seconds=SECONDS)
    def oversleep(self, seconds: float) -> None:
        self.bench.oversleep(seconds)

    @rule(seconds=SECONDS, reason=st.sampled_from([StopReason.POWER_LOSS, StopReason.HARD_RESET]))
    def reboot(self, seconds: float, reason: StopReason) -> None:
        self.settle_books()
        self.bench.reboot(reason, seconds)
        self.rebooted = True

    @invariant()
    def settle_books(self) -> None:
        """All that was said since the last time."""
        if not hasattr(self, "bench"):
            return
        for report in self.bench.reports[self.heard :]:
            self.hear(report)
        self.heard = len(self.bench.reports)
        register_wh = self.bench.memory.meter.register_wh(self.bench.now)
        assert register_wh >= self.register_wh - 1e-9
        assert self.here is self.bench.status
        assert (self.running is not None) is (self.bench.memory.transaction is not None)
        assert self.plugged is (self.bench.memory.cable is Cable.PLUGGED)
        assert self.bench.connector.deadline > self.bench.now
        if self.here in IN_TRANSACTION:
            assert self.running is not None
        elif self.here is not ConnectorStatus.FAULTED:
            assert self.running is None
        if self.here is ConnectorStatus.AVAILABLE:
            assert self.bench.memory.cable is Cable.NONE
        # Only who is on the way with the cable has a reservation of a connector that isn't Reserved.
        if self.here is ConnectorStatus.RESERVED:
            assert self.bench.memory.reservation is not None
        elif self.here is not ConnectorStatus.PREPARING:
            assert self.bench.memory.reservation is None
        power_w = self.bench.memory.meter.power_w(self.bench.now)
        assert (power_w > 0) is (self.here is ConnectorStatus.CHARGING)
        assert (self.power_w > 0) is (power_w > 0)

    def hear(self, report: object) -> None:
        match report:
            case StatusChanged():
                self.hear_status(report)
            case TransactionStarted():
                assert self.running is None
                self.running = report
                self.read(report.at, report.meter_start_wh)
            case TransactionStopped():
                assert self.running is not None
                assert report.transaction == self.running.transaction
                for reading in report.readings:
                    assert self.running.at <= reading.at <= report.at
                    for value in reading.values:
                        assert self.running.meter_start_wh <= value.value <= report.meter_stop_wh
                self.running = None
                self.read(report.at, report.meter_stop_wh)
            case MeterSampled(reading=Reading(at=at, values=values)):
                assert report.transaction == (self.running and self.running.transaction)
                assert report.register_wh >= self.register_wh - 1e-9
                self.register_wh = report.register_wh
                for value in values:
                    self.read(at, int(value.value))
            case PowerChanged():
                self.read(report.at, self.shown_wh)
                assert report.register_wh >= self.register_wh - 1e-9
                self.register_wh, self.power_w = report.register_wh, report.power_w
            case CableChanged():
                assert report.plugged is not self.plugged
                self.plugged = report.plugged
            case _:
                pass

    def hear_status(self, report: StatusChanged) -> None:
        assert report.at >= self.at
        self.at = report.at
        assert (report.status is ConnectorStatus.FAULTED) is (report.error_code is not ErrorCode.NO_ERROR)
        if self.rebooted:
            self.rebooted = False  # at power-up the status is what the world says
        elif report.status is not self.here:
            assert report.status in MOVES[self.here], (self.here, report.status)
        self.here = report.status

    def read(self, at: float, register_wh: int) -> None:
        assert at >= self.at
        assert register_wh >= self.shown_wh
        self.at, self.shown_wh = at, register_wh


TestConnectorLife = ConnectorLife.TestCase
TestConnectorLife.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
