"""The security extension of OCPP 1.6 in the house's words; its ExtendedTriggerMessage is in `v16_local`."""

from collections.abc import Sequence

from fleet.core.answers import (
    Acknowledged,
    CentralAnswer,
    CentralRequest,
    CertificateHash,
    CertificateSent,
    CertificateSigned,
    CertificatesWanted,
    CertificateUnwanted,
    FilePlace,
    LogWanted,
    SignedFirmwareWanted,
    SigningAnswered,
)
from fleet.core.dialect import Said
from fleet.core.dialects.v16_values import instant, utc_s, yes_or_no
from fleet.ocpp import v16_security, v16_types
from fleet.ocpp.converter import unstructure
from fleet.words import FirmwareStatus
from fleet.words.security import DeleteStatus, InstallStatus, LogStatus, LogUploadStatus, SignedFirmwareAnswer

KIND_LENGTH_MAX, TECH_INFO_LENGTH_MAX = 50, 255


def request(request: object) -> CentralRequest | None:
    """A request of the extension; None if it is of something else."""
    match request:
        case v16_security.CertificateSignedRequest():
            return CertificateSigned(request.certificate_chain)
        case v16_security.InstallCertificateRequest():
            return CertificateSent(request.certificate_type, request.certificate)
        case v16_security.DeleteCertificateRequest(certificate_hash_data=data):
            return CertificateUnwanted(
                CertificateHash(data.hash_algorithm, data.issuer_name_hash, data.issuer_key_hash, data.serial_number)
            )
        case v16_security.GetInstalledCertificateIdsRequest():
            return CertificatesWanted(request.certificate_type)
        case v16_security.GetLogRequest(log=log):
            return LogWanted(
                request.log_type,
                request.request_id,
                FilePlace(log.remote_location, request.retries, request.retry_interval),
                utc_s(log.oldest_timestamp),
                utc_s(log.latest_timestamp),
            )
        case v16_security.SignedUpdateFirmwareRequest(firmware=firmware):
            return SignedFirmwareWanted(
                request.request_id,
                FilePlace(firmware.location, request.retries, request.retry_interval),
                firmware.retrieve_date_time.timestamp(),
                firmware.signing_certificate,
                firmware.signature,
                utc_s(firmware.install_date_time),
            )
        case _:
            return None


def answer(response: object) -> CentralAnswer | None:
    """The answer to one of the extension's messages; None if it is of something else."""
    match response:
        case v16_security.LogStatusNotificationResponse() | v16_security.SecurityEventNotificationResponse():
            return Acknowledged()
        case v16_security.SignedFirmwareStatusNotificationResponse():
            return Acknowledged()
        case v16_security.SignCertificateResponse(status=status):
            return SigningAnswered(status is v16_types.AcceptedOrRejected.ACCEPTED)
        case _:
            return None


class Security16:
    """What a charge point says of its certificates, its logs, its signed firmware, and what happened to it."""

    def security_event(self, kind: str, utc_s: float, tech_info: str | None = None) -> Said:
        """What doesn't fit the wire is cut off."""
        shown = None if tech_info is None else tech_info[:TECH_INFO_LENGTH_MAX]
        request = v16_security.SecurityEventNotificationRequest(kind[:KIND_LENGTH_MAX], instant(utc_s), shown)
        return "SecurityEventNotification", unstructure(request)

    def sign_certificate(self, csr: str) -> Said:
        return "SignCertificate", unstructure(v16_security.SignCertificateRequest(csr))

    def log_status(self, status: LogUploadStatus, request_id: int | None = None) -> Said:
        return "LogStatusNotification", unstructure(v16_security.LogStatusNotificationRequest(status, request_id))

    def signed_firmware_status(self, status: FirmwareStatus, request_id: int | None = None) -> Said:
        request = v16_security.SignedFirmwareStatusNotificationRequest(status, request_id)
        return "SignedFirmwareStatusNotification", unstructure(request)

    def certificate_signed_response(self, accepted: bool) -> object:
        return v16_security.CertificateSignedResponse(yes_or_no(accepted))

    def certificate_sent_response(self, status: InstallStatus) -> object:
        return v16_security.InstallCertificateResponse(status)

    def certificate_unwanted_response(self, status: DeleteStatus) -> object:
        return v16_security.DeleteCertificateResponse(status)

    def certificates_response(self, found: Sequence[CertificateHash]) -> object:
        """NotFound where there are none."""
        if not found:
            return v16_security.GetInstalledCertificateIdsResponse(v16_security.FoundStatus.NOT_FOUND)
        return v16_security.GetInstalledCertificateIdsResponse(
            v16_security.FoundStatus.ACCEPTED,
            tuple(
                v16_security.CertificateHashData(
                    each.algorithm, each.issuer_name_hash, each.issuer_key_hash, each.serial_number
                )
                for each in found
            ),
        )

    def log_response(self, status: LogStatus, file_name: str | None = None) -> object:
        return v16_security.GetLogResponse(status, file_name)

    def signed_firmware_response(self, status: SignedFirmwareAnswer) -> object:
        return v16_security.SignedUpdateFirmwareResponse(status)
