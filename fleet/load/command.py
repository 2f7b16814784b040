"""The arguments of `fleet run` and `fleet check`: a file if there is one, and flags that win over it.

The flags are read by the readers of the file's keys (`settings.py`), so that both take the same spellings and give the
same errors.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from fleet.errors import ConfigurationError
from fleet.load.config import (
    CHARGE_POINTS_MAX,
    CONNECTORS_MAX,
    EVERYBODY,
    RunConfig,
    ScenarioConfig,
    heartbeat_interval_s,
    mistakes,
    overridden,
    read_key,
)
from fleet.load.config_file import load
from fleet.load.objectives import read_objective
from fleet.load.outputs import TRACE_BYTES_MAX, TRACE_FILES_MAX, Outputs
from fleet.load.scenario_files import alone, lasting, read_scenarios
from fleet.load.security import FLAGS as SECURITY_FLAGS
from fleet.load.security import add_arguments as add_security_arguments
from fleet.load.settings import (
    read_duration,
    read_pattern,
    read_positive_duration,
    read_rate,
    read_seed,
    read_target,
    read_url,
    text,
    whole,
)
from fleet.quantities import parse_size

if TYPE_CHECKING:
    from fleet.load.controls import Attend

# Which class each flag belongs to, and its attribute there.
_RUN = {"duration": "duration_s", "grace": "grace_s", "seed": "seed"}
_CSMS = {"url": "url", "connect_rate": "connect_rate_per_s", **SECURITY_FLAGS}
_GROUPS = {"connectors": "connectors", "id": "id"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `fleet run` and `fleet check` take."""
    add = parser.add_argument
    add("config", nargs="?", type=Path, metavar="CONFIG", help="a TOML file; without one, as configs/quickstart.toml")
    add("--url", type=flag(read_url), help="the CSMS: ws or wss; the id is appended, or replaces {id}")
    add(
        "--charge-points",
        type=flag(whole(1, CHARGE_POINTS_MAX), int),
        metavar="N",
        help="how many in all; shared out over the groups of a file in proportion",
    )
    add("--connectors", type=flag(whole(1, CONNECTORS_MAX), int), metavar="N", help="connectors of each charge point")
    add("--id", type=flag(read_pattern), metavar="PATTERN", help="pattern of the ids, such as 'CP{:04}'")
    add("--connect-rate", type=flag(read_rate), metavar="RATE", help="charge points that connect, such as 50/s")
    add("--duration", type=flag(read_positive_duration), help="length of the run before it drains, such as 10m")
    add("--grace", type=flag(read_duration), metavar="DURATION", help="how long the drain may take, such as 30s")
    add("--seed", type=flag(read_seed, int), help="a whole number; the same one repeats a run")
    add(
        "--set",
        action="append",
        default=[],
        type=key_and_value,
        metavar="KEY=VALUE",
        dest="configuration",
        help="an OCPP configuration key of every charge point; may be repeated",
    )

    add(
        "--scenario",
        action="append",
        default=[],
        type=flag(text(4096)),
        metavar="FILE",
        help="a file of lines to carry out, instead of those of CONFIG; may be repeated. Without CONFIG nothing else "
        "happens, and the run is over when they are",
    )
    add(
        "--scenario-target",
        type=flag(read_target),
        metavar="TARGET",
        help="whom a scenario's lines are for that don't say it, such as 'CP00*/1' (default: */*)",
    )
    add_security_arguments(parser, flag(read_url))
    add(
        "--slo",
        action="append",
        default=[],
        type=flag(read_objective),
        metavar="OBJECTIVE",
        help="what must hold, such as 'p99(Authorize) < 800ms' or 'lost_transactions == 0', beside those of CONFIG; "
        "may be repeated",
    )


def resolve(args: argparse.Namespace) -> RunConfig:
    """The configuration that file and flags come to; raises ConfigurationError with one line for each mistake."""
    config = RunConfig() if args.config is None else load(args.config)
    if not config.charge_points:
        raise ConfigurationError(f"{args.config}: charge_points: expected at least one group")
    config = evolve(_with_scenarios(config, args), objectives=(*config.objectives, *args.slo))
    config = overridden(
        config,
        charge_points=args.charge_points,
        csms=_given(args, _CSMS),
        groups=_given(args, _GROUPS),
        configuration=dict(args.configuration),
        run=_given(args, _RUN),
    )
    if found := mistakes(config):
        where = "the built-in configuration" if args.config is None else args.config
        raise ConfigurationError("\n".join(f"{where}: {path}: {what}" for path, what in found))
    if args.scenario and args.config is None and args.duration is None:
        config = lasting(config)
    else:
        read_scenarios(config)  # only to tell what is wrong in them now
    return _with_own_heartbeat(config)


def _with_scenarios(config: RunConfig, args: argparse.Namespace) -> RunConfig:
    """With those that the flags name: instead of the file's, or, where there is no file, instead of everything."""
    if not args.scenario:
        if args.scenario_target is not None:
            raise ConfigurationError("--scenario-target: expected a --scenario beside it")
        return config
    scenarios = tuple(ScenarioConfig(file, args.scenario_target or EVERYBODY) for file in args.scenario)
    return alone(config, scenarios) if args.config is None else evolve(config, scenario=scenarios)


def _with_own_heartbeat(config: RunConfig) -> RunConfig:
    """The embedded CSMS says the heartbeat interval that the charge points have, unless the file says another.

    Its answer to BootNotification overrides HeartbeatInterval, so that otherwise setting the key had no effect.
    """
    if config.csms.url is not None or config.csms.heartbeat_interval_s is not None:
        return config
    interval_s = heartbeat_interval_s(config.charge_points[0], config.csms)
    return evolve(config, csms=evolve(config.csms, heartbeat_interval_s=interval_s)) if interval_s else config


def _given(args: argparse.Namespace, names: dict[str, str]) -> dict[str, object]:
    return {attribute: value for name, attribute in names.items() if (value := getattr(args, name)) is not None}


def flag(read: Callable[[object], object], parse: Callable[[str], object] = str) -> Callable[[str], object]:
    """A reader of settings as argparse wants it: from text, with its own error."""

    def read_flag(text: str) -> object:
        try:
            value = parse(text)
        except ValueError:
            value = text  # not even a number: the reader says what was expected
        try:
            return read(value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read_flag


def key_and_value(text: str) -> tuple[str, str]:
    """KEY=VALUE, an OCPP configuration key, as argparse wants it read."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE such as HeartbeatInterval=60, got {text!r}")
    try:
        return read_key(name, value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error}") from None


def add_control_arguments(parser: argparse.ArgumentParser) -> None:
    """What everything takes that runs and can be told something."""
    parser.add_argument(
        "--password",
        metavar="TEXT",
        help="of HTTP basic authentication with the id; others on this machine may read it here: a file can name it",
    )
    parser.add_argument(
        "--control",
        metavar="PATH",
        help="where to listen for `fleet attach` and `fleet do` (default: a socket of its own in the runtime "
        "directory); - for standard input and output",
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """What `fleet run` takes beside that."""
    parser.add_argument(
        "--records",
        type=Path,
        metavar="FILE",
        help="where the CSMS keeps its records of transactions: compared at the end, and written by the embedded one",
    )
    add = parser.add_argument
    add(
        "--report",
        type=Path,
        metavar="DIR",
        help="a folder for the result: summary.json, junit.xml, report.html",
    )
    add(
        "--metrics",
        metavar="ADDRESS",
        help="serve Prometheus metrics there, such as 127.0.0.1:9464; port 0 takes a free one",
    )
    add(
        "--metrics-public",
        action="store_true",
        help="the address of the metrics may be one that others can reach",
    )
    add(
        "--linger",
        type=flag(read_duration),
        metavar="DURATION",
        help="serve the metrics for so long after the end, so that the last values are scraped, such as 30s",
    )
    add(
        "--trace",
        type=Path,
        metavar="FILE",
        help="write every frame into this file, a JSON object per line; passwords and keys are masked",
    )
    add(
        "--trace-size",
        type=size,
        metavar="SIZE",
        help=f"begin a new file of the trace after so many bytes (default: 100MB; {TRACE_FILES_MAX} files are kept)",
    )
    add_state_argument(parser)
    parser.add_argument("--shell", action="store_true", help="with a shell over the running load")
    add_control_arguments(parser)


def add_state_argument(parser: argparse.ArgumentParser) -> None:
    """Where charge points survive the process."""
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="a folder that keeps what charge points keep through a power cut, secrets included; a run that was killed "
        "goes on from there",
    )


def size(text_: str) -> int:
    """A number of bytes, as argparse wants it read."""
    try:
        return parse_size(text_)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def outputs(args: argparse.Namespace) -> Outputs:
    """What the flags want beside the summary; raises ConfigurationError."""
    for name in ("metrics_public", "linger"):
        if getattr(args, name) and args.metrics is None:
            raise ConfigurationError(f"--{name.replace('_', '-')}: expected --metrics ADDRESS beside it")
    if args.trace_size is not None and args.trace is None:
        raise ConfigurationError("--trace-size: expected --trace FILE beside it")
    metrics = None
    if args.metrics is not None:
        from fleet.observe.exporter import parse_address

        try:
            metrics = parse_address(args.metrics, public=args.metrics_public)
        except ValueError as error:
            raise ConfigurationError(f"--metrics: {error}") from None
    return Outputs(
        metrics=metrics,
        linger_s=args.linger or 0.0,
        report=args.report,
        trace=args.trace,
        trace_bytes_max=args.trace_size or TRACE_BYTES_MAX,
        state=args.state,
    )


def run_load(args: argparse.Namespace, attend: "Attend | None" = None) -> int:
    """`fleet run`: returns the exit code. `attend` is the shell where one is wanted."""
    config, wanted = resolve(args), outputs(args)
    # trio and all that runs on it take a while to import, for which a mistake in a file need not wait.
    import trio

    from fleet.load.controls import Manner
    from fleet.load.runner import run

    manner = Manner(control=args.control, attend=attend, password=args.password)
    return trio.run(partial(run, config, records=args.records, manner=manner, outputs=wanted))
