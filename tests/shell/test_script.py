"""Scripts: lines from a stream that is no terminal."""

import threading
from collections.abc import Iterator
from typing import Any, cast

from fleet.control.answer import Answer
from fleet.shell.script import AHEAD_MAX, run_script


class Endless:
    """A source that never ends, and counts what was read of it."""

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        while True:
            self.read += 1
            yield "plug CP0001/1\n"


class Thrice:
    """A channel that is stopped by the third line."""

    def __init__(self, stopped: threading.Event) -> None:
        self.lines: list[str] = []
        self._stopped = stopped

    def execute(self, line: str) -> Answer:
        self.lines.append(line)
        if len(self.lines) == 3:
            self._stopped.set()
        return Answer("done")


def test_a_source_without_an_end_is_read_no_further_than_somebody_can_follow(capsys: Any) -> None:
    stopped, source = threading.Event(), Endless()
    channel = Thrice(stopped)
    assert run_script(cast(Any, channel), cast(Any, source), stopped) == (False, 0)
    assert len(channel.lines) == 3
    assert source.read <= AHEAD_MAX + 5
    assert capsys.readouterr().out == "done\n" * 3
