"""The menus, as somebody goes through them: what is offered, which lines come of it, what is shown.

The desk is a list of choices, made by the names of the entries; the lines go to a toy channel.
"""

import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from counterparts.toy_channel import ToyChannel

from fleet.control.answer import Answer
from fleet.shell.menu import SCENARIO_FOLDERS, Menu
from fleet.shell.render import Fragments, plain
from fleet.shell.select import Left, Picker
from fleet.words import ErrorCode

MAIN = [
    "📊 Show Status",
    "🔌 Connector Operations",
    "⚡ Transaction Operations",
    "🚨 Fault Injection",
    "🎯 Run Scenario",
    "📈 Statistics",
    "🔍 Monitor Events",
    "❌ Exit",
]
CONNECTOR_OPERATIONS = [
    "🔌 Plug In Cable",
    "🔌 Plug Out Cable",
    "⚡ Start Transaction",
    "🛑 Stop Transaction",
    "🔧 Set Availability",
    "📊 Show Detailed Status",
    "⬅️ Back to Main Menu",
]
BACK = "⬅️ Back to Main Menu"
EXIT = "❌ Exit"
ONE = "Connector 1"
TAG_QUESTION = 'Enter an ID tag (or press Enter for default "DEMO_TAG")'


class ScriptedDesk:
    """Makes the choices that it was given, in order; a choice may be the beginning of an entry, or a way to leave."""

    width = 80

    def __init__(
        self, choices: Iterable[str | Left], answers: Iterable[str | None] = (), charge_points: int = 1
    ) -> None:
        self.channel = ToyChannel(charge_points=charge_points)
        self.choices, self.answers = list(choices), list(answers)
        self.pickers: list[Picker] = []
        self.questions: list[str] = []
        self.shown = ""
        self.performed: list[str] = []
        self.streamed: list[str | None] = []
        self.target: str | None = None

    async def show(self, fragments: Fragments) -> None:
        self.shown += plain(fragments)

    async def choose(self, picker: Picker) -> int | Left:
        self.pickers.append(picker)
        wanted = self.choices.pop(0)
        if isinstance(wanted, Left):
            return wanted
        (found,) = [number for number, name in enumerate(picker.entries) if name.startswith(wanted)]
        return found

    async def ask(self, question: str, prefix: str | None = None) -> str | None:
        self.questions.append(question)
        return self.answers.pop(0)

    async def perform(self, line: str) -> Answer:
        self.performed.append(line)
        return await self.query(line)

    async def query(self, line: str) -> Answer:
        return self.channel.execute(line)

    async def candidates(self, line: str) -> list[str]:
        return [candidate.text for candidate in self.channel.complete(line, len(line))]

    async def stream(self, target: str | None) -> None:
        self.streamed.append(target)


async def went(
    *choices: str | Left, answers: Iterable[str | None] = (), charge_points: int = 1, charging: bool = False
) -> ScriptedDesk:
    """Go through the menus and leave."""
    desk = ScriptedDesk([*choices, EXIT], answers, charge_points)
    if charging:
        desk.channel.connectors[0].update(
            status="Charging", plugged=True, charging=True, transaction_id=7, power_w=7200.0, id_tag="A"
        )
    assert await Menu(desk).run() is Left.LEAVING
    assert desk.choices == desk.answers == []
    return desk


async def test_the_main_menu_is_the_guides() -> None:
    desk = await went()
    assert desk.pickers[0].title == "🎮 Interactive Mode - Type 'help' for commands\n\nChoose an option:"
    assert list(desk.pickers[0].entries) == MAIN


async def test_the_connector_operations_are_the_guides() -> None:
    desk = await went("🔌", BACK)
    assert list(desk.pickers[1].entries) == CONNECTOR_OPERATIONS
    assert "📊 Current Connector Status:\n   ⚪ Connector 1: Available \n" in desk.shown


@pytest.mark.parametrize(
    ("choices", "answers", "line"),
    [
        (["🔌 Plug In", ONE], [], "plug CP0001/1"),
        (["🔌 Plug Out", "Connector 2"], [], "unplug CP0001/2"),
        (["⚡ Start", ONE], [""], "start CP0001/1 DEMO_TAG"),
        (["⚡ Start", ONE], ["  GUEST "], "start CP0001/1 GUEST"),
        (["⚡ Start", ONE], ['my "tag'], 'start CP0001/1 "my \\"tag"'),
        (["🛑 Stop", ONE], [], "stop CP0001/1"),
        (["🔧 Set", ONE, "🟢 Make Available"], [], "availability CP0001/1 Operative"),
        (["🔧 Set", ONE, "🔴 Make Unavailable"], [], "availability CP0001/1 Inoperative"),
        (["🔧 Set", ONE, "🚨 Set Faulted"], [], "fault CP0001/1"),
    ],
)
async def test_each_connector_operation_is_a_line(choices: list[str], answers: list[str], line: str) -> None:
    desk = await went("🔌", *choices, BACK, answers=answers)
    assert desk.performed == [line]
    assert f"> {line}\n" in desk.shown
    assert desk.questions == [TAG_QUESTION] * len(answers)
    # Before each operation, and before the menu that is offered again.
    assert desk.shown.count("📊 Current Connector Status:") == 2


async def test_making_a_faulted_connector_available_clears_the_fault() -> None:
    desk = ScriptedDesk(["🔌", "🔧", ONE, "🟢", BACK, EXIT])
    desk.channel.connectors[0]["status"] = "Faulted"
    await Menu(desk).run()
    assert desk.performed == ["availability CP0001/1 Operative", "clear CP0001/1"]


@pytest.mark.parametrize("choice", ["🔴 Make Unavailable", "🚨 Set Faulted"])
async def test_availability_is_not_changed_during_a_transaction(choice: str) -> None:
    desk = await went("🔌", "🔧", ONE, choice, BACK, charging=True)
    assert desk.performed == []
    assert "CP0001/1: Cannot change availability during active transaction\n" in desk.shown


async def test_the_detailed_status_shows_every_connector() -> None:
    desk = await went("🔌", "📊 Show Detailed Status", BACK, charging=True)
    assert "   Transaction ID: 7\n   Current Power: 7.2 kW\n" in desk.shown
    assert "🔌 Connector 2:\n   Status: Available\n   Cable: Not plugged\n" in desk.shown


@pytest.mark.parametrize(
    ("choices", "answers", "line"),
    [
        (["⚡ Start", ONE], [""], "start CP0001/1 DEMO_TAG"),
        (["🛑 Stop Transaction", ONE], [], "stop CP0001/1"),
        (["🛑 Stop All"], [], "stop CP0001/1"),
        (["🔑 Authorize"], ["GUEST"], "authorize CP0001 GUEST"),
    ],
)
async def test_each_transaction_operation_is_a_line(choices: list[str], answers: list[str], line: str) -> None:
    desk = await went("⚡", *choices, BACK, answers=answers, charging=True)
    assert desk.performed == [line]


async def test_running_transactions_are_listed() -> None:
    desk = await went("⚡", "📋 List", BACK, charging=True)
    assert "CP0001/1   Charging  🔌               7  7.2 kW    0 Wh  A" in desk.shown
    assert "CP0001/2" not in desk.shown


@pytest.mark.parametrize("choice", ["📋 List", "🛑 Stop All"])
async def test_without_a_transaction_there_is_none_to_list_or_stop(choice: str) -> None:
    desk = await went("⚡", choice, BACK)
    assert desk.performed == []
    assert "No transaction is running on CP0001\n" in desk.shown


@pytest.mark.parametrize(
    ("choices", "line"),
    [
        (["🚨 Inject", ONE, "GroundFailure"], "fault CP0001/1 GroundFailure"),
        (["✅ Clear", ONE], "clear CP0001/1"),
        (["📴 Disconnect"], "disconnect CP0001"),
        (["📶 Connect"], "connect CP0001"),
        (["💥 Power Cut"], "reboot CP0001 Hard"),
    ],
)
async def test_each_fault_is_a_line(choices: list[str], line: str) -> None:
    assert (await went("🚨", *choices, BACK)).performed == [line]


async def test_every_error_code_is_offered() -> None:
    desk = await went("🚨", "🚨 Inject", ONE, "WeakSignal", BACK)
    assert list(desk.pickers[3].entries) == list(ErrorCode)


@pytest.mark.parametrize(
    ("choices", "answers", "line"),
    [
        (["basic-charging"], [""], "run basic-charging.fleet CP0001/*"),
        (["basic-charging"], ["CP0001/2"], "run basic-charging.fleet CP0001/2"),
        (["📁 Another File"], ["my file.fleet", ""], 'run "my file.fleet" CP0001/*'),
    ],
)
async def test_a_scenario_is_run(choices: list[str], answers: list[str], line: str) -> None:
    assert (await went("🎯", *choices, answers=answers)).performed == [line]


async def test_status_and_statistics_are_lines() -> None:
    desk = await went("📊", "📈")
    assert desk.performed == ["status", "stats"]
    assert "📊 Current Connector Status:" in desk.shown


async def test_events_are_streamed() -> None:
    assert (await went("🔍")).streamed == [None]


@pytest.mark.parametrize("way", [Left.BACK, Left.INTERRUPTED, Left.LEAVING])
async def test_every_menu_can_be_left_without_a_choice(way: Left) -> None:
    desk = await went("🔌", "🔌 Plug In", way, "🔧", ONE, way, way, "🚨", "🚨", ONE, way, way, "🎯", way)
    assert desk.performed == []


async def test_a_question_can_be_left_without_an_answer() -> None:
    desk = await went("🔌", "⚡", ONE, BACK, "⚡", "🔑", BACK, "🎯", "📁", "🎯", "basic", answers=[None] * 4)
    assert desk.performed == []


async def test_the_main_menu_gives_way_to_the_prompt() -> None:
    assert await Menu(ScriptedDesk([Left.BACK])).run() == ""
    assert await Menu(ScriptedDesk([Left.INTERRUPTED])).run() == ""
    assert await Menu(ScriptedDesk([Left.LEAVING])).run() is Left.LEAVING


async def test_among_many_charge_points_one_is_chosen_first() -> None:
    desk = await went("🔌", "🔌 Plug In", ONE, "🔁", BACK, answers=["CP0003", "CP0007"], charge_points=9)
    assert desk.questions == ["Charge point (or press Enter for CP0001)"] * 2
    assert "🔌 Connector Operations (CP0003)" in [picker.title for picker in desk.pickers]
    assert "🔌 Connector Operations (CP0007)" in [picker.title for picker in desk.pickers]
    assert "status CP0003/*" in desk.channel.lines


async def test_the_target_in_use_says_which_charge_point() -> None:
    desk = ScriptedDesk(["🚨", "📴", BACK, EXIT], charge_points=9)
    desk.target = "CP0004/1"
    await Menu(desk).run()
    assert (desk.performed, desk.questions) == (["disconnect CP0004"], [])


async def test_a_charge_point_that_is_not_there_is_said() -> None:
    desk = await went("🔌", answers=["CP77"], charge_points=2)
    assert "There is no charge point CP77\n" in desk.shown


def test_the_scenarios_are_installed_where_the_menu_looks_for_them() -> None:
    root = Path(__file__).parents[2]
    folders = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    ((folder, patterns),) = folders.items()
    assert f"{Path(sys.prefix) / folder}/" in SCENARIO_FOLDERS
    assert {file for pattern in patterns for file in root.glob(pattern)} == {*(root / "configs/scenarios").iterdir()}
