"""What all charging profiles of a charge point come to: how much each connector may draw, now and from when on else.

OCPP 1.6 section 3.13.3: at every instant the lowest of what the purposes allow. For a connector these are

- the TxProfile of its transaction or, where none of them says anything just then, the TxDefaultProfile: its own before
  that of connector 0. Of several with one purpose the highest stack level prevails that is valid and has a period at
  that instant (section 3.13.2);
- its share of the ChargePointMaxProfile, which bounds all connectors together;
- what it is built for. So without any profile there is an answer too, and a composite schedule is what flows.

**Amperes** are per phase. A connector uses no more phases than each of the limits allows it (three where none is named)
and than it has, and no limit in A is exceeded on any of them. A charge point can't move its load from three phases to
one in mid-charge (ConnectorSwitch3to1PhaseSupported is false), so fewer phases mean less power, evenly spread. Direct
current is per cable; under a ChargePointMaxProfile it is what the three phases feeding it carry.

**Sharing** is fair in the max-min sense: nobody gets less for somebody's sake who has more already. Where the maximum
is in A, amperes are shared, as if everybody's first phase were the same one. What a car can't take (`takes_w`) is the
others'. Whoever doesn't charge gets what it would get if it began, so that it may begin before the others are told.

**minChargingRate** is a hint for "a local smart charging algorithm" (section 7.13), which is the sharing: whose share
would be less waits, the highest connector first, and the others have it. It never lifts a limit, and doesn't stop
what the CSMS itself has limited to less.

Nothing here remembers anything: a `Composition` is a view of the profiles at hand. Instants are UTC in s since 1970.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import evolve, frozen

from fleet.core.plan import ConnectorPlan
from fleet.core.profiles import PHASES_ASSUMED, Installed, Period, Profile, Purpose, RateUnit, Running, Schedule
from fleet.words import Current

GRID_VOLTAGE_V = 230.0
"""Phase to neutral, where the plan says only what is behind the rectifier."""
STEPS_MAX = 2_000
"""How many changes a composite schedule looks at, however long it should be: it ends there."""
# A limit in W that is 6.0 A must come out as 6.0 A, whatever binary fractions make of the way there and back.
_ROUNDING = 1e-6
# The clock is a difference of large numbers: less than this is none.
_INSTANT_S = 1e-3


@frozen
class Limit:
    """What a profile says at one instant, and the least power or current that is of use then (`min_rate`, or 0).

    `profile` is the one that says it.
    """

    unit: RateUnit
    rate: float
    phases: int
    min_rate: float
    profile: Profile


@frozen
class Allowance:
    """What a connector may draw: `power_w` in all, on this many phases; less than `min_w` is of no use to it."""

    power_w: float
    phases: int
    min_w: float = 0.0


@frozen
class Composition:
    """The profiles of a charge point together, with its connectors and the transactions that run, by connector.

    Where no transaction runs, answers are as if one began at the instant that is asked for. `takes_w` is the most power
    that the car at a connector can take, where there is one that can't take everything.
    """

    plans: Sequence[ConnectorPlan]
    installed: Iterable[Installed] = ()
    running: Mapping[int, Running] = {}
    takes_w: Mapping[int, float] = {}

    # ---- at an instant -----------------------------------------------------------------------------------------------

    def limit_at(self, connector: int, utc_s: float, charging: Collection[int] = ()) -> float | None:
        """The limit in W of a connector while these charge, or of the charge point (0); None where no profile has one.

        That of the charge point is the ChargePointMaxProfile's. That of a connector is not above what it is built for.
        """
        if connector == 0:
            maximum = self.maximum_at(utc_s)
            if maximum is None:
                return None
            # Where phases differ, those with the most of them can draw the most.
            return maximum.rate * max(
                _feed_w_per(maximum.unit, plan, min(maximum.phases, _phases(plan))) for plan in self.plans
            )
        if self.maximum_at(utc_s) is None and self.own_at(connector, utc_s) is None:
            return None
        return self.allowances_at(utc_s, {*charging, connector})[connector - 1].power_w

    def allowances_at(self, utc_s: float, charging: Collection[int]) -> list[Allowance]:
        """What each connector may draw while these charge; `[0]` is connector 1's.

        What the charging ones get adds up to the ChargePointMaxProfile at most; each of the others gets what would be
        its share if it charged too.
        """
        maximum = self.maximum_at(utc_s)
        alone = [self._alone(number, maximum, utc_s) for number in range(1, len(self.plans) + 1)]
        if maximum is None:
            return alone
        shares = self._shares(maximum, alone, set(charging))
        for number in range(1, len(self.plans) + 1):
            if number not in charging:
                shares[number - 1] = self._shares(maximum, alone, {*charging, number})[number - 1]
        return shares

    def maximum_at(self, utc_s: float) -> Limit | None:
        """The limit of the whole charge point, by its ChargePointMaxProfile."""
        stack = self._stack(Purpose.CHARGE_POINT_MAX_PROFILE, 0)
        # It belongs to no transaction: one that is relative counts from when it came.
        return _prevailing([(each.profile, each.since_utc_s) for each in stack], utc_s)

    def own_at(self, connector: int, utc_s: float) -> Limit | None:
        """The limit of the connector's transaction, by its TxProfile or the TxDefaultProfile."""
        running = self.running.get(connector)
        origin_utc_s = utc_s if running is None else running.started_utc_s
        for purpose, place in _precedence(connector):
            stack = self._stack(purpose, place)
            limit = _prevailing([(each.profile, origin_utc_s) for each in stack], utc_s)
            if limit is not None:
                return limit
        return None

    # ---- over time ---------------------------------------------------------------------------------------------------

    def next_change_at(self, utc_s: float) -> float:
        """The first instant after `utc_s` at which anything may change by time alone; inf if there is none."""
        return min(
            (
                each.profile.next_change_at(utc_s, origin_utc_s)
                for each in self.installed
                for origin_utc_s in self._origins(each)
            ),
            default=math.inf,
        )

    def composite_schedule(
        self,
        connector: int,
        duration_s: int,
        unit: RateUnit | None,
        now_utc_s: float,
        charging: Collection[int] = (),
        periods_max: int = 24,
    ) -> Schedule:
        """GetCompositeSchedule.req: what the connector may draw over that time (section 5.7), as things are now.

        Of connector 0: what all may draw together if all charge. Without a unit it is that of the profile that limits
        it at present, W if none does. Begins with the second that `now_utc_s` is in; limits have one digit after the
        point and start at whole seconds, rounded so that the schedule is never above what is allowed. It is shorter
        than asked for where it would have more than `periods_max` periods.
        """
        asked = range(1, len(self.plans) + 1) if connector == 0 else (connector,)
        begun = {number: Running("", now_utc_s) for number in asked if number not in self.running}
        ahead = evolve(self, running={**self.running, **begun})
        together = {*charging, *asked}
        unit = unit or self._unit_at(connector, now_utc_s)
        start_utc_s = math.floor(now_utc_s)
        end_utc_s = start_utc_s + max(duration_s, 1)
        steps: list[tuple[float, float, int]] = []
        at, looked = now_utc_s, 0
        # One more than may be told, so that it is known where what is told ends.
        while at < end_utc_s and looked < STEPS_MAX and len(steps) <= periods_max:
            allowances = ahead.allowances_at(at, together)
            rate, phases = ahead._told(connector, unit, allowances)
            step = _whole(at - start_utc_s), _rounded(rate), phases
            if not steps or step[1:] != steps[-1][1:]:
                steps.append(step)
            at = ahead.next_change_at(at)
            looked += 1
        lasts_s = duration_s if at >= end_utc_s else max(1, math.floor(at - start_utc_s))
        periods = _whole_seconds(steps, lasts_s)
        if len(periods) > periods_max:
            lasts_s, periods = periods[periods_max].start_s, periods[:periods_max]
        return Schedule(unit, tuple(periods), lasts_s, float(start_utc_s))

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _told(self, connector: int, unit: RateUnit, allowances: Sequence[Allowance]) -> tuple[float, int]:
        """The rate in W or in A per phase, and on how many phases; for connector 0 where all are fed, in sum."""
        if connector:
            allowance, plan = allowances[connector - 1], self.plans[connector - 1]
            if unit is RateUnit.W:
                return allowance.power_w, allowance.phases
            return allowance.power_w / _w_per_a(plan, allowance.phases), _phases_of_a(plan, allowance.phases)
        rate = math.fsum(
            allowance.power_w / _feed_w_per(unit, plan, allowance.phases)
            for plan, allowance in zip(self.plans, allowances, strict=True)
        )
        return rate, max(allowance.phases for allowance in allowances)

    def _stack(self, purpose: Purpose, connector: int) -> list[Installed]:
        return [each for each in self.installed if each.connector == connector and each.profile.purpose is purpose]

    def _origins(self, installed: Installed) -> Iterable[float]:
        """From when the profile counts where it has no start of its own: once for each connector that it limits.

        Where no transaction runs that is never: it would always be the instant that is asked for.
        """
        if installed.profile.purpose is Purpose.CHARGE_POINT_MAX_PROFILE:
            return [installed.since_utc_s]
        numbers = (installed.connector,) if installed.connector else range(1, len(self.plans) + 1)
        return {self.running[number].started_utc_s if number in self.running else math.inf for number in numbers}

    def _alone(self, number: int, maximum: Limit | None, utc_s: float) -> Allowance:
        """What a connector may draw if no other charges."""
        plan = self.plans[number - 1]
        own = self.own_at(number, utc_s)
        phases = min(_phases(plan), *(limit.phases for limit in (own, maximum) if limit is not None), PHASES_ASSUMED)
        power_w, min_w = plan.power_max_w, 0.0
        if own is not None:
            w_per_unit = _w_per_a(plan, phases) if own.unit is RateUnit.A else 1.0
            power_w, min_w = min(power_w, own.rate * w_per_unit), own.min_rate * w_per_unit
        if maximum is not None:
            power_w = min(power_w, maximum.rate * _feed_w_per(maximum.unit, plan, phases))
        return Allowance(power_w, phases, min_w)

    def _shares(self, maximum: Limit, alone: list[Allowance], charging: Collection[int]) -> list[Allowance]:
        """Divide the maximum among the charging; the others keep what they have alone."""
        numbers = sorted(charging)
        w_per_unit = [_feed_w_per(maximum.unit, self.plans[number - 1], alone[number - 1].phases) for number in numbers]
        wants_w = [min(alone[number - 1].power_w, self.takes_w.get(number, math.inf)) for number in numbers]
        rates = share_out(
            maximum.rate,
            [want_w / w for want_w, w in zip(wants_w, w_per_unit, strict=True)],
            [alone[number - 1].min_w / w for number, w in zip(numbers, w_per_unit, strict=True)],
        )
        shared = list(alone)
        for number, rate, w in zip(numbers, rates, w_per_unit, strict=True):
            # Not above what it may have alone, though the way through another unit rounds.
            shared[number - 1] = evolve(alone[number - 1], power_w=min(alone[number - 1].power_w, rate * w))
        return shared

    def _unit_at(self, connector: int, utc_s: float) -> RateUnit:
        """The unit of what limits a connector, or the charge point, at that instant."""
        maximum = self.maximum_at(utc_s)
        if connector == 0:
            limits = [maximum, *(self.own_at(number, utc_s) for number in range(1, len(self.plans) + 1))]
        else:
            limits = [self.own_at(connector, utc_s), maximum]
        return next((limit.unit for limit in limits if limit is not None), RateUnit.W)


def share_out(total: float, wants: Sequence[float], minima: Sequence[float] = ()) -> list[float]:
    """Divide a total among those who want so much each, max-min fair: all in one unit, W or A.

    Nobody gets more than it wants; who gets less gets as much as anybody. Whose share would be less than its minimum
    gets nothing, the last first, and the others have it; one that wants less than that is content with what it wants.
    """
    least = [min(minimum, want) for minimum, want in zip(minima, wants, strict=True)] if minima else [0.0] * len(wants)
    served = list(range(len(wants)))
    while True:
        shares = _fill(total, wants, served)
        short = [i for i in served if shares[i] < least[i] - _ROUNDING]
        if not short:
            return shares
        served.remove(short[-1])


def _fill(total: float, wants: Sequence[float], served: Sequence[int]) -> list[float]:
    """The same without minima, for those that are served."""
    shares = [0.0] * len(wants)
    left = total
    # From the least wish up: what it leaves of an equal part is divided among those who want more.
    for waiting, i in zip(range(len(served), 0, -1), sorted(served, key=wants.__getitem__), strict=True):
        shares[i] = min(wants[i], left / waiting)
        left = max(0.0, left - shares[i])
    return shares


def _precedence(connector: int) -> tuple[tuple[Purpose, int], ...]:
    """Where to look for what limits a transaction on this connector, first to last."""
    default = Purpose.TX_DEFAULT_PROFILE
    return (Purpose.TX_PROFILE, connector), (default, connector), (default, 0)


def _prevailing(stack: Iterable[tuple[Profile, float]], utc_s: float) -> Limit | None:
    """The limit by the highest of these profiles that says anything at that instant; each comes with its origin."""
    for profile, origin_utc_s in sorted(stack, key=lambda pair: pair[0].stack_level, reverse=True):
        period = profile.period_at(utc_s, origin_utc_s)
        if period is not None:
            schedule = profile.schedule
            phases, min_rate = period.phases or PHASES_ASSUMED, schedule.min_rate or 0.0
            return Limit(schedule.unit, period.limit, phases, min_rate, profile)
    return None


def _phases(plan: ConnectorPlan) -> int:
    """How many phases feed the connector."""
    return plan.phases if plan.current is Current.AC else PHASES_ASSUMED


def _phases_of_a(plan: ConnectorPlan, phases: int) -> int:
    """On how many conductors the connector's own amperes flow."""
    return phases if plan.current is Current.AC else 1


def _w_per_a(plan: ConnectorPlan, phases: int) -> float:
    """The power of one ampere (per phase) at the connector, in W."""
    return plan.voltage_v * _phases_of_a(plan, phases)


def _feed_w_per_a(plan: ConnectorPlan, phases: int) -> float:
    """The power of one ampere per phase where the connector is fed, in W."""
    return phases * (plan.voltage_v if plan.current is Current.AC else GRID_VOLTAGE_V)


def _feed_w_per(unit: RateUnit, plan: ConnectorPlan, phases: int) -> float:
    """The power of one W, or of one ampere per phase, where the connector is fed."""
    return _feed_w_per_a(plan, phases) if unit is RateUnit.A else 1.0


def _whole(seconds: float) -> float:
    """What is a whole number of seconds but for the rounding of an instant in UTC."""
    return float(round(seconds)) if abs(seconds - round(seconds)) < _INSTANT_S else seconds


def _rounded(rate: float) -> float:
    """With one digit after the point, as a limit is on the wire, and not above."""
    return math.floor(rate * 10 + _ROUNDING) / 10


def _whole_seconds(steps: Sequence[tuple[float, float, int]], lasts_s: int) -> list[Period]:
    """Steps of (s from the start, rate, phases) as periods that start at whole seconds and differ from each other.

    A second in which they change has the least of its rates and of its phases, so that nothing is promised that isn't
    allowed.
    """
    starts = sorted({0, *(s for at_s, _, _ in steps for s in (math.floor(at_s), math.ceil(at_s)) if 0 < s < lasts_s)})
    periods: list[Period] = []
    current = 0
    for start_s, end_s in zip(starts, [*starts[1:], math.inf], strict=True):
        while current + 1 < len(steps) and steps[current + 1][0] <= start_s:
            current += 1
        last = current
        while last + 1 < len(steps) and steps[last + 1][0] < min(end_s, max(lasts_s, 1)):
            last += 1
        within = steps[current : last + 1]
        rate, phases = min(rate for _, rate, _ in within), min(phases for _, _, phases in within)
        if not periods or (rate, phases) != (periods[-1].limit, periods[-1].phases):
            periods.append(Period(start_s, rate, phases))
    return periods
