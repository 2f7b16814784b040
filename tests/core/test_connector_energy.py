"""What a connector meters, samples and reports of its energy, by the second."""

import math

import pytest
from counterparts.connector_bench import Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.commands.vocabulary import (
    EV,
    ClearFault,
    InjectFault,
    PlugIn,
    Resume,
    SetEV,
    SetPower,
    StartTransaction,
    StopTransaction,
    SuspendEV,
    SuspendEVSE,
    Unplug,
)
from fleet.core.orders import ApplySettings, ConnectorSettings, StopEnergy, TakeReading
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import MeterSampled, PowerChanged, Reading, TransactionStarted, TransactionStopped
from fleet.core.transaction import READINGS_MAX
from fleet.words import CableEnd, ConnectorStatus, Current, Measurand, ReadingContext

BIG = EV(battery_wh=1e6, soc=0.0)
REGISTER = ((Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, None),)
POWER = ((Measurand.POWER_ACTIVE_IMPORT, None),)
FEW_SAMPLES = ConnectorSettings(sample_interval_s=0)


def charging(
    plan: ConnectorPlan = ConnectorPlan(),  # noqa: B008  (frozen)
    obeyed: ConnectorSettings = FEW_SAMPLES,
    ev: EV = BIG,
    at: float = 0.0,
) -> Bench:
    bench = Bench(plan, obeyed)
    bench.now = at
    bench.hear(PlugIn(ev), StartTransaction("TAG"))
    return bench


def stopped(bench: Bench) -> TransactionStopped:
    bench.hear(StopTransaction())
    return next(report for report in reversed(bench.reports) if isinstance(report, TransactionStopped))


def samples(bench: Bench) -> list[MeterSampled]:
    return [report for report in bench.reports if isinstance(report, MeterSampled)]


# ---- energy ----------------------------------------------------------------------------------------------------------


def test_one_hour_at_7200_watts_is_7200_watt_hours() -> None:
    bench = charging()
    bench.wait(3600)
    assert stopped(bench).meter_stop_wh == 7200


def test_one_hour_read_every_second_is_the_same_hour() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=1), at=123_456.789)
    bench.wait(3600)
    assert stopped(bench).meter_stop_wh == 7200
    assert len(samples(bench)) == 3600


def test_nothing_is_due_between_samples() -> None:
    bench = charging()
    # 1 MWh, constant power up to 80 %: the only thing ahead is the full battery.
    assert bench.connector.deadline > 3600 * 800_000 / 7200


def test_the_register_goes_on_from_transaction_to_transaction() -> None:
    bench = charging()
    bench.wait(600)
    assert stopped(bench).meter_stop_wh == 1200
    bench.wait(5)
    assert bench.hear(StartTransaction())[0] == "start DEMO_TAG at 1200 Wh"
    bench.wait(600)
    assert stopped(bench).meter_stop_wh == 2400


def test_the_register_survives_a_reboot() -> None:
    bench = charging()
    bench.wait(600)
    bench.reboot(off_s=1000)
    assert bench.hear(StartTransaction())[0] == "start DEMO_TAG at 1200 Wh"


def test_a_full_car_is_suspended_at_the_instant_it_is_full_and_goes_on_at_nothing() -> None:
    bench = charging(ev=EV(energy_wanted_wh=3600))
    assert bench.wait(1799.9) == []
    assert bench.wait(1000) == ["SuspendedEV", "power 0 W"]
    changed = bench.reports[-1]
    assert isinstance(changed, PowerChanged)
    assert changed.at == pytest.approx(1800)
    assert bench.tell(Resume()) == "Nothing to resume on connector 1"
    assert stopped(bench).meter_stop_wh == 3600


def test_a_full_car_s_transaction_takes_nothing_more_after_a_suspension() -> None:
    bench = charging(ev=EV(energy_wanted_wh=3600))
    bench.wait(2000)
    assert bench.hear(SuspendEVSE(), Resume()) == ["SuspendedEVSE", "SuspendedEV"]
    assert bench.hear(SetPower(1000)) == []


def test_a_taper_is_followed_to_a_full_battery() -> None:
    bench = charging(ev=EV(battery_wh=10_000, soc=0.5))
    bench.wait(1500)
    assert bench.memory.meter.power_w(bench.now) == 7200
    bench.wait(400)
    assert 0 < bench.memory.meter.power_w(bench.now) < 7200
    bench.wait(36_000)
    assert bench.status is ConnectorStatus.SUSPENDED_EV
    assert stopped(bench).meter_stop_wh == 5000


def test_a_car_takes_no_more_than_it_can() -> None:
    bench = charging(ev=EV(power_max_w=3600))
    bench.wait(3600)
    assert stopped(bench).meter_stop_wh == 3600


def test_a_direct_current_connector_gives_its_power() -> None:
    bench = charging(ConnectorPlan(power_max_w=150_000, current=Current.DC, voltage_v=400), ev=EV(battery_wh=1e6))
    bench.wait(600)
    assert stopped(bench).meter_stop_wh == 25_000


def test_the_power_offered_can_be_bent_at_any_time_but_not_beyond_the_connector_s_own() -> None:
    bench = charging()
    bench.wait(1800)
    assert bench.hear(SetPower(3600)) == ["power 3600 W"]
    bench.wait(1800)
    assert bench.hear(SetPower(50_000)) == ["power 7200 W"]
    bench.wait(1800)
    assert bench.hear(SetPower(0)) == ["SuspendedEVSE", "power 0 W"]
    bench.wait(1800)
    assert bench.hear(SetPower(None)) == ["Charging", "power 7200 W"]
    assert stopped(bench).meter_stop_wh == 3600 + 1800 + 3600


def test_no_energy_flows_while_anybody_suspends_or_in_a_fault() -> None:
    bench = charging()
    for pause, resume in ((SuspendEV(), Resume()), (SuspendEVSE(), Resume()), (InjectFault(), ClearFault())):
        bench.wait(100)
        bench.hear(pause)
        bench.wait(1000)
        bench.hear(resume)
    bench.wait(60)
    assert stopped(bench).meter_stop_wh == 720


def test_an_unplugged_car_leaves_and_the_next_one_comes_empty() -> None:
    bench = charging(ev=EV(energy_wanted_wh=100))
    bench.wait(100)
    bench.hear(StopTransaction(), Unplug(), PlugIn(EV(energy_wanted_wh=100)), StartTransaction("NEXT"))
    bench.wait(100)
    assert stopped(bench).meter_stop_wh == 200


def test_a_car_that_stays_does_not_forget_what_it_took() -> None:
    bench = charging(ev=EV(energy_wanted_wh=100))
    bench.wait(30)
    bench.hear(StopTransaction(), StartTransaction("NEXT"))
    bench.wait(30)
    assert stopped(bench).meter_stop_wh == 100


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.001, 5000), st.sampled_from([0.0, 1000.0, 3700.0, 7200.0, None])), min_size=1, max_size=20
    ),
    st.floats(0, 1e6),
)
def test_the_energy_of_a_transaction_is_the_integral_of_its_power(
    stretches: list[tuple[float, float | None]], start_at: float
) -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=60), at=start_at)
    expected_wh = 0.0
    for seconds, limit_w in stretches:
        bench.hear(SetPower(limit_w))
        bench.wait(seconds)
        expected_wh += (7200.0 if limit_w is None else limit_w) * seconds / 3600
    register_wh = bench.memory.meter.register_wh(bench.now)
    assert register_wh == pytest.approx(expected_wh, abs=1e-5)
    assert stopped(bench).meter_stop_wh == math.floor(register_wh + 1e-6)


# ---- an invalidated id tag -------------------------------------------------------------------------------------------


def test_energy_is_stopped_at_once_and_the_transaction_goes_on() -> None:
    bench = charging()
    bench.wait(1800)
    assert bench.hear(StopEnergy("t1")) == ["SuspendedEVSE", "power 0 W"]
    bench.wait(1800)
    assert bench.hear(SuspendEV(), Resume()) == []
    assert stopped(bench).meter_stop_wh == 3600


def test_energy_is_stopped_after_an_allowance() -> None:
    bench = charging()
    bench.wait(1800)
    assert bench.hear(StopEnergy("t1", energy_max_wh=500)) == []
    bench.wait(100)
    bench.hear(SuspendEV())
    bench.wait(100)
    bench.hear(Resume())
    assert bench.wait(149.9) == []
    assert bench.wait(0.2) == ["SuspendedEVSE", "power 0 W"]
    assert stopped(bench).meter_stop_wh == 4100


def test_an_allowance_beyond_what_the_car_wants_changes_nothing() -> None:
    bench = charging(ev=EV(energy_wanted_wh=100))
    bench.hear(StopEnergy("t1", energy_max_wh=500))
    assert bench.wait(100) == ["SuspendedEV", "power 0 W"]


def test_an_allowance_ends_with_its_transaction() -> None:
    bench = charging()
    bench.hear(StopEnergy("t1"), StopTransaction())
    assert bench.hear(StartTransaction("NEXT"))[2] == "Charging"


def test_energy_of_another_transaction_cannot_be_stopped() -> None:
    bench = charging()
    assert bench.tell(StopEnergy("t2")) == "Transaction t2 is not active on connector 1"


# ---- samples ---------------------------------------------------------------------------------------------------------


def test_samples_come_at_whole_intervals_after_the_start() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=10), at=5.25)
    bench.wait(35)
    assert [sample.reading.at for sample in samples(bench)] == [15.25, 25.25, 35.25]
    assert {sample.transaction for sample in samples(bench)} == {"t1"}
    assert {sample.reading.context for sample in samples(bench)} == {ReadingContext.SAMPLE_PERIODIC}


def test_an_overslept_sample_is_dated_and_read_when_it_was_due() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=10))
    bench.oversleep(12.5)
    (sample,) = samples(bench)
    assert (sample.reading.at, sample.register_wh) == (10.0, 20.0)
    assert bench.connector.deadline == 20.0


def test_missed_samples_are_not_made_up_for() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=10))
    bench.oversleep(95)
    assert [sample.reading.at for sample in samples(bench)] == [90.0]
    assert bench.connector.deadline == 100.0


def test_what_was_overslept_is_done_before_the_order_that_came_after_it() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=10), ev=EV(energy_wanted_wh=30))
    bench.now += 25
    assert bench.hear(StopTransaction()) == [
        "SuspendedEV",
        "power 0 W",
        "sample Sample.Periodic 30 Wh",
        "stop Local at 30 Wh",
        "Finishing",
    ]


def test_no_samples_without_an_interval_nor_without_measurands() -> None:
    for obeyed in (FEW_SAMPLES, ConnectorSettings(sampled_data=())):
        bench = charging(obeyed=obeyed)
        assert bench.wait(1000) == []


def test_a_changed_interval_holds_at_once_and_keeps_to_the_start_of_the_transaction() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=60))
    bench.wait(25)
    bench.hear(ApplySettings(ConnectorSettings(sample_interval_s=10)))
    bench.wait(10)
    bench.hear(ApplySettings(ConnectorSettings(sample_interval_s=0)))
    bench.wait(100)
    assert [sample.reading.at for sample in samples(bench)] == [30.0]


def test_no_samples_after_the_transaction() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=10))
    bench.hear(StopTransaction())
    assert bench.wait(100) == ["Preparing"]
    assert bench.connector.deadline == math.inf


def test_the_interval_measurand_counts_from_sample_to_sample() -> None:
    interval = ((Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL, None),)
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=10, sampled_data=interval, aligned_data=interval))
    bench.wait(15)
    bench.hear(TakeReading())
    bench.wait(10)
    assert [(s.reading.at, s.reading.values[0].value) for s in samples(bench)] == [(10, 20.0), (15, 30.0), (20, 20.0)]


def test_a_clock_aligned_reading_is_taken_outside_transactions_too() -> None:
    bench = Bench(settings=ConnectorSettings(aligned_data=POWER, sampled_data=REGISTER))
    bench.hear(TakeReading())
    (sample,) = samples(bench)
    assert sample.transaction is None
    assert sample.reading.context is ReadingContext.SAMPLE_CLOCK
    assert [value.measurand for value in sample.reading.values] == [Measurand.POWER_ACTIVE_IMPORT]


def test_a_triggered_reading_has_the_sampled_data() -> None:
    bench = Bench(settings=ConnectorSettings(aligned_data=POWER, sampled_data=REGISTER))
    bench.hear(TakeReading(ReadingContext.TRIGGER))
    (sample,) = samples(bench)
    assert [value.measurand for value in sample.reading.values] == [Measurand.ENERGY_ACTIVE_IMPORT_REGISTER]


def test_the_state_of_charge_is_the_car_s_and_unknown_without_one() -> None:
    soc = ConnectorSettings(aligned_data=((Measurand.SOC, None),))
    bench = Bench(settings=soc)
    bench.hear(TakeReading())
    assert samples(bench)[-1].reading.values == ()
    bench.hear(PlugIn(EV(battery_wh=7200, soc=0.25)), StartTransaction())
    bench.wait(900)
    bench.hear(TakeReading())
    assert samples(bench)[-1].reading.values[0].value == pytest.approx(50)


def test_no_power_is_offered_by_a_charge_point_that_suspends() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=0, aligned_data=((Measurand.POWER_OFFERED, None),)))
    bench.hear(TakeReading(), SuspendEV(), TakeReading(), SuspendEVSE(), TakeReading(), StopTransaction())
    bench.hear(TakeReading())
    assert [sample.reading.values[0].value for sample in samples(bench)] == [7200, 7200, 0, 0]


# ---- transaction data ------------------------------------------------------------------------------------------------


def contexts(readings: tuple[Reading, ...]) -> list[ReadingContext]:
    return [reading.context for reading in readings]


def test_transaction_data_spans_the_transaction() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=10, sampled_data=(), stop_sampled_data=REGISTER))
    bench.wait(25)
    readings = stopped(bench).readings
    assert contexts(readings) == [
        ReadingContext.TRANSACTION_BEGIN,
        ReadingContext.SAMPLE_PERIODIC,
        ReadingContext.SAMPLE_PERIODIC,
        ReadingContext.TRANSACTION_END,
    ]
    assert [(reading.at, reading.values[0].value) for reading in readings] == [(0, 0), (10, 20), (20, 40), (25, 50)]
    assert samples(bench) == []


def test_transaction_data_by_the_clock_takes_in_the_aligned_readings() -> None:
    bench = charging(obeyed=ConnectorSettings(aligned_data=(), stop_aligned_data=POWER))
    bench.wait(15)
    bench.hear(TakeReading())
    readings = stopped(bench).readings
    assert contexts(readings) == [
        ReadingContext.TRANSACTION_BEGIN,
        ReadingContext.SAMPLE_CLOCK,
        ReadingContext.TRANSACTION_END,
    ]
    assert [reading.values[0].value for reading in readings] == [7200, 7200, 0]


def test_no_transaction_data_unless_it_is_asked_for() -> None:
    bench = charging(obeyed=ConnectorSettings())
    bench.wait(1000)
    assert stopped(bench).readings == ()


def test_transaction_data_is_thinned_out_rather_than_endless() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=1, stop_sampled_data=REGISTER))
    bench.wait(5000)
    readings = stopped(bench).readings
    assert len(readings) <= READINGS_MAX + 1
    assert readings[0].context is ReadingContext.TRANSACTION_BEGIN
    assert readings[-1].context is ReadingContext.TRANSACTION_END
    assert [reading.at for reading in readings] == sorted(reading.at for reading in readings)


def test_transaction_data_survives_a_power_cut() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=10, stop_sampled_data=REGISTER))
    bench.wait(15)
    bench.reboot()
    report = next(report for report in bench.reports if isinstance(report, TransactionStopped))
    assert [reading.values[0].value for reading in report.readings] == [0, 20, 30]


def test_a_register_reading_is_never_above_the_meter_stop_that_follows() -> None:
    bench = charging(obeyed=ConnectorSettings(sample_interval_s=1, stop_sampled_data=REGISTER))
    bench.wait(777.7)
    report = stopped(bench)
    assert max(reading.values[0].value for reading in report.readings) <= report.meter_stop_wh
    started = next(report for report in bench.reports if isinstance(report, TransactionStarted))
    assert started.meter_start_wh <= min(reading.values[0].value for reading in report.readings)


# ---- another car at the cable ----------------------------------------------------------------------------------------


def test_a_car_whose_state_of_charge_is_set_goes_on_from_there_and_no_watt_hour_is_lost() -> None:
    bench = charging(ev=EV(battery_wh=10_000, soc=0.0, taper_from_soc=1.0))
    bench.wait(1800)
    assert bench.hear(SetEV(soc=0.82)) == []
    assert bench.memory.meter.reading_wh(bench.now) == 3600
    # What is missing are 1,800 Wh, a quarter of an hour.
    assert bench.wait(899) == []
    assert bench.wait(2) == ["SuspendedEV", "power 0 W"]
    assert bench.memory.meter.reading_wh(bench.now) == 5400


def test_of_a_car_only_what_is_said_changes() -> None:
    bench = charging(ev=EV(battery_wh=10_000, soc=0.2, energy_wanted_wh=5000))
    bench.wait(500)
    bench.hear(SetEV(power_max_w=3600))
    assert bench.memory.meter.power_w(bench.now) == 3600
    ev = bench.memory.ev
    assert ev is not None
    assert (ev.battery_wh, ev.soc, ev.energy_wanted_wh, ev.power_max_w) == (10_000, pytest.approx(0.3), 4000, 3600)
    # 4,000 Wh at 3.6 kW.
    assert bench.wait(3999) == []
    assert bench.wait(2) == ["SuspendedEV", "power 0 W"]


def test_a_car_that_could_take_more_than_it_gets_is_told_of_though_as_much_flows_as_before() -> None:
    bench = charging()
    assert bench.hear(SetEV(power_max_w=50_000)) == ["power 7200 W"]
    assert bench.hear(SetEV(power_max_w=50_000)) == []


def test_a_full_car_that_has_room_again_charges_again() -> None:
    bench = charging(ev=EV(soc=1.0))
    assert bench.status is ConnectorStatus.SUSPENDED_EV
    assert bench.hear(SetEV(soc=0.5)) == ["Charging", "power 7200 W"]
    assert bench.hear(SetEV(energy_wanted_wh=0)) == ["SuspendedEV", "power 0 W"]


def test_where_no_car_is_none_is_changed() -> None:
    bench = Bench()
    assert bench.tell(SetEV(soc=0.5)) == "No car is plugged in on connector 1"
    bench.hear(PlugIn(EV(soc=0.1)), Unplug(CableEnd.EV))
    assert bench.tell(SetEV(soc=0.5)) == "No car is plugged in on connector 1"
    bench.hear(Unplug(), PlugIn(EV(soc=0.1)), SetEV(soc=0.5), StartTransaction("TAG"))
    assert bench.memory.ev is not None
    assert bench.memory.ev.soc == 0.5
