"""A bench for one connector's machine: a clock to turn, orders to give, and what it reported as short lines.

The lines make a test read as a transcript: tell it this, expect that, in this order.
"""

import math
from itertools import count
from typing import Any

import attrs

from fleet.commands.vocabulary import ConnectorCommand
from fleet.core.connector import Connector
from fleet.core.memory import ConnectorMemory
from fleet.core.orders import ConnectorOrder, ConnectorSettings
from fleet.core.plan import ConnectorPlan
from fleet.core.reports import (
    AuthorizationRequested,
    CableChanged,
    ConnectorReport,
    IdTagRefused,
    MeterSampled,
    PowerChanged,
    RegisterMoved,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.words import ConnectorStatus, ErrorCode, StopReason


class Bench:
    """A connector on the bench; `reports` is all it ever said, `log` the same as lines."""

    def __init__(
        self,
        plan: ConnectorPlan = ConnectorPlan(),  # noqa: B008  (frozen)
        settings: ConnectorSettings = ConnectorSettings(),  # noqa: B008  (frozen)
        number: int = 1,
    ) -> None:
        self.now = 0.0
        self.number = number
        self.plan = plan
        self.settings = settings
        self.memory = ConnectorMemory()
        self.keys = count(1)
        self.reports: list[ConnectorReport] = []
        self.connector = self._build()
        self.reports += self.connector.start(self.now)

    def _build(self) -> Connector:
        return Connector(self.number, self.plan, self.memory, self.settings, lambda: f"t{next(self.keys)}")

    @property
    def status(self) -> ConnectorStatus:
        return self.connector.status

    @property
    def log(self) -> list[str]:
        return [line(report) for report in self.reports]

    def tell(self, order: ConnectorCommand | ConnectorOrder) -> str | None:
        """Give an order now; gives the refusal."""
        refusal, reports = self.connector.handle(order, self.now)
        self.reports += reports
        return refusal

    def hear(self, *orders: ConnectorCommand | ConnectorOrder) -> list[str]:
        """Give orders that must be done; gives the lines that came of them."""
        before = len(self.reports)
        for order in orders:
            refusal = self.tell(order)
            assert refusal is None, refusal
        return self.log[before:]

    def wait(self, seconds: float) -> list[str]:
        """Let time pass, waking the connector whenever it wants; gives the lines that came of it."""
        before = len(self.reports)
        until = self.now + seconds
        while self.connector.deadline <= until:
            self.now = max(self.now, self.connector.deadline)
            self.reports += self.connector.tick(self.now)
        self.now = until
        return self.log[before:]

    def oversleep(self, seconds: float) -> list[str]:
        """Let time pass and wake the connector only at the end of it."""
        before = len(self.reports)
        self.now += seconds
        self.reports += self.connector.tick(self.now)
        return self.log[before:]

    def reboot(self, interrupted: StopReason = StopReason.POWER_LOSS, off_s: float = 0.0) -> list[str]:
        """Cut the power, and after a while put a fresh machine over the same memory."""
        before = len(self.reports)
        self.memory.meter.stop(self.now)
        self.memory.cut_at = self.now
        self.now += off_s
        self.connector = self._build()
        self.reports += self.connector.start(self.now, interrupted)
        return self.log[before:]

    def snapshot(self) -> Any:
        """Everything that machine and memory consist of, by value."""
        return picture(self.connector), picture(self.memory)


def line(report: ConnectorReport) -> str:
    """A report in a few words; instants and connector numbers are left to the tests that are about them."""
    match report:
        case StatusChanged():
            return str(report.status) + ("" if report.error_code is ErrorCode.NO_ERROR else f" {report.error_code}")
        case CableChanged():
            return "plugged" if report.plugged else "unplugged"
        case AuthorizationRequested():
            return f"authorize {report.id_tag}"
        case IdTagRefused():
            return f"refuse {report.id_tag}: {report.reason}"
        case TransactionStarted():
            return f"start {report.id_tag} at {report.meter_start_wh} Wh"
        case TransactionStopped():
            by = "" if report.id_tag is None else f" by {report.id_tag}"
            return f"stop {report.reason}{by} at {report.meter_stop_wh} Wh"
        case MeterSampled():
            return f"sample {report.reading.context} {math.floor(report.register_wh + 1e-6)} Wh"
        case PowerChanged():
            return f"power {report.power_w:g} W"
        case RegisterMoved():
            return f"register {report.was_wh} to {report.is_wh} Wh"
        case _:
            raise AssertionError(report)


def picture(thing: Any) -> Any:
    """A value that equals another exactly when the two things are built alike, all the way down."""
    if isinstance(thing, list | tuple):
        return [picture(part) for part in thing]
    if callable(thing) and not isinstance(thing, type):
        return None
    names: list[str] = [field.name for field in attrs.fields(type(thing))] if attrs.has(type(thing)) else []
    if isinstance(thing, Connector):
        names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    if not names:
        return thing
    return type(thing).__name__, {name: picture(getattr(thing, name)) for name in names}
