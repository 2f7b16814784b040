"""The shell's ways in: over a run of this process (`--shell`, `--interactive`), and onto one that is already going."""

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path

from fleet.control.client import ControlClient
from fleet.control.command import add_socket_argument
from fleet.control.console import Console
from fleet.control.paths import find_socket
from fleet.control.plant import Plant
from fleet.errors import EXIT_FAILED, ConfigurationError
from fleet.shell.app import Leaving, Shell
from fleet.shell.channel import RemoteChannel
from fleet.shell.local import show_shell

BANNER = "`help` lists the commands, `menu` offers them; Tab completes, Ctrl-D leaves"


def attending(*, control: str | None = None, menu_first: bool = False) -> Callable[[Plant], Awaitable[None]]:
    """The shell as a task beside a run; leaving it asks for the run's end.

    Without a terminal its input is a script. Raises ConfigurationError where standard input is somebody else's.
    """
    if control == "-":
        raise ConfigurationError("--control -: standard input can't be the shell's and a program's at once")

    async def attend(plant: Plant) -> None:
        console = Console(plant, target=_only(plant))
        leaving = await show_shell(console, banner=BANNER, menu_first=menu_first, interrupt=plant.interrupt)
        if leaving is Leaving.LEFT:
            plant.ask_for_the_end()

    return attend


def configure_attach(parser: argparse.ArgumentParser) -> None:
    """What `fleet attach` takes."""
    parser.add_argument("socket", nargs="?", type=Path, metavar="SOCKET", help="the control socket of the run")
    add_socket_argument(parser)


def attach(args: argparse.Namespace) -> int:
    """`fleet attach`: returns the exit code, of a script the highest of its lines; 1 when the run went away."""
    if args.socket is not None and args.control is not None:
        raise ConfigurationError("give the socket once: SOCKET or --control PATH")
    path = args.socket or args.control or find_socket()
    with ControlClient(path) as peer:
        shell = Shell(RemoteChannel(peer), banner=f"{path}: {BANNER}")
        leaving = shell.run()
    return EXIT_FAILED if leaving is Leaving.GONE else shell.exit_code


def _only(plant: Plant) -> str | None:
    """Where there is one charge point, lines are for that one."""
    return plant.model.id if plant.model is not None and plant.board.charge_points == 1 else None
