"""The published OCPP 1.6 charge-point test cases, each with a test of its own name that stands in the test report.

A test is named after its case: the id and the title as words. Tests beside it, for what a case leaves open, begin with
the same id. Ids and titles are facts, as the test tool's users have published them; what is checked is ours.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

CASES = {
    "TC_001_CS": "Cold Boot Charge Point",
    "TC_002_CS": "Cold Boot Charge Point - Pending",
    "TC_003_CS": "Regular Charging Session - Plugin First",
    "TC_004_1_CS": "Regular Charging Session - Identification First",
    "TC_004_2_CS": "Regular Charging Session - Identification First - ConnectionTimeOut",
    "TC_005_1_CS": "EV Side Disconnected - StopTransactionOnEVSideDisconnect = true (unlock true)",
    "TC_005_2_CS": "EV Side Disconnected - StopTransactionOnEVSideDisconnect = true (unlock false)",
    "TC_005_3_CS": "EV Side Disconnected - StopTransactionOnEVSideDisconnect = false",
    "TC_007_1_CS": "Regular Start Charging Session - Cached Id",
    "TC_007_2_CS": "Remote Start Charging Session - Cached Id",
    "TC_008_1_CS": "Regular Start Charging Session - Id in Local Authorization List",
    "TC_008_2_CS": "Remote Start Charging Session - Id in Local Authorization List",
    "TC_010_CS": "Remote Start Charging Session - Cable Plugged in First",
    "TC_011_1_CS": "Remote Start Charging Session - Remote Start First",
    "TC_011_2_CS": "Remote Start Charging Session - Time Out",
    "TC_012_CS": "Remote Stop Charging Session",
    "TC_013_CS": "Hard Reset Without transaction",
    "TC_014_CS": "Soft Reset Without Transaction",
    "TC_015_CS": "Hard Reset With Transaction",
    "TC_016_CS": "Soft Reset With Transaction",
    "TC_017_1_CS": "Unlock connector - no session (Not fixed cable)",
    "TC_017_2_CS": "Unlock connector - no session (Fixed cable)",
    "TC_018_1_CS": "Unlock Connector - With Charging Session (Not fixed cable)",
    "TC_018_2_CS": "Unlock Connector - With Charging Session (Fixed cable)",
    "TC_019_CS": "Retrieve configuration",
    "TC_021_CS": "Change/set Configuration",
    "TC_023_4_CS": "Start local Charging Session - Authorize invalid",
    "TC_023_5_CS": "Start remote Charging Session - Authorize invalid",
    "TC_024_CS": "Start Charging Session - Lock Failure",
    "TC_026_CS": "Remote Start Charging Session - Rejected",
    "TC_027_CS": "Remote start transaction - connector id shall not be 0",
    "TC_028_CS": "Remote Stop Transaction - Rejected",
    "TC_030_CS": "Unlock Connector - Unlock Failure",
    "TC_031_CS": "Unlock Connector - Unknown Connector",
    "TC_032_1_CS": "Power failure - stop transaction(s) before going down",
    "TC_032_2_CS": "Power failure - stop transaction(s) after going down",
    "TC_034_CS": "Power Failure with Unavailable Status",
    "TC_036_CS": "Connection Loss During Transaction",
    "TC_037_1_CS": "Offline Start Transaction - Valid IdTag",
    "TC_037_2_CS": "Offline Start Transaction - Invalid IdTag - StopTransactionOnInvalidId = false",
    "TC_037_3_CS": "Offline Start Transaction - Invalid IdTag - StopTransactionOnInvalidId = true",
    "TC_038_CS": "Offline Stop Transaction",
    "TC_039_CS": "Offline Transaction",
    "TC_040_1_CS": "Configuration key - NotSupported",
    "TC_040_2_CS": "Configuration key - Invalid value",
    "TC_041_CS": "Fault Behavior",
    "TC_042_1_CS": "Get Local List Version (not supported)",
    "TC_042_2_CS": "Get Local List Version (empty)",
    "TC_043_1_CS": "Send Local Authorization List - NotSupported",
    "TC_043_2_CS": "Send Local Authorization List - VersionMismatch",
    "TC_043_3_CS": "Send Local Authorization List - Failed",
    "TC_043_CS": "Send Local Authorization List",
    "TC_044_1_CS": "Firmware Update - Download and Install",
    "TC_044_2_CS": "Firmware Update - Download Failed",
    "TC_044_3_CS": "Firmware Update - Installation Failed",
    "TC_045_1_CS": "Get Diagnostics",
    "TC_045_2_CS": "Get Diagnostics - Upload Failed",
    "TC_046_1_CS": "Reservation of a Connector - Local start transaction",
    "TC_046_2_CS": "Reservation of a Connector - Remote start transaction",
    "TC_047_CS": "Reservation of a Connector - Expire",
    "TC_048_1_CS": "Reservation of a Connector - Faulted",
    "TC_048_2_CS": "Reservation of a Connector - Occupied",
    "TC_048_3_CS": "Reservation of a Connector - Unavailable",
    "TC_048_4_CS": "Reservation of a Connector - Rejected",
    "TC_049_CS": "Reservation of a Charge Point - Transaction",
    "TC_050_1_CS": "Reservation of a Charge Point - Faulted",
    "TC_050_2_CS": "Reservation of a Charge Point - Occupied",
    "TC_050_3_CS": "Reservation of a Charge Point - Unavailable",
    "TC_050_4_CS": "Reservation of a Charge Point - Rejected",
    "TC_051_CS": "Cancel Reservation",
    "TC_052_CS": "Cancel Reservation - Rejected",
    "TC_053_1_CS": "Use a reserved Connector with parentIdTag - Local",
    "TC_053_2_CS": "Use a reserved Connector with parentIdTag - Remote",
    "TC_054_CS": "Trigger Message",
    "TC_055_CS": "Trigger Message - Rejected",
    "TC_056_CS": "Central Smart Charging - TxDefaultProfile",
    "TC_057_CS": "Central Smart Charging - TxProfile",
    "TC_058_1_CS": "Central Smart Charging - No ongoing transaction",
    "TC_058_2_CS": "Central Smart Charging - Wrong transactionId",
    "TC_059_CS": "Remote Start Transaction with Charging Profile",
    "TC_060_CS": "Remote Start Transaction with Charging Profile - Rejected",
    "TC_061_1_CS": "Clear Authorization Data in Authorization Cache - Local",
    "TC_061_2_CS": "Clear Authorization Data in Authorization Cache - Remote",
    "TC_062_CS": "Data Transfer to a Charge Point",
    "TC_066_CS": "Get Composite Schedule",
    "TC_067_CS": "Clear Charging Profile",
    "TC_068_CS": "Stop transaction - IdTag matches StartTransaction IdTag",
    "TC_069_CS": "Stop transaction - ParentIdTag matches StartTransaction ParentIdTag",
    "TC_070_CS": "Sampled Meter Values",
    "TC_071_CS": "Clock-aligned Meter Values",
    "TC_072_CS": "Stacking Charging Profiles",
    "TC_073_CS": "Update Charge Point Password for HTTP Basic Authentication",
    "TC_074_CS": "Update Charge Point Certificate by request of Central System",
    "TC_075_1_CS": "Install certificate - ManufacturerRootCertificate",
    "TC_075_2_CS": "Install certificate - CentralSystemRootCertificate",
    "TC_076_CS": "Delete a specific certificate from the Charge Point",
    "TC_077_CS": "Invalid ChargePointCertificate Security Event",
    "TC_078_CS": "Invalid CentralSystemCertificate Security Event",
    "TC_079_CS": "Get Security Log",
    "TC_080_CS": "Secure Firmware Update",
    "TC_081_CS": "Secure Firmware Update - Invalid Signature",
    "TC_082_CS": "Central Smart Charging - TxDefaultProfile - with ongoing transaction",
}
CASE_IN_NAME = re.compile(r"test_(tc_\d+(?:_\d+)?_cs)_")


def name_of(case: str, title: str) -> str:
    """`test_tc_013_cs_hard_reset_without_transaction`: a word of several (`idTag`) is taken apart."""
    words = re.sub(r"([a-z])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3 \2", title.replace("(s)", "s"))
    return f"test_{case.lower()}_" + "_".join(re.findall("[a-z0-9]+", words.lower()))


def every_test() -> list[str]:
    """Every test of this folder, by name; what is skipped always or expected to fail is none."""
    found = []
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                marks = " ".join(map(ast.unparse, node.decorator_list))
                if "skip" not in marks and "xfail" not in marks:
                    found.append(node.name)
    return found


def test_there_are_102_cases() -> None:
    assert len(CASES) == 102


@pytest.mark.parametrize("case", CASES)
def test_a_case_has_a_test_of_its_name(case: str) -> None:
    assert name_of(case, CASES[case]) in every_test()


def test_no_two_tests_have_the_same_name() -> None:
    assert [name for name, count in Counter(every_test()).items() if count > 1] == []


def test_whatever_is_named_after_a_case_is_named_after_one_that_there_is() -> None:
    named = {found[1].upper() for name in every_test() if (found := CASE_IN_NAME.match(name))}
    assert named <= set(CASES)
    # Nor may one hide behind another spelling.
    assert [name for name in every_test() if name.startswith("test_tc") and not CASE_IN_NAME.match(name)] == []


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Cold Boot Charge Point - Pending", "cold_boot_charge_point_pending"),
        ("Power failure - stop transaction(s) before going down", "power_failure_stop_transactions_before_going_down"),
        ("StopTransactionOnEVSideDisconnect = true", "stop_transaction_on_ev_side_disconnect_true"),
        ("IdTag matches StartTransaction IdTag", "id_tag_matches_start_transaction_id_tag"),
        ("Password for HTTP Basic Authentication", "password_for_http_basic_authentication"),
    ],
)
def test_a_title_becomes_words(title: str, name: str) -> None:
    assert name_of("TC_001_CS", title) == f"test_tc_001_cs_{name}"
