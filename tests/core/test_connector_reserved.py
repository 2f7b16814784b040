"""A connector that is kept for somebody: what it is, and whom it lets charge (OCPP 1.6 sections 4.9 and 5.13)."""

import pytest
from counterparts.connector_bench import Bench

from fleet.commands.vocabulary import (
    ChangeAvailability,
    ClearFault,
    InjectFault,
    PlugIn,
    StartTransaction,
    Swipe,
    Unplug,
)
from fleet.core.orders import ConnectorSettings, GrantAuthorization, Release, Reserve
from fleet.core.reports import TransactionStarted
from fleet.core.reservation import Reservation
from fleet.words import Availability, ConnectorStatus

HERE = Reservation(7, 1, "TAG", 1e9, "FAMILY")
ANYWHERE = Reservation(8, 0, "TAG", 1e9)


def reserved(reservation: Reservation = HERE) -> Bench:
    bench = Bench(settings=ConnectorSettings(connection_timeout_s=60, sample_interval_s=0))
    assert bench.hear(Reserve(reservation)) == ["Reserved"]
    return bench


def used(bench: Bench) -> list[int | None]:
    """The reservations under which transactions started."""
    return [report.reservation_id for report in bench.reports if isinstance(report, TransactionStarted)]


def test_the_right_tag_gets_it_by_way_of_preparing() -> None:
    bench = reserved()
    assert bench.hear(Swipe("TAG")) == ["authorize TAG"]
    assert bench.hear(GrantAuthorization("TAG")) == ["Preparing"]
    assert bench.hear(PlugIn())[:2] == ["start TAG at 0 Wh", "Charging"]
    assert used(bench) == [7]
    assert bench.memory.reservation is None


def test_a_cable_changes_nothing_until_the_right_tag_comes() -> None:
    bench = reserved()
    assert bench.hear(PlugIn()) == ["plugged"]
    assert bench.hear(Unplug()) == ["unplugged"]
    bench.hear(PlugIn())
    assert bench.hear(GrantAuthorization("tag"))[:3] == ["Preparing", "start tag at 0 Wh", "Charging"]
    assert used(bench) == [7]


def test_a_tag_of_the_same_parent_may_use_it_too() -> None:
    bench = reserved()
    bench.hear(PlugIn(), GrantAuthorization("OTHER", "family"))
    assert used(bench) == [7]


@pytest.mark.parametrize(
    "order", [GrantAuthorization("OTHER"), GrantAuthorization("OTHER", "OTHERS"), StartTransaction("OTHER")]
)
def test_another_tag_is_refused(order: GrantAuthorization | StartTransaction) -> None:
    bench = reserved()
    bench.hear(PlugIn())
    assert bench.tell(order) == "Connector 1 is Reserved for another id tag"
    assert bench.status is ConnectorStatus.RESERVED
    if isinstance(order, GrantAuthorization):
        assert bench.log[-1] == "refuse OTHER: Connector 1 is Reserved for another id tag"
    assert used(bench) == []


def test_started_by_hand_the_right_tag_uses_it_too() -> None:
    bench = reserved()
    bench.hear(PlugIn(), StartTransaction("TAG"))
    assert used(bench) == [7]


def test_who_comes_without_a_cable_and_goes_leaves_it_reserved() -> None:
    bench = reserved()
    bench.hear(GrantAuthorization("TAG"))
    assert bench.wait(60) == ["Available", "Reserved"]
    bench.hear(GrantAuthorization("TAG"))
    assert bench.hear(Swipe("TAG")) == ["Available", "Reserved"]


def test_who_goes_leaves_a_reservation_of_any_connector_to_the_charge_point() -> None:
    bench = reserved(ANYWHERE)
    bench.hear(GrantAuthorization("TAG", None, ANYWHERE))
    assert bench.wait(60) == ["Available"]
    assert bench.memory.reservation is None


def test_released_it_is_what_the_cable_says() -> None:
    assert reserved().hear(Release()) == ["Available"]
    bench = reserved()
    bench.hear(PlugIn())
    assert bench.hear(Release()) == ["Available", "Preparing"]


def test_a_reservation_that_ends_while_its_driver_fetches_the_cable_takes_nothing_from_them() -> None:
    bench = reserved()
    bench.hear(GrantAuthorization("TAG"))
    assert bench.hear(Release()) == []
    bench.hear(PlugIn())
    assert bench.status is ConnectorStatus.CHARGING
    assert used(bench) == [None]


def test_kept_for_somebody_else_from_now_on_it_says_nothing() -> None:
    bench = reserved()
    assert bench.hear(Reserve(Reservation(7, 1, "OTHER", 1e9))) == []
    bench.hear(PlugIn())
    assert bench.tell(GrantAuthorization("TAG")) is not None
    assert bench.tell(GrantAuthorization("OTHER")) is None


def test_a_fault_ends_it() -> None:
    bench = reserved()
    bench.hear(InjectFault())
    assert bench.hear(ClearFault()) == ["Available"]
    assert bench.memory.reservation is None


def test_out_of_operation_it_is_for_nobody() -> None:
    bench = reserved()
    assert bench.hear(ChangeAvailability(Availability.INOPERATIVE)) == ["Unavailable"]
    assert bench.hear(ChangeAvailability(Availability.OPERATIVE)) == ["Available"]


def test_it_is_reserved_still_after_a_power_cut() -> None:
    bench = reserved()
    bench.hear(PlugIn())
    assert bench.reboot(off_s=600) == ["Reserved"]
    assert bench.tell(GrantAuthorization("OTHER")) is not None
    bench.hear(GrantAuthorization("TAG"))
    assert used(bench) == [7]
