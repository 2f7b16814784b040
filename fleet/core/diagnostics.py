"""What a charge point writes into the files that it uploads: lines of text, without secrets.

Diagnostics say how it is now, what it owes the CSMS, and its keys; the security log says what happened to its security
(white paper, section 4: one entry each with time, kind and details). A time window bounds the entries that have an
instant; how things are now is always in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from fleet.words.security import LogKind

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint

SECRET_KEYS = frozenset({"AuthorizationKey"})
_NAMES = {LogKind.DIAGNOSTICS_LOG: "diagnostics", LogKind.SECURITY_LOG: "security"}
FILE_NAME_LENGTH_MAX = 255


def file_name(charge_point: ChargePoint, kind: LogKind, now: float) -> str:
    """Which file it is, for the CSMS to know it by: whose, what, and when it was written (UTC)."""
    at = datetime.fromtimestamp(charge_point.utc(now), UTC)
    suffix = f"-{_NAMES[kind]}-{at:%Y%m%dT%H%M%SZ}.log"
    return quote(charge_point.plan.id, safe=" ")[: FILE_NAME_LENGTH_MAX - len(suffix)] + suffix


def written(
    charge_point: ChargePoint, kind: LogKind, now: float, oldest_utc_s: float | None, latest_utc_s: float | None
) -> bytes:
    """The file as it is now; of what has an instant, that from `oldest_utc_s` to `latest_utc_s`."""
    oldest = -math.inf if oldest_utc_s is None else oldest_utc_s
    latest = math.inf if latest_utc_s is None else latest_utc_s
    lines = [f"# {charge_point.plan.id} {_NAMES[kind]} at {_instant(charge_point.utc(now))}"]
    if kind is LogKind.DIAGNOSTICS_LOG:
        lines += _state(charge_point, now)
    lines += [
        f"{_instant(entry.utc_s)} {entry.word}" + (f": {entry.info}" if entry.info else "")
        for entry in charge_point.memory.security_log
        if oldest <= entry.utc_s <= latest
    ]
    return "\n".join((*lines, "")).encode()


def _state(charge_point: ChargePoint, now: float) -> Iterator[str]:
    plan, memory = charge_point.plan, charge_point.memory
    yield f"vendor {plan.vendor}, model {plan.model}, firmware {plan.firmware_version or 'unknown'}"
    yield f"boots {memory.incarnation}, registration {charge_point.registration.status or 'none'}"
    yield f"transactions begun {memory.transactions_begun}, transaction messages waiting {len(memory.outbox)}"
    for number, connector in enumerate(memory.connectors, 1):
        status = charge_point.views[number].status
        said = "unknown" if status is None else f"{status.status} ({status.error_code})"
        register_wh = connector.meter.register_wh(now)
        running = "" if connector.transaction is None else f", transaction {connector.transaction.key}"
        yield f"connector {number}: {said}, cable {connector.cable}, register {register_wh:.0f} Wh{running}"
    known, _ = charge_point.configuration.items()
    for key, _readonly, value in known:
        if key not in SECRET_KEYS:
            yield f"{key} = {value}"


def _instant(utc_s: float) -> str:
    return datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
