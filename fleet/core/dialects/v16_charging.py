"""OCPP 1.6's smart charging in the house's words."""

import math

from fleet.core.answers import CentralRequest, ProfilesCleared, ProfileSet, ScheduleWanted
from fleet.core.dialects.v16_values import instant, utc_s, yes_or_no
from fleet.core.profiles import Period, Profile, Schedule
from fleet.ocpp import v16_charging, v16_types
from fleet.words import ChargingProfileStatus


def request(request: object) -> CentralRequest | None:
    """A request of this profile; None if it is of another."""
    match request:
        case v16_charging.SetChargingProfileRequest():
            return ProfileSet(request.connector_id, profile(request.cs_charging_profiles))
        case v16_charging.ClearChargingProfileRequest():
            return ProfilesCleared(
                request.id, request.connector_id, request.charging_profile_purpose, request.stack_level
            )
        case v16_charging.GetCompositeScheduleRequest():
            return ScheduleWanted(request.connector_id, request.duration, request.charging_rate_unit)
        case _:
            return None


def profile(given: v16_types.ChargingProfile) -> Profile:
    """A charging profile as the CSMS sent it."""
    schedule = given.charging_schedule
    return Profile(
        id=given.charging_profile_id,
        stack_level=given.stack_level,
        purpose=given.charging_profile_purpose,
        kind=given.charging_profile_kind,
        schedule=Schedule(
            unit=schedule.charging_rate_unit,
            periods=tuple(
                Period(period.start_period, period.limit, period.number_phases)
                for period in schedule.charging_schedule_period
            ),
            duration_s=schedule.duration,
            start_utc_s=utc_s(schedule.start_schedule),
            min_rate=schedule.min_charging_rate,
        ),
        recurrency=given.recurrency_kind,
        valid_from_utc_s=utc_s(given.valid_from),
        valid_to_utc_s=utc_s(given.valid_to),
        transaction_id=given.transaction_id,
    )


class SmartCharging16:
    """What a charge point says of its charging profiles."""

    def profile_response(self, status: ChargingProfileStatus) -> object:
        return v16_charging.SetChargingProfileResponse(status)

    def profiles_cleared_response(self, found: bool) -> object:
        status = v16_charging.ClearChargingProfileStatus
        return v16_charging.ClearChargingProfileResponse(status.ACCEPTED if found else status.UNKNOWN)

    def schedule_response(self, connector: int, schedule: Schedule | None) -> object:
        """Its begin is told once, as scheduleStart, which the periods always count from (section 6.22)."""
        if schedule is None:
            return v16_charging.GetCompositeScheduleResponse(yes_or_no(False))
        return v16_charging.GetCompositeScheduleResponse(
            status=yes_or_no(True),
            connector_id=connector,
            schedule_start=None if schedule.start_utc_s is None else instant(schedule.start_utc_s),
            charging_schedule=v16_types.ChargingSchedule(
                charging_rate_unit=schedule.unit,
                charging_schedule_period=tuple(
                    v16_types.ChargingSchedulePeriod(period.start_s, _one_digit(period.limit), period.phases)
                    for period in schedule.periods
                ),
                duration=schedule.duration_s,
                min_charging_rate=None if schedule.min_rate is None else _one_digit(schedule.min_rate),
            ),
        )


def _one_digit(limit: float) -> float:
    """A limit with one digit after the point, rounded down: one that was promised is never exceeded.

    16.1 A times 230 V divided by 230 V is a little less than 16.1 A, and still those.
    """
    return math.floor(limit * 10 + 1e-6) / 10
