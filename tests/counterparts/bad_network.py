"""A few charge points, the embedded CSMS, and between them a network that a test spoils; in virtual time.

The CSMS is the one that `fleet csms` runs: it survives whatever comes, writes down what was odd, knows a message that
it hears again, and its records are the books. `overlaps` watches the charge points at their own end, above the faults:
a CALL that one says while its last is neither answered nor timed out nor cut off.
"""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import orjson
import trio
from attrs import define, field
from counterparts.scripted import CALL, CALL_TIMEOUT_S, EPOCH_S
from trio.testing import memory_stream_pair

from fleet.actors.charge_point import ErrandRunner, RunLink, run_no_errand
from fleet.actors.fleet import Fleet, Surroundings
from fleet.clock import Clock
from fleet.commands.impairments import Impair, Mend
from fleet.commands.vocabulary import Command, PlugIn, StartTransaction, StopTransaction, Unplug
from fleet.core.credentials import Credentials, password_of
from fleet.core.delivery_reports import MessageLost
from fleet.core.dialects.v16 import Dialect16
from fleet.core.plan import ChargePointPlan, ConnectorPlan, SecurityPlan
from fleet.core.reports import (
    FrameSeen,
    FrameSent,
    GivenUp,
    LinkDown,
    ObservedReport,
    Registered,
    Restarted,
    TransactionStarted,
)
from fleet.csms.central import Central
from fleet.csms.gate import Gate, Security
from fleet.csms.records import OddityRecord, Record, StartRecord, StopRecord
from fleet.csms.server import Server
from fleet.link.endpoint import Endpoint, Header, basic_auth
from fleet.link.websocket import run_link
from fleet.randomness import unit

R = TypeVar("R")

PASSWORD = "the-first-password"
"""Of every charge point, before the CSMS gives it another."""

PATIENT = {
    "WebSocketPingInterval": "20",
    "MeterValueSampleInterval": "30",
    "TransactionMessageAttempts": "1000",
    "TransactionMessageRetryInterval": "1",
}
"""A configuration that gives no message up, however long the network is bad."""


@define(eq=False)
class BadNetwork:
    """What a test has in hand."""

    nursery: trio.Nursery
    seed: int
    records: list[Record] = field(factory=list)
    reports: list[tuple[str, ObservedReport]] = field(factory=list)
    overlaps: list[str] = field(factory=list)
    frames_wanted: bool = True
    run_errand: ErrandRunner = run_no_errand
    gate: Gate | None = None
    _in_flight: dict[str, tuple[str, float]] = field(factory=dict)
    server: Server = field(init=False)
    fleet: Fleet = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = Server(Central(_utc, self.records.append), gate=self.gate)
        surroundings = Surroundings(
            self.seed, Clock(EPOCH_S), Dialect16(), self, self._link, run_errand=self.run_errand
        )
        self.fleet = Fleet(surroundings, self.nursery)

    # ---- the wiring --------------------------------------------------------------------------------------------------

    def _link(self, plan: ChargePointPlan, incarnation: int) -> RunLink:
        name = f"{plan.id}/{incarnation}"
        endpoint_for = partial(_endpoint, plan.id)
        return partial(
            run_link,
            endpoint_for(Credentials(plan.security.profile)),
            jitter=lambda failures: unit(self.seed, f"{name}/backoff/{failures}"),
            open_stream=self._open_stream,
            draw=lambda what: unit(self.seed, f"{name}/faults/{what}"),
            endpoint_for=endpoint_for,
        )

    async def _open_stream(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = memory_stream_pair()
        self.nursery.start_soon(self.server.serve_stream, ours)
        return theirs

    def report(self, charge_point: str, report: ObservedReport) -> None:
        """The observer's part."""
        self.reports.append((charge_point, report))
        if isinstance(report, FrameSent | FrameSeen):
            self._watch(charge_point, report)
        elif isinstance(report, LinkDown):
            self._in_flight.pop(charge_point, None)

    def _watch(self, charge_point: str, report: FrameSent | FrameSeen) -> None:
        try:
            message_type, id = orjson.loads(report.text)[:2]
        except ValueError:
            return
        awaited, since = self._in_flight.get(charge_point, ("", -math.inf))
        if message_type != CALL:
            if isinstance(report, FrameSeen) and id == awaited:
                del self._in_flight[charge_point]
        elif isinstance(report, FrameSent):
            if report.at < since + CALL_TIMEOUT_S:
                self.overlaps.append(f"{charge_point}: {report.text!r} {report.at - since:g} s after {awaited}")
            self._in_flight[charge_point] = id, report.at

    # ---- acting ------------------------------------------------------------------------------------------------------

    async def do(self, target: str, command: Command) -> None:
        """Ask `CP/connector` (or `CP`) for something that must be done."""
        charge_point, _, connector = target.partition("/")
        refusal = await self.fleet.ask(charge_point, int(connector or 0), command)
        assert refusal is None, refusal

    async def begin(self, target: str) -> None:
        """A car comes and charges."""
        await self.do(target, PlugIn())
        await self.do(target, StartTransaction(f"TAG-{target[-1]}"))

    async def end(self, target: str) -> None:
        """It has enough and goes."""
        await self.do(target, StopTransaction())
        await self.do(target, Unplug())

    async def impair(self, impair: Impair, charge_point: str = "CP1") -> None:
        """Put a fault on the network."""
        await self.do(charge_point, impair)

    async def restart_csms(self) -> None:
        """Everybody is sent away, and a new life of the CSMS begins with the records of the last one."""
        last = self.server
        await last.close()
        for connection in tuple(last._connections.values()):
            # It has not heard, or its peer is beyond hearing.
            connection.scope.cancel()
        await self.until(lambda: not last.connected)
        central = Central(_utc, self.records.append, last.central.policy, tuple(self.records))
        self.server = Server(central, gate=last.gate)
        self.server.latency_s = last.latency_s

    async def mend(self, charge_point: str = "CP1") -> None:
        """The network is as good as new."""
        await self.do(charge_point, Mend())

    # ---- looking -----------------------------------------------------------------------------------------------------

    def reported(self, kind: type[R]) -> list[R]:
        """All reports of this type."""
        return [report for _, report in self.reports if isinstance(report, kind)]

    def oddities(self) -> set[str]:
        """The rules that charge points broke, as the CSMS saw it."""
        return {record.rule for record in self.records if isinstance(record, OddityRecord)}

    async def until(self, condition: Callable[[], Any], timeout_s: float = 3600.0) -> None:
        """Let time pass until something is so; fails when it never gets so."""
        with trio.fail_after(timeout_s):
            while not condition():
                await trio.sleep(0.1)

    async def booted(self) -> None:
        """Until every charge point is accepted."""
        await self.until(lambda: len(self.reported(Registered)) >= len(self.fleet.berths))
        await trio.sleep(1)

    @property
    def balanced(self) -> bool:
        """Every transaction that was started is in the CSMS's records, once and closed."""
        starts = [record for record in self.records if isinstance(record, StartRecord)]
        stops = [record for record in self.records if isinstance(record, StopRecord)]
        return len(starts) == len(stops) == len(self.reported(TransactionStarted))

    async def recovers(self, charge_point: str = "CP1", timeout_s: float = 3600.0) -> None:
        """The CSMS hears of everything, a whole transaction goes through, the books balance, and nothing crashed."""
        await self.begin(f"{charge_point}/2")
        await trio.sleep(60)
        await self.end(f"{charge_point}/2")
        await self.until(lambda: self.balanced, timeout_s)
        await self.until(lambda: charge_point in self.server.connected, timeout_s)
        starts = {r.transaction_id: r for r in self.records if isinstance(r, StartRecord)}
        for stop in (record for record in self.records if isinstance(record, StopRecord)):
            start = starts.pop(stop.transaction_id)
            assert (start.charge_point, start.connector, start.id_tag) == (
                *(stop.charge_point, stop.connector),
                stop.id_tag,
            )
            assert stop.meter_stop_wh >= start.meter_start_wh
        assert starts == {}
        assert self.oddities().isdisjoint({"conflicting-stop", "orphan-stop"})
        assert self.overlaps == []
        assert self.reported(MessageLost) == []
        assert self.reported(Restarted) == self.reported(GivenUp) == []


def _endpoint(charge_point: str, credentials: Credentials, _roots: tuple[str, ...] = ()) -> Endpoint:
    """The one door that there is, over TLS in name only; who should show a certificate has none to show."""
    shown: tuple[Header, ...] = ()
    if credentials.security_profile in (1, 2):
        key = credentials.authorization_key
        shown = (basic_auth(charge_point, PASSWORD if key is None else password_of(key)),)
    scheme = "ws" if credentials.security_profile < 2 else "wss"
    return Endpoint(f"{scheme}://central/{charge_point}", headers=shown)


def _utc() -> datetime:
    return datetime.fromtimestamp(EPOCH_S, UTC) + timedelta(seconds=trio.current_time())


@asynccontextmanager
async def bad_network(
    charge_points: int = 1,
    seed: int = 7,
    configuration: dict[str, str] | None = None,
    run_errand: ErrandRunner = run_no_errand,
    security: SecurityPlan | None = None,
) -> AsyncIterator[BadNetwork]:
    """`charge_points` called CP1, CP2, ... with two connectors each, booted. Use it under the autojump clock.

    With a `security` plan of profile 1 the CSMS asks for the password, which it may change.
    """
    security = security or SecurityPlan()
    gate = Gate(Security(1, password=PASSWORD)) if security.profile else None
    configuration = {**PATIENT, "SecurityProfile": str(security.profile), **(configuration or {})}
    async with trio.open_nursery() as nursery:
        made = BadNetwork(nursery, seed, run_errand=run_errand, gate=gate)
        for number in range(1, charge_points + 1):
            plan = ChargePointPlan(
                f"CP{number}", (ConnectorPlan(),) * 2, configuration=configuration, security=security
            )
            made.fleet.add(plan)
        await made.booted()
        yield made
        nursery.cancel_scope.cancel()
