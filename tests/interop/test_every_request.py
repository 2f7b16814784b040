"""Every request that a charge point serves, at 200 charge points at once, from a central system by other hands.

Each charge point is asked each of them, in an order of its own and with arguments that were drawn, sensible or not,
while drivers come and go. What is asked and answered passes the JSON schemas of the `ocpp` package on the other side;
files come from and go to servers that the test starts.
"""

import json
import random
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from counterparts.accounts import accounts, assert_the_wire_says_the_same
from counterparts.file_servers import WebServer, ftp_server, web_server
from counterparts.fleet_run import FleetRun
from counterparts.orders import Orders, Refused
from counterparts.process import Counterpart
from counterparts.swarm_requests import Requests
from counterparts.wire import Wire

from fleet.core.dialects.v16 import SERVED
from fleet.errors import EXIT_INTERRUPTED, EXIT_INVALID

CONFIGURATION = Path(__file__).with_name("every_request.toml")
CHARGE_POINTS = [f"CP{number:04}" for number in range(1, 201)]
RUN_TIMEOUT_S = 180.0
# The counterpart gives an answer up after 30 s, which it may do twice.
PATIENCE_S = 90.0
AWAY = {"NotConnected", "Timeout"}
"""It is rebooting, or the answer went with the connection."""

OF_CERTIFICATES = {
    *("CertificateSigned", "DeleteCertificate", "GetInstalledCertificateIds", "InstallCertificate"),
    "SignedUpdateFirmware",
}
"""What can't be accepted here, as nobody has a certificate that is any good."""


@frozen
class Tour:
    """Through all requests at one charge point."""

    orders: Orders
    wire: Wire
    files: WebServer
    ftp_port: int

    def go(self, charge_point: str) -> list[str]:
        """The actions that it has answered with a result."""
        draws = random.Random(f"tour of {charge_point}")
        requests = Requests(draws, lambda: datetime.now(UTC), lambda: self._running(charge_point))
        answered = []
        for action in draws.sample(sorted(SERVED), len(SERVED)):
            deadline = time.monotonic() + PATIENCE_S
            while (refused := self._ask(charge_point, action, requests)) is not None:
                assert refused.code in AWAY, f"{action}: {refused}"
                assert time.monotonic() < deadline, f"{action}: {refused}"
                time.sleep(0.2)
            answered.append(action)
            time.sleep(draws.uniform(0.0, 0.8))
        return answered

    def _ask(self, charge_point: str, action: str, requests: Requests) -> Refused | None:
        try:
            self.orders.ask(charge_point, action, **self._local(requests.drawn(action)))
        except Refused as refused:
            return refused
        return None

    def _running(self, charge_point: str) -> list[int]:
        with self.wire.lock:
            return [id for name, id in self.wire.running if name == charge_point]

    def _local(self, payload: dict[str, Any]) -> dict[str, Any]:
        """With the files where they are here, and to be fetched at once."""
        text = json.dumps(payload)
        text = text.replace("https://files", self.files.url).replace("ftp://files", f"ftp://127.0.0.1:{self.ftp_port}")
        there: dict[str, Any] = json.loads(text)
        for part, key in ((there, "retrieveDate"), (there.get("firmware", {}), "retrieveDateTime")):
            if key in part:
                part[key] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return there


@frozen(eq=False)
class Outcome:
    """All that is left of the run."""

    exit_code: int
    run: FleetRun
    counterpart: Counterpart
    wire: Wire
    files: WebServer
    tours: dict[str, Future[list[str]]]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("every-request")
    counterpart = Counterpart(folder)
    orders = Orders(counterpart)
    try:
        with (
            web_server() as files,
            ftp_server(folder) as ftp_port,
            FleetRun(CONFIGURATION, counterpart) as run,
            ThreadPoolExecutor(len(CHARGE_POINTS)) as pool,
        ):
            files.files |= {"/firmware.bin": b"Firmware-Version: 2\n\nbits", "/signed.bin": b"bits"}
            wire = Wire(folder / "frames.jsonl", run)
            wire.until(lambda: len(wire.statuses) == 3 * len(CHARGE_POINTS), "everybody booted")
            tour = Tour(orders, wire, files, ftp_port)
            tours = {name: pool.submit(tour.go, name) for name in CHARGE_POINTS}
            while not all(each.done() for each in tours.values()):
                wire.read()
                time.sleep(0.2)
            exit_code = run.interrupt(RUN_TIMEOUT_S)
    finally:
        orders.close()
        counterpart.end()
    return Outcome(exit_code, run, counterpart, wire.read(), files, tours)


def test_every_charge_point_answers_every_request(outcome: Outcome) -> None:
    for name, tour in outcome.tours.items():
        assert sorted(tour.result(0)) == sorted(SERVED), name


def test_no_frame_breaks_a_rule(outcome: Outcome) -> None:
    assert outcome.counterpart.lines("log") == []


def test_no_request_is_answered_with_an_error(outcome: Outcome) -> None:
    errors = Counter((call.action, call.error) for call in outcome.wire.calls if call.ours and call.error is not None)
    assert not errors


def test_most_requests_were_understood_as_something_that_can_be_done(outcome: Outcome) -> None:
    answers = Counter(
        (call.action, str(call.result.get("status")))
        for call in outcome.wire.calls
        if call.ours and call.result is not None
    )
    accepted = {action for action, status in answers if status in ("Accepted", "Unlocked", "Scheduled", "None")}
    assert accepted >= SERVED - OF_CERTIFICATES


def test_files_come_and_go(outcome: Outcome) -> None:
    said = Counter(
        (call.action, call.payload["status"])
        for call in outcome.wire.calls
        if call.action.endswith("StatusNotification")
    )
    assert said["FirmwareStatusNotification", "Installed"] > len(CHARGE_POINTS) / 2
    assert said["LogStatusNotification", "Uploaded"] > len(CHARGE_POINTS) / 2
    assert len(outcome.files.received) > len(CHARGE_POINTS) / 2


def test_both_sides_books_are_the_same(outcome: Outcome) -> None:
    # Two hundred charge points and their central system on one small machine may be more than it can make in time.
    assert outcome.exit_code in (EXIT_INTERRUPTED, EXIT_INVALID), outcome.run.all_said
    assert outcome.run.balanced, outcome.run.all_said
    closed = accounts(outcome.counterpart.lines("records"))
    assert len(closed) > len(CHARGE_POINTS) / 2
    assert_the_wire_says_the_same(outcome.wire, closed)
    assert sum(account.energy_wh for account in closed) == outcome.run.energy_wh
