"""OCPP 1.6's local authorisation list, reservation and remote trigger in the house's words."""

from fleet.core.answers import (
    CentralRequest,
    LocalListEntry,
    LocalListSent,
    LocalListVersionWanted,
    ReservationCancelled,
    ReservationWanted,
    TriggerWanted,
)
from fleet.core.dialects.v16_values import id_tag_info, yes_or_no
from fleet.ocpp import v16_local, v16_security
from fleet.words import ReservationStatus, Trigger, TriggerStatus, UpdateStatus


def request(request: object) -> CentralRequest | None:
    """A request of these profiles; None if it is of another."""
    match request:
        case v16_local.SendLocalListRequest():
            entries = request.local_authorization_list or ()
            return LocalListSent(request.list_version, request.update_type, tuple(map(_entry, entries)))
        case v16_local.GetLocalListVersionRequest():
            return LocalListVersionWanted()
        case v16_local.ReserveNowRequest():
            return ReservationWanted(
                request.connector_id,
                request.reservation_id,
                request.id_tag,
                request.expiry_date.timestamp(),
                request.parent_id_tag,
            )
        case v16_local.CancelReservationRequest():
            return ReservationCancelled(request.reservation_id)
        case v16_local.TriggerMessageRequest():
            return TriggerWanted(Trigger(request.requested_message), request.connector_id)
        case v16_security.ExtendedTriggerMessageRequest():
            return TriggerWanted(Trigger(request.requested_message), request.connector_id, extended=True)
        case _:
            return None


class LocalProfiles16:
    """What a charge point says of its local list, its reservations, and triggers."""

    def local_list_response(self, status: UpdateStatus) -> object:
        return v16_local.SendLocalListResponse(status)

    def local_list_version_response(self, version: int) -> object:
        return v16_local.GetLocalListVersionResponse(version)

    def reservation_response(self, status: ReservationStatus) -> object:
        return v16_local.ReserveNowResponse(status)

    def reservation_cancelled_response(self, accepted: bool) -> object:
        return v16_local.CancelReservationResponse(yes_or_no(accepted))

    def trigger_response(self, request: TriggerWanted, status: TriggerStatus) -> object:
        kind = v16_security.ExtendedTriggerMessageResponse if request.extended else v16_local.TriggerMessageResponse
        return kind(status)


def _entry(data: v16_local.AuthorizationData) -> LocalListEntry:
    return LocalListEntry(data.id_tag, None if data.id_tag_info is None else id_tag_info(data.id_tag_info))
