"""What is said on one connection: transcripts, text in and text out."""

from datetime import UTC, datetime

import pytest

from fleet.csms.central import Central
from fleet.csms.conversation import Conversation, Refused
from fleet.csms.records import OddityRecord, Record
from fleet.ocpp.v16 import ClearCacheRequest, ResetRequest, ResetResponse
from fleet.ocpp.v16_types import AcceptedOrRejected
from fleet.words import ResetKind

NOW = datetime(2026, 11, 22, 11, 17, 32, 123_000, tzinfo=UTC)


class Bench:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.talk = Conversation("CP0001", Central(lambda: NOW, self.records.append))

    def say(self, data: str | bytes) -> str | None:
        """What the charge point says, and the answer given at once."""
        heard = self.talk.receive(data)
        return None if heard is None else self.talk.answer(heard)

    @property
    def rules(self) -> list[str]:
        return [record.rule for record in self.records if isinstance(record, OddityRecord)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_call_is_answered_with_its_id(bench: Bench) -> None:
    assert bench.say('[2,"a","Heartbeat",{}]') == '[3,"a",{"currentTime":"2026-11-22T11:17:32.123Z"}]'
    start = '[2,"b","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-11-22T11:17:32Z"}]'
    assert bench.say(start) == '[3,"b",{"idTagInfo":{"status":"Accepted"},"transactionId":1}]'
    assert bench.say('[2,"c","MeterValues",{"connectorId":0,"meterValue":[]}]') is not None
    assert bench.talk.settled is None


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("BootNotification", '{"chargePointVendor":"V"}', "OccurenceConstraintViolation"),
        ("Heartbeat", '{"x":1}', "FormationViolation"),
        ("Heartbeat", "[]", "FormationViolation"),
        ("Authorize", '{"idTag":5}', "TypeConstraintViolation"),
        ("Authorize", '{"idTag":"123456789012345678901"}', "PropertyConstraintViolation"),
        ("Reset", '{"type":"Hard"}', "NotSupported"),
        ("Dance", "{}", "NotImplemented"),
    ],
)
def test_a_payload_that_is_wrong_is_answered_with_its_callerror(
    bench: Bench, action: str, payload: str, code: str
) -> None:
    answer = bench.say(f'[2,"a","{action}",{payload}]')
    assert answer is not None
    assert answer.startswith(f'[4,"a","{code}","')
    (oddity,) = bench.records
    assert isinstance(oddity, OddityRecord)
    assert oddity.rule == "".join(f"-{c.lower()}" if c.isupper() else c for c in code).lstrip("-")
    assert oddity.detail.startswith(f"{action}: ")


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        ("no json", "not-json"),
        ("{}", "wrong-shape"),
        ('[9,"a"]', "unknown-message-type"),
        ('[2,5,"Heartbeat",{}]', "bad-message-id"),
        (b"\x00", "binary-frame"),
        ('[3,"never asked",{}]', "unknown-reply"),
        ('[4,"never asked","X","",{}]', "unknown-reply"),
    ],
)
def test_a_frame_that_nobody_can_answer_is_recorded(bench: Bench, frame: str | bytes, rule: str) -> None:
    assert bench.say(frame) is None
    assert bench.rules == [rule]


def test_a_broken_call_with_an_id_is_answered_with_a_callerror(bench: Bench) -> None:
    answer = bench.say('[2,"a","Heartbeat"]')
    assert answer is not None
    assert answer.startswith('[4,"a","')
    assert bench.rules == ["wrong-shape"]


def test_an_id_used_again_and_a_call_before_the_answer_are_recorded(bench: Bench) -> None:
    bench.say('[2,"a","Heartbeat",{}]')
    bench.say('[2,"a","Heartbeat",{}]')
    heard = bench.talk.receive('[2,"b","Heartbeat",{}]')
    bench.talk.receive('[2,"c","Heartbeat",{}]')
    assert bench.rules == ["repeated-message-id", "overlapping-call"]
    assert heard is not None
    assert bench.talk.answer(heard).startswith('[3,"b",')


def test_our_call_is_settled_by_its_result(bench: Bench) -> None:
    assert bench.talk.ask(ResetRequest(ResetKind.SOFT)) == '[2,"csms-1","Reset",{"type":"Soft"}]'
    with pytest.raises(RuntimeError, match="one CALL at a time"):
        bench.talk.ask(ClearCacheRequest())
    assert bench.say('[3,"csms-1",{"status":"Accepted"}]') is None
    assert bench.talk.settled == ResetResponse(AcceptedOrRejected.ACCEPTED)
    assert bench.talk.ask(ClearCacheRequest()) == '[2,"csms-2","ClearCache",{}]'
    assert bench.rules == []


def test_our_call_is_settled_by_a_callerror(bench: Bench) -> None:
    bench.talk.ask(ClearCacheRequest())
    bench.say('[4,"csms-1","NotSupported","no cache",{}]')
    assert bench.talk.settled == Refused("NotSupported", "no cache")
    assert bench.rules == []


@pytest.mark.parametrize("reply", ['[3,"csms-1",{"status":"Perhaps"}]', '[3,"csms-1",{}]', '[3,"csms-1"]'])
def test_our_call_is_settled_by_a_reply_that_is_no_good(bench: Bench, reply: str) -> None:
    bench.talk.ask(ClearCacheRequest())
    bench.say(reply)
    assert isinstance(bench.talk.settled, Refused)
    assert bench.talk.settled.code == "BadResult"
    assert len(bench.rules) == 1


def test_late_and_double_replies_are_told_apart(bench: Bench) -> None:
    bench.talk.ask(ClearCacheRequest())
    bench.talk.give_up()
    bench.say('[3,"csms-1",{"status":"Accepted"}]')
    assert bench.talk.settled is None
    bench.talk.ask(ClearCacheRequest())
    bench.say('[3,"csms-2",{"status":"Accepted"}]')
    bench.say('[3,"csms-2",{"status":"Accepted"}]')
    assert bench.rules == ["late-reply", "double-reply"]
