"""`fleet csms` as a process: its line, its end, its refusals."""

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from counterparts.certificates import client_context, pki
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from fleet.csms.command import configure
from fleet.words import RegistrationStatus

# What the command line does, without its other commands.
PROGRAM = """
import argparse, sys
from fleet.csms.command import configure, run_csms
from fleet.errors import FleetError
parser = argparse.ArgumentParser()
configure(parser)
try:
    sys.exit(run_csms(parser.parse_args()))
except FleetError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def csms(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with start("--port", "0", "--records", str(tmp_path / "records.jsonl"), "--end-with-stdin") as process:
        yield process
        process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("fleet csms listening on ws://127.0.0.1:")
    return line.split()[-1]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, None])
async def test_it_says_where_it_listens_and_ends_cleanly(
    csms: subprocess.Popen[str], ending: signal.Signals | None
) -> None:
    url = url_of(csms)
    with trio.fail_after(20):
        async with connected(*_address(url), "/CP0001") as link:
            await link.send_message('[2,"1","Heartbeat",{}]')
            assert '"currentTime"' in str(await link.get_message())
            if ending is None:
                assert csms.stdin is not None
                csms.stdin.close()
            else:
                csms.send_signal(ending)
            with pytest.raises(ConnectionClosed) as closed:
                await link.get_message()
            assert closed.value.reason is not None
            assert closed.value.reason.code == 1001
        assert await trio.to_thread.run_sync(csms.wait) == 0
    assert csms.stderr is not None
    assert csms.stderr.read() == ""


def test_a_parent_that_is_gone_before_it_listens_is_no_mishap() -> None:
    with start("--port", "0", "--end-with-stdin") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""


@asynccontextmanager
async def connected(host: str, port: int, path: str) -> AsyncIterator[WebSocketConnection]:
    """A WebSocket whose socket is closed whoever said goodbye first."""
    async with await trio.open_tcp_stream(host, port) as stream, trio.open_nursery() as nursery:
        yield await wrap_client_stream(nursery, stream, host, path, subprotocols=["ocpp1.6"])
        nursery.cancel_scope.cancel()


def _address(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("ws://").rstrip("/").split(":")
    return host, int(port)


def test_a_taken_port_is_one_clear_line_and_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start("--port", str(port)) as process:
            _, told = process.communicate(timeout=20)
    assert told == f"cannot listen on 127.0.0.1:{port}: Address already in use\n"
    assert process.returncode == 1


def test_a_disk_that_fills_up_is_one_clear_line_and_exit_code_1() -> None:
    with start("--port", "0", "--records", "/dev/full") as process:
        host, port = _address(url_of(process))

        async def start_transactions() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(start_transaction, host, port, number)

        trio.run(start_transactions)
        _, told = process.communicate(timeout=20)
    assert told == "cannot write records to /dev/full: No space left on device\n"
    assert process.returncode == 1


async def start_transaction(host: str, port: int, number: int) -> None:
    payload = '{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-11-22T11:17:32Z"}'
    try:
        async with connected(host, port, f"/CP{number}") as link:
            await link.send_message(f'[2,"1","StartTransaction",{payload}]')
            await link.get_message()
    except* (ConnectionClosed, OSError):
        pass


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    configure(parser)
    return parser.parse_args(options)


def test_its_options_have_units_and_defaults() -> None:
    arguments = parse()
    assert (arguments.port, arguments.latency, arguments.boot) == (9000, 0.0, RegistrationStatus.ACCEPTED)
    arguments = parse("--latency", "50ms", "--boot", "pending", "--heartbeat-interval", "5m", "--boot-retry", "3s")
    assert arguments.latency == pytest.approx(0.05)
    assert arguments.boot is RegistrationStatus.PENDING
    assert (arguments.heartbeat_interval, arguments.boot_retry) == (300, 3)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--port", "70000"), "argument --port: not a port: '70000'; expected 0 to 65535"),
        (("--latency", "50"), "argument --latency: not a duration: '50'; expected a number with its unit"),
        (("--boot", "Maybe"), "argument --boot: expected Accepted, Pending or Rejected, got 'Maybe'"),
        (("--heartbeat-interval", "1.5s"), "argument --heartbeat-interval: not whole seconds: '1.5s'"),
    ],
)
def test_an_option_that_is_wrong_is_told_in_one_line(
    options: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(*options)
    assert told in capsys.readouterr().err


def test_nothing_heavy_is_imported_for_its_help() -> None:
    code = "import sys, fleet.csms.command; print(sorted({'trio', 'cattrs', 'orjson'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--security-profile", "2"), "security profile 2 needs a certificate: --tls DIR, or --cert\n"),
        (("--tls", "/not/there"), "--tls: /not/there/root.pem is not there: expected a folder made by `fleet certs`\n"),
        (("--key", "x.key"), "--key: expected --cert beside it\n"),
        (("--password", "s3cret"), "--password: expected --security-profile 1 or 2 beside it\n"),
        (("--security-profile", "1", "--password-env", "NOT_SET"), "--password-env: the environment has no NOT_SET\n"),
    ],
)
def test_security_that_does_not_go_together_is_one_clear_line(options: tuple[str, ...], told: str) -> None:
    with start("--port", "0", *options) as process:
        _, error = process.communicate(timeout=20)
    assert error == told
    assert process.returncode == 104


def test_with_a_folder_of_fleet_certs_it_speaks_tls(tmp_path: Path) -> None:
    layout = pki(tmp_path)
    options = ("--port", "0", "--tls", str(tmp_path), "--security-profile", "2", "--password", "s3cret-s3cret-s3cret")
    with start(*options, "--end-with-stdin") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("fleet csms listening on wss://127.0.0.1:")
        assert "s3cret" not in line
        port = int(line.rstrip("/\n").rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            client_context(layout).wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            assert secured.version() in ("TLSv1.2", "TLSv1.3")
        _, error = process.communicate(timeout=20)
    assert (process.returncode, error) == (0, "")
