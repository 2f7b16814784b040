"""The fleet at a glance: whether all is well, in one screen, and from each figure the way to what is behind it."""

from source.frame import Sheet
from source.look import (
    BAD,
    CALM,
    GOOD,
    PERCENTILES,
    STATES,
    WATCH,
    Query,
    by_word,
    figure,
    lines,
    percentiles,
)

WRONG_CALLS = (
    "(sum(rate(fleet_call_errors_total{@}[$__rate_interval]))"
    " + sum(rate(fleet_call_timeouts_total{@}[$__rate_interval])))"
    " / clamp_min(sum(rate(fleet_call_duration_seconds_count{@}[$__rate_interval])), 1e-9)"
)
"""The share of CALLs that came to nothing good; no CALLs, none wrong."""


def sheet() -> Sheet:
    """The overview."""
    made = Sheet("Fleet overview", "fleet-overview", "A simulated fleet of charge points and the CSMS under test.")
    made.line(
        4,
        figure(
            "Registered",
            "The share of the charge points that the CSMS has accepted and that are connected.",
            "percentunit",
            Query('sum(fleet_charge_points{@,state="registered"}) / sum(fleet_charge_points{@})'),
            {None: BAD, 0.9: WATCH, 0.999: GOOD},
            decimals=1,
            to="fleet-connections",
        ),
        figure(
            "Transactions",
            "Transactions that run now.",
            "short",
            Query("sum(fleet_transactions_active{@})"),
            {None: CALM},
            to="fleet-transactions",
        ),
        figure(
            "Power",
            "The power that flows into cars, as last metered.",
            "watt",
            Query("sum(fleet_power_watts{@})"),
            {None: CALM},
            to="fleet-transactions",
        ),
        figure(
            "Messages",
            "CALLs, results and errors of both directions, per second.",
            "mps",
            Query("sum(rate(fleet_messages_total{@}[$__rate_interval]))"),
            {None: CALM},
            to="fleet-calls",
        ),
        figure(
            "p99 of a CALL",
            "How long all but the slowest hundredth of the CALLs took, from when each was due; waiting in the charge "
            "point's own queue counts. Interpolated within a bucket: the report of the run has the exact one.",
            "s",
            percentiles("fleet_call_duration_seconds")[-1],
            {None: GOOD, 1: WATCH, 5: BAD},
            to="fleet-calls",
        ),
        figure(
            "Failed CALLs",
            "The share of the CALLs that got an error or, in time, nothing.",
            "percentunit",
            Query(WRONG_CALLS),
            {None: GOOD, 0.001: WATCH, 0.01: BAD},
            decimals=2,
            to="fleet-calls",
        ),
        figure(
            "CSMS violations",
            "How often the CSMS broke a rule of OCPP since the run began.",
            "short",
            Query("sum(fleet_csms_violations_total{@}) or vector(0)"),
            {None: GOOD, 1: WATCH},
            to="fleet-books",
        ),
        figure(
            "Book violations",
            "What is wrong with transactions and energy since the run began: lost, doubled, altered.",
            "short",
            Query("sum(fleet_book_violations_total{@}) or vector(0)"),
            {None: GOOD, 1: BAD},
            to="fleet-books",
        ),
    )
    made.line(
        9,
        lines(
            "Charge points",
            "Where each charge point stands. Registered ones do what a fleet does; all others wait for something.",
            "short",
            by_word("fleet_charge_points", "state"),
            colours=STATES,
            stacked=True,
        ),
        lines(
            "CALLs by action",
            "CALLs of the charge points that came to an end, per second.",
            "reqps",
            Query("sum by (action) (rate(fleet_call_duration_seconds_count{@}[$__rate_interval]))", "{{action}}"),
            stacked=True,
        ),
        lines(
            "Duration of a CALL",
            "All actions together, from when the CALL was due. Each line up is ten times slower.",
            "s",
            *percentiles("fleet_call_duration_seconds"),
            colours=PERCENTILES,
            logarithmic=True,
        ),
    )
    made.line(
        9,
        lines(
            "Power and transactions",
            "Power on the left, transactions that run on the right.",
            "watt",
            Query("sum(fleet_power_watts{@})", "power"),
            Query("sum(fleet_transactions_active{@})", "transactions"),
            colours={"power": GOOD, "transactions": CALM},
            right={"transactions": "short"},
        ),
        lines(
            "What waits, what broke",
            "Transaction messages that wait for the CSMS on the left; lost connections and failed CALLs per second on "
            "the right.",
            "short",
            Query("sum(fleet_outbox_messages{@})", "waiting"),
            Query("sum(rate(fleet_disconnects_total{@}[$__rate_interval]))", "disconnects"),
            Query("sum(rate(fleet_call_timeouts_total{@}[$__rate_interval]))", "timeouts"),
            Query("sum(rate(fleet_call_errors_total{@}[$__rate_interval]))", "errors"),
            colours={"waiting": CALM, "disconnects": "purple", "timeouts": WATCH, "errors": BAD},
            right={"disconnects": "cps", "timeouts": "cps", "errors": "cps"},
        ),
        lines(
            "Generator",
            "How late the generator's own tasks ran (p99), and on the right the share of time its loop was at work. "
            "Late means that what is measured is the generator, not the CSMS.",
            "s",
            Query(
                "histogram_quantile(0.99, sum by (le) (rate(fleet_schedule_lag_seconds_bucket{@}[$__rate_interval])))",
                "lag p99",
            ),
            Query("max(fleet_generator_utilisation_ratio{@})", "at work"),
            colours={"lag p99": WATCH, "at work": CALM},
            right={"at work": "percentunit"},
            limit=0.25,
        ),
    )
    return made
