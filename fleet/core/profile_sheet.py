"""The charging profiles of a connector as a person reads them: how much it may draw now, why, and what else lies there.

A limit comes of several profiles, one above another, and most of them hold at other times. Who wonders why a car
charges so slowly wants to know which one it is, until when, and all that the CSMS has put there.
"""

import math
from datetime import UTC, datetime

from fleet.core.composition import Composition
from fleet.core.profiles import Installed, Profile, Purpose, RateUnit

_LESS_W = 1e-3
"""Two limits that are nearer than that are the same."""


def sheet(composition: Composition, connector: int, utc_s: float, charging: set[int]) -> dict[str, object]:
    """The connector's limit in W at that instant while those others charge, by what, and in how many s it may change.

    Then its profiles by their ids; of connector 0, which is the charge point as a whole, that is all of them. What
    there isn't is left out: a limit of the whole where nothing limits it, a change where none will come.
    """
    limit_w, limited_by = _of_charge_point(composition, utc_s)
    if connector:
        limit_w, limited_by = _of_connector(composition, connector, utc_s, charging)
    change_s = composition.next_change_at(utc_s) - utc_s
    shown: dict[str, object] = {"limited_by": limited_by}
    if limit_w is not None:
        shown = {"limit_w": round(limit_w, 3), **shown}
    if change_s < math.inf:
        shown["changes_in_s"] = math.ceil(change_s)
    for each in sorted(composition.installed, key=lambda each: (each.profile.id, each.connector)):
        if connector in (0, each.connector) or each.connector == 0:
            shown[f"profile {each.profile.id}"] = _line(each)
    return shown


def _of_charge_point(composition: Composition, utc_s: float) -> tuple[float | None, str]:
    maximum = composition.maximum_at(utc_s)
    if maximum is None:
        return None, "nothing"
    return composition.limit_at(0, utc_s), _name(maximum.profile)


def _of_connector(composition: Composition, connector: int, utc_s: float, charging: set[int]) -> tuple[float, str]:
    built_for_w = composition.plans[connector - 1].power_max_w
    allowed_w = composition.allowances_at(utc_s, charging)[connector - 1].power_w
    if allowed_w > built_for_w - _LESS_W:
        return allowed_w, "what it is built for"
    others = [each for each in composition.installed if each.profile.purpose is not Purpose.CHARGE_POINT_MAX_PROFILE]
    own = composition.own_at(connector, utc_s)
    alone = Composition(composition.plans, others, composition.running)
    if own is not None and alone.allowances_at(utc_s, charging)[connector - 1].power_w <= allowed_w + _LESS_W:
        return allowed_w, _name(own.profile)
    if allowed_w >= composition.takes_w.get(connector, math.inf) - _LESS_W:
        return allowed_w, "what its car can take"
    maximum = composition.maximum_at(utc_s)
    assert maximum is not None, "what lies below the connector's own limits is the charge point's"
    return allowed_w, _name(maximum.profile)


def _name(profile: Profile) -> str:
    return f"{profile.purpose} {profile.id}"


def _line(installed: Installed) -> str:
    """One profile in one line."""
    profile, schedule = installed.profile, installed.profile.schedule
    kind = str(profile.kind if profile.recurrency is None else f"{profile.kind} {profile.recurrency}")
    parts = [f"{profile.purpose} of connector {installed.connector}", f"stack level {profile.stack_level}", kind]
    if schedule.start_utc_s is not None:
        parts.append(f"from {_instant(schedule.start_utc_s)}")
    if schedule.duration_s is not None:
        parts.append(f"for {schedule.duration_s} s")
    if profile.valid_from_utc_s is not None:
        parts.append(f"valid from {_instant(profile.valid_from_utc_s)}")
    if profile.valid_to_utc_s is not None:
        parts.append(f"valid to {_instant(profile.valid_to_utc_s)}")
    if schedule.min_rate is not None:
        parts.append(f"at least {schedule.min_rate:g} {schedule.unit}")
    steps = [_step(period.start_s, period.limit, period.phases, schedule.unit) for period in schedule.periods]
    return f"{', '.join(parts)}: {', '.join(steps)}"


def _step(start_s: int, limit: float, phases: int | None, unit: RateUnit) -> str:
    on = "" if phases is None else f" on {phases} phase{'s' if phases > 1 else ''}"
    return f"{limit:g} {unit}{on}" + (f" after {start_s} s" if start_s else "")


def _instant(utc_s: float) -> str:
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
