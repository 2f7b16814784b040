"""The ways into a run while it goes on: its plant, and the control socket that is always there."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TextIO

import trio
from attrs import frozen

from fleet.control.paths import listen, own_path
from fleet.control.plant import Plant
from fleet.control.server import served, talk_on_standard_streams
from fleet.errors import ConfigurationError
from fleet.observe.observer import Listener

STANDARD_STREAMS = "-"

Attend = Callable[[Plant], Awaitable[None]]


@frozen
class Manner:
    """How a run is to be had, apart from what it does.

    `control` is the path of its control socket, `-` for standard input and output, None for a path of its own choice.
    `attend` is a task beside the run, such as a shell; while there is one nothing else draws on the terminal. `alone`
    is `fleet connect`: nobody drives, the CSMS is waited for without end, and the run is over when nobody can say
    anything any more. `target` is what control lines are for that name none.
    """

    control: str | None = None
    attend: Attend | None = None
    alone: bool = False
    target: str | None = None
    password: str | None = None
    listeners: tuple[Listener, ...] = ()

    @property
    def progress(self) -> bool:
        """Is the progress to be shown?"""
        return self.attend is None and not self.alone and self.control != STANDARD_STREAMS

    @property
    def stream(self) -> TextIO:
        """Where people read, beside whatever standard output is used for."""
        return sys.stderr if self.control == STANDARD_STREAMS else sys.stdout

    def say(self, line: str) -> None:
        """A line for people."""
        print(line, flush=True, file=self.stream)


@asynccontextmanager
async def controlled(plant: Plant, manner: Manner) -> AsyncIterator[None]:
    """Let the plant be controlled while the block runs; says where.

    Raises ConfigurationError for a path that was asked for and can't be used; without one, a run goes on without.
    """
    if manner.control == STANDARD_STREAMS:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_talk, plant, manner)
            yield
            nursery.cancel_scope.cancel()
        return
    path = own_path() if manner.control is None else Path(manner.control)
    try:
        listening = listen(path)
    except ConfigurationError as error:
        if manner.control is not None:
            raise
        print(f"fleet: nobody can control this run: {error}", file=sys.stderr)
        yield
        return
    async with served(plant, listening, target=manner.target):
        manner.say(f"fleet: control socket {path}")
        yield


async def _talk(plant: Plant, manner: Manner) -> None:
    await talk_on_standard_streams(plant, target=manner.target)
    if manner.alone:
        # Whoever told it what to do is gone, and nothing happens but what it is told.
        plant.ask_for_the_end()
