"""Faults while a run goes on: the task that has them strike when they are due, and sees to their end.

Whoever breaks something mends it. What a fault began lasts for its time, at the latest to the end of the load; then all
of it is undone before anybody is asked to leave, since a charge point whose network is cut has no way to settle its
accounts. What somebody typed is that person's affair and stays as it is.

Faults strike whether or not everybody is there to be struck. Who is off, or can't be broken in this way now, refuses
as it would refuse anybody; the journal has how many did. Only who is still to be switched on, for the first time, is
waited for, so that a fault from the beginning is one of everybody. Who comes by `scale` or `add`, later, belongs
to everybody from then on.
"""

import heapq
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import repeat

import trio
from attrs import define, evolve, field

from fleet.commands.hazards import PowerReturn
from fleet.commands.target import Address, Target, TargetError
from fleet.commands.vocabulary import Command
from fleet.control.asking import render_address
from fleet.control.plant import Plant
from fleet.load.config import RunConfig, roll
from fleet.load.deeds import RestartCsms
from fleet.load.faults import Fault, Roll, all_understood
from fleet.observe.journal import EventKind
from fleet.observe.redaction import redacted_line
from fleet.quantities import format_duration
from fleet.randomness import unit
from fleet.words import ConnectorStatus

BURST_MAX = 50
"""Charge points that are told in one turn of the loop."""
RETRY_S = 0.25
MENDED_WITHIN_S = 15.0
"""How long the mending may wait for those who are between two lives."""
_CSMS: Address = ("the CSMS", 0)

RestartOfCsms = Callable[[float], Awaitable[None]]
"""Kill the CSMS and start it again after so many s; returns when it is back, also where it is cancelled."""


@define(eq=False)
class Faulting:
    """All faults of a run. `run` it beside the load; `end` it when that is over."""

    faults: Sequence[Fault]
    seed: int
    end_s: float
    roll: Roll
    """Everybody whom the configuration has, also those who are not switched on yet."""
    say: Callable[[str], None]
    restart_csms: RestartOfCsms | None = None
    struck: int = 0
    """Times that a fault struck somebody: each of a target counts."""
    # Where faults are carried out, as long as they are.
    _nursery: trio.Nursery | None = None
    # Who came, be it that they left again meanwhile.
    _newcomers: set[str] = field(factory=set)
    # What is to be undone, and when that will happen by itself.
    _open: dict[tuple[Address, Command], float] = field(factory=dict)
    _scope: trio.CancelScope = field(factory=trio.CancelScope)
    _over: trio.Event = field(factory=trio.Event)

    @classmethod
    def of(
        cls, config: RunConfig, seed: int, say: Callable[[str], None], restart_csms: RestartOfCsms | None
    ) -> "Faulting":
        """Those of a configuration."""
        # A roll of a million is not for nothing.
        there = roll(config) if config.fault else Roll({})
        return cls(all_understood(config.fault), seed, config.duration_s, there, say, restart_csms)

    async def run(self, plant: Plant) -> None:
        """Have every fault strike when it is due, until none is left or `end` is called."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    plant.newcomer = partial(self._newcomer, plant)
                    for fault in self.faults:
                        nursery.start_soon(self._strike_together, fault, plant, nursery)
                        if fault.config.rate_per_s is not None:
                            nursery.start_soon(self._strike_each, fault, plant, nursery, self._each(fault))
                    if any(fault.config.rate_per_s is not None for fault in self.faults):
                        # Whoever comes may be struck by them.
                        await trio.sleep_until(plant.started_at + self.end_s)
        finally:
            self._nursery = None
            self._over.set()

    async def end(self, plant: Plant) -> None:
        """Nothing strikes any more, and what was broken is mended; returns then."""
        if not self.faults:
            return
        self._scope.cancel()
        await self._over.wait()
        now = trio.current_time()
        left = [each for each, until in self._open.items() if until > now]
        self._open.clear()
        if not left:
            return
        plant.journal.note(EventKind.PHASE, "the faults are over: what they left is mended", now)
        # Who has no power hears nothing else.
        left.sort(key=lambda each: not isinstance(each[1], PowerReturn))
        with trio.move_on_after(MENDED_WITHIN_S):
            while left:
                left = await _not_told(plant, left)
                if left:
                    await trio.sleep(RETRY_S)

    # ---- striking ----------------------------------------------------------------------------------------------------

    async def _strike_together(self, fault: Fault, plant: Plant, nursery: trio.Nursery) -> None:
        """All of its target at once, each time."""
        for turn, at_s in enumerate(fault.instants_s(self.seed, self.end_s)):
            await trio.sleep_until(plant.started_at + at_s)
            nursery.start_soon(self._strike_all, fault, plant, nursery, turn)

    async def _strike_all(self, fault: Fault, plant: Plant, nursery: trio.Nursery, turn: int) -> None:
        if fault.target is None:
            await self._restart(fault, plant)
            return
        now, target = trio.current_time(), fault.target
        # Statuses are known of those who are on; otherwise everybody is meant who is to be there.
        directory = self.roll if plant.ramping and not target.statuses else plant
        try:
            addresses = target.resolve(directory, seed=self.seed, counter=_counter(fault, turn))
        except TargetError as error:
            self._tell(plant, f"{fault.what}: {error}", now)
            return
        here = [address for address in addresses if plant.known(address[0])]
        done = await self._strike(fault, plant, nursery, here)
        text = f"{fault.what} on {fault.whom}: {done} struck"
        text += f", {len(here) - done} refused" if done < len(here) else ""
        if left := [address for address in addresses if not plant.known(address[0])]:
            text += f", {len(left)} to come"
            nursery.start_soon(self._strike_as_they_come, fault, plant, nursery, left)
        self._tell(plant, text, now)

    async def _strike_as_they_come(
        self, fault: Fault, plant: Plant, nursery: trio.Nursery, left: Sequence[Address]
    ) -> None:
        """Those who are struck by it from the moment in which they are switched on."""
        ramping = True
        while left and ramping:
            ramping = plant.ramping
            come = [address for address in left if plant.known(address[0])]
            left = [address for address in left if not plant.known(address[0])]
            await trio.sleep(RETRY_S)
            if come:
                await self._strike(fault, plant, nursery, come)

    def _each(self, fault: Fault) -> Sequence[Address]:
        """Whom of the configuration's it strikes each for itself."""
        if fault.target is None:
            return [_CSMS]
        return evolve(fault.target, statuses=()).resolve(self.roll, seed=self.seed, counter=_counter(fault, 0))

    def _newcomer(self, plant: Plant, charge_point_id: str) -> None:
        """One more than the configuration has is there: what strikes each for itself may strike it from now on.

        Whoever left and comes back is struck as if it had stayed, like those of the configuration.
        """
        if self._nursery is None or self.roll.known(charge_point_id) or charge_point_id in self._newcomers:
            return
        self._newcomers.add(charge_point_id)
        alone = Roll({charge_point_id: plant.connectors(charge_point_id)})
        for fault in self.faults:
            if fault.config.rate_per_s is not None and fault.target is not None:
                addresses = list(self._meant(fault.target, fault.number, alone))
                self._nursery.start_soon(self._strike_each, fault, plant, self._nursery, addresses)

    def _meant(self, target: Target, number: int, alone: Roll) -> Iterator[Address]:
        """Whom of one who comes a target means: of a share as likely as anybody, of a number nobody."""
        sample = target.sample
        share = 1.0 if sample is None else sample.amount / 100 if sample.percent else 0.0
        for term in target.terms:
            with suppress(TargetError):
                for address in evolve(target, terms=(term,), statuses=(), sample=None).resolve(alone):
                    if unit(self.seed, f"fault/{number}/{address[0]}/{address[1]}/sampled") < share:
                        yield address

    async def _strike_each(
        self, fault: Fault, plant: Plant, nursery: trio.Nursery, addresses: Sequence[Address]
    ) -> None:
        """These, each for itself from now on, if the status fits at the time."""
        target, began_at = fault.target, trio.current_time()
        # One by one as time goes on, however long the run is.
        strikes = [zip(fault.strikes_s(self.seed, self.end_s, each), repeat(each), strict=False) for each in addresses]
        for at_s, address in heapq.merge(*strikes):
            if plant.started_at + at_s < began_at:
                continue
            await trio.sleep_until(plant.started_at + at_s)
            if target is None:
                nursery.start_soon(self._restart, fault, plant)
            elif plant.known(address[0]) and _has_status(plant, address, target.statuses):
                nursery.start_soon(self._strike_one, fault, plant, nursery, address)

    async def _strike_one(self, fault: Fault, plant: Plant, nursery: trio.Nursery, address: Address) -> None:
        now = trio.current_time()
        if await self._strike(fault, plant, nursery, [address]):
            self._note(plant, f"{fault.what} on {render_address(address)}", now)

    async def _strike(self, fault: Fault, plant: Plant, nursery: trio.Nursery, addresses: Sequence[Address]) -> int:
        """Give the command to all of them; returns how many obeyed, whose state is remembered until it has ended."""
        command, struck = fault.deed, list[Address]()
        assert not isinstance(command, RestartCsms)

        async def ask(address: Address) -> None:
            if await plant.fleet.ask(*address, command) is None:
                struck.append(address)
                if fault.undoing is not None:
                    lasts_s = math.inf if fault.for_s is None else fault.for_s
                    self._open[address, fault.undoing] = trio.current_time() + lasts_s

        async with trio.open_nursery() as asking:
            for number, address in enumerate(addresses, 1):
                asking.start_soon(ask, address)
                if number % BURST_MAX == 0:
                    await trio.lowlevel.checkpoint()
        self.struck += len(struck)
        if struck and fault.undoing is not None and fault.for_s is not None and not fault.self_ending:
            nursery.start_soon(self._undo, plant, struck, fault.undoing, fault.for_s)
        return len(struck)

    async def _undo(self, plant: Plant, addresses: Sequence[Address], undoing: Command, after_s: float) -> None:
        await trio.sleep(after_s)
        left = [(address, undoing) for address in addresses]
        # One who is off now hears of it once it is back.
        while left:
            left = await _not_told(plant, left)
            if left:
                await trio.sleep(RETRY_S)

    async def _restart(self, fault: Fault, plant: Plant) -> None:
        assert self.restart_csms is not None
        down_s = fault.config.for_s or 0.0
        self.struck += 1
        stays_away = f" and stays away for {format_duration(down_s)}" if down_s else ""
        self._tell(plant, f"the CSMS is killed{stays_away}", trio.current_time())
        await self.restart_csms(down_s)
        plant.journal.note(EventKind.PHASE, "the CSMS is back", trio.current_time())

    def _tell(self, plant: Plant, text: str, at: float) -> None:
        """In the journal, and for whoever watches."""
        self._note(plant, text, at)
        self.say(f"fleet: {format_duration(round(at - plant.started_at, 1))}: {redacted_line(text)}")

    def _note(self, plant: Plant, text: str, at: float) -> None:
        plant.journal.note(EventKind.FAULT, redacted_line(text), at)


def _counter(fault: Fault, turn: int) -> int:
    """Which sample it is: consoles count theirs upwards from 1, so that a line that is typed changes none of these."""
    return -1 - turn - 10_000 * fault.number


async def _not_told(plant: Plant, orders: Sequence[tuple[Address, Command]]) -> list[tuple[Address, Command]]:
    """Give each order to its address; returns those that nobody was there to hear."""
    unheard = []
    for number, (address, command) in enumerate(orders, 1):
        if plant.known(address[0]) and plant.fleet.tell(*address, command) is not None:
            unheard.append((address, command))
        if number % BURST_MAX == 0:
            await trio.lowlevel.checkpoint()
    return unheard


def _has_status(plant: Plant, address: Address, statuses: Sequence[ConnectorStatus]) -> bool:
    """Is the connector in one of these, or one of the charge point's? Where none are named everybody is."""
    charge_point_id, connector = address
    connectors = [connector] if connector else range(1, plant.connectors(charge_point_id) + 1)
    return not statuses or any(plant.status(charge_point_id, each) in statuses for each in connectors)
