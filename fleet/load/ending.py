"""How a run comes to be over before its time: a signal, or somebody's word; and the second time, at once."""

import errno
import os
import signal
import sys
import termios
from collections.abc import Callable

import trio
from attrs import define, field

from fleet.output import Output, reader_is_gone

_TURNS_OF_A_SIGNAL = 5
"""More turns of the loop than a signal takes to whoever waits for it."""


@define(eq=False)
class Ending:
    """Whether the end was asked for, and how. `say` tells whoever sits there."""

    say: Callable[[str], None]
    asked: trio.Event = field(factory=trio.Event)
    """Stop the load and drain."""
    abort: trio.Event = field(factory=trio.Event)
    """Stop at once, drained or not."""
    interrupted: bool = False
    """By a signal or Ctrl-C, not by a command that says so."""
    over: bool = False
    """Everybody has left: what there was to measure was measured, and no signal changes the verdict any more."""

    def drain(self) -> None:
        """Somebody who may say so has had enough."""
        self.asked.set()

    def interrupt(self) -> None:
        """A signal: drain; or, when that is going on already, stop at once. It doesn't change what is over."""
        if self.over:
            self.abort.set()
            return
        self.interrupted = True
        if self.asked.is_set():
            self.abort.set()
            return
        self.say("fleet: interrupted, draining (once more to stop at once)")
        self.asked.set()

    def hang_up(self) -> None:
        """The terminal is gone: drain all the same, and say no more to it. It is no second time of anything."""
        _leave_lost_terminals()
        if not self.asked.is_set():
            self.interrupt()

    async def linger(self, seconds: float) -> None:
        """Be there for so long after the end, or until a signal says that nobody needs it."""
        with trio.move_on_after(seconds):
            await self.abort.wait()

    def watch_output(self) -> None:
        """Drain when nobody reads the output any more; one that is full only falls silent. Needs a running loop."""
        token = trio.lowlevel.current_trio_token()

        def lost(error: OSError) -> None:
            if reader_is_gone(error):
                token.run_sync_soon(self.interrupt)

        if isinstance(sys.stdout, Output):
            sys.stdout.tell(lost)

    async def settle(self) -> None:
        """Hear the signals that came while the loop was busy with the verdict.

        Those that nobody has heard when `watch_signals` ends count as Ctrl-C again, and would end what is over as
        interrupted.
        """
        for _ in range(_TURNS_OF_A_SIGNAL):
            await trio.lowlevel.checkpoint()

    async def watch_signals(self) -> None:
        """Take SIGINT and SIGTERM for it, and SIGHUP unless that is ignored (`nohup`), until cancelled."""
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            numbers.append(signal.SIGHUP)
        with trio.open_signal_receiver(*numbers) as signals:
            async for number in signals:
                if number == signal.SIGHUP:
                    self.hang_up()
                else:
                    self.interrupt()

    async def cancel_at_once(self, scope: trio.CancelScope) -> None:
        """Cancel what is left of the run when it is to stop at once."""
        await self.abort.wait()
        scope.cancel()


def _leave_lost_terminals() -> None:
    """Standard streams that led to a terminal which is gone lead nowhere from now on: writing there is no error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        for stream in range(3):
            try:
                termios.tcgetattr(stream)
            except termios.error as error:
                if error.args[0] == errno.EIO:
                    os.dup2(nowhere, stream)
    finally:
        os.close(nowhere)
