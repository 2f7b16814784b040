"""What outsiders ask of a charge point's machine, and what they hear of it."""

import math
from typing import Any

import pytest
from counterparts.charge_point_bench import ACCEPTED, Bench

from fleet.commands.hazards import PowerCut
from fleet.commands.vocabulary import (
    Authorize,
    Command,
    Connect,
    Disconnect,
    Drain,
    ForceStatus,
    GetConfiguration,
    PlugIn,
    Remove,
    Reset,
    SendBoot,
    SendDataTransfer,
    SendHeartbeat,
    SendRaw,
    SetConfiguration,
    SetEV,
    ShowProfiles,
)
from fleet.core.effects import Answer, CloseLink, Finish, GiveOrder, OpenLink, Restart
from fleet.core.instructions import ANSWERED_S, BATTERY_S, REMOVAL_TIMEOUT_S, Instruct
from fleet.core.reports import CallSettled, ConnectFailed, Drained, Registered
from fleet.words import AuthorizationStatus, ConnectorStatus, ErrorCode, ResetKind

TIME = "2026-11-22T12:00:00Z"


@pytest.fixture
def bench() -> Bench:
    """Booted, and quiet."""
    bench = Bench()
    bench.boot()
    bench.effects.clear()
    return bench


def ask(bench: Bench, command: Command | Remove, connector: int = 0, token: int = 1, patient: bool = True) -> Any:
    """Give the command and return what was answered so far."""
    bench.hear(Instruct(connector, command, token, patient))
    return answered(bench, token)


def answered(bench: Bench, token: int = 1) -> Any:
    """`(refusal, value)`, or None while nobody was answered."""
    answers = [(e.refusal, e.value) for e in bench.effects if isinstance(e, Answer) and e.token == token]
    assert len(answers) <= 1
    return answers[0] if answers else None


def deeds(bench: Bench, *kinds: type) -> list[Any]:
    return [effect for effect in bench.effects if isinstance(effect, kinds)]


# ---- messages that somebody dictates ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "line", "answer", "value"),
    [
        (SendHeartbeat(), "Heartbeat", {"currentTime": TIME}, {"currentTime": "2026-11-22T12:00:00.000Z"}),
        (
            SendDataTransfer("X"),
            "DataTransfer",
            {"status": "Rejected", "data": "?"},
            {"status": "Rejected", "data": "?"},
        ),
        (Authorize("TAG"), "Authorize", {"idTagInfo": {"status": "Blocked"}}, AuthorizationStatus.BLOCKED),
        (
            SendBoot(),
            "BootNotification",
            {"status": "Accepted", "currentTime": TIME, "interval": 7},
            {"status": "Accepted", "currentTime": "2026-11-22T12:00:00.000Z", "interval": 7},
        ),
        (ForceStatus(ConnectorStatus.RESERVED), "0:Reserved", {}, None),
        (SendRaw("Heartbeat", {}), "Heartbeat", {"anything": [1, 2]}, {"anything": [1, 2]}),
    ],
)
def test_the_patient_hear_what_the_csms_answered_and_the_others_that_it_was_said(
    bench: Bench, command: Command, line: str, answer: Any, value: Any
) -> None:
    assert ask(bench, command, token=1, patient=False) == (None, None)
    assert bench.line == line
    bench.answer(answer)
    assert ask(bench, command, token=2) is None
    assert bench.line == line
    bench.answer(answer)
    assert answered(bench, 2) == (None, value)


def test_a_callerror_is_a_refusal_with_all_that_it_said(bench: Bench) -> None:
    ask(bench, SendDataTransfer("X"))
    bench._receive([4, bench.frames[-1][1], "NotSupported", "no transfers", {"why": "so"}])
    assert answered(bench) == (
        "DataTransfer: NotSupported: no transfers",
        {"errorCode": "NotSupported", "errorDescription": "no transfers", "errorDetails": {"why": "so"}},
    )


@pytest.mark.parametrize("command", [SendHeartbeat(), SendRaw("Heartbeat", {}), Authorize("TAG")])
def test_no_answer_in_time_a_cut_and_an_answer_that_is_none_are_refusals(bench: Bench, command: Command) -> None:
    ask(bench, command, token=1)
    bench.wait(30)
    ask(bench, command, token=2)
    bench.answer("nonsense")
    ask(bench, command, token=3)
    bench.cut()
    action = "Authorize" if isinstance(command, Authorize) else "Heartbeat"
    assert answered(bench, 1) == (f"{action}: the CSMS gave no answer in 30 s", None)
    if isinstance(command, SendRaw):
        assert answered(bench, 2) == (None, "nonsense")
    else:
        assert answered(bench, 2)[0].startswith(f"{action}: an answer that is none: expected an object")
    assert answered(bench, 3) == (f"{action}: cut before the answer", None)
    assert ask(bench, command, token=4)[0] == "CP1 is not connected and accepted"


def test_an_authorize_by_hand_fills_the_cache_and_tells_no_connector(bench: Bench) -> None:
    orders = len(bench.orders)
    ask(bench, Authorize("TAG"), connector=1)
    bench.answer(ACCEPTED)
    assert answered(bench) == (None, AuthorizationStatus.ACCEPTED)
    assert bench.memory.id_tags["tag"].status is AuthorizationStatus.ACCEPTED
    assert len(bench.orders) == orders


def test_a_heartbeat_by_hand_sets_the_clock_and_leaves_the_charge_points_own_alone(bench: Bench) -> None:
    bench.hear(Instruct(0, SendHeartbeat()))
    ask(bench, SendHeartbeat())
    bench.fail()
    assert bench.machine.pulse.heartbeat_waiting is False
    bench.answer({"currentTime": "2026-11-22T13:00:00Z"})
    assert answered(bench) is not None
    assert bench.machine.utc(bench.now) == 1_795_348_800 + 3600


# ---- boot by hand ----------------------------------------------------------------------------------------------------


def test_a_boot_by_hand_that_is_not_accepted_silences_the_charge_point_until_one_is(bench: Bench) -> None:
    ask(bench, SendBoot())
    bench.answer({"status": "Rejected", "currentTime": TIME, "interval": 60})
    assert answered(bench)[1]["status"] == "Rejected"
    count = len(bench.lines)
    bench.status(ConnectorStatus.PREPARING)
    assert ask(bench, SendHeartbeat(), token=2)[0] == "CP1 is not connected and accepted"
    bench.wait(59)
    assert bench.since(count) == []
    bench.wait(1)
    bench.answer({"status": "Accepted", "currentTime": TIME, "interval": 60})
    assert bench.since(count) == ["BootNotification", "1:Preparing"]


def test_a_boot_by_hand_may_go_out_before_acceptance_and_is_the_next_attempt() -> None:
    bench = Bench()
    bench.boot(600, "Pending")
    assert ask(bench, SendBoot()) is None
    assert bench.lines == ["BootNotification", "BootNotification"]
    bench.fail()
    assert answered(bench)[0] == "BootNotification: InternalError"
    bench.wait(10)
    assert len(bench.lines) == 3
    bench.cut()
    assert ask(bench, SendBoot(), token=2)[0] == "CP1 is not connected"


def test_a_boot_by_hand_without_an_answer_changes_nothing_for_who_is_accepted(bench: Bench) -> None:
    ask(bench, SendBoot())
    bench.wait(3600)
    assert answered(bench)[0] == "BootNotification: the CSMS gave no answer in 30 s"
    assert bench.lines.count("BootNotification") == 2
    assert bench.machine.speaking


# ---- statuses by hand ------------------------------------------------------------------------------------------------


def test_a_status_by_hand_is_only_said_and_the_next_real_one_is_told_even_if_it_is_the_same(bench: Bench) -> None:
    ask(bench, ForceStatus(ConnectorStatus.FAULTED, ErrorCode.HIGH_TEMPERATURE), connector=1)
    assert bench.line == "1:Faulted"
    assert bench.payload["errorCode"] == "HighTemperature"
    bench.answer({})
    assert answered(bench) == (None, None)
    assert bench.machine.views[1].status is not None
    assert bench.machine.views[1].status.status is ConnectorStatus.AVAILABLE
    ask(bench, ForceStatus(ConnectorStatus.PREPARING), connector=1, token=2)
    bench.answer({})
    count = len(bench.lines)
    bench.status(ConnectorStatus.PREPARING)
    assert bench.since(count) == ["1:Preparing"]


def test_what_a_status_by_hand_said_is_put_right_when_the_charge_point_comes_back(bench: Bench) -> None:
    ask(bench, ForceStatus(ConnectorStatus.UNAVAILABLE))
    ask(bench, ForceStatus(ConnectorStatus.CHARGING), connector=1, token=2)
    assert bench.line == "0:Unavailable"
    bench.answer({})
    bench.answer({})
    bench.cut()
    count = len(bench.lines)
    bench.connect()
    bench.acknowledge()
    assert bench.since(count) == ["0:Available", "1:Available"]


# ---- raw messages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "payload", "mistake"),
    [
        ("Authorize", {}, "Authorize: idTag: missing"),
        ("Authorize", {"idTag": 3}, "Authorize: idTag: expected a string, got 3"),
        ("Authorize", {"idTag": "TAG", "tag": "TAG"}, "Authorize: tag: no such field"),
        ("MeterValues", {"connectorId": 1, "meterValue": [{}]}, "MeterValues: meterValue[0].timestamp: missing"),
        ("Reset", {"type": "Hard"}, "Reset is for the CSMS to send"),
        (
            "FirmwareStatusNotification",
            {"status": "Broken"},
            "FirmwareStatusNotification: status: expected one of Downloaded, DownloadFailed, Downloading, Idle, "
            'InstallationFailed, Installing, Installed, got "Broken"',
        ),
        ("Hartbeat", {}, "no action 'Hartbeat' in OCPP 1.6; did you mean Heartbeat?"),
    ],
)
def test_a_raw_message_is_checked_unless_that_is_waived(
    bench: Bench, action: str, payload: dict[str, Any], mistake: str
) -> None:
    count = len(bench.frames)
    assert ask(bench, SendRaw(action, payload)) == (mistake, None)
    assert len(bench.frames) == count
    assert ask(bench, SendRaw(action, payload, unchecked=True), token=2) is None
    assert bench.frames[-1][2:] == [action, payload]
    bench.fail("NotImplemented")
    assert answered(bench, 2)[0] == f"{action}: NotImplemented"


@pytest.mark.parametrize("payload", [{"a": 2**70}, {"a": "\ud800"}, {1: 2}])
def test_what_no_frame_can_hold_is_refused(bench: Bench, payload: Any) -> None:
    assert ask(bench, SendRaw("Heartbeat", payload, unchecked=True))[0].startswith("Heartbeat: no JSON: ")
    assert not bench.machine.exchange.in_flight


def test_a_raw_message_waits_for_its_turn_like_any_other(bench: Bench) -> None:
    ask(bench, SendHeartbeat(), token=1)
    ask(bench, SendRaw("Authorize", {"idTag": "A"}), token=2)
    ask(bench, SendRaw("Anything", {}, unchecked=True), token=3)
    assert bench.since(3) == ["Heartbeat"]
    bench.answer({"currentTime": TIME})
    assert bench.since(3) == ["Heartbeat", "Authorize"]
    bench.answer({"x": 1})
    bench.answer({"y": 2})
    assert [answered(bench, token)[1] for token in (2, 3)] == [{"x": 1}, {"y": 2}]
    assert [fact.action for fact in bench.told(CallSettled)][-3:] == ["Heartbeat", "Authorize", "Anything"]


def test_a_raw_message_changes_nothing_in_the_charge_point(bench: Bench) -> None:
    ask(bench, SendRaw("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}), token=1)
    bench.answer({"status": "Rejected", "currentTime": TIME, "interval": 1})
    ask(bench, SendRaw("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}), token=2)
    bench.fail()
    ask(bench, SendRaw("Authorize", {"idTag": "TAG"}), token=3)
    bench.answer(ACCEPTED)
    bench.wait(3600)
    assert bench.machine.speaking
    assert len(bench.told(Registered)) == 1
    assert bench.memory.id_tags == {}
    assert bench.lines.count("BootNotification") == 3


def test_before_acceptance_only_a_boot_may_go_out_raw() -> None:
    bench = Bench()
    bench.boot(600, "Pending")
    assert ask(bench, SendRaw("Heartbeat", {}))[0] == "CP1 is not connected and accepted"
    assert ask(bench, SendRaw("BootNotification", {}, unchecked=True), token=2) is None
    assert bench.payload == {}
    bench.fail("OccurenceConstraintViolation")
    assert answered(bench, 2)[0] == "BootNotification: OccurenceConstraintViolation"


# ---- configuration ---------------------------------------------------------------------------------------------------


def test_keys_are_shown_with_their_values_and_an_unknown_one_is_a_refusal_beside_them(bench: Bench) -> None:
    assert ask(bench, SetConfiguration("HeartbeatInterval", "77"), token=1) == (None, None)
    assert ask(bench, GetConfiguration(("heartbeatinterval",)), token=2) == (None, {"HeartbeatInterval": "77"})
    refusal, every = ask(bench, GetConfiguration(), token=3)
    assert refusal is None
    assert len(every) > 30
    assert every["NumberOfConnectors"] == "1"
    refusal, known = ask(bench, GetConfiguration(("HeartbeatIntervall", "ConnectionTimeOut")), token=4)
    assert refusal == "HeartbeatIntervall: no such configuration key; did you mean HeartbeatInterval?"
    assert known == {"ConnectionTimeOut": "60"}


def test_charging_profiles_are_shown_of_a_connector_and_of_the_charge_point(bench: Bench) -> None:
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1_500}]}
    profile = {
        "chargingProfileId": 3,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    assert bench.call("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}) == {"status": "Accepted"}
    line = "TxDefaultProfile of connector 1, stack level 1, Relative: 1500 W"
    limit = {"limit_w": 1_500.0, "limited_by": "TxDefaultProfile 3", "profile 3": line}
    assert ask(bench, ShowProfiles(), connector=1, token=1) == (None, limit)
    whole = {"limited_by": "nothing", "profile 3": line}
    assert ask(bench, ShowProfiles(), connector=0, token=2) == (None, whole)


# ---- the network cable -----------------------------------------------------------------------------------------------


def test_disconnected_it_stays_away_and_connected_it_delivers_what_happened_meanwhile(bench: Bench) -> None:
    assert ask(bench, Connect(), token=1) == ("CP1 is already connected", None)
    assert ask(bench, Disconnect(), token=2) is None
    assert deeds(bench, CloseLink) == [CloseLink(reconnect=True, pause_s=math.inf)]
    bench.cut()
    assert answered(bench, 2) == (None, None)
    assert ask(bench, Disconnect(), token=3) == ("CP1 is already disconnected", None)
    count = len(bench.lines)
    bench.start()
    bench.stop()
    bench.wait(3600)
    assert bench.since(count) == []
    assert len(bench.memory.outbox) == 2
    assert ask(bench, Connect(), token=4) is None
    assert deeds(bench, OpenLink) == [OpenLink()]
    bench.connect()
    assert answered(bench, 4) == (None, None)
    bench.answer({"transactionId": 5, **ACCEPTED})
    bench.wait(1)
    bench.answer({})
    assert bench.since(count) == ["StartTransaction", "StopTransaction"]


def test_who_has_it_connect_hears_that_nobody_let_it_in(bench: Bench) -> None:
    ask(bench, Disconnect(), token=1, patient=False)
    bench.cut()
    ask(bench, Connect(), token=2)
    bench.hear(ConnectFailed("refused", "nobody listens", 1.0))
    assert answered(bench, 2) == ("CP1 cannot connect: refused (nobody listens)", None)
    # It goes on trying, and being asked again makes it try at once.
    assert ask(bench, Connect(), token=3) is None
    ask(bench, Disconnect(), token=4)
    assert answered(bench, 3) == ("CP1 was told to disconnect", None)
    assert answered(bench, 4) == (None, None)


def test_told_to_connect_before_the_link_has_closed_it_is_not_answered_by_the_closing(bench: Bench) -> None:
    ask(bench, Disconnect(), token=1)
    assert ask(bench, Connect(), token=2) is None
    bench.cut()
    assert answered(bench, 1) == (None, None)
    assert answered(bench, 2) is None
    bench.connect()
    assert answered(bench, 2) == (None, None)


def test_a_reboot_does_not_put_the_cable_back(bench: Bench) -> None:
    ask(bench, Disconnect())
    bench.cut()
    bench.hear(Instruct(0, Reset(ResetKind.HARD)))
    assert deeds(bench, Restart)
    again = Bench(memory=bench.memory)
    assert again.effects[0] == CloseLink(reconnect=True, pause_s=math.inf)
    assert ask(again, Connect(), patient=False) == (None, None)
    assert Bench(memory=bench.memory).effects[:1] != [CloseLink(reconnect=True, pause_s=math.inf)]


@pytest.mark.parametrize("command", [Drain(), Remove()])
def test_who_is_to_leave_for_good_comes_back_to_deliver_first(bench: Bench, command: Command) -> None:
    bench.start()
    bench.answer({"transactionId": 5, **ACCEPTED})
    ask(bench, Disconnect(), token=1, patient=False)
    bench.cut()
    bench.stop()
    bench.effects.clear()
    assert ask(bench, command, token=2) == (None, None)
    assert deeds(bench, OpenLink, Finish) == [OpenLink()]
    assert ask(bench, Disconnect(), token=3) == ("CP1 is going down", None)
    bench.connect()
    bench.answer({})
    assert deeds(bench, Finish) == [Finish()]
    assert bench.told(Drained) == [Drained(bench.now, 0)]


def test_who_is_to_leave_while_offline_knocks_at_once_if_the_csms_is_owed_anything(bench: Bench) -> None:
    bench.start()
    bench.answer({"transactionId": 5, **ACCEPTED})
    bench.cut()
    bench.effects.clear()
    ask(bench, Drain())
    assert deeds(bench, OpenLink, Finish) == [OpenLink()]
    bench.stop()
    bench.connect()
    bench.answer({})
    assert deeds(bench, Finish) == [Finish()]


def test_who_is_to_leave_while_offline_and_owes_nothing_just_goes(bench: Bench) -> None:
    bench.cut()
    bench.effects.clear()
    ask(bench, Drain())
    assert deeds(bench, OpenLink, Finish) == [Finish()]


def test_a_removal_does_not_wait_for_ever(bench: Bench) -> None:
    bench.start()
    bench.answer({"transactionId": 5, **ACCEPTED})
    bench.cut()
    bench.stop()
    ask(bench, Remove())
    bench.wait(REMOVAL_TIMEOUT_S - 1)
    assert not deeds(bench, Finish)
    bench.wait(1)
    assert deeds(bench, Finish)
    assert [drained.undelivered for drained in bench.told(Drained)] == [1]


# ---- where orders go -------------------------------------------------------------------------------------------------


def test_orders_for_a_connector_go_there_and_what_needs_one_says_so(bench: Bench) -> None:
    assert ask(bench, SetEV(soc=0.5), connector=1, token=1) is None
    assert deeds(bench, GiveOrder) == [GiveOrder(1, SetEV(soc=0.5), 1, refusable=True)]
    assert ask(bench, SetEV(soc=0.5), token=2) == ("SetEV needs a connector, such as CP1/1", None)
    assert ask(bench, PlugIn(), connector=2, token=3) == ("CP1 has no connector 2", None)
    assert ask(bench, Authorize(), connector=2, token=4) == ("CP1 has no connector 2", None)


# ---- the last word ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ResetKind)
def test_the_csms_may_read_the_answer_to_its_reset_before_the_connection_goes(bench: Bench, kind: ResetKind) -> None:
    assert bench.call("Reset", {"type": kind}) == {"status": "Accepted"}
    bench.wait(ANSWERED_S - 0.01)
    assert deeds(bench, CloseLink, Restart) == []
    bench.wait(0.01)
    closing, restart = deeds(bench, CloseLink, Restart)
    assert closing == CloseLink(reconnect=False)
    assert restart.cause == f"{kind}Reset"


def test_a_hard_reset_that_was_answered_waits_for_nothing_else(bench: Bench) -> None:
    bench.start()
    bench.call("Reset", {"type": "Hard"})
    bench.wait(ANSWERED_S)
    assert [restart.cause for restart in deeds(bench, Restart)] == ["HardReset"]
    assert not bench.machine.exchange.idle


def test_nobody_charges_any_more_where_a_hard_reset_was_answered(bench: Bench) -> None:
    bench.call("Reset", {"type": "Hard"})
    assert bench.call("RemoteStartTransaction", {"connectorId": 1, "idTag": "TAG"}) == {"status": "Rejected"}


def test_a_reset_in_the_middle_of_a_drain_ends_no_drain(bench: Bench) -> None:
    bench.start()
    bench.answer({"transactionId": 5, **ACCEPTED})
    ask(bench, Drain())
    bench.call("Reset", {"type": "Soft"})
    bench.wait(ANSWERED_S)
    bench.stop()
    for _ in range(3):
        bench.answer({})
    assert deeds(bench, Restart, Finish) == [Finish()]


@pytest.mark.parametrize("kind", ResetKind)
@pytest.mark.parametrize("cut_first", [False, True])
def test_a_reset_beside_a_power_cut_keeps_no_mains_on(bench: Bench, kind: ResetKind, cut_first: bool) -> None:
    bench.start()
    if cut_first:
        ask(bench, PowerCut(stop_first=True))
    bench.call("Reset", {"type": kind})
    if not cut_first:
        ask(bench, PowerCut(stop_first=True))
    bench.wait(BATTERY_S)
    assert [(restart.cause, restart.dark) for restart in deeds(bench, Restart)] == [("PowerLoss", True)]


def test_who_goes_for_good_tells_the_status_that_has_not_lasted_yet() -> None:
    bench = Bench({"MinimumStatusDuration": "10"})
    bench.boot(86_400)
    said = len(bench.lines)
    bench.status(ConnectorStatus.PREPARING)
    bench.wait(5)
    ask(bench, Drain())
    assert deeds(bench, Finish) == []
    bench.wait(0)
    assert bench.since(said) == ["1:Preparing"]
    bench.answer({})
    assert deeds(bench, Finish) == [Finish()]


def test_who_goes_for_good_while_offline_has_nobody_to_tell_a_status_to() -> None:
    bench = Bench({"MinimumStatusDuration": "10"})
    bench.boot(86_400)
    bench.status(ConnectorStatus.PREPARING)
    bench.cut()
    ask(bench, Drain())
    bench.wait(0)
    assert deeds(bench, Finish) == [Finish()]
