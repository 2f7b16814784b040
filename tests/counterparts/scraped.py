"""Metrics to be scraped: a listening `Metrics` over stand-ins for books and health, and what a scrape of it says."""

from collections.abc import Iterable

from attrs import define, field
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fleet.clock import Clock
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import ObservedReport
from fleet.observe.board import Board
from fleet.observe.journal import Journal
from fleet.observe.metrics import Metrics
from fleet.observe.observer import Observer
from fleet.observe.tally import Tally


@define
class BooksSaid:
    """Books that say what a test wants."""

    reported_wh: int = 0
    acknowledged_wh: int = 0
    violations: Tally = field(factory=Tally)


@define
class HealthSaid:
    """A generator that is as a test wants it."""

    lag_bounds_s: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)
    lag_counts: list[int] = field(factory=lambda: [0] * 5)
    lag_sum_s: float = 0.0
    utilisation_lately: float = 0.0


class Scraped:
    """A board and metrics that hear reports, at an instant that the test sets."""

    def __init__(self, plans: Iterable[ChargePointPlan] = (ChargePointPlan("CP1"), ChargePointPlan("CP2"))) -> None:
        self.now = 0.0
        self.board = Board(plans)
        self.books = BooksSaid()
        self.health = HealthSaid()
        self.journal = Journal(Clock(1_000_000.0))
        self.metrics = Metrics(
            self.board,
            self.books,
            self.health,
            self.journal,
            version="1.2.3",
            seed=7,
            csms_rules=("double-reply",),
            book_rules=("lost-transaction",),
            now=lambda: self.now,
        )
        self.observer = Observer(self.board, self.metrics)

    def tell(self, *reports: ObservedReport, charge_point_id: str = "CP1") -> None:
        for report in reports:
            self.observer.report(charge_point_id, report)

    def text(self) -> str:
        return generate_latest(self.metrics).decode()

    def samples(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """What a scrape says: by name and the values of its labels, in the order of the labels' names."""
        return samples_of(self.text())

    def value(self, name: str, *labels: str) -> float:
        return self.samples()[name, labels]


def samples_of(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """The samples of a scrape; a series that is there twice is an error."""
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series = sample.name, tuple(value for _, value in sorted(sample.labels.items()))
            assert series not in found, f"{series} is there twice"
            found[series] = sample.value
    return found
