"""The emergency stop of a charge point.

A red button that stays in when it is pressed, and is pulled out again by hand. While it is in, everything is off: the
transactions end with the reason EmergencyStop (OCPP 1.6 section 7.36), and charge point and connectors are Faulted.
1.6 has no error code of its own for that, so it is OtherError, and the info says why (section 7.6). No reboot changes
the button: `memory.emergency` stays, and with it what the connectors are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.commands.vocabulary import ClearFault, InjectFault, StopTransaction
from fleet.core import views
from fleet.core.reports import StatusChanged
from fleet.words import ConnectorStatus, ErrorCode, StopReason

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint

PRESSED = InjectFault(ErrorCode.OTHER_ERROR, "Emergency stop")


def start(charge_point: ChargePoint) -> None:
    """Power-up: where the button is in, it is still in."""
    if charge_point.memory.emergency:
        _order_all(charge_point, PRESSED)


def press(charge_point: ChargePoint, now: float) -> str | None:
    """Stop everything; gives the refusal where the button is in already."""
    if charge_point.memory.emergency:
        return f"The emergency stop of {charge_point.plan.id} is pressed already"
    charge_point.memory.emergency = True
    _order_all(charge_point, StopTransaction(StopReason.EMERGENCY_STOP))
    _order_all(charge_point, PRESSED)
    views.changed(charge_point, own_status(charge_point, now), now)
    return None


def release(charge_point: ChargePoint, now: float) -> str | None:
    """Everybody may go on; gives the refusal where the button isn't in."""
    if not charge_point.memory.emergency:
        return f"The emergency stop of {charge_point.plan.id} is not pressed"
    charge_point.memory.emergency = False
    _order_all(charge_point, ClearFault())
    views.changed(charge_point, own_status(charge_point, now), now)
    return None


def forbids(charge_point: ChargePoint, command: object) -> str | None:
    """Why a connector isn't told this: nobody raises or clears a fault while the button is in."""
    if charge_point.memory.emergency and isinstance(command, InjectFault | ClearFault):
        return f"The emergency stop of {charge_point.plan.id} is pressed: release it first"
    return None


def own_status(charge_point: ChargePoint, now: float) -> StatusChanged:
    """What connector 0 is (OCPP 1.6 section 4.9: Available, Unavailable or Faulted)."""
    memory = charge_point.memory
    if memory.emergency:
        return StatusChanged(0, now, ConnectorStatus.FAULTED, PRESSED.error_code, PRESSED.info)
    return StatusChanged(0, now, ConnectorStatus.UNAVAILABLE if memory.inoperative else ConnectorStatus.AVAILABLE)


def _order_all(charge_point: ChargePoint, order: StopTransaction | InjectFault | ClearFault) -> None:
    for connector in range(1, len(charge_point.views)):
        charge_point.order(connector, order)
