"""The counterpart itself, tried with frames made by hand: it must notice what it is there to notice."""

import itertools
import json
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from counterparts.process import Counterpart
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

START = {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": "2026-11-22T11:17:32.123Z"}


def now() -> str:
    return datetime.now(UTC).isoformat()


@pytest.fixture
def counterpart(tmp_path: Path) -> Iterator[Counterpart]:
    process = Counterpart(tmp_path)
    yield process
    if process.process.poll() is None:
        process.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counterpart]:
    """One for all tests that leave its behaviour alone; each of them has a charge point of its own."""
    process = Counterpart(tmp_path_factory.mktemp("shared"))
    yield process
    process.end()


_numbers = itertools.count(1)


@pytest.fixture
def charge_point() -> str:
    return f"OWN{next(_numbers)}"


def ask(link: ClientConnection, message_id: str, action: str, payload: object) -> list[Any]:
    link.send(json.dumps([2, message_id, action, payload]))
    return cast(list[Any], json.loads(link.recv(5)))


def answering(link: ClientConnection, reply: Callable[[list[Any]], str | None]) -> threading.Thread:
    """Answer one CALL of the central system's in the background, as the charge point would."""

    def answer() -> None:
        text = reply(json.loads(link.recv(5)))
        if text is not None:
            link.send(text)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_a_transaction_from_boot_to_stop_is_answered_and_recorded(counterpart: Counterpart) -> None:
    at = now()
    with counterpart.connect() as link:
        boot = ask(link, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
        assert boot[0] == 3
        assert boot[2]["status"] == "Accepted"
        assert "currentTime" in ask(link, "2", "Heartbeat", {})[2]
        assert ask(link, "3", "Authorize", {"idTag": "TAG"}) == [3, "3", {"idTagInfo": {"status": "Accepted"}}]
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Preparing", "timestamp": at}
        assert ask(link, "4", "StatusNotification", status) == [3, "4", {}]
        started = ask(link, "5", "StartTransaction", START | {"timestamp": at})[2]
        transaction_id = started["transactionId"]
        sample = {"value": "150", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
        values = {
            "connectorId": 1,
            "transactionId": transaction_id,
            "meterValue": [{"timestamp": at, "sampledValue": [sample]}],
        }
        assert ask(link, "6", "MeterValues", values) == [3, "6", {}]
        stop = {"transactionId": transaction_id, "meterStop": 350, "timestamp": at, "idTag": "TAG", "reason": "Local"}
        assert ask(link, "7", "StopTransaction", stop) == [3, "7", {"idTagInfo": {"status": "Accepted"}}]
        assert ask(link, "8", "DataTransfer", {"vendorId": "V"}) == [3, "8", {"status": "UnknownVendorId"}]
    start, end = counterpart.lines("records")
    assert start["kind"] == "start"
    assert (end["kind"], end["energy_wh"], end["meter_values"], end["reason"]) == ("stop", 250, 1, "Local")
    assert end["transaction_id"] == start["transaction_id"] == transaction_id
    assert counterpart.lines("log") == []
    wire = [(line["direction"], json.loads(line["frame"])[1]) for line in counterpart.lines("frames")[1:17]]
    assert wire == [(way, str(number)) for number in range(1, 9) for way in ("in", "out")]


def test_what_was_answered_survives_a_kill_and_ids_go_on(counterpart: Counterpart) -> None:
    at = now()
    with counterpart.connect() as link:
        first = ask(link, "1", "StartTransaction", START | {"timestamp": at})[2]["transactionId"]
        assert ask(link, "2", "StartTransaction", START | {"timestamp": at})[2]["transactionId"] == first
        counterpart.end(signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            link.recv(5)
    with (counterpart.folder / "records.jsonl").open("a") as file:
        file.write('{"kind":"start","torn')
    again = Counterpart(counterpart.folder, counterpart.port)
    assert again.port == counterpart.port
    with again.connect() as link:
        assert ask(link, "1", "StartTransaction", START | {"timestamp": at})[2]["transactionId"] == first
        second = START | {"connectorId": 2, "timestamp": at}
        assert ask(link, "2", "StartTransaction", second)[2]["transactionId"] == first + 1
        stop = {"transactionId": first, "meterStop": 150, "timestamp": at}
        ask(link, "3", "StopTransaction", stop)
        ask(link, "4", "StopTransaction", stop)
        ask(link, "5", "StopTransaction", stop | {"transactionId": 5})
    assert again.end() == 0
    text = (counterpart.folder / "records.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in text if not line.endswith("torn")]
    assert kinds == ["start", "repeated-start", "repeated-start", "start", "stop", "repeated-stop", "orphan-stop"]
    assert json.loads(text[-2])["same"] is True
    assert again.rules() == ["orphan-stop"]


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("BootNotification", {"chargePointVendor": "V"}, "ProtocolError"),
        ("Heartbeat", {"extra": 1}, "FormatViolation"),
        ("Authorize", {"idTag": 5}, "TypeConstraintViolation"),
        ("Authorize", {"idTag": "T" * 21}, "TypeConstraintViolation"),
        ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Parked"}, "FormatViolation"),
        ("Heartbeat", [], "TypeConstraintViolation"),
        ("Reset", {"type": "Hard"}, "NotImplemented"),
        ("Dance", {}, "NotSupported"),
    ],
)
def test_a_payload_against_its_schema_is_refused_and_logged(
    shared: Counterpart, charge_point: str, action: str, payload: object, code: str
) -> None:
    with shared.connect(charge_point) as link:
        assert ask(link, "1", action, payload)[:3] == [4, "1", code]
        assert ask(link, "2", "Heartbeat", {})[0] == 3
    (line,) = [line for line in shared.lines("log") if line["charge_point"] == charge_point]
    assert line["rule"] == "refused"
    assert json.loads(line["frame"])[2] == action


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        ("no json", "not-json"),
        ('[2,"1","Heartbeat",{"x":NaN}]', "not-json"),
        ("{}", "wrong-shape"),
        ("[]", "wrong-shape"),
        ('[5,"1",{}]', "wrong-shape"),
        ('[2,"1","Heartbeat"]', "wrong-shape"),
        ('[2,1,"Heartbeat",{}]', "wrong-shape"),
        ('[2,"1",["Heartbeat"],{}]', "wrong-shape"),
        ('[3,"never asked",{}]', "unknown-reply"),
        ('[4,"never asked","Whatever","",{}]', "bad-callerror"),
        (b'[2,"1","Heartbeat",{}]', "binary-frame"),
    ],
)
def test_a_frame_without_the_right_shape_is_logged(
    shared: Counterpart, charge_point: str, frame: str | bytes, rule: str
) -> None:
    with shared.connect(charge_point) as link:
        link.send(frame)
        assert ask(link, "after", "Heartbeat", {})[:2] == [3, "after"]
    assert rule in shared.rules(charge_point)


def test_repeated_ids_overlapping_calls_and_odd_timestamps_are_logged(counterpart: Counterpart) -> None:
    counterpart.order(op="behave", latency_s=0.05)
    with counterpart.connect() as link:
        link.send('[2,"1","Heartbeat",{}]')
        link.send('[2,"1","Heartbeat",{}]')
        assert json.loads(link.recv(5))[1] == json.loads(link.recv(5))[1] == "1"
        ask(link, "x" * 37, "StartTransaction", START | {"timestamp": "yesterday"})
        ask(link, "2", "StartTransaction", START | {"timestamp": "2026-11-22T11:17:32"})
    assert counterpart.rules() == [
        "repeated-message-id",
        "overlapping-call",
        "bad-message-id",
        "bad-timestamp",
        "bad-timestamp",
    ]


def test_meter_values_of_somebody_elses_transaction_are_logged(counterpart: Counterpart) -> None:
    at = now()
    with counterpart.connect("CP0001") as one, counterpart.connect("CP0002") as two:
        transaction_id = ask(one, "1", "StartTransaction", START | {"timestamp": at})[2]["transactionId"]
        values = {"timestamp": at, "sampledValue": [{"value": "1"}]}
        payload = {"connectorId": 1, "transactionId": transaction_id, "meterValue": [values]}
        ask(two, "1", "MeterValues", payload)
    assert counterpart.rules() == ["stray-meter-values"]


def test_nothing_but_boot_before_acceptance(counterpart: Counterpart) -> None:
    assert counterpart.order(op="behave", boot="Pending", interval_s=7)["result"] == {}
    with counterpart.connect() as link:
        boot = ask(link, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})[2]
        assert (boot["status"], boot["interval"]) == ("Pending", 7)
        ask(link, "2", "Heartbeat", {})
    assert counterpart.rules() == ["unregistered"]


def test_answers_can_be_withheld_refused_and_id_tags_blocked(counterpart: Counterpart) -> None:
    counterpart.order(
        op="behave", mute=["Heartbeat"], fail={"DataTransfer": "InternalError"}, id_tags={"BAD": "Blocked"}
    )
    with counterpart.connect("CP0001") as muted, counterpart.connect("CP0002") as link:
        muted.send('[2,"1","Heartbeat",{}]')
        with pytest.raises(TimeoutError):
            muted.recv(0.2)
        assert ask(link, "2", "DataTransfer", {"vendorId": "V"})[:3] == [4, "2", "InternalError"]
        assert ask(link, "3", "Authorize", {"idTag": "BAD"})[2] == {"idTagInfo": {"status": "Blocked"}}
    assert counterpart.rules() == []
    assert "no such behaviour: moody" in counterpart.order(op="behave", moody=1)["error"]["description"]


def test_it_drives_a_charge_point_and_reports_its_answer(counterpart: Counterpart) -> None:
    with counterpart.connect() as link:
        ask(link, "1", "Heartbeat", {})
        assert counterpart.order(op="charge_points")["result"] == ["CP0001"]
        thread = answering(link, lambda call: json.dumps([3, call[1], {"status": "Accepted"}]))
        answer = counterpart.order(charge_point="CP0001", action="Reset", payload={"type": "Soft"}, tag=7)
        thread.join()
        assert answer == {"tag": 7, "charge_point": "CP0001", "action": "Reset", "result": {"status": "Accepted"}}
        key = {"key": "HeartbeatInterval", "readonly": False, "value": "60"}
        thread = answering(link, lambda call: json.dumps([3, call[1], {"configurationKey": [key]}]))
        answer = counterpart.order(charge_point="CP0001", action="GetConfiguration", payload={"key": [key["key"]]})
        thread.join()
        assert answer["result"] == {"configurationKey": [key]}
    assert counterpart.rules() == []


def test_a_remote_start_with_a_profile_reaches_the_wire_as_given(counterpart: Counterpart) -> None:
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7200.5, "numberPhases": 1}],
        },
    }
    payload = {"idTag": "TAG", "connectorId": 1, "chargingProfile": profile}
    seen: list[Any] = []
    with counterpart.connect() as link:
        ask(link, "1", "Heartbeat", {})

        def reply(call: list[Any]) -> str:
            seen.append(call[3])
            return json.dumps([3, call[1], {"status": "Rejected"}])

        thread = answering(link, reply)
        answer = counterpart.order(charge_point="CP0001", action="RemoteStartTransaction", payload=payload)
        thread.join()
    assert answer["result"] == {"status": "Rejected"}
    assert seen == [payload]


@pytest.mark.parametrize(
    ("reply", "code", "rules"),
    [
        (lambda call: json.dumps([4, call[1], "NotSupported", "no", {"cause": "x"}]), "NotSupported", []),
        (lambda call: json.dumps([3, call[1], {"status": "Perhaps"}]), "BadResult", ["bad-result"]),
        (lambda call: json.dumps([3, call[1], {}]), "BadResult", ["bad-result"]),
        (lambda call: json.dumps([3, call[1] + "x", {}]), "Timeout", ["unknown-reply"]),
        (lambda call: None, "Timeout", []),
    ],
)
def test_answers_that_are_no_good_are_told_apart(
    shared: Counterpart,
    charge_point: str,
    reply: Callable[[list[Any]], str | None],
    code: str,
    rules: list[str],
) -> None:
    with shared.connect(charge_point) as link:
        ask(link, "1", "Heartbeat", {})
        thread = answering(link, reply)
        answer = shared.order(charge_point=charge_point, action="ClearCache", timeout_s=0.3)
        thread.join()
        assert answer["error"]["code"] == code
    assert shared.rules(charge_point) == rules


def test_orders_that_make_no_sense_are_answered_so(counterpart: Counterpart) -> None:
    with counterpart.connect() as link:
        ask(link, "1", "Heartbeat", {})
        for order in (
            {"charge_point": "CP0001", "action": "Dance"},
            {"charge_point": "CP0001", "action": "Reset", "payload": {"type": "Gentle"}},
            {"charge_point": "CP0001", "action": "Reset", "payload": {"kind": "Soft"}},
            {"op": "dance"},
            {"op": "send", "charge_point": "CP0001"},
        ):
            assert counterpart.order(**order)["error"]["code"] == "BadOrder", order
        assert counterpart.order(charge_point="CP0009", action="ClearCache")["error"]["code"] == "NotConnected"


def test_frames_as_they_stand_and_cuts(counterpart: Counterpart) -> None:
    with counterpart.connect() as link:
        ask(link, "1", "Heartbeat", {})
        counterpart.order(op="send", charge_point="CP0001", text="no json")
        assert link.recv(5) == "no json"
        counterpart.order(op="send", charge_point="CP0001", hex="00ff")
        assert link.recv(5) == b"\x00\xff"
        assert counterpart.order(op="cut", charge_point="CP0001")["result"] == 1
        with pytest.raises(ConnectionClosed) as cut:
            link.recv(5)
        assert cut.value.rcvd is None
    with counterpart.connect() as link:
        ask(link, "1", "Heartbeat", {})
        assert counterpart.order(op="close")["result"] == 1
        with pytest.raises(ConnectionClosed) as closed:
            link.recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


def test_a_newer_connection_of_the_same_charge_point_replaces_the_older(counterpart: Counterpart) -> None:
    with counterpart.connect() as old:
        ask(old, "1", "Heartbeat", {})
        with counterpart.connect() as new:
            ask(new, "1", "Heartbeat", {})
            with pytest.raises(ConnectionClosed):
                old.recv(5)
            assert counterpart.order(op="charge_points")["result"] == ["CP0001"]


def test_only_ocpp16_is_spoken(counterpart: Counterpart) -> None:
    with pytest.raises(InvalidStatus):
        connect(
            f"ws://127.0.0.1:{counterpart.port}/CP0001", subprotocols=[Subprotocol("ocpp2.0.1")], proxy=None
        ).close()
    assert counterpart.rules() == ["subprotocol"]


def test_the_end_of_its_orders_and_a_signal_both_end_it_cleanly(counterpart: Counterpart, tmp_path: Path) -> None:
    assert counterpart.end() == 0
    other = Counterpart(tmp_path)
    other.stdin.close()
    assert other.process.wait(10) == 0
    other.stdout.close()
