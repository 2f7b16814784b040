"""Links over TLS on real sockets, against the embedded central system: who is let in, and what is told of who isn't."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
import trio
from counterparts.certificates import client_context, pki, security
from trio_websocket import wrap_server_stream

from fleet.core.credentials import Credentials, OwnCertificate
from fleet.core.effects import CloseLink, UseCredentials
from fleet.core.reports import ConnectFailed, LinkDown, LinkUp
from fleet.csms.central import Central
from fleet.csms.gate import Gate, Security
from fleet.csms.server import Server
from fleet.link.endpoint import CertificateFiles, Endpoint, basic_auth
from fleet.pki.authority import Authority, Validity
from fleet.pki.layout import Layout

CP = "CP0001"
PASSWORD = "a-password-for-this-test"


@asynccontextmanager
async def central(asked: Security) -> AsyncIterator[Server]:
    """A central system on a loopback port."""
    async with trio.open_nursery() as nursery:
        server = Server(Central(lambda: datetime.now(UTC), lambda _: None), gate=Gate(asked))
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server.host, server.port = "localhost", listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, server.serve_stream, listeners)
        yield server
        nursery.cancel_scope.cancel()


def files(layout: Layout, charge_point: str = CP) -> CertificateFiles:
    return CertificateFiles(layout.charge_point(charge_point), layout.charge_point_key(charge_point))


def endpoint(
    server: Server,
    layout: Layout,
    shown: CertificateFiles | OwnCertificate | None = None,
    *,
    charge_point: str = CP,
    password: str | None = None,
    url: str | None = None,
) -> Endpoint:
    headers = () if password is None else (basic_auth(charge_point, password),)
    return Endpoint(
        url or f"{server.url}{charge_point}", headers=headers, ssl_context=client_context(layout), certificate=shown
    )


async def connects(lab: ModuleType, to: Endpoint) -> None:
    async with lab.running(to, limits=lab.UNHURRIED, backoff=lab.NO_WAIT) as link:
        await link.next(LinkUp)
        await link.finish()


async def failure(lab: ModuleType, to: Endpoint) -> tuple[str, str]:
    async with lab.running(to, limits=lab.UNHURRIED, backoff=lab.NO_WAIT) as link:
        failed = await link.next(ConnectFailed)
        assert (await link.next(ConnectFailed)).reason == failed.reason
        await link.finish()
        assert "\n" not in failed.detail
        return failed.reason, failed.detail


# ---- who is let in ---------------------------------------------------------------------------------------------------


async def test_a_password_over_tls_opens_and_a_wrong_one_does_not(lab: ModuleType, tmp_path: Path) -> None:
    layout = pki(tmp_path)
    async with central(security(layout, 2, PASSWORD)) as server:
        await connects(lab, endpoint(server, layout, password=PASSWORD))
        assert (await failure(lab, endpoint(server, layout, password="another-password")))[0] == "http-401"
        assert (await failure(lab, endpoint(server, layout)))[0] == "http-401"


async def test_a_certificate_that_names_the_charge_point_opens(lab: ModuleType, tmp_path: Path) -> None:
    layout = pki(tmp_path, CP, "CP0002")
    async with central(security(layout, 3)) as server:
        await connects(lab, endpoint(server, layout, files(layout)))
        assert (await failure(lab, endpoint(server, layout, files(layout, "CP0002"))))[0] == "http-403"


async def test_a_certificate_that_is_in_no_file_opens_too(lab: ModuleType, tmp_path: Path) -> None:
    layout = pki(tmp_path, CP)
    own = OwnCertificate(layout.charge_point(CP).read_text(), layout.charge_point_key(CP).read_text())
    async with central(security(layout, 3)) as server:
        await connects(lab, endpoint(server, layout, own))
        reason, detail = await failure(lab, endpoint(server, layout, OwnCertificate(own.chain, "no key at all")))
        assert (reason, detail.partition(": ")[0]) == ("tls", "can't use the certificate that the CSMS signed")


async def test_many_that_connect_at_once_share_a_context_and_each_shows_its_own_certificate(
    lab: ModuleType, tmp_path: Path
) -> None:
    names = [f"CP{number:04}" for number in range(1, 31)]
    layout = pki(tmp_path, *names)
    context = client_context(layout)
    async with central(security(layout, 3)) as server, trio.open_nursery() as nursery:

        async def connect(name: str) -> None:
            to = Endpoint(f"{server.url}{name}", ssl_context=context, certificate=files(layout, name))
            await connects(lab, to)

        for name in names:
            nursery.start_soon(connect, name)


# ---- who isn't -------------------------------------------------------------------------------------------------------


async def test_a_csms_whose_certificate_has_expired_is_not_trusted(lab: ModuleType, tmp_path: Path) -> None:
    layout = pki(tmp_path, expired=True)
    async with central(security(layout, 2)) as server:
        told = await failure(lab, endpoint(server, layout, password=PASSWORD))
    assert told == ("tls", "certificate not trusted: certificate has expired")


async def test_a_csms_whose_root_nobody_knows_is_not_trusted(lab: ModuleType, tmp_path: Path) -> None:
    layout, other = pki(tmp_path / "ours"), pki(tmp_path / "theirs", organization="Other")
    async with central(security(layout, 2)) as server:
        reason, detail = await failure(lab, endpoint(server, other, password=PASSWORD))
    assert reason == "tls"
    assert detail.startswith("certificate not trusted: ")
    assert "issuer certificate" in detail


async def test_a_csms_of_another_name_is_not_trusted(lab: ModuleType, tmp_path: Path) -> None:
    layout = pki(tmp_path)
    async with central(security(layout, 2)) as server:
        # 127.1 leads to the same place, by a name that the certificate doesn't have.
        to = endpoint(server, layout, password=PASSWORD, url=f"wss://127.1:{server.port}/{CP}")
        reason, detail = await failure(lab, to)
    assert reason == "tls"
    assert detail.startswith("certificate not trusted: ")
    assert "127.1" in detail


async def test_who_shows_no_certificate_is_told_that_one_is_wanted(lab: ModuleType, tmp_path: Path) -> None:
    layout = pki(tmp_path, CP)
    async with central(security(layout, 3)) as server:
        reason, detail = await failure(lab, endpoint(server, layout))
    assert reason == "tls"
    assert detail.startswith("the CSMS wants a client certificate ")


async def test_who_shows_a_certificate_of_another_root_is_told_so(lab: ModuleType, tmp_path: Path) -> None:
    layout, other = pki(tmp_path / "ours", CP), pki(tmp_path / "theirs", CP, organization="Other")
    async with central(security(layout, 3)) as server:
        reason, detail = await failure(lab, endpoint(server, layout, files(other)))
    assert reason == "tls"
    assert detail.startswith("the CSMS doesn't know who signed the client certificate ")


async def test_who_shows_a_certificate_that_has_expired_is_told_so(lab: ModuleType, tmp_path: Path) -> None:
    layout = pki(tmp_path / "ours")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    old = Authority.new("Fleet", Validity(long_ago, long_ago.replace(year=2021)))
    layout.charge_point(CP).write_bytes(old.charge_point(CP).certificate)
    stale = pki(tmp_path / "stale", CP, expired=True)
    asked = Security(3, layout.csms, layout.csms_key, stale.root)
    async with central(asked) as server:
        reason, detail = await failure(lab, endpoint(server, layout, files(stale)))
    assert reason == "tls"
    assert detail.startswith("the CSMS says that the client certificate has expired ")


async def test_a_certificate_or_key_that_is_not_there_is_named(lab: ModuleType, tmp_path: Path) -> None:
    layout = pki(tmp_path, CP, "CP0002")
    async with central(security(layout, 3)) as server:
        layout.charge_point_key(CP).unlink()
        told = await failure(lab, endpoint(server, layout, files(layout)))
        assert told == ("tls", f"can't use {layout.charge_point_key(CP)}: No such file or directory")
        mixed = CertificateFiles(layout.charge_point(CP), layout.charge_point_key("CP0002"))
        told = await failure(lab, endpoint(server, layout, mixed))
        assert told == ("tls", f"can't use certificate {layout.charge_point(CP)}: key values mismatch")
        # What one of them could not load hurts nobody else.
        await connects(lab, endpoint(server, layout, files(layout, "CP0002"), charge_point="CP0002"))


# ---- other credentials -----------------------------------------------------------------------------------------------


async def test_other_credentials_are_for_the_next_connection(lab: ModuleType, tmp_path: Path) -> None:
    layout = pki(tmp_path, CP)
    async with central(security(layout, 2, PASSWORD)) as server:

        def endpoint_for(credentials: Credentials, _roots: tuple[str, ...] = ()) -> Endpoint:
            return endpoint(server, layout, password=credentials.authorization_key)

        options = {"limits": lab.UNHURRIED, "backoff": lab.NO_WAIT, "endpoint_for": endpoint_for}
        async with lab.running(endpoint(server, layout, password=PASSWORD), **options) as link:
            await link.next(LinkUp)
            link.order(UseCredentials(Credentials(2, "not-the-right-password")))
            with trio.move_on_after(0.1):
                pytest.fail(f"{await link.up.receive()}")
            link.order(CloseLink())
            await link.next(LinkDown)
            assert (await link.next(ConnectFailed)).reason == "http-401"
            link.order(UseCredentials(Credentials(2, PASSWORD)))
            while not isinstance(report := await link.up.receive(), LinkUp):
                assert isinstance(report, ConnectFailed)
            await link.finish()


async def test_what_a_connection_was_opened_with_is_in_no_report_of_its_end(
    lab: ModuleType, autojump_clock: trio.abc.Clock
) -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, stream)
            said = dict(request.headers)[b"authorization"].decode()
            socket = await request.accept(subprotocol="ocpp1.6")
            await socket.get_message()
            await socket.aclose(1008, f"you said {said}")

    def endpoint_for(credentials: Credentials, _roots: tuple[str, ...] = ()) -> Endpoint:
        assert credentials.authorization_key is not None
        return Endpoint("ws://csms.invalid/CP1", headers=(basic_auth("CP1", credentials.authorization_key),))

    first = endpoint_for(Credentials(1, "the-first-password"))
    async with lab.running(first, serve=serve, endpoint_for=endpoint_for) as link:
        await link.next(LinkUp)
        link.order(UseCredentials(Credentials(1, "the-second-password")))
        link.order("now")
        assert (await link.next(LinkDown)).detail == "you said ***"
        await link.next(LinkUp)
        link.order("now")
        assert (await link.next(LinkDown)).detail == "you said ***"
