"""The security white paper's part of a charge point: which certificates it has and trusts.

What a certificate is worth takes errands to say. Accepted roots and the own chain lie in the memory.
The charge point's own is renewed by ExtendedTriggerMessage: a new key and its signing request go out, the CSMS accepts
and later sends the chain. It has to be for the key that was last made, in its time, and, if there are roots of the CSMS
to hold it against, under one of these. How the connection comes to use it is `reconnection`'s.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fleet.core import reconnection, upkeep
from fleet.core.answers import CertificateSent, CertificateSigned, CertificatesWanted, CertificateUnwanted
from fleet.core.certificates import CertificateStore
from fleet.core.credentials import OwnCertificate
from fleet.core.errands import (
    JudgeOwnChain,
    JudgeRoot,
    MakeRequest,
    Outcome,
    Recognised,
    RequestMade,
    Undone,
)
from fleet.core.security_events import happened
from fleet.words.security import CertificateUse, DeleteStatus, InstallStatus, SecurityEvent

if TYPE_CHECKING:
    from fleet.core.answers import SigningAnswered
    from fleet.core.charge_point import ChargePoint

RECONFIGURED = SecurityEvent.RECONFIGURATION_OF_SECURITY_PARAMETERS


def trusted(charge_point: ChargePoint) -> CertificateStore:
    """What it has of certificates, for looking at."""
    return charge_point.memory.certificates or CertificateStore(charge_point.plan.certificates)


def kept(charge_point: ChargePoint) -> CertificateStore:
    """The same for changing."""
    if charge_point.memory.certificates is None:
        charge_point.memory.certificates = CertificateStore(charge_point.plan.certificates)
    return charge_point.memory.certificates


# ---- the charge point's own certificate ------------------------------------------------------------------------------


def renew(charge_point: ChargePoint) -> None:
    """SignChargePointCertificate was triggered: make a key, and ask for a certificate of it."""
    plan = charge_point.plan
    organization = charge_point.configuration.get("CpoName") or plan.vendor
    upkeep.run(charge_point, MakeRequest(plan.id, organization), partial(_request_made, charge_point))


def _request_made(charge_point: ChargePoint, outcome: Outcome, now: float) -> None:
    if isinstance(outcome, RequestMade):
        kept(charge_point).pending_key = outcome.key
        charge_point.say(charge_point.dialect.sign_certificate(outcome.csr), now, asked_for=True)


def signing_answered(charge_point: ChargePoint, answer: SigningAnswered) -> None:
    """SignCertificate.conf: if no certificate is to come, the key is of no use."""
    if not answer.accepted:
        kept(charge_point).pending_key = None


def certificate_signed(charge_point: ChargePoint, message_id: str, request: CertificateSigned, now: float) -> None:
    """CertificateSigned.req."""
    store = trusted(charge_point)
    length_max = int(charge_point.configuration.get("CertificateSignedMaxChainSize") or len(request.chain))
    refusal = None
    if store.pending_key is None:
        refusal = "no certificate was asked for"
    elif len(request.chain) > length_max:
        refusal = f"the chain is longer than {length_max} characters"
    if store.pending_key is None or refusal is not None:
        charge_point.respond(message_id, charge_point.dialect.certificate_signed_response(False))
        happened(charge_point, SecurityEvent.INVALID_CHARGE_POINT_CERTIFICATE, now, refusal, tell=True)
        return
    roots = store.pems(CertificateUse.CENTRAL_SYSTEM_ROOT)
    key = store.pending_key
    errand = JudgeOwnChain(request.chain, key, roots, charge_point.utc(now))
    then = partial(_chain_judged, charge_point, message_id, request, key)
    upkeep.answer_after(charge_point, message_id, errand, then)


def _chain_judged(
    charge_point: ChargePoint, message_id: str, request: CertificateSigned, key: str, outcome: Outcome, now: float
) -> None:
    accepted = not isinstance(outcome, Undone)
    if not upkeep.respond(charge_point, message_id, charge_point.dialect.certificate_signed_response(accepted)):
        return
    if isinstance(outcome, Undone):
        happened(charge_point, SecurityEvent.INVALID_CHARGE_POINT_CERTIFICATE, now, outcome.detail, tell=True)
        return
    kept(charge_point).pending_key = None
    reconnection.use_certificate(charge_point, OwnCertificate(request.chain, key))


# ---- roots -----------------------------------------------------------------------------------------------------------


def certificate_sent(charge_point: ChargePoint, message_id: str, request: CertificateSent, now: float) -> None:
    """InstallCertificate.req."""
    signed_by: tuple[str, ...] = ()
    if request.use is CertificateUse.CENTRAL_SYSTEM_ROOT and _checks_roots(charge_point):
        # White paper, section 4.1: then the new root has to be vouched for by the one that it follows.
        signed_by = trusted(charge_point).pems(request.use)[-1:]
    errand = JudgeRoot(request.use, request.certificate, charge_point.utc(now), signed_by)
    upkeep.answer_after(charge_point, message_id, errand, partial(_root_judged, charge_point, message_id, request))


def _root_judged(
    charge_point: ChargePoint, message_id: str, request: CertificateSent, outcome: Outcome, now: float
) -> None:
    status = _install(charge_point, outcome, now) if isinstance(outcome, Recognised) else InstallStatus.REJECTED
    upkeep.respond(charge_point, message_id, charge_point.dialect.certificate_sent_response(status))
    if isinstance(outcome, Undone) and request.use is CertificateUse.CENTRAL_SYSTEM_ROOT:
        happened(charge_point, SecurityEvent.INVALID_CENTRAL_SYSTEM_CERTIFICATE, now, outcome.detail, tell=True)


def _install(charge_point: ChargePoint, outcome: Recognised, now: float) -> InstallStatus:
    store, root = trusted(charge_point), outcome.certificate
    room = int(charge_point.configuration.get("CertificateStoreMaxLength") or len(store.roots) + 1)
    if len(store.roots) >= room and not store.has(root):
        return InstallStatus.REJECTED
    store = kept(charge_point)
    if root.use is CertificateUse.CENTRAL_SYSTEM_ROOT and _checks_roots(charge_point):
        # The one that it follows stays, to fall back on; those before it go.
        store.keep_last(root.use)
    store.install(root)
    happened(charge_point, RECONFIGURED, now, f"{root.use} installed")
    if root.use is CertificateUse.CENTRAL_SYSTEM_ROOT:
        reconnection.roots_changed(charge_point)
    return InstallStatus.ACCEPTED


def _checks_roots(charge_point: ChargePoint) -> bool:
    return charge_point.configuration.get("AdditionalRootCertificateCheck") == "true"


def certificate_unwanted(charge_point: ChargePoint, message_id: str, request: CertificateUnwanted, now: float) -> None:
    """DeleteCertificate.req. The own certificate isn't deleted by it: its hash is in no store."""
    store = kept(charge_point)
    before = store.pems(CertificateUse.CENTRAL_SYSTEM_ROOT)
    found = store.delete(request.certificate)
    if store.pems(CertificateUse.CENTRAL_SYSTEM_ROOT) != before:
        reconnection.roots_changed(charge_point)
    if found:
        happened(charge_point, RECONFIGURED, now, "certificate deleted")
    status = DeleteStatus.ACCEPTED if found else DeleteStatus.NOT_FOUND
    charge_point.respond(message_id, charge_point.dialect.certificate_unwanted_response(status))


def certificates_wanted(charge_point: ChargePoint, message_id: str, request: CertificatesWanted) -> None:
    """GetInstalledCertificateIds.req."""
    found = [root.hashes[0] for root in trusted(charge_point).of(request.use)]
    charge_point.respond(message_id, charge_point.dialect.certificates_response(found))
