"""The conclusion of a run: the books are closed, it is judged and told, and an exit code is left.

What was measured is said before anything that can still go wrong, such as a disk that takes no report.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

import attrs

from fleet.errors import EXIT_FAILED, FleetError, UnreachableError
from fleet.link.endpoint import mask
from fleet.load.controls import Manner
from fleet.load.security import NOT_VERIFIED
from fleet.load.under_way import End, Run
from fleet.observe.books import Balance
from fleet.observe.records import Record
from fleet.output import wait_for_readers
from fleet.verdict import report
from fleet.verdict.assemble import Circumstances, assemble
from fleet.verdict.document import Summary
from fleet.verdict.text import render_text
from fleet.version import VERSION


def conclude(end: End, running: Run, records: Iterable[Record] | None, elapsed_s: float) -> int:
    """Close the books, judge, and say so; returns the exit code."""
    unkept = None if running.keeper is None else running.keeper.failure
    unreached = _unreached(end, running, elapsed_s) if unkept is None else None
    failures = (running.csms_ended, unreached, unkept and f"the state can't be kept: {unkept}")
    incomplete = tuple(str(why) for why in failures if why)
    balance, unreadable = _balance(running, records)
    observing, config = running.observing, running.config
    began_at = datetime.fromtimestamp(observing.clock.utc(running.started_at), UTC)
    summary = assemble(
        observing.listeners,
        balance,
        Circumstances(
            version=VERSION,
            seed=running.seed,
            target=mask(running.url),
            began_at=began_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            started_at=running.started_at,
            duration_s=config.duration_s,
            elapsed_s=elapsed_s,
            objectives=[each.objective for each in config.objectives],
            interrupted=end is End.INTERRUPTED,
            undrained=running.undrained,
            aborted=running.hopeless,
            incomplete=incomplete + unreadable,
            failed_expectations=running.scenarios.failed,
            measuring=not running.manner.alone,
            visits=None if running.manner.alone else attrs.asdict(running.driving.drivers.counts),
            trace_lost=0 if observing.trace is None else observing.trace.lost,
            warnings=() if config.csms.verify else (NOT_VERIFIED,),
        ),
    )
    code = summary.exit_code
    wait_for_readers()
    if end is not End.UNREACHABLE:
        running.manner.say(_as_text(summary, running.manner))
    if running.outputs.report is not None:
        try:
            report.write(running.outputs.report, summary)
            running.manner.say(f"fleet: report in {running.outputs.report}")
        except FleetError as error:
            # What was measured has been said: whatever the disk has to say comes after it.
            print(f"fleet: error: {error}", file=sys.stderr)
            code = code or EXIT_FAILED
    if unreached is not None and end is not End.INTERRUPTED:
        print(f"fleet: error: {unreached}", file=sys.stderr)
        return unreached.exit_code
    return code


def _as_text(summary: Summary, manner: Manner) -> str:
    """As it fits where people read it."""
    if not manner.stream.isatty():
        return render_text(summary)
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "") in ("", "dumb", "unknown")
    return render_text(summary, colour=not plain, width=shutil.get_terminal_size().columns)


def _unreached(end: End, running: Run, elapsed_s: float) -> UnreachableError | None:
    """Why nothing was measured, if nothing was."""
    board, target = running.board, mask(running.url)
    if end is End.UNREACHABLE:
        failures = [case for cases in board.connect_failures.cases.values() for case in cases]
        why = failures[0] if failures else f"no answer within {elapsed_s:.0f} s"
        return UnreachableError(f"no charge point could connect to {target}: {why}")
    if not board.accepted and not running.manner.alone:
        return UnreachableError(f"{target} accepted no charge point")
    return None


def _balance(running: Run, records: Iterable[Record] | None) -> tuple[Balance, tuple[str, ...]]:
    """The books' balance; and why it is not with the CSMS's records, where it should have been."""
    books = running.observing.listeners.books
    try:
        return books.compare(records), ()
    except FleetError as error:
        return books.compare(None), (str(error),)
