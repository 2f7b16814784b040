"""Registration: whether the CSMS lets this charge point speak (OCPP 1.6 section 4.2).

After power-up nothing but BootNotification goes out until the CSMS has Accepted. Pending and Rejected give an interval
after which to ask again; an answer that never comes, or an error, is asked again too. Once accepted, a charge point
stays registered across lost connections and asks again only after its next reboot.
"""

import math

from attrs import define

from fleet.core.answers import Booted
from fleet.words import RegistrationStatus

RETRY_INTERVAL_S = 10.0
"""When the CSMS gives no interval, or no usable answer: the charge point's own choice, as section 4.2 allows."""


@define
class Registration:
    """The boot conversation as data: ask when `deadline` is reached."""

    status: RegistrationStatus | None = None
    deadline: float = math.inf
    """When to send BootNotification (again); inf while one is under way or none is needed."""

    @property
    def accepted(self) -> bool:
        return self.status is RegistrationStatus.ACCEPTED

    @property
    def rejected(self) -> bool:
        return self.status is RegistrationStatus.REJECTED

    def link_up(self, now: float) -> None:
        """Ask at once on a new connection, unless a Pending or Rejected interval is still to be waited for."""
        if not self.accepted and (self.deadline == math.inf or self.status is None):
            self.deadline = now

    def asked(self) -> None:
        """BootNotification went out: wait for the answer."""
        self.deadline = math.inf

    def answered(self, answer: Booted, now: float) -> None:
        """The CSMS answered."""
        self.status = answer.status
        if self.accepted:
            self.deadline = math.inf
        else:
            self.deadline = now + (answer.interval_s if answer.interval_s > 0 else RETRY_INTERVAL_S)

    def failed(self, now: float) -> None:
        """No usable answer came."""
        self.deadline = now + RETRY_INTERVAL_S
