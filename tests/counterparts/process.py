"""The CSMSs by other hands, as processes that a test starts, orders about, kills and starts again."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

PROGRAMS = Path(__file__).parents[1] / "interop"


class Counterpart:
    """The process under test, its files and its control channel: the CSMS on the `ocpp` package."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, *self._command(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        said = self.stdout.readline()
        if not said:
            # Nothing of it may be left behind: a later test would be blamed.
            raise RuntimeError(f"the counterpart did not start: exit code {self.end()}")
        self.port = int(said)

    def _command(self, port: int) -> list[str]:
        options = [f"--{name}={self.folder / name}.jsonl" for name in ("records", "log", "frames")]
        return [str(PROGRAMS / "counterpart.py"), "--port", str(port), "--control", *options]

    def connect(self, charge_point: str = "CP0001") -> ClientConnection:
        return connect(
            f"ws://127.0.0.1:{self.port}/ocpp/{charge_point}",
            subprotocols=[Subprotocol("ocpp1.6")],
            proxy=None,
        )

    def order(self, **order: Any) -> dict[str, Any]:
        self.stdin.write(json.dumps(order) + "\n")
        self.stdin.flush()
        return cast(dict[str, Any], json.loads(self.stdout.readline()))

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / f"{name}.jsonl").read_text().splitlines()]

    def rules(self, charge_point: str | None = None) -> list[str]:
        return [line["rule"] for line in self.lines("log") if charge_point in (None, line["charge_point"])]

    def end(self, signal_number: int = signal.SIGTERM) -> int:
        self.process.send_signal(signal_number)
        status = self.process.wait(10)
        self.stdin.close()
        self.stdout.close()
        return status


class OtherCsms(Counterpart):
    """The CSMS of the `ocpp-csms` package; it takes a free port, and knows other orders."""

    def _command(self, port: int) -> list[str]:
        assert port == 0
        options = [f"--{name}={self.folder / name}.jsonl" for name in ("records", "log")]
        return [str(PROGRAMS / "other_csms.py"), *options]
