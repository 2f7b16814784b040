"""The meter of a connector: one register that counts Wh for its whole life.

The register is a number and, while energy flows, the curve it flows along. A reading adds the two and changes nothing,
so a meter that is read every second and one that is read once a day agree to the last digit. Only where the power
changes its course (`start`, `stop`) is the curve's energy folded into the number. The meter belongs to the charge
point's memory: it outlives transactions, resets and crashes.

A broken meter shows something else than what passed through it (`passed_wh`). Its register sticks, jumps or falls, and
what it shows is what is read, reported and billed; only the car knows what it really took. A register is never below
zero: one that would fall deeper begins anew.

Instants are on the monotonic clock, in s.
"""

import math

from attrs import define, field

from fleet.core.ev import Curve

# A computed 7199.999999999 Wh is 7200 Wh: what binary fractions lose is far below this, and no driver is billed for it.
ROUNDING_WH = 1e-6


def whole_wh(register_wh: float) -> int:
    """The whole Wh that a register shows, as meterStart and meterStop are reported (OCPP 1.6 sections 6.45, 6.49)."""
    return math.floor(register_wh + ROUNDING_WH)


@define
class Meter:
    """A cumulative Wh register; `register_wh` at construction is what it shows when it's installed."""

    _settled_wh: float = field(default=0.0, alias="register_wh")
    _curve: Curve | None = field(default=None, init=False)
    _started_at: float = field(default=0.0, init=False)
    _skew_wh: float = field(default=0.0, init=False)
    """By how much the register shows more than what passed."""
    _stuck_wh: float | None = field(default=None, init=False)
    """Where the register sticks."""

    def start(self, curve: Curve, now: float) -> None:
        """Energy flows along `curve` from now on, instead of whatever flowed before."""
        settled_wh = self.passed_wh(now)
        self._settled_wh, self._curve, self._started_at = settled_wh, curve, now

    def stop(self, now: float) -> None:
        """Energy stops flowing; stopping twice is no harm."""
        settled_wh = self.passed_wh(now)
        self._settled_wh, self._curve = settled_wh, None

    @property
    def curve(self) -> Curve | None:
        """What flows at present, None after `stop`."""
        return self._curve

    @property
    def ends_at(self) -> float:
        """The instant at which the car has what it wants; inf when nothing flows or it never will have."""
        return math.inf if self._curve is None else self._started_at + self._curve.ends_at

    def passed_wh(self, now: float) -> float:
        """All the energy that ever flowed, in Wh."""
        return self._settled_wh + self.flowed_wh(now)

    def register_wh(self, now: float) -> float:
        """What the register shows, in Wh: all the energy that ever flowed, unless the meter is broken."""
        if self._stuck_wh is not None:
            return self._stuck_wh
        return self._settled_wh + self.flowed_wh(now) + self._skew_wh

    def reading_wh(self, now: float) -> int:
        """The register in whole Wh."""
        return whole_wh(self.register_wh(now))

    def stick(self, now: float) -> None:
        """The register stays where it is, whatever flows."""
        self._stuck_wh = self.register_wh(now)

    def shift(self, by_wh: float, now: float) -> None:
        """The register jumps, or falls where `by_wh` is negative, but not below zero."""
        shown_wh = max(0.0, self.register_wh(now) + by_wh)
        if self._stuck_wh is None:
            self._skew_wh = shown_wh - self.passed_wh(now)
        else:
            self._stuck_wh = shown_wh

    def mend(self, now: float) -> None:
        """The register counts again, from what it shows."""
        if self._stuck_wh is not None:
            self._skew_wh, self._stuck_wh = self._stuck_wh - self.passed_wh(now), None

    def power_w(self, now: float) -> float:
        """The power that flows now, in W."""
        return 0.0 if self._curve is None else self._curve.power(self._elapsed(self._curve, now))

    def flowed_wh(self, now: float) -> float:
        """The energy that flowed along the present curve so far, in Wh; 0 when nothing flows."""
        return 0.0 if self._curve is None else self._curve.energy(self._elapsed(self._curve, now))

    def soc(self, now: float) -> float | None:
        """The state of charge of the car that takes the energy, 0 to 1; None when nothing flows."""
        return None if self._curve is None else self._curve.soc(self._elapsed(self._curve, now))

    def _elapsed(self, curve: Curve, now: float) -> float:
        """How far along the curve we are. At `ends_at` it is over, though a difference of floats may deny it."""
        return curve.ends_at if now >= self._started_at + curve.ends_at else now - self._started_at
