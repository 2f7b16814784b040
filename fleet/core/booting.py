"""Booting: how a charge point comes to be heard, from the link that is up to the CSMS that listens.

OCPP 1.6 section 4.2: BootNotification asks to be let in, and its answer tells the time, whether the charge point may
speak, and after how long it is to beat or to ask again. `registration.py` knows when to ask; here it is asked, and what
follows from being let in is done. Who was let in before and only lost the connection goes on without asking.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fleet.core import absence, charging_limits, maintenance, reconnection, security_events, views
from fleet.core.effects import SetPingInterval
from fleet.core.keys import INTEGER_MAX
from fleet.core.quartz import UTC_MAX_S, time_told
from fleet.core.reports import Registered

if TYPE_CHECKING:
    from fleet.core.answers import Booted
    from fleet.core.charge_point import ChargePoint


def link_up(charge_point: ChargePoint, now: float) -> None:
    """There is a connection: ask to be let in, or go on where the CSMS has let it in already."""
    charge_point.online = True
    charge_point.oracle.connected()
    absence.link_up(charge_point)
    reconnection.link_up(charge_point, now)
    charge_point.exchange.link_up(now)
    charge_point.effect(SetPingInterval(charge_point.configuration.websocket_ping_interval_s))
    charge_point.registration.link_up(now)
    if charge_point.registration.accepted:
        _begin_to_speak(charge_point, now)
    elif now >= charge_point.registration.deadline:
        boot(charge_point, now)


def boot(charge_point: ChargePoint, now: float) -> None:
    """Ask to be let in, if there is anybody to ask."""
    if charge_point.online:
        charge_point.registration.asked()
        charge_point.say(charge_point.dialect.boot(charge_point.plan), now)
    else:
        charge_point.registration.deadline = math.inf


def booted(charge_point: ChargePoint, answer: Booted, now: float) -> None:
    """BootNotification.conf: let in, or not (yet)."""
    registration = charge_point.registration
    set_clock(charge_point, answer.utc_s, now)
    registration.answered(answer, now)
    charge_point.observe(Registered(now, answer.status, answer.interval_s))
    if not registration.accepted:
        charge_point.exchange.suspend(pending=not registration.rejected)
        return
    if answer.interval_s > 0:
        # Section 4.2: the interval of an accepting answer is the heartbeat interval from here on.
        charge_point.configuration.set("HeartbeatInterval", str(min(answer.interval_s, INTEGER_MAX)))
    charge_point.configure(now)
    _begin_to_speak(charge_point, now)


def set_clock(charge_point: ChargePoint, utc_s: float, now: float) -> None:
    """The CSMS's time is the charge point's (sections 4.2 and 4.6), unless no calendar has room around it."""
    if not 0 <= utc_s < UTC_MAX_S:
        return
    own_utc_s = charge_point.utc(now)
    utc_s = time_told(utc_s, own_utc_s)
    set_by_s = utc_s - own_utc_s
    charge_point.utc_offset_s = utc_s - now
    if charge_point.memory.quartz is not None:
        charge_point.memory.quartz.set(now)
    security_events.clock_set(charge_point, set_by_s, now)
    charge_point.align(now)
    charging_limits.refresh(charge_point, now)


def _begin_to_speak(charge_point: ChargePoint, now: float) -> None:
    """Accepted and online: catch up on what the CSMS doesn't know yet."""
    charge_point.speaking_since = now
    charge_point.exchange.accept(now)
    views.tell_all(charge_point)
    maintenance.opened(charge_point, now)
    charge_point.pulse.begin(now)
