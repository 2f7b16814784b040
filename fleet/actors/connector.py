"""The connector's task: a mailbox, a pure machine, and the way up to its charge point."""

from collections.abc import Callable, Sequence

import trio

from fleet.actors.mailbox import Address, Mailbox, MailboxClosed, MailboxFull
from fleet.core.connector import Connector
from fleet.core.effects import GiveOrder
from fleet.core.orders import TakeReading
from fleet.core.reports import Answered, ConnectorReport, MeterSampled, TransactionStarted, TransactionStopped
from fleet.words import StopReason

OF_TRANSACTIONS = (TransactionStarted, TransactionStopped, MeterSampled)
"""Reports that the charge point owes the CSMS a message for."""


def nobody_writes() -> None:
    """The memory is only in memory."""


async def run_connector(
    machine: Connector,
    mailbox: Mailbox[GiveOrder],
    charge_point: Address[ConnectorReport],
    undelivered: list[ConnectorReport],
    interrupted: StopReason,
    unheard: list[ConnectorReport] | None = None,
    changed: Callable[[], None] = nobody_writes,
) -> None:
    """Serve one connector until cancelled. A transaction left over from the last life is stopped as `interrupted`.

    What the connector reported but could not hand over is added to `undelivered`. Reports of transactions are put into
    `unheard` in the instant in which its memory changes, and taken out by whoever hears them: facts must not die with
    the task that was to carry them, so the charge point's next life hears them first. `changed` is told of changes of
    the memory that no report shows.
    """
    number = machine.number
    reports = machine.start(trio.current_time(), interrupted)
    _keep(reports, unheard)
    await _report(reports, charge_point, undelivered)
    receive, receive_nowait, current_time = mailbox.receive, mailbox.receive_nowait, trio.current_time
    waiting: Sequence[ConnectorReport] = ()
    while True:
        with trio.CancelScope(deadline=machine.deadline) as timer:
            while not waiting:
                # As in the charge point's task; an order that waits is taken even when the timer is always overdue.
                message = receive_nowait()
                if message is None:
                    if machine.deadline < timer.deadline:
                        timer.deadline = machine.deadline
                    message = await receive()
                now = current_time()
                refusal, reports = machine.handle(message.order, now)
                if message.token is not None:
                    reports = [Answered(number, message.token, refusal), *reports]
                if machine.deadline <= now:
                    reports = [*reports, *machine.tick(now)]
                if type(message.order) is not TakeReading or machine.keeps_readings:
                    changed()
                _keep(reports, unheard)
                waiting = _hand_over(reports, charge_point)
        if timer.cancelled_caught:
            reports = machine.tick(current_time())
            if machine.keeps_readings:
                changed()
            _keep(reports, unheard)
            waiting = _hand_over(reports, charge_point)
        if waiting:
            # Outside the timer: a charge point that is slow to listen must not cost a report.
            await _report(waiting, charge_point, undelivered)
            waiting = ()


def _keep(reports: Sequence[ConnectorReport], unheard: list[ConnectorReport] | None) -> None:
    """Until they are heard."""
    if unheard is not None:
        for report in reports:
            if type(report) in OF_TRANSACTIONS:
                unheard.append(report)


def _hand_over(reports: Sequence[ConnectorReport], charge_point: Address[ConnectorReport]) -> Sequence[ConnectorReport]:
    """Hand over what there is room for, without waiting; returns the rest."""
    for sent, report in enumerate(reports):
        try:
            charge_point.tell(report)
        except (MailboxFull, MailboxClosed):
            return reports[sent:]
    return ()


async def _report(
    reports: Sequence[ConnectorReport], charge_point: Address[ConnectorReport], undelivered: list[ConnectorReport]
) -> None:
    sent = 0
    try:
        for report in reports:
            await charge_point.report(report)
            sent += 1
    finally:
        undelivered.extend(reports[sent:])
