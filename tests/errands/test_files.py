"""Files over real sockets: HTTP, HTTPS and FTP servers on loopback, and everything that can be wrong with them."""

import hashlib
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio
from counterparts.file_servers import LARGE_BYTES, URL_USER, WebServer, ftp_server, web_server

from fleet.core.errands import HEAD_BYTES, Deliver, Done, Fetch, Fetched, Undone, Why
from fleet.errands import ftp as ftp_module
from fleet.errands.runner import ROOTS_MAX, Errands
from fleet.errands.web import CONNECTIONS_MAX
from fleet.pki.authority import Authority, Validity

FIRMWARE = os.urandom(LARGE_BYTES)
REPORT = b"what happened\n" * 1000


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        server.files = {"/firmware.bin": FIRMWARE, "/private": b"for one", "/empty": b""}
        yield server


@pytest.fixture
def ftp(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "firm ware.bin").write_bytes(FIRMWARE)
    (tmp_path / "logs").mkdir()
    with ftp_server(tmp_path) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
async def errands() -> AsyncIterator[Errands]:
    async with Errands(file_bytes_max=2 * LARGE_BYTES) as made:
        yield made


def refused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- HTTP ------------------------------------------------------------------------------------------------------------


async def test_a_file_is_downloaded_to_its_last_byte(web: WebServer, errands: Errands) -> None:
    outcome = await errands.run(Fetch(f"{web.url}/firmware.bin"))
    assert outcome == Fetched(LARGE_BYTES, hashlib.sha256(FIRMWARE).digest(), FIRMWARE[:HEAD_BYTES])


async def test_an_empty_file_is_a_file(web: WebServer, errands: Errands) -> None:
    assert await errands.run(Fetch(f"{web.url}/empty")) == Fetched(0, hashlib.sha256().digest(), b"")


async def test_a_redirection_is_followed(web: WebServer, errands: Errands) -> None:
    assert isinstance(await errands.run(Fetch(f"{web.url}/moved")), Fetched)


async def test_credentials_in_the_url_are_shown_to_the_server_and_to_nobody_else(
    web: WebServer, errands: Errands, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = web.url.replace("http://", f"http://{URL_USER}")
    assert isinstance(await errands.run(Fetch(f"{url}/private?token=t0ken")), Fetched)
    wrong = await errands.run(Fetch(f"{web.url.replace('http://', 'http://u:s3cret@')}/private?token=t0ken"))
    assert isinstance(wrong, Undone)
    assert wrong.why is Why.DENIED
    told = f"{caplog.text} {wrong}"
    for secret in ("s3cret", "s3cr", "t0ken"):
        assert secret not in told


@pytest.mark.parametrize(
    ("path", "why", "words"),
    [
        ("/nothing", Why.REFUSED, "404"),
        ("/private", Why.DENIED, "401"),
        ("/round", Why.REFUSED, "redirections"),
        ("/elsewhere", Why.UNSUPPORTED, "redirection"),
        ("/cut", Why.UNREACHABLE, "before the end"),
    ],
)
async def test_a_download_that_fails_says_why(
    web: WebServer, errands: Errands, path: str, why: Why, words: str
) -> None:
    outcome = await errands.run(Fetch(web.url + path))
    assert isinstance(outcome, Undone)
    assert outcome.why is why
    assert words in outcome.detail


async def test_a_file_that_is_too_large_is_not_read_to_its_end(web: WebServer) -> None:
    async with Errands(file_bytes_max=LARGE_BYTES - 1) as errands:
        outcome = await errands.run(Fetch(f"{web.url}/firmware.bin"))
    assert isinstance(outcome, Undone)
    assert outcome.why is Why.TOO_LARGE


@pytest.mark.parametrize("scheme", ["http", "ftp"])
async def test_nobody_there(errands: Errands, scheme: str) -> None:
    outcome = await errands.run(Fetch(f"{scheme}://u:s3cret@127.0.0.1:{refused_port()}/f"))
    assert outcome == Undone(Why.UNREACHABLE, "no connection: Connection refused")


@pytest.mark.parametrize(
    "url", ["gopher://host/f", "file:///etc/passwd", "firmware.bin", "http://[::1", "http://host:x/f", "http:///f", ""]
)
async def test_what_is_no_place_for_files_is_not_tried(errands: Errands, url: str) -> None:
    outcome = await errands.run(Fetch(url))
    assert isinstance(outcome, Undone)
    assert outcome.why is Why.UNSUPPORTED


async def test_a_report_is_put_into_its_folder(web: WebServer, errands: Errands) -> None:
    assert await errands.run(Deliver(f"{web.url}/logs/", "CP 1.log", REPORT)) == Done()
    assert web.received == {"/logs/CP%201.log": REPORT}


async def test_a_server_without_put_is_posted_to(web: WebServer, errands: Errands) -> None:
    web.puts = False
    assert await errands.run(Deliver(f"{web.url}/upload?key=1", "CP1.log", REPORT)) == Done()
    assert web.received == {"/upload?key=1": REPORT}


@pytest.mark.parametrize(("path", "why"), [("/private", Why.DENIED), ("/full", Why.REFUSED)])
async def test_an_upload_that_fails_says_why(web: WebServer, errands: Errands, path: str, why: Why) -> None:
    outcome = await errands.run(Deliver(web.url + path, "CP1.log", REPORT))
    assert isinstance(outcome, Undone)
    assert outcome.why is why


async def test_hundreds_at_once_share_the_connections(web: WebServer, errands: Errands) -> None:
    web.files["/small"] = b"x" * 1000
    outcomes = []

    async def one() -> None:
        outcomes.append(await errands.run(Fetch(f"{web.url}/small")))

    async with trio.open_nursery() as nursery:
        for _ in range(300):
            nursery.start_soon(one)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)
    assert web.most_at_once <= CONNECTIONS_MAX


# ---- TLS -------------------------------------------------------------------------------------------------------------


async def test_a_server_is_verified(tmp_path: Path) -> None:
    authority = Authority.new("Files", Validity.of_days(1))
    identity = authority.csms(["127.0.0.1"])
    (tmp_path / "server.pem").write_bytes(identity.certificate + identity.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem")
    trusting = ssl.create_default_context(cadata=authority.identity.certificate.decode())
    with web_server(tls) as server:
        server.files["/f"] = b"1"
        async with Errands(lambda: trusting) as errands:
            assert isinstance(await errands.run(Fetch(f"{server.url}/f")), Fetched)
        async with Errands() as errands:
            outcome = await errands.run(Fetch(f"{server.url}/f"))
    assert isinstance(outcome, Undone)
    assert outcome.why is Why.UNREACHABLE
    assert "certificate not trusted" in outcome.detail


async def test_a_root_that_the_csms_had_installed_vouches_for_servers_of_files_too(tmp_path: Path) -> None:
    authority = Authority.new("Files", Validity.of_days(1))
    identity = authority.csms(["127.0.0.1"])
    (tmp_path / "server.pem").write_bytes(identity.certificate + identity.key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem")
    root = authority.identity.certificate.decode()
    with web_server(tls) as server:
        server.files["/f"] = b"1"
        async with Errands() as errands:
            assert isinstance(await errands.run(Fetch(f"{server.url}/f", (root,))), Fetched)
            assert await errands.run(Deliver(f"{server.url}/logs", "CP1.log", REPORT, (root,))) == Done()
            # It does so for those who have it.
            assert isinstance(await errands.run(Fetch(f"{server.url}/f")), Undone)


async def test_connections_are_kept_for_a_bounded_number_of_sets_of_roots(tmp_path: Path) -> None:
    others = [Authority.new(f"{n}", Validity.of_days(1)).identity.certificate.decode() for n in range(ROOTS_MAX + 1)]
    with web_server() as server:
        server.files["/f"] = b"1"
        async with Errands() as errands:
            for root in others:
                assert isinstance(await errands.run(Fetch(f"{server.url}/f", (root,))), Fetched)


# ---- FTP -------------------------------------------------------------------------------------------------------------


async def test_a_file_is_downloaded_by_ftp(ftp: str, errands: Errands) -> None:
    outcome = await errands.run(Fetch(f"ftp://{ftp}/firm%20ware.bin"))
    assert outcome == Fetched(LARGE_BYTES, hashlib.sha256(FIRMWARE).digest(), FIRMWARE[:HEAD_BYTES])


async def test_a_report_is_uploaded_by_ftp(ftp: str, errands: Errands, tmp_path: Path) -> None:
    assert await errands.run(Deliver(f"ftp://{URL_USER}{ftp}/logs", "CP 1.log", REPORT)) == Done()
    assert (tmp_path / "logs" / "CP 1.log").read_bytes() == REPORT


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("ftp://{ftp}/nothing.bin", Why.REFUSED),
        ("ftp://u:s3cret@{ftp}/firm%20ware.bin", Why.DENIED),
        ("ftp://{ftp}/a%0d%0aDELE%20b", Why.UNSUPPORTED),
        ("ftps://{ftp}/firm%20ware.bin", Why.REFUSED),
    ],
    ids=["no such file", "wrong password", "a second command", "no TLS there"],
)
async def test_a_download_by_ftp_that_fails_says_why(ftp: str, errands: Errands, where: str, why: Why) -> None:
    outcome = await errands.run(Fetch(where.format(ftp=ftp)))
    assert isinstance(outcome, Undone)
    assert outcome.why is why
    assert "s3cret" not in outcome.detail


async def test_an_upload_that_ftp_forbids_is_refused(ftp: str, errands: Errands) -> None:
    outcome = await errands.run(Deliver(f"ftp://{ftp}/logs", "CP1.log", REPORT))
    assert isinstance(outcome, Undone)
    assert outcome.why in (Why.REFUSED, Why.DENIED)


async def test_a_server_that_speaks_something_else_is_told_apart(errands: Errands) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def greet() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"hello\r\n")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, greet)
            outcome = await errands.run(Fetch(f"ftp://127.0.0.1:{listener.getsockname()[1]}/f"))
    assert outcome == Undone(Why.REFUSED, "the server speaks no FTP")


async def test_a_silent_server_is_not_waited_for_for_ever(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    # This one waits for the other side to speak first, which an FTP server doesn't.
    monkeypatch.setattr(ftp_module, "TIMEOUT_S", 0.2)
    async with Errands() as errands:
        outcome = await errands.run(Fetch(web.url.replace("http", "ftp") + "/f"))
    assert outcome == Undone(Why.UNREACHABLE, "the server was silent for too long")


async def test_an_errand_that_is_called_off_is_called_off_at_once(errands: Errands) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        for scheme in ("http", "ftp"):
            with trio.fail_after(5), trio.move_on_after(0.2) as scope:
                await errands.run(Fetch(f"{scheme}://127.0.0.1:{deaf.getsockname()[1]}/f"))
            assert scope.cancelled_caught
