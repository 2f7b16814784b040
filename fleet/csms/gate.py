"""The gate of a central system: who may come in, by the security profile that it serves.

"Improved security for OCPP 1.6-J", section 2: profile 0 is anybody, profile 1 HTTP basic authentication with the charge
point's id and its AuthorizationKey, profile 2 the same over TLS, and profile 3 TLS on which the charge point shows a
certificate that names it in CN. Profiles without a password to compare with take any, as long as there is one.

What is refused is said by HTTP status, and noted without what was shown: a wrong password may be the right one of
something else.
"""

import hmac
import re
import ssl
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, cast

import trio
from attrs import field, frozen

from fleet.errors import ConfigurationError

Header = tuple[bytes, bytes]
GOODBYE_MAX_S = 1.0
_TLS_PROFILES = (2, 3)
_PASSWORD_PROFILES = (1, 2)
_HEX = re.compile("(?:[0-9a-fA-F]{2}){16,20}")


@frozen
class Security:
    """What a central system asks of those who connect.

    With a `certificate` and its `key` it speaks TLS; `client_ca` signs the charge points' certificates in profile 3.
    `password` is that of every charge point; None takes any.
    """

    profile: int = 0
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    password: str | None = field(default=None, repr=False)

    def context(self) -> ssl.SSLContext | None:
        """What TLS is made with, None without TLS; raises ConfigurationError for what doesn't go together."""
        if self.certificate is None:
            if self.profile in _TLS_PROFILES:
                raise ConfigurationError(f"security profile {self.profile} needs a certificate: --tls DIR, or --cert")
            return None
        if self.profile == 1:
            raise ConfigurationError("security profile 1 is without TLS: expected no certificate, or profile 2")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        key = self.key or self.certificate
        try:
            # A key that asks for a password would wait for somebody to type it.
            context.load_cert_chain(self.certificate, key, password=lambda: b"")
        except (OSError, ssl.SSLError) as error:
            why = f"can't use certificate {self.certificate} with key {key}"
            raise ConfigurationError(f"{why}: {_words(error)}") from None
        if self.profile == 3:
            if self.client_ca is None:
                raise ConfigurationError("security profile 3 needs the authority of the charge points: --client-ca")
            try:
                context.load_verify_locations(self.client_ca)
            except (OSError, ssl.SSLError) as error:
                raise ConfigurationError(f"can't use client CA {self.client_ca}: {_words(error)}") from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Refusal(NamedTuple):
    """Not let in: the HTTP status with its headers, and why, for the records."""

    status: int
    why: str
    headers: list[Header] = []  # noqa: RUF012  # never changed


class Gate:
    """Lets in, or not. `passwords` are those of single charge points, any of which is good."""

    def __init__(self, security: Security | None = None) -> None:
        """Raises ConfigurationError for certificates that can't be used."""
        security = security or Security()
        self.profile = security.profile
        self.context = security.context()
        self._password = security.password
        self._passwords: dict[str, tuple[str, ...]] = {}

    def accept(self, charge_point: str, *passwords: str) -> None:
        """From now on any of these passwords is this charge point's, and no other."""
        self._passwords[charge_point] = passwords

    def accepted(self, charge_point: str) -> tuple[str, ...]:
        """The passwords of this charge point; nothing means any."""
        common = () if self._password is None else (self._password,)
        return self._passwords.get(charge_point, common)

    def forget(self, charge_point: str) -> None:
        """This charge point's password is everybody's again."""
        self._passwords.pop(charge_point, None)

    async def secure(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        """TLS over the stream where there is TLS; raises BrokenResourceError when the handshake fails."""
        if self.context is None:
            return stream
        secured = trio.SSLStream(stream, self.context, server_side=True, https_compatible=True)
        try:
            await secured.do_handshake()
        except trio.BrokenResourceError:
            await _say_why(secured, stream)
            raise
        return secured

    def refusal(self, charge_point: str, headers: Iterable[Header], stream: trio.abc.Stream) -> Refusal | None:
        """Why this charge point may not come in, None if it may."""
        if self.profile in _PASSWORD_PROFILES:
            why = self._wrong_password(charge_point, headers)
            if why is not None:
                return Refusal(401, why, [(b"WWW-Authenticate", b'Basic realm="fleet csms", charset="UTF-8"')])
        elif self.profile == 3 and (name := _common_name(stream)) != charge_point:
            return Refusal(403, f"its certificate is that of {name!r}")
        return None

    def _wrong_password(self, charge_point: str, headers: Iterable[Header]) -> str | None:
        said = next((value for name, value in headers if name.lower() == b"authorization"), b"")
        scheme, _, credentials = said.partition(b" ")
        if scheme.lower() != b"basic":
            return "no basic authentication"
        try:
            name, colon, password = b64decode(credentials.strip(), validate=True).partition(b":")
        except NotBase64:
            return "basic authentication that is not base64"
        if not colon or name != charge_point.encode():
            return "basic authentication in another name"
        if not password:
            return "an empty password"
        accepted = self.accepted(charge_point)
        if accepted and not any(hmac.compare_digest(password, good) for known in accepted for good in _forms(known)):
            return "a wrong password"
        return None


def _forms(password: str) -> tuple[bytes, ...]:
    """What stands for this password: itself and, where it may be one that is written in hex, the bytes it stands for.

    OCPP-J 1.6 section 6.1 wants an AuthorizationKey so; there are charge points that show the digits themselves.
    """
    said = password.encode()
    return (said, bytes.fromhex(password)) if _HEX.fullmatch(password) else (said,)


async def _say_why(secured: "trio.SSLStream[trio.abc.Stream]", stream: trio.abc.Stream) -> None:
    """Send the alert that says why a handshake failed: trio has it ready, and leaves it there."""
    alert = secured._outgoing.read()
    if not alert:
        return
    with trio.move_on_after(GOODBYE_MAX_S), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_all(alert)
        if isinstance(stream, trio.abc.HalfCloseableStream):
            await stream.send_eof()
        # TCP closed with something unread is reset, and what was sent last is lost with it.
        while await stream.receive_some():
            pass


def tls_failure(error: BaseException) -> str:
    """Why a TLS handshake failed, in a few words."""
    cause = error.__cause__
    return _words(cause) if isinstance(cause, ssl.SSLError | OSError) else "the connection was lost"


def _common_name(stream: trio.abc.Stream) -> str | None:
    """CN of the certificate that was shown on this stream."""
    if not isinstance(stream, trio.SSLStream):
        return None
    shown = stream.getpeercert()
    subject = cast("tuple[tuple[tuple[str, str], ...], ...]", (shown or {}).get("subject", ()))
    return next((value for names in subject for kind, value in names if kind == "commonName"), None)


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
