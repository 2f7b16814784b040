"""Signing requests of charge points: who is given a certificate, and how it comes to them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from trio_websocket import wrap_client_stream

from fleet.core.errands import MakeRequest, RequestMade
from fleet.csms.central import Central
from fleet.csms.records import OddityRecord, Record
from fleet.csms.server import Server
from fleet.csms.signing import Signer
from fleet.errands.certificates import make_request
from fleet.errors import ConfigurationError
from fleet.ocpp.v16_security import SignCertificateRequest
from fleet.pki.authority import Authority, Identity, KeyKind, Validity
from fleet.pki.folder import write
from fleet.pki.layout import Layout

CP = "CP0001"


def made(folder: Path, kind: KeyKind = KeyKind.EC) -> Layout:
    return write(Authority.new("An operator", Validity.of_days(1), kind), folder, ())


def request(name: str = CP) -> RequestMade:
    return make_request(MakeRequest(name, "An operator"))


# ---- who is given one ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(KeyKind))
def test_the_certificate_is_for_the_key_that_asked_and_under_the_root(tmp_path: Path, kind: KeyKind) -> None:
    layout, asked = made(tmp_path, kind), request()
    granted = x509.load_pem_x509_certificate(Signer(layout)(CP, asked.csr).encode())
    granted.verify_directly_issued_by(x509.load_pem_x509_certificate(layout.root.read_bytes()))
    assert granted.public_key() == x509.load_pem_x509_csr(asked.csr.encode()).public_key()
    assert granted.subject.rfc4514_string() == f"CN={CP},O=An operator"
    assert granted.not_valid_after_utc > datetime.now(UTC)


def tampered(csr: str) -> str:
    return csr.replace(csr.splitlines()[-2][:8], "AAAAAAAA")


@pytest.mark.parametrize(
    ("csr", "why"),
    [
        ("nonsense", "no signing request in PEM"),
        (request("CP0002").csr, "a signing request for 'CP0002'"),
        (tampered(request().csr), r"no signing request in PEM|isn't signed with its own key"),
    ],
    ids=["nonsense", "another name", "tampered with"],
)
def test_who_asks_for_anything_else_gets_none(tmp_path: Path, csr: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Signer(made(tmp_path))(CP, csr)


def test_a_root_and_a_key_that_do_not_fit_sign_nothing(tmp_path: Path) -> None:
    root, other = made(tmp_path / "one"), made(tmp_path / "other")
    for key, told in ((other.root_key.read_bytes(), "not that of its certificate"), (b"no key", "expected a root")):
        with pytest.raises(ValueError, match=told):
            Authority.of(Identity(root.root.read_bytes(), key), Validity.of_days(1))
    for key, told in ((other.root_key.read_bytes(), "key values mismatch"), (b"no key", "")):
        root.root_key.write_bytes(key)
        with pytest.raises(ConfigurationError, match=rf"^can't sign with .*root\.pem and key .*root\.key: {told}"):
            Signer(root)
    root.root_key.unlink()
    with pytest.raises(ConfigurationError, match=r"^can't use .*root\.key: No such file or directory$"):
        Signer(root)


def test_an_authority_that_was_written_down_is_the_same_again(tmp_path: Path) -> None:
    layout = made(tmp_path, KeyKind.RSA)
    again = Authority.of(Identity(layout.root.read_bytes(), layout.root_key.read_bytes()), Validity.of_days(1))
    assert (again.organization, again.kind) == ("An operator", KeyKind.RSA)
    assert isinstance(again.root.public_key(), rsa.RSAPublicKey)
    assert "PRIVATE" not in repr(again)


# ---- how it comes ----------------------------------------------------------------------------------------------------


async def answered(layout: Layout, status: str, latency_s: float = 0.0) -> tuple[list[Any], list[str]]:
    """What the central system says to a charge point that asks, and notes when that has answered what it is sent."""
    records: list[Record] = []
    server = Server(Central(lambda: datetime.now(UTC), records.append, sign=Signer(layout)), latency_s)
    async with trio.open_nursery() as nursery:
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(server.serve_stream, theirs)
        link = await wrap_client_stream(nursery, ours, "csms", f"/{CP}", subprotocols=["ocpp1.6"])
        await link.send_message(orjson.dumps([2, "1", "SignCertificate", {"csr": request().csr}]).decode())
        said = [orjson.loads(await link.get_message()) for _ in range(2)]
        await link.send_message(f'[3,"{said[1][1]}",{{"status":"{status}"}}]')
        await trio.testing.wait_all_tasks_blocked(0.05)
        nursery.cancel_scope.cancel()
    return said, [record.rule for record in records if isinstance(record, OddityRecord)]


@pytest.mark.parametrize("latency_s", [0.0, 0.01])
async def test_it_follows_the_answer_in_a_request_of_its_own(tmp_path: Path, latency_s: float) -> None:
    said, noted = await answered(made(tmp_path), "Accepted", latency_s)
    assert said[0] == [3, "1", {"status": "Accepted"}]
    assert said[1][2] == "CertificateSigned"
    assert x509.load_pem_x509_certificate(said[1][3]["certificateChain"].encode()).subject.rfc4514_string()
    assert noted == []


async def test_one_that_is_rejected_is_noted(tmp_path: Path) -> None:
    _, noted = await answered(made(tmp_path), "Rejected")
    assert noted == ["certificate-not-taken"]


@pytest.mark.parametrize(("named", "noted"), [(CP, []), ("CP0002", ["bad-signing-request"])])
def test_without_a_root_or_with_a_bad_request_the_answer_is_no(tmp_path: Path, named: str, noted: list[str]) -> None:
    records: list[Record] = []
    signer = None if named == CP else Signer(made(tmp_path))
    central = Central(lambda: datetime.now(UTC), records.append, sign=signer)
    response: Any = central.answer(CP, SignCertificateRequest(request(named).csr))
    assert response.status == "Rejected"
    assert central.granted == {}
    assert [record.rule for record in records if isinstance(record, OddityRecord)] == noted
