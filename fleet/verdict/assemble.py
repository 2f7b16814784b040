"""The summary of a run put together from what its listeners counted, with the verdict.

What decides, in this order: a generator that could not keep up makes the result INVALID, whatever else was seen; a run
that did not come to what it was to do is INCOMPLETE; then objectives, books and scenarios say passed or failed. An
interrupted run is said to be just that, with everything measured until then.
"""

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from fleet.errors import EXIT_DONE, EXIT_EXPECTATION, EXIT_INTERRUPTED, EXIT_INVALID
from fleet.observe.board import Board
from fleet.observe.books import Balance, Books
from fleet.observe.durations import Durations
from fleet.observe.health import Health
from fleet.observe.journal import Journal
from fleet.observe.latency import Latency
from fleet.observe.tally import Tally
from fleet.observe.timeline import Timeliner
from fleet.verdict.document import (
    FORMAT,
    VERSION,
    BooksResult,
    Call,
    ChargePoints,
    Event,
    Fate,
    Generator,
    ObjectiveResult,
    Percentiles,
    Result,
    Served,
    Summary,
    Timeline,
    Transactions,
    Violation,
)
from fleet.verdict.readings import lost_transactions
from fleet.verdict.slo import BOOKS_BALANCE, Figures, Objective, built_in

EXIT_CODES = {
    Result.PASSED: EXIT_DONE,
    Result.FAILED: EXIT_EXPECTATION,
    Result.INVALID: EXIT_INVALID,
    Result.INCOMPLETE: EXIT_INVALID,
    Result.INTERRUPTED: EXIT_INTERRUPTED,
}
_RESULT, _TIMEOUT, _DISCONNECTED = "Result", "Timeout", "Disconnected"
_SHARES = {"p50_s": 0.5, "p90_s": 0.9, "p95_s": 0.95, "p99_s": 0.99, "p99_9_s": 0.999, "max_s": 1.0}


@frozen
class Listeners:
    """Whoever listened to the run."""

    board: Board
    books: Books
    latency: Latency
    health: Health
    journal: Journal
    timeline: Timeliner

    def figures(self, elapsed_s: float, balance: Balance | None = None, failed_expectations: int = 0) -> Figures:
        """What objectives are measured on, while the run goes on or, with a balance, after it."""
        return Figures(
            board=self.board,
            latency=self.latency,
            balance=balance,
            elapsed_s=elapsed_s,
            failed_expectations=failed_expectations,
        )


@frozen
class Circumstances:
    """What the run knows about itself. `aborted` is the objective that ended it, as it was then."""

    version: str
    seed: int
    target: str
    began_at: str
    """UTC, as text."""
    started_at: float
    """On the monotonic clock."""
    duration_s: float
    elapsed_s: float
    objectives: Sequence[Objective] = ()
    interrupted: bool = False
    aborted: ObjectiveResult | None = None
    incomplete: tuple[str, ...] = ()
    """What the run was to do and didn't come to."""
    undrained: int = 0
    """Charge points that were not done when the grace was over: what they still had to say is in no figure."""
    failed_expectations: int = 0
    measuring: bool = True
    """False where somebody plays with one charge point: then nobody asks whether the generator kept up."""
    visits: Mapping[str, int] | None = None
    trace_lost: int = 0
    warnings: tuple[str, ...] = ()
    """What whoever reads the figures must not overlook."""


def assemble(listeners: Listeners, balance: Balance, run: Circumstances) -> Summary:
    """The whole document; `balance` is that of the end."""
    board, health = listeners.board, listeners.health
    objectives = (*_measured(listeners, balance, run), *built_in(balance, run.objectives), *_drained(board, run))
    shortcomings = health.shortcomings() if run.measuring else ()
    incomplete = run.incomplete
    if given_up := board.given_up.total:
        # Who was taken out of the fleet after that is missing all the same.
        incomplete += (f"charge points that crashed too often and were given up: {given_up}",)
    result, reasons = _judge(run, objectives, shortcomings, incomplete)
    return Summary(
        format=FORMAT,
        version=VERSION,
        fleet=run.version,
        result=result,
        exit_code=EXIT_CODES[result],
        reasons=reasons,
        seed=run.seed,
        target=run.target,
        began_at=run.began_at,
        duration_s=run.duration_s,
        elapsed_s=run.elapsed_s,
        objectives=objectives,
        charge_points=_charge_points(board, run.started_at),
        messages=board.messages,
        calls=dict(_calls(board, listeners.latency, run.elapsed_s)),
        served=dict(_served(board, run.elapsed_s)),
        durations=dict(_durations(listeners.latency)),
        transactions=_transactions(board, balance),
        transaction_messages={
            action: Fate(fate.delivered, fate.lost, fate.repeated, fate.late, fate.out_of_order)
            for action, fate in listeners.books.messages.items()
        },
        books=_books(balance),
        violations={
            rule: Violation(count, tuple(board.violations.cases.get(rule, ()))) for rule, count in board.violations
        },
        generator=Generator(
            reasons=shortcomings,
            lag=percentiles(health.lag),
            utilisation=health.utilisation,
            utilisation_peak=health.utilisation_peak,
            cpu_s=health.cpu_s,
            rss_mib=health.rss_mib,
            resource_failures=health.resource_failures,
            trace_lost=run.trace_lost,
        ),
        visits=dict(run.visits or {}),
        timeline=Timeline(*listeners.timeline.columns(run.started_at)),
        events=tuple(
            Event(round(entry.at - run.started_at, 3), entry.kind.value, entry.text)
            for entry in listeners.journal.entries
        ),
        warnings=run.warnings,
    )


def _measured(listeners: Listeners, balance: Balance, run: Circumstances) -> Iterator[ObjectiveResult]:
    figures = listeners.figures(run.elapsed_s, balance, run.failed_expectations)
    for objective in run.objectives:
        # What ended the run has failed, whatever it came to while the fleet drained.
        failed = run.aborted is not None and run.aborted.objective == objective.text
        yield run.aborted if failed and run.aborted is not None else objective.evaluate(figures)


def _drained(board: Board, run: Circumstances) -> Iterator[ObjectiveResult]:
    """Said where it is not so: a CSMS that is too slow to be told everything has not held."""
    if run.undrained:
        shown = f"{run.undrained:,} of {board.charge_points:,} charge points were not done"
        yield ObjectiveResult("everybody leaves within the grace", False, float(run.undrained), shown, built_in=True)


def _judge(
    run: Circumstances,
    objectives: Sequence[ObjectiveResult],
    shortcomings: Sequence[str],
    incomplete: Sequence[str],
) -> tuple[Result, tuple[str, ...]]:
    """The verdict and all that speaks against a simple pass, what decides first."""
    failed = [_failure(each) for each in objectives if not each.passed]
    if run.failed_expectations:
        many = "" if run.failed_expectations == 1 else "s"
        failed.append(f"{run.failed_expectations} scenario{many} with an expectation that was not so")
    reasons = (*shortcomings, *incomplete, *failed)
    if run.interrupted:
        return Result.INTERRUPTED, reasons
    if shortcomings:
        return Result.INVALID, reasons
    if incomplete:
        return Result.INCOMPLETE, reasons
    return (Result.FAILED if failed else Result.PASSED), reasons


def _failure(objective: ObjectiveResult) -> str:
    """`disconnects == 0: it was 10`; a finding of the books, or why nothing was measured, stands as it is."""
    measured = objective.value is not None and objective.objective != BOOKS_BALANCE
    return f"{objective.objective}: {'it was ' if measured else ''}{objective.shown}"


def percentiles(durations: Durations) -> Percentiles | None:
    """A histogram as the figures that are shown of it; None of an empty one."""
    if not durations.count:
        return None
    quantiles = dict(zip(_SHARES, durations.quantiles(tuple(_SHARES.values())), strict=True))
    return Percentiles(
        count=durations.count,
        censored=durations.censored,
        mean_s=durations.mean_s,
        at_least=tuple(name for name, quantile in quantiles.items() if quantile.at_least),
        **{name: quantile.value_s for name, quantile in quantiles.items()},
    )


def _counts(tally: Tally) -> dict[str, int]:
    return dict(tally)


def _charge_points(board: Board, started_at: float) -> ChargePoints:
    return ChargePoints(
        count=board.charge_points,
        connectors=board.connectors,
        connected=board.reached,
        accepted=board.accepted,
        accepted_after_s=None if board.accepted_at is None else board.accepted_at - started_at,
        by_state={state.value: count for state, count in board.by_state.items() if count},
        connects=board.connects,
        disconnects=_counts(board.disconnects),
        connect_failures=_counts(board.connect_failures),
        restarts=_counts(board.restarts),
        crashes=_counts(board.crashes),
        given_up=board.given_up.total,
        given_up_for=_counts(board.given_up),
        cases={word: tuple(cases) for tally in (board.crashes, board.given_up) for word, cases in tally.cases.items()},
    )


def _rate(count: int, elapsed_s: float) -> float:
    return count / elapsed_s if elapsed_s > 0 else 0.0


def _by_action(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Counts by action and then outcome, the most frequent action first."""
    found: dict[str, dict[str, int]] = {}
    for (action, outcome), count in counts.items():
        found.setdefault(action, {})[outcome] = count
    return dict(sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0])))


def _calls(board: Board, latency: Latency, elapsed_s: float) -> Iterator[tuple[str, Call]]:
    for action, outcomes in _by_action(board.sent).items():
        codes = {
            code: count for code, count in sorted(outcomes.items()) if code not in (_RESULT, _TIMEOUT, _DISCONNECTED)
        }
        times = latency.of(action)
        total = sum(outcomes.values())
        yield (
            action,
            Call(
                count=total,
                rate_per_s=_rate(total, elapsed_s),
                errors=sum(codes.values()),
                timeouts=outcomes.get(_TIMEOUT, 0),
                cut_off=outcomes.get(_DISCONNECTED, 0),
                error_codes=codes,
                due=None if times is None else percentiles(times.due),
                sent=None if times is None else percentiles(times.sent),
            ),
        )


def _served(board: Board, elapsed_s: float) -> Iterator[tuple[str, Served]]:
    for action, outcomes in _by_action(board.served).items():
        total = sum(outcomes.values())
        yield action, Served(total, _rate(total, elapsed_s), outcomes)


def _durations(latency: Latency) -> Iterator[tuple[str, Percentiles]]:
    every = {f"connect_{stage}": durations for stage, durations in latency.connect.items()}
    every |= {
        "connect": latency.connected,
        "boot": latency.boot,
        "remote_start": latency.remote_start,
        "remote_stop": latency.remote_stop,
    }
    for name, durations in every.items():
        found = percentiles(durations)
        if found is not None:
            yield name, found


def _transactions(board: Board, balance: Balance) -> Transactions:
    return Transactions(
        started=balance.started,
        stopped=balance.stopped,
        delivered=balance.delivered,
        lost=lost_transactions(balance),
        waiting=board.outbox,
        restored=balance.restored,
        open=balance.open_here,
        abandoned=board.abandoned,
        by_reason=_counts(board.stopped),
    )


def _books(balance: Balance) -> BooksResult:
    return BooksResult(
        balanced=balance.balanced,
        metered_wh=balance.metered_wh,
        reported_wh=balance.reported_wh,
        acknowledged_wh=balance.acknowledged_wh,
        recorded_wh=balance.recorded_wh,
        difference_wh=balance.difference_wh,
        violations=dict(balance.violations),
        findings=balance.findings,
    )
