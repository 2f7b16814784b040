"""The connector's task: a mailbox, a pure machine, and the way up to its charge point."""

from collections.abc import Sequence

import trio

from fleet.actors.mailbox import Address, Mailbox, MailboxClosed, MailboxFull
from fleet.core.connector import Connector
from fleet.core.effects import GiveOrder
from fleet.core.reports import Answered, ConnectorReport
from fleet.words import StopReason


async def run_connector(
    machine: Connector,
    mailbox: Mailbox[GiveOrder],
    charge_point: Address[ConnectorReport],
    unheard: list[ConnectorReport],
    interrupted: StopReason,
) -> None:
    """Serve one connector until cancelled. A transaction left over from the last life is stopped as `interrupted`.

    What the connector reported but could not hand over is added to `unheard`: facts must not die with the task that
    was to carry them, so the charge point's next life hears them first.
    """
    number = machine.number
    await _report(machine.start(trio.current_time(), interrupted), charge_point, unheard)
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
                waiting = _hand_over(reports, charge_point)
        if timer.cancelled_caught:
            waiting = _hand_over(machine.tick(current_time()), charge_point)
        if waiting:
            # Outside the timer: a charge point that is slow to listen must not cost a report.
            await _report(waiting, charge_point, unheard)
            waiting = ()


def _hand_over(reports: Sequence[ConnectorReport], charge_point: Address[ConnectorReport]) -> Sequence[ConnectorReport]:
    """Hand over what there is room for, without waiting; returns the rest."""
    for sent, report in enumerate(reports):
        try:
            charge_point.tell(report)
        except (MailboxFull, MailboxClosed):
            return reports[sent:]
    return ()


async def _report(
    reports: Sequence[ConnectorReport], charge_point: Address[ConnectorReport], unheard: list[ConnectorReport]
) -> None:
    sent = 0
    try:
        for report in reports:
            await charge_point.report(report)
            sent += 1
    finally:
        unheard.extend(reports[sent:])
