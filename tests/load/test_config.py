from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from fleet.errors import ConfigurationError
from fleet.load.config import CsmsConfig, DriversConfig, GroupConfig, RunConfig, mistakes, overridden, resized
from fleet.load.config_file import load, structure
from fleet.load.distributions import Constant, Exponential, LogNormal, Normal, Uniform
from fleet.load.planning import plans
from fleet.words import Current

CONFIGS = Path(__file__).parents[2] / "configs"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.toml"
    path.write_text(text)
    return path


def complaints(path: Path) -> list[str]:
    """What the file is told, without its name."""
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(str(path)) for line in lines)
    return [line.removeprefix(str(path)).removeprefix(": ") for line in lines]


# ---- what is read ----------------------------------------------------------------------------------------------------


def test_a_run_with_nothing_said_is_the_quickstart() -> None:
    assert load(CONFIGS / "quickstart.toml") == RunConfig()


def test_an_empty_file_is_the_quickstart_too(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")) == RunConfig()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_configuration_that_comes_along_is_right(path: Path) -> None:
    assert mistakes(load(path)) == []


def test_quantities_are_read_in_the_unit_of_their_field(tmp_path: Path) -> None:
    config = load(
        written(
            tmp_path,
            """
            seed = -3
            duration = "1h30m"
            grace = 5
            [csms]
            url = "wss://csms.example/ocpp/{id}"
            connect_rate = "120/min"
            call_timeout = "500ms"
            heartbeat_interval = "5m"
            [[charge_points]]
            id = "DC-{:02}"
            count = 3
            connectors = 1
            vendor = "V"
            model = "M"
            serial_number = "S{}"
            firmware_version = "1.2"
            power_w = 150000
            current = "DC"
            phases = 3
            voltage_v = 400
            fixed_cable = true
            finishing = "3s"
            reboot = 1.5
            [charge_points.configuration]
            HeartbeatInterval = 60
            authorizationcacheenabled = true
            MeterValuesSampledData = "SoC"
            [drivers]
            arrivals = "6/h"
            per = "fleet"
            order = "mixed"
            identify_first_share = 0.25
            """,
        )
    )
    assert config == RunConfig(
        seed=-3,
        duration_s=5400.0,
        grace_s=5.0,
        csms=CsmsConfig(
            url="wss://csms.example/ocpp/{id}",
            connect_rate_per_s=2.0,
            call_timeout_s=0.5,
            heartbeat_interval_s=300.0,
        ),
        charge_points=(
            GroupConfig(
                id="DC-{:02}",
                count=3,
                connectors=1,
                vendor="V",
                model="M",
                serial_number="S{}",
                firmware_version="1.2",
                power_w=150_000.0,
                current=Current.DC,
                phases=3,
                voltage_v=400.0,
                fixed_cable=True,
                finishing_s=3.0,
                reboot_s=1.5,
                configuration={
                    "HeartbeatInterval": "60",
                    "AuthorizationCacheEnabled": "true",
                    "MeterValuesSampledData": "SoC",
                },
            ),
        ),
        drivers=DriversConfig(arrivals_per_s=6 / 3600, per="fleet", order="mixed", identify_first_share=0.25),
    )
    assert config.drivers.share_identifying_first == 0.25


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ('"20m"', Constant(1200.0)),
        ("90", Constant(90.0)),
        ('{ kind = "constant", value = "1h" }', Constant(3600.0)),
        ('{ kind = "uniform", low = "1m", high = "2m" }', Uniform(60.0, 120.0)),
        ('{ kind = "normal", mean = "1m", deviation = "10s" }', Normal(60.0, 10.0)),
        ('{ kind = "lognormal", median = "1m", sigma = 0.5, at_most = "1h" }', LogNormal(60.0, 0.5, 0.0, 3600.0)),
        ('{ kind = "exponential", mean = "1m", at_least = 5 }', Exponential(60.0, 5.0)),
    ],
)
def test_a_stay_is_a_distribution_of_durations(tmp_path: Path, text: str, distribution: object) -> None:
    assert load(written(tmp_path, f"[drivers]\nstay = {text}")).drivers.stay_s == distribution


def test_shares_and_energies_never_leave_what_is_possible(tmp_path: Path) -> None:
    ev = load(
        written(
            tmp_path,
            """
            [drivers.ev]
            soc = { kind = "normal", mean = 0.5, deviation = 1 }
            battery_wh = { kind = "normal", mean = 10, deviation = 1000 }
            """,
        )
    ).drivers.ev
    shares = [share / 50 for share in range(1, 50)]
    assert all(0 <= ev.soc.quantile(share) <= 1 and ev.battery_wh.quantile(share) >= 1 for share in shares)


def test_who_wants_energy_and_says_no_stay_lets_the_car_decide(tmp_path: Path) -> None:
    drivers = load(written(tmp_path, "[drivers]\nenergy_wanted_wh = 12000")).drivers
    assert (drivers.stay_s, drivers.energy_wanted_wh) == (None, Constant(12_000.0))


def test_no_arrivals_at_all_are_a_fleet_that_idles(tmp_path: Path) -> None:
    assert load(written(tmp_path, "[drivers]\narrivals = 0")).drivers.arrivals_per_s == 0


# ---- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sed = 4", "sed: unknown key (did you mean 'seed'?)"),
        ("[[charge_points]]\nconectors = 2", "charge_points[0].conectors: unknown key (did you mean 'connectors'?)"),
        ("[[charge_points]]\n[[charge_points]]\nzzz = 2", "charge_points[1].zzz: unknown key"),
        ("[drivers]\narrivals = 'fast'", "drivers.arrivals: expected a rate such as '0.5/s', got 'fast'"),
        ("[drivers]\narrivals = true", "drivers.arrivals: expected a rate such as '0.5/s', got true"),
        ("duration = '10 parsecs'", "duration: expected a duration such as '30s' or '10m', got '10 parsecs'"),
        ("duration = 0", "duration: expected a duration of more than zero, got 0"),
        ("duration = -1", "duration: expected a duration such as '30s' or '10m', got -1"),
        ("duration = nan", "duration: expected a duration such as '30s' or '10m', got nan"),
        ("[csms]\nheartbeat_interval = 2.5", "csms.heartbeat_interval: expected a duration in whole seconds, got 2.5"),
        ("seed = 1.5", "seed: expected a whole number, got 1.5"),
        (
            "[[charge_points]]\ncount = '5'",
            "charge_points[0].count: expected a whole number from 1 to 1000000, got '5'",
        ),
        (
            "[[charge_points]]\ncount = true",
            "charge_points[0].count: expected a whole number from 1 to 1000000, got true",
        ),
        ("[[charge_points]]\nphases = 2", "charge_points[0].phases: expected 1 or 3, got 2"),
        ("[[charge_points]]\ncurrent = 'ac'", "charge_points[0].current: expected 'AC' or 'DC', got 'ac'"),
        ("[[charge_points]]\nfixed_cable = 1", "charge_points[0].fixed_cable: expected true or false, got 1"),
        (
            "[[charge_points]]\nid = 'CP{name}'",
            "charge_points[0].id: expected a pattern such as 'CP{:04}', got 'CP{name}'",
        ),
        (
            "[[charge_points]]\nid = 'CP{:0999999999}'",
            "charge_points[0].id: expected a pattern such as 'CP{:04}', got 'CP{:0999999999}'",
        ),
        (
            "[[charge_points]]\nvendor = 'a vendor of twenty-one'",
            "charge_points[0].vendor: expected a text of 1 to 20 characters, got 'a vendor of twenty-one'",
        ),
        (
            "[charge_points]\ncount = 3",
            "charge_points: expected a list of tables, each opening with [[ ]], got a table",
        ),
        ("csms = 'ws://h'", "csms: expected a table, got 'ws://h'"),
        ("[csms]\nurl = 9000", "csms.url: expected a URL such as 'ws://host:9000/ocpp', got 9000"),
        ("[csms]\nurl = 'http://h/'", "csms.url: bad CSMS URL 'http://h/': it must begin with ws:// or wss://"),
        (
            "[[charge_points]]\n[charge_points.configuration]\nHeartbeatIntervall = 3",
            "charge_points[0].configuration.HeartbeatIntervall: "
            "no such configuration key; did you mean HeartbeatInterval?",
        ),
        (
            "[[charge_points]]\n[charge_points.configuration]\nHeartbeatInterval = 2.5",
            "charge_points[0].configuration.HeartbeatInterval: expected a text, a whole number, true or false, got 2.5",
        ),
        (
            "[[charge_points]]\n[charge_points.configuration]\nHeartbeatInterval = 1\nheartbeatinterval = 2",
            "charge_points[0].configuration.heartbeatinterval: expected HeartbeatInterval once, "
            "but it is set twice in different capitals",
        ),
        (
            "[drivers]\nstay = { kind = 'uniform', low = '3s', high = '2s' }",
            "drivers.stay.high: expected no less than low, got '2s'",
        ),
        (
            "[drivers]\nstay = { kind = 'normal', mean = '3s' }",
            "drivers.stay.deviation: missing: the distribution 'normal' needs it",
        ),
        (
            "[drivers]\nstay = { kind = 'uniform', low = 1, hi = 2, high = 3 }",
            "drivers.stay.hi: unknown key (did you mean 'high'?)",
        ),
        (
            "[drivers]\nstay = { low = 1, high = 2 }",
            "drivers.stay.kind: missing: expected one of 'constant', 'uniform', 'normal', 'lognormal', 'exponential'",
        ),
        ("[drivers.ev]\nsoc = 50", "drivers.ev.soc: expected a number from 0 to 1, got 50"),
    ],
)
def test_a_mistake_is_told_with_its_path_and_what_was_expected(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaints(written(tmp_path, text)) == [complaint]


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    told = complaints(
        written(tmp_path, "sed = 1\nduration = 'x'\n[csms]\nurl = 1\n[[charge_points]]\ncount = 0\nx = 1")
    )
    assert sorted(line.partition(":")[0] for line in told) == [
        "charge_points[0].count",
        "charge_points[0].x",
        "csms.url",
        "duration",
        "sed",
    ]


@pytest.mark.parametrize("pattern", ["CP{:f}", "CP{!r}", "CP{:,}", "CP{:+}", "CP{:e}", "CP{:%}", "CP{:*>4}", "CP{:4}"])
def test_an_index_is_digits_or_digits_with_leading_zeros(tmp_path: Path, pattern: str) -> None:
    said = complaints(written(tmp_path, f"[[charge_points]]\nid = '{pattern}'"))
    assert said == [f"charge_points[0].id: expected a pattern such as 'CP{{:04}}', got '{pattern}'"]


@pytest.mark.parametrize(
    ("pattern", "id"), [("{}", "7"), ("A{0}B{0}", "A7B7"), ("{:04}{{}}", "0007{}"), ("{:02d}", "07")]
)
def test_a_pattern_is_kept_as_it_is(tmp_path: Path, pattern: str, id: str) -> None:
    group = load(written(tmp_path, f"[[charge_points]]\nid = '{pattern}'")).charge_points[0]
    assert (group.id, group.id.format(7)) == (pattern, id)


def test_a_slip_in_the_syntax_is_told_with_its_line(tmp_path: Path) -> None:
    assert complaints(written(tmp_path, "seed = 1\nduration = = 2\n")) == [":2: Invalid value (column 12)"]


@pytest.mark.parametrize("text", ["a = [1,", "a = 1\na = 2", 'a = """x'])
def test_a_slip_at_the_end_of_the_file_is_told_as_one_line(tmp_path: Path, text: str) -> None:
    assert len(complaints(written(tmp_path, text))) == 1


def test_a_file_that_cannot_be_read_is_told_so(tmp_path: Path) -> None:
    assert complaints(tmp_path / "nowhere.toml") == ["can't read it: No such file or directory"]
    assert complaints(tmp_path) == ["can't read it: Is a directory"]
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    assert complaints(tmp_path / "latin.toml") == ["expected UTF-8 text, got byte 0xe9"]


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (
            {"charge_points": [{"count": 2}, {"id": "CP0002"}]},
            ("charge_points[1].id", "expected ids of its own, but 'CP0002' is taken by charge_points[0]"),
        ),
        ({"charge_points": [{"id": "CP", "count": 2}]}, ("charge_points[0].id", "'CP' is taken by this group")),
        ({"charge_points": []}, ("charge_points", "expected at least one group")),
        (
            {"charge_points": [{"serial_number": "a serial number of 26: {:03}"}]},
            ("charge_points[0].serial_number", "expected at most 25 characters"),
        ),
        (
            {"charge_points": [{"connectors": 1, "configuration": {"ConnectorPhaseRotation": "0.RST,1.RST,2.RST"}}]},
            ("charge_points[0].configuration", "ConnectorPhaseRotation"),
        ),
        (
            {"charge_points": [{"connectors": 2, "configuration": {"NumberOfConnectors": 3}}]},
            ("charge_points[0].configuration", "set 'connectors' to have more or fewer"),
        ),
        ({"drivers": {"id_tags": 199}}, ("drivers.id_tags", "expected at least 200")),
        ({"drivers": {"id_tag": "TAG"}}, ("drivers.id_tag", "expected a pattern with an index")),
        ({"drivers": {"id_tag": "A TAG THAT IS TOO LONG {}"}}, ("drivers.id_tag", "expected at most 20 characters")),
        ({"csms": {"url": "ws://h", "latency": 1}}, ("csms.latency", "only the embedded CSMS")),
        ({"csms": {"password_env": "A", "password_file": "b"}}, ("csms.password_file", "got both")),
        ({"csms": {"backoff_base": 10, "backoff_max": 5}}, ("csms.backoff_max", "expected no less than backoff_base")),
        ({"csms": {"ca_file": "x", "url": "ws://h"}}, ("csms.ca_file", "expected a wss:// url")),
    ],
)
def test_what_is_wrong_only_together_is_found_too(raw: dict[str, Any], complaint: tuple[str, str]) -> None:
    [(path, text)] = mistakes(structure(raw, "x"))
    assert path == complaint[0]
    assert complaint[1] in text


# ---- secrets ---------------------------------------------------------------------------------------------------------


def test_a_password_is_taken_from_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv("FLEET_TEST_PASSWORD", "from the environment")
    assert CsmsConfig().password() is None
    assert CsmsConfig(password_file=str(tmp_path / "secret")).password() == "from a file"
    assert CsmsConfig(password_env="FLEET_TEST_PASSWORD").password() == "from the environment"


def test_a_password_that_is_not_where_it_should_be_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"csms\.password_env: the environment has no FLEET_TEST_NOTHING"):
        CsmsConfig(password_env="FLEET_TEST_NOTHING").password()
    with pytest.raises(ConfigurationError, match=r"csms\.password_file: can't read"):
        CsmsConfig(password_file=str(tmp_path / "nothing")).password()


def test_a_password_in_the_url_is_shown_nowhere() -> None:
    assert "secret" not in repr(RunConfig(csms=CsmsConfig(url="ws://name:secret@host/")))
    with pytest.raises(ConfigurationError) as caught:
        structure({"csms": {"url": "ws://name:secret@host/#fragment"}}, "x")
    assert "secret" not in str(caught.value)


# ---- overriding ------------------------------------------------------------------------------------------------------


def test_the_command_line_wins_over_the_file_in_every_group() -> None:
    groups = (GroupConfig(count=1, configuration={"HeartbeatInterval": "9", "ResetRetries": "1"}), GroupConfig(count=3))
    config = overridden(
        RunConfig(seed=1, charge_points=groups),
        charge_points=8,
        csms={"url": "ws://h"},
        groups={"connectors": 4},
        configuration={"HeartbeatInterval": "60"},
        run={"duration_s": 7.0},
    )
    assert (config.seed, config.duration_s, config.csms.url) == (1, 7.0, "ws://h")
    assert [(group.count, group.connectors) for group in config.charge_points] == [(2, 4), (6, 4)]
    assert [dict(group.configuration) for group in config.charge_points] == [
        {"HeartbeatInterval": "60", "ResetRetries": "1"},
        {"HeartbeatInterval": "60"},
    ]


@pytest.mark.parametrize("count", [1, 2, 5, 100, 999])
def test_groups_are_resized_to_exactly_the_number_wanted(count: int) -> None:
    groups = resized((GroupConfig(count=7), GroupConfig(count=5), GroupConfig(count=1)), count)
    assert sum(group.count for group in groups) == count
    assert all(group.count > 0 for group in groups)


# ---- plans -----------------------------------------------------------------------------------------------------------


def test_ids_come_from_the_global_index() -> None:
    made = plans(RunConfig(charge_points=(GroupConfig(id="A{}", count=2), GroupConfig(id="B{:03}", count=2))))
    assert [plan.id for plan in made] == ["A1", "A2", "B003", "B004"]
    assert [plan.id for plan in plans(RunConfig())][:2] == ["CP0001", "CP0002"]


def test_serial_numbers_come_from_the_same_index() -> None:
    made = plans(RunConfig(charge_points=(GroupConfig(), GroupConfig(serial_number="S-{:03}"))))
    assert [plan.serial_number for plan in made] == [None, "S-002"]


def test_charge_points_that_are_alike_share_what_is_alike() -> None:
    group = GroupConfig(count=2, configuration={"ResetRetries": "1"})
    first, second, third = plans(
        RunConfig(charge_points=(group, evolve(group, count=1, configuration=dict(group.configuration))))
    )
    assert first.connectors is second.connectors
    assert first.connectors[0] is first.connectors[1] is third.connectors[0]
    assert first.configuration is second.configuration is third.configuration


def test_a_plan_has_the_hardware_of_its_group() -> None:
    group = GroupConfig(connectors=3, power_w=50_000.0, current=Current.DC, phases=3, voltage_v=400.0, fixed_cable=True)
    [plan] = plans(RunConfig(charge_points=(evolve(group, finishing_s=5.0, reboot_s=9.0, install_s=7.0),)))
    hardware = plan.connectors[0]
    assert len(plan.connectors) == 3
    assert (hardware.power_max_w, hardware.current, hardware.phases) == (50_000.0, Current.DC, 3)
    assert (hardware.voltage_v, hardware.fixed_cable, hardware.finishing_s) == (400.0, True, 5.0)
    assert (plan.reboot_s, plan.install_s) == (9.0, 7.0)
