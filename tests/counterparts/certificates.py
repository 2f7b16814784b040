"""A PKI for tests, made in a moment: good certificates, and those that something is wrong with."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fleet.csms.gate import Security
from fleet.pki.authority import Authority, Validity
from fleet.pki.folder import write
from fleet.pki.layout import Layout

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def pki(folder: Path, *charge_points: str, organization: str = "Fleet", expired: bool = False) -> Layout:
    """A root, a CSMS and these charge points; `expired` all of them have."""
    validity = Validity(LONG_AGO, LONG_AGO + timedelta(days=1)) if expired else Validity.of_days(1)
    return write(Authority.new(organization, validity), folder, charge_points)


def add(layout: Layout, authority: Authority, charge_point_id: str) -> None:
    """A charge point of another authority into a folder of this one."""
    identity = authority.charge_point(charge_point_id)
    layout.charge_point(charge_point_id).write_bytes(identity.certificate)
    layout.charge_point_key(charge_point_id).write_bytes(identity.key)


def security(layout: Layout, profile: int, password: str | None = None) -> Security:
    """What a CSMS with the certificates in this folder asks for."""
    if profile < 2:
        return Security(profile, password=password)
    return Security(profile, layout.csms, layout.csms_key, layout.root, password)


def client_context(layout: Layout, charge_point_id: str | None = None) -> ssl.SSLContext:
    """TLS of somebody who trusts this root, and shows this charge point's certificate."""
    context = ssl.create_default_context(cafile=layout.root)
    if charge_point_id is not None:
        context.load_cert_chain(layout.charge_point(charge_point_id), layout.charge_point_key(charge_point_id))
    return context
