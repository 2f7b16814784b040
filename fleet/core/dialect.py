"""What a protocol version must be able to say and understand for a charge point to speak it.

A dialect is stateless and shared by the whole fleet. It turns house words into `(action, payload)` pairs ready for the
exchange, the CSMS's answers into `CentralAnswer`s, its requests into `CentralRequest`s, and outcomes into responses.
UTC instants are in s since 1970.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Protocol

from fleet.core.answers import CentralAnswer, CentralRequest
from fleet.core.plan import ChargePointPlan
from fleet.core.reports import Reading, StatusChanged, TransactionStarted, TransactionStopped
from fleet.ocpp.exchange import Catalogue
from fleet.words import ConfigurationStatus

Said = tuple[str, dict[str, Any]]


class AvailabilityOutcome(StrEnum):
    """ChangeAvailability.conf (OCPP 1.6 section 7.3)."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    SCHEDULED = "Scheduled"


class UnlockOutcome(StrEnum):
    """UnlockConnector.conf (OCPP 1.6 section 7.46)."""

    UNLOCKED = "Unlocked"
    UNLOCK_FAILED = "UnlockFailed"
    NOT_SUPPORTED = "NotSupported"


class TransferOutcome(StrEnum):
    """DataTransfer.conf (OCPP 1.6 section 7.23)."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN_MESSAGE_ID = "UnknownMessageId"
    UNKNOWN_VENDOR_ID = "UnknownVendorId"


class Dialect(Protocol):
    """One version of OCPP, as the charge point needs it."""

    @property
    def subprotocol(self) -> str:
        """The WebSocket subprotocol's name."""

    @property
    def catalogue(self) -> Catalogue:
        """The messages, for the exchange."""

    # What the charge point says.
    def boot(self, plan: ChargePointPlan) -> Said: ...
    def heartbeat(self) -> Said: ...
    def authorize(self, id_tag: str) -> Said: ...
    def status(self, report: StatusChanged, utc_s: float) -> Said: ...
    def transaction_started(self, report: TransactionStarted, utc_s: float) -> Said: ...
    def transaction_stopped(self, report: TransactionStopped, utc: Callable[[float], float]) -> Said: ...
    def meter_values(self, connector: int, reading: Reading, utc_s: float) -> Said: ...
    def data_transfer(self, vendor_id: str, message_id: str | None, data: str | None) -> Said: ...

    def mistake(self, action: str, payload: dict[str, Any]) -> str | None:
        """What is wrong with a message that somebody wrote by hand, in one line; None when nothing is."""

    # What the CSMS says.
    def answer(self, response: object) -> CentralAnswer: ...
    def request(self, request: object) -> CentralRequest: ...

    # What the charge point answers.
    def remote_start_response(self, accepted: bool) -> object: ...
    def remote_stop_response(self, accepted: bool) -> object: ...
    def availability_response(self, outcome: AvailabilityOutcome) -> object: ...
    def key_change_response(self, status: ConfigurationStatus) -> object: ...
    def keys_response(self, known: Sequence[tuple[str, bool, str | None]], unknown: Sequence[str]) -> object: ...
    def cache_response(self, accepted: bool) -> object: ...
    def reset_response(self, accepted: bool) -> object: ...
    def unlock_response(self, outcome: UnlockOutcome) -> object: ...
    def transfer_response(self, outcome: TransferOutcome) -> object: ...
