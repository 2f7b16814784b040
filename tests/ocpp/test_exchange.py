"""The exchange, as transcripts: this happens, that goes out."""

from collections.abc import Iterator
from itertools import count
from math import inf
from typing import Any

import orjson
import pytest
from attrs import define

from fleet.ocpp import v16
from fleet.ocpp.errors import CallErrorCode
from fleet.ocpp.exchange import (
    Called,
    Completed,
    Event,
    Exchange,
    Failed,
    Lost,
    Outbox,
    Outgoing,
    Rejected,
    Send,
    Violated,
)
from fleet.ocpp.v16_types import AcceptedOrRejected

START_CONF = {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}


def numbered() -> Iterator[str]:
    return (f"m{number}" for number in count(1))


@define
class Line:
    """An exchange with its outbox, connected and accepted at 0 s."""

    outbox: Outbox
    exchange: Exchange

    def say(self, action: str, transaction: str | None = None, needs_id: bool = False) -> Outgoing:
        outgoing = Outgoing(action, {}, 0.0, transaction, needs_id)
        self.exchange.enqueue(outgoing)
        return outgoing

    def sent(self, now: float) -> str | None:
        """The action of what goes out now, if anything does."""
        frame = self.frame(now)
        return None if frame is None else str(frame[2])

    def frame(self, now: float) -> list[Any] | None:
        events = self.exchange.poll(now)
        if not events:
            return None
        (event,) = events
        assert isinstance(event, Send)
        frame: list[Any] = orjson.loads(event.text)
        return frame

    def answer(self, id: str, payload: object = None, now: float = 0.0) -> list[Event]:
        return self.exchange.receive(orjson.dumps([3, id, payload or {}]).decode(), now)

    def refuse(self, id: str, now: float = 0.0) -> list[Event]:
        return self.exchange.receive(f'[4,"{id}","InternalError","sorry",{{}}]', now)


def new_line(outbox: Outbox | None = None) -> Line:
    box = Outbox() if outbox is None else outbox
    return Line(box, Exchange(v16.CATALOGUE.serving(["ClearCache", "Reset"]), box, numbered().__next__))


@pytest.fixture
def line() -> Line:
    line = new_line()
    line.exchange.link_up(0.0)
    line.exchange.accept(0.0)
    return line


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events]


# ---- one CALL at a time ----------------------------------------------------------------------------------------------


def test_a_call_goes_out_and_its_answer_completes_it(line: Line) -> None:
    heartbeat = line.say("Heartbeat")
    assert line.frame(1.0) == [2, "m1", "Heartbeat", {}]
    (event,) = line.answer("m1", {"currentTime": "2026-11-22T12:00:00Z"}, 2.0)
    assert isinstance(event, Completed)
    assert (event.outgoing, event.sent_at) == (heartbeat, 1.0)
    assert isinstance(event.response, v16.HeartbeatResponse)
    assert line.exchange.idle


def test_a_second_call_waits_for_the_answer_to_the_first(line: Line) -> None:
    line.say("StatusNotification")
    line.say("Heartbeat")
    assert line.sent(0.0) == "StatusNotification"
    assert line.sent(0.0) is None
    line.answer("m1")
    assert line.sent(0.0) == "Heartbeat"


def test_ordinary_and_transaction_messages_go_in_the_order_in_which_they_were_said(line: Line) -> None:
    for action, key in [("Authorize", None), ("StartTransaction", "T"), ("StatusNotification", None)]:
        line.say(action, key)
    order = [line.sent(0.0)]
    line.refuse("m1")
    order.append(line.sent(0.0))
    line.answer("m2", START_CONF)
    order.append(line.sent(0.0))
    assert order == ["Authorize", "StartTransaction", "StatusNotification"]


def test_a_call_without_an_answer_times_out_and_the_next_may_go(line: Line) -> None:
    heartbeat = line.say("Heartbeat")
    line.say("Authorize")
    line.sent(1.0)
    assert line.exchange.deadline == 31.0
    assert line.exchange.tick(30.9) == []
    assert line.exchange.tick(31.0) == [Failed(heartbeat, "Timeout", "no answer in 30 s", 1.0)]
    assert line.sent(31.0) == "Authorize"


def test_a_new_timeout_counts_for_the_call_in_flight_too(line: Line) -> None:
    line.say("Heartbeat")
    line.sent(0.0)
    line.exchange.call_timeout_s = 5.0
    assert line.exchange.deadline == 5.0
    assert kinds(line.exchange.tick(5.0)) == [Failed]


def test_a_callerror_fails_an_ordinary_message_with_its_code(line: Line) -> None:
    heartbeat = line.say("Heartbeat")
    line.sent(0.0)
    assert line.refuse("m1") == [Failed(heartbeat, "InternalError", "sorry", 0.0)]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('[3,"m1",{"currentTime":5}]', "bad-result"),
        ('[3,"m1",[]]', "bad-result"),
        ('[3,"m1"]', "wrong-shape"),
        ('[4,"m1","GenericError"]', "wrong-shape"),
    ],
)
def test_a_malformed_answer_is_a_bad_result_at_once_instead_of_a_timeout(line: Line, text: str, rule: str) -> None:
    line.say("Heartbeat")
    line.sent(0.0)
    violated, failed = line.exchange.receive(text, 1.0)
    assert isinstance(violated, Violated)
    assert violated.rule == rule
    assert isinstance(failed, Failed)
    assert failed.code == "BadResult"
    assert line.exchange.idle


def test_the_answer_to_a_raw_message_comes_back_as_it_came(line: Line) -> None:
    raw = Outgoing("Anything", {"a": 1}, 0.0, raw=True)
    for answer in ({"status": "no such"}, [1], "text"):
        line.exchange.enqueue(raw)
        frame = line.frame(0.0)
        assert frame is not None
        assert frame[2:] == ["Anything", {"a": 1}]
        (event,) = line.answer(frame[1], answer)
        assert event == Completed(raw, answer, 0.0)
    line.exchange.enqueue(raw)
    frame = line.frame(0.0)
    assert frame is not None
    (event,) = line.exchange.receive(f'[4,"{frame[1]}","Odd","so",{{"a":[1]}}]', 0.0)
    assert event == Failed(raw, "Odd", "so", 0.0, {"a": [1]})


def test_an_idle_exchange_has_no_deadline(line: Line) -> None:
    assert line.exchange.deadline == inf


# ---- the gate --------------------------------------------------------------------------------------------------------


def test_nothing_but_bootnotification_goes_out_before_acceptance() -> None:
    line = new_line()
    line.exchange.link_up(0.0)
    line.say("StatusNotification")
    line.say("StartTransaction", "T")
    assert line.sent(0.0) is None
    line.say("BootNotification")
    assert line.sent(0.0) == "BootNotification"
    line.answer("m1", {"status": "Pending", "currentTime": "2026-11-22T12:00:00Z", "interval": 9})
    assert line.sent(0.0) is None
    assert line.exchange.deadline == inf
    line.exchange.accept(9.0)
    assert line.sent(9.0) == "StatusNotification"


def test_a_suspended_exchange_says_nothing_but_bootnotification_again(line: Line) -> None:
    line.say("Heartbeat")
    line.exchange.suspend()
    assert line.sent(0.0) is None
    line.say("BootNotification")
    assert line.sent(0.0) == "BootNotification"


def test_a_pending_exchange_says_what_the_csms_asked_for_and_nothing_else(line: Line) -> None:
    line.exchange.suspend(pending=True)
    line.say("StatusNotification")
    line.say("Heartbeat").asked_for = True
    assert line.sent(0.0) == "Heartbeat"
    line.answer("m1", {"currentTime": "2026-11-22T12:00:00Z"})
    assert line.sent(0.0) is None


def test_what_was_asked_for_waits_when_it_is_not_pending(line: Line) -> None:
    line.exchange.suspend()
    line.say("Heartbeat").asked_for = True
    assert line.sent(0.0) is None
    line.exchange.accept(1.0)
    assert line.sent(1.0) == "Heartbeat"


# ---- connections that break ------------------------------------------------------------------------------------------


def test_a_cut_fails_ordinary_messages_in_flight_and_waiting(line: Line) -> None:
    first, second = line.say("Heartbeat"), line.say("Authorize")
    line.sent(1.0)
    assert line.exchange.link_down(2.0) == [
        Failed(first, "Disconnected", "cut before the answer", 1.0),
        Failed(second, "Disconnected", "no connection", None),
    ]
    assert line.exchange.idle


def test_an_ordinary_message_said_without_a_connection_fails_at_the_next_poll(line: Line) -> None:
    line.exchange.link_down(0.0)
    heartbeat = line.say("Heartbeat")
    assert line.exchange.poll(1.0) == [Failed(heartbeat, "Disconnected", "no connection", None)]
    assert line.exchange.poll(1.0) == []


def test_a_transaction_message_cut_in_flight_is_sent_again_with_a_new_id_and_no_attempt_lost(line: Line) -> None:
    start = line.say("StartTransaction", "T")
    assert line.frame(0.0) == [2, "m1", "StartTransaction", {}]
    assert kinds(line.exchange.link_down(1.0)) == [Failed]
    assert (start.attempts, line.exchange.waiting) == (0, 1)
    line.exchange.link_up(2.0)
    assert line.frame(2.0) == [2, "m2", "StartTransaction", {}]


def test_an_answer_from_before_the_cut_is_unknown_after_it(line: Line) -> None:
    line.say("StartTransaction", "T")
    line.sent(0.0)
    line.exchange.link_down(1.0)
    line.exchange.link_up(1.0)
    (event,) = line.answer("m1", START_CONF)
    assert isinstance(event, Violated)
    assert event.rule == "unknown-reply"
    assert line.exchange.waiting == 1


def test_a_late_answer_is_unknown_too_once_the_connection_was_cut(line: Line) -> None:
    line.say("StartTransaction", "T")
    line.sent(0.0)
    line.exchange.tick(30.0)
    line.exchange.link_down(31.0)
    line.exchange.link_up(32.0)
    assert rule_of(line.answer("m1", START_CONF)) == "unknown-reply"
    assert line.exchange.waiting == 1


def test_the_outbox_survives_a_reboot_with_its_bindings(line: Line) -> None:
    line.say("StartTransaction", "T")
    line.sent(0.0)
    line.answer("m1", START_CONF)
    line.exchange.bind("T", 7)
    line.say("StopTransaction", "T", needs_id=True)
    reborn = new_line(line.outbox)
    reborn.exchange.link_up(5.0)
    reborn.exchange.accept(5.0)
    assert reborn.frame(5.0) == [2, "m1", "StopTransaction", {"transactionId": 7}]
    line.outbox.forget("T")
    assert line.outbox.bindings == {}


# ---- transaction messages --------------------------------------------------------------------------------------------


def test_messages_of_an_offline_transaction_get_its_id_when_it_comes() -> None:
    line = new_line()
    for action, needs_id in [("StartTransaction", False), ("MeterValues", True), ("StopTransaction", True)]:
        line.say(action, "T", needs_id)
    line.exchange.link_up(100.0)
    line.exchange.accept(100.0)
    line.sent(100.0)
    line.answer("m1", START_CONF)
    line.exchange.bind("T", 7)
    assert line.frame(101.0) == [2, "m2", "MeterValues", {"transactionId": 7}]
    line.answer("m2")
    assert line.frame(102.0) == [2, "m3", "StopTransaction", {"transactionId": 7}]


@pytest.mark.parametrize("failure", ["refuse", "timeout", "bad"])
def test_a_failing_transaction_message_is_retried_after_growing_waits_and_then_lost(line: Line, failure: str) -> None:
    line.exchange.retry_interval_s = 10.0
    start = line.say("StartTransaction", "T")
    now, waits = 0.0, []
    for attempt in (1, 2, 3):
        assert line.sent(now) == "StartTransaction"
        match failure:
            case "refuse":
                events = line.refuse(f"m{attempt}", now)
            case "bad":
                events = line.answer(f"m{attempt}", {"transactionId": "7"}, now)[1:]
            case _:
                now = line.exchange.deadline
                events = line.exchange.tick(now)
        assert isinstance(events[0], Failed)
        waits.append(line.exchange.deadline - now)
        assert line.sent(min(line.exchange.deadline, 1e9) - 0.001) is None
        now = line.exchange.deadline
    assert waits == [10.0, 20.0, inf]
    assert isinstance(events[-1], Lost)
    assert events[-1].outgoing is start
    assert line.exchange.waiting == 0


def test_the_head_that_waits_for_its_retry_blocks_transaction_messages_but_not_ordinary_ones(line: Line) -> None:
    line.say("StartTransaction", "T")
    line.say("StartTransaction", "U")
    line.say("Heartbeat")
    line.sent(0.0)
    line.refuse("m1", 1.0)
    assert line.sent(1.0) == "Heartbeat"
    line.answer("m2", {"currentTime": "2026-11-22T12:00:00Z"}, 2.0)
    assert line.sent(60.9) is None
    assert line.frame(61.0) == [2, "m3", "StartTransaction", {}]
    assert line.outbox.messages[0].transaction == "T"


def test_what_waits_for_the_id_of_a_lost_start_is_lost_too(line: Line) -> None:
    line.exchange.transaction_attempts = 1
    line.say("StartTransaction", "T")
    meter, stop = line.say("MeterValues", "T", needs_id=True), line.say("StopTransaction", "T", needs_id=True)
    line.say("StartTransaction", "U")
    line.sent(0.0)
    assert kinds(line.refuse("m1")) == [Failed, Lost]
    *lost, send = line.exchange.poll(0.0)
    reason = "transaction id never came"
    assert lost == [Lost(meter, reason), Lost(stop, reason)]
    assert isinstance(send, Send)
    assert line.exchange.waiting == 1


def test_a_backlog_drains_paced_with_ordinary_messages_in_the_gaps() -> None:
    line = new_line()
    for key in "TUV":
        line.say("StartTransaction", key)
    line.exchange.link_up(10.0)
    line.exchange.accept(10.0)
    line.exchange.drain_interval_s = 0.5
    line.say("Heartbeat")
    assert line.sent(10.0) == "StartTransaction"
    line.answer("m1", START_CONF)
    assert line.sent(10.1) == "Heartbeat"
    line.answer("m2", {"currentTime": "2026-11-22T12:00:00Z"})
    assert line.sent(10.4) is None
    assert line.exchange.deadline == 10.5
    assert line.sent(10.5) == "StartTransaction"
    line.answer("m3", START_CONF)
    assert line.exchange.deadline == 11.0


def test_transaction_messages_of_the_present_are_not_paced(line: Line) -> None:
    for key in "TU":
        line.say("StartTransaction", key)
    assert line.sent(0.0) == "StartTransaction"
    line.answer("m1", START_CONF)
    assert line.sent(0.0) == "StartTransaction"


def test_the_outbox_tells_since_when_the_csms_has_been_owed_something() -> None:
    outbox = Outbox()
    assert (len(outbox), outbox.oldest_due_at) == (0, inf)
    line = new_line(outbox)
    line.exchange.enqueue(Outgoing("StartTransaction", {}, 5.0, "T"))
    line.exchange.enqueue(Outgoing("StartTransaction", {}, 6.0, "U"))
    assert (len(outbox), outbox.oldest_due_at, line.exchange.waiting) == (2, 5.0, 2)


# ---- late and strange answers ----------------------------------------------------------------------------------------


def test_a_late_answer_settles_a_transaction_message_that_waits_for_its_retry(line: Line) -> None:
    start = line.say("StartTransaction", "T")
    line.sent(0.0)
    line.exchange.tick(30.0)
    (event,) = line.answer("m1", START_CONF, 40.0)
    assert isinstance(event, Completed)
    assert (event.outgoing, event.sent_at) == (start, 0.0)
    assert line.exchange.idle


def test_a_late_answer_settles_a_message_whose_retry_is_out_and_the_line_stays_busy(line: Line) -> None:
    line.exchange.retry_interval_s = 0.0
    line.say("StartTransaction", "T")
    line.say("Heartbeat")
    line.sent(0.0)
    line.exchange.tick(30.0)
    assert line.sent(30.0) == "StartTransaction"
    assert kinds(line.answer("m1", START_CONF, 31.0)) == [Completed]
    assert line.sent(31.0) is None
    assert line.answer("m2", START_CONF, 32.0) == []
    assert line.sent(32.0) == "Heartbeat"


def test_a_retry_that_became_pointless_times_out_silently(line: Line) -> None:
    line.exchange.retry_interval_s = 0.0
    line.say("StartTransaction", "T")
    line.sent(0.0)
    line.exchange.tick(30.0)
    line.sent(30.0)
    line.answer("m1", START_CONF, 31.0)
    assert line.exchange.tick(60.0) == []
    assert line.exchange.idle


def rule_of(events: list[Event]) -> str:
    (event,) = events
    assert isinstance(event, Violated)
    return event.rule


def test_a_late_answer_to_an_ordinary_message_is_counted(line: Line) -> None:
    line.say("Heartbeat")
    line.sent(0.0)
    line.exchange.tick(30.0)
    assert rule_of(line.answer("m1", {"currentTime": "2026-11-22T12:00:00Z"})) == "late-reply"
    assert rule_of(line.answer("m1", {"currentTime": "2026-11-22T12:00:00Z"})) == "double-reply"


def test_a_late_refusal_does_not_count_a_second_time(line: Line) -> None:
    start = line.say("StartTransaction", "T")
    line.sent(0.0)
    line.exchange.tick(30.0)
    assert rule_of(line.refuse("m1")) == "late-reply"
    assert start.attempts == 1


def test_a_late_and_malformed_answer_settles_nothing(line: Line) -> None:
    line.say("StartTransaction", "T")
    line.sent(0.0)
    line.exchange.tick(30.0)
    assert rule_of(line.answer("m1", {"transactionId": 1})) == "bad-result"
    assert line.exchange.waiting == 1


def test_a_late_answer_to_a_lost_message_is_counted(line: Line) -> None:
    line.exchange.transaction_attempts = 1
    line.say("StartTransaction", "T")
    line.sent(0.0)
    assert kinds(line.exchange.tick(30.0)) == [Failed, Lost]
    assert rule_of(line.answer("m1", START_CONF)) == "late-reply"


def test_a_second_answer_is_a_double_reply_and_one_never_asked_for_is_unknown(line: Line) -> None:
    line.say("StatusNotification")
    line.sent(0.0)
    line.answer("m1")
    assert rule_of(line.answer("m1")) == "double-reply"
    assert rule_of(line.refuse("m1")) == "double-reply"
    assert rule_of(line.answer("elsewhere")) == "unknown-reply"


def test_only_the_last_few_timed_out_ids_are_remembered(line: Line) -> None:
    for number in range(10):
        line.say("StatusNotification")
        line.sent(number * 100.0)
        line.exchange.tick(number * 100.0 + 30.0)
    assert rule_of(line.answer("m1")) == "unknown-reply"
    assert rule_of(line.answer("m10")) == "late-reply"


# ---- serving the CSMS ------------------------------------------------------------------------------------------------


def test_a_call_of_the_csms_is_handed_over_and_its_answer_written(line: Line) -> None:
    assert line.exchange.receive('[2,"c1","Reset",{"type":"Hard"}]', 0.0) == [
        Called("c1", "Reset", v16.ResetRequest(v16.ResetKind.HARD))
    ]
    text = line.exchange.result("c1", v16.ResetResponse(AcceptedOrRejected.ACCEPTED))
    assert text == '[3,"c1",{"status":"Accepted"}]'
    assert line.exchange.error("c1", CallErrorCode.INTERNAL_ERROR, "no") == '[4,"c1","InternalError","no",{}]'


def test_a_call_is_served_while_ours_is_in_flight(line: Line) -> None:
    line.say("Heartbeat")
    line.sent(0.0)
    assert kinds(line.exchange.receive('[2,"c1","ClearCache",{}]', 0.0)) == [Called]
    assert line.exchange.in_flight


def test_a_call_before_the_last_was_answered_is_counted_and_served(line: Line) -> None:
    line.exchange.receive('[2,"c1","ClearCache",{}]', 0.0)
    violated, called = line.exchange.receive('[2,"c2","ClearCache",{}]', 0.0)
    assert isinstance(violated, Violated)
    assert violated.rule == "overlapping-call"
    assert isinstance(called, Called)
    violated, called = line.exchange.receive('[2,"c2","ClearCache",{}]', 0.0)
    assert isinstance(violated, Violated)
    assert violated.rule == "repeated-call-id"
    assert isinstance(called, Called)


def test_answered_calls_do_not_overlap(line: Line) -> None:
    response = v16.ClearCacheResponse(AcceptedOrRejected.ACCEPTED)
    for id in ("c1", "c2"):
        assert kinds(line.exchange.receive(f'[2,"{id}","ClearCache",{{}}]', 0.0)) == [Called]
        line.exchange.result(id, response)


@pytest.mark.parametrize(
    ("text", "action", "code"),
    [
        ('[2,"c1","Reset",{}]', "Reset", CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION),
        ('[2,"c1","Reset",{"type":1}]', "Reset", CallErrorCode.TYPE_CONSTRAINT_VIOLATION),
        ('[2,"c1","Reset",{"type":"Warm"}]', "Reset", CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
        ('[2,"c1","Reset",{"type":"Hard","a":1}]', "Reset", CallErrorCode.FORMATION_VIOLATION),
        ('[2,"c1","Reset",[]]', "Reset", CallErrorCode.FORMATION_VIOLATION),
        ('[2,"c1","ReserveNow",{}]', "ReserveNow", CallErrorCode.NOT_SUPPORTED),
        ('[2,"c1","MakeCoffee",{}]', "MakeCoffee", CallErrorCode.NOT_IMPLEMENTED),
    ],
)
def test_a_call_that_cannot_be_served_is_refused_with_its_code(
    line: Line, text: str, action: str, code: CallErrorCode
) -> None:
    *violations, event = line.exchange.receive(text, 0.0)
    assert isinstance(event, Rejected)
    assert (event.action, event.code) == (action, code)
    # To ask for what isn't there is no mistake, to ask for it wrongly is.
    unsupported = code in (CallErrorCode.NOT_SUPPORTED, CallErrorCode.NOT_IMPLEMENTED)
    rules = [violation.rule for violation in violations if isinstance(violation, Violated)]
    assert rules == ([] if unsupported else ["bad-request"])
    assert orjson.loads(event.text)[:3] == [4, "c1", code]
    assert kinds(line.exchange.receive('[2,"c2","ClearCache",{}]', 0.0)) == [Called]


@pytest.mark.parametrize(
    ("text", "rule", "code"),
    [
        ('[2,"c1","Reset"]', "wrong-shape", "ProtocolError"),
        ('[2,"c1","Reset",{},1]', "wrong-shape", "FormationViolation"),
        ('[2,"c1",5,{}]', "bad-action", "FormationViolation"),
    ],
)
def test_a_broken_call_is_counted_and_refused_where_its_id_can_be_read(
    line: Line, text: str, rule: str, code: str
) -> None:
    violated, rejected = line.exchange.receive(text, 0.0)
    assert isinstance(violated, Violated)
    assert violated.rule == rule
    assert isinstance(rejected, Rejected)
    assert orjson.loads(rejected.text)[:3] == [4, "c1", code]


@pytest.mark.parametrize("data", [b"[]", "what?", "[]", '[9,"c1"]', '[2,5,"Reset",{}]', '[3,"elsewhere"]'])
def test_other_noise_is_only_counted(line: Line, data: str | bytes) -> None:
    line.say("StatusNotification")
    line.sent(0.0)
    assert kinds(line.exchange.receive(data, 0.0)) == [Violated]
    assert line.exchange.in_flight


def test_a_call_that_is_ignored_does_not_count_as_being_answered_still(line: Line) -> None:
    (ignored,) = line.exchange.receive('[2,"c1","ClearCache",{}]', 1.0)
    assert isinstance(ignored, Called)
    line.exchange.ignore(ignored.id)
    (called,) = line.exchange.receive('[2,"c2","ClearCache",{}]', 2.0)
    assert isinstance(called, Called)
