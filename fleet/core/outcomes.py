"""Outcomes: what became of the charge point's own CALLs, and what it makes of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fleet.core import admission, booting, delivery, dictation, notices, security, service_local, views
from fleet.core.answers import (
    Acknowledged,
    Booted,
    IdTagJudged,
    SigningAnswered,
    TimeTold,
    TransactionAccepted,
    TransactionClosed,
)
from fleet.core.dictation import Dictator
from fleet.core.notices import Notice
from fleet.core.reports import AuthorizationRequested, CallSettled, StatusChanged
from fleet.ocpp.exchange import BOOT

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.ocpp.exchange import Completed, Failed


def completed(charge_point: ChargePoint, event: Completed, now: float) -> None:
    """The CSMS answered."""
    outgoing = event.outgoing
    charge_point.observe(_settled(event, "Result", now))
    context = outgoing.context
    dictator = context if type(context) is Dictator else None
    if dictator is not None and outgoing.raw:
        dictation.completed(charge_point, dictator, event, None, now)
        return
    answer = charge_point.dialect.answer(event.response)
    if type(answer) is not Acknowledged:
        # The CSMS's clock, as it last told it: it isn't to blame for ours.
        asked_utc_s = event.sent_at + charge_point.utc_offset_s
        for violation in charge_point.oracle.judge(answer, event.sent_at, now, asked_utc_s):
            charge_point.observe(violation)
    match answer:
        case Acknowledged() if type(context) is Notice:
            notices.heard(charge_point, context)
        case Acknowledged():
            pass
        case SigningAnswered():
            security.signing_answered(charge_point, answer)
        case TimeTold():
            if dictator is None:
                charge_point.pulse.heartbeat_waiting = False
            booting.set_clock(charge_point, answer.utc_s, now)
        case IdTagJudged():
            if dictator is None:
                request = cast(AuthorizationRequested, context)
                service_local.learn(charge_point, request.id_tag, answer.info, now)
                admission.answered(charge_point, request, answer.info, now)
        case TransactionAccepted():
            delivery.accepted(charge_point, outgoing, answer, now)
        case TransactionClosed():
            delivery.closed(charge_point, outgoing, answer, now)
        case Booted():
            booting.booted(charge_point, answer, now)
    if dictator is not None:
        dictation.completed(charge_point, dictator, event, answer, now)


def failed(charge_point: ChargePoint, event: Failed, now: float) -> None:
    """No good answer came; a transaction message is then tried again or lost, the exchange says which."""
    outgoing = event.outgoing
    charge_point.observe(_settled(event, event.code, now))
    context = outgoing.context
    if type(context) is Dictator:
        dictation.failed(charge_point, context, event, now)
    elif outgoing.action == BOOT and not charge_point.registration.accepted:
        charge_point.registration.failed(now)
    elif outgoing.action == "Heartbeat":
        charge_point.pulse.heartbeat_waiting = False
    elif isinstance(context, AuthorizationRequested):
        admission.unanswered(charge_point, context, now)
    elif isinstance(context, Notice):
        notices.failed(charge_point, context, event.code, now)
    elif isinstance(context, StatusChanged):
        views.not_told(charge_point, context)


def _settled(event: Completed | Failed, outcome: str, now: float) -> CallSettled:
    outgoing = event.outgoing
    return CallSettled(
        outgoing.action, outcome, outgoing.due_at, event.sent_at, now, outgoing.transaction, outgoing.sent
    )
