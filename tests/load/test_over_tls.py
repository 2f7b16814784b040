"""Charge points and a CSMS over real TLS: certificates are renewed, roots change hands, and both have a way back."""

import ssl
import warnings
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import trio
from attrs import define
from counterparts.certificates import pki, security
from counterparts.pki import Party
from counterparts.world import KeepingObserver
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from fleet.actors.fleet import Fleet, Surroundings
from fleet.clock import Clock
from fleet.core.dialects.v16 import Dialect16
from fleet.core.memory import ChargePointMemory
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import ConnectFailed, CredentialsSettled, ObservedReport
from fleet.csms.central import Central, FromChargePoint
from fleet.csms.gate import Gate, Header, Refusal
from fleet.csms.records import OddityRecord, Record
from fleet.csms.server import Server
from fleet.csms.signing import Signer
from fleet.errands.runner import Errands
from fleet.load.config import RunConfig
from fleet.load.config_file import structure
from fleet.load.links import WebSocketLinks
from fleet.load.planning import plans
from fleet.ocpp.v16_security import (
    DeleteCertificateRequest,
    DeleteCertificateResponse,
    ExtendedMessageTrigger,
    ExtendedTriggerMessageRequest,
    GetInstalledCertificateIdsRequest,
    GetInstalledCertificateIdsResponse,
    InstallCertificateRequest,
    InstallCertificateResponse,
    SecurityEventNotificationRequest,
)
from fleet.pki.authority import Authority, Identity, Validity
from fleet.pki.folder import write
from fleet.pki.layout import Layout
from fleet.words.security import CertificateUse

CP = "CP0001"
R = TypeVar("R")
PATIENCE_S = 30.0


class Watchful(Gate):
    """Writes down the serial number of every certificate that it lets in."""

    serials: list[int]

    def refusal(self, charge_point: str, headers: Iterable[Header], stream: trio.abc.Stream) -> Refusal | None:
        shown = cast(Any, stream).getpeercert()
        if shown:
            self.serials.append(int(shown["serialNumber"], 16))
        return super().refusal(charge_point, headers, stream)


class Hearing(Central):
    """Writes down the security events that it is told."""

    security_events: list[str]

    def answer(self, charge_point: str, request: FromChargePoint) -> object:
        if isinstance(request, SecurityEventNotificationRequest):
            self.security_events.append(request.type)
        return super().answer(charge_point, request)


@define(eq=False)
class Home:
    """One charge point, whose CSMS asks for its certificate."""

    server: Server
    gate: Watchful
    observer: KeepingObserver
    memory: ChargePointMemory
    records: list[Record]
    central: Hearing

    async def call(self, request: object) -> Any:
        return await self.server.call(CP, request)

    async def reconnect(self) -> None:
        """The connection breaks; the charge point comes back by itself."""
        self.server._connections[CP].scope.cancel()
        await self.until(lambda: CP not in self.server.connected)

    async def until(self, true: Any) -> None:
        with trio.fail_after(PATIENCE_S):
            while not true():
                await trio.sleep(0.01)

    async def until_connected(self, times: int) -> None:
        await self.until(lambda: len(self.gate.serials) >= times and CP in self.server.connected)

    def told(self, kind: type[R]) -> list[R]:
        reports: list[tuple[str, ObservedReport]] = self.observer.reports
        return [report for _, report in reports if isinstance(report, kind)]

    def told_of_security(self) -> list[str]:
        """What the CSMS heard."""
        return self.central.security_events

    def events(self) -> list[str]:
        """What the log has."""
        return [notice.word for notice in self.memory.security_log]


@asynccontextmanager
async def home(layout: Layout, authority: Layout | None = None, **keys: str) -> AsyncIterator[Home]:
    """A charge point with the files of this PKI and these configuration keys.

    `authority` signs what it asks for, which may be another's root.
    """
    async with trio.open_nursery() as nursery, Errands() as errands:
        records: list[Record] = []
        gate = Watchful(security(layout, 3))
        gate.serials = []
        central = Hearing(lambda: datetime.now(UTC), records.append, sign=Signer(authority or layout))
        central.security_events = []
        server = Server(central, gate=gate)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server.host, server.port = "localhost", listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, server.serve_stream, listeners)
        settings = {"url": server.url, "tls": str(layout.folder), "backoff_base": "0.05s"}
        config: RunConfig = structure(
            {"csms": settings, "charge_points": [{"count": 1, "configuration": keys}]}, "test"
        )
        links = WebSocketLinks(config.csms.url, config.csms, 1, Dialect16.subprotocol)
        observer = KeepingObserver()
        surroundings = Surroundings(1, Clock.system(), Dialect16(), observer, links, run_errand=errands.run)
        plan: ChargePointPlan = plans(config)[0]
        memory = ChargePointMemory.blank(len(plan.connectors))
        Fleet(surroundings, nursery).add(plan, memory)
        made = Home(server, gate, observer, memory, records, central)
        await made.until_connected(1)
        await made.until(lambda: made.told_of_security() and not memory.notices)
        yield made
        nursery.cancel_scope.cancel()


def serial(pem: str) -> int:
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


RENEW = ExtendedTriggerMessageRequest(ExtendedMessageTrigger.SIGN_CHARGE_POINT_CERTIFICATE)


# ---- its own certificate ---------------------------------------------------------------------------------------------


async def test_a_renewed_certificate_is_the_one_that_the_csms_sees_from_then_on(tmp_path: Path) -> None:
    layout = pki(tmp_path, CP)
    async with home(layout) as at:
        first = serial(layout.charge_point(CP).read_text())
        assert at.gate.serials == [first]
        await at.call(RENEW)
        await at.until_connected(2)
        await at.until(lambda: at.told(CredentialsSettled))
        assert at.memory.certificate is not None
        second = serial(at.memory.certificate.chain)
        assert second != first
        assert at.gate.serials == [first, second]
        assert [settled.adopted for settled in at.told(CredentialsSettled)] == [True]
        await at.reconnect()
        await at.until_connected(3)
        assert at.gate.serials == [first, second, second]
        assert [record.rule for record in at.records if isinstance(record, OddityRecord)] == []


async def test_one_that_the_csms_does_not_take_is_given_up_for_the_one_before(tmp_path: Path) -> None:
    layout, strangers = pki(tmp_path / "ours", CP), pki(tmp_path / "theirs")
    async with home(layout, strangers) as at:
        # The charge point would take it: it has got their root, which the CSMS's server doesn't know yet.
        await at.call(InstallCertificateRequest(CertificateUse.CENTRAL_SYSTEM_ROOT, strangers.root.read_text()))
        await at.call(RENEW)
        await at.until_connected(2)
        await at.until(lambda: at.told(CredentialsSettled))
        assert [settled.adopted for settled in at.told(CredentialsSettled)] == [False]
        assert at.gate.serials == [serial(layout.charge_point(CP).read_text())] * 2
        assert {failed.reason for failed in at.told(ConnectFailed)} == {"tls"}
        assert at.memory.certificate is at.memory.proposed is None


async def test_one_that_is_under_no_root_that_the_charge_point_knows_is_refused(tmp_path: Path) -> None:
    layout, strangers = pki(tmp_path / "ours", CP), pki(tmp_path / "theirs")
    async with home(layout, strangers) as at:
        found = await at.call(GetInstalledCertificateIdsRequest(CertificateUse.CENTRAL_SYSTEM_ROOT))
        assert isinstance(found, GetInstalledCertificateIdsResponse)
        assert found.certificate_hash_data is not None
        assert len(found.certificate_hash_data) == 1  # whom it was told to trust
        await at.call(RENEW)
        await at.until(lambda: "InvalidChargePointCertificate" in at.events())
        assert at.memory.certificate is at.memory.proposed is None
        assert at.gate.serials == [serial(layout.charge_point(CP).read_text())]


# ---- whom it trusts --------------------------------------------------------------------------------------------------


def now_with(at: Home, layout: Layout, ca: Layout) -> None:
    """The CSMS shows another certificate from now on, and still takes those of the charge points."""
    asked = security(layout, 3)
    at.gate.context = Gate(type(asked)(3, asked.certificate, asked.key, ca.root)).context


async def test_a_root_that_was_installed_vouches_for_the_csms_as_long_as_it_is_there(tmp_path: Path) -> None:
    former, new = pki(tmp_path / "former", CP), pki(tmp_path / "new", organization="New")
    async with home(former) as at:
        response = await at.call(InstallCertificateRequest(CertificateUse.CENTRAL_SYSTEM_ROOT, new.root.read_text()))
        assert response == InstallCertificateResponse(response.status)
        assert response.status == "Accepted"
        now_with(at, new, former)
        await at.reconnect()
        await at.until_connected(2)
        # The former one still holds, for as long as the CSMS hasn't changed everywhere.
        now_with(at, former, former)
        await at.reconnect()
        await at.until_connected(3)
        found = await at.call(GetInstalledCertificateIdsRequest(CertificateUse.CENTRAL_SYSTEM_ROOT))
        assert isinstance(found, GetInstalledCertificateIdsResponse)
        assert found.certificate_hash_data is not None
        deleted = await at.call(DeleteCertificateRequest(found.certificate_hash_data[-1]))
        assert deleted == DeleteCertificateResponse(deleted.status)
        assert deleted.status == "Accepted"
        now_with(at, new, former)
        await at.reconnect()
        await at.until(lambda: at.told(ConnectFailed))
        assert at.told(ConnectFailed)[-1].detail.startswith("certificate not trusted: ")


async def test_a_root_that_the_former_one_signed_takes_its_place(tmp_path: Path) -> None:
    former = pki(tmp_path / "former", CP)
    key = serialization.load_pem_private_key(former.root_key.read_bytes(), None)
    signed = Party(x509.load_pem_x509_certificate(former.root.read_bytes()), key).issue("Next", authority=True)
    pem = signed.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    following = write(Authority.of(Identity(signed.pem.encode(), pem), Validity.of_days(1)), tmp_path / "next", ())
    async with home(former, AdditionalRootCertificateCheck="true") as at:
        stranger = pki(tmp_path / "stranger")
        for root, status in ((stranger, "Rejected"), (following, "Accepted")):
            response = await at.call(
                InstallCertificateRequest(CertificateUse.CENTRAL_SYSTEM_ROOT, root.root.read_text())
            )
            assert response.status == status
        now_with(at, following, former)
        await at.reconnect()
        await at.until_connected(2)


async def test_a_csms_that_could_not_be_trusted_is_told_so_once_it_is_trusted_again(tmp_path: Path) -> None:
    layout, stranger = pki(tmp_path / "ours", CP), pki(tmp_path / "theirs")
    async with home(layout) as at:
        now_with(at, stranger, layout)
        await at.reconnect()
        await at.until(lambda: len(at.told(ConnectFailed)) >= 3)
        now_with(at, layout, layout)
        await at.until_connected(2)
        await at.until(lambda: not at.memory.notices)
        # However often it tried; the second is for the log alone.
        assert at.events() == [
            "StartupOfTheDevice",
            "InvalidCentralSystemCertificate",
            "CentralSystemFailedToAuthenticate",
        ]
        assert at.told_of_security() == ["StartupOfTheDevice", "InvalidCentralSystemCertificate"]


async def test_a_csms_with_old_tls_or_without_a_common_cipher_suite_is_not_connected_to(tmp_path: Path) -> None:
    layout = pki(tmp_path, CP)
    async with home(layout) as at:
        for change, event in ((_old_tls, "InvalidTLSVersion"), (_strange_ciphers, "InvalidTLSCipherSuite")):
            now_with(at, layout, layout)
            assert at.gate.context is not None
            change(at.gate.context)
            await at.reconnect()
            await at.until(lambda event=event: event in at.events())
            now_with(at, layout, layout)
            await at.until(lambda: CP in at.server.connected)
        await at.until(lambda: "InvalidTLSCipherSuite" in at.told_of_security())


def _old_tls(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def _strange_ciphers(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-CAMELLIA128-SHA256")


async def test_a_charge_point_that_is_not_let_in_tells_so_in_its_log(tmp_path: Path) -> None:
    layout, stranger = pki(tmp_path / "ours", CP), pki(tmp_path / "theirs")
    async with home(layout) as at:
        now_with(at, layout, stranger)
        await at.reconnect()
        await at.until(lambda: "FailedToAuthenticateAtCentralSystem" in at.events())
        assert at.told_of_security() == ["StartupOfTheDevice"]
