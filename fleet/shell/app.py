"""The shell itself: the prompt's loop, in one thread from beginning to end.

A line that is typed is carried out in a thread of its own while the loop goes on drawing, so that the toolbar lives,
Ctrl-C can cancel the line, and live events appear above. What ends the shell from outside (the run is over, SIGTERM)
comes in through `stop`, which any thread may call.
"""

import asyncio
import errno
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, TypeVar, TypeVarTuple

from prompt_toolkit.application import create_app_session
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output, create_output

from fleet.commands import fleetwide
from fleet.commands.parse import LineError, is_blank, parse_line
from fleet.commands.target import parse_target
from fleet.control.answer import Answer
from fleet.control.client import ControlClosed
from fleet.control.glance import Glance
from fleet.errors import EXIT_DONE, FleetError
from fleet.shell.answers import render_answer
from fleet.shell.calling import call
from fleet.shell.channel import Channel
from fleet.shell.completion import ChannelCompleter
from fleet.shell.history import open_history
from fleet.shell.menu import Menu
from fleet.shell.monitor import Monitor
from fleet.shell.printing import printed_above
from fleet.shell.render import Fragments, lines_of, style
from fleet.shell.script import run_script
from fleet.shell.select import Left, Picker
from fleet.shell.terminal import (
    Interrupted,
    SteadyInput,
    Stopped,
    Terminal,
    is_terminal,
    stopped_by_signals,
    terminal_restored,
)
from fleet.shell.toolbar import toolbar

Arguments = TypeVarTuple("Arguments")
Outcome = TypeVar("Outcome")

GLANCE_INTERVAL_S = 0.5
QUICK_S = 0.1
"""A line that takes longer is said to be going on."""
TWICE_S = 3.0
"""Within which a second Ctrl-C means the first one's question."""
MENU_HINT = "`menu` brings the menu back, Ctrl-D leaves"


class Leaving(Enum):
    """How a shell ended."""

    LEFT = "left"
    """Somebody left it: Ctrl-D, or Exit in the menu."""
    STOPPED = "stopped"
    """It was ended from outside."""
    GONE = "gone"
    """The run at the other end is gone."""
    CRASHED = "crashed"
    """It had a bug. The run goes on without it."""


class Shell:
    """A shell over a channel: `run` it in its thread, `stop` it from any."""

    def __init__(
        self,
        channel: Channel,
        *,
        banner: str = "",
        menu_first: bool = False,
        history: History | None = None,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._channel = channel
        self._banner = banner
        self._menu_first = menu_first
        self._history = history
        self._input = input
        self._output = output
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = threading.Event()
        self._gone: ControlClosed | None = None
        self._crashed: Exception | None = None
        self._end_asked = False
        self._glance: Glance | None = None
        self._interrupted_at = -TWICE_S
        self._line = ""
        self.exit_code = EXIT_DONE
        """Of the lines of a script, the highest; a person sees for himself."""

    # ---- from outside ------------------------------------------------------------------------------------------------

    def run(self) -> Leaving:
        """Live in this thread until somebody leaves or `stop` is called. The terminal is restored in any case."""
        if self._input is None and not is_terminal():
            return self._run_script()
        input = self._input or SteadyInput(sys.stdin)
        output = self._output or create_output(sys.stdout)
        try:
            with terminal_restored(), create_app_session(input, output), asyncio.Runner() as runner:
                return runner.run(self._live(input, output))
        except OSError as error:
            if error.errno in (errno.EIO, errno.EPIPE):
                return Leaving.LEFT  # with the terminal
            raise

    def _run_script(self) -> Leaving:
        try:
            ended, self.exit_code = run_script(self._channel, sys.stdin, self._stopped)
        except ControlClosed as error:
            print(error, file=sys.stderr)
            return Leaving.GONE
        return Leaving.LEFT if ended else Leaving.STOPPED

    def stop(self) -> None:
        """End the shell soon, whatever it is doing. From any thread, also before `run` and after it."""
        with self._lock:
            self._stopped.set()
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        call(self._channel.cancel)
        self._terminal.stop()

    # ---- the loop ----------------------------------------------------------------------------------------------------

    async def _live(self, input: Input, output: Output) -> Leaving:
        self._terminal = Terminal(input, output, lambda width: toolbar(self._glance, width, self._monitor.word))
        self._monitor = Monitor(self._terminal)
        self._history = self._history or open_history()
        with self._lock:
            self._loop = asyncio.get_running_loop()
            if self._stopped.is_set():
                return Leaving.STOPPED
        tasks = [asyncio.create_task(self._keep_glancing()), asyncio.create_task(self._monitor.run())]
        for task in tasks:
            task.add_done_callback(self._beside_ended)
        self._loop.set_exception_handler(self._crash)
        try:
            with stopped_by_signals(self._loop, self.stop), input.raw_mode(), printed_above():
                return await self._converse()
        except Stopped:
            if self._crashed is not None:
                raise self._crashed from None
            return self._left_behind(output) if self._gone is not None else Leaving.STOPPED
        except ControlClosed as error:
            self._gone = error
            return self._left_behind(output)
        except EOFError:
            return Leaving.LEFT  # the input ended while something was drawn
        finally:
            with self._lock:
                self._loop = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _left_behind(self, output: Output) -> Leaving:
        """The run is over; whoever asked for that has simply left."""
        output.write(f"{self._gone}\r\n")
        output.flush()
        return Leaving.LEFT if self._end_asked else Leaving.GONE

    def _beside_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash(asyncio.get_running_loop(), {"exception": error})

    def _crash(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A bug in something that runs beside the prompt: the shell ends with it, instead of going on half alive."""
        error = context.get("exception")
        self._crashed = self._crashed or (
            error if isinstance(error, Exception) else RuntimeError(str(context.get("message")))
        )
        self._terminal.stop()

    async def _converse(self) -> Leaving:
        await self._glance_now()
        if self._banner:
            await self._terminal.show(lines_of(self._banner))
        default = ""
        if self._menu_first:
            leaving, default = await self._menu()
            if leaving is not None:
                return leaving
        completer = ChannelCompleter(lambda line, cursor: call(self._channel.complete, line, cursor))
        assert self._history is not None
        while True:
            try:
                text = await self._terminal.read_line(self._message, completer, self._history, default)
            except Interrupted as interrupted:
                default = ""
                if not str(interrupted):
                    await self._interrupt()
                continue
            except EOFError:
                return Leaving.LEFT
            default = ""
            # Several lines may come at once out of a clipboard.
            for line in text.splitlines():
                leaving, default = await self._obey(line.strip())
                if leaving is not None:
                    return leaving

    async def _obey(self, line: str) -> tuple[Leaving | None, str]:
        """Carry out one line; says whether somebody leaves by it, and what stands at the next prompt already."""
        verb, _, rest = line.lower().partition(" ")
        if verb == "menu" and not rest.strip():
            return await self._menu()
        if verb == "monitor":
            await self._watch(line)
            return None, ""
        self._end_asked = self._end_asked or verb == "quit"
        if is_blank(line):
            return None, ""
        await self.perform(line)
        return None, ""

    async def _menu(self) -> tuple[Leaving | None, str]:
        end = await Menu(self).run()
        if end is Left.LEAVING:
            return Leaving.LEFT, ""
        await self._terminal.show(lines_of(MENU_HINT, "faint"))
        return None, end if isinstance(end, str) else ""

    async def _interrupt(self) -> None:
        """Ctrl-C at an empty prompt."""
        if self._monitor.on:
            await self._unwatch()
            return
        now = time.monotonic()
        asked, self._interrupted_at = self._interrupted_at, now
        if not self._channel.leaving_ends_the_run and now - asked > TWICE_S:
            # The run is somebody's soak, in another terminal: one slip must not end it.
            await self._terminal.show(
                lines_of("Ctrl-C once more lets the run drain and end; Ctrl-D leaves it running", "busy")
            )
            return
        self._end_asked = True
        await call(self._channel.interrupt)

    def _message(self) -> Fragments:
        target = self._glance.target if self._glance else None
        shown: Fragments = [(style("prompt"), "fleet")]
        if target:
            shown += [("", " "), (style("prompt.target"), target)]
        return [*shown, (style("prompt"), "> ")]

    # ---- lines -------------------------------------------------------------------------------------------------------

    async def query(self, line: str) -> Answer:
        """The answer to a line, shown to nobody."""
        future = call(self._channel.execute, line)
        await asyncio.wait([future], timeout=QUICK_S)
        if not future.done():
            await self._terminal.busy(future, line, lambda: self._forget(self._channel.cancel))
        try:
            return await future
        except FleetError:
            raise
        except Exception:
            # A bug in a command is not the end of a run; its traceback is what there is to be said of it.
            return Answer.wrong(traceback.format_exc())

    async def perform(self, line: str) -> Answer:
        """Carry a line out and show its answer."""
        answer = await self.query(line)
        await self.show(render_answer(answer, self.width))
        await self._glance_now()
        return answer

    # ---- what a menu wants -------------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """Cells in a line."""
        return self._terminal.width

    async def show(self, fragments: Fragments) -> None:
        """Print above whatever is drawn."""
        await self._terminal.show(fragments)

    async def choose(self, picker: Picker) -> int | Left:
        """Let somebody choose."""
        return await self._terminal.choose(picker)

    async def ask(self, question: str, prefix: str | None = None) -> str | None:
        """Ask for a text, completed as what follows `prefix` in a line; None when nobody wants to answer."""
        if prefix is None:
            return await self._terminal.ask(question)
        ask = ChannelCompleter(lambda line, cursor: call(self._channel.complete, line, cursor), prefix)
        return await self._terminal.ask(question, ask)

    async def candidates(self, line: str) -> list[str]:
        """What may follow a line."""
        return [candidate.text for candidate in await call(self._channel.complete, line, len(line))]

    @property
    def target(self) -> str | None:
        """The target in use."""
        return self._glance.target if self._glance else None

    async def stream(self, target: str | None) -> None:
        """Show live events until a key is pressed."""
        await self._watch(f"monitor {target or ''}", quietly=True)
        if self._monitor.on:
            try:
                await self._terminal.any_key("monitoring; any key ends it")
            finally:
                await self._unwatch()

    # ---- monitor -----------------------------------------------------------------------------------------------------

    async def _watch(self, line: str, *, quietly: bool = False) -> None:
        """Begin to show events, or, with a bare `monitor` while they are shown, end it."""
        words = line.split()[1:]
        if (self._monitor.on and not words) or words == ["off"]:
            await self._unwatch()
            return
        try:
            target, action = await self._watched(line)
            await call(self._channel.unwatch)
            self._monitor.start(" ".join(words), everything=action is not None)
            try:
                await call(self._channel.watch, target, action, self._monitor.put)
            except FleetError:
                self._monitor.stop()
                raise
        except ControlClosed:
            raise
        except FleetError as error:
            await self.show(lines_of(str(error), "error"))
            return
        if not quietly:
            await self.show(lines_of("monitoring; Ctrl-C at an empty prompt ends it", "faint"))

    async def _watched(self, line: str) -> tuple[str | None, str | None]:
        """Target and action of a line with `monitor`; raises FleetError with what is wrong with it."""
        words = line.split()[1:]
        known = [name for name in words if name in await self.candidates(f"status {name}")]
        try:
            parsed = parse_line(
                line, default=parse_target(self.target) if self.target else None, known=known.__contains__
            )
        except LineError as error:
            raise FleetError(f"{error.caret(line)}\n{error}") from None
        assert isinstance(parsed.command, fleetwide.Monitor)
        return parsed.target.render() if parsed.target else None, parsed.command.action

    async def _unwatch(self) -> None:
        self._monitor.stop()
        await call(self._channel.unwatch)
        await self.show(lines_of("no longer monitoring", "faint"))

    # ---- beside the prompt -------------------------------------------------------------------------------------------

    async def _keep_glancing(self) -> None:
        while True:
            await asyncio.sleep(GLANCE_INTERVAL_S)
            try:
                self._glance = await call(self._channel.glance)
            except ControlClosed as error:
                self._gone = error
                self._terminal.stop()
                return
            except FleetError:
                continue
            self._terminal.refresh()

    async def _glance_now(self) -> None:
        with suppress(FleetError, TimeoutError):
            self._glance = await asyncio.wait_for(call(self._channel.glance), QUICK_S)

    def _forget(self, what: Callable[[], None]) -> None:
        """Call in a thread; nobody waits for it."""
        call(what).add_done_callback(lambda future: future.cancelled() or future.exception())


def run_shell(channel: Channel, *, banner: str = "", menu_first: bool = False) -> Leaving:
    """A shell over `channel` in this thread, until somebody leaves it or the run is gone; says which."""
    return Shell(channel, banner=banner, menu_first=menu_first).run()
