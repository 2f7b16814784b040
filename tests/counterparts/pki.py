"""Certificates for tests of those who judge them: roots, chains, signers, revocation lists, and their flaws.

Everything is in its time on the virtual clock's day (`scripted.EPOCH_S`) as well as today.
"""

import base64
from datetime import UTC, datetime
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

BEGIN, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@frozen
class Party:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return pem(self.certificate)

    def issue(
        self,
        common_name: str,
        *,
        authority: bool = False,
        end: datetime = END,
        begin: datetime = BEGIN,
        key: Any = None,
        public_key: Any = None,
        lists_at: str | None = None,
    ) -> "Party":
        """A certificate that this one vouches for, for a new key unless one is given."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        public = public_key or key.public_key()
        return Party(
            _sign(name(common_name), self.certificate.subject, public, self.key, authority, begin, end, lists_at), key
        )

    def grant(self, csr: str, **flaws: Any) -> str:
        """A certificate for this signing request, with the root behind it."""
        request = x509.load_pem_x509_csr(csr.encode())
        assert request.is_signature_valid
        common_name = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return self.issue(str(common_name), public_key=request.public_key(), **flaws).pem

    def sign(self, content: bytes, *, pss: bool = False) -> str:
        """A signature over a file, in base64."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            scheme: Any = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else padding.PKCS1v15()
            return base64.b64encode(self.key.sign(content, scheme, hashes.SHA256())).decode()
        return base64.b64encode(self.key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()

    def revocation_list(self, *revoked: "Party") -> bytes:
        """That these certificates are revoked, in DER."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(BEGIN).next_update(END)
        for party in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(party.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(BEGIN).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def root(common_name: str = "Root", *, key: Any = None, end: datetime = END, authority: bool = True) -> Party:
    """A root."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    return Party(_sign(name(common_name), name(common_name), key.public_key(), key, authority, BEGIN, end, None), key)


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: Any,
    key: Any,
    authority: bool,
    begin: datetime,
    end: datetime,
    lists_at: str | None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if lists_at is not None:
        place = x509.DistributionPoint([x509.UniformResourceIdentifier(lists_at)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([place]), critical=False)
    return builder.sign(key, hashes.SHA256())
