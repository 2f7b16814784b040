"""Who may import whom, as a table: the architecture document's rules, kept.

A room is a package of `fleet`, or a module at its top. The source is walked with `ast`, so that imports inside
functions and behind TYPE_CHECKING count too.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fleet

ROOT = Path(fleet.__file__).parent

# The rooms of `fleet` that each room may import, beside itself. `core.dialects` and `ocpp.v` (a protocol version) are
# rooms within rooms, which are not meant by the name of the outer one.
MAY_IMPORT: dict[str, set[str]] = {
    "": {"version"},
    "__main__": {"cli"},
    "version": set(),
    "words": set(),
    "errors": set(),
    "quantities": set(),
    "output": set(),
    "randomness": set(),
    "clock": set(),
    "ocpp": {"words", "errors"},
    "ocpp.v": {"ocpp", "words", "errors"},
    "commands": {"words", "errors", "quantities"},
    "core": {"ocpp", "commands", "words"},
    "core.dialects": {"core", "ocpp", "ocpp.v", "commands", "words"},
    "actors": {"core", "commands", "words", "errors", "clock", "randomness"},
    "link": {"core", "commands", "words", "errors", "actors.mailbox"},
    "errands": {"core", "words"},
    "observe": {"core", "commands", "words", "errors", "quantities", "clock"},
    "state": {"actors", "core", "ocpp", "errors", "clock"},
    "verdict": {"observe", "words", "errors", "quantities", "output"},
    "pki": {"errors"},
    "csms": {"ocpp", "ocpp.v", "pki", "words", "errors", "quantities"},
    "control": {"actors", "observe", "core", "commands", "words", "errors", "quantities", "clock"},
    "load": {
        "actors",
        "state",
        "actors.mailbox",
        "errands",
        "link",
        "observe",
        "pki",
        "verdict",
        "version",
        "core",
        "core.dialects",
        "commands",
        "control",
    }
    | {"words", "errors", "output", "quantities", "randomness", "clock"},
    "shell": {"control", "observe", "commands", "words", "errors", "quantities"},
    "cli": {"load", "shell", "control", "csms", "pki", "verdict", "errors", "output", "version"},
}

# What comes from outside the standard library; `attrs` may be used everywhere.
FOREIGN: dict[str, set[str]] = {
    "clock": {"trio"},
    "ocpp": {"cattrs", "orjson"},
    "actors": {"trio"},
    "errands": {"cryptography", "httpx", "trio"},
    "link": {"trio", "trio_websocket", "wsproto"},
    "observe": {"h11", "orjson", "prometheus_client", "rich", "trio"},
    "state": {"cattrs", "orjson", "trio"},
    "verdict": {"cattrs", "jinja2", "orjson"},
    "pki": {"cryptography"},
    "csms": {"orjson", "trio", "trio_websocket", "wsproto"},
    "control": {"orjson", "trio"},
    "shell": {"prompt_toolkit", "trio"},
    "load": {"cattrs", "trio"},
}

# No clock, no I/O, no randomness of their own.
PURE = {"ocpp", "ocpp.v", "commands", "core", "core.dialects", "words", "errors", "version"}
IMPURE = {
    *("asyncio", "concurrent", "multiprocessing", "random", "secrets", "select", "selectors", "signal", "socket"),
    *("ssl", "subprocess", "tempfile", "threading", "time", "trio", "uuid"),
}

VERSION = re.compile(r"v\d+")


def room_of(module: str) -> str:
    """The room that `fleet.a.b.c` is in."""
    match module.split(".")[1:]:
        case []:
            return ""
        case ["ocpp", name, *_] if VERSION.match(name):
            return "ocpp.v"
        case ["core", "dialects", *_]:
            return "core.dialects"
        case ["actors", "mailbox"]:
            return "actors.mailbox"
        case parts:
            return parts[0]


def protocol_version_of(module: str) -> str | None:
    """`v16` for `fleet.ocpp.v16_types` and `fleet.core.dialects.v16`."""
    if room_of(module) not in {"ocpp.v", "core.dialects"}:
        return None
    found = VERSION.match(module.rpartition(".")[2])
    return found and found[0]


def imports(source: str, module: str) -> Iterator[str]:
    """The dotted names that a module imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            # What is imported from a package may be a module in it.
            yield from (
                f"{node.module}.{name.name}" if is_package(node.module) else str(node.module) for name in node.names
            )


def is_package(module: str | None) -> bool:
    parts = str(module).split(".")
    return parts[0] == "fleet" and ROOT.joinpath(*parts[1:]).is_dir()


def violations(source: str, module: str) -> list[str]:
    """What this module imports and must not."""
    own = room_of(module)
    # A mailbox is a room of its own only for those who may import nothing else of the actors.
    inside = {own, "actors"} if own == "actors.mailbox" else {own, "actors.mailbox"} if own == "actors" else {own}
    outer = own.partition(".")[0]
    found = []
    for name in imports(source, module):
        top = name.partition(".")[0]
        if top == "fleet":
            other, version = room_of(name), protocol_version_of(name)
            allowed = inside | MAY_IMPORT["actors" if own == "actors.mailbox" else own]
            if other not in allowed:
                found.append(f"{module} imports {name}: {own or 'fleet'} may not import {other}")
            elif version and (mine := protocol_version_of(module)) and mine != version:
                found.append(f"{module} imports {name}: protocol versions never import each other")
        elif own in PURE and top in IMPURE:
            found.append(f"{module} imports {name}: {own} has no clock, no I/O and no randomness of its own")
        elif top not in sys.stdlib_module_names and top not in {"attr", "attrs"} | FOREIGN.get(outer, set()):
            found.append(f"{module} imports {name}: {outer} may not")
    return found


def modules() -> list[str]:
    """Every module of the package, by its dotted name."""
    paths = sorted(path.relative_to(ROOT.parent).with_suffix("") for path in ROOT.rglob("*.py"))
    return [".".join(path.parts).removesuffix(".__init__") for path in paths]


def source_of(module: str) -> str:
    path = ROOT.joinpath(*module.split(".")[1:])
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")


def test_every_module_imports_only_what_the_table_allows() -> None:
    found = [violation for module in modules() for violation in violations(source_of(module), module)]
    assert found == []


def test_every_room_has_a_row_in_the_table() -> None:
    assert {room_of(module) for module in modules()} - {"actors.mailbox"} <= set(MAY_IMPORT)


def test_no_room_comes_back_to_itself_through_the_table() -> None:
    def reachable(room: str, seen: set[str]) -> set[str]:
        for other in MAY_IMPORT.get(room, set()) - seen:
            seen |= {other} | reachable(other, seen | {other})
        return seen

    assert [room for room in MAY_IMPORT if room in reachable(room, set())] == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("fleet.core.meter", "import trio"),
        ("fleet.core.meter", "from time import monotonic"),
        ("fleet.core.meter", "import random"),
        ("fleet.core.meter", "from fleet.ocpp.v16 import CATALOGUE"),
        ("fleet.core.meter", "from fleet.ocpp import v16"),
        ("fleet.core.meter", "from fleet.core.dialects.v16 import Dialect16"),
        ("fleet.core.meter", "def f():\n    from fleet.actors.mailbox import Mailbox"),
        ("fleet.ocpp.frame", "import uuid"),
        ("fleet.ocpp.exchange", "from fleet.core import plan"),
        ("fleet.ocpp.v201", "from fleet.ocpp.v16_types import IdToken"),
        ("fleet.ocpp.converter", "from fleet.ocpp.v16 import CATALOGUE"),
        ("fleet.core.dialects.v201", "from fleet.core.dialects.v16 import Dialect16"),
        ("fleet.core.dialects.v201", "import fleet.ocpp.v16"),
        ("fleet.commands.parse", "import asyncio"),
        ("fleet.actors.fleet", "from fleet.link.websocket import run_link"),
        ("fleet.link.websocket", "from fleet.actors.fleet import Fleet"),
        ("fleet.link.websocket", "from fleet.actors import fleet"),
        ("fleet.observe.board", "from fleet.load.config import RunConfig"),
        ("fleet.csms.central", "from fleet.core.plan import ChargePointPlan"),
        ("fleet.load.runner", "from fleet.ocpp.v16 import CATALOGUE"),
        ("fleet.load.runner", "from fleet.cli import main"),
        ("fleet.load.runner", "from fleet.shell.app import Shell"),
        ("fleet.control.console", "from fleet.load.config import RunConfig"),
        ("fleet.control.console", "from fleet.shell.app import Shell"),
        ("fleet.shell.app", "from fleet.actors.fleet import Fleet"),
        ("fleet.link.websocket", "from fleet.load.config import CsmsConfig"),
        ("fleet.actors.fleet", "from fleet.observe.observer import Observer"),
        ("fleet.cli", "import trio"),
        ("fleet.words", "from fleet.errors import FleetError"),
        ("fleet.actors.mailbox", "from fleet.link.websocket import run_link"),
    ],
)
def test_a_breach_of_the_rules_is_seen(module: str, line: str) -> None:
    assert violations(line, module)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("fleet.core.dialects.v16", "from fleet.ocpp.v16 import CATALOGUE"),
        ("fleet.ocpp.v16", "from fleet.ocpp.v16_types import IdTagInfo"),
        ("fleet.link.websocket", "from fleet.actors.mailbox import Mailbox"),
        ("fleet.link.websocket", "import trio"),
        ("fleet.actors.fleet", "from fleet.actors.mailbox import Mailbox"),
        ("fleet.csms.central", "from fleet.ocpp.v16 import CATALOGUE"),
        ("fleet.core.meter", "from attrs import frozen"),
        ("fleet.load.runner", "from fleet.core.dialects.v16 import Dialect16"),
    ],
)
def test_what_the_rules_allow_is_allowed(module: str, line: str) -> None:
    assert violations(line, module) == []
