"""Smart charging in a charge point: what its profiles come to is what its connectors are told (OCPP 1.6 section 3.13).

The profiles lie in the charge point's memory, `composition` says what each connector may draw, and here is who tells
the connectors: whenever a profile comes or goes, a transaction starts or ends, a connector begins or stops to want
power, its car can take more or less, the charge point's clock is set, and at the instant at which a limit changes by
time alone. That instant is a deadline like any other; between two of them nothing is computed.

A connector on which nothing charges is told too: what it would have if a transaction began now. So a transaction
begins with the power that it may have, and does not have to be held back afterwards. The profile of a
RemoteStartTransaction is told in the same way before its transaction exists (section 5.16.1).

Whose car wants nothing (SuspendedEV) has no part in the sharing of a ChargePointMaxProfile; whom the charge point holds
back (SuspendedEVSE) has.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import define, evolve, frozen

from fleet.core.composition import Composition
from fleet.core.memory import Cable
from fleet.core.orders import LimitPower
from fleet.core.profile_sheet import sheet
from fleet.core.profile_store import ProfileStore
from fleet.core.profiles import Installed, Profile, Running, Schedule
from fleet.core.reports import PowerLimited, RequestRefused
from fleet.words import ChargingProfileStatus, ConnectorStatus

if TYPE_CHECKING:
    from fleet.core.answers import ProfilesCleared, ProfileSet, ScheduleWanted
    from fleet.core.charge_point import ChargePoint
    from fleet.core.reports import StatusChanged, TransactionStarted, TransactionStopped

FEATURE = "SmartCharging"
_REMOTE_START = "RemoteStartTransaction"
# What is half a millisecond away is now: an instant in UTC is a sum of large numbers, and a limit that changes now must
# not be computed as if it changed in a moment.
_NOW_S = 5e-4
# A difference in power that is worth an order; below it is rounding.
_DIFFERENCE_W = 1e-3
_WANTING = (ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EVSE)


@frozen
class Wish:
    """The profile of a remote start, for the transaction that this id tag will begin."""

    id_tag: str
    profile: Profile


@define
class ChargingLimits:
    """What the connectors of one charge point know of their limits; all of it is lost and found again at a reboot.

    `told_w` is what each was told last, None while none was told anything; at `due_at`, an instant on the monotonic
    clock, that changes. `wishes` are those of remote starts, by connector.
    """

    told_w: tuple[float, ...] | None = None
    due_at: float = math.inf
    wishes: dict[int, Wish] | None = None


# ---- what the CSMS wants ---------------------------------------------------------------------------------------------


def put(charge_point: ChargePoint, request: ProfileSet, now: float) -> ChargingProfileStatus:
    """SetChargingProfile.req (section 5.16)."""
    if not charge_point.configuration.supports(FEATURE):
        return ChargingProfileStatus.NOT_SUPPORTED
    running = _running(charge_point).get(request.connector)
    refused = _store(charge_point).put(request.connector, request.profile, running, charge_point.utc(now))
    fits = _fits(charge_point, "SetChargingProfile", refused, now)
    return ChargingProfileStatus.ACCEPTED if fits else ChargingProfileStatus.REJECTED


def clear(charge_point: ChargePoint, request: ProfilesCleared) -> bool:
    """ClearChargingProfile.req: whether there were any such profiles (section 5.5)."""
    store = _store(charge_point)
    return store.clear(request.profile_id, request.connector, request.purpose, request.stack_level) > 0


def schedule(charge_point: ChargePoint, request: ScheduleWanted, now: float) -> Schedule | None:
    """GetCompositeSchedule.req: what the connector, or the charge point, may draw; None for one there isn't."""
    capabilities = charge_point.configuration.charging_capabilities()
    known = 0 <= request.connector <= capabilities.connectors
    # Section 5.7: Rejected where the charge point can't report, also in a unit that it doesn't know.
    if not known or not charge_point.configuration.supports(FEATURE) or request.unit not in {None, *capabilities.units}:
        return None
    return _composition(charge_point, now).composite_schedule(
        request.connector,
        request.duration_s,
        request.unit,
        charge_point.utc(now) + _NOW_S,
        _charging(charge_point),
        capabilities.periods_max,
    )


def show(charge_point: ChargePoint, connector: int, now: float) -> dict[str, object]:
    """What somebody who stands before it wants to see: the limit now, and the profiles of connector or charge point."""
    return sheet(_composition(charge_point, now), connector, charge_point.utc(now) + _NOW_S, _charging(charge_point))


def acceptable(charge_point: ChargePoint, profile: Profile | None, now: float) -> bool:
    """Whether a remote start may come with this profile; who knows no smart charging ignores it (section 5.11)."""
    if profile is None or not charge_point.configuration.supports(FEATURE):
        return True
    return _fits(charge_point, _REMOTE_START, _store(charge_point).refusal_at_start(profile), now)


def wish(charge_point: ChargePoint, connector: int, id_tag: str, profile: Profile | None, now: float) -> None:
    """A remote start was accepted; one without a profile takes the place of one that had one."""
    limits = charge_point.limits
    if limits.wishes is not None:
        limits.wishes.pop(connector, None)
    if profile is not None and charge_point.configuration.supports(FEATURE):
        limits.wishes = limits.wishes or {}
        limits.wishes[connector] = Wish(id_tag, evolve(profile, transaction_id=None))
    refresh(charge_point, now)


# ---- what the connectors say -----------------------------------------------------------------------------------------


def started(charge_point: ChargePoint, report: TransactionStarted, now: float) -> None:
    """A transaction began: the profile that was wished for it is its own now."""
    limits, connector = charge_point.limits, report.connector
    wished = limits.wishes.pop(connector, None) if limits.wishes else None
    if wished is not None and wished.id_tag.casefold() == report.id_tag.casefold():
        running = _running(charge_point)[connector]
        refused = _store(charge_point).put_at_start(connector, wished.profile, running, charge_point.utc(now))
        _fits(charge_point, _REMOTE_START, refused, now)
    refresh(charge_point, now)


def stopped(charge_point: ChargePoint, report: TransactionStopped, now: float) -> None:
    """A transaction is over, and its profiles with it."""
    if charge_point.memory.profiles:
        _store(charge_point).transaction_ended(report.transaction)
    refresh(charge_point, now)


def changed(charge_point: ChargePoint, report: StatusChanged, now: float) -> None:
    """A connector wants power now, or no more; what is no longer being prepared needs no wish."""
    limits = charge_point.limits
    if limits.wishes and report.status is not ConnectorStatus.PREPARING:
        limits.wishes.pop(report.connector, None)
    refresh(charge_point, now)


# ---- what the connectors are told ------------------------------------------------------------------------------------


def refresh(charge_point: ChargePoint, now: float) -> None:
    """Tell every connector its limit that has another since it was last told, and when to look again."""
    limits = charge_point.limits
    plans = charge_point.plan.connectors
    if not charge_point.memory.profiles and not limits.wishes:
        limits.due_at = math.inf
        if limits.told_w is None:
            return
        allowed_w = tuple(plan.power_max_w for plan in plans)
    else:
        composition = _composition(charge_point, now)
        utc_s = charge_point.utc(now) + _NOW_S
        allowed_w = tuple(each.power_w for each in composition.allowances_at(utc_s, _charging(charge_point)))
        limits.due_at = now + (composition.next_change_at(utc_s) - charge_point.utc(now))
    told_w = list(limits.told_w or (plan.power_max_w for plan in plans))
    # Who is to have less hears it first, so that at no instant all together have too much.
    for i in sorted(range(len(plans)), key=lambda i: allowed_w[i] - told_w[i]):
        if abs(allowed_w[i] - told_w[i]) > _DIFFERENCE_W:
            told_w[i] = allowed_w[i]
            charge_point.order(i + 1, LimitPower(allowed_w[i]))
            limited = allowed_w[i] < plans[i].power_max_w - _DIFFERENCE_W
            charge_point.observe(PowerLimited(i + 1, now, allowed_w[i] if limited else None))
    limits.told_w = tuple(told_w)


def _fits(charge_point: ChargePoint, action: str, refused: str | None, now: float) -> bool:
    """Whether nothing was refused; the answer to the CSMS has no room for a reason, whoever watches hears it."""
    if refused is not None:
        charge_point.observe(RequestRefused(action, refused, now))
    return refused is None


def _store(charge_point: ChargePoint) -> ProfileStore:
    return ProfileStore(charge_point.memory.profiles, charge_point.configuration.charging_capabilities())


def _running(charge_point: ChargePoint) -> dict[int, Running]:
    """The transactions, by connector."""
    bindings = charge_point.memory.outbox.bindings
    return {
        number: Running(
            view.started.transaction, charge_point.utc(view.started.at), bindings.get(view.started.transaction)
        )
        for number, view in enumerate(charge_point.views)
        if view.started is not None
    }


def _charging(charge_point: ChargePoint) -> set[int]:
    """The connectors that share what there is."""
    return {
        number
        for number, view in enumerate(charge_point.views)
        if view.started is not None and view.status is not None and view.status.status in _WANTING
    }


def _composition(charge_point: ChargePoint, now: float) -> Composition:
    """All profiles, those included that a transaction will bring along."""
    running = _running(charge_point)
    installed = charge_point.memory.profiles
    wishes = charge_point.limits.wishes
    if wishes:
        utc_s = charge_point.utc(now)
        wished = [Installed(number, each.profile, utc_s) for number, each in wishes.items() if number not in running]
        installed = [*installed, *wished]
    takes_w = {
        number: each.ev.power_max_w
        for number, each in enumerate(charge_point.memory.connectors, 1)
        if each.cable is Cable.PLUGGED and each.ev is not None and each.ev.power_max_w < math.inf
    }
    return Composition(charge_point.plan.connectors, installed, running, takes_w)
