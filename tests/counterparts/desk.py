"""A desk over a console: somebody who goes through the menus by pressing keys, and what is shown to them."""

from collections.abc import Iterable

from fleet.control.answer import Answer
from fleet.control.console import Console
from fleet.shell.answers import render_answer
from fleet.shell.menu import Menu
from fleet.shell.render import Fragments, plain
from fleet.shell.select import Left, Picker


class ConsoleDesk:
    """Presses `keys`, a word of key names for each list that is offered, and gives `answers`, one to each question."""

    width = 100

    def __init__(self, console: Console, keys: Iterable[str], answers: Iterable[str] = ()) -> None:
        self.console = console
        self.keys, self.answers = list(keys), list(answers)
        self.pickers: list[Picker] = []
        self.questions: list[str] = []
        self.performed: list[str] = []
        self.streamed: list[str | None] = []
        self.shown = ""

    @property
    def target(self) -> str | None:
        return self.console.glance().target

    async def show(self, fragments: Fragments) -> None:
        self.shown += plain(fragments)

    async def choose(self, picker: Picker) -> int | Left:
        self.pickers.append(picker)
        for key in self.keys.pop(0).split():
            assert picker.chosen is None, "a key too many"
            picker.press(key)
        assert picker.chosen is not None, f"nothing chosen of {picker.entries}"
        return picker.chosen

    async def ask(self, question: str, prefix: str | None = None) -> str | None:
        self.questions.append(question)
        return self.answers.pop(0)

    async def perform(self, line: str) -> Answer:
        self.performed.append(line)
        answer = await self.query(line)
        await self.show(render_answer(answer, self.width))
        return answer

    async def query(self, line: str) -> Answer:
        return await self.console.execute(line)

    async def candidates(self, line: str) -> list[str]:
        return [candidate.text for candidate in self.console.complete(line, len(line))]

    async def stream(self, target: str | None) -> None:
        self.streamed.append(target)


async def pressed(console: Console, *keys: str, answers: Iterable[str] = ()) -> ConsoleDesk:
    """Go through the menus with these keys, and leave by the last of them."""
    desk = ConsoleDesk(console, keys, answers)
    assert await Menu(desk).run() is Left.LEAVING
    assert desk.keys == desk.answers == []
    return desk
