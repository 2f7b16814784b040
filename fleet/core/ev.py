"""How a car takes power: a charging curve in closed form.

A car takes constant power until its battery nears full; from there on, power is proportional to the charge that is
missing, which makes it an exponential in time, and at a small fraction of the full power it goes on evenly, so that
"full" is reached at an instant and not in the limit. Where the driver wants less than a full battery, the curve is cut
off there.

Every stretch has an integral that can be written down, so the energy at any instant is a formula: nobody has to tick,
and no number of readings in between can change what was charged. Power depends on the state of charge and the limit
alone; a curve that is taken up again half-way with the same limit goes on as if nothing had happened.

Time here runs from the curve's own start, in s.
"""

import math

from attrs import frozen

from fleet.commands.vocabulary import EV

SECONDS_PER_HOUR = 3600.0
# Below this fraction of the full power the taper ends and the rest is charged evenly.
FLOOR_FRACTION = 0.03
# Less than a milliwatt is nothing: it would charge for longer than a float can say.
POWER_MIN_W = 1e-3
# Less than a microwatt-hour is nothing: the dust of rounding must not keep a car charging for another instant.
ENERGY_MIN_WH = 1e-6


@frozen
class Curve:
    """What flows from t = 0 on, if nobody interferes; built by `curve`.

    Three stretches: full power until `taper_at`, falling power until `floor_at`, `floor_w` until `ends_at`, then
    nothing. A stretch may be empty, and `ends_at` may lie before the others. `ends_at` is inf if no power flows.
    """

    battery_wh: float
    soc_at_start: float
    wanted_wh: float
    """What the car takes by `ends_at`."""
    full_w: float
    taper_at: float
    taper_wh: float
    """Energy taken by `taper_at`."""
    taper_w: float
    """Power at `taper_at`: less than `full_w` where the car arrives with its battery above the taper."""
    missing_wh: float
    """Energy missing to a full battery at `taper_at`."""
    floor_at: float
    floor_wh: float
    """Energy taken by `floor_at`."""
    floor_w: float
    ends_at: float

    def power(self, t: float) -> float:
        """The power that flows at t, in W; 0 before the start and from `ends_at` on."""
        if t < 0 or t >= self.ends_at:
            return 0.0
        if t < self.taper_at:
            return self.full_w
        if t < self.floor_at:
            return self.taper_w * math.exp(-self._decays(t))
        return self.floor_w

    def energy(self, t: float) -> float:
        """The energy taken between 0 and t, in Wh: the integral of `power`, never falling."""
        if t <= 0:
            return 0.0
        if t >= self.ends_at:
            return self.wanted_wh
        # Each stretch is held below the next one's beginning: rounding must not make a meter run backwards.
        if t < self.taper_at:
            return min(self.full_w * t / SECONDS_PER_HOUR, self.taper_wh, self.wanted_wh)
        if t < self.floor_at:
            taken_wh = self.taper_wh - self.missing_wh * math.expm1(-self._decays(t))
            return min(taken_wh, self.floor_wh, self.wanted_wh)
        return min(self.floor_wh + self.floor_w * (t - self.floor_at) / SECONDS_PER_HOUR, self.wanted_wh)

    def soc(self, t: float) -> float:
        """The state of charge at t, 0 to 1."""
        return min(1.0, self.soc_at_start + self.energy(t) / self.battery_wh)

    def _decays(self, t: float) -> float:
        """How many time constants of the taper have gone by at t."""
        return self.taper_w * (t - self.taper_at) / (self.missing_wh * SECONDS_PER_HOUR)


def curve(ev: EV, soc: float, taken_wh: float, limit_w: float) -> Curve:
    """The curve of a car that has `soc` now, took `taken_wh` since it arrived, and is offered `limit_w`.

    `limit_w` must not be negative nor, unless the car has a limit of its own, infinite: ValueError.
    """
    full_w = min(limit_w, ev.power_max_w)
    if not 0 <= full_w < math.inf:
        raise ValueError(f"power must be finite and not negative, not {full_w} W")
    battery_wh = ev.battery_wh
    missing_now_wh = max(0.0, (1.0 - soc) * battery_wh)
    wanted_wh = missing_now_wh
    if ev.energy_wanted_wh is not None:
        wanted_wh = min(wanted_wh, max(0.0, ev.energy_wanted_wh - taken_wh))
    if wanted_wh < ENERGY_MIN_WH:
        wanted_wh = 0.0
    if full_w < POWER_MIN_W:
        return _nothing(battery_wh, soc, wanted_wh)

    # What is missing where the taper begins; nothing for a car that doesn't taper.
    full_missing_wh = (1.0 - ev.taper_from_soc) * battery_wh
    taper_wh = max(0.0, missing_now_wh - full_missing_wh)
    missing_wh = min(missing_now_wh, full_missing_wh)
    taper_at = taper_wh * SECONDS_PER_HOUR / full_w
    floor_w = full_w * FLOOR_FRACTION
    floor_missing_wh = full_missing_wh * FLOOR_FRACTION
    if missing_wh > floor_missing_wh > 0:
        taper_w = full_w * (missing_wh / full_missing_wh)
        taper_lasts_s = missing_wh * SECONDS_PER_HOUR / taper_w * math.log(missing_wh / floor_missing_wh)
        floor_wh = taper_wh + (missing_wh - floor_missing_wh)
    else:
        taper_w, taper_lasts_s, floor_wh = floor_w, 0.0, taper_wh
    floor_at = taper_at + taper_lasts_s

    if wanted_wh <= taper_wh:
        ends_at = wanted_wh * SECONDS_PER_HOUR / full_w
    elif wanted_wh <= floor_wh:
        # Held above the floor: what rounding leaves of a tiny taper may be no positive number.
        left_missing_wh = max(missing_wh - (wanted_wh - taper_wh), floor_missing_wh)
        ends_at = taper_at + missing_wh * SECONDS_PER_HOUR / taper_w * math.log(missing_wh / left_missing_wh)
    else:
        ends_at = floor_at + (wanted_wh - floor_wh) * SECONDS_PER_HOUR / floor_w
    return Curve(
        battery_wh=battery_wh,
        soc_at_start=soc,
        wanted_wh=wanted_wh,
        full_w=full_w,
        taper_at=taper_at,
        taper_wh=taper_wh,
        taper_w=taper_w,
        missing_wh=missing_wh,
        floor_at=floor_at,
        floor_wh=floor_wh,
        floor_w=floor_w,
        ends_at=ends_at,
    )


def _nothing(battery_wh: float, soc: float, wanted_wh: float) -> Curve:
    """No power: the car waits for ever, unless it wants nothing."""
    return Curve(
        battery_wh=battery_wh,
        soc_at_start=soc,
        wanted_wh=wanted_wh,
        full_w=0.0,
        taper_at=math.inf,
        taper_wh=0.0,
        taper_w=0.0,
        missing_wh=0.0,
        floor_at=math.inf,
        floor_wh=0.0,
        floor_w=0.0,
        ends_at=math.inf if wanted_wh > 0 else 0.0,
    )
