"""`fleet connect`: one charge point that does what it is told, and nothing by itself.

No drivers come, no time is set: it boots, stays connected, writes a log and obeys its control socket, until somebody
says `quit` or a signal ends it. Beside that it is a run like any other, with the same drain, books and exit codes.

Who tells it what to do may be a test tool that waits a few seconds for whatever is to come. So it comes back soon after
its CSMS does, there being no fleet whose return would have to be spread; and unless a person sits at its menu, a cable
that stays in after a transaction stays Finishing until somebody does something (F1 and F2 of OCPP 1.6 section 4.9).
"""

import argparse
import math
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from fleet.control.log import LEVELS, Log, start_logging
from fleet.errors import ConfigurationError
from fleet.link.endpoint import mask
from fleet.load.command import add_control_arguments, add_state_argument, flag, key_and_value
from fleet.load.config import CONNECTORS_MAX, CsmsConfig, DriversConfig, GroupConfig, RunConfig, mistakes
from fleet.load.controls import Attend, Manner
from fleet.load.security import FLAGS as SECURITY_FLAGS
from fleet.load.security import add_arguments as add_security_arguments
from fleet.load.settings import read_duration, read_seed, read_url, text, whole

DEFAULT_ID = "CP001"
DEFAULT_URL = "ws://localhost:8080/ocpp/{id}"
DEFAULT_CONNECTORS = 2
DEFAULT_GRACE_S = 30.0
MENU_FINISHING_S = 2.0
BACKOFF_MAX_S = 3.0
_ID_LENGTH_MAX = 255


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `fleet connect` takes."""
    add = parser.add_argument
    add(
        "--url",
        type=flag(read_url),
        default=DEFAULT_URL,
        help="the CSMS: ws or wss, with the charge point's id at its end; without it there, the id is appended, or "
        "replaces {id} (default: %(default)s)",
    )
    add(
        "--id", type=flag(text(_ID_LENGTH_MAX)), default=DEFAULT_ID, help="the charge point's id (default: %(default)s)"
    )
    add(
        "--connectors",
        type=flag(whole(1, CONNECTORS_MAX), int),
        default=DEFAULT_CONNECTORS,
        metavar="N",
        help="how many connectors it has (default: %(default)s)",
    )
    add("--fixed-cable", action="store_true", help="cables that can't be taken out at the charge point's end")
    add(
        "--finishing",
        type=flag(read_duration, float),
        metavar="TIME",
        help="how long it stays Finishing before a cable that stays in counts as Preparing again (default: 2s if "
        "--interactive, otherwise until somebody does something)",
    )
    add(
        "--grace",
        type=flag(read_duration, float),
        default=DEFAULT_GRACE_S,
        metavar="TIME",
        help="how long it may take to leave at the end, where something is still undelivered (default: 30s)",
    )
    add("--interactive", action="store_true", help="with a menu and a shell to tell it what to do")
    add("--verbose", action="store_true", help="log every OCPP message and how connections come about")
    add("--log-level", choices=LEVELS, default="info", help="from which level on to log (default: %(default)s)")
    add("--seed", type=flag(read_seed, int), help="a whole number; the same one repeats a run")
    add(
        "--set",
        action="append",
        default=[],
        type=key_and_value,
        metavar="KEY=VALUE",
        dest="configuration",
        help="an OCPP configuration key; may be repeated",
    )
    add_security_arguments(parser, flag(read_url))
    add_state_argument(parser)
    add_control_arguments(parser)


def resolve(args: argparse.Namespace) -> RunConfig:
    """The configuration of a run with this one charge point and no drivers; raises ConfigurationError."""
    finishing_s = args.finishing
    if finishing_s is None:
        finishing_s = MENU_FINISHING_S if args.interactive else math.inf
    config = RunConfig(
        seed=args.seed,
        grace_s=args.grace,
        csms=CsmsConfig(url=url_template(args.url, args.id), backoff_max_s=BACKOFF_MAX_S, **_security(args)),
        charge_points=(
            GroupConfig(
                # Braces in an id are its own; in a pattern they would stand for the index.
                id=args.id.replace("{", "{{").replace("}", "}}"),
                count=1,
                connectors=args.connectors,
                fixed_cable=args.fixed_cable,
                finishing_s=finishing_s,
                configuration=dict(args.configuration),
            ),
        ),
        drivers=DriversConfig(arrivals_per_s=0.0),
    )
    if found := mistakes(config):
        raise ConfigurationError("\n".join(f"{path}: {text_}" for path, text_ in found))
    return config


def _security(args: argparse.Namespace) -> dict[str, Any]:
    given = {
        attribute: value for flag, attribute in SECURITY_FLAGS.items() if (value := getattr(args, flag)) is not None
    }
    if "secure_url" in given:
        given["secure_url"] = url_template(given["secure_url"], args.id)
    return given


def url_template(url: str, charge_point_id: str) -> str:
    """The URL with `{id}` in the place of an id that it already ends in, so that it isn't appended once more."""
    parts = urlsplit(url)
    head, slash, last = parts.path.rpartition("/")
    if "{id}" in url or unquote(last) != charge_point_id:
        return url
    return urlunsplit(parts._replace(path=f"{head}{slash}{{id}}"))


def connect(args: argparse.Namespace, attend: Attend | None = None) -> int:
    """`fleet connect`: returns the exit code. `attend` is the shell where one is wanted."""
    config = resolve(args)
    start_logging(args.log_level)
    import trio

    from fleet.link.endpoint import endpoint_url
    from fleet.load.outputs import Outputs
    from fleet.load.runner import run

    assert config.csms.url is not None
    manner = Manner(
        control=args.control,
        attend=attend,
        alone=True,
        target=args.id,
        password=args.password,
        listeners=(Log(mask(endpoint_url(config.csms.url, args.id)), verbose=args.verbose),),
    )
    return trio.run(partial(run, config, manner=manner, outputs=Outputs(state=args.state)))
