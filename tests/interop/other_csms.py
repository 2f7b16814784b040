"""A central system that nobody here wrote: `ocpp-csms` on aiohttp, in a process of its own.

It is run as its README shows it, with no line of protocol here: what it believes of the charge points is what the test
reads. Nothing of `fleet` is imported. The first line on stdout is the port; then orders come as JSON lines on stdin and
their answers go to stdout, with the order's "tag":

- {"charge_point", "method", "arguments"} -> {"result"}: one of its `ChargePoint.async_...` methods, without the prefix.
- {"op": "state"} -> {"result": {charge point: what it last said}}

Transactions go to the file of --records, in the words of `fleet csms --records`, as its events tell of them, and what
it logged to the file of --log, JSON lines with "level" and "message", every OCPP message among them.
"""

# mypy: disable-error-code="import-untyped, import-not-found"

import argparse
import asyncio
import json
import logging
import sys
from collections import Counter
from typing import Any

from ocpp_csms import (
    AuthorizationStatus,
    AvailabilityType,
    CentralSystem,
    ChargePoint,
    ChargePointEvent,
    CsmsError,
    MessageTrigger,
    ResetType,
    Transaction,
    TransactionStartedEvent,
    TransactionStoppedEvent,
)

KINDS = {
    "availability": AvailabilityType,
    "message": MessageTrigger,
    "reset_type": ResetType,
}
"""Arguments that have a type of their own."""


class JsonLog(logging.Handler):
    """Everything that is logged, one JSON object a line."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = open(path, "a")  # noqa: SIM115  (as long as the process)

    def emit(self, record: logging.LogRecord) -> None:
        self._file.write(json.dumps({"level": record.levelname, "message": record.getMessage()}) + "\n")
        self._file.flush()


class Desk:
    """The central system, its records and its orders."""

    def __init__(self, records: str) -> None:
        self._records = open(records, "a")  # noqa: SIM115  (as long as the process)
        self.asked: Counter[str] = Counter()
        self.system = CentralSystem(host="127.0.0.1", port=0, heartbeat_interval=1, authorize=self._authorize)
        self.system.add_listener(self._on_event)

    async def _authorize(self, charge_point: ChargePoint, id_tag: str) -> AuthorizationStatus:
        self.asked[charge_point.id] += 1
        return AuthorizationStatus.BLOCKED if id_tag.startswith("BLOCKED") else AuthorizationStatus.ACCEPTED

    def _on_event(self, event: ChargePointEvent) -> None:
        if isinstance(event, TransactionStartedEvent):
            self._record(kind="start", **_said_at_start(event.charge_point_id, event.transaction))
        elif isinstance(event, TransactionStoppedEvent):
            transaction = event.transaction
            self._record(
                kind="stop",
                **_said_at_start(event.charge_point_id, transaction),
                meter_stop_wh=transaction.meter_stop,
                energy_wh=transaction.energy_wh,
                stopped_at=transaction.stopped_at.isoformat(),
                reason=transaction.stop_reason or "Local",
            )

    def _record(self, **fields: Any) -> None:
        self._records.write(json.dumps(fields) + "\n")
        self._records.flush()

    async def obey(self, line: str) -> None:
        """One line of stdin, one line of stdout."""
        order = json.loads(line)
        answer: dict[str, Any] = {"tag": order.get("tag")}
        try:
            answer["result"] = self._state() if order.get("op") == "state" else await self._call(order)
        except CsmsError as error:
            answer["error"] = {"code": type(error).__name__, "description": str(error)}
        print(json.dumps(answer, default=str), flush=True)

    async def _call(self, order: dict[str, Any]) -> Any:
        arguments = {name: KINDS.get(name, lambda value: value)(value) for name, value in order["arguments"].items()}
        method = getattr(self.system.charge_points[order["charge_point"]], f"async_{order['method']}")
        answer = await method(**arguments)
        return sorted(answer.values) if order["method"] == "get_configuration" else answer

    def _state(self) -> dict[str, Any]:
        return {
            name: {
                "connected": each.connected,
                "registration": each.registration_status,
                "boot": each.boot and [each.boot.vendor, each.boot.model],
                "connectors": {number: state.status for number, state in each.connectors.items()},
                "running": {
                    number: [transaction.connector_id, transaction.id_tag]
                    for number, transaction in each.transactions.items()
                },
                "measured": [reading.measurand for number in (1, 2) for reading in each.meter_readings(number)],
                "asked": self.asked[name],
            }
            for name, each in self.system.charge_points.items()
        }


def _said_at_start(charge_point: str, transaction: Transaction) -> dict[str, Any]:
    return {
        "charge_point": charge_point,
        "connector": transaction.connector_id,
        "transaction_id": transaction.transaction_id,
        "id_tag": transaction.id_tag,
        "meter_start_wh": transaction.meter_start,
        "started_at": transaction.started_at.isoformat(),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description="a central system by other hands, for interop tests")
    parser.add_argument("--records", required=True)
    parser.add_argument("--log", required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG, handlers=[JsonLog(arguments.log)])
    # Its messages in full are kept back by default.
    logging.getLogger("ocpp_csms.wire").setLevel(logging.DEBUG)
    desk = Desk(arguments.records)
    async with desk.system:
        print(desk.system.port, flush=True)
        reader = asyncio.StreamReader(limit=2**20)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async with asyncio.TaskGroup() as orders:
            while line := await reader.readline():
                orders.create_task(desk.obey(line.decode()))


if __name__ == "__main__":
    asyncio.run(main())
