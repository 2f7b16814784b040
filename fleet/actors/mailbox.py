"""Mailboxes: the only wrapper over trio's memory channels, and the only way one task tells another something.

A mailbox is a *bounded* channel with one reader. Addresses of it are handed in, never looked up by name. Two moods:

- **down**, `tell()`: never waits. A full mailbox raises `MailboxFull`, which the caller treats as a refusal.
- **up**, `await report()`: waits while the reader is busy. That is backpressure.

A parent never awaits a child from its own loop: with bounded channels both would wait for each other for ever.
"""

import math
from typing import Generic, TypeVar

import trio

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class MailboxFull(Exception):
    """The reader is too far behind to be told anything more."""


class MailboxClosed(Exception):
    """The reader is gone."""


class Address(Generic[T_contra]):
    """Where to reach a mailbox. Cheap to copy and to keep."""

    __slots__ = ("_channel",)

    def __init__(self, channel: "trio.MemorySendChannel[T_contra]") -> None:
        self._channel = channel

    def tell(self, message: T_contra) -> None:
        """Put a message in without waiting; raises `MailboxFull` or `MailboxClosed`."""
        try:
            self._channel.send_nowait(message)
        except trio.WouldBlock:
            raise MailboxFull from None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise MailboxClosed from None

    async def report(self, message: T_contra) -> None:
        """Put a message in, waiting for room; raises `MailboxClosed`.

        With room it is no checkpoint: a turn of the scheduler for every report would cost more than the report. Callers
        are loops that wait for something else in every round.
        """
        try:
            try:
                self._channel.send_nowait(message)
            except trio.WouldBlock:
                await self._channel.send(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise MailboxClosed from None


class Mailbox(Generic[T]):
    """A bounded queue with one reader."""

    __slots__ = ("_channel", "address")

    def __init__(self, size: int) -> None:
        send, self._channel = trio.open_memory_channel[T](size)
        self.address: Address[T] = Address(send)

    @property
    def waiting(self) -> int:
        """How many messages nobody has read yet."""
        return self._channel.statistics().current_buffer_used

    async def receive(self) -> T:
        """The next message; waits for one."""
        return await self._channel.receive()

    def receive_nowait(self) -> T | None:
        """The next message, or None when there is none right now."""
        try:
            return self._channel.receive_nowait()
        except trio.WouldBlock:
            return None

    async def receive_until(self, deadline: float) -> T | None:
        """The next message, or None once `deadline` (trio's clock, inf for never) has passed."""
        if deadline == math.inf:
            return await self._channel.receive()
        with trio.move_on_at(deadline):
            return await self._channel.receive()
        return None

    def close(self) -> None:
        """No more reading: later `tell` and `report` raise `MailboxClosed`."""
        self._channel.close()
