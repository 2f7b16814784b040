"""What others print while the shell draws: above whatever is drawn, a line at a time, whoever printed it.

prompt-toolkit's own proxy writes from a thread that knows nothing of the shell's session, and so finds nothing drawn
there and writes into the line that is being typed. Here everything is written in the shell's loop, which alone knows
what is drawn at that moment.
"""

import asyncio
import contextvars
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.patch_stdout import StdoutProxy


class Printed(StdoutProxy):
    """Stands for standard output and error; its writes never wait for the terminal. Made in the shell's loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        super().__init__(raw=True)

    def close(self) -> None:
        """Write what is left; the loop, which waits here, can't do it any more."""
        self._loop = None
        super().close()

    def _start_write_thread(self) -> threading.Thread:
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._write_thread,), name="patch-stdout-flush-thread", daemon=True
        )
        thread.start()
        return thread

    def _get_app_loop(self) -> asyncio.AbstractEventLoop | None:
        return self._loop

    def _write_and_flush(self, loop: asyncio.AbstractEventLoop | None, text: str) -> None:
        def write() -> None:
            self._output.enable_autowrap()
            self._output.write_raw(text)
            self._output.flush()

        def write_in_loop() -> None:
            app = self.app_session.app
            if app is not None and app.is_running:
                run_in_terminal(write)
            else:
                write()

        if loop is None:
            write()
        else:
            loop.call_soon_threadsafe(write_in_loop)


@contextmanager
def printed_above() -> Iterator[None]:
    """Standard output and error go above what is drawn."""
    stdout, stderr = sys.stdout, sys.stderr
    with Printed() as proxy:
        sys.stdout = sys.stderr = proxy
        try:
            yield
        finally:
            sys.stdout, sys.stderr = stdout, stderr
