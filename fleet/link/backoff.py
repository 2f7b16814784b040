"""How long to stay away after a connection failed: exponential backoff with full jitter.

Full jitter draws from the whole range between nothing and the limit. Half-way measures keep a fleet in step: it was
cut off in one instant and would come back in a few.
"""

from attrs import field, frozen
from attrs.validators import ge, gt


@frozen
class Backoff:
    """`base_s` doubles with every failure up to `cap_s`; a connection that stood for `settled_s` starts afresh.

    `settled_s` is what keeps a CSMS that accepts and hangs up at once from being dialled without end.
    """

    base_s: float = field(default=1.0, validator=gt(0))
    cap_s: float = field(default=60.0, validator=gt(0))
    settled_s: float = field(default=10.0, validator=ge(0))

    def limit_s(self, failures: int) -> float:
        """The longest wait after `failures` failures before this one."""
        # 2 ** 64 seconds are beyond any cap; beyond 2 ** 1023 a float would be at its end.
        return min(self.cap_s, self.base_s * 2.0 ** min(failures, 64))

    def delay_s(self, failures: int, fraction: float) -> float:
        """The wait for a drawn `fraction` in [0, 1)."""
        return fraction * self.limit_s(failures)
