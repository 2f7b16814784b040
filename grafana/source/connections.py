"""Connections and reconnects: who is there, who was thrown out and why, and how the fleet comes back."""

from source.frame import Sheet
from source.look import BAD, CALM, GOOD, STATES, WATCH, Query, by_word, figure, happened, heat_over_time, lines, ranking


def sheet() -> Sheet:
    """The dashboard of the connections."""
    made = Sheet(
        "Connections and reconnects",
        "fleet-connections",
        "Connections of the charge points to the CSMS. After an outage: how fast the fleet is back, and what it takes.",
    )
    made.line(
        4,
        figure(
            "Registered",
            "Charge points that the CSMS has accepted and that are connected.",
            "percentunit",
            Query('sum(fleet_charge_points{@,state="registered"}) / sum(fleet_charge_points{@})'),
            {None: BAD, 0.9: WATCH, 0.999: GOOD},
            decimals=1,
        ),
        figure(
            "Charge points",
            "All of them, in whatever state.",
            "short",
            Query("sum(fleet_charge_points{@})"),
            {None: CALM},
            trend=False,
        ),
        figure(
            "Offline",
            "Charge points that were connected, and have lost it.",
            "short",
            Query('sum(fleet_charge_points{@,state="offline"})'),
            {None: GOOD, 1: WATCH},
        ),
        figure(
            "Given up",
            "Charge points that crashed too often, and stay off.",
            "short",
            Query('sum(fleet_charge_points{@,state="given up"})'),
            {None: GOOD, 1: BAD},
        ),
        figure(
            "Disconnects",
            "Connections that ended since the run began.",
            "short",
            Query("sum(fleet_disconnects_total{@})"),
            {None: GOOD, 1: WATCH},
        ),
        figure(
            "Oldest that waits",
            "For how long the CSMS has been owed the oldest transaction message.",
            "s",
            Query("max(fleet_outbox_oldest_seconds{@})"),
            {None: GOOD, 60: WATCH, 600: BAD},
        ),
    )
    made.line(
        9,
        (
            lines(
                "Charge points",
                "Where each stands. After an outage the green comes back from below.",
                "short",
                by_word("fleet_charge_points", "state"),
                colours=STATES,
                stacked=True,
                told=True,
            ),
            14,
        ),
        lines(
            "Attempts to connect",
            "Per second, by how they ended. Many attempts for few that succeed is what a storm does to a CSMS.",
            "cps",
            happened("fleet_connects_total", "outcome", per_s=1),
            colours={"connected": GOOD},
            stacked=True,
        ),
    )
    made.line(
        9,
        lines(
            "Disconnects",
            "Connections that ended, per second, by reason.",
            "cps",
            happened("fleet_disconnects_total", "reason", per_s=1),
            stacked=True,
        ),
        ranking(
            "Disconnects by reason",
            "Connections that ended since the run began.",
            "short",
            happened("fleet_disconnects_total", "reason"),
            {None: CALM},
        ),
        ranking(
            "Attempts by outcome",
            "Attempts to connect since the run began.",
            "short",
            happened("fleet_connects_total", "outcome"),
            {None: CALM},
        ),
    )
    made.section("How long it takes to connect")
    made.line(
        9,
        heat_over_time(
            "Opening handshake of the WebSocket",
            "How many connections per second took that long, from the moment the transport stood.",
            Query('sum by (le) (rate(fleet_connect_duration_seconds_bucket{@,phase="websocket"}[$__rate_interval]))'),
        ),
        lines(
            "p95 by phase",
            "TCP with the look-up of the name, TLS where there is any, the opening handshake of the WebSocket.",
            "s",
            Query(
                "histogram_quantile(0.95, sum by (le, phase)"
                " (rate(fleet_connect_duration_seconds_bucket{@}[$__rate_interval])))",
                "{{phase}}",
            ),
            logarithmic=True,
        ),
    )
    made.section("What was not said meanwhile")
    made.line(
        8,
        lines(
            "Transaction messages that wait",
            "They wait for the connection and for their turn. After an outage this is the backlog, which has to drain.",
            "short",
            Query("sum(fleet_outbox_messages{@})", "waiting"),
            colours={"waiting": CALM},
        ),
        lines(
            "The oldest of them",
            "For how long the CSMS has been owed it.",
            "s",
            Query("max(fleet_outbox_oldest_seconds{@})", "oldest"),
            colours={"oldest": WATCH},
        ),
        lines(
            "Charge points built anew",
            "Per minute: rebooted as a CSMS or a person asked, or rebuilt after a crash of the generator.",
            "cpm",
            Query("sum(rate(fleet_reboots_total{@}[$__rate_interval])) * 60", "reboots"),
            Query("sum(rate(fleet_actor_restarts_total{@}[$__rate_interval])) * 60", "crashes"),
            colours={"reboots": CALM, "crashes": BAD},
        ),
    )
    return made
