"""How a run comes to be over before its time: a signal, or somebody's word; and the second time, at once."""

import signal
from collections.abc import Callable

import trio
from attrs import define, field


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

    def drain(self) -> None:
        """Somebody who may say so has had enough."""
        self.asked.set()

    def interrupt(self) -> None:
        """A signal: drain; or, when that is going on already, stop at once."""
        self.interrupted = True
        if self.asked.is_set():
            self.abort.set()
            return
        self.say("fleet: interrupted, draining (once more to stop at once)")
        self.asked.set()

    async def watch_signals(self) -> None:
        """Take SIGINT and SIGTERM for it, until cancelled."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                self.interrupt()

    async def cancel_at_once(self, scope: trio.CancelScope) -> None:
        """Cancel what is left of the run when it is to stop at once."""
        await self.abort.wait()
        scope.cancel()
