"""The tables of statuses: complete, within the specification, and no order leads where no moves lead."""

from typing import get_args

import pytest

from fleet.commands.vocabulary import (
    Authorize,
    ClearFault,
    ConnectorCommand,
    ForceStatus,
    PlugIn,
    StartTransaction,
    StopTransaction,
    SuspendEV,
    Unplug,
)
from fleet.core.orders import ConnectorOrder
from fleet.core.status import MOVES, ORDERS, refusal
from fleet.words import ConnectorStatus

# OCPP 1.6 section 4.9, the rows of its transition table; letters and numbers follow the order of the statuses.
SPECIFIED = {
    "A": "2345789",
    "B": "134569",
    "C": "145689",
    "D": "135689",
    "E": "134689",
    "F": "1289",
    "G": "1289",
    "H": "123459",
    "I": "12345678",
}
LETTERS = dict(zip("ABCDEFGHI", ConnectorStatus, strict=True))
ORDER_TYPES = (*get_args(ConnectorCommand), *get_args(ConnectorOrder))


def test_moves_are_exactly_those_of_the_specification() -> None:
    statuses = list(ConnectorStatus)
    specified = {
        (LETTERS[letter], statuses[int(digit) - 1]): letter + digit
        for letter, digits in SPECIFIED.items()
        for digit in digits
    }
    assert {(here, there): name for here, row in MOVES.items() for there, name in row.items()} == specified


@pytest.mark.parametrize("status", ConnectorStatus)
def test_no_status_moves_to_itself(status: ConnectorStatus) -> None:
    assert status not in MOVES[status]


@pytest.mark.parametrize("status", ConnectorStatus)
def test_every_order_leads_where_one_move_or_two_lead(status: ConnectorStatus) -> None:
    near = {status, *MOVES[status]}
    reachable = near | {there for here in near for there in MOVES[here]}
    for order, targets in ORDERS[status].items():
        assert order in ORDER_TYPES
        assert targets
        assert set(targets) <= reachable, order


def test_every_order_is_heard_in_some_status() -> None:
    heard = {order for row in ORDERS.values() for order in row}
    # What is between the charge point and the CSMS never gets to a connector, though it names one.
    assert heard | {Authorize, ForceStatus} == set(ORDER_TYPES)


def test_orders_lead_to_every_status_out_of_another() -> None:
    led_to = {
        target
        for status, row in ORDERS.items()
        for targets in row.values()
        for target in targets
        if target is not status
    }
    assert led_to == set(ConnectorStatus)


def test_the_words_of_a_refusal_name_the_connector_and_what_it_is() -> None:
    assert refusal(3, ConnectorStatus.AVAILABLE, StopTransaction(), False) == "No active transaction on connector 3"
    assert refusal(3, ConnectorStatus.FAULTED, SuspendEV(), True) == "Connector 3 is Faulted"
    assert refusal(3, ConnectorStatus.UNAVAILABLE, PlugIn(), False) == "Connector 3 is Unavailable"
    assert refusal(3, ConnectorStatus.AVAILABLE, Unplug(), False) == "No cable is plugged in on connector 3"
    assert refusal(3, ConnectorStatus.CHARGING, ClearFault(), True) == "No fault on connector 3"
    assert (
        refusal(3, ConnectorStatus.CHARGING, StartTransaction(), True)
        == "Connector 3 already has an active transaction"
    )
