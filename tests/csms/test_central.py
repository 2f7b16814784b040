"""What the central system knows and decides."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from fleet.csms.central import CLOSED_KEPT, Central, FromChargePoint, Policy, judge_id_tag
from fleet.csms.records import OddityRecord, Record, StartRecord, StopRecord
from fleet.ocpp.converter import unstructure
from fleet.ocpp.errors import CallErrorCode, PayloadError
from fleet.ocpp.v16 import (
    CENTRAL_CATALOGUE,
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
from fleet.ocpp.v16_types import IdTagInfo, MeterValue, SampledValue
from fleet.words import (
    AuthorizationStatus,
    ConnectorStatus,
    DataTransferStatus,
    ErrorCode,
    RegistrationStatus,
    StopReason,
)

NOW = datetime(2026, 11, 22, 11, 17, 32, 123_000, tzinfo=UTC)
BOOT = BootNotificationRequest("Fleet", "Simulated")
VALUES = (MeterValue(NOW, (SampledValue("1"),)),)


class Bench:
    """A central system with its records in a list."""

    def __init__(self, policy: Policy | None = None, earlier: list[Record] | None = None) -> None:
        self.records: list[Record] = []
        self.central = Central(lambda: NOW, self.records.append, policy, earlier or ())

    def start(
        self, charge_point: str = "CP0001", connector: int = 1, id_tag: str = "TAG", wh: int = 100, at: datetime = NOW
    ) -> StartTransactionResponse:
        response = self.central.answer(charge_point, StartTransactionRequest(connector, id_tag, wh, at))
        assert isinstance(response, StartTransactionResponse)
        return response

    def stop(self, transaction_id: int, wh: int = 350, charge_point: str = "CP0001", at: datetime = NOW) -> None:
        response = self.central.answer(charge_point, StopTransactionRequest(wh, at, transaction_id))
        assert response == StopTransactionResponse()

    @property
    def rules(self) -> list[str]:
        return [record.rule for record in self.records if isinstance(record, OddityRecord)]


@pytest.mark.parametrize(
    ("status", "interval_s"),
    [(RegistrationStatus.ACCEPTED, 300), (RegistrationStatus.PENDING, 5), (RegistrationStatus.REJECTED, 5)],
)
def test_boot_is_answered_as_the_policy_says(status: RegistrationStatus, interval_s: int) -> None:
    bench = Bench(Policy(status, heartbeat_interval_s=300, boot_retry_s=5))
    assert bench.central.answer("CP0001", BOOT) == BootNotificationResponse(status, NOW, interval_s)


def test_until_it_is_accepted_a_charge_point_is_refused_everything_but_boot() -> None:
    bench = Bench(Policy(RegistrationStatus.PENDING))
    bench.central.answer("CP0001", BOOT)
    with pytest.raises(PayloadError) as caught:
        bench.central.answer("CP0001", HeartbeatRequest())
    assert caught.value.code == CallErrorCode.SECURITY_ERROR
    assert bench.rules == ["unregistered"]
    bench.central.policy = Policy()
    bench.central.answer("CP0001", BOOT)
    assert bench.central.answer("CP0001", HeartbeatRequest()) == HeartbeatResponse(NOW)


def test_a_charge_point_that_was_accepted_before_our_time_needs_no_boot() -> None:
    assert Bench().central.answer("CP0001", HeartbeatRequest()) == HeartbeatResponse(NOW)


def test_what_needs_no_thought_is_answered() -> None:
    central = Bench().central
    status = StatusNotificationRequest(1, ErrorCode.NO_ERROR, ConnectorStatus.AVAILABLE)
    assert central.answer("CP0001", status) == StatusNotificationResponse()
    assert central.answer("CP0001", MeterValuesRequest(1, VALUES)) == MeterValuesResponse()
    unknown = DataTransferResponse(DataTransferStatus.UNKNOWN_VENDOR_ID)
    assert central.answer("CP0001", DataTransferRequest("V")) == unknown
    accepted = AuthorizeResponse(IdTagInfo(AuthorizationStatus.ACCEPTED))
    assert central.answer("CP0001", AuthorizeRequest("TAG")) == accepted


@pytest.mark.parametrize(
    ("action", "payload", "answer"),
    [
        ("DiagnosticsStatusNotification", {"status": "Uploading"}, {}),
        ("FirmwareStatusNotification", {"status": "Installed"}, {}),
        ("LogStatusNotification", {"status": "Uploaded", "requestId": 1}, {}),
        ("SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": "2026-11-22T11:17:32Z"}, {}),
        ("SignedFirmwareStatusNotification", {"status": "SignatureVerified", "requestId": 1}, {}),
        # It has no certificate authority.
        ("SignCertificate", {"csr": "-----BEGIN CERTIFICATE REQUEST-----"}, {"status": "Rejected"}),
    ],
)
def test_how_far_a_charge_point_is_with_its_other_business_is_heard_and_no_more(
    action: str, payload: dict[str, Any], answer: dict[str, Any]
) -> None:
    bench = Bench()
    request = cast(FromChargePoint, CENTRAL_CATALOGUE.request(action, payload))
    assert unstructure(bench.central.answer("CP0001", request)) == answer
    assert not bench.records


@pytest.mark.parametrize(
    ("id_tag", "status"),
    [
        ("TAG", AuthorizationStatus.ACCEPTED),
        ("UNBLOCKED", AuthorizationStatus.ACCEPTED),
        ("BLOCKED1", AuthorizationStatus.BLOCKED),
        ("blocked-2", AuthorizationStatus.BLOCKED),
        ("INVALID", AuthorizationStatus.INVALID),
        ("Expired9", AuthorizationStatus.EXPIRED),
        ("CONCURRENTTX", AuthorizationStatus.CONCURRENT_TX),
    ],
)
def test_an_id_tag_is_worth_what_it_begins_with(id_tag: str, status: AuthorizationStatus) -> None:
    assert judge_id_tag(id_tag, starts=True).status == status


def test_a_tag_that_charges_already_is_told_so_at_the_start_of_a_transaction_only() -> None:
    bench = Bench()
    accepted = IdTagInfo(AuthorizationStatus.ACCEPTED)
    assert bench.central.answer("CP0001", AuthorizeRequest("CONCURRENT1")) == AuthorizeResponse(accepted)
    start = StartTransactionRequest(1, "CONCURRENT1", 0, NOW)
    started = bench.central.answer("CP0001", start)
    assert started == StartTransactionResponse(IdTagInfo(AuthorizationStatus.CONCURRENT_TX), 1)
    stop = StopTransactionRequest(0, NOW, 1, "CONCURRENT1")
    assert bench.central.answer("CP0001", stop) == StopTransactionResponse(accepted)


def test_a_transaction_is_recorded_at_both_ends() -> None:
    bench = Bench()
    started = bench.start()
    assert started == StartTransactionResponse(IdTagInfo(AuthorizationStatus.ACCEPTED), 1)
    bench.central.answer("CP0001", MeterValuesRequest(1, VALUES, 1))
    bench.central.answer("CP0001", MeterValuesRequest(1, VALUES, 1))
    later = NOW + timedelta(hours=1)
    stop = StopTransactionRequest(7300, later, 1, "TAG", StopReason.REMOTE)
    expected = StopTransactionResponse(IdTagInfo(AuthorizationStatus.ACCEPTED))
    assert bench.central.answer("CP0001", stop) == expected
    at, stopped_at = "2026-11-22T11:17:32.123Z", "2026-11-22T12:17:32.123Z"
    assert bench.records == [
        StartRecord(at, "CP0001", 1, 1, "TAG", AuthorizationStatus.ACCEPTED, 100, at),
        StopRecord(at, "CP0001", 1, 1, "TAG", 100, 7300, 7200, at, stopped_at, StopReason.REMOTE, 2),
    ]


def test_a_refused_id_tag_gets_its_transaction_id_all_the_same() -> None:
    bench = Bench()
    started = bench.start(id_tag="BLOCKED")
    assert (started.id_tag_info.status, started.transaction_id) == (AuthorizationStatus.BLOCKED, 1)


def test_ids_are_unique_over_all_charge_points() -> None:
    bench = Bench()
    ids = [bench.start(f"CP{number}", connector).transaction_id for number in range(20) for connector in (1, 2)]
    assert len(set(ids)) == 40
    assert bench.rules == []


def test_the_same_start_again_gets_the_same_id_even_after_the_stop() -> None:
    bench = Bench()
    first = bench.start().transaction_id
    assert bench.start().transaction_id == first
    bench.stop(first)
    assert bench.start().transaction_id == first
    assert bench.rules == ["repeated-start", "repeated-start"]
    assert sum(isinstance(record, StartRecord) for record in bench.records) == 1


def test_a_start_that_differs_in_anything_is_another_transaction() -> None:
    bench = Bench()
    first = bench.start()
    others = [
        bench.start(charge_point="CP0002"),
        bench.start(connector=2),
        bench.start(id_tag="OTHER"),
        bench.start(wh=101),
        bench.start(at=NOW + timedelta(seconds=1)),
    ]
    assert len({first.transaction_id, *(other.transaction_id for other in others)}) == 6


def test_a_start_on_a_connector_whose_last_transaction_runs_is_odd() -> None:
    bench = Bench()
    bench.start()
    bench.start(id_tag="OTHER")
    assert bench.rules == ["connector-busy"]


def test_the_same_stop_again_is_answered_and_recorded_as_an_oddity() -> None:
    bench = Bench()
    id = bench.start().transaction_id
    bench.stop(id)
    bench.stop(id)
    bench.stop(id, wh=351)
    assert bench.rules == ["repeated-stop", "conflicting-stop"]
    assert sum(isinstance(record, StopRecord) for record in bench.records) == 1


def test_a_stop_for_a_transaction_that_is_not_its_own_is_an_orphan() -> None:
    bench = Bench()
    id = bench.start("CP0001").transaction_id
    bench.stop(99)
    bench.stop(id, charge_point="CP0002")
    assert bench.rules == ["orphan-stop", "orphan-stop"]
    assert not any(isinstance(record, StopRecord) for record in bench.records)


def test_meter_values_of_a_strange_or_closed_transaction_are_odd() -> None:
    bench = Bench()
    id = bench.start().transaction_id
    bench.stop(id)
    bench.central.answer("CP0001", MeterValuesRequest(1, VALUES, id))
    bench.central.answer("CP0001", MeterValuesRequest(1, VALUES, 99))
    assert bench.rules == ["late-meter-values", "stray-meter-values"]


def test_a_meter_that_fell_is_odd_and_recorded_as_it_was_told() -> None:
    bench = Bench()
    bench.stop(bench.start(wh=500).transaction_id, wh=400)
    assert bench.rules == ["meter-fell"]
    (stop,) = [record for record in bench.records if isinstance(record, StopRecord)]
    assert stop.energy_wh == -100


def test_a_central_system_that_comes_back_knows_its_transactions_and_goes_on_counting() -> None:
    before = Bench()
    closed, running = before.start(connector=1).transaction_id, before.start(connector=2).transaction_id
    before.stop(closed)
    after = Bench(earlier=before.records)
    assert after.start(connector=2).transaction_id == running
    after.stop(running)
    after.stop(closed)
    assert after.rules == ["repeated-start", "repeated-stop"]
    assert after.start(connector=1, id_tag="NEXT").transaction_id == running + 1


def test_closed_transactions_do_not_pile_up() -> None:
    bench = Bench()
    for hour in range(CLOSED_KEPT + 5):
        bench.stop(bench.start(at=NOW + timedelta(hours=hour)).transaction_id)
    ledger = bench.central.ledger("CP0001")
    assert (len(ledger.open), len(ledger.closed)) == (0, CLOSED_KEPT)
    assert bench.rules == []
