"""The counterpart's books: its transactions, in a file that survives a kill, and the JSON lines they are kept in."""

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

FIRST_TRANSACTION_ID = 700_001  # far from connector numbers and counters, so that a mix-up shows
SECOND_ID = 1_000_000  # added to the id of a transaction that is booked twice

Record = dict[str, Any]


def _changed(**changes: Callable[[Any], Any]) -> Callable[[Record], list[Record]]:
    """A record with fields changed, where it has them."""
    return lambda record: [record | {name: change(record[name]) for name, change in changes.items() if name in record}]


# How a bad bookkeeper writes the records of one transaction.
FAULTS: dict[str, Callable[[Record], list[Record]]] = {
    "lose": lambda _: [],
    "lose-stop": lambda record: [record] if record["kind"] == "start" else [],
    "double": lambda record: [record, record | {"transaction_id": record["transaction_id"] + SECOND_ID}],
    "double-stop": lambda record: [record] * (2 if record["kind"] == "stop" else 1),
    "alter-energy": _changed(energy_wh=lambda wh: wh + 1, meter_stop_wh=lambda wh: wh + 1),
    "alter-start": _changed(meter_start_wh=lambda wh: wh - 1, energy_wh=lambda wh: wh + 1),
    "alter-connector": _changed(connector=lambda connector: 3 - connector),
    "alter-id-tag": _changed(id_tag=lambda id_tag: id_tag + "X"),
}


class JsonLines:
    """An append-only file of JSON lines. Each is one write: a kill leaves whole lines or, at worst, half a last one."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._descriptor = None if path is None else os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)

    def read(self) -> list[dict[str, Any]]:
        """What earlier lives wrote. A half line at the end was never answered for: it is closed off and skipped."""
        if self._descriptor is None or self.path is None:
            return []
        with open(self.path, "rb") as file:
            data = file.read()
        if data and not data.endswith(b"\n"):
            os.write(self._descriptor, b"\n")
        lines = []
        for line in data.splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return lines

    def write(self, **fields: Any) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, json.dumps(fields, separators=(",", ":"), default=str).encode() + b"\n")


class Books:
    """The transactions, by id and by what makes a StartTransaction the same one again."""

    def __init__(self, records: JsonLines) -> None:
        self._records = records
        self._by_id: dict[int, dict[str, Any]] = {}
        self._by_start: dict[tuple[str, int, str, str], int] = {}
        self._stopped: dict[int, tuple[int, str]] = {}
        self._meter_values: dict[int, int] = {}
        for line in records.read():
            if line.get("kind") == "start":
                self._remember(line)
            elif line.get("kind") == "stop":
                self._stopped[line["transaction_id"]] = (line["meter_stop_wh"], line["stopped_at"])
        self._next_id = max(self._by_id, default=FIRST_TRANSACTION_ID - 1) + 1
        # What is done to the records of the next transaction to start, and which that was.
        self.fault: str | None = None
        self.victim: int | None = None

    def _write(self, kind: str, **fields: Any) -> None:
        record = {"kind": kind, **fields}
        if self.fault is None or fields["transaction_id"] != self.victim:
            records = [record]
        else:
            records = FAULTS[self.fault](record)
        for each in records:
            self._records.write(**each)

    def _remember(self, start: dict[str, Any]) -> None:
        self._by_id[start["transaction_id"]] = start
        key = (start["charge_point"], start["connector"], start["id_tag"], start["started_at"])
        self._by_start[key] = start["transaction_id"]

    def start(self, charge_point: str, connector: int, id_tag: str, meter_start_wh: int, started_at: str) -> int:
        """The transaction id for a StartTransaction.req, the same again when the same one comes again."""
        known = self._by_start.get((charge_point, connector, id_tag, started_at))
        transaction_id = self._next_id if known is None else known
        start = {
            "charge_point": charge_point,
            "connector": connector,
            "id_tag": id_tag,
            "transaction_id": transaction_id,
            "meter_start_wh": meter_start_wh,
            "started_at": started_at,
        }
        if known is not None:
            self._write("repeated-start", **start)
            return known
        self._next_id += 1
        if self.fault is not None and self.victim is None:
            self.victim = transaction_id
        self._write("start", **start)
        self._remember(start)
        return transaction_id

    def stop(self, charge_point: str, transaction_id: int, meter_stop_wh: int, stopped_at: str, **more: Any) -> str:
        """Close a transaction; returns the kind of record written."""
        start = self._by_id.get(transaction_id)
        known = start is not None and start["charge_point"] == charge_point
        kind = "orphan-stop" if not known else "repeated-stop" if transaction_id in self._stopped else "stop"
        fields: dict[str, Any] = dict(start) if start is not None and known else {"charge_point": charge_point}
        fields.pop("kind", None)
        fields |= {"transaction_id": transaction_id, "meter_stop_wh": meter_stop_wh, "stopped_at": stopped_at, **more}
        if start is not None and known:
            fields["energy_wh"] = meter_stop_wh - start["meter_start_wh"]
            fields["meter_values"] = self._meter_values.get(transaction_id, 0)
        if kind == "repeated-stop":
            fields["same"] = self._stopped[transaction_id] == (meter_stop_wh, stopped_at)
        self._write(kind, **fields)
        if kind == "stop":
            self._stopped[transaction_id] = (meter_stop_wh, stopped_at)
        return kind

    def meter_values(self, charge_point: str, transaction_id: int) -> str | None:
        """Count a MeterValues.req of a transaction; returns what is wrong with it, or None."""
        start = self._by_id.get(transaction_id)
        if start is None or start["charge_point"] != charge_point:
            return f"MeterValues for transaction {transaction_id}, which this charge point never started"
        self._meter_values[transaction_id] = self._meter_values.get(transaction_id, 0) + 1
        if transaction_id in self._stopped:
            return f"MeterValues for transaction {transaction_id} after its StopTransaction"
        return None
