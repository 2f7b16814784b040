import io
import os
import pty
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TextIO

import pytest
import trio
import trio.testing
from rich.console import Console

from fleet.core.plan import ChargePointPlan
from fleet.core.reports import (
    CallSettled,
    ConnectFailed,
    LinkDown,
    LinkUp,
    ObservedReport,
    PowerChanged,
    Registered,
    StatusChanged,
    TransactionStarted,
)
from fleet.observe.board import Board
from fleet.observe.progress import LINE_INTERVAL_S, Watch, render_display, render_line, show_progress
from fleet.words import ConnectorStatus, RegistrationStatus

HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-9]m")


@pytest.fixture
def board() -> Board:
    board = Board([ChargePointPlan("CP1"), ChargePointPlan("CP2")])
    reports: tuple[ObservedReport, ...] = (
        LinkUp(),
        Registered(1.0, RegistrationStatus.ACCEPTED, 300),
        StatusChanged(1, 1.0, ConnectorStatus.CHARGING),
        StatusChanged(2, 1.0, ConnectorStatus.AVAILABLE),
        TransactionStarted(1, 1.0, "a", "TAG", 0),
        PowerChanged(1, 10.0, 7200.0, 0.0),
        *[CallSettled("Heartbeat", "Result", 0.0, 0.0, 0.0)] * 40,
    )
    for report in reports:
        board.report("CP1", report)
    return board


def test_one_line_has_all_the_facts(board: Board) -> None:
    watch = Watch(board, started_at=0.0, duration_s=30.0)
    assert render_line(watch.facts(20.0)) == (
        "00:20 00:10 left | charge points: 1 starting, 1 registered | connectors: 1 Available, 1 Charging | "
        "transactions: 1 running, 0 stopped, 0 delivered | 7.2 kW | 20 Wh | 40 messages, 2.0/s"
    )


def test_while_nobody_is_connected_it_says_why() -> None:
    board = Board([ChargePointPlan("CP1"), ChargePointPlan("CP2")])
    watch = Watch(board, started_at=0.0, duration_s=30.0)
    assert "nobody connected" not in render_line(watch.facts(1.0))
    board.report("CP1", ConnectFailed("http-401", "401 Unauthorized", 1.0))
    assert render_line(watch.facts(2.0)).endswith(" | nobody connected: 401 Unauthorized")
    board.report("CP2", LinkUp())
    assert "nobody connected" not in render_line(watch.facts(3.0))
    board.report("CP2", LinkDown("reset", "by peer"))
    board.report("CP2", ConnectFailed("refused", "", 1.0))
    facts = watch.facts(4.0)
    assert render_line(facts).endswith(" | nobody connected: refused")
    text = io.StringIO()
    Console(file=text, width=100).print(render_display(facts))
    assert "nobody connected: refused" in text.getvalue()


def test_the_rate_is_that_of_the_last_few_seconds(board: Board) -> None:
    watch = Watch(board, started_at=0.0, duration_s=30.0)
    for now in range(1, 20):
        watch.facts(float(now))
    for _ in range(30):
        board.report("CP1", CallSettled("Heartbeat", "Result", 0.0, 0.0, 0.0))
    assert watch.facts(20.0).messages_per_s == pytest.approx(10.0)


def test_what_is_left_and_what_is_over_make_up_the_whole(board: Board) -> None:
    assert render_line(Watch(board, started_at=0.0, duration_s=30.0).facts(5.01)).startswith("00:05 00:25 left")


def test_after_its_time_a_run_is_draining(board: Board) -> None:
    assert Watch(board, started_at=0.0, duration_s=30.0).facts(31.0).remaining == "draining"


class Page(io.StringIO):
    """A file that says when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = trio.Event()

    def flush(self) -> None:
        trio.from_thread.run_sync(self.flushed.set)


async def test_what_is_no_terminal_gets_a_plain_line_every_few_seconds(
    board: Board, mock_clock: trio.testing.MockClock
) -> None:
    page = Page()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(show_progress, board, trio.current_time(), 30.0, page)
        for number in range(1, 4):
            page.flushed = trio.Event()
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(LINE_INTERVAL_S)
            await page.flushed.wait()
            assert page.getvalue().count("\n") == number
        nursery.cancel_scope.cancel()
    assert "\x1b" not in page.getvalue()
    assert page.getvalue().startswith("00:05 00:25 left | charge points: ")


# ---- in a terminal ---------------------------------------------------------------------------------------------------


class Terminal:
    """A terminal's other side."""

    def __init__(self, master: int, stream: TextIO) -> None:
        self.master = master
        self.stream = stream
        self.seen = b""

    async def until(self, enough: Callable[[bytes], bool]) -> None:
        with trio.fail_after(10):
            while not enough(self.seen):
                await trio.lowlevel.wait_readable(self.master)
                self.seen += os.read(self.master, 65536)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)
    master, slave = pty.openpty()
    with open(slave, "w", buffering=1) as stream:
        yield Terminal(master, stream)
    os.close(master)


@asynccontextmanager
async def shown(board: Board, terminal: Terminal) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(show_progress, board, trio.current_time(), 30.0, terminal.stream)
        yield nursery


async def test_a_terminal_is_redrawn_and_restored_when_cancelled(board: Board, terminal: Terminal) -> None:
    async with shown(board, terminal) as nursery:
        await terminal.until(lambda seen: seen.count(b"registered") >= 3)
        nursery.cancel_scope.cancel()
    await terminal.until(lambda seen: seen.rfind(SHOW_CURSOR) > seen.rfind(HIDE_CURSOR) >= 0)
    text = terminal.seen.decode()
    for word in ("00:00 elapsed", "left", "starting", "Charging", "transactions", "power", "7.2 kW", "energy", "/s"):
        assert word in text
    assert COLOUR.search(terminal.seen)


async def test_a_terminal_is_restored_when_the_run_crashes(board: Board, terminal: Terminal) -> None:
    async def crash() -> None:
        await terminal.until(lambda seen: b"registered" in seen)
        raise RuntimeError("bug")

    with pytest.raises(ExceptionGroup) as crashed:
        async with shown(board, terminal) as nursery:
            nursery.start_soon(crash)
    assert crashed.group_contains(RuntimeError, match="bug")
    await terminal.until(lambda seen: seen.rfind(SHOW_CURSOR) > seen.rfind(HIDE_CURSOR) >= 0)


async def test_no_color_means_no_colour(board: Board, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(board, terminal) as nursery:
        await terminal.until(lambda seen: seen.count(b"registered") >= 2)
        nursery.cancel_scope.cancel()
    assert not COLOUR.search(terminal.seen)


async def test_a_dumb_terminal_gets_no_display(
    board: Board, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with trio.move_on_after(3 * LINE_INTERVAL_S):
        await show_progress(board, trio.current_time(), 30.0, terminal.stream)
    seen = os.read(terminal.master, 65536)
    assert b"\x1b" not in seen
    assert b"connectors: " in seen
