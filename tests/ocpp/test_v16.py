"""The messages of OCPP 1.6, compared with the JSON schemas that the Open Charge Alliance publishes."""

import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import attrs
import ocpp.v16
import pytest

from fleet.ocpp import v16, v16_local, v16_security
from fleet.ocpp.converter import MaxLength, OneDigit, structure, unstructure, wire_name
from fleet.ocpp.errors import CallErrorCode, PayloadError
from fleet.ocpp.v16 import CATALOGUE, CENTRAL_CATALOGUE
from fleet.ocpp.v16_types import ChargingSchedulePeriod

SCHEMAS = Path(ocpp.v16.__file__).parent / "schemas"
ACTIONS = sorted({*CATALOGUE.served, *CATALOGUE.called})
JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
# The schemas allow units that the specification doesn't: a misspelling, and one for Frequency.
STRAY_UNITS = {"Celcius", "Hertz"}


def described(kind: Any) -> Any:
    """A message class, in plain values to compare."""
    if NoneType in get_args(kind):
        return described(next(argument for argument in get_args(kind) if argument is not NoneType))
    if get_origin(kind) is Annotated:
        inner, *limits = get_args(kind)
        found = described(inner)
        for limit in limits:
            match limit:
                case MaxLength(length):
                    found["maxLength"] = length
                case OneDigit():
                    found["multipleOf"] = 0.1
        return found
    if get_origin(kind) is tuple:
        return [described(get_args(kind)[0])]
    if attrs.has(kind):
        fields = {wire_name(a.name): (a.default is attrs.NOTHING, described(a.type)) for a in attrs.fields(kind)}
        assert all(a.default in (attrs.NOTHING, None) for a in attrs.fields(kind))
        return fields
    if issubclass(kind, StrEnum):
        return {"enum": set(kind)}
    if kind is datetime:
        return {"type": "string", "format": "date-time"}
    return {"type": JSON_TYPES[kind]}


def described_schema(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return described_schema(definitions[schema["$ref"].removeprefix("#/definitions/")], definitions)
    if schema["type"] == "object":
        assert schema["additionalProperties"] is False
        required = schema.get("required", [])
        properties = schema.get("properties", {})
        return {name: (name in required, described_schema(inner, definitions)) for name, inner in properties.items()}
    if schema["type"] == "array":
        return [described_schema(schema["items"], definitions)]
    if "enum" in schema:
        return {"enum": set(schema["enum"]) - STRAY_UNITS}
    # Whether a location is a URL is for those to find out who go there.
    kept = ("type", "maxLength", "multipleOf", *(["format"] if schema.get("format") != "uri" else []))
    return {key: schema[key] for key in kept if key in schema}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_message_and_its_answer_have_the_fields_types_and_limits_of_the_published_schema(action: str) -> None:
    request, response = {**CATALOGUE.served, **CATALOGUE.called}[action]
    assert (request.__name__, response.__name__) == (f"{action}Request", f"{action}Response")
    for kind, name in ((request, action), (response, f"{action}Response")):
        schema = json.loads((SCHEMAS / f"{name}.json").read_bytes())
        assert described(kind) == described_schema(schema, schema.get("definitions", {})), name


def test_the_catalogue_knows_the_28_actions_of_ocpp_1_6_and_the_11_of_its_security_extension() -> None:
    published = {path.stem for path in SCHEMAS.glob("*.json") if not path.stem.endswith("Response")}
    assert set(ACTIONS) == CATALOGUE.names == CENTRAL_CATALOGUE.names == published
    assert len(v16_security.FROM_CHARGE_POINT | v16_security.FROM_CSMS) == 11
    assert len(ACTIONS) == 28 + 11
    assert CATALOGUE.served == CENTRAL_CATALOGUE.called
    assert CATALOGUE.called == CENTRAL_CATALOGUE.served


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("ReserveNow", CallErrorCode.NOT_SUPPORTED),
        ("GetLog", CallErrorCode.NOT_SUPPORTED),
        ("BootNotification", CallErrorCode.NOT_SUPPORTED),
        ("MeterValues", CallErrorCode.NOT_SUPPORTED),
        ("reset", CallErrorCode.NOT_IMPLEMENTED),
        ("RequestStartTransaction", CallErrorCode.NOT_IMPLEMENTED),
        ("", CallErrorCode.NOT_IMPLEMENTED),
    ],
)
def test_a_charge_point_of_few_profiles_does_not_serve(action: str, code: CallErrorCode) -> None:
    with pytest.raises(PayloadError) as caught:
        CATALOGUE.serving(["Reset", "ClearCache"]).request(action, ["whatever the payload"])
    assert caught.value.code is code


def test_a_charge_point_of_few_profiles_serves_these_and_calls_everything() -> None:
    few = CATALOGUE.serving(["ClearCache"])
    assert few.request("ClearCache", {}) == v16.ClearCacheRequest()
    assert (few.called, few.names) == (CATALOGUE.called, CATALOGUE.names)


def test_nobody_serves_what_is_not_his_to_serve() -> None:
    for action in ("Heartbeat", "MakeCoffee"):
        with pytest.raises(KeyError):
            CATALOGUE.serving([action])


def test_a_csms_serves_what_a_charge_point_calls_and_not_the_reverse() -> None:
    assert CENTRAL_CATALOGUE.request("Heartbeat", {}) == v16.HeartbeatRequest()
    with pytest.raises(PayloadError) as caught:
        CENTRAL_CATALOGUE.request("Reset", {"type": "Hard"})
    assert caught.value.code is CallErrorCode.NOT_SUPPORTED


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": [SECRET]}),
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": SECRET * 99}),
        ("GetDiagnostics", {"location": [f"ftp://me:{SECRET}@host/"]}),
        ("GetLog", {"log": {"remoteLocation": f"ftp://me:{SECRET}@host/" * 99}, "logType": "SecurityLog"}),
    ],
)
def test_the_error_in_a_message_with_a_secret_does_not_tell_it(action: str, payload: dict[str, Any]) -> None:
    with pytest.raises(PayloadError) as caught:
        CATALOGUE.request(action, {"requestId": 1, **payload} if action == "GetLog" else payload)
    assert re.fullmatch(r"[\w.]+: expected [\w ]+", caught.value.description)


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": SECRET}),
        ("GetDiagnostics", {"location": f"ftp://me:{SECRET}@host/"}),
        ("UpdateFirmware", {"location": f"ftp://me:{SECRET}@host/", "retrieveDate": "2026-11-22T12:00:00Z"}),
        ("GetLog", {"log": {"remoteLocation": f"ftp://me:{SECRET}@host/"}, "logType": "SecurityLog", "requestId": 1}),
    ],
)
def test_a_message_with_a_secret_does_not_show_it_in_a_traceback(action: str, payload: dict[str, Any]) -> None:
    assert SECRET not in repr(CATALOGUE.request(action, payload))


def test_data_transfer_goes_both_ways() -> None:
    for catalogue in (CATALOGUE, CENTRAL_CATALOGUE):
        assert catalogue.request("DataTransfer", {"vendorId": "V"}) == v16.DataTransferRequest("V")


def test_a_request_knows_its_action() -> None:
    for action in ACTIONS:
        kind = {**CATALOGUE.served, **CATALOGUE.called}[action][0]
        assert CATALOGUE.action_of(object.__new__(kind)) == action
    with pytest.raises(KeyError):
        CATALOGUE.action_of(v16.HeartbeatResponse)


@pytest.mark.parametrize("connector", [0, -1, 99])
def test_a_connector_that_is_not_there_is_for_the_charge_point_to_refuse_and_no_error_of_form(connector: int) -> None:
    started = CATALOGUE.request("RemoteStartTransaction", {"idTag": "TAG", "connectorId": connector})
    assert started == v16.RemoteStartTransactionRequest("TAG", connector)
    assert CATALOGUE.request("UnlockConnector", {"connectorId": connector}) == v16.UnlockConnectorRequest(connector)


# ---- what real CSMSs say ---------------------------------------------------------------------------------------------

INSTANT = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-22T12:00:00Z", INSTANT),
        ("2026-11-22T12:00:00+00:00", INSTANT),
        ("2026-11-22T13:00:00+01:00", INSTANT),
        ("2026-11-22T12:00:00", INSTANT),
        ("2026-11-22T12:00:00.123456Z", INSTANT.replace(microsecond=123456)),
        ("2026-11-22T12:00:00.1234567+00:00", INSTANT.replace(microsecond=123456)),
    ],
)
def test_an_expiry_is_understood_with_any_offset_and_any_fraction(written: str, meant: datetime) -> None:
    payload = {"connectorId": 0, "expiryDate": written, "idTag": "TAG", "reservationId": 7}
    assert CATALOGUE.request("ReserveNow", payload) == v16_local.ReserveNowRequest(0, meant, "TAG", 7)


def test_an_empty_list_of_keys_is_no_error_and_a_stop_may_be_answered_with_nothing() -> None:
    assert CATALOGUE.request("GetConfiguration", {"key": []}) == v16.GetConfigurationRequest(())
    assert CATALOGUE.response("StopTransaction", {}) == v16.StopTransactionResponse()


def test_a_charging_profile_is_read_whole() -> None:
    profile = {
        "chargingProfileId": 1,
        "transactionId": 0,
        "stackLevel": 2,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Recurring",
        "recurrencyKind": "Daily",
        "validFrom": "2026-11-22T12:00:00.000Z",
        "validTo": "2026-11-23T12:00:00.000Z",
        "chargingSchedule": {
            "duration": 86400,
            "startSchedule": "2026-11-22T12:00:00.000Z",
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1, "numberPhases": 3}],
            "minChargingRate": 6.0,
        },
    }
    request = CATALOGUE.request("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
    assert unstructure(request)["csChargingProfiles"] == profile


@pytest.mark.parametrize("limit", [16, 16.0, 8.1, 0.1, 0])
def test_a_limit_may_have_one_digit_after_the_point(limit: float) -> None:
    period = {"startPeriod": 0, "limit": limit}
    assert structure(period, ChargingSchedulePeriod) == ChargingSchedulePeriod(0, float(limit))
    with pytest.raises(PayloadError, match="at most one digit"):
        structure({"startPeriod": 0, "limit": limit + 0.05}, ChargingSchedulePeriod)


def test_what_is_installed_is_told_with_its_certificates_or_not_at_all() -> None:
    assert unstructure(v16_security.GetInstalledCertificateIdsResponse(v16_security.FoundStatus.NOT_FOUND)) == {
        "status": "NotFound"
    }
    with pytest.raises(PayloadError) as caught:
        CENTRAL_CATALOGUE.response("GetInstalledCertificateIds", {"status": "Accepted", "certificateHashData": []})
    assert caught.value.code is CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION
