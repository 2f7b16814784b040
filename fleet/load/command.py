"""The arguments of `fleet run` and `fleet check`: a file if there is one, and flags that win over it.

The flags are read by the readers of the file's keys (`settings.py`), so that both take the same spellings and give the
same errors.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from attrs import evolve

from fleet.errors import ConfigurationError
from fleet.load.config import (
    CHARGE_POINTS_MAX,
    CONNECTORS_MAX,
    RunConfig,
    heartbeat_interval_s,
    mistakes,
    overridden,
    read_key,
)
from fleet.load.config_file import load
from fleet.load.settings import (
    read_duration,
    read_pattern,
    read_positive_duration,
    read_rate,
    read_seed,
    read_url,
    whole,
)

# Which class each flag belongs to, and its attribute there.
_RUN = {"duration": "duration_s", "grace": "grace_s", "seed": "seed"}
_CSMS = {"url": "url", "connect_rate": "connect_rate_per_s"}
_GROUPS = {"connectors": "connectors", "id": "id"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `fleet run` and `fleet check` take."""
    add = parser.add_argument
    add("config", nargs="?", type=Path, metavar="CONFIG", help="a TOML file; without one, as configs/quickstart.toml")
    add("--url", type=_flag(read_url), help="the CSMS: ws or wss; the id is appended, or replaces {id}")
    add(
        "--charge-points",
        type=_flag(whole(1, CHARGE_POINTS_MAX), int),
        metavar="N",
        help="how many in all; shared out over the groups of a file in proportion",
    )
    add("--connectors", type=_flag(whole(1, CONNECTORS_MAX), int), metavar="N", help="connectors of each charge point")
    add("--id", type=_flag(read_pattern), metavar="PATTERN", help="pattern of the ids, such as 'CP{:04}'")
    add("--connect-rate", type=_flag(read_rate), metavar="RATE", help="charge points that connect, such as 50/s")
    add("--duration", type=_flag(read_positive_duration), help="length of the run before it drains, such as 10m")
    add("--grace", type=_flag(read_duration), metavar="DURATION", help="how long the drain may take, such as 30s")
    add("--seed", type=_flag(read_seed, int), help="a whole number; the same one repeats a run")
    add(
        "--set",
        action="append",
        default=[],
        type=_key_and_value,
        metavar="KEY=VALUE",
        dest="configuration",
        help="an OCPP configuration key of every charge point; may be repeated",
    )


def resolve(args: argparse.Namespace) -> RunConfig:
    """The configuration that file and flags come to; raises ConfigurationError with one line for each mistake."""
    config = RunConfig() if args.config is None else load(args.config)
    if not config.charge_points:
        raise ConfigurationError(f"{args.config}: charge_points: expected at least one group")
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
        raise ConfigurationError("\n".join(f"{where}: {path}: {text}" for path, text in found))
    return _with_own_heartbeat(config)


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


def _flag(read: Callable[[object], object], parse: Callable[[str], object] = str) -> Callable[[str], object]:
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


def _key_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE such as HeartbeatInterval=60, got {text!r}")
    try:
        return read_key(name, value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error}") from None


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """What `fleet run` takes beside that."""
    parser.add_argument(
        "--records",
        type=Path,
        metavar="FILE",
        help="where the CSMS keeps its records of transactions: compared at the end, and written by the embedded one",
    )


def run_load(args: argparse.Namespace) -> int:
    """`fleet run`: returns the exit code."""
    config = resolve(args)
    # trio and all that runs on it take a while to import, for which a mistake in a file need not wait.
    import trio

    from fleet.load.runner import run

    return trio.run(partial(run, config, records=args.records))
