"""Reports: facts, in the past tense, that go up: connector -> charge point -> observer, and link -> charge point.

`at` is always an instant on the monotonic clock, in s; `connector` counts from 1, 0 is the charge point itself.
`transaction` is the charge point's own key of a transaction: the CSMS's id comes later, perhaps hours later. What
comes of delivering it to the CSMS is in `delivery_reports.py`.
"""

from attrs import field, frozen

from fleet.commands.impairments import NetworkFault
from fleet.core.delivery_reports import (
    MessageLost,
    OutboxChanged,
    TransactionBound,
    TransactionDelivered,
    TransactionRestored,
)
from fleet.words import (
    ConnectorStatus,
    ErrorCode,
    Measurand,
    Phase,
    ReadingContext,
    RegistrationStatus,
    StopReason,
)
from fleet.words.security import SecurityEvent

# ---- from a connector ------------------------------------------------------------------------------------------------


@frozen
class SampledValue:
    """One value off the meter, in the measurand's base unit: Wh, W, A, V, or percent for SoC."""

    measurand: Measurand
    value: float
    phase: Phase | None = None


@frozen
class Reading:
    """What the meter said at one instant."""

    at: float
    context: ReadingContext
    values: tuple[SampledValue, ...]


@frozen
class StatusChanged:
    """The connector has another status, or another error with the same status."""

    connector: int
    at: float
    status: ConnectorStatus
    error_code: ErrorCode = ErrorCode.NO_ERROR
    info: str | None = None
    vendor_error_code: str | None = None


@frozen
class CableChanged:
    """A cable was plugged in or taken out."""

    connector: int
    at: float
    plugged: bool


@frozen
class AuthorizationRequested:
    """Somebody presented an id tag at this connector's reader."""

    connector: int
    at: float
    id_tag: str


@frozen
class IdTagRefused:
    """An id tag that was presented, by somebody here or by the CSMS, gets nowhere; `reason` is one line for people.

    Connector 0: the tag was only asked about.
    """

    connector: int
    at: float
    id_tag: str
    reason: str


@frozen
class TransactionStarted:
    """Energy is offered to an id tag; `meter_start_wh` is the whole register, as reported to the CSMS.

    `reservation_id` is that of the reservation of this connector that the id tag, or its parent, had.
    """

    connector: int
    at: float
    transaction: str
    id_tag: str
    meter_start_wh: int
    reservation_id: int | None = None


@frozen
class TransactionStopped:
    """The transaction is over; `id_tag` is given where somebody presented one to stop it.

    `readings` is the transaction data for StopTransaction.req, empty where none is configured.
    """

    connector: int
    at: float
    transaction: str
    meter_stop_wh: int
    reason: StopReason
    id_tag: str | None = None
    readings: tuple[Reading, ...] = ()


@frozen
class MeterSampled:
    """A meter reading that belongs on the wire; `transaction` is None outside one.

    `power_w` and `register_wh` are the meter's state, for whoever sums a fleet.
    """

    connector: int
    reading: Reading
    transaction: str | None
    power_w: float
    register_wh: float


@frozen
class PowerChanged:
    """The power jumped (relay closed or opened, limit changed); between jumps only a battery's taper bends it."""

    connector: int
    at: float
    power_w: float
    register_wh: float


@frozen
class RegisterMoved:
    """The register moved, in whole Wh, though no transaction moved it: a broken meter, or a contactor that sticks.

    While a transaction runs it is the meter that is broken, and the transaction will report what the meter shows.
    """

    connector: int
    at: float
    was_wh: int
    is_wh: int


@frozen
class Answered:
    """The answer to a command that carried a token; `refusal` is the machine's own words, None when done."""

    connector: int
    token: int
    refusal: str | None


ConnectorReport = (
    StatusChanged
    | CableChanged
    | AuthorizationRequested
    | IdTagRefused
    | TransactionStarted
    | TransactionStopped
    | MeterSampled
    | PowerChanged
    | RegisterMoved
    | Answered
)

# ---- from the link ---------------------------------------------------------------------------------------------------


@frozen
class LinkUp:
    """The WebSocket is open with the subprotocol agreed; `elapsed_s` from the first packet to there.

    Of that `tcp_s` went by until the TCP connection stood (its name resolved too), `tls_s` until TLS did (None
    without), `websocket_s` in the opening handshake.
    """

    elapsed_s: float = 0.0
    tcp_s: float = 0.0
    tls_s: float | None = None
    websocket_s: float = 0.0


@frozen
class LinkDown:
    """An open connection ended: `reason` is a short word for counting, `detail` one line for people."""

    reason: str
    detail: str = ""


@frozen
class ConnectFailed:
    """No connection came about; same fields as `LinkDown`, and the link tries again by itself in `retry_in_s`.

    `event`: it was for what one of the two has to show.
    """

    reason: str
    detail: str
    retry_in_s: float = 0.0
    event: SecurityEvent | None = None


@frozen
class FrameReceived:
    """A WebSocket message came in, text or (wrongly) binary."""

    data: str | bytes


LinkReport = LinkUp | LinkDown | ConnectFailed | FrameReceived

# ---- from a charge point, to observers -------------------------------------------------------------------------------


@frozen
class PoweredUp:
    """A life of the charge point begins: it was switched on, or rebooted."""

    at: float


@frozen
class Registered:
    """The CSMS answered BootNotification."""

    at: float
    status: RegistrationStatus
    interval_s: int


@frozen
class CallSettled:
    """One of our CALLs is over. `outcome`: Result, a CALLERROR code, Timeout, Disconnected, or BadResult.

    `due_at` when the charge point wanted to say it, `sent_at` when its frame went out (None if it never did).
    `transaction` is the key of the transaction whose message it is; such a one is said again after a failure, and
    `attempt` counts how often its frame has gone out so far.
    """

    action: str
    outcome: str
    due_at: float
    sent_at: float | None
    at: float
    transaction: str | None = None
    attempt: int = 1


@frozen
class CallServed:
    """We answered one of the CSMS's CALLs; `outcome` is Result or the CALLERROR code."""

    action: str
    outcome: str
    at: float


@frozen
class RemoteStartAccepted:
    """The CSMS asked for a transaction here, and was told that it is tried; `at` is when it asked."""

    connector: int
    id_tag: str
    at: float


@frozen
class RemoteStopAccepted:
    """The CSMS asked for this transaction to end, and was told that it is tried; `at` is when it asked."""

    connector: int
    transaction: str
    at: float


@frozen
class ProtocolViolated:
    """The CSMS broke a rule of OCPP-J; counted by `rule`, `detail` is for people."""

    rule: str
    detail: str
    at: float


@frozen
class Restarted:
    """The charge point was rebuilt: `crashed` after a bug, otherwise after a reset."""

    at: float
    crashed: bool
    cause: str = field(default="")


@frozen
class GivenUp:
    """The charge point crashed too often and is not started again."""

    at: float
    cause: str


@frozen
class Drained:
    """The charge point ended on request; `undelivered` transaction messages were left."""

    at: float
    undelivered: int


@frozen
class PowerLimited:
    """Charging profiles let a connector draw no more than this from now on, in W; None: they limit it no longer."""

    connector: int
    at: float
    power_w: float | None


@frozen
class RequestRefused:
    """What the CSMS asked for was refused; `reason` is for people, since the answer has no room for one."""

    action: str
    reason: str
    at: float


@frozen
class ErrandUndone:
    """What the CSMS had sent for or asked after came to nothing, this time; `reason` is for people, without secrets."""

    errand: str
    reason: str
    at: float


@frozen
class LinkImpaired:
    """Something goes wrong on the link by order, in a share `probability` of the cases; None for `for_s` has no end."""

    at: float
    fault: NetworkFault
    for_s: float | None
    probability: float


@frozen
class LinkMended:
    """It goes wrong no more."""

    at: float
    fault: NetworkFault


@frozen
class FrameSent:
    """This text was handed to the link. Only reported while somebody wants frames, as there are so many."""

    text: str
    at: float


@frozen
class FrameSeen:
    """This message came from the CSMS, text or (wrongly) binary; reported on the same condition as `FrameSent`."""

    text: str | bytes
    at: float


@frozen
class CredentialsSettled:
    """New credentials were tried: the charge point is in with them, or (not `adopted`) with the old ones after all."""

    at: float
    security_profile: int
    adopted: bool


FrameReport = FrameSent | FrameSeen
ChargePointReport = (
    PoweredUp
    | Registered
    | CallSettled
    | CallServed
    | RemoteStartAccepted
    | RemoteStopAccepted
    | TransactionRestored
    | TransactionBound
    | TransactionDelivered
    | MessageLost
    | ProtocolViolated
    | OutboxChanged
    | Restarted
    | GivenUp
    | CredentialsSettled
    | Drained
    | LinkImpaired
    | LinkMended
    | PowerLimited
    | RequestRefused
    | ErrandUndone
)
ObservedReport = ConnectorReport | LinkUp | LinkDown | ConnectFailed | ChargePointReport | FrameReport
