"""The embedded CSMS as a child process, so that it doesn't load the generator's loop.

It is `fleet csms` on a free loopback port, and nothing else: what a run does against it, it does against any CSMS. But
for one thing: a run may kill it, to see what that does to the charge points. It comes back on the same port and goes on
with the same records, from which it knows which transactions are open and which ids it has given.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import trio

from fleet.errors import FleetError
from fleet.load.config import CsmsConfig
from fleet.load.security import Guard

HOST = "127.0.0.1"
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0


class Central:
    """A CSMS to run against; `ended` is why ours is no more, though nobody told it to end."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def ended(self) -> str | None:
        """Nobody knows of one that isn't ours."""
        return None


class Embedded(Central):
    """Ours, in a process of its own that can be killed and started again where it was."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        super().__init__("")
        self._command = command
        self._environment = environment
        self.process: trio.Process | None = None
        self._restarting = trio.Lock()
        self._failed: str | None = None

    @property
    def ended(self) -> str | None:
        code = None if self.process is None else self.process.poll()
        if self._failed is not None or code is None:
            return self._failed
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"the embedded CSMS ended in mid-run ({how})"

    async def start(self, port: int = 0) -> None:
        """Start it, on a free port by default; raises FleetError if it doesn't come up."""
        command = [*self._command, "--port", str(port)]
        self.process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env=self._environment
        )
        self.url = await _url(self.process)

    async def restart(self, down_s: float) -> None:
        """Kill it as `kill -9` does, and start it again after so long; returns when it is back.

        Cancelling makes it come back at once. Where it doesn't come back, `ended` says so.
        """
        port = urlsplit(self.url).port
        assert port is not None
        async with self._restarting:
            with socket.socket() as held:
                with trio.CancelScope(shield=True):
                    await self._bury()
                # The port is one of those that connections leave from: a charge point that knocks there while nobody
                # listens might be given it for its own end, and nobody could listen any more. Bound without listening
                # it is kept, and knocking is refused all the same.
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with suppress(OSError):
                    held.bind((HOST, port))
                try:
                    await trio.sleep(down_s)
                finally:
                    with trio.CancelScope(shield=True):
                        await self._come_back(port)

    async def close(self, *, kindly: bool) -> None:
        """End it; kindly lets it say goodbye."""
        process = self.process
        if process is not None and kindly:
            process.terminate()
            with trio.move_on_after(STOP_TIMEOUT_S):
                await process.wait()
        with trio.CancelScope(shield=True):
            await self._bury()

    async def _come_back(self, port: int) -> None:
        try:
            await self.start(port)
        except FleetError as error:
            self._failed = f"the embedded CSMS was killed as ordered and is not back: {error}"

    async def _bury(self) -> None:
        """See to it that the process is no more, nor its pipes."""
        process = self.process
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdin.aclose()
        await process.stdout.aclose()


@asynccontextmanager
async def embedded(config: CsmsConfig, records: Path, guard: Guard | None = None) -> AsyncIterator[Embedded]:
    """Run the embedded CSMS while the block runs. Raises `FleetError` if it doesn't come up.

    With a `guard` it lets in whom that lets in.

    The child has a process group of its own, so that Ctrl-C in the terminal reaches only the fleet, which needs its
    CSMS for the drain; it ends when its standard input does, so that it can't outlive a fleet that was killed.
    """
    command = [sys.executable, "-m", "fleet", "csms", "--host", HOST, "--records", str(records), "--end-with-stdin"]
    if config.latency_s:
        command += ["--latency", f"{config.latency_s}s"]
    if config.heartbeat_interval_s:
        command += ["--heartbeat-interval", f"{config.heartbeat_interval_s}s"]
    environment = dict(os.environ)
    if guard is not None:
        command += guard.options
        # A password is not for everybody to read in the list of processes.
        environment |= guard.environment
    central = Embedded(command, environment)
    try:
        await central.start()
        yield central
        await central.close(kindly=True)
    finally:
        await central.close(kindly=False)


async def _url(process: trio.Process) -> str:
    """What the child says once it listens."""
    assert process.stdout is not None
    said = b""
    with trio.move_on_after(START_TIMEOUT_S):
        while b"\n" not in said:
            chunk = await process.stdout.receive_some(4096)
            if not chunk:
                break
            said += chunk
    for word in said.decode(errors="replace").split():
        if word.startswith(("ws://", "wss://")):
            return word
    raise FleetError(f"the embedded CSMS did not start: {said.decode(errors='replace').strip() or 'it said nothing'}")
