"""The local list as the CSMS sends it, and what it says of id tags afterwards (OCPP 1.6 sections 3.5, 5.10 and 5.15).

What the CSMS says of an id tag comes back in many an answer. All of them end here: the cache learns, and where the
local list says otherwise the CSMS is told so, since the list is its own (section 3.5.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.core.answers import IdTagInfo, LocalListSent, LocalListVersionWanted
from fleet.core.reports import StatusChanged
from fleet.words import ErrorCode

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint


def serve(charge_point: ChargePoint, message_id: str, request: LocalListSent | LocalListVersionWanted) -> None:
    """Answer one request about the list."""
    authorizer, dialect = charge_point.authorizer, charge_point.dialect
    match request:
        case LocalListSent():
            response = dialect.local_list_response(authorizer.update_list(request))
        case LocalListVersionWanted():
            response = dialect.local_list_version_response(authorizer.list_version)
    charge_point.respond(message_id, response)


def learn(charge_point: ChargePoint, id_tag: str, info: IdTagInfo, now: float) -> None:
    """The CSMS said this of an id tag."""
    if charge_point.authorizer.learn(id_tag, info, charge_point.utc(now)):
        _tell_conflict(charge_point, now)


def _tell_conflict(charge_point: ChargePoint, now: float) -> None:
    """An error of the whole charge point, which goes on working; it isn't a state, so nobody is told of its end."""
    status = charge_point.views[0].status
    if status is not None:
        report = StatusChanged(0, now, status.status, ErrorCode.LOCAL_LIST_CONFLICT)
        charge_point.say(charge_point.dialect.status(report, charge_point.utc(now)), now)
