"""Each fault by itself befalls a whole fleet while people come and go: nothing of it is left once it is over.

Whatever there is in the code is here, one case each: every fault of the network and the protocol, every hazard with
each value that it must be given, every error code, and the commands that do the rest of what people, cars and mains do.
Virtual time; the rules are the swarm's (`swarm_rules`).
"""

import attrs
import pytest
import trio
from counterparts.bad_network import BadNetwork, bad_network
from counterparts.swarm_perils import RECOVERY, Order
from counterparts.swarm_rules import Rules, books

from fleet.commands import hazards
from fleet.commands.hazards import BendClock, PowerCut
from fleet.commands.impairments import Direction, Impair, Layer, NetworkFault
from fleet.commands.registry import arguments
from fleet.commands.speech import Aim, Spoken
from fleet.commands.vocabulary import (
    ChangeAvailability,
    Command,
    Disconnect,
    InjectFault,
    PlugIn,
    Reset,
    Resume,
    StartTransaction,
    StopTransaction,
    SuspendEV,
    SuspendEVSE,
    Swipe,
    UnlockConnector,
    Unplug,
)
from fleet.core.reports import LinkImpaired, Registered, TransactionStarted
from fleet.load.deeds import undoing
from fleet.words import Availability, CableEnd, ErrorCode, ResetKind

CHARGE_POINTS = 20
LASTS_S = 90.0
DRAINED_WITHIN_S = 7_200.0


def each(kind: type[Spoken]) -> list[Command]:
    """A command as often as there are values that it must be given."""
    needed = [argument for argument in arguments(kind) if argument.required]
    made: list[dict[str, object]] = [{}]
    for argument in needed:
        made = [{**so_far, argument.name: argument.kind(value)} for so_far in made for value in argument.choices]
    return [kind(**values) for values in made]  # type: ignore[misc]  # every class here is a command


def network(fault: NetworkFault) -> list[Command]:
    """Always where a connection comes about, often otherwise: something has to get through for it to be a network."""
    share = 1.0 if fault.layer is Layer.CONNECTION or fault.share_of == "connections" else 0.4
    ways = list(Direction) if fault.layer is Layer.FRAMES else [Direction.BOTH]
    return [Impair(fault, LASTS_S, share, way, latency_s=5.0) for way in ways]


HAZARDS = [kind for kind in vars(hazards).values() if isinstance(kind, type) and kind.__module__ == hazards.__name__]
DEEDS: list[Command] = [
    *(deed for fault in NetworkFault for deed in network(fault)),
    *(deed for kind in HAZARDS for deed in each(kind)),
    *(PowerCut(30.0), PowerCut(30.0, stop_first=True), BendClock(0.05), BendClock(None, 3_600.0)),
    *(InjectFault(code, "told so", "E42", for_s=30.0) for code in ErrorCode if code is not ErrorCode.NO_ERROR),
    *(Unplug(end) for end in CableEnd),
    *(SuspendEV(), SuspendEVSE(), UnlockConnector(), Disconnect(), ChangeAvailability(Availability.INOPERATIVE)),
    *(Reset(kind) for kind in ResetKind),
]


def name(deed: Command) -> str:
    said = [str(value) for value in attrs.astuple(deed, recurse=False) if isinstance(value, str)]
    return "-".join([type(deed).verb.replace(" ", "-"), *said[:2]])


async def told(network: BadNetwork, *orders: Order) -> None:
    """Everybody is told all of it; any of it may be refused."""
    for connector, command in orders:
        for charge_point in network.fleet.berths:
            network.fleet.tell(charge_point, connector, command)
        await trio.sleep(0.5)


@pytest.mark.parametrize("deed", DEEDS, ids=name)
async def test_a_fleet_that_it_befell_kept_the_rules_and_its_books_balance(
    deed: Command, autojump_clock: trio.abc.Clock
) -> None:
    async with bad_network(CHARGE_POINTS) as n:
        connector = 1 if deed.aims is Aim.CONNECTOR else 0
        arrive: tuple[Order, ...] = ((1, PlugIn()), (1, Swipe("TAG-A")), (2, Swipe("TAG-B")), (2, PlugIn()))
        leave: tuple[Order, ...] = ((1, Swipe("TAG-A")), (1, Unplug()), (2, StopTransaction()), (2, Unplug()))
        await told(n, *arrive)
        await trio.sleep(20)
        await told(n, (connector, deed))
        for _ in range(2):
            await trio.sleep(10)
            await told(n, *leave, *arrive)
            await trio.sleep(30)
        await trio.sleep(LASTS_S)
        end = undoing(deed)
        await told(n, *([(connector, end)] if end else []), (1, Resume()))
        await trio.sleep(60)
        await told(n, *leave, *RECOVERY)
        await n.until(lambda: n.server.connected == set(n.fleet.berths))
        await trio.sleep(600)
        before = len(n.reported(TransactionStarted))
        await told(n, (1, PlugIn()), (1, StartTransaction("AFTER")))
        await trio.sleep(60)
        assert len(n.reported(TransactionStarted)) == before + CHARGE_POINTS, "somebody charges no more"
        await told(n, (1, StopTransaction()), (1, Unplug()))
        await trio.sleep(60)
        for berth in n.fleet.berths.values():
            berth.drain()
        assert await n.fleet.ended(trio.current_time() + DRAINED_WITHIN_S), "the drain has no end"
        rules = Rules()
        for charge_point, report in n.reports:
            rules.report(charge_point, report)
        rules.over()
        wrong = rules.wrong + books(n.reports, n.records)
        assert not wrong, "\n".join(wrong)
        assert len(n.reported(Registered)) >= CHARGE_POINTS
        if isinstance(deed, Impair):
            assert len(n.reported(LinkImpaired)) == CHARGE_POINTS


def test_every_fault_and_every_hazard_is_a_case() -> None:
    assert {deed.fault for deed in DEEDS if isinstance(deed, Impair)} == set(NetworkFault)
    assert set(map(type, DEEDS)) >= set(HAZARDS)
    assert len(HAZARDS) >= 9
