"""Lines from a stream that is no terminal: carried out one after the other, with plain answers.

`echo 'plug CP001/1' | fleet connect --interactive` is a script, for which a prompt, colours and a menu are of no use.
"""

import sys
import threading
from queue import Empty, Queue
from typing import TextIO

from fleet.shell.channel import Channel

AHEAD_MAX = 100
"""Lines that are read before their turn: the source may never end."""


def run_script(channel: Channel, source: TextIO, stopped: threading.Event) -> bool:
    """Carry out every line of `source` until it ends or `stopped`; returns whether it came to the end.

    Raises ControlClosed when the run is gone meanwhile.
    """
    lines: Queue[str | None] = Queue(AHEAD_MAX)
    threading.Thread(target=_read, args=(source, lines), name="shell-lines", daemon=True).start()
    # Whoever stops the shell can't interrupt a read; so another thread reads, and here is looked out for both.
    while not stopped.is_set():
        try:
            line = lines.get(timeout=0.1)
        except Empty:
            continue
        if line is None:
            return True
        if line.strip() and not line.lstrip().startswith("#"):
            answer = channel.execute(line.strip())
            print(answer.text, file=sys.stdout if answer.error is None else sys.stderr, flush=True)
    return False


def _read(source: TextIO, lines: "Queue[str | None]") -> None:
    for line in source:
        lines.put(line)
    lines.put(None)
