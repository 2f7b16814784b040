"""A charge point, its tasks and its link against the embedded central system, which gives it other passwords."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar, cast

import trio
import trio.testing
from attrs import define
from counterparts.world import QUIET, KeepingObserver

from fleet.actors.charge_point import RunLink
from fleet.actors.fleet import Fleet, Surroundings
from fleet.clock import Clock
from fleet.commands.vocabulary import PlugIn, Reset, StartTransaction, StopTransaction
from fleet.core.credentials import Credentials
from fleet.core.dialects.v16 import Dialect16
from fleet.core.plan import ChargePointPlan, SecurityPlan
from fleet.core.reports import ConnectFailed, CredentialsSettled, Registered
from fleet.csms.central import Central
from fleet.csms.gate import Gate, Security
from fleet.csms.records import OddityRecord, Record, StopRecord
from fleet.csms.server import Server
from fleet.link.endpoint import Endpoint, basic_auth
from fleet.link.websocket import run_link
from fleet.ocpp.v16 import ChangeConfigurationRequest, ChangeConfigurationResponse
from fleet.words import ConfigurationStatus, ResetKind

R = TypeVar("R")
CP = "CP1"
FIRST, SECOND = "the-first-password", "the-second-password"


class Forgetful(Gate):
    """Gives out passwords and doesn't keep them."""

    def accept(self, charge_point: str, *passwords: str) -> None:
        pass


@define(eq=False)
class Home:
    """One charge point and its CSMS."""

    server: Server
    fleet: Fleet
    observer: KeepingObserver
    records: list[Record]

    async def change_password(self, password: str) -> ConfigurationStatus:
        response = await self.server.call(CP, ChangeConfigurationRequest("AuthorizationKey", password))
        return cast(ChangeConfigurationResponse, response).status

    async def until_connected(self) -> None:
        with trio.fail_after(3600):
            while CP not in self.server.connected:
                await trio.sleep(0.1)

    def told(self, kind: type[R]) -> list[R]:
        return [report for _, report in self.observer.reports if isinstance(report, kind)]


@asynccontextmanager
async def home(gate: Gate | None = None) -> AsyncIterator[Home]:
    """A charge point that connects with the first password, and a CSMS that knows it."""
    async with trio.open_nursery() as nursery:
        records: list[Record] = []
        gate = gate or Gate(Security(1, password=FIRST))
        server = Server(Central(lambda: datetime.now(UTC), records.append), gate=gate)

        async def open_stream() -> trio.abc.Stream:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(server.serve_stream, theirs)
            return ours

        def endpoint_for(credentials: Credentials, _roots: tuple[str, ...] = ()) -> Endpoint:
            return Endpoint(f"ws://csms/{CP}", headers=(basic_auth(CP, credentials.authorization_key or FIRST),))

        def link(_plan: ChargePointPlan, _incarnation: int) -> RunLink:
            return partial(
                run_link,
                endpoint_for(Credentials(1)),
                jitter=lambda _: 0.5,
                open_stream=open_stream,
                endpoint_for=endpoint_for,
            )

        observer = KeepingObserver()
        fleet = Fleet(Surroundings(7, Clock.system(), Dialect16(), observer, link), nursery)
        security = SecurityPlan(1, frozenset({0, 1}), has_password=True)
        fleet.add(ChargePointPlan(CP, configuration={**QUIET, "SecurityProfile": "1"}, security=security))
        made = Home(server, fleet, observer, records)
        await made.until_connected()
        await trio.sleep(1)
        yield made
        nursery.cancel_scope.cancel()


async def test_it_comes_back_with_the_password_that_it_was_given(autojump_clock: trio.testing.MockClock) -> None:
    async with home() as at:
        assert await at.change_password(SECOND) is ConfigurationStatus.ACCEPTED
        await trio.sleep(5)
        assert at.server.connected == {CP}
        assert [settled.adopted for settled in at.told(CredentialsSettled)] == [True]
        # It stays registered, and a reboot finds the new password.
        assert len(at.told(Registered)) == 1
        assert await at.fleet.ask(CP, 0, Reset(ResetKind.HARD)) is None
        await trio.sleep(5)
        assert len(at.told(Registered)) == 2
        assert not at.told(ConnectFailed)


async def test_a_csms_that_forgot_it_gets_the_old_one(autojump_clock: trio.testing.MockClock) -> None:
    async with home(Forgetful(Security(1, password=FIRST))) as at:
        assert await at.change_password(SECOND) is ConfigurationStatus.ACCEPTED
        await trio.sleep(30)
        assert at.server.connected == {CP}
        assert [settled.adopted for settled in at.told(CredentialsSettled)] == [False]
        assert [failed.reason for failed in at.told(ConnectFailed)] == ["http-401"]


async def test_a_transaction_goes_on_meanwhile_and_its_stop_is_delivered(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with home() as at:
        assert await at.fleet.ask(CP, 1, PlugIn()) is None
        assert await at.fleet.ask(CP, 1, StartTransaction("TAG")) is None
        await trio.sleep(60)
        assert await at.change_password(SECOND) is ConfigurationStatus.ACCEPTED
        # In the very moment in which there is no connection.
        assert await at.fleet.ask(CP, 1, StopTransaction()) is None
        await trio.sleep(60)
        assert [type(record) for record in at.records].count(StopRecord) == 1
        assert not [record for record in at.records if isinstance(record, OddityRecord)]


async def test_no_password_is_in_anything_that_was_reported_or_recorded(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with home() as at:
        await at.change_password(SECOND)
        await trio.sleep(5)
        at.server.gate.accept(CP, "nobody-told-it-this-one")
        assert await at.fleet.ask(CP, 0, Reset(ResetKind.HARD)) is None
        await trio.sleep(60)
        assert at.told(ConnectFailed)
        shown = repr(at.observer.reports) + repr(at.records) + repr(at.fleet.berths[CP].plan)
        for password in (FIRST, SECOND):
            assert password not in shown
