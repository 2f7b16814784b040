"""Maintenance: what the CSMS does to a charge point itself: new firmware, a look into its logs, other certificates.

Hours may pass between the request and the last status of it, with errands, transactions, cuts and a reboot in between.
So each of them is a state of its own (`upkeep`), woken after every message and by its deadline: `updating` for
firmware, `uploading` for diagnostics and logs, `security` for certificates. What they say goes out as `notices`.
This module is the door to them for the rest of the charge point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.core import notices, security, security_events, updating, uploading
from fleet.core.answers import (
    CertificateSent,
    CertificateSigned,
    CertificatesWanted,
    CertificateUnwanted,
    DiagnosticsWanted,
    FirmwareWanted,
    LogWanted,
    SignedFirmwareWanted,
)
from fleet.core.effects import SendFrame
from fleet.ocpp.errors import CallErrorCode

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.errands import ErrandEnded

FEATURE = "FirmwareManagement"

MaintenanceRequest = (
    CertificateSent
    | CertificateSigned
    | CertificatesWanted
    | CertificateUnwanted
    | DiagnosticsWanted
    | FirmwareWanted
    | LogWanted
    | SignedFirmwareWanted
)


def start(charge_point: ChargePoint, now: float) -> None:
    """Power-up: what the last life left half done."""
    security_events.started(charge_point, now)
    updating.start(charge_point, now)


def proceed(charge_point: ChargePoint, now: float) -> None:
    """After every message and tick: do what is due, or has become possible."""
    upkeep = charge_point.upkeep
    if upkeep.update is not None:
        updating.proceed(charge_point, upkeep.update, now)
    if upkeep.diagnostics is not None and now >= upkeep.diagnostics.deadline:
        uploading.begin(charge_point, upkeep.diagnostics, now)
    if upkeep.log is not None and now >= upkeep.log.deadline:
        uploading.begin(charge_point, upkeep.log, now)


def opened(charge_point: ChargePoint, now: float) -> None:
    """The CSMS listens (again)."""
    notices.say_all(charge_point, now)


def link_down(charge_point: ChargePoint) -> None:
    """Nobody waits for answers any more; what is being fetched or delivered goes its own way."""
    charge_point.upkeep.asked = charge_point.upkeep.happened = frozenset()


def ended(charge_point: ChargePoint, message: ErrandEnded, now: float) -> None:
    """An errand is over."""
    then = charge_point.upkeep.errands.pop(message.token, None)
    if then is not None:
        then(message.outcome, now)


def serve(charge_point: ChargePoint, message_id: str, request: MaintenanceRequest, now: float) -> None:
    """Answer one request of the CSMS, at once or after an errand, and do what it asks."""
    match request:
        case FirmwareWanted() | DiagnosticsWanted() if not charge_point.configuration.supports(FEATURE):
            # Neither response has a status to say it with.
            charge_point.effect(SendFrame(charge_point.exchange.error(message_id, CallErrorCode.NOT_SUPPORTED)))
        case FirmwareWanted():
            updating.wanted(charge_point, message_id, request, now)
        case SignedFirmwareWanted():
            updating.signed_wanted(charge_point, message_id, request, now)
        case DiagnosticsWanted():
            uploading.diagnostics_wanted(charge_point, message_id, request, now)
        case LogWanted():
            uploading.log_wanted(charge_point, message_id, request, now)
        case CertificateSigned():
            security.certificate_signed(charge_point, message_id, request, now)
        case CertificateSent():
            security.certificate_sent(charge_point, message_id, request, now)
        case CertificateUnwanted():
            security.certificate_unwanted(charge_point, message_id, request, now)
        case CertificatesWanted():
            security.certificates_wanted(charge_point, message_id, request)
