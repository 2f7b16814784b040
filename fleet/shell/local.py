"""A shell over a fleet in this process: its thread, seen from trio.

The shell's thread is never waited for longer than a moment: a terminal that takes nothing more must not keep a run from
ending. The terminal is restored here once more, should the thread not have come to it.
"""

import sys
import threading
import traceback
from collections.abc import Callable

import trio

from fleet.control.console import Console
from fleet.shell.app import Leaving, Shell
from fleet.shell.channel import LocalChannel
from fleet.shell.terminal import terminal_restored

FAREWELL_S = 2.0
"""How long a thread gets to leave the terminal as it found it."""


async def show_shell(
    console: Console,
    *,
    banner: str = "",
    menu_first: bool = False,
    interrupt: Callable[[], None],
) -> Leaving:
    """Show a shell over `console` until somebody leaves it, and say how; cancelled, it is gone within `FAREWELL_S`.

    `interrupt` is called for each Ctrl-C at an empty prompt: it asks for the drain, the second time for an end at once.
    The shell stays meanwhile, so that somebody may watch; what is printed appears above the prompt. A bug
    in the shell itself ends the shell and nothing else.
    """
    gone = threading.Event()
    with terminal_restored():
        async with trio.open_nursery() as nursery:
            shell = Shell(LocalChannel(console, nursery, interrupt), banner=banner, menu_first=menu_first)

            def live() -> Leaving:
                try:
                    return shell.run()
                finally:
                    gone.set()

            try:
                leaving = await trio.to_thread.run_sync(live, abandon_on_cancel=True, limiter=trio.CapacityLimiter(1))
            except trio.Cancelled:
                console.cancel()
                shell.stop()
                with trio.CancelScope(shield=True):
                    await _wait(gone)
                raise
            except Exception:
                # A run of days doesn't end because its shell has a bug.
                traceback.print_exc()
                print("fleet: the shell crashed, the run goes on: Ctrl-C lets it drain", file=sys.stderr)
                leaving = Leaving.CRASHED
            nursery.cancel_scope.cancel()
    return leaving


async def _wait(gone: threading.Event) -> None:
    """Wait for the thread's end, but not for ever: it may be writing to a terminal that was stopped."""
    with trio.move_on_after(FAREWELL_S):
        while not gone.is_set():
            await trio.sleep(0.01)
