"""The fleet's oracle: transaction ids that were given before, to this charge point or to another.

A charge point alone can't tell. So every id that the CSMS gives is remembered here, and one that comes again is
reported like any other violation, through the observer, under the name of the charge point that got it second:
`repeated-transaction-id` where it had this id before, `shared-transaction-id` where another one did. The latter may be
meant so by a CSMS that counts for every charge point apart; a StopTransaction carries nothing but the id, though, and
whoever reads the CSMS's records, too.

An id is bound once in a transaction's life, when its StartTransaction is settled, however often that was said: so an
id that comes again is another transaction's.

Memory: which ids were given is a bit each, in pages of 64, since ids mostly count upwards: 3 bytes an id; and 8 bytes
in a list of each charge point's own, which is looked into only when the bit was set. A CSMS that gives ids at random
costs a page for each, up to `PAGES_MAX` of them; ids on other pages are not watched.
"""

from array import array
from typing import Protocol

from fleet.core.delivery_reports import TransactionBound
from fleet.core.reports import ObservedReport, ProtocolViolated
from fleet.observe.ledger import in_64_bits

PAGES_MAX = 500_000
"""About 70 MB."""


class Reporter(Protocol):
    """Where what is found is reported: the observer."""

    def report(self, charge_point_id: str, report: ObservedReport, /) -> None: ...


class Oracle:
    """A listener that reports to the observer it listens to."""

    wants: frozenset[type[ObservedReport]] = frozenset({TransactionBound})

    def __init__(self, observer: Reporter, pages_max: int = PAGES_MAX) -> None:
        self._observer = observer
        self._pages_max = pages_max
        self._pages: dict[int, int] = {}
        self._own: dict[str, array[int]] = {}

    def report(self, charge_point_id: str, report: ObservedReport) -> None:
        """The CSMS gave an id."""
        assert isinstance(report, TransactionBound)
        transaction_id = in_64_bits(report.transaction_id)
        own = self._own.get(charge_point_id)
        if own is None:
            own = self._own[charge_point_id] = array("q")
        number, bit = transaction_id >> 6, 1 << (transaction_id & 63)
        page = self._pages.get(number)
        if page is None and len(self._pages) >= self._pages_max:
            return
        if page is not None and page & bit:
            if transaction_id in own:
                self._tell(charge_point_id, "repeated-transaction-id", report, "to this charge point before")
                return
            self._tell(charge_point_id, "shared-transaction-id", report, "to another charge point before")
        self._pages[number] = (page or 0) | bit
        own.append(transaction_id)

    def _tell(self, charge_point_id: str, rule: str, report: TransactionBound, whom: str) -> None:
        detail = f"transaction id {report.transaction_id} for connector {report.connector} was given {whom}"
        self._observer.report(charge_point_id, ProtocolViolated(rule, detail, report.at))
