"""Reservations between the CSMS, the connectors and the drivers (OCPP 1.6 sections 5.4 and 5.13).

ReserveNow is answered from what the connectors were last heard to be. What follows from it, and from everything that
happens later, is settled after each message: `settle` tells the connectors what `Reservations` makes of the situation.

Whom a reservation keeps out is in `admission.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fleet.core.answers import ReservationCancelled, ReservationWanted
from fleet.core.orders import Release, Reserve
from fleet.core.reservation import Reservation, Reservations
from fleet.words import ConnectorStatus, ReservationStatus

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.memory import ChargePointMemory
    from fleet.core.reports import StatusChanged, TransactionStarted

# There and back between two clocks is not quite the same.
_SLACK_S = 1e-3

# ---- what the CSMS asks ----------------------------------------------------------------------------------------------


def serve(
    charge_point: ChargePoint, message_id: str, request: ReservationWanted | ReservationCancelled, now: float
) -> None:
    """Answer one request; the connectors hear of it when the message has been dealt with."""
    dialect = charge_point.dialect
    match request:
        case ReservationWanted():
            response = dialect.reservation_response(_reserve(charge_point, request, now))
        case ReservationCancelled():
            cancelled = charge_point.reservations.cancel(request.reservation_id)
            response = dialect.reservation_cancelled_response(cancelled)
    charge_point.respond(message_id, response)


def _reserve(charge_point: ChargePoint, request: ReservationWanted, now: float) -> ReservationStatus:
    configuration = charge_point.configuration
    if not configuration.supports("Reservation") or request.expires_utc_s <= charge_point.utc(now):
        return ReservationStatus.REJECTED
    if request.connector == 0 and not configuration.reserve_connector_zero_supported:
        return ReservationStatus.REJECTED
    if request.connector >= len(charge_point.views):
        return ReservationStatus.REJECTED
    wanted = Reservation(
        request.reservation_id, request.connector, request.id_tag, request.expires_utc_s, request.parent_id_tag
    )
    status = charge_point.reservations.judge(wanted, _standing(charge_point))
    if status is ReservationStatus.ACCEPTED:
        charge_point.reservations.book(wanted)
    return status


# ---- what time and the connectors do ---------------------------------------------------------------------------------


def at_power_up(memory: ChargePointMemory) -> Reservations:
    """What was promised still is, and who was told to keep itself comes up doing so."""
    kept = {n: each.reservation for n, each in enumerate(memory.connectors, 1) if each.reservation is not None}
    return Reservations(memory.reservations, kept)


def tick(charge_point: ChargePoint, now: float) -> None:
    """End what has expired."""
    if now >= charge_point.reservations.due_at:
        charge_point.reservations.expire(charge_point.utc(now) + _SLACK_S)


def moved(charge_point: ChargePoint, report: StatusChanged) -> None:
    """A connector has another status."""
    reservations = charge_point.reservations
    if report.connector and (reservations.booked or reservations.kept):
        reservations.moved(report.connector, _standing(charge_point))


def settle(charge_point: ChargePoint, now: float) -> None:
    """Tell the connectors for whom they are kept from now on, and wake up when the next reservation expires.

    That instant is found anew each time, as the clock by which it expires may be set, or go wrong.
    """
    reservations = charge_point.reservations
    if not (reservations.booked or reservations.kept):
        reservations.due_at = math.inf
        return
    for connector, reservation in reservations.arrange(_standing(charge_point)):
        charge_point.order(connector, Release() if reservation is None else Reserve(reservation))
    reservations.due_at = now + max(0.0, reservations.next_expiry_utc_s - charge_point.utc(now))


def _standing(charge_point: ChargePoint) -> list[ConnectorStatus]:
    """What the connectors were last heard to be; one that is about to be used, or not heard of yet, isn't free."""
    standing = []
    for view in charge_point.views[1:]:
        status = ConnectorStatus.PREPARING if view.status is None else view.status.status
        if view.granted and status in (ConnectorStatus.AVAILABLE, ConnectorStatus.RESERVED):
            status = ConnectorStatus.PREPARING
        standing.append(status)
    return standing


# ---- what drivers do -------------------------------------------------------------------------------------------------


def used_by(charge_point: ChargePoint, report: TransactionStarted) -> int | None:
    """A transaction started: the reservation that it used up, for StartTransaction.req."""
    reservations = charge_point.reservations
    reservation_id = report.reservation_id
    if reservation_id is None:
        # Started by hand, without anybody having asked who it is.
        usable = reservations.usable(report.connector, report.id_tag, None)
        reservation_id = None if usable is None else usable.id
    reservations.use(report.connector, reservation_id)
    return reservation_id
