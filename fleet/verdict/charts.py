"""Charts of a run over time: from columns of figures to the curves, scales and ticks that a page draws.

A chart has to be read on a phone and on a wide screen alike, without a script that measures the page. So curves are SVG
paths in a box of `WIDTH` x `HEIGHT` whole units that is stretched over whatever room there is, and everything with
letters is not in that box but placed beside it by shares of its width and height: lines stretch, words don't.

None breaks a curve: where nobody measured there is nothing, which is not the same as zero.
"""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from attrs import field, frozen

from fleet.observe.figures import format_count, format_energy, format_latency, format_power, format_rate
from fleet.quantities import format_duration

WIDTH, HEIGHT = 1200, 400
# More labels than these run into each other on a phone.
TIME_TICKS_MAX = 6
VALUE_TICKS_MAX = 5
# Events closer together than this share of the width would have their numbers on top of each other.
MARK_GAP = 0.035

Column = Sequence[float | None]
_TIME_STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200),
    *(86_400, 172_800, 345_600, 604_800),
)


class Unit(StrEnum):
    """What a chart's figures are in; the page's script knows them by these words."""

    SECONDS = "s"
    RATE = "per_s"
    POWER = "w"
    ENERGY = "wh"
    COUNT = "count"
    SHARE = "share"


@frozen
class Line:
    """One curve to be: the column it comes from, its name for people, and its colour by the page's name of it."""

    column: str
    label: str
    colour: str


@frozen
class Chart:
    """A chart to be drawn. `stacked` puts one line on top of the other; `filled` colours what is under a single one."""

    id: str
    title: str
    unit: Unit
    lines: tuple[Line, ...]
    stacked: bool = False
    filled: bool = False
    logarithmic: bool = False


@frozen
class Tick:
    """A label on an axis, at a share of its length from the origin."""

    at: float
    label: str


@frozen
class Scale:
    """Where a value lies on the upright axis, as a share of its height: 0 at the bottom, 1 at the top."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Values beyond the ends lie on the ends."""
        if self.logarithmic:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))


@frozen
class Curve:
    """One line as drawn: `stroke` and `area` are SVG path data, `peak` the largest value in words."""

    label: str
    colour: str
    stroke: str
    area: str
    peak: str
    values: tuple[float | None, ...]
    """As shown at the pointer: four digits, which is more than the meter reads."""


@frozen
class Drawing:
    """A chart with its curves and axes; `summary` says in a sentence what somebody sees who doesn't see it."""

    id: str
    title: str
    unit: Unit
    curves: tuple[Curve, ...]
    time_ticks: tuple[Tick, ...]
    value_ticks: tuple[Tick, ...]
    stacked: bool
    summary: str


@frozen
class Mark:
    """One or more events at a share of the width; `label` is their numbers, counted from 1."""

    at: float
    label: str
    texts: tuple[str, ...] = field(default=())


def draw(
    chart: Chart, at_s: Sequence[float], columns: Mapping[str, Column], span_s: float, scale: Scale | None = None
) -> Drawing | None:
    """The chart over 0 to `span_s`, or None if there is nothing to show.

    A line without a column, or whose column has no value in it, is left out; in a stack also one that is zero
    throughout. `scale` is for charts that are compared by eye; without one it fits the figures.
    """
    shown = [line for line in chart.lines if _has_values(columns.get(line.column, ()), nonzero=chart.stacked)]
    if not shown or not at_s:
        return None
    figures = [columns[line.column] for line in shown]
    bases = _stack(figures) if chart.stacked else [[0.0] * len(at_s)] * len(figures)
    tops = [_add(column, base) for column, base in zip(figures, bases, strict=True)]
    if scale is None:
        scale = fit(tops, chart.unit, logarithmic=chart.logarithmic)
    xs = [round(min(1.0, at / span_s) * WIDTH) for at in at_s]
    curves = tuple(
        _curve(line, column, top, base if chart.stacked or chart.filled else None, xs, scale, chart.unit)
        for line, column, top, base in zip(shown, figures, tops, bases, strict=True)
    )
    summary = f"{chart.title} over {format_duration(span_s)}: " + ", ".join(
        f"{curve.label} at most {curve.peak}" for curve in curves
    )
    return Drawing(
        chart.id, chart.title, chart.unit, curves, time_ticks(span_s), scale.ticks, chart.stacked, summary + "."
    )


def format_value(value: float, unit: Unit) -> str:
    """A figure as it is read: `12ms`, `7.2 kW`, `98 %`."""
    match unit:
        case Unit.SECONDS:
            return format_latency(value)
        case Unit.RATE:
            return format_rate(value)
        case Unit.POWER:
            return format_power(value)
        case Unit.ENERGY:
            return format_energy(value)
        case Unit.COUNT:
            return format_count(round(value))
        case Unit.SHARE:
            return f"{value * 100:.3g} %"


# ---- axes ------------------------------------------------------------------------------------------------------------


def fit(columns: Iterable[Column], unit: Unit, *, logarithmic: bool = False) -> Scale:
    """The scale that holds all these figures, with round numbers as its ticks.

    It begins at zero, except where it is logarithmic; a share has its natural ends.
    """
    values = [value for column in columns for value in column if value is not None]
    highest = max(values, default=0.0)
    positive = [value for value in values if value > 0]
    if logarithmic and positive:
        return _logarithmic(min(positive), highest, unit)
    if unit is Unit.SHARE:
        return _linear(0.25, 1.0, unit)
    if highest < sys.float_info.min:
        # Nothing, or what is too small to be divided.
        return _linear(1.0, 1.0, unit)
    step = _step(highest, whole=unit is Unit.COUNT)
    return _linear(step, math.ceil(highest / step - 1e-9) * step, unit)


def _step(highest: float, *, whole: bool) -> float:
    """Of round steps that make three to five parts, the one that leaves the least room above the highest value."""
    power = math.floor(math.log10(highest))
    rooms: dict[float, float] = {}
    for step in (digit * 10.0**exponent for exponent in (power, power - 1) for digit in (5, 2.5, 2, 1)):
        parts = math.ceil(highest / step - 1e-9)
        if 3 <= parts <= VALUE_TICKS_MAX and not (whole and step % 1):
            rooms.setdefault(round(parts * step / highest, 9), step)
    return rooms[min(rooms)] if rooms else 1.0


def _linear(step: float, high: float, unit: Unit) -> Scale:
    count = round(high / step)
    figures = [index * step for index in range(1, count + 1)]
    # A column of rates has no use for the digits that a single one is shown with.
    labels = ("0", *(f"{each:,.6g}/s" if unit is Unit.RATE else format_value(each, unit) for each in figures))
    return Scale(0.0, high, tuple(Tick(index / count, label) for index, label in enumerate(labels)))


def _logarithmic(lowest: float, highest: float, unit: Unit) -> Scale:
    steps = [digit * 10.0**power for power in range(-7, 13) for digit in (1, 2, 5)]
    low = max((step for step in steps if step <= lowest * 1.000001), default=steps[0])
    high = min((step for step in steps if step >= highest * 0.999999 and step > low), default=steps[-1])
    inside = [step for step in steps if low <= step <= high]
    if len(inside) > VALUE_TICKS_MAX:
        inside = [step for step in inside if math.isclose(math.log10(step) % 1, 0, abs_tol=1e-9)] or inside
    # Of many decades every second or third.
    inside = inside[:: math.ceil(len(inside) / (VALUE_TICKS_MAX + 1))]
    bare = Scale(low, high, (), logarithmic=True)
    return Scale(low, high, tuple(Tick(bare.share(at), format_value(at, unit)) for at in inside), logarithmic=True)


def time_ticks(span_s: float) -> tuple[Tick, ...]:
    """Round instants of a run of that length, few enough for a phone."""
    if span_s <= 0:
        return (Tick(0.0, "0"),)
    weeks = math.ceil(span_s / TIME_TICKS_MAX / _TIME_STEPS_S[-1])
    step_s = next((step for step in _TIME_STEPS_S if span_s / step <= TIME_TICKS_MAX), weeks * _TIME_STEPS_S[-1])
    instants = [index * step_s for index in range(math.floor(span_s / step_s) + 1)]
    return tuple(Tick(at / span_s, format_duration(at) if at else "0") for at in instants)


def marks(events: Sequence[tuple[float, str]], span_s: float) -> tuple[Mark, ...]:
    """Where events (instant in s, words) lie; those that are close to each other are one mark."""
    groups: list[list[int]] = []
    places = [min(1.0, max(0.0, at_s / span_s)) if span_s > 0 else 0.0 for at_s, _ in events]
    for index, place in enumerate(places):
        if groups and place - places[groups[-1][0]] < MARK_GAP:
            groups[-1].append(index)
        else:
            groups.append([index])
    return tuple(
        Mark(
            places[group[0]],
            str(group[0] + 1) if len(group) == 1 else f"{group[0] + 1}-{group[-1] + 1}",
            tuple(events[index][1] for index in group),
        )
        for group in groups
    )


# ---- curves ----------------------------------------------------------------------------------------------------------


def _curve(
    line: Line,
    column: Column,
    top: Column,
    base: Column | None,
    xs: Sequence[int],
    scale: Scale,
    unit: Unit,
) -> Curve:
    stroke, area = [], []
    for run in _runs(top):
        upper = [(xs[index], _height(scale, top[index])) for index in run]
        stroke.append(_path(upper))
        if base is not None:
            lower = [(xs[index], _height(scale, base[index])) for index in reversed(run)]
            area.append(_path(upper + lower) + "z")
    peak = max(value for value in column if value is not None)
    values = tuple(None if value is None else float(f"{value:.4g}") for value in column)
    return Curve(line.label, line.colour, "".join(stroke), "".join(area), format_value(peak, unit), values)


def _runs(column: Column) -> Iterator[range]:
    """The indices of neighbouring values without a gap."""
    begin: int | None = None
    for index, value in enumerate(column):
        if value is None:
            if begin is not None:
                yield range(begin, index)
            begin = None
        elif begin is None:
            begin = index
    if begin is not None:
        yield range(begin, len(column))


def _height(scale: Scale, value: float | None) -> int:
    """SVG counts from the top."""
    return HEIGHT - round(scale.share(value or 0.0) * HEIGHT)


def _path(points: Sequence[tuple[int, int]]) -> str:
    """Path data in steps from point to point: half as long as with every place spelt out.

    What lies on a level between its neighbours is left out; a single point becomes a dot, as far as the line is wide.
    """
    kept = [
        point
        for index, point in enumerate(points)
        if index in (0, len(points) - 1) or not points[index - 1][1] == point[1] == points[index + 1][1]
    ]
    (x, y), rest = kept[0], kept[1:]
    parts = [f"M{x} {y}"]
    if not rest:
        return parts[0] + "h0"
    for nx, ny in rest:
        dx, dy = nx - x, ny - y
        parts.append(f"h{dx}" if dy == 0 else f"v{dy}" if dx == 0 else f"l{dx}{'' if dy < 0 else ' '}{dy}")
        x, y = nx, ny
    return "".join(parts)


def _has_values(column: Column, *, nonzero: bool) -> bool:
    return any(value is not None and (value != 0 or not nonzero) for value in column)


def _stack(columns: Sequence[Column]) -> list[list[float]]:
    """What each column stands on: the sum of those before it."""
    bases = [[0.0] * len(columns[0])]
    for column in columns[:-1]:
        bases.append([base + (value or 0.0) for base, value in zip(bases[-1], column, strict=True)])
    return bases


def _add(column: Column, base: Sequence[float]) -> list[float | None]:
    return [None if value is None else value + below for value, below in zip(column, base, strict=True)]
