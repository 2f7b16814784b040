"""Secrets of every kind, given to a run in every way there is: none of them is in anything that comes out of it.

They are given by the command line, by the CSMS over the wire, and by whoever tells the fleet what to do. What comes out
are both streams, with every event of a watch and every answer among them, report, trace and metrics. Only `--state`
holds what a charge point would keep, and that is for nobody else to read.
"""

import json
import os
import stat
import sys
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any

import trio
from counterparts.certificates import pki, security

from fleet.csms.central import Central
from fleet.csms.gate import Gate
from fleet.csms.server import CallFailed, Server
from fleet.csms.signing import Signer
from fleet.ocpp.v16 import ChangeConfigurationRequest
from fleet.ocpp.v16_firmware import GetDiagnosticsRequest, UpdateFirmwareRequest
from fleet.ocpp.v16_security import (
    ExtendedMessageTrigger,
    ExtendedTriggerMessageRequest,
    GetLogRequest,
    LogParameters,
)
from fleet.words.security import LogKind

CP = "CP0001"
PATIENCE_S = 60.0
RUN_PASSWORD = "canary-0f-the-run"
GIVEN, GIVEN_IN_HEX = "canary-that-was-given", bytes(range(161, 181)).hex()
FIRMWARE, FIRMWARE_TOKEN, DIAGNOSTICS, LOG = "canary-firmware", "canary-token", "canary-diagnostics", "canary-log"
SAID, SENT_RAW = "canary-said-by-hand", "canary-sent-by-hand"
CANARIES = (
    *(RUN_PASSWORD, GIVEN, GIVEN_IN_HEX, bytes(range(161, 181)).decode("latin-1")),
    *(FIRMWARE, FIRMWARE_TOKEN, DIAGNOSTICS, LOG, SAID, SENT_RAW, "PRIVATE KEY"),
)
LINES = (
    '{"id": 1, "watch": {"target": "*"}}',
    f'{{"id": 2, "do": "set {CP} AuthorizationKey {SAID}"}}',
    f'{{"id": 3, "do": "get {CP}"}}',
    f'{{"id": 4, "do": "get {CP} AuthorizationKey SecurityProfile"}}',
    f'{{"id": 5, "do": "get {CP} AuthorizationKey={SENT_RAW}"}}',
    f'{{"id": 6, "do": "set {CP} AuthorizationKey {SAID}{"x" * 40}"}}',
    f'{{"id": 7, "do": "status {CP}"}}',
    f'{{"id": 8, "do": "config {CP}"}}',
    json.dumps({"id": 9, "do": f'send-raw {CP} DataTransfer {{"vendorId":"V","data":"AuthorizationKey={SENT_RAW}"}}'}),
    '{"id": 10, "do": "stats"}',
)


class Patient(Gate):
    """Takes every password, as whoever gives a new one out and back would."""

    def accepted(self, charge_point: str) -> tuple[str, ...]:
        return ()


async def test_no_secret_is_in_anything_that_comes_out(tmp_path: Path) -> None:
    layout = pki(tmp_path / "pki", CP)
    gate = Patient(security(layout, 2))
    server = Server(Central(lambda: datetime.now(UTC), lambda _: None, sign=Signer(layout)), gate=gate)
    report, trace, state = tmp_path / "report", tmp_path / "trace.jsonl", tmp_path / "state"
    out: list[bytes] = []
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, server.serve_stream, listeners)
            url = f"wss://localhost:{listeners[0].socket.getsockname()[1]}"
            command = [
                *(sys.executable, "-m", "fleet", "run", "--charge-points", "1", "--duration", "1h", "--url", url),
                *("--ca-file", str(layout.root), "--password", RUN_PASSWORD, "--security-profile", "2"),
                *("--report", str(report), "--trace", str(trace), "--state", str(state)),
                *("--metrics", "127.0.0.1:0", "--control", "-", "--grace", "2s"),
            ]
            run = partial(trio.run_process, command, stdin=PIPE, stdout=PIPE, stderr=PIPE, check=False)
            process: trio.Process = await nursery.start(run)
            ended: list[trio.abc.ReceiveStream] = []
            nursery.start_soon(_read, process.stdout, out, ended)
            nursery.start_soon(_read, process.stderr, out, ended)
            await _until(lambda: CP in server.connected)
            assert process.stdin is not None
            for line in LINES:
                await process.stdin.send_all(line.encode() + b"\n")
            await _until(lambda: b'"id":10' in b"".join(out).replace(b" ", b""))
            await _ask_for_everything(server)
            said = b"".join(out).decode()
            address = next(word for word in said.split() if word.startswith("http://") and "/metrics" in word)
            metrics = await trio.to_thread.run_sync(_get, address)
            process.terminate()
            # To the last word of both.
            await _until(lambda: len(ended) == 2)
            nursery.cancel_scope.cancel()
    files = [trace, *(path for path in report.rglob("*") if path.is_file())]
    left = {path.name: path.read_text() for path in files} | {"metrics": metrics, "output": b"".join(out).decode()}
    # All of it was there to be told, and was.
    for word in ("ChangeConfiguration", "UpdateFirmware", "GetDiagnostics", "GetLog", "SignCertificate"):
        assert word in left["trace.jsonl"]
        assert word in left["output"]
    assert len(left) >= 6
    found = [
        (name, line[:400])
        for name, text in left.items()
        for line in text.splitlines()
        if any(canary in line for canary in CANARIES)
    ]
    assert found == []
    _is_private(state)


async def _ask_for_everything(server: Server) -> None:
    now = datetime.now(UTC)
    requests: list[Any] = [
        ChangeConfigurationRequest("AuthorizationKey", GIVEN),
        ChangeConfigurationRequest("AuthorizationKey", GIVEN_IN_HEX),
        ChangeConfigurationRequest("AuthorizationKey", GIVEN + "x" * 40),
        UpdateFirmwareRequest(f"http://name:{FIRMWARE}@127.0.0.1:1/fw.bin?token={FIRMWARE_TOKEN}", now),
        GetDiagnosticsRequest(f"ftp://name:{DIAGNOSTICS}@127.0.0.1:1/"),
        GetLogRequest(LogParameters(f"http://name:{LOG}@127.0.0.1:1/"), LogKind.SECURITY_LOG, 7),
        ExtendedTriggerMessageRequest(ExtendedMessageTrigger.SIGN_CHARGE_POINT_CERTIFICATE),
    ]
    for request in requests:
        while True:
            await _until(lambda: CP in server.connected)
            try:
                await server.call(CP, request)
                break
            except CallFailed as failed:
                # It had just gone, to come back with another password.
                if failed.code not in ("NotConnected", "Disconnected"):
                    raise
        # As long as a reconnection takes, if one follows.
        await trio.sleep(0.3)
    await trio.sleep(2)


async def _until(true: Callable[[], bool]) -> None:
    while not true():
        await trio.sleep(0.02)


async def _read(stream: trio.abc.ReceiveStream, out: list[bytes], ended: list[trio.abc.ReceiveStream]) -> None:
    while chunk := await stream.receive_some():
        out.append(bytes(chunk))
    ended.append(stream)


def _get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return str(answer.read().decode())


def _is_private(folder: Path) -> None:
    """Nobody else may read it: by the folder itself, or by each file."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert not mode & 0o077 or not any(stat.S_IMODE(os.stat(path).st_mode) & 0o077 for path in files)
