"""The ramp: charge points are switched on at a steady rate, each at an instant that its global index alone decides."""

import gc
from collections.abc import Sequence

import trio

from fleet.actors.fleet import Fleet
from fleet.core.plan import ChargePointPlan

GC_THRESHOLD = 50_000
"""Collect young objects this rarely once the fleet stands: nearly all of them die by reference count."""


async def switch_on(fleet: Fleet, plans: Sequence[ChargePointPlan], rate_per_s: float) -> None:
    """Switch every charge point on, `rate_per_s` of them each second; a late one doesn't delay the next."""
    started_at = trio.current_time()
    for index, plan in enumerate(plans):
        due_at = started_at + index / rate_per_s
        if due_at > trio.current_time():
            await trio.sleep_until(due_at)
        elif index % 20 == 0:
            await trio.lowlevel.checkpoint()
        fleet.add(plan)


def freeze() -> None:
    """Keep the collector off the fleet's back.

    Walking a thousand charge points in every full collection costs more than all they do; they live for the whole run,
    so they are taken out of the collector's sight.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 100)
