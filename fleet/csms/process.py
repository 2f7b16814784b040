"""The central system's process: its signals, its first line, and a garbage collector that lets it work.

The collector walking a thousand connections over and over is the largest single cost of a process like this. So once
the fleet has connected, everything alive is frozen out of its sight, and thawed when the fleet has changed.
"""

import gc
import os
import signal
import sys

import trio

from fleet.csms.server import Options, Server, serve

GC_THRESHOLD = 20_000
LOOK_INTERVAL_S = 2.0


async def run(options: Options, end_with_stdin: bool = False) -> None:
    """Serve until SIGTERM, SIGINT or, where asked for, the end of standard input; then close cleanly."""
    gc.set_threshold(GC_THRESHOLD, 20, 50)
    async with trio.open_nursery() as nursery:
        # Before the line is printed: whoever reads it may send a signal at once.
        ended = trio.Event()
        await nursery.start(_await_signal, ended)
        if end_with_stdin:
            nursery.start_soon(_await_end_of_input, ended)
        server: Server = await nursery.start(serve, options)
        if _announce(server.url, must_be_heard=end_with_stdin):
            nursery.start_soon(_spare_the_collector, server)
            await ended.wait()
        await server.close()
        nursery.cancel_scope.cancel()


def _announce(url: str, *, must_be_heard: bool) -> bool:
    """Say where it listens; False when the parent process that wanted to know is gone, as it may be by now."""
    try:
        print(f"fleet csms listening on {url}", flush=True)
    except BrokenPipeError:
        # What couldn't be written would be tried again, loudly, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return not must_be_heard
    return True


async def _await_signal(ended: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
        task_status.started()
        async for _ in received:
            # A second signal finds us closing already, which takes a moment at most.
            ended.set()


async def _await_end_of_input(ended: trio.Event) -> None:
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stream:
        while await stream.receive_some(4096):
            pass
    ended.set()


async def _spare_the_collector(server: Server) -> None:
    """Collect and freeze once the number of connections has come to rest at a new level."""
    frozen_at = before = 0
    while True:
        await trio.sleep(LOOK_INTERVAL_S)
        now = server.connections
        if now == before and abs(now - frozen_at) > frozen_at // 10:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            frozen_at = now
        before = now
