"""What a charge point does by the clock: heartbeats, and meter values aligned to it.

Both are due times, not tasks. A heartbeat that nobody could hear is left out, not made up for: the next one follows
one interval after this one was due, so that a fleet keeps its phases over an outage.
"""

import math

from attrs import define

from fleet.core.configuration import Configuration

DAY_S = 86_400.0


@define
class Pulse:
    """`heartbeat_at` and `aligned_at` are instants on the monotonic clock, inf for never."""

    heartbeat_at: float = math.inf
    heartbeat_interval_s: float = math.inf
    heartbeat_waiting: bool = False
    """A Heartbeat is on its way; a second one would say nothing more."""
    aligned_at: float = math.inf

    @property
    def deadline(self) -> float:
        """The next instant at which something is due."""
        return min(self.heartbeat_at, self.aligned_at)

    def configure(self, configuration: Configuration, now: float, *, accepted: bool) -> None:
        """Follow the key HeartbeatInterval from now on."""
        interval_s = configuration.heartbeat_interval_s or math.inf
        if interval_s != self.heartbeat_interval_s:
            self.heartbeat_interval_s = interval_s
            if accepted:
                self.heartbeat_at = now + interval_s

    def begin(self, now: float) -> None:
        """The CSMS listens for the first time: beat from now on."""
        if self.heartbeat_at == math.inf:
            self.heartbeat_at = now + self.heartbeat_interval_s

    def beat(self, now: float) -> None:
        """A heartbeat was due; the next is due one interval later."""
        if self.heartbeat_interval_s == math.inf:
            self.heartbeat_at = math.inf
            return
        missed = math.floor((now - self.heartbeat_at) / self.heartbeat_interval_s)
        self.heartbeat_at += (missed + 1) * self.heartbeat_interval_s

    def align(self, configuration: Configuration, now: float, utc_s: float, rate: float = 1.0) -> None:
        """The next multiple of ClockAlignedDataInterval since midnight (OCPP 1.6 section 9.1), by its own clock.

        That clock shows `utc_s` and goes by `rate` s in each s.
        """
        interval_s = configuration.clock_aligned_data_interval_s
        if interval_s <= 0:
            self.aligned_at = math.inf
            return
        since_midnight_s = utc_s % DAY_S
        # The clock is a difference of large numbers: what is a millisecond before a multiple has been done.
        done = math.floor((since_midnight_s + 1e-3) / interval_s)
        self.aligned_at = now + (min((done + 1) * interval_s, DAY_S) - since_midnight_s) / rate
