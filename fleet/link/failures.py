"""What went wrong with a connection, as one short word for counting and one line for people.

Foreign exceptions and foreign bytes end here. The words, for a connection that never came about (`ConnectFailed`):

| word | meaning |
|---|---|
| `dns` | the host's name could not be resolved |
| `refused` | nobody listens there |
| `unreachable` | no route, or a firewall that says so |
| `timeout` | no connection, or no answer on it, in time |
| `resources` | this machine ran out of file descriptors, ports or buffers |
| `tls` | no TLS, or a certificate that is not trusted |
| `http-401`, `http-404`, ... | the answer's status, where it isn't 101 |
| `subprotocol` | accepted, but without any subprotocol that was offered |
| `handshake` | the answer is no WebSocket handshake, or there was none |

and for one that ended (`LinkDown`): `closed-1000` and so on (a close frame, the CSMS's or the one asked of us),
`close-timeout` (ours was never answered), `reset` (the connection was lost without a close frame), `ping-timeout`,
`slow-reader`, `oversize` (a message above the limit), `protocol` (frames that break RFC 6455); and for either
`internal`, which is a bug on this side.
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple

import trio
from trio_websocket import ConnectionClosed

from fleet.words.security import SecurityEvent

_HEAD_BYTES_MAX = 32 * 1024
_DETAIL_CHARACTERS_MAX = 200
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: (.*))?")

_ERRNO_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.EACCES: "unreachable",
    errno.EPERM: "unreachable",
    errno.EAFNOSUPPORT: "unreachable",
    errno.ETIMEDOUT: "timeout",
    errno.EMFILE: "resources",
    errno.ENFILE: "resources",
    errno.EADDRNOTAVAIL: "resources",
    errno.ENOBUFS: "resources",
    errno.ENOMEM: "resources",
}
# What the other side's TLS has to say, in words that tell what to do.
_ALERTS = {
    "alert certificate required": "the CSMS wants a client certificate",
    "alert unknown ca": "the CSMS doesn't know who signed the client certificate",
    "alert certificate expired": "the CSMS says that the client certificate has expired",
    "alert bad certificate": "the CSMS takes no such client certificate",
    "alert handshake failure": "the CSMS refuses the TLS handshake, which may be for want of a client certificate",
}
# A name with several addresses fails several ways: what says most about the CSMS goes first.
_PRECEDENCE = ("dns", "resources", "tls", "refused", "timeout", "unreachable")
# As trio says it, with the address as Python writes a tuple.
_TRIO_CONNECTING = re.compile(r"Error connecting to \('([^']+)', (\d+)[^)]*\): (.+)")


# What the other side's TLS is said to be wrong with, as the white paper's security events have it. That it is told no
# more than "handshake failure" is most often for want of a cipher suite that both have.
_EVENTS = {
    "UNSUPPORTED_PROTOCOL": SecurityEvent.INVALID_TLS_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": SecurityEvent.INVALID_TLS_VERSION,
    "VERSION_TOO_LOW": SecurityEvent.INVALID_TLS_VERSION,
    "WRONG_SSL_VERSION": SecurityEvent.INVALID_TLS_VERSION,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": SecurityEvent.INVALID_TLS_CIPHER_SUITE,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": SecurityEvent.INVALID_TLS_CIPHER_SUITE,
    "NO_CIPHERS_AVAILABLE": SecurityEvent.INVALID_TLS_CIPHER_SUITE,
    "UNKNOWN_CIPHER_RETURNED": SecurityEvent.INVALID_TLS_CIPHER_SUITE,
    "WRONG_CIPHER_RETURNED": SecurityEvent.INVALID_TLS_CIPHER_SUITE,
    **dict.fromkeys(
        (
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "SSLV3_ALERT_CERTIFICATE_REVOKED",
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            "TLSV1_ALERT_ACCESS_DENIED",
            "TLSV1_ALERT_UNKNOWN_CA",
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        ),
        SecurityEvent.FAILED_TO_AUTHENTICATE_AT_CENTRAL_SYSTEM,
    ),
}
_UNAUTHORIZED = ("401", "403")


class Failure(NamedTuple):
    """Why a connection did not come about or is no more; `event` where that is one of the charge point's security."""

    reason: str
    detail: str
    event: SecurityEvent | None = None


def one_line(text: str) -> str:
    """Foreign text made fit to print: one line, no control characters, not long."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    plain = " ".join(plain.split())
    return plain if len(plain) <= _DETAIL_CHARACTERS_MAX else plain[: _DETAIL_CHARACTERS_MAX - 1] + "…"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it was made of: members of groups, causes, and contexts where nobody hid them."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        waiting.append(current.__cause__ or current.__context__)


def _reason_of(error: BaseException) -> str | None:
    match error:
        case socket.gaierror():
            return "dns"
        case ssl.SSLError():
            return "tls"
        case TimeoutError():
            return "timeout"
        case OSError():
            return _ERRNO_REASONS.get(error.errno or 0)
        case _:
            return None


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        said = str(error.reason or error.strerror or error).replace("_", " ").lower()
        return next((f"{told} ({said})" for alert, told in _ALERTS.items() if alert in said), said)
    if isinstance(error, OSError) and error.strerror:
        refused = _TRIO_CONNECTING.fullmatch(error.strerror)
        return f"{refused[1]} port {refused[2]}: {refused[3]}" if refused else error.strerror
    return str(error) or type(error).__name__


def _event_of(error: BaseException | None) -> SecurityEvent | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return SecurityEvent.INVALID_CENTRAL_SYSTEM_CERTIFICATE
    return _EVENTS.get(error.reason or "") if isinstance(error, ssl.SSLError) else None


def connecting_failed(error: BaseException, *, stage: str) -> Failure:
    """What an exception on the way to a connection means; `stage` is dns, tcp, tls or handshake: how far it had got."""
    found: dict[str, BaseException] = {}
    for leaf in _leaves(error):
        reason = _reason_of(leaf)
        if reason is not None:
            found.setdefault(reason, leaf)
    if stage == "tls" and "resources" not in found:
        told = found.get("tls") or found.get("timeout")
        why = _words(told) if told else "the connection was lost in the TLS handshake"
        return Failure("tls", one_line(why), _event_of(told))
    for reason in _PRECEDENCE:
        if reason in found and (stage != "handshake" or reason == "tls"):
            return Failure(reason, one_line(_words(found[reason])), _event_of(found[reason]))
    if stage == "handshake":
        return Failure("handshake", "the connection was lost before the handshake was answered")
    return Failure("unreachable", one_line(_words(error)))


def library_failed(error: BaseException, *, opened: bool) -> Failure:
    """What it means when trio-websocket's own task raised.

    A client's handshake that it cannot accept makes wsproto propose an HTTP rejection, which trio-websocket tries to
    send and h11 refuses; wsproto's own words are then in the context.
    """
    for leaf in _leaves(error):
        if type(leaf).__name__ == "RemoteProtocolError":
            return Failure("protocol" if opened else "handshake", one_line(str(leaf)))
    leaf = next(leaf for leaf in _leaves(error) if not isinstance(leaf, BaseExceptionGroup))
    return Failure("internal", one_line(f"{type(leaf).__name__}: {leaf}"))


def answer_failed(head: bytes, offered: tuple[str, ...]) -> tuple[bool, Failure | None]:
    """Judge the first bytes of the CSMS's answer to the opening handshake: (is that all of its head, what is wrong).

    Judged here and not from the library's exceptions, because a refusal must not wait for the end of its body (which
    may never come) and a lost connection must not wait for the time-out.
    """
    line, newline, _ = head.partition(b"\n")
    line = line.rstrip(b"\r")
    if not newline:
        if not b"HTTP/1.".startswith(line[:7]):
            hint = " (it looks like TLS: try wss://)" if line[:2] == b"\x15\x03" else ""
            return True, Failure("handshake", one_line(f"the answer is no HTTP: {line[:40]!r}{hint}"))
        too_long = len(head) > _HEAD_BYTES_MAX
        return too_long, Failure("handshake", "the answer's first line never ends") if too_long else None
    status_line = _STATUS_LINE.fullmatch(line)
    if status_line is None:
        return True, Failure("handshake", one_line(f"the answer is no HTTP: {line[:40]!r}"))
    status, phrase = status_line[1].decode(), (status_line[2] or b"").decode("latin-1")
    if status != "101":
        event = SecurityEvent.FAILED_TO_AUTHENTICATE_AT_CENTRAL_SYSTEM if status in _UNAUTHORIZED else None
        return True, Failure(f"http-{status}", one_line(f"{status} {phrase}"), event)
    end = re.search(rb"\n\r?\n", head)
    if end is None:
        too_long = len(head) > _HEAD_BYTES_MAX
        return too_long, Failure("handshake", "the answer's headers never end") if too_long else None
    if not offered:
        return True, None
    chosen = None
    for header in head[: end.start()].split(b"\n")[1:]:
        name, _, value = header.partition(b":")
        if name.strip().lower() == b"sec-websocket-protocol":
            chosen = value.strip().decode("latin-1")
    if chosen in offered:
        return True, None
    said = "names none" if chosen is None else f"says {chosen!r}"
    return True, Failure("subprotocol", one_line(f"offered {', '.join(offered)}; the answer {said}"))


def slow_reader(limit_s: float) -> Failure:
    """The other side lets what we send pile up."""
    return Failure("slow-reader", f"nothing was read from us for {limit_s:g} s")


def connection_ended(closed: ConnectionClosed, *, loss: str, close_frame_sent: bool) -> Failure:
    """Why an open connection is over; `loss` is what the wire saw where it was simply lost.

    trio-websocket gives the same `ConnectionClosed` for the CSMS's close frame, for bad frames it refused itself and
    for a message over the limit. They are told apart by what it did: it answers a close frame with one, says nothing
    to bad frames, and for the limit closes its own receiving side.
    """
    why = closed.reason
    if why is None or why.code == 1006:
        return Failure("reset", loss or "connection lost without a close frame")
    if why.code == 1009 and isinstance(closed.__context__, trio.ClosedResourceError):
        return Failure("oversize", one_line(why.reason or ""))
    if not close_frame_sent:
        return Failure("protocol", one_line(why.reason or ""))
    return Failure(f"closed-{int(why.code)}", one_line(why.reason or ""))
