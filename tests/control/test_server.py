"""The control protocol, spoken over a real socket to a fleet in this process."""

import json
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from counterparts.planted import Planted, planted
from counterparts.scripted import SILENCE

from fleet.control import server
from fleet.control.paths import listen
from fleet.control.server import LINE_BYTES_MAX, WATCHES_MAX, served
from fleet.errors import ConfigurationError


@define
class Peer:
    """The other end: whole lines, or any bytes."""

    stream: trio.SocketStream
    buffer: bytearray = field(factory=bytearray)

    async def send(self, *requests: dict[str, Any]) -> None:
        await self.raw(b"".join(json.dumps(request).encode() + b"\n" for request in requests))

    async def raw(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read(self) -> dict[str, Any]:
        with trio.fail_after(20):
            while (end := self.buffer.find(b"\n")) < 0:
                chunk = await self.stream.receive_some()
                if not chunk:
                    raise EOFError
                self.buffer += chunk
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        said = json.loads(line)
        assert isinstance(said, dict)
        return said

    async def rest(self) -> list[dict[str, Any]]:
        """Everything up to the end."""
        said = []
        with suppress(EOFError):
            while True:
                said.append(await self.read())
        return said

    async def ask(self, **request: Any) -> dict[str, Any]:
        await self.send({"id": 1, **request})
        return await self.read()


@define
class Served:
    on: Planted
    path: Path

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        async with await trio.open_unix_socket(str(self.path)) as stream:
            yield Peer(stream)


@asynccontextmanager
async def running(tmp_path: Path, charge_points: int = 1, **how: Any) -> AsyncIterator[Served]:
    path = tmp_path / "control.sock"
    async with planted(charge_points, **how) as on, served(on.plant, listen(path), target="CP1"):
        yield Served(on, path)


async def test_every_request_has_an_answer_of_one_shape(tmp_path: Path) -> None:
    async with running(tmp_path) as run, run.peer() as peer:
        answer = await peer.ask(do="plug CP1/1")
        assert answer == {
            "id": 1,
            "ok": True,
            "text": "plug CP1/1: done",
            "done": 1,
            "refused": [],
            "data": None,
            "error": None,
            "exit_code": 0,
        }
        refused = await peer.ask(do="plug CP1/1")
        assert refused["refused"] == [{"target": "CP1/1", "reason": "Cable is already plugged in on connector 1"}]
        for request in (
            {"complete": "plu"},
            {"complete": "plug C", "cursor": 6},
            {"glance": True},
            {"watch": {}},
            {"unwatch": True},
        ):
            said = await peer.ask(**request)
            while "event" in said:
                said = await peer.read()
            assert said.keys() == answer.keys()
            assert said["ok"], said
        completed = await peer.ask(complete="plu", cursor=3)
        assert completed["data"][0] == {"text": "plug", "start": 0, "help": completed["data"][0]["help"]}
        glance = await peer.ask(glance=True)
        assert glance["data"]["by_status"] == {"Available": 1, "Preparing": 1}


@pytest.mark.parametrize(
    ("line", "number", "why"),
    [
        (b"plug CP1/1", None, "expected a JSON object, such as"),
        (b'{"id": 1, "do": ', None, "not JSON"),
        (b"\xff\xfe", None, "not JSON"),
        (b"[1, 2]", None, "expected a JSON object"),
        (b"null", None, "expected a JSON object"),
        (b'{"id": {}, "do": "list"}', None, "expected an id"),
        (b'{"id": 1}', 1, "exactly one of"),
        (b'{"id": "a", "do": "list", "glance": true}', "a", "exactly one of"),
        (b'{"id": 1, "do": "plug", "target": "CP1/1"}', 1, "do: expected no 'target' beside it; all of it stands in"),
        (b'{"id": 1, "glance": true, "a": 1, "b": 2}', 1, "glance: expected no 'a', 'b' beside it"),
        (b'{"id": 1, "do": 5}', 1, "do: expected a line"),
        (b'{"id": 1, "do": "nonsense"}', 1, "no command"),
        (b'{"id": 1, "complete": "x", "cursor": 5}', 1, "complete: expected"),
        (b'{"id": 1, "complete": "x", "cursor": -1}', 1, "complete: expected"),
        (b'{"id": 1, "watch": {"target": "CP9"}}', 1, "no charge point CP9"),
        (b'{"id": 1, "watch": {"target": "@@"}}', 1, ""),
        (b'{"id": 1, "watch": {"kind": "x"}}', 1, "watch: expected"),
        (b'{"id": 1, "watch": [1]}', 1, "watch: expected"),
        (b'{"id": 1, "unwatch": 77}', 1, "no such watch"),
        (b'{"id": 1, "unwatch": {}}', 1, "no such watch"),
        (b'{"id": 1, "cancel": 77}', 1, "no such request"),
        (b'{"id": 1, "cancel": [7]}', 1, "no such request"),
    ],
)
async def test_nonsense_is_answered_and_the_conversation_goes_on(
    line: bytes, number: Any, why: str, tmp_path: Path
) -> None:
    async with running(tmp_path) as run, run.peer() as peer:
        await peer.raw(line + b"\n")
        answer = await peer.read()
        assert (answer["id"], answer["ok"]) == (number, False)
        assert why in answer["error"]
        assert answer["exit_code"] != 0
        assert (await peer.ask(do="seed"))["ok"]


async def test_a_line_that_is_too_long_is_answered_once_and_skipped(tmp_path: Path) -> None:
    async with running(tmp_path) as run, run.peer() as peer:
        await peer.raw(b'{"id": 1, "do": "' + b"x" * (3 * LINE_BYTES_MAX) + b'"}\n')
        assert "bytes at most" in (await peer.read())["error"]
        await peer.raw(b" " * (LINE_BYTES_MAX + 1) + b"\n")
        assert "bytes at most" in (await peer.read())["error"]
        answer = await peer.ask(do="seed")
        assert (answer["id"], answer["ok"]) == (1, True)


async def test_requests_in_pieces_and_several_at_once_are_all_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as run, run.peer() as peer:
        for byte in b'{"id": 1, "do": "seed"}\r\n\n':
            await peer.raw(bytes([byte]))
        assert (await peer.read())["ok"]
        await peer.send(*({"id": number, "do": "seed"} for number in range(50)))
        assert {(await peer.read())["id"] for _ in range(50)} == set(range(50))


async def test_events_come_between_answers_until_the_watch_ends(tmp_path: Path) -> None:
    async with running(tmp_path, 2) as run, run.peer() as peer:
        assert (await peer.ask(watch={"target": "CP1", "action": "status-changed"}))["ok"]
        await peer.send({"id": 2, "do": "plug */1"})
        said = [await peer.read(), await peer.read()]
        (event,) = (each for each in said if "event" in each)
        assert event["watch"] == 1
        assert (event["event"]["charge_point"], event["event"]["status"]) == ("CP1", "Preparing")
        assert {each.get("id") for each in said} == {2, None}
        await peer.send({"id": 3, "unwatch": 1}, {"id": 4, "do": "plug */2"})
        assert {(await peer.read())["id"] for _ in range(2)} == {3, 4}
        assert not run.on.world.observer.frames_wanted


async def test_there_are_only_so_many_watches(tmp_path: Path) -> None:
    async with running(tmp_path) as run, run.peer() as peer:
        for number in range(WATCHES_MAX):
            await peer.send({"id": number, "watch": {}})
            assert (await peer.read())["ok"]
        assert not (await peer.ask(watch={}))["ok"]
        await peer.send({"id": "again", "watch": {}})
        assert "at most" in (await peer.read())["error"]


async def test_a_running_line_can_be_cancelled_from_the_same_connection(tmp_path: Path) -> None:
    async with running(tmp_path, answers={"Heartbeat": lambda _: SILENCE}) as run, run.peer() as peer:
        await peer.send({"id": "slow", "do": "heartbeat CP1"}, {"id": "seed", "do": "seed"})
        assert (await peer.read())["id"] == "seed"
        await peer.send({"id": "stop", "cancel": "slow"})
        said = {each["id"]: each for each in [await peer.read(), await peer.read()]}
        assert said["stop"]["ok"]
        assert "cancelled" in said["slow"]["error"]
        assert said["slow"]["exit_code"] == 105


async def test_use_lasts_for_its_connection_only(tmp_path: Path) -> None:
    async with running(tmp_path) as run, run.peer() as one, run.peer() as other:
        assert (await one.ask(do="use CP1/2"))["ok"]
        assert (await one.ask(do="plug"))["ok"]
        assert not (await other.ask(do="plug"))["ok"]
        # What the server was given as target.
        assert (await other.ask(glance=True))["data"]["target"] == "CP1"


async def test_who_stops_writing_is_still_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as run, run.peer() as peer:
        await peer.send({"id": 1, "watch": {}}, {"id": 2, "do": "wait 300ms"})
        await peer.stream.send_eof()
        said = await peer.rest()
        assert {each["id"] for each in said if "event" not in each} == {1, 2}
    await_nothing_is_left(run)


async def test_who_hangs_up_has_his_line_given_up(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        async with run.peer() as peer:
            await peer.send({"id": 1, "do": "wait-for CP1/1 Charging 10h"})
            await trio.sleep(0.2)
        # Nobody is there to be told, so nobody waits any more; the observer has one listener less.
        with trio.fail_after(5):
            while any("_Arrivals" in repr(tell) for tells in run.on.world.observer._told.values() for tell in tells):
                await trio.sleep(0.05)


async def test_a_reader_who_reads_nothing_stops_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as run, run.peer() as silent, run.peer() as peer:
        await silent.send({"id": 0, "watch": {}}, *({"id": number, "do": "stats"} for number in range(1, 60)))
        for _ in range(2_000):
            await run.on.do("heartbeat CP1")
        assert (await peer.ask(do="plug CP1/1"))["ok"]
        # He gets what was kept for him, and is told what he missed.
        lost = 0
        answered = set()
        while not lost or len(answered) < 60:
            said = await silent.read()
            if "event" not in said:
                answered.add(said["id"])
            elif said["event"]["kind"] == "lost":
                lost = said["event"]["count"]
        assert lost > 0


async def test_nobody_has_more_than_so_many_requests_on_their_way(tmp_path: Path) -> None:
    async with running(tmp_path) as run, run.peer() as peer:
        await peer.send(*({"id": number, "do": "wait 10h"} for number in range(server.AT_ONCE_MAX + 1)))
        answer = await peer.read()
        assert "on their way already" in answer["error"]
        assert (await peer.ask(glance=True))["ok"]
        await peer.send({"id": 0, "do": "seed"})
        assert not (await peer.read())["ok"]


async def test_the_same_id_twice_at_a_time_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as run, run.peer() as peer:
        await peer.send({"id": 5, "do": "wait 10h"}, {"id": 5, "do": "seed"})
        assert "of this id" in (await peer.read())["error"]


async def test_there_are_only_so_many_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 2)
    async with running(tmp_path) as run:
        async with run.peer() as one, run.peer() as two:
            assert (await one.ask(do="seed"))["ok"]
            assert (await two.ask(do="seed"))["ok"]
            async with run.peer() as three:
                assert "2 connections already" in (await three.read())["error"]
        with trio.fail_after(5):
            answered = False
            while not answered:
                async with run.peer() as again:
                    answered = (await again.ask(do="seed"))["ok"]


async def test_somebody_else_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "control.sock"
    async with running(tmp_path) as run:
        # The peer's uid is ours: so it's us who are somebody else.
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
        monkeypatch.setattr(server, "ROOT", 12_346)
        async with await trio.open_unix_socket(str(path)) as stream:
            assert "somebody else's" in (await Peer(stream).read())["error"]
        monkeypatch.undo()
        async with run.peer() as peer:
            assert (await peer.ask(do="seed"))["ok"]


async def test_the_end_of_the_run_ends_the_conversation_and_the_file(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        stream = await trio.open_unix_socket(str(run.path))
        peer = Peer(stream)
        await peer.send({"id": 1, "do": "seed"}, {"id": 2, "do": "wait 10h"}, {"id": 3, "watch": {}})
        assert {(await peer.read())["id"] for _ in range(2)} == {1, 3}
    await peer.rest()
    await stream.aclose()
    assert not run.path.exists()


def await_nothing_is_left(run: Served) -> None:
    assert not run.on.world.observer.frames_wanted
    assert not run.path.exists()


# ---- the socket itself -----------------------------------------------------------------------------------------------


def test_a_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    before = os.umask(0)
    try:
        with listen(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_the_folder_of_all_sockets_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    from fleet.control.paths import control_folder, own_path

    folder = control_folder()
    with listen(own_path()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    with pytest.raises(ConfigurationError, match="open to others"):
        listen(own_path())


def test_a_folder_that_is_a_link_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "fleet").symlink_to(tmp_path / "elsewhere")
    from fleet.control.paths import own_path

    with pytest.raises(ConfigurationError, match="not a folder of yours"):
        listen(own_path())


def test_a_stale_socket_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    listen(path).close()
    assert path.exists()
    with listen(path), pytest.raises(ConfigurationError, match="in use by another run"):
        listen(path)


def test_of_many_who_find_a_stale_socket_one_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    listen(path).close()
    got: list[socket.socket] = []
    refused: list[ConfigurationError] = []

    def take() -> None:
        try:
            got.append(listen(path))
        except ConfigurationError as error:
            refused.append(error)

    takers = [threading.Thread(target=take) for _ in range(8)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert (len(got), len(refused)) == (1, 7)
    got[0].close()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_text("x"), "no socket"),
        (lambda path: path.mkdir(), "no socket"),
        (lambda path: path.symlink_to("/dev/null"), "no socket"),
    ],
)
def test_what_is_no_socket_is_left_alone(make: Any, why: str, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    make(path)
    with pytest.raises(ConfigurationError, match=why):
        listen(path)
    assert path.exists()


def test_a_path_that_cant_be_is_said_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no folder"):
        listen(tmp_path / "nowhere" / "control.sock")
    with pytest.raises(ConfigurationError, match="107 bytes"):
        listen(tmp_path / ("x" * 120))


def test_our_own_folder_is_swept_of_dead_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = tmp_path / "fleet"
    folder.mkdir(mode=0o700)
    listen(folder / "1.sock").close()
    with listen(folder / "2.sock") as alive, listen(folder / "3.sock"):
        assert sorted(path.name for path in folder.iterdir()) == ["2.sock", "3.sock"]
        assert alive.fileno() >= 0
