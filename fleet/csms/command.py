"""`fleet csms`: the embedded central system as a program of its own.

When it is ready it prints one line, `fleet csms listening on ws://HOST:PORT/` (wss with TLS), for people and for a
parent process that asked for a free port. SIGTERM and Ctrl-C close every connection with 1001 and end it with exit
code 0.

Nothing heavy is imported before it runs, so that `fleet --help` stays quick.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.errors import EXIT_DONE, ConfigurationError, FleetError
from fleet.quantities import parse_duration
from fleet.words import RegistrationStatus

if TYPE_CHECKING:
    from fleet.csms.gate import Security
    from fleet.pki.layout import Layout


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `fleet csms` to a parser."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=9000, metavar="PORT", help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--latency", type=_duration, default=0.0, metavar="TIME", help="wait so long before every answer, such as 50ms"
    )
    parser.add_argument(
        "--boot",
        type=_registration,
        metavar="STATUS",
        default=RegistrationStatus.ACCEPTED,
        help="the answer to BootNotification: Accepted, Pending or Rejected (default: %(default)s)",
    )
    parser.add_argument(
        "--heartbeat-interval",
        type=_whole_seconds,
        default=60,
        metavar="TIME",
        help="the interval that charge points are told with Accepted; 0 lets them choose (default: 60s)",
    )
    parser.add_argument(
        "--boot-retry",
        type=_whole_seconds,
        default=10,
        metavar="TIME",
        help="the interval that charge points are told with Pending and Rejected (default: 10s)",
    )
    parser.add_argument(
        "--records", type=Path, metavar="FILE", help="append every transaction to FILE as JSON lines, or go on with it"
    )
    parser.add_argument(
        "--end-with-stdin", action="store_true", help="end when standard input does: for a parent process"
    )
    _configure_security(parser.add_argument_group("security").add_argument)


def _configure_security(add: Callable[..., argparse.Action]) -> None:
    add(
        "--security-profile",
        type=int,
        choices=range(4),
        default=0,
        metavar="N",
        help="what charge points have to show: 0 nothing, 1 a password, 2 a password over TLS, 3 a certificate that "
        "names them (default: %(default)s)",
    )
    add(
        "--tls",
        type=Path,
        metavar="DIR",
        help="a folder made by `fleet certs`, for certificate, key and client CA; its root signs what is asked for",
    )
    add("--cert", type=Path, metavar="FILE", help="the certificate, PEM, instead of that in DIR")
    add("--key", type=Path, metavar="FILE", help="its key (default: in the file of --cert)")
    add("--client-ca", type=Path, metavar="FILE", help="who signs the charge points' certificates, PEM")
    password = "the password of every charge point; without one any is good"
    add("--password", metavar="TEXT", help=f"{password}; others on this machine may read it here")
    add("--password-env", metavar="NAME", help="the environment variable that holds the password")


def run_csms(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit code.

    Raises FleetError with one clear line for an address that can't be had, certificates that can't be used, or records
    that can't be kept.
    """
    import trio

    from fleet.csms.process import run
    from fleet.csms.server import Options

    options = Options(
        host=arguments.host,
        port=arguments.port,
        latency_s=arguments.latency,
        boot=arguments.boot,
        heartbeat_interval_s=arguments.heartbeat_interval,
        boot_retry_s=arguments.boot_retry,
        records=arguments.records,
        security=_security(arguments),
        authority=_authority(arguments),
    )
    try:
        trio.run(run, options, arguments.end_with_stdin)
    except BaseExceptionGroup as group:
        told, rest = group.split(FleetError)
        if told is None or rest is not None:
            raise
        raise _first(told) from None
    return EXIT_DONE


def _security(arguments: argparse.Namespace) -> "Security":
    from fleet.csms.gate import Security
    from fleet.pki.layout import Layout

    certificate, key, client_ca = arguments.cert, arguments.key, arguments.client_ca
    if arguments.tls is not None:
        layout = Layout(arguments.tls)
        if not layout.root.exists():
            raise ConfigurationError(f"--tls: {layout.root} is not there: expected a folder made by `fleet certs`")
        if certificate is None:
            certificate, key = layout.csms, key or layout.csms_key
        client_ca = client_ca or layout.root
    elif key is not None and certificate is None:
        raise ConfigurationError("--key: expected --cert beside it")
    password = arguments.password
    if arguments.password_env is not None:
        password = os.environ.get(arguments.password_env)
        if not password:
            raise ConfigurationError(f"--password-env: the environment has no {arguments.password_env}")
    if password is not None and arguments.security_profile not in (1, 2):
        raise ConfigurationError("--password: expected --security-profile 1 or 2 beside it")
    return Security(arguments.security_profile, certificate, key, client_ca, password)


def _authority(arguments: argparse.Namespace) -> "Layout | None":
    """The PKI, if it has the key to sign with: one that was copied for the CSMS may well lack it."""
    from fleet.pki.layout import Layout

    layout = None if arguments.tls is None else Layout(arguments.tls)
    return layout if layout is not None and layout.root_key.exists() else None


def _first(group: BaseExceptionGroup[FleetError]) -> FleetError:
    """One error of a group: a full disk is told once, not by every connection."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _registration(text: str) -> RegistrationStatus:
    for status in RegistrationStatus:
        if status.lower() == text.lower():
            return status
    raise argparse.ArgumentTypeError(f"expected Accepted, Pending or Rejected, got {text!r}")


def _whole_seconds(text: str) -> int:
    interval_s = _duration(text)
    if interval_s != int(interval_s):
        raise argparse.ArgumentTypeError(f"not whole seconds: {text!r}; OCPP intervals are")
    return int(interval_s)


def _port(text: str) -> int:
    if text.isdecimal() and len(text) <= 5 and int(text) <= 65_535:
        return int(text)
    raise argparse.ArgumentTypeError(f"not a port: {text!r}; expected 0 to 65535")
