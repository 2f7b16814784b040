"""Thirty charge points against `ocpp-csms`, a central system that nobody here wrote or shaped.

One run of the fleet serves all tests of this module. While drivers come and go, the CSMS starts and stops transactions
of its own, by its own methods, and what it believes in the end has to be what happened.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from attrs import define, field, frozen
from counterparts.accounts import accounts, assert_registers_are_continuous
from counterparts.fleet_run import FleetRun
from counterparts.orders import Orders, Refused
from counterparts.process import OtherCsms

CHARGE_POINTS = [f"CP{number:04}" for number in range(1, 31)]
CONFIGURATION = Path(__file__).with_name("other_csms.toml")
PATIENCE_S = 10.0
RUN_TIMEOUT_S = 90.0
T = TypeVar("T")


def messages(csms: OtherCsms) -> list[str]:
    """All that it logged."""
    return [str(line["message"]) for line in csms.lines("log")]


@define(eq=False)
class Site:
    """What there is to act with and to look at."""

    csms: OtherCsms
    orders: Orders
    tags: Iterator[int] = field(factory=lambda: iter(range(1, 1000)))

    @property
    def state(self) -> dict[str, Any]:
        """All that the CSMS believes."""
        state: dict[str, Any] = self.orders.order(op="state")
        return state

    def ask(self, charge_point: str, method: str, **arguments: Any) -> Any:
        """Have the CSMS send a request; the status of the answer."""
        return self.orders.order(charge_point=charge_point, method=method, arguments=arguments)

    def until(self, condition: Callable[[], T | None], what: str) -> T:
        """Wait until something is so, and return what."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            assert time.monotonic() < deadline, f"no {what} within {PATIENCE_S:g} s"
            time.sleep(0.05)
        return found

    def heard(self, charge_point: str, action: str) -> int:
        """How often the CSMS logged such a message of this charge point."""
        begin = f"{charge_point}: receive message [2,"
        return sum(message.startswith(begin) and f'"{action}"' in message for message in messages(self.csms))

    def records(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """The lines of the records of which all this is true."""
        lines = [line for line in self.csms.lines("records") if line["kind"] == kind]
        return [line for line in lines if all(line[name] == value for name, value in fields.items())]

    def places(self, *statuses: str) -> list[tuple[str, int]]:
        """The connectors that are in one of these statuses, as far as the CSMS knows."""
        return [
            (name, int(number))
            for name, each in self.state.items()
            for number, status in each["connectors"].items()
            if number != "0" and status in statuses
        ]


def started_remotely(site: Site) -> dict[str, Any]:
    """The record of a transaction that the CSMS started; drivers who are faster have theirs."""
    while True:
        name, connector = site.until(lambda: site.places("Preparing"), "driver who has plugged in")[-1]
        id_tag = f"REMOTE{next(site.tags)}"
        if site.ask(name, "remote_start_transaction", id_tag=id_tag, connector_id=connector) != "Accepted":
            continue
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            if found := site.records("start", id_tag=id_tag):
                return found[0]
            time.sleep(0.05)


def acted(site: Site) -> dict[str, Any]:
    """All that the CSMS does while drivers come and go; what came of it, by name."""
    found: dict[str, Any] = {}
    site.until(lambda: len(site.places("Charging")) >= 10, "ten transactions")
    site.until(lambda: any(each["measured"] for each in site.state.values()), "sample")
    found["state"] = site.state
    start = started_remotely(site)
    place = {"charge_point": start["charge_point"], "connector": start["connector"]}
    found["start"] = start
    found["stop status"] = site.ask(
        start["charge_point"], "remote_stop_transaction", transaction_id=start["transaction_id"]
    )
    site.until(lambda: site.records("stop", **place, transaction_id=start["transaction_id"]), "remote stop")
    found["stop status again"] = site.ask(
        start["charge_point"], "remote_stop_transaction", transaction_id=start["transaction_id"]
    )
    name, connector = site.until(lambda: site.places("Charging"), "transaction")[-1]
    found["scheduled"] = site.ask(name, "change_availability", connector_id=connector, availability="Inoperative")
    found["operative"] = site.ask(name, "change_availability", connector_id=connector, availability="Operative")
    found["unlocked"] = site.ask("CP0001", "unlock_connector", connector_id=2)
    found["all keys"] = site.ask("CP0001", "get_configuration")
    found["keys of an empty list"] = site.ask("CP0001", "get_configuration", keys=[])
    found["changed"] = site.ask("CP0001", "change_configuration", key="MeterValueSampleInterval", value="2")
    boots = site.heard("CP0002", "BootNotification")
    # It forgets an answer that it has read if the connection ends in the same moment, as with a reset it may.
    with contextlib.suppress(Refused):
        site.ask("CP0002", "reset", reset_type="Soft")
    site.until(lambda: site.heard("CP0002", "BootNotification") == boots + 1, "return after the reset")
    return found


@frozen(eq=False)
class Outcome:
    """All that is left of the run."""

    exit_code: int
    run: FleetRun
    csms: OtherCsms
    found: dict[str, Any]

    def heard(self, charge_point: str, action: str) -> int:
        """How often the CSMS logged such a message of this charge point."""
        begin = f"{charge_point}: receive message [2,"
        return sum(message.startswith(begin) and f'"{action}"' in message for message in messages(self.csms))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    csms = OtherCsms(tmp_path_factory.mktemp("other-csms"))
    orders = Orders(csms)
    try:
        with FleetRun(CONFIGURATION, csms) as run:
            found = acted(Site(csms, orders))
            exit_code = run.wait(RUN_TIMEOUT_S)
    finally:
        orders.close()
        csms.end()
    return Outcome(exit_code, run, csms, found)


def test_everybody_is_registered_with_all_connectors(outcome: Outcome) -> None:
    state = outcome.found["state"]
    assert sorted(state) == CHARGE_POINTS
    for name, each in state.items():
        assert each["connected"], name
        assert each["registration"] == "Accepted", name
        assert each["boot"] == ["Fleet", "Simulated"], name
        assert each["connectors"].keys() == {"0", "1", "2"}, name


def test_everybody_beats_as_often_as_it_was_told(outcome: Outcome) -> None:
    assert all(outcome.heard(name, "Heartbeat") >= 5 for name in CHARGE_POINTS)


def test_drivers_are_authorised_and_metered(outcome: Outcome) -> None:
    state = outcome.found["state"].values()
    assert sum(each["asked"] for each in state) >= 20
    measured = {measurand for each in state for measurand in each["measured"]}
    assert measured == {"Energy.Active.Import.Register"}
    assert sum(outcome.heard(name, "MeterValues") for name in CHARGE_POINTS) > 100


def test_it_starts_and_stops_transactions(outcome: Outcome) -> None:
    start, found = outcome.found["start"], outcome.found
    assert found["stop status"] == "Accepted"
    assert found["stop status again"] == "Rejected"
    (stop,) = [
        line
        for line in outcome.csms.lines("records")
        if line["kind"] == "stop" and line["transaction_id"] == start["transaction_id"]
    ]
    assert stop["reason"] == "Remote"
    assert stop["meter_stop_wh"] >= start["meter_start_wh"]


def test_its_other_requests_are_answered(outcome: Outcome) -> None:
    found = outcome.found
    assert found["scheduled"] in ("Scheduled", "Accepted")
    assert found["operative"] == "Accepted"
    assert found["unlocked"] == "Unlocked"
    assert {"HeartbeatInterval", "NumberOfConnectors", "MeterValueSampleInterval"} <= set(found["all keys"])
    assert found["keys of an empty list"] == found["all keys"]
    assert found["changed"] == "Accepted"


def test_a_charge_point_that_it_resets_answers_and_boots(outcome: Outcome) -> None:
    said = [message for message in messages(outcome.csms) if message.startswith("CP0002: ")]
    asked = next(index for index, message in enumerate(said) if '"Reset",{"type":"Soft"}' in message)
    id = json.loads(said[asked].partition("send ")[2])[1]
    assert f'CP0002: receive message [3,"{id}",{{"status":"Accepted"}}]' in said[asked:]
    assert any('"BootNotification"' in message for message in said[asked:])


def test_both_sides_books_are_the_same(outcome: Outcome) -> None:
    assert outcome.exit_code == 0, outcome.run.all_said
    closed = accounts(outcome.csms.lines("records"))
    assert len(closed) > len(CHARGE_POINTS)
    assert_registers_are_continuous(closed)
    assert sum(account.energy_wh for account in closed) == outcome.run.energy_wh > 0


def test_it_has_nothing_to_complain_of(outcome: Outcome) -> None:
    assert [line for line in outcome.csms.lines("log") if line["level"] in ("WARNING", "ERROR", "CRITICAL")] == []
