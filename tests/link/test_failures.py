"""Judging answers to the opening handshake, byte by byte, and naming exceptions."""

import errno
import socket
import ssl

import pytest
import trio

from fleet.link.failures import Failure, answer_failed, connecting_failed, library_failed, one_line
from fleet.words.security import SecurityEvent

GOOD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
OFFERED = ("ocpp1.6",)


@pytest.mark.parametrize("cut", range(len(GOOD)))
def test_no_part_of_a_good_answer_is_judged_before_its_end(cut: int) -> None:
    assert answer_failed(GOOD[:cut], OFFERED) == (False, None)


def test_a_good_answer_is_good_with_frames_right_behind_it() -> None:
    assert answer_failed(GOOD, OFFERED) == (True, None)
    assert answer_failed(GOOD + b"\x81\x05hello\n", OFFERED) == (True, None)
    assert answer_failed(GOOD.replace(b"\r\n", b"\n"), OFFERED) == (True, None)
    assert answer_failed(b"HTTP/1.1 101 x\r\nA: b\r\n\r\n", ()) == (True, None)


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n", "http-401", "401 Unauthorized"),
        (b"HTTP/1.1 404\r\n", "http-404", "404"),
        (b"HTTP/1.0 503 Try\x07 later\n", "http-503", "503 Try later"),
        (b"HTTP/1.1 301 Moved\r\nLocation: wss://x/\r\n", "http-301", "301 Moved"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "handshake", "no HTTP"),
        (b"\x15\x03\x01\x00\x02\x02", "handshake", "wss://"),
        (b"HTTP/2 101 \r\n", "handshake", "no HTTP"),
        (b"HTTP/1.1 101 " + b"x" * 40_000, "handshake", "never ends"),
        (b"HTTP/1.1 101 x\r\n" + b"A: b\r\n" * 8_000, "handshake", "never end"),
        (b"HTTP/1.1 101 x\r\nA: b\r\n\r\n", "subprotocol", "names none"),
        (b"HTTP/1.1 101 x\r\nsec-websocket-protocol:ocpp2.0.1\r\n\r\n", "subprotocol", "says 'ocpp2.0.1'"),
    ],
)
def test_a_bad_answer_is_named(answer: bytes, reason: str, detail: str) -> None:
    complete, failure = answer_failed(answer, OFFERED)
    assert complete
    assert failure is not None
    assert failure.reason == reason
    assert detail in failure.detail


def _all_failed(*errors: OSError) -> OSError:
    error = OSError("all attempts to connect to csms:9000 failed")
    error.__cause__ = ExceptionGroup("", errors)
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(-2, "Name or service not known"), "dns"),
        (_all_failed(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")), "refused"),
        (_all_failed(OSError(errno.ENETUNREACH, "x"), OSError(errno.ECONNREFUSED, "y")), "refused"),
        (_all_failed(OSError(errno.EHOSTUNREACH, "No route to host")), "unreachable"),
        (_all_failed(TimeoutError(errno.ETIMEDOUT, "Connection timed out")), "timeout"),
        (OSError(errno.EMFILE, "Too many open files"), "resources"),
        (_all_failed(OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")), "resources"),
        (OSError("something else"), "unreachable"),
    ],
)
def test_what_keeps_a_tcp_connection_from_coming_about_is_told_apart(error: OSError, reason: str) -> None:
    assert connecting_failed(error, stage="tcp").reason == reason


def test_a_certificate_that_is_not_trusted_says_why() -> None:
    cause = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    cause.verify_message = "self-signed certificate"
    error = trio.BrokenResourceError()
    error.__cause__ = cause
    event = SecurityEvent.INVALID_CENTRAL_SYSTEM_CERTIFICATE
    told = Failure("tls", "certificate not trusted: self-signed certificate", event)
    assert connecting_failed(error, stage="tls") == told


def test_an_unknown_error_of_the_library_is_counted_as_internal() -> None:
    group = ExceptionGroup("", [AssertionError("never\nhappens")])
    assert library_failed(group, opened=True) == Failure("internal", "AssertionError: never happens")


def test_foreign_text_becomes_one_short_printable_line() -> None:
    assert one_line("a\r\n\x1b[31mb\t c") == "a [31mb c"
    assert len(one_line("x" * 5_000)) == 200


async def test_a_refused_connection_names_host_and_port_as_people_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(OSError) as raised:
        await trio.open_tcp_stream("127.0.0.1", port)
    assert connecting_failed(raised.value, stage="tcp") == Failure(
        "refused", f"127.0.0.1 port {port}: Connection refused"
    )
    said = OSError(errno.ECONNREFUSED, "Error connecting to ('::1', 9000, 0, 0): Connection refused")
    assert connecting_failed(said, stage="tcp").detail == "::1 port 9000: Connection refused"


@pytest.mark.parametrize(
    ("reason", "event"),
    [
        ("UNSUPPORTED_PROTOCOL", SecurityEvent.INVALID_TLS_VERSION),
        ("TLSV1_ALERT_PROTOCOL_VERSION", SecurityEvent.INVALID_TLS_VERSION),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", SecurityEvent.INVALID_TLS_CIPHER_SUITE),
        ("TLSV1_ALERT_UNKNOWN_CA", SecurityEvent.FAILED_TO_AUTHENTICATE_AT_CENTRAL_SYSTEM),
        # Who speaks no TLS at all has no version of it.
        ("WRONG_VERSION_NUMBER", None),
    ],
)
def test_what_a_tls_handshake_fails_for_is_an_event_of_security(reason: str, event: SecurityEvent | None) -> None:
    cause = ssl.SSLError(1, "TLS")
    cause.reason = reason
    error = trio.BrokenResourceError()
    error.__cause__ = cause
    failure = connecting_failed(error, stage="tls")
    assert (failure.reason, failure.event) == ("tls", event)


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_an_answer_that_speaks_of_credentials_is_an_event_of_security(status: int) -> None:
    _, failure = answer_failed(f"HTTP/1.1 {status} No\r\n".encode(), OFFERED)
    assert failure is not None
    refused = SecurityEvent.FAILED_TO_AUTHENTICATE_AT_CENTRAL_SYSTEM
    assert failure.event == (refused if status in (401, 403) else None)
