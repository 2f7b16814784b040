"""Dictation: messages that somebody outside has the charge point say, and the answers that go back to them.

They go through the exchange as the charge point's own do: one CALL in flight, nothing but BootNotification before the
CSMS has accepted. What the charge point can make sense of changes it as ever: a Heartbeat's answer sets the clock, a
BootNotification's decides about its registration, an idTagInfo goes into the cache. A raw message does none of that:
it goes out as it was written and its answer comes back as it came, whatever the two may mean.

Who dictates may wait for the CSMS's answer; a CALLERROR, or none at all, is then a refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from fleet.commands.vocabulary import Authorize, ForceStatus, SendBoot, SendDataTransfer, SendHeartbeat, SendRaw
from fleet.core import service_local
from fleet.core.answers import CentralAnswer, IdTagJudged
from fleet.core.reports import IdTagRefused, StatusChanged
from fleet.ocpp.converter import unstructure
from fleet.ocpp.exchange import BOOT, Completed, Failed, Outgoing
from fleet.ocpp.frame import Call, pack
from fleet.words import AuthorizationStatus

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint

Dictated = Authorize | ForceStatus | SendBoot | SendDataTransfer | SendHeartbeat | SendRaw

TIMEOUT, DISCONNECTED, BAD_RESULT = "Timeout", "Disconnected", "BadResult"


@frozen
class Dictator:
    """Who had a message said: `token` where an answer is waited for, `id_tag` for an Authorize."""

    token: int | None
    id_tag: str | None = None


def dictate(
    charge_point: ChargePoint, command: Dictated, connector: int, token: int | None, patient: bool, now: float
) -> None:
    """Say it; the patient are answered when the CSMS has answered, the others at once."""
    refusal = _not_now(charge_point, command)
    if refusal is None and isinstance(command, SendRaw):
        refusal = _unsayable(charge_point, command)
    if refusal is not None:
        charge_point.answer(token, refusal)
        return
    dictator = Dictator(token if patient else None)
    dialect = charge_point.dialect
    match command:
        case SendHeartbeat() if not patient:
            charge_point.send_heartbeat(now)
        case SendHeartbeat():
            charge_point.say(dialect.heartbeat(), now, context=dictator)
        case SendBoot():
            charge_point.registration.asked()
            charge_point.say(dialect.boot(charge_point.plan), now, context=dictator)
        case SendDataTransfer(vendor_id=vendor_id, message_id=message_id, data=data):
            charge_point.say(dialect.data_transfer(vendor_id, message_id, data), now, context=dictator)
        case Authorize(id_tag=id_tag):
            charge_point.say(dialect.authorize(id_tag), now, context=Dictator(dictator.token, id_tag))
        case ForceStatus(status=status, error_code=error_code):
            report = StatusChanged(connector, now, status, error_code)
            charge_point.say(dialect.status(report, charge_point.utc(now)), now, context=dictator)
            # The CSMS now believes what isn't so: whatever comes next is news to it.
            charge_point.views[connector].notified = None
        case SendRaw(action=action, payload=payload):
            charge_point.exchange.enqueue(Outgoing(action, payload, now, context=dictator, raw=True))
    if not patient:
        charge_point.answer(token)


def completed(
    charge_point: ChargePoint, dictator: Dictator, event: Completed, answer: CentralAnswer | None, now: float
) -> None:
    """The CSMS answered; `answer` is what the charge point made of it, None for a raw message's."""
    match answer:
        case None:
            value = event.response
        case IdTagJudged(info=info):
            if dictator.id_tag is not None:
                service_local.learn(charge_point, dictator.id_tag, info, now)
                if info.status is not AuthorizationStatus.ACCEPTED:
                    charge_point.observe(IdTagRefused(0, now, dictator.id_tag, info.status))
            value = info.status
        case _:
            value = unstructure(event.response) or None
    charge_point.answer(dictator.token, None, value)


def failed(charge_point: ChargePoint, dictator: Dictator, event: Failed, now: float) -> None:
    """No good answer came."""
    action, code, description = event.outgoing.action, event.code, event.description
    if action == BOOT and not event.outgoing.raw and not charge_point.registration.accepted:
        charge_point.registration.failed(now)
    if code == TIMEOUT:
        charge_point.answer(dictator.token, f"{action}: the CSMS gave {description}")
    elif code == DISCONNECTED:
        charge_point.answer(dictator.token, f"{action}: {description}")
    elif code == BAD_RESULT:
        charge_point.answer(dictator.token, f"{action}: an answer that is none: {description}")
    else:
        refusal = f"{action}: {code}: {description}" if description else f"{action}: {code}"
        error = {"errorCode": code, "errorDescription": description, "errorDetails": event.details or {}}
        charge_point.answer(dictator.token, refusal, error)


def _not_now(charge_point: ChargePoint, command: Dictated) -> str | None:
    """Why this can't be said: ordinary messages don't wait for a connection, or for being accepted."""
    if charge_point.speaking:
        return None
    boots = isinstance(command, SendBoot) or (isinstance(command, SendRaw) and command.action == BOOT)
    if not boots:
        return f"{charge_point.plan.id} is not connected and accepted"
    return None if charge_point.online else f"{charge_point.plan.id} is not connected"


def _unsayable(charge_point: ChargePoint, command: SendRaw) -> str | None:
    """What is wrong with a raw message: by the protocol's rules unless they are waived, by JSON's in any case."""
    if not command.unchecked:
        mistake = charge_point.dialect.mistake(command.action, command.payload)
        if mistake is not None:
            return mistake
    try:
        pack(Call("", command.action, command.payload))
    except TypeError as error:
        return f"{command.action}: no JSON: {error}"
    return None
