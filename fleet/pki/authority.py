"""A certificate authority for tests: keys and certificates as the security white paper wants them.

"Improved security for OCPP 1.6-J", section 2: a CSMS's certificate names its hosts; a charge point's has the operator
in O and the charge point's own unique name in CN, by which the CSMS knows who connects. Elliptic curve keys (P-256) are
as strong as needed and cost a handshake a fraction of what RSA does; RSA of 2048 bits is there for those who must.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address

from attrs import field, frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_HOST_NAME = re.compile(r"(?=.{1,253}$)(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class KeyKind(StrEnum):
    """What the keys are."""

    EC = "ec"
    RSA = "rsa"


@frozen
class Validity:
    """From when to when certificates hold."""

    begin: datetime
    end: datetime

    @classmethod
    def of_days(cls, days: int, now: datetime | None = None) -> "Validity":
        """For so many days from now on; a day earlier already, for charge points whose clocks are late."""
        now = datetime.now(UTC) if now is None else now
        return cls(now - timedelta(days=1), now + timedelta(days=days))


@frozen
class Identity:
    """A certificate and its private key, both PEM; the key is not encrypted."""

    certificate: bytes
    key: bytes = field(repr=False)


@frozen
class Authority:
    """A root that signs. What it signs holds for `validity` and has its `organization` in O."""

    organization: str
    validity: Validity
    kind: KeyKind
    root: x509.Certificate
    _key: PrivateKey = field(repr=False)

    @classmethod
    def new(cls, organization: str, validity: Validity, kind: KeyKind = KeyKind.EC) -> "Authority":
        """A root of its own; ValueError for an organization that no certificate can name."""
        key = _new_key(kind)
        name = _name("Test root of fleet", organization)
        root = (
            _builder(name, name, key.public_key(), validity)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(organization, validity, kind, root, key)

    @classmethod
    def of(cls, root: Identity, validity: Validity) -> "Authority":
        """The root that was written down; ValueError where that is none."""
        try:
            certificate = x509.load_pem_x509_certificate(root.certificate)
            key = serialization.load_pem_private_key(root.key, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("expected a root certificate and its key, both PEM and without a password") from None
        if not isinstance(key, PrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError("the root's key is not that of its certificate")
        names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        organization = str(names[0].value) if names else "-"
        kind = KeyKind.RSA if isinstance(key, rsa.RSAPrivateKey) else KeyKind.EC
        return cls(organization, validity, kind, certificate, key)

    @property
    def identity(self) -> Identity:
        """The root itself."""
        return Identity(self.root.public_bytes(serialization.Encoding.PEM), _pem(self._key))

    def csms(self, hosts: Iterable[str]) -> Identity:
        """A CSMS that is reached by these host names and addresses; ValueError for one that is neither."""
        names = [_alternative_name(host) for host in dict.fromkeys(hosts)]
        alternatives = x509.SubjectAlternativeName(names)
        return self._issue("CSMS", ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def charge_point(self, charge_point_id: str) -> Identity:
        """A charge point: its id has to fit into a CN, 64 characters."""
        return self._issue(charge_point_id, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def grant(self, charge_point_id: str, request: str) -> bytes:
        """The certificate (PEM) that a charge point's signing request (PKCS #10, PEM) asks for.

        ValueError says why it gets none: it asks in another name, or shows no key that it has.
        """
        try:
            asked = x509.load_pem_x509_csr(request.encode())
            signed, key = asked.is_signature_valid, asked.public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
            raise ValueError("no signing request in PEM") from None
        if not signed or not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise ValueError("a signing request that isn't signed with its own key")
        names = [str(each.value) for each in asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if names != [charge_point_id]:
            raise ValueError(f"a signing request for {', '.join(map(repr, names)) or 'nobody'}")
        certificate = self._sign(charge_point_id, key, ExtendedKeyUsageOID.CLIENT_AUTH, None)
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _issue(
        self, common_name: str, purpose: x509.ObjectIdentifier, alternatives: x509.SubjectAlternativeName | None
    ) -> Identity:
        key = _new_key(self.kind)
        certificate = self._sign(common_name, key.public_key(), purpose, alternatives)
        return Identity(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))

    def _sign(
        self,
        common_name: str,
        key: PublicKey,
        purpose: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> x509.Certificate:
        builder = (
            _builder(_name(common_name, self.organization), self.root.subject, key, self.validity)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _new_key(kind: KeyKind) -> PrivateKey:
    if kind is KeyKind.RSA:
        return rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common_name: str, organization: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: PublicKey, validity: Validity) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.begin)
        .not_valid_after(validity.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not _HOST_NAME.fullmatch(name):
        raise ValueError(f"expected a host name or an address, got {host!r}")
    return x509.DNSName(name)
