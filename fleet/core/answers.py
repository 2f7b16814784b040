"""Answers and requests of the CSMS, in the house's words.

The dialect makes them from a protocol version's own messages, so that the charge-point machine knows no version.
Instants from the CSMS are UTC, in s since 1970.
"""

from attrs import field, frozen

from fleet.core.profiles import Profile
from fleet.words import (
    AuthorizationStatus,
    Availability,
    ChargingProfilePurpose,
    ChargingRateUnit,
    RegistrationStatus,
    ResetKind,
    Trigger,
    UpdateKind,
)
from fleet.words.security import CertificateUse, HashAlgorithm, LogKind

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
    """An answer that says nothing, or nothing we act on: that of every notification, MeterValues and DataTransfer."""


@frozen
class SigningAnswered:
    """SignCertificate.conf: whether a certificate will come, by `CertificateSigned`."""

    accepted: bool


CentralAnswer = (
    Booted | TimeTold | IdTagJudged | TransactionAccepted | TransactionClosed | Acknowledged | SigningAnswered
)

# ---- requests of the CSMS: Core --------------------------------------------------------------------------------------


@frozen
class RemoteStart:
    """RemoteStartTransaction.req; without a connector the charge point chooses one."""

    id_tag: str
    connector: int | None = None
    profile: Profile | None = None


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
    value: str = field(repr=False)  # of AuthorizationKey it is the password


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


# ---- local authorisation list, reservation, remote trigger -----------------------------------------------------------


@frozen
class LocalListEntry:
    """What the local list is to say of an id tag; in a differential update None takes the tag out of it."""

    id_tag: str
    info: IdTagInfo | None


@frozen
class LocalListSent:
    """SendLocalList.req; `version` is the list's after the update. Not yet known to be sound (section 5.15)."""

    version: int
    kind: UpdateKind
    entries: tuple[LocalListEntry, ...] = ()


@frozen
class LocalListVersionWanted:
    """GetLocalListVersion.req."""


@frozen
class ReservationWanted:
    """ReserveNow.req; connector 0 is any connector."""

    connector: int
    reservation_id: int
    id_tag: str
    expires_utc_s: float
    parent_id_tag: str | None = None


@frozen
class ReservationCancelled:
    """CancelReservation.req."""

    reservation_id: int


@frozen
class TriggerWanted:
    """TriggerMessage.req, or with `extended` ExtendedTriggerMessage.req, whose response is another."""

    message: Trigger
    connector: int | None = None
    extended: bool = False


# ---- smart charging --------------------------------------------------------------------------------------------------


@frozen
class ProfileSet:
    """SetChargingProfile.req. Not yet known to be sound (section 5.16); connector 0 is the charge point."""

    connector: int
    profile: Profile


@frozen
class ProfilesCleared:
    """ClearChargingProfile.req: every profile of which all that is given is true; nothing given means all."""

    profile_id: int | None = None
    connector: int | None = None
    purpose: ChargingProfilePurpose | None = None
    stack_level: int | None = None


@frozen
class ScheduleWanted:
    """GetCompositeSchedule.req: from now on for `duration_s`; without a unit the charge point chooses one."""

    connector: int
    duration_s: int
    unit: ChargingRateUnit | None = None


# ---- firmware, diagnostics, logs -------------------------------------------------------------------------------------


@frozen
class FilePlace:
    """Where a file is, or is to go, and how often to try again and how far apart; None leaves that to us.

    The URL may hold a password: it belongs in no log, trace or error.
    """

    url: str = field(repr=False)
    retries: int | None = None
    retry_interval_s: int | None = None


@frozen
class DiagnosticsWanted:
    """GetDiagnostics.req: `place` is a folder; what is wanted is from `oldest_utc_s` to `latest_utc_s`."""

    place: FilePlace
    oldest_utc_s: float | None = None
    latest_utc_s: float | None = None


@frozen
class FirmwareWanted:
    """UpdateFirmware.req: to be downloaded at `retrieve_utc_s` or later."""

    place: FilePlace
    retrieve_utc_s: float


@frozen
class LogWanted:
    """GetLog.req; `request_id` goes into every LogStatusNotification about it."""

    kind: LogKind
    request_id: int
    place: FilePlace
    oldest_utc_s: float | None = None
    latest_utc_s: float | None = None


@frozen
class SignedFirmwareWanted:
    """SignedUpdateFirmware.req; `request_id` goes into every SignedFirmwareStatusNotification about it.

    `certificate` is PEM, that of whoever signed; `signature` is base64, over the whole file. Neither has been verified.
    Without `install_utc_s` it may be installed as soon as it is there.
    """

    request_id: int
    place: FilePlace
    retrieve_utc_s: float
    certificate: str
    signature: str
    install_utc_s: float | None = None


# ---- certificates ----------------------------------------------------------------------------------------------------


@frozen
class CertificateHash:
    """What names a certificate: hashes of its issuer's name and key, and its serial number; all in hex."""

    algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


@frozen
class CertificateSigned:
    """CertificateSigned.req: a PEM chain, the charge point's new certificate first. Not yet verified."""

    chain: str


@frozen
class CertificateSent:
    """InstallCertificate.req: a root certificate in PEM. Not yet verified."""

    use: CertificateUse
    certificate: str


@frozen
class CertificateUnwanted:
    """DeleteCertificate.req."""

    certificate: CertificateHash


@frozen
class CertificatesWanted:
    """GetInstalledCertificateIds.req."""

    use: CertificateUse


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
    | LocalListSent
    | LocalListVersionWanted
    | ReservationWanted
    | ReservationCancelled
    | TriggerWanted
    | ProfileSet
    | ProfilesCleared
    | ScheduleWanted
    | DiagnosticsWanted
    | FirmwareWanted
    | LogWanted
    | SignedFirmwareWanted
    | CertificateSigned
    | CertificateSent
    | CertificateUnwanted
    | CertificatesWanted
)
