"""The summary of a run as a document: what `summary.json` holds, and what text, page, JUnit and comparison are made of.

The file is one JSON object with the fields of `Summary`, in this spelling; units are in the names: `_s` seconds, `_w`
watts, `_wh` watt-hours, shares are 0 to 1. `format` and `version` come first: a reader refuses what it doesn't know,
and the version grows when a field changes its meaning or goes away (one that is added doesn't change it).

All latencies are there twice, from when the message was *due* and from when its frame was *sent*. Those that had no
answer in time are `censored`: they count in the percentiles with the time that was waited, and a percentile that falls
among them is a lower bound, which `at_least` names.
"""

import math
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from attrs import field, frozen
from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError
from cattrs.preconf.orjson import make_converter

from fleet.errors import ConfigurationError

FORMAT = "fleet-summary"
VERSION = 1
SUMMARY_FILE = "summary.json"


class Result(StrEnum):
    """The verdict in one word."""

    PASSED = "passed"
    FAILED = "failed"
    """An objective failed, the books don't balance, or a scenario's expectation was not so."""
    INVALID = "invalid"
    """The generator could not keep up: whatever was measured is not the CSMS."""
    INCOMPLETE = "incomplete"
    """The run did not come to what it was to do: nobody connected, charge points were given up, or no records."""
    INTERRUPTED = "interrupted"


@frozen
class Percentiles:
    """A distribution of durations, in s. `count` includes the `censored`, which waited in vain."""

    count: int
    censored: int
    mean_s: float
    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float
    p99_9_s: float
    max_s: float
    at_least: tuple[str, ...] = ()
    """The fields that are lower bounds, such as `("p99_s", "max_s")`."""


@frozen
class ObjectiveResult:
    """An objective and what became of it. `value` is in the base unit (s, share, Wh, count), None without any data."""

    objective: str
    passed: bool
    value: float | None
    shown: str
    """The value for people, such as `1.24 s`, `>= 30 s` or `no Authorize was sent`."""
    built_in: bool = False
    """Asked for by no one: books are always to balance."""


@frozen
class ChargePoints:
    """Who was there. The dicts are counts by word."""

    count: int
    connectors: int
    connected: int
    """Connected at least once."""
    accepted: int
    """Accepted by the CSMS at least once."""
    accepted_after_s: float | None
    """When the last of them was accepted for the first time, since the beginning."""
    by_state: dict[str, int]
    connects: int
    disconnects: dict[str, int]
    connect_failures: dict[str, int]
    restarts: dict[str, int]
    crashes: dict[str, int]
    given_up: int
    given_up_for: dict[str, int] = field(factory=dict)
    """The same by cause."""
    cases: dict[str, tuple[str, ...]] = field(factory=dict)
    """Where each crash and each cause for giving up was met first: a few charge points by word."""


@frozen
class Call:
    """The CALLs of one action to the CSMS."""

    count: int
    rate_per_s: float
    errors: int
    """Answered with a CALLERROR, or with a result that can't be read."""
    timeouts: int
    cut_off: int
    """The connection ended before the answer."""
    error_codes: dict[str, int]
    due: Percentiles | None
    sent: Percentiles | None


@frozen
class Served:
    """The CALLs of one action from the CSMS, by how they were answered."""

    count: int
    rate_per_s: float
    outcomes: dict[str, int]


@frozen
class Transactions:
    """What became of transactions. `open` are those that never ended.

    `lost` are those whose end never reached the CSMS, or that it acknowledged and then had no record of.
    """

    started: int
    stopped: int
    delivered: int
    lost: int
    open: int
    abandoned: int
    by_reason: dict[str, int]
    waiting: int = 0
    """Transaction messages that still waited for an answer when the run ended."""
    restored: int = 0
    """Of those started: begun in an earlier run that was cut short."""


@frozen
class Fate:
    """What became of the transaction messages of one action."""

    delivered: int
    lost: int
    repeated: int
    """Said more than once, as no answer came: the CSMS may have taken it twice."""
    late: int
    """Delivered, but long after they were due: an outage or a backlog."""
    out_of_order: int


@frozen
class BooksResult:
    """The books of both sides; `recorded_wh` is None where there were no records to compare with."""

    balanced: bool
    metered_wh: int
    reported_wh: int
    acknowledged_wh: int
    recorded_wh: int | None
    difference_wh: int
    """Between the largest and the smallest of these."""
    violations: dict[str, int]
    """What is wrong, counted by rule."""
    findings: tuple[str, ...]
    """The first of them, a line each."""


@frozen
class Violation:
    """What the CSMS did against the specification."""

    count: int
    examples: tuple[str, ...]


@frozen
class Generator:
    """How the generator itself was: what it says is only worth something if it kept up."""

    reasons: tuple[str, ...]
    """Why the result is invalid; empty when it isn't."""
    lag: Percentiles | None
    """How late its own tasks ran."""
    utilisation: float
    """The share of time in which the loop was at work, over the whole run."""
    utilisation_peak: float
    """The same in the worst ten seconds."""
    cpu_s: float
    rss_mib: float
    """Resident memory at the end."""
    resource_failures: int
    """Connections that this machine had no descriptors, ports or buffers for."""
    trace_lost: int = 0
    """Frames that could not be written to the trace."""


@frozen
class Timeline:
    """Figures over time: `at_s` is the end of each interval since the beginning, each column has a value per interval.

    Rates are per second. None is where there was nothing: no call was answered, nobody measured.
    """

    at_s: tuple[float, ...] = ()
    columns: dict[str, tuple[float | None, ...]] = field(factory=dict)
    """`due_p50_s due_p95_s due_p99_s sent_p50_s sent_p95_s sent_p99_s messages_per_s errors_per_s timeouts_per_s
    power_w energy_wh transactions outbox lag_p99_s utilisation`, and `state:` with each state of a charge point."""


@frozen
class Event:
    """Something notable: `kind` is `command`, `scenario`, `fault`, `drain`, `phase` or `abort`."""

    at_s: float
    kind: str
    text: str


@frozen
class Summary:
    """A whole run."""

    format: str
    version: int
    fleet: str
    """The version of fleet."""
    result: Result
    exit_code: int
    reasons: tuple[str, ...]
    """Why it is not simply passed, a line each."""
    seed: int
    target: str
    """The CSMS's URL, without secrets."""
    began_at: str
    """UTC, as `2026-11-22T14:18:49Z`."""
    duration_s: float
    """As configured."""
    elapsed_s: float
    """As it was, drain included."""
    objectives: tuple[ObjectiveResult, ...]
    charge_points: ChargePoints
    messages: int
    """CALLs of both directions."""
    calls: dict[str, Call]
    served: dict[str, Served]
    durations: dict[str, Percentiles]
    """`connect` and its stages `connect_tcp connect_tls connect_websocket`; `boot remote_start remote_stop`; those that
    happened."""
    transactions: Transactions
    transaction_messages: dict[str, Fate]
    books: BooksResult
    violations: dict[str, Violation]
    generator: Generator
    visits: dict[str, int] = field(factory=dict)
    """How the drivers' visits went, by word."""
    timeline: Timeline = Timeline()
    events: tuple[Event, ...] = ()
    warnings: tuple[str, ...] = ()
    """What a person who reads the figures must not overlook, such as certificates that nobody verified."""


def dump(summary: Summary) -> bytes:
    """The document as JSON, a line per top-level field being more than people need."""
    raw = _converter().unstructure(summary)
    try:
        return _packed(raw)
    except TypeError:
        # The name of a file may be no Unicode, and it stands in a reason: that must not cost a night's figures.
        return _packed(_in_unicode(raw))


def _packed(raw: Any) -> bytes:
    return orjson.dumps(raw, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _in_unicode(value: Any) -> Any:
    """A JSON value with what is no Unicode in its texts spelt out."""
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_in_unicode(name): _in_unicode(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_in_unicode(inner) for inner in value]
    return value


def load(path: Path) -> Summary:
    """The document in a file; raises ConfigurationError, one line, for what is no summary of this version."""
    try:
        raw = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: can't read it: {error.strerror or error}") from None
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{path}: expected a {SUMMARY_FILE}, but it isn't JSON: {error}") from None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ConfigurationError(f"{path}: expected a {SUMMARY_FILE} as `fleet run --report` writes it")
    if raw.get("version") != VERSION:
        raise ConfigurationError(
            f"{path}: it is a summary of version {raw.get('version')!r}, and this fleet reads version {VERSION}"
        )
    try:
        return _converter().structure(raw, Summary)
    except BaseValidationError as error:
        raise ConfigurationError(f"{path}: {transform_error(error, path='summary')[0]}") from None


@cache
def _converter() -> Converter:
    converter: Converter = make_converter()
    converter.register_structure_hook(float, _structure_number)
    return converter


def _structure_number(value: Any, _: Any) -> float:
    """A number that can be compared, which neither text nor infinity nor what is no number at all is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("expected a number")
    return float(value)


def as_json(summary: Summary) -> Any:
    """The document as plain JSON values."""
    return _converter().unstructure(summary)
