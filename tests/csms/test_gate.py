"""The gate over memory streams: each security profile lets in whom it should and nobody else."""

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from counterparts.certificates import client_context, pki, security
from trio_websocket import wrap_client_stream

from fleet.csms.central import Central
from fleet.csms.gate import Gate, Security
from fleet.csms.records import OddityRecord, Record
from fleet.csms.server import Server
from fleet.errors import ConfigurationError
from fleet.ocpp.v16 import ChangeConfigurationRequest
from fleet.pki.authority import Authority, Validity
from fleet.pki.layout import Layout

CP = "CP0001"


class Bench:
    """A server behind a gate, and whoever knocks."""

    def __init__(self, nursery: trio.Nursery, asked: Security) -> None:
        self.records: list[Record] = []
        self.nursery = nursery
        self.server = Server(Central(lambda: datetime.now(UTC), self.records.append), gate=Gate(asked))

    def dial(self, context: ssl.SSLContext | None) -> Any:
        """A stream to the server, TLS on it with a context."""
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.server.serve_stream, theirs)
        if context is None:
            return ours
        return trio.SSLStream(ours, context, server_hostname="localhost", https_compatible=True)

    async def knock(self, *, said: bytes | None = None, context: ssl.SSLContext | None = None) -> Any:
        """The WebSocket of somebody who is let in."""
        headers = [] if said is None else [(b"authorization", said)]
        with trio.fail_after(20):
            return await wrap_client_stream(
                self.nursery,
                self.dial(context),
                "localhost",
                f"/{CP}",
                subprotocols=["ocpp1.6"],
                extra_headers=headers,
            )

    async def refused(self, *, said: bytes | None = None, context: ssl.SSLContext | None = None) -> int:
        """The HTTP status that somebody who is not let in gets to see."""
        stream = self.dial(context)
        lines = [
            f"GET /{CP} HTTP/1.1",
            "Host: localhost",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: ocpp1.6",
        ]
        request = "\r\n".join(lines).encode() + (b"" if said is None else b"\r\nAuthorization: " + said)
        with trio.fail_after(20):
            await stream.send_all(request + b"\r\n\r\n")
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += await stream.receive_some()
        assert b"101" not in answer.splitlines()[0]
        return int(answer.split()[1])

    @property
    def notes(self) -> list[tuple[str, str]]:
        return [(record.rule, record.detail) for record in self.records if isinstance(record, OddityRecord)]


@asynccontextmanager
async def guarded(asked: Security) -> AsyncIterator[Bench]:
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery, asked)
        yield bench
        nursery.cancel_scope.cancel()


def basic(name: str, password: str) -> bytes:
    return b"Basic " + b64encode(f"{name}:{password}".encode())


async def test_without_a_profile_anybody_comes_in() -> None:
    async with guarded(Security()) as bench:
        await bench.knock()
        await bench.knock(said=b"Basic nonsense")
        assert bench.notes == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, "no basic authentication"),
        (b"Bearer abcdef", "no basic authentication"),
        (b"Basic", "basic authentication in another name"),
        (b"Basic !!!", "basic authentication that is not base64"),
        (b64encode(b"x"), "no basic authentication"),
        (b"Basic " + b64encode(b"no colon"), "basic authentication in another name"),
        (basic("CP0002", "the right password"), "basic authentication in another name"),
        (basic(CP, ""), "an empty password"),
        (basic(CP, "another password"), "a wrong password"),
        (b"Basic " + b64encode(b"CP0001:\xff\xfe"), "a wrong password"),
    ],
)
async def test_a_password_is_asked_for_and_none_but_the_right_one_is_good(said: bytes | None, why: str) -> None:
    async with guarded(Security(1, password="the right password")) as bench:
        assert await bench.refused(said=said) == 401
        assert bench.notes == [("unauthorized", why)]
        await bench.knock(said=basic(CP, "the right password"))


async def test_where_no_password_is_known_any_is_good_as_long_as_there_is_one() -> None:
    async with guarded(Security(1)) as bench:
        await bench.knock(said=basic(CP, "whatever"))
        assert await bench.refused(said=basic(CP, "")) == 401
        assert await bench.refused() == 401


async def test_a_password_in_hex_is_good_as_digits_and_as_the_bytes_that_they_stand_for() -> None:
    async with guarded(Security(1, password="00ff" * 10)) as bench:
        await bench.knock(said=basic(CP, "00ff" * 10))
        await bench.knock(said=b"Basic " + b64encode(b"CP0001:" + bytes.fromhex("00ff" * 10)))
        assert await bench.refused(said=basic(CP, "00FF" * 10)) == 401


async def test_what_was_tried_is_in_no_record() -> None:
    async with guarded(Security(1, password="the-right-one")) as bench:
        await bench.refused(said=basic(CP, "tr1ed-in-vain"))
        assert "tr1ed" not in repr(bench.records)
        assert "the-right-one" not in repr(bench.records) + repr(Security(1, password="the-right-one"))


async def test_a_password_that_was_accepted_is_the_one_to_come_back_with() -> None:
    async with guarded(Security(1, password="the first one of all")) as bench:
        link = await bench.knock(said=basic(CP, "the first one of all"))

        async def answer(status: str) -> None:
            message_id = (await link.get_message()).split('"')[1]
            await link.send_message(f'[3,"{message_id}",{{"status":"{status}"}}]')

        for status, good, bad in (
            ("Rejected", "the first one of all", "the second of them"),
            ("Accepted", "the second of them", "the first one of all"),
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer, status)
                await bench.server.call(CP, ChangeConfigurationRequest("AuthorizationKey", "the second of them"))
            assert await bench.refused(said=basic(CP, bad)) == 401
            link = await bench.knock(said=basic(CP, good))


async def test_tls_with_a_password(tmp_path: Path) -> None:
    layout = pki(tmp_path)
    async with guarded(security(layout, 2, "the right password")) as bench:
        await bench.knock(said=basic(CP, "the right password"), context=client_context(layout))
        assert await bench.refused(said=basic(CP, "another password"), context=client_context(layout)) == 401


async def test_a_certificate_that_names_the_charge_point_is_the_only_one_that_opens(tmp_path: Path) -> None:
    layout = pki(tmp_path, CP, "CP0002")
    async with guarded(security(layout, 3)) as bench:
        await bench.knock(context=client_context(layout, CP))
        assert await bench.refused(context=client_context(layout, "CP0002")) == 403
        assert bench.notes == [("unauthorized", "its certificate is that of 'CP0002'")]


async def test_no_certificate_or_a_strangers_ends_the_tls_handshake(tmp_path: Path) -> None:
    layout = pki(tmp_path / "ours", CP)
    other = pki(tmp_path / "theirs", CP)
    strange = client_context(layout)
    strange.load_cert_chain(other.charge_point(CP), other.charge_point_key(CP))
    async with guarded(security(layout, 3)) as bench:
        for context in (client_context(layout), strange):
            # With TLS 1.3 the charge point is told when it has sent its request already.
            with pytest.raises(trio.BrokenResourceError):
                await bench.refused(context=context)
        while len(bench.notes) < 2:
            await trio.sleep(0.01)
        assert {rule for rule, _ in bench.notes} == {"tls"}
        assert any("certificate" in detail for _, detail in bench.notes)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Security(2), "security profile 2 needs a certificate: --tls DIR, or --cert"),
        (Security(3), "security profile 3 needs a certificate: --tls DIR, or --cert"),
        (Security(2, Path("/not/there.pem")), "can't use certificate /not/there.pem with key /not/there.pem: No such"),
        (Security(1, Path("csms.pem")), "security profile 1 is without TLS: expected no certificate, or profile 2"),
    ],
)
def test_what_does_not_go_together_is_one_clear_line(asked: Security, told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Gate(asked)
    assert str(error.value).startswith(told)
    assert "\n" not in str(error.value)


def test_a_client_ca_must_be_there_and_be_one(tmp_path: Path) -> None:
    layout = pki(tmp_path)
    with pytest.raises(ConfigurationError, match="profile 3 needs the authority"):
        Gate(Security(3, layout.csms, layout.csms_key))
    with pytest.raises(ConfigurationError, match=r"can't use client CA .*: "):
        Gate(Security(3, layout.csms, layout.csms_key, layout.root_key))


def test_a_key_that_belongs_to_another_certificate_is_told(tmp_path: Path) -> None:
    layout: Layout = pki(tmp_path)
    stranger = Authority.new("Other", Validity.of_days(1)).csms(["localhost"])
    layout.csms_key.write_bytes(stranger.key)
    with pytest.raises(ConfigurationError, match=r"can't use certificate .*: key values mismatch"):
        Gate(security(layout, 2))
