"""Errands: what has to be done for a charge point outside its machine, and what came of it.

A file to fetch, a file to hand in, a key to make, a certificate or signature to judge: all of them take a network, a
random number or more arithmetic than a machine may have. So the machine asks for an errand (`effects.RunErrand`),
goes on living, and hears of its end as a message, `ErrandEnded`. What can go wrong on an errand is one of its outcomes,
`Undone`, never an exception. Who runs them is `fleet.errands`; to the machine they are data.

URLs may hold passwords and a key is one: neither is shown by any `repr`, and no `Undone` speaks of them.
"""

from enum import StrEnum

from attrs import field, frozen

from fleet.core.certificates import KnownCertificate
from fleet.words.security import CertificateUse

# ---- files -----------------------------------------------------------------------------------------------------------


@frozen
class Fetch:
    """Download a file, to the end. What is kept of it is told by `Fetched`.

    `roots` (PEM) vouch for its server beside those that the run has: the CSMS had them installed.
    """

    url: str = field(repr=False)
    roots: tuple[str, ...] = ()


@frozen
class Deliver:
    """Upload `content` as a file called `name` into the folder at `url`; `roots` as in Fetch."""

    url: str = field(repr=False)
    name: str
    content: bytes = field(repr=False)
    roots: tuple[str, ...] = ()


# ---- keys and certificates -------------------------------------------------------------------------------------------


@frozen
class MakeRequest:
    """Make a key pair and a certificate signing request (PKCS #10) that names this charge point."""

    common_name: str
    organization: str


@frozen
class JudgeOwnChain:
    """Is `chain` (PEM, own certificate first) for our `key` (PEM), valid at `utc_s`, and under one of `roots` (PEM)?

    With no roots there is nothing to hold its end against, and every other check still counts.
    """

    chain: str
    key: str = field(repr=False)
    roots: tuple[str, ...]
    utc_s: float


@frozen
class JudgeSigner:
    """May whoever has this certificate (PEM) sign firmware: is it valid at `utc_s`, unrevoked, under one of `roots`?"""

    certificate: str
    roots: tuple[str, ...]
    utc_s: float


@frozen
class JudgeSignature:
    """Is `signature` (base64) that of `certificate`'s key over the file with this SHA-256?"""

    certificate: str
    signature: str
    sha256: bytes


@frozen
class JudgeRoot:
    """Is this (PEM) a root certificate that is valid at `utc_s`? With `signed_by` (PEM) one of these has to vouch."""

    use: CertificateUse
    certificate: str
    utc_s: float
    signed_by: tuple[str, ...] = ()


Errand = Fetch | Deliver | MakeRequest | JudgeOwnChain | JudgeSigner | JudgeSignature | JudgeRoot

# ---- what came of it -------------------------------------------------------------------------------------------------


@frozen
class Done:
    """It is done; or, of a judgement: yes."""


@frozen
class Fetched:
    """The whole file came. Only its fingerprint stays, and its first bytes (`HEAD_BYTES`): a fleet has many."""

    size_bytes: int
    sha256: bytes
    head: bytes


@frozen
class RequestMade:
    """The signing request and its private key, both PEM."""

    csr: str
    key: str = field(repr=False)


@frozen
class Recognised:
    """It is a certificate that may be installed, and this is what it is known by."""

    certificate: KnownCertificate


class Why(StrEnum):
    """Why something wasn't done, as far as anybody acts on the difference."""

    UNREACHABLE = "unreachable"
    """Nobody there, or not in time, or TLS failed."""
    REFUSED = "refused"
    """The other side said no, or that there is no such file."""
    DENIED = "denied"
    """The other side wants other credentials."""
    UNSUPPORTED = "unsupported"
    """We can't do that at all."""
    TOO_LARGE = "too-large"
    INVALID = "invalid"
    """Of a judgement: no."""
    REVOKED = "revoked"


@frozen
class Undone:
    """It wasn't done, or the judgement is no; `detail` is one line for people, without secrets."""

    why: Why
    detail: str


Outcome = Done | Fetched | RequestMade | Recognised | Undone

HEAD_BYTES = 1024


@frozen
class ErrandEnded:
    """To the charge point: the errand with this token is over."""

    token: int
    outcome: Outcome
