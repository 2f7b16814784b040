"""Notices: what is no transaction message and has to reach the CSMS all the same.

How far an update or an upload is, and what happened to the charge point's security, may be said while nobody listens:
an update takes a reboot, and the white paper wants security events delivered after an outage too (section 4, "queue").
An ordinary message would die with its connection. So notices wait in the memory, oldest first, and one is said after
the other has been answered; they never hold up a transaction message, which has the outbox for itself.

A CSMS that answers with an error has heard it: it isn't told again. One that is silent is told `ATTEMPTS_MAX` times.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from fleet.words import DiagnosticsStatus, FirmwareStatus, LogUploadStatus

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.dialect import Said
    from fleet.ocpp.exchange import Failed

NOTICES_MAX = 100
"""More than that a charge point has no room for; the oldest goes first."""
ATTEMPTS_MAX = 3
UNHEARD = frozenset({"Timeout", "Disconnected"})
"""How a CALL may fail without the CSMS having said anything to it."""


class NoticeKind(StrEnum):
    """What a notice is about."""

    FIRMWARE = "firmware"
    SIGNED_FIRMWARE = "signed-firmware"
    DIAGNOSTICS = "diagnostics"
    LOG = "log"
    SECURITY = "security"


@frozen
class Notice:
    """One thing to be told: the status or, of a security event, its type, in OCPP's words, and when that was (UTC).

    `request_id` is that of the request it is about; `info` the event's techInfo. Nothing but text and numbers, so that
    a memory with notices in it is easily written down.
    """

    kind: NoticeKind
    word: str
    utc_s: float
    request_id: int | None = None
    info: str | None = None
    attempts: int = 0


def notify(charge_point: ChargePoint, notice: Notice, now: float) -> None:
    """Tell the CSMS, now or when it listens."""
    memory = charge_point.memory
    # The first may be on the wire: what is dropped is the oldest of the others.
    while len(memory.notices) >= NOTICES_MAX:
        memory.notices = (memory.notices[0], *memory.notices[2:])
    memory.notices = (*memory.notices, notice)
    say_next(charge_point, now)


def say_next(charge_point: ChargePoint, now: float) -> None:
    """Say the oldest, unless one is being said or nobody listens."""
    notices, upkeep = charge_point.memory.notices, charge_point.upkeep
    if not notices or upkeep.telling or not charge_point.speaking:
        return
    upkeep.telling = True
    notice = notices[0]
    due_at = max(notice.utc_s - charge_point.utc_offset_s, charge_point.speaking_since)
    charge_point.say(_said(charge_point, notice), min(due_at, now), context=notice)


def heard(charge_point: ChargePoint, now: float) -> None:
    """The CSMS has answered: the next one."""
    charge_point.upkeep.telling = False
    charge_point.memory.notices = charge_point.memory.notices[1:]
    say_next(charge_point, now)


def failed(charge_point: ChargePoint, event: Failed, now: float) -> None:
    """It wasn't answered well: told again if nobody can have heard it."""
    charge_point.upkeep.telling = False
    memory = charge_point.memory
    notice = memory.notices[0]
    if event.code == "Disconnected":
        return  # the next connection says it again, and a cut is nobody's refusal
    notice = evolve(notice, attempts=notice.attempts + 1)
    if event.code not in UNHEARD or notice.attempts >= ATTEMPTS_MAX:
        memory.notices = memory.notices[1:]
    else:
        memory.notices = (notice, *memory.notices[1:])
    say_next(charge_point, now)


def _said(charge_point: ChargePoint, notice: Notice) -> Said:
    dialect = charge_point.dialect
    match notice.kind:
        case NoticeKind.FIRMWARE:
            return dialect.firmware_status(FirmwareStatus(notice.word))
        case NoticeKind.SIGNED_FIRMWARE:
            return dialect.signed_firmware_status(FirmwareStatus(notice.word), notice.request_id)
        case NoticeKind.DIAGNOSTICS:
            return dialect.diagnostics_status(DiagnosticsStatus(notice.word))
        case NoticeKind.LOG:
            return dialect.log_status(LogUploadStatus(notice.word), notice.request_id)
        case NoticeKind.SECURITY:
            return dialect.security_event(notice.word, notice.utc_s, notice.info)
