"""How the charge points of a run are let in: their security profile, and what it takes for it.

"Improved security for OCPP 1.6-J", section 2: profile 1 is a password, 2 a password over TLS, 3 a certificate of each
charge point's own over TLS. What a configuration leaves open follows from what it gives: a URL with TLS, a password,
certificates. The embedded CSMS needs nothing but the number of the profile: passwords and certificates are made up for
the run, and are gone with it.
"""

import argparse
import secrets
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
from attrs import field, frozen

from fleet.core.credentials import OwnCertificate
from fleet.core.plan import SecurityPlan
from fleet.errors import ConfigurationError
from fleet.link.endpoint import CertificateFiles, CertificateUnusable
from fleet.pki.layout import Layout, file_stem

if TYPE_CHECKING:
    from fleet.load.config import CsmsConfig

PASSWORD_PROFILES = (1, 2)
TLS_PROFILES = (2, 3)
CERTIFICATE_PROFILE = 3
WHAT = ("nothing", "a password", "a password over TLS", "a certificate of each charge point's own over TLS")
NOT_VERIFIED = "TLS certificates are NOT verified (verify = false): whoever answers is taken for the CSMS"
KEY_FORMS = AUTO, TEXT = ("auto", "text")
"""How a password is written that the CSMS gives as AuthorizationKey."""
_TLS_FLAGS = ("secure_url", "tls", "ca_file", "client_cert", "client_key", "verify")
FLAGS = {name: name for name in ("security_profile", "authorization_key_form", *_TLS_FLAGS)}
"""The attributes of the parsed arguments, and of `CsmsConfig`."""
_PASSWORD_VARIABLE = "FLEET_CSMS_PASSWORD"  # noqa: S105, RUF100  # the name of a variable


def add_arguments(parser: argparse.ArgumentParser, url: Callable[[str], object]) -> None:
    """What everything takes that connects; `url` reads one."""
    add = parser.add_argument_group("security").add_argument
    add(
        "--security-profile",
        type=int,
        choices=range(4),
        metavar="N",
        help="what charge points show: 0 nothing, 1 a password, 2 a password over TLS, 3 a certificate over TLS "
        "(default: what the URL, the password and the certificates come to)",
    )
    add("--tls", metavar="DIR", help="a folder made by `fleet certs`: the root to trust, and the certificates to show")
    add("--ca-file", metavar="FILE", help="the root to trust instead of the system's, PEM")
    add("--client-cert", metavar="PATTERN", help="the certificate to show, PEM; {id} stands for the charge point's id")
    add("--client-key", metavar="PATTERN", help="its key (default: in the same file)")
    add(
        "--secure-url",
        type=url,
        metavar="URL",
        help="the CSMS over TLS (wss), for profiles 2 and 3 beside a --url without TLS",
    )
    add(
        "--authorization-key-form",
        choices=KEY_FORMS,
        help="how the CSMS writes a password that it gives as AuthorizationKey: auto takes 32 to 40 hexadecimal digits "
        "for the bytes that they stand for, text takes it as it is (default: auto)",
    )
    add("--no-verify", dest="verify", action="store_false", default=None, help="take any certificate of the CSMS")


def profile_of(csms: "CsmsConfig", *, password: bool = False) -> int:
    """The security profile; `password`: one is given that the configuration doesn't name."""
    if csms.security_profile is not None:
        return csms.security_profile
    secure = _is_secure(csms.url)
    if password or csms.password_env is not None or csms.password_file is not None or _has_password(csms.url):
        return 2 if secure else 1
    return CERTIFICATE_PROFILE if secure and (csms.client_cert or csms.tls) else 0


def means_of(csms: "CsmsConfig") -> SecurityPlan:
    """What every charge point of this configuration knows to connect with."""
    profile = profile_of(csms)
    profiles = {0, 1, profile}
    if _is_secure(csms.url) or csms.secure_url is not None:
        profiles |= {2, 3} if csms.client_cert or csms.tls else {2}
    has_password = profile in PASSWORD_PROFILES or csms.password_env is not None or csms.password_file is not None
    # Elsewhere TLS begins with the CSMS raising the profile, which takes a root of its own.
    trusts_system = _is_secure(csms.url) or not csms.verify
    return SecurityPlan(profile, frozenset(profiles), has_password, trusts_system)


def files_of(csms: "CsmsConfig", charge_point_id: str) -> CertificateFiles | None:
    """The files of a charge point's certificate and key; None where none are named."""
    if csms.client_cert is not None:
        certificate = Path(csms.client_cert.replace("{id}", file_stem(charge_point_id)))
        if csms.client_key is None:
            return CertificateFiles(certificate, certificate)
        return CertificateFiles(certificate, Path(csms.client_key.replace("{id}", file_stem(charge_point_id))))
    if csms.tls is not None:
        layout = Layout(Path(csms.tls))
        return CertificateFiles(layout.charge_point(charge_point_id), layout.charge_point_key(charge_point_id))
    return None


def root_of(csms: "CsmsConfig") -> Path | None:
    """The certificate of who vouches for the CSMS; None is the system's."""
    if csms.ca_file is not None:
        return Path(csms.ca_file)
    return None if csms.tls is None else Layout(Path(csms.tls)).root


def require_files(csms: "CsmsConfig", charge_point_ids: Iterable[str]) -> None:
    """Raise ConfigurationError for certificates that are not there, or can't be used, before anything is started."""
    if profile_of(csms) != CERTIFICATE_PROFILE:
        return
    missing: list[Path] = []
    known = [files for files in (files_of(csms, name) for name in charge_point_ids) if files is not None]
    for files in known:
        missing += [path for path in dict.fromkeys((files.certificate, files.key)) if not path.is_file()]
    name = "client_cert" if csms.client_cert is not None else "tls"
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ConfigurationError(f"csms.{name}: no such file: {missing[0]}{more}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for files in known:
        try:
            files.load(context)
        except CertificateUnusable as error:
            raise ConfigurationError(f"csms.{name}: {error}") from None


def mistakes(csms: "CsmsConfig") -> Iterator[tuple[str, str]]:
    """What doesn't go together: (path, what was expected) each."""
    profile, embedded = csms.security_profile, csms.url is None
    secure = _is_secure(csms.url) or csms.secure_url is not None
    if csms.secure_url is not None and not _is_secure(csms.secure_url):
        yield "csms.secure_url", "expected a wss:// url"
    if csms.secure_url is not None and (embedded or _is_secure(csms.url)):
        yield "csms.secure_url", "expected a ws:// url beside it"
    for name in ("ca_file", "client_cert", "client_key"):
        if getattr(csms, name) is not None and not secure:
            yield f"csms.{name}", "expected a wss:// url beside it"
    if not csms.verify and not secure:
        yield "csms.verify", "expected a wss:// url beside it"
    if csms.tls is not None and not secure and not (embedded and profile in TLS_PROFILES):
        yield "csms.tls", "expected a wss:// url beside it"
    if csms.client_key is not None and csms.client_cert is None:
        yield "csms.client_key", "expected client_cert beside it"
    if profile is None or embedded:
        return
    if profile in TLS_PROFILES and not secure:
        yield "csms.security_profile", f"expected a wss:// url, or secure_url, beside profile {profile}"
    if profile == 1 and _is_secure(csms.url):
        yield "csms.security_profile", "expected a ws:// url beside profile 1, or profile 2, which is the one with TLS"
    if profile == CERTIFICATE_PROFILE and csms.client_cert is None and csms.tls is None:
        yield "csms.security_profile", "expected client_cert, or tls, beside profile 3"
    if profile == CERTIFICATE_PROFILE and (csms.password_env is not None or csms.password_file is not None):
        yield "csms.security_profile", "expected no password beside profile 3"


def _is_secure(url: str | None) -> bool:
    return url is not None and url.startswith("wss:")


def _has_password(url: str | None) -> bool:
    return url is not None and "@" in urlsplit(url).netloc


def warn(csms: "CsmsConfig") -> None:
    """Say loudly what a person must not overlook."""
    if not csms.verify:
        print(f"fleet: WARNING: {NOT_VERIFIED}", file=sys.stderr, flush=True)


# ---- for the length of a run -----------------------------------------------------------------------------------------


@frozen
class Guard:
    """What a run's charge points are let in by: the configuration with nothing left open, and the secrets.

    `options` and `environment` make an embedded CSMS ask for the same; `issue` makes a charge point's certificate.
    """

    csms: "CsmsConfig"
    password: str | None = field(default=None, repr=False)
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(factory=dict, repr=False)
    issue: Callable[[str], OwnCertificate] | None = field(default=None, repr=False)


@contextmanager
def guarded(csms: "CsmsConfig", password: str | None) -> Iterator[Guard]:
    """The guard while the block runs; raises ConfigurationError for a password that can't be had, or is wanting.

    `password`, if given, stands in for what the configuration names.
    """
    password = csms.password() if password is None else password
    profile = profile_of(csms, password=password is not None)
    csms = attrs.evolve(csms, security_profile=profile)
    if csms.url is not None:
        if profile in PASSWORD_PROFILES and password is None and not _has_password(csms.url):
            raise ConfigurationError(
                f"csms.security_profile: profile {profile} needs a password: password_env, password_file or --password"
            )
        yield Guard(csms, password)
        return
    options: tuple[str, ...] = ("--security-profile", str(profile)) if profile else ()
    environment = {}
    if profile in PASSWORD_PROFILES:
        password = password or secrets.token_urlsafe(24)
        options += ("--password-env", _PASSWORD_VARIABLE)
        environment[_PASSWORD_VARIABLE] = password
    if profile not in TLS_PROFILES:
        yield Guard(csms, password, options, environment)
    elif csms.tls is not None:
        yield Guard(csms, password, (*options, "--tls", csms.tls), environment)
    else:
        with tempfile.TemporaryDirectory(prefix="fleet-certs-") as folder:
            issue = _pki(Path(folder))
            csms = attrs.evolve(csms, tls=folder)
            yield Guard(csms, password, (*options, "--tls", folder), environment, issue)


def _pki(folder: Path) -> Callable[[str], OwnCertificate]:
    """A PKI in this folder, and what issues a certificate for any charge point, also those that come later."""
    # It takes a while to import, for which a run without it need not wait.
    from fleet.pki.authority import Authority, Validity
    from fleet.pki.folder import write

    authority = Authority.new("Fleet", Validity.of_days(365))
    write(authority, folder, ())

    def issue(charge_point_id: str) -> OwnCertificate:
        identity = authority.charge_point(charge_point_id)
        return OwnCertificate(identity.certificate.decode(), identity.key.decode())

    return issue
