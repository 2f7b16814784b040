"""Events: what the exchange asks of its owner, and what it has to tell."""

from attrs import frozen

from fleet.ocpp.errors import CallErrorCode
from fleet.ocpp.outbox import Outgoing


@frozen
class Send:
    """Put this text on the wire: a CALL."""

    text: str


@frozen
class Completed:
    """The CSMS answered; this message is settled."""

    outgoing: Outgoing
    response: object
    sent_at: float


@frozen
class Failed:
    """A CALL came to nothing: `code` is a CALLERROR's, or Timeout, Disconnected or BadResult.

    Final for an ordinary message. For a transaction message it is one attempt (or, with Disconnected, none): it ends
    with `Completed` or `Lost`. `sent_at` is None if it never went out; `details` are a CALLERROR's.
    """

    outgoing: Outgoing
    code: str
    description: str
    sent_at: float | None
    details: object = None


@frozen
class Lost:
    """A transaction message was given up and has left the outbox."""

    outgoing: Outgoing
    reason: str


@frozen
class Called:
    """The CSMS asks something; the owner answers with `Exchange.result` or `Exchange.error`."""

    id: str
    action: str
    request: object


@frozen
class Rejected:
    """A CALL that can't be served; `text` is the CALLERROR to send. `action` is empty if the frame was too broken."""

    action: str
    code: CallErrorCode
    text: str


@frozen
class Violated:
    """The CSMS broke a rule of OCPP-J: `rule` is a short word for counting, `detail` one line for people.

    Beside the rules of `FrameError`: `bad-request`, `bad-result`, `unknown-reply`, `late-reply`, `double-reply`,
    `overlapping-call`, `repeated-call-id`.
    """

    rule: str
    detail: str


Event = Send | Completed | Failed | Lost | Called | Rejected | Violated
