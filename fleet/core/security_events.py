"""Security events: what happens to a charge point's security, by the names of the white paper's list (its section 8).

All of them go into the security log, the last `LOG_MAX`, whatever the security profile; GetLog hands it in. The CSMS is
told of what an extension's message caused, always; of what merely happened (a start-up, say) only from security profile
2 on, and then of what the list calls critical and of a CSMS whose TLS was found wanting: below that nothing shows that
the CSMS knows the extension at all, and basic authentication is older than it.

What repeats itself with every attempt to connect is one event for each outage: it says no more the hundredth time.

Of the list nothing here can be: a log that somebody cleared, memory that fills up, a replayed message that is told from
a repeated one, and a housing that is broken open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.core import notices
from fleet.core.notices import Notice, NoticeKind
from fleet.words.security import SecurityEvent

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.reports import ConnectFailed

LOG_MAX = 100
PROFILE_TLS = 2
SET_BY_MIN_S = 10.0
"""A clock that is set by less has only been kept right, as with every Heartbeat."""


TOLD = frozenset(
    {
        SecurityEvent.FIRMWARE_UPDATED,
        SecurityEvent.SETTING_SYSTEM_TIME,
        SecurityEvent.STARTUP_OF_THE_DEVICE,
        SecurityEvent.RESET_OR_REBOOT,
        # Not critical by the list, but what a CSMS would want to know of first.
        SecurityEvent.INVALID_CENTRAL_SYSTEM_CERTIFICATE,
        SecurityEvent.INVALID_TLS_VERSION,
        SecurityEvent.INVALID_TLS_CIPHER_SUITE,
    }
)
"""Of which the CSMS hears although no message of it was the cause."""
NO_MESSAGES = frozenset(
    {"binary-frame", "not-json", "wrong-shape", "unknown-message-type", "bad-message-id", "bad-action"}
    | {"bad-request", "bad-result"}
)
"""The rules that are broken by what is no valid OCPP message."""


def happened(
    charge_point: ChargePoint, event: SecurityEvent, now: float, info: str | None = None, *, tell: bool = False
) -> None:
    """It goes into the log; `tell`: the CSMS hears of it in any case. `info` is one line, without secrets."""
    memory = charge_point.memory
    notice = Notice(NoticeKind.SECURITY, event.value, charge_point.utc(now), info=info)
    memory.security_log = (*memory.security_log[1 - LOG_MAX :], notice)
    if tell or (event in TOLD and _knows_the_extension(charge_point)):
        notices.notify(charge_point, notice, now)


def _knows_the_extension(charge_point: ChargePoint) -> bool:
    proposed = charge_point.memory.proposed
    wanted = 0 if proposed is None else proposed.security_profile
    return max(wanted, charge_point.configuration.security_profile) >= PROFILE_TLS


def once(charge_point: ChargePoint, event: SecurityEvent, now: float, info: str | None = None) -> None:
    """The same, unless it did so already since the last connection began or ended."""
    upkeep = charge_point.upkeep
    if event not in upkeep.happened:
        upkeep.happened |= {event}
        happened(charge_point, event, now, info)


def not_connected(charge_point: ChargePoint, report: ConnectFailed, now: float) -> None:
    """No connection came about, for what one of the two has to show; perhaps for the hundredth time."""
    event = report.event
    if event is None:
        return
    once(charge_point, event, now, report.detail)
    if event is SecurityEvent.INVALID_CENTRAL_SYSTEM_CERTIFICATE:
        once(charge_point, SecurityEvent.CENTRAL_SYSTEM_FAILED_TO_AUTHENTICATE, now, report.detail)


def started(charge_point: ChargePoint, now: float) -> None:
    """Power-up."""
    happened(charge_point, SecurityEvent.STARTUP_OF_THE_DEVICE, now)


def clock_set(charge_point: ChargePoint, by_s: float, now: float) -> None:
    """The CSMS's time was taken over, which set the own clock by so much."""
    if abs(by_s) >= SET_BY_MIN_S:
        happened(charge_point, SecurityEvent.SETTING_SYSTEM_TIME, now, f"set by {by_s:+.0f} s")


def violated(charge_point: ChargePoint, rule: str, now: float) -> None:
    """The CSMS broke a rule."""
    if rule in NO_MESSAGES:
        once(charge_point, SecurityEvent.INVALID_MESSAGES, now, rule)
