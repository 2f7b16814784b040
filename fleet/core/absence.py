"""Absence: a charge point whose network cable somebody pulled, until it is put back.

The link doesn't try again by itself then, and the charge point goes on offline: transactions run, their messages fill
the outbox. It is the world that changed, not the charge point, so a reboot doesn't mend it: `memory.away` stays.

Who waits for the outcome hears of it when the link has reported: up, failed to connect (it goes on trying), or down.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fleet.core.effects import CloseLink, OpenLink

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.reports import ConnectFailed

STAY_AWAY = CloseLink(reconnect=True, pause_s=math.inf)


def start(charge_point: ChargePoint) -> None:
    """Power-up: where the cable is out it is still out."""
    if charge_point.memory.away:
        charge_point.effect(STAY_AWAY)


def disconnect(charge_point: ChargePoint, token: int | None, patient: bool) -> None:
    """Pull the cable."""
    name = charge_point.plan.id
    if charge_point.memory.away:
        charge_point.answer(token, f"{name} is already disconnected")
        return
    if charge_point.ending is not None:
        charge_point.answer(token, f"{name} is going down")
        return
    _settle(charge_point, up=True, refusal=f"{name} was told to disconnect")
    charge_point.memory.away = True
    charge_point.effect(STAY_AWAY)
    if charge_point.online:
        _wait(charge_point, token, patient, up=False)
    else:
        charge_point.answer(token)


def connect(charge_point: ChargePoint, token: int | None, patient: bool) -> None:
    """Put the cable back; a charge point that is between two attempts to connect makes the next one now."""
    if charge_point.online and not charge_point.memory.away:
        charge_point.answer(token, f"{charge_point.plan.id} is already connected")
        return
    come_back(charge_point)
    _wait(charge_point, token, patient, up=True)


def come_back(charge_point: ChargePoint) -> None:
    """The cable is in: knock."""
    charge_point.memory.away = False
    charge_point.effect(OpenLink())


def link_up(charge_point: ChargePoint) -> None:
    """Connected."""
    _settle(charge_point, up=True)


def link_down(charge_point: ChargePoint) -> None:
    """No longer connected."""
    _settle(charge_point, up=False)


def connect_failed(charge_point: ChargePoint, report: ConnectFailed) -> None:
    """Nobody let it in; the link tries again."""
    why = f"{report.reason} ({report.detail})" if report.detail else report.reason
    _settle(charge_point, up=True, refusal=f"{charge_point.plan.id} cannot connect: {why}")


def _wait(charge_point: ChargePoint, token: int | None, patient: bool, *, up: bool) -> None:
    if token is None or not patient:
        charge_point.answer(token)
    else:
        charge_point.waiting_for_link = (*charge_point.waiting_for_link, (token, up))


def _settle(charge_point: ChargePoint, *, up: bool, refusal: str | None = None) -> None:
    """Answer those who wait for the link to come up, or to go down."""
    if not charge_point.waiting_for_link:
        return
    for token, wanted in charge_point.waiting_for_link:
        if wanted is up:
            charge_point.answer(token, refusal)
    charge_point.waiting_for_link = tuple(
        (token, wanted) for token, wanted in charge_point.waiting_for_link if wanted is not up
    )
