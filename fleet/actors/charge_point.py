"""The charge point's task: one life of a charge point, from power-up to restart or end.

Its mailbox takes what its connectors and its link report and what outsiders ask; everything it does is an effect of
the pure machine. Connectors and link live in its nursery: when one of them crashes, all go down together and the
supervisor switches the charge point on again, as hardware does.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

import trio
from attrs import Factory, define

from fleet.actors.connector import OF_TRANSACTIONS, nobody_writes, run_connector
from fleet.actors.keeping import Gate, Page, heed, settled
from fleet.actors.mailbox import Address, Mailbox, MailboxFull
from fleet.core.charge_point import ChargePoint, ChargePointMessage
from fleet.core.connector import Connector
from fleet.core.effects import (
    Answer,
    CancelErrand,
    CloseLink,
    Effect,
    Finish,
    GiveOrder,
    ImpairLink,
    LinkOrder,
    MendLink,
    Observe,
    OpenLink,
    Restart,
    RunErrand,
    SendFrame,
    SetPingInterval,
    UseCredentials,
)
from fleet.core.errands import Errand, ErrandEnded, Outcome, Undone, Why
from fleet.core.instructions import Instruct
from fleet.core.memory import ChargePointMemory
from fleet.core.reports import (
    Answered,
    AuthorizationRequested,
    CableChanged,
    ConnectorReport,
    FrameReceived,
    FrameSeen,
    FrameSent,
    IdTagRefused,
    LinkReport,
    ObservedReport,
    PowerChanged,
    RegisterMoved,
    StatusChanged,
)
from fleet.words import StopReason

MAILBOX_SIZE = 64
CONNECTOR_MAILBOX_SIZE = 256
LINK_MAILBOX_SIZE = 256
"""Room for what the link lets wait before it reads no more, and for the orders that a mailbox of frames may yield."""
GOODBYE_TIMEOUT_S = 5.0
"""How long the link may take to close politely before the socket is simply dropped."""

UNOBSERVED = frozenset({FrameReceived, Instruct, Answered, ErrandEnded})
"""Messages that are no facts about the fleet: frames become facts when they are understood."""
OF_CONNECTORS = (
    *OF_TRANSACTIONS,
    StatusChanged,
    CableChanged,
    AuthorizationRequested,
    IdTagRefused,
    PowerChanged,
    RegisterMoved,
)

RunLink = Callable[[Mailbox[LinkOrder], Address[LinkReport]], Awaitable[None]]
ErrandRunner = Callable[[Errand], Awaitable[Outcome]]


class ReportListener(Protocol):
    """Where a charge point's reports go; frames too, as long as they are wanted."""

    @property
    def frames_wanted(self) -> bool: ...

    def report(self, charge_point_id: str, report: ObservedReport, /) -> None: ...


async def run_no_errand(_errand: Errand) -> Outcome:
    """For charge points that have nobody to send."""
    return Undone(Why.UNSUPPORTED, "errands are not run here")


class Overrun(Exception):
    """The link or a connector doesn't take orders any more and doesn't say why: a bug, not a slow network."""


@define
class Life:
    """What one life of a charge point is made of."""

    machine: ChargePoint
    memory: ChargePointMemory
    mailbox: Mailbox[ChargePointMessage]
    run_link: RunLink
    observer: ReportListener
    answer: Callable[[int, str | None, object], None]
    interrupted: StopReason
    run_errand: ErrandRunner
    page: Page | None = None
    gate: Gate | None = None
    nursery: trio.Nursery | None = None
    errands: dict[int, trio.CancelScope] = Factory(dict)


async def run_charge_point(life: Life) -> Restart | Finish:
    """Live one life; returns how it ended. Raises what any of its tasks raises: that is a crash."""
    machine, memory = life.machine, life.memory
    link_mailbox: Mailbox[LinkOrder] = Mailbox(LINK_MAILBOX_SIZE)
    connectors: list[Address[GiveOrder]] = []
    link_ended = trio.Event()
    unheard, memory.unheard = memory.unheard, []
    undelivered: list[ConnectorReport] = []
    changed = nobody_writes
    if life.page is not None:
        changed = life.page.changed
        life.gate = Gate(life.page, link_mailbox.address, machine, partial(_observe_frame, life))
    try:
        async with trio.open_nursery() as nursery:
            life.nursery = nursery
            effects = machine.start(trio.current_time())
            for report in unheard:
                effects += machine.handle(report, trio.current_time())
            for number, plan in enumerate(machine.plan.connectors, 1):
                mailbox: Mailbox[GiveOrder] = Mailbox(CONNECTOR_MAILBOX_SIZE)
                connectors.append(mailbox.address)
                connector = Connector(
                    number, plan, memory.connectors[number - 1], machine.settings, memory.new_transaction_key
                )
                nursery.start_soon(
                    run_connector,
                    connector,
                    mailbox,
                    life.mailbox.address,
                    undelivered,
                    life.interrupted,
                    memory.unheard,
                    changed,
                )
            nursery.start_soon(_run_link, life.run_link, link_mailbox, life.mailbox.address, link_ended)
            ending = await _loop(life, effects, connectors, life.gate or link_mailbox.address)
            if not (isinstance(ending, Restart) and ending.dark):
                with trio.move_on_after(GOODBYE_TIMEOUT_S):
                    await link_ended.wait()
            nursery.cancel_scope.cancel()
    finally:
        _observe_leftovers(life, undelivered)
    return ending


def _observe_leftovers(life: Life, undelivered: Sequence[ConnectorReport]) -> None:
    """What the connectors reported and this life didn't live to hear: observed now, as it happened before the end.

    What the next life has to hear of it, because the CSMS must be told, is in the memory.
    """
    if life.gate is not None:
        life.gate.drop()
    left: list[ChargePointMessage] = []
    while (message := life.mailbox.receive_nowait()) is not None:
        left.append(message)
    life.mailbox.close()
    # What the mailbox still holds was reported before what its connectors could not hand over any more.
    for message in (*left, *undelivered):
        if isinstance(message, OF_CONNECTORS):
            life.observer.report(life.machine.plan.id, message)


async def _run_link(
    run_link: RunLink, orders: Mailbox[LinkOrder], up: Address[ChargePointMessage], ended: trio.Event
) -> None:
    await run_link(orders, up)
    ended.set()


async def _run_errand(life: Life, effect: RunErrand, scope: trio.CancelScope) -> None:
    with scope:
        outcome = await life.run_errand(effect.errand)
        await life.mailbox.address.report(ErrandEnded(effect.token, outcome))
    del life.errands[effect.token]


async def _loop(
    life: Life, effects: Sequence[Effect], connectors: Sequence[Address[GiveOrder]], link: Address[LinkOrder] | Gate
) -> Restart | Finish:
    machine, charge_point_id = life.machine, life.machine.plan.id
    observer, page, gate, unheard = life.observer, life.page, life.gate, life.memory.unheard
    observe, receive, receive_nowait = observer.report, life.mailbox.receive, life.mailbox.receive_nowait
    handle, current_time = machine.handle, trio.current_time
    ending = _carry_out(effects, life, connectors, link)
    while ending is None:
        with trio.CancelScope(deadline=machine.deadline) as timer:
            while ending is None:
                message = receive_nowait()
                if message is None:
                    # One scope serves many messages: a new one for each would cost more than the message. For the same
                    # reason it is only ever armed earlier: a deadline that moved away costs one idle tick at most.
                    if machine.deadline < timer.deadline:
                        timer.deadline = machine.deadline
                    message = await receive()
                now = current_time()
                if type(message) not in UNOBSERVED:
                    observe(charge_point_id, message)  # type: ignore[arg-type]  # UNOBSERVED took the rest out
                elif observer.frames_wanted and type(message) is FrameReceived:
                    observe(charge_point_id, FrameSeen(message.data, now))
                if type(message) in OF_TRANSACTIONS:
                    unheard.remove(message)  # type: ignore[arg-type]  # as its type says
                was_settled = page is not None and settled(machine)
                effects = handle(message, now)
                if page is not None and gate is not None:
                    heed(page, gate, message, effects, was_settled)
                ending = _carry_out(effects, life, connectors, link)
        if timer.cancelled_caught and ending is None:
            if page is not None:
                page.changed()
            ending = _carry_out(machine.tick(current_time()), life, connectors, link)
    return ending


def _carry_out(
    effects: Sequence[Effect], life: Life, connectors: Sequence[Address[GiveOrder]], link: Address[LinkOrder] | Gate
) -> Restart | Finish | None:
    """Do what the machine asks; returns the ending if it asked for one."""
    ending: Restart | Finish | None = None
    refused: list[Answered] = []
    for effect in effects:
        match effect:
            case SendFrame():
                _tell_link(link, effect.text)
                if life.gate is None:
                    _observe_frame(life, effect.text)
            case Observe():
                life.observer.report(life.machine.plan.id, effect.report)
            case GiveOrder():
                try:
                    connectors[effect.connector - 1].tell(effect)
                except MailboxFull:
                    number = effect.connector
                    if not effect.refusable:
                        # A stop that is lost would be worse than a reboot.
                        raise Overrun(f"the mailbox of connector {number} is full") from None
                    if effect.token is not None:
                        refused.append(Answered(number, effect.token, f"connector {number} is too busy"))
            case Answer():
                life.answer(effect.token, effect.refusal, effect.value)
            case CloseLink() | OpenLink() | SetPingInterval() | UseCredentials() | ImpairLink() | MendLink():
                _tell_link(link, effect)
            case RunErrand():
                scope = life.errands[effect.token] = trio.CancelScope()
                assert life.nursery is not None  # effects are carried out within it
                life.nursery.start_soon(_run_errand, life, effect, scope)
            case CancelErrand():
                if (running := life.errands.get(effect.token)) is not None:
                    running.cancel()
            case Restart() | Finish():
                ending = effect
    for answer in refused:
        # The machine knows whose question it was: somebody's in this process, or the CSMS's.
        more = life.machine.handle(answer, trio.current_time())
        if life.page is not None:
            life.page.changed()
        ending = _carry_out(more, life, connectors, link) or ending
    return ending


def _observe_frame(life: Life, order: LinkOrder) -> None:
    """Frames are observed when they leave."""
    if life.observer.frames_wanted and isinstance(order, str):
        life.observer.report(life.machine.plan.id, FrameSent(order, trio.current_time()))


def _tell_link(link: Address[LinkOrder] | Gate, order: LinkOrder) -> None:
    try:
        link.tell(order)
    except MailboxFull:
        raise Overrun("the link's mailbox is full") from None
