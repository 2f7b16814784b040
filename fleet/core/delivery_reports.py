"""Reports of how far the CSMS knows of a charge point's transactions: its id for them, what waits, what is lost.

The ground rules are those of `reports.py`, whose union of all reports has these too.
"""

import math

from attrs import frozen


@frozen
class TransactionRestored:
    """An earlier run left this transaction, of which the CSMS is owed something; reported before the first life begins.

    `register_wh` is what the meter shows now. `id_tag` is None where the CSMS had it already and nobody else needs it
    any more, `meter_stop_wh` where the transaction was cut off and will be stopped now.
    """

    connector: int
    at: float
    transaction: str
    meter_start_wh: int
    register_wh: int
    id_tag: str | None = None
    transaction_id: int | None = None
    meter_stop_wh: int | None = None


@frozen
class TransactionBound:
    """The CSMS gave a transaction its id (and possibly refused its id tag)."""

    connector: int
    transaction: str
    transaction_id: int
    at: float


@frozen
class TransactionDelivered:
    """The CSMS acknowledged the StopTransaction: this transaction is closed on both sides."""

    connector: int
    transaction: str
    transaction_id: int
    energy_wh: int
    at: float


@frozen
class MessageLost:
    """A transaction message was given up, with the reason; it will never reach the CSMS.

    `final` if it was the last of its transaction, which the CSMS will therefore never know to have ended.
    """

    action: str
    transaction: str
    reason: str
    at: float
    final: bool = False


@frozen
class OutboxChanged:
    """How many transaction messages wait for the CSMS, beside the one that is being said to it.

    `oldest_due_at` is since when the CSMS has been owed the oldest; inf where nothing waits.
    """

    waiting: int
    at: float
    oldest_due_at: float = math.inf
