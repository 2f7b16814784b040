"""Books and violations: whether every transaction and every Wh arrived, and whether the CSMS keeps to the protocol."""

from source.frame import Sheet
from source.look import BAD, CALM, GOOD, ODD, OUTCOMES, WATCH, Query, figure, happened, lines, ranking


def sheet() -> Sheet:
    """The dashboard of the books."""
    made = Sheet(
        "Books and violations",
        "fleet-books",
        "While the run goes on only what is already wrong shows here; at its end the books are closed and compared.",
    )
    made.line(
        4,
        figure(
            "Book violations",
            "What is wrong with transactions and energy, since the run began.",
            "short",
            Query("sum(fleet_book_violations_total{@}) or vector(0)"),
            {None: GOOD, 1: BAD},
        ),
        figure(
            "CSMS violations",
            "How often the CSMS broke a rule of OCPP, since the run began.",
            "short",
            Query("sum(fleet_csms_violations_total{@}) or vector(0)"),
            {None: GOOD, 1: WATCH},
        ),
        figure(
            "Delivered",
            "Energy that flowed into cars.",
            "watth",
            Query("sum(fleet_energy_delivered_watthours_total{@})"),
            {None: CALM},
        ),
        figure(
            "Reported",
            "Energy of transactions whose end was told to the CSMS.",
            "watth",
            Query("sum(fleet_energy_reported_watthours_total{@})"),
            {None: CALM},
        ),
        figure(
            "Acknowledged",
            "Energy of transactions whose end the CSMS acknowledged.",
            "watth",
            Query("sum(fleet_energy_acknowledged_watthours_total{@})"),
            {None: CALM},
        ),
        figure(
            "Waiting",
            "Transaction messages that the CSMS has not had yet.",
            "short",
            Query("sum(fleet_outbox_messages{@})"),
            {None: CALM},
        ),
    )
    made.line(
        9,
        lines(
            "Book violations",
            "By rule, since the run began: each step up is something that was billed wrongly, or not at all.",
            "short",
            happened("fleet_book_violations_total", "rule"),
            told=True,
        ),
        ranking(
            "By rule",
            "Book violations since the run began.",
            "short",
            happened("fleet_book_violations_total", "rule"),
            {None: GOOD, 1: BAD},
        ),
    )
    made.line(
        9,
        lines(
            "CSMS violations",
            "What the CSMS did against the specification, per minute, by rule.",
            "cpm",
            happened("fleet_csms_violations_total", "rule", per_s=60),
            told=True,
        ),
        ranking(
            "By rule",
            "CSMS violations since the run began.",
            "short",
            happened("fleet_csms_violations_total", "rule"),
            {None: GOOD, 1: WATCH},
        ),
    )
    made.line(
        9,
        lines(
            "Transactions by outcome",
            "Since the run began: what was delivered, and what was lost on the way.",
            "short",
            Query("sum by (outcome) (fleet_transactions_total{@})", "{{outcome}}"),
            colours=OUTCOMES,
        ),
        lines(
            "Messages given up",
            "Transaction messages that will never reach the CSMS, since the run began.",
            "short",
            happened("fleet_transaction_messages_lost_total", "action"),
        ),
        lines(
            "Energy",
            "What flowed, what was told to the CSMS, what it acknowledged. At the end of a run all must meet.",
            "watth",
            Query("sum(fleet_energy_delivered_watthours_total{@})", "delivered"),
            Query("sum(fleet_energy_reported_watthours_total{@})", "reported"),
            Query("sum(fleet_energy_acknowledged_watthours_total{@})", "acknowledged"),
            colours={"delivered": GOOD, "reported": CALM, "acknowledged": ODD},
        ),
    )
    return made
