"""What a charge point holds against answers that keep their schema and can't be."""

from typing import Any

import pytest
from counterparts.charge_point_bench import ACCEPTED, EPOCH_S, Bench

from fleet.commands.vocabulary import SendHeartbeat
from fleet.core.delivery_reports import TransactionBound, TransactionDelivered
from fleet.core.oracle import CLOCK_SKEW_S
from fleet.core.reports import AuthorizationRequested, ProtocolViolated
from fleet.words import ConnectorStatus


def violated(bench: Bench) -> list[tuple[str, str]]:
    return [(fact.rule, fact.detail) for fact in bench.told(ProtocolViolated)]


def rules(bench: Bench) -> list[str]:
    return [rule for rule, _ in violated(bench)]


def at(seconds: float) -> str:
    """A time on the wire, so far after the epoch."""
    whole = divmod(round(seconds * 1000) + 12 * 3_600_000, 1000)
    hours, rest = divmod(whole[0], 3600)
    return f"2026-11-22T{hours:02}:{rest // 60:02}:{rest % 60:02}.{whole[1]:03}Z"


def up(time: str = at(0)) -> Bench:
    bench = Bench()
    bench.boot(time=time)
    return bench


def beat(bench: Bench, time: str, took_s: float = 0.0) -> None:
    bench.instruct(SendHeartbeat())
    assert bench.line == "Heartbeat"
    bench.now += took_s
    bench.answer({"currentTime": time})


# ---- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, CLOCK_SKEW_S, -CLOCK_SKEW_S, 9.5])
def test_a_clock_within_ten_seconds_is_right(seconds: float) -> None:
    bench = Bench()
    bench.now = 100.0
    bench.boot(time=at(100 + seconds))
    assert violated(bench) == []


@pytest.mark.parametrize(
    ("seconds", "detail"),
    [(10.5, "its clock is 10.5 s fast"), (-10.5, "its clock is 10.5 s slow"), (3600, "its clock is 3600.0 s fast")],
)
def test_a_clock_further_off_is_skew(seconds: float, detail: str) -> None:
    bench = Bench()
    bench.now = 100.0
    bench.boot(time=at(100 + seconds))
    assert violated(bench) == [("clock-skew", detail)]


def test_what_the_answer_took_to_come_is_no_skew() -> None:
    bench = up()
    bench.wait(100)
    # Stamped when the question came, and when the answer left: 25 s lie between.
    beat(bench, at(100), took_s=25)
    beat(bench, at(125 + 25), took_s=25)
    assert violated(bench) == []
    beat(bench, at(150 - 11), took_s=25)
    assert rules(bench) == ["clock-skew"]


def test_a_wrong_clock_is_told_once_a_connection() -> None:
    bench = up(at(7200))
    for _ in range(3):
        bench.wait(60)
        beat(bench, at(bench.now + 7200))
    assert rules(bench) == ["clock-skew"]
    bench.cut()
    bench.connect()
    beat(bench, at(bench.now + 7200))
    assert rules(bench) == ["clock-skew"] * 2


def test_a_clock_that_goes_wrong_and_right_and_wrong_is_told_twice() -> None:
    bench = up()
    for skew_s in (60, 60, 0, 60):
        bench.wait(60)
        beat(bench, at(bench.now + skew_s))
    assert rules(bench) == ["clock-skew"] * 2


def test_though_it_lives_by_the_wrong_clock_the_next_right_one_is_not_skew() -> None:
    bench = up(at(7200))
    assert bench.machine.utc(0.0) == EPOCH_S + 7200
    bench.wait(60)
    beat(bench, at(60))
    assert rules(bench) == ["clock-skew"]
    assert bench.machine.utc(0.0) == EPOCH_S


# ---- id tags ---------------------------------------------------------------------------------------------------------


def info(status: str = "Accepted", expires: str | None = None) -> dict[str, Any]:
    return {"idTagInfo": {"status": status} | ({} if expires is None else {"expiryDate": expires})}


def authorize(bench: Bench, answer: dict[str, Any]) -> None:
    bench.hear(AuthorizationRequested(1, bench.now, "TAG"))
    assert bench.line == "Authorize"
    bench.answer(answer)


def whole_transaction(bench: Bench, start: dict[str, Any], stop: dict[str, Any], transaction_id: int = 5) -> None:
    bench.status(ConnectorStatus.CHARGING)
    bench.answer({})
    bench.start()
    bench.answer({"transactionId": transaction_id, **start})
    bench.stop()
    bench.answer(stop)


def test_an_id_tag_that_is_accepted_until_before_it_was_asked_for_is_impossible() -> None:
    bench = up()
    bench.wait(100)
    authorize(bench, info(expires=at(99)))
    whole_transaction(bench, info(expires=at(50)), info(expires=at(40)))
    assert violated(bench) == [
        ("impossible-id-tag-info", "Authorize was answered with Accepted and an expiryDate 1 s before it was asked"),
        (
            "impossible-id-tag-info",
            "StartTransaction was answered with Accepted and an expiryDate 50 s before it was asked",
        ),
        (
            "impossible-id-tag-info",
            "StopTransaction was answered with Accepted and an expiryDate 60 s before it was asked",
        ),
    ]


def test_an_id_tag_that_expires_while_it_is_asked_for_or_later_is_possible() -> None:
    bench = up()
    bench.wait(100)
    authorize(bench, info(expires=at(100)))
    authorize(bench, info("Expired", at(50)))
    whole_transaction(bench, info(expires=at(200)), info())
    assert violated(bench) == []


def test_expiry_is_judged_by_the_clock_of_the_csms_itself() -> None:
    bench = up(at(-7200))
    bench.wait(100)
    # An hour ago by ours, in an hour by its own.
    authorize(bench, info(expires=at(-3600)))
    assert rules(bench) == ["clock-skew"]


def test_concurrent_transactions_are_a_matter_of_the_start_alone() -> None:
    bench = up()
    authorize(bench, info("ConcurrentTx"))
    whole_transaction(bench, info("ConcurrentTx"), info("ConcurrentTx"))
    assert violated(bench) == [
        (
            "impossible-id-tag-info",
            f"{action} was answered with ConcurrentTx, which says something of a StartTransaction only",
        )
        for action in ("Authorize", "StopTransaction")
    ]


def test_a_parent_of_more_than_twenty_characters_breaks_the_schema() -> None:
    bench = up()
    authorize(bench, {"idTagInfo": {"status": "Accepted", "parentIdTag": "x" * 21}})
    assert rules(bench) == ["bad-result"]


# ---- transaction ids -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transaction_id", [0, -1, -(2**63)])
def test_a_transaction_id_that_is_not_positive_is_told_and_lived_with(transaction_id: int) -> None:
    bench = up()
    whole_transaction(bench, ACCEPTED, ACCEPTED, transaction_id)
    assert violated(bench) == [
        ("transaction-id-not-positive", f"StartTransaction was answered with transaction id {transaction_id}")
    ]
    assert [bound.transaction_id for bound in bench.told(TransactionBound)] == [transaction_id]
    assert [delivered.energy_wh for delivered in bench.told(TransactionDelivered)] == [100]


def test_a_positive_one_is_not() -> None:
    bench = up()
    whole_transaction(bench, ACCEPTED, ACCEPTED, 1)
    assert violated(bench) == []
