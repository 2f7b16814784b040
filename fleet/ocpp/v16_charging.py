"""The messages of OCPP 1.6's Smart Charging profile; what they are made of is in `v16_types`.

Written as those of Core are, in `v16`; sections are of OCPP 1.6 edition 2.
"""

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from fleet.ocpp.v16_types import AcceptedOrRejected, ChargingProfile, ChargingSchedule, Seconds
from fleet.words import ChargingProfilePurpose, ChargingProfileStatus, ChargingRateUnit


class ClearChargingProfileStatus(StrEnum):
    """Was there anything to clear? (section 7.21)"""

    ACCEPTED = "Accepted"
    UNKNOWN = "Unknown"


@frozen
class ClearChargingProfileRequest:
    """Section 6.13. What is given must all be true of a profile for it to go; `id` alone is enough to name one."""

    id: int | None = None
    connector_id: int | None = None
    charging_profile_purpose: ChargingProfilePurpose | None = None
    stack_level: int | None = None


@frozen
class ClearChargingProfileResponse:
    """Section 6.14."""

    status: ClearChargingProfileStatus


@frozen
class GetCompositeScheduleRequest:
    """Section 6.21. `duration` in s, from now; connector 0 asks for the charge point as a whole."""

    connector_id: int
    duration: Seconds
    charging_rate_unit: ChargingRateUnit | None = None


@frozen
class GetCompositeScheduleResponse:
    """Section 6.22."""

    status: AcceptedOrRejected
    connector_id: int | None = None
    schedule_start: datetime | None = None
    charging_schedule: ChargingSchedule | None = None


@frozen
class SetChargingProfileRequest:
    """Section 6.43. One profile, for all the plural of its name."""

    connector_id: int
    cs_charging_profiles: ChargingProfile


@frozen
class SetChargingProfileResponse:
    """Section 6.44."""

    status: ChargingProfileStatus


FROM_CSMS: dict[str, tuple[type, type]] = {
    "ClearChargingProfile": (ClearChargingProfileRequest, ClearChargingProfileResponse),
    "GetCompositeSchedule": (GetCompositeScheduleRequest, GetCompositeScheduleResponse),
    "SetChargingProfile": (SetChargingProfileRequest, SetChargingProfileResponse),
}
