"""Charging profiles: what the CSMS allows, and from when to when (OCPP 1.6 sections 3.13 and 7.8 to 7.14).

A profile is a schedule of limits with a purpose (whom it limits), a kind (from when its schedule counts) and a place in
a stack (which of several prevails). What can be said of one profile without knowing any other stands here: the period
of its schedule that holds at an instant, and the next instant at which that may be another. Which profiles there are is
`profile_store`'s, what follows from all of them together `composition`'s.

Instants are UTC in s since 1970. A schedule needs an origin where it has no start of its own: that of the transaction
that it limits (section 7.13: without startSchedule it is relative to the start of charging), whatever its kind says.
There is no daylight saving: a day has 86,400 s and begins when the profile says so.
"""

import math
from collections.abc import Iterator

from attrs import frozen

from fleet.words import ChargingProfileKind as Kind
from fleet.words import ChargingProfilePurpose as Purpose
from fleet.words import ChargingRateUnit as RateUnit
from fleet.words import RecurrencyKind as Recurrency

__all__ = ["Installed", "Kind", "Period", "Profile", "Purpose", "RateUnit", "Recurrency", "Running", "Schedule"]

RECURS_S = {Recurrency.DAILY: 86_400.0, Recurrency.WEEKLY: 604_800.0}
PHASES_ASSUMED = 3
"""What `Period.phases` means when it isn't given (OCPP 1.6 sections 7.12 and 7.14)."""


@frozen
class Period:
    """From `start_s` after the schedule's begin on, no more than `limit`, until the next period (section 7.14).

    `limit` is in the schedule's unit, where A are per phase and W all phases together; `phases` is how many may be
    used, None for three.
    """

    start_s: int
    limit: float
    phases: int | None = None


@frozen
class Schedule:
    """A course of limits (section 7.13), its periods in ascending order from 0 on.

    After `duration_s` it is over; without one the last period lasts. `start_utc_s` is when it begins; without that it
    begins with the transaction. `min_rate`, in `unit`, is the least that is of use to the car.
    """

    unit: RateUnit
    periods: tuple[Period, ...]
    duration_s: int | None = None
    start_utc_s: float | None = None
    min_rate: float | None = None


@frozen
class Profile:
    """A schedule with its purpose and its place among others (section 7.8); a higher `stack_level` goes first.

    `transaction_id` names the transaction that a TxProfile is for, by the CSMS's id. It holds from `valid_from_utc_s`
    on and no longer at `valid_to_utc_s`; None leaves that side open.
    """

    id: int
    stack_level: int
    purpose: Purpose
    kind: Kind
    schedule: Schedule
    recurrency: Recurrency | None = None
    valid_from_utc_s: float | None = None
    valid_to_utc_s: float | None = None
    transaction_id: int | None = None

    def is_valid(self, utc_s: float) -> bool:
        """Whether the instant is between validFrom and validTo (section 3.13.2)."""
        begin, end = self.valid_from_utc_s, self.valid_to_utc_s
        return (begin is None or begin <= utc_s) and (end is None or utc_s < end)

    def is_over(self, utc_s: float) -> bool:
        """Whether it will never hold again: validTo has passed."""
        return self.valid_to_utc_s is not None and self.valid_to_utc_s <= utc_s

    def period_at(self, utc_s: float, origin_utc_s: float) -> Period | None:
        """The period that holds, None where this profile says nothing; `origin_utc_s` is the transaction's start.

        It says nothing before its schedule begins, nor after its duration: a schedule without a duration lasts for
        ever, so that nothing lower in the stack is ever reached (the note in section 3.13.2).
        """
        if not self.is_valid(utc_s):
            return None
        begin = self._run_at(utc_s, origin_utc_s)[0]
        duration_s = self.schedule.duration_s
        if duration_s is not None and utc_s >= begin + duration_s:
            return None
        found = None
        # Sums are compared, as `_changes` gives them: a difference of instants may fall short of the very same number.
        for period in self.schedule.periods:
            if utc_s < begin + period.start_s:
                break
            found = period
        return found

    def next_change_at(self, utc_s: float, origin_utc_s: float) -> float:
        """The first instant after `utc_s` at which `period_at` may give something else; inf if there is none.

        An origin of inf is that of a transaction that has not begun.
        """
        return min((at for at in self._changes(utc_s, origin_utc_s) if at > utc_s), default=math.inf)

    def _changes(self, utc_s: float, origin_utc_s: float) -> Iterator[float]:
        """Every instant that bounds a period around `utc_s`, in no order."""
        if self.valid_from_utc_s is not None:
            yield self.valid_from_utc_s
        if self.valid_to_utc_s is not None:
            yield self.valid_to_utc_s
        begin, next_begin = self._run_at(utc_s, origin_utc_s)
        yield next_begin
        yield begin + (math.inf if self.schedule.duration_s is None else self.schedule.duration_s)
        yield from (begin + period.start_s for period in self.schedule.periods)

    @property
    def _recurs_s(self) -> float:
        """After how long the schedule begins again, in s; inf if it doesn't."""
        if self.kind is not Kind.RECURRING or self.recurrency is None:
            return math.inf
        return RECURS_S[self.recurrency]

    def _run_at(self, utc_s: float, origin_utc_s: float) -> tuple[float, float]:
        """When the run of this schedule began that the instant is in, or the first will; and when the next one does."""
        start_utc_s = self.schedule.start_utc_s
        # Section 7.9: what is relative has no fixed start, even where one is given.
        first = origin_utc_s if self.kind is Kind.RELATIVE or start_utc_s is None else start_utc_s
        every_s = self._recurs_s
        if every_s == math.inf or utc_s < first:
            return first, first + every_s
        runs = math.floor((utc_s - first) / every_s)
        # The quotient may round to the wrong side of the sum, and only the sum is an instant.
        if first + (runs + 1) * every_s <= utc_s:
            runs += 1
        elif runs and first + runs * every_s > utc_s:
            runs -= 1
        return first + runs * every_s, first + (runs + 1) * every_s


@frozen
class Running:
    """A transaction as far as charging profiles care: `key` is the charge point's own name for it.

    `transaction_id` is the CSMS's, None until it has given one.
    """

    key: str
    started_utc_s: float
    transaction_id: int | None = None


@frozen
class Installed:
    """A profile in a charge point, for one connector or with 0 for the charge point; `since_utc_s` it is there.

    `transaction` is the key of the transaction that a TxProfile lives and dies with.
    """

    connector: int
    profile: Profile
    since_utc_s: float
    transaction: str | None = None
