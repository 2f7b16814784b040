"""Two clocks, kept apart: the monotonic one that durations come from, and UTC for what is written on the wire.

`now` is always `trio.current_time()`; this maps it to UTC by an offset taken once, so that a step of the system's
clock in mid-run changes no duration and no order.
"""

import time

import trio
from attrs import frozen


@frozen
class Clock:
    """`utc = now + offset_s`, in s since 1970."""

    offset_s: float

    @classmethod
    def system(cls) -> "Clock":
        """The system's clock, as of now; needs a running trio loop."""
        return cls(time.time() - trio.current_time())

    def utc(self, now: float) -> float:
        """UTC in s since 1970 for an instant on the monotonic clock."""
        return now + self.offset_s
