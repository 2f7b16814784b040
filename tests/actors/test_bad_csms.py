"""Whatever a CSMS says or fails to say: counted, answered where there is something to answer, and no reason to stop."""

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio_websocket
from counterparts.scripted import SILENCE
from counterparts.world import QUIET, World, world

from fleet.commands.vocabulary import (
    PlugIn,
    SendDataTransfer,
    SendHeartbeat,
    StartTransaction,
    StopTransaction,
    Swipe,
)
from fleet.core.delivery_reports import MessageLost
from fleet.core.reports import CallServed, CallSettled, LinkDown, ProtocolViolated, Restarted

LIVELY = {"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "1"}


def rules(w: World) -> Counter[str]:
    return Counter(violation.rule for violation in w.reported(ProtocolViolated))


# ---- frames that are none --------------------------------------------------------------------------------------------

BROKEN: list[tuple[str | bytes, str]] = [
    ("", "not-json"),
    ("hello", "not-json"),
    ("[2,", "not-json"),
    ('[3,"x",NaN]', "not-json"),
    ('[3,"\\ud800",{}]', "not-json"),
    ("[" * 5000 + "]" * 5000, "not-json"),
    ("null", "wrong-shape"),
    ("{}", "wrong-shape"),
    ("[]", "wrong-shape"),
    ('"text"', "wrong-shape"),
    ("42", "wrong-shape"),
    ("[" * 500 + "]" * 500, "unknown-message-type"),
    ('[5,"x","Reset",{}]', "unknown-message-type"),
    ('["2","x","Reset",{}]', "unknown-message-type"),
    ('[true,"x",{}]', "unknown-message-type"),
    ('[2.0,"x","Reset",{}]', "unknown-message-type"),
    (f'[{10**30},"x","Reset",{{}}]', "unknown-message-type"),
    ("[2]", "bad-message-id"),
    ('[2,7,"Reset",{}]', "bad-message-id"),
    ('[3,"",{}]', "bad-message-id"),
    (f'[2,"{"x" * 1000}","Reset",{{}}]', "bad-message-id"),
    ('[2,"x"]', "wrong-shape"),
    ('[2,"x","Reset"]', "wrong-shape"),
    ('[2,"x","Reset",{},1,2,3]', "wrong-shape"),
    ('[3,"x"]', "wrong-shape"),
    ('[4,"x"]', "wrong-shape"),
    ('[4,"x",1,2,3]', "wrong-shape"),
    ('[2,"x",["Reset"],{}]', "bad-action"),
    (b"\x00\xff\xfe", "binary-frame"),
    (b'[2,"x","ClearCache",{}]', "binary-frame"),
    ('[3,"never-asked",{}]', "unknown-reply"),
    ('[4,"never-asked","GenericError","",{}]', "unknown-reply"),
]


async def test_frames_that_are_none_are_counted_by_the_rule_they_break(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        for frame, rule in BROKEN:
            before = len(w.reported(ProtocolViolated))
            await w.central.send_text("CP1", frame)
            await trio.sleep(0.1)
            assert [v.rule for v in w.reported(ProtocolViolated)[before:]] == [rule], frame[:60]
        assert w.reported(LinkDown) == []
        await w.still_charges()


async def test_a_second_answer_is_counted_and_changes_nothing(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        w.central.forget()
        await w.do("CP1", SendHeartbeat())
        await w.until(lambda: w.central.heard)
        id = w.central.heard[0].message_id
        await trio.sleep(1)
        await w.central.send_text("CP1", f'[3,"{id}",{{"currentTime":"2001-01-01T00:00:00Z"}}]')
        await w.central.send_text("CP1", f'[4,"{id}","GenericError","",{{}}]')
        await trio.sleep(1)
        assert rules(w) == {"double-reply": 2}
        await w.still_charges()
        assert w.central.said("StartTransaction")[-1]["timestamp"].startswith("2026-11-22T12:00")


async def test_an_oversize_frame_costs_the_connection_and_nothing_else(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        await w.central.send_text("CP1", '[2,"x","DataTransfer",{"vendorId":"' + "x" * 2**21 + '"}]')
        await w.until(lambda: w.central.connects == 2)
        assert [down.reason for down in w.reported(LinkDown)] == ["oversize"]
        await w.still_charges()


async def test_a_close_frame_costs_the_connection_and_nothing_else(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        await w.central.close("CP1", 1008, "no\nmore")
        await w.until(lambda: w.central.connects == 2)
        assert [down.reason for down in w.reported(LinkDown)] == ["closed-1008"]
        await w.still_charges()


# ---- CALLs that can't be served --------------------------------------------------------------------------------------

REFUSED: list[tuple[str, Any, str]] = [
    ("Frobnicate", {}, "NotImplemented"),
    ("", {}, "NotImplemented"),
    ("BootNotification", {}, "NotSupported"),
    ("Heartbeat", {}, "NotSupported"),
    ("Authorize", {"idTag": "TAG"}, "NotSupported"),
    ("Reset", {}, "OccurenceConstraintViolation"),
    ("Reset", [], "FormationViolation"),
    ("Reset", None, "FormationViolation"),
    ("Reset", "Soft", "FormationViolation"),
    ("Reset", {"type": "Soft", "when": "now"}, "FormationViolation"),
    ("Reset", {"type": 1}, "TypeConstraintViolation"),
    ("Reset", {"type": None}, "TypeConstraintViolation"),
    ("Reset", {"type": "soft"}, "PropertyConstraintViolation"),
    ("UnlockConnector", {"connectorId": "1"}, "TypeConstraintViolation"),
    ("UnlockConnector", {"connectorId": 1.5}, "TypeConstraintViolation"),
    ("UnlockConnector", {"connectorId": True}, "TypeConstraintViolation"),
    ("UnlockConnector", {"connectorId": 1e300}, "TypeConstraintViolation"),
    ("RemoteStartTransaction", {"idTag": "x" * 21}, "PropertyConstraintViolation"),
    ("RemoteStartTransaction", {"idTag": "x", "chargingProfile": {}}, "OccurenceConstraintViolation"),
    ("RemoteStopTransaction", {"transactionId": []}, "TypeConstraintViolation"),
    ("ChangeAvailability", {"connectorId": 1, "type": "Broken"}, "PropertyConstraintViolation"),
    ("ChangeConfiguration", {"key": "HeartbeatInterval"}, "OccurenceConstraintViolation"),
    ("ChangeConfiguration", {"key": "k" * 51, "value": ""}, "PropertyConstraintViolation"),
    ("GetConfiguration", {"key": "HeartbeatInterval"}, "TypeConstraintViolation"),
    ("GetConfiguration", {"key": [1]}, "TypeConstraintViolation"),
    ("ClearCache", {"all": True}, "FormationViolation"),
    ("DataTransfer", {"vendorId": {"deep": [[[[]]]]}}, "TypeConstraintViolation"),
]


async def test_calls_that_cannot_be_served_are_answered_with_the_code_that_says_why(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        for action, payload, code in REFUSED:
            answer = await w.central.call("CP1", action, payload)
            assert isinstance(answer, tuple), (action, payload, answer)
            assert answer[0] == code, (action, payload, answer)
            assert answer[1]
            assert len(answer[1]) <= 255
        served = Counter((call.action, call.outcome) for call in w.reported(CallServed))
        assert served == Counter((action, code) for action, _, code in REFUSED)
        broken = sum(code not in ("NotImplemented", "NotSupported") for _, _, code in REFUSED)
        assert rules(w) == {"bad-request": broken}
        await w.still_charges()


HARMLESS: list[tuple[str, Any]] = [
    ("UnlockConnector", {"connectorId": 2**63 - 1}),
    ("UnlockConnector", {"connectorId": 99}),
    ("RemoteStartTransaction", {"idTag": "T", "connectorId": 2**53}),
    ("RemoteStopTransaction", {"transactionId": -(2**63)}),
    ("ChangeAvailability", {"connectorId": 77, "type": "Inoperative"}),
    ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "9" * 400}),
    ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "-1"}),
    ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "\u0665"}),
    ("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "1e9"}),
    ("ChangeConfiguration", {"key": "MeterValuesSampledData", "value": "Bogus,,\x00"}),
    ("ChangeConfiguration", {"key": "\U0001f50c", "value": "\x00"}),
    ("ChangeConfiguration", {"key": "", "value": ""}),
    ("GetConfiguration", {"key": ["\x00", "k" * 50] * 500}),
    ("GetConfiguration", {"key": []}),
    ("SendLocalList", {"listVersion": -(2**63), "updateType": "Full", "localAuthorizationList": []}),
    ("SendLocalList", {"listVersion": 2**63 - 1, "updateType": "Differential"}),
    ("ReserveNow", {"connectorId": 2**53, "expiryDate": "9999-12-31T23:59:59Z", "idTag": "T", "reservationId": 1}),
    ("ReserveNow", {"connectorId": 1, "expiryDate": "0001-01-01T00:00:00Z", "idTag": "T", "reservationId": 2}),
    ("ReserveNow", {"connectorId": 0, "expiryDate": "9999-12-31T23:59:59Z", "idTag": "T", "reservationId": -(2**63)}),
    ("CancelReservation", {"reservationId": -(2**63)}),
    ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": -(2**63)}),
    ("DataTransfer", {"vendorId": "\x00", "messageId": "\u2028", "data": "\U0001f50c" * 1000}),
]


async def test_strange_but_well_formed_calls_are_answered(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        for action, payload in HARMLESS:
            assert isinstance(await w.central.call("CP1", action, payload), dict), (action, payload)
        await w.still_charges()


NUMBERS = ["0", "1", "2147483647", "2147483648", "4294967296", str(10**12), str(2**63 - 1)]


@pytest.mark.parametrize("value", NUMBERS)
async def test_any_number_that_a_key_accepts_can_be_lived_with(autojump_clock: Any, value: str) -> None:
    keys = (
        "HeartbeatInterval",
        "ConnectionTimeOut",
        "MeterValueSampleInterval",
        "ClockAlignedDataInterval",
        "MinimumStatusDuration",
        "WebSocketPingInterval",
        "TransactionMessageRetryInterval",
        "MaxEnergyOnInvalidId",
        "ResetRetries",
        "BlinkRepeat",
        "LightIntensity",
    )
    async with world() as w:
        await w.booted()
        for key in keys:
            answer = await w.central.call("CP1", "ChangeConfiguration", {"key": key, "value": value})
            assert answer["status"] in ("Accepted", "Rejected", "RebootRequired"), key
        await w.still_charges()


async def test_many_calls_at_once_are_all_answered_though_that_is_against_the_rules(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await w.central.call("CP1", "GetConfiguration", {}))

        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(ask)
        assert len(answers) == 300
        await w.still_charges()


async def test_a_csms_that_asks_on_and_on_and_never_reads_loses_the_connection_as_a_slow_reader(
    autojump_clock: Any,
) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        w.central.buffering = False
        await w.central.cut()
        await w.until(lambda: w.central.connects == 2)
        await trio.sleep(20)
        w.central.deaf = True
        with trio.move_on_after(600), suppress(trio_websocket.ConnectionClosed):
            for number in range(2000):
                await w.central.send_text("CP1", f'[2,"ask-{number}","GetConfiguration",{{}}]')
        w.central.deaf = False
        await w.until(lambda: w.central.connects == 3)
        assert "slow-reader" in {down.reason for down in w.reported(LinkDown)}
        await w.still_charges()


# ---- answers that are none -------------------------------------------------------------------------------------------

EVERYTHING = (
    "BootNotification",
    "Heartbeat",
    "Authorize",
    "StatusNotification",
    "StartTransaction",
    "MeterValues",
    "StopTransaction",
    "DataTransfer",
)
USELESS: dict[str, Any] = {
    "an error": ("InternalError", "out of order"),
    "an error of its own invention": ("Whatever\n", "x" * 5000),
    "silence": SILENCE,
    "an empty object": '[3,"{id}",{}]',
    "an object full of nothing": '[3,"{id}",{"status":null,"idTagInfo":null,"currentTime":null,"transactionId":null}]',
    "an array": '[3,"{id}",[]]',
    "null": '[3,"{id}",null]',
    "a number": '[3,"{id}",1e400]',
    "deep nesting": '[3,"{id}",' + '{"a":[' * 400 + "]}" * 400 + "]",
    "too deep nesting": '[3,"{id}",' + "[" * 3000 + "]" * 3000 + "]",
    "extra fields": '[3,"{id}",{"surprise":{"currentTime":1}}]',
    "too many elements": '[3,"{id}",{},{}]',
    "an error without a code": '[4,"{id}"]',
    "no JSON": "[3,{id},{}",
    "nothing": "",
    "bytes": b"[3]",
}


@pytest.mark.parametrize("useless", USELESS.values(), ids=USELESS.keys())
async def test_useless_answers_to_everything_crash_nothing_and_better_ones_are_taken_up_again(
    autojump_clock: Any, useless: Any
) -> None:
    async with world(configuration={**QUIET, **LIVELY}) as w:
        await w.booted()
        w.central.answers.update(dict.fromkeys(EVERYTHING, lambda _: useless))
        for command in (PlugIn(), Swipe("TAG"), StartTransaction("TAG"), StopTransaction()):
            await w.do("CP1/1", command)
            await trio.sleep(200)
        for order in (SendHeartbeat(), SendDataTransfer("Fleet")):
            assert await w.do("CP1", order) is None
            await trio.sleep(200)
        settled = Counter(s.action for s in w.reported(CallSettled) if s.outcome != "Result")
        assert settled["StartTransaction"] == 3
        assert {lost.action for lost in w.reported(MessageLost)} == {"StartTransaction", "StopTransaction"}
        await w.central.cut()
        await trio.sleep(100)
        w.central.answers.clear()
        await trio.sleep(100)
        await w.still_charges()


@pytest.mark.parametrize("useless", USELESS.values(), ids=USELESS.keys())
async def test_useless_answers_to_the_boot_are_asked_again_until_there_is_a_good_one(
    autojump_clock: Any, useless: Any
) -> None:
    async with world(configuration=QUIET, answers={"BootNotification": lambda _: useless}) as w:
        await trio.sleep(200)
        assert 4 <= len(w.central.heard) <= 25
        assert set(w.central.story()) == {"BootNotification"}
        w.central.answers.clear()
        await w.booted()
        await w.still_charges()


TIMES = ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z")


@pytest.mark.parametrize("time", TIMES)
async def test_a_csms_that_lives_in_another_age_is_followed_without_a_crash(autojump_clock: Any, time: str) -> None:
    async with world(configuration=QUIET) as w:
        await w.booted()
        w.central.answers["Heartbeat"] = lambda _: {"currentTime": time}
        await w.do("CP1", SendHeartbeat())
        await trio.sleep(10)
        w.central.answers["BootNotification"] = lambda _: {"status": "Accepted", "currentTime": time, "interval": 0}
        await w.central.call("CP1", "Reset", {"type": "Hard"})
        await trio.sleep(60)
        assert [restarted.crashed for restarted in w.reported(Restarted)] == [False]
        w.reports.clear()
        if "0:Available" not in w.central.story()[-3:]:
            # An instant before the year 1 is no timestamp, so this was no answer.
            w.central.answers.clear()
            await trio.sleep(60)
        await w.still_charges()


@pytest.mark.parametrize("interval", [0, -1, -(2**63), 2**31, 2**63 - 1])
async def test_any_interval_of_a_boot_answer_can_be_lived_with(autojump_clock: Any, interval: int) -> None:
    def answer(_: Any) -> Any:
        return {"status": "Accepted", "currentTime": "2026-11-22T12:00:00Z", "interval": interval}

    async with world(configuration=QUIET, answers={"BootNotification": answer}) as w:
        await trio.sleep(100)
        if "0:Available" not in w.central.story():
            # A negative interval may also be refused, as an answer that breaks its schema.
            assert interval < 0
            w.central.answers.clear()
        await w.booted()
        await w.still_charges()


@pytest.mark.parametrize("transaction_id", [0, -1, 2**31, 2**63 - 1, -(2**63)])
async def test_any_transaction_id_is_as_good_as_another(autojump_clock: Any, transaction_id: int) -> None:
    info = {"status": "Accepted"}
    answers = {"StartTransaction": lambda _: {"transactionId": transaction_id, "idTagInfo": info}}
    async with world(configuration=QUIET, answers=answers) as w:
        await w.booted()
        await w.still_charges()
        assert w.central.said("StopTransaction")[-1]["transactionId"] == transaction_id
        assert rules(w) == ({} if transaction_id > 0 else {"transaction-id-not-positive": 1})
