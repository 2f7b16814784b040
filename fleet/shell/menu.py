"""The menus: everything a shell line can do, for who would rather choose than type.

Names and icons are the interactive guide's. Every entry composes a line of the vocabulary and has it carried out, and
the line is shown, so that a menu teaches the shell. A menu talks to a `Desk`, which is the shell in a terminal, and a
list of choices in a test.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

from fleet.commands.values import quote
from fleet.commands.vocabulary import DEFAULT_ID_TAG
from fleet.control.answer import Answer
from fleet.control.plant import SCENARIO_SUFFIX
from fleet.shell.answers import connector_rows, connector_table
from fleet.shell.render import Fragments, lines_of
from fleet.shell.select import Left, Picker
from fleet.shell.status import ConnectorRow, connector_line, detailed_status, status_block
from fleet.words import Availability, ConnectorStatus, ErrorCode, ResetKind

TITLE = "🎮 Interactive Mode - Type 'help' for commands"
CHOOSE = "Choose an option:"
BACK = "⬅️ Back to Main Menu"
OTHER_CHARGE_POINT = "🔁 Choose Another Charge Point"
ID_TAG_QUESTION = f'Enter an ID tag (or press Enter for default "{DEFAULT_ID_TAG}")'
OTHER_FILE = "📁 Another File"
AVAILABILITY_FORBIDDEN = "Cannot change availability during active transaction"
# Where the run was started, and where its source tree or its installation keeps those that come with it.
SCENARIO_FOLDERS = (
    "",
    "configs/scenarios/",
    f"{Path(__file__).parents[2] / 'configs' / 'scenarios'}/",
    f"{Path(sys.prefix) / 'share' / 'fleet' / 'scenarios'}/",
)

Action = Callable[[], Awaitable[None]]


class Desk(Protocol):
    """Where a menu is shown and its lines are carried out."""

    @property
    def width(self) -> int:
        """Cells in a line."""

    @property
    def target(self) -> str | None:
        """The target in use."""

    async def show(self, fragments: Fragments) -> None:
        """Show something."""

    async def choose(self, picker: Picker) -> int | Left:
        """Let somebody choose."""

    async def ask(self, question: str, prefix: str | None = None) -> str | None:
        """Ask for a text, completed as what follows `prefix`; None when nobody wants to answer."""

    async def perform(self, line: str) -> Answer:
        """Carry a line out and show its answer."""

    async def query(self, line: str) -> Answer:
        """The answer to a line, not shown."""

    async def candidates(self, line: str) -> list[str]:
        """What may follow a line."""

    async def stream(self, target: str | None) -> None:
        """Show live events until a key is pressed."""


@frozen
class Entry:
    """One line of a menu, and what it does."""

    name: str
    act: Action


class Menu:
    """The main menu and all that is under it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._charge_point: str | None = None
        self._several = False

    async def run(self) -> Left | str:
        """Offer the main menu until it is left: `Left.LEAVING` for Exit and Ctrl-D, else what was begun to be typed."""
        at = 0
        while True:
            entries = self._main()
            names = [*(entry.name for entry in entries), "❌ Exit"]
            picker = Picker(f"{TITLE}\n\n{CHOOSE}", names, at, lines_allowed=True)
            chosen = await self._desk.choose(picker)
            if chosen is Left.LEAVING or chosen == len(entries):
                return Left.LEAVING
            if isinstance(chosen, Left):
                return picker.typed
            at = chosen
            await entries[chosen].act()

    # ---- the menus ---------------------------------------------------------------------------------------------------

    def _main(self) -> list[Entry]:
        return [
            Entry("📊 Show Status", self._show_status),
            Entry("🔌 Connector Operations", self._connector_operations),
            Entry("⚡ Transaction Operations", self._transaction_operations),
            Entry("🚨 Fault Injection", self._fault_injection),
            Entry("🎯 Run Scenario", self._run_scenario),
            Entry("📈 Statistics", self._statistics),
            Entry("🔍 Monitor Events", self._monitor),
        ]

    async def _connector_operations(self) -> None:
        await self._operations(
            "🔌 Connector Operations",
            [
                Entry("🔌 Plug In Cable", self._plug_in),
                Entry("🔌 Plug Out Cable", self._plug_out),
                Entry("⚡ Start Transaction", self._start),
                Entry("🛑 Stop Transaction", self._stop),
                Entry("🔧 Set Availability", self._set_availability),
                Entry("📊 Show Detailed Status", self._show_detailed_status),
            ],
        )

    async def _transaction_operations(self) -> None:
        await self._operations(
            "⚡ Transaction Operations",
            [
                Entry("📋 List Running Transactions", self._list_running),
                Entry("⚡ Start Transaction", self._start),
                Entry("🛑 Stop Transaction", self._stop),
                Entry("🛑 Stop All Transactions", self._stop_all),
                Entry("🔑 Authorize ID Tag", self._authorize),
            ],
        )

    async def _fault_injection(self) -> None:
        await self._operations(
            "🚨 Fault Injection",
            [
                Entry("🚨 Inject Fault", self._inject_fault),
                Entry("✅ Clear Fault", self._clear_fault),
                Entry("📴 Disconnect", self._line("disconnect")),
                Entry("📶 Connect", self._line("connect")),
                Entry("💥 Power Cut (hard reboot)", self._line("reboot", ResetKind.HARD)),
            ],
        )

    async def _operations(self, title: str, entries: Sequence[Entry]) -> None:
        """A menu of operations on one charge point, with its connectors' status before each of them."""
        if self._charge_point is None and not await self._choose_charge_point():
            return
        if self._several:
            entries = [*entries, Entry(OTHER_CHARGE_POINT, self._choose_another)]
        at = 0
        while True:
            rows = await self._rows()
            block = status_block(rows) if rows else lines_of("no connectors are known", "error")
            await self._desk.show([("", "\n"), *block])
            heading = f"{title} ({self._charge_point})" if self._several else title
            chosen = await self._choose(heading, [*(entry.name for entry in entries), BACK], at)
            if chosen is None or chosen == len(entries):
                return
            at = chosen
            await entries[chosen].act()

    # ---- main menu ---------------------------------------------------------------------------------------------------

    async def _show_status(self) -> None:
        await self._perform("status")
        if await self._choose_charge_point(quietly=True):
            await self._desk.show(status_block(await self._rows()))

    async def _statistics(self) -> None:
        await self._perform("stats")

    async def _monitor(self) -> None:
        await self._desk.stream(self._desk.target)

    async def _run_scenario(self) -> None:
        files = await self._scenario_files()
        names = [file.rpartition("/")[2].strip('"').removesuffix(SCENARIO_SUFFIX) for file in files]
        chosen = await self._choose("🎯 Run Scenario", [*names, OTHER_FILE, BACK])
        if chosen is None or chosen > len(files):
            return
        path = files[chosen] if chosen < len(files) else await self._desk.ask("Scenario file", "run ")
        if not path:
            return
        if self._charge_point is None and not await self._choose_charge_point():
            return
        path = path if chosen < len(files) else quote(path)
        default = f"{self._charge_point}/*"
        target = await self._desk.ask(f"Target (or press Enter for {default})", f"run {path} ")
        if target is not None:
            await self._perform(f"run {path} {target.strip() or default}")

    async def _scenario_files(self) -> list[str]:
        """Those that are found where they usually are, each name once, as words of a line."""
        found: dict[str, str] = {}
        for folder in SCENARIO_FOLDERS:
            for file in await self._desk.candidates(f"run {folder}"):
                if file.strip('"').endswith(SCENARIO_SUFFIX):
                    found.setdefault(file.rpartition("/")[2], file)
        return list(found.values())

    # ---- connectors --------------------------------------------------------------------------------------------------

    async def _plug_in(self) -> None:
        await self._on_connector("plug", lambda row: row.status == ConnectorStatus.AVAILABLE)

    async def _plug_out(self) -> None:
        await self._on_connector("unplug", lambda row: row.plugged and not row.charging)

    async def _start(self) -> None:
        row = await self._choose_connector(lambda row: row.plugged and not row.charging)
        if row is None:
            return
        id_tag = await self._ask_id_tag()
        if id_tag is not None:
            await self._perform(f"start {_address(row)} {id_tag}")

    async def _stop(self) -> None:
        await self._on_connector("stop", lambda row: row.charging)

    async def _set_availability(self) -> None:
        row = await self._choose_connector()
        if row is None:
            return
        names = ("🟢 Make Available", "🔴 Make Unavailable", "🚨 Set Faulted")
        chosen = await self._choose(f"🔧 Connector {row.connector}", names)
        # As it is by now: choosing may have taken a while.
        row = next((each for each in await self._rows() if each.connector == row.connector), row)
        if chosen in (1, 2) and row.charging:
            await self._desk.show(lines_of(f"{_address(row)}: {AVAILABILITY_FORBIDDEN}", "error"))
            return
        match chosen:
            case 0:
                # A connector that was Unavailable when it became Faulted would be Unavailable again.
                await self._perform(f"availability {_address(row)} {Availability.OPERATIVE}")
                if row.status == ConnectorStatus.FAULTED:
                    await self._perform(f"clear {_address(row)}")
            case 1:
                await self._perform(f"availability {_address(row)} {Availability.INOPERATIVE}")
            case 2:
                await self._perform(f"fault {_address(row)}")

    async def _show_detailed_status(self) -> None:
        await self._desk.show(detailed_status(await self._rows()))

    async def _inject_fault(self) -> None:
        row = await self._choose_connector()
        if row is None:
            return
        codes = list(ErrorCode)
        chosen = await self._choose(f"🚨 Error code for connector {row.connector}", codes, codes.index(_USUAL_FAULT))
        if chosen is not None:
            await self._perform(f"fault {_address(row)} {codes[chosen]}")

    async def _clear_fault(self) -> None:
        await self._on_connector("clear", lambda row: row.status == ConnectorStatus.FAULTED)

    # ---- transactions ------------------------------------------------------------------------------------------------

    async def _list_running(self) -> None:
        rows = await self._running()
        if rows:
            await self._desk.show(connector_table(rows, self._desk.width))

    async def _stop_all(self) -> None:
        if rows := await self._running():
            await self._perform(f"stop {','.join(map(_address, rows))}")

    async def _running(self) -> list[ConnectorRow]:
        rows = [row for row in await self._rows() if row.charging]
        if not rows:
            await self._desk.show(lines_of(f"No transaction is running on {self._charge_point}", "faint"))
        return rows

    async def _authorize(self) -> None:
        id_tag = await self._ask_id_tag()
        if id_tag is not None:
            await self._perform(f"authorize {self._charge_point} {id_tag}")

    # ---- choosing and asking -----------------------------------------------------------------------------------------

    def _line(self, verb: str, *arguments: str) -> Action:
        """What does one line to the charge point."""

        async def act() -> None:
            await self._perform(" ".join([verb, str(self._charge_point), *arguments]))

        return act

    async def _on_connector(self, verb: str, likely: Callable[[ConnectorRow], bool]) -> None:
        row = await self._choose_connector(likely)
        if row is not None:
            await self._perform(f"{verb} {_address(row)}")

    async def _choose_connector(self, likely: Callable[[ConnectorRow], bool] | None = None) -> ConnectorRow | None:
        """One of the charge point's connectors; the choice begins at the first that is `likely` meant.

        All are offered: what can't be done to one is refused, with the reason, by the connector itself.
        """
        rows = await self._rows()
        at = next((number for number, row in enumerate(rows) if likely is not None and likely(row)), 0)
        chosen = await self._choose("Choose a connector:", [connector_line(row) for row in rows], at) if rows else None
        return None if chosen is None else rows[chosen]

    async def _choose(self, title: str, names: Sequence[str], at: int = 0) -> int | None:
        chosen = await self._desk.choose(Picker(title, names, at))
        return None if isinstance(chosen, Left) else chosen

    async def _ask_id_tag(self) -> str | None:
        answer = await self._desk.ask(ID_TAG_QUESTION, f"start {self._charge_point}/1 ")
        return None if answer is None else quote(answer.strip() or DEFAULT_ID_TAG)

    async def _choose_another(self) -> None:
        former, self._charge_point = self._charge_point, None
        if not await self._choose_charge_point(ask=True):
            self._charge_point = former

    async def _choose_charge_point(self, *, ask: bool = False, quietly: bool = False) -> bool:
        """Know which charge point is meant: the only one, the target in use, or one that is asked for."""
        if self._charge_point is not None:
            return True
        ids = await self._ids()
        self._several = len(ids) > 1
        used = (self._desk.target or "").partition("/")[0]
        if len(ids) == 1:
            self._charge_point = ids[0]
        elif not ask and used in ids:
            self._charge_point = used
        elif ids and not quietly:
            await self._ask_charge_point(ids)
        elif not ids:
            await self._desk.show(lines_of("There are no charge points", "error"))
        return self._charge_point is not None

    async def _ask_charge_point(self, ids: Sequence[str]) -> None:
        answer = await self._desk.ask(f"Charge point (or press Enter for {ids[0]})", "heartbeat ")
        if answer is None:
            return
        wanted = answer.strip() or ids[0]
        if wanted in ids:
            self._charge_point = wanted
        else:
            await self._desk.show(lines_of(f"There is no charge point {wanted}", "error"))

    async def _ids(self) -> list[str]:
        data = (await self._desk.query("list *")).data
        rows = data.get("charge_points") if isinstance(data, dict) else None
        return [str(row["charge_point"]) for row in rows] if isinstance(rows, list) else []

    async def _rows(self) -> list[ConnectorRow]:
        return connector_rows(await self._desk.query(f"status {self._charge_point}/*"))

    async def _perform(self, line: str) -> None:
        await self._desk.show(lines_of(f"> {line}", "faint"))
        await self._desk.perform(line)


_USUAL_FAULT = ErrorCode.OTHER_ERROR


def _address(row: ConnectorRow) -> str:
    return f"{row.charge_point}/{row.connector}"
