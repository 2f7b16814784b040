"""What the CSMS may ask of a charge point, and the answers (OCPP 1.6 section 5).

Every request is answered at once from what the charge point knows of its connectors; only UnlockConnector waits for
the connector itself, whose lock may fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.commands.vocabulary import StopTransaction, UnlockConnector
from fleet.core import (
    admission,
    charging_limits,
    instructions,
    maintenance,
    reconnection,
    service_local,
    service_reservation,
    trigger,
    views,
)
from fleet.core.answers import (
    AvailabilityWanted,
    CacheClearing,
    CentralRequest,
    DataReceived,
    KeyChange,
    KeysWanted,
    LocalListSent,
    LocalListVersionWanted,
    ProfilesCleared,
    ProfileSet,
    RemoteStart,
    RemoteStop,
    ReservationCancelled,
    ReservationWanted,
    ResetWanted,
    ScheduleWanted,
    TriggerWanted,
    UnlockWanted,
)
from fleet.core.reports import RemoteStartAccepted, RemoteStopAccepted
from fleet.words import (
    AvailabilityStatus,
    ConfigurationStatus,
    ConnectorStatus,
    DataTransferStatus,
    StopReason,
    UnlockStatus,
)

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint

STARTABLE = (
    ConnectorStatus.RESERVED,
    ConnectorStatus.PREPARING,
    ConnectorStatus.AVAILABLE,
    ConnectorStatus.FINISHING,
)
"""Where a remote start may begin, best first: what is kept for the id tag, then where a car already stands."""


def serve(charge_point: ChargePoint, message_id: str, request: CentralRequest, now: float) -> None:
    """Answer one request of the CSMS and do what it asks."""
    dialect = charge_point.dialect
    match request:
        case RemoteStart():
            _remote_start(charge_point, message_id, request, now)
        case RemoteStop():
            _remote_stop(charge_point, message_id, request, now)
        case AvailabilityWanted():
            _availability(charge_point, message_id, request, now)
        case KeyChange() if reconnection.concerns(request.key):
            reconnection.change(charge_point, message_id, request)
        case KeyChange():
            status = charge_point.configuration.change(request.key, request.value)
            charge_point.respond(message_id, dialect.key_change_response(status))
            if status is ConfigurationStatus.ACCEPTED:
                charge_point.configure(now)
        case KeysWanted():
            known, unknown = charge_point.configuration.items(request.names or None)
            charge_point.respond(message_id, dialect.keys_response(known, unknown))
        case CacheClearing():
            charge_point.respond(message_id, dialect.cache_response(charge_point.authorizer.clear()))
        case ResetWanted():
            charge_point.respond(message_id, dialect.reset_response(True))
            instructions.reset(charge_point, request.kind, now, answered=True)
        case UnlockWanted():
            _unlock(charge_point, message_id, request)
        case DataReceived():
            charge_point.respond(message_id, dialect.transfer_response(_transfer(charge_point, request)))
        case LocalListSent() | LocalListVersionWanted():
            service_local.serve(charge_point, message_id, request)
        case TriggerWanted():
            trigger.serve(charge_point, message_id, request, now)
        case ReservationWanted() | ReservationCancelled():
            service_reservation.serve(charge_point, message_id, request, now)
        case ProfileSet():
            charge_point.respond(message_id, dialect.profile_response(charging_limits.put(charge_point, request, now)))
            charging_limits.refresh(charge_point, now)
        case ProfilesCleared():
            found = charging_limits.clear(charge_point, request)
            charge_point.respond(message_id, dialect.profiles_cleared_response(found))
            charging_limits.refresh(charge_point, now)
        case ScheduleWanted():
            schedule = charging_limits.schedule(charge_point, request, now)
            charge_point.respond(message_id, dialect.schedule_response(request.connector, schedule))
        case _ if isinstance(request, maintenance.MaintenanceRequest):
            maintenance.serve(charge_point, message_id, request, now)
        case _:
            # The catalogue lets nothing in that isn't served: whoever lists an action in SERVED serves it here too.
            raise TypeError(f"nobody serves {type(request).__name__}")


def _remote_start(charge_point: ChargePoint, message_id: str, request: RemoteStart, now: float) -> None:
    welcome = charging_limits.acceptable(charge_point, request.profile, now)
    connector = _connector_for(charge_point, request) if welcome else None
    respond = charge_point.dialect.remote_start_response
    charge_point.respond(message_id, respond(connector is not None))
    if connector is None:
        return
    charge_point.observe(RemoteStartAccepted(connector, request.id_tag, now))
    views.granted(charge_point.views[connector])
    charging_limits.wish(charge_point, connector, request.id_tag, request.profile, now)
    admission.remote(charge_point, connector, request.id_tag, now)


def _connector_for(charge_point: ChargePoint, request: RemoteStart) -> int | None:
    """The connector that a remote start is for, None where none can take it."""
    if not charge_point.registration.accepted or charge_point.ending is not None:
        return None
    known = charge_point.views
    candidates: list[tuple[int, int]] = []
    numbers = range(1, len(known)) if request.connector is None else (request.connector,)
    for number in numbers:
        if not 1 <= number < len(known):
            return None
        view = known[number]
        status = None if view.status is None else view.status.status
        free = view.started is None and not view.granted
        # Where the car has gone, a cable that hangs in the socket has nothing to charge.
        kept = charge_point.reservations.at(number)
        free = free and (kept is None or kept.may_be_for(request.id_tag))
        if free and status in STARTABLE and (status is not ConnectorStatus.FINISHING or view.plugged):
            candidates.append((STARTABLE.index(status), number))
    return min(candidates)[1] if candidates else None


def _remote_stop(charge_point: ChargePoint, message_id: str, request: RemoteStop, now: float) -> None:
    bindings = charge_point.memory.outbox.bindings
    for connector, view in enumerate(charge_point.views):
        if view.started is not None and bindings.get(view.started.transaction) == request.transaction_id:
            charge_point.respond(message_id, charge_point.dialect.remote_stop_response(True))
            charge_point.observe(RemoteStopAccepted(connector, view.started.transaction, now))
            charge_point.order(connector, StopTransaction(StopReason.REMOTE))
            return
    charge_point.respond(message_id, charge_point.dialect.remote_stop_response(False))


def _availability(charge_point: ChargePoint, message_id: str, request: AvailabilityWanted, now: float) -> None:
    respond = charge_point.dialect.availability_response
    if not 0 <= request.connector < len(charge_point.views):
        charge_point.respond(message_id, respond(AvailabilityStatus.REJECTED))
        return
    # The response goes out before the StatusNotifications that the change causes.
    numbers = range(1, len(charge_point.views)) if request.connector == 0 else (request.connector,)
    running = any(charge_point.views[number].started is not None for number in numbers)
    scheduled = running and request.availability == "Inoperative"
    charge_point.respond(
        message_id, respond(AvailabilityStatus.SCHEDULED if scheduled else AvailabilityStatus.ACCEPTED)
    )
    charge_point.change_availability(request.connector, request.availability, now)


def _unlock(charge_point: ChargePoint, message_id: str, request: UnlockWanted) -> None:
    number = request.connector
    known = 1 <= number < len(charge_point.views)
    if not known or charge_point.plan.connectors[number - 1].fixed_cable:
        # Section 7.46: NotSupported for a connector that doesn't exist, or that has no lock to open.
        charge_point.respond(message_id, charge_point.dialect.unlock_response(UnlockStatus.NOT_SUPPORTED))
        return
    # Tokens from outside are positive, so the two never meet.
    token = min(charge_point.pending, default=0) - 1
    charge_point.pending[token] = message_id
    charge_point.order(number, UnlockConnector(), token)


def unlocked(charge_point: ChargePoint, message_id: str, refusal: str | None) -> None:
    """The connector said whether its lock opened."""
    status = UnlockStatus.UNLOCKED if refusal is None else UnlockStatus.UNLOCK_FAILED
    charge_point.respond(message_id, charge_point.dialect.unlock_response(status))


def _transfer(charge_point: ChargePoint, request: DataReceived) -> DataTransferStatus:
    """The charge point knows its own vendor's name, and no message of it (section 4.3)."""
    if request.vendor_id != charge_point.plan.vendor:
        return DataTransferStatus.UNKNOWN_VENDOR_ID
    return DataTransferStatus.ACCEPTED if request.message_id is None else DataTransferStatus.UNKNOWN_MESSAGE_ID
