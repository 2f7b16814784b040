"""Orders from outside: the shell, a scenario, a workload; and how a charge point goes down when it is told to.

What has the charge point say something is in `dictation.py`, what pulls its network cable in `absence.py`, and the
emergency stop in `emergency.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from attrs import define, frozen

from fleet.commands.hazards import (
    BendClock,
    EmergencyStop,
    FailInstallation,
    PowerCut,
    PowerReturn,
    ReleaseEmergencyStop,
)
from fleet.commands.impairments import Impair, Mend
from fleet.commands.vocabulary import (
    Authorize,
    ChangeAvailability,
    Command,
    Connect,
    ConnectorCommand,
    Disconnect,
    Drain,
    ForceStatus,
    GetConfiguration,
    Remove,
    Reset,
    SendBoot,
    SendDataTransfer,
    SendHeartbeat,
    SendRaw,
    SetConfiguration,
    ShowProfiles,
    StopTransaction,
)
from fleet.core import (
    absence,
    charging_limits,
    dictation,
    emergency,
    impairments,
    quartz,
    reconnection,
    security_events,
    views,
)
from fleet.core.effects import CloseLink, Finish, Restart
from fleet.core.keys import unknown
from fleet.core.reports import Drained
from fleet.words import ResetKind, StopReason
from fleet.words.security import SecurityEvent

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint

ENDING_TIMEOUT_S = 30.0
"""How long a soft reset waits for its transactions' messages before it reboots all the same (they survive it)."""
BATTERY_S = 10.0
"""How long a charge point with a battery of its own lasts without the mains, whatever is still unsaid then."""
ANSWERED_S = 0.5
"""How long the CSMS has to read the answer to its Reset, before the connection goes."""
REMOVAL_TIMEOUT_S = 5.0
"""How long a charge point that is taken out of the fleet may try to deliver what waits."""


@frozen
class Instruct:
    """An order from outside for a connector, or with connector 0 for the charge point; `token` asks for an answer.

    The `patient` want to know how it came out (what the CSMS answered, that the link is up), the others only whether it
    was taken.
    """

    connector: int
    command: Command | Remove
    token: int | None = None
    patient: bool = False


@define
class Ending:
    """On the way down: transactions stop, messages are delivered, then comes `restart`, or the end.

    Not before `rests_until`, -inf once that is past; at the latest at `gives_up_at`.
    """

    gives_up_at: float
    restart: Restart | None
    reason: StopReason
    rests_until: float = -math.inf

    @property
    def deadline(self) -> float:
        """When to look again whether it is time."""
        return self.gives_up_at if self.rests_until == -math.inf else self.rests_until

    @property
    def dark(self) -> bool:
        """The mains are cut, and a battery lasts for what is still to be said."""
        return self.restart is not None and self.restart.dark


def instruct(charge_point: ChargePoint, message: Instruct, now: float) -> None:
    """Do it, or pass it on to the connector, whose answer will come back."""
    connector, command, token, patient = message.connector, message.command, message.token, message.patient
    match command:
        case _ if not 0 <= connector < len(charge_point.views):
            charge_point.answer(token, f"{charge_point.plan.id} has no connector {connector}")
        case ShowProfiles():
            charge_point.answer(token, None, charging_limits.show(charge_point, connector, now))
        case Authorize() | ForceStatus():
            dictation.dictate(charge_point, command, connector, token, patient, now)
        case _ if connector and (refusal := emergency.forbids(charge_point, command)):
            charge_point.answer(token, refusal)
        case _ if connector:
            charge_point.pass_on(connector, cast(ConnectorCommand, command), token)
        case SendHeartbeat() | SendBoot() | SendDataTransfer() | SendRaw():
            dictation.dictate(charge_point, command, 0, token, patient, now)
        case Connect():
            absence.connect(charge_point, token, patient)
        case Disconnect():
            absence.disconnect(charge_point, token, patient)
        case GetConfiguration(keys=keys):
            known, strange = charge_point.configuration.items(keys or None)
            refusal = f"{strange[0]}: {unknown(strange[0])}" if strange else None
            charge_point.answer(token, refusal, {key: value for key, _, value in known})
        case _:
            charge_point.answer(token, _obey(charge_point, command, now))


def _obey(charge_point: ChargePoint, command: Command | Remove, now: float) -> str | None:
    """What is done at once, or refused."""
    match command:
        case ChangeAvailability(availability=availability):
            charge_point.change_availability(0, availability, now)
        case Reset(kind=kind):
            reset(charge_point, kind, now)
        case SetConfiguration(key=key, value=value) if reconnection.concerns(key):
            return reconnection.set_key(charge_point, key, value)
        case SetConfiguration(key=key, value=value):
            try:
                charge_point.configuration.set(key, value)
            except ValueError as error:
                return str(error)
            charge_point.configure(now)
        case PowerCut():
            _lose_power(charge_point, command, now)
        case PowerReturn():
            return f"{charge_point.plan.id} has power"
        case EmergencyStop():
            return emergency.press(charge_point, now)
        case ReleaseEmergencyStop():
            return emergency.release(charge_point, now)
        case BendClock():
            quartz.bend(charge_point, command, now)
            charging_limits.refresh(charge_point, now)
        case FailInstallation():
            charge_point.memory.installation_fails = True
        case Impair():
            impairments.begin(charge_point, command, now)
        case Mend(fault=fault):
            impairments.end(charge_point, fault, now)
        case Drain():
            _leave(charge_point, math.inf)
        case Remove():
            _leave(charge_point, now + REMOVAL_TIMEOUT_S)
        case _:
            return f"{type(command).__name__} needs a connector, such as {charge_point.plan.id}/1"
    return None


def _leave(charge_point: ChargePoint, deadline: float) -> None:
    """Go down for good; what waits is delivered first, also by a charge point that was told to stay away.

    One that is offline and owes the CSMS something knocks now: it may have failed so often that its back-off outlasts
    the patience of whoever wants it gone, while the CSMS has long been back.
    """
    _end(charge_point, Ending(deadline, None, StopReason.LOCAL))
    if charge_point.memory.away or not (charge_point.online or _quiet(charge_point)):
        absence.come_back(charge_point)


def reset(charge_point: ChargePoint, kind: ResetKind, now: float, *, answered: bool = False) -> None:
    """Soft stops the transactions and delivers first, hard just goes (OCPP 1.6 section 5.14).

    Where it was the CSMS that wanted it, and was `answered`, it is left a moment to read that.
    """
    rests_until = now + ANSWERED_S if answered else -math.inf
    security_events.happened(charge_point, SecurityEvent.RESET_OR_REBOOT, now, kind)
    if kind is ResetKind.SOFT:
        restart = Restart(charge_point.plan.reboot_s, "SoftReset")
        _end(charge_point, Ending(now + ENDING_TIMEOUT_S, restart, StopReason.SOFT_RESET, rests_until))
        return
    restart = Restart(charge_point.plan.reboot_s, "HardReset")
    ending = charge_point.ending
    if ending is not None and ending.dark:
        return  # on its battery: it goes dark soon, and comes back with the mains
    leaving = ending is not None and ending.restart is None
    if answered and not leaving:
        # Whatever is still unsaid then is said by the next life.
        charge_point.ending = Ending(rests_until, restart, StopReason.HARD_RESET, rests_until)
    else:
        _restart(charge_point, restart)


def reboot(charge_point: ChargePoint, cause: str, now: float) -> None:
    """The charge point itself wants to: what is to be said is said first."""
    security_events.happened(charge_point, SecurityEvent.RESET_OR_REBOOT, now, cause)
    restart = Restart(charge_point.plan.reboot_s, cause)
    _end(charge_point, Ending(now + ENDING_TIMEOUT_S, restart, StopReason.REBOOT))


def _lose_power(charge_point: ChargePoint, command: PowerCut, now: float) -> None:
    """Dark at once or, where a battery lasts so long, as soon as all is stopped and said (OCPP 1.6 section 3.7)."""
    restart = Restart(math.inf if command.for_s is None else command.for_s, "PowerLoss", dark=True)
    if command.stop_first:
        _end(charge_point, Ending(now + BATTERY_S, restart, StopReason.POWER_LOSS))
    else:
        _restart(charge_point, restart)


def _end(charge_point: ChargePoint, ending: Ending) -> None:
    # A reset in the middle of a drain doesn't bring the charge point back, and one under way keeps no mains on.
    known = charge_point.ending
    prevails = known is None or (ending.dark and known.restart is not None and not known.dark)
    if prevails or ending.restart is None:
        charge_point.ending = ending
    for connector in range(1, len(charge_point.views)):
        charge_point.order(connector, StopTransaction(ending.reason))


def see_ending(charge_point: ChargePoint, now: float) -> None:
    """All quiet, or out of time: go."""
    ending = charge_point.ending
    if ending is None or now < ending.rests_until:
        return
    ending.rests_until = -math.inf
    if now < ending.gives_up_at and not _quiet(charge_point):
        return
    if ending.restart is None and views.hasten(charge_point, now):
        return
    charge_point.ending = None
    if ending.restart is not None:
        _restart(charge_point, ending.restart)
    else:
        charge_point.observe(Drained(now, charge_point.exchange.waiting))
        charge_point.effect(CloseLink(reconnect=False))
        charge_point.effect(Finish())


def _quiet(charge_point: ChargePoint) -> bool:
    """No transaction runs, and nothing more is to be said."""
    return charge_point.exchange.idle and not any(view.started for view in charge_point.views)


def _restart(charge_point: ChargePoint, restart: Restart) -> None:
    """Off and on again, without waiting for anything."""
    if not restart.dark:
        charge_point.effect(CloseLink(reconnect=False))
    charge_point.effect(restart)
