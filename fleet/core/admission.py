"""Admission: whether somebody with an id tag gets to charge at a connector (OCPP 1.6 sections 3.5, 4.1 and 5.13).

Two questions, both to be answered well. May the tag charge? The authorizer knows, or the CSMS. And is the connector
kept for others? A tag that can't be the one of the reservation is turned away without anybody being asked; where only
its parent can make it the right one, its parent has to be found out, in the list, the cache or at the CSMS.

The connector hears the outcome as a grant or a denial, and observers why it is a denial. A transaction that runs there
is not guarded by any reservation: a tag that is presented then wants to stop it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.core.answers import IdTagInfo
from fleet.core.authorization import AskCentral, Denied, Granted, Verdict
from fleet.core.orders import DenyAuthorization, GrantAuthorization
from fleet.core.reports import AuthorizationRequested, IdTagRefused
from fleet.words import AuthorizationStatus, ConnectorStatus

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.reservation import Reservation


def request(charge_point: ChargePoint, request: AuthorizationRequested, now: float) -> None:
    """Somebody presented a tag, or the CSMS did so for them: decide, here or by the CSMS."""
    kept = _guarding(charge_point, request.connector)
    if kept is not None and not kept.may_be_for(request.id_tag):
        _keep_out(charge_point, request.connector, request.id_tag, now)
        return
    authorizer = charge_point.authorizer
    verdict = authorizer.judge(request.id_tag, online=charge_point.speaking, utc_s=charge_point.utc(now))
    if isinstance(verdict, AskCentral):
        charge_point.say(charge_point.dialect.authorize(request.id_tag), request.at, context=request)
    else:
        _follow(charge_point, request, verdict, now)


def remote(charge_point: ChargePoint, connector: int, id_tag: str, now: float) -> None:
    """The CSMS wants this tag to charge here, which may be all the authorisation it needs (AuthorizeRemoteTxRequests).

    For a reservation its parent may have to be known, and only an authorisation tells.
    """
    kept = _guarding(charge_point, connector)
    if charge_point.configuration.authorize_remote_tx_requests or not (kept is None or kept.is_for(id_tag)):
        request(charge_point, AuthorizationRequested(connector, now, id_tag), now)
    else:
        _let_in(charge_point, connector, id_tag, None, now)


def answered(charge_point: ChargePoint, request: AuthorizationRequested, info: IdTagInfo, now: float) -> None:
    """Authorize.conf."""
    if info.status is AuthorizationStatus.ACCEPTED:
        _let_in(charge_point, request.connector, request.id_tag, info.parent_id_tag, now)
    else:
        _deny(charge_point, request.connector, request.id_tag, info.status, info.status, now)


def unanswered(charge_point: ChargePoint, request: AuthorizationRequested, now: float) -> None:
    """No answer from the CSMS is the same to the driver as no CSMS: decide offline."""
    verdict = charge_point.authorizer.judge(request.id_tag, online=False, utc_s=charge_point.utc(now))
    _follow(charge_point, request, verdict, now)


def _follow(charge_point: ChargePoint, request: AuthorizationRequested, verdict: Verdict, now: float) -> None:
    connector, id_tag = request.connector, request.id_tag
    match verdict:
        case Granted():
            _let_in(charge_point, connector, id_tag, verdict.parent_id_tag, now)
        case Denied(status=status):
            _deny(charge_point, connector, id_tag, status, f"{status}, decided without the CSMS", now)
        case AskCentral():
            pass


def _let_in(charge_point: ChargePoint, connector: int, id_tag: str, parent_id_tag: str | None, now: float) -> None:
    """The tag may charge: tell the connector, unless that is kept for somebody else."""
    if charge_point.ending is not None:
        # Who is on the way down begins nothing that it couldn't bring to an end.
        reason = f"{charge_point.plan.id} is going down"
        _deny(charge_point, connector, id_tag, AuthorizationStatus.INVALID, reason, now)
        return
    reservation = None
    if charge_point.views[connector].started is None:
        reservations = charge_point.reservations
        reservation = reservations.usable(connector, id_tag, parent_id_tag)
        if reservation is not None:
            reservations.take_up(connector, reservation)
        elif reservations.at(connector) is not None:
            _keep_out(charge_point, connector, id_tag, now)
            return
    charge_point.order(connector, GrantAuthorization(id_tag, parent_id_tag, reservation))


def _keep_out(charge_point: ChargePoint, connector: int, id_tag: str, now: float) -> None:
    reason = f"Connector {connector} is {ConnectorStatus.RESERVED} for another id tag"
    _deny(charge_point, connector, id_tag, AuthorizationStatus.INVALID, reason, now)


def _deny(
    charge_point: ChargePoint, connector: int, id_tag: str, status: AuthorizationStatus, reason: str, now: float
) -> None:
    charge_point.order(connector, DenyAuthorization(id_tag, status))
    charge_point.observe(IdTagRefused(connector, now, id_tag, reason))


def _guarding(charge_point: ChargePoint, connector: int) -> Reservation | None:
    """The reservation that a tag has to pass at this connector."""
    return None if charge_point.views[connector].started is not None else charge_point.reservations.at(connector)
