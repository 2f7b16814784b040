"""Effects: what the charge-point machine asks of its own actor. They never leave it.

Those of `LinkOrder` go to the link, in the order in which they were asked for; the link's mailbox takes frames as bare
strings, because every message passes there.
"""

from attrs import frozen

from fleet.commands.impairments import Impair, NetworkFault
from fleet.commands.vocabulary import ConnectorCommand
from fleet.core.credentials import Credentials
from fleet.core.errands import Errand
from fleet.core.orders import ConnectorOrder
from fleet.core.reports import ObservedReport


@frozen
class SendFrame:
    """Put this text on the wire."""

    text: str


@frozen
class CloseLink:
    """Close the connection; with `reconnect` the link then connects again by itself, after `pause_s`."""

    reconnect: bool = True
    pause_s: float = 0.0
    code: int = 1000


@frozen
class OpenLink:
    """Connect now, however long the link would have stayed away by itself; while it doesn't, this is nothing."""


@frozen
class SetPingInterval:
    """Send a WebSocket ping whenever this many s went by; 0 means never (WebSocketPingInterval)."""

    interval_s: float


@frozen
class UseCredentials:
    """Connect with these from the next time on; the connection that stands stays as it is.

    `roots` (PEM) vouch for the CSMS beside those that the link knows by itself: the CSMS had them installed.
    """

    credentials: Credentials
    roots: tuple[str, ...] = ()


@frozen
class ImpairLink:
    """Let this go wrong on the link until told otherwise; who gives the order keeps the time."""

    impair: Impair


@frozen
class MendLink:
    """Let this go wrong no more."""

    fault: NetworkFault


LinkOrder = str | CloseLink | OpenLink | SetPingInterval | UseCredentials | ImpairLink | MendLink


@frozen
class GiveOrder:
    """Tell a connector; with a token its answer comes back as `Answered`.

    `refusable`: where the connector has no room, the order may be dropped. The charge point's own orders may not.
    """

    connector: int
    order: ConnectorCommand | ConnectorOrder
    token: int | None = None
    refusable: bool = False


@frozen
class Answer:
    """Answer whoever asked with this token; `refusal` None means done, `value` is what there was to know."""

    token: int
    refusal: str | None
    value: object = None


@frozen
class Observe:
    """Hand this report to the observer."""

    report: ObservedReport


@frozen
class RunErrand:
    """Have this done outside; its outcome comes back as `ErrandEnded` with the token, unless the life ends first."""

    token: int
    errand: Errand


@frozen
class CancelErrand:
    """Don't go on with it; no outcome comes back."""

    token: int


@frozen
class Restart:
    """Switch off and on again: a fresh actor over the same memory, after `pause_s`.

    `dark`: the mains are gone. Nobody says goodbye to the CSMS, and the mains may return earlier.
    """

    pause_s: float
    cause: str
    dark: bool = False


@frozen
class Finish:
    """The charge point is done and ends."""


ForLink = SendFrame | CloseLink | OpenLink | SetPingInterval | UseCredentials | ImpairLink | MendLink
Effect = ForLink | GiveOrder | Answer | Observe | RunErrand | CancelErrand | Restart | Finish
