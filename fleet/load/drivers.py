"""Drivers: people who arrive, plug in, authorise, charge, stop and leave. The workload of a run.

All visits of a fleet are in one machine: `handle` takes reports, `tick` gives the commands that are due, `deadline` is
when to ask next; `driving.py` is the one task around it. Due times are entries in one heap; a visit that changed its
mind leaves a stale entry behind, which is skipped. What one driver does is in `visit.py`.

Connectors may come and go while drivers do: a new one is one spot more, one that is gone keeps its place and sees
nobody any more. Paused, nobody arrives and nobody who waits comes forward; who is there goes on as planned.

Randomness is by key: when drivers come, and what each of them wants, is a function of the seed and of the visit's
number (at its connector, or in the fleet), whatever happened before. Id tags need no pool to take from and return to:
the tags are dealt out to the connectors, so a tag is always at one connector, in one visit. As its transactions then
all go through one charge point's outbox in order, not even a CSMS that was away sees a tag in two at once.
"""

import heapq
import math
from collections.abc import Sequence
from enum import IntEnum
from random import Random

from fleet.commands.vocabulary import EV, ConnectorCommand
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import (
    CableChanged,
    Drained,
    GivenUp,
    ObservedReport,
    Registered,
    Restarted,
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
)
from fleet.load.config import RunConfig
from fleet.load.visit import AVAILABLE, Counts, Patience, Spot, Stage, Visit
from fleet.randomness import unit
from fleet.words import RegistrationStatus

QUEUE_MAX = 3
"""Drivers who wait for one connector; the next one who comes drives on."""
DRAIN_PER_S = 200.0
DRAIN_MAX_S = 5.0
"""At a drain so many drivers leave per second, or more, so that the last one leaves after this long."""
STALE_MAX = 1000
"""Stale entries that the heap may hold beside as many as there are connectors."""

FREE = b"\x01"
FLEET = -1

Due = tuple[str, int, ConnectorCommand]


class Entry(IntEnum):
    """What an entry of the heap is about."""

    ARRIVAL = 0
    TURN = 1
    """Whoever waits at a connector may come forward."""
    VISIT = 2


class Drivers:
    """Everybody who charges at this fleet. Tell it all reports of the types in `wants`, then `start` it."""

    wants: frozenset[type[ObservedReport]] = frozenset(
        (StatusChanged, CableChanged, TransactionStarted, TransactionStopped, Registered, Restarted, GivenUp, Drained)
    )

    def __init__(
        self, config: RunConfig, plans: Sequence[ChargePointPlan], seed: int, patience: Patience | None = None
    ) -> None:
        """`plans` is the fleet in its global order, as `fleet.load.config.plans` makes it."""
        self._config = config
        self._drivers = config.drivers
        self._seed = seed
        self._patience = patience or Patience()
        self._spots: list[Spot] = []
        self._first: dict[str, int] = {}
        self._open = bytearray()  # its charge point was accepted since it was switched on
        self._free = bytearray()
        self._heap: list[tuple[float, int, Entry]] = []
        self._arrivals = 0  # of the fleet; a connector's own are counted at its spot
        self._next_at = math.inf  # when the next one comes to the fleet
        self._started = False
        for plan in plans:
            self._add(plan)
        # Tags are dealt out once, to those who are there from the beginning; whoever comes later brings one.
        self._dealt_to = len(self._spots)
        self.counts = Counts()
        self.visiting = 0
        """Drivers who are at a connector now."""
        self.paused = False
        self.closed = False

    # ---- the outside -------------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """From now on drivers come."""
        self._started = True
        if self._drivers.per == "fleet":
            self._expect_arrival(FLEET, now)
        else:
            for index in range(len(self._spots)):
                self._expect_arrival(index, now)

    def pause(self) -> None:
        """Nobody comes, until `resume`."""
        self.paused = True
        self._next_at = math.inf
        for spot in self._spots:
            spot.next_at = math.inf

    def resume(self, now: float) -> None:
        """Drivers come again, and those who wait come forward."""
        if not self.paused:
            return
        self.paused = False
        if self._started:
            self.start(now)
        for index, spot in enumerate(self._spots):
            if spot.waiting and self._free[index]:
                self._push(now, index, Entry.TURN)

    def add(self, plan: ChargePointPlan, now: float) -> None:
        """Drivers may come to this charge point too, once it is accepted."""
        for index in self._add(plan):
            if self._started and self._drivers.per == "connector":
                self._expect_arrival(index, now)

    def remove(self, charge_point_id: str, now: float) -> None:
        """Nobody comes to this charge point any more; who is there stops and leaves."""
        for index in self._connectors(charge_point_id):
            spot = self._spots[index]
            spot.gone, spot.next_at = True, math.inf
            self.counts.turned_away += spot.waiting
            spot.waiting = 0
            if spot.visit is not None:
                spot.visit.go_home(now)
            self._after(index, now)

    @property
    def deadline(self) -> float:
        """When `tick` wants to be called; inf when nothing is due."""
        heap = self._heap
        while heap and self._is_stale(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else math.inf

    @property
    def idle(self) -> bool:
        """Nobody is at any connector."""
        return self.visiting == 0

    @property
    def waiting(self) -> int:
        """Drivers who wait for a connector to become free."""
        return sum(spot.waiting for spot in self._spots)

    def tick(self, now: float) -> list[Due]:
        """What is due: (charge point, connector, command) each, to be told in this order."""
        commands: list[Due] = []
        heap = self._heap
        while heap and heap[0][0] <= now:
            entry = heapq.heappop(heap)
            if self._is_stale(entry):
                continue
            at, index, about = entry
            if about is Entry.ARRIVAL:
                self._arrive(index, at, now)
            elif about is Entry.TURN:
                self._turn(index, now)
            else:
                spot = self._spots[index]
                assert spot.visit is not None
                command = spot.visit.act(now)
                if command is not None:
                    commands.append((spot.charge_point_id, spot.connector, command))
                self._after(index, now)
        return commands

    def close(self) -> None:
        """Nobody comes any more, and who waits drives on; who is there stays as long as planned."""
        self.closed = True
        for spot in self._spots:
            self.counts.turned_away += spot.waiting
            spot.waiting = 0

    def _add(self, plan: ChargePointPlan) -> range:
        """Its connectors, as spots; what comes back after it was removed has new ones."""
        first = self._first[plan.id] = len(self._spots)
        self._spots += [Spot(plan.id, connector) for connector in range(1, len(plan.connectors) + 1)]
        self._open.extend(bytes(len(plan.connectors)))
        self._free.extend(bytes(len(plan.connectors)))
        return range(first, len(self._spots))

    def drain(self, now: float) -> None:
        """Nobody comes any more, and everybody stops and leaves, one after the other within a few seconds."""
        self.close()
        here = [index for index, spot in enumerate(self._spots) if spot.visit is not None]
        step_s = min(1 / DRAIN_PER_S, DRAIN_MAX_S / max(1, len(here)))
        for place, index in enumerate(here):
            visit = self._spots[index].visit
            assert visit is not None
            visit.go_home(now + place * step_s)
            self._after(index, now)

    def handle(self, charge_point_id: str, report: ObservedReport) -> None:
        """Take in what a charge point or connector reports; the commands come from the next `tick`."""
        first = self._first[charge_point_id]
        match report:
            case StatusChanged(connector=connector) if connector:
                self._status_changed(first + connector - 1, report)
            case CableChanged():
                spot = self._spots[first + report.connector - 1]
                spot.plugged = report.plugged
                if spot.visit is not None:
                    spot.visit.see_cable(report.at)
                self._after(first + report.connector - 1, report.at)
            case TransactionStarted():
                spot = self._spots[first + report.connector - 1]
                spot.running = spot.plugged = True
                if spot.visit is not None:
                    spot.visit.see_start(report)
                self._after(first + report.connector - 1, report.at)
            case TransactionStopped():
                spot = self._spots[first + report.connector - 1]
                spot.running = False
                if spot.visit is not None:
                    spot.visit.see_stop(report)
                self._after(first + report.connector - 1, report.at)
            case Registered():
                self._set_open(charge_point_id, report.status is RegistrationStatus.ACCEPTED, report.at)
            case Restarted():
                self._switched_off(charge_point_id, report.at)
            case GivenUp() | Drained():
                self._ended(charge_point_id, report.at)
            case _:
                pass

    # ---- arrivals ----------------------------------------------------------------------------------------------------

    def _expect_arrival(self, index: int, at: float) -> None:
        """The next one comes after an exponential gap: a Poisson process, the same one for the same seed."""
        if self._drivers.arrivals_per_s <= 0 or self.paused or (index != FLEET and self._spots[index].gone):
            return
        if index == FLEET:
            name, number = "fleet", self._arrivals
        else:
            spot = self._spots[index]
            name, number = f"{spot.charge_point_id}/{spot.connector}", spot.arrived
        gap_s = -math.log1p(-unit(self._seed, f"{name}/arrivals/{number}")) / self._drivers.arrivals_per_s
        next_at = at + gap_s
        if index == FLEET:
            self._next_at = next_at
        else:
            self._spots[index].next_at = next_at
        self._push(next_at, index, Entry.ARRIVAL)

    def _arrive(self, index: int, at: float, now: float) -> None:
        if self.closed:
            return
        self.counts.arrived += 1
        if index == FLEET:
            number, self._arrivals = self._arrivals, self._arrivals + 1
            self._expect_arrival(FLEET, at)
            random = self._random(f"fleet/visits/{number}")
            free = self._free_near(random.random())
            if free is None:
                self.counts.turned_away += 1
            else:
                self._begin(free, number, random, now)
            return
        spot = self._spots[index]
        spot.arrived += 1
        self._expect_arrival(index, at)
        if spot.waiting >= QUEUE_MAX:
            self.counts.turned_away += 1
        else:
            spot.waiting += 1
            self._turn(index, now)

    def _free_near(self, place: float) -> int | None:
        """The first free connector from a place in the fleet on, so that each visit has its own, as far as possible."""
        start = int(place * len(self._free))
        found = self._free.find(FREE, start)
        if found < 0:
            found = self._free.find(FREE, 0, start)
        return found if found >= 0 else None

    def _turn(self, index: int, now: float) -> None:
        """The next of those who wait, if it's somebody's turn."""
        spot = self._spots[index]
        if spot.waiting and self._free[index] and not self.closed and not self.paused:
            spot.waiting -= 1
            random = self._random(f"{spot.charge_point_id}/{spot.connector}/visits/{spot.begun}")
            self._begin(index, spot.begun, random, now)

    def _random(self, name: str) -> Random:
        return Random(f"{self._seed}/{name}")

    def _begin(self, index: int, number: int, random: Random, now: float) -> None:
        """A driver is there. What one wants is drawn in this order, all of it, so that equal seeds want the same."""
        drivers, spot = self._drivers, self._spots[index]
        stay_s = None if drivers.stay_s is None else drivers.stay_s.draw(random)
        wanted_wh = None if drivers.energy_wanted_wh is None else drivers.energy_wanted_wh.draw(random)
        ev = EV(
            battery_wh=drivers.ev.battery_wh.draw(random),
            soc=drivers.ev.soc.draw(random),
            power_max_w=drivers.ev.power_max_w.draw(random),
            energy_wanted_wh=wanted_wh,
            taper_from_soc=drivers.ev.taper_from_soc,
        )
        pause_s = drivers.pause_s.draw(random)
        identifies_first = random.random() < drivers.share_identifying_first
        id_tag = self._config.id_tag(self._tag_index(index, number))
        spot.visit = Visit(spot, id_tag, ev, stay_s, pause_s, identifies_first, now, self._patience)
        spot.begun += 1
        self.counts.begun += 1
        self.visiting += 1
        self._after(index, now)

    def _tag_index(self, index: int, number: int) -> int:
        """One of this connector's own tags: those that it was dealt, or the one beyond the pool that it brought."""
        dealt_to, pool = self._dealt_to, self._config.id_tag_count
        if index >= dealt_to:
            return pool + index - dealt_to
        return index + dealt_to * (number % (pool // dealt_to))

    # ---- reports -----------------------------------------------------------------------------------------------------

    def _status_changed(self, index: int, report: StatusChanged) -> None:
        spot = self._spots[index]
        was, spot.status = spot.status, report.status
        if report.status is AVAILABLE:
            spot.plugged = spot.running = False
        if spot.visit is not None:
            spot.visit.see_status(was, report.at)
        self._after(index, report.at)

    def _connectors(self, charge_point_id: str) -> range:
        first = last = self._first[charge_point_id]
        while last < len(self._spots) and self._spots[last].charge_point_id == charge_point_id:
            last += 1
        return range(first, last)

    def _set_open(self, charge_point_id: str, is_open: bool, at: float) -> None:
        for index in self._connectors(charge_point_id):
            self._open[index] = is_open
            self._after(index, at)

    def _switched_off(self, charge_point_id: str, at: float) -> None:
        for index in self._connectors(charge_point_id):
            spot = self._spots[index]
            self._open[index], spot.status = False, None
            if spot.visit is not None:
                spot.visit.see_restart(at)
            self._after(index, at)

    def _ended(self, charge_point_id: str, at: float) -> None:
        """Nothing will ever happen there again: whoever is there goes on foot."""
        for index in self._connectors(charge_point_id):
            spot = self._spots[index]
            self._open[index], spot.status = False, None
            if spot.visit is not None:
                spot.visit.stage = Stage.OVER
            self._after(index, at)

    # ---- after anything that happened at a connector -----------------------------------------------------------------

    def _after(self, index: int, at: float) -> None:
        """Note when its visit wants to act next, or that it's over; and whether the connector is free now."""
        spot = self._spots[index]
        visit = spot.visit
        if visit is not None and visit.stage is Stage.OVER:
            self.visiting -= 1
            self.counts.end(visit.outcome)
            spot.visit = visit = None
        free = visit is None and spot.status is AVAILABLE and self._open[index] == 1 and not spot.gone
        if free and not self._free[index] and spot.waiting:
            self._push(at, index, Entry.TURN)
        self._free[index] = free
        if visit is not None and visit.due_at < math.inf:
            self._push(visit.due_at, index, Entry.VISIT)

    def _push(self, at: float, index: int, about: Entry) -> None:
        if len(self._heap) > 4 * len(self._spots) + STALE_MAX:
            self._heap[:] = [entry for entry in set(self._heap) if not self._is_stale(entry)]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (at, index, about))

    def _is_stale(self, entry: tuple[float, int, Entry]) -> bool:
        at, index, about = entry
        if about is Entry.ARRIVAL:
            return self.closed or at != (self._next_at if index == FLEET else self._spots[index].next_at)
        if about is Entry.TURN:
            return self.closed
        visit = self._spots[index].visit
        return visit is None or visit.due_at != at
