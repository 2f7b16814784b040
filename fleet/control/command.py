"""`fleet do`: one line for a run that is going on, its answer, and an exit code for the script."""

import argparse
import sys
import threading
from pathlib import Path

import orjson

from fleet.control.answer import Answer
from fleet.control.client import ControlClient
from fleet.control.paths import find_socket
from fleet.errors import EXIT_INTERRUPTED, FleetError

_LAST_WORD_S = 2.0
"""How long a cancelled line may take to say how far it came."""


def configure_do(parser: argparse.ArgumentParser) -> None:
    """What `fleet do` takes."""
    parser.add_argument("line", nargs="+", metavar="LINE", help="a line of the shell, such as 'stop CP00*/1'")
    parser.add_argument("--json", action="store_true", help="print the whole answer as one line of JSON")
    add_socket_argument(parser)


def add_socket_argument(parser: argparse.ArgumentParser) -> None:
    """Which run is meant."""
    parser.add_argument(
        "--control", type=Path, metavar="PATH", help="the control socket of the run (default: that of the only one)"
    )


def do(args: argparse.Namespace) -> int:
    """`fleet do`: returns the exit code.

    0 done; 1 something was refused; 99 a scenario's expectation failed; 104 the line doesn't parse, or nobody listens.
    """
    with ControlClient(args.control or find_socket()) as peer:
        answer = _executed(peer, args.line[0] if len(args.line) == 1 else " ".join(map(_quoted, args.line)))
    if args.json:
        print(orjson.dumps(answer.as_dict()).decode())
    elif answer.error is not None:
        print(answer.error, file=sys.stderr)
    elif answer.text:
        print(answer.text)
    return answer.exit_code


def _executed(peer: ControlClient, line: str) -> Answer:
    """The answer to a line; Ctrl-C cancels it there, and then says how far it came."""
    answers: list[Answer | FleetError] = []
    answered = threading.Event()

    def execute() -> None:
        try:
            answers.append(peer.execute(line))
        except FleetError as error:
            answers.append(error)
        answered.set()

    threading.Thread(target=execute, daemon=True).start()
    try:
        # Not the thread's `join`, which takes a thread for ended when a signal comes in between.
        answered.wait()
    except KeyboardInterrupt:
        peer.cancel()
        answered.wait(_LAST_WORD_S)
    if not answers:
        return Answer.wrong("interrupted", EXIT_INTERRUPTED)
    answer = answers[0]
    if isinstance(answer, FleetError):
        raise answer
    return answer


def _quoted(word: str) -> str:
    """A word that the calling shell had quoted, so that it stays one."""
    if word.startswith("{") or not any(map(str.isspace, word)):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
