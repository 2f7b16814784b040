"""The messages of three small OCPP 1.6 profiles: local authorisation list, reservation and remote trigger.

Written as those of Core are, in `v16`; sections are of OCPP 1.6 edition 2.
"""

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from fleet.ocpp.v16_types import AcceptedOrRejected, CiString20, ConnectorId, IdTagInfo
from fleet.words import ReservationStatus, TriggerStatus, UpdateKind, UpdateStatus

# ---- local authorisation list ----------------------------------------------------------------------------------------


@frozen
class AuthorizationData:
    """One entry of a local list (section 7.1); without `id_tag_info` a differential update takes the tag out."""

    id_tag: CiString20
    id_tag_info: IdTagInfo | None = None


@frozen
class GetLocalListVersionRequest:
    """Section 6.27."""


@frozen
class GetLocalListVersionResponse:
    """Section 6.28. 0: the list is empty; -1: there is no local list here at all."""

    list_version: int


@frozen
class SendLocalListRequest:
    """Section 6.41. `list_version` is the list's after the update; no entries in a full one empty the list."""

    list_version: int
    update_type: UpdateKind
    local_authorization_list: tuple[AuthorizationData, ...] | None = None


@frozen
class SendLocalListResponse:
    """Section 6.42."""

    status: UpdateStatus


# ---- reservation -----------------------------------------------------------------------------------------------------


@frozen
class CancelReservationRequest:
    """Section 6.5."""

    reservation_id: int


@frozen
class CancelReservationResponse:
    """Section 6.6."""

    status: AcceptedOrRejected


@frozen
class ReserveNowRequest:
    """Section 6.37. Connector 0: any connector. An id that is in use already replaces that reservation."""

    connector_id: ConnectorId
    expiry_date: datetime
    id_tag: CiString20
    reservation_id: int
    parent_id_tag: CiString20 | None = None


@frozen
class ReserveNowResponse:
    """Section 6.38."""

    status: ReservationStatus


# ---- remote trigger --------------------------------------------------------------------------------------------------


class MessageTrigger(StrEnum):
    """What can be triggered (section 7.32); `fleet.words.Trigger` less what came with the security extension."""

    BOOT_NOTIFICATION = "BootNotification"
    DIAGNOSTICS_STATUS_NOTIFICATION = "DiagnosticsStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    STATUS_NOTIFICATION = "StatusNotification"


@frozen
class TriggerMessageRequest:
    """Section 6.51. A connector that isn't there is answered Rejected, as section 5.17 has it: no error of form."""

    requested_message: MessageTrigger
    connector_id: int | None = None


@frozen
class TriggerMessageResponse:
    """Section 6.52."""

    status: TriggerStatus


FROM_CSMS: dict[str, tuple[type, type]] = {
    "CancelReservation": (CancelReservationRequest, CancelReservationResponse),
    "GetLocalListVersion": (GetLocalListVersionRequest, GetLocalListVersionResponse),
    "ReserveNow": (ReserveNowRequest, ReserveNowResponse),
    "SendLocalList": (SendLocalListRequest, SendLocalListResponse),
    "TriggerMessage": (TriggerMessageRequest, TriggerMessageResponse),
}
