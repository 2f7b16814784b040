"""Transactions in the charge point's machine, without tasks: who may charge, what is delivered, and going down."""

import pytest
from counterparts.charge_point_bench import ACCEPTED, Bench

from fleet.commands.vocabulary import Authorize, Drain, Reset, StopTransaction
from fleet.core.delivery_reports import MessageLost, TransactionBound, TransactionDelivered
from fleet.core.effects import CloseLink, Finish, Restart
from fleet.core.instructions import Instruct
from fleet.core.orders import (
    ApplySettings,
    BindTransaction,
    DenyAuthorization,
    GrantAuthorization,
    StopEnergy,
)
from fleet.core.reports import AuthorizationRequested, Drained, IdTagRefused, MeterSampled, Reading, SampledValue
from fleet.words import (
    AuthorizationStatus,
    ConnectorStatus,
    Measurand,
    ReadingContext,
    ResetKind,
    StopReason,
)

INVALID = {"transactionId": 7, "idTagInfo": {"status": "Invalid"}}


def started_as(transaction_id: int) -> dict[str, object]:
    return {"transactionId": transaction_id, **ACCEPTED}


def sampled(bench: Bench, transaction: str | None = "t1") -> MeterSampled:
    values = (SampledValue(Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, 5.0),)
    reading = Reading(bench.now, ReadingContext.SAMPLE_PERIODIC, values)
    return MeterSampled(1, reading, transaction, 7200.0, 5.0)


def test_what_happened_offline_gets_its_transaction_id_when_the_csms_gives_it() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.cut()
    said = len(bench.lines)
    bench.start()
    bench.hear(sampled(bench))
    bench.stop()
    assert len(bench.memory.outbox) == 3
    bench.connect()
    bench.answer(started_as(42))
    bench.wait(0.1)
    assert (bench.line, bench.payload["transactionId"]) == ("MeterValues", 42)
    bench.answer({})
    bench.wait(0.1)
    assert (bench.line, bench.payload["transactionId"]) == ("StopTransaction", 42)
    bench.answer({})
    assert bench.since(said) == ["StartTransaction", "MeterValues", "StopTransaction"]
    assert len(bench.memory.outbox) == 0
    assert bench.memory.outbox.bindings == {}
    assert bench.told(TransactionBound) == [TransactionBound(1, "t1", 42, bench.now - 0.2)]
    (delivered,) = bench.told(TransactionDelivered)
    assert (delivered.transaction, delivered.transaction_id) == ("t1", 42)


def test_an_outbox_left_by_the_last_life_is_delivered_by_the_next() -> None:
    first = Bench()
    first.boot(86_400)
    first.cut()
    first.start()
    second = Bench(memory=first.memory)
    second.boot(86_400)
    assert second.lines[:2] == ["BootNotification", "StartTransaction"]


def test_a_running_transaction_is_told_its_id() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.start()
    bench.orders.clear()
    bench.answer({"transactionId": 42, "idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}})
    assert bench.orders == [BindTransaction("t1", 42, "FAMILY")]


@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired", "ConcurrentTx"])
def test_a_transaction_whose_id_tag_is_refused_is_stopped_where_the_key_says_so(status: str) -> None:
    bench = Bench({"StopTransactionOnInvalidId": "true", "MaxEnergyOnInvalidId": "500"})
    bench.boot(86_400)
    bench.start()
    bench.orders.clear()
    bench.answer({"transactionId": 7, "idTagInfo": {"status": status}})
    assert bench.orders == [BindTransaction("t1", 7), StopTransaction(StopReason.DE_AUTHORIZED)]


@pytest.mark.parametrize("energy_wh", [0, 500])
def test_otherwise_it_gets_what_max_energy_on_invalid_id_allows(energy_wh: int) -> None:
    bench = Bench({"StopTransactionOnInvalidId": "false", "MaxEnergyOnInvalidId": str(energy_wh)})
    bench.boot(86_400)
    bench.start()
    bench.orders.clear()
    bench.answer(INVALID)
    assert bench.orders == [BindTransaction("t1", 7), StopEnergy("t1", energy_wh)]


def test_an_id_tag_that_is_refused_after_its_transaction_is_over_stops_nothing() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.start("t1")
    bench.stop("t1")
    bench.start("t2")
    bench.orders.clear()
    bench.answer(INVALID)
    assert bench.orders == []


def test_a_transaction_message_is_retried_as_the_keys_say_and_then_given_up() -> None:
    bench = Bench({"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "20"})
    bench.boot(86_400)
    said = len(bench.sent_at)
    bench.start()
    bench.fail()
    bench.wait(19.9)
    assert bench.lines[-2:] != ["StartTransaction"] * 2
    bench.wait(0.1)
    bench.fail()
    bench.wait(40)
    assert bench.told(MessageLost) == []
    bench.fail()
    # Section 3.7.1: the interval, times the attempts so far.
    assert [at - bench.sent_at[said] for at in bench.sent_at[said:]] == [0, 20, 60]
    (lost,) = bench.told(MessageLost)
    assert (lost.action, lost.transaction) == ("StartTransaction", "t1")
    # Without a start there is no id, so the rest of the transaction can't be told either.
    bench.stop()
    bench.wait(86_000)
    told = [(lost.action, lost.final) for lost in bench.told(MessageLost)]
    assert told == [("StartTransaction", False), ("StopTransaction", True)]
    assert len(bench.memory.outbox) == 0


def test_the_retry_keys_may_change_while_a_message_waits() -> None:
    bench = Bench({"TransactionMessageAttempts": "5", "TransactionMessageRetryInterval": "20"})
    bench.boot(86_400)
    bench.start()
    bench.fail()
    bench.call("ChangeConfiguration", {"key": "TransactionMessageAttempts", "value": "2"})
    bench.wait(20)
    bench.fail()
    assert [lost.action for lost in bench.told(MessageLost)] == ["StartTransaction"]


def test_a_cut_is_no_failed_attempt() -> None:
    bench = Bench({"TransactionMessageAttempts": "1"})
    bench.boot(86_400)
    bench.start()
    for _ in range(5):
        bench.cut()
        bench.connect()
        assert bench.line == "StartTransaction"
    assert bench.told(MessageLost) == []


# ---- who may charge --------------------------------------------------------------------------------------------------


def test_the_csms_is_asked_and_its_word_passed_on() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.orders.clear()
    bench.hear(AuthorizationRequested(1, bench.now, "GOOD"))
    bench.answer({"idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}})
    bench.hear(AuthorizationRequested(1, bench.now, "BAD"))
    bench.answer({"idTagInfo": {"status": "Blocked"}})
    assert bench.orders == [
        GrantAuthorization("GOOD", "FAMILY"),
        DenyAuthorization("BAD", AuthorizationStatus.BLOCKED),
    ]
    assert bench.told(IdTagRefused) == [IdTagRefused(1, bench.now, "BAD", "Blocked")]


def test_an_id_tag_that_is_refused_without_the_csms_is_told_so() -> None:
    bench = Bench({"AllowOfflineTxForUnknownId": "false"})
    bench.hear(AuthorizationRequested(1, bench.now, "TAG"))
    assert bench.told(IdTagRefused) == [IdTagRefused(1, bench.now, "TAG", "Invalid, decided without the CSMS")]


def test_an_id_tag_that_only_the_start_of_its_transaction_shows_to_be_no_good_is_told_so() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.start()
    bench.answer({"transactionId": 7, "idTagInfo": {"status": "Expired"}})
    assert bench.told(IdTagRefused) == [IdTagRefused(1, bench.now, "TAG", "Expired")]


def test_whoever_has_the_csms_asked_about_an_id_tag_is_told_that_it_is_no_good() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.hear(Instruct(1, Authorize("TAG"), token=1, patient=True))
    bench.answer({"idTagInfo": {"status": "Blocked"}})
    assert bench.told(IdTagRefused) == [IdTagRefused(0, bench.now, "TAG", "Blocked")]


def test_an_id_tag_that_comes_while_the_charge_point_goes_down_is_turned_away() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.start()
    bench.answer({"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
    bench.instruct(Drain())
    bench.orders.clear()
    bench.hear(AuthorizationRequested(1, bench.now, "OTHER"))
    bench.answer({"idTagInfo": {"status": "Accepted"}})
    assert bench.orders == [DenyAuthorization("OTHER", AuthorizationStatus.INVALID)]
    assert bench.told(IdTagRefused) == [IdTagRefused(1, bench.now, "OTHER", "CP1 is going down")]


@pytest.mark.parametrize("unknown_may", [True, False])
@pytest.mark.parametrize("how", ["cut", "timeout", "error"])
def test_who_gets_no_answer_is_judged_as_if_there_were_no_csms(how: str, unknown_may: bool) -> None:
    bench = Bench({"AllowOfflineTxForUnknownId": str(unknown_may).lower()})
    bench.boot(86_400)
    bench.orders.clear()
    bench.hear(AuthorizationRequested(1, bench.now, "TAG"))
    assert bench.line == "Authorize"
    assert bench.orders == []
    match how:
        case "cut":
            bench.cut()
        case "timeout":
            bench.wait(30)
        case _:
            bench.fail()
    granted, denied = GrantAuthorization("TAG"), DenyAuthorization("TAG", AuthorizationStatus.INVALID)
    assert bench.orders == [granted if unknown_may else denied]


@pytest.mark.parametrize("local_may", [True, False])
def test_an_id_tag_known_to_be_blocked_is_denied_offline_whatever_the_keys_say(local_may: bool) -> None:
    bench = Bench({"AllowOfflineTxForUnknownId": "true", "LocalAuthorizeOffline": str(local_may).lower()})
    bench.boot(86_400)
    bench.hear(AuthorizationRequested(1, bench.now, "TAG"))
    bench.answer({"idTagInfo": {"status": "Blocked"}})
    bench.cut()
    bench.orders.clear()
    bench.hear(AuthorizationRequested(1, bench.now, "TAG"))
    assert bench.orders == [DenyAuthorization("TAG", AuthorizationStatus.BLOCKED)]


def test_a_connector_that_waits_for_somebodys_cable_is_not_given_to_somebody_else() -> None:
    bench = Bench()
    bench.boot(86_400)
    assert bench.call("RemoteStartTransaction", {"idTag": "FIRST"}) == {"status": "Accepted"}
    assert bench.call("RemoteStartTransaction", {"idTag": "SECOND"}) == {"status": "Rejected"}
    bench.status(ConnectorStatus.PREPARING)
    assert bench.call("RemoteStartTransaction", {"idTag": "SECOND", "connectorId": 1}) == {"status": "Rejected"}
    # The cable never came.
    bench.status(ConnectorStatus.AVAILABLE)
    assert bench.call("RemoteStartTransaction", {"idTag": "SECOND"}) == {"status": "Accepted"}


@pytest.mark.parametrize(("status", "orders"), [("Accepted", [GrantAuthorization("TAG")]), ("Blocked", [])])
def test_the_answer_to_start_transaction_is_remembered_too(status: str, orders: list[object]) -> None:
    bench = Bench({"LocalPreAuthorize": "true", "StopTransactionOnInvalidId": "false"})
    bench.boot(86_400)
    bench.start()
    bench.answer({"transactionId": 7, "idTagInfo": {"status": status}})
    bench.stop()
    bench.answer({})
    bench.orders.clear()
    bench.hear(AuthorizationRequested(1, bench.now, "TAG"))
    assert bench.orders == orders
    assert (bench.line == "Authorize") is not bool(orders)


def test_readings_outside_a_transaction_are_not_kept_for_a_csms_that_does_not_listen_yet() -> None:
    bench = Bench()
    bench.boot(60, "Pending")
    bench.hear(sampled(bench, transaction=None))
    bench.wait(60)
    bench.answer({"status": "Accepted", "currentTime": "2026-11-22T12:00:00Z", "interval": 0})
    bench.acknowledge()
    assert "MeterValues" not in bench.lines
    bench.hear(sampled(bench, transaction=None))
    assert bench.line == "MeterValues"


def test_a_change_of_keys_reaches_the_connectors_once() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.orders.clear()
    bench.call("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "17"})
    (order,) = bench.orders
    assert isinstance(order, ApplySettings)
    assert order.settings.connection_timeout_s == 17
    bench.call("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "17"})
    bench.call("ChangeConfiguration", {"key": "ResetRetries", "value": "2"})
    assert len(bench.orders) == 1


# ---- going down ------------------------------------------------------------------------------------------------------


def test_a_hard_reset_waits_for_nothing() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.start()
    bench.effects.clear()
    bench.instruct(Reset(ResetKind.HARD))
    assert bench.deeds == [CloseLink(reconnect=False), Restart(1.0, "HardReset")]


def test_a_soft_reset_waits_until_its_stop_transaction_is_answered() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.start()
    bench.answer(started_as(42))
    bench.orders.clear()
    assert bench.call("Reset", {"type": "Soft"}) == {"status": "Accepted"}
    assert bench.orders == [StopTransaction(StopReason.SOFT_RESET)]
    bench.stop(reason=StopReason.SOFT_RESET)
    bench.status(ConnectorStatus.FINISHING)
    assert (bench.line, bench.payload["reason"]) == ("StopTransaction", "SoftReset")
    bench.answer({})
    assert bench.line == "1:Finishing"
    bench.wait(1)
    assert not any(isinstance(effect, Restart) for effect in bench.effects)
    bench.answer({})
    assert bench.deeds[-2:] == [CloseLink(reconnect=False), Restart(1.0, "SoftReset")]


def test_a_soft_reset_does_not_wait_for_a_silent_csms_for_ever_and_forgets_nothing() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.start()
    bench.answer(started_as(42))
    bench.call("Reset", {"type": "Soft"})
    bench.stop(reason=StopReason.SOFT_RESET)
    bench.wait(29)
    assert not any(isinstance(effect, Restart) for effect in bench.effects)
    bench.wait(2)
    assert isinstance(bench.deeds[-1], Restart)
    assert len(bench.memory.outbox) == 1


def test_a_drain_stops_delivers_and_ends() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.start()
    bench.answer(started_as(42))
    bench.orders.clear()
    bench.instruct(Drain())
    assert bench.orders == [StopTransaction(StopReason.LOCAL)]
    bench.stop()
    bench.cut()
    bench.wait(3_600)  # however long it takes
    bench.connect()
    bench.wait(1)
    assert bench.line == "StopTransaction"
    assert not any(isinstance(effect, Finish) for effect in bench.effects)
    bench.answer({})
    assert bench.deeds[-2:] == [CloseLink(reconnect=False), Finish()]
    assert bench.told(Drained) == [Drained(bench.now, 0)]


def test_a_charge_point_that_has_nothing_to_say_drains_at_once() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.instruct(Drain())
    assert bench.deeds[-1] == Finish()


def test_a_reset_during_a_drain_does_not_bring_the_charge_point_back() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.start()
    bench.answer(started_as(42))
    bench.instruct(Drain())
    bench.call("Reset", {"type": "Soft"})
    bench.stop()
    bench.answer({})
    assert bench.deeds[-1] == Finish()


def test_a_transaction_that_begins_on_the_way_down_is_stopped_like_the_others() -> None:
    bench = Bench()
    bench.boot(86_400)
    bench.start("t1")
    bench.call("Reset", {"type": "Soft"})
    bench.orders.clear()
    bench.start("t2")
    assert bench.orders == [StopTransaction(StopReason.SOFT_RESET)]
