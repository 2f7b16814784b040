"""Meters and contactors that are broken: what they show, what flows, and what is told of it."""

import pytest
from counterparts.connector_bench import Bench
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands.hazards import BreakMeter, BreakRelay
from fleet.commands.vocabulary import (
    EV,
    InjectFault,
    PlugIn,
    Resume,
    SetPower,
    StartTransaction,
    StopTransaction,
    SuspendEV,
    SuspendEVSE,
    Unplug,
)
from fleet.core.ev import curve
from fleet.core.meter import Meter
from fleet.core.orders import ConnectorSettings, StopEnergy, TakeReading
from fleet.core.reports import MeterSampled, RegisterMoved
from fleet.core.sampling import MeterState
from fleet.words import CableEnd, ConnectorStatus, ErrorCode, Measurand, MeterFault, RelayFault

HOUR_S = 3600.0
POWER_W = 7200
CAR = EV(battery_wh=60_000, soc=0.0)
STICK, JUMP, FALL, MEND = (
    BreakMeter(MeterFault.STICK),
    BreakMeter(MeterFault.JUMP, 5_000),
    BreakMeter(MeterFault.FALL, 5_000),
    BreakMeter(MeterFault.NONE),
)
OPEN, CLOSED, WORKS = (BreakRelay(fault) for fault in (RelayFault.OPEN, RelayFault.CLOSED, RelayFault.NONE))
UNSAMPLED = ConnectorSettings(sample_interval_s=0)
SOC = ConnectorSettings(sample_interval_s=0, aligned_data=((Measurand.SOC, None),))


def charging(settings: ConnectorSettings = UNSAMPLED, car: EV = CAR) -> Bench:
    bench = Bench(settings=settings)
    bench.hear(PlugIn(car), StartTransaction("TAG"))
    return bench


def state(bench: Bench) -> MeterState:
    return bench.connector._supply.state(bench.now, 0.0)


# ---- the meter -------------------------------------------------------------------------------------------------------


def test_a_register_that_sticks_shows_nothing_of_what_flows() -> None:
    bench = charging()
    bench.wait(HOUR_S)
    bench.hear(STICK)
    bench.wait(HOUR_S)
    assert state(bench).register_wh == POWER_W
    assert state(bench).power_w == POWER_W
    assert bench.hear(StopTransaction())[0] == "stop Local at 7200 Wh"


def test_a_car_is_charged_whatever_the_meter_shows_of_it() -> None:
    bench = charging()
    for order in (STICK, JUMP, FALL, FALL, MEND):
        bench.hear(order)
        bench.wait(HOUR_S / 2)
    # Half a battery's hour, five times.
    assert state(bench).soc == pytest.approx(2.5 * POWER_W / CAR.battery_wh)


def test_a_car_is_full_when_it_is_full_though_the_register_sticks() -> None:
    bench = charging(car=EV(energy_wanted_wh=POWER_W))
    bench.hear(STICK)
    assert bench.wait(2 * HOUR_S) == ["SuspendedEV", "power 0 W"]
    assert bench.memory.meter.passed_wh(bench.now) == POWER_W


def test_what_an_invalid_tag_is_still_given_ends_though_the_register_sticks() -> None:
    bench = charging()
    bench.hear(STICK, StopEnergy("t1", 100))
    assert bench.wait(HOUR_S) == ["SuspendedEVSE", "power 0 W"]
    assert bench.memory.meter.passed_wh(bench.now) == pytest.approx(100)


def test_a_mended_register_counts_on_from_what_it_shows() -> None:
    bench = charging()
    bench.hear(STICK)
    bench.wait(HOUR_S)
    assert bench.hear(MEND) == []
    bench.wait(HOUR_S)
    assert bench.hear(StopTransaction())[0] == "stop Local at 7200 Wh"


def test_a_jump_within_a_transaction_is_billed() -> None:
    bench = charging()
    bench.wait(HOUR_S)
    assert bench.hear(JUMP) == ["register 7200 to 12200 Wh"]
    bench.wait(HOUR_S)
    assert bench.hear(StopTransaction())[0] == "stop Local at 19400 Wh"


def test_a_register_that_falls_is_reported_as_it_is() -> None:
    bench = charging()
    bench.wait(HOUR_S)
    bench.hear(StopTransaction())
    bench.wait(10)
    bench.hear(StartTransaction("TAG"))
    assert bench.hear(FALL) == ["register 7200 to 2200 Wh"]
    # A charge point doesn't know better than its meter: it stops below where it started.
    assert bench.hear(StopTransaction())[0] == "stop Local at 2200 Wh"


def test_a_register_never_falls_below_zero() -> None:
    bench = charging()
    bench.wait(HOUR_S / 2)
    assert bench.hear(FALL) == ["register 3600 to 0 Wh"]
    bench.wait(HOUR_S)
    assert state(bench).register_wh == pytest.approx(POWER_W)


def test_a_register_that_sticks_can_jump_too() -> None:
    bench = charging()
    bench.hear(STICK, JUMP)
    bench.wait(HOUR_S)
    assert state(bench).register_wh == 5_000


def test_a_broken_meter_outlives_a_reboot() -> None:
    bench = charging()
    bench.hear(STICK)
    bench.wait(HOUR_S)
    assert "stop PowerLoss at 0 Wh" in bench.reboot()
    bench.hear(StartTransaction("TAG"))
    bench.wait(HOUR_S)
    assert state(bench).register_wh == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(["start", "stop", "stick", "mend", "wait"]), st.floats(0, 5_000))
        | st.tuples(st.just("shift"), st.floats(-50_000, 50_000)),
        max_size=30,
    )
)
def test_a_meter_without_a_fault_shows_every_wh_that_passes_and_with_one_never_less_than_none(
    deeds: list[tuple[str, float]],
) -> None:
    meter, now, stuck = Meter(), 0.0, False
    for deed, amount in deeds:
        before_wh, passed_before_wh = meter.register_wh(now), meter.passed_wh(now)
        match deed:
            case "start":
                meter.start(curve(EV(), 0.3, 0.0, 11_000), now)
            case "stop":
                meter.stop(now)
            case "stick":
                meter.stick(now)
                stuck = True
            case "mend":
                meter.mend(now)
                stuck = False
            case "shift":
                meter.shift(amount, now)
                before_wh = meter.register_wh(now)
            case "wait":
                now += amount
        gained_wh = 0.0 if stuck else meter.passed_wh(now) - passed_before_wh
        assert meter.register_wh(now) - before_wh == pytest.approx(gained_wh, abs=1e-6)
        assert meter.register_wh(now) >= -1e-6
        assert meter.reading_wh(now) >= 0
        assert meter.passed_wh(now) >= passed_before_wh


# ---- the contactor ---------------------------------------------------------------------------------------------------


def test_behind_a_contactor_that_stays_open_nothing_flows_though_it_is_charging() -> None:
    bench = Bench(settings=UNSAMPLED)
    bench.hear(OPEN, PlugIn(CAR))
    assert bench.hear(StartTransaction("TAG")) == ["start TAG at 0 Wh", "Charging"]
    assert bench.wait(HOUR_S) == []
    assert bench.hear(WORKS) == ["power 7200 W"]
    bench.wait(HOUR_S)
    assert bench.hear(StopTransaction())[0] == "stop Local at 7200 Wh"


def test_a_contactor_that_falls_open_stops_the_energy_and_nothing_else() -> None:
    bench = charging()
    bench.wait(HOUR_S)
    assert bench.hear(OPEN) == ["power 0 W"]
    assert bench.wait(HOUR_S) == []
    assert bench.status is ConnectorStatus.CHARGING
    assert bench.hear(SuspendEV(), Resume()) == ["SuspendedEV", "Charging"]


def test_behind_welded_contacts_it_flows_on_after_the_stop() -> None:
    bench = charging()
    bench.hear(CLOSED)
    bench.wait(HOUR_S)
    assert bench.hear(StopTransaction()) == ["stop Local at 7200 Wh", "Finishing"]
    bench.wait(HOUR_S)
    assert state(bench).power_w == POWER_W
    assert bench.hear(Unplug()) == ["register 7200 to 14400 Wh", "Available", "unplugged", "power 0 W"]


def test_what_flows_on_ends_when_the_car_is_full() -> None:
    bench = charging(car=EV(energy_wanted_wh=2 * POWER_W))
    bench.hear(CLOSED)
    bench.wait(HOUR_S)
    bench.hear(StopTransaction())
    assert bench.wait(2 * HOUR_S) == ["Preparing", "register 7200 to 14400 Wh", "power 0 W"]


def test_what_flows_on_ends_when_the_contactor_is_repaired() -> None:
    bench = charging()
    bench.hear(CLOSED)
    bench.hear(StopTransaction())
    bench.wait(HOUR_S)
    assert bench.hear(WORKS) == ["register 0 to 7200 Wh", "power 0 W"]
    assert bench.wait(HOUR_S)[-1:] == []


def test_what_flows_on_is_nobodys_when_the_next_transaction_begins() -> None:
    bench = charging()
    bench.hear(CLOSED, StopTransaction())
    bench.wait(HOUR_S)
    assert bench.hear(StartTransaction("NEXT"))[:2] == ["register 0 to 7200 Wh", "start NEXT at 7200 Wh"]


def test_a_reading_tells_what_has_flowed_on_before_it_shows_it() -> None:
    bench = charging()
    bench.hear(CLOSED, StopTransaction())
    bench.wait(HOUR_S)
    assert bench.hear(TakeReading()) == ["register 0 to 7200 Wh", "sample Sample.Clock 7200 Wh"]


def test_what_flowed_on_until_the_mains_failed_is_told_when_they_are_back() -> None:
    bench = charging()
    bench.hear(CLOSED, StopTransaction())
    bench.wait(HOUR_S)
    assert bench.reboot(off_s=HOUR_S)[0] == "register 0 to 7200 Wh"


@pytest.mark.parametrize("order", [SuspendEVSE(), SetPower(0), StopEnergy("t1"), InjectFault(ErrorCode.GROUND_FAILURE)])
def test_the_charge_point_cannot_interrupt_what_flows_through_welded_contacts(order: SuspendEVSE) -> None:
    bench = charging()
    bench.hear(CLOSED)
    assert "power 0 W" not in bench.hear(order)
    assert bench.status in (ConnectorStatus.SUSPENDED_EVSE, ConnectorStatus.FAULTED)
    bench.wait(HOUR_S)
    assert state(bench).power_w == POWER_W
    # It is the transaction's, as long as there is one.
    assert bench.hear(StopTransaction())[0] == "stop Local at 7200 Wh"


@pytest.mark.parametrize("order", [SuspendEV(), Unplug(CableEnd.EV)])
def test_the_car_can(order: SuspendEV) -> None:
    bench = charging(ConnectorSettings(sample_interval_s=0, stop_on_ev_side_disconnect=False))
    bench.hear(CLOSED)
    assert "power 0 W" in bench.hear(order)
    bench.wait(HOUR_S)
    assert state(bench).register_wh == 0


def test_a_cable_out_of_the_car_ends_it_in_a_fault_too() -> None:
    bench = charging()
    bench.hear(CLOSED, InjectFault())
    assert "power 0 W" in bench.hear(Unplug(CableEnd.EV))


def test_a_car_that_is_full_behind_welded_contacts_wakes_nobody_again() -> None:
    bench = charging(car=EV(energy_wanted_wh=POWER_W))
    bench.hear(CLOSED, SuspendEVSE())
    assert bench.wait(2 * HOUR_S) == ["power 0 W"]
    assert bench.status is ConnectorStatus.SUSPENDED_EVSE
    bench = charging(car=EV(energy_wanted_wh=POWER_W))
    bench.hear(CLOSED, InjectFault())
    assert bench.wait(2 * HOUR_S) == ["power 0 W"]
    assert bench.connector.deadline > bench.now


DEEDS = st.one_of(
    st.sampled_from([STICK, MEND, OPEN, CLOSED, WORKS, InjectFault(), InjectFault(for_s=600), SuspendEV(), Resume()]),
    st.sampled_from([SuspendEVSE(), SetPower(0), SetPower(), StopTransaction(), Unplug(), Unplug(CableEnd.EV)]),
    st.sampled_from([StartTransaction("A"), StartTransaction("B"), PlugIn(EV(soc=0.9)), TakeReading(), None]),
    st.builds(BreakMeter, st.sampled_from([MeterFault.JUMP, MeterFault.FALL]), st.floats(0.1, 20_000)),
    st.floats(0, 8 * HOUR_S),
)


@given(st.lists(DEEDS, max_size=40))
def test_every_wh_of_the_register_is_a_transactions_or_told_to_be_nobodys(deeds: list[object]) -> None:
    bench = Bench(settings=ConnectorSettings(sample_interval_s=900))
    bench.hear(PlugIn(EV(soc=0.2)), StartTransaction("A"))
    for deed in deeds:
        if deed is None:
            bench.reboot(off_s=60)
        elif isinstance(deed, float):
            bench.wait(deed)
        else:
            bench.tell(deed)  # type: ignore[arg-type]
        assert bench.connector.deadline > bench.now
    bench.tell(StopTransaction())
    bench.tell(WORKS)
    assert state(bench).power_w == 0
    accounted_wh, started_wh, shown_wh = 0, 0, 0
    for report in bench.reports:
        kind = type(report).__name__
        if kind == "TransactionStarted":
            started_wh = report.meter_start_wh  # type: ignore[union-attr]
            assert started_wh == shown_wh
        elif kind == "TransactionStopped":
            shown_wh = report.meter_stop_wh  # type: ignore[union-attr]
            accounted_wh += shown_wh - started_wh
            started_wh = -1
        elif isinstance(report, RegisterMoved) and _running(bench, report) is False:
            assert report.was_wh == shown_wh
            accounted_wh += report.is_wh - report.was_wh
            shown_wh = report.is_wh
        elif isinstance(report, MeterSampled) and report.transaction is None:
            assert int(report.register_wh + 1e-6) == shown_wh
    assert bench.memory.meter.reading_wh(bench.now) == accounted_wh == shown_wh


def _running(bench: Bench, report: RegisterMoved) -> bool:
    """Whether a transaction ran when this was told."""
    kinds = [type(each).__name__ for each in bench.reports[: bench.reports.index(report)]]
    return kinds.count("TransactionStarted") > kinds.count("TransactionStopped")
