"""Distributions: how long drivers stay, how much energy they want, what cars they drive.

Each is a frozen class of plain numbers in the unit of the setting it stands for (s, Wh, W, a share), and each draws by
its quantile function: one uniform number in, one value out. So a draw costs exactly one number of the caller's own
random stream, and changing a parameter changes the values but not which draw belongs to whom.

`at_least` and `at_most` clamp what would be nonsense: a negative energy, a battery fuller than full.
"""

import math
from collections.abc import Callable
from random import Random
from statistics import NormalDist

from attrs import frozen

_STANDARD = NormalDist()
# Midpoints of equal slices of probability: enough for the means and expected counts of a plan.
_SLICES = 1000


class _Drawn:
    """What every distribution does with its quantile function."""

    __slots__ = ()

    def quantile(self, share: float) -> float:
        """The value below which this share (0 < share < 1) of all draws lies."""
        raise NotImplementedError  # every distribution below has its own

    def draw(self, source: Random) -> float:
        """One value; takes one number from the source."""
        # random() may be 0.0, never 1.0; the normal quantile is finite only between.
        return self.quantile(source.random() or 2.0**-54)

    @property
    def mean(self) -> float:
        """The mean of the draws, clamping included."""
        return self.expected()

    def expected(self, of: Callable[[float], float] = float) -> float:
        """The mean of `of(value)`, clamping included; by slices, so within a few percent even for a long tail."""
        return sum(of(self.quantile((slice_ + 0.5) / _SLICES)) for slice_ in range(_SLICES)) / _SLICES


@frozen
class Constant(_Drawn):
    """Always the same value."""

    value: float

    def quantile(self, share: float) -> float:
        """The value."""
        return self.value


@frozen
class Uniform(_Drawn):
    """Every value from `low` to `high` is as likely as any other."""

    low: float
    high: float

    def __attrs_post_init__(self) -> None:
        if self.high < self.low:
            raise ValueError(f"high must be at least low ({self.low:g}), not {self.high:g}")

    def quantile(self, share: float) -> float:
        """Linear from low to high."""
        return self.low + share * (self.high - self.low)


@frozen
class Normal(_Drawn):
    """The bell curve around `centre`, with the standard deviation in the same unit."""

    centre: float
    deviation: float
    at_least: float = 0.0
    at_most: float = math.inf

    def quantile(self, share: float) -> float:
        """The normal quantile, clamped."""
        return min(max(self.centre + self.deviation * _STANDARD.inv_cdf(share), self.at_least), self.at_most)


@frozen
class LogNormal(_Drawn):
    """Half of the draws below `median`; `sigma` is the standard deviation of the logarithm (0.5: a moderate tail)."""

    median: float
    sigma: float
    at_least: float = 0.0
    at_most: float = math.inf

    def quantile(self, share: float) -> float:
        """The median times a lognormal factor, clamped."""
        return min(max(self.median * math.exp(self.sigma * _STANDARD.inv_cdf(share)), self.at_least), self.at_most)


@frozen
class Exponential(_Drawn):
    """Memoryless, with the mean `centre` before clamping."""

    centre: float
    at_least: float = 0.0
    at_most: float = math.inf

    def quantile(self, share: float) -> float:
        """The exponential quantile, clamped."""
        return min(max(-self.centre * math.log1p(-share), self.at_least), self.at_most)


Distribution = Constant | Uniform | Normal | LogNormal | Exponential

# By the name that a configuration file gives them.
DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "constant": Constant,
    "uniform": Uniform,
    "normal": Normal,
    "lognormal": LogNormal,
    "exponential": Exponential,
}
