"""Reconnection: a charge point that comes back with the credentials that the CSMS gave it.

"Improved security for OCPP 1.6-J": AuthorizationKey is the password (use case A01), SecurityProfile is raised and never
lowered (A05), and a certificate that the CSMS had signed is shown from then on (A02). What is asked for is answered
first; then the connection is closed, and made again with what is new. The keys keep their values until that has got the
charge point in: what is reported, and what a reboot finds, is what works. The trial itself outlasts a reboot too, as
the CSMS was told that the new credentials are taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from fleet.core import security_events
from fleet.core.credentials import Credentials, OwnCertificate, Trial
from fleet.core.effects import CloseLink, UseCredentials
from fleet.core.keys import find, normal
from fleet.core.reports import CredentialsSettled
from fleet.words import ConfigurationStatus
from fleet.words.security import CertificateUse, SecurityEvent

if TYPE_CHECKING:
    from fleet.core.answers import KeyChange
    from fleet.core.charge_point import ChargePoint
    from fleet.core.reports import ConnectFailed

PASSWORD, PROFILE = "AuthorizationKey", "SecurityProfile"
PASSWORD_PROFILES = (1, 2)
TLS_PROFILES = (2, 3)
CERTIFICATE_PROFILE = 3


def concerns(name: str) -> bool:
    """This configuration key is about how the charge point connects."""
    key = find(name)
    return key is not None and key.name in (PASSWORD, PROFILE)


def change(charge_point: ChargePoint, message_id: str, request: KeyChange) -> None:
    """ChangeConfiguration.req for such a key: answer, then come back with what it says."""
    respond = charge_point.dialect.key_change_response
    try:
        wanted = _wanted(charge_point, request.key, request.value)
    except ValueError:
        wanted = None
    if wanted is None or not _may_change(charge_point, wanted.security_profile):
        charge_point.respond(message_id, respond(ConfigurationStatus.REJECTED))
        return
    charge_point.respond(message_id, respond(ConfigurationStatus.ACCEPTED))
    _take_up(charge_point, wanted)


def _may_change(charge_point: ChargePoint, profile: int) -> bool:
    """Whether the CSMS may have this profile set: none that is lower and, by A05, no TLS without a root to trust."""
    latest, plan, store = _latest(charge_point).security_profile, charge_point.plan, charge_point.memory.certificates
    if profile not in TLS_PROFILES or latest in TLS_PROFILES or plan.security.trusts_system:
        return profile >= latest
    roots = plan.certificates if store is None else store.roots
    return any(root.use is CertificateUse.CENTRAL_SYSTEM_ROOT for root in roots)


def set_key(charge_point: ChargePoint, name: str, value: str) -> str | None:
    """The same by somebody who stands before it, and who may lower the profile too; returns a refusal."""
    try:
        _take_up(charge_point, _wanted(charge_point, name, value))
    except ValueError as error:
        return f"{name}: {error}"
    return None


def use_certificate(charge_point: ChargePoint, certificate: OwnCertificate) -> None:
    """The CSMS had a certificate signed: show it from now on, where a certificate is shown at all."""
    _take_up(charge_point, evolve(_latest(charge_point), certificate=certificate))


def start(charge_point: ChargePoint) -> None:
    """Power-up: with what got it in last, or with what was on trial when the lights went out."""
    proven, proposed = _proven(charge_point), charge_point.memory.proposed
    if proposed is not None:
        charge_point.trial = Trial(proven, proposed)
        _connect_with(charge_point, proposed)
    elif proven != Credentials(charge_point.plan.security.profile) or _roots(charge_point):
        _connect_with(charge_point, proven)


def link_up(charge_point: ChargePoint, now: float) -> None:
    """Let in: with these it is from now on."""
    trial = charge_point.trial
    if trial is None:
        return
    if trial.trying_proposed:
        _keep(charge_point, trial.proposed)
        security_events.happened(charge_point, SecurityEvent.RECONFIGURATION_OF_SECURITY_PARAMETERS, now)
    charge_point.trial = charge_point.memory.proposed = None
    charge_point.observe(CredentialsSettled(now, trial.credentials.security_profile, trial.trying_proposed))


def connect_failed(charge_point: ChargePoint, report: ConnectFailed) -> None:
    """Not let in: perhaps with the other ones. The link tries again when it would have anyway."""
    trial = charge_point.trial
    if trial is not None and trial.failed(report.reason):
        _connect_with(charge_point, trial.credentials)


def roots_changed(charge_point: ChargePoint) -> None:
    """The CSMS installed a root that vouches for it, or had one deleted: that counts from the next connection on."""
    trial = charge_point.trial
    _connect_with(charge_point, _proven(charge_point) if trial is None else trial.credentials)


def _connect_with(charge_point: ChargePoint, credentials: Credentials) -> None:
    charge_point.effect(UseCredentials(credentials, _roots(charge_point)))


def _roots(charge_point: ChargePoint) -> tuple[str, ...]:
    store = charge_point.memory.certificates
    return () if store is None else store.pems(CertificateUse.CENTRAL_SYSTEM_ROOT)


def _take_up(charge_point: ChargePoint, wanted: Credentials) -> None:
    latest = _latest(charge_point)
    if wanted.security_profile == CERTIFICATE_PROFILE == latest.security_profile:
        shown = wanted.certificate != latest.certificate
    else:
        # The same password once more is a reason to come back with it; the same profile is none.
        password = wanted.authorization_key is not None and wanted.certificate == latest.certificate
        shown = wanted.security_profile != latest.security_profile or password
    if not shown and charge_point.trial is None:
        _keep(charge_point, wanted)
        return
    charge_point.memory.proposed = wanted
    charge_point.trial = Trial(_proven(charge_point), wanted)
    _connect_with(charge_point, wanted)
    if not charge_point.memory.away and charge_point.ending is None:
        charge_point.effect(CloseLink())


def _wanted(charge_point: ChargePoint, name: str, value: str) -> Credentials:
    """The credentials with this key changed; ValueError says in one line, and without the value, what is wrong."""
    key, latest = find(name), _latest(charge_point)
    assert key is not None
    text = normal(key, value)
    if key.name == PASSWORD:
        return evolve(latest, authorization_key=text)
    profile, means = int(text), charge_point.plan.security
    signed = profile == CERTIFICATE_PROFILE and latest.certificate is not None and 2 in means.profiles
    if profile not in means.profiles and not signed:
        raise ValueError(f"{charge_point.plan.id} has no way to connect with security profile {profile}")
    if profile in PASSWORD_PROFILES and latest.authorization_key is None and not means.has_password:
        raise ValueError(f"security profile {profile} needs an AuthorizationKey first")
    return evolve(latest, security_profile=profile)


def _latest(charge_point: ChargePoint) -> Credentials:
    """What it was told last."""
    return charge_point.memory.proposed or _proven(charge_point)


def _proven(charge_point: ChargePoint) -> Credentials:
    configuration = charge_point.configuration
    return Credentials(configuration.security_profile, configuration.authorization_key, charge_point.memory.certificate)


def _keep(charge_point: ChargePoint, credentials: Credentials) -> None:
    charge_point.configuration.set(PROFILE, str(credentials.security_profile))
    if credentials.authorization_key is not None:
        charge_point.configuration.set(PASSWORD, credentials.authorization_key)
    charge_point.memory.certificate = credentials.certificate
