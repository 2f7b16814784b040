"""A stage for one charge point: what it and the CSMS say to each other, both ways, as lines to compare.

A line is short: a CALL of the charge point is its action, a status `connector:status` (with the error, if there is
one); a CALL of the CSMS is `Reset.req`, and its answer `Reset.conf Accepted`. Answers of the CSMS have no line: they
follow at once. So a test reads as a transcript:

    await stage.do("1", PlugIn())
    await stage.expect("1:Preparing")

`expect` wants exactly these lines, in this order, and silence after them. The mains can fail, with the charge point's
memory and the world around it kept. Use it under the autojump clock.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import trio
from attrs import define, field
from counterparts.outside import Outside
from counterparts.scripted import CALL, ERROR, RESULT, ScriptedCentral

from fleet.actors.charge_point import RunLink
from fleet.actors.fleet import Fleet, Surroundings
from fleet.clock import Clock
from fleet.commands.vocabulary import Command, PlugIn, Swipe
from fleet.core.credentials import Credentials
from fleet.core.dialects.v16 import Dialect16
from fleet.core.memory import ChargePointMemory
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import ObservedReport, ProtocolViolated
from fleet.link.endpoint import Endpoint, basic_auth
from fleet.link.websocket import run_link

CP = "CP1"
PASSWORD = "the-first-password"
"""What it has to show in the security profiles that want one, until it is given another."""
EPOCH_S = 1_795_348_800.0
"""2026-11-22T12:00:00Z, when the virtual clock says 0."""
QUIET_S = 0.5
"""How long nothing more may be said before a transcript counts as complete."""
DAY_S = 86_400
SILENT = {"MeterValueSampleInterval": "0"}
"""Configuration of a charge point that takes no samples, where a test isn't about them."""

Payload = dict[str, Any]


@define
class Spoken:
    """One thing that was said: `line` for people, `payload` (of an error: its code) for closer looks."""

    line: str
    action: str
    payload: Any
    at: float


@define(eq=False)
class RecordingCentral(ScriptedCentral):
    """A scripted CSMS that writes down both sides of the dialogue, as far as the charge point has its part in it."""

    spoken: list[Spoken] = field(factory=list)
    asked: dict[str, str] = field(factory=dict)
    news: trio.Event = field(factory=trio.Event)

    def _take(self, charge_point: str, frame: list[Any], *rest: Any) -> None:
        if frame[0] == CALL:
            self._write(_line(frame[2], frame[3]), frame[2], frame[3])
        else:
            action = self.asked.get(frame[1], "?")
            outcome = frame[2].get("status", "") if frame[0] == RESULT else frame[2]
            kind = "error" if frame[0] == ERROR else "conf"
            self._write(f"{action}.{kind} {outcome}".rstrip(), action, frame[2])
        super()._take(charge_point, frame, *rest)

    async def send_text(self, charge_point: str, text: str | bytes) -> None:
        frame = orjson.loads(text)
        self.asked[frame[1]] = frame[2]
        self._write(f"{frame[2]}.req", frame[2], frame[3])
        await super().send_text(charge_point, text)

    def _write(self, line: str, action: str, payload: Any) -> None:
        self.spoken.append(Spoken(line, action, payload, trio.current_time()))
        self.news.set()
        self.news = trio.Event()


def _line(action: str, payload: Payload) -> str:
    if action != "StatusNotification":
        return action
    error = "" if payload["errorCode"] == "NoError" else f" {payload['errorCode']}"
    return f"{payload['connectorId']}:{payload['status']}{error}"


@define(eq=False)
class Stage:
    """What a test has in hand: the CSMS, the charge point, its memory, and the switch of the mains."""

    central: RecordingCentral
    plan: ChargePointPlan
    memory: ChargePointMemory
    nursery: trio.Nursery
    reports: list[ObservedReport] = field(factory=list)
    fleet: Fleet | None = None
    outside: Outside = field(factory=Outside)
    frames_wanted: bool = False
    _mains: trio.CancelScope | None = None
    _dark: trio.Event = field(factory=trio.Event)

    # ---- the mains ---------------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """The charge point boots, over the memory that it has."""
        self.nursery.start_soon(self._live)

    async def power_cut(self) -> None:
        """The mains fail: everything stops in this instant, with nothing said."""
        assert self._mains is not None
        self._mains.cancel()
        await self._dark.wait()

    async def _live(self) -> None:
        self._dark = trio.Event()
        async with trio.open_nursery() as nursery:
            self._mains = nursery.cancel_scope
            surroundings = Surroundings(7, Clock(EPOCH_S), Dialect16(), self, self._link, run_errand=self.outside.run)
            self.fleet = Fleet(surroundings, nursery)
            self.fleet.add(self.plan, self.memory)
        self.fleet = None
        self._dark.set()

    def _link(self, plan: ChargePointPlan, _incarnation: int) -> RunLink:
        endpoint = _endpoint(Credentials(plan.security.profile))
        link = partial(run_link, endpoint, jitter=lambda _: 0.5, open_stream=self.central.open_stream)
        return partial(link, endpoint_for=_endpoint)

    def report(self, _charge_point_id: str, report: ObservedReport) -> None:
        """The observer's part."""
        self.reports.append(report)

    # ---- the network -------------------------------------------------------------------------------------------------

    async def go_offline(self) -> None:
        """The connection breaks, and none comes about until `go_online`."""
        self.central.refusing = True
        await self.central.cut()
        await trio.sleep(1)

    def go_online(self) -> None:
        """From now on the charge point's next attempt to connect succeeds."""
        self.central.refusing = False

    # ---- acting ------------------------------------------------------------------------------------------------------

    async def do(self, connector: int, command: Command) -> None:
        """Ask for something that must be done; connector 0 is the charge point."""
        refusal = await self.ask(connector, command)
        assert refusal is None, refusal

    async def ask(self, connector: int, command: Command) -> str | None:
        """Ask for something; returns the refusal."""
        assert self.fleet is not None
        return await self.fleet.ask(CP, connector, command)

    async def call(self, action: str, payload: Payload | None = None, timeout_s: float = 30.0) -> Any:
        """A CALL of the CSMS; returns the answer's payload, or `(code, description)` of a CALLERROR."""
        return await self.central.call(CP, action, payload or {}, timeout_s)

    async def charge(self, connector: int = 1, id_tag: str = "TAG") -> int:
        """Plug in, present a tag, charge; returns the transaction id. The transcript starts anew afterwards."""
        await self.do(connector, PlugIn())
        await self.do(connector, Swipe(id_tag))
        await self.expect(f"{connector}:Preparing", "Authorize", "StartTransaction", f"{connector}:Charging")
        binding = self.memory.connectors[connector - 1].transaction
        assert binding is not None
        assert binding.transaction_id is not None
        return binding.transaction_id

    # ---- listening ---------------------------------------------------------------------------------------------------

    async def expect(self, *lines: str, within_s: float = 60.0, quiet_s: float = QUIET_S) -> list[Spoken]:
        """These lines and no others are said from where the transcript stands; returns them and starts anew."""
        with trio.move_on_after(within_s):
            while len(self.central.spoken) < len(lines):
                await self.central.news.wait()
        await trio.sleep(quiet_s)
        said = [spoken.line for spoken in self.central.spoken]
        assert said == list(lines), f"\n  said:   {said}\n  wanted: {list(lines)}"
        return self.forget()

    async def until(self, line: str, within_s: float = 3600.0) -> None:
        """Wait for a line, whatever comes before it."""
        with trio.fail_after(within_s):
            while all(spoken.line != line for spoken in self.central.spoken):
                await self.central.news.wait()

    def broken_rules(self) -> list[str]:
        """The rules that the CSMS broke, as the test meant it to: any that isn't asked for here fails the test."""
        broken = [report for report in self.reports if isinstance(report, ProtocolViolated)]
        self.reports = [report for report in self.reports if not isinstance(report, ProtocolViolated)]
        return [report.rule for report in broken]

    def forget(self) -> list[Spoken]:
        """Start the transcript anew; returns the old one."""
        spoken, self.central.spoken = self.central.spoken, []
        return spoken


def _endpoint(credentials: Credentials, _roots: tuple[str, ...] = ()) -> Endpoint:
    """Where it connects to, and with what: a password in security profiles 1 and 2. There is no TLS on the stage."""
    shown = basic_auth(CP, credentials.authorization_key or PASSWORD)
    return Endpoint(f"ws://central/ocpp/{CP}", headers=(shown,) if credentials.security_profile in (1, 2) else ())


@asynccontextmanager
async def stage(
    configuration: dict[str, str] | None = None,
    answers: dict[str, Callable[[Payload], Any]] | None = None,
    connectors: int = 1,
    connector_plan: ConnectorPlan | None = None,
    booted: bool = True,
    **plan: Any,
) -> AsyncIterator[Stage]:
    """A charge point, booted and with the transcript empty unless `booted` is False; it takes no samples by default.

    Heartbeats come once a day, unless `answers` says something else to BootNotification.
    """
    async with trio.open_nursery() as nursery:
        central = RecordingCentral(nursery, {"BootNotification": boot_answer(), **(answers or {})})
        made = Stage(
            central,
            ChargePointPlan(
                CP,
                (connector_plan or ConnectorPlan(),) * connectors,
                configuration={**SILENT, **(configuration or {})},
                **plan,
            ),
            ChargePointMemory.blank(connectors),
            nursery,
        )
        made.power_on()
        if booted:
            statuses = [f"{connector}:Available" for connector in range(connectors + 1)]
            await made.expect("BootNotification", *statuses)
        yield made
        assert not [report for report in made.reports if isinstance(report, ProtocolViolated)]
        nursery.cancel_scope.cancel()


def utc(at: float) -> str:
    """An instant of the virtual clock, as it stands on the wire."""
    return datetime.fromtimestamp(EPOCH_S + at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def boot_answer(status: str = "Accepted", interval_s: int = DAY_S) -> Callable[[Payload], Payload]:
    """An answer to BootNotification."""
    return lambda _: {"status": status, "currentTime": utc(trio.current_time()), "interval": interval_s}


def in_turn(*answers: Any) -> Callable[[Payload], Any]:
    """Give these answers (or what these functions make of the request) one after the other, the last one ever after."""
    waiting = list(answers)

    def answer(payload: Payload) -> Any:
        following = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return following(payload) if callable(following) else following

    return answer


def id_tag_info(status: str = "Accepted", parent: str | None = None, transaction_id: int | None = None) -> Payload:
    """An answer to Authorize or, with a transaction id, to StartTransaction."""
    info = {"status": status} if parent is None else {"status": status, "parentIdTag": parent}
    return {"idTagInfo": info} if transaction_id is None else {"transactionId": transaction_id, "idTagInfo": info}
