"""Channels: how lines get from the shell to a console and answers back.

A channel's methods block and may be called from several threads at once: a line that runs, its cancellation, a
completion and the toolbar's glance are all under way at the same time. The shell doesn't know which kind it has.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, TypeVarTuple

import trio

from fleet.commands.completion import Candidate
from fleet.control.answer import Answer
from fleet.control.client import ControlClient, ControlClosed
from fleet.control.console import Console
from fleet.control.glance import Glance
from fleet.control.hub import Watch

Arguments = TypeVarTuple("Arguments")
Outcome = TypeVar("Outcome")
Event = dict[str, Any]
Listener = Callable[[Event], None]

RUN_OVER = "the run is over"


class Channel(Protocol):
    """The way to a console. Every method raises `ControlClosed` when it leads nowhere any more."""

    leaving_ends_the_run: bool
    """Does the run end with the shell?"""

    def execute(self, line: str) -> Answer:
        """Carry a line out, and wait for its answer as long as that takes."""

    def cancel(self) -> None:
        """Give up the line that is being carried out; `execute` returns what was done until now."""

    def complete(self, line: str, cursor: int) -> Sequence[Candidate]:
        """What may stand at the cursor."""

    def glance(self) -> Glance:
        """The fleet at one look."""

    def watch(self, target: str | None, action: str | None, listener: Listener) -> None:
        """Live events from now on, to `listener` in a thread of the channel's; instead of a former watch.

        Raises FleetError for a target that matches nothing.
        """

    def unwatch(self) -> None:
        """No more events; nothing happens if there is no watch."""

    def interrupt(self) -> None:
        """Ctrl-C at an empty prompt: ask for the drain, and the second time for an end at once."""


class LocalChannel:
    """Onto a console of this process, from any thread but trio's own.

    `nursery` holds the task that passes events on, and `interrupt` is called in trio's thread, once for each Ctrl-C at
    an empty prompt.
    """

    leaving_ends_the_run = True

    def __init__(self, console: Console, nursery: trio.Nursery, interrupt: Callable[[], None]) -> None:
        self._console = console
        self._nursery = nursery
        self._interrupt = interrupt
        self._token = trio.lowlevel.current_trio_token()
        self._watching: trio.CancelScope | None = None

    def execute(self, line: str) -> Answer:
        """See `Channel`."""
        try:
            return trio.from_thread.run(self._console.execute, line, trio_token=self._token)
        except (trio.RunFinishedError, trio.Cancelled):
            raise ControlClosed(RUN_OVER) from None

    def cancel(self) -> None:
        """See `Channel`."""
        self._run(self._console.cancel)

    def complete(self, line: str, cursor: int) -> Sequence[Candidate]:
        """See `Channel`."""
        return self._run(self._console.complete, line, cursor)

    def glance(self) -> Glance:
        """See `Channel`."""
        return self._run(self._console.glance)

    def watch(self, target: str | None, action: str | None, listener: Listener) -> None:
        """See `Channel`."""
        self._run(self._watch, target, action, listener)

    def unwatch(self) -> None:
        """See `Channel`."""
        self._run(self._unwatch)

    def interrupt(self) -> None:
        """See `Channel`."""
        self._run(self._interrupt)

    def _watch(self, target: str | None, action: str | None, listener: Listener) -> None:
        watch = self._console.watch(target, action)
        self._unwatch()
        self._watching = trio.CancelScope()
        self._nursery.start_soon(_pass_on, watch, listener, self._watching)

    def _unwatch(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _run(self, call: Callable[[*Arguments], Outcome], *args: *Arguments) -> Outcome:
        try:
            return trio.from_thread.run_sync(call, *args, trio_token=self._token)
        except (trio.RunFinishedError, trio.Cancelled):
            raise ControlClosed(RUN_OVER) from None


async def _pass_on(watch: Watch, listener: Listener, scope: trio.CancelScope) -> None:
    with watch, scope:
        while True:
            for event in await watch.receive():
                listener(event)


class RemoteChannel:
    """Onto a console of another process, over its control socket."""

    leaving_ends_the_run = False

    def __init__(self, peer: ControlClient) -> None:
        self._peer = peer

    def execute(self, line: str) -> Answer:
        """See `Channel`."""
        return self._peer.execute(line)

    def cancel(self) -> None:
        """See `Channel`."""
        self._peer.cancel()

    def complete(self, line: str, cursor: int) -> Sequence[Candidate]:
        """See `Channel`."""
        return self._peer.complete(line, cursor)

    def glance(self) -> Glance:
        """See `Channel`."""
        return self._peer.glance()

    def watch(self, target: str | None, action: str | None, listener: Listener) -> None:
        """See `Channel`."""
        self._peer.unwatch()
        self._peer.watch(target, action, listener)

    def unwatch(self) -> None:
        """See `Channel`."""
        self._peer.unwatch()

    def interrupt(self) -> None:
        """The run drains as if somebody had typed `quit`; there is no second time from here."""
        self._peer.execute("quit")
