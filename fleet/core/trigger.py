"""Remote trigger: the CSMS asks for a message that the charge point could send anyway (OCPP 1.6 section 5.17).

TriggerMessage, and ExtendedTriggerMessage of the security white paper, answer whether the message will come; then it
comes, after the answer. It says how things are now: a status that was told before is told again, an upload that isn't
under way is Idle, meter values are read at this moment. What is triggered goes out while the CSMS has not accepted the
charge point yet, too: in Pending nothing else may (section 4.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.core import booting, security, updating, uploading
from fleet.core.orders import TakeReading
from fleet.words import ReadingContext, Trigger, TriggerStatus

if TYPE_CHECKING:
    from fleet.core.answers import TriggerWanted
    from fleet.core.charge_point import ChargePoint
    from fleet.core.dialect import Said

_NEEDS = {
    Trigger.DIAGNOSTICS_STATUS_NOTIFICATION: "FirmwareManagement",
    Trigger.FIRMWARE_STATUS_NOTIFICATION: "FirmwareManagement",
}
"""The feature profiles that a message is of, beside Core; the white paper's extension is none."""


def serve(charge_point: ChargePoint, message_id: str, request: TriggerWanted, now: float) -> None:
    """Answer, then say what was asked for."""
    status = _judge(charge_point, request)
    charge_point.respond(message_id, charge_point.dialect.trigger_response(request, status))
    if status is TriggerStatus.ACCEPTED:
        _say(charge_point, request, now)


def _judge(charge_point: ChargePoint, request: TriggerWanted) -> TriggerStatus:
    configuration = charge_point.configuration
    if not request.extended:
        needed = ("RemoteTrigger", _NEEDS.get(request.message, "RemoteTrigger"))
        if not all(map(configuration.supports, needed)):
            return TriggerStatus.NOT_IMPLEMENTED
    # Which connector is meant only matters where the message has one.
    connectors = range(len(charge_point.views))
    match request.message:
        case Trigger.METER_VALUES:
            # There is no meter but those of the connectors, and nothing to say of them where no measurand is chosen.
            named = request.connector is None or request.connector in connectors[1:]
            possible = named and bool(charge_point.settings.sampled_data)
        case Trigger.STATUS_NOTIFICATION:
            possible = request.connector is None or request.connector in connectors
        case _:
            possible = True
    return TriggerStatus.ACCEPTED if possible else TriggerStatus.REJECTED


def _say(charge_point: ChargePoint, request: TriggerWanted, now: float) -> None:
    match request.message:
        case Trigger.BOOT_NOTIFICATION:
            booting.boot(charge_point, now)
        case Trigger.HEARTBEAT:
            charge_point.send_heartbeat(now, asked_for=True)
        case Trigger.METER_VALUES:
            for connector in _connectors(charge_point, request, first=1):
                charge_point.order(connector, TakeReading(ReadingContext.TRIGGER))
        case Trigger.STATUS_NOTIFICATION:
            for connector in _connectors(charge_point, request, first=0):
                _say_status(charge_point, connector, now)
        case Trigger.SIGN_CHARGE_POINT_CERTIFICATE:
            security.renew(charge_point)
        case Trigger.FIRMWARE_STATUS_NOTIFICATION if request.extended:
            _say_now(charge_point, updating.signed_status(charge_point), now)
        case Trigger.FIRMWARE_STATUS_NOTIFICATION:
            _say_now(charge_point, updating.status(charge_point), now)
        case Trigger.DIAGNOSTICS_STATUS_NOTIFICATION:
            _say_now(charge_point, uploading.diagnostics_status(charge_point), now)
        case Trigger.LOG_STATUS_NOTIFICATION:
            _say_now(charge_point, uploading.log_status(charge_point), now)


def _say_status(charge_point: ChargePoint, connector: int, now: float) -> None:
    view = charge_point.views[connector]
    if view.status is None:
        return
    # Told as a status of its own: whether the CSMS has heard of the last change is another question. While it has not
    # accepted the charge point, it will want to hear it again when it has.
    if charge_point.registration.accepted:
        view.notified = view.status
    _say_now(charge_point, charge_point.dialect.status(view.status, charge_point.utc(view.status.at)), now, view.status)


def _say_now(charge_point: ChargePoint, said: Said, now: float, context: object = None) -> None:
    charge_point.say(said, now, context=context, asked_for=True)


def _connectors(charge_point: ChargePoint, request: TriggerWanted, first: int) -> range:
    """The one that is meant, or all."""
    if request.connector is not None:
        return range(request.connector, request.connector + 1)
    return range(first, len(charge_point.views))
