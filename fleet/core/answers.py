"""Answers and requests of the CSMS, in the house's words.

The dialect makes them from a protocol version's own messages, so that the charge-point machine knows no version.
Instants from the CSMS are UTC, in s since 1970.
"""

from attrs import frozen

from fleet.words import AuthorizationStatus, Availability, RegistrationStatus, ResetKind

# ---- answers to what we asked ----------------------------------------------------------------------------------------


@frozen
class IdTagInfo:
    """What the CSMS says of an id tag (OCPP 1.6 section 7.27)."""

    status: AuthorizationStatus
    parent_id_tag: str | None = None
    expires_utc_s: float | None = None


@frozen
class Booted:
    """BootNotification.conf."""

    status: RegistrationStatus
    interval_s: int
    utc_s: float


@frozen
class TimeTold:
    """Heartbeat.conf."""

    utc_s: float


@frozen
class IdTagJudged:
    """Authorize.conf."""

    info: IdTagInfo


@frozen
class TransactionAccepted:
    """StartTransaction.conf: the transaction exists, whatever `info` says of its id tag."""

    transaction_id: int
    info: IdTagInfo


@frozen
class TransactionClosed:
    """StopTransaction.conf."""

    info: IdTagInfo | None


@frozen
class Acknowledged:
    """An answer that says nothing: StatusNotification.conf, MeterValues.conf, DataTransfer.conf."""


CentralAnswer = Booted | TimeTold | IdTagJudged | TransactionAccepted | TransactionClosed | Acknowledged

# ---- requests of the CSMS --------------------------------------------------------------------------------------------


@frozen
class RemoteStart:
    """RemoteStartTransaction.req; without a connector the charge point chooses one."""

    id_tag: str
    connector: int | None = None


@frozen
class RemoteStop:
    """RemoteStopTransaction.req."""

    transaction_id: int


@frozen
class AvailabilityWanted:
    """ChangeAvailability.req; connector 0 is the whole charge point."""

    connector: int
    availability: Availability


@frozen
class KeyChange:
    """ChangeConfiguration.req."""

    key: str
    value: str


@frozen
class KeysWanted:
    """GetConfiguration.req; no names means all."""

    names: tuple[str, ...] = ()


@frozen
class CacheClearing:
    """ClearCache.req."""


@frozen
class ResetWanted:
    """Reset.req."""

    kind: ResetKind


@frozen
class UnlockWanted:
    """UnlockConnector.req."""

    connector: int


@frozen
class DataReceived:
    """DataTransfer.req from the CSMS."""

    vendor_id: str
    message_id: str | None = None
    data: str | None = None


CentralRequest = (
    RemoteStart
    | RemoteStop
    | AvailabilityWanted
    | KeyChange
    | KeysWanted
    | CacheClearing
    | ResetWanted
    | UnlockWanted
    | DataReceived
)
