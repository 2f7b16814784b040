"""Distributions: how long drivers stay, how much energy they want, what cars they drive.

Each is a frozen class of plain numbers in the unit of the setting it stands for (s, Wh, W, a share), and each draws by
its quantile function: one uniform number in, one value out. So a draw costs exactly one number of the caller's own
random stream, and changing a parameter changes the values but not which draw belongs to whom.

`at_least` and `at_most` clamp what would be nonsense: a negative energy, a battery fuller than full.

In a file a plain value is a constant, and a table names its kind:

    stay = "20m"
    stay = { kind = "uniform", low = "10m", high = "30m" }
    stay = { kind = "normal", mean = "40m", deviation = "10m" }
    stay = { kind = "lognormal", median = "40m", sigma = 0.5, at_most = "4h" }
    stay = { kind = "exponential", mean = "40m" }
"""

import math
from collections.abc import Callable
from random import Random
from statistics import NormalDist

import attrs
from attrs import frozen

from fleet.load.settings import Mistakes, expected, meant, number

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

    def quantile(self, share: float) -> float:
        """Linear from low to high."""
        return self.low + share * (self.high - self.low)


@frozen
class Normal(_Drawn):
    """The bell curve around `mean`, with the standard deviation in the same unit."""

    mean: float
    deviation: float
    at_least: float = 0.0
    at_most: float = math.inf

    def quantile(self, share: float) -> float:
        """The normal quantile, clamped."""
        return min(max(self.mean + self.deviation * _STANDARD.inv_cdf(share), self.at_least), self.at_most)


@frozen
class Lognormal(_Drawn):
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
    """Memoryless, with this mean before clamping."""

    mean: float
    at_least: float = 0.0
    at_most: float = math.inf

    def quantile(self, share: float) -> float:
        """The exponential quantile, clamped."""
        return min(max(-self.mean * math.log1p(-share), self.at_least), self.at_most)


Distribution = Constant | Uniform | Normal | Lognormal | Exponential

KINDS: dict[str, type[Distribution]] = {
    "constant": Constant,
    "uniform": Uniform,
    "normal": Normal,
    "lognormal": Lognormal,
    "exponential": Exponential,
}


def distribution(
    read: Callable[[object], float], *, least: float = 0.0, most: float = math.inf
) -> Callable[[object], Distribution]:
    """A reader of distributions whose values `read` reads; nothing outside `least` to `most` is ever drawn."""

    def read_distribution(value: object) -> Distribution:
        return _read_table(value, read, least, most) if isinstance(value, dict) else Constant(read(value))

    return read_distribution


def _read_table(
    table: dict[str, object], read: Callable[[object], float], least: float, most: float
) -> Distribution:
    kind = KINDS.get(str(table.get("kind")))
    if kind is None:
        raise Mistakes([("kind", f"expected one of {', '.join(KINDS)}, got {table.get('kind')!r}")])
    parts = {part.name: part for part in attrs.fields(kind)}
    values: dict[str, float] = {"at_least": least, "at_most": most} if "at_least" in parts else {}
    mistakes = [(key, "unknown key" + meant(key, [*parts, "kind"])) for key in table if key not in {*parts, "kind"}]
    for name, part in parts.items():
        try:
            if name in table:
                values[name] = number(0)(table[name]) if name == "sigma" else read(table[name])
            elif part.default is attrs.NOTHING:
                mistakes.append((name, f"missing: {table['kind']} needs it"))
        except ValueError as error:
            mistakes.append((name, str(error)))
    if mistakes:
        raise Mistakes(mistakes)
    for low, high in (("low", "high"), ("at_least", "at_most")):
        if low in values and values[low] > values[high]:
            raise Mistakes([(high, str(expected(f"no less than {low}", table.get(high, values[high]))))])
    return kind(**values)
