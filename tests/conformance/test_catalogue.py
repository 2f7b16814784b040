"""The published OCPP 1.6 charge-point test cases, each with a test of its own name that stands in the test report.

A test is named after its case: the id and the title as words. Tests beside it, for what a case leaves open, begin with
the same id. What is checked is ours.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from counterparts.cases import CASES

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
