"""Writing a test PKI into a folder, so that nothing that matters is overwritten and no key is for others to read."""

import os
from collections.abc import Iterable
from pathlib import Path

from fleet.errors import ConfigurationError
from fleet.pki.authority import Authority, Identity
from fleet.pki.layout import Layout

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
"""What the CSMS's certificate always names."""


def write(
    authority: Authority,
    folder: Path,
    charge_points: Iterable[str],
    hosts: Iterable[str] = (),
    *,
    force: bool = False,
) -> Layout:
    """Make a whole PKI in `folder`; with `force` in the place of the one that is there.

    Raises ConfigurationError where files are in the way or nothing can be written, ValueError for a host that no
    certificate can name.
    """
    layout = Layout(folder)
    try:
        _make_room(layout, force=force)
        _write(layout.root, layout.root_key, authority.identity)
        _write(layout.csms, layout.csms_key, authority.csms((*LOCAL_HOSTS, *hosts)))
        for charge_point_id in charge_points:
            identity = authority.charge_point(charge_point_id)
            _write(layout.charge_point(charge_point_id), layout.charge_point_key(charge_point_id), identity)
    except OSError as error:
        raise ConfigurationError(f"can't write {error.filename or folder}: {error.strerror or error}") from None
    return layout


def _make_room(layout: Layout, *, force: bool) -> None:
    folder = layout.folder
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not force:
            raise ConfigurationError(f"{folder} is not empty: expected a new folder, or --force to replace its PKI")
        # A charge point of the old root beside those of the new one would only be a riddle.
        for name in ("*.pem", "*.key"):
            for old in layout.charge_points.glob(name):
                old.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    layout.charge_points.mkdir(exist_ok=True)


def _write(certificate: Path, key: Path, identity: Identity) -> None:
    certificate.write_bytes(identity.certificate)
    # Not changed after it was written: in between, anybody could read it. An old file would keep its old mode.
    key.unlink(missing_ok=True)
    descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(identity.key)
