"""Keeping: how actors have a memory written down, so that it outlives the process, and what waits for that.

Most runs keep nothing beyond their end. Where one does, whoever writes (`fleet.state`) hands each charge point a
`Page`: the actors say there that the memory has changed, and it is written soon, many charge points at once.

Between the charge point and its link there is then a `Gate`: nothing leaves the charge point before what it knows at
that moment is written. So whatever the CSMS has been told, a transaction that began or a setting that was accepted, is
still so when the process is killed in the next instant. A frame that waits is one that has not been sent: it leaves
some hundredths of a second later, and the time that the CSMS takes to answer counts from there.
"""

from collections.abc import Callable
from typing import Protocol

import trio

from fleet.actors.mailbox import Address, MailboxClosed, MailboxFull
from fleet.core.charge_point import ChargePoint, ChargePointMessage
from fleet.core.effects import LinkOrder
from fleet.core.memory import ChargePointMemory
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import ConnectFailed, FrameReceived, LinkDown, MeterSampled

_CALL = "[2,"
_ANSWERS = ("[3,", "[4,")
HELD_MAX = 256
"""More than a mailbox of the link would take, too."""
OUTBOX_ONLY = frozenset({"MeterValues", "Heartbeat", "StatusNotification"})
"""Actions whose answers change nothing in the memory, or take one message out of the outbox."""


class Page(Protocol):
    """Where one charge point's memory is written down."""

    powered: bool
    """A life is on: when the power fails, it fails now."""

    @property
    def written(self) -> bool:
        """Everything that changed is written."""

    def changed(self) -> None:
        """Anything may have changed; it will be written."""

    def outbox_changed(self) -> None:
        """The same of nothing but the messages in the outbox."""

    def hold(self, gate: "Gate", /) -> None:
        """Have the gate `take` when what is known now is being written, and `open` when it is."""


class Keeper(Protocol):
    """Who has the memories of a run, also those of an earlier one."""

    def memory(self, plan: ChargePointPlan, /) -> ChargePointMemory:
        """What this charge point remembers when it is switched on for the first time in this run."""

    def page(self, charge_point_id: str, memory: ChargePointMemory, /) -> Page:
        """A page for this memory from now on."""


class Gate:
    """Stands before the link and takes orders like it; `sent` is told of every order that really went to the link."""

    __slots__ = ("_held", "_link", "_machine", "_overrun", "_page", "_sent", "_taken")

    def __init__(
        self, page: Page, link: Address[LinkOrder], machine: ChargePoint, sent: Callable[[LinkOrder], None]
    ) -> None:
        self._page = page
        self._link = link
        self._machine = machine
        self._sent = sent
        self._held: list[LinkOrder] = []
        self._taken: list[LinkOrder] = []
        self._overrun = False

    def tell(self, order: LinkOrder) -> None:
        """As a link's address takes it, and raises; the order of orders stays as it is.

        Only frames tell anybody anything, so that nothing but frames makes others wait.
        """
        if not self._held and not self._taken and (self._page.written or not isinstance(order, str)):
            self._link.tell(order)
            self._sent(order)
            return
        if self._overrun or len(self._held) >= HELD_MAX:
            raise MailboxFull
        self._held.append(order)
        self._page.hold(self)

    def take(self) -> None:
        """What is held now may leave with the next `open`."""
        self._taken += self._held
        self._held.clear()

    def open(self) -> None:
        """What was taken is written: let it leave."""
        taken, self._taken = self._taken, []
        for order in taken:
            if isinstance(order, str) and order.startswith(_CALL):
                self._machine.exchange.left(trio.current_time())
            try:
                self._link.tell(order)
            except MailboxClosed:
                return
            except MailboxFull:
                # It isn't ours to crash here: the charge point learns of it when it has something to say.
                self._overrun = True
                return
            self._sent(order)

    def drop(self) -> None:
        """The connection that all this was for is gone."""
        self._held.clear()
        self._taken.clear()


def heed(page: Page, gate: Gate, message: ChargePointMessage, machine: ChargePoint) -> None:
    """A message is about to be handled: what does it change in the memory?"""
    kind = type(message)
    if kind is MeterSampled or (kind is FrameReceived and _settles_little(message, machine)):
        page.outbox_changed()
    elif kind is not ConnectFailed:
        page.changed()
        if kind is LinkDown:
            gate.drop()


def _settles_little(message: ChargePointMessage, machine: ChargePoint) -> bool:
    """It is an answer, and to one of our CALLs that teaches us nothing."""
    data = message.data if isinstance(message, FrameReceived) else ""
    return machine.exchange.asking in OUTBOX_ONLY and isinstance(data, str) and data.startswith(_ANSWERS)
