"""What the console shows: plain text for people, and the same facts as JSON values for whoever draws them better.

Everything is read off the board and the details, so nobody is asked anything. What has a row for each connector is made
a few rows at a time, so that thousands of them keep no charge point waiting.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, TypeVar

import trio

from fleet.control.answer import Answer
from fleet.control.asking import Address
from fleet.control.details import ConnectorDetails
from fleet.control.hub import utc_text
from fleet.control.plant import Plant
from fleet.observe.figures import format_clock, format_count, format_counts, format_energy, format_power, format_rate
from fleet.observe.stats import charge_point_lines, message_lines, trouble_lines

_COLUMN_GAP = "  "
_Thing = TypeVar("_Thing")


def show_fleet(plant: Plant) -> Answer:
    """How the whole fleet is doing."""
    board, now = plant.board, trio.current_time()
    elapsed_s = now - plant.started_at
    states = {state.value: count for state, count in board.by_state.items() if count}
    statuses = {status.value: count for status, count in board.by_status.items() if count}
    energy_wh = board.energy_wh(now)
    rate_per_s = board.messages / elapsed_s if elapsed_s > 0 else 0.0
    paused = plant.drivers is not None and plant.drivers.paused
    lines = [
        f"running for      {format_clock(elapsed_s)}, seed {plant.seed}" + (", draining" if plant.draining else ""),
        f"charge points    {format_count(board.charge_points)}: {format_counts(states.items()) or 'none'}",
        f"connectors       {format_count(board.connectors)}: {format_counts(statuses.items()) or 'all off'}",
        f"transactions     {format_count(board.running)} running, {format_count(board.stopped.total)} stopped",
        f"power, energy    {format_power(board.power_w)}, {format_energy(energy_wh)}",
        f"messages         {format_count(board.messages)}, {format_rate(rate_per_s)} on average, "
        f"{format_count(board.outbox)} waiting",
        f"drivers          {'none' if plant.drivers is None else 'paused' if paused else 'at work'}",
    ]
    data = {
        "elapsed_s": elapsed_s,
        "seed": plant.seed,
        "charge_points": board.charge_points,
        "by_state": states,
        "connectors": board.connectors,
        "by_status": statuses,
        "running": board.running,
        "stopped": board.stopped.total,
        "power_w": board.power_w,
        "energy_wh": energy_wh,
        "messages": board.messages,
        "outbox": board.outbox,
        "paused": paused,
        "draining": plant.draining,
    }
    return Answer("\n".join(lines), data=data)


async def show_connectors(plant: Plant, addresses: Sequence[Address]) -> Answer:
    """Every connector of the target with all its details; a charge point stands for all its connectors."""
    found: dict[Address, None] = {}
    for charge_point_id, connector in addresses:
        numbers = (connector,) if connector else range(1, plant.connectors(charge_point_id) + 1)
        found.update(((charge_point_id, number), None) for number in numbers)
    rows, cells = [], []
    async for charge_point_id, number in _in_turns(found):
        # Somebody may be gone since the turn before.
        if plant.known(charge_point_id):
            rows.append(row := _details_row(plant, plant.look_at(charge_point_id, number)))
            cells.append(_cells(row))
    if len(rows) <= _BLOCKS_MAX:
        text = "\n\n".join("\n".join(_block(row)) for row in rows)
    else:
        titles = ("connector", "status", "cable", "error", "transaction", "power", "energy", "id tag", "since")
        text = await table(titles, cells)
    return Answer(text, data={"connectors": rows})


async def list_charge_points(plant: Plant, addresses: Sequence[Address]) -> Answer:
    """One line for each charge point with the statuses of its connectors, all or those of the target."""
    wanted: dict[str, list[int]] = {}
    for charge_point_id, connector in addresses:
        numbers = wanted.setdefault(charge_point_id, [])
        numbers += [connector] if connector else range(1, plant.connectors(charge_point_id) + 1)
    rows: list[dict[str, Any]] = []
    cells: list[tuple[str, ...]] = []
    async for charge_point_id in _in_turns(wanted):
        if not plant.known(charge_point_id):
            continue
        state = plant.board.state(charge_point_id).value
        statuses: dict[str, str | None] = {}
        for number in wanted[charge_point_id]:
            status = plant.status(charge_point_id, number)
            statuses[str(number)] = status and status.value
        rows.append({"charge_point": charge_point_id, "state": state, "connectors": statuses})
        said = "  ".join([f"{number} {status or 'off'}" for number, status in statuses.items()])
        cells.append((charge_point_id, state, said))
    return Answer(await table(("charge point", "state", "connectors"), cells), data={"charge_points": rows})


def show_stats(plant: Plant) -> Answer:
    """What was sent, answered, charged and lost so far."""
    board, now = plant.board, trio.current_time()
    elapsed_s = now - plant.started_at
    energy_wh = board.energy_wh(now)
    transactions = (
        f"  transactions ...... {format_count(board.started)} started, {format_count(board.running)} running, "
        f"{format_count(board.stopped.total)} stopped, {format_count(board.delivered)} delivered, "
        f"{format_count(board.lost.total)} messages lost"
    )
    lines = [
        *charge_point_lines(board, plant.started_at),
        "",
        *message_lines(board, elapsed_s),
        "",
        transactions,
        f"  stopped by ........ {format_counts(iter(board.stopped)) or 'nobody yet'}",
        f"  energy ............ {format_energy(energy_wh)} flowed, {format_energy(board.delivered_wh)} acknowledged",
        "",
        *trouble_lines(board),
    ]
    data = {
        "elapsed_s": elapsed_s,
        "connects": board.connects,
        "disconnects": dict(board.disconnects),
        "connect_failures": dict(board.connect_failures),
        "restarts": dict(board.restarts),
        "messages": board.messages,
        "sent": _by_action(board.sent),
        "served": _by_action(board.served),
        "started": board.started,
        "running": board.running,
        "stopped": dict(board.stopped),
        "delivered": board.delivered,
        "lost": dict(board.lost),
        "energy_wh": energy_wh,
        "delivered_wh": board.delivered_wh,
        "violations": dict(board.violations),
        "crashes": dict(board.crashes),
    }
    return Answer("\n".join(lines), data=data)


async def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, for a program's output; a terminal's width is the shell's business."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    widths[-1] = 0  # nothing stands behind it
    # One format for the whole row: a call for each cell takes twice as long.
    line = _COLUMN_GAP.join(f"%-{width}s" for width in widths)
    lines = [(line % tuple(titles)).rstrip()]
    lines += [(line % tuple(row)).rstrip() async for row in _in_turns(rows)]
    return "\n".join(lines)


ROWS_AT_ONCE = 200
"""Rows that are made before the fleet has its turn: a few milliseconds."""


async def _in_turns(things: Iterable[_Thing]) -> AsyncIterator[_Thing]:
    for number, thing in enumerate(things, 1):
        yield thing
        if number % ROWS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()


_BLOCKS_MAX = 4
"""Up to so many connectors are shown in a block each, more in a table."""


def _details_row(plant: Plant, details: ConnectorDetails) -> dict[str, Any]:
    live = plant.board.status(details.charge_point, details.connector)
    updated = None if details.updated_at is None else utc_text(plant.clock.utc(details.updated_at))
    return {
        "charge_point": details.charge_point,
        "connector": details.connector,
        # The last status that was reported is not the present one while the charge point is off.
        "status": live and live.value,
        "plugged": details.plugged,
        "error_code": details.error_code.value,
        "info": details.info,
        "charging": details.charging,
        "transaction_id": details.transaction_id,
        "power_w": details.power_w if live else 0.0,
        "energy_wh": details.energy_wh,
        "limit_w": details.limit_w,
        "id_tag": details.id_tag,
        "updated": updated,
    }


def _block(row: dict[str, Any]) -> list[str]:
    lines = [
        f"{row['charge_point']}/{row['connector']}:",
        f"   Status: {row['status'] or 'off'}",
        f"   Cable: {'Plugged' if row['plugged'] else 'Not plugged'}",
        f"   Error Code: {row['error_code']}" + (f" ({row['info']})" if row["info"] else ""),
    ]
    if row["charging"]:
        lines += [
            f"   Transaction ID: {_transaction(row)}",
            f"   Current Power: {row['power_w'] / 1000:.1f} kW",
            f"   Energy Delivered: {row['energy_wh'] / 1000:.2f} kWh",
            f"   ID Tag: {row['id_tag']}",
        ]
    if row["limit_w"] is not None:
        lines.append(f"   Limited To: {row['limit_w'] / 1000:.1f} kW by charging profiles")
    if row["updated"]:
        lines.append(f"   Last Update: {_time_of_day(row)}")
    return lines


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    charging = row["charging"]
    return (
        f"{row['charge_point']}/{row['connector']}",
        str(row["status"] or "off"),
        "plugged" if row["plugged"] else "-",
        "-" if row["error_code"] == "NoError" else str(row["error_code"]),
        _transaction(row) if charging else "-",
        format_power(row["power_w"]) if charging else "-",
        format_energy(row["energy_wh"]) if charging else "-",
        str(row["id_tag"] or "-"),
        _time_of_day(row) if row["updated"] else "-",
    )


def _transaction(row: dict[str, Any]) -> str:
    return "not answered yet" if row["transaction_id"] is None else str(row["transaction_id"])


def _time_of_day(row: dict[str, Any]) -> str:
    return str(row["updated"])[11:19]


def _by_action(counts: dict[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (action, outcome), count in counts.items():
        found.setdefault(action, {})[outcome] = count
    return found
