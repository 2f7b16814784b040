"""Hazards: what breaks in a charge point, what befalls it, and what people do then, as commands of the one vocabulary.

Faults that a charge point notices by itself are told as such (`fault`). Here is the rest: what nobody notices until it
matters (a lock that will fail, a meter that counts wrongly, a contactor that sticks, a clock that drifts), the mains,
and the emergency stop. All of it is the world's, not the software's: it outlives a reboot, and ends only when somebody
says so.
"""

from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge, gt, le, optional

from fleet.commands.speech import ToChargePoint, ToConnector
from fleet.words import MeterFault, RelayFault

_DURATION = {"unit": "s"}
_TIME = {"unit": "s", "signed": True}
_SHARE = {"unit": "share"}
_ENERGY = {"unit": "Wh"}


@frozen
class FailLock(ToConnector):
    """Have the lock fail the next time that it is to close or open: Faulted, ConnectorLockFailure."""

    verb: ClassVar[str] = "lock-failure"
    examples: ClassVar[tuple[str, ...]] = ("lock-failure CP0001/1",)


@frozen
class BreakMeter(ToConnector):
    """Have the register stick until `none`, or jump or fall now by so much, though not below zero."""

    verb: ClassVar[str] = "meter-fault"
    examples: ClassVar[tuple[str, ...]] = (
        "meter-fault CP0001/1 stick",
        "meter-fault CP0001/1 jump 5kWh",
        "meter-fault */*@Charging fall",
        "meter-fault CP0001/1 none",
    )

    fault: MeterFault
    energy_wh: float = field(default=1_000.0, validator=gt(0), metadata=_ENERGY)


@frozen
class BreakRelay(ToConnector):
    """Have the contactor stick: open, nothing flows though Charging; closed, it flows on after a stop."""

    verb: ClassVar[str] = "relay-fault"
    examples: ClassVar[tuple[str, ...]] = (
        "relay-fault CP0001/1 open",
        "relay-fault CP0001/1 closed",
        "relay-fault CP0001/1 none",
    )

    fault: RelayFault


@frozen
class FailInstallation(ToChargePoint):
    """Have the next firmware fail to install, whatever is in the file: InstallationFailed."""

    verb: ClassVar[str] = "install-failure"
    examples: ClassVar[tuple[str, ...]] = ("install-failure CP0001",)


@frozen
class PowerCut(ToChargePoint):
    """Cut the mains, for a while or until `power-return`; with a battery, transactions stop first."""

    verb: ClassVar[str] = "power-cut"
    examples: ClassVar[tuple[str, ...]] = ("power-cut CP0001", "power-cut * 45s", "power-cut CP0001 10m stop_first")

    for_s: float | None = field(default=None, validator=optional(gt(0)), metadata=_DURATION)
    stop_first: bool = False


@frozen
class PowerReturn(ToChargePoint):
    """Switch the mains on again after `power-cut`: the charge point boots."""

    verb: ClassVar[str] = "power-return"
    examples: ClassVar[tuple[str, ...]] = ("power-return CP0001", "power-return *")


@frozen
class EmergencyStop(ToChargePoint):
    """Press the emergency stop: every transaction ends, every connector is Faulted until `release`."""

    verb: ClassVar[str] = "emergency-stop"
    examples: ClassVar[tuple[str, ...]] = ("emergency-stop CP0001",)


@frozen
class ReleaseEmergencyStop(ToChargePoint):
    """Pull the emergency stop's button out again: the connectors recover."""

    verb: ClassVar[str] = "release"
    examples: ClassVar[tuple[str, ...]] = ("release CP0001",)


@frozen
class BendClock(ToChargePoint):
    """Have the clock drift, or jump until the CSMS tells the time; with neither it is right again."""

    verb: ClassVar[str] = "clock"
    examples: ClassVar[tuple[str, ...]] = (
        "clock CP0001 drift=2%",
        "clock CP0001 jump_s=1h",
        "clock * jump_s=-10m",
        "clock CP0001",
    )

    drift: float | None = field(default=None, validator=optional([ge(-0.5), le(0.5)]), metadata=_SHARE)
    jump_s: float | None = field(default=None, metadata=_TIME)
