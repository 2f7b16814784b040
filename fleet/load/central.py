"""The embedded CSMS as a child process, so that it doesn't load the generator's loop.

It is `fleet csms` on a free loopback port, and nothing else: what a run does against it, it does against any CSMS.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import frozen

from fleet.errors import FleetError
from fleet.load.config import CsmsConfig
from fleet.load.security import Guard

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0


@frozen
class Central:
    """A CSMS to run against, and its process if it is ours."""

    url: str
    process: trio.Process | None = None

    @property
    def ended(self) -> str | None:
        """Why ours is no more, though nobody told it to end."""
        code = None if self.process is None else self.process.poll()
        if code is None:
            return None
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"the embedded CSMS ended in mid-run ({how})"


@asynccontextmanager
async def embedded(config: CsmsConfig, records: Path, guard: Guard | None = None) -> AsyncIterator[Central]:
    """Run the embedded CSMS while the block runs. Raises `FleetError` if it doesn't come up.

    With a `guard` it lets in whom that lets in.

    The child has a process group of its own, so that Ctrl-C in the terminal reaches only the fleet, which needs its
    CSMS for the drain; it ends when its standard input does, so that it can't outlive a fleet that was killed.
    """
    command = [sys.executable, "-m", "fleet", "csms", "--port", "0", "--records", str(records), "--end-with-stdin"]
    if config.latency_s:
        command += ["--latency", f"{config.latency_s}s"]
    if config.heartbeat_interval_s:
        command += ["--heartbeat-interval", f"{config.heartbeat_interval_s}s"]
    environment = dict(os.environ)
    if guard is not None:
        command += guard.options
        # A password is not for everybody to read in the list of processes.
        environment |= guard.environment
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Central(await _url(process), process)
        process.terminate()
        with trio.move_on_after(STOP_TIMEOUT_S):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdin.aclose()
            await process.stdout.aclose()


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
