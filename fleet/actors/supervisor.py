"""The one place where a crash is caught.

One for one across charge points: the hundreds of others don't notice. A restart builds a fresh actor over the same
memory. A charge point that keeps crashing is given up, loudly, and the fleet lives on.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
from attrs import frozen

log = logging.getLogger(__name__)
Ended = TypeVar("Ended")


@frozen
class RestartPolicy:
    """How often may it crash: more than `crashes_max` within `window_s` and it is given up; `pause_s` between."""

    crashes_max: int = 3
    window_s: float = 60.0
    pause_s: float = 1.0


async def supervise(
    name: str,
    live: Callable[[], Awaitable[Ended]],
    crashed: Callable[[Exception], None],
    policy: RestartPolicy,
) -> Ended | None:
    """Run `live` until it ends by itself and return how; `crashed` hears of every crash. None when it is given up."""
    crashes: deque[float] = deque(maxlen=policy.crashes_max + 1)
    while True:
        try:
            return await live()
        except Exception as crash:
            log.exception("%s crashed", name, exc_info=crash)
            crashed(crash)
        now = trio.current_time()
        crashes.append(now)
        if len(crashes) == crashes.maxlen and now - crashes[0] <= policy.window_s:
            return None
        await trio.sleep(policy.pause_s)


def cause_of(crash: BaseException) -> str:
    """One line that names a crash, looking into exception groups for what really went wrong."""
    while isinstance(crash, BaseExceptionGroup) and crash.exceptions:
        crash = crash.exceptions[0]
    return f"{type(crash).__name__}: {crash}".splitlines()[0]
