from xml.etree import ElementTree

import pytest
from attrs import evolve
from counterparts.summaries import HOSTILE, passed_summary, sample_summary

from fleet.verdict.document import ObjectiveResult, Result, Summary
from fleet.verdict.junit import COMPLETE, EXPECTATIONS, KEPT_UP, render_junit


def suite_of(summary: Summary) -> ElementTree.Element:
    root = ElementTree.fromstring(render_junit(summary))
    assert root.tag == "testsuites"
    suite = root.find("testsuite")
    assert suite is not None
    # The counts are what most readers show, and some trust nothing else.
    for element in (root, suite):
        assert element.get("tests") == str(len(suite.findall("testcase")))
        assert element.get("failures") == str(len(suite.findall("testcase/failure")))
        assert element.get("errors") == str(len(suite.findall("testcase/error")))
        assert element.get("skipped") == str(len(suite.findall("testcase/skipped")))
    return suite


def troubles(suite: ElementTree.Element, kind: str) -> dict[str | None, str | None]:
    return {case.get("name"): found.get("message") for case in suite for found in case.findall(kind)}


def test_every_objective_is_a_test_case_those_built_in_too() -> None:
    summary = sample_summary()
    names = [case.get("name") for case in suite_of(summary).findall("testcase")]
    assert names[: len(summary.objectives)] == [objective.objective for objective in summary.objectives]
    assert names[len(summary.objectives) :] == [KEPT_UP, COMPLETE]


def test_an_objective_that_was_not_met_is_a_failure_with_its_value() -> None:
    suite = suite_of(sample_summary())
    assert troubles(suite, "failure") == {
        "p99(Authorize) < 800ms": "it was >= 30 s",
        "csms_violations == 0": "it was 14",
        "energy_difference_wh == 0": "it was 1,250 Wh",
    }
    assert troubles(suite, "error") == {}


def test_a_run_that_passed_has_neither_failure_nor_error() -> None:
    suite = suite_of(passed_summary())
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("0", "0", "0")


def test_an_invalid_run_is_an_error_and_its_objectives_are_skipped_not_passed() -> None:
    summary = passed_summary()
    generator = evolve(summary.generator, reasons=("the loop was busy for 99 % of 10 s", "lag p99 was 1.2s"))
    suite = suite_of(evolve(summary, result=Result.INVALID, reasons=generator.reasons, generator=generator))
    assert troubles(suite, "error") == {KEPT_UP: "the loop was busy for 99 % of 10 s (and 1 more)"}
    assert len(troubles(suite, "skipped")) == len(summary.objectives)
    text = suite.findtext("testcase/error")
    assert text is not None
    assert text.splitlines() == list(generator.reasons)


@pytest.mark.parametrize("result", [Result.INCOMPLETE, Result.INTERRUPTED])
def test_a_run_that_did_not_come_to_its_end_is_an_error(result: Result) -> None:
    assert troubles(suite_of(passed_summary(result=result)), "error") == {COMPLETE: result.value}
    assert troubles(suite_of(passed_summary(result=result, reasons=("nobody connected",))), "error") == {
        COMPLETE: "nobody connected"
    }


def test_a_failed_expectation_is_a_failure_although_every_objective_was_met() -> None:
    reasons = ("1 scenario with an expectation that was not so",)
    suite = suite_of(passed_summary(result=Result.FAILED, reasons=reasons))
    assert troubles(suite, "failure") == {EXPECTATIONS: reasons[0]}


def test_seed_and_target_are_properties() -> None:
    suite = suite_of(sample_summary(seed=7, target="wss://csms.example/{id}"))
    found = {entry.get("name"): entry.get("value") for entry in suite.iterfind("properties/property")}
    assert found["seed"] == "7"
    assert found["target"] == "wss://csms.example/{id}"
    assert found["result"] == "failed"


@pytest.mark.parametrize("words", [HOSTILE, "\x00\x08\x1b\x7f\ufffe\uffff\ud800", "]]> &amp; <a b='\"'>", "übel 🔌"])
def test_foreign_words_stay_words(words: str) -> None:
    objective = ObjectiveResult(words, False, None, words)
    suite = suite_of(sample_summary(objectives=(objective,), target=words, result=Result.INVALID, reasons=(words,)))
    assert [child.tag for child in suite] == ["properties", "testcase", "testcase", "testcase"]


def test_a_run_without_objectives_still_has_test_cases() -> None:
    assert suite_of(passed_summary(objectives=())).get("tests") == "2"
