"""Notices: what is no transaction message and has to reach the CSMS all the same.

How far an update or an upload is, and what happened to the charge point's security, may be said while nobody listens:
an update takes a reboot, and the white paper wants security events delivered after an outage too (section 4, "queue").
An ordinary message would die with its connection. So notices wait in the memory, oldest first, and stay there until
they are answered; to the exchange they are ordinary, and never hold up a transaction message.

A CSMS that answers with an error has heard it: it isn't told again. One that is silent is told again, at most
`ATTEMPTS_MAX` times in all, unless there is something newer to be told of the same matter.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from fleet.words import DiagnosticsStatus, FirmwareStatus
from fleet.words.security import LogUploadStatus

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.dialect import Said

NOTICES_MAX = 100
"""More than that a charge point has no room for; the oldest goes first."""
ATTEMPTS_MAX = 3


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
    memory, saying = charge_point.memory, charge_point.upkeep.saying
    if len(memory.notices) >= NOTICES_MAX > saying:
        memory.notices = (*memory.notices[:saying], *memory.notices[saying + 1 :])
    memory.notices = (*memory.notices, notice)
    say_all(charge_point, now)


def say_all(charge_point: ChargePoint, now: float) -> None:
    """Say those that aren't being said yet, if anybody listens."""
    if not charge_point.speaking:
        return
    upkeep = charge_point.upkeep
    for notice in charge_point.memory.notices[upkeep.saying :]:
        upkeep.saying += 1
        due_at = max(notice.utc_s - charge_point.utc_offset_s, charge_point.speaking_since)
        charge_point.say(_said(charge_point, notice), min(due_at, now), context=notice)


def heard(charge_point: ChargePoint, notice: Notice) -> None:
    """The CSMS has answered."""
    charge_point.upkeep.saying -= 1
    charge_point.memory.notices = _without(charge_point.memory.notices, notice)


def failed(charge_point: ChargePoint, notice: Notice, code: str, now: float) -> None:
    """It wasn't answered well: told again if nobody can have heard it."""
    if code == "Disconnected":
        # The next connection says it again, and a cut is nobody's refusal.
        charge_point.upkeep.saying -= 1
        return
    heard(charge_point, notice)
    notices = charge_point.memory.notices
    newer = notice.kind is not NoticeKind.SECURITY and any(each.kind is notice.kind for each in notices)
    if code == "Timeout" and notice.attempts + 1 < ATTEMPTS_MAX and not newer:
        charge_point.memory.notices = (*notices, evolve(notice, attempts=notice.attempts + 1))
        say_all(charge_point, now)


def _without(notices: tuple[Notice, ...], notice: Notice) -> tuple[Notice, ...]:
    # By identity: the same may well be said twice.
    return tuple(each for each in notices if each is not notice)


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
