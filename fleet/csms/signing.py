"""Signing: the central system as the authority of its charge points' certificates.

"Improved security for OCPP 1.6-J", use cases A02 and A03: a charge point asks for a certificate of a new key, and is
sent it when it is signed. The authority is the root of a test PKI, whose key lies beside it. It takes a while to load
what signs, for which a central system that never has to need not wait.
"""

import ssl
from typing import TYPE_CHECKING

import attrs

from fleet.errors import ConfigurationError
from fleet.pki.layout import Layout

if TYPE_CHECKING:
    from fleet.pki.authority import Authority

VALID_DAYS = 365


class Signer:
    """Signs with the root in this folder; loaded when it is needed first."""

    def __init__(self, layout: Layout) -> None:
        """Raises ConfigurationError where the key can't be read, or isn't that of the root."""
        try:
            self._key = layout.root_key.read_bytes()
            self._certificate = layout.root.read_bytes()
            # What is wrong with them is no fault of who asks for a certificate later. This library is there already.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(layout.root, layout.root_key, lambda: b"")
        except ssl.SSLError as error:
            why = (error.reason or str(error)).replace("_", " ").lower()
            raise ConfigurationError(f"can't sign with {layout.root} and key {layout.root_key}: {why}") from None
        except OSError as error:
            raise ConfigurationError(f"can't use {error.filename}: {error.strerror or error}") from None
        self._authority: Authority | None = None

    def __call__(self, charge_point: str, request: str) -> str:
        """The certificate (PEM) for this signing request; ValueError says in one line why there is none."""
        from fleet.pki.authority import Authority, Identity, Validity

        validity = Validity.of_days(VALID_DAYS)
        if self._authority is None:
            # To read an RSA key takes far longer than to sign with it.
            self._authority = Authority.of(Identity(self._certificate, self._key), validity)
        return attrs.evolve(self._authority, validity=validity).grant(charge_point, request).decode()
