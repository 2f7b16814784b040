"""Orders from outside: the shell, a scenario, a workload; and how a charge point goes down when it is told to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from attrs import define, frozen

from fleet.commands.vocabulary import (
    ChangeAvailability,
    ChargePointCommand,
    Command,
    ConnectorCommand,
    Drain,
    Reset,
    SendDataTransfer,
    SendHeartbeat,
    SetConfiguration,
    StopTransaction,
)
from fleet.core.effects import Answer, CloseLink, Finish, Restart
from fleet.core.reports import Drained
from fleet.words import ResetKind, StopReason

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint

ENDING_TIMEOUT_S = 30.0
"""How long a soft reset waits for its transactions' messages before it reboots all the same (they survive it)."""


@frozen
class Instruct:
    """An order from outside for a connector, or with connector 0 for the charge point; `token` asks for an answer."""

    connector: int
    command: Command
    token: int | None = None


@define
class Ending:
    """On the way down: transactions stop, messages are delivered, then comes a restart for `cause`, or the end."""

    deadline: float
    cause: str | None
    reason: StopReason


def instruct(charge_point: ChargePoint, message: Instruct, now: float) -> None:
    """Do it, or pass it on to the connector, whose answer will come back."""
    connector = message.connector
    if connector:
        if 0 < connector < len(charge_point.views):
            charge_point.order(connector, cast(ConnectorCommand, message.command), message.token)
            return
        refusal: str | None = f"{charge_point.plan.id} has no connector {connector}"
    else:
        refusal = _obey(charge_point, cast(ChargePointCommand, message.command), now)
    if message.token is not None:
        charge_point.effect(Answer(message.token, refusal))


def _obey(charge_point: ChargePoint, command: ChargePointCommand, now: float) -> str | None:
    match command:
        case ChangeAvailability(availability=availability):
            charge_point.change_availability(0, availability, now)
        case Reset(kind=kind):
            reset(charge_point, kind, now)
        case SendHeartbeat() | SendDataTransfer() if not charge_point.speaking:
            return f"{charge_point.plan.id} is not connected and accepted"
        case SendHeartbeat():
            charge_point.send_heartbeat(now)
        case SendDataTransfer(vendor_id=vendor_id, message_id=message_id, data=data):
            charge_point.say(charge_point.dialect.data_transfer(vendor_id, message_id, data), now)
        case SetConfiguration(key=key, value=value):
            try:
                charge_point.configuration.set(key, value)
            except ValueError as error:
                return str(error)
            charge_point.configure(now)
        case Drain():
            _end(charge_point, Ending(math.inf, None, StopReason.LOCAL))
        case _:
            return f"{type(command).__name__} needs a connector, such as {charge_point.plan.id}/1"
    return None


def reset(charge_point: ChargePoint, kind: ResetKind, now: float) -> None:
    """Soft stops the transactions and delivers first, hard just goes (OCPP 1.6 section 5.14)."""
    if kind is ResetKind.SOFT:
        _end(charge_point, Ending(now + ENDING_TIMEOUT_S, "SoftReset", StopReason.SOFT_RESET))
    else:
        _restart(charge_point, "HardReset")


def _end(charge_point: ChargePoint, ending: Ending) -> None:
    # A reset in the middle of a drain doesn't bring the charge point back.
    if charge_point.ending is None or ending.cause is None:
        charge_point.ending = ending
    for connector in range(1, len(charge_point.views)):
        charge_point.order(connector, StopTransaction(ending.reason))


def see_ending(charge_point: ChargePoint, now: float) -> None:
    """All quiet, or out of time: go."""
    ending = charge_point.ending
    if ending is None:
        return
    quiet = charge_point.exchange.idle and not any(view.started for view in charge_point.views)
    if not quiet and now < ending.deadline:
        return
    charge_point.ending = None
    if ending.cause is not None:
        _restart(charge_point, ending.cause)
    else:
        charge_point.observe(Drained(now, charge_point.exchange.waiting))
        charge_point.effect(CloseLink(reconnect=False))
        charge_point.effect(Finish())


def _restart(charge_point: ChargePoint, cause: str) -> None:
    """Off and on again, without waiting for anything."""
    charge_point.effect(CloseLink(reconnect=False))
    charge_point.effect(Restart(charge_point.plan.reboot_s, cause))
