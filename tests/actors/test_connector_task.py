"""A connector's task by itself: it obeys in order, keeps its own time, and takes no fact with it when it goes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field

from fleet.actors.connector import run_connector
from fleet.actors.mailbox import Mailbox
from fleet.commands.vocabulary import Crash, PlugIn, StartTransaction, StopTransaction, Unplug
from fleet.core.connector import Connector
from fleet.core.effects import GiveOrder
from fleet.core.memory import ChargePointMemory
from fleet.core.orders import ConnectorSettings, TakeReading
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import (
    Answered,
    ConnectorReport,
    MeterSampled,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.words import ConnectorStatus, StopReason

Status = ConnectorStatus


@define
class Bench:
    """A connector's task with a charge point that is only a mailbox."""

    memory: ChargePointMemory
    up: Mailbox[ConnectorReport]
    orders: Mailbox[GiveOrder]
    unheard: list[ConnectorReport] = field(factory=list)

    def tell(self, *orders: Any, token: int | None = None) -> None:
        for order in orders:
            self.orders.address.tell(GiveOrder(1, order, token))

    async def run(self, interrupted: StopReason = StopReason.POWER_LOSS) -> None:
        settings = ConnectorSettings(sample_interval_s=60.0)
        machine = Connector(1, ConnectorPlan(), self.memory.connectors[0], settings, self.memory.new_transaction_key)
        await run_connector(machine, self.orders, self.up.address, self.unheard, interrupted)

    def heard(self) -> list[ConnectorReport]:
        """All that came up and wasn't read yet."""
        reports = []
        while (report := self.up.receive_nowait()) is not None:
            reports.append(report)
        return reports

    def statuses(self) -> list[ConnectorStatus]:
        return [report.status for report in self.heard() if isinstance(report, StatusChanged)]


def bench(room: int = 100) -> Bench:
    return Bench(ChargePointMemory.blank(1), Mailbox(room), Mailbox(32))


@asynccontextmanager
async def running(made: Bench) -> AsyncIterator[Bench]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.run)
        await trio.testing.wait_all_tasks_blocked()
        yield made
        nursery.cancel_scope.cancel()


async def test_orders_are_obeyed_in_the_order_in_which_they_were_told(autojump_clock: Any) -> None:
    async with running(bench()) as b:
        b.tell(PlugIn(), StartTransaction(), StopTransaction(), Unplug(), PlugIn())
        await trio.sleep(1)
        assert b.statuses() == [
            Status.AVAILABLE,
            Status.PREPARING,
            Status.CHARGING,
            Status.FINISHING,
            Status.AVAILABLE,
            Status.PREPARING,
        ]


async def test_who_gave_a_token_is_answered_before_the_facts_and_nobody_else_is(autojump_clock: Any) -> None:
    async with running(bench()) as b:
        b.heard()
        b.tell(Unplug(), token=7)
        b.tell(Unplug())
        b.tell(PlugIn(), token=8)
        await trio.sleep(1)
        first, second, *facts = b.heard()
        assert first == Answered(1, 7, "No cable is plugged in on connector 1")
        assert second == Answered(1, 8, None)
        assert facts
        assert not [fact for fact in facts if isinstance(fact, Answered)]


async def test_samples_come_on_the_minute_however_busy_the_connector_is(autojump_clock: Any) -> None:
    async with running(bench(1000)) as b:
        b.tell(PlugIn(), StartTransaction())
        for _ in range(600):
            await trio.sleep(0.999)
            b.tell(Unplug())
        samples = [report.reading.at for report in b.heard() if isinstance(report, MeterSampled)]
        assert samples == [60.0 * number for number in range(1, 10)]


async def test_a_charge_point_that_is_slow_to_listen_delays_reports_and_loses_none(autojump_clock: Any) -> None:
    async with running(bench(room=1)) as b:
        b.tell(PlugIn(), StartTransaction())
        heard: list[ConnectorReport] = []
        for _ in range(100):
            await trio.sleep(7)
            heard += b.heard()
        samples = [report.reading.at for report in heard if isinstance(report, MeterSampled)]
        assert samples == sorted(set(samples))
        assert len(samples) >= 9
        assert [type(report) for report in heard].count(TransactionStarted) == 1


async def test_what_could_not_be_handed_over_is_left_for_the_next_life(autojump_clock: Any) -> None:
    made = bench(room=1)
    async with running(made) as b:
        b.tell(PlugIn(), StartTransaction(), StopTransaction())
        await trio.sleep(1)
    facts = [*made.heard(), *made.unheard]
    assert [type(fact) for fact in facts[:2]] == [StatusChanged, StatusChanged]
    # The first orders' facts wait; what was not even begun has left no trace in memory.
    assert made.memory.connectors[0].transaction is None


@pytest.mark.parametrize("room", [*range(1, 18), 100])
async def test_going_down_at_any_fullness_of_the_box_leaves_each_start_with_one_stop(
    autojump_clock: Any, room: int
) -> None:
    made = bench(room)
    facts: list[ConnectorReport] = []
    crashes = 0
    for _ in range(3):
        made.tell(PlugIn(), StartTransaction("A"), TakeReading(), StopTransaction(), StartTransaction("B"), Crash())
        try:
            # Where the box is small it is stuck until a hard reset; where it is not, it gets as far as the crash.
            with trio.move_on_after(1):
                await made.run(StopReason.REBOOT)
        except RuntimeError:
            crashes += 1
        while made.orders.receive_nowait() is not None:
            pass
        facts += [*made.heard(), *made.unheard]
        made.unheard.clear()
    assert crashes == (3 if room > 17 else 0 if room < 12 else crashes)
    made.up = Mailbox(100)
    with trio.move_on_after(1):
        await made.run(StopReason.REBOOT)
    facts += made.heard()
    started = [fact.transaction for fact in facts if isinstance(fact, TransactionStarted)]
    stopped = [fact.transaction for fact in facts if isinstance(fact, TransactionStopped)]
    assert started == stopped
    assert started == sorted(set(started))


async def test_a_transaction_found_in_memory_is_stopped_before_the_status_is_told(autojump_clock: Any) -> None:
    made = bench()
    async with running(made) as b:
        b.tell(PlugIn(), StartTransaction())
        await trio.sleep(1800)
    made.memory.power_cut(trio.current_time())
    await trio.sleep(600)
    made.heard()
    async with running(made) as b:
        stopped, status, *_ = b.heard()
        assert isinstance(stopped, TransactionStopped)
        assert (stopped.meter_stop_wh, stopped.reason) == (3600, StopReason.POWER_LOSS)
        assert isinstance(status, StatusChanged)
        assert status.status is Status.PREPARING
