"""The terminal: what is drawn on it, asked at it and printed above it.

It is in raw mode as long as the shell lives, also between two prompts and while something is printed above one: else a
Ctrl-C at the wrong moment would be a signal to the whole run instead of a key, and a typed letter would be echoed into
the output. Everything here runs in the shell's own loop.
"""

import asyncio
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from prompt_toolkit import Application, PromptSession, print_formatted_text
from prompt_toolkit.application import get_app_session, in_terminal
from prompt_toolkit.completion import Completer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings, KeyPress, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style

from fleet.shell.render import STYLES, Fragments, clean, cut, style
from fleet.shell.select import Left, Picker

_PICKER_KEYS = {
    Keys.Up: "up",
    Keys.Down: "down",
    Keys.Home: "home",
    Keys.End: "end",
    Keys.PageUp: "pageup",
    Keys.PageDown: "pagedown",
    Keys.Enter: "enter",
    Keys.Escape: "escape",
    Keys.Left: "left",
    Keys.Backspace: "backspace",
    Keys.ControlC: "c-c",
    Keys.ControlD: "c-d",
}
ESCAPE_WAIT_S = 0.05
"""How long after an Escape the rest of an arrow key's sequence may come."""


class Interrupted(Exception):
    """Ctrl-C at the prompt; `text` is what was typed."""


class Stopped(Exception):
    """The shell ends from outside."""


class SteadyInput(Vt100Input):
    """Input from a terminal that stays in raw mode while something is printed above the prompt."""

    def read_keys(self) -> list[KeyPress]:
        """What was typed; a terminal that is gone is the end of the input, and not one empty read after the other."""
        keys = super().read_keys()
        if not keys:
            poll = select.poll()
            poll.register(self.fileno(), select.POLLHUP)
            if any(event & (select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0)):
                self.stdin_reader.closed = True
        return keys

    def cooked_mode(self) -> AbstractContextManager[None]:
        """Raw as before."""
        return nullcontext()


@contextmanager
def terminal_restored() -> Iterator[None]:
    """Whatever happens inside, the terminal is afterwards as it was before."""
    try:
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (termios.error, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        with suppress(termios.error, OSError):
            termios.tcsetattr(descriptor, termios.TCSANOW, before)


def is_terminal() -> bool:
    """Is there somebody to draw for, and to draw on?"""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


@contextmanager
def stopped_by_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """In the main thread nobody else cares for signals: one that would kill the process restores the terminal first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class Terminal:
    """One terminal. `toolbar` says what stands in the last line, given the width."""

    def __init__(self, input: Input, output: Output, toolbar: Callable[[int], Fragments]) -> None:
        self.input = input
        self.output = output
        self.style = Style.from_dict(STYLES)
        # What draws now is asked of the session itself: which session is current depends on who calls.
        self._session = get_app_session()
        self._toolbar = toolbar
        self._prompts: PromptSession[str] | None = None
        self._questions: PromptSession[str] | None = None
        self._stopped = False

    @property
    def width(self) -> int:
        """Cells in a line."""
        return max(20, self.output.get_size().columns)

    def refresh(self) -> None:
        """Draw again what changes by itself."""
        app = self._session.app
        if app is not None:
            app.invalidate()

    def stop(self) -> None:
        """End what is drawn now and whatever would be drawn later: it raises Stopped."""
        self._stopped = True
        self._end(exception=Stopped())

    async def show(self, fragments: Fragments) -> None:
        """Print above whatever is drawn now."""
        if not fragments:
            return
        async with in_terminal():
            cleaned = FormattedText((name, clean(text)) for name, text in fragments)
            print_formatted_text(cleaned, output=self.output, style=self.style, end="")

    async def read_line(
        self, message: Callable[[], Fragments], completer: Completer, history: History, default: str = ""
    ) -> str:
        """A line at the prompt; raises Interrupted, EOFError for Ctrl-D, and Stopped."""
        self._check()
        if self._prompts is None:
            self._prompts = PromptSession(
                message=lambda: FormattedText(message()),
                completer=completer,
                history=history,
                bottom_toolbar=self._toolbar_text,
                style=self.style,
                input=self.input,
                output=self.output,
                complete_while_typing=True,
                interrupt_exception=Interrupted,
                reserve_space_for_menu=6,
                enable_suspend=False,
            )
        prompts = self._prompts
        try:
            return await prompts.prompt_async(default=default, handle_sigint=False, set_exception_handler=False)
        except Interrupted:
            raise Interrupted(prompts.default_buffer.text) from None

    async def ask(self, question: str, completer: Completer | None = None) -> str | None:
        """The answer to a question; None when it was left with Escape, Ctrl-C or Ctrl-D."""
        self._check()
        keys = KeyBindings()

        @keys.add(Keys.Escape, eager=True)
        def _(event: KeyPressEvent) -> None:
            event.app.exit(exception=EOFError())

        if self._questions is None:
            self._questions = PromptSession(
                bottom_toolbar=self._toolbar_text,
                style=self.style,
                input=self.input,
                output=self.output,
                interrupt_exception=Interrupted,
                key_bindings=keys,
            )
            self._questions.app.ttimeoutlen = ESCAPE_WAIT_S
        self._questions.completer = completer
        try:
            return await self._questions.prompt_async(
                f"{question}: ", handle_sigint=False, set_exception_handler=False, complete_while_typing=True
            )
        except (Interrupted, EOFError):
            return None

    async def choose(self, picker: Picker) -> int | Left:
        """Let somebody choose; the list is gone afterwards."""
        keys = KeyBindings()

        def press(event: KeyPressEvent, key: str) -> None:
            picker.press(key)
            if picker.chosen is not None:
                event.app.exit()

        @keys.add(Keys.Any)
        def _(event: KeyPressEvent) -> None:
            press(event, event.data)

        def bind(key: Keys, name: str) -> None:
            @keys.add(key, eager=key is Keys.Escape)
            def _(event: KeyPressEvent) -> None:
                press(event, name)

        for key, name in _PICKER_KEYS.items():
            bind(key, name)
        rows = max(6, self.output.get_size().rows - 3)
        await self._run(self._drawn(lambda: picker.render(rows), keys))
        assert picker.chosen is not None
        return picker.chosen

    async def busy(self, done: "asyncio.Future[Any]", what: str, cancel: Callable[[], None]) -> None:
        """Say `what` goes on until `done`; Ctrl-C calls `cancel`, and what else is typed goes to the next prompt."""
        keys = KeyBindings()
        typed: list[KeyPress] = []

        @keys.add(Keys.ControlC)
        def _(event: KeyPressEvent) -> None:
            cancel()

        @keys.add(Keys.Any)
        @keys.add(Keys.BracketedPaste)
        @keys.add(Keys.Enter)
        def _(event: KeyPressEvent) -> None:
            typed.extend(event.key_sequence)

        hint = "  (Ctrl-C cancels)"
        text: Fragments = [(style("faint"), cut(f"… {what}", self.width - len(hint)) + hint)]
        await self._until(done, self._drawn(lambda: text, keys))
        store_typeahead(self.input, [*typed, *get_typeahead(self.input)])

    async def any_key(self, what: str) -> None:
        """Say `what` until a key is pressed."""
        keys = KeyBindings()

        @keys.add(Keys.Any)
        @keys.add(Keys.Enter)
        @keys.add(Keys.ControlC)
        @keys.add(Keys.ControlD)
        @keys.add(Keys.Escape, eager=True)
        def _(event: KeyPressEvent) -> None:
            if not event.app.is_done:
                event.app.exit()

        text: Fragments = [(style("faint"), what)]
        await self._run(self._drawn(lambda: text, keys))

    def _drawn(self, body: Callable[[], Fragments], keys: KeyBindings) -> Application[None]:
        """A few lines with the toolbar under them, wiped when done."""
        toolbar = Window(
            FormattedTextControl(self._toolbar_text), height=1, style="class:bottom-toolbar", dont_extend_height=True
        )
        app: Application[None] = Application(
            layout=Layout(
                HSplit(
                    [
                        Window(
                            FormattedTextControl(lambda: FormattedText(body()), show_cursor=False),
                            dont_extend_height=True,
                            always_hide_cursor=True,
                        ),
                        ConditionalContainer(toolbar, Condition(lambda: True)),
                    ]
                )
            ),
            key_bindings=keys,
            style=self.style,
            input=self.input,
            output=self.output,
            erase_when_done=True,
        )
        app.ttimeoutlen = ESCAPE_WAIT_S
        return app

    async def _run(self, app: Application[None]) -> None:
        self._check()
        await app.run_async(handle_sigint=False, set_exception_handler=False)

    async def _until(self, done: "asyncio.Future[Any]", app: Application[None]) -> None:
        def end(_: object) -> None:
            if app.is_running and not app.is_done:
                app.exit()

        if not done.done():
            done.add_done_callback(end)
            await self._run(app)

    def _toolbar_text(self) -> FormattedText:
        return FormattedText(self._toolbar(self.width))

    def _check(self) -> None:
        if self._stopped:
            raise Stopped

    def _end(self, exception: Exception) -> None:
        app = self._session.app
        if app is not None and app.is_running and not app.is_done:
            app.exit(exception=exception)
