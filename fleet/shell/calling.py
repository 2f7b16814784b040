"""Calling what blocks, from a loop that must not: each call in a thread of its own.

An executor would make the shell's end wait for calls that nobody wants any more. These threads are just left alone:
what they come to then interests nobody.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, TypeVarTuple

Arguments = TypeVarTuple("Arguments")
Outcome = TypeVar("Outcome")


def call(blocking: Callable[[*Arguments], Outcome], *args: *Arguments) -> "asyncio.Future[Outcome]":
    """What `blocking` returns or raises, once it has."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Outcome] = loop.create_future()

    def settle(outcomes: list[Outcome], error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(outcomes[0])

    def work() -> None:
        outcomes: list[Outcome] = []
        error: BaseException | None = None
        try:
            outcomes.append(blocking(*args))
        except BaseException as raised:  # handed to whoever waits
            error = raised
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, outcomes, error)

    threading.Thread(target=work, name="shell-call", daemon=True).start()
    return future
