"""Details: what each connector's last reports said of it, for whoever wants to look at one.

The board keeps figures of the whole fleet; this keeps the few facts that a connector's detailed status shows. It holds
the reports themselves, which exist anyhow, and computes only when somebody looks.
"""

import math
from collections.abc import Callable
from itertools import count
from typing import Any

from attrs import define, frozen

from fleet.core.delivery_reports import TransactionBound
from fleet.core.reports import (
    CableChanged,
    MeterSampled,
    ObservedReport,
    PowerChanged,
    PowerLimited,
    Restarted,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.words import ConnectorStatus, ErrorCode

SECONDS_PER_HOUR = 3600.0


@frozen
class ConnectorDetails:
    """One connector as it was last reported; `status` None while it never reported.

    `transaction_id` is the CSMS's, None until it answered; `energy_wh` is what the running transaction delivered, up
    to the moment somebody looks; `limit_w` is what charging profiles let it draw, None where they don't limit it;
    `updated_at` is the instant of the last status, None if there was none.
    """

    charge_point: str
    connector: int
    status: ConnectorStatus | None
    plugged: bool
    error_code: ErrorCode
    info: str | None
    charging: bool
    transaction_id: int | None
    power_w: float
    energy_wh: float
    limit_w: float | None
    id_tag: str | None
    updated_at: float | None


@define
class _Seen:
    status: StatusChanged | None = None
    started: TransactionStarted | None = None
    transaction_id: int | None = None
    plugged: bool = False
    power_w: float = 0.0
    limit_w: float | None = None
    register_wh: float = math.nan
    measured_at: float = 0.0

    def register_wh_at(self, now: float) -> float:
        """The register, as long as nothing changes."""
        return self.register_wh + self.power_w * max(0.0, now - self.measured_at) / SECONDS_PER_HOUR


class Details:
    """A listener that keeps every connector's last reports."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], _Seen] = {}
        self._handlers: dict[type[ObservedReport], Callable[[str, Any], None]] = {
            StatusChanged: self._status_changed,
            CableChanged: self._cable_changed,
            TransactionStarted: self._transaction_started,
            TransactionBound: self._transaction_bound,
            TransactionStopped: self._transaction_stopped,
            PowerChanged: self._power_changed,
            PowerLimited: self._power_limited,
            MeterSampled: self._meter_sampled,
            Restarted: self._restarted,
        }

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """What a detailed status shows."""
        return frozenset(self._handlers)

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """Keep it."""
        self._handlers[type(report)](charge_point_id, report)

    def forget(self, charge_point_id: str, connectors: int) -> None:
        """A charge point is gone from the fleet."""
        for connector in range(connectors + 1):
            self._seen.pop((charge_point_id, connector), None)

    def found_plugged(self, charge_point_id: str, connector: int) -> None:
        """A cable was in before anybody reported anything: an earlier run left it."""
        self._connector(charge_point_id, connector).plugged = True

    def of(self, charge_point_id: str, connector: int, now: float) -> ConnectorDetails:
        """One connector (0: the charge point itself) as of `now`."""
        seen = self._seen.get((charge_point_id, connector)) or _Seen()
        status, started = seen.status, seen.started
        energy_wh = 0.0
        if started is not None and not math.isnan(seen.register_wh):
            energy_wh = max(0.0, seen.register_wh_at(now) - started.meter_start_wh)
        return ConnectorDetails(
            charge_point=charge_point_id,
            connector=connector,
            status=status.status if status else None,
            plugged=seen.plugged,
            error_code=status.error_code if status else ErrorCode.NO_ERROR,
            info=status.info if status else None,
            charging=started is not None,
            transaction_id=seen.transaction_id,
            power_w=seen.power_w,
            energy_wh=energy_wh,
            limit_w=seen.limit_w,
            id_tag=started.id_tag if started else None,
            updated_at=status.at if status else None,
        )

    def id_tags(self, limit: int) -> list[str]:
        """Id tags of running transactions, at most `limit`."""
        found: dict[str, None] = {}
        for seen in self._seen.values():
            if seen.started is not None:
                found[seen.started.id_tag] = None
                if len(found) >= limit:
                    break
        return list(found)

    def _connector(self, charge_point_id: str, connector: int) -> _Seen:
        key = (charge_point_id, connector)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen()
        return seen

    def _status_changed(self, charge_point_id: str, report: StatusChanged) -> None:
        self._connector(charge_point_id, report.connector).status = report

    def _cable_changed(self, charge_point_id: str, report: CableChanged) -> None:
        self._connector(charge_point_id, report.connector).plugged = report.plugged

    def _transaction_started(self, charge_point_id: str, report: TransactionStarted) -> None:
        seen = self._connector(charge_point_id, report.connector)
        seen.started, seen.transaction_id = report, None

    def _transaction_bound(self, charge_point_id: str, report: TransactionBound) -> None:
        seen = self._connector(charge_point_id, report.connector)
        if seen.started is not None and seen.started.transaction == report.transaction:
            seen.transaction_id = report.transaction_id

    def _transaction_stopped(self, charge_point_id: str, report: TransactionStopped) -> None:
        seen = self._connector(charge_point_id, report.connector)
        seen.started = seen.transaction_id = None
        seen.power_w = 0.0

    def _power_changed(self, charge_point_id: str, report: PowerChanged) -> None:
        seen = self._connector(charge_point_id, report.connector)
        seen.power_w, seen.register_wh, seen.measured_at = report.power_w, report.register_wh, report.at

    def _power_limited(self, charge_point_id: str, report: PowerLimited) -> None:
        self._connector(charge_point_id, report.connector).limit_w = report.power_w

    def _meter_sampled(self, charge_point_id: str, report: MeterSampled) -> None:
        seen = self._connector(charge_point_id, report.connector)
        seen.power_w, seen.register_wh, seen.measured_at = report.power_w, report.register_wh, report.reading.at

    def _restarted(self, charge_point_id: str, report: Restarted) -> None:
        """Nothing flows while it is off, which may be long; what limits it then will be told."""
        for connector in count(1):
            seen = self._seen.get((charge_point_id, connector))
            if seen is None:
                break
            seen.limit_w = None
            seen.register_wh, seen.power_w, seen.measured_at = seen.register_wh_at(report.at), 0.0, report.at
