"""Dialling: from nothing to an open WebSocket with its subprotocol agreed, or one reason why not."""

from collections.abc import Callable

import trio
from attrs import field, frozen
from attrs.validators import gt
from trio_websocket import WebSocketConnection, wrap_client_stream

from fleet.commands.impairments import NetworkFault
from fleet.link.endpoint import Endpoint
from fleet.link.failures import Failure, connecting_failed
from fleet.link.faults import NO_SUBPROTOCOL, Faults
from fleet.link.wire import Opened, OpenStream, StageFailed, Wire, open_wire_stream


@frozen
class Limits:
    """How long and how large things may get, in s and bytes. One object serves every link."""

    connect_s: float = field(default=30.0, validator=gt(0))
    close_s: float = field(default=5.0, validator=gt(0))
    send_s: float = field(default=30.0, validator=gt(0))
    pong_s: float = field(default=30.0, validator=gt(0))
    message_bytes: int = field(default=2**20, validator=gt(0))


async def dial(
    endpoint: Endpoint,
    limits: Limits,
    nursery: trio.Nursery,
    open_stream: OpenStream | None,
    faults: Faults | None,
    wired: Callable[[Wire], None],
    give_up: Callable[[Failure], None],
) -> tuple[WebSocketConnection, Opened]:
    """A WebSocket, its reader in `nursery`, and the stream below it; raises `StageFailed`.

    `wired` is handed the wire as soon as there is one: whoever cancels this closes it. `give_up` is the wire's.
    """
    target, offered, aborting = endpoint.target(), endpoint.subprotocols, False
    if faults is not None:
        failure = faults.not_connected()
        if failure is not None:
            raise StageFailed(failure)
        aborting = target.secure and faults.strike(NetworkFault.TLS) is not None
        offered = (NO_SUBPROTOCOL,) if faults.strike(NetworkFault.SUBPROTOCOL) else offered
    what = "TLS connection" if target.secure else "TCP connection"
    with trio.move_on_after(limits.connect_s):
        try:
            if open_stream is not None:
                opened = Opened(await open_stream())
            else:
                opened = await open_wire_stream(target, endpoint.tls_context, aborting=aborting)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise StageFailed(connecting_failed(error, stage="tcp")) from None
        what = "answer to the WebSocket handshake"
        wire = Wire(opened.stream, offered, limits.send_s, give_up)
        wired(wire)
        socket = await wrap_client_stream(
            nursery,
            wire,  # type: ignore[arg-type]  # any stream will do, its own documentation says
            target.host_header,
            target.resource,
            subprotocols=offered,
            extra_headers=endpoint.request_headers(target),
            max_message_size=limits.message_bytes,
        )
        if offered is not endpoint.subprotocols:
            raise StageFailed(Failure("subprotocol", f"the CSMS agreed to {NO_SUBPROTOCOL} (fault)"))
        return socket, opened
    raise StageFailed(Failure("timeout", f"no {what} within {limits.connect_s:g} s"))
