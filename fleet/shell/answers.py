"""Answers as the shell shows them: its own tables where an answer has data that it knows, the answer's text elsewhere.

The text of an answer is as wide as it is, because a program may read it; here is a terminal with a width.
"""

from collections.abc import Sequence
from typing import Any

from fleet.control.answer import Answer
from fleet.observe.figures import format_count, format_energy, format_power
from fleet.shell.render import Cell, Column, Fragments, lines_of, style, table
from fleet.shell.status import PLUGGED, ConnectorRow, detailed_status, status_style, time_of_day

BLOCKS_MAX = 4
"""Up to so many connectors are shown in all detail, more in a table."""
ROWS_MAX = 1_000
"""Rows of a table; who wants more than these asks for a part of the fleet."""

_CONNECTOR_COLUMNS = (
    Column("connector"),
    Column("status"),
    Column("cable"),
    Column("transaction", figures=True),
    Column("power", figures=True),
    Column("energy", figures=True),
    Column("id tag"),
    Column("error"),
    Column("since"),
)
_CHARGE_POINT_COLUMNS = (Column("charge point"), Column("state"), Column("connectors"))
_STATE_STYLES = {"registered": "good", "offline": "bad", "rejected": "bad", "given up": "bad", "drained": "faint"}


def render_answer(answer: Answer, width: int) -> Fragments:
    """What is shown of an answer in a terminal of `width` cells."""
    if answer.error is not None:
        return lines_of(answer.text or answer.error, "error")
    data = answer.data if isinstance(answer.data, dict) else {}
    connectors, charge_points = data.get("connectors"), data.get("charge_points")
    if isinstance(connectors, list):
        rows = connector_rows(answer)
        return detailed_status(rows) if len(rows) <= BLOCKS_MAX else connector_table(rows, width)
    if isinstance(charge_points, list):
        return _limited(_CHARGE_POINT_COLUMNS, [_charge_point_cells(each) for each in charge_points], width)
    return _counted(answer)


def connector_rows(answer: Answer) -> list[ConnectorRow]:
    """The connectors that an answer tells of."""
    data = answer.data if isinstance(answer.data, dict) else {}
    rows = data.get("connectors")
    return [ConnectorRow.from_data(each) for each in rows] if isinstance(rows, list) else []


def connector_table(rows: Sequence[ConnectorRow], width: int) -> Fragments:
    """A line for each connector."""
    return _limited(_CONNECTOR_COLUMNS, [_connector_cells(row) for row in rows], width)


def _limited(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]], width: int) -> Fragments:
    shown = table(columns, rows[:ROWS_MAX], width)
    if len(rows) > ROWS_MAX:
        shown += lines_of(f"and {format_count(len(rows) - ROWS_MAX)} more", "faint")
    return shown


def _connector_cells(row: ConnectorRow) -> list[Cell | str]:
    charging = row.charging
    return [
        f"{row.charge_point}/{row.connector}",
        Cell(row.status, status_style(row.status)),
        PLUGGED if row.plugged else "",
        ("?" if row.transaction_id is None else str(row.transaction_id)) if charging else "",
        format_power(row.power_w) if charging else "",
        format_energy(row.energy_wh) if charging else "",
        row.id_tag or "",
        Cell("" if row.error_code == "NoError" else row.error_code, "error"),
        Cell(time_of_day(row.updated), "faint"),
    ]


def _charge_point_cells(data: dict[str, Any]) -> list[Cell | str]:
    state = str(data.get("state", ""))
    connectors = data.get("connectors") or {}
    statuses = "  ".join(f"{number} {status or 'off'}" for number, status in connectors.items())
    return [str(data.get("charge_point", "")), Cell(state, _STATE_STYLES.get(state, "busy")), statuses]


def _counted(answer: Answer) -> Fragments:
    """The answer's own words; refusals apart from the count."""
    if not answer.text:
        return []
    if not answer.refused:
        return lines_of(answer.text)
    first, newline, rest = answer.text.partition("\n")
    shown: Fragments = [(style("busy" if answer.done else "error"), first + "\n")]
    return [*shown, *(lines_of(rest, "error") if newline and rest else [])]
