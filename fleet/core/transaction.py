"""One transaction, as the charge point knows it.

It has two names. `key` is the charge point's own, given when it starts and never shown to anybody outside; the CSMS's
`transaction_id` comes with the answer to StartTransaction.req, perhaps hours later when the connection was down
(OCPP 1.6 section 4.8). Everything inside says the key, so nothing waits for the id.
"""

from attrs import define

from fleet.core.reports import Reading

# How many readings one StopTransaction.req carries at most. When a transaction is longer than that, every second one
# is thrown away: the coarser picture still spans the whole of it (OCPP 1.6 section 4.10 lets a charge point drop
# transaction data when it is short of memory).
READINGS_MAX = 512


@define
class Transaction:
    """A transaction under way; it lives in flash and survives a reboot.

    `meter_start_wh` is the register in whole Wh, as told to the CSMS; `started_at` is an instant on the monotonic
    clock; `readings` is the transaction data for StopTransaction.req, None while there is none.
    """

    key: str
    connector: int
    id_tag: str
    meter_start_wh: int
    started_at: float
    parent_id_tag: str | None = None
    transaction_id: int | None = None
    readings: list[Reading] | None = None

    def keep(self, reading: Reading) -> None:
        """Remember a reading for StopTransaction.req, thinning out the middle when there are too many."""
        if self.readings is None:
            self.readings = []
        if len(self.readings) >= READINGS_MAX:
            del self.readings[1::2]
        self.readings.append(reading)
