"""The report of a run as one page for a browser: the verdict, charts over time, and every figure of the summary.

It is sent around by mail and kept beside builds for years, so it is a single file that loads nothing from anywhere:
style, script and charts are in it, and its content security policy forbids all else. That policy names its one script
by hash, since what a CSMS said stands on the page too: its words are escaped, and could do nothing if they were not.

Everything can be read without the script. It only tells the values at the pointer.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from fleet.observe.board import ChargePointState
from fleet.observe.figures import (
    format_count,
    format_counts,
    format_energy,
    format_latency,
    format_rate,
    printable,
)
from fleet.quantities import format_duration
from fleet.verdict.charts import HEIGHT, WIDTH, Chart, Drawing, Line, Mark, Unit, draw, fit, marks
from fleet.verdict.document import Call, Percentiles, Result, Summary

EVENTS_SHOWN_MAX = 200
NOTHING = "–"
_LATENCY_SHOWN = ("p50_s", "p95_s", "p99_s", "max_s")

SAID: Mapping[Result, tuple[str, str]] = {
    Result.PASSED: ("Passed", "Every objective was met and the books balance."),
    Result.FAILED: ("Failed", "The run came to its end, and this is not as it should be:"),
    Result.INVALID: ("Invalid", "The generator could not keep up. What was measured says nothing about the CSMS:"),
    Result.INCOMPLETE: ("Incomplete", "The run did not come to what it was to do:"),
    Result.INTERRUPTED: ("Interrupted", "The run was ended from outside. What was measured until then is all here."),
}
DURATIONS = {
    "connect": "connection, all told",
    "connect_tcp": "TCP connection",
    "connect_tls": "TLS handshake",
    "connect_websocket": "WebSocket handshake",
    "boot": "boot: power-up to accepted",
    "remote_start": "remote start: command to StartTransaction",
    "remote_stop": "remote stop: command to StopTransaction",
}
# The states that are well last, so that trouble rests on the bottom line, where small counts are seen.
_STATES = (
    (ChargePointState.GIVEN_UP, "red"),
    (ChargePointState.REJECTED, "rose"),
    (ChargePointState.OFFLINE, "amber"),
    (ChargePointState.WITHOUT_POWER, "brown"),
    (ChargePointState.RESTARTING, "purple"),
    (ChargePointState.PENDING, "teal"),
    (ChargePointState.CONNECTED, "sky"),
    (ChargePointState.REGISTERED, "blue"),
    (ChargePointState.STARTING, "grey"),
    (ChargePointState.DRAINED, "pale"),
)


def _latency(id: str, title: str) -> Chart:
    lines = tuple(
        Line(f"{id}_{name}_s", name, colour) for name, colour in (("p50", "sky"), ("p95", "blue"), ("p99", "purple"))
    )
    return Chart(id, title, Unit.SECONDS, lines, logarithmic=True)


DUE = _latency("due", "Latency from when due")
SENT = _latency("sent", "Latency from when sent")
CHARTS = (
    DUE,
    SENT,
    Chart("messages", "Messages per second", Unit.RATE, (Line("messages_per_s", "messages", "blue"),), filled=True),
    Chart(
        "errors",
        "Errors and timeouts per second",
        Unit.RATE,
        (Line("errors_per_s", "errors", "red"), Line("timeouts_per_s", "timeouts", "amber")),
    ),
    Chart(
        "states",
        "Charge points by state",
        Unit.COUNT,
        tuple(Line(f"state:{state.value}", state.value, colour) for state, colour in _STATES),
        stacked=True,
    ),
    Chart(
        "transactions",
        "Transactions, and messages that wait",
        Unit.COUNT,
        (Line("transactions", "transactions", "green"), Line("outbox", "waiting messages", "amber")),
    ),
    Chart("power", "Power", Unit.POWER, (Line("power_w", "power", "green"),), filled=True),
    Chart("energy", "Energy delivered", Unit.ENERGY, (Line("energy_wh", "energy", "green"),), filled=True),
    Chart("lag", "The generator: how late its tasks ran", Unit.SECONDS, (Line("lag_p99_s", "p99", "purple"),)),
    Chart(
        "utilisation",
        "The generator: share of time at work",
        Unit.SHARE,
        (Line("utilisation", "utilisation", "blue"),),
        filled=True,
    ),
)


@frozen
class Row:
    """The CALLs of one action, in words; latencies in the order of `_LATENCY_SHOWN`."""

    action: str
    count: str
    rate: str
    errors: int
    codes: str
    timeouts: int
    cut_off: int
    due: tuple[str, ...]
    sent: tuple[str, ...]


def render_page(summary: Summary) -> str:
    """The whole page. It takes a few tens of milliseconds, and is under 300 KB for any length of run."""
    drawings = tuple(_drawings(summary))
    script = _asset("report.js")
    events = summary.events[:EVENTS_SHOWN_MAX]
    said, explained = SAID[summary.result]
    page: str = _template().render(
        summary=summary,
        said=said,
        explained=explained,
        style=_asset("report.css"),
        script=script,
        script_hash=_hash(script),
        pairs=[drawings[index : index + 2] for index in range(0, len(drawings), 2)],
        drawings=drawings,
        chart_data=_chart_data(summary, drawings),
        marks=_marks(summary),
        events=events,
        events_left_out=len(summary.events) - len(events),
        rows=[_row(action, call) for action, call in summary.calls.items()],
        durations=[
            (DURATIONS.get(name, name), summary.durations[name].count, _latencies(summary.durations[name]))
            for name in sorted(summary.durations, key=lambda name: [*DURATIONS, name].index(name))
        ],
        energies=_energies(summary),
        width=WIDTH,
        height=HEIGHT,
    )
    return page


def _drawings(summary: Summary) -> Iterable[Drawing]:
    """What there is to draw; both charts of latency have one scale, because the gap between them is the message."""
    timeline = summary.timeline
    columns = timeline.columns
    latencies = [columns[line.column] for line in (*DUE.lines, *SENT.lines) if line.column in columns]
    shared = fit(latencies, Unit.SECONDS, logarithmic=True)
    for chart in CHARTS:
        scale = shared if chart in (DUE, SENT) else None
        drawing = draw(chart, timeline.at_s, columns, _span_s(summary), scale)
        if drawing is not None:
            yield drawing


def _span_s(summary: Summary) -> float:
    return max((summary.elapsed_s, *summary.timeline.at_s[-1:]))


def _chart_data(summary: Summary, drawings: Iterable[Drawing]) -> Mapping[str, Any]:
    """What the script knows: the instants, and by chart its unit and values."""
    return {
        "at": summary.timeline.at_s,
        "span": _span_s(summary),
        "charts": {
            drawing.id: {"unit": drawing.unit.value, "values": [curve.values for curve in drawing.curves]}
            for drawing in drawings
        },
    }


def _marks(summary: Summary) -> tuple[Mark, ...]:
    events = summary.events[:EVENTS_SHOWN_MAX]
    return marks([(event.at_s, f"{event.kind}: {event.text}") for event in events], _span_s(summary))


def _row(action: str, call: Call) -> Row:
    return Row(
        action=action,
        count=format_count(call.count),
        rate=format_rate(call.rate_per_s),
        errors=call.errors,
        codes=format_counts(call.error_codes.items()),
        timeouts=call.timeouts,
        cut_off=call.cut_off,
        due=_latencies(call.due),
        sent=_latencies(call.sent),
    )


def _latencies(percentiles: Percentiles | None) -> tuple[str, ...]:
    if percentiles is None:
        return (NOTHING,) * len(_LATENCY_SHOWN)
    return tuple(_latency_text(percentiles, name) for name in _LATENCY_SHOWN)


def _latency_text(percentiles: Percentiles, name: str) -> str:
    text = format_latency(getattr(percentiles, name))
    return f"≥ {text}" if name in percentiles.at_least else text


def _energies(summary: Summary) -> list[tuple[str, str, str]]:
    """The four books: what each says in Wh, and how far it is from what the meters counted."""
    books = summary.books
    rows = []
    for word, energy_wh in (
        ("delivered, by the meters", books.metered_wh),
        ("reported in StopTransaction", books.reported_wh),
        ("acknowledged by the CSMS", books.acknowledged_wh),
        ("recorded by the CSMS", books.recorded_wh),
    ):
        if energy_wh is None:
            rows.append((word, "no records to compare with", ""))
        else:
            off_wh = energy_wh - books.metered_wh
            rows.append((word, f"{format_count(energy_wh)} Wh", f"{off_wh:+,} Wh".replace("-", "−") if off_wh else "="))
    return rows


# ---- the template ----------------------------------------------------------------------------------------------------


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fleet.verdict"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(
        count=format_count,
        counts=lambda counts: format_counts(counts.items()),
        duration=format_duration,
        latency=format_latency,
        rate=format_rate,
        energy=format_energy,
        parts=lambda name: re.findall(r"[A-Z]?[^A-Z]+|[A-Z]+", name),
        percent=lambda share: f"{share * 100:.3g} %",
        place=lambda share: f"{share * 100:.2f}".rstrip("0").rstrip("."),
    )
    # A quarter of the page is figures.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "sort_keys": False}
    return environment


def _finalize(value: Any) -> Any:
    """Whatever is printed is one line of printable text; what was made here, and is markup, stays as it is."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache
def _template() -> Template:
    return _environment().get_template("report.html")


@cache
def _asset(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def _hash(script: str) -> str:
    """As a content security policy names a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
