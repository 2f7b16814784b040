"""The facts that latencies are made of: when a life began, what was due since when, what a remote command led to."""

import math
from typing import Any, TypeVar

import pytest
from counterparts.charge_point_bench import ACCEPTED, Bench

from fleet.commands.vocabulary import SendHeartbeat
from fleet.core.delivery_reports import OutboxChanged
from fleet.core.reports import (
    AuthorizationRequested,
    CallSettled,
    PoweredUp,
    Registered,
    RemoteStartAccepted,
    RemoteStopAccepted,
)
from fleet.words import ConnectorStatus

F = TypeVar("F")
STARTED: dict[str, Any] = {**ACCEPTED, "transactionId": 7}


def facts(bench: Bench, kind: type[F]) -> list[F]:
    return [fact for fact in bench.facts if isinstance(fact, kind)]


def settled(bench: Bench, action: str) -> list[CallSettled]:
    return [fact for fact in facts(bench, CallSettled) if fact.action == action]


def up(configuration: dict[str, str] | None = None) -> Bench:
    bench = Bench(configuration)
    bench.boot(3600)
    return bench


# ---- a life ----------------------------------------------------------------------------------------------------------


def test_a_life_begins_with_power_before_anything_else_is_said_of_it() -> None:
    bench = Bench()
    assert bench.facts == [PoweredUp(0.0)]
    bench.wait(5)
    bench.boot()
    assert facts(bench, PoweredUp) == [PoweredUp(0.0)]
    assert [fact.at for fact in facts(bench, Registered)] == [5.0]


def test_a_reboot_begins_a_life_of_its_own() -> None:
    bench = up()
    again = Bench(memory=bench.memory)
    assert facts(again, PoweredUp) == [PoweredUp(0.0)]


# ---- calls -----------------------------------------------------------------------------------------------------------


def test_a_call_that_had_to_wait_was_due_before_it_was_sent() -> None:
    bench = up()
    bench.instruct(SendHeartbeat())
    bench.wait(1)
    bench.hear(AuthorizationRequested(1, bench.now, "TAG"))
    bench.wait(2)
    bench.answer({"currentTime": "2026-11-22T12:00:00Z"})
    bench.wait(4)
    bench.answer(ACCEPTED)
    (heartbeat,) = settled(bench, "Heartbeat")
    (authorize,) = settled(bench, "Authorize")
    assert (heartbeat.due_at, heartbeat.sent_at, heartbeat.at) == (0.0, 0.0, 3.0)
    assert (authorize.due_at, authorize.sent_at, authorize.at) == (1.0, 3.0, 7.0)
    assert (authorize.transaction, authorize.attempt) == (None, 1)


def test_a_transaction_message_names_its_transaction_and_counts_how_often_it_was_said() -> None:
    bench = up({"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "10"})
    bench.start("t1")
    bench.wait(2)
    bench.fail()
    # The second attempt waits 10 s for its turn and 30 s for an answer, the third 20 s for its turn.
    bench.wait(10 + 30 + 20)
    bench.answer(STARTED)
    assert settled(bench, "StartTransaction") == [
        CallSettled("StartTransaction", "InternalError", 0.0, 0.0, 2.0, "t1", 1),
        CallSettled("StartTransaction", "Timeout", 0.0, 12.0, 42.0, "t1", 2),
        CallSettled("StartTransaction", "Result", 0.0, 62.0, 62.0, "t1", 3),
    ]


def test_a_cut_counts_as_said_since_the_csms_may_have_heard_it() -> None:
    bench = up()
    bench.start("t1")
    bench.cut()
    bench.wait(60)
    bench.connect()
    bench.wait(1)
    bench.answer(STARTED)
    assert [(fact.outcome, fact.attempt) for fact in settled(bench, "StartTransaction")] == [
        ("Disconnected", 1),
        ("Result", 2),
    ]


def test_a_late_answer_settles_the_attempt_that_it_answers_and_not_the_one_that_waits() -> None:
    bench = up({"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "60"})
    bench.start("t1")
    bench.wait(40)
    bench.answer(STARTED)
    bench.wait(600)
    assert [(fact.outcome, fact.sent_at, fact.at, fact.attempt) for fact in settled(bench, "StartTransaction")] == [
        ("Timeout", 0.0, 30.0, 1),
        ("Result", 0.0, 40.0, 1),
    ]


# ---- remote commands -------------------------------------------------------------------------------------------------

WISH = {"idTag": "TAG", "connectorId": 1}


@pytest.mark.parametrize("ask_first", ["true", "false"])
def test_an_accepted_remote_start_is_a_fact_as_of_when_it_was_asked_for(ask_first: str) -> None:
    bench = up({"AuthorizeRemoteTxRequests": ask_first})
    bench.wait(3)
    assert bench.call("RemoteStartTransaction", WISH) == {"status": "Accepted"}
    bench.wait(20)
    assert facts(bench, RemoteStartAccepted) == [RemoteStartAccepted(1, "TAG", 3.0)]


def test_without_a_connector_the_fact_names_the_one_that_was_chosen() -> None:
    bench = up()
    bench.call("RemoteStartTransaction", {"idTag": "TAG"})
    assert facts(bench, RemoteStartAccepted) == [RemoteStartAccepted(1, "TAG", 0.0)]


def test_a_refused_remote_start_is_no_fact() -> None:
    bench = up()
    bench.status(ConnectorStatus.FAULTED)
    bench.acknowledge()
    assert bench.call("RemoteStartTransaction", WISH) == {"status": "Rejected"}
    assert facts(bench, RemoteStartAccepted) == []


def test_an_accepted_remote_stop_names_the_transaction_that_is_to_end_and_a_refused_one_nothing() -> None:
    bench = up()
    bench.start("t1")
    bench.answer(STARTED)
    bench.wait(9)
    assert bench.call("RemoteStopTransaction", {"transactionId": 8}) == {"status": "Rejected"}
    assert facts(bench, RemoteStopAccepted) == []
    assert bench.call("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Accepted"}
    assert facts(bench, RemoteStopAccepted) == [RemoteStopAccepted(1, "t1", 9.0)]


# ---- the outbox ------------------------------------------------------------------------------------------------------


def test_the_outbox_tells_since_when_the_csms_has_been_owed_the_oldest_message() -> None:
    bench = up({"TransactionMessageAttempts": "1"})
    bench.cut()
    bench.wait(5)
    bench.start("t1")
    bench.wait(5)
    bench.stop("t1")
    bench.wait(60)
    bench.connect()
    bench.wait(1)
    bench.answer(STARTED)
    bench.wait(1)
    bench.answer(ACCEPTED)
    changes = [(fact.waiting, fact.oldest_due_at) for fact in facts(bench, OutboxChanged)]
    # Two of the same transaction; online, the one that is being said is no backlog, but it is what is owed.
    assert changes[:2] == [(1, 5.0), (2, 5.0)]
    assert (1, 5.0) in changes[2:]
    assert changes[-1] == (0, math.inf)


def test_what_is_said_at_once_never_waits_in_the_outbox() -> None:
    bench = up()
    bench.start("t1")
    bench.answer(STARTED)
    bench.wait(60)
    bench.stop("t1")
    bench.answer(ACCEPTED)
    assert facts(bench, OutboxChanged) == []


def test_the_oldest_moves_on_while_as_many_wait() -> None:
    bench = up()
    bench.start("t1")
    bench.wait(1)
    bench.stop("t1")
    bench.wait(1)
    bench.start("t2")
    assert [(fact.waiting, fact.oldest_due_at) for fact in facts(bench, OutboxChanged)] == [(1, 0.0), (2, 0.0)]
    bench.answer(STARTED)
    assert facts(bench, OutboxChanged)[-1] == OutboxChanged(1, 2.0, 1.0)
    bench.stop("t2")
    assert facts(bench, OutboxChanged)[-1] == OutboxChanged(2, 2.0, 1.0)
    bench.answer(ACCEPTED)
    assert facts(bench, OutboxChanged)[-1] == OutboxChanged(1, 2.0, 2.0)
