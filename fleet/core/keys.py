"""The configuration keys, as tables: one for each feature profile (OCPP 1.6 edition 2, sections 9.1 to 9.4, errata).

What can be said of a key without knowing a charge point stands here: its type, who may change it, what values it
takes, and what it is worth when nobody says otherwise. Values are text, as on the wire; `normal` brings them into the
one spelling that is kept and compared: booleans in lower case, whole numbers without leading zeros, lists without
spaces and in the specification's own capitals.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache

from attrs import frozen

from fleet.core.orders import MeasurandSpec
from fleet.core.sampling import PHASES, SUPPORTED_MEASURANDS
from fleet.words import Measurand, Phase

INTEGER_MAX = 2**31 - 1
# ChangeConfiguration.req and GetConfiguration.conf carry values as CiString500Type (sections 6.9 and 7.29).
VALUE_LENGTH_MAX = 500


class Kind(StrEnum):
    """The type of a key's value; from the fourth on comma separated lists, told apart by what they list."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    TEXT = "text"
    MEASURANDS = "measurands"
    PHASE_ROTATION = "phase rotation"
    PROFILES = "feature profiles"
    RATES = "charging rates"
    PROTOCOLS = "file transfer protocols"


@frozen
class Key:
    """One configuration key.

    `section` is the number after that of its `chapter`; `readonly` is the CSMS's view (accessibility R); an optional
    key is one that a charge point may lack, which ours don't; `minimum` and `maximum` bound an integer, or the length
    of a text. A change of a key that has `reboot_required` takes effect with the next boot: none of the Core keys needs
    that here. A `write_only` key is a secret: it is told to nobody, and no error shows its value.
    """

    section: int
    name: str
    kind: Kind
    default: str
    readonly: bool = False
    required: bool = True
    minimum: int = 0
    maximum: int = INTEGER_MAX
    reboot_required: bool = False
    chapter: str = "9.1"
    write_only: bool = False


_REGISTER = Measurand.ENERGY_ACTIVE_IMPORT_REGISTER.value
# All there are (section 3.1).
_SUPPORTED = "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"
_BOOLEAN, _INTEGER, _MEASURANDS = Kind.BOOLEAN, Kind.INTEGER, Kind.MEASURANDS

# In the specification's order, which is also the order of a GetConfiguration.conf. The defaults of NumberOfConnectors,
# ConnectorPhaseRotation and its length are for one connector; a `Configuration` replaces them.
CORE = (
    # Drivers go on through an outage, also those whose id tags were never seen here.
    Key(1, "AllowOfflineTxForUnknownId", _BOOLEAN, "true", required=False),
    Key(2, "AuthorizationCacheEnabled", _BOOLEAN, "true", required=False),
    Key(3, "AuthorizeRemoteTxRequests", _BOOLEAN, "false"),  # "R or RW", the charge point's choice
    Key(4, "BlinkRepeat", _INTEGER, "3", required=False),
    Key(5, "ClockAlignedDataInterval", _INTEGER, "0"),
    Key(6, "ConnectionTimeOut", _INTEGER, "60"),
    Key(7, "ConnectorPhaseRotation", Kind.PHASE_ROTATION, "0.Unknown,1.Unknown"),
    Key(8, "ConnectorPhaseRotationMaxLength", _INTEGER, "2", readonly=True, required=False),
    Key(9, "GetConfigurationMaxKeys", _INTEGER, "50", readonly=True, minimum=1),
    Key(10, "HeartbeatInterval", _INTEGER, "60"),
    Key(11, "LightIntensity", _INTEGER, "100", required=False, maximum=100),
    Key(12, "LocalAuthorizeOffline", _BOOLEAN, "true"),
    Key(13, "LocalPreAuthorize", _BOOLEAN, "false"),
    Key(14, "MaxEnergyOnInvalidId", _INTEGER, "0", required=False),
    Key(15, "MeterValuesAlignedData", _MEASURANDS, _REGISTER),
    Key(16, "MeterValuesAlignedDataMaxLength", _INTEGER, "20", readonly=True, required=False),
    Key(17, "MeterValuesSampledData", _MEASURANDS, _REGISTER),
    Key(18, "MeterValuesSampledDataMaxLength", _INTEGER, "20", readonly=True, required=False),
    Key(19, "MeterValueSampleInterval", _INTEGER, "60"),
    Key(20, "MinimumStatusDuration", _INTEGER, "0", required=False),
    Key(21, "NumberOfConnectors", _INTEGER, "1", readonly=True, minimum=1),
    Key(22, "ResetRetries", _INTEGER, "1"),
    Key(23, "StopTransactionOnEVSideDisconnect", _BOOLEAN, "true"),
    Key(24, "StopTransactionOnInvalidId", _BOOLEAN, "true"),
    Key(25, "StopTxnAlignedData", _MEASURANDS, ""),
    Key(26, "StopTxnAlignedDataMaxLength", _INTEGER, "20", readonly=True, required=False),
    Key(27, "StopTxnSampledData", _MEASURANDS, ""),
    Key(28, "StopTxnSampledDataMaxLength", _INTEGER, "20", readonly=True, required=False),
    Key(29, "SupportedFeatureProfiles", Kind.PROFILES, _SUPPORTED, readonly=True),
    Key(30, "SupportedFeatureProfilesMaxLength", _INTEGER, "6", readonly=True, required=False),
    # No attempt at all would lose every transaction: at least one.
    Key(31, "TransactionMessageAttempts", _INTEGER, "3", minimum=1),
    Key(32, "TransactionMessageRetryInterval", _INTEGER, "60"),
    Key(33, "UnlockConnectorOnEVSideDisconnect", _BOOLEAN, "true"),
    Key(34, "WebSocketPingInterval", _INTEGER, "60", required=False),
)
# The errata sheet 4.0 added it. All that our errands can; the CSMS is to choose among them.
_TRANSFERS = "FTP,FTPS,HTTP,HTTPS"
FIRMWARE = (Key(1, "SupportedFileTransferProtocols", Kind.PROTOCOLS, _TRANSFERS, True, False, chapter="errata"),)
LOCAL_LIST = (
    Key(1, "LocalAuthListEnabled", _BOOLEAN, "true", chapter="9.2"),
    Key(2, "LocalAuthListMaxLength", _INTEGER, "1000", readonly=True, chapter="9.2"),
    Key(3, "SendLocalListMaxLength", _INTEGER, "250", readonly=True, chapter="9.2"),
)
RESERVATION = (Key(1, "ReserveConnectorZeroSupported", _BOOLEAN, "true", readonly=True, required=False, chapter="9.3"),)
SMART_CHARGING = (
    Key(1, "ChargeProfileMaxStackLevel", _INTEGER, "10", readonly=True, chapter="9.4"),
    Key(2, "ChargingScheduleAllowedChargingRateUnit", Kind.RATES, "Current,Power", readonly=True, chapter="9.4"),
    # One for each half hour of a day.
    Key(3, "ChargingScheduleMaxPeriods", _INTEGER, "48", readonly=True, minimum=1, chapter="9.4"),
    # The load of a connector is always spread over all its phases.
    Key(4, "ConnectorSwitch3to1PhaseSupported", _BOOLEAN, "false", readonly=True, required=False, chapter="9.4"),
    Key(5, "MaxChargingProfilesInstalled", _INTEGER, "40", readonly=True, minimum=1, chapter="9.4"),
)
# "Improved security for OCPP 1.6-J" lists them in its chapter on configuration keys, in this order.
SECURITY = (
    Key(1, "AdditionalRootCertificateCheck", _BOOLEAN, "false", readonly=True, required=False, chapter="security"),
    # Empty is the password that the charge point was put up with, if any. Nobody can write that.
    Key(2, "AuthorizationKey", Kind.TEXT, "", False, False, 16, 40, chapter="security", write_only=True),
    Key(3, "CertificateSignedMaxChainSize", _INTEGER, "10000", True, False, maximum=10_000, chapter="security"),
    Key(4, "CertificateStoreMaxLength", _INTEGER, "10", readonly=True, minimum=1, chapter="security"),
    # What `fleet certs` writes into O.
    Key(5, "CpoName", Kind.TEXT, "Fleet", required=False, maximum=255, chapter="security"),
    Key(6, "SecurityProfile", _INTEGER, "0", maximum=3, chapter="security"),
)
EVERY = CORE + FIRMWARE + LOCAL_LIST + RESERVATION + SMART_CHARGING + SECURITY
KEYS: Mapping[str, Key] = {key.name: key for key in EVERY}

_BY_FOLDED_NAME = {key.name.casefold(): key for key in EVERY}
_MEASURAND_BY_FOLDED = {measurand.casefold(): measurand for measurand in SUPPORTED_MEASURANDS}
_PHASE_BY_FOLDED = {phase.casefold(): phase for phase in Phase}
# "NotApplicable" is for single-phase and direct current, "Unknown" for not known (yet) (section 9.1.7).
_ROTATIONS = ("NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR")
_ROTATION_BY_FOLDED = {rotation.casefold(): rotation for rotation in _ROTATIONS}
# Section 3.1.
_PROFILES = ("Core", "FirmwareManagement", "LocalAuthListManagement", "Reservation", "SmartCharging", "RemoteTrigger")
_PROFILE_BY_FOLDED = {profile.casefold(): profile for profile in _PROFILES}
# Section 9.4.2.
_RATES = ("Current", "Power")
_RATE_BY_FOLDED = {rate.casefold(): rate for rate in _RATES}
_PROTOCOLS = ("FTP", "FTPS", "HTTP", "HTTPS", "SFTP")
_PROTOCOL_BY_FOLDED = {protocol.casefold(): protocol for protocol in _PROTOCOLS}
_DIGITS = re.compile("[0-9]{1,20}")


def find(name: str) -> Key | None:
    """The key of that name; names are CiString50Type, so capitals don't matter."""
    return KEYS.get(name) or _BY_FOLDED_NAME.get(name.casefold())


def validate(name: str, value: str) -> str | None:
    """What is wrong with this name or this value, in one line without the name; None if nothing is.

    A key's own rules only: what depends on other keys (how long a list may be) or on the charge point (how many
    connectors there are) is checked by `configuration.settled`.
    """
    key = find(name)
    if key is None:
        return unknown(name)
    try:
        normal(key, value)
    except ValueError as error:
        return str(error)
    return None


def unknown(name: str) -> str:
    """That there is no such key, with the nearest name that there is."""
    near = difflib.get_close_matches(name.casefold(), _BY_FOLDED_NAME, n=1)
    hint = f"; did you mean {_BY_FOLDED_NAME[near[0]].name}?" if near else ""
    return f"no such configuration key{hint}"


def normal(key: Key, value: str) -> str:
    """The value in its one spelling; ValueError says in one line what was expected, and nothing of a secret."""
    if len(value) > VALUE_LENGTH_MAX:
        raise ValueError(f"expected at most {VALUE_LENGTH_MAX} characters, not {len(value)}")
    match key.kind:
        case Kind.BOOLEAN:
            if value.lower() not in ("true", "false"):
                raise ValueError(f"expected true or false, not {value!r}")
            return value.lower()
        case Kind.INTEGER:
            if not _DIGITS.fullmatch(value) or not key.minimum <= int(value) <= key.maximum:
                raise ValueError(f"expected a whole number from {key.minimum} to {key.maximum}, not {value!r}")
            return str(int(value))
        case Kind.MEASURANDS:
            return _listed(value, lambda item: spelled(*_measurand(item)))
        case Kind.PHASE_ROTATION:
            return _listed(value, _rotation, identity=lambda item: item.partition(".")[0])
        case Kind.PROFILES:
            return _listed(value, _profile)
        case Kind.TEXT:
            if not key.minimum <= len(value) <= key.maximum:
                raise ValueError(f"expected {key.minimum} to {key.maximum} characters, not {len(value)}")
            if not value.isprintable():
                raise ValueError("expected no control characters")
            return value
        case Kind.RATES:
            return _listed(value, _rate)
        case Kind.PROTOCOLS:
            return _listed(value, _protocol)


@lru_cache(maxsize=1024)
def measurands(value: str) -> tuple[MeasurandSpec, ...]:
    """A list of measurands as values; the same text gives the same object."""
    return tuple(_measurand(item) for item in items(value))


def items(value: str) -> list[str]:
    """The items of a comma separated list; an empty text is an empty list."""
    return [item.strip() for item in value.split(",")] if value.strip() else []


def spelled(measurand: Measurand, phase: Phase | None) -> str:
    """A measurand with its phase, as a key's value names it: `Voltage.L1-N`."""
    return measurand.value if phase is None else f"{measurand.value}.{phase.value}"


def _listed(value: str, read: Callable[[str], str], identity: Callable[[str], str] = str) -> str:
    """A comma separated list, each item read and none twice; `identity` is what may not come twice."""
    read_items = [read(item) for item in items(value)]
    seen: set[str] = set()
    for item in read_items:
        if identity(item) in seen:
            raise ValueError(f"expected each item once, but {identity(item)} comes twice")
        seen.add(identity(item))
    return ",".join(read_items)


def _measurand(item: str) -> MeasurandSpec:
    measurand = _MEASURAND_BY_FOLDED.get(item.casefold())
    if measurand is not None:
        return measurand, None
    stem, _, suffix = item.rpartition(".")
    measurand, phase = _MEASURAND_BY_FOLDED.get(stem.casefold()), _PHASE_BY_FOLDED.get(suffix.casefold())
    if measurand is None:
        raise ValueError(f"expected measurands out of {', '.join(_nearest_first(item))}, not {item!r}")
    if phase is None or phase not in PHASES[measurand]:
        raise ValueError(f"expected {measurand} with a phase that it has, or without, not {item!r}")
    return measurand, phase


def _nearest_first(item: str) -> list[str]:
    """All that can be measured, what was probably meant at the head."""
    matcher = difflib.SequenceMatcher(b=item.casefold())

    def likeness(folded: str) -> float:
        matcher.set_seq1(folded)
        return matcher.ratio()

    # Equally near ones keep their order.
    return [_MEASURAND_BY_FOLDED[folded] for folded in sorted(_MEASURAND_BY_FOLDED, key=likeness, reverse=True)]


def _rotation(item: str) -> str:
    connector, _, rotation = item.partition(".")
    known = _ROTATION_BY_FOLDED.get(rotation.casefold())
    if not _DIGITS.fullmatch(connector) or known is None:
        raise ValueError(f"expected CONNECTOR.ROTATION with a rotation out of {', '.join(_ROTATIONS)}, not {item!r}")
    return f"{int(connector)}.{known}"


def _profile(item: str) -> str:
    known = _PROFILE_BY_FOLDED.get(item.casefold())
    if known is None:
        raise ValueError(f"expected feature profiles out of {', '.join(_PROFILES)}, not {item!r}")
    return known


def _rate(item: str) -> str:
    known = _RATE_BY_FOLDED.get(item.casefold())
    if known is None:
        raise ValueError(f"expected charging rates out of {', '.join(_RATES)}, not {item!r}")
    return known


def _protocol(item: str) -> str:
    known = _PROTOCOL_BY_FOLDED.get(item.casefold())
    if known is None:
        raise ValueError(f"expected file transfer protocols out of {', '.join(_PROTOCOLS)}, not {item!r}")
    return known
