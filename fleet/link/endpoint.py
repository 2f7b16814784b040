"""Where a charge point connects to: one WebSocket URL, with what has to be said in the opening handshake.

OCPP-J 1.6 section 3.1.1: the URL is that of the CSMS with the charge point's id as its last path segment,
percent-encoded. Secrets live here, in the URL's userinfo and in headers, and here is what keeps them out of anything
a person or a report gets to see: `repr` never shows them, and `redact` takes them out of foreign text.
"""

import os
import re
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from attrs import field, frozen

from fleet.core.credentials import Credentials, OwnCertificate
from fleet.errors import ConfigurationError

_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_MASK = "***"
# As `fleet.observe.redaction` has it.
_QUERY_SECRET = re.compile(r"(?i)([^&;=]*(?:token|secret|sig|pass|pwd|credential|auth|key)[^&;=]*=)[^&;#]+")
# What may stand in a request target as it is: the reserved and unreserved characters of RFC 3986, and escapes.
_TARGET_SAFE = "/?%:@!$&'()*+,;=-._~"

Header = tuple[bytes, bytes]


class Target(NamedTuple):
    """A URL taken apart for connecting; `resource` is the request target, `host_header` as HTTP wants it."""

    secure: bool
    host: str
    port: int
    host_header: str
    resource: str
    authorization: Header | None


def mask(url: str) -> str:
    """The URL for people to read: without the password before the host's `@`, and a token in the query."""
    shown, query, values = _mask_userinfo(url).partition("?")
    return shown + query + _QUERY_SECRET.sub(rf"\1{_MASK}", values)


def _mask_userinfo(url: str) -> str:
    head, separator, rest = url.partition("//")
    if not separator:
        head, rest = "", url
    authority_end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    userinfo, at_sign, host = rest[:authority_end].rpartition("@")
    if not at_sign:
        # A password with a raw `/` in it ends the authority early: better to hide too much than too little.
        userinfo, at_sign, host = rest.rpartition("@")
        return f"{head}{separator}{_MASK}@{host}" if at_sign else url
    name, colon, _ = userinfo.partition(":")
    shown = f"{name}:{_MASK}" if colon else _MASK
    return f"{head}{separator}{shown}@{host}{rest[authority_end:]}"


def basic_auth(name: str, password: str | bytes) -> Header:
    """The header of HTTP basic authentication: charge point id and AuthorizationKey (OCPP security profile 1)."""
    secret = password if isinstance(password, bytes) else password.encode()
    return b"Authorization", b"Basic " + b64encode(f"{name}:".encode() + secret)


@cache
def default_ssl_context() -> ssl.SSLContext:
    """Certificates and host names verified against the system's store; one for all, as each costs half a MiB."""
    return ssl.create_default_context()


class CertificateUnusable(Exception):
    """The certificate to show, or its key, can't be used; says which and why in one line."""


@frozen
class CertificateFiles:
    """A charge point's certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    def load(self, context: ssl.SSLContext) -> None:
        """Have connections that begin now show it; raises CertificateUnusable."""
        try:
            # A key that wants a password would have somebody asked for it at the terminal.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (OSError, ssl.SSLError) as error:
            missing = next((path for path in (self.certificate, self.key) if not path.exists()), None)
            what = f"certificate {self.certificate}" if missing is None else str(missing)
            raise CertificateUnusable(f"can't use {what}: {_why(error)}") from None


def load_own(certificate: OwnCertificate, context: ssl.SSLContext) -> None:
    """The same for a certificate that is nowhere in a file, and whose key shall never be."""
    with open(os.memfd_create("certificate"), "w+b") as file:
        file.write(f"{certificate.chain}\n{certificate.key}\n".encode())
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password=lambda: b"")
        except (OSError, ssl.SSLError) as error:
            raise CertificateUnusable(f"can't use the certificate that the CSMS signed: {_why(error)}") from None


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)


@frozen
class Endpoint:
    """One charge point's way to its CSMS; raises `ConfigurationError` for a URL or header that cannot be used.

    Userinfo in the URL becomes basic authentication unless `headers` say otherwise. For wss give every endpoint of a
    run the same `ssl_context`; None means verification as usual. Those that show a `certificate` need a context of
    their own that they may share with each other, as half a MiB for each would be too much: a connection keeps what was
    loaded when it began.
    """

    url: str = field(repr=mask)
    subprotocols: tuple[str, ...] = ("ocpp1.6",)
    headers: tuple[Header, ...] = field(default=(), repr=False)
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    certificate: CertificateFiles | OwnCertificate | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        _take_apart(self.url)
        for name, value in self.headers:
            if not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise ConfigurationError(f"not a header name: {name.decode('latin-1')!r}")
            if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
                raise ConfigurationError(f"the value of header {name.decode()} has control characters in it")

    def target(self) -> Target:
        """The URL taken apart. Computed when asked for: it is wanted once per connection, not held for its length."""
        return _take_apart(self.url)

    def tls_context(self) -> ssl.SSLContext:
        """For the connection that begins now, and for no later one; raises CertificateUnusable."""
        context = self.ssl_context or default_ssl_context()
        match self.certificate:
            case CertificateFiles() as files:
                files.load(context)
            case OwnCertificate() as own:
                load_own(own, context)
            case None:
                pass
        return context

    def request_headers(self, target: Target) -> list[Header]:
        """The headers of the opening handshake beside those of WebSocket itself."""
        headers = list(self.headers)
        if target.authorization and not any(name.lower() == b"authorization" for name, _ in headers):
            headers.append(target.authorization)
        return headers

    def redact(self, text: str) -> str:
        """The text without this endpoint's secrets: a server may well echo what it was sent."""
        for secret in self._secrets():
            text = text.replace(secret, _MASK)
        return text

    def _secrets(self) -> list[str]:
        found: set[str] = set()
        userinfo = _authority(self.url).rpartition("@")[0]
        raw_password = userinfo.partition(":")[2]
        found |= {userinfo, raw_password, unquote(raw_password)} if raw_password else {unquote(userinfo), userinfo}
        target = _take_apart(self.url)
        for _, value in (*self.headers, *((target.authorization,) if target.authorization else ())):
            said = value.decode("latin-1")
            scheme, _, credentials = said.partition(" ")
            found |= {said, credentials}
            if scheme.lower() == "basic":
                with suppress(ValueError):
                    password = b64decode(credentials).partition(b":")[2]
                    # As the CSMS may have given it, too.
                    found |= {password.hex(), password.hex().upper()}
                    decoded = b64decode(credentials).decode()
                    found |= {decoded, decoded.partition(":")[2]}
        # The longest first: a secret inside another must not leave the rest of that one standing.
        return sorted((secret for secret in found if secret), key=len, reverse=True)


EndpointFor = Callable[[Credentials, tuple[str, ...]], Endpoint]
"""Where to connect with these credentials, trusting whom these roots (PEM) vouch for too."""


def endpoint_url(template: str, charge_point_id: str) -> str:
    """The URL of one charge point: its id, percent-encoded, as a last path segment or in place of `{id}`.

    Raises `ConfigurationError` for what is no ws or wss URL.
    """
    if not charge_point_id:
        raise ConfigurationError("a charge point's id must not be empty")
    segment = quote(charge_point_id, safe="")
    if "{id}" in template:
        url = template.replace("{id}", segment)
        _take_apart(url)
        return url
    _take_apart(template)
    parts = urlsplit(template)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{segment}"))


def _authority(url: str) -> str:
    return urlsplit(url).netloc


def _take_apart(url: str) -> Target:
    """Raises `ConfigurationError`, whose text shows the URL without its userinfo."""

    def wrong(why: str) -> ConfigurationError:
        return ConfigurationError(f"bad CSMS URL {mask(url)!r}: {why}")

    if re.search(r"[\x00-\x20\x7f]", url):
        raise wrong("white space or control characters")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        # urllib's own words may quote the userinfo.
        raise wrong("host or port cannot be read") from None
    if scheme not in _DEFAULT_PORTS or not url.lower().startswith(f"{scheme}://"):
        raise wrong("it must begin with ws:// or wss://")
    if not host:
        raise wrong("it names no host")
    if parts.fragment or url.endswith("#"):
        raise wrong("a WebSocket URL has no fragment (#)")
    if port is None:
        port = _DEFAULT_PORTS[scheme]
    if port == 0:
        raise wrong("port 0")
    if ":" not in host:
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise wrong("not a host name") from None
    bracketed = f"[{host}]" if ":" in host else host
    return Target(
        secure=scheme == "wss",
        host=host,
        port=port,
        host_header=bracketed if port == _DEFAULT_PORTS[scheme] else f"{bracketed}:{port}",
        resource=quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_TARGET_SAFE),
        authorization=None
        if parts.username is None
        else basic_auth(unquote(parts.username), unquote(parts.password or "")),
    )
