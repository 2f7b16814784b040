"""The command line: which command, and which exit code. No logic: the commands live with what they command.

`fleet --help` and a mistyped command must answer at once, so a command's modules are imported once it is known to be
the one that is wanted.

Exit codes: 0 done or passed; 99 an objective, the books or a scenario's expectation failed; 98 the result is invalid or
incomplete; 104 bad configuration or arguments; 105 interrupted; 1 anything else (a bug shows its traceback).
"""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, NoReturn

from fleet.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, ConfigurationError, FleetError
from fleet.output import guard, guard_errors
from fleet.version import VERSION


class Parser(argparse.ArgumentParser):
    """A parser whose errors are those of a configuration: one line, exit code 104 where argparse has 2."""

    def error(self, message: str) -> NoReturn:
        """Raises ConfigurationError."""
        raise ConfigurationError(f"{message} (see `{self.prog} --help`)")


Run = Callable[[argparse.Namespace], int]


class Command(NamedTuple):
    """A command: `prepare` imports what it needs, adds its arguments and returns what runs it."""

    name: str
    summary: str
    prepare: Callable[[argparse.ArgumentParser], Run]


def _prepare_run(parser: argparse.ArgumentParser) -> Run:
    from fleet.load.command import add_arguments, add_run_arguments, run_load

    add_arguments(parser)
    add_run_arguments(parser)

    def run(args: argparse.Namespace) -> int:
        if not args.shell:
            return run_load(args)
        from fleet.shell.command import attending

        return run_load(args, attending(control=args.control))

    return run


def _prepare_connect(parser: argparse.ArgumentParser) -> Run:
    from fleet.load.connect import add_arguments, connect

    add_arguments(parser)

    def run(args: argparse.Namespace) -> int:
        if not args.interactive:
            return connect(args)
        from fleet.shell.command import attending

        return connect(args, attending(control=args.control, menu_first=True))

    return run


def _prepare_attach(parser: argparse.ArgumentParser) -> Run:
    from fleet.shell.command import attach, configure_attach

    configure_attach(parser)
    return attach


def _prepare_do(parser: argparse.ArgumentParser) -> Run:
    from fleet.control.command import configure_do, do

    configure_do(parser)
    return do


def _prepare_csms(parser: argparse.ArgumentParser) -> Run:
    from fleet.csms.command import configure, run_csms

    configure(parser)
    return run_csms


def _prepare_certs(parser: argparse.ArgumentParser) -> Run:
    from fleet.pki.command import certs, configure

    configure(parser)
    return certs


def _prepare_compare(parser: argparse.ArgumentParser) -> Run:
    from fleet.verdict.compare import compare, configure

    configure(parser)
    return compare


def _prepare_check(parser: argparse.ArgumentParser) -> Run:
    from fleet.load.check import check
    from fleet.load.command import add_arguments

    add_arguments(parser)
    return check


COMMANDS = (
    Command("run", "charge points against a CSMS, yours or the embedded one", _prepare_run),
    Command("connect", "one charge point that does what it is told", _prepare_connect),
    Command("attach", "a shell onto a run that is already going", _prepare_attach),
    Command("do", "one line for a run that is already going, and its answer", _prepare_do),
    Command("csms", "the embedded central system, by itself", _prepare_csms),
    Command("check", "what a configuration comes to: charge points, messages per second, limits", _prepare_check),
    Command("certs", "a test PKI for a CSMS and its charge points", _prepare_certs),
    Command("compare", "the summaries of two runs side by side", _prepare_compare),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (the process's own arguments by default) and return its exit code."""
    # From the first moment on a SIGTERM is what a SIGINT is; a run handles both itself once it stands.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    output = guard()
    guard_errors()
    try:
        code = _main(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    finally:
        signal.signal(signal.SIGTERM, before)
    if output is not None and output.lost is not None:
        print(f"fleet: error: cannot write to standard output: {output.lost.strerror}", file=sys.stderr)
        return code or EXIT_FAILED
    return code


def _main(argv: list[str]) -> int:
    try:
        return _dispatch(argv)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except FleetError as error:
        return _failed(error)
    except BaseExceptionGroup as group:
        # Nurseries wrap what ends them, also when there is only one such thing.
        leaves = list(_leaves(group))
        if all(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
            return EXIT_INTERRUPTED
        errors = [leaf for leaf in leaves if isinstance(leaf, FleetError)]
        if len(errors) != len(leaves):
            raise
        return _failed(errors[0])


def _dispatch(argv: list[str]) -> int:
    parser = Parser(prog="fleet", description="A load simulator for EV charging.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"fleet {VERSION}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    wanted = next((word for word in argv if not word.startswith("-")), None)
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name, help=command.summary, description=command.summary, allow_abbrev=False
        )
        if command.name == wanted:
            subparser.set_defaults(run=command.prepare(subparser))
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        # The command's own help has them; argparse would name that of all commands.
        (subparsers.choices[args.command] if args.command else parser).error(
            f"unrecognized arguments: {' '.join(unknown)}"
        )
    if args.command is None:
        parser.print_help()
        return EXIT_DONE
    run: Run = args.run
    return run(args)


def _failed(error: FleetError) -> int:
    for line in str(error).splitlines():
        print(f"fleet: error: {line}", file=sys.stderr)
    return error.exit_code


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for inner in group.exceptions:
        if isinstance(inner, BaseExceptionGroup):
            yield from _leaves(inner)
        else:
            yield inner
