"""`[[fault]]`: what is read, what is refused with one line, and when a fault strikes."""

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from fleet.commands.fleetwide import Pause
from fleet.commands.hazards import BreakMeter, EmergencyStop, PowerCut, ReleaseEmergencyStop
from fleet.commands.impairments import Impair, Mend, NetworkFault
from fleet.commands.registry import COMMANDS
from fleet.commands.vocabulary import ClearFault, Connect, Disconnect, InjectFault, SendHeartbeat
from fleet.errors import ConfigurationError
from fleet.load.config import CsmsConfig, GroupConfig, RunConfig, mistakes
from fleet.load.config_file import structure
from fleet.load.deeds import RESTART_CSMS, RestartCsms, deed, undoing
from fleet.load.faults import Fault, FaultConfig, understood
from fleet.words import ErrorCode, MeterFault

HOUR_S = 3600.0
WHEN = {"at": "10m"}


def fault(**table: Any) -> Fault:
    """The fault that this table of a file comes to."""
    (config,) = structure({"fault": [table]}, "x.toml").fault
    return understood(config, 0)


def complaint(csms: CsmsConfig | None = None, **table: Any) -> str:
    """The one line that a run of ten charge points (CP0001 to CP0010) gets for it."""
    try:
        config = structure({"fault": [table]}, "x.toml")
    except ConfigurationError as error:
        (line,) = str(error).removeprefix("x.toml: ").splitlines()
        return line
    run = RunConfig(fault=config.fault, charge_points=(GroupConfig(count=10),), csms=csms or CsmsConfig())
    ((path, what),) = mistakes(run)
    assert "\n" not in what
    assert "there is no charge point" not in what
    return f"{path}: {what}"


# ---- what may be done ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NetworkFault)
def test_the_name_of_a_network_fault_impairs_the_network_so(name: NetworkFault) -> None:
    assert deed(name.value) == Impair(name)


def test_no_network_fault_has_the_name_of_a_command() -> None:
    assert {fault.value for fault in NetworkFault}.isdisjoint({*COMMANDS, RESTART_CSMS})


def test_a_line_of_the_vocabulary_is_what_it_is_everywhere() -> None:
    assert deed("fault GroundFailure") == InjectFault(ErrorCode.GROUND_FAILURE)
    assert deed("latency latency_s=800ms direction=sent").latency_s == 0.8  # type: ignore[union-attr]
    assert deed("impair stall 45s") == Impair(NetworkFault.STALL, 45)
    assert deed(" restart-csms ") == RestartCsms()


def test_how_long_it_lasts_and_how_likely_it_is_become_part_of_the_command() -> None:
    assert fault(do="drop", probability=0.01, at="1s", **{"for": "45s"}).deed == Impair(
        NetworkFault.DROP, for_s=45, probability=0.01
    )
    assert fault(do="power-cut", at="1s", **{"for": "45s"}).deed == PowerCut(for_s=45)


@pytest.mark.parametrize(
    ("line", "undone_by"),
    [
        ("stall", Mend(NetworkFault.STALL)),
        ("disconnect", Connect()),
        ("fault OtherError", ClearFault()),
        ("emergency-stop", ReleaseEmergencyStop()),
        ("meter-fault stick", BreakMeter(MeterFault.NONE)),
        ("meter-fault jump", None),
        ("clock", None),
        ("heartbeat", None),
        ("availability operative", None),
    ],
)
def test_what_began_something_has_something_that_ends_it(line: str, undone_by: object) -> None:
    command = deed(line)
    assert not isinstance(command, RestartCsms)
    assert undoing(command) == undone_by


# ---- whom it befalls -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "target", "meant"),
    [
        ("cut", "~20%", "*~20%"),
        ("fault GroundFailure", "~20%", "*/*~20%"),
        ("cut", None, "*"),
        ("fault GroundFailure", None, "*/*"),
        ("power-cut", "@Charging~3", "*@Charging~3"),
        ("power-cut", "CP0001/1", "CP0001"),
        ("availability inoperative", "CP0001/1", "CP0001/1"),
    ],
)
def test_a_target_is_one_of_what_the_command_is_for(do: str, target: str | None, meant: str) -> None:
    table = {"do": do, **WHEN} if target is None else {"do": do, "target": target, **WHEN}
    assert fault(**table).whom == meant


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (
            {"do": "ct", **WHEN},
            "fault[0].do: expected a command, a network fault or restart-csms, got 'ct' (did you mean 'cut'?)",
        ),
        ({"do": "fault GroundFail", **WHEN}, "fault[0].do: error_code: not 'GroundFail'; expected one of NoError, "),
        ({"do": "cut CP0001", **WHEN}, "fault[0].do: for_s: "),
        ({"do": "power-cut CP000*", **WHEN}, "fault[0].do: expected a line without its target"),
        ({"do": "pause", **WHEN}, "fault[0].do: expected something that befalls connectors or charge points"),
        ({"do": "drain", **WHEN}, "fault[0].do: expected something that befalls"),
        ({"do": "", **WHEN}, "fault[0].do: expected a command"),
        ({"do": 7, **WHEN}, "fault[0].do: expected a command"),
        (WHEN, "fault[0].do: missing"),
        ({"do": "cut"}, "fault[0].at: missing: expected when it strikes: at, every or rate"),
        ({"do": "cut", "every": "1m", "rate": "1/h"}, "fault[0].rate: expected either every"),
        ({"do": "cut", "every": "1ms"}, "fault[0].every: expected a duration of at least 1s"),
        ({"do": "cut", "jitter": "1s", **WHEN}, "fault[0].jitter: expected every beside it"),
        ({"do": "cut", "until": "1h", **WHEN}, "fault[0].until: expected every or rate beside it"),
        ({"do": "cut", "every": "1m", "until": "5m", **WHEN}, "fault[0].until: expected later than at, got 5m"),
        ({"do": "heartbeat", "for": "5m", **WHEN}, "fault[0].for: expected none: there is nothing that undoes"),
        ({"do": "impair cut 5s", "for": "5m", **WHEN}, "fault[0].for: expected a duration either here or in do"),
        ({"do": "power-cut", "probability": 0.1, **WHEN}, "fault[0].probability: expected none"),
        ({"do": "drop", "probability": 0, **WHEN}, "fault[0].probability: expected a number of more than 0"),
        ({"do": "cut", "target": "CP9*", **WHEN}, "fault[0].target: no charge point matches CP9*"),
        ({"do": "unlock", "target": "CP0001/3", **WHEN}, "fault[0].target: CP0001 has 2 connectors"),
        ({"do": "unlock", "target": "CP0001", **WHEN}, "fault[0].target: expected connectors, got 'CP0001'"),
        ({"do": "cut", "target": "@Chargin", **WHEN}, "fault[0].target: expected a target"),
        ({"do": "restart-csms", "target": "*", **WHEN}, "fault[0].target: expected none"),
        ({"do": "cut", "form": "1s", **WHEN}, "fault[0].form: unknown key"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(table: dict[str, Any], line: str) -> None:
    assert complaint(**table).startswith(line)


def test_a_csms_that_is_not_ours_is_not_killed() -> None:
    elsewhere = CsmsConfig(url="ws://csms.example/ocpp")
    line = complaint(elsewhere, do="restart-csms", at="1m")
    assert line == "fault[0].do: restart-csms: expected the embedded CSMS, but csms.url names another"


def test_a_command_that_is_no_charge_points_affair_is_not_taken_for_one() -> None:
    assert Pause.verb in COMMANDS
    with pytest.raises(ValueError, match="befalls"):
        deed(Pause.verb)


# ---- when it strikes -------------------------------------------------------------------------------------------------


def test_at_is_once_and_not_after_the_load() -> None:
    once = fault(do="cut", at="10m")
    assert list(once.instants_s(1, HOUR_S)) == [600]
    assert list(once.instants_s(1, 600)) == []
    assert list(once.strikes_s(1, HOUR_S, ("CP0001", 0))) == []


def test_every_begins_at_and_ends_with_until() -> None:
    assert list(fault(do="cut", every="10m").instants_s(1, HOUR_S)) == [600, 1200, 1800, 2400, 3000]
    assert list(fault(do="cut", every="10m", at="0s", until="20m").instants_s(1, HOUR_S)) == [0, 600]


def test_jitter_makes_each_later_by_a_seeded_part_of_it() -> None:
    shaky = fault(do="cut", every="10m", jitter="1m")
    instants_s = list(shaky.instants_s(1, HOUR_S))
    late_s = [at_s - 600 * (turn + 1) for turn, at_s in enumerate(instants_s)]
    assert all(0 <= each_s < 60 for each_s in late_s)
    assert len(set(late_s)) == 5
    assert list(shaky.instants_s(1, HOUR_S)) == instants_s
    assert list(shaky.instants_s(2, HOUR_S)) != instants_s


def test_a_rate_is_a_poisson_process_for_each() -> None:
    often = fault(do="heartbeat", rate="2/h", at="30m")
    counts = [len(list(often.strikes_s(1, 10.5 * HOUR_S, (f"CP{number}", 0)))) for number in range(500)]
    mean = sum(counts) / 500
    assert mean == pytest.approx(20, rel=0.03)
    # Of a Poisson process the variance is the mean.
    assert sum((count - mean) ** 2 for count in counts) / 500 == pytest.approx(20, rel=0.2)
    assert min(next(often.strikes_s(1, 99 * HOUR_S, (f"CP{number}", 0))) for number in range(500)) >= 1800


def test_when_one_is_struck_depends_on_nobody_else() -> None:
    often = fault(do="heartbeat", rate="2/h")
    one, other = ("CP0001", 0), ("CP0002", 0)
    assert list(often.strikes_s(1, HOUR_S * 9, one)) == list(often.strikes_s(1, HOUR_S * 9, one))
    assert list(often.strikes_s(1, HOUR_S * 9, one)) != list(often.strikes_s(1, HOUR_S * 9, other))
    # A longer run begins like a shorter one.
    short, long = list(often.strikes_s(1, HOUR_S, one)), list(often.strikes_s(1, 2 * HOUR_S, one))
    assert long[: len(short)] == short
    assert list(evolve(often, number=1).strikes_s(1, HOUR_S * 9, one)) != list(often.strikes_s(1, HOUR_S * 9, one))


def test_a_fault_says_of_itself_what_it_is() -> None:
    told = fault(do="drop", probability=0.01, every="5m", jitter="10s", target="~20%", until="1h", **{"for": "45s"})
    assert (told.what, told.whom) == ("drop with probability 0.01 for 45s", "*~20%")
    assert told.when == "every 5m, up to 10s later, until 1h"
    assert fault(do="heartbeat", rate="2/h").when == "2/h for each"
    assert isinstance(fault(do="heartbeat", rate="2/h").deed, SendHeartbeat)


def test_the_faults_of_the_bad_day_are_of_every_layer() -> None:
    from fleet.load.config_file import load

    config = load(Path(__file__).parents[2] / "configs" / "bad-day.toml")
    deeds = [understood(each, number).deed for number, each in enumerate(config.fault)]
    kinds = {type(each) for each in deeds}
    assert {Impair, InjectFault, PowerCut, EmergencyStop, BreakMeter, RestartCsms} <= kinds
    assert Disconnect not in kinds
    # All but what needs TLS, what can't be got over, and what is there in other words.
    missing = set(NetworkFault) - {each.fault for each in deeds if isinstance(each, Impair)}
    assert missing == {NetworkFault.TLS, NetworkFault.SUBPROTOCOL}
    assert config.fault[0] == FaultConfig(do="latency latency_s=400ms", target="~20%", at_s=20, for_s=240)


@pytest.mark.parametrize("name", NetworkFault)
def test_the_readme_names_every_network_fault(name: NetworkFault) -> None:
    _, _, section = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").partition("\n## Faults\n")
    assert f"`{name}`" in section.partition("\n## ")[0]
