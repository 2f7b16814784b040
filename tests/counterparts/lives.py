"""Random lives for a fleet: drivers, the CSMS, the network and bugs, each at instants drawn from a seed.

Nothing here knows what ought to come of an order: any may be refused. What must be so afterwards is in `Accounts`,
which integrates the reported power by itself and compares three sides: the meters, the reports, the CSMS's books.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import trio
from attrs import define, field
from counterparts.books import Books
from counterparts.scripted import Heard
from counterparts.world import World

from fleet.commands.vocabulary import (
    EV,
    ChangeAvailability,
    ClearFault,
    Command,
    Crash,
    Drain,
    InjectFault,
    PlugIn,
    Reset,
    Resume,
    SendHeartbeat,
    SetPower,
    StartTransaction,
    StopTransaction,
    SuspendEV,
    SuspendEVSE,
    Swipe,
    UnlockConnector,
    Unplug,
)
from fleet.core.delivery_reports import MessageLost
from fleet.core.reports import PowerChanged, Restarted, TransactionStarted, TransactionStopped
from fleet.randomness import unit
from fleet.words import Availability, CableEnd, ResetKind

TRUCK = EV(battery_wh=1e9, soc=0.1)
"""It never has enough, so its power is constant until somebody changes it."""


@define
class Dice:
    """What may happen and how likely, as weights; every id tag is a new one."""

    seed: int
    crash: float = 0.0
    reset: float = 0.0
    cut: float = 0.0
    remote: float = 0.0
    visit: float = 0.3
    _random: random.Random = field(init=False)
    _tags: int = 0

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def instants(self, count: int, duration_s: float) -> list[float]:
        return sorted(self._random.uniform(0, duration_s) for _ in range(count))

    def choice(self, items: list[str]) -> str:
        return self._random.choice(items)

    def tag(self) -> str:
        self._tags += 1
        return f"T{self._tags}"

    def happening(self) -> str:
        """One of: order, arrival, departure, crash, reset, cut, outage, remote."""
        weights = {
            "order": 1.0,
            "arrival": self.visit,
            "departure": self.visit,
            "crash": self.crash,
            "reset": self.reset,
            "cut": self.cut,
            "outage": self.cut / 3,
            "remote": self.remote,
        }
        return self._random.choices(list(weights), list(weights.values()))[0]

    def order(self) -> Command:
        """Something that a driver, a car or a technician does at a connector."""
        make: list[tuple[float, Callable[[], Command]]] = [
            (4, lambda: PlugIn(TRUCK)),
            (3, lambda: StartTransaction(self.tag())),
            (2, lambda: Swipe(self.tag())),
            (3, lambda: StopTransaction()),
            (3, lambda: Unplug()),
            (1, lambda: Unplug(CableEnd.EV)),
            (1, lambda: SetPower(self._random.choice([None, 0.0, 1_000.0, 3_500.5]))),
            (1, lambda: SuspendEV()),
            (1, lambda: SuspendEVSE()),
            (2, lambda: Resume()),
            (0.5, lambda: InjectFault()),
            (2, lambda: ClearFault()),
            (0.3, lambda: ChangeAvailability(Availability.INOPERATIVE)),
            (1.5, lambda: ChangeAvailability(Availability.OPERATIVE)),
            (0.5, lambda: UnlockConnector()),
        ]
        return self._random.choices([one for _, one in make], [weight for weight, _ in make])[0]()

    def arrival(self) -> tuple[Command, ...]:
        """Whatever was before: a car that charges."""
        ready = (ClearFault(), ChangeAvailability(Availability.OPERATIVE), StopTransaction(), Unplug())
        return (*ready, PlugIn(TRUCK), StartTransaction(self.tag()), Resume(), SetPower())

    def burst(self, length_max: int) -> list[Command]:
        """Orders for one instant: one, or with a longer burst perhaps a whole arrival and others."""
        if length_max == 1:
            return [self.order()]
        begun = list(self.arrival()) if self.fraction() < 0.5 else []
        return begun + [self.order() for _ in range(int(self.fraction() * length_max))]

    def reset_order(self) -> Reset:
        return Reset(self._random.choice([ResetKind.SOFT, ResetKind.HARD]))

    def fraction(self) -> float:
        return self._random.random()


def latency(seed: int, longest_s: float = 2.0) -> Callable[[Heard], float]:
    """How long the CSMS takes: a function of the message, so the same in every run of a seed."""
    return lambda heard: longest_s * unit(seed, heard.message_id)


async def live(w: World, books: Books, dice: Dice, happenings: int, duration_s: float, burst: int = 1) -> None:
    """Let so many things happen; each order is a `burst` of them within one instant."""
    began_at = trio.current_time()
    names = list(w.fleet.berths)
    async with trio.open_nursery() as nursery:
        for at in dice.instants(happenings, duration_s):
            await trio.sleep_until(began_at + at)
            name = dice.choice(names)
            connector = 1 + int(dice.fraction() * len(w.fleet.berths[name].plan.connectors))
            match dice.happening():
                case "order":
                    _tell(w, dice, name, dice.burst(burst))
                case "arrival":
                    _tell(w, dice, name, dice.arrival(), connector)
                case "departure":
                    _tell(w, dice, name, (StopTransaction(), Unplug()), connector)
                case "crash":
                    _tell(w, dice, name, (*dice.burst(burst), Crash(), *dice.burst(burst)))
                case "reset":
                    _tell(w, dice, name, dice.burst(burst))
                    w.fleet.tell(name, 0, dice.reset_order())
                    _tell(w, dice, name, dice.burst(burst))
                case "cut":
                    _tell(w, dice, name, dice.burst(burst))
                    await w.central.cut(name)
                case "outage":
                    nursery.start_soon(_outage, w, 900 * dice.fraction())
                case "remote":
                    await _remote(w, books, dice, name, connector)


def _tell(w: World, dice: Dice, name: str, commands: Iterable[Command], connector: int | None = None) -> None:
    """All within one instant, to one connector or to any."""
    count = len(w.fleet.berths[name].plan.connectors)
    for command in commands:
        w.fleet.tell(name, connector or 1 + int(dice.fraction() * count), command)


async def _outage(w: World, duration_s: float) -> None:
    w.central.refusing = True
    await w.central.cut()
    await trio.sleep(duration_s)
    w.central.refusing = False


async def _remote(w: World, books: Books, dice: Dice, name: str, connector: int) -> None:
    """The CSMS asks something, and doesn't wait for the answer."""
    socket = w.central.connections.get(name)
    running = [books.starts[start] for start in books.running if start.charge_point == name]
    kind = dice.choice(["start", "stop", "availability", "reset", "unlock"])
    number = dice.fraction()
    availability = "Operative" if number > 0.2 else "Inoperative"
    asked: dict[str, tuple[str, dict[str, object]]] = {
        "start": ("RemoteStartTransaction", {"idTag": dice.tag(), "connectorId": connector}),
        "stop": ("RemoteStopTransaction", {"transactionId": running[0] if running else 0}),
        "availability": (
            "ChangeAvailability",
            {"connectorId": 0, "type": availability},
        ),
        "reset": ("Reset", {"type": "Soft" if number > 0.5 else "Hard"}),
        "unlock": ("UnlockConnector", {"connectorId": connector}),
    }
    if socket is not None and socket.closed is None:
        with trio.move_on_after(1):
            await w.central.ask(name, *asked[kind])


async def recover(w: World, timeout_s: float = 7200.0) -> None:
    """Let everything be well again, stop all, and drain."""
    await trio.sleep(1000)
    w.central.refusing = False
    await trio.sleep(100)
    for name in w.fleet.berths:
        assert await w.do(name, SendHeartbeat()) is None
        assert await w.do(name, Drain()) is None
    assert await w.fleet.ended(trio.current_time() + timeout_s)


@define(eq=False)
class Accounts:
    """What was reported, summed up without asking any meter."""

    w: World
    books: Books

    def check(self) -> None:
        """The CSMS's books, the reports and the meters agree, and nothing broke a rule on the way."""
        books, w = self.books, self.w
        assert books.faults == []
        assert w.central.overlaps == []
        assert w.reported(MessageLost) == []
        assert books.running == []
        assert len(books.stops) == len(books.starts)
        told = Counter((s.charge_point, s.connector, s.id_tag, s.meter_start) for s in books.starts)
        began = Counter(
            (name, r.connector, r.id_tag, r.meter_start_wh)
            for name, r in w.reports
            if isinstance(r, TransactionStarted)
        )
        assert told == began
        ended = Counter(
            (name, r.connector, r.meter_stop_wh) for name, r in w.reports if isinstance(r, TransactionStopped)
        )
        assert ended == Counter(
            (start.charge_point, start.connector, books.stops[id]["meterStop"]) for start, id in books.starts.items()
        )
        self._check_energy()

    def _check_energy(self) -> None:
        """Every meter reading is the integral of the reported power up to its instant, down to the whole Wh."""
        for name, berth in self.w.fleet.berths.items():
            reports = [report for owner, report in self.w.reports if owner == name]
            for number, memory in enumerate(berth.memory.connectors, 1):
                integral_wh = _integrate(reports, number)
                register_wh = memory.meter.register_wh(trio.current_time())
                assert math.isclose(integral_wh, register_wh, rel_tol=1e-9, abs_tol=1e-3), (name, number)

    def busy(self) -> tuple[int, int]:
        """How many transactions and how many restarts there were: a test of nothing proves nothing."""
        return len(self.books.starts), len(self.w.reported(Restarted))


def _integrate(reports: Sequence[object], connector: int) -> float:
    """Constant power between jumps; a restart opens the relay. Compares the meter's readings on the way."""
    total_wh, power_w, since = 0.0, 0.0, 0.0

    def advance(at: float) -> None:
        nonlocal total_wh, since
        total_wh += power_w * (at - since) / 3600
        since = at

    for report in reports:
        if isinstance(report, Restarted):
            advance(report.at)
            power_w = 0.0
        elif getattr(report, "connector", None) != connector:
            continue
        elif isinstance(report, PowerChanged):
            advance(report.at)
            power_w = report.power_w
        elif isinstance(report, TransactionStarted):
            advance(report.at)
            assert -1e-3 < total_wh - report.meter_start_wh < 1.001, report
        elif isinstance(report, TransactionStopped):
            advance(report.at)
            assert -1e-3 < total_wh - report.meter_stop_wh < 1.001, report
    return total_wh


def story(w: World, charge_point: str) -> list[tuple[float, str, str, dict[str, object]]]:
    """All that this charge point said, to the last digit."""
    return [(h.at, h.message_id, h.action, h.payload) for h in w.central.heard if h.charge_point == charge_point]
