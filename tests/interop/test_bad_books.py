"""A central system that answers as it should and keeps bad books: of many transactions it loses, doubles or alters one.

Each test is a whole run. Nothing on the wire tells, so it is the comparison with its records that has to: the run fails
and names that very transaction, and no other.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import frozen
from counterparts.fleet_run import FleetRun
from counterparts.process import Counterpart

CONFIGURATION = Path(__file__).with_name("bad_books.toml")
RUN_TIMEOUT_S = 90.0
SECOND_ID = 1_000_000


@frozen
class Victim:
    """The transaction whose records are wrong, and what the run said in the end."""

    start: dict[str, Any]
    stop: dict[str, Any]
    transactions: int
    said: str

    @property
    def name(self) -> str:
        """As the books name it."""
        return f"{self.start['charge_point']}/{self.start['connector']} transaction {self.start['transaction_id']}"

    @property
    def energy_wh(self) -> int:
        return int(self.stop["meter_stop_wh"] - self.start["meter_start_wh"])

    @property
    def findings(self) -> list[str]:
        """The lines below the books' verdict."""
        found = re.search(r"^  books \.+ NOT BALANCED\n((?:    .*\n)*)", self.said, re.MULTILINE)
        assert found is not None, self.said
        return [line.strip() for line in found[1].splitlines()]

    def sum_wh(self, word: str) -> int:
        """One of the energies, where they are not one and the same."""
        found = re.search(rf"^  energy \.+ .*?([\d,]+) Wh (?:\w+ = )*{word}\b", self.said, re.MULTILINE)
        assert found is not None, self.said
        return int(found[1].replace(",", ""))


def misbooked(folder: Path, fault: str) -> Victim:
    """A run against a central system that keeps the records of one transaction in this way."""
    counterpart = Counterpart(folder)
    try:
        assert counterpart.order(op="misbook", fault=fault)["result"] == {}
        with FleetRun(CONFIGURATION, counterpart) as run:
            exit_code = run.wait(RUN_TIMEOUT_S)
            said = run.all_said
        victim = counterpart.order(op="misbooked")["result"]
        assert counterpart.lines("log") == [], "the fleet did nothing wrong"
    finally:
        counterpart.end()
    assert exit_code != 0, said
    start, stop = spoken(counterpart.lines("frames"), victim)
    transactions = sum(line["kind"] == "stop" for line in counterpart.lines("records"))
    assert transactions > 8, "one of many"
    return Victim(start, stop, transactions, said)


def spoken(frames: list[dict[str, Any]], transaction_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the charge point really said of a transaction, in the records' words."""
    asked: dict[tuple[str, str], dict[str, Any]] = {}
    start: dict[str, Any] | None = None
    for line in frames:
        if line["direction"] not in ("in", "out"):
            continue
        frame, charge_point = json.loads(line["frame"]), line["charge_point"]
        if frame[0] == 2 and line["direction"] == "in":
            asked[charge_point, frame[1]] = frame[3]
            if frame[2] == "StopTransaction" and frame[3]["transactionId"] == transaction_id and start is not None:
                return start, {"meter_stop_wh": frame[3]["meterStop"]}
        elif frame[0] == 3 and frame[2].get("transactionId") == transaction_id:
            said = asked[charge_point, frame[1]]
            start = {
                "charge_point": charge_point,
                "connector": said["connectorId"],
                "id_tag": said["idTag"],
                "transaction_id": transaction_id,
                "meter_start_wh": said["meterStart"],
            }
    raise AssertionError(f"transaction {transaction_id} was not said from start to stop")


def assert_only_finding(victim: Victim, line: Callable[[Victim], str]) -> None:
    assert victim.findings == [line(victim)], victim.said


def test_a_transaction_that_the_csms_loses_is_named(tmp_path: Path) -> None:
    victim = misbooked(tmp_path, "lose")
    assert_only_finding(victim, lambda v: f"{v.name}, {v.energy_wh} Wh: acknowledged, but not in the records")
    assert victim.sum_wh("acknowledged") - victim.sum_wh("recorded") == victim.energy_wh


def test_a_transaction_whose_end_the_csms_loses_is_named(tmp_path: Path) -> None:
    victim = misbooked(tmp_path, "lose-stop")
    assert_only_finding(victim, lambda v: f"{v.name}, {v.energy_wh} Wh: acknowledged, but still open in the records")


def test_a_transaction_that_the_csms_books_twice_under_another_id_is_named(tmp_path: Path) -> None:
    victim = misbooked(tmp_path, "double")
    id, where = victim.start["transaction_id"], victim.name.partition(" ")[0]
    assert_only_finding(
        victim,
        lambda v: (
            f"{where} transaction {id + SECOND_ID}, {v.energy_wh} Wh: recorded, beside the same one here with id {id}"
        ),
    )
    assert victim.sum_wh("recorded") - victim.sum_wh("acknowledged") == victim.energy_wh


def test_a_transaction_that_the_csms_books_twice_under_its_own_id_is_named(tmp_path: Path) -> None:
    victim = misbooked(tmp_path, "double-stop")
    assert_only_finding(
        victim, lambda v: f"{v.name}, {v.energy_wh} Wh: its stop is in the records again, and was said once"
    )


def test_a_transaction_to_which_the_csms_adds_a_watt_hour_is_named(tmp_path: Path) -> None:
    victim = misbooked(tmp_path, "alter-energy")
    stop_wh = victim.stop["meter_stop_wh"]
    assert_only_finding(victim, lambda v: f"{v.name}: meter_stop_wh is {stop_wh} here and {stop_wh + 1} in the records")
    assert victim.sum_wh("recorded") - victim.sum_wh("acknowledged") == 1


def test_a_transaction_that_the_csms_books_for_another_connector_is_named(tmp_path: Path) -> None:
    victim = misbooked(tmp_path, "alter-connector")
    connector = victim.start["connector"]
    assert_only_finding(victim, lambda v: f"{v.name}: connector is {connector} here and {3 - connector} in the records")


def test_a_transaction_that_the_csms_bills_to_somebody_else_is_named(tmp_path: Path) -> None:
    victim = misbooked(tmp_path, "alter-id-tag")
    assert_only_finding(
        victim, lambda v: f"{v.name}: id_tag is another one here than '{v.start['id_tag']}X' in the records"
    )
