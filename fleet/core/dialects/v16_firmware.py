"""OCPP 1.6's firmware management in the house's words."""

from fleet.core.answers import Acknowledged, CentralAnswer, CentralRequest, DiagnosticsWanted, FilePlace, FirmwareWanted
from fleet.core.dialect import Said
from fleet.core.dialects.v16_values import utc_s
from fleet.ocpp import v16_firmware
from fleet.ocpp.converter import unstructure
from fleet.words import DiagnosticsStatus, FirmwareStatus


def request(request: object) -> CentralRequest | None:
    """A request of this profile; None if it is of another."""
    match request:
        case v16_firmware.GetDiagnosticsRequest():
            return DiagnosticsWanted(
                FilePlace(request.location, request.retries, request.retry_interval),
                utc_s(request.start_time),
                utc_s(request.stop_time),
            )
        case v16_firmware.UpdateFirmwareRequest():
            place = FilePlace(request.location, request.retries, request.retry_interval)
            return FirmwareWanted(place, request.retrieve_date.timestamp())
        case _:
            return None


def answer(response: object) -> CentralAnswer | None:
    """The answer to one of this profile's messages; None if it is of another."""
    match response:
        case v16_firmware.DiagnosticsStatusNotificationResponse() | v16_firmware.FirmwareStatusNotificationResponse():
            return Acknowledged()
        case _:
            return None


class Firmware16:
    """What a charge point says of its firmware and diagnostics."""

    def firmware_status(self, status: FirmwareStatus) -> Said:
        """A status that only signed firmware has is a ValueError."""
        unsigned = v16_firmware.UnsignedFirmwareStatus(status)
        return "FirmwareStatusNotification", unstructure(v16_firmware.FirmwareStatusNotificationRequest(unsigned))

    def diagnostics_status(self, status: DiagnosticsStatus) -> Said:
        request = v16_firmware.DiagnosticsStatusNotificationRequest(status)
        return "DiagnosticsStatusNotification", unstructure(request)

    def firmware_response(self) -> object:
        return v16_firmware.UpdateFirmwareResponse()

    def diagnostics_response(self, file_name: str | None) -> object:
        return v16_firmware.GetDiagnosticsResponse(file_name)
