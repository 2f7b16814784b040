"""The certificates that a charge point keeps: the roots it trusts, and the key that waits for one of its own.

Security white paper, section 4 and messages 5.1 to 5.12. What is in a certificate the core can't read: whoever
judged it (`errands.JudgeRoot`) says by which hashes it is known, and from then on finding and deleting are look-ups.

Its own certificate, once signed, is one of its `credentials`. Roots of the CSMS are those that a link may verify the
CSMS with, beside what the run's configuration gives.
"""

from attrs import define, evolve, field, frozen

from fleet.core.answers import CertificateHash
from fleet.words.security import CertificateUse


@frozen
class KnownCertificate:
    """A root, in PEM, and what it is known by: one hash for each algorithm that the CSMS may name it with."""

    use: CertificateUse
    pem: str
    hashes: tuple[CertificateHash, ...]


@define
class CertificateStore:
    """One charge point's. `pending_key` (PEM) belongs to the signing request that no certificate has come for yet."""

    roots: tuple[KnownCertificate, ...] = ()
    pending_key: str | None = field(default=None, repr=False)

    def of(self, use: CertificateUse) -> tuple[KnownCertificate, ...]:
        """The roots for this use, oldest first."""
        return tuple(root for root in self.roots if root.use is use)

    def pems(self, use: CertificateUse) -> tuple[str, ...]:
        """The same as text."""
        return tuple(root.pem for root in self.of(use))

    def install(self, root: KnownCertificate) -> None:
        """Trust this root too; one that is there already is there once."""
        if not self.has(root):
            self.roots = (*self.roots, root)

    def keep_last(self, use: CertificateUse) -> None:
        """Of the roots for this use only the one that was installed last stays."""
        last = self.of(use)[-1:]
        self.roots = tuple(root for root in self.roots if root.use is not use or root in last)

    def has(self, root: KnownCertificate) -> bool:
        """It is trusted for that use already."""
        return any(known.use is root.use and known.hashes == root.hashes for known in self.roots)

    def delete(self, wanted: CertificateHash) -> bool:
        """Trust the certificate of that hash no more, whatever its use; False where there is none."""
        kept = tuple(root for root in self.roots if not any(_same(wanted, each) for each in root.hashes))
        found = len(kept) < len(self.roots)
        self.roots = kept
        return found


def _same(one: CertificateHash, other: CertificateHash) -> bool:
    """Hex has no case, and a serial number may come with zeros before it."""
    return one.algorithm is other.algorithm and _folded(one) == _folded(other)


def _folded(known: CertificateHash) -> CertificateHash:
    return evolve(
        known,
        issuer_name_hash=known.issuer_name_hash.casefold(),
        issuer_key_hash=known.issuer_key_hash.casefold(),
        serial_number=known.serial_number.casefold().lstrip("0"),
    )
