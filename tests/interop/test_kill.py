"""`fleet run --state` that is killed (`kill -9`) a hundred times at random moments, against CSMSs that stay.

Fifty times against the CSMS of the `ocpp` package and fifty against `fleet csms`, two fleets at a time, while they
start up, boot, charge, drain and write. What counts is what the CSMSs have on file then: each transaction that any life
told of, once and whole, and what came twice is what nobody could know to have arrived.

The moments are drawn from a seed that a failure names; FLEET_KILLS_SEED sets it.
"""

import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest
from counterparts.accounts import (
    Record,
    accounts,
    assert_only_what_went_unanswered_came_again,
    assert_registers_are_continuous,
    assert_the_wire_says_the_same,
)
from counterparts.killed import Lives
from counterparts.process import Counterpart
from counterparts.wire import Wire

CONFIGURATION = Path(__file__).with_name("kill.toml")
LOAD_S = 1.5
CALL_TIMEOUT_S = 5.0
LAST_SEEN_S = 1.0
"""So long before it was killed a run was last seen alive at most, by the state."""
KILLS = 100
EMBEDDED_KILLS = 8
"""Of the run with a CSMS of its own, which is killed with it."""


@pytest.fixture
def seed() -> int:
    """Shown where the test fails."""
    drawn = int(os.environ.get("FLEET_KILLS_SEED") or SystemRandom().randrange(2**32))
    print(f"FLEET_KILLS_SEED={drawn}")
    return drawn


class OwnCsms:
    """`fleet csms`, as a process with its records; it takes a free port."""

    def __init__(self, folder: Path) -> None:
        self.records = folder / "records.jsonl"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fleet", "csms", "--port", "0", "--records", str(self.records)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        said = re.search(r"listening on (\S+)", self.process.stdout.readline())
        assert said is not None
        self.url = said[1]

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def own_csms(tmp_path: Path) -> Iterator[OwnCsms]:
    csms = OwnCsms(tmp_path)
    yield csms
    csms.end()


@pytest.fixture
def counterpart(tmp_path: Path) -> Iterator[Counterpart]:
    counterpart = Counterpart(tmp_path)
    yield counterpart
    assert counterpart.end() == 0


def lives(folder: Path, seed: int, *arguments: str) -> Lives:
    """Of a fleet that is called as its folder is."""
    folder.mkdir()
    options = ("--seed", "42", "--id", f"{folder.name}{{:02}}", *arguments)
    return Lives(folder, Random(f"{seed}/{folder.name}"), (str(CONFIGURATION), *options), LOAD_S)


def two_fleets(tmp_path: Path, seed: int, url: str, records: Path) -> list[Lives]:
    """Two fleets that have been killed, both at a time, and then were left to end."""
    fleets = [lives(tmp_path / name, seed, "--url", url, "--records", str(records)) for name in "AB"]

    def live(fleet: Lives) -> None:
        fleet.kill_times(KILLS // 2 // len(fleets))
        assert_ended_well(fleet)

    with ThreadPoolExecutor(len(fleets)) as pool:
        list(pool.map(live, fleets))
    return fleets


def test_fifty_kills_lose_nothing_and_double_nothing_at_the_csms_of_the_ocpp_package(
    tmp_path: Path, counterpart: Counterpart, seed: int
) -> None:
    file = tmp_path / "records.jsonl"
    fleets = two_fleets(tmp_path, seed, f"ws://127.0.0.1:{counterpart.port}/ocpp", file)
    records = read(file)
    assert_all_that_was_said_is_on_file_once(fleets, records)
    assert counterpart.rules() == []
    wire = Wire(tmp_path / "frames.jsonl").read()
    assert_the_wire_says_the_same(wire, accounts(records))
    assert_only_what_went_unanswered_came_again(wire, CALL_TIMEOUT_S)
    assert_one_message_at_most_came_again(wire, fleets)
    assert_the_kills_hurt(fleets, records)
    boots = [call.at for call in wire.calls if call.action == "BootNotification"]
    mute = [
        life
        for life in fleets[0].killed + fleets[1].killed
        if not any(life.spawned_at < at < life.killed_at for at in boots)
    ]
    assert len(mute) >= 3, "hardly any was killed before it said a word"


def test_fifty_more_kills_at_the_csms_of_fleet(tmp_path: Path, own_csms: OwnCsms, seed: int) -> None:
    fleets = two_fleets(tmp_path, seed, own_csms.url, own_csms.records)
    records = read(own_csms.records)
    assert_all_that_was_said_is_on_file_once(fleets, records)
    assert_no_more_is_odd_than_one_repetition(fleets, records)
    assert_the_kills_hurt(fleets, records)


def test_a_run_that_is_killed_with_its_own_csms_goes_on_with_the_records_in_its_state(
    tmp_path: Path, seed: int
) -> None:
    fleet = lives(tmp_path / "A", seed)
    fleet.kill_times(EMBEDDED_KILLS)
    assert_ended_well(fleet)
    records = read(fleet.state / "records.jsonl")
    assert_all_that_was_said_is_on_file_once([fleet], records)
    assert_no_more_is_odd_than_one_repetition([fleet], records)
    assert sum(each.get("reason") == "PowerLoss" for each in records) > 0


def assert_ended_well(fleet: Lives) -> None:
    """The last life, which nobody kills, has nothing to complain of."""
    last = fleet.finish()
    assert last.process.returncode == 0, last.said
    assert re.search(r"^  books \.+ balanced$", last.said, re.MULTILINE), last.said


def read(records: Path) -> list[Record]:
    return [json.loads(line) for line in records.read_text().splitlines()]


def assert_all_that_was_said_is_on_file_once(fleets: list[Lives], records: list[Record]) -> None:
    """What any life said is in the records as it was said, closed, and from the right cause."""
    closed = accounts(records)
    assert_registers_are_continuous(closed)
    starts = {
        _start(each.start["charge_point"], each.start["connector"], each.start, "meter_start_wh", "started_at")
        for each in closed
    }
    assert len(starts) == len(closed)
    stops = {
        _stop(each.stop["charge_point"], each.stop["transaction_id"], each.stop, "meter_stop_wh", "stopped_at")
        for each in closed
    }
    said = [each for fleet in fleets for each in fleet.said()]
    for charge_point, _, action, payload in said:
        if action == "StartTransaction":
            assert _start(charge_point, payload["connectorId"], payload, "meterStart", "timestamp") in starts, payload
        elif action == "StopTransaction":
            assert _stop(charge_point, payload["transactionId"], payload, "meterStop", "timestamp") in stops, payload
    ids = Counter((charge_point, id) for charge_point, id, _, _ in said)
    assert max(ids.values()) == 1, "a message id came again"
    for each in closed:
        killed = fleet_of(each.stop["charge_point"], fleets).killed
        assert_stopped_for_the_right_reason(each.stop, [life.killed_utc_s for life in killed])


def _start(charge_point: str, connector: int, values: Record, meter: str, time: str) -> tuple[Any, ...]:
    return charge_point, connector, values["idTag" if "idTag" in values else "id_tag"], values[meter], utc(values[time])


def _stop(charge_point: str, id: int, values: Record, meter: str, time: str) -> tuple[Any, ...]:
    return charge_point, id, values[meter], utc(values[time])


def utc(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


def assert_stopped_for_the_right_reason(stop: Record, kills_utc_s: list[float]) -> None:
    """PowerLoss if, and only if, the process was killed while it ran, and then at that instant."""
    began_at, ended_at = utc(stop["started_at"]), utc(stop["stopped_at"])
    cut_at = next((each for each in kills_utc_s if each >= began_at), math.inf)
    if stop["reason"] == "PowerLoss":
        assert ended_at <= cut_at + 0.001 < ended_at + LAST_SEEN_S, (stop, cut_at)
    else:
        assert ended_at <= cut_at, (stop, cut_at)


def assert_one_message_at_most_came_again(wire: Wire, fleets: list[Lives]) -> None:
    """Per charge point and kill: the one whose answer was lost with the process."""
    for charge_point, calls in wire.of_transactions().items():
        said: set[str] = set()
        again: Counter[int] = Counter()
        for call in calls:
            content = json.dumps([call.action, call.payload], sort_keys=True)
            again[fleet_of(charge_point, fleets).number(call.at)] += content in said
            said.add(content)
        assert max(again.values()) <= 1, (charge_point, again)


def assert_no_more_is_odd_than_one_repetition(fleets: list[Lives], records: list[Record]) -> None:
    """The same, by what `fleet csms` notes down."""
    odd = [each for each in records if each["kind"] == "oddity"]
    assert {each["rule"] for each in odd} <= {"repeated-start", "repeated-stop"}, odd
    again: Counter[tuple[str, int]] = Counter()
    for each in odd:
        fleet = fleet_of(each["charge_point"], fleets)
        now = fleet.killed[0].killed_at + utc(each["recorded_at"]) - fleet.killed[0].killed_utc_s
        again[each["charge_point"], fleet.number(now)] += 1
    assert all(count == 1 for count in again.values()), again


def fleet_of(charge_point: str, fleets: list[Lives]) -> Lives:
    return next(fleet for fleet in fleets if charge_point.startswith(fleet.folder.name))


def assert_the_kills_hurt(fleets: list[Lives], records: list[Record]) -> None:
    """They fell where something could get lost."""
    counts = sum((fleet.counts() for fleet in fleets), Counter[str]())
    cut = sum(each.get("reason") == "PowerLoss" for each in records)
    again = sum("repeated" in f"{each['kind']} {each.get('rule')}" for each in records)
    print(dict(counts), f"{cut} transactions cut, {again} starts and stops said again, of {len(records)} records")
    kills = sum(len(fleet.killed) for fleet in fleets)
    assert kills == KILLS // 2
    assert counts["late"] >= 3, "hardly any was killed in the drain"
    assert min(counts[moment] for moment in fleets[0].moments) == kills // 5
    assert cut >= 2 * kills
