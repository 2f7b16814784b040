"""Standard error into a pipe: what nobody reads stops nobody."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from fleet.output import Unhurried

Ends = tuple[int, Unhurried]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The end to read from, and the stream that writes into the other."""
    reading, writing = os.pipe()
    with open(reading, "rb") as reader, open(writing, "w", encoding="utf-8") as writer:
        yield reader.fileno(), Unhurried(writer, patience_s=0.01)


def fill(stream: Unhurried) -> None:
    """Write more lines than any pipe holds."""
    for number in range(3_000):
        stream.write(f"{number:0999}\n")


def test_what_is_read_is_whole_however_long(ends: Ends) -> None:
    reading, stream = ends
    stream.write("häh")
    stream.write(f"? {'x' * 9_000}\n")
    stream.write("and unfinished")
    stream.flush()
    assert os.read(reading, 20_000).decode() == f"häh? {'x' * 9_000}\nand unfinished"


def test_a_pipe_that_nobody_reads_holds_nobody_up(ends: Ends) -> None:
    _, stream = ends
    fill(stream)  # would never return
    stream.flush()


def test_who_reads_again_is_told_that_something_is_missing(ends: Ends) -> None:
    reading, stream = ends
    fill(stream)
    os.set_blocking(reading, False)
    with suppress(BlockingIOError):
        while os.read(reading, 65_536):
            pass
    stream.write("next\n")
    stream.write("last\n")
    said = os.read(reading, 65_536).decode()
    assert said.endswith("\nfleet: lines are missing here, which nobody read in time\nnext\nlast\n")
    assert said.count("missing") == 1


def test_a_slow_reader_is_waited_for_once_and_reads_more_than_gaps() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as reader, open(writing, "w", encoding="utf-8") as writer:
        stream = Unhurried(writer, patience_s=0.5)
        fill(stream)
        began_at, said = time.monotonic(), ""
        for number in range(60):
            said += os.read(reader.fileno(), 4_096).decode()
            stream.write(f"line {number} {'x' * 2_000}\n")
            stream.write(f"more {number} {'x' * 2_000}\n")
        # Each of these lines is missing or is there; to wait for them would have taken half a minute.
        assert time.monotonic() - began_at < 5
        gaps = said.count("missing")
        assert gaps
        assert said.count("line") - gaps >= gaps


def test_what_is_worth_it_waits_for_a_slow_reader_once_more(ends: Ends) -> None:
    reading, stream = ends
    fill(stream)
    stream.patience_s = 30.0
    stream.write("left out\n")
    stream.wait_again()

    def read_slowly() -> bytes:
        said = b""
        while not said.endswith(b"the end\n"):
            said += os.read(reading, 4_096)
        return said

    with ThreadPoolExecutor() as threads:
        read = threads.submit(read_slowly)
        stream.write(f"{'result ' * 20_000}\nthe end\n")
        said = read.result(60).decode()
    assert said.count("result") == 20_000
    assert "left out" not in said
