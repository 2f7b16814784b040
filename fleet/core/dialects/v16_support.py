"""What of OCPP 1.6 there is here: each message and each configuration key, supported or not, as the README shows it.

The specification's side of it is a list of names: edition 2 with its errata, and the white paper "Improved security for
OCPP 1.6-J". Our side is what the code says: a request of the CSMS is supported where somebody serves it, a message of
the charge point where the dialect has words for it, a key where there is one.
"""

from collections.abc import Iterator

from fleet.core import keys
from fleet.core.dialects.v16 import SERVED, Dialect16
from fleet.core.keys import Key, Kind

# Feature profile -> message -> section, of edition 2 or, for the security extension, of the white paper.
FROM_CHARGE_POINT: dict[str, dict[str, str]] = {
    "Core": {
        "Authorize": "4.1",
        "BootNotification": "4.2",
        "DataTransfer": "4.3",
        "Heartbeat": "4.6",
        "MeterValues": "4.7",
        "StartTransaction": "4.8",
        "StatusNotification": "4.9",
        "StopTransaction": "4.10",
    },
    "Firmware Management": {"DiagnosticsStatusNotification": "4.4", "FirmwareStatusNotification": "4.5"},
    "Security extension": {
        "LogStatusNotification": "5.13",
        "SecurityEventNotification": "5.15",
        "SignCertificate": "5.17",
        "SignedFirmwareStatusNotification": "5.19",
    },
}
FROM_CSMS: dict[str, dict[str, str]] = {
    "Core": {
        "ChangeAvailability": "5.2",
        "ChangeConfiguration": "5.3",
        "ClearCache": "5.4",
        "DataTransfer": "5.6",
        "GetConfiguration": "5.8",
        "RemoteStartTransaction": "5.11",
        "RemoteStopTransaction": "5.12",
        "Reset": "5.14",
        "UnlockConnector": "5.18",
    },
    "Firmware Management": {"GetDiagnostics": "5.9", "UpdateFirmware": "5.19"},
    "Local Auth List Management": {"GetLocalListVersion": "5.10", "SendLocalList": "5.15"},
    "Remote Trigger": {"TriggerMessage": "5.17"},
    "Reservation": {"CancelReservation": "5.1", "ReserveNow": "5.13"},
    "Smart Charging": {"ClearChargingProfile": "5.5", "GetCompositeSchedule": "5.7", "SetChargingProfile": "5.16"},
    "Security extension": {
        "CertificateSigned": "5.1",
        "DeleteCertificate": "5.3",
        "ExtendedTriggerMessage": "5.5",
        "GetInstalledCertificateIds": "5.7",
        "GetLog": "5.9",
        "InstallCertificate": "5.11",
        "SignedUpdateFirmware": "5.21",
    },
}
# The words for each message of the charge point's own: what it has none for, it never says.
SAYINGS = {
    "Authorize": Dialect16.authorize,
    "BootNotification": Dialect16.boot,
    "DataTransfer": Dialect16.data_transfer,
    "DiagnosticsStatusNotification": Dialect16.diagnostics_status,
    "FirmwareStatusNotification": Dialect16.firmware_status,
    "Heartbeat": Dialect16.heartbeat,
    "LogStatusNotification": Dialect16.log_status,
    "MeterValues": Dialect16.meter_values,
    "SecurityEventNotification": Dialect16.security_event,
    "SignCertificate": Dialect16.sign_certificate,
    "SignedFirmwareStatusNotification": Dialect16.signed_firmware_status,
    "StartTransaction": Dialect16.transaction_started,
    "StatusNotification": Dialect16.status,
    "StopTransaction": Dialect16.transaction_stopped,
}
# Feature profile -> its chapter in `keys`, and the keys that the specification has for it.
KEYS: dict[str, tuple[str, str]] = {
    "Core": (
        "9.1",
        "AllowOfflineTxForUnknownId AuthorizationCacheEnabled AuthorizeRemoteTxRequests BlinkRepeat "
        "ClockAlignedDataInterval ConnectionTimeOut ConnectorPhaseRotation ConnectorPhaseRotationMaxLength "
        "GetConfigurationMaxKeys HeartbeatInterval LightIntensity LocalAuthorizeOffline LocalPreAuthorize "
        "MaxEnergyOnInvalidId MeterValuesAlignedData MeterValuesAlignedDataMaxLength MeterValuesSampledData "
        "MeterValuesSampledDataMaxLength MeterValueSampleInterval MinimumStatusDuration NumberOfConnectors "
        "ResetRetries StopTransactionOnEVSideDisconnect StopTransactionOnInvalidId StopTxnAlignedData "
        "StopTxnAlignedDataMaxLength StopTxnSampledData StopTxnSampledDataMaxLength SupportedFeatureProfiles "
        "SupportedFeatureProfilesMaxLength TransactionMessageAttempts TransactionMessageRetryInterval "
        "UnlockConnectorOnEVSideDisconnect WebSocketPingInterval",
    ),
    "Firmware Management": ("errata", "SupportedFileTransferProtocols"),
    "Local Auth List Management": ("9.2", "LocalAuthListEnabled LocalAuthListMaxLength SendLocalListMaxLength"),
    "Reservation": ("9.3", "ReserveConnectorZeroSupported"),
    "Smart Charging": (
        "9.4",
        "ChargeProfileMaxStackLevel ChargingScheduleAllowedChargingRateUnit ChargingScheduleMaxPeriods "
        "ConnectorSwitch3to1PhaseSupported MaxChargingProfilesInstalled",
    ),
    "Security extension": (
        "security",
        "AdditionalRootCertificateCheck AuthorizationKey CertificateSignedMaxChainSize CertificateStoreMaxLength "
        "CpoName SecurityProfile",
    ),
}
INERT = {
    "BlinkRepeat": "there is no light",
    "ConnectorPhaseRotation": "nothing hangs on it",
    "LightIntensity": "there is no light",
    "ResetRetries": "no reset fails",
}
"""Keys that are told, changed and kept, and have nothing to act on."""


def support_table() -> str:
    """Messages and keys as Markdown, a table each; the README shows them."""
    return "\n".join(
        (
            "| Message | from | profile | section | supported |",
            "|---|---|---|---|---|",
            *_messages("charge point", FROM_CHARGE_POINT, frozenset(SAYINGS)),
            *_messages("CSMS", FROM_CSMS, SERVED),
            "",
            "| Configuration key | profile | the CSMS may | default | supported |",
            "|---|---|---|---|---|",
            *_keys(),
        )
    )


def _messages(sender: str, profiles: dict[str, dict[str, str]], supported: frozenset[str]) -> Iterator[str]:
    for profile, messages in profiles.items():
        for message, section in messages.items():
            yield f"| {message} | {sender} | {profile} | {section} | {'yes' if message in supported else 'no'} |"


def _keys() -> Iterator[str]:
    for profile, (_, names) in KEYS.items():
        for name in names.split():
            key = keys.KEYS.get(name)
            if key is None:
                yield f"| {name} | {profile} | | | no |"
            else:
                inert = f", without effect: {INERT[name]}" if name in INERT else ""
                yield f"| {name} | {profile} | {_access(key)} | {_default(key)} | yes{inert} |"


def _access(key: Key) -> str:
    if key.write_only:
        return "change"
    return "read" if key.readonly else "read, change"


def _default(key: Key) -> str:
    if key.name in ("NumberOfConnectors", "ConnectorPhaseRotationMaxLength"):
        return "by the connectors"
    if key.kind is Kind.PHASE_ROTATION:
        return "`Unknown` for each"
    # A long list may be broken after its commas.
    return f"`{key.default}`".replace(",", "`, `") if key.default else ""
