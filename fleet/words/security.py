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


class SecurityEvent(StrEnum):
    """What may happen to a charge point's security, as far as it can happen here (security whitepaper, section 8)."""

    FIRMWARE_UPDATED = "FirmwareUpdated"
    FAILED_TO_AUTHENTICATE_AT_CENTRAL_SYSTEM = "FailedToAuthenticateAtCentralSystem"
    CENTRAL_SYSTEM_FAILED_TO_AUTHENTICATE = "CentralSystemFailedToAuthenticate"
    SETTING_SYSTEM_TIME = "SettingSystemTime"
    STARTUP_OF_THE_DEVICE = "StartupOfTheDevice"
    RESET_OR_REBOOT = "ResetOrReboot"
    RECONFIGURATION_OF_SECURITY_PARAMETERS = "ReconfigurationOfSecurityParameters"
    INVALID_MESSAGES = "InvalidMessages"
    INVALID_FIRMWARE_SIGNATURE = "InvalidFirmwareSignature"
    INVALID_FIRMWARE_SIGNING_CERTIFICATE = "InvalidFirmwareSigningCertificate"
    INVALID_CENTRAL_SYSTEM_CERTIFICATE = "InvalidCentralSystemCertificate"
    INVALID_CHARGE_POINT_CERTIFICATE = "InvalidChargePointCertificate"
    INVALID_TLS_VERSION = "InvalidTLSVersion"
    INVALID_TLS_CIPHER_SUITE = "InvalidTLSCipherSuite"
