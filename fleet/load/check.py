"""`fleet check`: what a configuration comes to, before anything is started.

The resolved plan, the messages per second to expect once everybody is connected, and what the machine must grant. The
figures are of the drivers' queues, not of a simulation: arrivals, stays and intervals give the rates of the messages
that each causes. They are meant to be compared with what a run then shows, and with what a CSMS is said to take.
"""

import argparse
import math
from collections.abc import Iterator

from attrs import frozen

from fleet.core.configuration import Configuration
from fleet.errors import EXIT_DONE, ConfigurationError
from fleet.link.endpoint import endpoint_url, mask
from fleet.load import limits
from fleet.load.command import resolve
from fleet.load.config import GroupConfig, RunConfig, heartbeat_interval_s
from fleet.load.drivers import QUEUE_MAX
from fleet.load.faults import all_understood
from fleet.load.planning import plans
from fleet.load.security import NOT_VERIFIED, WHAT, profile_of, require_files
from fleet.quantities import format_duration

# CPU of a MeterValues round trip through a whole charge point, as `tests/bench/round_trip.py` measured it on two shared
# cores: for a hint, not for a promise.
_ROUND_TRIP_CPU_S = 450e-6
_STATUSES_PER_VISIT = 4  # Preparing, Charging, Finishing, Available
_PAUSES_PER_VISIT = 2  # between cable and tag, and between tag and cable
_CROWDED_SHARE = 0.2


@frozen
class Load:
    """What to expect of a group, or of all of them, once connected and until the drain.

    `rates_per_s` by action; `transactions` under way at a time; `arrivals_per_s` drivers who come, `served_per_s` those
    who find something free.
    """

    rates_per_s: dict[str, float]
    transactions: float
    arrivals_per_s: float
    served_per_s: float

    @property
    def messages_per_s(self) -> float:
        """CALLs from the charge points, of all actions."""
        return sum(self.rates_per_s.values())


def expected_load(config: RunConfig) -> Load:
    """The load of the whole fleet."""
    parts = [_group_load(config, group) for group in config.charge_points]
    actions = dict.fromkeys(action for part in parts for action in part.rates_per_s)
    return Load(
        {action: sum(part.rates_per_s.get(action, 0.0) for part in parts) for action in actions},
        sum(part.transactions for part in parts),
        sum(part.arrivals_per_s for part in parts),
        sum(part.served_per_s for part in parts),
    )


def _group_load(config: RunConfig, group: GroupConfig) -> Load:
    drivers, connectors = config.drivers, group.count * group.connectors
    configuration = Configuration(group.configuration, {}, group.connectors)
    settings = configuration.connector_settings()
    stay_s = _charging_s(config, group)
    visit_s = sum(stay_s) / len(stay_s) + _PAUSES_PER_VISIT * drivers.pause_s.expected()
    if drivers.per == "connector":
        arrivals_per_s = drivers.arrivals_per_s * connectors
        turned_away = _queue_full(drivers.arrivals_per_s * visit_s)
    else:
        arrivals_per_s = drivers.arrivals_per_s * connectors / config.connector_count
        turned_away = _all_taken(arrivals_per_s * visit_s, connectors)
    served_per_s = arrivals_per_s * (1 - turned_away)
    # The first sample comes one interval after the start.
    samples = 0.0
    if settings.sample_interval_s and settings.sampled_data:
        samples = sum(math.floor(stay / settings.sample_interval_s) for stay in stay_s) / len(stay_s)
    aligned_per_s = 0.0
    if configuration.clock_aligned_data_interval_s and settings.aligned_data:
        aligned_per_s = connectors / configuration.clock_aligned_data_interval_s
    heartbeat_s = heartbeat_interval_s(group, config.csms)
    return Load(
        {
            "Heartbeat": group.count / heartbeat_s if heartbeat_s else 0.0,
            "Authorize": served_per_s,
            "StatusNotification": served_per_s * _STATUSES_PER_VISIT,
            "StartTransaction": served_per_s,
            "MeterValues": served_per_s * samples + aligned_per_s,
            "StopTransaction": served_per_s,
        },
        served_per_s * sum(stay_s) / len(stay_s),
        arrivals_per_s,
        served_per_s,
    )


def _charging_s(config: RunConfig, group: GroupConfig) -> list[float]:
    """How long transactions last, as 100 equally likely values; the taper of full batteries is left out."""
    drivers = config.drivers
    slices = [(slice_ + 0.5) / 100 for slice_ in range(100)]
    stays_s = [math.inf if drivers.stay_s is None else drivers.stay_s.quantile(share) for share in slices]
    if drivers.energy_wanted_wh is None:
        return stays_s
    power_w = min(group.power_w, drivers.ev.power_max_w.expected())
    wanted_s = [drivers.energy_wanted_wh.quantile(share) / power_w * 3600 for share in slices]
    return [min(pair) for pair in zip(stays_s, wanted_s, strict=True)]


def _queue_full(offered: float) -> float:
    """The share of drivers who find one connector in use and its queue full (M/M/1/K)."""
    places = QUEUE_MAX + 1
    return 1 / sum(offered**-place for place in range(places + 1)) if offered else 0.0


def _all_taken(offered: float, connectors: int) -> float:
    """The share of drivers who find every connector in use (Erlang's loss formula)."""
    if not offered:
        return 0.0
    inverse = 1.0
    for connector in range(1, connectors + 1):
        inverse = min(1 + inverse * connector / offered, 1e300)
    return 1 / inverse


def check(args: argparse.Namespace) -> int:
    """`fleet check`: print the plan; raises ConfigurationError if it is wrong or this machine can't hold it."""
    config = resolve(args)
    require_files(config.csms, (plan.id for plan in plans(config)))
    load, found = expected_load(config), limits.limits(config.charge_point_count)
    print(f"fleet check: {args.config or 'no file: the built-in configuration'}")
    for name, text in _plan(config):
        print(f"  {name:<18}{text}")
    print("  expected, once everybody is connected:")
    for action, rate_per_s in load.rates_per_s.items():
        print(f"    {action:<20}{rate_per_s:>12,.2f}/s")
    print(f"    {'all messages':<20}{load.messages_per_s:>12,.2f}/s")
    print(f"    {'transactions':<20}{load.transactions:>12,.1f} at a time")
    print(f"  {'file descriptors':<18}{found.descriptors_needed:,} needed, {found.descriptors_hard:,} allowed")
    print(f"  {'ephemeral ports':<18}{found.ports_needed:,} needed, {found.ports_available:,} to one target")
    for hint in _hints(config, load):
        print(f"  hint: {hint}")
    if found.shortfalls:
        raise ConfigurationError("\n".join(found.shortfalls))
    return EXIT_DONE


def _plan(config: RunConfig) -> Iterator[tuple[str, str]]:
    csms, drivers = config.csms, config.drivers
    yield "charge points", f"{config.charge_point_count:,}, connectors {config.connector_count:,}"
    first = 1
    for group in config.charge_points:
        last = first + group.count - 1
        ids = group.id.format(first) if first == last else f"{group.id.format(first)} .. {group.id.format(last)}"
        yield (
            "  group",
            f"{ids}: {group.connectors} x {group.power_w / 1000:g} kW {group.current}, {group.vendor} {group.model}",
        )
        first = last + 1
    if csms.url is None:
        yield "target", "embedded CSMS on a free loopback port"
    else:
        yield "target", mask(endpoint_url(csms.url, config.charge_points[0].id.format(1))) + " and so on"
    if profile := profile_of(csms):
        yield "security", f"profile {profile}: {WHAT[profile]}"
    if not csms.verify:
        yield "WARNING", NOT_VERIFIED
    yield "seed", "drawn at the start" if config.seed is None else str(config.seed)
    yield "duration", f"{format_duration(config.duration_s)}, then at most {format_duration(config.grace_s)} to drain"
    ramp_s = config.charge_point_count / csms.connect_rate_per_s
    yield "ramp", f"{format_duration(ramp_s)} at {_rate(csms.connect_rate_per_s)}"
    yield "heartbeat", _heartbeat(config)
    who = f"{_rate(drivers.arrivals_per_s)} per {drivers.per}, {drivers.order}"
    yield "drivers", who if drivers.arrivals_per_s else "none"
    for scenario in config.scenario:
        begin = "once everybody is registered" if scenario.at_s is None else f"at {format_duration(scenario.at_s)}"
        yield "scenario", f"{scenario.file} on {scenario.target}, {begin}"
    for fault in all_understood(config.fault):
        yield "fault", f"{fault.what} on {fault.whom}, {fault.when}"
    for each in config.objectives:
        abort = f", ends the run when it fails{_from(each.abort_after_s)}" if each.abort_on_fail else ""
        yield "objective", f"{each.objective.text}{abort}"
    yield "id tags", f"{config.id_tag_count:,}: {config.id_tag(0)} .. {config.id_tag(config.id_tag_count - 1)}"


def _from(after_s: float) -> str:
    return f", from {format_duration(after_s)} on" if after_s else ""


def _rate(rate_per_s: float) -> str:
    """A rate in the smallest unit of time that makes it at least one."""
    for unit, span_s in (("s", 1), ("min", 60), ("h", 3600)):
        if rate_per_s * span_s >= 1:
            return f"{rate_per_s * span_s:.4g}/{unit}"
    return f"{rate_per_s * 86_400:.4g}/d"


def _heartbeat(config: RunConfig) -> str:
    intervals = sorted({heartbeat_interval_s(group, config.csms) for group in config.charge_points})
    shown = ", ".join(format_duration(interval_s) if interval_s else "never" for interval_s in intervals)
    if config.csms.heartbeat_interval_s is not None:
        return f"{shown}, as the CSMS is taken to say in its answer to BootNotification"
    return f"{shown}, unless the CSMS says another in its answer to BootNotification"


def _hints(config: RunConfig, load: Load) -> Iterator[str]:
    """What will make the run show something else than it seems to."""
    ramp_s = config.charge_point_count / config.csms.connect_rate_per_s
    if ramp_s >= config.duration_s:
        yield f"the ramp takes {format_duration(ramp_s)}: the run ends before everybody is connected"
    for number, fault in enumerate(config.fault):
        if (fault.at_s or 0.0) >= config.duration_s:
            yield f"fault[{number}] never strikes: the load is over after {format_duration(config.duration_s)}"
    for each in config.objectives:
        if each.abort_on_fail and each.abort_after_s < ramp_s and each.objective.comparison in (">", ">="):
            yield (
                f"{each.objective.text} ends the run if it doesn't hold yet during the ramp: give it an abort_after of "
                f"{format_duration(ramp_s)} or more"
            )
        if each.abort_on_fail and each.abort_after_s >= config.duration_s:
            yield (
                f"{each.objective.text} can't end the run when it fails: that begins after "
                f"{format_duration(each.abort_after_s)}, and the run takes {format_duration(config.duration_s)}"
            )
    if load.arrivals_per_s and (away := 1 - load.served_per_s / load.arrivals_per_s) > _CROWDED_SHARE:
        yield f"drivers saturate the connectors: {away:.0%} of those who arrive drive on"
    busy = load.messages_per_s * _ROUND_TRIP_CPU_S
    if busy > 0.5:
        yield f"these messages take about {busy:.0%} of one core here: the generator may be what is measured"
    per_charge_point = load.messages_per_s / config.charge_point_count * config.csms.latency_s
    if per_charge_point > 0.5:
        yield (
            f"with a latency of {format_duration(config.csms.latency_s)} a charge point waits {per_charge_point:.0%} "
            f"of the time, having one CALL in flight: messages queue up"
        )
    stays_s = _charging_s(config, config.charge_points[0])
    if config.drivers.arrivals_per_s and min(stays_s) > config.duration_s:
        yield "the shortest stay is longer than the run: only the drain stops transactions"
