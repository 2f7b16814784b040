"""What the CSMS wrote down before this run of transactions that an earlier one left unfinished.

A file of records that is gone on with holds other runs' transactions, and they are nobody's business, except for those
that were restored: of these the CSMS has the start, and perhaps the stop whose answer nobody lived to hear. One of
which nobody knows an id here, as the answer to its StartTransaction was lost, is known by its connector and meter
among those that were open: found there under another id than it has now, it was taken for two.
"""

from collections.abc import Iterable

from fleet.core.delivery_reports import TransactionRestored
from fleet.observe.records import Record


def of_restored(
    records: Iterable[Record], restored: Iterable[tuple[str, TransactionRestored]], ids: set[tuple[str, int]]
) -> list[Record]:
    """Those of `records` that are about the `restored`, whose transaction ids as known by now are `ids`."""
    unnamed = {
        (charge_point_id, each.connector, each.meter_start_wh)
        for charge_point_id, each in restored
        if each.transaction_id is None
    }
    found: list[Record] = []
    doubtful: dict[object, Record] = {}
    for record in records:
        name = record.get("charge_point"), record.get("transaction_id")
        if name in ids:
            found.append(record)
        elif record.get("kind") == "stop":
            doubtful.pop(name, None)
        elif (
            record.get("kind") == "start"
            and (name[0], record.get("connector"), record.get("meter_start_wh")) in unnamed
        ):
            doubtful[name] = record
    return [*found, *doubtful.values()]
