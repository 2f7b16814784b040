"""Certificates, keys and signatures, as the security white paper wants them from a charge point.

What is checked of a chain: every certificate is in its time, each is signed by the next, what signs is an authority,
and the last is one of the given roots or signed by one. Times are the charge point's own, not this machine's, so that a
charge point whose clock is wrong judges wrongly, as it would in the street.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

from fleet.core.answers import CertificateHash
from fleet.core.certificates import KnownCertificate
from fleet.core.errands import (
    Done,
    JudgeOwnChain,
    JudgeRoot,
    JudgeSignature,
    JudgeSigner,
    MakeRequest,
    Recognised,
    RequestMade,
    Why,
)
from fleet.errands.places import ErrandFailed
from fleet.words.security import CertificateUse, HashAlgorithm

CHAIN_LENGTH_MAX = 10
REVOCATION_LISTS_MAX = 4
_COMMON_NAME_LENGTH_MAX = 64
_ALGORITHMS: dict[HashAlgorithm, hashes.HashAlgorithm] = {
    HashAlgorithm.SHA256: hashes.SHA256(),
    HashAlgorithm.SHA384: hashes.SHA384(),
    HashAlgorithm.SHA512: hashes.SHA512(),
}
_SHA256 = Prehashed(hashes.SHA256())
_SCHEMES = (None, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO), padding.PKCS1v15())
# White paper, section 2.4: RSA keys of 2048 bits at least, elliptic curves of 224.
_RSA_BITS_MIN, _EC_BITS_MIN = 2048, 224
T = TypeVar("T")


def _invalid(detail: str) -> ErrandFailed:
    return ErrandFailed(Why.INVALID, detail)


# ---- errands ---------------------------------------------------------------------------------------------------------


def make_request(errand: MakeRequest) -> RequestMade:
    """A key on P-256, and the request for a certificate of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, errand.organization[:_COMMON_NAME_LENGTH_MAX] or "-"),
            x509.NameAttribute(NameOID.COMMON_NAME, errand.common_name[:_COMMON_NAME_LENGTH_MAX]),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return RequestMade(request.public_bytes(serialization.Encoding.PEM).decode(), pem.decode())


def judge_own_chain(errand: JudgeOwnChain) -> Done:
    """Raises `ErrandFailed` with what is wrong with the chain."""
    chain = _chain(errand.chain)
    ours = serialization.load_pem_private_key(errand.key.encode(), None).public_key()
    if _public(chain[0].public_key()) != _public(ours):
        raise _invalid("the certificate is for another key")
    _judge_chain(chain, _roots(errand.roots), errand.utc_s, anchored=bool(errand.roots))
    return Done()


def judge_signer(errand: JudgeSigner, revocation_lists: Sequence[bytes] = ()) -> Done:
    """Raises `ErrandFailed` with why whoever has this certificate may not sign firmware.

    `revocation_lists` (X.509 CRLs, DER or PEM) count if the issuer of what they revoke signed them.
    """
    chain = _signer_chain(errand)
    lists = [each for each in map(_revocation_list, revocation_lists) if each is not None]
    for certificate, issuer in pairwise(chain):
        for revoked in lists:
            signed = revoked.issuer == issuer.subject and revoked.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
            if signed and revoked.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
                raise ErrandFailed(Why.REVOKED, "the certificate has been revoked")
    return Done()


def revocation_places(errand: JudgeSigner) -> tuple[str, ...]:
    """Where the revocation lists for these certificates are, by the certificates' own word."""
    places: dict[str, None] = {}
    for certificate in _signer_chain(errand):
        try:
            points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        except (x509.ExtensionNotFound, ValueError):
            continue
        for point in points:
            for name in point.full_name or ():
                if isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith(("http:", "https:")):
                    places[name.value] = None
    return tuple(places)[:REVOCATION_LISTS_MAX]


def judge_signature(errand: JudgeSignature) -> Done:
    """White paper, section 4.3: SHA-256, by ECDSA or by RSA with PSS or PKCS#1 v1.5."""
    key = _chain(errand.certificate)[0].public_key()
    try:
        signature = base64.b64decode("".join(errand.signature.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _invalid("the signature is no base64") from None
    if not any(_verifies(key, scheme, signature, errand.sha256) for scheme in _SCHEMES):
        raise _invalid("the signature is not that of the signing certificate over this file")
    return Done()


def judge_root(errand: JudgeRoot) -> Recognised:
    """Raises `ErrandFailed` with why it is no root to be trusted."""
    chain = _chain(errand.certificate)
    if len(chain) > 1:
        raise _invalid("more than one certificate")
    root = chain[0]
    if errand.signed_by:
        if not any(_signed_by(root, former) for former in _roots(errand.signed_by)):
            raise _invalid("the certificate isn't signed by the root that it is to follow")
    elif not _signed_by(root, root):
        raise _invalid("the certificate isn't signed by itself, as a root is")
    _judge_one(root, errand.utc_s, issues=True)
    return Recognised(known(errand.use, root))


def known(use: CertificateUse, certificate: x509.Certificate) -> KnownCertificate:
    """What a root is known by."""
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return KnownCertificate(use, pem, tuple(_hash(certificate, algorithm) for algorithm in HashAlgorithm))


def known_roots(use: CertificateUse, pem: str) -> tuple[KnownCertificate, ...]:
    """The same of every certificate in a file, for roots from the factory; ValueError if there is none."""
    try:
        return tuple(known(use, each) for each in _load(lambda: x509.load_pem_x509_certificates(pem.encode())))
    except ErrandFailed as error:
        raise ValueError(str(error)) from None


# ---- inside ----------------------------------------------------------------------------------------------------------


def _verifies(key: PublicKeyTypes, scheme: padding.AsymmetricPadding | None, signature: bytes, sha256: bytes) -> bool:
    """By RSA with this padding or, with none, by ECDSA."""
    try:
        if isinstance(key, rsa.RSAPublicKey) and scheme is not None:
            key.verify(signature, sha256, scheme, _SHA256)
        elif isinstance(key, ec.EllipticCurvePublicKey) and scheme is None:
            key.verify(signature, sha256, ec.ECDSA(_SHA256))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _load(read: Callable[[], T]) -> T:
    try:
        return read()
    except (ValueError, UnsupportedAlgorithm, TypeError):
        raise _invalid("no certificate in PEM") from None


def _signer_chain(errand: JudgeSigner) -> list[x509.Certificate]:
    if not errand.roots:
        raise _invalid("no manufacturer's root certificate is installed")
    return _judge_chain(_chain(errand.certificate), _roots(errand.roots), errand.utc_s, anchored=True)


def _revocation_list(data: bytes) -> x509.CertificateRevocationList | None:
    load = x509.load_pem_x509_crl if data.startswith(b"-----") else x509.load_der_x509_crl
    try:
        return load(data)
    except ValueError:
        return None


def _chain(pem: str) -> list[x509.Certificate]:
    chain = _load(lambda: x509.load_pem_x509_certificates(pem.encode()))
    if len(chain) > CHAIN_LENGTH_MAX:
        raise _invalid(f"a chain of more than {CHAIN_LENGTH_MAX} certificates")
    return chain


def _roots(pems: Sequence[str]) -> list[x509.Certificate]:
    return [certificate for pem in pems for certificate in _chain(pem)]


def _judge_chain(
    chain: list[x509.Certificate], roots: list[x509.Certificate], utc_s: float, *, anchored: bool
) -> list[x509.Certificate]:
    for position, certificate in enumerate(chain):
        _judge_one(certificate, utc_s, issues=position > 0)
        if position and not _signed_by(chain[position - 1], certificate):
            raise _invalid("a certificate of the chain isn't signed by the next one")
    if not anchored:
        return chain
    last = chain[-1]
    for root in roots:
        if root == last:
            return chain
        if _signed_by(last, root):
            _judge_one(root, utc_s, issues=True)
            return [*chain, root]
    raise _invalid("no installed root certificate vouches for it")


def _judge_one(certificate: x509.Certificate, utc_s: float, *, issues: bool) -> None:
    at = datetime.fromtimestamp(utc_s, UTC)
    if at < certificate.not_valid_before_utc:
        raise _invalid("a certificate isn't valid yet")
    if at > certificate.not_valid_after_utc:
        raise _invalid("a certificate has expired")
    key = _load(certificate.public_key)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_BITS_MIN:
        raise _invalid(f"an RSA key of {key.key_size} bits is too weak")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size < _EC_BITS_MIN:
        raise _invalid(f"a curve of {key.curve.key_size} bits is too weak")
    if not issues:
        return
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        # Version 1 roots have no extensions.
        authority = certificate.version is x509.Version.v1
    except ValueError:
        raise _invalid("a certificate has broken extensions") from None
    if not authority:
        raise _invalid("a certificate that signed another isn't an authority's")


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _hash(certificate: x509.Certificate, algorithm: HashAlgorithm) -> CertificateHash:
    """As OCSP's CertID (RFC 6960, section 4.1.1): of the issuer's name, and of its key without the algorithm.

    The roots' issuers are they themselves; one that a former root signed is known by that one's key identifier only,
    so its own key stands in.
    """

    def digest(data: bytes) -> str:
        hashing = hashes.Hash(_ALGORITHMS[algorithm])
        hashing.update(data)
        return hashing.finalize().hex()

    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        bits = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        bits = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    else:
        bits = _public(key)
    return CertificateHash(
        algorithm, digest(certificate.issuer.public_bytes()), digest(bits), f"{certificate.serial_number:x}"
    )
