"""What certificates, chains and signatures are worth."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from counterparts.file_servers import web_server
from counterparts.pki import Party, root
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import ocsp

from fleet.core.errands import (
    Done,
    JudgeOwnChain,
    JudgeRoot,
    JudgeSignature,
    JudgeSigner,
    MakeRequest,
    Recognised,
    RequestMade,
    Undone,
    Why,
)
from fleet.errands.certificates import known_roots
from fleet.errands.runner import Errands
from fleet.words.security import CertificateUse, HashAlgorithm

NOW_S = 1_795_348_800.0
FILE = b"firmware"
DIGEST = hashlib.sha256(FILE).digest()
USE = CertificateUse.CENTRAL_SYSTEM_ROOT


async def outcome_of(errand: Any) -> Any:
    async with Errands() as errands:
        return await errands.run(errand)


def is_no(outcome: Any, words: str) -> bool:
    return isinstance(outcome, Undone) and outcome.why is Why.INVALID and words in outcome.detail


async def test_a_request_is_signed_by_the_key_that_comes_with_it() -> None:
    made = await outcome_of(MakeRequest("CP1", "An operator"))
    assert isinstance(made, RequestMade)
    request = x509.load_pem_x509_csr(made.csr.encode())
    key = serialization.load_pem_private_key(made.key.encode(), None)
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()
    assert "PRIVATE KEY" not in repr(made)


@pytest.mark.parametrize("anchored", [True, False])
async def test_a_chain_for_our_key_is_ours(anchored: bool) -> None:
    made = await outcome_of(MakeRequest("CP1", "An operator"))
    operator = root()
    between = operator.issue("Between", authority=True)
    chain = between.grant(made.csr) + between.pem
    roots = (operator.pem,) if anchored else ()
    assert await outcome_of(JudgeOwnChain(chain, made.key, roots, NOW_S)) == Done()
    # An own certificate whose issuer isn't in the chain has nobody to hold it to the root.
    if anchored:
        outcome = await outcome_of(JudgeOwnChain(between.grant(made.csr), made.key, roots, NOW_S))
        assert is_no(outcome, "vouches")


async def test_an_authority_that_is_none_vouches_for_nobody() -> None:
    made = await outcome_of(MakeRequest("CP1", "An operator"))
    operator = root()
    impostor = operator.issue("Just another charge point")
    outcome = await outcome_of(JudgeOwnChain(impostor.grant(made.csr) + impostor.pem, made.key, (operator.pem,), NOW_S))
    assert is_no(outcome, "authority")


async def test_a_chain_in_the_wrong_order_is_none() -> None:
    made = await outcome_of(MakeRequest("CP1", "An operator"))
    first, second = root("First"), root("Second")
    outcome = await outcome_of(JudgeOwnChain(first.grant(made.csr) + second.pem, made.key, (), NOW_S))
    assert is_no(outcome, "isn't signed by the next")


def keys() -> list[Any]:
    return [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ]


@pytest.mark.parametrize("key", keys(), ids=["P-256", "P-384", "RSA"])
@pytest.mark.parametrize("pss", [False, True])
async def test_a_signature_is_verified(key: Any, pss: bool) -> None:
    signer = root().issue("Release", key=key)
    signature = signer.sign(FILE, pss=pss)
    assert await outcome_of(JudgeSignature(signer.pem, signature, DIGEST)) == Done()
    # Base64 that was broken into lines is still base64.
    broken = "\n".join(signature[at : at + 64] for at in range(0, len(signature), 64))
    assert await outcome_of(JudgeSignature(signer.pem, broken, DIGEST)) == Done()
    other = hashlib.sha256(b"other").digest()
    assert is_no(await outcome_of(JudgeSignature(signer.pem, signature, other)), "signature")


@pytest.mark.parametrize("signature", ["", "no base64!", "AAAA", "ä"])
async def test_what_is_no_signature_is_none(signature: str) -> None:
    assert is_no(await outcome_of(JudgeSignature(root().pem, signature, DIGEST)), "signature")


async def test_a_key_that_cant_sign_firmware_has_signed_none() -> None:
    signer = root().issue("Release", public_key=ed25519.Ed25519PrivateKey.generate().public_key())
    assert is_no(await outcome_of(JudgeSignature(signer.pem, "AAAA", DIGEST)), "signature")


async def test_a_signer_is_one_if_the_manufacturer_says_so() -> None:
    manufacturer, other = root("Manufacturer"), root("Manufacturer")
    signer = manufacturer.issue("Release")
    assert await outcome_of(JudgeSigner(signer.pem, (other.pem, manufacturer.pem), NOW_S)) == Done()
    assert is_no(await outcome_of(JudgeSigner(signer.pem, (other.pem,), NOW_S)), "vouches")
    assert is_no(await outcome_of(JudgeSigner(signer.pem, (), NOW_S)), "no manufacturer's root")
    assert is_no(await outcome_of(JudgeSigner("PEM", (other.pem,), NOW_S)), "no certificate")
    # The charge point's clock counts, not ours.
    assert is_no(await outcome_of(JudgeSigner(signer.pem, (manufacturer.pem,), 0.0)), "isn't valid yet")


@pytest.mark.parametrize(("bits", "fine"), [(1024, False), (2048, True)])
async def test_a_weak_key_is_not_trusted(bits: int, fine: bool) -> None:
    manufacturer = root()
    weak = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    outcome = await outcome_of(JudgeSigner(manufacturer.issue("Release", key=weak).pem, (manufacturer.pem,), NOW_S))
    assert outcome == Done() if fine else is_no(outcome, "too weak")


async def test_a_signer_that_was_revoked_is_told_apart() -> None:
    manufacturer, stranger = root("Manufacturer"), root("Manufacturer")
    with web_server() as server:
        at = f"{server.url}/list.crl"
        good, bad = (manufacturer.issue(each, lists_at=at) for each in ("Good", "Bad"))

        async def judged(signer: Party) -> Any:
            return await outcome_of(JudgeSigner(signer.pem, (manufacturer.pem,), NOW_S))

        # No list to be had, or a broken one, or somebody else's: nothing is known.
        assert await judged(bad) == Done()
        server.files["/list.crl"] = b"no list"
        assert await judged(bad) == Done()
        server.files["/list.crl"] = stranger.revocation_list(bad)
        assert await judged(bad) == Done()
        server.files["/list.crl"] = manufacturer.revocation_list(bad)
        revoked = await judged(bad)
        assert isinstance(revoked, Undone)
        assert revoked.why is Why.REVOKED
        assert await judged(good) == Done()


@pytest.mark.parametrize("algorithm", list(HashAlgorithm))
@pytest.mark.parametrize("key", keys(), ids=["P-256", "P-384", "RSA"])
async def test_a_root_is_known_by_the_hashes_that_ocsp_uses(algorithm: HashAlgorithm, key: Any) -> None:
    authority = root(key=key)
    outcome = await outcome_of(JudgeRoot(USE, authority.pem, NOW_S))
    assert isinstance(outcome, Recognised)
    [known] = [each for each in outcome.certificate.hashes if each.algorithm is algorithm]
    hashing = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}[algorithm.value]
    builder = ocsp.OCSPRequestBuilder()
    request = builder.add_certificate(authority.certificate, authority.certificate, hashing).build()
    assert known.issuer_name_hash == request.issuer_name_hash.hex()
    assert known.issuer_key_hash == request.issuer_key_hash.hex()
    assert int(known.serial_number, 16) == request.serial_number


async def test_roots_from_the_factory_are_read_from_a_file_of_them() -> None:
    made = known_roots(USE, root("One").pem + root("Two").pem)
    assert len({each.hashes for each in made}) == 2
    with pytest.raises(ValueError, match="no certificate"):
        known_roots(USE, "nothing")


async def test_an_old_root_is_none() -> None:
    old = root(end=datetime(2021, 1, 1, tzinfo=UTC))
    assert is_no(await outcome_of(JudgeRoot(USE, old.pem, NOW_S)), "expired")
