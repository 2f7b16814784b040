"""Commands: what anybody may ask of a connector or a charge point, and what may be refused.

One frozen class per command. A shell line, a scenario step, a workload, a control-socket request and a CSMS request all
become the same object, so that there is one place that says what can be asked and one machine that decides. Text comes
from the classes: the name gives the verb, the fields the arguments, the docstring the help.

A refusal is a value, never an exception: a `str` with the machine's own words, or `None` where the command was done.
"""

import math

from attrs import field, frozen
from attrs.validators import ge, gt, le, optional

from fleet.words import Availability, CableEnd, ErrorCode, ResetKind, StopReason

DEFAULT_ID_TAG = "DEMO_TAG"


@frozen
class EV:
    """A car: its battery and what its driver wants of it.

    `battery_wh` capacity; `soc` state of charge when it arrives, 0 to 1; `power_max_w` what the car can take (the
    smaller of this and the connector's limit flows); above `taper_from_soc` the power falls in proportion to what is
    missing; `energy_wanted_wh` is where the car stops asking, `None` for a full battery.
    """

    battery_wh: float = field(default=60_000.0, validator=gt(0))
    soc: float = field(default=0.3, validator=[ge(0), le(1)])
    power_max_w: float = field(default=math.inf, validator=gt(0))
    energy_wanted_wh: float | None = field(default=None, validator=optional(ge(0)))
    taper_from_soc: float = field(default=0.8, validator=[gt(0), le(1)])


# ---- to a connector --------------------------------------------------------------------------------------------------


@frozen
class PlugIn:
    """Connect the cable to a car."""

    ev: EV = EV()


@frozen
class Unplug:
    """Take the cable out, at the charge point's end or, also during a transaction, at the car's."""

    end: CableEnd = CableEnd.CHARGE_POINT


@frozen
class Swipe:
    """Present an id tag at the reader: starts, or stops when it is the same tag."""

    id_tag: str = DEFAULT_ID_TAG


@frozen
class StartTransaction:
    """Start a transaction for an id tag that is taken as authorised; the cable must be plugged in."""

    id_tag: str = DEFAULT_ID_TAG


@frozen
class StopTransaction:
    """Stop the running transaction."""

    reason: StopReason = StopReason.LOCAL


@frozen
class ChangeAvailability:
    """Make a connector, or with connector 0 the whole charge point, operative or inoperative."""

    availability: Availability


@frozen
class InjectFault:
    """Raise an error on the connector: it is Faulted and no energy flows until the fault is cleared."""

    error_code: ErrorCode = ErrorCode.OTHER_ERROR
    info: str | None = None
    vendor_error_code: str | None = None


@frozen
class ClearFault:
    """End the fault: the connector returns to what it was, as far as the world still is so."""


@frozen
class SuspendEV:
    """The car stops taking power."""


@frozen
class SuspendEVSE:
    """The charge point stops offering power."""


@frozen
class Resume:
    """Power flows again after a suspension by either side."""


@frozen
class SetPower:
    """Bend the power that the connector offers, in W; None gives back the connector's own limit."""

    power_w: float | None = field(default=None, validator=optional(ge(0)))


@frozen
class UnlockConnector:
    """Unlock the cable; a running transaction is stopped first."""


@frozen
class Crash:
    """Crash the connector's task with a bug, to see that only its own charge point suffers."""


# ---- to a charge point -----------------------------------------------------------------------------------------------


@frozen
class Reset:
    """Reboot the charge point: Soft stops transactions first, Hard does not wait."""

    kind: ResetKind = ResetKind.SOFT


@frozen
class SendHeartbeat:
    """Send a Heartbeat now."""


@frozen
class SendDataTransfer:
    """Send a DataTransfer."""

    vendor_id: str
    message_id: str | None = None
    data: str | None = None


@frozen
class SetConfiguration:
    """Set a configuration key from inside, read-only keys too."""

    key: str
    value: str


@frozen
class Drain:
    """Stop every transaction, deliver every message, close the connection and end."""


ConnectorCommand = (
    PlugIn
    | Unplug
    | Swipe
    | StartTransaction
    | StopTransaction
    | ChangeAvailability
    | InjectFault
    | ClearFault
    | SuspendEV
    | SuspendEVSE
    | Resume
    | SetPower
    | UnlockConnector
    | Crash
)
ChargePointCommand = ChangeAvailability | Reset | SendHeartbeat | SendDataTransfer | SetConfiguration | Drain
Command = ConnectorCommand | ChargePointCommand
