from itertools import count, repeat
from pathlib import Path
from typing import Any

import pytest
from attrs import astuple
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.delivery_reports import MessageLost, TransactionBound, TransactionDelivered
from fleet.core.reports import (
    CallSettled,
    ConnectFailed,
    LinkUp,
    MeterSampled,
    ObservedReport,
    PowerChanged,
    Reading,
    TransactionStarted,
    TransactionStopped,
)
from fleet.errors import FleetError
from fleet.observe.books import LATE_S, Books, Fate, Record, read_records
from fleet.observe.ledger import FINDINGS_MAX
from fleet.observe.rules import BOOK_RULES
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

    def settle(
        self,
        action: str,
        outcome: str = "Result",
        attempt: int = 1,
        took_s: float = 1.0,
        key: str | None = "a",
        charge_point: str = "CP1",
    ) -> None:
        self.books.report(charge_point, CallSettled(action, outcome, 10.0, 10.0, 10.0 + took_s, key, attempt))

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
    assert balance.findings == ("CP1/1 transaction 1000: never stopped",)


def test_a_stop_that_nobody_acknowledged_is_undelivered(two: Two) -> None:
    two.start()
    two.bind()
    two.stop(40)
    balance = two.books.compare(two.records)
    assert balance.undelivered == 1
    assert balance.findings == ("CP1/1 transaction 1000, 40 Wh: never acknowledged",)


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
    name = "1000" if bound else "t0 (its own number)"
    assert f"CP1/1 transaction {name}, 40 Wh: never acknowledged" in balance.findings


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


def test_a_record_that_was_written_twice_as_it_was_said_twice_counts_once(two: Two) -> None:
    two.start()
    two.settle("StartTransaction", attempt=2)
    transaction_id = two.bind()
    two.stop(250)
    two.settle("StopTransaction", attempt=3)
    two.deliver(transaction_id, 250)
    balance = two.books.compare([*two.records, *two.records])
    assert balance.balanced
    assert balance.recorded_wh == 250


def test_a_stop_that_was_never_acknowledged_may_be_recorded_as_often_as_it_was_said(two: Two) -> None:
    transaction_id = lose(two, "a", 40, bound=True)
    assert transaction_id is not None
    for _ in range(3):
        two.record("stop", "CP1", 1, transaction_id, 500, 540)
    balance = two.books.compare(two.records)
    assert (balance.recorded, balance.recorded_wh, balance.duplicated) == (1, 40, 0)


@pytest.mark.parametrize("twice", [slice(0, 2), slice(1, 2)])
def test_a_transaction_that_was_said_once_and_recorded_twice_is_a_double_booking(two: Two, twice: slice) -> None:
    transaction_id = two.whole(250)
    two.whole(70, key="b")
    balance = two.books.compare([*two.records, *two.records[twice]])
    assert (balance.duplicated, balance.recorded_wh, balance.difference_wh) == (1, 570, 250)
    assert balance.violations == {"duplicated": 1, "energy-difference": 1}
    (finding,) = balance.findings
    assert finding.startswith(f"CP1/1 transaction {transaction_id}, 250 Wh: its ")
    assert finding.endswith(" is in the records again, and was said once")


def test_a_record_that_came_again_and_says_something_else_is_a_finding(two: Two) -> None:
    two.start()
    transaction_id = two.bind()
    two.stop(250)
    two.settle("StopTransaction", attempt=2)
    two.deliver(transaction_id, 250)
    balance = two.books.compare([*two.records, {**two.records[1], "meter_stop_wh": 760, "energy_wh": 260}])
    assert balance.findings == (
        f"CP1/1 transaction {transaction_id}: meter_stop_wh is 750 here and 760 in the records",
    )


ALTERED: list[tuple[int, dict[str, Any], str]] = [
    (1, {"energy_wh": 251}, "energy_wh is 250 here and 251 in the records"),
    (1, {"meter_stop_wh": 751, "energy_wh": 251}, "meter_stop_wh is 750 here and 751 in the records"),
    (1, {"meter_start_wh": 499, "energy_wh": 251}, "meter_start_wh is 500 here and 499 in the records"),
    (0, {"meter_start_wh": 499}, "meter_start_wh is 500 here and 499 in the records"),
    (0, {"connector": 2}, "connector is 1 here and 2 in the records"),
    (1, {"connector": 2}, "connector is 1 here and 2 in the records"),
    (0, {"id_tag": "GAT"}, "id_tag is another one here than 'GAT' in the records"),
    (1, {"id_tag": "GAT"}, "id_tag is another one here than 'GAT' in the records"),
]


@pytest.mark.parametrize(("which", "change", "finding"), ALTERED)
def test_an_altered_transaction_is_named_with_what_was_altered(
    two: Two, which: int, change: dict[str, Any], finding: str
) -> None:
    transaction_id = two.whole(250)
    two.whole(70, key="b")
    two.whole(30, "CP2", key="b")
    two.records[which] = {**two.records[which], **change}
    balance = two.books.compare(two.records)
    assert balance.findings == (f"CP1/1 transaction {transaction_id}: {finding}",)
    assert (balance.different, balance.violations["different"]) == (1, 1)


def test_a_start_and_a_stop_that_are_altered_alike_are_one_finding(two: Two) -> None:
    two.whole(250)
    balance = two.books.compare([{**record, "connector": 2} for record in two.records])
    assert balance.violations == {"different": 1}


def test_a_transaction_recorded_for_another_charge_point_is_missing_here_and_unknown_there(two: Two) -> None:
    transaction_id = two.whole(250)
    two.whole(70, "CP2")
    two.records[:2] = [{**record, "charge_point": "CP2"} for record in two.records[:2]]
    balance = two.books.compare(two.records)
    assert (balance.missing, balance.unknown + balance.duplicated) == (1, 1)
    assert balance.findings[0] == f"CP1/1 transaction {transaction_id}, 250 Wh: acknowledged, but not in the records"


def test_an_id_tag_is_the_same_in_any_case_and_need_not_be_recorded(two: Two) -> None:
    two.whole(250)
    assert two.books.compare([{**record, "id_tag": "tag"} for record in two.records]).balanced
    assert two.books.compare([{**record, "id_tag": None} for record in two.records]).balanced


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
    assert balance.findings == ("CP1/1 transaction 5: the CSMS gave this id to two transactions",)


@pytest.mark.parametrize("transaction_id", [0, -1, 2**63, 2**64 - 1, -(2**63)])
def test_the_books_go_on_though_every_transaction_has_the_same_strange_id(two: Two, transaction_id: int) -> None:
    two.ids = repeat(transaction_id)  # type: ignore[assignment]
    for number in range(20):
        two.whole(10 * number, f"CP{number % 2}", key=f"t{number}")
    balance = two.books.compare(two.records)
    assert balance.metered_wh == balance.acknowledged_wh == balance.recorded_wh == 1900
    assert balance.violations == {"repeated-id": 18}
    altered = [{**record, "energy_wh": 1} if record.get("energy_wh") == 190 else record for record in two.records]
    balance = two.books.compare(altered)
    assert balance.violations["different"] == 1
    assert any("energy_wh is 190 here and 1 in the records" in finding for finding in balance.findings)


def test_a_stop_recorded_before_its_start_is_counted_and_the_books_balance(two: Two) -> None:
    two.whole(250)
    balance = two.books.compare(two.records[::-1])
    assert balance.balanced
    assert balance.violations == {"stop-before-start": 1}


# ---- the messages ----------------------------------------------------------------------------------------------------


def test_messages_are_counted_by_what_became_of_them(two: Two) -> None:
    two.start()
    two.settle("StartTransaction", "Timeout")
    two.settle("StartTransaction", attempt=2, took_s=62.0)
    transaction_id = two.bind()
    two.settle("MeterValues", took_s=LATE_S)
    two.settle("MeterValues", took_s=LATE_S + 0.1)
    two.settle("MeterValues", "Disconnected")
    two.books.report("CP1", MessageLost("MeterValues", "a", "3 attempts", 1.0))
    two.stop(40)
    two.settle("StopTransaction")
    two.deliver(transaction_id, 40)
    assert two.books.messages == {
        "StartTransaction": Fate(delivered=1, repeated=1, late=1),
        "MeterValues": Fate(delivered=2, late=1, lost=1),
        "StopTransaction": Fate(delivered=1),
    }
    assert two.books.violations.counts == {"lost-message": 1}


def test_messages_that_are_repeated_or_late_leave_the_books_balanced(two: Two) -> None:
    two.start()
    two.settle("StartTransaction", attempt=3, took_s=500.0)
    transaction_id = two.bind()
    two.stop(40)
    two.settle("StopTransaction", attempt=2, took_s=500.0)
    two.deliver(transaction_id, 40)
    balance = two.books.compare(two.records)
    assert balance.balanced
    assert not balance.violations


def test_calls_that_belong_to_no_transaction_are_none_of_the_books_business(two: Two) -> None:
    two.settle("MeterValues", key=None)
    two.settle("Heartbeat", key=None)
    assert all(fate == Fate() for fate in two.books.messages.values())


def test_a_reading_before_its_start_is_out_of_order(two: Two) -> None:
    two.start()
    two.settle("MeterValues")
    two.settle("StartTransaction")
    assert two.books.messages["MeterValues"].out_of_order == 1
    assert two.books.compare().findings[0] == "CP1: MeterValues of a was delivered out of order"


@pytest.mark.parametrize("action", ["MeterValues", "StopTransaction", "StartTransaction"])
def test_whatever_comes_after_the_stop_is_out_of_order(two: Two, action: str) -> None:
    two.whole(40)
    two.settle(action)
    assert two.books.messages[action].out_of_order == 1
    assert two.books.violations.counts == {"out-of-order": 1}


def test_a_second_start_is_out_of_order(two: Two) -> None:
    two.start()
    two.settle("StartTransaction")
    two.bind()
    two.settle("StartTransaction")
    assert two.books.violations.counts == {"out-of-order": 1}


# ---- what is wrong, by rule ------------------------------------------------------------------------------------------


def test_during_the_run_only_what_is_wrong_already_counts(two: Two) -> None:
    two.start()
    two.bind()
    two.stop(40)
    assert not two.books.violations
    balance = two.books.compare(two.records)
    assert balance.violations == {"unacknowledged": 1, "energy-difference": 1}
    assert two.books.violations.counts == balance.violations
    assert two.books.compare(two.records).violations == balance.violations, "counted anew, not again"
    two.books.report("CP1", MessageLost("MeterValues", "a", "3 attempts", 1.0))
    assert two.books.violations.counts == {"lost-message": 1}


def test_every_violation_has_its_rule_explained(two: Two) -> None:
    two.start()
    two.settle("MeterValues")
    two.books.report("CP1", MessageLost("StartTransaction", "a", "3 attempts", 9.0))
    two.stop(40)
    two.stop(0)
    two.deliver(9, 41)
    two.deliver(9, 41)
    two.books.report("CP3", PowerChanged(1, 9.0, 0.0, 800.0))
    two.books.report("CP3", PowerChanged(1, 9.0, 0.0, 801.0))
    lose(two, "b", 5, bound=True)
    two.start(key="c")
    two.stop(1, key="c")
    two.start(key="d")
    two.ids = iter([5, 5, 6, 7])  # type: ignore[assignment]
    for key in ("e", "f", "g", "h"):
        two.whole(3, "CP2", key=key)
    two.record("start", "CP2", 1, 99, 123)
    records = [record for record in two.records if record["transaction_id"] not in (7, 9)]
    records = [record for record in records if (record["transaction_id"], record["kind"]) != (6, "stop")]
    altered = [{**record, "connector": 3} if record["transaction_id"] == 5 else record for record in records]
    balance = two.books.compare([*reversed(altered), *altered])
    assert balance.violations.keys() == BOOK_RULES.keys()


def test_energies_that_differ_without_any_other_finding_still_unbalance_the_books(two: Two) -> None:
    two.whole(40)
    two.books.reported_wh += 1
    balance = two.books.compare()
    assert balance.difference_wh == 1
    assert balance.findings == ("the energies are not one: 40 Wh metered, 41 Wh reported, 40 Wh acknowledged",)


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


def test_many_findings_of_one_kind_hide_no_other(two: Two) -> None:
    two.whole(7)
    for _ in range(500):
        two.books.report("CP1", MessageLost("MeterValues", "x", "3 attempts", 1.0))
    two.whole(9, key="b")
    balance = two.books.compare(two.records[:2])
    assert len(balance.findings) == FINDINGS_MAX + 1
    assert "CP1/1 transaction 1001, 9 Wh: acknowledged, but not in the records" in balance.findings
    assert balance.findings[-1] == "and 451 more"


def test_a_closed_transaction_weighs_33_bytes(two: Two) -> None:
    for number in range(10):
        two.whole(1, key=f"t{number}")
    pages = two.books._closed
    assert sum(column.itemsize for column in astuple(pages, recurse=False)) == 33


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
