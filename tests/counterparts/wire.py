"""What went over the wire, read from the counterpart's trace while it is being written.

It is the tests' own view of a charge point: which connector is in which status, what runs where, what was said in
which order and on which connection. The trace outlives the counterpart's process, and several of them write one.
"""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field
from counterparts.fleet_run import FleetRun

Found = TypeVar("Found")
Payload = dict[str, Any]

TRANSACTION_ACTIONS = ("StartTransaction", "MeterValues", "StopTransaction")
POLL_S = 0.05


@define(eq=False)
class Call:
    """A CALL and what became of it. `number` is its place in the trace; `ours` are those of the central system."""

    number: int
    at: float
    charge_point: str
    connection: int
    id: str
    action: str
    payload: Payload
    ours: bool
    result: Payload | None = None
    """Of its CALLRESULT; None where there was none."""
    error: str | None = None
    """The code of its CALLERROR."""
    answered_at: float | None = None

    @property
    def of_transaction(self) -> bool:
        """It is one of those that may not be lost."""
        return self.action in TRANSACTION_ACTIONS and (self.action != "MeterValues" or "transactionId" in self.payload)


@define
class Running:
    """A transaction between the answer to its start and its StopTransaction."""

    charge_point: str
    connector: int
    transaction_id: int
    id_tag: str
    number: int


@define(eq=False)
class Wire:
    """Follows a trace; `run` is whom to wait for, None where it is read afterwards."""

    path: Path
    run: FleetRun | None = None
    calls: list[Call] = field(factory=list)
    calls_of: dict[str, list[Call]] = field(factory=dict)
    connections: dict[str, int] = field(factory=dict)
    """How often each charge point has connected."""
    _open: dict[str, int] = field(factory=dict)
    statuses: dict[tuple[str, int], str] = field(factory=dict)
    """By charge point and connector, the latest news last."""
    running: dict[tuple[str, int], Running] = field(factory=dict)
    """By charge point and transaction id."""
    _calls_by_id: dict[tuple[str, int, bool, str], Call] = field(factory=dict)
    _offset: int = 0
    _number: int = 0
    lock: Any = field(factory=threading.RLock)

    def read(self) -> "Wire":
        """Take in what was written since the last time."""
        with self.lock, self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
            # A line in the making, or one that a kill cut off: the next life's first line is glued to it.
            whole = data[: data.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.splitlines():
                self._number += 1
                self._take(json.loads(line[line.rfind(b'{"at":') :]))
        return self

    def until(self, condition: Callable[[], Found | None], what: str, timeout_s: float = 90.0) -> Found:
        """Wait until the condition holds, and return what it returned."""
        assert self.run is not None
        deadline = time.monotonic() + timeout_s
        while True:
            alive = self.run.alive
            with self.lock:
                self.read()
                if found := condition():
                    return found
            assert alive, f"the run is over, but not yet: {what}\n{self.run.all_said}"
            assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
            time.sleep(POLL_S)

    def power_cut(self) -> None:
        """The counterpart was killed: nobody wrote down the end of the connections."""
        self.read()
        self._open.clear()

    # ---- questions -----------------------------------------------------------------------------------------------

    @property
    def mark(self) -> int:
        """Now, as a place in the trace."""
        self.read()
        return self._number

    @property
    def open(self) -> set[str]:
        """The charge points that are connected."""
        return {charge_point for charge_point, count in self._open.items() if count > 0}

    def said(self, charge_point: str, action: str, since: int = 0, **payload: Any) -> list[Call]:
        """The charge point's CALLs of this action after that mark, with these fields in the payload."""
        with self.lock:
            return [
                call
                for call in self.calls_of.get(charge_point, ())
                if call.action == action
                and not call.ours
                and call.number > since
                and payload.items() <= call.payload.items()
            ]

    def of_transactions(self) -> dict[str, list[Call]]:
        """Every transaction message that charge points sent, by charge point, in order, repeated ones as well."""
        said: dict[str, list[Call]] = {}
        for call in self.calls:
            if call.of_transaction and not call.ours:
                said.setdefault(call.charge_point, []).append(call)
        return said

    def last_calls(self) -> dict[tuple[str, int], Call]:
        """The last CALL of every connection: its answer may have been lost with the connection."""
        return {(call.charge_point, call.connection): call for call in self.calls if not call.ours}

    # ---- reading -------------------------------------------------------------------------------------------------

    def _take(self, line: dict[str, Any]) -> None:
        charge_point, direction = line["charge_point"], line["direction"]
        if direction == "open":
            self.connections[charge_point] = self.connections.get(charge_point, 0) + 1
            self._open[charge_point] = self._open.get(charge_point, 0) + 1
        elif direction == "close":
            # A connection may be replaced before its end is noticed: the ends are counted.
            self._open[charge_point] -= 1
        else:
            self._take_frame(line["at"], charge_point, direction == "out", json.loads(line["frame"]))

    def _take_frame(self, at: float, charge_point: str, ours: bool, frame: list[Any]) -> None:
        connection = self.connections.get(charge_point, 0)
        if frame[0] == 2:
            _, id, action, payload = frame
            call = Call(self._number, at, charge_point, connection, id, action, payload, ours)
            self.calls.append(call)
            self.calls_of.setdefault(charge_point, []).append(call)
            self._calls_by_id[charge_point, connection, ours, id] = call
            if not ours:
                self._heard(call)
            return
        known = self._calls_by_id.get((charge_point, connection, not ours, frame[1]))
        if known is None:
            return  # the counterpart's log has it, if it is wrong
        known.answered_at = at
        if frame[0] == 3:
            known.result = frame[2]
            if known.action == "StartTransaction":
                self._began(known)
        else:
            known.error = frame[2]

    def _heard(self, call: Call) -> None:
        payload = call.payload
        if call.action == "StatusNotification":
            place = call.charge_point, payload["connectorId"]
            self.statuses.pop(place, None)
            self.statuses[place] = payload["status"]
        elif call.action == "StopTransaction":
            self.running.pop((call.charge_point, payload["transactionId"]), None)

    def _began(self, call: Call) -> None:
        assert call.result is not None
        id, payload = call.result["transactionId"], call.payload
        self.running[call.charge_point, id] = Running(
            call.charge_point, payload["connectorId"], id, payload["idTag"], self._number
        )
