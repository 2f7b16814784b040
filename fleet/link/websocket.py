"""The link: one charge point's WebSocket to its CSMS, opened again whenever it ends.

`run_link` is an actor beside the charge point. Orders come down its mailbox, what happens goes up as reports, and
whatever a CSMS or a network does becomes exactly one of these: `ConnectFailed` for a connection that never came about,
`LinkDown` for one that had been reported up. No exception but cancellation comes out of it.

What goes on while there is a connection is in `connection.py`; here it is what follows one, and when the next begins.

Cancelled, the link closes its socket at once; asked with `CloseLink`, it closes politely within `close_s`.
"""

from collections.abc import Callable

import trio
from attrs import define

from fleet.actors.mailbox import Address, Mailbox, MailboxClosed
from fleet.core.effects import LinkOrder, OpenLink
from fleet.core.reports import ConnectFailed, LinkDown, LinkReport
from fleet.link.backoff import Backoff
from fleet.link.connection import Connection, Gate
from fleet.link.dialling import Limits as Limits
from fleet.link.endpoint import Endpoint, EndpointFor
from fleet.link.failures import Failure
from fleet.link.faults import Draw
from fleet.link.wire import OpenStream

_LIMITS = Limits()
_BACKOFF = Backoff()


async def run_link(
    endpoint: Endpoint,
    orders: Mailbox[LinkOrder],
    up: Address[LinkReport],
    *,
    jitter: Callable[[int], float],
    connect: Gate | None = None,
    backoff: Backoff = _BACKOFF,
    open_stream: OpenStream | None = None,
    limits: Limits = _LIMITS,
    endpoint_for: EndpointFor | None = None,
    draw: Draw = lambda _: 0.5,
) -> None:
    """Keep one charge point connected until a `CloseLink(reconnect=False)`, or until either mailbox is closed.

    `connect` is awaited before the first connection only (the ramp); `jitter` gives the fraction in [0, 1) of the
    longest wait after so many failures in a row; `open_stream` stands in for TCP and TLS; `endpoint_for` is where to
    connect with other credentials than those it begins with; `draw` gives the number in [0, 1) that belongs to a name,
    by which faults strike or don't.
    """
    connection = Connection(endpoint, orders, up, connect, open_stream, limits, draw, endpoint_for)
    try:
        await _Link(connection, jitter, backoff).run()
    finally:
        if connection.faults is not None:
            connection.faults.let_go()


@define(eq=False)
class _Link:
    connection: Connection
    jitter: Callable[[int], float]
    backoff: Backoff
    failures: int = 0

    async def run(self) -> None:
        connection = self.connection
        # Who is switched on while it is to stay away doesn't even knock.
        connection.discard_stale_orders()
        asked = connection.asked
        if asked is not None:
            connection.forget()
            if not asked.reconnect or not await self._stay_away(trio.current_time() + asked.pause_s):
                return
        while True:
            await connection.live()
            asked = connection.asked
            delay_s = self._next_delay_s()
            # Reported before anything else is read: the charge point must know before it can be asked again.
            if not connection.orphaned:
                await self._report_end(delay_s)
            if connection.orphaned or (asked is not None and not asked.reconnect):
                return
            connection.forget()
            if not await self._stay_away(trio.current_time() + delay_s):
                return

    def _next_delay_s(self) -> float:
        connection = self.connection
        if connection.asked is not None:
            self.failures = 0
            return connection.asked.pause_s
        if connection.up_at is not None and trio.current_time() - connection.up_at >= self.backoff.settled_s:
            self.failures = 0
        delay_s = self.backoff.delay_s(self.failures, self.jitter(self.failures))
        self.failures += 1
        return delay_s

    async def _report_end(self, retry_in_s: float) -> None:
        connection = self.connection
        failure = connection.failure
        try:
            if connection.up_at is not None:
                reason, detail, _ = failure or Failure("internal", "ended for no known reason")
                await connection.up.report(LinkDown(reason, connection.endpoint.redact(detail)))
            elif connection.asked is None:
                reason, detail, event = failure or Failure("internal", "not connected for no known reason")
                detail = connection.endpoint.redact(detail)
                await connection.up.report(ConnectFailed(reason, detail, retry_in_s, event))
        except MailboxClosed:
            connection.orphaned = True

    async def _stay_away(self, until: float) -> bool:
        """Until `until`, or until told to connect; frames are dropped. False when there is to be no more connection."""
        connection = self.connection
        while True:
            try:
                order = await connection.orders.receive_until(until)
            except (trio.ClosedResourceError, trio.EndOfChannel):
                return False
            if order is None:
                return True
            if isinstance(order, OpenLink):
                # Somebody wants it now: what failed before says nothing any more.
                self.failures = 0
                return True
            connection.note(order)
            asked, connection.asked = connection.asked, None
            if asked is not None:
                if not asked.reconnect:
                    return False
                until = trio.current_time() + asked.pause_s
