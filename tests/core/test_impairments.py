"""Faults on the network as the charge point's machine keeps them: until when, over reboots, and who is told."""

import math
from typing import Any

import pytest
from counterparts.charge_point_bench import Bench

from fleet.commands.impairments import Direction, Impair, Mend, NetworkFault
from fleet.commands.vocabulary import Command
from fleet.core.effects import ImpairLink, MendLink
from fleet.core.instructions import Instruct
from fleet.core.reports import LinkImpaired, LinkMended

STALL = Impair(NetworkFault.STALL, for_s=45)
DROP = Impair(NetworkFault.DROP, probability=0.1, direction=Direction.SENT)


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.boot()
    return made


def do(bench: Bench, command: Command) -> None:
    bench.hear(Instruct(0, command))


def orders(bench: Bench) -> list[Any]:
    """What the link was told, since last asked."""
    told = [effect for effect in bench.effects if isinstance(effect, ImpairLink | MendLink)]
    bench.effects.clear()
    return told


def told(bench: Bench) -> list[Any]:
    """What observers were told of it."""
    return [fact for fact in bench.facts if isinstance(fact, LinkImpaired | LinkMended)]


def test_a_fault_lasts_as_long_as_it_was_to(bench: Bench) -> None:
    do(bench, STALL)
    began_at = bench.now
    assert orders(bench) == [ImpairLink(STALL)]
    assert bench.machine.deadline <= began_at + 45
    bench.wait(44.9)
    assert orders(bench) == []
    bench.wait(0.2)
    assert orders(bench) == [MendLink(NetworkFault.STALL)]
    assert told(bench) == [
        LinkImpaired(began_at, NetworkFault.STALL, 45, 1.0),
        LinkMended(pytest.approx(began_at + 45), NetworkFault.STALL),
    ]


def test_a_fault_without_a_time_lasts_until_it_is_mended(bench: Bench) -> None:
    do(bench, DROP)
    bench.wait(100_000)
    assert orders(bench) == [ImpairLink(DROP)]
    do(bench, Mend(NetworkFault.STALL))
    assert orders(bench) == []
    do(bench, Mend(NetworkFault.DROP))
    assert orders(bench) == [MendLink(NetworkFault.DROP)]


def test_faults_of_different_kinds_lie_on_a_link_together_and_one_mend_ends_them_all(bench: Bench) -> None:
    do(bench, STALL)
    do(bench, DROP)
    assert len(bench.memory.impairments) == 2
    orders(bench)
    do(bench, Mend())
    assert orders(bench) == [MendLink(NetworkFault.STALL), MendLink(NetworkFault.DROP)]
    do(bench, Mend())
    assert orders(bench) == []


def test_another_fault_of_the_same_kind_takes_the_place_of_the_first_and_of_its_end(bench: Bench) -> None:
    do(bench, STALL)
    longer = Impair(NetworkFault.STALL, for_s=1000)
    bench.wait(40)
    do(bench, longer)
    orders(bench)
    bench.wait(999)
    assert orders(bench) == []
    bench.wait(2)
    assert orders(bench) == [MendLink(NetworkFault.STALL)]


def test_a_reboot_does_not_mend_the_network(bench: Bench) -> None:
    do(bench, STALL)
    do(bench, DROP)
    again = Bench(memory=bench.memory)
    assert orders(again) == [ImpairLink(STALL), ImpairLink(DROP)]
    again.wait(bench.now + 45)
    assert orders(again) == [MendLink(NetworkFault.STALL)]


def test_what_ended_while_the_charge_point_was_down_is_over_when_it_is_back(bench: Bench) -> None:
    bench.memory.impairments = ((STALL, 0.0), (DROP, math.inf))
    again = Bench(memory=bench.memory)
    assert orders(again) == [MendLink(NetworkFault.STALL), ImpairLink(DROP)]
    assert told(again) == [LinkMended(0.0, NetworkFault.STALL)]


def test_who_comes_back_from_the_store_comes_back_to_a_good_network(bench: Bench) -> None:
    do(bench, DROP)
    bench.memory.put_up_again(1)
    assert orders(Bench(memory=bench.memory)) == []
