"""The table of keys against section 9.1, and what each kind of value takes."""

import pytest

from fleet.core.keys import (
    CORE,
    EVERY,
    FIRMWARE,
    KEYS,
    LOCAL_LIST,
    RESERVATION,
    SECURITY,
    SMART_CHARGING,
    VALUE_LENGTH_MAX,
    Key,
    Kind,
    find,
    measurands,
    normal,
    validate,
)
from fleet.core.sampling import SUPPORTED_MEASURANDS
from fleet.words import Measurand, Phase

# Section 9.1 of OCPP 1.6 edition 2, told a second time: name, required or optional, accessibility, type.
SECTION_9_1 = """
AllowOfflineTxForUnknownId           optional  RW  boolean
AuthorizationCacheEnabled            optional  RW  boolean
AuthorizeRemoteTxRequests            required  RW  boolean
BlinkRepeat                          optional  RW  integer
ClockAlignedDataInterval             required  RW  integer
ConnectionTimeOut                    required  RW  integer
ConnectorPhaseRotation               required  RW  CSL
ConnectorPhaseRotationMaxLength      optional  R   integer
GetConfigurationMaxKeys              required  R   integer
HeartbeatInterval                    required  RW  integer
LightIntensity                       optional  RW  integer
LocalAuthorizeOffline                required  RW  boolean
LocalPreAuthorize                    required  RW  boolean
MaxEnergyOnInvalidId                 optional  RW  integer
MeterValuesAlignedData               required  RW  CSL
MeterValuesAlignedDataMaxLength      optional  R   integer
MeterValuesSampledData               required  RW  CSL
MeterValuesSampledDataMaxLength      optional  R   integer
MeterValueSampleInterval             required  RW  integer
MinimumStatusDuration                optional  RW  integer
NumberOfConnectors                   required  R   integer
ResetRetries                         required  RW  integer
StopTransactionOnEVSideDisconnect    required  RW  boolean
StopTransactionOnInvalidId           required  RW  boolean
StopTxnAlignedData                   required  RW  CSL
StopTxnAlignedDataMaxLength          optional  R   integer
StopTxnSampledData                   required  RW  CSL
StopTxnSampledDataMaxLength          optional  R   integer
SupportedFeatureProfiles             required  R   CSL
SupportedFeatureProfilesMaxLength    optional  R   integer
TransactionMessageAttempts           required  RW  integer
TransactionMessageRetryInterval      required  RW  integer
UnlockConnectorOnEVSideDisconnect    required  RW  boolean
WebSocketPingInterval                optional  RW  integer
""".strip().splitlines()


SECTION_9_2 = """
LocalAuthListEnabled                     required  RW  boolean
LocalAuthListMaxLength                   required  R   integer
SendLocalListMaxLength                   required  R   integer
""".strip().splitlines()
SECTION_9_3 = """
ReserveConnectorZeroSupported            optional  R   boolean
""".strip().splitlines()
SECTION_9_4 = """
ChargeProfileMaxStackLevel               required  R   integer
ChargingScheduleAllowedChargingRateUnit  required  R   CSL
ChargingScheduleMaxPeriods               required  R   integer
ConnectorSwitch3to1PhaseSupported        optional  R   boolean
MaxChargingProfilesInstalled             required  R   integer
""".strip().splitlines()
# Firmware management's, since the errata sheet 4.0.
ERRATA = """
SupportedFileTransferProtocols           optional  R   CSL
""".strip().splitlines()
# "Improved security for OCPP 1.6-J". W is write only.
SECURITY_EXTENSION = """
AdditionalRootCertificateCheck           optional  R   boolean
AuthorizationKey                         optional  W   text
CertificateSignedMaxChainSize            optional  R   integer
CertificateStoreMaxLength                required  R   integer
CpoName                                  optional  RW  text
SecurityProfile                          required  RW  integer
""".strip().splitlines()
CHAPTERS = {
    "9.1": SECTION_9_1,
    "9.2": SECTION_9_2,
    "9.3": SECTION_9_3,
    "9.4": SECTION_9_4,
    "errata": ERRATA,
    "security": SECURITY_EXTENSION,
}
ROWS = [(chapter, number, row) for chapter, rows in CHAPTERS.items() for number, row in enumerate(rows, start=1)]


@pytest.mark.parametrize(("chapter", "number", "row"), ROWS)
def test_the_tables_say_what_the_specification_says(chapter: str, number: int, row: str) -> None:
    name, need, access, kind = row.split()
    key = KEYS[name]
    assert (key.chapter, key.section) == (chapter, number)
    assert key.required == (need == "required")
    assert key.readonly == (access == "R")
    assert key.write_only == (access == "W")
    assert (key.kind.value if key.kind in (Kind.BOOLEAN, Kind.INTEGER, Kind.TEXT) else "CSL") == kind


def test_there_are_no_other_keys() -> None:
    assert [key.name for key in CORE] == [row.split()[0] for row in SECTION_9_1]
    assert [key.name for key in FIRMWARE] == [row.split()[0] for row in ERRATA]
    assert [key.name for key in LOCAL_LIST] == [row.split()[0] for row in SECTION_9_2]
    assert [key.name for key in RESERVATION] == [row.split()[0] for row in SECTION_9_3]
    assert [key.name for key in SMART_CHARGING] == [row.split()[0] for row in SECTION_9_4]
    assert [key.name for key in SECURITY] == [row.split()[0] for row in SECURITY_EXTENSION]


# No password is the one that a charge point was put up with: that cannot be written.
@pytest.mark.parametrize("key", [key for key in EVERY if not key.write_only], ids=lambda key: key.name)
def test_defaults_are_valid_and_in_their_own_spelling(key: Key) -> None:
    assert normal(key, key.default) == key.default


@pytest.mark.parametrize("name", ["heartbeatinterval", "HEARTBEATINTERVAL", "HeartbeatInterval"])
def test_capitals_of_a_name_do_not_matter(name: str) -> None:
    assert find(name) is KEYS["HeartbeatInterval"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("HeartBeatIntervall", "; did you mean HeartbeatInterval?"),
        ("MeterValuesSampleInterval", "; did you mean MeterValueSampleInterval?"),
        ("ConnectionTimeout2", "; did you mean ConnectionTimeOut?"),
        ("Zzz", ""),
        ("", ""),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest_one(name: str, hint: str) -> None:
    assert validate(name, "1") == f"no such configuration key{hint}"


GOOD = [
    ("LocalPreAuthorize", "true", "true"),
    ("LocalPreAuthorize", "False", "false"),
    ("HeartbeatInterval", "0", "0"),
    ("HeartbeatInterval", "0086400", "86400"),
    ("HeartbeatInterval", "2147483647", "2147483647"),
    ("LightIntensity", "100", "100"),
    ("TransactionMessageAttempts", "1", "1"),
    ("MeterValuesSampledData", "", ""),
    ("MeterValuesSampledData", " ", ""),
    ("MeterValuesSampledData", "SoC, voltage.l1-n ,Power.Active.Import.L2", "SoC,Voltage.L1-N,Power.Active.Import.L2"),
    ("StopTxnAlignedData", "Energy.Active.Import.Register,Voltage,Voltage.L1", None),
    ("StopTxnSampledData", "Voltage.L3-L1", None),
    ("ConnectorPhaseRotation", "0.RST, 1.rts,2.NotApplicable", "0.RST,1.RTS,2.NotApplicable"),
    ("ConnectorPhaseRotation", "", ""),
    ("SupportedFeatureProfiles", "Core,SmartCharging", None),
    ("ChargingScheduleAllowedChargingRateUnit", "power, CURRENT", "Power,Current"),
]


@pytest.mark.parametrize(("name", "value", "kept"), GOOD)
def test_a_good_value_is_kept_in_one_spelling(name: str, value: str, kept: str | None) -> None:
    assert validate(name, value) is None
    assert normal(KEYS[name], value) == (value if kept is None else kept)


BAD = [
    ("LocalPreAuthorize", "yes", "expected true or false, not 'yes'"),
    ("LocalPreAuthorize", "", "expected true or false, not ''"),
    ("HeartbeatInterval", "-1", "expected a whole number from 0 to 2147483647, not '-1'"),
    ("HeartbeatInterval", "1.5", "expected a whole number from 0 to 2147483647, not '1.5'"),
    ("HeartbeatInterval", "", "expected a whole number from 0 to 2147483647, not ''"),
    ("HeartbeatInterval", "٣", "expected a whole number from 0 to 2147483647, not '٣'"),
    ("HeartbeatInterval", "2147483648", "expected a whole number from 0 to 2147483647, not '2147483648'"),
    ("LightIntensity", "101", "expected a whole number from 0 to 100, not '101'"),
    ("TransactionMessageAttempts", "0", "expected a whole number from 1 to 2147483647, not '0'"),
    ("MeterValuesSampledData", "Voltag", "expected measurands out of Voltage, "),
    ("MeterValuesSampledData", "power import", "expected measurands out of Power.Active.Import, "),
    ("MeterValuesSampledData", "RPM", "expected measurands out of "),
    ("MeterValuesSampledData", "SoC,,Voltage", "expected measurands out of "),
    ("MeterValuesSampledData", "SoC.L1", "expected SoC with a phase that it has, or without, not 'SoC.L1'"),
    ("MeterValuesSampledData", "Voltage.L4", "expected Voltage with a phase that it has, or without, not 'Voltage.L4'"),
    ("MeterValuesSampledData", "SoC,soc", "expected each item once, but SoC comes twice"),
    ("ConnectorPhaseRotation", "1.RST,01.RTS", "expected each item once, but 1 comes twice"),
    ("ConnectorPhaseRotation", "RST", "expected CONNECTOR.ROTATION with a rotation out of"),
    ("ConnectorPhaseRotation", "1.RRR", "expected CONNECTOR.ROTATION with a rotation out of"),
    ("SupportedFeatureProfiles", "Core,Smart", "expected feature profiles out of Core, FirmwareManagement"),
    ("ChargingScheduleAllowedChargingRateUnit", "Current,A", "expected charging rates out of Current, Power, not 'A'"),
    ("SupportedFeatureProfiles", "x" * 501, f"expected at most {VALUE_LENGTH_MAX} characters, not 501"),
]


@pytest.mark.parametrize(("name", "value", "problem"), BAD)
def test_a_bad_value_is_an_error_in_one_line(name: str, value: str, problem: str) -> None:
    said = validate(name, value)
    assert said is not None
    assert said.startswith(problem)
    assert "\n" not in said


@pytest.mark.parametrize("item", ["Foo", "RPM", ""])
def test_what_cannot_be_measured_is_an_error_that_lists_what_can(item: str) -> None:
    said = validate("MeterValuesSampledData", f"SoC,{item},Voltage")
    assert said is not None
    listed, _, rest = said.removeprefix("expected measurands out of ").partition(", not ")
    assert rest == repr(item)
    assert sorted(listed.split(", ")) == sorted(SUPPORTED_MEASURANDS)


def test_measurands_are_read_with_their_phases_and_shared() -> None:
    read = measurands("Energy.Active.Import.Register,Voltage.L1-N")
    assert read == ((Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, None), (Measurand.VOLTAGE, Phase.L1_N))
    assert measurands("Energy.Active.Import.Register,Voltage.L1-N") is read
    assert measurands("") == ()
