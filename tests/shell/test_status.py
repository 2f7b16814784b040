"""The guide's status block and detailed status, to the letter."""

import time
from collections.abc import Iterator

import pytest

from fleet.shell.render import plain
from fleet.shell.status import ConnectorRow, detailed_status, status_block
from fleet.words import ConnectorStatus

AVAILABLE = ConnectorRow("CP001", 1, "Available")
CHARGING = ConnectorRow(
    "CP001", 2, "Charging", True, "NoError", 1670000001, True, 7200.0, 2350.0, "DEMO_TAG", "2026-11-22T14:30:25.000Z"
)
# A status without a transaction is followed by a space, there as here.
BLOCK = (
    "📊 Current Connector Status:\n"
    "   ⚪ Connector 1: Available \n"
    "   🔌 Connector 2: Charging (Tx: 1670000001) 7.2kW\n"
    "   ⚪ Connector 3: Unavailable \n"
    "   🔌 Connector 4: Preparing \n"
)
DETAILED = """\
📊 Detailed Connector Status
━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━

🔌 Connector 1:
   Status: Charging
   Cable: Plugged
   Error Code: NoError
   Transaction ID: 1670000001
   Current Power: 7.2 kW
   Energy Delivered: 2.35 kWh
   ID Tag: DEMO_TAG
   Last Update: 14:30:25

🔌 Connector 2:
   Status: Available
   Cable: Not plugged
   Error Code: NoError
   Last Update: 14:25:10
"""


@pytest.fixture(autouse=True)
def in_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_status_block_is_the_guides() -> None:
    rows = [
        AVAILABLE,
        CHARGING,
        ConnectorRow("CP001", 3, "Unavailable"),
        ConnectorRow("CP001", 4, "Preparing", True),
    ]
    assert plain(status_block(rows)) == BLOCK


@pytest.mark.parametrize(
    ("statuses", "style"),
    [
        (["Available"], "class:good"),
        (["Charging", "Finishing"], "class:busy"),
        (["Faulted", "Unavailable"], "class:bad"),
        (["Preparing", "SuspendedEV", "SuspendedEVSE", "Reserved"], "class:other"),
    ],
)
def test_statuses_have_the_guides_colours(statuses: list[str], style: str) -> None:
    for status in statuses:
        assert (style, status) in status_block([ConnectorRow("CP001", 1, status)])


def test_every_status_has_a_colour() -> None:
    for status in ConnectorStatus:
        (shown,) = [style for style, text in status_block([ConnectorRow("CP001", 1, status)]) if text == status]
        assert shown in {"class:good", "class:busy", "class:bad", "class:other"}


def test_the_detailed_status_is_the_guides() -> None:
    rows = [
        ConnectorRow(**{**_fields(CHARGING), "connector": 1}),
        ConnectorRow("CP001", 2, "Available", updated="2026-11-22T14:25:10.000Z"),
    ]
    assert plain(detailed_status(rows)) == DETAILED


def test_connectors_of_several_charge_points_are_told_apart() -> None:
    rows = [ConnectorRow("CP0001", 1, "Available"), ConnectorRow("CP0002", 1, "Available")]
    shown = plain(detailed_status(rows))
    assert "🔌 CP0001/1:\n" in shown
    assert "🔌 CP0002/1:\n" in shown


def test_a_transaction_that_the_csms_has_not_answered_yet_has_no_number() -> None:
    row = ConnectorRow("CP001", 1, "Charging", True, charging=True, power_w=7200.0)
    assert "Connector 1: Charging (Tx: ?) 7.2kW\n" in plain(status_block([row]))
    assert "Transaction ID: not answered yet\n" in plain(detailed_status([row]))


def test_a_connector_of_a_charge_point_that_is_off_says_so() -> None:
    row = ConnectorRow.from_data({"charge_point": "CP001", "connector": 1, "status": None, "updated": None})
    assert plain(status_block([row])).splitlines()[1] == "   ⚪ Connector 1: Off "


def _fields(row: ConnectorRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in ConnectorRow.__slots__ if not name.startswith("__")}
