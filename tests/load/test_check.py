from pathlib import Path

import pytest
from attrs import evolve

from fleet.cli import main
from fleet.load.check import expected_load
from fleet.load.config import CsmsConfig, DriversConfig, GroupConfig, RunConfig
from fleet.load.distributions import Constant

CONFIGS = Path(__file__).parents[2] / "configs"

QUIET = DriversConfig(arrivals_per_s=0.0)
# A visit of 100 s, so seldom that nobody ever waits.
RARE = DriversConfig(arrivals_per_s=1e-5, stay_s=Constant(100.0), pause_s=Constant(0.0))


def group(count: int = 100, **configuration: str) -> GroupConfig:
    return GroupConfig(count=count, configuration=configuration)


def test_a_fleet_that_idles_only_beats() -> None:
    load = expected_load(RunConfig(charge_points=(group(HeartbeatInterval="50"),), drivers=QUIET))
    assert {action: rate for action, rate in load.rates_per_s.items() if rate} == {"Heartbeat": 2.0}
    assert (load.messages_per_s, load.transactions) == (2.0, 0.0)


def test_the_interval_in_the_answer_to_boot_notification_overrides_the_key() -> None:
    config = RunConfig(charge_points=(group(HeartbeatInterval="50"),), drivers=QUIET)
    overridden = evolve(config, csms=CsmsConfig(heartbeat_interval_s=20.0))
    assert expected_load(overridden).rates_per_s["Heartbeat"] == 5.0


def test_a_heartbeat_interval_of_zero_is_no_heartbeat() -> None:
    load = expected_load(RunConfig(charge_points=(group(HeartbeatInterval="0"),), drivers=QUIET))
    assert load.messages_per_s == 0


def test_every_visit_is_an_authorize_a_start_a_stop_and_four_statuses() -> None:
    load = expected_load(RunConfig(charge_points=(group(MeterValueSampleInterval="0"),), drivers=RARE))
    visits_per_s = 200 * 1e-5
    assert load.rates_per_s["Authorize"] == pytest.approx(visits_per_s, rel=1e-3)
    assert load.rates_per_s["StartTransaction"] == load.rates_per_s["StopTransaction"] == load.rates_per_s["Authorize"]
    assert load.rates_per_s["StatusNotification"] == pytest.approx(4 * visits_per_s, rel=1e-3)
    assert load.rates_per_s["MeterValues"] == 0
    assert load.transactions == pytest.approx(visits_per_s * 100, rel=1e-3)


def test_meter_values_come_at_every_whole_interval_of_a_transaction() -> None:
    load = expected_load(RunConfig(charge_points=(group(MeterValueSampleInterval="30"),), drivers=RARE))
    assert load.rates_per_s["MeterValues"] == pytest.approx(3 * load.rates_per_s["StartTransaction"])


def test_clock_aligned_data_comes_from_every_connector_used_or_not() -> None:
    load = expected_load(RunConfig(charge_points=(group(ClockAlignedDataInterval="100"),), drivers=QUIET))
    assert load.rates_per_s["MeterValues"] == pytest.approx(2.0)


def test_a_transaction_lasts_until_the_energy_wanted_has_flowed() -> None:
    drivers = evolve(RARE, stay_s=None, energy_wanted_wh=Constant(7_200.0))
    load = expected_load(RunConfig(charge_points=(group(),), drivers=drivers))
    assert load.transactions / load.rates_per_s["StartTransaction"] == pytest.approx(3600.0)


def test_a_transaction_ends_with_the_stay_when_that_comes_first() -> None:
    drivers = evolve(RARE, energy_wanted_wh=Constant(7_200.0))
    load = expected_load(RunConfig(charge_points=(group(),), drivers=drivers))
    assert load.transactions / load.rates_per_s["StartTransaction"] == pytest.approx(100.0)


@pytest.mark.parametrize(("per", "arrivals_per_s"), [("connector", 1.0), ("fleet", 200.0)])
def test_more_drivers_than_connectors_take_keep_every_connector_busy_and_no_more(
    per: str, arrivals_per_s: float
) -> None:
    drivers = evolve(RARE, arrivals_per_s=arrivals_per_s, per=per)
    load = expected_load(RunConfig(charge_points=(group(),), drivers=drivers))
    assert load.arrivals_per_s == pytest.approx(200.0)
    assert load.transactions == pytest.approx(200, rel=0.02)
    assert load.transactions <= 200


def test_arrivals_at_the_fleet_are_shared_out_over_its_groups() -> None:
    drivers = evolve(RARE, arrivals_per_s=0.01, per="fleet")
    one = expected_load(RunConfig(charge_points=(group(100),), drivers=drivers))
    two = expected_load(RunConfig(charge_points=(group(75), group(25)), drivers=drivers))
    assert two.served_per_s == pytest.approx(one.served_per_s)


def test_the_printed_plan_says_what_will_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(
        ["check", "--charge-points", "5", "--connectors", "3", "--url", "ws://u:secret@host/ocpp", "--seed", "7"]
    )
    printed = capsys.readouterr().out
    assert code == 0
    assert "5, connectors 15" in printed
    assert "CP0001 .. CP0005" in printed
    assert "ws://u:***@host/ocpp/CP0001" in printed
    assert "secret" not in printed
    assert "100ms at 50/s" in printed
    assert "69 needed" in printed


def test_the_plan_lists_the_objectives_of_the_file_and_of_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        'objectives = ["p99(Authorize)  < 800ms",\n'
        '    { slo = "booted >= 99.9%", abort_on_fail = true, abort_after = "2m" },\n'
        '    { slo = "crashes == 0", abort_on_fail = true }]\n'
    )
    assert main(["check", str(path), "--duration", "10m", "--slo", "disconnects == 0"]) == 0
    printed = capsys.readouterr().out
    assert [line[20:] for line in printed.splitlines() if line.startswith("  objective ")] == [
        "p99(Authorize) < 800ms",
        "booted >= 99.9%, ends the run when it fails, from 2m on",
        "crashes == 0, ends the run when it fails",
        "disconnects == 0",
    ]
    assert "can't end the run" not in printed
    assert "ramp:" not in printed
    assert main(["check", str(path), "--duration", "10m", "--connect-rate", "0.5/s"]) == 0
    hint = "hint: booted >= 99.9% ends the run if it doesn't hold yet during the ramp: give it an abort_after of 3m20s"
    assert hint in capsys.readouterr().out
    assert main(["check", str(path), "--duration", "1m"]) == 0
    hint = "hint: booted >= 99.9% can't end the run when it fails: that begins after 2m, and the run takes 1m"
    assert hint in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_configuration_that_comes_along_has_a_plan(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(path)]) == 0
    assert "all messages" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (["--connect-rate", "1/s"], "the ramp takes 1m40s"),
        (["--charge-points", "10000", "--connect-rate", "1000/s"], "of one core"),
        (["--duration", "2s"], "the shortest stay is longer than the run"),
    ],
)
def test_what_would_mislead_is_hinted_at(flags: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", *flags])
    assert hint in capsys.readouterr().out


def test_crowds_and_a_slow_csms_are_hinted_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[csms]\nlatency = '5s'\n[drivers]\narrivals = '1/s'")
    main(["check", str(path)])
    printed = capsys.readouterr().out
    assert "drivers saturate the connectors" in printed
    assert "one CALL in flight" in printed


def test_a_plan_that_this_machine_cannot_hold_is_printed_and_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--charge-points", "70000"]) == 104
    captured = capsys.readouterr()
    assert "all messages" in captured.out
    assert "fleet: error: 70000 charge points need as many ephemeral ports" in captured.err
