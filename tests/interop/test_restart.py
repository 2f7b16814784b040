"""A central system that is killed and started again, that refuses, that goes silent, that cuts connections off.

Whatever it does, every transaction ends in its records once, with the energy that the meters counted. What happened is
read from its trace and its records; the fleet's own books have to say the same.
"""

import itertools
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from attrs import define, field
from counterparts.accounts import (
    Account,
    accounts,
    assert_only_what_went_unanswered_came_again,
    assert_registers_are_continuous,
    assert_the_wire_says_the_same,
)
from counterparts.fleet_run import FleetRun
from counterparts.process import Counterpart
from counterparts.wire import Call, Wire

CONFIGURATION = Path(__file__).with_name("outage.toml")
CHARGE_POINTS = 100
CALL_TIMEOUT_S = 3.0
INTERRUPTED = 105
DRAIN_TIMEOUT_S = 120.0


def port_of_its_own() -> int:
    """A free port outside the range that connections are given: one that dials a dead port can't get the same itself.

    On loopback it would be connected to itself then, and the port taken when the central system comes back.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@define(eq=False)
class Plant:
    """The fleet, its central system in one of its lives, and the wire between them."""

    folder: Path
    counterpart: Counterpart
    run: FleetRun
    wire: Wire = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.wire = Wire(self.folder / "frames.jsonl", self.run)

    def everybody_is_connected(self) -> None:
        self.wire.until(lambda: len(self.wire.open) == CHARGE_POINTS, "everybody connected")

    def heard(self, action: str, since: int, count: int, where: Callable[[Call], bool] = lambda _: True) -> None:
        """Wait for so many CALLs of this kind after the mark."""

        def enough() -> bool:
            calls = itertools.takewhile(lambda call: call.number > since, reversed(self.wire.calls))
            return sum(not call.ours and call.action == action and where(call) for call in calls) >= count

        self.wire.until(enough, f"{count} times {action}")

    def everybody_beats(self, since: int) -> None:
        """Wait for a heartbeat of everybody after the mark."""
        for charge_point in self.wire.connections:
            beats = partial(self.wire.said, charge_point, "Heartbeat", since)
            self.wire.until(beats, f"a heartbeat of {charge_point}")

    def fall_out(self, operation: str, back: int) -> None:
        """End all connections, and wait until so many charge points have connected again."""
        before = dict(self.wire.read().connections)
        self.counterpart.order(op=operation)

        def returned() -> bool:
            return sum(count > before[charge_point] for charge_point, count in self.wire.connections.items()) >= back

        self.wire.until(returned, f"{back} of them back")

    def finished(self) -> list[Account]:
        """End the run and check the books, all of them; the transactions."""
        exit_code = self.run.interrupt(DRAIN_TIMEOUT_S)
        self.wire.read()
        assert exit_code == INTERRUPTED, self.run.all_said
        assert self.counterpart.lines("log") == []
        assert self.run.balanced, self.run.all_said
        closed = accounts(self.counterpart.lines("records"))
        assert_the_wire_says_the_same(self.wire, closed)
        assert_registers_are_continuous(closed)
        assert sum(account.energy_wh for account in closed) == self.run.energy_wh > 0
        return closed


@contextmanager
def plant(folder: Path) -> Iterator[Plant]:
    counterpart = Counterpart(folder, port_of_its_own())
    counterpart.order(op="behave", interval_s=2)
    with FleetRun(CONFIGURATION, counterpart) as run:
        whole = Plant(folder, counterpart, run)
        try:
            yield whole
        finally:
            if whole.counterpart.process.poll() is None:
                whole.counterpart.end()


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_kill_and_a_restart_lose_no_transaction(tmp_path: Path) -> None:
    with plant(tmp_path) as here:
        wire, run = here.wire, here.run
        here.everybody_is_connected()
        wire.until(lambda: len(wire.running) >= 30, "many transactions")
        here.counterpart.end(signal.SIGKILL)
        wire.power_cut()
        killed_at, lines = datetime.now(UTC), run.progress_lines

        def goes_on() -> bool:
            """Drivers come and go though nobody listens: the fleet's own display is all that tells."""
            backlog = run.progress("stopped") - run.progress("delivered")
            return run.progress_lines >= lines + 2 and backlog >= 20

        wire.until(goes_on, "a backlog")
        restarted_at, mark = datetime.now(UTC), wire.mark
        here.counterpart = Counterpart(tmp_path, here.counterpart.port)
        here.everybody_is_connected()
        here.everybody_beats(mark)
        here.heard("StartTransaction", mark, 50, lambda call: instant(call.payload["timestamp"]) > restarted_at)
        closed = here.finished()

    offline = [
        account
        for account in closed
        if killed_at < instant(account.start["started_at"]) and instant(account.stop["stopped_at"]) < restarted_at
    ]
    assert len(offline) >= 10, "whole transactions while nobody listened"
    assert_the_backlog_came_in_order(wire, closed, killed_at, restarted_at)
    # Once each at most: the one message whose answer the kill cut off (and some drain just when it is ended).
    repeated = assert_only_what_went_unanswered_came_again(wire, CALL_TIMEOUT_S)
    assert repeated <= CHARGE_POINTS
    for charge_point, connections in wire.connections.items():
        assert connections == 2, charge_point
        assert len(wire.said(charge_point, "BootNotification")) == 1, "an outage is no reboot"


def assert_the_backlog_came_in_order(wire: Wire, closed: list[Account], since: datetime, until: datetime) -> None:
    """What a connector had to say from the outage came in the order in which it had happened."""
    connectors = {account.start["transaction_id"]: account.start["connector"] for account in closed}
    backlog: dict[tuple[str, int], list[datetime]] = {}
    for charge_point, calls in wire.of_transactions().items():
        for call in calls:
            connector = call.payload.get("connectorId") or connectors[call.payload["transactionId"]]
            (reading,) = call.payload.get("meterValue", [call.payload])
            if since < (at := instant(reading["timestamp"])) < until:
                backlog.setdefault((charge_point, connector), []).append(at)
    assert len(backlog) > CHARGE_POINTS
    for place, instants in backlog.items():
        assert instants == sorted(instants), place


def test_refusals_and_silence_lose_no_transaction(tmp_path: Path) -> None:
    """A message that isn't answered, or answered with an error, holds its place and is tried again, later each time."""
    with plant(tmp_path) as here:
        wire, order = here.wire, here.counterpart.order
        here.everybody_is_connected()

        mark = wire.mark
        order(op="behave", fail={"StartTransaction": "InternalError"})
        here.heard("StartTransaction", mark, 50, lambda call: call.error is not None)
        order(op="behave", fail={})

        mark = wire.mark
        order(op="behave", mute=["MeterValues", "StopTransaction", "Heartbeat"])
        # Longer than anybody waits for an answer, so that some are given up and come again into the silence.
        silent_until = time.monotonic() + 2 * CALL_TIMEOUT_S
        here.heard("MeterValues", mark, 30)
        wire.until(lambda: time.monotonic() > silent_until, "the silence")
        order(op="behave", mute=[])
        mark = wire.mark
        here.everybody_beats(mark)
        here.heard("StopTransaction", mark, 20)
        closed = here.finished()

    assert len(closed) > CHARGE_POINTS
    refused = [call for call in wire.calls if call.error is not None]
    assert {call.action for call in refused} == {"StartTransaction"}
    unanswered = [call for call in wire.calls if call.of_transaction and call.answered_at is None]
    assert len(unanswered) >= 30
    # What was refused or left without an answer came again, and nothing else did.
    repeated = assert_only_what_went_unanswered_came_again(wire, CALL_TIMEOUT_S)
    assert repeated >= len(refused) + len(unanswered) >= 80


def test_cuts_in_a_row_lose_no_transaction(tmp_path: Path) -> None:
    """Connections end again and again, also while the backlog of the last end is still being delivered."""
    with plant(tmp_path) as here:
        wire = here.wire
        here.everybody_is_connected()
        wire.until(lambda: len(wire.running) >= 30, "many transactions")
        for operation, back in (("cut", 0.5), ("cut", 0.5), ("close", 0.5), ("cut", 1.0), ("cut", 1.0)):
            here.fall_out(operation, int(CHARGE_POINTS * back))
        here.everybody_is_connected()
        mark = wire.mark
        here.everybody_beats(mark)
        here.heard("StartTransaction", mark, 20)
        here.heard("StopTransaction", mark, 20)
        here.finished()
    assert sum(wire.connections.values()) >= CHARGE_POINTS * 3
    assert_only_what_went_unanswered_came_again(wire, CALL_TIMEOUT_S)
