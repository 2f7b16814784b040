"""`fleet compare`: two summaries side by side, and whether the second one may pass.

Every figure that both or either hold, its change and whether that is for the better or the worse; then what makes the
runs unlike, since a difference between two different loads says nothing about a CSMS. With `--fail-on` it is a verdict
for a pipeline: 99 when a rule is broken, and 98 when one of the runs is invalid or incomplete, which can show nothing.
"""

import argparse
import os
import sys
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any

import orjson

from fleet.errors import EXIT_DONE, EXIT_EXPECTATION
from fleet.observe.figures import format_count, printable
from fleet.quantities import format_duration
from fleet.verdict.comparison import NOTABLE, Comparison, Row, Run, compared
from fleet.verdict.document import SUMMARY_FILE, load
from fleet.verdict.measures import COUNTS, LAG, PERCENTILES, VIOLATIONS, Name, Unit, figures, shown, shown_change
from fleet.verdict.rules import Rule, parse_rule

FORMAT = "fleet-comparison"
VERSION = 1
_SHOWN_PERCENTILES = ("p50", "p95", "p99", "max")
_LABEL_WIDTH, _VALUE_WIDTH, _CHANGE_WIDTH = 28, 14, 12
_CHARGE_POINTS = ("booted", "disconnects", "connect_failures", "restarts", "crashes", "given_up")
_TRANSACTIONS = (
    *("transactions", "open_transactions", "abandoned_transactions", "lost_transactions", "lost_messages"),
    *("energy_difference_wh", "book_violations", "csms_violations"),
)
_GENERATOR = ("utilisation", "utilisation_peak", "rss_mib")
_ALWAYS = {"calls", "rate", "errors", "booted", "transactions", "lost_transactions", "energy_difference_wh"}
"""Shown also where there was nothing of it in either run."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fleet compare` to a parser."""
    for name, what in (("a", "the summary to compare with"), ("b", "the summary to judge")):
        parser.add_argument(
            name, type=Path, metavar=name.upper(), help=f"{what}: {SUMMARY_FILE}, or the folder of its report"
        )
    parser.add_argument(
        "--fail-on",
        type=_rule,
        action="append",
        default=[],
        metavar="RULE",
        help="end with exit code 99 if B is worse than A by more than this, such as 'p99 +20%%', 'p95(boot) +100ms', "
        "'errors +0' or 'rate -10%%'; may be given more than once",
    )
    parser.add_argument("--json", action="store_true", help="say it as JSON")


def compare(args: argparse.Namespace) -> int:
    """Print the comparison and return the exit code; raises ConfigurationError for what is no summary, or a rule on an
    action that neither run knows."""
    comparison = compared(_read(args.a), _read(args.b), args.fail_on)
    if args.json:
        sys.stdout.write(orjson.dumps(as_json(comparison), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        print(render(comparison, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))
    return comparison.exit_code


def _rule(text: str) -> Rule:
    try:
        return parse_rule(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def _read(path: Path) -> Run:
    summary = load(path / SUMMARY_FILE if path.is_dir() else path)
    return Run(str(path), summary, figures(summary))


# ---- as text ---------------------------------------------------------------------------------------------------------


def render(comparison: Comparison, *, colour: bool = False) -> str:
    """The comparison for people, without a newline at the end."""

    def paint(text: str, good: bool) -> str:
        return f"\x1b[{32 if good else 31}m{text}\x1b[0m" if colour else text

    lines = [
        "fleet compare",
        *(_run(name, run) for name, run in (("A", comparison.before), ("B", comparison.after))),
        *(f"  beware: {line}" for line in comparison.unlike),
        "",
        _cells("", "A", "B", "change", "").rstrip(),
    ]
    rows = {row.name: row for row in comparison.rows}
    for title, names in _sections(comparison):
        there = [row for name in names if (row := rows.get(name)) is not None and _worth_a_line(row)]
        if there:
            lines += [f"  {title}", *(_row(row, rows, paint) for row in there), ""]
    lines += [*_objectives(comparison), f"better and worse: by {NOTABLE:.0%} or more"]
    for rule, breaches in comparison.breaches.items():
        holds = not breaches and not comparison.worthless
        lines.append(f"{paint('✓' if holds else '✗', holds)} --fail-on '{rule}'")
        lines += [f"    {breach}" for breach in (*breaches, *comparison.worthless)]
    if comparison.breaches:
        passed = comparison.exit_code == EXIT_DONE
        word = "PASSED" if passed else "FAILED" if comparison.exit_code == EXIT_EXPECTATION else "INVALID"
        lines += ["", paint(word, passed)]
    return "\n".join(lines)


def _run(name: str, run: Run) -> str:
    summary = run.summary
    return (
        f"  {name}  {run.path}: {summary.result.upper()}, {format_count(summary.charge_points.count)} charge points, "
        f"{format_duration(summary.elapsed_s)} from {printable(summary.began_at)}, seed {summary.seed}"
    )


def _sections(comparison: Comparison) -> Iterator[tuple[str, list[Name]]]:
    """Titles, and what stands below them."""
    before, after = comparison.before.summary, comparison.after.summary
    yield "all messages to the CSMS", [Name(function) for function in COUNTS]
    counts = {action: call.count for run in (after, before) for action, call in run.calls.items()}
    for action in sorted(counts, key=lambda action: (-counts[action], action)):
        names = [Name(function, action) for function in COUNTS]
        names += [Name(function, action, sent) for sent in (False, True) for function in _SHOWN_PERCENTILES]
        yield printable(action), names
    durations = dict.fromkeys((*before.durations, *after.durations))
    for duration in durations:
        yield printable(duration), [Name(function, duration) for function in _SHOWN_PERCENTILES]
    yield "charge points", [Name(name) for name in _CHARGE_POINTS]
    broken = sorted(row.name.subject for row in comparison.rows if row.name.function == VIOLATIONS)
    names = [Name(name) for name in _TRANSACTIONS]
    yield "transactions and books", [*names, *(Name(VIOLATIONS, rule) for rule in broken)]
    lag = [Name(function, LAG) for function in _SHOWN_PERCENTILES]
    yield "the generators themselves", [*(Name(name) for name in _GENERATOR), *lag]


def _worth_a_line(row: Row) -> bool:
    return row.name.function in _ALWAYS or row.name.function in PERCENTILES or row.anything


def _row(row: Row, both: Container[Name], paint: Callable[[str, bool], str]) -> str:
    name, unit = row.name, row.name.unit
    # The word that a rule takes, so that who reads it can ask for it.
    label = name.function
    if name.function in PERCENTILES and (name.sent or Name(name.function, name.subject, sent=True) in both):
        label = f"{'sent' if name.sent else 'due':<5}{label}"
    elif name.subject == LAG:
        label = f"{LAG} {label}"
    elif name.function == VIOLATIONS:
        label = f"  {printable(name.subject)}"
    before, after = (
        "-" if figure is None else shown(figure.value, unit, at_least=figure.at_least)
        for figure in (row.before, row.after)
    )
    change, share = _change(row, unit)
    line = _cells(label, before, after, change, share)
    return f"{line}  {paint(row.mark, row.mark == 'better')}" if row.mark else line.rstrip()


def _change(row: Row, unit: Unit) -> tuple[str, str]:
    if row.change is None:
        return "?" if row.before and row.after else "", ""
    if row.change == 0:
        return "=", ""
    bound = ">" if row.after and row.after.at_least else ""
    return bound + shown_change(row.change, unit), "" if row.share is None else f"{bound}{row.share:+.1%}"


def _cells(label: str, before: str, after: str, change: str, share: str) -> str:
    return (
        f"    {label:<{_LABEL_WIDTH}}{before:>{_VALUE_WIDTH}}{after:>{_VALUE_WIDTH}}"
        f"{change:>{_CHANGE_WIDTH}}{share:>{_CHANGE_WIDTH}}"
    )


def _objectives(comparison: Comparison) -> Iterator[str]:
    """Those that one run passed and the other did not."""
    before = {one.objective: one for one in comparison.before.summary.objectives}
    turned = [
        (before[one.objective], one)
        for one in comparison.after.summary.objectives
        if one.objective in before and before[one.objective].passed is not one.passed
    ]
    if turned:
        yield "  objectives that turned"
    for was, now in turned:
        mark = "now passed" if now.passed else "now failed"
        yield f"    {printable(now.objective)}: {printable(was.shown)} -> {printable(now.shown)}, {mark}"
    if turned:
        yield ""


# ---- as JSON ---------------------------------------------------------------------------------------------------------


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain JSON values; `change` and `change_share` are null where a lower bound leaves it open."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "exit_code": comparison.exit_code,
        **{
            name: {"path": run.path, "result": run.summary.result, "seed": run.summary.seed}
            for name, run in (("a", comparison.before), ("b", comparison.after))
        },
        "beware": comparison.unlike,
        "figures": [
            {
                "name": str(row.name),
                "unit": row.name.unit,
                "a": row.before and row.before.value,
                "b": row.after and row.after.value,
                "at_least": [
                    run for run, figure in (("a", row.before), ("b", row.after)) if figure and figure.at_least
                ],
                "change": row.change,
                "change_share": row.share,
                "mark": row.mark or None,
            }
            for row in comparison.rows
        ],
        "rules": [
            {"rule": rule, "holds": not breaches and not comparison.worthless, "breaches": breaches}
            for rule, breaches in comparison.breaches.items()
        ],
        "worthless": comparison.worthless,
    }
