"""Transactions on their way to the CSMS: what the charge point says of them, and what it does with the answers.

Transaction messages (StartTransaction, MeterValues of a transaction, StopTransaction) go through the outbox, in the
order in which things happened, however long the CSMS is away (OCPP 1.6 section 3.7). The transaction id is the CSMS's;
until it comes, a transaction is known by its own key, to which the outbox binds the id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fleet.commands.vocabulary import StopTransaction
from fleet.core import service_local, service_reservation
from fleet.core.answers import TransactionAccepted, TransactionClosed
from fleet.core.delivery_reports import MessageLost, TransactionBound, TransactionDelivered
from fleet.core.orders import BindTransaction, StopEnergy
from fleet.core.reports import IdTagRefused, MeterSampled, TransactionStarted, TransactionStopped
from fleet.words import AuthorizationStatus, ReadingContext, StopReason

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.ocpp.exchange import Outgoing


def meter_sampled(charge_point: ChargePoint, report: MeterSampled) -> None:
    """MeterValues.req: queued within a transaction, otherwise only said when somebody listens."""
    reading = report.reading
    said = charge_point.dialect.meter_values(report.connector, reading, charge_point.utc(reading.at))
    asked_for = reading.context is ReadingContext.TRIGGER
    if asked_for and not charge_point.registration.accepted:
        # The outbox doesn't open before the CSMS has accepted, but this it wants to hear now; of a transaction that it
        # knows, as one that was accepted before may be Pending again.
        action, payload = said
        transaction_id = charge_point.memory.outbox.bindings.get(report.transaction or "")
        if transaction_id is not None:
            payload = {**payload, "transactionId": transaction_id}
        charge_point.say((action, payload), reading.at, asked_for=True)
        return
    if report.transaction is None and not charge_point.speaking:
        return
    charge_point.say(
        said,
        reading.at,
        transaction=report.transaction,
        needs_id=report.transaction is not None,
    )


def started(charge_point: ChargePoint, report: TransactionStarted) -> None:
    """StartTransaction.req."""
    charge_point.views[report.connector].started = report
    charge_point.memory.starts_wh[report.transaction] = report.meter_start_wh
    reservation_id = service_reservation.used_by(charge_point, report)
    charge_point.say(
        charge_point.dialect.transaction_started(report, charge_point.utc(report.at), reservation_id),
        report.at,
        transaction=report.transaction,
        context=report,
    )
    if charge_point.ending is not None:
        # The charge point is on its way down and has already told everybody to stop.
        charge_point.order(report.connector, StopTransaction(charge_point.ending.reason))


def stopped(charge_point: ChargePoint, report: TransactionStopped) -> None:
    """StopTransaction.req; a transaction that ended in the dark could be told of only when there was light again."""
    view = charge_point.views[report.connector]
    view.started = None
    charge_point.say(
        charge_point.dialect.transaction_stopped(report, charge_point.utc),
        max(report.at, charge_point.powered_at) if view.cut_off else report.at,
        transaction=report.transaction,
        needs_id=True,
        context=report,
    )
    view.cut_off = False


def accepted(charge_point: ChargePoint, outgoing: Outgoing, answer: TransactionAccepted, now: float) -> None:
    """StartTransaction.conf: bind the id; an id tag that turns out invalid ends the energy (section 5.11)."""
    report = cast(TransactionStarted, outgoing.context)
    key, connector, info = report.transaction, report.connector, answer.info
    charge_point.exchange.bind(key, answer.transaction_id)
    charge_point.observe(TransactionBound(connector, key, answer.transaction_id, now))
    service_local.learn(charge_point, report.id_tag, info, now)
    running = charge_point.views[connector].started
    if running is None or running.transaction != key:
        return
    charge_point.order(connector, BindTransaction(key, answer.transaction_id, info.parent_id_tag))
    if info.status is AuthorizationStatus.ACCEPTED:
        return
    charge_point.observe(IdTagRefused(connector, now, report.id_tag, info.status))
    configuration = charge_point.configuration
    if configuration.stop_transaction_on_invalid_id:
        charge_point.order(connector, StopTransaction(StopReason.DE_AUTHORIZED))
    else:
        charge_point.order(connector, StopEnergy(key, configuration.max_energy_on_invalid_id_wh))


def closed(charge_point: ChargePoint, outgoing: Outgoing, answer: TransactionClosed, now: float) -> None:
    """StopTransaction.conf: nothing more is to be said of this transaction."""
    report = cast(TransactionStopped, outgoing.context)
    key = report.transaction
    transaction_id = charge_point.memory.outbox.bindings[key]
    charge_point.memory.outbox.forget(key)
    energy_wh = report.meter_stop_wh - charge_point.memory.starts_wh.pop(key)
    charge_point.observe(TransactionDelivered(report.connector, key, transaction_id, energy_wh, now))
    if answer.info is not None and report.id_tag is not None:
        service_local.learn(charge_point, report.id_tag, answer.info, now)


def lost(charge_point: ChargePoint, outgoing: Outgoing, reason: str, now: float) -> None:
    """A transaction message was given up."""
    key = cast(str, outgoing.transaction)
    final = isinstance(outgoing.context, TransactionStopped)
    charge_point.observe(MessageLost(outgoing.action, key, reason, now, final))
    if final:
        charge_point.memory.outbox.forget(key)
        charge_point.memory.starts_wh.pop(key, None)
