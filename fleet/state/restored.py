"""What a memory is after the process that had it was killed: as after a power cut, in a world that went on.

The charge point lost its power when its run was last seen alive: the relays opened then, and what had flowed by then is
on the meters. A transaction that was running is stopped when the charge point is back (PowerLoss). What was between it
and its CSMS, a cable that somebody pulled and faults on the line, belonged to the run, and so did the drivers.
"""

from fleet.core.delivery_reports import TransactionRestored
from fleet.core.memory import Cable, ChargePointMemory
from fleet.core.reports import TransactionStarted, TransactionStopped

LIVES_MAX = 1_000_000
"""Lives that a charge point may have in one run. Each run numbers them from its own beginning, so that no message id
comes again, not even of a life that was over before anything of it was written."""


def after_power_cut(
    memory: ChargePointMemory, cut_at: float | None, now: float, run: int, *, cars_gone: bool = False
) -> None:
    """Make the memory that of a charge point which is switched on in this `run`, counted from 1.

    `cut_at` is when the power failed, None where there was none any more. A wall clock that was put back meanwhile
    makes that an instant to come: what had flowed by then has flowed, but what is still to be told happened by now.
    """
    if cut_at is not None:
        memory.power_cut(cut_at)
        for connector in memory.connectors:
            if connector.cut_at is not None:  # by this cut, or by an earlier one that nobody was told of yet
                connector.cut_at = min(connector.cut_at, now)
            if connector.transaction is not None:
                connector.transaction.started_at = min(connector.transaction.started_at, now)
    memory.away = False
    memory.impairments = ()
    memory.incarnation = max(memory.incarnation, (run - 1) * LIVES_MAX)
    for message in memory.outbox.messages:
        # Nobody could have said it earlier, and least of all is the CSMS to blame for that.
        message.due_at = now
        if cut_at is not None:
            # No longer than it would have waited then.
            message.not_before = min(message.not_before, now + max(0.0, message.not_before - cut_at))
    if cars_gone:
        for connector in memory.connectors:
            connector.cable, connector.ev = Cable.NONE, None


def owed(memory: ChargePointMemory, now: float) -> tuple[TransactionRestored, ...]:
    """Every transaction of which the CSMS is owed something, for books that have seen none of it."""
    starts: dict[str, tuple[int, str | None]] = {}
    stops: dict[str, TransactionStopped] = {}
    for each in (*(message.context for message in memory.outbox.messages), *memory.unheard):
        if isinstance(each, TransactionStarted):
            starts[each.transaction] = each.meter_start_wh, each.id_tag
        elif isinstance(each, TransactionStopped):
            stops[each.transaction] = each
    running = {each.transaction.key: each.transaction for each in memory.connectors if each.transaction is not None}
    found = []
    id_tag: str | None
    for key in dict.fromkeys((*memory.starts_wh, *starts, *running)):
        stop, transaction = stops.get(key), running.get(key)
        if transaction is not None:
            connector, start_wh, id_tag = transaction.connector, transaction.meter_start_wh, transaction.id_tag
        elif stop is not None:
            # The CSMS has the start already where it isn't waiting, and who began it is forgotten with that.
            connector = stop.connector
            start_wh, id_tag = starts.get(key, (memory.starts_wh.get(key, stop.meter_stop_wh), None))
        else:
            continue
        found.append(
            TransactionRestored(
                connector,
                now,
                key,
                start_wh,
                memory.connectors[connector - 1].meter.reading_wh(now),
                id_tag,
                memory.outbox.bindings.get(key),
                None if stop is None else stop.meter_stop_wh,
            )
        )
    return tuple(found)
