"""`python toy_shell.py RESULT [OPTION=VALUE]...`: the real shell over a toy channel, in whatever terminal.

Into the file RESULT goes, as JSON, how it was left and every line that the channel was given.
"""

import json
import signal
import sys
import threading
from pathlib import Path

from counterparts.toy_channel import ToyChannel

from fleet.shell.app import Shell


def main(result: str, *options: str) -> None:
    chosen = dict(option.split("=", 1) for option in options)
    channel = ToyChannel(
        leaving_ends_the_run="attached" not in chosen, charge_points=int(chosen.get("charge_points", "1"))
    )
    shell = Shell(channel, banner=chosen.get("banner", ""), menu_first="menu" in chosen)
    if "nohup" in chosen:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if "printing" in chosen:
        threading.Thread(target=print_for_ever, args=(channel,), daemon=True).start()
    if "thread" in chosen:
        # As beside trio: the shell has a thread of its own, and is stopped from another one.
        signal.signal(signal.SIGTERM, lambda *_: shell.stop())
        left = in_thread(shell)
    else:
        left = shell.run().value
    Path(result).write_text(
        json.dumps({"left": left, "lines": channel.lines, "interrupts": channel.interrupts, "watched": channel.watched})
    )
    print("and so it ended")


def in_thread(shell: Shell) -> str:
    ways: list[str] = []
    thread = threading.Thread(target=lambda: ways.append(shell.run().value))
    thread.start()
    thread.join()
    return ways[0]


def print_for_ever(channel: ToyChannel) -> None:
    """Events as fast as somebody watches, and what others print."""
    pause, number = threading.Event(), 0
    while not pause.wait(0.02):
        number += 1
        if channel.listener is not None:
            channel.listener({"time": "?", "charge_point": "CP0001", "connector": 1, "kind": "sent", "frame": number})


if __name__ == "__main__":
    main(*sys.argv[1:])
