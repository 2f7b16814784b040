"""A transaction on a connector, from its start to its stop: what is billed, what is sampled, what is reported of it.

It knows nothing of statuses: the connector's machine begins and ends it. Periodic samples are due at whole intervals
after the transaction's start (OCPP 1.6 section 9.1, MeterValueSampleInterval); when some were overslept, the last of
them is taken and the others are not made up for. Every sample is dated, and the meter read, at the instant at which it
was due.
"""

import math
from collections.abc import Callable
from typing import assert_never

from attrs import define

from fleet.commands.vocabulary import Resume, SetPower, SuspendEV, SuspendEVSE
from fleet.core.memory import ConnectorMemory
from fleet.core.orders import BindTransaction, ConnectorSettings, LimitPower, MeasurandSpec, StopEnergy
from fleet.core.reports import ConnectorReport, MeterSampled, Reading, TransactionStarted, TransactionStopped
from fleet.core.sampling import sample
from fleet.core.supply import Supply
from fleet.core.transaction import Transaction
from fleet.words import ConnectorStatus, ReadingContext, StopReason

FlowOrder = SuspendEV | SuspendEVSE | Resume | SetPower | StopEnergy | LimitPower

# Float instants: this close to a sampling instant is at it.
_SLACK_S = 1e-6


@define
class Charging:
    """The transaction side of one connector, over its power supply.

    `sample_at` is when the next periodic sample is due, inf while none is; `sampled_wh` and `aligned_wh` are the
    register at the last periodic and the last clock-aligned reading, for interval measurands.
    """

    number: int
    memory: ConnectorMemory
    supply: Supply
    settings: ConnectorSettings
    new_key: Callable[[], str]
    sample_at: float = math.inf
    sampled_wh: float = 0.0
    aligned_wh: float = 0.0

    def begin(
        self,
        id_tag: str,
        parent_id_tag: str | None,
        at: float,
        out: list[ConnectorReport],
        reservation_id: int | None = None,
    ) -> tuple[Transaction, ConnectorStatus]:
        """Start billing; gives the transaction, which the caller puts into memory last, and the status of the flow."""
        meter = self.memory.meter
        transaction = Transaction(self.new_key(), self.number, id_tag, meter.reading_wh(at), at, parent_id_tag)
        self.sampled_wh = self.aligned_wh = meter.register_wh(at)
        self.supply.reset()
        status = self.supply.flow(at)
        start_wh = transaction.meter_start_wh
        out.append(TransactionStarted(self.number, at, transaction.key, id_tag, start_wh, reservation_id))
        if ends := self._measured_at_ends:
            transaction.keep(self._reading(ends, ReadingContext.TRANSACTION_BEGIN, at))
        self.sample_at = self._next_sample(transaction, at)
        return transaction, status

    def end(
        self, transaction: Transaction, reason: StopReason, id_tag: str | None, at: float, out: list[ConnectorReport]
    ) -> None:
        """Stop energy and billing; the caller takes the transaction out of memory last."""
        meter = self.memory.meter
        self.supply.open(at)
        self.sample_at = math.inf
        readings = tuple(transaction.readings or ())
        if ends := self._measured_at_ends:
            readings += (self._reading(ends, ReadingContext.TRANSACTION_END, at),)
        out.append(
            TransactionStopped(
                self.number, at, transaction.key, meter.reading_wh(at), reason, id_tag=id_tag, readings=readings
            )
        )

    def bind(self, order: BindTransaction) -> str | None:
        """The CSMS named the transaction."""
        transaction = self.memory.transaction
        if transaction is None or transaction.key != order.transaction:
            return self._other(order.transaction)
        transaction.transaction_id = order.transaction_id
        if order.parent_id_tag is not None:
            transaction.parent_id_tag = order.parent_id_tag
        return None

    def change_flow(self, order: FlowOrder, at: float) -> str | None:
        """Change what either side lets flow; the caller then lets it flow."""
        supply = self.supply
        match order:
            case SuspendEV():
                supply.ev_suspended = True
            case SuspendEVSE():
                supply.evse_suspended = True
            case Resume():
                if not (supply.ev_suspended or supply.evse_suspended):
                    return f"Nothing to resume on connector {self.number}"
                supply.ev_suspended = supply.evse_suspended = False
            case SetPower():
                supply.limit_w = order.power_w
            case LimitPower():
                supply.profile_w = order.power_w
            case StopEnergy():
                if self.memory.transaction is None or self.memory.transaction.key != order.transaction:
                    return self._other(order.transaction)
                # Said twice, the first allowance still holds.
                supply.cap_wh = min(supply.cap_wh, self.memory.meter.passed_wh(at) + order.energy_max_wh)
            case _:
                assert_never(order)
        return None

    def apply(self, settings: ConnectorSettings, at: float) -> str | None:
        """Obey other settings, a running transaction included."""
        self.settings = settings
        if self.memory.transaction is not None:
            self.sample_at = self._next_sample(self.memory.transaction, at)
        return None

    def tick(self, now: float, out: list[ConnectorReport]) -> None:
        """Take the periodic sample that is due, or, of several, put the due instant to the last of them."""
        due_at, interval_s = self.sample_at, self.settings.sample_interval_s
        if due_at + interval_s <= now:
            # At least one: the quotient of floats may fall short of what their sum reached.
            self.sample_at = due_at + max(1, math.floor((now - due_at) / interval_s)) * interval_s
            return
        self.sample_at = due_at + interval_s
        settings = self.settings
        self.sampled_wh = self._sample(
            settings.sampled_data,
            settings.stop_sampled_data,
            ReadingContext.SAMPLE_PERIODIC,
            due_at,
            self.sampled_wh,
            out,
        )

    def take(self, context: ReadingContext, at: float, out: list[ConnectorReport]) -> str | None:
        """Take a reading that was asked for: by the clock the aligned data, otherwise the sampled data.

        A trigger asks for what MeterValuesSampledData lists (OCPP 1.6 section 5.17).
        """
        settings = self.settings
        if context is ReadingContext.SAMPLE_CLOCK:
            self.aligned_wh = self._sample(
                settings.aligned_data, settings.stop_aligned_data, context, at, self.aligned_wh, out
            )
        else:
            self._sample(settings.sampled_data, (), context, at, self.sampled_wh, out)
        return None

    def _sample(
        self,
        measurands: tuple[MeasurandSpec, ...],
        kept: tuple[MeasurandSpec, ...],
        context: ReadingContext,
        at: float,
        since_wh: float,
        out: list[ConnectorReport],
    ) -> float:
        """Report `measurands`, keep `kept` for the end of the transaction; gives the register."""
        state = self.supply.state(at, since_wh)
        transaction = self.memory.transaction
        if measurands:
            values = sample(measurands, self.supply.plan, state)
            key = None if transaction is None else transaction.key
            out.append(MeterSampled(self.number, Reading(at, context, values), key, state.power_w, state.register_wh))
        if kept and transaction is not None:
            transaction.keep(Reading(at, context, sample(kept, self.supply.plan, state)))
        return state.register_wh

    @property
    def _measured_at_ends(self) -> tuple[MeasurandSpec, ...]:
        """What transaction data says of the very start and stop, if there is any transaction data."""
        return self.settings.stop_sampled_data or self.settings.stop_aligned_data

    def _reading(self, measurands: tuple[MeasurandSpec, ...], context: ReadingContext, at: float) -> Reading:
        return Reading(at, context, sample(measurands, self.supply.plan, self.supply.state(at, self.sampled_wh)))

    def _other(self, key: str) -> str:
        return f"Transaction {key} is not active on connector {self.number}"

    def _next_sample(self, transaction: Transaction, at: float) -> float:
        interval_s = self.settings.sample_interval_s
        if interval_s <= 0:
            return math.inf
        elapsed = math.floor((at - transaction.started_at + _SLACK_S) / interval_s)
        return transaction.started_at + (elapsed + 1) * interval_s
