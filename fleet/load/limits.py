"""What the operating system must grant before a fleet can connect: file descriptors and ephemeral ports.

Every charge point holds one TCP connection: one descriptor in this process, and one local port out of a range that all
connections to the same target share. A fleet that runs into either limit half-way measures its own machine, so both
are counted before anything starts, and the error says the numbers.
"""

import resource
from pathlib import Path

from attrs import frozen

from fleet.commands.impairments import LYING_MAX
from fleet.errors import ConfigurationError

# What a run holds beside its connections: standard streams, the event loop, pipes to the embedded CSMS, records, and
# the sockets and modules that are open for a moment.
DESCRIPTORS_BESIDE = 64
# Asked for where the hard limit is "unlimited": kernels refuse absurd numbers.
_DESCRIPTORS_PLENTY = 1 << 20
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
# The range of the dynamic ports (RFC 6335 section 6), where the system doesn't say its own.
_PORTS_ELSEWHERE = 65_535 - 49_152 + 1


@frozen
class Limits:
    """What is needed and what there is. `descriptors_hard` is how far the soft limit can be raised."""

    descriptors_needed: int
    descriptors_soft: int
    descriptors_hard: int
    ports_needed: int
    ports_available: int

    @property
    def shortfalls(self) -> list[str]:
        """One line for each limit that does not suffice, with the numbers and what to do."""
        lines = []
        if self.descriptors_needed > self.descriptors_hard:
            lines.append(
                f"{self.ports_needed} charge points need {self.descriptors_needed} file descriptors, but the limit is "
                f"{self.descriptors_hard} (raise it with `ulimit -Hn`, or run fewer charge points)"
            )
        if self.ports_needed > self.ports_available:
            lines.append(
                f"{self.ports_needed} charge points need as many ephemeral ports, but this machine has "
                f"{self.ports_available} to one target (widen net.ipv4.ip_local_port_range, or run fewer charge points)"
            )
        return lines


def limits(charge_points: int) -> Limits:
    """The limits as they are now, for this many connections to one target."""
    soft, hard = (_finite(limit) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    return Limits(
        descriptors_needed=charge_points + DESCRIPTORS_BESIDE,
        descriptors_soft=soft,
        descriptors_hard=hard,
        ports_needed=charge_points,
        ports_available=_ports_available(),
    )


def require(charge_points: int) -> Limits:
    """Make room for this many connections, raising the soft limit as far as allowed.

    It is raised for those that may lie half-open beside them too; where these find no room, they are what fails.
    Child processes inherit the limit, and the embedded CSMS needs it as well. Raises ConfigurationError.
    """
    found = limits(charge_points)
    if found.shortfalls:
        raise ConfigurationError("\n".join(found.shortfalls))
    if found.descriptors_needed + charge_points * LYING_MAX > found.descriptors_soft < found.descriptors_hard:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (found.descriptors_hard, hard))
        except (ValueError, OSError):
            # Some kernels have a ceiling below their "unlimited"; then exactly what is needed may still pass.
            if found.descriptors_needed > found.descriptors_soft:
                _raise_exactly(found.descriptors_needed, found.descriptors_soft, hard)
    return found


def _raise_exactly(needed: int, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError) as error:
        raise ConfigurationError(
            f"{needed} file descriptors are needed, but the limit is {soft} and can't be raised: {error}"
        ) from None


def _finite(limit: int) -> int:
    return _DESCRIPTORS_PLENTY if limit == resource.RLIM_INFINITY else limit


def _ports_available() -> int:
    try:
        first, last = (int(port) for port in _PORT_RANGE.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return _PORTS_ELSEWHERE
    return last - first + 1
