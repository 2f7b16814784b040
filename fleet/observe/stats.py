"""The board as lines, for whoever asks while a run goes on: who is there, what was said, and what went wrong.

What is zero and would be a fault is said in one word; what isn't is listed with its first cases. What a run that is
over comes to is `fleet.verdict`'s.
"""

from collections.abc import Iterator, Mapping

from fleet.observe.board import Board, ChargePointState
from fleet.observe.figures import format_count, format_counts, format_rate
from fleet.observe.tally import Tally
from fleet.quantities import format_duration

_LABEL_WIDTH = 18
_RESULT = "Result"
_TIMEOUT = "Timeout"
_DISCONNECTED = "Disconnected"


def _line(label: str, *texts: str) -> str:
    dots = "." * (_LABEL_WIDTH - len(label))
    return f"  {label} {dots} " + ", ".join(text for text in texts if text)


def charge_point_lines(board: Board, started_at: float | None) -> Iterator[str]:
    """Who connected and was accepted, how all stand, and what became of connections."""
    accepted = f"{format_count(board.accepted)} accepted"
    if board.accepted_at is not None and started_at is not None:
        accepted += f" (the last after {format_duration(board.accepted_at - started_at)})"
    ended = format_counts((state.value, count) for state, count in board.by_state.items())
    yield _line(
        "charge points",
        f"{format_count(board.reached)} of {format_count(board.charge_points)} connected",
        accepted,
        f"{format_count(board.connectors)} connectors",
    )
    yield _line("now", ended)
    yield _line("connects", format_count(board.connects), _tallied("lost", board.disconnects))
    if board.connect_failures:
        yield _line("failed connects", _tallied("", board.connect_failures))
    if board.restarts:
        yield _line("restarts", _tallied("", board.restarts))


def _tallied(label: str, tally: Tally) -> str:
    """`lost 3 (reset 2, ping-timeout 1)`, nothing where there is nothing."""
    if not tally:
        return ""
    parts = ", ".join(f"{word} {format_count(count)}" for word, count in tally)
    return f"{label} {format_count(tally.total)} ({parts})".strip()


def message_lines(board: Board, elapsed_s: float) -> Iterator[str]:
    """What was said in both directions, by action, with rates over `elapsed_s`."""
    rate = format_rate(board.messages / elapsed_s) if elapsed_s > 0 else ""
    yield _line("messages", format_count(board.messages), rate)
    yield from _actions("to the CSMS", board.sent, elapsed_s)
    yield from _actions("from the CSMS", board.served, elapsed_s)


def _actions(title: str, counts: Mapping[tuple[str, str], int], elapsed_s: float) -> Iterator[str]:
    by_action: dict[str, dict[str, int]] = {}
    for (action, outcome), count in counts.items():
        by_action.setdefault(action, {})[outcome] = count
    if not by_action:
        return
    yield f"    {title:<24}{'count':>12}{'rate':>10}{'errors':>9}{'timeouts':>10}{'cut off':>9}"
    for action, outcomes in sorted(by_action.items(), key=lambda item: -sum(item[1].values())):
        total, timeouts, cut = sum(outcomes.values()), outcomes.get(_TIMEOUT, 0), outcomes.get(_DISCONNECTED, 0)
        errors = total - outcomes.get(_RESULT, 0) - timeouts - cut
        rate = format_rate(total / elapsed_s) if elapsed_s > 0 else ""
        codes = sorted(outcomes.items() - {(word, outcomes.get(word)) for word in (_RESULT, _TIMEOUT, _DISCONNECTED)})
        yield (
            f"    {action:<24}{format_count(total):>12}{rate:>10}{format_count(errors):>9}{format_count(timeouts):>10}"
            f"{format_count(cut):>9}" + (f"  {', '.join(f'{code} {count}' for code, count in codes)}" if codes else "")
        )


def trouble_lines(board: Board) -> Iterator[str]:
    """What went wrong, with the first cases."""
    given_up = board.by_state[ChargePointState.GIVEN_UP]
    for label, tally, total in (
        ("violations", board.violations, board.violations.total),
        ("crashes", board.crashes, board.crashes.total),
        ("given up", board.given_up, given_up),
    ):
        yield _line(label, format_count(total) if total else "none")
        for word, count in tally:
            yield f"    {word}: {format_count(count)}"
            yield from (f"      {case}" for case in tally.cases.get(word, ()))
