"""The field's nouns: the value sets that OCPP names and everybody here says the same way.

Values are OCPP 1.6's own words (edition 2, section 7), so that logs, configuration files, shell lines and frames all
read alike. A later protocol version maps its words onto these in its dialect. Those that the security whitepaper
alone has are in `words.security`.
"""

from enum import StrEnum


class ConnectorStatus(StrEnum):
    """The nine statuses of a connector (OCPP 1.6 section 7.7, ChargePointStatus)."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class ErrorCode(StrEnum):
    """ChargePointErrorCode (OCPP 1.6 section 7.6)."""

    NO_ERROR = "NoError"
    CONNECTOR_LOCK_FAILURE = "ConnectorLockFailure"
    EV_COMMUNICATION_ERROR = "EVCommunicationError"
    GROUND_FAILURE = "GroundFailure"
    HIGH_TEMPERATURE = "HighTemperature"
    INTERNAL_ERROR = "InternalError"
    LOCAL_LIST_CONFLICT = "LocalListConflict"
    OTHER_ERROR = "OtherError"
    OVER_CURRENT_FAILURE = "OverCurrentFailure"
    OVER_VOLTAGE = "OverVoltage"
    POWER_METER_FAILURE = "PowerMeterFailure"
    POWER_SWITCH_FAILURE = "PowerSwitchFailure"
    READER_FAILURE = "ReaderFailure"
    RESET_FAILURE = "ResetFailure"
    UNDER_VOLTAGE = "UnderVoltage"
    WEAK_SIGNAL = "WeakSignal"


class StopReason(StrEnum):
    """Why a transaction ended (OCPP 1.6 section 7.36, Reason)."""

    DE_AUTHORIZED = "DeAuthorized"
    EMERGENCY_STOP = "EmergencyStop"
    EV_DISCONNECTED = "EVDisconnected"
    HARD_RESET = "HardReset"
    LOCAL = "Local"
    OTHER = "Other"
    POWER_LOSS = "PowerLoss"
    REBOOT = "Reboot"
    REMOTE = "Remote"
    SOFT_RESET = "SoftReset"
    UNLOCK_COMMAND = "UnlockCommand"


class RegistrationStatus(StrEnum):
    """The answer to BootNotification (OCPP 1.6 section 7.38)."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class AuthorizationStatus(StrEnum):
    """What an id tag is worth (OCPP 1.6 section 7.2)."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT_TX = "ConcurrentTx"


class Availability(StrEnum):
    """Operative or inoperative (OCPP 1.6 section 7.4, AvailabilityType)."""

    OPERATIVE = "Operative"
    INOPERATIVE = "Inoperative"


class ResetKind(StrEnum):
    """Soft or hard (OCPP 1.6 section 7.42, ResetType)."""

    HARD = "Hard"
    SOFT = "Soft"


class ReadingContext(StrEnum):
    """Why a meter value was taken (OCPP 1.6 section 7.35)."""

    INTERRUPTION_BEGIN = "Interruption.Begin"
    INTERRUPTION_END = "Interruption.End"
    OTHER = "Other"
    SAMPLE_CLOCK = "Sample.Clock"
    SAMPLE_PERIODIC = "Sample.Periodic"
    TRANSACTION_BEGIN = "Transaction.Begin"
    TRANSACTION_END = "Transaction.End"
    TRIGGER = "Trigger"


class Measurand(StrEnum):
    """What a sampled value measures (OCPP 1.6 section 7.31)."""

    CURRENT_EXPORT = "Current.Export"
    CURRENT_IMPORT = "Current.Import"
    CURRENT_OFFERED = "Current.Offered"
    ENERGY_ACTIVE_EXPORT_REGISTER = "Energy.Active.Export.Register"
    ENERGY_ACTIVE_IMPORT_REGISTER = "Energy.Active.Import.Register"
    ENERGY_REACTIVE_EXPORT_REGISTER = "Energy.Reactive.Export.Register"
    ENERGY_REACTIVE_IMPORT_REGISTER = "Energy.Reactive.Import.Register"
    ENERGY_ACTIVE_EXPORT_INTERVAL = "Energy.Active.Export.Interval"
    ENERGY_ACTIVE_IMPORT_INTERVAL = "Energy.Active.Import.Interval"
    ENERGY_REACTIVE_EXPORT_INTERVAL = "Energy.Reactive.Export.Interval"
    ENERGY_REACTIVE_IMPORT_INTERVAL = "Energy.Reactive.Import.Interval"
    FREQUENCY = "Frequency"
    POWER_ACTIVE_EXPORT = "Power.Active.Export"
    POWER_ACTIVE_IMPORT = "Power.Active.Import"
    POWER_FACTOR = "Power.Factor"
    POWER_OFFERED = "Power.Offered"
    POWER_REACTIVE_EXPORT = "Power.Reactive.Export"
    POWER_REACTIVE_IMPORT = "Power.Reactive.Import"
    RPM = "RPM"
    SOC = "SoC"
    TEMPERATURE = "Temperature"
    VOLTAGE = "Voltage"


class Phase(StrEnum):
    """On which phase a value was measured (OCPP 1.6 section 7.34)."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    N = "N"
    L1_N = "L1-N"
    L2_N = "L2-N"
    L3_N = "L3-N"
    L1_L2 = "L1-L2"
    L2_L3 = "L2-L3"
    L3_L1 = "L3-L1"


class Unit(StrEnum):
    """Units of sampled values (OCPP 1.6 section 7.45); Celsius is spelled as the specification spells it."""

    WH = "Wh"
    KWH = "kWh"
    VARH = "varh"
    KVARH = "kvarh"
    W = "W"
    KW = "kW"
    VA = "VA"
    KVA = "kVA"
    VAR = "var"
    KVAR = "kvar"
    A = "A"
    V = "V"
    CELSIUS = "Celsius"
    FAHRENHEIT = "Fahrenheit"
    K = "K"
    PERCENT = "Percent"


class Location(StrEnum):
    """Where a value was measured (OCPP 1.6 section 7.30)."""

    BODY = "Body"
    CABLE = "Cable"
    EV = "EV"
    INLET = "Inlet"
    OUTLET = "Outlet"


class ConfigurationStatus(StrEnum):
    """The answer to ChangeConfiguration (OCPP 1.6 section 7.22)."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    REBOOT_REQUIRED = "RebootRequired"
    NOT_SUPPORTED = "NotSupported"


class AvailabilityStatus(StrEnum):
    """The answer to ChangeAvailability (OCPP 1.6 section 7.3)."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    SCHEDULED = "Scheduled"


class UnlockStatus(StrEnum):
    """The answer to UnlockConnector (OCPP 1.6 section 7.46)."""

    UNLOCKED = "Unlocked"
    UNLOCK_FAILED = "UnlockFailed"
    NOT_SUPPORTED = "NotSupported"


class DataTransferStatus(StrEnum):
    """The answer to DataTransfer (OCPP 1.6 section 7.23)."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN_MESSAGE_ID = "UnknownMessageId"
    UNKNOWN_VENDOR_ID = "UnknownVendorId"


# ---- local authorisation list, reservations, remote trigger ----------------------------------------------------------


class UpdateKind(StrEnum):
    """Does a local list replace the one before or change it? (OCPP 1.6 section 7.48, UpdateType)"""

    DIFFERENTIAL = "Differential"
    FULL = "Full"


class UpdateStatus(StrEnum):
    """The answer to SendLocalList (OCPP 1.6 section 7.47)."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_SUPPORTED = "NotSupported"
    VERSION_MISMATCH = "VersionMismatch"


class ReservationStatus(StrEnum):
    """The answer to ReserveNow (OCPP 1.6 section 7.40)."""

    ACCEPTED = "Accepted"
    FAULTED = "Faulted"
    OCCUPIED = "Occupied"
    REJECTED = "Rejected"
    UNAVAILABLE = "Unavailable"


class Trigger(StrEnum):
    """What a charge point can be asked to say: by TriggerMessage or, from LogStatusNotification on, by its extension.

    OCPP 1.6 section 7.32 (MessageTrigger) and the security whitepaper's MessageTriggerEnumType, which lacks
    DiagnosticsStatusNotification.
    """

    BOOT_NOTIFICATION = "BootNotification"
    DIAGNOSTICS_STATUS_NOTIFICATION = "DiagnosticsStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    STATUS_NOTIFICATION = "StatusNotification"
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    SIGN_CHARGE_POINT_CERTIFICATE = "SignChargePointCertificate"


class TriggerStatus(StrEnum):
    """The answer to TriggerMessage and ExtendedTriggerMessage (OCPP 1.6 section 7.44)."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_IMPLEMENTED = "NotImplemented"


# ---- smart charging --------------------------------------------------------------------------------------------------


class ChargingProfilePurpose(StrEnum):
    """What a charging profile is for (OCPP 1.6 section 7.10)."""

    CHARGE_POINT_MAX_PROFILE = "ChargePointMaxProfile"
    TX_DEFAULT_PROFILE = "TxDefaultProfile"
    TX_PROFILE = "TxProfile"


class ChargingProfileKind(StrEnum):
    """From when a schedule counts (OCPP 1.6 section 7.9)."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class RecurrencyKind(StrEnum):
    """How often a recurring profile starts again (OCPP 1.6 section 7.37)."""

    DAILY = "Daily"
    WEEKLY = "Weekly"


class ChargingRateUnit(StrEnum):
    """In what a limit is given (OCPP 1.6 section 7.12)."""

    A = "A"
    W = "W"


class ChargingProfileStatus(StrEnum):
    """The answer to SetChargingProfile (OCPP 1.6 section 7.11)."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_SUPPORTED = "NotSupported"


# ---- firmware and diagnostics ----------------------------------------------------------------------------------------


class FirmwareStatus(StrEnum):
    """How far a firmware update is (OCPP 1.6 section 7.25; the last seven are the security whitepaper's).

    FirmwareStatusNotification knows the first seven only, SignedFirmwareStatusNotification all.
    """

    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOADING = "Downloading"
    IDLE = "Idle"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLING = "Installing"
    INSTALLED = "Installed"
    DOWNLOAD_SCHEDULED = "DownloadScheduled"
    DOWNLOAD_PAUSED = "DownloadPaused"
    INSTALL_REBOOTING = "InstallRebooting"
    INSTALL_SCHEDULED = "InstallScheduled"
    INSTALL_VERIFICATION_FAILED = "InstallVerificationFailed"
    INVALID_SIGNATURE = "InvalidSignature"
    SIGNATURE_VERIFIED = "SignatureVerified"


class DiagnosticsStatus(StrEnum):
    """How far an upload of diagnostics is (OCPP 1.6 section 7.24)."""

    IDLE = "Idle"
    UPLOADED = "Uploaded"
    UPLOAD_FAILED = "UploadFailed"
    UPLOADING = "Uploading"


# ---- hardware --------------------------------------------------------------------------------------------------------


class CableEnd(StrEnum):
    """Which end of the cable somebody pulls: the car's, or the charge point's."""

    EV = "EV"
    CHARGE_POINT = "ChargePoint"


class MeterFault(StrEnum):
    """What is wrong with a meter: its register sticks, or once jumps up or falls."""

    NONE = "None"
    STICK = "Stick"
    JUMP = "Jump"
    FALL = "Fall"


class RelayFault(StrEnum):
    """What is wrong with a connector's contactor: it stays open, or closed once it is (its contacts are welded)."""

    NONE = "None"
    OPEN = "Open"
    CLOSED = "Closed"


class Current(StrEnum):
    """Alternating or direct current: how the power reaches the car."""

    AC = "AC"
    DC = "DC"
