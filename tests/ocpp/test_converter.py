"""The converter: exact on the way out, strict on the way in, and precise about what was wrong."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.ocpp import v16
from fleet.ocpp.converter import structure, unstructure, wire_name
from fleet.ocpp.errors import CallErrorCode, PayloadError
from fleet.ocpp.v16_types import ChargingSchedule, IdTagInfo, KeyValue, MeterValue, SampledValue
from fleet.words import AuthorizationStatus, Measurand, ReadingContext, Unit

NOON = datetime(2026, 11, 22, 12, 0, 0, 123_999, tzinfo=UTC)
PERIOD = {"startPeriod": 0, "limit": 16}
SCHEDULE = {"chargingRateUnit": "A", "chargingSchedulePeriod": [PERIOD]}
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": SCHEDULE,
}


def test_a_message_goes_out_in_camel_case_with_utc_milliseconds_and_without_what_is_absent() -> None:
    values = (SampledValue("7", ReadingContext.SAMPLE_PERIODIC, measurand=Measurand.SOC, unit=Unit.PERCENT),)
    assert unstructure(v16.MeterValuesRequest(1, (MeterValue(NOON, values),))) == {
        "connectorId": 1,
        "meterValue": [
            {
                "timestamp": "2026-11-22T12:00:00.123Z",
                "sampledValue": [
                    {"value": "7", "context": "Sample.Periodic", "measurand": "SoC", "unit": "Percent"},
                ],
            }
        ],
    }


def test_enumerations_go_out_as_plain_strings() -> None:
    payload = unstructure(v16.ResetResponse(v16.AcceptedOrRejected.ACCEPTED))
    assert type(payload["status"]) is str


def test_an_instant_of_another_zone_goes_out_in_utc() -> None:
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    assert unstructure(v16.HeartbeatResponse(berlin)) == {"currentTime": "2026-11-22T12:00:00.123Z"}


def test_an_instant_without_a_zone_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="time zone"):
        unstructure(v16.HeartbeatResponse(NOON.replace(tzinfo=None)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("key", "key"), ("id_tag", "idTag"), ("charge_point_serial_number", "chargePointSerialNumber")],
)
def test_wire_names_are_camel_case(name: str, expected: str) -> None:
    assert wire_name(name) == expected


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-11-22T12:00:00Z", 0),
        ("2026-11-22T12:00:00.123Z", 123_000),
        ("2026-11-22T12:00:00.123456Z", 123_456),
        ("2026-11-22T12:00:00.1234567Z", 123_456),
        ("2026-11-22T12:00:00+00:00", 0),
        ("2026-11-22T14:30:00.5+02:30", 500_000),
        ("2026-11-22T07:00:00-05:00", 0),
        ("2026-11-22T12:00Z", 0),
        ("2026-11-22T12:00:00", 0),
    ],
)
def test_a_timestamp_may_have_any_offset_and_any_fraction(text: str, microsecond: int) -> None:
    instant = structure({"currentTime": text}, v16.HeartbeatResponse).current_time
    assert instant == NOON.replace(microsecond=microsecond)
    assert instant.tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_instant_survives_the_wire_to_the_millisecond(instant: datetime) -> None:
    message = v16.HeartbeatResponse(instant)
    back = structure(unstructure(message), v16.HeartbeatResponse).current_time
    assert timedelta() <= instant - back < timedelta(milliseconds=1)


def test_an_integer_will_do_for_a_decimal() -> None:
    schedule = structure({**SCHEDULE, "minChargingRate": 6}, ChargingSchedule)
    assert schedule.min_charging_rate == 6.0
    assert type(schedule.charging_schedule_period[0].limit) is float


@pytest.mark.parametrize("limit", [8.1, 0.3, 16, 22000.7])
def test_a_decimal_of_one_digit_is_taken_although_it_is_a_binary_fraction(limit: float) -> None:
    structure({**SCHEDULE, "minChargingRate": limit}, ChargingSchedule)


def test_a_nested_answer_comes_in_as_classes() -> None:
    payload = {"transactionId": 5, "idTagInfo": {"status": "Blocked", "parentIdTag": "P"}}
    assert structure(payload, v16.StartTransactionResponse) == v16.StartTransactionResponse(
        IdTagInfo(AuthorizationStatus.BLOCKED, parent_id_tag="P"), 5
    )


TYPE = CallErrorCode.TYPE_CONSTRAINT_VIOLATION
PROPERTY = CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION
OCCURENCE = CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION
FORMATION = CallErrorCode.FORMATION_VIOLATION
BOOT = {"status": "Accepted", "currentTime": "2026-11-22T12:00:00Z", "interval": 300}
START = {"transactionId": 5, "idTagInfo": {"status": "Accepted"}}


def remote_start(**profile: Any) -> dict[str, Any]:
    return {"idTag": "T", "chargingProfile": {**PROFILE, **profile}}


def limits(*periods: Any) -> dict[str, Any]:
    return remote_start(chargingSchedule={**SCHEDULE, "chargingSchedulePeriod": list(periods)})


MALFORMED: list[tuple[type, object, CallErrorCode, str]] = [
    # no object
    (v16.ClearCacheRequest, [], FORMATION, "expected an object, got []"),
    (v16.ClearCacheRequest, None, FORMATION, "expected an object, got null"),
    (v16.ResetRequest, "Hard", FORMATION, 'expected an object, got "Hard"'),
    (v16.GetConfigurationRequest, ["key"], FORMATION, 'expected an object, got ["key"]'),
    (v16.StartTransactionResponse, {**START, "idTagInfo": 1}, FORMATION, "idTagInfo: expected an object, got 1"),
    # a field missing
    (v16.ResetRequest, {}, OCCURENCE, "type: missing"),
    (v16.StartTransactionResponse, {"idTagInfo": {}}, OCCURENCE, "transactionId: missing"),
    (v16.StartTransactionResponse, {**START, "idTagInfo": {}}, OCCURENCE, "idTagInfo.status: missing"),
    (
        v16.RemoteStartTransactionRequest,
        limits({"limit": 1}),
        OCCURENCE,
        "chargingProfile.chargingSchedule.chargingSchedulePeriod[0].startPeriod: missing",
    ),
    # a field too many
    (v16.ClearCacheRequest, {"now": True}, FORMATION, "now: no such field"),
    (v16.ResetRequest, {"type": "Hard", "Type": "Hard"}, FORMATION, "Type: no such field"),
    (v16.ClearCacheRequest, {"a\nb": 1}, FORMATION, '"a\\nb": no such field'),
    (v16.RemoteStartTransactionRequest, {"idTag": "T", "id_tag": "T"}, FORMATION, "id_tag: no such field"),
    (
        v16.RemoteStartTransactionRequest,
        remote_start(color="red"),
        FORMATION,
        "chargingProfile.color: no such field",
    ),
    # the wrong JSON type
    (v16.BootNotificationResponse, {**BOOT, "interval": "300"}, TYPE, 'interval: expected an integer, got "300"'),
    (v16.BootNotificationResponse, {**BOOT, "interval": True}, TYPE, "interval: expected an integer, got true"),
    (v16.BootNotificationResponse, {**BOOT, "interval": 300.0}, TYPE, "interval: expected an integer, got 300.0"),
    (v16.BootNotificationResponse, {**BOOT, "interval": None}, TYPE, "interval: expected an integer, got null"),
    (v16.BootNotificationResponse, {**BOOT, "status": 1}, TYPE, "status: expected a string, got 1"),
    (v16.BootNotificationResponse, {**BOOT, "status": ["Accepted"]}, TYPE, 'status: expected a string, got ["Accep'),
    (v16.BootNotificationResponse, {**BOOT, "currentTime": 1763812800}, TYPE, "currentTime: expected a timestamp, "),
    (v16.HeartbeatResponse, {"currentTime": 1.5}, TYPE, "currentTime: expected a timestamp, got 1.5"),
    (v16.AuthorizeRequest, {"idTag": 12345}, TYPE, "idTag: expected a string, got 12345"),
    (
        v16.AuthorizeResponse,
        {"idTagInfo": {"status": "Accepted", "parentIdTag": None}},
        TYPE,
        "idTagInfo.parentIdTag: expected a string, got null",
    ),
    (v16.ChangeConfigurationRequest, {"key": "A", "value": 5}, TYPE, "value: expected a string"),
    (v16.GetConfigurationRequest, {"key": "HeartbeatInterval"}, TYPE, "key: expected an array, got "),
    (v16.GetConfigurationRequest, {"key": {"0": "A"}}, TYPE, "key: expected an array, got "),
    (v16.GetConfigurationRequest, {"key": ["A", 1]}, TYPE, "key[1]: expected a string, got 1"),
    (KeyValue, {"key": "A", "readonly": 1}, TYPE, "readonly: expected true or false, got 1"),
    (
        v16.RemoteStartTransactionRequest,
        limits(PERIOD, {**PERIOD, "limit": "16"}),
        TYPE,
        'chargingProfile.chargingSchedule.chargingSchedulePeriod[1].limit: expected a number, got "16"',
    ),
    (ChargingSchedule, {**SCHEDULE, "minChargingRate": True}, TYPE, "minChargingRate: expected a number, got true"),
    # a value out of bounds
    (v16.ResetRequest, {"type": "hard"}, PROPERTY, 'type: expected one of Hard, Soft, got "hard"'),
    (
        v16.AuthorizeRequest,
        {"idTag": "T" * 21},
        PROPERTY,
        'idTag: expected at most 20 characters, got "TTTTTTTTTTTTTTTTTTTTT"',
    ),
    (v16.GetConfigurationRequest, {"key": ["A" * 51]}, PROPERTY, "key[0]: expected at most 50 characters"),
    (v16.ChangeConfigurationRequest, {"key": "A", "value": "v" * 501}, PROPERTY, "value: expected at most 500 "),
    (v16.DataTransferRequest, {"vendorId": "v" * 256}, PROPERTY, "vendorId: expected at most 255 characters"),
    (
        v16.StartTransactionRequest,
        {"connectorId": 0, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-22T12:00:00Z"},
        PROPERTY,
        "connectorId: expected 1 or more, got 0",
    ),
    (
        v16.ChangeAvailabilityRequest,
        {"connectorId": -1, "type": "Operative"},
        PROPERTY,
        "connectorId: expected 0 or more",
    ),
    (v16.BootNotificationResponse, {**BOOT, "interval": -1}, PROPERTY, "interval: expected 0 or more, got -1"),
    *[
        (v16.HeartbeatResponse, {"currentTime": text}, PROPERTY, "currentTime: expected a timestamp such as ")
        for text in (
            "",
            "now",
            "2026-11-22",
            "20261122T120000Z",
            "2026-11-22 12:00:00Z",
            "2026-13-22T12:00:00Z",
            "2026-11-22T25:00:00Z",
            "2026-11-22T12:00:00 UTC",
            "0001-01-01T00:00:00+05:00",
        )
    ],
    (
        ChargingSchedule,
        {**SCHEDULE, "minChargingRate": 0.25},
        PROPERTY,
        "minChargingRate: expected at most one digit after the point, got 0.25",
    ),
    # too few items
    (ChargingSchedule, {**SCHEDULE, "chargingSchedulePeriod": []}, OCCURENCE, "chargingSchedulePeriod: expected 1 or"),
    (v16.MeterValuesRequest, {"connectorId": 1, "meterValue": []}, OCCURENCE, "meterValue: expected 1 or more items"),
]


@pytest.mark.parametrize(("kind", "payload", "code", "description"), MALFORMED)
def test_a_malformed_payload_is_refused_with_its_code_and_the_path_of_its_mistake(
    kind: type, payload: object, code: CallErrorCode, description: str
) -> None:
    with pytest.raises(PayloadError) as caught:
        structure(payload, kind)
    assert caught.value.code is code
    assert caught.value.description.startswith(description)
    assert "\n" not in caught.value.description


def test_a_long_description_fits_into_a_callerror() -> None:
    with pytest.raises(PayloadError) as caught:
        structure({"x" * 400: 1}, v16.ClearCacheRequest)
    assert len(caught.value.description) == 255


def test_a_value_nested_deeper_than_can_be_shown_is_still_refused() -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(PayloadError, match="a deep list"):
        structure({"type": deep}, v16.ResetRequest)


MESSAGES = [kind for table in (v16.CATALOGUE, v16.CENTRAL_CATALOGUE) for pair in table.served.values() for kind in pair]
WORDS = st.sampled_from(
    ["idTag", "type", "key", "status", "Accepted", "connectorId", "meterValue", "chargingProfile", "idTagInfo", "T"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(MESSAGES), JSON)
def test_no_json_whatever_does_anything_worse_than_a_payload_error(kind: type, payload: object) -> None:
    try:
        message = structure(payload, kind)
    except PayloadError:
        return
    assert isinstance(message, kind)
