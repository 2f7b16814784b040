"""The trace: every frame as a line, no secret among them, and a run that no disk can stop."""

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from counterparts.scripted import EPOCH_S
from counterparts.world import QUIET, world
from trio.testing import MockClock

from fleet.clock import Clock
from fleet.core.reports import FrameSeen, FrameSent, LinkUp
from fleet.errors import ConfigurationError
from fleet.observe import frame_line
from fleet.observe import trace as trace_module
from fleet.observe.observer import Observer
from fleet.observe.trace import Trace

HEARTBEAT = '[2,"a1","Heartbeat",{}]'


class Said(list[str]):
    """What people were told."""

    def __call__(self, line: str) -> None:
        self.append(line)


def lines_in(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wire.jsonl"


@pytest.fixture
def said() -> Said:
    return Said()


MakeTrace = Callable[..., Trace]


@pytest.fixture
def tracing(path: Path, said: Said) -> MakeTrace:
    def make(path: Path = path, **options: Any) -> Trace:
        return Trace(path, Clock(EPOCH_S), say=said, **options)

    return make


# ---- lines -----------------------------------------------------------------------------------------------------------


async def test_our_call_and_its_answer_are_two_lines_and_the_second_has_the_latency(
    tracing: MakeTrace, path: Path
) -> None:
    trace = tracing()
    trace.report("CP1", FrameSent(HEARTBEAT, 1.0))
    trace.report("CP1", FrameSeen('[3,"a1",{"currentTime":"2026-11-22T12:00:01Z"}]', 1.0625))
    await trace.close()
    assert lines_in(path) == [
        {
            "time": "2026-11-22T12:00:01.000Z",
            "charge_point": "CP1",
            "direction": "sent",
            "type": "call",
            "action": "Heartbeat",
            "id": "a1",
            "frame": [2, "a1", "Heartbeat", {}],
        },
        {
            "time": "2026-11-22T12:00:01.062Z",
            "charge_point": "CP1",
            "direction": "received",
            "type": "result",
            "action": "Heartbeat",
            "id": "a1",
            "latency_ms": 62.5,
            "frame": [3, "a1", {"currentTime": "2026-11-22T12:00:01Z"}],
        },
    ]
    assert trace.written == 2
    assert trace.lost == 0


async def test_the_csms_s_call_and_our_answer_have_a_latency_of_their_own(tracing: MakeTrace, path: Path) -> None:
    trace = tracing()
    trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
    # One id, both ways at once: they have nothing to do with each other.
    trace.report("CP1", FrameSeen('[2,"a1","Reset",{"type":"Soft"}]', 1.0))
    trace.report("CP1", FrameSent('[4,"a1","NotSupported","",{}]', 1.001))
    trace.report("CP1", FrameSeen('[3,"a1",{}]', 2.0))
    await trace.close()
    answers = [(line["type"], line["action"], line["latency_ms"]) for line in lines_in(path) if line["type"] != "call"]
    assert answers == [("error", "Reset", 1.0), ("result", "Heartbeat", 2000.0)]


async def test_one_id_at_two_charge_points_is_two_calls(tracing: MakeTrace, path: Path) -> None:
    trace = tracing()
    trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
    trace.report("CP2", FrameSent(HEARTBEAT, 1.0))
    trace.report("CP1", FrameSeen('[3,"a1",{}]', 3.0))
    trace.report("CP2", FrameSeen('[3,"a1",{}]', 3.0))
    await trace.close()
    assert [line.get("latency_ms") for line in lines_in(path)] == [None, None, 3000.0, 2000.0]


async def test_an_answer_that_nobody_asked_for_has_neither_action_nor_latency(tracing: MakeTrace, path: Path) -> None:
    trace = tracing()
    trace.report("CP1", FrameSeen('[3,"a1",{}]', 0.0))
    trace.report("CP1", FrameSent(HEARTBEAT, 1.0))
    trace.report("CP1", FrameSeen('[3,"a1",{}]', 2.0))
    trace.report("CP1", FrameSeen('[3,"a1",{}]', 3.0))
    await trace.close()
    assert [(line.get("action"), line.get("latency_ms")) for line in lines_in(path)] == [
        (None, None),
        ("Heartbeat", None),
        ("Heartbeat", 1000.0),
        (None, None),
    ]


async def test_of_calls_that_are_never_answered_only_the_latest_are_remembered(
    tracing: MakeTrace, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_line, "CALLS_MAX", 3)
    trace = tracing()
    for number in range(5):
        trace.report("CP1", FrameSent(f'[2,"{number}","Heartbeat",{{}}]', float(number)))
    for number in range(5):
        trace.report("CP1", FrameSeen(f'[3,"{number}",{{}}]', 5.0))
    await trace.close()
    assert [line.get("latency_ms") for line in lines_in(path)[5:]] == [None, None, 3000.0, 2000.0, 1000.0]


@pytest.mark.parametrize(
    "text",
    [
        '[2, "a1",  "DataTransfer", {"vendorId": "X", "data": 1.0}]',
        '[3,"a1",{"n":12345678901234567890123,"f":1e3,"z":-0.0,"again":1,"again":2}]',
        '[3,"a1",{"text":"\\u00e9 \\ud83d\\ude00 \\n"}]',
        '[3,"é😀\u2028",{}]',
    ],
)
async def test_a_frame_is_written_as_it_was_to_the_letter(tracing: MakeTrace, path: Path, text: str) -> None:
    trace = tracing()
    trace.report("CP1", FrameSeen(text, 0.0))
    await trace.close()
    assert path.read_text().endswith(f'"frame":{text}}}\n')


async def test_a_frame_of_many_lines_is_one_line(tracing: MakeTrace, path: Path) -> None:
    trace = tracing()
    trace.report("CP1", FrameSeen('[\r\n  3,\n  "a1",\n  {}\n]\n', 0.0))
    await trace.close()
    assert path.read_bytes().count(b"\n") == 1
    assert lines_in(path)[0]["frame"] == [3, "a1", {}]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        '[2,"a1",',
        "[2,,]",
        '[3,"a1",{"x":"\\ud800"}]',
        '[3,"a1",{"x":"two\nlines"}]',
        "[" * 5000 + "]" * 5000,
    ],
)
async def test_what_is_no_json_is_text(tracing: MakeTrace, path: Path, text: str) -> None:
    trace = tracing()
    trace.report("CP1", FrameSeen(text, 0.0))
    await trace.close()
    (line,) = lines_in(path)
    assert line["text"] == text
    assert not {"type", "id", "action", "frame"} & line.keys()


@pytest.mark.parametrize(
    "text", ["null", "7", '"x"', "{}", "[]", "[2]", '[9,"a1",{}]', '[true,"a1",{}]', "[[2],{},3]", "[2,7,8,9]"]
)
async def test_json_that_is_no_frame_of_ocpp_is_there_without_a_type(tracing: MakeTrace, path: Path, text: str) -> None:
    trace = tracing()
    trace.report("CP1", FrameSeen(text, 0.0))
    await trace.close()
    (line,) = lines_in(path)
    assert line["frame"] == json.loads(text)
    assert not {"type", "id", "action", "text"} & line.keys()


async def test_a_binary_message_says_so_and_any_bytes_can_be_read(tracing: MakeTrace, path: Path) -> None:
    trace = tracing()
    trace.report("CP1", FrameSeen(b'[3,"a1",{}]', 0.0))
    trace.report("CP1", FrameSeen(b"\xff\x00\n", 0.0))
    await trace.close()
    frame, text = lines_in(path)
    assert (frame["binary"], frame["frame"]) == (True, [3, "a1", {}])
    assert (text["binary"], text["text"]) == (True, "�\0\n")


async def test_a_charge_point_may_be_called_anything(tracing: MakeTrace, path: Path) -> None:
    trace = tracing()
    trace.report('C"P\n1', FrameSent(HEARTBEAT, 0.0))
    await trace.close()
    assert lines_in(path)[0]["charge_point"] == 'C"P\n1'


def test_whole_charge_points_leave_every_frame_in_order_with_latencies(tracing: MakeTrace, path: Path) -> None:
    trace = tracing()

    async def live() -> None:
        async with world(2, configuration=QUIET) as made:
            made.observer.add(trace)
            made.central.latency_s = lambda _heard: 0.25
            await made.booted()
            await made.still_charges()
            # The last answers are on their way.
            await trio.sleep(5)

    trio.run(live, clock=MockClock(autojump_threshold=0))
    # Threads and virtual time don't go together.
    trio.run(trace.close)
    lines = [line for line in lines_in(path) if line["charge_point"] == "CP1"]
    assert [line["action"] for line in lines][:4] == ["BootNotification"] * 2 + ["StatusNotification"] * 2
    assert {"StartTransaction", "StopTransaction"} <= {line["action"] for line in lines}
    answers = [line for line in lines if line["type"] == "result"]
    assert len(answers) == len(lines) / 2
    assert {round(line["latency_ms"]) for line in answers} == {250}
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)


def test_it_wants_frames_and_hears_nothing_else(tracing: MakeTrace) -> None:
    trace = tracing()
    observer = Observer(trace)
    assert observer.frames_wanted
    observer.report("CP1", LinkUp())
    trace.report("CP1", LinkUp())
    trio.run(trace.close)
    assert trace.written == trace.lost == 0


# ---- secrets ---------------------------------------------------------------------------------------------------------

SECRET = "s3cret/QQ1@ QQ2"


@pytest.mark.parametrize(
    "text",
    [
        '[2,"a1","ChangeConfiguration",{"key":"AuthorizationKey","value":"%s"}]',
        '[2,"a1","ChangeConfiguration",{"value":"%s","key":"AUTHORIZATIONKEY"}]',
        '[2,"a1","ChangeConfiguration",{"key":"\\u0041uthorizationKey","value":"%s"}]',
        '[3,"a1",{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"%s"}]}]',
        '[2,"a1","DataTransfer",{"data":"{\\"key\\":\\"AuthorizationKey\\",\\"value\\":\\"%s\\"}"}]',
        '[2,"a1","ChangeConfiguration",{"key":"AuthorizationKey","value":"%s"',
        '[2,"a1","ChangeConfiguration",{"value":"%s","key',
        '[3,"a1",{"configurationKey":[{"value":"%s",',
        '"\\u0041uthorizationKey" %s',
    ],
)
async def test_the_authorization_key_is_never_written(tracing: MakeTrace, path: Path, text: str) -> None:
    trace = tracing()
    trace.report("CP1", FrameSeen(text % SECRET, 0.0))
    trace.report("CP1", FrameSent(text % SECRET, 0.0))
    trace.report("CP1", FrameSeen((text % SECRET).encode(), 0.0))
    await trace.close()
    written = path.read_text()
    assert not any(part in written for part in SECRET.replace("/", " ").replace("@", " ").split())
    assert len(lines_in(path)) == 3


async def test_a_masked_frame_is_otherwise_whole(tracing: MakeTrace, path: Path) -> None:
    trace = tracing()
    trace.report("CP1", FrameSeen('[2,"a1","ChangeConfiguration",{"key":"AuthorizationKey","value":"s3cret"}]', 0.0))
    trace.report("CP1", FrameSent('[3,"a1",{"status":"Accepted"}]', 0.5))
    await trace.close()
    asked, answered = lines_in(path)
    assert asked["frame"] == [2, "a1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "***"}]
    assert (asked["type"], asked["action"], asked["id"]) == ("call", "ChangeConfiguration", "a1")
    assert (answered["action"], answered["latency_ms"]) == ("ChangeConfiguration", 500.0)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("ftp://name:s3cret@host/x", "ftp://name:***@host/x"),
        ("ftp:\\/\\/name:s3cret@host\\/x", "ftp://name:***@host/x"),
        ("https://s3cret@host/x", "https://***@host/x"),
        ("ftp://name:s3/cret@host/x", "ftp://***@host/x"),
        ("https://host/x?a=1&X-Amz-Signature=s3cret", "https://host/x?a=1&X-Amz-Signature=***"),
        ("https://host/x?a=1", "https://host/x?a=1"),
    ],
)
async def test_credentials_in_urls_are_never_written(tracing: MakeTrace, path: Path, location: str, shown: str) -> None:
    trace = tracing()
    trace.report("CP1", FrameSeen(f'[2,"a1","GetDiagnostics",{{"location":"{location}"}}]', 0.0))
    trace.report("CP1", FrameSeen(f'[2,"a1","GetDiagnostics",{{"location":"{location}"', 0.0))
    await trace.close()
    assert "s3" not in path.read_text()
    assert lines_in(path)[0]["frame"][3] == {"location": shown}


@pytest.mark.parametrize(
    "text",
    [
        '[4,"a1","GenericError","bad password s3cret given",{}]',
        '[4,"a1","GenericError","",{"s3cret":"x"}]',
        '[2,"s3cret","DataTransfer",{"data":"s\\u0033cret"}]',
        '[2,"s3cret","s3cret",{}]',
        "no JSON, but s3cret",
        "no JSON, but s\\u0033cret",
    ],
)
async def test_the_password_of_the_run_is_masked_wherever_it_turns_up(
    tracing: MakeTrace, path: Path, text: str
) -> None:
    trace = tracing(secrets=["", "s3cret"])
    trace.report("CP1", FrameSeen(text, 0.0))
    await trace.close()
    assert "s3cret" not in path.read_text()
    assert "s\\\\u0033cret" not in path.read_text()
    assert "***" in path.read_text()


async def test_a_secret_nested_deeper_than_can_be_looked_at_is_not_shown(tracing: MakeTrace, path: Path) -> None:
    trace = tracing()
    for depth in (200, 500, 900):
        deep = '{"a":' * depth + '{"key":"AuthorizationKey","value":"s3cret"}' + "}" * depth
        trace.report("CP1", FrameSeen(f'[3,"a1",{deep}]', 0.0))
    await trace.close()
    assert "s3cret" not in path.read_text()
    assert len(path.read_text().splitlines()) == 3


# ---- disks -----------------------------------------------------------------------------------------------------------


async def test_a_trace_runs_beside_the_fleet_and_has_its_last_lines_when_that_is_over(
    tracing: MakeTrace, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_module, "FLUSH_INTERVAL_S", 0.01)
    trace = tracing()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trace.run)
        trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
        with trio.fail_after(10):
            while not lines_in(path):
                await trio.sleep(0.01)
        monkeypatch.setattr(trace_module, "FLUSH_INTERVAL_S", 3600.0)
        await trio.sleep(0.05)
        trace.report("CP1", FrameSeen('[3,"a1",{}]', 1.0))
        nursery.cancel_scope.cancel()
    assert [line["type"] for line in lines_in(path)] == ["call", "result"]
    trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
    assert trace.lost == 1


async def test_a_trace_that_is_closed_while_it_runs_is_over_without_a_word(
    tracing: MakeTrace, path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_module, "FLUSH_INTERVAL_S", 0.001)
    trace = tracing()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trace.run)
        trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
        await trace.close()
        trace.report("CP1", FrameSent(HEARTBEAT, 1.0))
        await trace.flush()
        nursery.cancel_scope.cancel()
    assert len(lines_in(path)) == trace.written == 1
    assert (trace.lost, trace.stopped, said) == (1, None, [])


async def test_a_large_trace_rolls(tracing: MakeTrace, path: Path) -> None:
    trace = tracing(size_max_bytes=2_000, files_max=3)
    for number in range(30):
        trace.report("CP1", FrameSent(f'[2,"{number}","Heartbeat",{{}}]', float(number)))
        await trace.flush()
    await trace.close()
    parts = [path.with_name(name) for name in ("wire.2.jsonl", "wire.1.jsonl", "wire.jsonl")]
    assert sorted(path.parent.iterdir()) == sorted(parts)
    assert all(part.stat().st_size <= 2_000 for part in parts)
    assert [line["id"] for line in lines_in(*parts)][-5:] == ["25", "26", "27", "28", "29"]


async def test_what_an_earlier_run_left_moves_on_and_that_is_said(tracing: MakeTrace, path: Path, said: Said) -> None:
    path.write_text("an earlier one\n")
    trace = tracing()
    trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
    await trace.close()
    assert path.with_name("wire.1.jsonl").read_text() == "an earlier one\n"
    assert len(lines_in(path)) == 1
    assert said == [f"fleet: {path} was there already: it is wire.1.jsonl now, of 10 that are kept"]


def test_a_path_that_cant_be_written_is_said_before_anything_runs(tracing: MakeTrace, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere/wire\.jsonl: can't write there: No such file or directory"):
        tracing(tmp_path / "nowhere" / "wire.jsonl")


async def test_a_full_disk_stops_the_trace_and_nothing_else(tracing: MakeTrace, said: Said) -> None:
    trace = tracing(Path("/dev/full"))
    for _ in range(3):
        trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
    await trace.flush()
    assert trace.stopped == "No space left on device"
    assert said == ["fleet: /dev/full: the trace stops here: No space left on device; the run goes on"]
    trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
    await trace.flush()
    await trace.close()
    assert trace.lost == 4
    assert trace.written == 0
    assert len(said) == 1


async def test_a_disk_that_fills_up_beside_a_running_fleet_is_said_once(
    tracing: MakeTrace, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_module, "FLUSH_INTERVAL_S", 0.001)
    trace = tracing(Path("/dev/full"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trace.run)
        with trio.fail_after(10):
            while trace.stopped is None:
                trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
                await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    assert len(said) == 1
    assert trace.lost > 0


CHILD = """
import resource, signal, sys
from pathlib import Path
import trio
from fleet.clock import Clock
from fleet.core.reports import FrameSent
from fleet.observe.trace import Trace

async def main(path, rounds):
    trace = Trace(path, Clock(0.0), say=print)
    number = 0
    while number < rounds:
        for _ in range(100):
            number += 1
            trace.report("CP1", FrameSent(f'[2,"{number}","Heartbeat",{{}}]', float(number)))
        await trace.flush()
    await trace.close()
    print(number, trace.written, trace.lost, flush=True)

trio.run(main, Path(sys.argv[1]), float(sys.argv[2]))
"""


def child(path: Path, rounds: float, **options: Any) -> subprocess.Popen[str]:
    """A process that traces `rounds` frames."""
    arguments = [sys.executable, "-c", textwrap.dedent(CHILD), str(path), str(rounds)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, **options)


def test_a_disk_that_fills_up_in_mid_line_is_left_with_whole_lines(path: Path) -> None:
    room = 50_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    with child(path, 2_000, preexec_fn=limited) as process:
        said, _ = process.communicate(timeout=60)
    lines = said.splitlines()
    assert process.returncode == 0
    assert lines[0] == f"fleet: {path}: the trace stops here: File too large; the run goes on"
    made, written, lost = map(int, lines[1].split())
    assert written == len(lines_in(path))
    assert written + lost == made == 2_000
    assert room - 200 < path.stat().st_size <= room
    assert path.read_bytes().endswith(b"}\n")


def test_a_process_that_is_killed_leaves_lines_that_can_be_read(path: Path) -> None:
    with child(path, float("inf")) as process:
        deadline = time.monotonic() + 60
        while not path.exists() or path.stat().st_size < 500_000:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    # Only the very last may be a part, and that only where the kernel was in the midst of it.
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    numbers = [int(json.loads(line)["id"]) for line in whole]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_disk_that_is_too_slow_costs_frames_but_never_time(
    tracing: MakeTrace, tmp_path: Path, said: Said
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    trace = tracing(pipe, buffer_max_bytes=150_000)
    received = b""

    def read() -> None:
        nonlocal received
        while b'"last"' not in received:
            received += os.read(reader, 65_536)

    async with trio.open_nursery() as nursery:
        # More than a pipe holds, and nobody reads: the thread hangs in its write.
        for _ in range(800):
            trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
        assert trace.lost == 0
        nursery.start_soon(trace.flush)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2_000):
            trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
        lost = trace.lost
        assert 0 < lost < 2_000
        os.set_blocking(reader, True)
        nursery.start_soon(trio.to_thread.run_sync, read)
        await trace.flush()
        trace.report("CP1", FrameSent('[2,"last","Heartbeat",{}]', 0.0))
        await trace.close()
    os.close(reader)
    lines = [json.loads(line) for line in received.splitlines()]
    assert [line["lost"] for line in lines if "lost" in line] == [lost]
    assert sum("frame" in line for line in lines) == 2_801 - lost
    assert trace.stopped is None
    assert said == [f"fleet: {pipe}: the disk is too slow for the trace: frames are left out"]


async def test_a_disk_that_hangs_for_good_holds_nobody_up(
    tracing: MakeTrace, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_module, "WRITE_TIMEOUT_S", 0.05)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    trace = tracing(pipe)
    for _ in range(800):
        trace.report("CP1", FrameSent(HEARTBEAT, 0.0))
    with trio.fail_after(10):
        await trace.close()
    # Lets the thread go, which must not be left to other tests.
    os.close(reader)
    assert trace.stopped == "a write took more than 0.05 s"
    assert trace.lost == 800
    assert len(said) == 1
