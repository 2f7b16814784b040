"""Reservations by themselves: who gets one, and which connectors are kept (OCPP 1.6 section 5.13)."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fleet.core.reservation import Reservation, Reservations
from fleet.words import ConnectorStatus, ReservationStatus

AVAILABLE, RESERVED = ConnectorStatus.AVAILABLE, ConnectorStatus.RESERVED
PREPARING, CHARGING = ConnectorStatus.PREPARING, ConnectorStatus.CHARGING
UNAVAILABLE, FAULTED = ConnectorStatus.UNAVAILABLE, ConnectorStatus.FAULTED


def a_reservation(id: int = 1, connector: int = 1, id_tag: str = "TAG", parent: str | None = None) -> Reservation:
    return Reservation(id, connector, id_tag, 3600.0, parent)


class Site:
    """Reservations and the connectors that obey them."""

    def __init__(self, *statuses: ConnectorStatus) -> None:
        self.standing = list(statuses)
        self.reservations = Reservations({})

    def reserve(self, wanted: Reservation) -> ReservationStatus:
        status = self.reservations.judge(wanted, self.standing)
        if status is ReservationStatus.ACCEPTED:
            self.reservations.book(wanted)
            self.arrange()
        return status

    def move(self, connector: int, status: ConnectorStatus) -> None:
        self.standing[connector - 1] = status
        self.reservations.moved(connector, self.standing)
        self.arrange()

    def arrange(self) -> None:
        for connector, reservation in self.reservations.arrange(self.standing):
            here = self.standing[connector - 1]
            if reservation is None and here is RESERVED:
                self.move(connector, AVAILABLE)
            elif reservation is not None and here is AVAILABLE:
                self.move(connector, RESERVED)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (AVAILABLE, ReservationStatus.ACCEPTED),
        (PREPARING, ReservationStatus.OCCUPIED),
        (CHARGING, ReservationStatus.OCCUPIED),
        (ConnectorStatus.SUSPENDED_EV, ReservationStatus.OCCUPIED),
        (ConnectorStatus.FINISHING, ReservationStatus.OCCUPIED),
        (UNAVAILABLE, ReservationStatus.UNAVAILABLE),
        (FAULTED, ReservationStatus.FAULTED),
    ],
)
@pytest.mark.parametrize("connector", [0, 1])
def test_the_answer_is_what_the_connector_is(
    connector: int, status: ConnectorStatus, answer: ReservationStatus
) -> None:
    assert Site(status).reserve(a_reservation(connector=connector)) is answer


@pytest.mark.parametrize(
    ("standing", "answer"),
    [
        ((FAULTED, AVAILABLE), ReservationStatus.ACCEPTED),
        ((FAULTED, CHARGING), ReservationStatus.OCCUPIED),
        ((UNAVAILABLE, CHARGING), ReservationStatus.OCCUPIED),
        ((UNAVAILABLE, FAULTED), ReservationStatus.FAULTED),
        ((UNAVAILABLE, UNAVAILABLE), ReservationStatus.UNAVAILABLE),
    ],
)
def test_any_connector_is_refused_for_what_might_soonest_change(
    standing: tuple[ConnectorStatus, ...], answer: ReservationStatus
) -> None:
    assert Site(*standing).reserve(a_reservation(connector=0)) is answer


def test_a_reserved_connector_is_occupied_for_another_reservation() -> None:
    site = Site(AVAILABLE, AVAILABLE)
    site.reserve(a_reservation(1, connector=1))
    assert site.standing == [RESERVED, AVAILABLE]
    assert site.reserve(a_reservation(2, connector=1)) is ReservationStatus.OCCUPIED


def test_a_reservation_of_the_same_id_replaces_the_one_before() -> None:
    site = Site(AVAILABLE, AVAILABLE)
    site.reserve(a_reservation(1, connector=1))
    assert site.reserve(a_reservation(1, connector=1, id_tag="OTHER")) is ReservationStatus.ACCEPTED
    assert site.standing == [RESERVED, AVAILABLE]
    assert site.reservations.at(1) == a_reservation(1, connector=1, id_tag="OTHER")
    assert site.reserve(a_reservation(1, connector=2)) is ReservationStatus.ACCEPTED
    assert site.standing == [AVAILABLE, RESERVED]
    assert site.reserve(a_reservation(1, connector=0)) is ReservationStatus.ACCEPTED
    assert site.standing == [AVAILABLE, AVAILABLE]


def test_a_replacement_that_is_refused_leaves_the_one_before() -> None:
    site = Site(AVAILABLE, CHARGING)
    site.reserve(a_reservation(1, connector=1))
    assert site.reserve(a_reservation(1, connector=2)) is ReservationStatus.OCCUPIED
    assert site.reservations.at(1) == a_reservation(1, connector=1)


def test_nobody_is_kept_out_while_more_connectors_are_free_than_are_promised() -> None:
    site = Site(AVAILABLE, AVAILABLE, AVAILABLE)
    site.reserve(a_reservation(1, connector=0))
    assert site.standing == [AVAILABLE] * 3
    site.move(1, PREPARING)
    assert site.standing == [PREPARING, AVAILABLE, AVAILABLE]
    site.move(3, CHARGING)
    assert site.standing == [PREPARING, RESERVED, CHARGING]
    site.move(3, AVAILABLE)
    assert site.standing == [PREPARING, AVAILABLE, AVAILABLE]


def test_as_many_reservations_of_any_connector_as_there_are_connectors_reserve_them_all() -> None:
    site = Site(AVAILABLE, AVAILABLE)
    site.reserve(a_reservation(1, connector=0))
    assert site.standing == [AVAILABLE, AVAILABLE]
    site.reserve(a_reservation(2, connector=0))
    assert site.standing == [RESERVED, RESERVED]
    assert site.reserve(a_reservation(3, connector=0)) is ReservationStatus.OCCUPIED


def test_the_last_connector_that_is_promised_to_somebody_cannot_be_reserved_for_another() -> None:
    site = Site(AVAILABLE, AVAILABLE)
    site.reserve(a_reservation(1, connector=0))
    assert site.reserve(a_reservation(2, connector=1)) is ReservationStatus.ACCEPTED
    assert site.standing == [RESERVED, RESERVED]
    assert site.reserve(a_reservation(3, connector=2)) is ReservationStatus.OCCUPIED


def test_a_promise_of_any_connector_outlives_a_fault_of_the_one_that_was_kept() -> None:
    site = Site(AVAILABLE, CHARGING)
    site.reserve(a_reservation(1, connector=0))
    assert site.standing == [RESERVED, CHARGING]
    site.move(1, FAULTED)
    site.move(2, AVAILABLE)
    assert site.standing == [FAULTED, RESERVED]


@pytest.mark.parametrize("status", [FAULTED, UNAVAILABLE])
def test_a_reservation_ends_when_what_it_is_for_fails(status: ConnectorStatus) -> None:
    site = Site(AVAILABLE, AVAILABLE)
    site.reserve(a_reservation(1, connector=1))
    site.reserve(a_reservation(2, connector=0))
    site.move(1, status)
    assert list(site.reservations.booked) == [2]
    site.move(2, status)
    assert site.reservations.booked == site.reservations.kept == {}


def test_who_is_let_in_under_a_promise_of_any_connector_has_it_with_them() -> None:
    site = Site(AVAILABLE, AVAILABLE)
    site.reserve(a_reservation(1, connector=0))
    reservation = site.reservations.usable(2, "tag", None)
    assert reservation == a_reservation(1, connector=0)
    site.reservations.take_up(2, reservation)
    site.move(2, PREPARING)
    assert site.standing == [AVAILABLE, PREPARING], "the other one needn't be kept as well"
    site.reservations.use(2, reservation.id)
    site.move(2, CHARGING)
    assert site.standing == [AVAILABLE, CHARGING]
    assert site.reservations.booked == {}


def test_only_the_id_tag_or_one_of_its_parent_may_use_a_reservation() -> None:
    reservation = a_reservation(parent="FAMILY")
    assert reservation.is_for("tag")
    assert reservation.is_for("OTHER", "family")
    assert not reservation.is_for("OTHER", "OTHERS")
    assert not reservation.is_for("OTHER")
    assert reservation.may_be_for("OTHER")
    assert not a_reservation().is_for("OTHER", None)
    assert not a_reservation().may_be_for("OTHER")


def test_a_reservation_ends_at_its_time() -> None:
    site = Site(AVAILABLE)
    site.reserve(a_reservation())
    assert site.reservations.next_expiry_utc_s == 3600.0
    site.reservations.expire(3599.9)
    site.arrange()
    assert site.standing == [RESERVED]
    site.reservations.expire(3600.0)
    site.arrange()
    assert site.standing == [AVAILABLE]


STATUSES = st.sampled_from([AVAILABLE, PREPARING, CHARGING, UNAVAILABLE, FAULTED])
RESERVATIONS = st.builds(
    Reservation,
    st.integers(1, 5),
    st.integers(0, 3),
    st.sampled_from(["A", "B", "C"]),
    st.floats(1, 100),
    st.sampled_from([None, "P"]),
)


class ReservationLife(RuleBasedStateMachine):
    """Whatever the CSMS, drivers, time and faults do, every promise is kept that can be."""

    @initialize(connectors=st.integers(1, 3))
    def switch_on(self, connectors: int) -> None:
        self.site = Site(*[AVAILABLE] * connectors)
        self.now = 0.0

    @rule(wanted=RESERVATIONS)
    def reserve(self, wanted: Reservation) -> None:
        site = self.site
        if wanted.connector > len(site.standing):
            return
        before = dict(site.reservations.booked)
        if site.reserve(wanted) is ReservationStatus.ACCEPTED:
            assert site.reservations.booked == {**before, wanted.id: wanted}
        else:
            assert site.reservations.booked == before

    @rule(reservation_id=st.integers(1, 5))
    def cancel(self, reservation_id: int) -> None:
        known = reservation_id in self.site.reservations.booked
        assert self.site.reservations.cancel(reservation_id) is known
        self.site.arrange()

    @rule(connector=st.integers(1, 3), status=STATUSES)
    def move(self, connector: int, status: ConnectorStatus) -> None:
        """By somebody's hand: what is Reserved nobody but a fault gets out of that."""
        standing = self.site.standing
        if connector > len(standing) or standing[connector - 1] is status:
            return
        if standing[connector - 1] is not RESERVED or status in (UNAVAILABLE, FAULTED):
            self.site.move(connector, status)

    @rule(connector=st.integers(1, 3), id_tag=st.sampled_from(["A", "B", "C"]), parent=st.sampled_from([None, "P"]))
    def charge(self, connector: int, id_tag: str, parent: str | None) -> None:
        site = self.site
        if connector > len(site.standing) or site.standing[connector - 1] not in (AVAILABLE, RESERVED):
            return
        reservation = site.reservations.usable(connector, id_tag, parent)
        if reservation is None and site.reservations.at(connector) is not None:
            return
        if reservation is not None:
            assert reservation.is_for(id_tag, parent)
            site.reservations.take_up(connector, reservation)
        site.move(connector, PREPARING)
        site.reservations.use(connector, None if reservation is None else reservation.id)
        site.move(connector, CHARGING)
        if reservation is not None:
            assert reservation.id not in site.reservations.booked

    @rule(seconds=st.floats(0, 30))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.site.reservations.expire(self.now)
        self.site.arrange()
        assert all(each.expires_utc_s > self.now for each in self.site.reservations.booked.values())

    @invariant()
    def promises_are_kept(self) -> None:
        if not hasattr(self, "site"):
            return
        standing, reservations = self.site.standing, self.site.reservations
        assert reservations.arrange(standing) == []
        for number, status in enumerate(standing, 1):
            assert (status is RESERVED) is (number in reservations.kept and status is not PREPARING)
        assert len({each.id for each in reservations.kept.values()}) == len(reservations.kept)
        for each in reservations.booked.values():
            if each.connector and standing[each.connector - 1] in (AVAILABLE, RESERVED):
                assert reservations.kept[each.connector] == each
        anywhere = sum(each.connector == 0 for each in reservations.booked.values())
        on_the_way = sum(each.connector == 0 for n, each in reservations.kept.items() if standing[n - 1] is PREPARING)
        kept = sum(each.connector == 0 for n, each in reservations.kept.items() if standing[n - 1] is RESERVED)
        free, owed = standing.count(AVAILABLE), anywhere - on_the_way
        assert free > owed or free == 0 or kept == owed
        assert kept == 0 or free + kept <= owed


TestReservationLife = ReservationLife.TestCase
TestReservationLife.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
