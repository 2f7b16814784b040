from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.reports import (
    ConnectFailed,
    LinkUp,
    MessageLost,
    MeterSampled,
    ObservedReport,
    PowerChanged,
    Reading,
    TransactionBound,
    TransactionDelivered,
    TransactionStarted,
    TransactionStopped,
)
from fleet.errors import FleetError
from fleet.observe.books import Books, Record, read_records
from fleet.observe.ledger import FINDINGS_MAX
from fleet.words import ReadingContext, StopReason


class Two:
    """Both sides: our books, and the records of a CSMS that does as it is told."""

    def __init__(self) -> None:
        self.books = Books()
        self.records: list[Record] = []
        self.ids = count(1000)
        self.register: dict[tuple[str, int], int] = {}

    def start(self, charge_point: str = "CP1", connector: int = 1, key: str = "a") -> None:
        start_wh = self.register.setdefault((charge_point, connector), 500)
        self.books.report(charge_point, TransactionStarted(connector, 0.0, key, "TAG", start_wh))
        self.books.report(charge_point, PowerChanged(connector, 0.0, 7200.0, float(start_wh)))

    def bind(self, charge_point: str = "CP1", connector: int = 1, key: str = "a") -> int:
        transaction_id = next(self.ids)
        self.books.report(charge_point, TransactionBound(connector, key, transaction_id, 1.0))
        self.record("start", charge_point, connector, transaction_id, self.register[charge_point, connector])
        return transaction_id

    def stop(self, energy_wh: int, charge_point: str = "CP1", connector: int = 1, key: str = "a") -> None:
        self.register[charge_point, connector] += energy_wh
        stop_wh = self.register[charge_point, connector]
        self.books.report(charge_point, TransactionStopped(connector, 2.0, key, stop_wh, StopReason.LOCAL))
        self.books.report(charge_point, PowerChanged(connector, 2.0, 0.0, stop_wh + 0.4))

    def deliver(
        self, transaction_id: int, energy_wh: int, charge_point: str = "CP1", connector: int = 1, key: str = "a"
    ) -> None:
        stop_wh = self.register[charge_point, connector]
        self.record("stop", charge_point, connector, transaction_id, stop_wh - energy_wh, stop_wh)
        self.books.report(charge_point, TransactionDelivered(connector, key, transaction_id, energy_wh, 3.0))

    def record(self, kind: str, charge_point: str, connector: int, id_: int, start_wh: int, stop_wh: int = 0) -> None:
        record = {
            "kind": kind,
            "charge_point": charge_point,
            "connector": connector,
            "transaction_id": id_,
            "meter_start_wh": start_wh,
        }
        if kind == "stop":
            record |= {"meter_stop_wh": stop_wh, "energy_wh": stop_wh - start_wh}
        self.records.append(record)

    def whole(self, energy_wh: int, charge_point: str = "CP1", connector: int = 1, key: str = "a") -> int:
        self.start(charge_point, connector, key)
        transaction_id = self.bind(charge_point, connector, key)
        self.stop(energy_wh, charge_point, connector, key)
        self.deliver(transaction_id, energy_wh, charge_point, connector, key)
        return transaction_id


@pytest.fixture
def two() -> Two:
    return Two()


def test_a_transaction_that_is_the_same_on_both_sides_balances(two: Two) -> None:
    two.whole(250)
    two.whole(0, key="b")
    two.whole(750, "CP2", 2)
    balance = two.books.compare(two.records)
    assert balance.balanced
    assert balance.metered_wh == balance.reported_wh == balance.acknowledged_wh == balance.recorded_wh == 1000
    assert balance.started == balance.stopped == balance.delivered == balance.recorded == 3


def test_without_records_only_our_own_side_is_balanced(two: Two) -> None:
    two.whole(250)
    balance = two.books.compare()
    assert balance.balanced
    assert (balance.recorded, balance.recorded_wh) == (None, None)


def test_a_transaction_that_runs_is_open_here_and_its_energy_is_no_mistake_of_the_meter(two: Two) -> None:
    two.start()
    two.bind()
    two.books.report("CP1", MeterSampled(1, Reading(1.0, ReadingContext.SAMPLE_PERIODIC, ()), "a", 7200.0, 600.0))
    balance = two.books.compare(two.records)
    assert balance.open_here == 1
    assert balance.metered_wh == 100
    assert balance.findings == ("CP1/1: a was never stopped",)


def test_a_stop_that_nobody_acknowledged_is_undelivered(two: Two) -> None:
    two.start()
    two.bind()
    two.stop(40)
    balance = two.books.compare(two.records)
    assert balance.undelivered == 1
    assert balance.findings == ("CP1/1: a, 40 Wh, was never acknowledged",)


def test_a_lost_reading_loses_no_transaction(two: Two) -> None:
    two.start()
    transaction_id = two.bind()
    for _ in range(6):
        two.books.report("CP1", MessageLost("MeterValues", "a", "3 attempts", 1.0))
    two.stop(40)
    two.deliver(transaction_id, 40)
    balance = two.books.compare(two.records)
    assert (balance.delivered, balance.lost, two.books.lost_messages) == (1, 0, 6)
    assert not balance.balanced
    assert balance.findings[0] == "CP1: MeterValues of a was lost: 3 attempts"


def test_a_transaction_with_two_lost_messages_is_lost_once(two: Two) -> None:
    two.start()
    two.stop(40)
    two.books.report("CP1", MessageLost("StartTransaction", "a", "3 attempts", 9.0))
    two.books.report("CP1", MessageLost("StopTransaction", "a", "transaction id never came", 9.0, final=True))
    balance = two.books.compare(two.records)
    assert (balance.lost, two.books.lost_messages) == (1, 2)
    assert not balance.balanced
    assert "CP1: StartTransaction of a was lost: 3 attempts" in balance.findings


def lose(two: Two, key: str, energy_wh: int, *, bound: bool) -> int | None:
    """A whole transaction whose stop is given up, as is its start where it was never bound to an id."""
    two.start(key=key)
    transaction_id = two.bind(key=key) if bound else None
    two.stop(energy_wh, key=key)
    if not bound:
        two.books.report("CP1", MessageLost("StartTransaction", key, "3 attempts", 9.0))
    two.books.report("CP1", MessageLost("StopTransaction", key, "3 attempts", 9.0, final=True))
    return transaction_id


@pytest.mark.parametrize("bound", [True, False])
def test_a_lost_transaction_is_open_no_longer_and_still_counts(two: Two, bound: bool) -> None:
    for number in range(10):
        lose(two, f"t{number}", 40, bound=bound)
        assert two.books.open == 0
    balance = two.books.compare(two.records)
    assert (balance.started, balance.stopped, balance.delivered) == (10, 10, 0)
    assert (balance.lost, balance.undelivered, balance.open_here) == (10, 10, 0)
    assert (balance.metered_wh, balance.reported_wh, balance.acknowledged_wh) == (400, 400, 0)
    assert (balance.unknown, balance.missing, balance.duplicated) == (0, 0, 0)
    assert "CP1/1: t0, 40 Wh, was never acknowledged" in balance.findings


def test_a_lost_transaction_is_recognised_in_the_records(two: Two) -> None:
    transaction_id = lose(two, "a", 40, bound=True)
    assert transaction_id is not None
    lose(two, "b", 60, bound=False)
    # The CSMS heard the one's stop and the other's start: only its answers never came.
    two.record("stop", "CP1", 1, transaction_id, 500, 540)
    two.record("start", "CP1", 1, 77, 540)
    balance = two.books.compare(two.records)
    assert (balance.recorded, balance.recorded_wh, balance.unknown, balance.different) == (1, 40, 0, 0)
    assert "CP1/1 transaction 77, open: recorded, beside the same one here without an id" in balance.findings


def test_what_the_csms_acknowledged_and_did_not_record_is_missing(two: Two) -> None:
    transaction_id = two.whole(250)
    balance = two.books.compare([])
    assert balance.missing == 1
    assert balance.findings == (f"CP1/1 transaction {transaction_id}, 250 Wh: acknowledged, but not in the records",)


def test_what_the_csms_acknowledged_and_left_open_is_open_there(two: Two) -> None:
    two.whole(250)
    balance = two.books.compare(two.records[:1])
    assert balance.open_there == 1


def test_a_different_energy_is_a_finding(two: Two) -> None:
    transaction_id = two.whole(250)
    two.records[1] = {**two.records[1], "energy_wh": 251}
    balance = two.books.compare(two.records)
    assert balance.different == 1
    assert balance.findings == (f"CP1/1 transaction {transaction_id}: energy_wh is 250 here and 251 in the records",)


def test_an_acknowledgement_of_another_energy_is_a_finding(two: Two) -> None:
    two.start()
    transaction_id = two.bind()
    two.stop(40)
    two.deliver(transaction_id, 41)
    balance = two.books.compare()
    assert balance.findings == (f"CP1/1 transaction {transaction_id}: 40 Wh were reported, 41 Wh acknowledged",)


def test_a_record_that_was_written_twice_counts_once(two: Two) -> None:
    two.whole(250)
    balance = two.books.compare([*two.records, *two.records])
    assert balance.balanced
    assert balance.recorded_wh == 250


def test_a_second_record_of_one_transaction_under_another_id_is_a_duplicate(two: Two) -> None:
    transaction_id = two.whole(250)
    two.record("start", "CP1", 1, 77, 500)
    balance = two.books.compare(two.records)
    assert (balance.duplicated, balance.unknown) == (1, 0)
    assert balance.findings == (
        f"CP1/1 transaction 77, open: recorded, beside the same one here with id {transaction_id}",
    )


def test_a_record_of_a_transaction_whose_id_never_arrived_is_recognised(two: Two) -> None:
    two.start()
    two.record("start", "CP1", 1, 77, 500)
    assert "CP1/1 transaction 77, open: recorded, beside the same one here without an id" in (
        two.books.compare(two.records).findings
    )


@pytest.mark.parametrize("report", [LinkUp(), ConnectFailed("refused", "connection refused")])
def test_a_record_of_a_transaction_that_never_was_is_unknown(two: Two, report: ObservedReport) -> None:
    # CP9 was there, and never charged.
    two.books.report("CP9", report)
    two.record("start", "CP9", 1, 77, 0)
    two.record("stop", "CP9", 1, 77, 0, 12)
    balance = two.books.compare(two.records)
    assert (balance.unknown, balance.recorded_wh) == (1, 12)
    assert balance.findings == ("CP9/1 transaction 77, 12 Wh: recorded, but unknown here",)


def test_a_transaction_made_up_beside_a_real_one_is_unknown(two: Two) -> None:
    two.whole(250)
    two.record("start", "CP1", 1, 77, 10)
    assert two.books.compare(two.records).unknown == 1


def test_what_the_csms_recorded_of_another_fleet_is_passed_over(two: Two) -> None:
    transaction_id = two.whole(250)
    two.record("start", "DC1", 1, 77, 0)
    two.record("stop", "DC1", 1, 77, 0, 12)
    # The others' transaction may even have the id and the register of one of ours.
    two.record("start", "DC2", 1, transaction_id, 500)
    balance = two.books.compare(two.records)
    assert balance.balanced
    assert (balance.recorded, balance.recorded_wh, balance.unknown) == (1, 250, 0)


def test_one_id_for_two_transactions_is_a_finding(two: Two) -> None:
    two.ids = iter([5, 5])  # type: ignore[assignment]
    two.whole(250)
    two.whole(100, key="b")
    balance = two.books.compare(two.records)
    assert balance.duplicated == 1


def test_oddities_among_the_records_are_not_transactions(two: Two) -> None:
    assert two.books.compare([{"kind": "oddity", "charge_point": "CP1", "rule": "not-json"}]).balanced


def test_energy_that_flowed_outside_any_transaction_is_a_finding(two: Two) -> None:
    two.whole(250)
    two.books.report("CP1", PowerChanged(1, 9.0, 0.0, 800.0))
    balance = two.books.compare(two.records)
    assert balance.findings == ("CP1/1: the meter counted 300 Wh, its transactions reported 250 Wh",)


def test_a_thousand_findings_are_fifty_lines_and_a_number(two: Two) -> None:
    for number in range(1000):
        two.whole(1, f"CP{number}")
    balance = two.books.compare([])
    assert balance.missing == 1000
    assert len(balance.findings) == FINDINGS_MAX + 1
    assert balance.findings[-1] == "and 950 more"


def test_a_record_that_lacks_something_is_one_clear_line(two: Two) -> None:
    with pytest.raises(FleetError, match="a record of a start without a usable 'transaction_id'"):
        two.books.compare([{"kind": "start", "charge_point": "CP1"}])


def test_records_are_read_line_by_line_and_one_that_was_cut_short_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"kind": "start"}\n{"kind": "stop"}\n{"kind": "st')
    assert list(read_records(path)) == [{"kind": "start"}, {"kind": "stop"}]
    assert list(read_records(path, offset=18)) == [{"kind": "stop"}]


def test_records_that_are_none_are_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"kind": "start"}\nnonsense\n')
    with pytest.raises(FleetError, match=r"records\.jsonl, line 2: not JSON"):
        list(read_records(path))
    with pytest.raises(FleetError, match=r"cannot read records from .*: No such file"):
        list(read_records(tmp_path / "none"))


@given(
    st.lists(st.tuples(st.sampled_from(["CP1", "CP2"]), st.sampled_from([1, 2]), st.integers(0, 10_000)), max_size=30),
    st.data(),
)
def test_any_fleet_balances_with_its_records_in_any_order_and_no_record_can_go_unnoticed(
    transactions: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    two = Two()
    for number, (charge_point, connector, energy_wh) in enumerate(transactions):
        two.whole(energy_wh, charge_point, connector, f"t{number}")
    records = data.draw(st.permutations(two.records))
    assert two.books.compare(records).balanced
    if records:
        gone = data.draw(st.integers(0, len(records) - 1))
        without = [record for number, record in enumerate(records) if number != gone]
        assert two.books.compare(without).balanced is (records[gone]["kind"] == "start")
