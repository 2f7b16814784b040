"""Which charging profiles a charge point has: what it takes in, what replaces what, and what is cleared.

OCPP 1.6 sections 3.13.1 (purposes), 3.13.2 (stacking), 5.5 (ClearChargingProfile), 5.16 (SetChargingProfile) and 9.4
(the keys that bound it). The profiles themselves lie in a list that the charge point's memory owns, so that they
outlive a reboot; this is the only place that writes to it. A profile that is refused changes nothing.

Profiles for all connectors and those for one are two different stacks, also for TxDefaultProfile: one of connector 2
replaces that of connector 0 for connector 2 alone (section 3.13.1), which is a matter of precedence and no reason to
forget it for the others.
"""

import math

from attrs import evolve, frozen

from fleet.core.profiles import PHASES_ASSUMED, Installed, Kind, Profile, Purpose, RateUnit, Running, Schedule

_ALLOWED_RATE = {RateUnit.A: "Current", RateUnit.W: "Power"}


@frozen
class Capabilities:
    """What a charge point tells of its smart charging (section 9.4).

    `stack_level_max` is ChargeProfileMaxStackLevel, `units` ChargingScheduleAllowedChargingRateUnit, `periods_max`
    ChargingScheduleMaxPeriods, `installed_max` MaxChargingProfilesInstalled. `connectors` is how many there are.
    """

    connectors: int = 1
    stack_level_max: int = 10
    units: frozenset[RateUnit] = frozenset(RateUnit)
    periods_max: int = 24
    installed_max: int = 20


class ProfileStore:
    """The profiles of one charge point, over the list that keeps them."""

    __slots__ = ("capabilities", "installed")

    def __init__(self, installed: list[Installed], capabilities: Capabilities) -> None:
        self.installed = installed
        self.capabilities = capabilities

    def put(self, connector: int, profile: Profile, running: Running | None, utc_s: float) -> str | None:
        """SetChargingProfile.req: what is wrong with it, in one line, or None when it is installed.

        `running` is the transaction on that connector. What has the same id, or the same purpose and stack level for
        the same connector, is replaced (section 5.16.2). Where there is no room left, those that are past their validTo
        make it.
        """
        refused = self.refusal(connector, profile, running, utc_s)
        if refused is not None:
            return refused
        key = running.key if running is not None and profile.purpose is Purpose.TX_PROFILE else None
        new = Installed(connector, profile, utc_s, key)
        others = self._others(connector, profile)
        if len(others) >= self.capabilities.installed_max:
            others = [each for each in others if not each.profile.is_over(utc_s)]
        self.installed[:] = [*others, new]
        return None

    def refusal(self, connector: int, profile: Profile, running: Running | None, utc_s: float) -> str | None:
        """Why this profile can't be installed, in one line; None if it can."""
        if not 0 <= connector <= self.capabilities.connectors:
            return f"there is no connector {connector}"
        return (
            _misplaced(connector, profile, running)
            or self._flaw(profile)
            or self._full([each for each in self._others(connector, profile) if not each.profile.is_over(utc_s)])
        )

    def refusal_at_start(self, profile: Profile) -> str | None:
        """Why a RemoteStartTransaction.req can't have this profile, in one line; None if it can (section 5.11).

        It has to be a TxProfile. Nobody knows the transaction's id yet, so one that is given means nothing.
        """
        if profile.purpose is not Purpose.TX_PROFILE:
            return f"a remote start takes a {Purpose.TX_PROFILE}, not a {profile.purpose}"
        # How many fit is seen when the transaction starts; until then others may go.
        return self._flaw(profile)

    def put_at_start(self, connector: int, profile: Profile, running: Running, utc_s: float) -> str | None:
        """The transaction of a RemoteStartTransaction.req that had this profile has started: like `put`."""
        return self.put(connector, evolve(profile, transaction_id=None), running, utc_s)

    def clear(
        self,
        id: int | None = None,
        connector: int | None = None,
        purpose: Purpose | None = None,
        stack_level: int | None = None,
    ) -> int:
        """ClearChargingProfile.req: remove what meets every criterion that is given; gives how many that were.

        With none given that is all of them (section 5.5). Connector 0 means the profiles of the charge point as a
        whole, not those of every connector (section 6.13).
        """
        kept = [
            each
            for each in self.installed
            if (id is not None and each.profile.id != id)
            or (connector is not None and each.connector != connector)
            or (purpose is not None and each.profile.purpose is not purpose)
            or (stack_level is not None and each.profile.stack_level != stack_level)
        ]
        return self._keep(kept)

    def transaction_ended(self, key: str) -> int:
        """A TxProfile holds for its transaction only (section 3.13.1); gives how many went with it."""
        return self._keep([each for each in self.installed if each.transaction != key])

    def _keep(self, kept: list[Installed]) -> int:
        removed = len(self.installed) - len(kept)
        if removed:
            self.installed[:] = kept
        return removed

    def _others(self, connector: int, profile: Profile) -> list[Installed]:
        """What stays when this profile comes."""
        place = (connector, profile.purpose, profile.stack_level)
        return [
            each
            for each in self.installed
            if each.profile.id != profile.id
            and (each.connector, each.profile.purpose, each.profile.stack_level) != place
        ]

    def _full(self, others: list[Installed]) -> str | None:
        if len(others) < self.capabilities.installed_max:
            return None
        return f"MaxChargingProfilesInstalled is {self.capabilities.installed_max}, and so many are there already"

    def _flaw(self, profile: Profile) -> str | None:
        """What is wrong with the profile wherever it goes."""
        limits = self.capabilities
        schedule = profile.schedule
        if not 0 <= profile.stack_level <= limits.stack_level_max:
            return (
                f"stack level {profile.stack_level}: expected 0 to {limits.stack_level_max} "
                "(ChargeProfileMaxStackLevel)"
            )
        if schedule.unit not in limits.units:
            return (
                f"limits in {schedule.unit}: {_ALLOWED_RATE[schedule.unit]} is not in "
                "ChargingScheduleAllowedChargingRateUnit"
            )
        if len(schedule.periods) > limits.periods_max:
            return (
                f"{len(schedule.periods)} periods: expected at most {limits.periods_max} (ChargingScheduleMaxPeriods)"
            )
        if profile.kind is Kind.RECURRING and profile.recurrency is None:
            return f"a {Kind.RECURRING} profile needs a recurrencyKind"
        begin, end = profile.valid_from_utc_s, profile.valid_to_utc_s
        if begin is not None and end is not None and end <= begin:
            return "validTo is not after validFrom"
        return _flaw_of_schedule(schedule)


def _misplaced(connector: int, profile: Profile, running: Running | None) -> str | None:
    """Why a profile of this purpose can't be on this connector (section 3.13.1)."""
    purpose = profile.purpose
    if purpose is Purpose.CHARGE_POINT_MAX_PROFILE and connector != 0:
        return f"a {purpose} is for connector 0, not {connector}"
    if purpose is not Purpose.TX_PROFILE:
        return None
    if connector == 0:
        return f"a {purpose} is for one connector, not for connector 0"
    if running is None:
        # Section 5.16.2.
        return f"a {purpose} needs a transaction, and none runs on connector {connector}"
    if profile.transaction_id is not None and profile.transaction_id != running.transaction_id:
        return f"transaction {profile.transaction_id} doesn't run on connector {connector}"
    return None


def _flaw_of_schedule(schedule: Schedule) -> str | None:
    """What is wrong with a schedule by itself (sections 7.13 and 7.14)."""
    if not schedule.periods:
        return "a schedule needs at least one period"
    if schedule.periods[0].start_s != 0:
        return f"the first period starts at 0, not at {schedule.periods[0].start_s}"
    before_s = -1
    for period in schedule.periods:
        if period.start_s <= before_s:
            return f"periods start one after the other, but {period.start_s} follows {before_s}"
        before_s = period.start_s
        if not 0 <= period.limit < math.inf:
            return f"a limit is not negative, unlike {period.limit}"
        if period.phases is not None and not 1 <= period.phases <= PHASES_ASSUMED:
            return f"numberPhases: expected 1 to {PHASES_ASSUMED}, not {period.phases}"
    if schedule.min_rate is not None and not 0 <= schedule.min_rate < math.inf:
        return f"minChargingRate is not negative, unlike {schedule.min_rate}"
    return None
