"""The messages of the OCPP 1.6 Core profile, one frozen class each, and the catalogue that finds all by action.

Each class cites its section of OCPP 1.6 edition 2. Fields stand in the specification's order, required ones first;
a field that may be absent is None then. The other profiles' messages are in `v16_local`, `v16_charging` and
`v16_firmware`, those of the security extension in `v16_security`.

Charge point and CSMS look at the same messages from two sides, hence two catalogues: what one calls, the other serves.
Not everybody serves everything: `Catalogue16.serving` is a catalogue that knows all and serves less.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated

from attrs import evolve, field, frozen

from fleet.ocpp import v16_charging, v16_firmware, v16_local, v16_security
from fleet.ocpp.converter import Concealed, MinItems, structure
from fleet.ocpp.errors import CallErrorCode, PayloadError
from fleet.ocpp.v16_types import (
    AcceptedOrRejected,
    ChargingProfile,
    CiString20,
    CiString25,
    CiString50,
    CiString255,
    CiString500,
    ConnectorId,
    IdTagInfo,
    KeyValue,
    MeterValue,
    OneConnectorId,
    Seconds,
)
from fleet.words import (
    Availability,
    AvailabilityStatus,
    ConfigurationStatus,
    ConnectorStatus,
    DataTransferStatus,
    ErrorCode,
    RegistrationStatus,
    ResetKind,
    StopReason,
    UnlockStatus,
)

# ---- from the charge point -------------------------------------------------------------------------------------------


@frozen
class AuthorizeRequest:
    """May this id tag charge? (section 6.1)"""

    id_tag: CiString20


@frozen
class AuthorizeResponse:
    """Section 6.2."""

    id_tag_info: IdTagInfo


@frozen
class BootNotificationRequest:
    """Who we are, after every boot (section 6.3)."""

    charge_point_vendor: CiString20
    charge_point_model: CiString20
    charge_point_serial_number: CiString25 | None = None
    charge_box_serial_number: CiString25 | None = None
    firmware_version: CiString50 | None = None
    iccid: CiString20 | None = None
    imsi: CiString20 | None = None
    meter_type: CiString25 | None = None
    meter_serial_number: CiString25 | None = None


@frozen
class BootNotificationResponse:
    """Section 6.4. `interval` in s: the heartbeat interval when Accepted, else how long to wait before asking again."""

    status: RegistrationStatus
    current_time: datetime
    interval: Seconds


@frozen
class HeartbeatRequest:
    """Section 6.29."""


@frozen
class HeartbeatResponse:
    """Section 6.30."""

    current_time: datetime


@frozen
class MeterValuesRequest:
    """Section 6.31."""

    connector_id: ConnectorId
    meter_value: Annotated[tuple[MeterValue, ...], MinItems(1)]
    transaction_id: int | None = None


@frozen
class MeterValuesResponse:
    """Section 6.32."""


@frozen
class StartTransactionRequest:
    """Section 6.45. `meter_start` in Wh."""

    connector_id: OneConnectorId
    id_tag: CiString20
    meter_start: int
    timestamp: datetime
    reservation_id: int | None = None


@frozen
class StartTransactionResponse:
    """Section 6.46: the transaction's id, which only the CSMS gives."""

    id_tag_info: IdTagInfo
    transaction_id: int


@frozen
class StatusNotificationRequest:
    """Section 6.47."""

    connector_id: ConnectorId
    error_code: ErrorCode
    status: ConnectorStatus
    info: CiString50 | None = None
    timestamp: datetime | None = None
    vendor_id: CiString255 | None = None
    vendor_error_code: CiString50 | None = None


@frozen
class StatusNotificationResponse:
    """Section 6.48."""


@frozen
class StopTransactionRequest:
    """Section 6.49. `meter_stop` in Wh."""

    meter_stop: int
    timestamp: datetime
    transaction_id: int
    id_tag: CiString20 | None = None
    reason: StopReason | None = None
    transaction_data: tuple[MeterValue, ...] | None = None


@frozen
class StopTransactionResponse:
    """Section 6.50; nothing is said of an id tag that was not given."""

    id_tag_info: IdTagInfo | None = None


# ---- from the CSMS ---------------------------------------------------------------------------------------------------


@frozen
class ChangeAvailabilityRequest:
    """Section 6.7."""

    connector_id: ConnectorId
    type: Availability


@frozen
class ChangeAvailabilityResponse:
    """Section 6.8."""

    status: AvailabilityStatus


@frozen
class ChangeConfigurationRequest:
    """Section 6.9."""

    key: CiString50
    value: Annotated[CiString500, Concealed()] = field(repr=False)  # of AuthorizationKey it is the password


@frozen
class ChangeConfigurationResponse:
    """Section 6.10."""

    status: ConfigurationStatus


@frozen
class ClearCacheRequest:
    """Section 6.11."""


@frozen
class ClearCacheResponse:
    """Section 6.12."""

    status: AcceptedOrRejected


@frozen
class GetConfigurationRequest:
    """Section 6.23. No keys, or an empty list: all of them."""

    key: tuple[CiString50, ...] | None = None


@frozen
class GetConfigurationResponse:
    """Section 6.24."""

    configuration_key: tuple[KeyValue, ...] | None = None
    unknown_key: tuple[CiString50, ...] | None = None


@frozen
class RemoteStartTransactionRequest:
    """Section 6.33. Without a connector the charge point chooses one; one that isn't there is answered Rejected."""

    id_tag: CiString20
    connector_id: int | None = None
    charging_profile: ChargingProfile | None = None


@frozen
class RemoteStartTransactionResponse:
    """Section 6.34."""

    status: AcceptedOrRejected


@frozen
class RemoteStopTransactionRequest:
    """Section 6.35."""

    transaction_id: int


@frozen
class RemoteStopTransactionResponse:
    """Section 6.36."""

    status: AcceptedOrRejected


@frozen
class ResetRequest:
    """Section 6.39."""

    type: ResetKind


@frozen
class ResetResponse:
    """Section 6.40."""

    status: AcceptedOrRejected


@frozen
class UnlockConnectorRequest:
    """Section 6.53. A connector that isn't there is answered NotSupported (section 7.46)."""

    connector_id: int


@frozen
class UnlockConnectorResponse:
    """Section 6.54."""

    status: UnlockStatus


# ---- from either -----------------------------------------------------------------------------------------------------


@frozen
class DataTransferRequest:
    """Whatever a vendor needs beyond the specification (section 6.15)."""

    vendor_id: CiString255
    message_id: CiString50 | None = None
    data: str | None = None


@frozen
class DataTransferResponse:
    """Section 6.16."""

    status: DataTransferStatus
    data: str | None = None


# ---- the catalogue ---------------------------------------------------------------------------------------------------

_FROM_CHARGE_POINT: dict[str, tuple[type, type]] = {
    "Authorize": (AuthorizeRequest, AuthorizeResponse),
    "BootNotification": (BootNotificationRequest, BootNotificationResponse),
    "DataTransfer": (DataTransferRequest, DataTransferResponse),
    "Heartbeat": (HeartbeatRequest, HeartbeatResponse),
    "MeterValues": (MeterValuesRequest, MeterValuesResponse),
    "StartTransaction": (StartTransactionRequest, StartTransactionResponse),
    "StatusNotification": (StatusNotificationRequest, StatusNotificationResponse),
    "StopTransaction": (StopTransactionRequest, StopTransactionResponse),
    **v16_firmware.FROM_CHARGE_POINT,
    **v16_security.FROM_CHARGE_POINT,
}
_FROM_CSMS: dict[str, tuple[type, type]] = {
    "ChangeAvailability": (ChangeAvailabilityRequest, ChangeAvailabilityResponse),
    "ChangeConfiguration": (ChangeConfigurationRequest, ChangeConfigurationResponse),
    "ClearCache": (ClearCacheRequest, ClearCacheResponse),
    "DataTransfer": (DataTransferRequest, DataTransferResponse),
    "GetConfiguration": (GetConfigurationRequest, GetConfigurationResponse),
    "RemoteStartTransaction": (RemoteStartTransactionRequest, RemoteStartTransactionResponse),
    "RemoteStopTransaction": (RemoteStopTransactionRequest, RemoteStopTransactionResponse),
    "Reset": (ResetRequest, ResetResponse),
    "UnlockConnector": (UnlockConnectorRequest, UnlockConnectorResponse),
    **v16_charging.FROM_CSMS,
    **v16_firmware.FROM_CSMS,
    **v16_local.FROM_CSMS,
    **v16_security.FROM_CSMS,
}
_ACTIONS = {request: action for table in (_FROM_CHARGE_POINT, _FROM_CSMS) for action, (request, _) in table.items()}


@frozen
class Catalogue16:
    """OCPP 1.6 as one side sees it: the actions it serves and those it calls, by name (request, response)."""

    served: Mapping[str, tuple[type, type]]
    called: Mapping[str, tuple[type, type]]
    names: frozenset[str] = frozenset({*_FROM_CHARGE_POINT, *_FROM_CSMS})

    def serving(self, actions: Collection[str]) -> "Catalogue16":
        """The same catalogue for somebody who serves these actions only; the others are answered NotSupported.

        An action that this side can't serve at all is a KeyError.
        """
        return evolve(self, served={action: self.served[action] for action in actions})

    def request(self, action: str, payload: object) -> object:
        """Read a CALL that came in.

        Raises `PayloadError`: NotImplemented for an action that OCPP 1.6 does not know, NotSupported for one that it
        knows but that is not served on this side, and what `structure` says of the payload.
        """
        kinds = self.served.get(action)
        if kinds is None:
            if action in self.names:
                raise PayloadError(CallErrorCode.NOT_SUPPORTED, f"{action} is not served here")
            raise PayloadError(CallErrorCode.NOT_IMPLEMENTED, f"no action {action[:50]!r} in OCPP 1.6")
        return structure(payload, kinds[0])

    def response(self, action: str, payload: object) -> object:
        """Read the answer to a CALL of ours. Raises `PayloadError`; an action that we never call is a KeyError."""
        return structure(payload, self.called[action][1])

    def action_of(self, request: object) -> str:
        """The action that a request asks for; a KeyError for anything that is no request."""
        return _ACTIONS[type(request)]


CATALOGUE = Catalogue16(served=_FROM_CSMS, called=_FROM_CHARGE_POINT)
"""A charge point's: all that one may be asked."""
CENTRAL_CATALOGUE = Catalogue16(served=_FROM_CHARGE_POINT, called=_FROM_CSMS)
"""A CSMS's."""
