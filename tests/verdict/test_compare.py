import json
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from counterparts.summaries import HOSTILE, call, passed_summary, sample_summary

from fleet import cli
from fleet.verdict.compare import render
from fleet.verdict.comparison import Row, compared
from fleet.verdict.comparison import Run as Side
from fleet.verdict.document import BooksResult, Result, Summary, dump
from fleet.verdict.measures import Figure, Name, figures
from fleet.verdict.rules import parse_rule

BASE = passed_summary()
CALM = {"Authorize": call(1000, 0.1), "Heartbeat": call(500, 0.01)}
SLOW = {"Authorize": call(1000, 0.15, errors=4), "Heartbeat": call(500, 0.01)}


def side(summary: Summary, path: str = "summary.json") -> Side:
    return Side(path, summary, figures(summary))


def text_of(before: Summary, after: Summary, *rules: str) -> str:
    return render(compared(side(before, "a.json"), side(after, "b.json"), [parse_rule(rule) for rule in rules]))


def row(text: str, section: str, label: str) -> list[str]:
    """The words right of the label in a section's row."""
    block = text.split(f"\n  {section}\n", 1)[1].split("\n\n")[0]
    (line,) = [line for line in block.splitlines() if re.match(rf"    {re.escape(label)}\s", line)]
    return line.split(label, 1)[1].split()


def files(tmp_path: Path, before: Summary, after: Summary) -> list[str]:
    paths = []
    for name, summary in (("a", before), ("b", after)):
        path = tmp_path / name / "summary.json"
        path.parent.mkdir()
        path.write_bytes(dump(summary))
        paths.append(str(path))
    return paths


def test_each_figure_stands_beside_the_other_runs_with_its_change_and_whether_it_is_better() -> None:
    text = text_of(evolve(BASE, calls=CALM), evolve(BASE, calls=SLOW))
    assert row(text, "Authorize", "sent p50") == ["100ms", "150ms", "+50ms", "+50.0%", "worse"]
    assert row(text, "Authorize", "errors") == ["0", "4", "+4", "worse"]
    assert row(text, "Heartbeat", "sent p50") == ["10ms", "10ms", "="]
    back = text_of(evolve(BASE, calls=SLOW), evolve(BASE, calls=CALM))
    assert row(back, "Authorize", "sent p50") == ["150ms", "100ms", "-50ms", "-33.3%", "better"]


def test_both_starting_points_of_a_latency_are_compared() -> None:
    queued = {"Authorize": call(1000, 0.1, queued_s=0.9)}
    text = text_of(evolve(BASE, calls=CALM), evolve(BASE, calls=queued))
    assert row(text, "Authorize", "due  p50")[-1] == "worse"
    assert row(text, "Authorize", "sent p50")[-1] == "="


def test_a_small_change_is_neither_better_nor_worse() -> None:
    text = text_of(evolve(BASE, calls=CALM), evolve(BASE, calls={**CALM, "Authorize": call(1000, 0.104)}))
    assert row(text, "Authorize", "sent p50") == ["100ms", "104ms", "+4ms", "+4.0%"]


@pytest.mark.parametrize(
    ("before", "after", "change", "mark"),
    [
        (Figure(1), Figure(30, at_least=True), 29, "worse"),
        (Figure(40), Figure(30, at_least=True), None, ""),
        (Figure(30), Figure(30, at_least=True), None, ""),
        (Figure(30, at_least=True), Figure(1), -29, "better"),
        (Figure(30, at_least=True), Figure(40), None, ""),
        (Figure(30, at_least=True), Figure(30, at_least=True), None, ""),
        (None, Figure(1), None, ""),
    ],
)
def test_a_lower_bound_is_only_compared_as_far_as_it_goes(
    before: Figure | None, after: Figure, change: float | None, mark: str
) -> None:
    found = Row(Name("p99", "A"), before, after)
    assert (found.change, found.mark) == (change, mark)


def test_fewer_of_what_should_happen_is_worse() -> None:
    assert Row(Name("rate"), Figure(10), Figure(5)).mark == "worse"
    assert Row(Name("booted"), Figure(0.5), Figure(1)).mark == "better"
    assert Row(Name("calls"), Figure(10), Figure(5)).mark == ""


def test_books_and_charge_points_and_the_generators_are_compared_too() -> None:
    books = evolve(BASE.books, balanced=False, difference_wh=1250, violations={"missing": 2})
    after = evolve(
        BASE,
        books=books,
        charge_points=evolve(BASE.charge_points, accepted=450),
        generator=evolve(BASE.generator, utilisation=0.42),
    )
    text = text_of(BASE, after)
    assert row(text, "transactions and books", "energy_difference_wh") == [
        "0",
        "Wh",
        "1,250",
        "Wh",
        "+1,250",
        "Wh",
        "worse",
    ]
    assert row(text, "transactions and books", "book_violations") == ["0", "2", "+2", "worse"]
    assert row(text, "charge points", "booted") == ["100%", "90%", "-10%", "-10.0%", "worse"]
    assert row(text, "the generators themselves", "utilisation") == ["21%", "42%", "+21%", "+100.0%", "worse"]
    assert row(text, "the generators themselves", "lag p99")[-1] == "="
    assert row(text, "boot", "p95")[-1] == "="


def test_each_rule_that_was_broken_is_compared_and_can_be_asked_for() -> None:
    text = text_of(BASE, sample_summary(), "violations(clock-skew)", "violations(double-reply)")
    assert row(text, "transactions and books", "  clock-skew") == ["0", "12", "+12", "worse"]
    assert "  double-reply" not in text
    assert "    violations(clock-skew): 0 -> 12, and the limit is 0\n✓ --fail-on 'violations(double-reply)'" in text


def test_what_is_lost_and_what_is_open_is_what_it_is_in_an_objective() -> None:
    books = evolve(BASE.books, violations={"missing": 2, "open-in-records": 1})
    transactions = evolve(BASE.transactions, stopped=100, delivered=97, lost=5, open=4)
    found = figures(evolve(BASE, books=books, transactions=transactions))
    assert found[Name("lost_transactions")].value == 5
    assert found[Name("open_transactions")].value == 5


def without_records(books: BooksResult) -> BooksResult:
    return evolve(books, recorded_wh=None)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"charge_points": evolve(BASE.charge_points, count=400)}, "500 charge points in A, 400 in B"),
        ({"charge_points": evolve(BASE.charge_points, connectors=7)}, "1,000 connectors in A, 7 in B"),
        ({"charge_points": evolve(BASE.charge_points, connected=9)}, "500 charge points connected in A, 9 in B"),
        ({"duration_s": 900.0}, "A was to take 10m, B 15m"),
        ({"elapsed_s": 300.0}, "A took 10m12s, B 5m"),
        ({"fleet": "9.9"}, f"A was made by fleet {BASE.fleet}, B by fleet 9.9"),
        ({"result": Result.INVALID, "reasons": ("it was late", "and more")}, "B is INVALID: it was late"),
        ({"result": Result.INCOMPLETE}, "B is INCOMPLETE"),
        ({"result": Result.INTERRUPTED}, "B is INTERRUPTED"),
        ({"calls": {**BASE.calls, "DataTransfer": call(3, 0.1)}}, "only B has DataTransfer"),
        (
            {"calls": {**BASE.calls, "Heartbeat": call(99, 0.1)}},
            "fewer than 100 calls, which makes a p99 the slowest or nearly: Heartbeat",
        ),
        (
            {"books": without_records(BASE.books)},
            "the books of A were compared with records of the CSMS, those of B were not",
        ),
    ],
)
def test_runs_that_are_not_alike_are_said_not_to_be(changes: dict[str, Any], line: str) -> None:
    assert f"  beware: {line}\n" in text_of(BASE, evolve(BASE, **changes))


def test_runs_that_are_alike_bring_no_warning() -> None:
    assert "beware" not in text_of(BASE, evolve(BASE, seed=1, elapsed_s=BASE.elapsed_s + 3))


def test_objectives_that_turned_are_named() -> None:
    text = text_of(passed_summary(), sample_summary())
    assert "  objectives that turned\n    p99(Authorize) < 800ms: 97.6ms -> >= 30 s, now failed\n" in text


def test_without_rules_the_exit_code_is_0_whatever_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = files(tmp_path, BASE, sample_summary(result=Result.INVALID))
    assert cli.main(["compare", *paths]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        f"fleet compare\n  A  {paths[0]}: PASSED, 500 charge points, 10m12s from 2026-11-22T14:18:49Z"
    )
    assert "\x1b" not in said


def test_a_folder_of_a_report_stands_for_its_summary(tmp_path: Path) -> None:
    assert cli.main(["compare", *(str(Path(path).parent) for path in files(tmp_path, BASE, BASE))]) == 0


def test_a_broken_rule_ends_with_99_and_says_what_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = files(tmp_path, evolve(BASE, calls=CALM), evolve(BASE, calls=SLOW))
    assert (
        cli.main(["compare", *paths, "--fail-on", "p50(Authorize, sent) +20%", "--fail-on", "p50(Heartbeat) +20%"])
        == 99
    )
    assert capsys.readouterr().out.endswith(
        "✗ --fail-on 'p50(Authorize, sent) +20%'\n"
        "    p50(Authorize, sent): 100ms -> 150ms (+50.0%), and the limit is 120ms\n"
        "✓ --fail-on 'p50(Heartbeat) +20%'\n\nFAILED\n"
    )


def test_rules_that_all_hold_end_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = files(tmp_path, evolve(BASE, calls=CALM), evolve(BASE, calls=CALM))
    assert cli.main(["compare", *paths, "--fail-on", "p99 +20%", "--fail-on", "errors"]) == 0
    assert capsys.readouterr().out.endswith("✓ --fail-on 'p99 +20%'\n✓ --fail-on 'errors'\n\nPASSED\n")


@pytest.mark.parametrize("result", [Result.INVALID, Result.INCOMPLETE])
@pytest.mark.parametrize("which", [0, 1])
def test_a_run_that_shows_nothing_never_passes_a_rule(
    result: Result, which: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summaries = [BASE, BASE]
    summaries[which] = evolve(BASE, result=result)
    assert cli.main(["compare", *files(tmp_path, summaries[0], summaries[1]), "--fail-on", "p50(boot) +20%"]) == 98
    said = capsys.readouterr().out
    assert f"✗ --fail-on 'p50(boot) +20%'\n    {'AB'[which]} is {result.upper()}: its figures show nothing\n" in said
    assert said.endswith("\n\nINVALID\n")


def test_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = files(tmp_path, evolve(BASE, calls=CALM), evolve(BASE, calls=SLOW, duration_s=900.0))
    assert cli.main(["compare", *paths, "--json", "--fail-on", "errors +3"]) == 99
    said = json.loads(capsys.readouterr().out)
    assert (said["format"], said["version"], said["exit_code"]) == ("fleet-comparison", 1, 99)
    assert said["a"] == {"path": paths[0], "result": "passed", "seed": BASE.seed}
    assert said["beware"] == ["A was to take 10m, B 15m"]
    by_name = {figure["name"]: figure for figure in said["figures"]}
    assert by_name["p50(Authorize, sent)"] == {
        "name": "p50(Authorize, sent)",
        "unit": "s",
        "a": 0.1,
        "b": 0.15,
        "at_least": [],
        "change": pytest.approx(0.05),
        "change_share": pytest.approx(0.5),
        "mark": "worse",
    }
    assert said["rules"] == [
        {"rule": "errors +3", "holds": False, "breaches": ["errors: 0 -> 4, and the limit is 3"]},
    ]


@pytest.mark.parametrize(
    ("content", "rule", "complaint"),
    [
        ("{}", "errors", "expected a summary.json as `fleet run --report` writes it"),
        ('{"format": "fleet-summary", "version": 99}', "errors", "it is a summary of version 99, and this fleet reads"),
        (None, "errors", "can't read it: No such file or directory"),
        ("", "p98", "argument --fail-on: 'p98': no figure is called 'p98'; did you mean p99?"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_code_104(
    content: str | None, rule: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    assert cli.main(["compare", str(path), str(path), "--fail-on", rule]) == 104
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert complaint in captured.err


def test_a_rule_on_an_action_that_neither_run_knows_is_exit_code_104(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", *files(tmp_path, BASE, BASE), "--fail-on", "p99(Authorise) +1%"]) == 104
    assert "argument --fail-on: 'p99(Authorise) +1%': neither run has 'Authorise'" in capsys.readouterr().err


def test_colours_change_nothing_but_the_colour() -> None:
    comparison = compared(side(evolve(BASE, calls=CALM)), side(evolve(BASE, calls=SLOW)), [parse_rule("errors")])
    painted = render(comparison, colour=True)
    assert "\x1b[31mworse\x1b[0m" in painted
    assert re.sub(r"\x1b\[\d+m", "", painted) == render(comparison)


def test_the_words_of_a_csms_cannot_move_the_cursor_or_break_a_line() -> None:
    foreign = HOSTILE + "\n"
    hostile = sample_summary(
        calls={foreign: call(5, 0.1)}, began_at=foreign, fleet=foreign, result=Result.INVALID, reasons=(foreign,)
    )
    assert all(line.isprintable() for line in text_of(BASE, hostile, "errors", "p99 +1%").split("\n"))
