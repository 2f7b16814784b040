"""A central system by other hands: the `ocpp` package on `websockets`, in a process of its own.

The fleet is judged here by code that its authors did not write. Every payload that comes in or goes out passes the
package's JSON schemas; what the package is lenient about (frame shape, message ids, one CALL in flight, timestamps,
lost connections that come back) a tap on the wire checks as well. Nothing of `fleet` is imported.

    python tests/interop/counterpart.py --port 0 --records FILE [--log FILE] [--frames FILE] [--control]

The first line on stdout is the port. Lines of the three files, JSON each, appended and flushed before the answer
they belong to goes out, so that a SIGKILL takes nothing that a charge point was told:

- records: {"kind": "start", "charge_point", "connector", "id_tag", "transaction_id", "meter_start_wh", "started_at"}
  and {"kind": "stop", ... the same, "meter_stop_wh", "energy_wh", "stopped_at", "reason", "meter_values",
  "transaction_data"}; a message that came again is one of {"kind": "repeated-start" | "repeated-stop"} (the latter
  with "same": whether it said the same again), a stop that belongs to nothing is {"kind": "orphan-stop"}.
  Started again with the same file it knows the old transactions.
- log: {"rule", "charge_point", "detail", "frame"}: every rule a charge point broke. Empty when all is well.
- frames: {"at", "charge_point", "direction": "in" | "out" | "open" | "close", "frame"}: the wire, in order.

With --control, orders come as JSON lines on stdin, and their answers go, in any order, as JSON lines to stdout; an
order's "tag" is echoed. End of input ends the process.

- {"charge_point", "action", "payload", ["timeout_s"]} -> {"result": payload} or {"error": {"code", "description"}};
  codes beside those of CALLERROR: Timeout, NotConnected, BadOrder, BadResult (the answer broke its schema).
- {"op": "charge_points"} -> {"result": [ids connected]}
- {"op": "send", "charge_point", "text" | "hex"}: a frame as it stands (hex: binary), for frames no package would send
- {"op": "cut" | "close", "charge_point" (all when left out)}: TCP reset, or a WebSocket close with 1001
- {"op": "behave", "boot", "interval_s", "latency_s", "mute": [actions], "fail": {action: CALLERROR code},
  "id_tags": {tag: status}}: how every charge point is answered from now on; what is left out stays as it is.
- {"op": "misbook", "fault"}: the records of the next transaction to start are written wrongly, in one of the ways of
  `counterpart_books.FAULTS`; its answers are as ever. {"op": "misbooked"} -> {"result": its id, null before it starts}
"""

# mypy: disable-error-code="import-untyped, untyped-decorator"

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import ocpp.messages
from counterpart_books import FAULTS, Books, JsonLines
from counterpart_wire import Behaviour, Tap
from ocpp.charge_point import camel_to_snake_case
from ocpp.exceptions import OCPPError
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import Action, AuthorizationStatus, DataTransferStatus, GenericStatus, RegistrationStatus
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

# Two cores are shared with the fleet under test: a thread hop per message costs more than the validation.
ocpp.messages.ASYNC_VALIDATION = False


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Desk:
    """What all charge points of this central system share."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.records = JsonLines(arguments.records)
        self.log = JsonLines(arguments.log)
        self.frames = JsonLines(arguments.frames)
        self.books = Books(self.records)
        self.behaviour = Behaviour()
        self.connected: dict[str, CentralSide] = {}
        # The last answer to BootNotification, where there was one in this life.
        self.registrations: dict[str, str] = {}


class CentralSide(ChargePoint):  # type: ignore[misc]
    """The `ocpp` package's idea of one charge point, seen from the central system."""

    def __init__(self, charge_point: str, tap: Tap, desk: Desk) -> None:
        super().__init__(charge_point, tap, response_timeout=30)
        self.tap = tap
        self.desk = desk

    def _id_tag_info(self, id_tag: str) -> IdTagInfo:
        return IdTagInfo(status=AuthorizationStatus(self.desk.behaviour.id_tags.get(id_tag, "Accepted")))

    @on(Action.boot_notification)
    def on_boot_notification(self, **_: Any) -> call_result.BootNotification:
        behaviour = self.desk.behaviour
        self.desk.registrations[self.id] = behaviour.boot
        return call_result.BootNotification(
            current_time=utc_now(), interval=behaviour.interval_s, status=RegistrationStatus(behaviour.boot)
        )

    @on(Action.heartbeat)
    def on_heartbeat(self) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=utc_now())

    @on(Action.authorize)
    def on_authorize(self, id_tag: str) -> call_result.Authorize:
        return call_result.Authorize(id_tag_info=self._id_tag_info(id_tag))

    @on(Action.status_notification)
    def on_status_notification(self, **_: Any) -> call_result.StatusNotification:
        return call_result.StatusNotification()

    @on(Action.start_transaction)
    def on_start_transaction(
        self, connector_id: int, id_tag: str, meter_start: int, timestamp: str, **_: Any
    ) -> call_result.StartTransaction:
        transaction_id = self.desk.books.start(self.id, connector_id, id_tag, meter_start, timestamp)
        return call_result.StartTransaction(transaction_id=transaction_id, id_tag_info=self._id_tag_info(id_tag))

    @on(Action.meter_values)
    def on_meter_values(self, transaction_id: int | None = None, **_: Any) -> call_result.MeterValues:
        if transaction_id is not None:
            complaint = self.desk.books.meter_values(self.id, transaction_id)
            if complaint is not None:
                self.tap.odd("stray-meter-values", complaint)
        return call_result.MeterValues()

    @on(Action.stop_transaction)
    def on_stop_transaction(
        self,
        transaction_id: int,
        meter_stop: int,
        timestamp: str,
        reason: str = "Local",  # OCPP 1.6 section 5.10: left out, it is Local
        id_tag: str | None = None,
        transaction_data: list[Any] | None = None,
    ) -> call_result.StopTransaction:
        kind = self.desk.books.stop(
            self.id,
            transaction_id,
            meter_stop,
            timestamp,
            reason=reason,
            stop_id_tag=id_tag,
            transaction_data=len(transaction_data or ()),
        )
        if kind == "orphan-stop":
            self.tap.odd(kind, f"StopTransaction for transaction {transaction_id}, which it never started")
        return call_result.StopTransaction(id_tag_info=None if id_tag is None else self._id_tag_info(id_tag))

    @on(Action.data_transfer)
    def on_data_transfer(self, **_: Any) -> call_result.DataTransfer:
        return call_result.DataTransfer(status=DataTransferStatus.unknown_vendor_id)

    @on(Action.firmware_status_notification)
    def on_firmware_status_notification(self, **_: Any) -> call_result.FirmwareStatusNotification:
        return call_result.FirmwareStatusNotification()

    @on(Action.diagnostics_status_notification)
    def on_diagnostics_status_notification(self, **_: Any) -> call_result.DiagnosticsStatusNotification:
        return call_result.DiagnosticsStatusNotification()

    @on(Action.log_status_notification)
    def on_log_status_notification(self, **_: Any) -> call_result.LogStatusNotification:
        return call_result.LogStatusNotification()

    @on(Action.security_event_notification)
    def on_security_event_notification(self, **_: Any) -> call_result.SecurityEventNotification:
        return call_result.SecurityEventNotification()

    @on(Action.signed_firmware_status_notification)
    def on_signed_firmware_status_notification(self, **_: Any) -> call_result.SignedFirmwareStatusNotification:
        return call_result.SignedFirmwareStatusNotification()

    @on(Action.sign_certificate)
    def on_sign_certificate(self, **_: Any) -> call_result.SignCertificate:
        # The certificate comes by CertificateSigned, if it is ordered.
        return call_result.SignCertificate(status=GenericStatus.accepted)


async def attend(websocket: ServerConnection, desk: Desk) -> None:
    """One connection, from its handshake to its end."""
    path = websocket.request.path if websocket.request is not None else "/"
    charge_point = unquote(path.partition("?")[0].rsplit("/", 1)[-1])
    tap = Tap(charge_point, websocket, desk)
    side = CentralSide(charge_point, tap, desk)
    tap.trace("open", path)
    replaced = desk.connected.get(charge_point)
    desk.connected[charge_point] = side
    if replaced is not None:
        # The old connection was cut and nobody told us yet, or two charge points share an id.
        replaced.tap.websocket.transport.abort()
    pump = asyncio.create_task(tap.pump())
    try:
        await side.start()
    except (EOFError, ConnectionClosed):
        pass
    finally:
        pump.cancel()
        tap.trace("close", f"{websocket.close_code}")
        if websocket.close_code in (1002, 1003, 1007, 1009):
            tap.odd("websocket", f"closed with {websocket.close_code} {websocket.close_reason}")
        if desk.connected.get(charge_point) is side:
            del desk.connected[charge_point]


class OrderError(Exception):
    """An order that could not be carried out: (code, description)."""


async def carry_out(order: dict[str, Any], desk: Desk) -> Any:
    """The result of one order from stdin; raises OrderError."""
    operation = order.get("op")
    if operation is None:
        return await drive(order, desk)
    if operation == "charge_points":
        return sorted(desk.connected)
    if operation == "behave":
        try:
            desk.behaviour.change(**{key: value for key, value in order.items() if key not in ("op", "tag")})
        except ValueError as error:
            raise OrderError("BadOrder", str(error)) from None
        return {}
    if operation == "misbook":
        if order.get("fault") not in FAULTS:
            raise OrderError("BadOrder", f"no such fault: {order.get('fault')}; there are {', '.join(FAULTS)}")
        desk.books.fault, desk.books.victim = order["fault"], None
        return {}
    if operation == "misbooked":
        return desk.books.victim
    if operation in ("cut", "close"):
        sides = [side_of(order, desk)] if "charge_point" in order else list(desk.connected.values())
        for side in sides:
            if operation == "cut":
                side.tap.websocket.transport.abort()
            else:
                await side.tap.websocket.close(1001)
        return len(sides)
    if operation == "send":
        data = bytes.fromhex(order["hex"]) if "hex" in order else order["text"]
        await side_of(order, desk).tap.send_raw(data)
        return {}
    raise OrderError("BadOrder", f"no such op: {operation}")


async def drive(order: dict[str, Any], desk: Desk) -> Any:
    """Send a CALL by the package's own means and return the payload of its result, as on the wire."""
    side = side_of(order, desk)
    request_type: Callable[..., Any] | None = getattr(call, str(order.get("action")), None)
    if request_type is None:
        raise OrderError("BadOrder", f"no such action: {order.get('action')}")
    message_id = os.urandom(8).hex()
    try:
        request = request_type(**camel_to_snake_case(order.get("payload") or {}))
    except TypeError as error:
        raise OrderError("BadOrder", str(error)) from None
    calling = asyncio.create_task(side.call(request, suppress=False, unique_id=message_id))
    closing = asyncio.create_task(side.tap.websocket.wait_closed())
    timeout_s = order.get("timeout_s", 30)
    done, _ = await asyncio.wait({calling, closing}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if done == {closing}:
        # A last answer, such as a Reset's, can be read already and still on its way through the package.
        await asyncio.wait({calling}, timeout=1)
    for task in (calling, closing):
        task.cancel()
    if not done:
        side.tap.forget(message_id)
        raise OrderError("Timeout", f"no answer within {timeout_s} s")
    if not calling.done():
        raise OrderError("NotConnected", "the connection ended before the answer")
    failure = calling.exception()
    reply = side.tap.replies.pop(message_id, None)
    if isinstance(failure, ConnectionClosed):
        raise OrderError("NotConnected", "the connection had ended")
    if reply is None:
        # Our own request broke its schema and was never sent.
        raise OrderError("BadOrder", str(failure))
    if reply[0] == 4:
        raise OrderError(reply[2], reply[3])
    if failure is not None:
        cause = failure.details.get("cause", "") if isinstance(failure, OCPPError) else ""
        side.tap.odd("bad-result", f"{order['action']}: {type(failure).__name__}: {cause}", json.dumps(reply))
        raise OrderError("BadResult", f"{type(failure).__name__}: {cause}")
    return reply[2]


def side_of(order: dict[str, Any], desk: Desk) -> CentralSide:
    side = desk.connected.get(str(order.get("charge_point")))
    if side is None:
        raise OrderError("NotConnected", f"{order.get('charge_point')} is not connected")
    return side


async def obey(line: bytes, desk: Desk) -> None:
    """One line of stdin, one line of stdout."""
    answer: dict[str, Any] = {}
    try:
        order = json.loads(line)
        answer = {key: order[key] for key in ("tag", "charge_point", "action", "op") if key in order}
        answer["result"] = await carry_out(order, desk)
    except OrderError as error:
        answer["error"] = {"code": error.args[0], "description": error.args[1]}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        answer["error"] = {"code": "BadOrder", "description": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer, default=str), flush=True)


async def take_orders(desk: Desk, ended: asyncio.Event) -> None:
    """Orders from stdin, each in a task of its own, until it ends."""
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as orders:
        while line := await reader.readline():
            orders.create_task(obey(line, desk))
    ended.set()


class BugsOnly(logging.Filter):
    """The package logs every bad message with a traceback; those are in our log. What is left is our own bugs."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.exc_info is None or not isinstance(record.exc_info[1], OCPPError)


async def main() -> None:
    parser = argparse.ArgumentParser(description="a central system on the ocpp package, for interop tests")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--records", required=True)
    parser.add_argument("--log")
    parser.add_argument("--frames")
    parser.add_argument("--control", action="store_true")
    arguments = parser.parse_args()
    desk = Desk(arguments)
    logging.getLogger("ocpp").setLevel(logging.ERROR)
    logging.getLogger("ocpp").addFilter(BugsOnly())
    ended = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, ended.set)

    def look_at_handshake(_: ServerConnection, request: Request) -> Response | None:
        if "ocpp1.6" not in request.headers.get("Sec-WebSocket-Protocol", ""):
            desk.log.write(rule="subprotocol", charge_point=request.path, detail=str(request.headers), frame=None)
        return None

    # The backlog is large because a whole fleet connects at once.
    async with serve(
        lambda websocket: attend(websocket, desk),
        arguments.host,
        arguments.port,
        subprotocols=["ocpp1.6"],  # type: ignore[list-item]
        process_request=look_at_handshake,
        backlog=1024,
        compression=None,
        close_timeout=1,
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        orders = asyncio.create_task(take_orders(desk, ended)) if arguments.control else None
        await ended.wait()
        if orders is not None:
            orders.cancel()


if __name__ == "__main__":
    asyncio.run(main())
