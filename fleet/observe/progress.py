"""Progress: what the fleet is doing, for whoever watches. A live display in a terminal, a plain line elsewhere.

One task reads the board a few times per second; nothing in the fleet knows of it. Writing is done in a thread, because
a terminal that was paused with Ctrl-S, or a pipe that nobody reads, must not stop the fleet's clock. The terminal is
restored however the task ends.
"""

import math
import os
import sys
from collections import deque
from typing import TYPE_CHECKING, TextIO

import trio
from attrs import define, field, frozen

from fleet.observe.board import Board, ChargePointState
from fleet.observe.figures import (
    format_clock,
    format_count,
    format_counts,
    format_energy,
    format_power,
    format_rate,
)
from fleet.words import ConnectorStatus

if TYPE_CHECKING:
    from rich.console import RenderableType

REFRESH_INTERVAL_S = 0.25
LINE_INTERVAL_S = 5.0
RATE_SPAN_S = 3.0

# As traffic lights go: green is fine, yellow is under way, red needs somebody.
_STATE_STYLES = {
    ChargePointState.REGISTERED: "green",
    ChargePointState.CONNECTED: "yellow",
    ChargePointState.PENDING: "yellow",
    ChargePointState.RESTARTING: "yellow",
    ChargePointState.WITHOUT_POWER: "red",
    ChargePointState.REJECTED: "red",
    ChargePointState.OFFLINE: "red",
    ChargePointState.GIVEN_UP: "bold red",
    ChargePointState.DRAINED: "dim",
}
_STATUS_STYLES = {
    ConnectorStatus.AVAILABLE: "green",
    ConnectorStatus.PREPARING: "cyan",
    ConnectorStatus.CHARGING: "yellow",
    ConnectorStatus.SUSPENDED_EV: "cyan",
    ConnectorStatus.SUSPENDED_EVSE: "cyan",
    ConnectorStatus.FINISHING: "cyan",
    ConnectorStatus.RESERVED: "cyan",
    ConnectorStatus.UNAVAILABLE: "red",
    ConnectorStatus.FAULTED: "bold red",
}


@frozen
class Facts:
    """The board at one instant, and how far the run is."""

    elapsed_s: float
    duration_s: float
    by_state: dict[ChargePointState, int]
    by_status: dict[ConnectorStatus, int]
    running: int
    stopped: int
    delivered: int
    power_w: float
    energy_wh: float
    messages: int
    messages_per_s: float
    troubles: int
    unreachable: str | None = None
    """Why nobody is connected, as far as the last one who tried was told; None while anybody is."""

    @property
    def remaining(self) -> str:
        """`00:18 left`, or `draining` once the time is over."""
        left_s = self.duration_s - self.elapsed_s
        return f"{format_clock(math.ceil(left_s))} left" if left_s > 0 else "draining"


@define
class Watch:
    """Reads the board, and remembers enough of a moment ago to say how fast messages go."""

    board: Board
    started_at: float
    duration_s: float
    _past: deque[tuple[float, int]] = field(factory=deque)

    def facts(self, now: float) -> Facts:
        """How things are at `now`; the rate is over the last few seconds."""
        board, past = self.board, self._past
        if not past:
            past.append((self.started_at, 0))
        past.append((now, board.messages))
        while len(past) > 2 and past[1][0] <= now - RATE_SPAN_S:
            past.popleft()
        since_at, since = past[0]
        return Facts(
            elapsed_s=now - self.started_at,
            duration_s=self.duration_s,
            by_state=dict(board.by_state),
            by_status=dict(board.by_status),
            running=board.running,
            stopped=board.stopped.total,
            delivered=board.delivered,
            power_w=board.power_w,
            energy_wh=board.energy_wh(now),
            messages=board.messages,
            messages_per_s=(board.messages - since) / (now - since_at) if now > since_at else 0.0,
            troubles=board.violations.total + board.crashes.total + board.lost.total,
            unreachable=_unreachable(board),
        )


def _unreachable(board: Board) -> str | None:
    wants_to = board.by_state[ChargePointState.STARTING] + board.by_state[ChargePointState.OFFLINE]
    return board.last_connect_failure if wants_to and not board.online else None


def render_line(facts: Facts) -> str:
    """Everything in one line."""
    parts = [
        f"{format_clock(facts.elapsed_s)} {facts.remaining}",
        f"charge points: {format_counts((state.value, count) for state, count in facts.by_state.items())}",
        f"connectors: {format_counts((status.value, count) for status, count in facts.by_status.items()) or 'off'}",
        f"transactions: {format_count(facts.running)} running, {format_count(facts.stopped)} stopped, "
        f"{format_count(facts.delivered)} delivered",
        format_power(facts.power_w),
        format_energy(facts.energy_wh),
        f"{format_count(facts.messages)} messages, {format_rate(facts.messages_per_s)}",
    ]
    if facts.troubles:
        parts.append(f"{format_count(facts.troubles)} troubles")
    if facts.unreachable:
        parts.append(f"nobody connected: {facts.unreachable}")
    return " | ".join(parts)


def render_display(facts: Facts) -> "RenderableType":
    """The same facts as a small table under a bar."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    now = Table.grid(padding=(0, 2))
    for name, value in (
        ("transactions", f"{format_count(facts.running)} running"),
        ("", f"{format_count(facts.stopped)} stopped"),
        ("", f"{format_count(facts.delivered)} delivered"),
        ("power", format_power(facts.power_w)),
        ("energy", format_energy(facts.energy_wh)),
        ("messages", format_count(facts.messages)),
        ("", format_rate(facts.messages_per_s)),
        ("troubles", Text(format_count(facts.troubles), "bold red" if facts.troubles else "")),
    ):
        now.add_row(Text(name, "dim"), value)
    columns = Table(box=None, padding=(0, 4, 0, 0), header_style="bold")
    for title in ("charge points", "connectors", "now"):
        columns.add_column(title)
    states, statuses = Table.grid(padding=(0, 2)), Table.grid(padding=(0, 2))
    for state, count in facts.by_state.items():
        style = _STATE_STYLES.get(state, "") if count else "dim"
        states.add_row(Text(state.value, style), Text(format_count(count), style, justify="right"))
    for status, count in facts.by_status.items():
        style = _STATUS_STYLES[status] if count else "dim"
        statuses.add_row(Text(status.value, style), Text(format_count(count), style, justify="right"))
    columns.add_row(states, statuses, now)
    head = Table.grid(padding=(0, 2))
    done = min(facts.elapsed_s, facts.duration_s)
    head.add_row(
        Text(f"{format_clock(facts.elapsed_s)} elapsed"),
        ProgressBar(total=facts.duration_s, completed=done, width=40),
        Text(facts.remaining),
    )
    why = [Text(), Text(f"nobody connected: {facts.unreachable}", "red")] if facts.unreachable else []
    return Group(head, Text(), columns, *why)


async def show_progress(board: Board, started_at: float, duration_s: float, stream: TextIO | None = None) -> None:
    """Show how a run of `duration_s` goes that began at `started_at` (monotonic), until cancelled.

    In a terminal the display is redrawn in place and wiped at the end, and what others print appears above it; NO_COLOR
    is obeyed. Into anything else goes one line every few seconds. `stream` is standard output by default.
    """
    stream = stream or sys.stdout
    watch = Watch(board, started_at, duration_s)
    if stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown"):
        await _show_display(watch, stream)
    else:
        await _show_lines(watch, stream)


async def _show_lines(watch: Watch, stream: TextIO) -> None:
    def write(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    next_at = watch.started_at + LINE_INTERVAL_S
    while True:
        await trio.sleep_until(next_at)
        await trio.to_thread.run_sync(write, render_line(watch.facts(trio.current_time())))
        # A reader that kept us waiting isn't told what it missed.
        next_at = max(next_at + LINE_INTERVAL_S, trio.current_time())


async def _show_display(watch: Watch, stream: TextIO) -> None:
    from rich.console import Console
    from rich.live import Live

    live = Live(
        render_display(watch.facts(trio.current_time())),
        console=Console(file=stream),
        auto_refresh=False,
        transient=True,
        # Only what goes to this terminal is lifted above the display; a log file stays a log file.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
    )
    with live:
        while True:
            live.update(render_display(watch.facts(trio.current_time())))
            await trio.to_thread.run_sync(live.refresh)
            await trio.sleep(REFRESH_INTERVAL_S)
