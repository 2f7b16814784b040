"""The types that OCPP 1.6 messages are made of (OCPP 1.6 edition 2, section 7).

Sets that the whole house speaks of come from `fleet.words`; here are those that only the wire needs. Classes and enums
are named as the specification names them, so that the two read side by side.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from attrs import frozen

from fleet.ocpp.converter import AtLeast, Concealed, MaxLength, MinItems, OneDigit
from fleet.words import (
    AuthorizationStatus,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    Location,
    Measurand,
    Phase,
    ReadingContext,
    RecurrencyKind,
    Unit,
)

CiString20 = Annotated[str, MaxLength(20)]
"""CiString20Type, and IdToken, which is one."""
CiString25 = Annotated[str, MaxLength(25)]
CiString50 = Annotated[str, MaxLength(50)]
CiString255 = Annotated[str, MaxLength(255)]
CiString500 = Annotated[str, MaxLength(500)]

ConnectorId = Annotated[int, AtLeast(0)]
"""Connectors count from 1; 0 is the charge point as a whole."""
OneConnectorId = Annotated[int, AtLeast(1)]
"""One connector, where the charge point as a whole makes no sense."""
Seconds = Annotated[int, AtLeast(0)]
Retries = Annotated[int, AtLeast(0)]
"""How often to try again."""
Url = Annotated[str, Concealed()]
"""anyURI; it may hold a password, so no error shows it."""
Decimal1 = Annotated[float, OneDigit()]
"""A decimal with at most one digit after the point."""

# ---- answers ---------------------------------------------------------------------------------------------------------


class AcceptedOrRejected(StrEnum):
    """The same two words are the answer to many a request.

    RemoteStartStopStatus, ResetStatus, ClearCacheStatus, CancelReservationStatus, GetCompositeScheduleStatus; in the
    security extension CertificateSignedStatusEnumType and GenericStatusEnumType.
    """

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


@frozen
class IdTagInfo:
    """What the CSMS says of an id tag (section 7.27)."""

    status: AuthorizationStatus
    expiry_date: datetime | None = None
    parent_id_tag: CiString20 | None = None


@frozen
class KeyValue:
    """One configuration key as GetConfiguration tells it (section 7.29)."""

    key: CiString50
    readonly: bool
    value: CiString500 | None = None


# ---- meter values ----------------------------------------------------------------------------------------------------


class ValueFormat(StrEnum):
    """How a sampled value is written."""

    RAW = "Raw"
    SIGNED_DATA = "SignedData"


@frozen
class SampledValue:
    """One value; absent means Sample.Periodic, Raw, Energy.Active.Import.Register, Outlet and Wh."""

    value: str
    context: ReadingContext | None = None
    format: ValueFormat | None = None
    measurand: Measurand | None = None
    phase: Phase | None = None
    location: Location | None = None
    unit: Unit | None = None


@frozen
class MeterValue:
    """What was sampled at one instant (section 7.33)."""

    timestamp: datetime
    sampled_value: Annotated[tuple[SampledValue, ...], MinItems(1)]


# ---- charging profiles -----------------------------------------------------------------------------------------------


@frozen
class ChargingSchedulePeriod:
    """From `start_period` (s after the schedule's start) on, no more than `limit` (section 7.14)."""

    start_period: Seconds
    limit: Decimal1
    number_phases: Annotated[int, AtLeast(1)] | None = None


@frozen
class ChargingSchedule:
    """A course of limits; `duration` in s (section 7.13)."""

    charging_rate_unit: ChargingRateUnit
    charging_schedule_period: Annotated[tuple[ChargingSchedulePeriod, ...], MinItems(1)]
    duration: Seconds | None = None
    start_schedule: datetime | None = None
    min_charging_rate: Decimal1 | None = None


@frozen
class ChargingProfile:
    """A schedule with its purpose and place among others (section 7.8)."""

    charging_profile_id: int
    stack_level: Annotated[int, AtLeast(0)]
    charging_profile_purpose: ChargingProfilePurpose
    charging_profile_kind: ChargingProfileKind
    charging_schedule: ChargingSchedule
    transaction_id: int | None = None
    recurrency_kind: RecurrencyKind | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
