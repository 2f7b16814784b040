"""Upkeep: what a charge point has under way about itself, and the errands that run for it.

The state that `updating`, `uploading` and `security` share for one life of the charge point. An errand is begun here
with what is to happen when it is over; a request of the CSMS that can't be answered before then is answered from there,
unless the connection it came by is gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import Factory, define, evolve

from fleet.core.effects import CancelErrand, RunErrand
from fleet.core.errands import Deliver, Fetch
from fleet.words.security import CertificateUse

if TYPE_CHECKING:
    from fleet.core.charge_point import ChargePoint
    from fleet.core.errands import Errand, Outcome
    from fleet.core.firmware import Update
    from fleet.core.uploading import Upload
    from fleet.words.security import SecurityEvent

Then = Callable[["Outcome", float], None]
"""How it goes on: the outcome, and the instant."""


@define(eq=False)
class Upkeep:
    """One life's. `saying` notices, the oldest, are with the exchange. `errands`: how it goes on after each, by token.

    `asked` are the CSMS's requests that an errand has to answer; a cut takes their way back. `happened`: security
    events that are told once for each connection or outage.
    """

    saying: int = 0
    update: Update | None = None
    update_errand: int | None = None
    diagnostics: Upload | None = None
    log: Upload | None = None
    errands: dict[int, Then] = Factory(dict)
    asked: frozenset[str] = frozenset()
    errands_begun: int = 0
    happened: frozenset[SecurityEvent] = frozenset()

    @property
    def deadline(self) -> float:
        """When `proceed` has something to do; inf when nothing is due."""
        if self.update is None and self.diagnostics is None and self.log is None:
            return math.inf
        at = math.inf if self.update is None else self.update.deadline
        for upload in (self.diagnostics, self.log):
            if upload is not None:
                at = min(at, upload.deadline)
        return at


def run(charge_point: ChargePoint, errand: Errand, then: Then) -> int:
    """Have an errand run and go on with `then`; returns the token to call it off with.

    Whom the CSMS had vouched for is trusted with files, too.
    """
    store = charge_point.memory.certificates
    if store is not None and isinstance(errand, Fetch | Deliver):
        errand = evolve(errand, roots=store.pems(CertificateUse.CENTRAL_SYSTEM_ROOT))
    upkeep = charge_point.upkeep
    upkeep.errands_begun += 1
    token = upkeep.errands_begun
    upkeep.errands[token] = then
    charge_point.effect(RunErrand(token, errand))
    return token


def call_off(charge_point: ChargePoint, token: int | None) -> None:
    """Its outcome matters no more, if it runs."""
    if token is not None and charge_point.upkeep.errands.pop(token, None) is not None:
        charge_point.effect(CancelErrand(token))


def answer_after(charge_point: ChargePoint, message_id: str, errand: Errand, then: Then) -> None:
    """Have an errand run that the answer to the CSMS depends on."""
    charge_point.upkeep.asked |= {message_id}
    run(charge_point, errand, then)


def respond(charge_point: ChargePoint, message_id: str, response: object) -> bool:
    """Give an answer that an errand took; False if there was a cut since, and so nobody to give it to.

    The CSMS then takes it that nothing came of its request, and nothing should.
    """
    if message_id not in charge_point.upkeep.asked:
        return False
    charge_point.upkeep.asked -= {message_id}
    charge_point.respond(message_id, response)
    return True
