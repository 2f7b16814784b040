"""What is said on one connection between a charge point and the central system; text in, text out, no I/O.

The charge point's CALLs are answered from `Central`. Our own are made with `ask`, one at a time as OCPP-J wants
(OCPP-J 1.6 section 4.1.1), and settled by `receive`; whoever asked finds the outcome in `settled`. Everything that
breaks a rule is recorded as an oddity and answered where there is an id to answer to.

A CALL is heard (`receive`) and answered (`answer`) in two steps, because a central system may take its time: what it
says, the time of day for one, is as of the answer.
"""

import re
from typing import cast

from attrs import frozen

from fleet.csms.central import Central, FromChargePoint
from fleet.ocpp.converter import unstructure
from fleet.ocpp.errors import CallErrorCode, FrameError, PayloadError
from fleet.ocpp.frame import CALL, Call, CallError, CallResult, pack, unpack
from fleet.ocpp.v16 import CENTRAL_CATALOGUE

Heard = Call | CallError
"""What is still to be answered: a CALL, or (with this very error) what was meant to be one."""


@frozen
class Refused:
    """A CALL of ours came to nothing: a CALLERROR code, or BadResult for an answer that breaks the specification."""

    code: str
    description: str


def kebab(code: CallErrorCode) -> str:
    """A CALLERROR code as a rule: `TypeConstraintViolation` -> `type-constraint-violation`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", code).lower()


class Conversation:
    """One connection's CALLs in either direction."""

    __slots__ = (
        "_action",
        "_asking",
        "_central",
        "_last_id",
        "_late",
        "_replied",
        "charge_point",
        "settled",
        "unanswered",
    )

    def __init__(self, charge_point: str, central: Central) -> None:
        self.charge_point = charge_point
        self.settled: object | Refused | None = None  # the answer to our last CALL, once there is one
        self.unanswered = 0  # the charge point's CALLs that were heard and not answered yet
        self._central = central
        self._last_id: str | None = None
        self._asking: str | None = None  # the id of our CALL in flight
        self._late: str | None = None  # the id of the last one given up
        self._replied: str | None = None  # the id of the last one that had its answer
        self._action = ""

    # ---- our own CALLs -----------------------------------------------------------------------------------------------

    def ask(self, request: object) -> str:
        """The text of a CALL for this request. Only after the last one was settled or given up."""
        if self._asking is not None:
            raise RuntimeError("one CALL at a time")
        self._asking = self._central.next_message_id()
        self._action = CENTRAL_CATALOGUE.action_of(request)
        self.settled = None
        return pack(Call(self._asking, self._action, unstructure(request)))

    def give_up(self) -> None:
        """No longer wait for the answer; should it still come, that is an oddity."""
        self._asking, self._late = None, self._asking

    def _settle(self, frame: CallResult | CallError) -> None:
        if frame.id != self._asking:
            rule = {self._late: "late-reply", self._replied: "double-reply"}.get(frame.id, "unknown-reply")
            self._note(rule, f"a reply to CALL {frame.id!r}")
            return
        self._asking, self._replied = None, frame.id
        if isinstance(frame, CallError):
            self.settled = Refused(frame.code, frame.description)
            return
        try:
            self.settled = CENTRAL_CATALOGUE.response(self._action, frame.payload)
        except PayloadError as error:
            self._note("bad-result", f"{self._action}: {error.description}")
            self.settled = Refused("BadResult", error.description)

    # ---- the charge point's ------------------------------------------------------------------------------------------

    def receive(self, data: str | bytes) -> Heard | None:
        """Take in one WebSocket message; returns what is to be answered, if anything: in that order, by `answer`."""
        try:
            frame = unpack(data)
        except FrameError as error:
            self._note(error.rule, error.detail)
            return self._hear_broken(error)
        if isinstance(frame, Call):
            return self._hear(frame)
        self._settle(frame)
        return None

    def answer(self, heard: Heard) -> str:
        """The text to answer with, once it is time to; the records are written now."""
        self.unanswered -= 1
        if isinstance(heard, CallError):
            return pack(heard)
        try:
            request = CENTRAL_CATALOGUE.request(heard.action, heard.payload)
        except PayloadError as error:
            self._note(kebab(error.code), f"{heard.action[:40]}: {error.description}")
            return pack(CallError(heard.id, error.code, error.description))
        try:
            response = self._central.answer(self.charge_point, cast(FromChargePoint, request))
        except PayloadError as error:
            return pack(CallError(heard.id, error.code, error.description))
        return pack(CallResult(heard.id, unstructure(response)))

    def _hear_broken(self, error: FrameError) -> CallError | None:
        if error.message_id is None:
            return None
        if error.message_type == CALL:
            self.unanswered += 1
            return CallError(error.message_id, error.code, error.detail)
        if error.message_id == self._asking:
            self._asking, self._replied = None, error.message_id
            self.settled = Refused("BadResult", error.detail)
        return None

    def _hear(self, call: Call) -> Call:
        if self.unanswered:
            self._note("overlapping-call", f"{call.action[:40]} before the answer to its last CALL")
        if call.id == self._last_id:
            self._note("repeated-message-id", call.id)
        self._last_id = call.id
        self.unanswered += 1
        return call

    def _note(self, rule: str, detail: str) -> None:
        self._central.note(self.charge_point, rule, detail)
