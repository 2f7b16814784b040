"""What a charge point knows of its connectors, and which of their statuses the CSMS has been told.

OCPP 1.6 section 4.9: every change of status or error is notified, once it has lasted MinimumStatusDuration; what
changed while the CSMS could not be told is told when it can be again, and what it knows already is not said twice.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import define

from fleet.core.reports import StatusChanged, TransactionStarted
from fleet.words import ConnectorStatus

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.memory import ChargePointMemory


_ENTERABLE = (ConnectorStatus.AVAILABLE, ConnectorStatus.RESERVED, ConnectorStatus.PREPARING)


@define
class ConnectorView:
    """One connector as its reports show it: `status` now, `notified` to the CSMS, `started` what runs there.

    `granted` means that somebody was let charge there, or is being asked about, whose cable may still be on its way;
    `plugged` that a car is connected; `cut_off` that what runs there ended when the last life did.
    """

    status: StatusChanged | None = None
    notified: StatusChanged | None = None
    started: TransactionStarted | None = None
    granted: bool = False
    plugged: bool = False
    cut_off: bool = False
    status_due_at: float = math.inf


def at_power_up(memory: ChargePointMemory) -> tuple[ConnectorView, ...]:
    """Views of the charge point and its connectors; a transaction that was cut off is open until it's stopped."""
    views = [ConnectorView()]
    for number, connector in enumerate(memory.connectors, 1):
        view, cut_off = ConnectorView(), connector.transaction
        if cut_off is not None:
            view.cut_off = True
            view.started = TransactionStarted(
                number, cut_off.started_at, cut_off.key, cut_off.id_tag, cut_off.meter_start_wh
            )
        views.append(view)
    return tuple(views)


def changed(charge_point: ChargePoint, report: StatusChanged, now: float) -> None:
    """A connector, or with number 0 the charge point, has another status."""
    view = charge_point.views[report.connector]
    view.status = report
    if report.status is not ConnectorStatus.PREPARING:
        view.granted = False
    if not charge_point.speaking:
        return
    wait_s = charge_point.settings.minimum_status_duration_s
    if wait_s > 0 and view.notified is not None:
        view.status_due_at = now + wait_s
    else:
        _notify(charge_point, view)


def granted(view: ConnectorView) -> None:
    """Somebody may charge there, as soon as the cable is in."""
    if view.status is not None and view.status.status in _ENTERABLE:
        view.granted = True


def tell_due(charge_point: ChargePoint, now: float) -> None:
    """Tell the statuses that have lasted long enough."""
    for view in charge_point.views:
        if now >= view.status_due_at:
            view.status_due_at = math.inf
            _notify(charge_point, view)


def hasten(charge_point: ChargePoint, now: float) -> bool:
    """Whoever goes for good waits for no status to last: what is still to be told is due now, if anything is."""
    waiting = [view for view in charge_point.views if view.status_due_at < math.inf]
    for view in waiting:
        view.status_due_at = now
    return bool(waiting)


def tell_all(charge_point: ChargePoint) -> None:
    """Tell every status that the CSMS doesn't know yet."""
    for view in charge_point.views:
        view.status_due_at = math.inf
        _notify(charge_point, view)


def not_told(charge_point: ChargePoint, report: StatusChanged) -> None:
    """The CSMS never learned of this status."""
    charge_point.views[report.connector].notified = None


def _notify(charge_point: ChargePoint, view: ConnectorView) -> None:
    report, known = view.status, view.notified
    if report is None or not charge_point.speaking or (known is not None and _same(known, report)):
        return
    view.notified = report
    charge_point.say(
        charge_point.dialect.status(report, charge_point.utc(report.at)),
        max(report.at, charge_point.speaking_since),
        context=report,
    )


def _same(a: StatusChanged, b: StatusChanged) -> bool:
    return (
        a.status is b.status
        and a.error_code is b.error_code
        and a.info == b.info
        and a.vendor_error_code == b.vendor_error_code
    )
