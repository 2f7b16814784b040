"""The messages of OCPP 1.6's Firmware Management profile: updates, and diagnostics to be uploaded.

Written as those of Core are, in `v16`; sections are of OCPP 1.6 edition 2. A location is a URL that may hold a
password, so no error and no `repr` shows it.
"""

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from fleet.ocpp.v16_types import CiString255, Retries, Seconds, Url
from fleet.words import DiagnosticsStatus


class UnsignedFirmwareStatus(StrEnum):
    """How far an update is (section 7.25); `fleet.words.FirmwareStatus` less what came with signatures."""

    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOADING = "Downloading"
    IDLE = "Idle"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLING = "Installing"
    INSTALLED = "Installed"


# ---- from the charge point -------------------------------------------------------------------------------------------


@frozen
class DiagnosticsStatusNotificationRequest:
    """Section 6.17. Idle only when it was triggered and nothing is being uploaded."""

    status: DiagnosticsStatus


@frozen
class DiagnosticsStatusNotificationResponse:
    """Section 6.18."""


@frozen
class FirmwareStatusNotificationRequest:
    """Section 6.19. Idle only when it was triggered and nothing is being installed."""

    status: UnsignedFirmwareStatus


@frozen
class FirmwareStatusNotificationResponse:
    """Section 6.20."""


# ---- from the CSMS ---------------------------------------------------------------------------------------------------


@frozen
class GetDiagnosticsRequest:
    """Section 6.25. `location` is the folder to upload to; `start_time` and `stop_time` bound what is wanted."""

    location: Url = field(repr=False)
    retries: Retries | None = None
    retry_interval: Seconds | None = None
    start_time: datetime | None = None
    stop_time: datetime | None = None


@frozen
class GetDiagnosticsResponse:
    """Section 6.26: the file's name, or none where there is nothing to upload."""

    file_name: CiString255 | None = None


@frozen
class UpdateFirmwareRequest:
    """Section 6.55. `location` is the firmware's, to be downloaded at `retrieve_date` or later."""

    location: Url = field(repr=False)
    retrieve_date: datetime
    retries: Retries | None = None
    retry_interval: Seconds | None = None


@frozen
class UpdateFirmwareResponse:
    """Section 6.56."""


FROM_CHARGE_POINT: dict[str, tuple[type, type]] = {
    "DiagnosticsStatusNotification": (DiagnosticsStatusNotificationRequest, DiagnosticsStatusNotificationResponse),
    "FirmwareStatusNotification": (FirmwareStatusNotificationRequest, FirmwareStatusNotificationResponse),
}
FROM_CSMS: dict[str, tuple[type, type]] = {
    "GetDiagnostics": (GetDiagnosticsRequest, GetDiagnosticsResponse),
    "UpdateFirmware": (UpdateFirmwareRequest, UpdateFirmwareResponse),
}
