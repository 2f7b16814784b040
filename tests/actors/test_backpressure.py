"""A charge point that is slow to listen holds its connectors up, and costs nothing."""

from typing import Any

import trio

from fleet.actors.connector import run_connector
from fleet.actors.mailbox import Mailbox
from fleet.commands.vocabulary import PlugIn, StartTransaction, StopTransaction, Unplug
from fleet.core.connector import Connector
from fleet.core.effects import GiveOrder
from fleet.core.memory import ConnectorMemory
from fleet.core.orders import ConnectorSettings
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import ConnectorReport, TransactionStarted, TransactionStopped
from fleet.words import StopReason


async def test_timers_that_fire_while_the_charge_point_is_slow_cost_no_report(autojump_clock: Any) -> None:
    """Every order makes the connector due in 0.1 s, and each report waits 1 s for room."""
    orders: Mailbox[GiveOrder] = Mailbox(100)
    up: Mailbox[ConnectorReport] = Mailbox(1)
    unheard: list[ConnectorReport] = []
    machine = Connector(
        1,
        ConnectorPlan(finishing_s=0.1),
        ConnectorMemory(),
        ConnectorSettings(sample_interval_s=0.1),
        iter("abcdefghij").__next__,
    )
    heard: list[ConnectorReport] = []
    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_connector, machine, orders, up.address, unheard, StopReason.POWER_LOSS)
            for order in (PlugIn(), StartTransaction(), StopTransaction(), Unplug()) * 5:
                orders.address.tell(GiveOrder(1, order))
            while sum(isinstance(report, TransactionStopped) for report in heard) < 5:
                await trio.sleep(1)
                heard.append(await up.receive())
            nursery.cancel_scope.cancel()
    keys = [report.transaction for report in heard if isinstance(report, TransactionStarted)]
    assert keys == list("abcde")
    assert keys == [report.transaction for report in heard if isinstance(report, TransactionStopped)]
    assert not [report for report in unheard if isinstance(report, TransactionStarted | TransactionStopped)]
