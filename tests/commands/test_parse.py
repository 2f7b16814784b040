"""Lines to commands and back: tables of what is understood, of what is not and where, and the round trip."""

import math
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands import fleetwide as run
from fleet.commands import hazards
from fleet.commands import vocabulary as to
from fleet.commands.impairments import Direction, NetworkFault
from fleet.commands.parse import LineError, is_blank, parse_line, render
from fleet.commands.registry import COMMANDS, AnyCommand, Argument, arguments, find, nearest
from fleet.commands.speech import Aim, Spoken, Subject
from fleet.commands.target import Target, Term, parse_target
from fleet.words import (
    Availability,
    CableEnd,
    ConnectorStatus,
    ErrorCode,
    MeterFault,
    RelayFault,
    ResetKind,
    StopReason,
)

KNOWN = frozenset({"CP0001", "CP0002"}).__contains__


def parse(text: str, default: str | None = None) -> tuple[AnyCommand, str | None]:
    line = parse_line(text, default=parse_target(default) if default else None, known=KNOWN)
    assert line.text == text
    return line.command, None if line.target is None else line.target.render()


UNDERSTOOD: list[tuple[str, AnyCommand, str | None]] = [
    ("plug CP0001/1", to.PlugIn(), "CP0001/1"),
    ("  PLUG   CP0001/1  # a car", to.PlugIn(), "CP0001/1"),
    ("plug CP0001/1 soc=80% battery_wh=40kWh", to.PlugIn(to.EV(40_000, 0.8)), "CP0001/1"),
    ("plug */*~10% 77kWh 0.2 11kw", to.PlugIn(to.EV(77_000, 0.2, 11_000)), "*/*~10%"),
    ("plug CP0001/1 power-max-w=unlimited", to.PlugIn(), "CP0001/1"),
    ("unplug CP0001/1", to.Unplug(), "CP0001/1"),
    ("unplug CP0001/1 ev", to.Unplug(CableEnd.EV), "CP0001/1"),
    ("unplug CP0001/1 charge-point", to.Unplug(), "CP0001/1"),
    ("swipe CP0001/1 'my tag'", to.Swipe("my tag"), "CP0001/1"),
    ('swipe CP0001/1 id_tag="a=b"', to.Swipe("a=b"), "CP0001/1"),
    ("start CP0001/1", to.StartTransaction("DEMO_TAG"), "CP0001/1"),
    ("start CP0001/1 TAG1", to.StartTransaction("TAG1"), "CP0001/1"),
    ("start CP0001/1,CP0002/1 TAG1", to.StartTransaction("TAG1"), "CP0001/1,CP0002/1"),
    ("stop CP00*/1 emergencystop", to.StopTransaction(StopReason.EMERGENCY_STOP), "CP00*/1"),
    ("authorize CP0001 TAG1", to.Authorize("TAG1"), "CP0001"),
    ("authorize CP0001/1", to.Authorize(), "CP0001/1"),
    ("availability CP0001 inoperative", to.ChangeAvailability(Availability.INOPERATIVE), "CP0001"),
    ("availability CP0001/2 Operative", to.ChangeAvailability(Availability.OPERATIVE), "CP0001/2"),
    ("fault CP0001/1", to.InjectFault(), "CP0001/1"),
    ("fault CP0001/1 ground-failure", to.InjectFault(ErrorCode.GROUND_FAILURE), "CP0001/1"),
    ('fault CP0001/1 info="door open"', to.InjectFault(info="door open"), "CP0001/1"),
    ("fault CP0001/1 weaksignal for-s=1m30s", to.InjectFault(ErrorCode.WEAK_SIGNAL, for_s=90), "CP0001/1"),
    ("clear CP0001/1", to.ClearFault(), "CP0001/1"),
    ("meter-fault CP0001/1 stick", hazards.BreakMeter(MeterFault.STICK), "CP0001/1"),
    ("meter-fault CP0001/1 jump 5kWh", hazards.BreakMeter(MeterFault.JUMP, 5_000), "CP0001/1"),
    ("meter-fault CP0001/1 fall energy_wh=500", hazards.BreakMeter(MeterFault.FALL, 500), "CP0001/1"),
    ("relay-fault CP0001/1 closed", hazards.BreakRelay(RelayFault.CLOSED), "CP0001/1"),
    ("relay-fault CP0001/1 none", hazards.BreakRelay(RelayFault.NONE), "CP0001/1"),
    ("lock-failure CP0001/1", hazards.FailLock(), "CP0001/1"),
    ("suspend ev CP0001/1", to.SuspendEV(), "CP0001/1"),
    ("suspend  EVSE CP0001/1", to.SuspendEVSE(), "CP0001/1"),
    ("resume CP0001/1", to.Resume(), "CP0001/1"),
    ("force CP0001/1 suspendedev", to.ForceStatus(ConnectorStatus.SUSPENDED_EV), "CP0001/1"),
    ("meter CP0001/1 7.2kW", to.SetPower(7_200), "CP0001/1"),
    ("meter CP0001/1 500W", to.SetPower(500), "CP0001/1"),
    ("meter CP0001/1 500", to.SetPower(500), "CP0001/1"),
    ("meter CP0001/1 0", to.SetPower(0), "CP0001/1"),
    ("meter CP0001/1", to.SetPower(None), "CP0001/1"),
    ("ev CP0001/1 soc=7%", to.SetEV(soc=0.07), "CP0001/1"),
    ("ev CP0001/1 power_max_w=inf", to.SetEV(power_max_w=math.inf), "CP0001/1"),
    ("unlock CP0001/1", to.UnlockConnector(), "CP0001/1"),
    ("crash CP0001/1", to.Crash(), "CP0001/1"),
    ("connect *", to.Connect(), "*"),
    ("disconnect CP0001", to.Disconnect(), "CP0001"),
    ("power-cut CP0001", hazards.PowerCut(), "CP0001"),
    ("power-cut * 45s", hazards.PowerCut(45), "*"),
    ("power-cut CP0001 stop_first", hazards.PowerCut(stop_first=True), "CP0001"),
    ("power-cut CP0001 10m stop-first=yes", hazards.PowerCut(600, True), "CP0001"),
    ("power-return CP0001", hazards.PowerReturn(), "CP0001"),
    ("emergency-stop CP0001", hazards.EmergencyStop(), "CP0001"),
    ("clock CP0001 drift=2%", hazards.BendClock(0.02), "CP0001"),
    ("clock CP0001 -2%", hazards.BendClock(-0.02), "CP0001"),
    ("clock CP0001 jump_s=1h", hazards.BendClock(jump_s=3600), "CP0001"),
    ("clock * jump-s=-1m30s", hazards.BendClock(jump_s=-90), "*"),
    ("clock CP0001", hazards.BendClock(), "CP0001"),
    ("install-failure CP0001", hazards.FailInstallation(), "CP0001"),
    ("release CP0001", hazards.ReleaseEmergencyStop(), "CP0001"),
    ("impair CP0001 stall 45s", to.Impair(NetworkFault.STALL, 45.0), "CP0001"),
    (
        "impair * answer-twice probability=5% direction=received",
        to.Impair(NetworkFault.ANSWER_TWICE, probability=0.05, direction=Direction.RECEIVED),
        "*",
    ),
    ("mend CP0001", to.Mend(), "CP0001"),
    ("mend * half-open", to.Mend(NetworkFault.HALF_OPEN), "*"),
    ("reboot CP0001", to.Reset(ResetKind.SOFT), "CP0001"),
    ("reboot CP[0001-0100] hard", to.Reset(ResetKind.HARD), "CP[0001-0100]"),
    ("heartbeat CP0001", to.SendHeartbeat(), "CP0001"),
    ("heartbeat CP0001/0", to.SendHeartbeat(), "CP0001"),
    ("boot CP0001", to.SendBoot(), "CP0001"),
    ("data-transfer CP0001 com.example", to.SendDataTransfer("com.example"), "CP0001"),
    ('data-transfer CP0001 v m {"a": 1}', to.SendDataTransfer("v", "m", '{"a": 1}'), "CP0001"),
    ("data-transfer CP0001 v data=x", to.SendDataTransfer("v", data="x"), "CP0001"),
    ("get CP0001", to.GetConfiguration(), "CP0001"),
    ("get CP0001 A B", to.GetConfiguration(("A", "B")), "CP0001"),
    ("set CP0001 HeartbeatInterval 60", to.SetConfiguration("HeartbeatInterval", "60"), "CP0001"),
    ("set CP0001 HeartbeatInterval=60", to.SetConfiguration("HeartbeatInterval", "60"), "CP0001"),
    ('set CP0001 A ""', to.SetConfiguration("A", ""), "CP0001"),
    ("profiles CP0001/1", to.ShowProfiles(), "CP0001/1"),
    ("profiles CP0001", to.ShowProfiles(), "CP0001"),
    ("raw CP0001 Heartbeat", to.SendRaw("Heartbeat"), "CP0001"),
    ('raw CP0001 Authorize {"idTag": "a b"}', to.SendRaw("Authorize", {"idTag": "a b"}), "CP0001"),
    ('raw CP0001 A payload={"b":[{"c":1.5}]} unchecked', to.SendRaw("A", {"b": [{"c": 1.5}]}, True), "CP0001"),
    ("raw CP0001 A unchecked {}", to.SendRaw("A", {}, True), "CP0001"),
    ("raw CP0001 A unchecked=no", to.SendRaw("A"), "CP0001"),
    ("raw CP0001 unchecked unchecked", to.SendRaw("unchecked", {}, True), "CP0001"),
    ("drain CP0001", to.Drain(), "CP0001"),
    ("remove CP0001", to.Remove(), "CP0001"),
    ("status", run.ShowStatus(), None),
    ("status CP0001", run.ShowStatus(), "CP0001"),
    ("status CP9999", run.ShowStatus(), "CP9999"),
    ("list */*@Faulted", run.List(), "*/*@Faulted"),
    ("stats", run.Stats(), None),
    ("monitor", run.Monitor(), None),
    ("monitor CP0001", run.Monitor(), "CP0001"),
    ("monitor Heartbeat", run.Monitor("Heartbeat"), None),
    ("monitor */* Heartbeat", run.Monitor("Heartbeat"), "*/*"),
    ("seed", run.ShowSeed(), None),
    ("use CP0001/1", run.Use(), "CP0001/1"),
    ("use", run.Use(), None),
    ("run a/b.fleet", run.RunScenario("a/b.fleet"), None),
    ("run a/b.fleet CP0001/*", run.RunScenario("a/b.fleet"), "CP0001/*"),
    ("run 'a b.fleet' CP0001", run.RunScenario("a b.fleet"), "CP0001"),
    ("pause", run.Pause(), None),
    ("resume", run.ResumeDrivers(), None),
    ("resume drivers", run.ResumeDrivers(), None),
    ("scale 500", run.Scale(500), None),
    ("add CP9001", run.Add("CP9001"), None),
    ("add CP9001 4", run.Add("CP9001", 4), None),
    ("menu", run.Menu(), None),
    ("help", run.Help(), None),
    ("help suspend ev", run.Help("suspend ev"), None),
    ("quit", run.Quit(), None),
    ("wait 1m30s", run.Wait(90), None),
    ("wait-for CP0001/1 Charging 20s", run.WaitFor(ConnectorStatus.CHARGING, 20), "CP0001/1"),
    ("wait-for CP0001/1 Charging", run.WaitFor(ConnectorStatus.CHARGING), "CP0001/1"),
    ("expect CP0001/1 available", run.Expect(ConnectorStatus.AVAILABLE), "CP0001/1"),
    ("repeat 3", run.Repeat(3), None),
    ("end", run.End(), None),
    ("at 10m", run.At(600), None),
]


@pytest.mark.parametrize(("text", "command", "target"), UNDERSTOOD)
def test_a_line_becomes_a_command(text: str, command: AnyCommand, target: str | None) -> None:
    assert parse(text) == (command, target)


def test_every_command_is_in_the_table() -> None:
    assert {type(command) for _, command, _ in UNDERSTOOD} == set(COMMANDS.values())


@pytest.mark.parametrize(
    ("text", "default", "command", "target"),
    [
        ("plug", "CP0001/1", to.PlugIn(), "CP0001/1"),
        ("plug soc=50%", "CP0001/1", to.PlugIn(to.EV(soc=0.5)), "CP0001/1"),
        ("plug CP0002/2", "CP0001/1", to.PlugIn(), "CP0002/2"),
        ("start TAG1", "CP0001/1", to.StartTransaction("TAG1"), "CP0001/1"),
        ("start CP0002/1 TAG1", "CP0001/1", to.StartTransaction("TAG1"), "CP0002/1"),
        ("start 'CP0002/1'", "CP0001/1", to.StartTransaction("CP0002/1"), "CP0001/1"),
        ("start id_tag=CP0002", "CP0001/1", to.StartTransaction("CP0002"), "CP0001/1"),
        ("start CP9999", "CP0001/1", to.StartTransaction("CP9999"), "CP0001/1"),
        ("resume", "CP0001/1", to.Resume(), "CP0001/1"),
        ("resume drivers", "CP0001/1", run.ResumeDrivers(), None),
        ("resume CP0002/1", "CP0001/1", to.Resume(), "CP0002/1"),
        ("status", "CP0001/1", run.ShowStatus(), "CP0001/1"),
        ("status *", "CP0001/1", run.ShowStatus(), "*"),
        ("monitor Heartbeat", "CP0001", run.Monitor("Heartbeat"), "CP0001"),
        ("use", "CP0001/1", run.Use(), None),
        ("use CP0002", "CP0001/1", run.Use(), "CP0002"),
        ("expect Available", "*/*", run.Expect(ConnectorStatus.AVAILABLE), "*/*"),
        ("run x.fleet", "*/*", run.RunScenario("x.fleet"), "*/*"),
        ("run x.fleet CP0001/1", "*/*", run.RunScenario("x.fleet"), "CP0001/1"),
        ("reboot hard", "CP0001", to.Reset(ResetKind.HARD), "CP0001"),
        ("reboot hard", "CP0001/*,CP0002/1", to.Reset(ResetKind.HARD), "CP0001,CP0002"),
        ("heartbeat CP9999", "CP0001", to.SendHeartbeat(), "CP9999"),
        ("reboot CP9999 hard", "CP0001", to.Reset(ResetKind.HARD), "CP9999"),
        ("monitor CP9999 Heartbeat", None, run.Monitor("Heartbeat"), "CP9999"),
        ("get A B", "CP0001", to.GetConfiguration(("A", "B")), "CP0001"),
        ("set A=1", "CP0001", to.SetConfiguration("A", "1"), "CP0001"),
        ("raw Heartbeat {}", "CP0001/1", to.SendRaw("Heartbeat"), "CP0001"),
        ("availability operative", "CP0001/1", to.ChangeAvailability(Availability.OPERATIVE), "CP0001/1"),
        ("stats", "CP0001/1", run.Stats(), None),
        ("wait 1s", "CP0001/1", run.Wait(1), None),
    ],
)
def test_the_target_in_use_serves_where_none_is_typed(
    text: str, default: str | None, command: AnyCommand, target: str | None
) -> None:
    assert parse(text, default) == (command, target)


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("plug", "", "plug needs a target, such as CP0001/1, or one that is in use: `help use`"),
        ("plug CP0001", "CP0001", "plug needs a connector, such as CP0001/1 or CP0001/*"),
        ("plug CP0001/0", "CP0001/0", "plug needs a connector, such as CP0001/1 or CP0001/*"),
        ("plug CP00*", "CP00*", "plug needs a connector, such as CP00*/1 or CP00*/*"),
        ("start TAG1", "TAG1", "start needs a connector, such as CP0001/1 or CP0001/*"),
        ("resume TAG1", "TAG1", "resume needs a connector, such as CP0001/1 or CP0001/*"),
        ("expect Available", "Available", "expect needs a connector, such as CP0001/1 or CP0001/*"),
        ("reboot CP0001/1", "CP0001/1", "reboot needs a charge point, such as CP0001"),
        ("reboot CP00*/* hard", "CP00*/*", "reboot needs a charge point, such as CP00*"),
        ("reboot @Faulted", "@Faulted", "reboot needs a charge point, such as CP0001"),
        ("plug CP0001/x", "x", "expected a connector's number, * or a range such as [1-2]"),
        ("plug */*@Foo", "Foo", "no status 'Foo'; expected one of Available, "),
        ("stauts", "stauts", "no command 'stauts'; did you mean stats, status or start?"),
        ("present CP0001/1 TAG1", "present", "no command 'present'; did you mean swipe?"),
        ("power-off CP0001", "power-off", "no command 'power-off'; did you mean power-cut?"),
        ("reset CP0001", "reset", "no command 'reset'; did you mean reboot?"),
        ("sus", "sus", "no command 'sus'; did you mean suspend ev or suspend evse?"),
        ("suspend CP0001/1", "suspend", "no command 'suspend'; did you mean suspend ev or suspend evse?"),
        ("xyzzy CP0001/1", "xyzzy", "no command 'xyzzy'; see `help` for all there are"),
        ("availability CP0001", "", "availability needs availability: one of Operative, Inoperative"),
        ("set CP0001 A", "", "set needs value: a word, or several in quotes"),
        ("wait", "", "wait needs duration_s: a duration such as 30s or 10m"),
        ("fault CP0001/1 Grund", "Grund", "error_code: not 'Grund'; expected one of NoError, "),
        ("plug CP0001/1 soc=80", "80", "soc must be <= 1: 80.0; expected a share such as 0.8 or 80%"),
        ("plug CP0001/1 soc=-1", "-1", "soc must be >= 0: -1.0; expected a share such as 0.8 or 80%"),
        ("plug CP0001/1 sco=80%", "sco", "plug has no argument 'sco'; did you mean soc?"),
        ("clear CP0001/1 a=b", "a", "clear has no argument 'a'; it has none"),
        ("swipe CP0001/1 a=b", "a", "swipe has no argument 'a'; it has id_tag"),
        ("plug CP0001/1 soc=1 soc=1", "soc=1", "soc is given twice"),
        ("meter CP0001/1 7.2kX", "7.2kX", "power_w: not '7.2kX'; expected a power such as 7.2kW or 500W"),
        ("meter CP0001/1 1e999", "1e999", "power_w: '1e999' is too large"),
        ("meter CP0001/1 nan", "nan", "power_w: not 'nan'; expected a power such as 7.2kW or 500W"),
        ("meter CP0001/1 inf", "inf", "power_w: not 'inf'; expected a power such as 7.2kW or 500W"),
        (
            "wait 30",
            "30",
            "duration_s: not a duration: '30'; expected a number with its unit, such as 50ms, 2s or 1h30m",
        ),
        ("scale 1.5", "1.5", "count: not '1.5'; expected a whole number"),
        ("scale -1", "-1", "count must be >= 0: -1; expected a whole number"),
        ("repeat 0", "0", "count must be >= 1: 0; expected a whole number"),
        ("swipe CP0001/1 a b", "b", "swipe takes no more than id_tag"),
        ("stats now", "now", "stats takes no arguments"),
        ("swipe CP0001/1 " + "x" * 21, "x" * 21, "id_tag: 21 characters, but at most 20 have room"),
        ("swipe CP0001/1 'ab", "'", "this quote is not closed"),
        ("swipe CP0001/1 'a'b", "b", "expected a space here"),
        ("raw CP0001 A 5", "5", "payload: not '5'; expected a JSON object such as "),
        ('raw CP0001 A {"b": }', "}", "not a JSON object: expecting value"),
        ('raw CP0001 A {"b": 1', "", "not a JSON object: expecting ',' delimiter"),
        ('raw CP0001 A {"b": NaN}', "{", "not a JSON object for us: NaN is no number in JSON"),
        ('raw CP0001 A {"b": 1e999}', "{", "not a JSON object for us: a number is too large"),
        ('raw CP0001 A {"b": 18446744073709551616}', "{", "not a JSON object for us: a number is too large"),
        ('raw CP0001 A {"b": "\\ud800"}', "{", "not a JSON object for us: half of a surrogate pair in it"),
        ("raw CP0001 A " + '{"b":' * 200 + "1" + "}" * 200, "{", "not a JSON object for us: nested more than 100 deep"),
        ("raw CP0001 A " + '{"b":' * 100_000, "{", "not a JSON object for us: nested more than 100 deep"),
        ("swipe CP0001/1 a\udcff", "\udcff", "this is not text: a character that isn't UTF-8"),
    ],
)
def test_a_mistake_is_one_line_and_knows_its_place(text: str, marked: str, message: str) -> None:
    with pytest.raises(LineError) as caught:
        parse(text)
    error = caught.value
    assert str(error).startswith(message)
    assert text[error.start : error.end] == marked
    shown, under = error.caret(text).split("\n")
    assert under.strip(" ") == "^" * max(1, len(marked))
    assert shown == text or len(text) > 100 or not text.isprintable()


@pytest.mark.parametrize(
    ("text", "default", "message"),
    [
        ("plug", "CP0001", "plug needs a connector, such as CP0001/1 or CP0001/*; CP0001 is in use"),
        ("plug CP0002/0", "CP0001", "plug needs a connector, such as CP0002/1 or CP0002/*"),
        ("stop CP9999", "CP0001/1", "and there is no charge point CP9999"),
        ("start CP9999 TAG1", "CP0001/1", "start needs a connector, such as CP0001/1 or CP0001/*"),
        ("start CP0002", "CP0001/1", "start needs a connector, such as CP0002/1 or CP0002/*"),
    ],
)
def test_a_target_in_use_does_not_hide_a_mistake(text: str, default: str, message: str) -> None:
    with pytest.raises(LineError) as caught:
        parse(text, default)
    assert message in str(caught.value)


def test_a_default_that_is_filtered_stands_for_the_charge_points_it_comes_to() -> None:
    line = parse_line("reboot", default=parse_target("*/*@Faulted"))
    assert line.target is not None
    assert line.target.whole
    assert line.target.aim is Aim.CHARGE_POINT


@pytest.mark.parametrize("text", ["", "   ", "# plug", "  # plug"])
def test_a_blank_line_is_known_as_such_and_no_command(text: str) -> None:
    assert is_blank(text)
    with pytest.raises(LineError, match="nothing to do"):
        parse(text)


def test_the_caret_stands_right_under_wide_characters_tabs_and_in_long_lines() -> None:
    text = "fault\tCP0001/1 充電 info=x"
    with pytest.raises(LineError) as caught:
        parse(text)
    assert caught.value.caret(text) == "fault CP0001/1 充電 info=x\n" + " " * 15 + "^" * 4
    text = f"get CP0001 {'A ' * 500}'open"
    with pytest.raises(LineError) as caught:
        parse(text)
    shown, under = caught.value.caret(text).split("\n")
    assert len(shown) <= 100
    assert shown[under.index("^")] == "'"


# ---- the registry ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", COMMANDS.values(), ids=COMMANDS)
def test_every_command_has_help_a_subject_and_examples_that_parse_to_it(kind: type[Spoken]) -> None:
    assert (kind.__doc__ or "").partition("\n")[0].endswith(".")
    assert isinstance(kind.subject, Subject)
    assert kind.examples
    for example in kind.examples:
        command, _ = parse(example)
        # A bare `resume` is the drivers', whose example it is.
        assert type(command) is kind


def test_no_command_weighs_more_than_its_fields() -> None:
    assert not [command for _, command, _ in UNDERSTOOD if hasattr(command, "__dict__")]


def test_the_nearest_verbs_begin_so_or_look_alike() -> None:
    assert nearest("plg") == ["plug", "unplug"]
    assert nearest("he") == ["heartbeat", "help"]
    assert nearest("") == []
    assert find("SUSPEND   ev") is to.SuspendEV
    assert find("nothing") is None


# ---- and back --------------------------------------------------------------------------------------------------------

texts = st.text(max_size=20).filter(lambda text: text.isprintable()) | st.sampled_from(
    [
        "CP0001",
        "CP0001/1",
        "a b",
        "'",
        '"',
        "\\",
        "\\n",
        "\n",
        "\t",
        "{",
        "#",
        "a=b",
        "unchecked",
        "drivers",
        "ev",
        "",
        "~3",
    ]
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def values_of(argument: Argument) -> st.SearchStrategy[Any]:
    """Every value that the argument's type and validator allow."""
    if argument.choices:
        values: st.SearchStrategy[Any] = st.sampled_from(list(argument.kind))  # type: ignore[call-overload]
    elif argument.kind is float:
        positive = st.floats(0, 1 if argument.unit == "share" else 1e9)
        values = positive | st.just(math.inf) if argument.unlimited else positive
    elif argument.kind is int:
        values = st.integers(1, 100)
    elif argument.kind is bool:
        values = st.booleans()
    elif argument.kind is dict:
        values = st.dictionaries(texts, json_values, max_size=3)
    else:
        values = st.lists(texts, max_size=3).map(tuple) if argument.many else texts
    if not argument.required and argument.default is None:
        values = st.none() | values
    check = argument.attribute.validator

    def allowed(value: Any) -> bool:
        try:
            if check is not None:
                check(None, argument.attribute, value)
        except ValueError:
            return False
        return True

    return values.filter(allowed)


def commands_of(kind: Any) -> st.SearchStrategy[Any]:
    own = {a.name: values_of(a) for a in arguments(kind) if not a.inside}
    if any(a.inside for a in arguments(kind)):
        own["ev"] = st.builds(to.EV, **{a.name: values_of(a) for a in arguments(kind) if a.inside})
    return st.builds(kind, **own)


commands = st.sampled_from(list(COMMANDS.values())).flatmap(commands_of)
a_connector = st.builds(lambda n, c: Target((Term(f"CP{n}", c, c),)), st.integers(1, 9), st.integers(1, 9))
a_charge_point = st.builds(lambda n: Target((Term(f"CP{n}"),)), st.integers(1, 9))


def target_for(kind: type[Spoken]) -> st.SearchStrategy[Target | None]:
    fitting: dict[Aim, st.SearchStrategy[Target | None]] = {
        Aim.NOWHERE: st.none(),
        Aim.CONNECTOR: a_connector,
        Aim.CHARGE_POINT: a_charge_point,
        Aim.EITHER: a_connector | a_charge_point,
    }
    return fitting[kind.aims] | st.none() if kind.aim_optional else fitting[kind.aims]


@given(st.data())
def test_what_is_rendered_parses_back_to_an_equal_command_and_target(data: st.DataObject) -> None:
    command = data.draw(commands)
    target = data.draw(target_for(type(command)))
    text = render(command, target)
    line = parse_line(text, known=lambda id: id.startswith("CP"))
    assert (line.command, line.target) == (command, target), text


@given(st.data())
def test_what_is_rendered_without_a_target_is_for_the_one_in_use(data: st.DataObject) -> None:
    command = data.draw(commands.filter(lambda command: not isinstance(command, run.Use)))
    kind = type(command)
    default = data.draw(target_for(kind).filter(lambda target: target is not None or kind.aims is Aim.NOWHERE))
    line = parse_line(render(command), default=default, known=KNOWN)
    assert (line.command, line.target) == (command, default), line.text


@given(st.data())
def test_any_line_is_a_command_or_an_error_with_a_caret(data: st.DataObject) -> None:
    verb = data.draw(st.sampled_from(list(COMMANDS)) | st.text(max_size=5))
    words = st.sampled_from(
        ["CP0001/1", "CP0001", "*/*@", "~3", "{", "{}", "'", '"', "soc=", "=", "#", "1", "30s", "ev"]
    )
    rest = data.draw(st.lists(words | st.text(max_size=6), max_size=5))
    text = " ".join([verb, *rest])
    default = data.draw(st.none() | a_connector | a_charge_point)
    try:
        line = parse_line(text, default=default, known=KNOWN)
    except LineError as error:
        shown, under = error.caret(text).split("\n")
        caret, message = "^" in under and set(under) <= {" ", "^"}, str(error)
    else:
        shown, caret, message = "", True, ""
        assert attrs.has(type(line.command))
    assert caret
    assert shown.isprintable()
    assert "\n" not in message
