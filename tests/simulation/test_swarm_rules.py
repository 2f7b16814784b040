"""The swarm's rules bite: each is broken once here, and says so."""

from typing import Any

import pytest
from counterparts.swarm_rules import Rules, books

from fleet.core.delivery_reports import MessageLost
from fleet.core.reports import (
    Drained,
    FrameSeen,
    FrameSent,
    GivenUp,
    LinkDown,
    MeterSampled,
    PowerChanged,
    PoweredUp,
    PowerLimited,
    Reading,
    Registered,
    RegisterMoved,
    Restarted,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.csms.records import OddityRecord, Record, StartRecord, StopRecord
from fleet.words import AuthorizationStatus, ConnectorStatus, ReadingContext, RegistrationStatus, StopReason

START = TransactionStarted(1, 1.0, "T1", "TAG", 100)
STOP = TransactionStopped(1, 2.0, "T1", 300, StopReason.LOCAL)
CALL = '[2,"a","Heartbeat",{}]'


def status(status: ConnectorStatus, connector: int = 1) -> StatusChanged:
    return StatusChanged(connector, 1.0, status)


def sample(register_wh: float) -> MeterSampled:
    return MeterSampled(1, Reading(1.0, ReadingContext.SAMPLE_PERIODIC, ()), None, 0.0, register_wh)


def told(connector: int, status: str) -> FrameSent:
    return FrameSent(f'[2,"s","StatusNotification",{{"connectorId":{connector},"status":"{status}"}}]', 1.0)


def wrong(*reports: Any) -> list[str]:
    rules = Rules()
    for report in reports:
        rules.report("CP1", report)
    return rules.wrong


@pytest.mark.parametrize(
    ("reports", "complaint"),
    [
        ([START, START], "while T1 was running"),
        ([START, STOP, START], "started T1 again"),
        ([STOP], "not running"),
        ([START, STOP, STOP], "not running"),
        ([sample(10.5), sample(9.9)], "fell from 10.5 to 9.9"),
        ([sample(100.9), START, sample(99.8)], "fell from 100 to 99.8"),
        ([START, sample(301.0), STOP], "fell from 301.0 to 300"),
        ([status(ConnectorStatus.AVAILABLE), status(ConnectorStatus.FINISHING)], "(A6)"),
        ([status(ConnectorStatus.PREPARING), status(ConnectorStatus.UNAVAILABLE)], "(B8)"),
        ([FrameSent(CALL, 1.0), FrameSent(CALL, 30.9)], "29.9 s after a, unanswered"),
        ([FrameSent(CALL, 1.0), FrameSeen('[3,"b",{}]', 2.0), FrameSent(CALL, 3.0)], "unanswered"),
        ([Registered(1.0, RegistrationStatus.REJECTED, 9), FrameSent(CALL, 2.0)], "though it was rejected"),
        ([Restarted(1.0, True, "a bug")], "crashed: a bug"),
        ([GivenUp(1.0, "crashed too often")], "given up"),
        ([MessageLost("StopTransaction", "T1", "3 attempts", 1.0)], "gave up StopTransaction of T1"),
        ([PowerLimited(1, 1.0, 3_000.0), PowerChanged(1, 2.0, 3_001.0, 0.0)], "is more than PowerLimited"),
        ([Drained(1.0, 2)], "2 messages undelivered"),
    ],
)
def test_a_broken_rule_is_found(reports: list[Any], complaint: str) -> None:
    assert any(complaint in found for found in wrong(*reports)), wrong(*reports)


@pytest.mark.parametrize(
    "reports",
    [
        [sample(100.9), START, sample(300.7), STOP, sample(300.7)],
        [sample(10.5), RegisterMoved(1, 1.0, 10, 3), sample(3.0)],
        [status(ConnectorStatus.AVAILABLE), PoweredUp(1.0), status(ConnectorStatus.FINISHING)],
        [status(ConnectorStatus.AVAILABLE), status(ConnectorStatus.UNAVAILABLE, 2)],
        [FrameSent(CALL, 1.0), FrameSeen('[3,"a",{}]', 2.0), FrameSent(CALL, 3.0)],
        [FrameSent(CALL, 1.0), FrameSeen("[", 2.0), FrameSent(CALL, 31.0)],
        [FrameSent(CALL, 1.0), LinkDown("cut"), FrameSent(CALL, 3.0)],
        [FrameSent(CALL, 1.0), FrameSent('[3,"b",{}]', 2.0)],
        [PowerLimited(1, 1.0, 3_000.0), PowerChanged(1, 1.0, 7_200.0, 0.0), PowerChanged(1, 1.0, 3_000.0, 0.0)],
        [PowerLimited(1, 1.0, 3_000.0), PowerLimited(1, 2.0, None), PowerChanged(1, 3.0, 7_200.0, 0.0)],
        [PowerLimited(1, 1.0, 3_000.0), PoweredUp(2.0), PowerChanged(1, 3.0, 7_200.0, 0.0)],
        [Restarted(1.0, True, "RuntimeError: crash injected into connector 1")],
    ],
)
def test_what_only_looks_wrong_is_let_pass(reports: list[Any]) -> None:
    assert wrong(*reports) == []


def test_what_is_open_in_the_end_is_found() -> None:
    rules = Rules()
    for report in (told(1, "Available"), status(ConnectorStatus.AVAILABLE), status(ConnectorStatus.PREPARING), START):
        rules.report("CP1", report)
    rules.over()
    assert rules.wrong == ["('CP1', 1) never stopped T1", "CP1/1 is Preparing and said Available"]


START_RECORD = StartRecord("", "CP1", 1, 7, "TAG", AuthorizationStatus.ACCEPTED, 100, "")
STOP_RECORD = StopRecord("", "CP1", 1, 7, "TAG", 100, 300, 200, "", "", StopReason.LOCAL, 0)


@pytest.mark.parametrize(
    ("records", "complaints"),
    [
        ([START_RECORD, STOP_RECORD], 0),
        ([START_RECORD], 2),
        ([START_RECORD, STOP_RECORD, START_RECORD, STOP_RECORD], 2),
        ([START_RECORD, StopRecord("", "CP1", 1, 7, "TAG", 100, 301, 201, "", "", StopReason.LOCAL, 0)], 2),
        ([START_RECORD, STOP_RECORD, OddityRecord("", "CP1", "orphan-stop", "", 8)], 1),
        ([START_RECORD, STOP_RECORD, OddityRecord("", "CP1", "repeated-stop", "", 7)], 0),
    ],
)
def test_both_sides_must_say_the_same(records: list[Record], complaints: int) -> None:
    assert len(books([("CP1", START), ("CP1", STOP)], records)) == complaints
