"""Commands: what anybody may ask of a connector or a charge point, and what may be refused.

One frozen class per command. A shell line, a scenario step, a workload, a control-socket request and a CSMS request all
become the same object, so that there is one place that says what can be asked and one machine that decides. Text comes
from the classes (see `speech.py`): each has its verb, the fields are the arguments, the docstring is the help. What is
asked of the whole run is in `fleetwide.py`, what breaks and what people do in need in `hazards.py`, what may go wrong
between a charge point and its CSMS in `impairments.py`.

A refusal is a value, never an exception: a `str` with the machine's own words, or `None` where the command was done.
"""

import math
from typing import Any, ClassVar

from attrs import field, frozen
from attrs.validators import ge, gt, instance_of, le, optional

from fleet.commands.hazards import (
    BendClock,
    BreakMeter,
    BreakRelay,
    EmergencyStop,
    FailInstallation,
    FailLock,
    PowerCut,
    PowerReturn,
    ReleaseEmergencyStop,
)
from fleet.commands.impairments import Impair, Mend
from fleet.commands.speech import Aim, Completes, ToChargePoint, ToConnector
from fleet.words import Availability, CableEnd, ConnectorStatus, ErrorCode, ResetKind, StopReason

DEFAULT_ID_TAG = "DEMO_TAG"

# An id tag is an idToken, CiString20Type (OCPP 1.6 section 7.28).
_ID_TAG = {"completes": Completes.ID_TAG, "length_max": 20}
_POWER = {"unit": "W"}
_POWER_OR_ANY = {"unit": "W", "unlimited": True}
_ENERGY = {"unit": "Wh"}
_SHARE = {"unit": "share"}
_DURATION = {"unit": "s"}


@frozen
class EV:
    """A car: its battery and what its driver wants of it.

    `battery_wh` capacity; `soc` state of charge when it arrives, 0 to 1; `power_max_w` what the car can take (the
    smaller of this and the connector's limit flows); above `taper_from_soc` the power falls in proportion to what is
    missing; `energy_wanted_wh` is where the car stops asking, `None` for a full battery.
    """

    battery_wh: float = field(default=60_000.0, validator=gt(0), metadata=_ENERGY)
    soc: float = field(default=0.3, validator=[ge(0), le(1)], metadata=_SHARE)
    power_max_w: float = field(default=math.inf, validator=gt(0), metadata=_POWER_OR_ANY)
    energy_wanted_wh: float | None = field(default=None, validator=optional(ge(0)), metadata=_ENERGY)
    taper_from_soc: float = field(default=0.8, validator=[gt(0), le(1)], metadata=_SHARE)


# ---- to a connector --------------------------------------------------------------------------------------------------


@frozen
class PlugIn(ToConnector):
    """Connect the cable to a car."""

    verb: ClassVar[str] = "plug"
    examples: ClassVar[tuple[str, ...]] = ("plug CP0001/1", "plug CP0001/* soc=20% battery_wh=40kWh", "plug */*~10%")

    ev: EV = EV()


@frozen
class Unplug(ToConnector):
    """Take the cable out, at the charge point's end or, also during a transaction, at the car's."""

    verb: ClassVar[str] = "unplug"
    examples: ClassVar[tuple[str, ...]] = ("unplug CP0001/1", "unplug CP0001/1 EV", "unplug */*@Finishing")

    end: CableEnd = CableEnd.CHARGE_POINT


@frozen
class Swipe(ToConnector):
    """Present an id tag at the reader: starts, or stops when it is the same tag or one of its parent's."""

    verb: ClassVar[str] = "swipe"
    examples: ClassVar[tuple[str, ...]] = ("swipe CP0001/1 TAG1",)

    id_tag: str = field(default=DEFAULT_ID_TAG, metadata=_ID_TAG)


@frozen
class StartTransaction(ToConnector):
    """Start a transaction for an id tag that is taken as authorised; the cable must be plugged in."""

    verb: ClassVar[str] = "start"
    examples: ClassVar[tuple[str, ...]] = ("start CP0001/1", "start CP0001/1 TAG1", "start */*@Preparing")

    id_tag: str = field(default=DEFAULT_ID_TAG, metadata=_ID_TAG)


@frozen
class StopTransaction(ToConnector):
    """Stop the running transaction."""

    verb: ClassVar[str] = "stop"
    examples: ClassVar[tuple[str, ...]] = ("stop CP0001/1", "stop CP00*/1 EmergencyStop")

    reason: StopReason = StopReason.LOCAL


@frozen
class Authorize(ToConnector):
    """Ask the CSMS whether it knows an id tag, and show what it says."""

    verb: ClassVar[str] = "authorize"
    aims: ClassVar[Aim] = Aim.EITHER
    examples: ClassVar[tuple[str, ...]] = ("authorize CP0001 TAG1",)

    id_tag: str = field(default=DEFAULT_ID_TAG, metadata=_ID_TAG)


@frozen
class ChangeAvailability(ToConnector):
    """Make a connector, or with connector 0 the whole charge point, operative or inoperative."""

    verb: ClassVar[str] = "availability"
    aims: ClassVar[Aim] = Aim.EITHER
    examples: ClassVar[tuple[str, ...]] = ("availability CP0001/1 inoperative", "availability CP0001 operative")

    availability: Availability


@frozen
class InjectFault(ToConnector):
    """Raise an error on the connector: it is Faulted, without energy, until cleared or for a while.

    But EVCommunicationError in a transaction makes it SuspendedEVSE, as it is no real error (OCPP 1.6 section 7.6).
    """

    verb: ClassVar[str] = "fault"
    examples: ClassVar[tuple[str, ...]] = (
        "fault CP0001/1 GroundFailure",
        'fault CP0001/1 OtherError info="door open" vendor_error_code=E17',
        "fault CP0001/1 HighTemperature for_s=90s",
    )

    error_code: ErrorCode = ErrorCode.OTHER_ERROR
    info: str | None = field(default=None, metadata={"length_max": 50})
    vendor_error_code: str | None = field(default=None, metadata={"length_max": 50})
    for_s: float | None = field(default=None, validator=optional(gt(0)), metadata=_DURATION)


@frozen
class ClearFault(ToConnector):
    """End the fault: the connector returns to what it was, as far as the world still is so."""

    verb: ClassVar[str] = "clear"
    examples: ClassVar[tuple[str, ...]] = ("clear CP0001/1", "clear */*@Faulted")


@frozen
class SuspendEV(ToConnector):
    """The car stops taking power."""

    verb: ClassVar[str] = "suspend ev"
    examples: ClassVar[tuple[str, ...]] = ("suspend ev CP0001/1",)


@frozen
class SuspendEVSE(ToConnector):
    """The charge point stops offering power."""

    verb: ClassVar[str] = "suspend evse"
    examples: ClassVar[tuple[str, ...]] = ("suspend evse CP0001/1",)


@frozen
class Resume(ToConnector):
    """Power flows again after a suspension by either side."""

    verb: ClassVar[str] = "resume"
    examples: ClassVar[tuple[str, ...]] = ("resume CP0001/1", "resume */*@SuspendedEV,SuspendedEVSE")


@frozen
class ForceStatus(ToConnector):
    """Tell the CSMS a status by hand: a StatusNotification says so, and the connector stays what it is."""

    verb: ClassVar[str] = "force"
    aims: ClassVar[Aim] = Aim.EITHER
    examples: ClassVar[tuple[str, ...]] = ("force CP0001/1 Reserved", "force CP0001/1 Faulted HighTemperature")

    status: ConnectorStatus
    error_code: ErrorCode = ErrorCode.NO_ERROR


@frozen
class SetPower(ToConnector):
    """Bend the power that the connector offers, in W; without a value its own limit is back."""

    verb: ClassVar[str] = "meter"
    examples: ClassVar[tuple[str, ...]] = ("meter CP0001/1 3.7kW", "meter CP0001/1 0", "meter CP0001/1")

    power_w: float | None = field(default=None, validator=optional(ge(0)), metadata=_POWER)


@frozen
class SetEV(ToConnector):
    """Change the car that is plugged in: what is not said stays as it is."""

    verb: ClassVar[str] = "ev"
    examples: ClassVar[tuple[str, ...]] = ("ev CP0001/1 soc=80%", "ev CP0001/1 battery_wh=77kWh power_max_w=11kW")

    battery_wh: float | None = field(default=None, validator=optional(gt(0)), metadata=_ENERGY)
    soc: float | None = field(default=None, validator=optional([ge(0), le(1)]), metadata=_SHARE)
    power_max_w: float | None = field(default=None, validator=optional(gt(0)), metadata=_POWER_OR_ANY)
    energy_wanted_wh: float | None = field(default=None, validator=optional(ge(0)), metadata=_ENERGY)
    taper_from_soc: float | None = field(default=None, validator=optional([gt(0), le(1)]), metadata=_SHARE)


@frozen
class UnlockConnector(ToConnector):
    """Unlock the cable; a running transaction is stopped first."""

    verb: ClassVar[str] = "unlock"
    examples: ClassVar[tuple[str, ...]] = ("unlock CP0001/1",)


@frozen
class Crash(ToConnector):
    """Crash the connector's task with a bug, to see that only its own charge point suffers."""

    verb: ClassVar[str] = "crash"
    examples: ClassVar[tuple[str, ...]] = ("crash CP0001/1",)


# ---- to a charge point -----------------------------------------------------------------------------------------------


@frozen
class Connect(ToChargePoint):
    """Connect to the CSMS again after `disconnect`."""

    verb: ClassVar[str] = "connect"
    examples: ClassVar[tuple[str, ...]] = ("connect CP0001", "connect *")


@frozen
class Disconnect(ToChargePoint):
    """Close the connection and stay away until `connect`; transactions go on offline."""

    verb: ClassVar[str] = "disconnect"
    examples: ClassVar[tuple[str, ...]] = ("disconnect CP0001", "disconnect *~10%")


@frozen
class Reset(ToChargePoint):
    """Reboot the charge point: Soft stops transactions first, Hard does not wait."""

    verb: ClassVar[str] = "reboot"
    examples: ClassVar[tuple[str, ...]] = ("reboot CP0001", "reboot CP[0001-0100] hard")

    kind: ResetKind = ResetKind.SOFT


@frozen
class SendHeartbeat(ToChargePoint):
    """Send a Heartbeat now."""

    verb: ClassVar[str] = "heartbeat"
    examples: ClassVar[tuple[str, ...]] = ("heartbeat CP0001",)


@frozen
class SendBoot(ToChargePoint):
    """Send a BootNotification now, without rebooting."""

    verb: ClassVar[str] = "boot"
    examples: ClassVar[tuple[str, ...]] = ("boot CP0001",)


@frozen
class SendDataTransfer(ToChargePoint):
    """Send a DataTransfer."""

    verb: ClassVar[str] = "data-transfer"
    examples: ClassVar[tuple[str, ...]] = ('data-transfer CP0001 com.example greeting "hello, world"',)

    vendor_id: str = field(metadata={"length_max": 255})
    message_id: str | None = field(default=None, metadata={"length_max": 50})
    data: str | None = None


@frozen
class GetConfiguration(ToChargePoint):
    """Show configuration keys and their values: those named, or all."""

    verb: ClassVar[str] = "get"
    examples: ClassVar[tuple[str, ...]] = ("get CP0001", "get CP0001 HeartbeatInterval ConnectionTimeOut")

    keys: tuple[str, ...] = field(default=(), metadata={"completes": Completes.KEY})


@frozen
class SetConfiguration(ToChargePoint):
    """Set a configuration key from inside, read-only keys too."""

    verb: ClassVar[str] = "set"
    examples: ClassVar[tuple[str, ...]] = ("set CP0001 HeartbeatInterval 60", "set * MeterValueSampleInterval=10")

    key: str = field(metadata={"completes": Completes.KEY, "assigns": True})
    value: str


@frozen
class ShowProfiles(ToChargePoint):
    """Show the charging profiles, and the limit that comes of them now."""

    verb: ClassVar[str] = "profiles"
    aims: ClassVar[Aim] = Aim.EITHER
    examples: ClassVar[tuple[str, ...]] = ("profiles CP0001/1", "profiles CP0001")


@frozen
class SendRaw(ToChargePoint):
    """Send any message as it stands and show the answer; its payload is checked first unless `unchecked`."""

    verb: ClassVar[str] = "raw"
    examples: ClassVar[tuple[str, ...]] = (
        "raw CP0001 Heartbeat {}",
        'raw CP0001 Authorize {"idTag": "TAG1"}',
        'raw CP0001 Authorize {"tag": 1} unchecked',
    )

    action: str = field(metadata={"completes": Completes.ACTION})
    payload: dict[str, Any] = field(factory=dict, validator=instance_of(dict), hash=False)
    unchecked: bool = False


@frozen
class Drain(ToChargePoint):
    """Stop every transaction, deliver every message, close the connection and end."""

    verb: ClassVar[str] = "drain"
    examples: ClassVar[tuple[str, ...]] = ("drain CP0001",)


@frozen
class Remove(ToChargePoint):
    """Drain the charge point and take it out of the fleet."""

    verb: ClassVar[str] = "remove"
    examples: ClassVar[tuple[str, ...]] = ("remove CP0007", "remove CP[0101-0200]")


ConnectorCommand = (
    PlugIn
    | Unplug
    | Swipe
    | StartTransaction
    | StopTransaction
    | Authorize
    | ChangeAvailability
    | InjectFault
    | ClearFault
    | SuspendEV
    | SuspendEVSE
    | Resume
    | ForceStatus
    | SetPower
    | SetEV
    | UnlockConnector
    | FailLock
    | BreakMeter
    | BreakRelay
    | Crash
)
# `Remove` is not among what a charge point obeys: the fleet lets it drain and forgets it.
ChargePointCommand = (
    Authorize
    | ChangeAvailability
    | ForceStatus
    | Connect
    | Disconnect
    | PowerCut
    | PowerReturn
    | EmergencyStop
    | ReleaseEmergencyStop
    | BendClock
    | FailInstallation
    | Impair
    | Mend
    | Reset
    | SendHeartbeat
    | SendBoot
    | SendDataTransfer
    | GetConfiguration
    | SetConfiguration
    | ShowProfiles
    | SendRaw
    | Drain
)
Command = ConnectorCommand | ChargePointCommand
