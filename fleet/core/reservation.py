"""Reservations: which connectors are kept for whom, and until when (OCPP 1.6 sections 3.12, 5.4 and 5.13).

A reservation is for one connector, or with connector 0 for whichever is left: then as many connectors as there are
such reservations must remain for their id tags at any time. So while there are more free ones than that, nobody has to
be kept out, and none of them is Reserved; when no more are free than are owed, those that are left become Reserved, and
are let go again when another one is free.

`Reservations` knows what was promised (`booked`, which is flash memory) and which connector was told to keep itself
(`kept`). It is told what the connectors are and answers with what they should be told: `arrange` compares the two
afresh whenever something changed, so that no sequence of events has to be foreseen. What a connector itself makes of
it, the status Reserved and whom it lets charge, is its own machine's business.

A reservation ends when its id tag, or one of the same parent, starts a transaction under it; when its time is over;
when it is cancelled; when its connector is Faulted or Unavailable, for connector 0 when all of them are.
"""

import math
from collections.abc import Mapping, Sequence

from attrs import define, field, frozen

from fleet.words import ConnectorStatus, ReservationStatus

_DEAD = (ConnectorStatus.FAULTED, ConnectorStatus.UNAVAILABLE)
_KEEPABLE = (ConnectorStatus.AVAILABLE, ConnectorStatus.RESERVED)

Standing = Sequence[ConnectorStatus]
"""What each connector is; the first is connector 1. One that waits for a cable to an accepted tag is Preparing."""


@frozen
class Reservation:
    """A promise: `connector` (0 for any) is kept for `id_tag`, or one of that parent, until `expires_utc_s`."""

    id: int
    connector: int
    id_tag: str
    expires_utc_s: float
    parent_id_tag: str | None = None

    def is_for(self, id_tag: str, parent_id_tag: str | None = None) -> bool:
        """Whether a tag, with the parent that is known of it, may use this reservation."""
        return _same(id_tag, self.id_tag) or _same(parent_id_tag, self.parent_id_tag)

    def may_be_for(self, id_tag: str) -> bool:
        """Whether a tag of which no parent is known yet may turn out to be one that may use it."""
        return self.parent_id_tag is not None or _same(id_tag, self.id_tag)


@define
class Reservations:
    """All reservations of one charge point; `booked` by reservation id, `kept` by connector.

    `due_at` is when to look whether one has expired, on the monotonic clock: whoever knows the time puts it there.
    """

    booked: dict[int, Reservation]
    kept: dict[int, Reservation] = field(factory=dict)
    due_at: float = math.inf

    # ---- the CSMS ----------------------------------------------------------------------------------------------------

    def judge(self, wanted: Reservation, standing: Standing) -> ReservationStatus:
        """Whether there is room for it, else why not; a reservation with the same id makes way for it."""
        if wanted.connector:
            status = standing[wanted.connector - 1]
            if status in _DEAD:
                return ReservationStatus(status.value)
            rivals = [each for each in self._others(wanted) if each.connector == wanted.connector]
            if rivals or status not in _KEEPABLE:
                return ReservationStatus.OCCUPIED
        owed = self._owed(wanted, standing) + 1
        if owed <= len(self._available(wanted, standing)):
            return ReservationStatus.ACCEPTED
        if wanted.connector == 0 and all(status in _DEAD for status in standing):
            faulted = ConnectorStatus.FAULTED in standing
            return ReservationStatus.FAULTED if faulted else ReservationStatus.UNAVAILABLE
        return ReservationStatus.OCCUPIED

    def book(self, wanted: Reservation) -> None:
        """Promise it; one with the same id is replaced (section 5.13)."""
        self.booked[wanted.id] = wanted

    def cancel(self, reservation_id: int) -> bool:
        """End it; False if there is none of this id."""
        return self.booked.pop(reservation_id, None) is not None

    # ---- drivers -----------------------------------------------------------------------------------------------------

    def at(self, connector: int) -> Reservation | None:
        """The reservation that keeps others than its own tags from this connector."""
        kept = self.kept.get(connector)
        if kept is not None:
            return kept
        # A connector that was taken in the very moment in which it was reserved is still promised.
        return next((each for each in self.booked.values() if each.connector == connector), None)

    def usable(self, connector: int, id_tag: str, parent_id_tag: str | None) -> Reservation | None:
        """The reservation that a transaction of this tag on this connector would use up."""
        kept = self.at(connector)
        if kept is not None:
            return kept if kept.is_for(id_tag, parent_id_tag) else None
        loose = (each for each in self.booked.values() if each.connector == 0)
        return next((each for each in loose if each.is_for(id_tag, parent_id_tag)), None)

    def take_up(self, connector: int, reservation: Reservation) -> None:
        """Somebody who may use it is let charge at this connector."""
        self.kept[connector] = reservation

    def use(self, connector: int, reservation_id: int | None) -> None:
        """A transaction started on this connector, under this reservation or none: the one is over, the other stays."""
        if reservation_id is not None:
            self.booked.pop(reservation_id, None)
        self.kept.pop(connector, None)

    # ---- what changes by itself --------------------------------------------------------------------------------------

    def moved(self, connector: int, standing: Standing) -> None:
        """A connector has another status."""
        status = standing[connector - 1]
        if status in _DEAD:
            self.kept.pop(connector, None)
            everything = all(each in _DEAD for each in standing)
            for reservation in list(self.booked.values()):
                if reservation.connector == connector or (everything and reservation.connector == 0):
                    del self.booked[reservation.id]
        elif status is ConnectorStatus.AVAILABLE:
            # Whoever was let charge there did not. If it is to be kept it has to be told (again).
            self.kept.pop(connector, None)

    def expire(self, until_utc_s: float) -> None:
        """End those whose time was over by then."""
        for reservation in list(self.booked.values()):
            if reservation.expires_utc_s <= until_utc_s:
                del self.booked[reservation.id]

    @property
    def next_expiry_utc_s(self) -> float:
        """When the first of them ends; inf where there is none."""
        return min((each.expires_utc_s for each in self.booked.values()), default=math.inf)

    def arrange(self, standing: Standing) -> list[tuple[int, Reservation | None]]:
        """What to tell which connector: to keep itself for a reservation, or with None for nobody any more."""
        wanted = self._wanted(standing)
        orders: list[tuple[int, Reservation | None]] = []
        for connector in sorted({*self.kept, *wanted}):
            reservation = wanted.get(connector)
            if self.kept.get(connector) == reservation:
                continue
            if reservation is None:
                del self.kept[connector]
            elif standing[connector - 1] in _KEEPABLE:
                self.kept[connector] = reservation
            else:
                continue
            orders.append((connector, reservation))
        return orders

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _wanted(self, standing: Standing) -> Mapping[int, Reservation]:
        """Which connector should be kept for which reservation."""
        wanted = {each.connector: each for each in self.booked.values() if each.connector}
        loose = {each.id: each for each in self.booked.values() if each.connector == 0}
        free = [number for number, status in enumerate(standing, 1) if number not in wanted and status in _KEEPABLE]
        for connector, kept in self.kept.items():
            # Whoever has it is on the way with the cable.
            if kept.id in loose and connector not in wanted and standing[connector - 1] is ConnectorStatus.PREPARING:
                wanted[connector] = loose.pop(kept.id)
        if len(free) > len(loose):
            return wanted
        # Those that are kept already stay what they are.
        for connector in list(free):
            kept_here = self.kept.get(connector)
            if kept_here is not None and kept_here.id in loose:
                wanted[connector] = loose.pop(kept_here.id)
                free.remove(connector)
        wanted.update(zip(free, loose.values(), strict=False))
        return wanted

    def _others(self, wanted: Reservation) -> list[Reservation]:
        return [each for each in self.booked.values() if each.id != wanted.id]

    def _owed(self, wanted: Reservation, standing: Standing) -> int:
        """For how many other reservations of any connector one must still be left."""
        on_the_way = {
            kept.id for connector, kept in self.kept.items() if standing[connector - 1] is ConnectorStatus.PREPARING
        }
        return sum(each.connector == 0 and each.id not in on_the_way for each in self._others(wanted))

    def _available(self, wanted: Reservation, standing: Standing) -> list[int]:
        """The connectors that no other reservation has for itself."""
        taken = {each.connector for each in self._others(wanted)}
        return [n for n, status in enumerate(standing, 1) if status in _KEEPABLE and n not in taken]


def _same(one: str | None, other: str | None) -> bool:
    """Id tags are case-insensitive (section 7.28)."""
    return one is not None and other is not None and one.casefold() == other.casefold()
