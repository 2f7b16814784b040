"""A swarm: hundreds of short lives, each with its own seed, in which everything that can happen does.

Drivers come and go, hands and mains break things, software crashes, the network fails on every layer, and the CSMS
asks for whatever OCPP 1.6 lets it ask, hands out credentials that are good or not, is started anew and turns charge
points away; all of it at once, in virtual time. Whatever befell, the rules of `swarm_rules` hold, every charge point
recovers and charges again, and both sides' books agree.

    FLEET_SWARM_SEEDS=137 pytest tests/simulation/test_swarm.py        that seed again
    FLEET_SWARM_SEEDS=1000-9999 pytest tests/simulation/test_swarm.py  many others
"""

import math
import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import trio
from attrs import define, field
from counterparts.bad_network import BadNetwork, bad_network
from counterparts.scripted import EPOCH_S
from counterparts.swarm_errands import errands
from counterparts.swarm_perils import RECOVERY, Order, Perils
from counterparts.swarm_requests import RESERVATIONS, Payload, Requests
from counterparts.swarm_rules import Rules, books
from trio.testing import MockClock

from fleet.actors.supervisor import RestartPolicy
from fleet.commands import hazards
from fleet.commands.impairments import NetworkFault
from fleet.commands.vocabulary import PlugIn, StartTransaction, StopTransaction, Unplug
from fleet.core.dialects.v16 import SERVED
from fleet.core.plan import SecurityPlan
from fleet.core.reports import (
    CredentialsSettled,
    Drained,
    LinkImpaired,
    Registered,
    Restarted,
    TransactionStarted,
)
from fleet.csms.central import Policy
from fleet.csms.server import CallFailed
from fleet.ocpp import v16
from fleet.words import RegistrationStatus

CHARGE_POINTS = 2
CONNECTORS = (1, 2)
HAPPENINGS = 60
SECURITY = SecurityPlan(1, frozenset({1, 2, 3}), has_password=True)
CRASHES_APART_S = RestartPolicy().window_s
"""Who crashes more often is given up."""
RECOVERED_AFTER_S = 1_800.0
"""Longer than anything that was put off: firmware, reservations, retries."""
DRAINED_WITHIN_S = 7_200.0


def seeds() -> range:
    """`first-last` or one number, out of the environment."""
    first, _, last = os.environ.get("FLEET_SWARM_SEEDS", "0-239").partition("-")
    return range(int(first), int(last or first) + 1)


@define(eq=False)
class Swarm:
    """One life of a few charge points, and what came of it."""

    seed: int
    network: BadNetwork
    draws: random.Random = field(init=False)
    outcomes: Counter[tuple[str, str]] = field(factory=Counter)
    """Of the CSMS's requests, by action and answer: Result, or why there is none."""

    def __attrs_post_init__(self) -> None:
        self.draws = random.Random(f"{self.seed}/swarm")
        self.network.server.latency_s = self.draws.choice([0.0, 0.0, 0.3, 3.0])

    async def live(self) -> None:
        """Let things happen."""
        perils, names = Perils(self.draws), list(self.network.fleet.berths)
        requests = {name: Requests(self.draws, _utc, self._running(name)) for name in names}
        # Some networks are good, and some CSMSs quiet.
        weights = [3.0, 2.0, self.draws.choice([0.0, 1.0, 3.0]), self.draws.choice([1.0, 4.0, 8.0]), 0.3, 0.3]
        crashed_at = dict.fromkeys(names, -math.inf)
        async with trio.open_nursery() as asking:
            for _ in range(HAPPENINGS):
                name = self.draws.choice(names)
                match self.draws.choices(["driver", "hand", "network", "csms", "operator", "bug"], weights)[0]:
                    case "driver":
                        await self._befall(name, perils.driver())
                    case "hand":
                        await self._befall(name, perils.hand())
                    case "network":
                        await self._befall(name, perils.network())
                    case "csms":
                        asking.start_soon(self._ask, name, *requests[name].draw())
                    case "operator":
                        await self._operate()
                    case "bug" if trio.current_time() > crashed_at[name] + CRASHES_APART_S:
                        crashed_at[name] = trio.current_time()
                        await self._befall(name, perils.bug())
                await trio.sleep(perils.pause_s())

    async def recover(self) -> None:
        """Everything is mended; after a while every connector charges again, and the charge points are drained."""
        network, names = self.network, list(self.network.fleet.berths)
        network.server.central.policy = Policy()
        # The second time for what was put off and came after the first.
        for pause_s in (RECOVERED_AFTER_S, 600.0):
            for name in names:
                for order in RECOVERY:
                    await self._befall(name, [order], 0.5)
            await network.until(lambda: network.server.connected == set(names))
            for name in names:
                # Where the two disagree on whether it is registered.
                await self._ask(name, "TriggerMessage", {"requestedMessage": "BootNotification"})
                for id in RESERVATIONS:
                    await self._ask(name, "CancelReservation", {"reservationId": id})
                await self._ask(name, "ClearChargingProfile", {})
            await trio.sleep(pause_s)
        for name in names:
            for connector in CONNECTORS:
                target = f"{name}/{connector}"
                before = len(network.reported(TransactionStarted))
                await network.do(target, PlugIn())
                await network.do(target, StartTransaction("AFTER"))
                await trio.sleep(60)
                assert len(network.reported(TransactionStarted)) == before + 1, f"nothing begins at {target}"
                await network.do(target, StopTransaction())
                await network.do(target, Unplug())
        # Statuses may wait for MinimumStatusDuration.
        await trio.sleep(60)
        for name in names:
            network.fleet.berths[name].drain()
        assert await network.fleet.ended(trio.current_time() + DRAINED_WITHIN_S), "the drain has no end"

    async def _operate(self) -> None:
        """The CSMS is started anew with the records of its last life, or lets nobody in for now, or everybody again."""
        network = self.network
        policy = Policy(self.draws.choice([*RegistrationStatus, RegistrationStatus.ACCEPTED]), boot_retry_s=15)
        if self.draws.random() < 0.5:
            network.server.central.policy = policy
        else:
            await network.restart_csms()

    def check(self) -> None:
        """Look back at all of it."""
        rules = Rules()
        for name, report in self.network.reports:
            rules.report(name, report)
        rules.over()
        wrong = rules.wrong + books(self.network.reports, self.network.records)
        assert not wrong, "\n".join(wrong)
        assert len(self.network.reported(Drained)) == CHARGE_POINTS

    async def _befall(self, name: str, orders: list[Order], pause_s: float = 0.01) -> None:
        for connector, command in orders:
            self.network.fleet.tell(name, connector, command)
            await trio.sleep(pause_s)

    async def _ask(self, name: str, action: str, payload: Payload) -> None:
        try:
            await self.network.server.call(name, v16.CATALOGUE.request(action, payload))
        except CallFailed as failed:
            self.outcomes[action, failed.code] += 1
        else:
            self.outcomes[action, "Result"] += 1

    def _running(self, name: str) -> Callable[[], list[int]]:
        return lambda: list(self.network.server.central.ledger(name).open)


def _utc() -> datetime:
    return datetime.fromtimestamp(EPOCH_S, UTC) + timedelta(seconds=trio.current_time())


async def life(seed: int) -> Swarm:
    run_errand = errands(random.Random(f"{seed}/errands"))
    async with bad_network(CHARGE_POINTS, seed, run_errand=run_errand, security=SECURITY) as network:
        swarm = Swarm(seed, network)
        await swarm.live()
        await swarm.recover()
        swarm.check()
    return swarm


def lived(seed: int) -> Swarm:
    """The life with that seed; what goes wrong in it says how to see it again."""
    try:
        return trio.run(life, seed, clock=MockClock(autojump_threshold=0))
    except BaseException as error:
        error.add_note(f"seed {seed}; again: FLEET_SWARM_SEEDS={seed} pytest tests/simulation/test_swarm.py")
        raise


BLOCK = 10
MET: Counter[object] = Counter()
"""What the lives so far have met: requests that were answered with a result, and faults that lay on a link."""


@pytest.mark.parametrize("first", seeds()[::BLOCK], ids=lambda first: f"from-{first}")
def test_whatever_befalls_them_charge_points_keep_the_rules_and_the_books_balance(first: int) -> None:
    for seed in range(first, min(first + BLOCK, seeds().stop)):
        swarm = lived(seed)
        MET["life"] += 1
        MET.update(action for action, outcome in swarm.outcomes.elements() if outcome == "Result")
        MET.update(report.fault for report in swarm.network.reported(LinkImpaired))
        MET.update(report.status for report in swarm.network.reported(Registered))
        MET.update((CredentialsSettled, each.adopted) for each in swarm.network.reported(CredentialsSettled))
        MET["crash"] += sum(each.crashed for each in swarm.network.reported(Restarted))


def test_the_swarm_has_met_every_request_and_every_fault() -> None:
    if MET["life"] < 200:
        pytest.skip("only after hundreds of lives")
    settled = {(CredentialsSettled, True), (CredentialsSettled, False)}
    assert {*SERVED, *NetworkFault, *RegistrationStatus, *settled} - set(MET) == set()
    assert MET["crash"] > 20


@pytest.mark.parametrize("action", sorted(SERVED))
def test_requests_are_drawn_as_the_specification_writes_them(action: str) -> None:
    requests = Requests(random.Random(action), lambda: datetime.fromtimestamp(EPOCH_S, UTC), lambda: [1])
    for _ in range(50):
        v16.CATALOGUE.request(action, requests.drawn(action))


def test_every_hazard_befalls_somebody() -> None:
    perils = Perils(random.Random(1))
    drawn = {type(command) for _ in range(2_000) for _, command in perils.hand()}
    there = {each for each in vars(hazards).values() if isinstance(each, type) and each.__module__ == hazards.__name__}
    assert there - drawn == set()


def test_one_seed_is_one_life() -> None:
    def story() -> list[tuple[str, object]]:
        return [each for each in lived(7).network.reports if isinstance(each[1], LinkImpaired | TransactionStarted)]

    assert len(story()) > 4
    assert story() == story()
