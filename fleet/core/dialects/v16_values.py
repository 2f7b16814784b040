"""What OCPP 1.6 writes in one way and the house in another: instants, id tags, yes and no."""

from datetime import UTC, datetime

from fleet.core.answers import IdTagInfo
from fleet.ocpp import v16_types


def instant(utc_s: float) -> datetime:
    """An instant for the wire."""
    return datetime.fromtimestamp(utc_s, UTC)


def utc_s(at: datetime | None) -> float | None:
    """An instant from the wire that may be absent, in s since 1970."""
    return None if at is None else at.timestamp()


def yes_or_no(accepted: bool) -> v16_types.AcceptedOrRejected:
    """Accepted or Rejected."""
    return v16_types.AcceptedOrRejected.ACCEPTED if accepted else v16_types.AcceptedOrRejected.REJECTED


def id_tag_info(info: v16_types.IdTagInfo) -> IdTagInfo:
    """What the CSMS says of an id tag."""
    return IdTagInfo(info.status, info.parent_id_tag, utc_s(info.expiry_date))
