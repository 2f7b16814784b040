"""A bad quartz: how far a charge point's own clock is off.

A charge point has the CSMS's time (OCPP 1.6 sections 4.2 and 4.6) from each BootNotification's and Heartbeat's answer
on, and in between its own quartz. One that drifts takes it away from there again, by so much of each second; one that
jumped is off by the same amount until it is told. What it writes (timestamps, clock-aligned readings, whether an id tag
has expired) follows the clock that it has. How long something takes doesn't: no quartz is so bad that a minute's
interval could tell.

It is hardware: a reboot changes nothing of it. Instants are on the monotonic clock, in s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from fleet.commands.hazards import BendClock
    from fleet.core.charge_point import ChargePoint

UTC_MAX_S = 2.0**37
"""The end of the calendar for a charge point, some time in the year 6325."""
CUT_OFF_S = 1.5
"""By how much a right clock may be ahead of a time in whole seconds: the fraction that it lacks, and its way here."""


@define
class Quartz:
    """`drift` is in s per s, negative for one that is slow; at `since` the clock was `error_s` ahead of the CSMS's."""

    drift: float = 0.0
    error_s: float = 0.0
    since: float = 0.0

    def ahead_s(self, at: float) -> float:
        """By how much the clock is ahead; what was before it was last set counts as set."""
        return self.error_s + self.drift * max(0.0, at - self.since)

    def set(self, now: float) -> None:
        """The CSMS told the time: the clock is right, for this moment."""
        self.error_s, self.since = 0.0, now

    def bend(self, drift: float | None, jump_s: float | None, now: float) -> None:
        """From `now` on it drifts otherwise, or is off by so much more."""
        self.error_s, self.since = self.ahead_s(now) + (jump_s or 0.0), now
        if drift is not None:
            self.drift = drift


def bend(charge_point: ChargePoint, command: BendClock, now: float) -> None:
    """Do to the clock what is asked: another drift, a jump, or with neither a good quartz that shows the right time."""
    memory = charge_point.memory
    if command.drift is None and command.jump_s is None:
        memory.quartz = None
    else:
        memory.quartz = memory.quartz or Quartz()
        memory.quartz.bend(command.drift, command.jump_s, now)
    charge_point.align(now)


def shown_utc_s(utc_s: float, quartz: Quartz, at: float) -> float:
    """What the clock shows when it should show `utc_s`; no calendar goes further back than 1970."""
    return min(max(0.0, utc_s + quartz.ahead_s(at)), UTC_MAX_S)


def time_told(utc_s: float, own_utc_s: float) -> float:
    """The time that the CSMS tells or, where that is the own clock's with its fraction cut off, the own clock's.

    Many a CSMS tells whole seconds. To take them at their word would put a right clock back with every answer, by up to
    a second: stamps would go backwards, and what the CSMS asks for now would be asked for in a second.
    """
    agree = utc_s == int(utc_s) and 0 <= own_utc_s - utc_s < CUT_OFF_S
    return own_utc_s if agree else utc_s
