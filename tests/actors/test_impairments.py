"""Whole charge points on a bad network: each fault alone, and all at once; afterwards the books balance."""

import pytest
import trio
import trio.testing
from counterparts.bad_network import bad_network

from fleet.commands.impairments import Direction, Impair, NetworkFault
from fleet.commands.vocabulary import Reset
from fleet.core.reports import FrameSent, LinkImpaired, LinkMended, LinkUp
from fleet.words import ResetKind

ONE_WAY = [
    *(NetworkFault.CUT, NetworkFault.REFUSED, NetworkFault.DNS, NetworkFault.SUBPROTOCOL, NetworkFault.HALF_OPEN),
    *(NetworkFault.RESET, NetworkFault.FRAGMENTS, NetworkFault.SLOW),
]
"""Faults that have no direction."""
CASES = [
    (fault, direction)
    for fault in NetworkFault
    for direction in (Direction if fault not in ONE_WAY else [Direction.BOTH])
]


@pytest.mark.parametrize(("fault", "direction"), CASES)
async def test_after_a_fault_the_charge_point_is_back_and_the_books_balance(
    fault: NetworkFault, direction: Direction, autojump_clock: trio.abc.Clock
) -> None:
    async with bad_network() as n:
        await n.begin("CP1/1")
        await trio.sleep(60)
        await n.impair(Impair(fault, for_s=200, direction=direction))
        await trio.sleep(5)
        await n.end("CP1/1")
        await trio.sleep(60)
        await n.begin("CP1/1")
        await trio.sleep(100)
        await n.end("CP1/1")
        await n.until(lambda: n.reported(LinkMended))
        (impaired,), (mended,) = n.reported(LinkImpaired), n.reported(LinkMended)
        assert impaired == LinkImpaired(impaired.at, fault, 200, 1.0)
        assert mended == LinkMended(pytest.approx(impaired.at + 200), fault)
        await n.recovers()


@pytest.mark.parametrize("kind", ResetKind)
async def test_a_reboot_leaves_the_network_as_bad_as_it_was(kind: ResetKind, autojump_clock: trio.abc.Clock) -> None:
    async with bad_network() as n:
        await n.impair(Impair(NetworkFault.LATENCY, latency_s=2, for_s=300))
        await n.do("CP1", Reset(kind))
        await n.until(lambda: len(n.reported(LinkUp)) == 2)
        assert n.reported(LinkUp)[1].websocket_s == pytest.approx(4)
        await n.until(lambda: n.reported(LinkMended))
        await n.do("CP1", Reset(kind))
        await n.until(lambda: len(n.reported(LinkUp)) == 3)
        assert n.reported(LinkUp)[2].websocket_s == 0


def test_two_runs_with_one_seed_fail_alike_and_another_seed_fails_otherwise() -> None:
    def story(seed: int) -> list[tuple[float, str]]:
        async def live() -> list[tuple[float, str]]:
            async with bad_network(seed=seed) as n:
                for fault in (NetworkFault.DROP, NetworkFault.MISTYPED, NetworkFault.RESET):
                    await n.impair(Impair(fault, probability=0.2))
                await n.begin("CP1/1")
                await trio.sleep(900)
                return [(round(report.at, 3), report.text) for report in n.reported(FrameSent)]

        return trio.run(live, clock=trio.testing.MockClock(autojump_threshold=0))

    assert story(1) == story(1) != story(2)


@pytest.mark.parametrize("seed", range(6))
async def test_all_faults_at_once_lose_and_double_nothing(seed: int, autojump_clock: trio.abc.Clock) -> None:
    async with bad_network(charge_points=3, seed=seed) as n:
        names = list(n.fleet.berths)
        for fault in NetworkFault:
            probability = 0.1 if fault in (NetworkFault.CUT, NetworkFault.RESET, NetworkFault.HALF_OPEN) else 0.05
            for name in names:
                await n.impair(Impair(fault, probability=probability, latency_s=5), name)
        for _ in range(10):
            for name in names:
                await n.begin(f"{name}/1")
            await trio.sleep(120)
            for name in names:
                await n.end(f"{name}/1")
            await trio.sleep(30)
        for name in names:
            await n.mend(name)
        for name in names:
            await n.recovers(name)
