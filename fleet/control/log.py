"""The log: what one charge point does, a line for each fact, for whoever reads along or greps afterwards.

A listener that writes through the logging module. State changes are information, what breaks is a warning, the rest is
for debugging; every message on the wire is there when asked for, without its secrets.
"""

import logging
import math
import re
import sys
from collections.abc import Callable
from typing import Any

import orjson

from fleet.control.hub import EVERY_REPORT, FRAMES, json_value, kind_of, message_of
from fleet.core import delivery_reports, reports
from fleet.core.reports import ObservedReport
from fleet.observe.figures import format_energy, format_power
from fleet.observe.redaction import redacted_violation
from fleet.quantities import format_duration

LEVELS = ("debug", "info", "warning", "error")
_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s"
_TIME = "%Y-%m-%d %H:%M:%S"
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

logger = logging.getLogger("fleet")


def start_logging(level: str) -> None:
    """Write the log to standard error, whatever that is at the time of each line, from this level on."""
    handler = _ErrorStreamHandler()
    handler.setFormatter(_OneLine(_FORMAT, _TIME))
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


class Log:
    """Writes down what is reported; `where` is the CSMS's URL as people may see it, frames only if `verbose`."""

    def __init__(self, where: str, *, verbose: bool) -> None:
        self._where = where
        self._verbose = verbose

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """Everything that would be written."""
        if logger.isEnabledFor(logging.DEBUG):
            wanted = frozenset(EVERY_REPORT)
        else:
            wanted = frozenset(kind for kind in _LINES if logger.isEnabledFor(_LINES[kind][0])) - frozenset(FRAMES)
        return wanted | frozenset(FRAMES) if self._verbose else wanted - frozenset(FRAMES)

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """Write it down."""
        connector = getattr(report, "connector", None)
        name = f"{charge_point_id}/{connector}" if connector else charge_point_id
        if isinstance(report, FRAMES):
            arrow = "->" if isinstance(report, reports.FrameSent) else "<-"
            logger.info("%s %s %s", name, arrow, _frame_text(report.text))
            return
        level, line = _LINES.get(type(report), _ANYTHING)
        text = line(report)
        if self._verbose and isinstance(report, reports.LinkUp):
            text = f"{text} to {self._where} after {format_duration(report.elapsed_s)}"
        logger.log(level, "%s %s", name, text)


class _OneLine(logging.Formatter):
    """A record is one line, whatever a CSMS had to say in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The message with control characters written out."""
        return _CONTROL_CHARACTERS.sub(lambda found: repr(found[0])[1:-1], super().formatMessage(record))


class _ErrorStreamHandler(logging.StreamHandler[Any]):
    """Standard error of the moment: a shell puts its own in place while it draws."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        """Where to write now."""
        return sys.stderr


def _frame_text(text: str | bytes) -> str:
    frame = message_of(text)["frame"]
    return frame if isinstance(frame, str) else orjson.dumps(frame).decode()


def _status(report: reports.StatusChanged) -> str:
    error = "" if report.error_code == "NoError" else f", {report.error_code}"
    return f"{report.status}{error}" + (f" ({report.info})" if report.info else "")


def _stopped(report: reports.TransactionStopped) -> str:
    by = f" by {report.id_tag}" if report.id_tag else ""
    return f"transaction stopped{by}: {report.reason}, meter at {report.meter_stop_wh} Wh"


def _registered(report: reports.Registered) -> str:
    return f"BootNotification answered: {report.status}, interval {report.interval_s} s"


def _settled(report: reports.CredentialsSettled) -> str:
    which = (
        "let in with the new credentials" if report.adopted else "not let in with the new credentials: keeps the old"
    )
    return f"{which}, security profile {report.security_profile}"


def _limited(report: reports.PowerLimited) -> str:
    if report.power_w is None:
        return "limited by no charging profile any more"
    return f"limited to {format_power(report.power_w)} by charging profiles"


def _restarted(report: reports.Restarted) -> str:
    return f"{'crashed' if report.crashed else 'restarts'}: {report.cause or 'unknown'}"


def _violated(report: reports.ProtocolViolated) -> str:
    return f"CSMS breaks a rule: {report.rule}: {redacted_violation(report)}"


def _fields(report: Any) -> str:
    fields = json_value(report)
    return f"{kind_of(type(report))} " + " ".join(
        f"{name}={value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for name, value in fields.items()
        if name not in ("at", "due_at", "sent_at", "connector") and value is not None
    )


_ANYTHING: tuple[int, Callable[[Any], str]] = (logging.DEBUG, _fields)
_LINES: dict[type, tuple[int, Callable[[Any], str]]] = {
    reports.LinkUp: (logging.INFO, lambda _: "connected"),
    reports.LinkDown: (logging.WARNING, lambda report: f"connection ended: {_why(report)}"),
    reports.ConnectFailed: (
        logging.WARNING,
        lambda report: f"no connection: {_why(report)}; again in {format_duration(report.retry_in_s)}",
    ),
    reports.CredentialsSettled: (logging.INFO, _settled),
    reports.Registered: (logging.INFO, _registered),
    reports.StatusChanged: (logging.INFO, _status),
    reports.CableChanged: (logging.INFO, lambda report: f"cable {'plugged in' if report.plugged else 'taken out'}"),
    reports.AuthorizationRequested: (logging.INFO, lambda report: f"id tag {report.id_tag} presented"),
    reports.IdTagRefused: (logging.INFO, lambda report: f"id tag {report.id_tag} refused: {report.reason}"),
    reports.TransactionStarted: (
        logging.INFO,
        lambda report: f"transaction started for {report.id_tag}, meter at {report.meter_start_wh} Wh",
    ),
    delivery_reports.TransactionBound: (logging.INFO, lambda report: f"transaction has the id {report.transaction_id}"),
    reports.TransactionStopped: (logging.INFO, _stopped),
    delivery_reports.TransactionDelivered: (
        logging.INFO,
        lambda report: f"transaction {report.transaction_id} closed, {format_energy(report.energy_wh)}",
    ),
    reports.PowerChanged: (logging.INFO, lambda report: f"power {format_power(report.power_w)}"),
    delivery_reports.MessageLost: (logging.ERROR, lambda report: f"{report.action} lost: {report.reason}"),
    reports.ProtocolViolated: (logging.WARNING, _violated),
    reports.Restarted: (logging.WARNING, _restarted),
    reports.GivenUp: (logging.ERROR, lambda report: f"given up: {report.cause}"),
    reports.LinkImpaired: (
        logging.INFO,
        lambda report: f"network impaired: {report.fault} {format_duration(report.for_s or math.inf)}",
    ),
    reports.LinkMended: (logging.INFO, lambda report: f"network mended: {report.fault}"),
    reports.PowerLimited: (logging.INFO, _limited),
    reports.RequestRefused: (logging.INFO, lambda report: f"{report.action} refused: {report.reason}"),
    reports.ErrandUndone: (logging.WARNING, lambda report: f"{report.errand} failed: {report.reason}"),
    reports.Drained: (logging.INFO, lambda report: f"drained, {report.undelivered} messages undelivered"),
}


def _why(report: Any) -> str:
    return f"{report.reason}: {report.detail}" if report.detail else str(report.reason)
