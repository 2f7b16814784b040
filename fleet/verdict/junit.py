"""The verdict as JUnit XML, which every CI system shows: each objective is a test case.

A failure is the CSMS's: an objective that was not met. An error is ours: the generator fell behind, or the run did not
come to its end, and then a CI system must not show green whatever was measured. Objectives of a run whose generator
fell behind are skipped rather than passed or failed, as their figures say nothing about the CSMS.
"""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from fleet.observe.figures import format_count, printable
from fleet.verdict.document import ObjectiveResult, Result, Summary

OBJECTIVES = "fleet.objectives"
RUN = "fleet.run"
KEPT_UP = "the generator kept up"
COMPLETE = "the run came to its end"
EXPECTATIONS = "every expectation was met"


def render_junit(summary: Summary) -> bytes:
    """The whole document, UTF-8 with its declaration."""
    suite = Element("testsuite", name="fleet", timestamp=printable(summary.began_at.removesuffix("Z")))
    properties = SubElement(suite, "properties")
    for name, value in (
        ("result", summary.result.value),
        ("seed", str(summary.seed)),
        ("target", summary.target),
        ("charge_points", str(summary.charge_points.count)),
        ("fleet", summary.fleet),
        *(("warning", warning) for warning in summary.warnings),
    ):
        SubElement(properties, "property", name=name, value=_clean(value))
    for objective in summary.objectives:
        _objective(suite, objective, invalid=summary.result is Result.INVALID)
    _run(suite, summary)
    counts = {
        "tests": len(suite.findall("testcase")),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
        "time": f"{summary.elapsed_s:.3f}",
    }
    root = Element("testsuites", name="fleet")
    for name, count in counts.items():
        suite.set(name, str(count))
        root.set(name, str(count))
    root.append(suite)
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _objective(suite: Element, objective: ObjectiveResult, *, invalid: bool) -> None:
    case = _case(suite, OBJECTIVES, objective.objective)
    measured = f"it was {objective.shown}"
    if invalid:
        SubElement(case, "skipped", message=_clean(f"{measured}, but the generator fell behind"))
    elif not objective.passed:
        _trouble(case, "failure", measured, "objective", (f"{objective.objective}: {measured}",))


def _run(suite: Element, summary: Summary) -> None:
    """What is to be so of every run, with or without objectives."""
    case = _case(suite, RUN, KEPT_UP)
    if summary.result is Result.INVALID:
        reasons = summary.generator.reasons or summary.reasons
        _trouble(case, "error", _first(reasons, "the run is invalid"), "invalid", reasons)
    case = _case(suite, RUN, COMPLETE)
    if summary.result in (Result.INCOMPLETE, Result.INTERRUPTED):
        _trouble(case, "error", _first(summary.reasons, summary.result.value), summary.result.value, summary.reasons)
    if summary.result is Result.FAILED and all(objective.passed for objective in summary.objectives):
        # Scenarios have expectations of their own, which are no objectives.
        _trouble(
            _case(suite, RUN, EXPECTATIONS),
            "failure",
            _first(summary.reasons, "the run failed"),
            "expectation",
            summary.reasons,
        )


def _case(suite: Element, group: str, name: str) -> Element:
    return SubElement(suite, "testcase", classname=group, name=_clean(name), time="0")


def _trouble(case: Element, kind: str, message: str, type_: str, lines: tuple[str, ...]) -> None:
    trouble = SubElement(case, kind, message=_clean(message), type=type_)
    trouble.text = "\n".join(_clean(line) for line in lines)


def _first(reasons: tuple[str, ...], otherwise: str) -> str:
    if not reasons:
        return otherwise
    return reasons[0] if len(reasons) == 1 else f"{reasons[0]} (and {format_count(len(reasons) - 1)} more)"


def _clean(text: str) -> str:
    """As XML may say it: what can't be printed is escaped, and the two code points that no XML holds go."""
    return printable(text).replace("\ufffe", "").replace("\uffff", "")
