import signal

import trio
from trio.testing import wait_all_tasks_blocked

from fleet.load.ending import Ending


async def signalled(ending: Ending, number: signal.Signals) -> None:
    """A signal while the loop is busy, and the end of everything right after."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ending.watch_signals)
        await wait_all_tasks_blocked()
        signal.raise_signal(number)
        await ending.settle()
        nursery.cancel_scope.cancel()


async def test_a_signal_while_the_verdict_is_made_changes_nothing_and_says_nothing() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        said: list[str] = []
        ending = Ending(said.append, over=True)
        await signalled(ending, number)
        assert (ending.interrupted, ending.asked.is_set(), said) == (False, False, [])


async def test_a_signal_while_the_verdict_is_made_says_that_nobody_waits_for_the_last_values() -> None:
    ending = Ending(lambda line: None, over=True)
    await signalled(ending, signal.SIGINT)
    with trio.fail_after(1):
        await ending.linger(3600)


async def test_a_signal_during_the_load_drains_it_and_a_second_one_stops_at_once() -> None:
    said: list[str] = []
    ending = Ending(said.append)
    await signalled(ending, signal.SIGINT)
    assert (ending.interrupted, ending.asked.is_set(), ending.abort.is_set()) == (True, True, False)
    assert said == ["fleet: interrupted, draining (once more to stop at once)"]
    await signalled(ending, signal.SIGTERM)
    assert ending.abort.is_set()
