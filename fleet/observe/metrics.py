"""The metrics: the fleet as Prometheus reads it.

What happens is counted in plain integers, most of them on the board already; only at a scrape do they become metric
families, so that a message costs two binary searches whether or not anybody scrapes. Nothing is labelled with a charge
point, and whatever a CSMS can invent (actions, error codes, reasons) has a limit, so that the number of series stays
below 1,000 for any fleet and any CSMS; `SERIES_MAX` says so and a test holds it.

Series that are known to come are there from the start with 0: a rate over a series that appears with its first event
would miss that event.

Energy delivered is an estimate between two readings of a meter and may be corrected downwards by a few Wh; a counter
must not fall, so the largest value so far is shown until the estimate has caught up. The books are kept elsewhere.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Protocol, TypeVar

import trio
from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from fleet.core.delivery_reports import MessageLost
from fleet.core.reports import CallServed, CallSettled, LinkUp, ObservedReport
from fleet.observe.board import Board
from fleet.observe.buckets import COARSE_S, Buckets, Words
from fleet.observe.journal import Journal
from fleet.observe.tally import Tally
from fleet.observe.traffic import Traffic
from fleet.words import StopReason

Word = TypeVar("Word", bound=str)

SERIES_MAX = 1_000
"""Whatever the fleet and whatever the CSMS, there are fewer."""

PHASES = ("tcp", "tls", "websocket")
CONNECTED = "connected"
CONNECT_FAILURES = (
    *("dns", "refused", "unreachable", "timeout", "resources"),
    *("tls", "subprotocol", "handshake", "internal"),
)
DISCONNECT_REASONS = (
    *("closed-1000", "closed-1001", "close-timeout", "reset", "ping-timeout", "slow-reader"),
    *("oversize", "protocol", "internal", "restart"),
)
REASONS_MAX = 20
"""Words for what became of connections, each way: status and close codes are for the CSMS to choose."""
TRANSACTION_MESSAGES = ("StartTransaction", "MeterValues", "StopTransaction")
CSMS_RULES_MAX = 35
BOOK_RULES_MAX = 25


class Bookkeeping(Protocol):
    """What the books tell: energies in Wh, and what is wrong by rule."""

    reported_wh: int
    acknowledged_wh: int
    violations: Tally


class Condition(Protocol):
    """What the generator tells about itself: how late its own tasks ran, in buckets, and how busy its loop is."""

    @property
    def lag_bounds_s(self) -> tuple[float, ...]:
        """Upper bounds, in s."""

    @property
    def lag_counts(self) -> list[int]:
        """By bucket, one more than there are bounds."""

    @property
    def lag_sum_s(self) -> float:
        """All lateness together."""

    @property
    def utilisation_lately(self) -> float:
        """The share of the last seconds in which the loop was at work, 0 to 1."""


class Metrics(Collector):
    """A listener, and a collector for `prometheus_client`: its registry is this one object."""

    def __init__(
        self,
        board: Board,
        books: Bookkeeping,
        health: Condition,
        journal: Journal,
        *,
        version: str,
        seed: int,
        csms_rules: Iterable[str] = (),
        book_rules: Iterable[str] = (),
        now: Callable[[], float] = trio.current_time,
    ) -> None:
        """`csms_rules` and `book_rules` are those that can be broken, to be shown with 0 as long as they are not."""
        self._board = board
        self._books = books
        self._health = health
        self._journal = journal
        self._build = {"version": version, "seed": str(seed)}
        self._now = now
        self._process = ProcessCollector(registry=None)
        self._delivered_wh = 0.0

        self._traffic = Traffic()
        self._connecting = {phase: Buckets(COARSE_S) for phase in PHASES}
        self._lost = 0

        self._connects = Words((CONNECTED, *CONNECT_FAILURES), REASONS_MAX)
        self._disconnects = Words(DISCONNECT_REASONS, REASONS_MAX)
        self._reasons = Words(StopReason, len(StopReason))
        self._messages = Words(TRANSACTION_MESSAGES, len(TRANSACTION_MESSAGES))
        self._csms_rules = Words(csms_rules, CSMS_RULES_MAX)
        self._book_rules = Words(book_rules, BOOK_RULES_MAX)
        self._handlers: dict[type[ObservedReport], Callable[[Any], None]] = {
            CallSettled: self._traffic.settled,
            CallServed: self._traffic.served,
            LinkUp: self._link_up,
            MessageLost: self._message_lost,
        }

    # ---- listening ---------------------------------------------------------------------------------------------------

    @property
    def wants(self) -> frozenset[type[ObservedReport]]:
        """Messages and what connecting took; the rest is on the board."""
        return frozenset(self._handlers)

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """Count it."""
        self._handlers[type(report)](report)

    def _link_up(self, report: LinkUp) -> None:
        self._connecting["tcp"].add(report.tcp_s)
        if report.tls_s is not None:
            self._connecting["tls"].add(report.tls_s)
        self._connecting["websocket"].add(report.websocket_s)

    def _message_lost(self, report: MessageLost) -> None:
        self._lost += report.final

    # ---- the scrape --------------------------------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """All families as of now."""
        yield InfoMetricFamily("fleet_build", "The version of fleet and the seed that repeats this run.", self._build)
        yield from self._charge_points()
        yield from self._transactions()
        yield from self._connections()
        yield from self._generator()
        yield from self._verdicts()
        yield from self._messages_by_action()
        yield from self._process.collect()

    def _charge_points(self) -> Iterator[Metric]:
        board = self._board
        yield _gauges("fleet_charge_points", "Charge points by where they stand.", "state", board.by_state)
        yield _gauges("fleet_connectors", "Connectors of charge points that are on.", "status", board.by_status)
        yield _counter(
            "fleet_actor_restarts_total",
            "Charge points that were rebuilt after a crash of the generator.",
            board.crashes.total,
        )
        yield _counter("fleet_reboots_total", "Charge points that were rebuilt after a reset.", board.restarts.total)

    def _transactions(self) -> Iterator[Metric]:
        board, books, now = self._board, self._books, self._now()
        yield _gauge("fleet_transactions_active", "Transactions that run now.", board.running)
        yield _counter("fleet_transactions_started_total", "Transactions that began.", board.started)
        yield _counters(
            "fleet_transactions_stopped_total",
            "Transactions that ended at the charge point, by its reason.",
            "reason",
            self._reasons.counted(board.stopped.counts),
        )
        yield _counters(
            "fleet_transactions_total",
            "What became of transactions: StopTransaction delivered, lost, or abandoned with its charge point.",
            "outcome",
            {"delivered": board.delivered, "lost": self._lost, "abandoned": board.abandoned},
        )
        yield _counters(
            "fleet_transaction_messages_lost_total",
            "Transaction messages that were given up.",
            "action",
            self._messages.counted(board.lost.counts),
        )
        yield _gauge("fleet_power_watts", "Power that flows into cars.", board.power_w)
        self._delivered_wh = max(self._delivered_wh, board.energy_wh(now))
        yield _counter(
            "fleet_energy_delivered_watthours_total",
            "Energy that flowed into cars, by their meters; reports are in whole Wh and leave fractions out.",
            self._delivered_wh,
        )
        yield _counter(
            "fleet_energy_reported_watthours_total", "Energy of stopped transactions, as reported.", books.reported_wh
        )
        yield _counter(
            "fleet_energy_acknowledged_watthours_total",
            "Energy of transactions whose StopTransaction the CSMS acknowledged.",
            books.acknowledged_wh,
        )
        yield _gauge("fleet_outbox_messages", "Transaction messages that wait for the CSMS.", board.outbox)
        oldest_due_at = board.oldest_due_at
        yield _gauge(
            "fleet_outbox_oldest_seconds",
            "How long the CSMS has been owed the oldest of them; 0 where none waits.",
            0.0 if math.isinf(oldest_due_at) else max(0.0, now - oldest_due_at),
        )

    def _connections(self) -> Iterator[Metric]:
        board = self._board
        yield _counters(
            "fleet_connects_total",
            "Attempts to connect: connected, or the reason why not.",
            "outcome",
            self._connects.counted({CONNECTED: board.connects, **board.connect_failures.counts}),
        )
        yield _counters(
            "fleet_disconnects_total",
            "Connections that ended, by reason.",
            "reason",
            self._disconnects.counted(board.disconnects.counts),
        )
        yield _histograms(
            "fleet_connect_duration_seconds",
            "What connecting took: TCP with the name resolved, TLS, and the opening handshake of the WebSocket.",
            "phase",
            self._connecting,
        )

    def _generator(self) -> Iterator[Metric]:
        health, journal = self._health, self._journal
        lag = Buckets(health.lag_bounds_s, health.lag_counts, health.lag_sum_s)
        family = HistogramMetricFamily(
            "fleet_schedule_lag_seconds", "How late the generator's own tasks ran. A high one makes a run invalid."
        )
        family.add_metric([], _cumulated(lag), lag.sum_s)
        yield family
        yield _gauge(
            "fleet_generator_utilisation_ratio",
            "The share of the last ten seconds in which the generator's loop was at work; at 1 it can't keep up.",
            health.utilisation_lately,
        )
        yield _counters(
            "fleet_events_total",
            "What somebody did to the fleet or the run: commands, scenario steps, faults, drains, phases.",
            "kind",
            journal.counts,
        )
        yield _gauges(
            "fleet_event_timestamp_seconds",
            "When the last event of a kind happened, in seconds since 1970; 0 where none did.",
            "kind",
            {kind: journal.last_utc_s.get(kind, 0) for kind in journal.counts},
        )

    def _verdicts(self) -> Iterator[Metric]:
        yield _counters(
            "fleet_csms_violations_total",
            "What the CSMS did against the specification.",
            "rule",
            self._csms_rules.counted(self._board.violations.counts),
        )
        yield _counters(
            "fleet_book_violations_total",
            "Where the books of transactions and energy do not balance.",
            "rule",
            self._book_rules.counted(self._books.violations.counts),
        )

    def _messages_by_action(self) -> Iterator[Metric]:
        traffic = self._traffic
        messages = CounterMetricFamily(
            "fleet_messages_total",
            "OCPP messages of both directions, counted once a CALL is over; sent and received are the fleet's view.",
            labels=("action", "direction", "type"),
        )
        for action, calls in traffic.calls.items():
            messages.add_metric((action, "sent", "call"), calls.frames)
            messages.add_metric((action, "received", "result"), calls.results)
            messages.add_metric((action, "received", "error"), calls.refusals)
        for action, answers in traffic.answers.items():
            messages.add_metric((action, "received", "call"), answers.results + answers.refusals)
            messages.add_metric((action, "sent", "result"), answers.results)
            messages.add_metric((action, "sent", "error"), answers.refusals)
        yield messages
        yield _histograms(
            "fleet_call_duration_seconds",
            "CALLs to the CSMS from when each was due, waiting in the charge point included, until it was over. "
            "One without an answer in time counts with the time waited, one that was cut off not at all.",
            "action",
            {action: calls.due for action, calls in traffic.calls.items()},
        )
        yield _histograms(
            "fleet_call_response_seconds",
            "The same from when the frame of the CALL was sent.",
            "action",
            {action: calls.sent for action, calls in traffic.calls.items()},
        )
        errors = CounterMetricFamily(
            "fleet_call_errors_total",
            "CALLs to the CSMS answered with a CALLERROR, by its code, or with a result that breaks the schema.",
            labels=("action", "code"),
        )
        for error, count in traffic.errors.items():
            errors.add_metric(error, count)
        yield errors
        yield _counters(
            "fleet_call_timeouts_total",
            "CALLs to the CSMS without an answer in time.",
            "action",
            {action: calls.timeouts for action, calls in traffic.calls.items()},
        )
        yield _counters(
            "fleet_call_cut_offs_total",
            "CALLs to the CSMS whose connection ended before the answer.",
            "action",
            {action: calls.cut_off for action, calls in traffic.calls.items()},
        )


# ---- families --------------------------------------------------------------------------------------------------------


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value)


def _gauges(name: str, documentation: str, label: str, values: Mapping[Word, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=(label,))
    for word, value in values.items():
        family.add_metric((str(word),), value)
    return family


def _counter(name: str, documentation: str, value: float) -> Metric:
    return CounterMetricFamily(name, documentation, value)


def _counters(name: str, documentation: str, label: str, values: Mapping[Word, float]) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=(label,))
    for word, value in values.items():
        family.add_metric((str(word),), value)
    return family


def _histograms(name: str, documentation: str, label: str, values: Mapping[str, Buckets]) -> Metric:
    family = HistogramMetricFamily(name, documentation, labels=(label,))
    for word, buckets in values.items():
        family.add_metric((word,), _cumulated(buckets), buckets.sum_s)
    return family


def _cumulated(buckets: Buckets) -> list[tuple[str, float]]:
    """(`le`, how many up to it), as Prometheus wants them."""
    bounds = (*map(floatToGoString, buckets.bounds_s), "+Inf")
    return list(zip(bounds, accumulate(buckets.counts), strict=True))
