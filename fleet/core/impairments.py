"""Impairments: the faults that somebody has put on a charge point's link, and when they end.

The link carries them out; here is only which are on and until when. Like an absence they are the world's and not the
charge point's, so a reboot doesn't mend them: `memory.impairments` stays, and the link of the next life is told again.
An end in time is data, as every timer: the machine's deadline.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fleet.commands.impairments import Impair, NetworkFault
from fleet.core.effects import ImpairLink, MendLink
from fleet.core.reports import LinkImpaired, LinkMended

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint


def start(charge_point: ChargePoint, now: float) -> None:
    """Power-up: what is wrong with the network is still wrong, unless it has ended meanwhile."""
    if charge_point.memory.impairments:
        end_due(charge_point, now)
        for impair, _ in charge_point.memory.impairments:
            charge_point.effect(ImpairLink(impair))


def begin(charge_point: ChargePoint, impair: Impair, now: float) -> None:
    """Put a fault on the link; another of its kind ends."""
    until = math.inf if impair.for_s is None else now + impair.for_s
    others = [(other, end) for other, end in charge_point.memory.impairments if other.fault is not impair.fault]
    _remember(charge_point, (*others, (impair, until)))
    charge_point.effect(ImpairLink(impair))
    charge_point.observe(LinkImpaired(now, impair.fault, impair.for_s, impair.probability))


def end(charge_point: ChargePoint, fault: NetworkFault | None, now: float) -> None:
    """Take a fault off the link, or all of them; where there is none nothing happens."""
    _end(
        charge_point,
        [impair.fault for impair, _ in charge_point.memory.impairments if fault in (None, impair.fault)],
        now,
    )


def end_due(charge_point: ChargePoint, now: float) -> None:
    """Take off the link what was to last until now."""
    _end(charge_point, [impair.fault for impair, until in charge_point.memory.impairments if until <= now], now)


def _end(charge_point: ChargePoint, faults: list[NetworkFault], now: float) -> None:
    _remember(charge_point, tuple(each for each in charge_point.memory.impairments if each[0].fault not in faults))
    for fault in faults:
        charge_point.effect(MendLink(fault))
        charge_point.observe(LinkMended(now, fault))


def _remember(charge_point: ChargePoint, impairments: tuple[tuple[Impair, float], ...]) -> None:
    charge_point.memory.impairments = impairments
    charge_point.impaired_until = min((until for _, until in impairments), default=math.inf)
