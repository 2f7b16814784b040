"""OCPP calls by action: how many, how long, how many in vain."""

from source.frame import Sheet
from source.look import (
    BAD,
    CALM,
    GOOD,
    PERCENTILES,
    WATCH,
    Column,
    Query,
    by_label,
    figure,
    happened,
    heat_over_time,
    lines,
    percentiles,
    ranking,
)

ACTION = ',action=~"$action"'
CALLS = 'sum by (action) (rate(fleet_call_duration_seconds_count{@,action=~"$action"}[$__rate_interval]))'
ERRORS = 'sum by (action) (rate(fleet_call_errors_total{@,action=~"$action"}[$__rate_interval]))'
TIMEOUTS = 'sum by (action) (rate(fleet_call_timeouts_total{@,action=~"$action"}[$__rate_interval]))'

FROM_SENT = Query(percentiles("fleet_call_response_seconds", ACTION)[-1].expr, "p99 from sent")


def quantile_by_action(share: str) -> str:
    """A percentile for each action."""
    return (
        f"histogram_quantile({share}, sum by (le, action)"
        ' (rate(fleet_call_duration_seconds_bucket{@,action=~"$action"}[$__rate_interval])))'
    )


def sheet() -> Sheet:
    """The dashboard of the calls."""
    made = Sheet(
        "OCPP calls",
        "fleet-calls",
        "CALLs of the charge points to the CSMS. Durations count from when a CALL was due, so that a CSMS that stalls "
        "shows here however few CALLs it lets through meanwhile.",
        by_action=True,
    )
    made.line(
        4,
        figure(
            "CALLs",
            "CALLs that came to an end, per second.",
            "reqps",
            Query(f"sum({CALLS})"),
            {None: CALM},
        ),
        *(
            figure(
                f"{query.legend} from due",
                f"{query.legend} of the duration of a CALL, from when it was due.",
                "s",
                query,
                {None: GOOD, warn: WATCH, wrong: BAD},
            )
            for query, warn, wrong in zip(
                percentiles("fleet_call_duration_seconds", ACTION), (0.2, 0.5, 1), (1, 2.5, 5), strict=True
            )
        ),
        figure(
            "Answered with an error",
            "The share of the CALLs that got a CALLERROR, or a result that can't be read.",
            "percentunit",
            Query(f"sum({ERRORS}) / clamp_min(sum({CALLS}), 1e-9)"),
            {None: GOOD, 0.001: WATCH, 0.01: BAD},
            decimals=2,
        ),
        figure(
            "Not answered in time",
            "The share of the CALLs that timed out.",
            "percentunit",
            Query(f"sum({TIMEOUTS}) / clamp_min(sum({CALLS}), 1e-9)"),
            {None: GOOD, 0.001: WATCH, 0.01: BAD},
            decimals=2,
        ),
    )
    made.line(
        10,
        (
            heat_over_time(
                "How long CALLs took",
                "Each column is a moment, each cell how many CALLs per second took that long. A second band above the "
                "first is a part of the CSMS that is slower than the rest; a gap with a spike after it is a stall.",
                Query(f"sum by (le) (rate(fleet_call_duration_seconds_bucket{{@{ACTION}}}[$__rate_interval]))"),
            ),
            14,
        ),
        lines(
            "Duration",
            "Percentiles over all chosen actions, from when a CALL was due, and the p99 from when its frame was sent. "
            "The distance between the two is what CALLs waited for their turn. Each line up is ten times slower.",
            "s",
            *percentiles("fleet_call_duration_seconds", ACTION),
            FROM_SENT,
            colours={**PERCENTILES, FROM_SENT.legend: CALM},
            logarithmic=True,
        ),
    )
    made.section("By action")
    made.line(
        9,
        by_label(
            "Actions",
            "Now, by action: CALLs per second, the share that failed, and how long they took from when they were due.",
            "action",
            Column(Query(CALLS, "calls / s"), "none", decimals=2),
            Column(
                Query(f"{ERRORS} / clamp_min({CALLS}, 1e-9)", "errors"),
                "percentunit",
                {None: "text", 0.001: WATCH, 0.01: BAD},
                2,
            ),
            Column(
                Query(f"{TIMEOUTS} / clamp_min({CALLS}, 1e-9)", "timeouts"),
                "percentunit",
                {None: "text", 0.001: WATCH, 0.01: BAD},
                2,
            ),
            Column(Query(quantile_by_action("0.5"), "p50"), "s"),
            Column(Query(quantile_by_action("0.95"), "p95"), "s"),
            Column(Query(quantile_by_action("0.99"), "p99"), "s", {None: "text", 1: WATCH, 5: BAD}),
            sort_by="calls / s",
        ),
    )
    made.line(
        9,
        lines("CALLs", "CALLs that came to an end, per second.", "reqps", Query(CALLS, "{{action}}"), stacked=True),
        lines(
            "p95",
            "p95 by action, from when the CALL was due. Each line up is ten times slower.",
            "s",
            Query(quantile_by_action("0.95"), "{{action}}"),
            logarithmic=True,
        ),
        lines(
            "p99",
            "p99 by action, from when the CALL was due. Each line up is ten times slower.",
            "s",
            Query(quantile_by_action("0.99"), "{{action}}"),
            logarithmic=True,
        ),
    )
    made.section("In vain")
    made.line(
        8,
        lines(
            "Errors",
            "CALLERRORs, and results that can't be read, per second.",
            "cps",
            happened("fleet_call_errors_total", "action, code", ACTION, per_s=1),
        ),
        lines(
            "Timeouts",
            "CALLs that were not answered in time, per second.",
            "cps",
            happened("fleet_call_timeouts_total", "action", ACTION, per_s=1),
        ),
        lines(
            "Cut off",
            "CALLs whose connection ended before the answer came, per second. They are in no percentile.",
            "cps",
            happened("fleet_call_cut_offs_total", "action", ACTION, per_s=1),
        ),
        ranking(
            "Errors by code",
            "Errors since the run began, by the code that the CSMS gave.",
            "short",
            happened("fleet_call_errors_total", "code", ACTION),
            {None: GOOD, 1: BAD},
        ),
    )
    made.section("Both directions")
    made.line(
        8,
        lines(
            "Frames",
            "Messages on the wire per second, by direction and type.",
            "mps",
            Query(
                "sum by (direction, type) (rate(fleet_messages_total{@}[$__rate_interval]))", "{{direction}} {{type}}"
            ),
            told=True,
        ),
        lines(
            "Frames by action",
            "Messages on the wire per second, by action; what the CSMS asks for is among them.",
            "mps",
            Query("sum by (action) (rate(fleet_messages_total{@}[$__rate_interval]))", "{{action}}"),
            told=True,
        ),
    )
    return made
