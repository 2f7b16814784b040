"""Everybody who listens to a run, made and wired in one place."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import trio
from attrs import define

from fleet.clock import Clock
from fleet.core.plan import ChargePointPlan
from fleet.errors import ConfigurationError
from fleet.load.outputs import TRACE_FILES_MAX, Outputs
from fleet.observe import rules
from fleet.observe.board import Board
from fleet.observe.books import Books
from fleet.observe.exporter import metrics_url, open_metrics_listeners, serve_metrics
from fleet.observe.health import Health
from fleet.observe.journal import Journal
from fleet.observe.latency import Latency
from fleet.observe.metrics import Metrics
from fleet.observe.observer import Listener, Observer
from fleet.observe.oracle import Oracle
from fleet.observe.timeline import Timeliner
from fleet.observe.trace import Trace
from fleet.verdict.assemble import Listeners
from fleet.version import VERSION


@contextmanager
def named(flag: str) -> Iterator[None]:
    """What is wrong inside is wrong with this flag: its error says so."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{flag}: {error}") from None


@define(eq=False)
class Observing:
    """The observer with its listeners, and the tasks of those that have one."""

    observer: Observer
    listeners: Listeners
    clock: Clock
    metrics: Metrics | None
    trace: Trace | None
    _sockets: Sequence[trio.SocketListener]

    @classmethod
    async def of(
        cls,
        plans: Iterable[ChargePointPlan],
        seed: int,
        outputs: Outputs,
        say: Callable[[str], None],
        secrets: Iterable[str] = (),
    ) -> "Observing":
        """Everything that `outputs` wants, opened; raises ConfigurationError. Who counts comes before all others.

        `secrets` are texts that may turn up nowhere.
        """
        clock = Clock.system()
        board, books, latency, health, journal = Board(plans), Books(), Latency(), Health(), Journal(clock)
        listeners = Listeners(
            board, books, latency, health, journal, Timeliner(board, latency, health, trio.current_time())
        )
        observer = Observer(board, books, latency, health)
        observer.add(Oracle(observer))
        metrics, sockets = None, []
        if outputs.metrics is not None:
            with named("--metrics"):
                sockets = await open_metrics_listeners(*outputs.metrics)
            metrics = Metrics(
                board,
                books,
                health,
                journal,
                version=VERSION,
                seed=seed,
                csms_rules=rules.CSMS_RULES,
                book_rules=rules.BOOK_RULES,
            )
            observer.add(metrics)
        trace = None
        if outputs.trace is not None:
            with named("--trace"):
                trace = Trace(
                    outputs.trace,
                    clock,
                    say=say,
                    secrets=secrets,
                    size_max_bytes=outputs.trace_bytes_max,
                    files_max=TRACE_FILES_MAX,
                )
            observer.add(trace)
        return cls(observer, listeners, clock, metrics, trace, sockets)

    @property
    def metrics_url(self) -> str:
        """Where the metrics are; the port is the one that was really taken."""
        return metrics_url(self._sockets)

    def add(self, listeners: Iterable[Listener]) -> None:
        """Some more."""
        for listener in listeners:
            self.observer.add(listener)

    async def watch(self) -> None:
        """Look at the fleet and at ourselves, until cancelled: that is the end of the run."""
        timeline = self.listeners.timeline
        timeline.begin(trio.current_time())
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.listeners.health.run)
                nursery.start_soon(timeline.run)
        finally:
            timeline.close(trio.current_time())
            self.listeners.latency.finish(trio.current_time())

    async def serve(self) -> None:
        """Be there for whoever asks for metrics, and write the trace, until cancelled."""
        async with trio.open_nursery() as nursery:
            if self.metrics is not None:
                nursery.start_soon(serve_metrics, self._sockets, self.metrics)
            if self.trace is not None:
                nursery.start_soon(self.trace.run)
