"""The messages that the security extension adds to OCPP 1.6.

Written as those of Core are, in `v16`; sections are of the Open Charge Alliance's white paper "Improved security for
OCPP 1.6-J", whose messages are OCPP 2.0.1's. What 1.6 has in another form already got a new name: SignedUpdateFirmware,
ExtendedTriggerMessage.

Certificates, signing requests and signatures are PEM or base64 in strings, and public. A location is a URL that may
hold a password, so no error and no `repr` shows it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from attrs import field, frozen

from fleet.ocpp.converter import Concealed, MaxLength, MinItems
from fleet.ocpp.v16_types import AcceptedOrRejected, CiString50, CiString255, Retries, Seconds
from fleet.words import FirmwareStatus, TriggerStatus
from fleet.words.security import (
    CertificateUse,
    DeleteStatus,
    HashAlgorithm,
    InstallStatus,
    LogKind,
    LogStatus,
    LogUploadStatus,
    SignedFirmwareAnswer,
)

CiString40 = Annotated[str, MaxLength(40)]
CiString128 = Annotated[str, MaxLength(128)]
Pem = Annotated[str, MaxLength(5500)]
"""One certificate, or a request for one."""
PemChain = Annotated[str, MaxLength(10000)]
"""A certificate and those that signed it, the charge point's own first."""
RemoteLocation = Annotated[str, MaxLength(512), Concealed()]

# ---- what they are made of -------------------------------------------------------------------------------------------


class ExtendedMessageTrigger(StrEnum):
    """What ExtendedTriggerMessage can ask for (MessageTriggerEnumType): no DiagnosticsStatusNotification any more."""

    BOOT_NOTIFICATION = "BootNotification"
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    SIGN_CHARGE_POINT_CERTIFICATE = "SignChargePointCertificate"
    STATUS_NOTIFICATION = "StatusNotification"


class FoundStatus(StrEnum):
    """Is any such certificate installed? (GetInstalledCertificateStatusEnumType)"""

    ACCEPTED = "Accepted"
    NOT_FOUND = "NotFound"


@frozen
class CertificateHashData:
    """What names a certificate without showing it (CertificateHashDataType); hashes and serial number in hex."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: CiString128
    issuer_key_hash: CiString128
    serial_number: CiString40


@frozen
class Firmware:
    """Firmware to come, and the signature over it (FirmwareType)."""

    location: RemoteLocation = field(repr=False)
    retrieve_date_time: datetime
    signing_certificate: Pem
    signature: Annotated[str, MaxLength(800)]
    install_date_time: datetime | None = None


@frozen
class LogParameters:
    """Where a log is to go, and from when to when it is wanted (LogParametersType)."""

    remote_location: RemoteLocation = field(repr=False)
    oldest_timestamp: datetime | None = None
    latest_timestamp: datetime | None = None


# ---- from the charge point -------------------------------------------------------------------------------------------


@frozen
class LogStatusNotificationRequest:
    """Section 5.13. `request_id` is GetLog's; it is left out only when triggered with nothing under way."""

    status: LogUploadStatus
    request_id: int | None = None


@frozen
class LogStatusNotificationResponse:
    """Section 5.14."""


@frozen
class SecurityEventNotificationRequest:
    """Section 5.15. `type` is one of the white paper's security events, or a vendor's own."""

    type: CiString50
    timestamp: datetime
    tech_info: CiString255 | None = None


@frozen
class SecurityEventNotificationResponse:
    """Section 5.16."""


@frozen
class SignCertificateRequest:
    """Section 5.17: a certificate signing request (PKCS #10, in PEM)."""

    csr: Pem


@frozen
class SignCertificateResponse:
    """Section 5.18. The certificate itself comes later, by CertificateSigned."""

    status: AcceptedOrRejected


@frozen
class SignedFirmwareStatusNotificationRequest:
    """Section 5.19. `request_id` is SignedUpdateFirmware's; left out only when triggered with nothing under way."""

    status: FirmwareStatus
    request_id: int | None = None


@frozen
class SignedFirmwareStatusNotificationResponse:
    """Section 5.20."""


# ---- from the CSMS ---------------------------------------------------------------------------------------------------


@frozen
class CertificateSignedRequest:
    """Section 5.1."""

    certificate_chain: PemChain


@frozen
class CertificateSignedResponse:
    """Section 5.2."""

    status: AcceptedOrRejected


@frozen
class DeleteCertificateRequest:
    """Section 5.3."""

    certificate_hash_data: CertificateHashData


@frozen
class DeleteCertificateResponse:
    """Section 5.4."""

    status: DeleteStatus


@frozen
class ExtendedTriggerMessageRequest:
    """Section 5.5."""

    requested_message: ExtendedMessageTrigger
    connector_id: int | None = None


@frozen
class ExtendedTriggerMessageResponse:
    """Section 5.6."""

    status: TriggerStatus


@frozen
class GetInstalledCertificateIdsRequest:
    """Section 5.7."""

    certificate_type: CertificateUse


@frozen
class GetInstalledCertificateIdsResponse:
    """Section 5.8."""

    status: FoundStatus
    certificate_hash_data: Annotated[tuple[CertificateHashData, ...], MinItems(1)] | None = None


@frozen
class GetLogRequest:
    """Section 5.9."""

    log: LogParameters
    log_type: LogKind
    request_id: int
    retries: Retries | None = None
    retry_interval: Seconds | None = None


@frozen
class GetLogResponse:
    """Section 5.10."""

    status: LogStatus
    filename: CiString255 | None = None


@frozen
class InstallCertificateRequest:
    """Section 5.11."""

    certificate_type: CertificateUse
    certificate: Pem


@frozen
class InstallCertificateResponse:
    """Section 5.12."""

    status: InstallStatus


@frozen
class SignedUpdateFirmwareRequest:
    """Section 5.21."""

    request_id: int
    firmware: Firmware
    retries: Retries | None = None
    retry_interval: Seconds | None = None


@frozen
class SignedUpdateFirmwareResponse:
    """Section 5.22."""

    status: SignedFirmwareAnswer


FROM_CHARGE_POINT: dict[str, tuple[type, type]] = {
    "LogStatusNotification": (LogStatusNotificationRequest, LogStatusNotificationResponse),
    "SecurityEventNotification": (SecurityEventNotificationRequest, SecurityEventNotificationResponse),
    "SignCertificate": (SignCertificateRequest, SignCertificateResponse),
    "SignedFirmwareStatusNotification": (
        SignedFirmwareStatusNotificationRequest,
        SignedFirmwareStatusNotificationResponse,
    ),
}
FROM_CSMS: dict[str, tuple[type, type]] = {
    "CertificateSigned": (CertificateSignedRequest, CertificateSignedResponse),
    "DeleteCertificate": (DeleteCertificateRequest, DeleteCertificateResponse),
    "ExtendedTriggerMessage": (ExtendedTriggerMessageRequest, ExtendedTriggerMessageResponse),
    "GetInstalledCertificateIds": (GetInstalledCertificateIdsRequest, GetInstalledCertificateIdsResponse),
    "GetLog": (GetLogRequest, GetLogResponse),
    "InstallCertificate": (InstallCertificateRequest, InstallCertificateResponse),
    "SignedUpdateFirmware": (SignedUpdateFirmwareRequest, SignedUpdateFirmwareResponse),
}
