"""Lines from a stream that is no terminal: carried out one after the other, with plain answers.

`echo 'plug CP001/1' | fleet connect --interactive` is a script, for which a prompt, colours and a menu are of no use.
"""

import sys
import threading
from queue import Empty, Queue
from typing import NamedTuple, TextIO

from fleet.errors import EXIT_DONE
from fleet.shell.channel import Channel

AHEAD_MAX = 100
"""Lines that are read before their turn: the source may never end."""


class Outcome(NamedTuple):
    """How a script went: whether it came to its end, and the highest of its lines' exit codes."""

    ended: bool
    exit_code: int


def run_script(channel: Channel, source: TextIO, stopped: threading.Event) -> Outcome:
    """Carry out every line of `source` until it ends or `stopped`, also behind one that fails.

    Raises ControlClosed when the run is gone meanwhile.
    """
    exit_code = EXIT_DONE
    lines: Queue[str | None] = Queue(AHEAD_MAX)
    threading.Thread(target=_read, args=(source, lines), name="shell-lines", daemon=True).start()
    # Whoever stops the shell can't interrupt a read; so another thread reads, and here is looked out for both.
    while not stopped.is_set():
        try:
            line = lines.get(timeout=0.1)
        except Empty:
            continue
        if line is None:
            return Outcome(True, exit_code)
        if line.strip() and not line.lstrip().startswith("#"):
            answer = channel.execute(line.strip())
            exit_code = max(exit_code, answer.exit_code)
            print(answer.text, file=sys.stdout if answer.error is None else sys.stderr, flush=True)
    return Outcome(False, exit_code)


def _read(source: TextIO, lines: "Queue[str | None]") -> None:
    for line in source:
        lines.put(line)
    lines.put(None)
