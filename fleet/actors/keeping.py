"""Keeping: how actors have a memory written down, so that it outlives the process, and what waits for that.

Most runs keep nothing beyond their end. Where one does, whoever writes (`fleet.state`) hands each charge point a
`Page`: the actors say there that the memory has changed, and it is written soon, many charge points at once.

Between the charge point and its link there is then a `Gate`: nothing leaves the charge point before what it knows at
that moment is written. So whatever the CSMS has been told, a transaction that began or a setting that was accepted, is
still so when the process is killed in the next instant. A frame that waits is one that has not been sent: it leaves
some hundredths of a second later, and the time that the CSMS takes to answer counts from there.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from fleet.actors.mailbox import Address, MailboxClosed, MailboxFull
from fleet.core.charge_point import ChargePoint, ChargePointMessage
from fleet.core.delivery_reports import OutboxChanged
from fleet.core.effects import Answer, CloseLink, Effect, LinkOrder, Observe, SendFrame, UseCredentials
from fleet.core.memory import ChargePointMemory
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import CallSettled, ConnectFailed, FrameReceived, LinkDown, MeterSampled

_CALL = "[2,"
_COME_BACK = CloseLink()
HELD_MAX = 256
"""More than a mailbox of the link would take, too."""
OUTBOX_ONLY = frozenset({"MeterValues", "Heartbeat", "StatusNotification"})
"""Actions whose answers change nothing in the memory, or take one message out of the outbox."""
_SAID = (SendFrame, Answer, UseCredentials)
"""Effects that show no change."""


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

        Only frames tell anybody anything, and a connection that is closed to come back with other credentials: so
        nothing but these makes others wait.
        """
        if self._overrun or len(self._held) >= HELD_MAX:
            raise MailboxFull
        tells = isinstance(order, str) or order == _COME_BACK
        if not self._held and not self._taken and (self._page.written or not tells):
            self._link.tell(order)
            self._sent(order)
            return
        if isinstance(order, str) and order.startswith(_CALL):
            # Nobody can be late with an answer to what wasn't said yet.
            self._machine.exchange.hold()
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
        """The connection is gone, and with it whatever was to be said on it; the other orders hold."""
        self._held = [order for order in self._held if not isinstance(order, str)]
        self._taken = [order for order in self._taken if not isinstance(order, str)]


def settled(machine: ChargePoint) -> bool:
    """Nothing is under way that comes into the memory with whatever message is handled next."""
    upkeep = machine.upkeep
    return upkeep.update is None and upkeep.diagnostics is None and upkeep.log is None and machine.memory.quartz is None


def heed(page: Page, gate: Gate, message: ChargePointMessage, effects: Sequence[Effect], was_settled: bool) -> None:
    """A message was handled, and nothing of what came of it is told yet: what may it have changed in the memory?

    Most messages are readings and the answers to them, which change the outbox and no more. They are told by what
    came of them; `was_settled` is what `settled` said before.
    """
    kind = type(message)
    if kind is LinkDown:
        gate.drop()
    if not was_settled or not _little(kind, effects):
        page.changed()
    elif kind is not ConnectFailed:
        page.outbox_changed()


def _little(kind: type[ChargePointMessage], effects: Sequence[Effect]) -> bool:
    """Whether a message of this kind, of which this came, has changed nothing but the outbox."""
    known = kind is MeterSampled or kind is ConnectFailed
    for effect in effects:
        if type(effect) is Observe:
            report = effect.report
            if type(report) is CallSettled and report.action in OUTBOX_ONLY:
                known = known or kind is FrameReceived
            elif type(report) is not OutboxChanged:
                return False
        elif type(effect) not in _SAID:
            return False
    return known
