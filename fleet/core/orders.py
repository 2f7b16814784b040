"""Orders: what a charge point tells its own connectors, beside the commands that come from outside.

They travel the same mailbox as commands, so that their order is kept, and like commands they may be refused.
"""

from attrs import frozen

from fleet.core.reservation import Reservation
from fleet.words import AuthorizationStatus, Measurand, Phase, ReadingContext

MeasurandSpec = tuple[Measurand, Phase | None]


@frozen
class ConnectorSettings:
    """The configuration keys that a connector obeys, as values (OCPP 1.6 section 9.1).

    Measurands are tuples of (measurand, phase or None); intervals are in s, 0 meaning never.
    """

    connection_timeout_s: float = 60.0
    sample_interval_s: float = 60.0
    sampled_data: tuple[MeasurandSpec, ...] = ((Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, None),)
    aligned_data: tuple[MeasurandSpec, ...] = ((Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, None),)
    stop_sampled_data: tuple[MeasurandSpec, ...] = ()
    stop_aligned_data: tuple[MeasurandSpec, ...] = ()
    stop_on_ev_side_disconnect: bool = True
    unlock_on_ev_side_disconnect: bool = True
    minimum_status_duration_s: float = 0.0


@frozen
class ApplySettings:
    """Obey these settings from now on."""

    settings: ConnectorSettings


@frozen
class GrantAuthorization:
    """The id tag may charge here (or stop what it, or its parent, started); a transaction uses up the `reservation`."""

    id_tag: str
    parent_id_tag: str | None = None
    reservation: Reservation | None = None


@frozen
class DenyAuthorization:
    """The id tag may not charge."""

    id_tag: str
    status: AuthorizationStatus


@frozen
class BindTransaction:
    """The CSMS gave this transaction its id."""

    transaction: str
    transaction_id: int
    parent_id_tag: str | None = None


@frozen
class StopEnergy:
    """The CSMS refused the id tag of the running transaction, which goes on without energy.

    OCPP 1.6 section 5.11 (StopTransactionOnInvalidId is false), with `energy_max_wh` from MaxEnergyOnInvalidId.
    """

    transaction: str
    energy_max_wh: float = 0.0


@frozen
class TakeReading:
    """Sample the meter now, outside the sampling interval (clock-aligned, or triggered)."""

    context: ReadingContext = ReadingContext.SAMPLE_CLOCK


@frozen
class LimitPower:
    """Offer no more than this, in W, whatever else may limit it (smart charging, OCPP 1.6 section 3.13)."""

    power_w: float


@frozen
class Reserve:
    """Be kept for this reservation, or for it instead of another (OCPP 1.6 section 5.13)."""

    reservation: Reservation


@frozen
class Release:
    """Be kept for nobody any more."""


ConnectorOrder = (
    ApplySettings
    | GrantAuthorization
    | DenyAuthorization
    | BindTransaction
    | StopEnergy
    | TakeReading
    | LimitPower
    | Reserve
    | Release
)
