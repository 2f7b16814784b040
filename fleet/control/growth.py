"""Growth: charge points that come and go while the run goes on.

Whoever comes is told to the board and the drivers before the fleet, so that its first report finds its place; whoever
goes leaves in the opposite order.
"""

from collections.abc import Sequence

import attrs
import trio

from fleet.control.answer import Answer, Refused
from fleet.control.asking import AT_ONCE_MAX, Outcome
from fleet.control.plant import Plant
from fleet.core.plan import ChargePointPlan
from fleet.errors import EXIT_FAILED


def add(plant: Plant, charge_point_id: str, connectors: int | None) -> Answer:
    """Switch on one charge point more, like the first one of the fleet but with its own id and connectors."""
    if plant.known(charge_point_id):
        return Answer.wrong(f"there is a charge point {charge_point_id} already", EXIT_FAILED)
    if plant.ramping:
        return _too_early()
    like = plant.like()
    if like is None:
        return Answer.wrong("there is nothing that a charge point could be like", EXIT_FAILED)
    count = len(like.connectors) if connectors is None else connectors
    plan = attrs.evolve(like, id=charge_point_id, connectors=like.connectors[:1] * count, serial_number=None)
    grow(plant, plan)
    return Answer(f"{charge_point_id} added, {count} connectors", done=1, data={"charge_point": charge_point_id})


async def remove(plant: Plant, ids: Sequence[str], outcome: Outcome) -> Answer:
    """Drain these and take them out of the fleet, many at once."""
    outcome.asked = len(ids)
    waiting = iter(ids)

    async def in_turn() -> None:
        for charge_point_id in waiting:
            refusal = await _switch_off(plant, charge_point_id)
            if refusal is None:
                outcome.done[charge_point_id] = None
            else:
                outcome.refused.append(Refused(charge_point_id, refusal))

    async with trio.open_nursery() as nursery:
        for _ in range(min(AT_ONCE_MAX, len(ids))):
            nursery.start_soon(in_turn)
    return outcome.answer()


async def scale(plant: Plant, count: int, outcome: Outcome) -> Answer:
    """Make it `count` charge points: the next ones come as the run's ramp has it, the last ones go."""
    ids = plant.ids
    if plant.ramping:
        return _too_early()
    if len(ids) > count:
        return await remove(plant, ids[count:][::-1], outcome)
    if len(ids) == count:
        return Answer(f"there are {count} charge points already")
    if plant.plan_at is None:
        return Answer.wrong("this fleet has no pattern to grow by: use `add ID`", EXIT_FAILED)
    outcome.asked = count - len(ids)
    began_at, index = trio.current_time(), len(ids)
    while len(outcome.done) < outcome.asked:
        index += 1
        plan = plant.plan_at(index)
        if plant.known(plan.id):
            continue  # somebody in the middle was removed, or came by `add`
        await trio.sleep_until(began_at + len(outcome.done) / plant.connect_rate_per_s)
        grow(plant, plan)
        outcome.done[plan.id] = None
    return outcome.answer()


def _too_early() -> Answer:
    return Answer.wrong("the fleet is still being switched on: wait until all are there", EXIT_FAILED)


def grow(plant: Plant, plan: ChargePointPlan) -> None:
    """One charge point more is switched on."""
    plant.board.add(plan)
    if plant.drivers is not None:
        plant.drivers.add(plan)
    plant.fleet.add(plan)
    plant.newcomer(plan.id)


async def _switch_off(plant: Plant, charge_point_id: str) -> str | None:
    if not plant.known(charge_point_id):
        return f"there is no charge point {charge_point_id}"
    connectors = plant.connectors(charge_point_id)
    if plant.drivers is not None:
        plant.drivers.remove(charge_point_id)
    refusal = await plant.fleet.remove(charge_point_id)
    if refusal is not None:
        return refusal
    plant.board.remove(charge_point_id)
    plant.details.forget(charge_point_id, connectors)
    return None
