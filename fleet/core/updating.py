"""Firmware updates between the CSMS, the connectors and the memory: the steps of `firmware.Update`, taken.

What is wanted lies in the memory until it is told to have come out well or badly. A charge point that goes down in the
middle begins the update again when it is back; one that went down to activate it is the new version, and says so:
BootNotification.req carries it, and Installed follows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, assert_never

from attrs import evolve

from fleet.commands.vocabulary import ChangeAvailability
from fleet.core import instructions, notices, security, security_events, upkeep
from fleet.core.answers import FirmwareWanted, SignedFirmwareWanted
from fleet.core.errands import JudgeSigner, Outcome, Undone, Why
from fleet.core.firmware import Activate, Alarm, Begin, PutBack, Step, TakeOut, Tell, Update, Wanted
from fleet.core.memory import UpdateMemory
from fleet.core.notices import Notice, NoticeKind
from fleet.core.reports import ErrandUndone
from fleet.words import Availability, ConnectorStatus, FirmwareStatus
from fleet.words.security import CertificateUse, SecurityEvent, SignedFirmwareAnswer

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.dialect import Said

OUT_OF_SERVICE = (ConnectorStatus.UNAVAILABLE, ConnectorStatus.FAULTED)
SIGNED_ANSWERS = {
    Why.INVALID: SignedFirmwareAnswer.INVALID_CERTIFICATE,
    Why.REVOKED: SignedFirmwareAnswer.REVOKED_CERTIFICATE,
}


def start(charge_point: ChargePoint, now: float) -> None:
    """Power-up. The connectors aren't built yet: what is in the memory is what they will be."""
    memory = charge_point.memory
    for number, connector in enumerate(memory.connectors, 1):
        if number in memory.taken_out:
            connector.inoperative = False
    memory.taken_out = ()
    pending = memory.update
    if pending is not None and pending.version is not None:
        memory.update, memory.firmware_version = None, pending.version
        _tell(charge_point, pending.wanted, FirmwareStatus.INSTALLED, now)
        signed = isinstance(pending.wanted, SignedFirmwareWanted)
        security_events.happened(charge_point, SecurityEvent.FIRMWARE_UPDATED, now, pending.version, tell=signed)
    elif pending is not None:
        charge_point.upkeep.update = Update(pending.wanted, charge_point.plan.install_s)
    if memory.firmware_version is not None:
        charge_point.plan = evolve(charge_point.plan, firmware_version=memory.firmware_version)


def wanted(charge_point: ChargePoint, message_id: str, request: FirmwareWanted, now: float) -> None:
    """UpdateFirmware.req, which can't be refused (section 5.19); while one is being installed it is in vain."""
    charge_point.respond(message_id, charge_point.dialect.firmware_response())
    current = charge_point.upkeep.update
    if current is None or not current.installing:
        _begin(charge_point, request)


def signed_wanted(charge_point: ChargePoint, message_id: str, request: SignedFirmwareWanted, now: float) -> None:
    """SignedUpdateFirmware.req: answered when it is known whether the signer is one."""
    roots = security.trusted(charge_point).pems(CertificateUse.MANUFACTURER_ROOT)
    errand = JudgeSigner(request.certificate, roots, charge_point.utc(now))
    upkeep.answer_after(charge_point, message_id, errand, partial(_signer_judged, charge_point, message_id, request))


def _signer_judged(
    charge_point: ChargePoint, message_id: str, request: SignedFirmwareWanted, outcome: Outcome, now: float
) -> None:
    current = charge_point.upkeep.update
    if isinstance(outcome, Undone):
        answer = SIGNED_ANSWERS.get(outcome.why, SignedFirmwareAnswer.REJECTED)
    elif current is None:
        answer = SignedFirmwareAnswer.ACCEPTED
    elif current.installing:
        answer = SignedFirmwareAnswer.REJECTED
    else:
        answer = SignedFirmwareAnswer.ACCEPTED_CANCELED
    if not upkeep.respond(charge_point, message_id, charge_point.dialect.signed_firmware_response(answer)):
        return
    if isinstance(outcome, Undone):
        if outcome.why in SIGNED_ANSWERS:
            event = SecurityEvent.INVALID_FIRMWARE_SIGNING_CERTIFICATE
            security_events.happened(charge_point, event, now, outcome.detail, tell=True)
    elif answer is not SignedFirmwareAnswer.REJECTED:
        _begin(charge_point, request)


def proceed(charge_point: ChargePoint, update: Update, now: float) -> None:
    """Do what is due of an update."""
    views = charge_point.views[1:]
    idle = all(
        view.started is None and view.status is not None and view.status.status in OUT_OF_SERVICE for view in views
    )
    memory = charge_point.memory
    steps = update.proceed(now, charge_point.utc(now), idle=idle, broken=memory.installation_fails)
    if steps:
        if update.status is FirmwareStatus.INSTALLATION_FAILED:
            memory.installation_fails = False
        _take(charge_point, update, steps, now)


def status(charge_point: ChargePoint) -> Said:
    """How far it is, for whoever triggers FirmwareStatusNotification: Idle where nothing is under way."""
    update = charge_point.upkeep.update
    if update is None:
        return charge_point.dialect.firmware_status(FirmwareStatus.IDLE)
    if update.signed is not None:
        return charge_point.dialect.signed_firmware_status(update.status, update.signed.request_id)
    return charge_point.dialect.firmware_status(update.status)


def signed_status(charge_point: ChargePoint) -> Said:
    """The same for ExtendedTriggerMessage, which knows SignedFirmwareStatusNotification only."""
    update = charge_point.upkeep.update
    if update is None:
        return charge_point.dialect.signed_firmware_status(FirmwareStatus.IDLE)
    request_id = None if update.signed is None else update.signed.request_id
    return charge_point.dialect.signed_firmware_status(update.status, request_id)


def at_liberty(charge_point: ChargePoint, numbers: range | tuple[int, ...], availability: Availability) -> list[int]:
    """Of these connectors those whose availability may change now.

    While an update keeps them out of service, the CSMS's wish is for afterwards.
    """
    update, memory = charge_point.upkeep.update, charge_point.memory
    if update is None or not update.taken_out:
        return list(numbers)
    if availability is Availability.OPERATIVE:
        memory.taken_out = tuple(sorted({*memory.taken_out, *numbers}))
        return []
    memory.taken_out = tuple(number for number in memory.taken_out if number not in numbers)
    return list(numbers)


# ---- inside ----------------------------------------------------------------------------------------------------------


def _begin(charge_point: ChargePoint, wanted: Wanted) -> None:
    """This update, in place of one that hasn't come to installing; the next `proceed` takes its first step."""
    _put_back(charge_point)
    if charge_point.upkeep.update is not None:
        upkeep.call_off(charge_point, charge_point.upkeep.update_errand)
    charge_point.memory.update = UpdateMemory(wanted)
    charge_point.upkeep.update = Update(wanted, charge_point.plan.install_s)


def _take(charge_point: ChargePoint, update: Update, steps: list[Step], now: float) -> None:
    for step in steps:
        match step:
            case Tell():
                _tell(charge_point, update.wanted, step.status, now)
            case Begin():
                then = partial(_errand_ended, charge_point, update)
                charge_point.upkeep.update_errand = upkeep.run(charge_point, step.errand, then)
            case Alarm():
                security_events.happened(charge_point, step.event, now, tell=True)
            case TakeOut():
                _take_out(charge_point)
            case PutBack():
                _put_back(charge_point)
            case Activate():
                charge_point.memory.update = UpdateMemory(update.wanted, step.version)
                instructions.reboot(charge_point, "FirmwareUpdate", now)
            case _:
                assert_never(step)
    if update.over and charge_point.upkeep.update is update:
        charge_point.upkeep.update = charge_point.memory.update = None


def _errand_ended(charge_point: ChargePoint, update: Update, outcome: Outcome, now: float) -> None:
    if isinstance(outcome, Undone):
        errand = "download of firmware" if update.image is None else "check of the firmware's signature"
        charge_point.observe(ErrandUndone(errand, outcome.detail, now))
    _take(charge_point, update, update.ended(outcome, now), now)


def _tell(charge_point: ChargePoint, wanted: Wanted, status: FirmwareStatus, now: float) -> None:
    utc_s = charge_point.utc(now)
    if isinstance(wanted, SignedFirmwareWanted):
        notice = Notice(NoticeKind.SIGNED_FIRMWARE, status.value, utc_s, wanted.request_id)
    else:
        notice = Notice(NoticeKind.FIRMWARE, status.value, utc_s)
    notices.notify(charge_point, notice, now)


def _take_out(charge_point: ChargePoint) -> None:
    memory = charge_point.memory
    memory.taken_out = tuple(
        number for number, connector in enumerate(memory.connectors, 1) if not connector.inoperative
    )
    for number in memory.taken_out:
        charge_point.order(number, ChangeAvailability(Availability.INOPERATIVE))


def _put_back(charge_point: ChargePoint) -> None:
    memory = charge_point.memory
    back, memory.taken_out = memory.taken_out, ()
    for number in back:
        charge_point.order(number, ChangeAvailability(Availability.OPERATIVE))
