"""`fleet certs`: a test PKI for a CSMS and its charge points, in one folder.

Nothing heavy is imported before it runs, so that `fleet --help` stays quick.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from shlex import quote

from fleet.errors import EXIT_DONE, ConfigurationError

CHARGE_POINTS_MAX = 100_000
DAYS_MAX = 36_500
DEFAULT_ID = "CP{:04}"
# X.520's ub-common-name and ub-organization-name.
_NAME_LENGTH_MAX = 64


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fleet certs` to a parser."""
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="a new folder for the certificates and keys")
    add(
        "--charge-points",
        type=_whole(0, CHARGE_POINTS_MAX),
        required=True,
        metavar="N",
        help="for how many charge points",
    )
    add("--id", default=DEFAULT_ID, metavar="PATTERN", help="pattern of their ids (default: %(default)s)")
    add(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name or address by which the CSMS is reached, beside localhost; may be repeated",
    )
    add("--organization", default="Fleet", metavar="NAME", help="the operator: O of all of them (default: %(default)s)")
    add("--days", type=_whole(1, DAYS_MAX), default=365, metavar="N", help="how long they hold (default: %(default)s)")
    add("--rsa", action="store_true", help="RSA keys of 2048 bits instead of elliptic curve ones (P-256): slow")
    add("--force", action="store_true", help="replace the PKI that is there")


def certs(arguments: argparse.Namespace) -> int:
    """`fleet certs`: returns the exit code; raises ConfigurationError with one clear line."""
    ids = charge_point_ids(arguments.id, arguments.charge_points)
    if not 1 <= len(arguments.organization) <= _NAME_LENGTH_MAX:
        raise ConfigurationError(f"--organization: expected 1 to {_NAME_LENGTH_MAX} characters")

    from fleet.pki.authority import Authority, KeyKind, Validity
    from fleet.pki.folder import write

    try:
        kind = KeyKind.RSA if arguments.rsa else KeyKind.EC
        authority = Authority.new(arguments.organization, Validity.of_days(arguments.days), kind)
        layout = write(authority, arguments.folder, ids, arguments.host, force=arguments.force)
    except ValueError as error:
        raise ConfigurationError(f"no such certificate can be made: {error}") from None
    print(
        f"fleet certs: {layout.root} vouches for {layout.csms} and {layout.charge_points} (charge points: {len(ids)})"
    )
    if ids:
        who = f"--charge-points {len(ids)}" + ("" if arguments.id == DEFAULT_ID else f" --id {quote(arguments.id)}")
        folder = quote(str(layout.folder))
        print(f"  CSMS:          fleet csms --tls {folder} --security-profile 3")
        print(f"  charge points: fleet run --url wss://localhost:9000 --tls {folder} {who}")
    return EXIT_DONE


def charge_point_ids(pattern: str, count: int) -> list[str]:
    """The ids of `count` charge points, whose indices count from 1; raises ConfigurationError."""
    try:
        ids = [pattern.format(index) for index in range(1, count + 1)]
    except (IndexError, KeyError, ValueError, AttributeError):
        raise ConfigurationError(f"--id: expected a pattern such as {DEFAULT_ID!r}, got {pattern!r}") from None
    if not all(ids):
        raise ConfigurationError("--id: expected a pattern, got an empty text")
    if len(set(ids)) != len(ids):
        raise ConfigurationError(f"--id: expected a pattern with an index, such as {DEFAULT_ID!r}, got {pattern!r}")
    if ids and len(longest := ids[-1]) > _NAME_LENGTH_MAX:
        raise ConfigurationError(f"--id: expected at most {_NAME_LENGTH_MAX} characters, got {longest!r}")
    return ids


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if text.isdecimal() and len(text) <= 12 and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}, got {text!r}")

    return read
