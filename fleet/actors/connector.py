"""The connector's task: a mailbox, a pure machine, and the way up to its charge point."""

from collections.abc import Sequence

import trio

from fleet.actors.mailbox import Address, Mailbox
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
    receive = mailbox.receive
    while True:
        with trio.CancelScope() as timer:
            while True:
                # One scope is re-armed for every message: a new one each time would cost more than the message.
                timer.deadline = machine.deadline
                message = await receive()
                now = trio.current_time()
                refusal, reports = machine.handle(message.order, now)
                if message.token is not None:
                    reports = [Answered(number, message.token, refusal), *reports]
                if machine.deadline <= now:
                    reports = [*reports, *machine.tick(now)]
                if reports:
                    await _report(reports, charge_point, unheard)
        reports = machine.tick(trio.current_time())
        if reports:
            await _report(reports, charge_point, unheard)


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
