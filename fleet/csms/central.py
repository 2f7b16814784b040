"""What a central system knows and decides, without any I/O: registrations, id tags, transactions, and their records.

`Central.answer` maps a request of one charge point to its response. Two things make it a counterparty one can measure
against. Transaction ids are unique for as long as the records last, and a StartTransaction that comes again (the same
charge point, connector, id tag, time and meter reading) gets the id it had: a charge point that lost the answer and
tries again must not be billed twice (OCPP 1.6 section 3.7.1 makes it try again). And what a charge point should not
have said is recorded, then answered as the specification asks: a stop for a transaction that nobody knows, for one,
gets its ordinary response, since refusing it would only make the charge point try again.

Id tags are all accepted, but for those that begin with BLOCKED, INVALID, EXPIRED or CONCURRENT in any case: these get
the status they name, so that refusals can be tried without a list of tags. ConcurrentTx is for StartTransaction alone
(OCPP 1.6 section 7.2), so such a tag is accepted until then.
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import assert_never

from attrs import define, field, frozen

from fleet.csms.records import OddityRecord, Record, StartRecord, StopRecord, write_instant
from fleet.ocpp.errors import CallErrorCode, PayloadError
from fleet.ocpp.v16 import (
    AuthorizeRequest,
    AuthorizeResponse,
    BootNotificationRequest,
    BootNotificationResponse,
    DataTransferRequest,
    DataTransferResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    MeterValuesRequest,
    MeterValuesResponse,
    StartTransactionRequest,
    StartTransactionResponse,
    StatusNotificationRequest,
    StatusNotificationResponse,
    StopTransactionRequest,
    StopTransactionResponse,
)
from fleet.ocpp.v16_firmware import (
    DiagnosticsStatusNotificationRequest,
    DiagnosticsStatusNotificationResponse,
    FirmwareStatusNotificationRequest,
    FirmwareStatusNotificationResponse,
)
from fleet.ocpp.v16_security import (
    LogStatusNotificationRequest,
    LogStatusNotificationResponse,
    SecurityEventNotificationRequest,
    SecurityEventNotificationResponse,
    SignCertificateRequest,
    SignCertificateResponse,
    SignedFirmwareStatusNotificationRequest,
    SignedFirmwareStatusNotificationResponse,
)
from fleet.ocpp.v16_types import AcceptedOrRejected, IdTagInfo
from fleet.words import AuthorizationStatus, DataTransferStatus, RegistrationStatus, StopReason

FromChargePoint = (
    AuthorizeRequest
    | BootNotificationRequest
    | DataTransferRequest
    | HeartbeatRequest
    | MeterValuesRequest
    | StartTransactionRequest
    | StatusNotificationRequest
    | StopTransactionRequest
    | DiagnosticsStatusNotificationRequest
    | FirmwareStatusNotificationRequest
    | LogStatusNotificationRequest
    | SecurityEventNotificationRequest
    | SignCertificateRequest
    | SignedFirmwareStatusNotificationRequest
)

Sign = Callable[[str, str], str]
"""(charge point, its signing request in PEM) -> the certificate in PEM; ValueError says why there is none."""

REFUSED_PREFIXES = {
    "BLOCKED": AuthorizationStatus.BLOCKED,
    "INVALID": AuthorizationStatus.INVALID,
    "EXPIRED": AuthorizationStatus.EXPIRED,
    "CONCURRENT": AuthorizationStatus.CONCURRENT_TX,
}
_PREFIXES = tuple(REFUSED_PREFIXES)
_ACCEPTED = IdTagInfo(AuthorizationStatus.ACCEPTED)
_REFUSED = {prefix: IdTagInfo(status) for prefix, status in REFUSED_PREFIXES.items()}

# Closed transactions are remembered per charge point, to know a message that comes again. A charge point sends its
# transaction messages in order, so a few are plenty, and a soak of days doesn't grow.
CLOSED_KEPT = 16


def judge_id_tag(id_tag: str, *, starts: bool) -> IdTagInfo:
    """What an id tag is worth here: accepted, but for the prefixes above; `starts` where it is to start something."""
    upper = id_tag.upper()
    if upper.startswith(_PREFIXES):
        info = next(info for prefix, info in _REFUSED.items() if upper.startswith(prefix))
        if starts or info.status is not AuthorizationStatus.CONCURRENT_TX:
            return info
    return _ACCEPTED


@frozen
class Policy:
    """How charge points are answered.

    `boot` answers BootNotification; `heartbeat_interval_s` comes with Accepted (0 lets the charge point choose, OCPP
    1.6 section 4.2), `boot_retry_s` with Pending and Rejected.
    """

    boot: RegistrationStatus = RegistrationStatus.ACCEPTED
    heartbeat_interval_s: int = 60
    boot_retry_s: int = 10


@define
class Transaction:
    """One transaction; `meter_stop_wh` and `stopped_at` are None while it runs."""

    charge_point: str
    connector: int
    transaction_id: int
    id_tag: str
    meter_start_wh: int
    started_at: str
    meter_stop_wh: int | None = None
    stopped_at: str | None = None
    meter_values: int = 0

    def is_started_by(self, request: StartTransactionRequest, started_at: str) -> bool:
        """Whether this request is the one that started it, or its repetition."""
        return (
            self.started_at == started_at
            and self.connector == request.connector_id
            and self.meter_start_wh == request.meter_start
            and self.id_tag == request.id_tag
        )


@define
class Ledger:
    """One charge point as the CSMS knows it: whether it may speak, and its transactions, open and lately closed."""

    registration: RegistrationStatus | None = None
    open: dict[int, Transaction] = field(factory=dict)
    closed: "deque[Transaction]" = field(factory=lambda: deque(maxlen=CLOSED_KEPT))

    def find(self, transaction_id: int) -> Transaction | None:
        """The transaction with this id, if it is this charge point's."""
        known = self.open.get(transaction_id)
        if known is not None:
            return known
        return next((each for each in self.closed if each.transaction_id == transaction_id), None)

    def started_by(self, request: StartTransactionRequest, started_at: str) -> Transaction | None:
        """The transaction that this very request started before."""
        for known in (*self.open.values(), *self.closed):
            if known.is_started_by(request, started_at):
                return known
        return None


class Central:
    """All charge points' answers, and the books. `record` is told every start, stop and oddity."""

    def __init__(
        self,
        utc: Callable[[], datetime],
        record: Callable[[Record], None],
        policy: Policy | None = None,
        earlier: Iterable[Record] = (),
        sign: Sign | None = None,
    ) -> None:
        """`earlier` are the records of a previous life: their ids are not given again, their transactions go on.

        `sign` gives a charge point the certificate that it asks for; without it nobody here signs any.
        """
        self.policy = policy or Policy()
        self.granted: dict[str, str] = {}
        """Certificates (PEM) that were promised, by charge point; whoever sends one takes it out."""
        self._sign = sign
        self._utc = utc
        self._record = record
        self._ledgers: dict[str, Ledger] = {}
        self._last_id = 0
        self._asked = 0
        for known in earlier:
            self._remember(known)

    def _remember(self, known: Record) -> None:
        match known:
            case StartRecord():
                self._last_id = max(self._last_id, known.transaction_id)
                self.ledger(known.charge_point).open[known.transaction_id] = Transaction(
                    known.charge_point,
                    known.connector,
                    known.transaction_id,
                    known.id_tag,
                    known.meter_start_wh,
                    known.started_at,
                )
            case StopRecord():
                ledger = self.ledger(known.charge_point)
                transaction = ledger.open.pop(known.transaction_id, None)
                if transaction is not None:
                    transaction.meter_stop_wh, transaction.stopped_at = known.meter_stop_wh, known.stopped_at
                    ledger.closed.append(transaction)
            case OddityRecord():
                pass

    def ledger(self, charge_point: str) -> Ledger:
        """What is known of a charge point; every id is welcome."""
        ledger = self._ledgers.get(charge_point)
        if ledger is None:
            ledger = self._ledgers[charge_point] = Ledger()
        return ledger

    def next_message_id(self) -> str:
        """An id for a CALL of ours, unique over all connections."""
        self._asked += 1
        return f"csms-{self._asked}"

    def note(self, charge_point: str, rule: str, detail: str, transaction_id: int | None = None) -> None:
        """Record an oddity."""
        self._record(OddityRecord(write_instant(self._utc()), charge_point, rule, detail, transaction_id))

    def answer(self, charge_point: str, request: FromChargePoint) -> object:
        """The response to a request.

        Raises PayloadError, to be sent as a CALLERROR, when the charge point may not speak yet: until it is accepted
        nothing but BootNotification is answered (OCPP 1.6 section 4.2). One that never booted while we watched may
        have been accepted by a previous life of ours, and is served.
        """
        ledger = self.ledger(charge_point)
        if isinstance(request, BootNotificationRequest):
            return self._boot(ledger)
        if ledger.registration not in (None, RegistrationStatus.ACCEPTED):
            action = type(request).__name__.removesuffix("Request")
            self.note(charge_point, "unregistered", f"{action} while its registration is {ledger.registration}")
            raise PayloadError(CallErrorCode.SECURITY_ERROR, f"the charge point is {ledger.registration}")
        match request:
            case MeterValuesRequest():
                return self._meter_values(charge_point, ledger, request)
            case HeartbeatRequest():
                return HeartbeatResponse(self._utc())
            case StatusNotificationRequest():
                return StatusNotificationResponse()
            case AuthorizeRequest():
                return AuthorizeResponse(judge_id_tag(request.id_tag, starts=False))
            case StartTransactionRequest():
                return self._start(charge_point, ledger, request)
            case StopTransactionRequest():
                return self._stop(charge_point, ledger, request)
            case DataTransferRequest():
                # No vendor's extensions are known here (OCPP 1.6 section 4.3).
                return DataTransferResponse(DataTransferStatus.UNKNOWN_VENDOR_ID)
            case DiagnosticsStatusNotificationRequest():
                return DiagnosticsStatusNotificationResponse()
            case FirmwareStatusNotificationRequest():
                return FirmwareStatusNotificationResponse()
            case LogStatusNotificationRequest():
                return LogStatusNotificationResponse()
            case SecurityEventNotificationRequest():
                return SecurityEventNotificationResponse()
            case SignedFirmwareStatusNotificationRequest():
                return SignedFirmwareStatusNotificationResponse()
            case SignCertificateRequest():
                return SignCertificateResponse(self._grant(charge_point, request))
            case _:
                assert_never(request)

    def _grant(self, charge_point: str, request: SignCertificateRequest) -> AcceptedOrRejected:
        """Whether the certificate is to come (white paper, section 5.18)."""
        if self._sign is None:
            return AcceptedOrRejected.REJECTED
        try:
            self.granted[charge_point] = self._sign(charge_point, request.csr)
        except ValueError as error:
            self.note(charge_point, "bad-signing-request", str(error))
            return AcceptedOrRejected.REJECTED
        return AcceptedOrRejected.ACCEPTED

    def _boot(self, ledger: Ledger) -> BootNotificationResponse:
        policy = self.policy
        ledger.registration = policy.boot
        accepted = policy.boot is RegistrationStatus.ACCEPTED
        interval_s = policy.heartbeat_interval_s if accepted else policy.boot_retry_s
        return BootNotificationResponse(policy.boot, self._utc(), interval_s)

    def _start(self, charge_point: str, ledger: Ledger, request: StartTransactionRequest) -> StartTransactionResponse:
        info = judge_id_tag(request.id_tag, starts=True)
        started_at = write_instant(request.timestamp)
        known = ledger.started_by(request, started_at)
        if known is not None:
            self.note(charge_point, "repeated-start", "the same StartTransaction came again", known.transaction_id)
            return StartTransactionResponse(info, known.transaction_id)
        for other in ledger.open.values():
            if other.connector == request.connector_id:
                detail = f"connector {other.connector} starts another transaction before stopping this one"
                self.note(charge_point, "connector-busy", detail, other.transaction_id)
        self._last_id += 1
        transaction = Transaction(
            charge_point,
            request.connector_id,
            self._last_id,
            request.id_tag,
            request.meter_start,
            started_at,
        )
        self._record(
            StartRecord(
                write_instant(self._utc()),
                charge_point,
                transaction.connector,
                transaction.transaction_id,
                transaction.id_tag,
                info.status,
                transaction.meter_start_wh,
                transaction.started_at,
            )
        )
        ledger.open[transaction.transaction_id] = transaction
        return StartTransactionResponse(info, transaction.transaction_id)

    def _meter_values(self, charge_point: str, ledger: Ledger, request: MeterValuesRequest) -> MeterValuesResponse:
        if request.transaction_id is None:
            return _METERED
        transaction = ledger.open.get(request.transaction_id)
        if transaction is not None:
            transaction.meter_values += 1
        elif ledger.find(request.transaction_id) is not None:
            self.note(charge_point, "late-meter-values", "MeterValues after the stop", request.transaction_id)
        else:
            self.note(charge_point, "stray-meter-values", "no such transaction of its own", request.transaction_id)
        return _METERED

    def _stop(self, charge_point: str, ledger: Ledger, request: StopTransactionRequest) -> StopTransactionResponse:
        # Nothing is said of an id tag that was not given.
        response = StopTransactionResponse(
            None if request.id_tag is None else judge_id_tag(request.id_tag, starts=False)
        )
        stopped_at = write_instant(request.timestamp)
        transaction = ledger.find(request.transaction_id)
        if transaction is None:
            self.note(charge_point, "orphan-stop", "no such transaction of its own", request.transaction_id)
            return response
        if transaction.stopped_at is not None:
            same = transaction.stopped_at == stopped_at and transaction.meter_stop_wh == request.meter_stop
            rule = "repeated-stop" if same else "conflicting-stop"
            detail = f"stopped at {transaction.stopped_at} with {transaction.meter_stop_wh} Wh"
            if not same:
                detail += f", now at {stopped_at} with {request.meter_stop} Wh"
            self.note(charge_point, rule, detail, request.transaction_id)
            return response
        if request.meter_stop < transaction.meter_start_wh:
            detail = f"from {transaction.meter_start_wh} Wh to {request.meter_stop} Wh"
            self.note(charge_point, "meter-fell", detail, request.transaction_id)
        self._record(
            StopRecord(
                write_instant(self._utc()),
                charge_point,
                transaction.connector,
                transaction.transaction_id,
                transaction.id_tag,
                transaction.meter_start_wh,
                request.meter_stop,
                request.meter_stop - transaction.meter_start_wh,
                transaction.started_at,
                stopped_at,
                request.reason or StopReason.LOCAL,
                transaction.meter_values,
            )
        )
        transaction.meter_stop_wh, transaction.stopped_at = request.meter_stop, stopped_at
        ledger.closed.append(ledger.open.pop(transaction.transaction_id))
        return response


_METERED = MeterValuesResponse()
