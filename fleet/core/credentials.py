"""Credentials: what a charge point shows to be let in, and which of two it shows while new ones are on trial.

"Improved security for OCPP 1.6-J", use cases A01 (another password), A02 (another certificate) and A05 (a higher
security profile): the CSMS hands out new credentials, the charge point comes back with them, and with the old ones if
the new ones don't get it in. Neither is given up before one has: a CSMS that was away when the new ones were tried may
well insist on them when it is back, and a charge point that had forgotten them would stand outside for ever.
"""

import re

from attrs import define, field, frozen

ATTEMPTS = 3
"""How often in a row a connection may fail, for whatever reason, before the other credentials have their turn."""
_HEX = re.compile("(?:[0-9a-fA-F]{2}){16,20}")
REFUSALS = frozenset({"tls", "http-401", "http-403"})
"""Reasons of a failed connection that speak of the credentials: the other ones have their turn at once."""


def password_of(authorization_key: str) -> bytes:
    """The password of HTTP basic authentication that an AuthorizationKey stands for.

    OCPP-J 1.6 section 6.1 and the white paper write a password of 16 to 20 bytes as 32 to 40 hexadecimal digits. CSMSs
    that send the password as it is are many too; nothing but such digits can be taken for them, so all else is one.
    """
    return bytes.fromhex(authorization_key) if _HEX.fullmatch(authorization_key) else authorization_key.encode()


@frozen
class OwnCertificate:
    """A certificate chain that the CSMS had signed, the charge point's own first, and the key to it; both PEM."""

    chain: str
    key: str = field(repr=False)


@frozen
class Credentials:
    """The security profile (0 to 3) and what goes with it; None is what the charge point was put up with.

    Profiles 1 and 2 show the password `authorization_key`, profile 3 the `certificate`; 2 and 3 are over TLS.
    """

    security_profile: int = 0
    authorization_key: str | None = field(default=None, repr=False)
    certificate: OwnCertificate | None = None


@define
class Trial:
    """The proven credentials and the proposed ones; `trying_proposed` says whose turn it is."""

    proven: Credentials
    proposed: Credentials
    trying_proposed: bool = True
    failures: int = 0

    @property
    def credentials(self) -> Credentials:
        """Those to connect with."""
        return self.proposed if self.trying_proposed else self.proven

    def failed(self, reason: str) -> bool:
        """A connection did not come about; True when it is the other credentials' turn now."""
        self.failures += 1
        if reason not in REFUSALS and self.failures < ATTEMPTS:
            return False
        self.failures = 0
        self.trying_proposed = not self.trying_proposed
        return True
