"""Records of a CSMS that an earlier run left: only what is about restored transactions is anybody's business."""

from typing import Any

from fleet.core.delivery_reports import TransactionRestored
from fleet.observe.earlier import of_restored

NAMED = ("CP1", TransactionRestored(1, 0.0, "3", 100, 150, transaction_id=7))
UNNAMED = ("CP1", TransactionRestored(2, 0.0, "4", 500, 520))


def start(
    transaction_id: int, connector: int = 2, meter_start_wh: int = 500, charge_point: str = "CP1"
) -> dict[str, Any]:
    return {
        "kind": "start",
        "charge_point": charge_point,
        "connector": connector,
        "transaction_id": transaction_id,
        "meter_start_wh": meter_start_wh,
    }


def stop(transaction_id: int, **more: Any) -> dict[str, Any]:
    return {**start(transaction_id, **more), "kind": "stop"}


def test_other_transactions_of_earlier_runs_are_left_out() -> None:
    records = [
        start(1, 1, 0),
        stop(1),
        start(7, 1, 100),
        start(7, 1, 100, "CP2"),
        {"kind": "oddity", "charge_point": "CP1"},
    ]
    assert of_restored(records, [NAMED], {("CP1", 7)}) == [start(7, 1, 100)]


def test_a_stop_whose_answer_nobody_lived_to_hear_is_found() -> None:
    records = [start(7, 1, 100), stop(7)]
    assert of_restored(records, [NAMED], {("CP1", 7)}) == records


def test_a_start_without_an_answer_is_known_by_its_connector_and_meter() -> None:
    """Told again it has the id that it had: found under that and under another one, it was taken for two."""
    assert of_restored([start(8)], [UNNAMED], set()) == [start(8)]
    assert of_restored([start(8)], [UNNAMED], {("CP1", 8)}) == [start(8)]
    assert of_restored([start(8)], [UNNAMED], {("CP1", 9)}) == [start(8)]


def test_another_connector_meter_or_charge_point_is_another_transaction() -> None:
    records = [start(8, connector=1), start(9, meter_start_wh=501), start(10, charge_point="CP2")]
    assert of_restored(records, [UNNAMED], set()) == []


def test_one_that_was_closed_before_began_with_the_same_meter_by_chance() -> None:
    """A transaction without energy leaves the register where the next one begins."""
    assert of_restored([start(8), stop(8), start(9)], [UNNAMED], {("CP1", 9)}) == [start(9)]


def test_of_what_has_an_id_no_other_start_is_looked_for() -> None:
    assert of_restored([start(8, 1, 100)], [NAMED], {("CP1", 7)}) == []


def test_records_of_other_kinds_and_shapes_hurt_nobody() -> None:
    records: list[dict[str, Any]] = [{}, {"kind": "start"}, {"kind": 5, "charge_point": None}, {"kind": "stop"}]
    assert of_restored(records, [NAMED, UNNAMED], {("CP1", 7)}) == []
