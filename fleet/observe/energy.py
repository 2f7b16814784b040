"""The fleet's energy at any instant, from meters that report now and then.

Energy between two reports of a connector is extrapolated from its power. Kept are the sums over all connectors of the
power P, of the register E, and of P times the instant of the report; the fleet's energy at any `now` is then
E + (P * now - sum of P * at) / 3600, without looking at a single connector. A battery's taper bends the power between
reports, so the figure is an estimate that the next meter reading corrects; the books are kept elsewhere, in whole Wh.
"""

import math
from array import array

SECONDS_PER_HOUR = 3600.0


class Energy:
    """The power and the register of many meters, summed up as they report."""

    __slots__ = (
        "_at",
        "_origin_at",
        "_power_at_sum",
        "_power_sum_w",
        "_power_w",
        "_powered",
        "_register_wh",
        "_sum_wh",
    )

    def __init__(self) -> None:
        self._power_w = array("d")
        self._register_wh = array("d")
        self._at = array("d")
        self._sum_wh = 0.0
        self._power_sum_w = 0.0
        self._power_at_sum = 0.0
        self._powered = 0
        # Instants count from the first report, because P * at is a small difference of large numbers otherwise.
        self._origin_at: float | None = None

    def grow(self, meters: int) -> None:
        """So many meters more."""
        self._power_w.extend([0.0] * meters)
        self._register_wh.extend([math.nan] * meters)
        self._at.extend([0.0] * meters)

    def measured(self, meter: int, power_w: float, register_wh: float, at: float) -> None:
        """A meter says what it shows; what it showed the first time counts as zero."""
        if self._origin_at is None:
            self._origin_at = at
        at -= self._origin_at
        was_w, was_wh = self._power_w[meter], self._register_wh[meter]
        if not math.isnan(was_wh):
            self._sum_wh += register_wh - was_wh
        self._power_at_sum += power_w * at - was_w * self._at[meter]
        self._power_sum_w += power_w - was_w
        self._powered += (power_w > 0) - (was_w > 0)
        self._power_w[meter], self._register_wh[meter], self._at[meter] = power_w, register_wh, at
        if not self._powered:
            self._power_sum_w = self._power_at_sum = 0.0

    def cut(self, meter: int, at: float) -> None:
        """No more power; the register stays where it must be by now."""
        power_w = self._power_w[meter]
        if power_w > 0 and self._origin_at is not None:
            elapsed_s = at - self._origin_at - self._at[meter]
            self.measured(meter, 0.0, self._register_wh[meter] + power_w * elapsed_s / SECONDS_PER_HOUR, at)

    @property
    def power_w(self) -> float:
        """The power of all meters."""
        return self._power_sum_w

    def energy_wh(self, now: float) -> float:
        """The energy that all meters counted since they were first heard of."""
        if self._origin_at is None:
            return 0.0
        return self._sum_wh + (self._power_sum_w * (now - self._origin_at) - self._power_at_sum) / SECONDS_PER_HOUR
