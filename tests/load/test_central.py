"""The embedded CSMS as a process that can be killed and comes back where it was."""

import json
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from fleet.load.central import Embedded, embedded
from fleet.load.config import CsmsConfig


def port_of(central: Embedded) -> int:
    port = urlsplit(central.url).port
    assert port is not None
    return port


async def listens(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True


async def test_it_comes_back_on_its_port_after_its_time(tmp_path: Path) -> None:
    async with embedded(CsmsConfig(), tmp_path / "records.jsonl") as central, trio.open_nursery() as nursery:
        url, port = central.url, port_of(central)
        nursery.start_soon(central.restart, 1.0)
        with trio.fail_after(5):
            while await listens(port):
                await trio.sleep(0.01)
        # Whoever knocks now is refused, and doesn't meet itself there either: the port is nobody else's to take.
        for _ in range(200):
            assert not await listens(port)
        with pytest.raises(OSError, match="in use"), socket.socket() as other:
            other.bind(("127.0.0.1", port))
        with trio.fail_after(20):
            while not await listens(port):
                await trio.sleep(0.05)
        assert central.url == url


async def test_who_gives_up_waiting_has_it_back_at_once(tmp_path: Path) -> None:
    async with embedded(CsmsConfig(), tmp_path / "records.jsonl") as central:
        port = port_of(central)
        with trio.move_on_after(0.3):
            await central.restart(3600)
        assert await listens(port)
        assert central.ended is None


async def test_two_who_kill_it_at_once_take_turns(tmp_path: Path) -> None:
    async with embedded(CsmsConfig(), tmp_path / "records.jsonl") as central:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(central.restart, 0.1)
            nursery.start_soon(central.restart, 0.1)
        assert await listens(port_of(central))


async def test_one_that_does_not_come_back_says_why(tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    async with embedded(CsmsConfig(), records) as central:
        # Somebody else's file is in its place by then.
        records.write_text(json.dumps({"kind": "letter"}) + "\n")
        await central.restart(0.0)
        assert central.ended is not None
        assert central.ended.startswith("the embedded CSMS was killed as ordered and is not back")
        assert "\n" not in central.ended


async def test_one_that_somebody_else_killed_is_not_started_again(tmp_path: Path) -> None:
    async with embedded(CsmsConfig(), tmp_path / "records.jsonl") as central:
        assert central.process is not None
        central.process.send_signal(signal.SIGKILL)
        await central.process.wait()
        assert central.ended == "the embedded CSMS ended in mid-run (killed by SIGKILL)"
