"""Uploads: diagnostics (OCPP 1.6 section 5.9) and logs (security white paper, GetLog), tried as often as was asked for.

The file is written when it is asked for, whatever happens until it has arrived. One upload of each kind at a time: a
newer request takes the place of the older one, which is told to have failed where it has a number of its own.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from attrs import define, field

from fleet.core import diagnostics, notices, upkeep
from fleet.core.answers import DiagnosticsWanted, FilePlace, LogWanted
from fleet.core.errands import Deliver, Done, Outcome, Undone, Why
from fleet.core.notices import Notice, NoticeKind
from fleet.core.reports import ErrandUndone
from fleet.words import DiagnosticsStatus
from fleet.words.security import LogKind, LogStatus, LogUploadStatus

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.dialect import Said

RETRY_INTERVAL_S = 60.0
"""Where the CSMS leaves it to the charge point."""
FAILURES = {Why.DENIED: LogUploadStatus.PERMISSION_DENIED, Why.UNSUPPORTED: LogUploadStatus.NOT_SUPPORTED_OPERATION}


@define(eq=False)
class Upload:
    """One file on its way; `request_id` is GetLog's, None for diagnostics. `deadline`: when it is (again) tried."""

    place: FilePlace
    name: str
    content: bytes = field(repr=False)
    request_id: int | None = None
    deadline: float = -math.inf
    failures: int = 0
    errand: int | None = None

    def retry(self, now: float) -> bool:
        """It failed: whether it is tried again, at the new deadline."""
        self.failures += 1
        if self.failures > (self.place.retries or 0):
            return False
        interval_s = self.place.retry_interval_s
        self.deadline = now + (RETRY_INTERVAL_S if interval_s is None else interval_s)
        return True


def diagnostics_wanted(charge_point: ChargePoint, message_id: str, request: DiagnosticsWanted, now: float) -> None:
    """GetDiagnostics.req."""
    name = diagnostics.file_name(charge_point, LogKind.DIAGNOSTICS_LOG, now)
    charge_point.respond(message_id, charge_point.dialect.diagnostics_response(name))
    content = diagnostics.written(
        charge_point, LogKind.DIAGNOSTICS_LOG, now, request.oldest_utc_s, request.latest_utc_s
    )
    _call_off(charge_point, charge_point.upkeep.diagnostics)
    charge_point.upkeep.diagnostics = Upload(request.place, name, content)


def log_wanted(charge_point: ChargePoint, message_id: str, request: LogWanted, now: float) -> None:
    """GetLog.req."""
    previous = charge_point.upkeep.log
    name = diagnostics.file_name(charge_point, request.kind, now)
    status = LogStatus.ACCEPTED if previous is None else LogStatus.ACCEPTED_CANCELED
    charge_point.respond(message_id, charge_point.dialect.log_response(status, name))
    content = diagnostics.written(charge_point, request.kind, now, request.oldest_utc_s, request.latest_utc_s)
    if previous is not None:
        _call_off(charge_point, previous)
        _tell(charge_point, previous, DiagnosticsStatus.UPLOAD_FAILED, LogUploadStatus.UPLOAD_FAILURE, now)
    charge_point.upkeep.log = Upload(request.place, name, content, request.request_id)


def begin(charge_point: ChargePoint, upload: Upload, now: float) -> None:
    """It is time for an attempt."""
    upload.deadline = math.inf
    if not upload.failures:
        _tell(charge_point, upload, DiagnosticsStatus.UPLOADING, LogUploadStatus.UPLOADING, now)
    errand = Deliver(upload.place.url, upload.name, upload.content)
    upload.errand = upkeep.run(charge_point, errand, partial(_ended, charge_point, upload))


def diagnostics_status(charge_point: ChargePoint) -> Said:
    """How far it is, for whoever triggers DiagnosticsStatusNotification."""
    busy = charge_point.upkeep.diagnostics is not None
    return charge_point.dialect.diagnostics_status(DiagnosticsStatus.UPLOADING if busy else DiagnosticsStatus.IDLE)


def log_status(charge_point: ChargePoint) -> Said:
    """How far it is, for whoever triggers LogStatusNotification."""
    log = charge_point.upkeep.log
    if log is None:
        return charge_point.dialect.log_status(LogUploadStatus.IDLE)
    return charge_point.dialect.log_status(LogUploadStatus.UPLOADING, log.request_id)


def _ended(charge_point: ChargePoint, upload: Upload, outcome: Outcome, now: float) -> None:
    if isinstance(outcome, Undone):
        errand = "upload of diagnostics" if upload.request_id is None else "upload of a log"
        charge_point.observe(ErrandUndone(errand, outcome.detail, now))
    if isinstance(outcome, Done):
        _tell(charge_point, upload, DiagnosticsStatus.UPLOADED, LogUploadStatus.UPLOADED, now)
    elif upload.retry(now):
        return
    else:
        why = outcome.why if isinstance(outcome, Undone) else None
        failure = LogUploadStatus.UPLOAD_FAILURE if why is None else FAILURES.get(why, LogUploadStatus.UPLOAD_FAILURE)
        _tell(charge_point, upload, DiagnosticsStatus.UPLOAD_FAILED, failure, now)
    if charge_point.upkeep.diagnostics is upload:
        charge_point.upkeep.diagnostics = None
    if charge_point.upkeep.log is upload:
        charge_point.upkeep.log = None


def _call_off(charge_point: ChargePoint, upload: Upload | None) -> None:
    if upload is not None:
        upkeep.call_off(charge_point, upload.errand)


def _tell(
    charge_point: ChargePoint, upload: Upload, status: DiagnosticsStatus, log_status: LogUploadStatus, now: float
) -> None:
    """In the words of whoever asked for the file."""
    utc_s = charge_point.utc(now)
    if upload.request_id is None:
        notice = Notice(NoticeKind.DIAGNOSTICS, status.value, utc_s)
    else:
        notice = Notice(NoticeKind.LOG, log_status.value, utc_s, upload.request_id)
    notices.notify(charge_point, notice, now)
