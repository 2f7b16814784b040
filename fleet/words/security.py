"""The nouns that only the security whitepaper has: logs, signed firmware and certificates.

"Improved security for OCPP 1.6-J" names the type of each set; what it adds to a set of OCPP 1.6 itself (`Trigger`,
`FirmwareStatus`) is there.
"""

from enum import StrEnum


class LogKind(StrEnum):
    """Which log the CSMS wants (security whitepaper, LogEnumType)."""

    DIAGNOSTICS_LOG = "DiagnosticsLog"
    SECURITY_LOG = "SecurityLog"


class LogStatus(StrEnum):
    """The answer to GetLog (security whitepaper, LogStatusEnumType)."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    ACCEPTED_CANCELED = "AcceptedCanceled"


class LogUploadStatus(StrEnum):
    """How far an upload of a log is (security whitepaper, UploadLogStatusEnumType)."""

    BAD_MESSAGE = "BadMessage"
    IDLE = "Idle"
    NOT_SUPPORTED_OPERATION = "NotSupportedOperation"
    PERMISSION_DENIED = "PermissionDenied"
    UPLOADED = "Uploaded"
    UPLOAD_FAILURE = "UploadFailure"
    UPLOADING = "Uploading"


class SignedFirmwareAnswer(StrEnum):
    """The answer to SignedUpdateFirmware (security whitepaper, UpdateFirmwareStatusEnumType)."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    ACCEPTED_CANCELED = "AcceptedCanceled"
    INVALID_CERTIFICATE = "InvalidCertificate"
    REVOKED_CERTIFICATE = "RevokedCertificate"


class CertificateUse(StrEnum):
    """Whom a root certificate vouches for (security whitepaper, CertificateUseEnumType)."""

    CENTRAL_SYSTEM_ROOT = "CentralSystemRootCertificate"
    MANUFACTURER_ROOT = "ManufacturerRootCertificate"


class HashAlgorithm(StrEnum):
    """How the hashes were made that a certificate is known by (security whitepaper, HashAlgorithmEnumType)."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


class InstallStatus(StrEnum):
    """The answer to InstallCertificate (security whitepaper, CertificateStatusEnumType)."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    REJECTED = "Rejected"


class DeleteStatus(StrEnum):
    """The answer to DeleteCertificate (security whitepaper, DeleteCertificateStatusEnumType)."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_FOUND = "NotFound"
