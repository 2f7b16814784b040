"""Transactions and energy: what is charged, and what became of it."""

from source.frame import Sheet
from source.look import CALM, GOOD, ODD, OUTCOMES, STATUSES, WATCH, Query, by_word, figure, happened, lines, ranking

DELIVERED = "sum(fleet_energy_delivered_watthours_total{@})"
REPORTED = "sum(fleet_energy_reported_watthours_total{@})"
ACKNOWLEDGED = "sum(fleet_energy_acknowledged_watthours_total{@})"


def sheet() -> Sheet:
    """The dashboard of the transactions."""
    made = Sheet(
        "Transactions and energy",
        "fleet-transactions",
        "What the connectors do, and the energy that flows, by the charge points' own meters.",
    )
    made.line(
        4,
        figure(
            "Running",
            "Transactions that run now.",
            "short",
            Query("sum(fleet_transactions_active{@})"),
            {None: CALM},
        ),
        figure(
            "Ended per minute",
            "Transactions that ended at the charge point, for whatever reason, per minute.",
            "cpm",
            Query("sum(rate(fleet_transactions_stopped_total{@}[$__rate_interval])) * 60"),
            {None: CALM},
            decimals=1,
        ),
        figure("Power", "The power that flows into cars.", "watt", Query("sum(fleet_power_watts{@})"), {None: CALM}),
        figure(
            "Delivered",
            "The energy that has flowed into cars since the run began.",
            "watth",
            Query(DELIVERED),
            {None: CALM},
        ),
        figure(
            "Reported",
            "The energy of transactions whose end was told to the CSMS.",
            "watth",
            Query(REPORTED),
            {None: CALM},
        ),
        figure(
            "Faulted connectors",
            "Connectors with a fault now.",
            "short",
            Query('sum(fleet_connectors{@,status="Faulted"})'),
            {None: GOOD, 1: WATCH},
        ),
    )
    made.line(
        9,
        lines(
            "Connectors",
            "Connectors by status. Those of a charge point that is switched off are in none.",
            "short",
            by_word("fleet_connectors", "status"),
            colours=STATUSES,
            stacked=True,
            told=True,
        ),
        lines(
            "Transactions",
            "Those that run on the left; on the right how many began and ended per minute.",
            "short",
            Query("sum(fleet_transactions_active{@})", "running"),
            Query("sum(rate(fleet_transactions_started_total{@}[$__rate_interval])) * 60", "began"),
            Query("sum(rate(fleet_transactions_stopped_total{@}[$__rate_interval])) * 60", "ended"),
            colours={"running": GOOD, "began": CALM, "ended": ODD},
            right={"began": "cpm", "ended": "cpm"},
        ),
    )
    made.line(
        9,
        lines(
            "Power",
            "The whole fleet's on the left, and on the right what a transaction draws on average.",
            "watt",
            Query("sum(fleet_power_watts{@})", "fleet"),
            Query("sum(fleet_power_watts{@}) / clamp_min(sum(fleet_transactions_active{@}), 1)", "per transaction"),
            colours={"fleet": GOOD, "per transaction": CALM},
            right={"per transaction": "watt"},
        ),
        lines(
            "Energy",
            "What flowed, what of it was told to the CSMS, and what the CSMS acknowledged. Between the first two is "
            "what still runs, between the last two what waits or was lost.",
            "watth",
            Query(DELIVERED, "delivered"),
            Query(REPORTED, "reported"),
            Query(ACKNOWLEDGED, "acknowledged"),
            colours={"delivered": GOOD, "reported": CALM, "acknowledged": ODD},
        ),
        lines(
            "Reported and not acknowledged",
            "Energy in a StopTransaction that the CSMS has not answered yet. It grows where the CSMS is down or takes "
            "no StopTransaction, and comes back to 0 when the backlog has drained; what stays is lost.",
            "watth",
            Query(f"{REPORTED} - {ACKNOWLEDGED}", "not acknowledged"),
            colours={"not acknowledged": WATCH},
        ),
    )
    made.line(
        8,
        lines(
            "Transaction messages that wait",
            "How many wait for the CSMS on the left, and on the right for how long the oldest has.",
            "short",
            Query("sum(fleet_outbox_messages{@})", "waiting"),
            Query("max(fleet_outbox_oldest_seconds{@})", "oldest"),
            colours={"waiting": CALM, "oldest": WATCH},
            right={"oldest": "s"},
        ),
        ranking(
            "Why they ended",
            "Transactions that ended since the run began, by the reason that the charge point gave.",
            "short",
            happened("fleet_transactions_stopped_total", "reason"),
            {None: CALM},
        ),
        ranking(
            "What became of them",
            "Since the run began: the StopTransaction was delivered or lost, or the charge point given up.",
            "short",
            Query("sum by (outcome) (fleet_transactions_total{@})", "{{outcome}}"),
            {None: CALM},
            colours=OUTCOMES,
        ),
    )
    return made
