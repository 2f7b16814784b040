"""The connectors of a charge point as they are now: the block before each operation, and the detailed status.

Icons, words and colours are those of the interactive guide that the menus come from, to the letter.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from fleet.shell.render import Fragments, style
from fleet.words import ConnectorStatus

BLOCK_TITLE = "📊 Current Connector Status:"
DETAILED_TITLE = "📊 Detailed Connector Status"
RULE = "━" * 43
PLUGGED, UNPLUGGED = "🔌", "⚪"

STATUS_STYLES = {
    ConnectorStatus.AVAILABLE: "good",
    ConnectorStatus.PREPARING: "other",
    ConnectorStatus.CHARGING: "busy",
    ConnectorStatus.SUSPENDED_EV: "other",
    ConnectorStatus.SUSPENDED_EVSE: "other",
    ConnectorStatus.FINISHING: "busy",
    ConnectorStatus.RESERVED: "other",
    ConnectorStatus.UNAVAILABLE: "bad",
    ConnectorStatus.FAULTED: "bad",
}
OFF = "Off"
"""Said of a connector whose charge point is switched off: it has no status."""


@frozen
class ConnectorRow:
    """What is shown of one connector. `updated` is when its last status was reported: UTC, in ISO 8601."""

    charge_point: str
    connector: int
    status: str
    plugged: bool = False
    error_code: str = "NoError"
    transaction_id: int | None = None
    charging: bool = False
    power_w: float = 0.0
    energy_wh: float = 0.0
    id_tag: str | None = None
    updated: str | None = None

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "ConnectorRow":
        """A row of an answer's data."""
        return cls(
            charge_point=str(data["charge_point"]),
            connector=int(data["connector"]),
            status=data.get("status") or OFF,
            plugged=bool(data.get("plugged")),
            error_code=data.get("error_code") or "NoError",
            transaction_id=data.get("transaction_id"),
            charging=bool(data.get("charging", data.get("transaction_id") is not None)),
            power_w=data.get("power_w") or 0.0,
            energy_wh=data.get("energy_wh") or 0.0,
            id_tag=data.get("id_tag"),
            updated=data.get("updated"),
        )


def status_style(status: str) -> str:
    """The name of a status's style."""
    try:
        return STATUS_STYLES[ConnectorStatus(status)]
    except ValueError:
        return "faint"


def connector_line(row: ConnectorRow) -> str:
    """`Connector 2: Charging (Tx: 1670000001) 7.2kW`."""
    return f"Connector {row.connector}: {row.status} {_transaction(row)}"


def status_block(rows: Iterable[ConnectorRow]) -> Fragments:
    """The block that stands before each operation."""
    shown: Fragments = [(style("title"), BLOCK_TITLE + "\n")]
    for row in rows:
        shown += [
            ("", f"   {PLUGGED if row.plugged else UNPLUGGED} Connector {row.connector}: "),
            (style(status_style(row.status)), row.status),
            ("", f" {_transaction(row)}\n"),
        ]
    return shown


def detailed_status(rows: Iterable[ConnectorRow]) -> Fragments:
    """Everything that is known of each connector; a transaction's lines only where there is one.

    Where they are of several charge points, each is called by its address.
    """
    rows = list(rows)
    several = len({row.charge_point for row in rows}) > 1
    shown: Fragments = [(style("title"), DETAILED_TITLE + "\n"), ("", RULE + "\n")]
    for row in rows:
        name = f"{row.charge_point}/{row.connector}" if several else f"Connector {row.connector}"
        shown += [
            ("", f"\n🔌 {name}:\n   Status: "),
            (style(status_style(row.status)), row.status),
            ("", "\n"),
        ]
        shown += [("", f"   {name}: {value}\n") for name, value in _fields(row)]
    return shown


def _fields(row: ConnectorRow) -> Iterable[tuple[str, str]]:
    yield "Cable", "Plugged" if row.plugged else "Not plugged"
    yield "Error Code", row.error_code
    if row.charging:
        yield "Transaction ID", "not answered yet" if row.transaction_id is None else str(row.transaction_id)
        yield "Current Power", f"{row.power_w / 1000:.1f} kW"
        yield "Energy Delivered", f"{row.energy_wh / 1000:.2f} kWh"
        if row.id_tag is not None:
            yield "ID Tag", row.id_tag
    yield "Last Update", time_of_day(row.updated)


def _transaction(row: ConnectorRow) -> str:
    """`(Tx: 1670000001) 7.2kW`, nothing without a transaction; what isn't known yet is a question mark."""
    if not row.charging:
        return ""
    number = "?" if row.transaction_id is None else row.transaction_id
    return f"(Tx: {number})" + (f" {row.power_w / 1000:.1f}kW" if row.power_w > 0 else "")


def time_of_day(updated: str | None) -> str:
    """The local time of day of an instant in UTC."""
    if updated is None:
        return "never"
    return datetime.fromisoformat(updated).astimezone().strftime("%H:%M:%S")
