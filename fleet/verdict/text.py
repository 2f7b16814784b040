"""The summary of a run for people at a terminal, in a log and in a pull request: plain text, at most 120 or so wide.
In a terminal that is narrower, latencies stand below their counts instead of beside them.

Who reads it wants to know first whether it went well, so objectives come first and the verdict is the last thing that
the terminal shows. In between what is zero and would be a fault is said in one word; what isn't is listed with its
first cases, so that the next step needs no other tool.

A latency is there from both starting points, one line each: from when the message was *due*, which is what a driver
waits, and from when it was *sent*, which is what the CSMS needs. The longer `due` is beside `sent`, the more queued up.
"""

from collections.abc import Iterator, Mapping

from fleet.observe.figures import (
    format_count,
    format_counts,
    format_energy,
    format_latency,
    format_rate,
    printable,
)
from fleet.quantities import format_duration
from fleet.verdict.document import (
    BooksResult,
    Call,
    ChargePoints,
    Generator,
    ObjectiveResult,
    Percentiles,
    Result,
    Served,
    Summary,
    Transactions,
)

_WIDTH = 109
"""Of the widest table, with names that are no longer than usual."""
_LABEL_WIDTH = 18
_NAME_WIDTH_MIN, _NAME_WIDTH_NARROW_MAX, _NAME_WIDTH_MAX = 20, 28, 32
_OBJECTIVE_WIDTH_MAX = 70
_REASONS_SHOWN = 3
_SHOWN = ("p50_s", "p95_s", "p99_s", "max_s")
_RESULT = "Result"
_DURATIONS = {
    "connect": "connect",
    "connect_tcp": "connect: TCP",
    "connect_tls": "connect: TLS",
    "connect_websocket": "connect: WebSocket",
    "boot": "boot",
    "remote_start": "remote start",
    "remote_stop": "remote stop",
}

_GREEN, _RED, _YELLOW = "32", "31", "33"


class _Paint:
    """Colours, or none. Only whole words at a line's ends are painted, so that columns stay columns."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def passed(self, text: str, passed: bool) -> str:
        return self(text, _GREEN if passed else _RED)


def render_text(summary: Summary, *, colour: bool = False, width: int = _WIDTH) -> str:
    """The whole summary, without a newline at the end; with ANSI colours for a terminal if so wanted.

    Tables keep within `width` columns as long as that is 80 at least; sentences are left to the terminal.
    """
    paint, narrow = _Paint(colour), width < _WIDTH
    parts = [
        [_head(summary)],
        list(_objectives(summary.objectives, paint)),
        list(_charge_points(summary.charge_points)),
        list(_messages(summary, narrow)),
        [*_transactions(summary.transactions, summary.visits), *_transaction_messages(summary, narrow)],
        list(_books(summary.books, paint)),
        list(_troubles(summary)),
        list(_generator(summary.generator, paint)),
        [_verdict(summary, paint), f"to repeat this run: --seed {summary.seed}"],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _head(summary: Summary) -> str:
    many = "" if summary.charge_points.count == 1 else "s"
    return (
        f"fleet: {format_count(summary.charge_points.count)} charge point{many}, {format_duration(summary.elapsed_s)}, "
        f"seed {summary.seed}, against {printable(summary.target)}"
    )


def _line(label: str, *texts: str) -> str:
    dots = "." * (_LABEL_WIDTH - len(label))
    return f"  {label} {dots} " + ", ".join(text for text in texts if text)


def _tallied(label: str, counts: Mapping[str, int]) -> str:
    """`lost 3 (reset 2, ping-timeout 1)`, nothing where there is nothing."""
    if not counts:
        return ""
    return f"{label} {format_count(sum(counts.values()))} ({_by_word(counts)})".strip()


def _by_word(counts: Mapping[str, int]) -> str:
    """`reset 2, ping-timeout 1`, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{printable(word)} {format_count(count)}" for word, count in ranked)


# ---- objectives and verdict ------------------------------------------------------------------------------------------


def _objectives(objectives: tuple[ObjectiveResult, ...], paint: _Paint) -> Iterator[str]:
    if not objectives:
        return
    yield "  objectives"
    width = min(_OBJECTIVE_WIDTH_MAX, max(len(one.objective) for one in objectives))
    for one in objectives:
        dots = "." * (width + 4 - len(one.objective))
        shown = printable(one.shown) + (" (asked of every run)" if one.built_in else "")
        text = f"{printable(one.objective)} {dots} {shown}" if dots else f"{printable(one.objective)} {shown}"
        yield f"    {paint.passed('✓' if one.passed else '✗', one.passed)} {text}"


def _verdict(summary: Summary, paint: _Paint) -> str:
    """One line: `FAILED: p99(Authorize) < 800ms: it was 1.24 s`."""
    word = paint(
        summary.result.upper(),
        {Result.PASSED: _GREEN, Result.INTERRUPTED: _YELLOW}.get(summary.result, _RED),
    )
    reasons = [printable(reason) for reason in summary.reasons[:_REASONS_SHOWN]]
    if more := len(summary.reasons) - len(reasons):
        reasons.append(f"and {more} more")
    if summary.result is Result.PASSED and (broken := _unasked(summary)):
        return f"{word}, though the CSMS broke rules {format_count(broken)} times: ask for csms_violations == 0"
    return f"{word}: {'; '.join(reasons)}" if reasons else word


def _unasked(summary: Summary) -> int:
    """What the CSMS did against the specification, where no objective speaks of it."""
    asked = any("violations" in objective.objective for objective in summary.objectives)
    return 0 if asked else sum(violation.count for violation in summary.violations.values())


# ---- charge points ---------------------------------------------------------------------------------------------------


def _charge_points(charge_points: ChargePoints) -> Iterator[str]:
    accepted = f"{format_count(charge_points.accepted)} accepted"
    if charge_points.accepted and charge_points.accepted_after_s is not None:
        accepted += f" (the last after {format_duration(charge_points.accepted_after_s)})"
    yield _line(
        "charge points",
        f"{format_count(charge_points.connected)} of {format_count(charge_points.count)} connected",
        accepted,
        f"{format_count(charge_points.connectors)} connectors",
    )
    yield _line("at the end", format_counts(charge_points.by_state.items()))
    yield _line("connects", format_count(charge_points.connects), _tallied("lost", charge_points.disconnects))
    if charge_points.connect_failures:
        yield _line("failed connects", _tallied("", charge_points.connect_failures))
    if charge_points.restarts:
        yield _line("restarts", _tallied("", charge_points.restarts))


# ---- messages --------------------------------------------------------------------------------------------------------


def _messages(summary: Summary, narrow: bool) -> Iterator[str]:
    rate = format_rate(summary.messages / summary.elapsed_s) if summary.elapsed_s > 0 else ""
    yield _line("messages", format_count(summary.messages), rate)
    names = [*map(printable, (*summary.calls, *summary.served)), *_DURATIONS.values()]
    width = max(_NAME_WIDTH_MIN, min(_NAME_WIDTH_NARROW_MAX if narrow else _NAME_WIDTH_MAX, max(map(len, names))))
    titles = "" if narrow else _quantile_titles()
    if summary.calls:
        yield (_columns("to the CSMS", width, "count", "rate", "errors", "timeouts", "cut off") + titles).rstrip()
        for action, call in sorted(summary.calls.items(), key=lambda item: (-item[1].count, item[0])):
            yield from _call(action, call, width, narrow)
    measured = {name: summary.durations[name] for name in _DURATIONS if name in summary.durations}
    measured |= {name: times for name, times in summary.durations.items() if name not in measured}
    in_vain = any(times.censored for times in measured.values())
    if measured:
        yield ""
        yield (_columns("durations", width, "count", "", "", "in vain" if in_vain else "", "") + titles).rstrip()
    for name, times in measured.items():
        counts = format_count(times.count), "", "", format_count(times.censored) if in_vain else "", ""
        yield from _timed(_columns(_DURATIONS.get(name, name), width, *counts), {"": times}, width, narrow)
    if summary.served:
        yield ""
        yield _columns("from the CSMS", width, "count", "rate", "errors", "", "").rstrip()
    for action, served in sorted(summary.served.items(), key=lambda item: (-item[1].count, item[0])):
        yield from _served(action, served, width)


def _columns(name: str, width: int, count: str, rate: str, errors: str, timeouts: str, cut_off: str) -> str:
    shown = printable(name)
    if len(shown) > width:
        shown = shown[: width - 1] + "…"
    return f"    {shown:<{width}}{count:>11}{rate:>9}{errors:>8}{timeouts:>10}{cut_off:>9}"


def _quantile_titles() -> str:
    return f"{'':>6}" + "".join(f"{name.removesuffix('_s'):>8}" for name in _SHOWN)


def _timed(counts: str, times: Mapping[str, Percentiles], width: int, narrow: bool) -> Iterator[str]:
    """What was counted, and its latencies by starting point: beside it, one below the other, or all below it."""
    if narrow or not times:
        yield counts.rstrip()
    for start, percentiles in times.items():
        shown = [
            (name, format_latency(getattr(percentiles, name), at_least=name in percentiles.at_least)) for name in _SHOWN
        ]
        if narrow:
            yield f"      {start:<4}" + "".join(f"   {name.removesuffix('_s')} {text:>7}" for name, text in shown)
        else:
            yield f"{counts}{start:>6}" + "".join(f"{text:>8}" for _, text in shown)
            counts = _columns("", width, "", "", "", "", "")


def _call(action: str, call: Call, width: int, narrow: bool) -> Iterator[str]:
    """A line per starting point, and one for codes if there are any."""
    counts = format_count(call.count), format_rate(call.rate_per_s), format_count(call.errors)
    line = _columns(action, width, *counts, format_count(call.timeouts), format_count(call.cut_off))
    times = {start: times for start, times in (("due", call.due), ("sent", call.sent)) if times}
    yield from _timed(line, times, width, narrow)
    if call.error_codes:
        yield f"      answered with {_by_word(call.error_codes)}"


def _served(action: str, served: Served, width: int) -> Iterator[str]:
    errors = {code: count for code, count in served.outcomes.items() if code != _RESULT}
    counts = format_count(served.count), format_rate(served.rate_per_s), format_count(sum(errors.values()))
    yield (_columns(action, width, *counts, "", "") + f"  {_by_word(errors)}").rstrip()


# ---- transactions and books ------------------------------------------------------------------------------------------


def _transactions(transactions: Transactions, visits: Mapping[str, int]) -> Iterator[str]:
    yield _line(
        "transactions",
        f"{format_count(transactions.started)} started",
        f"{format_count(transactions.stopped)} stopped",
        f"{format_count(transactions.delivered)} delivered",
        f"{format_count(transactions.lost)} lost",
        f"{format_count(transactions.open)} still open" if transactions.open else "",
        f"{format_count(transactions.restored)} of them from an earlier run" if transactions.restored else "",
    )
    if transactions.by_reason:
        by_reason = sorted(transactions.by_reason.items(), key=lambda item: (-item[1], item[0]))
        yield _line("stopped by", format_counts(by_reason))
    if transactions.abandoned:
        yield _line("abandoned", f"{format_count(transactions.abandoned)} on charge points given up or taken out")
    if transactions.waiting:
        yield _line("still waiting", f"{format_count(transactions.waiting)} transaction messages")
    if visits:
        shown = format_counts((word.replace("_", " "), count) for word, count in visits.items())
        yield _line("visits", shown or "none")


def _transaction_messages(summary: Summary, narrow: bool) -> Iterator[str]:
    fates = summary.transaction_messages
    if lost := {action: fate.lost for action, fate in fates.items() if fate.lost}:
        yield _line("messages lost", _tallied("", lost))
    if not fates:
        return
    width = 22 if narrow else 32
    title = f"    {'transaction messages':<{width}}"
    yield f"{title}{'delivered':>11}{'lost':>9}{'repeated':>10}{'late':>9}{'out of order':>14}"
    for action, fate in fates.items():
        yield (
            f"    {printable(action):<{width}}{format_count(fate.delivered):>11}{format_count(fate.lost):>9}"
            f"{format_count(fate.repeated):>10}{format_count(fate.late):>9}{format_count(fate.out_of_order):>14}"
        )


def _books(books: BooksResult, paint: _Paint) -> Iterator[str]:
    energies = [("metered", books.metered_wh), ("reported", books.reported_wh), ("acknowledged", books.acknowledged_wh)]
    if books.recorded_wh is not None:
        energies.append(("recorded", books.recorded_wh))
    if len({energy_wh for _, energy_wh in energies}) == 1:
        words = " = ".join(word for word, _ in energies)
        yield _line("energy", f"{format_count(books.metered_wh)} Wh {words} ({format_energy(books.metered_wh)})")
    else:
        yield _line("energy", *(f"{format_count(energy_wh)} Wh {word}" for word, energy_wh in energies))
    verdict = paint.passed("balanced" if books.balanced else "NOT BALANCED", books.balanced)
    if books.recorded_wh is None:
        verdict += " on our side; no records of the CSMS to compare with"
    yield _line("books", verdict)
    yield from (f"    {printable(finding)}" for finding in books.findings)
    if books.violations:
        yield _line("wrong in them", _by_word(books.violations))


# ---- what went wrong, and whether we may say so ----------------------------------------------------------------------


def _troubles(summary: Summary) -> Iterator[str]:
    violations = {rule: violation.count for rule, violation in summary.violations.items()}
    examples = {rule: violation.examples for rule, violation in summary.violations.items()}
    charge_points = summary.charge_points
    for label, total, counts, cases in (
        ("violations", sum(violations.values()), violations, examples),
        ("crashes", sum(charge_points.crashes.values()), charge_points.crashes, charge_points.cases),
        ("given up", charge_points.given_up, charge_points.given_up_for, charge_points.cases),
    ):
        yield _line(label, format_count(total) if total else "none")
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            yield f"    {printable(word)}: {format_count(count)}"
            yield from (f"      {printable(case)}" for case in cases.get(word, ()))


def _generator(generator: Generator, paint: _Paint) -> Iterator[str]:
    valid = not generator.reasons
    yield _line("generator", paint.passed("VALID" if valid else "INVALID", valid), "it kept up" if valid else "")
    yield from (f"    {printable(reason)}" for reason in generator.reasons)
    if (lag := generator.lag) is not None:
        shown = (f"{name.removesuffix('_s')} {format_latency(getattr(lag, name))}" for name in ("p50_s", "p99_s"))
        yield _line("schedule lag", *shown, f"max {format_latency(lag.max_s)}")
    yield _line(
        "loop at work", f"{generator.utilisation:.0%} of the time", f"{generator.utilisation_peak:.0%} in the worst 10s"
    )
    yield _line("used", f"{format_duration(generator.cpu_s)} of CPU", f"{generator.rss_mib:.0f} MiB of memory")
    if generator.resource_failures:
        failures = format_count(generator.resource_failures)
        yield _line("out of resources", f"{failures} connections had no descriptors, ports or buffers here")
    if generator.trace_lost:
        yield _line("trace", f"{format_count(generator.trace_lost)} frames could not be written")
