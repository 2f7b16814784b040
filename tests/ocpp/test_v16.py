"""The messages of OCPP 1.6, compared with the JSON schemas that the Open Charge Alliance publishes."""

import json
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import attrs
import ocpp.v16
import pytest

from fleet.ocpp import v16
from fleet.ocpp.converter import MaxLength, MinItems, wire_name
from fleet.ocpp.errors import CallErrorCode, PayloadError
from fleet.ocpp.v16 import CATALOGUE, CENTRAL_CATALOGUE

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
        inner, limit = get_args(kind)
        match limit:
            case MaxLength(length):
                return {"type": "string", "maxLength": length}
            case MinItems():
                return described(inner)
        return described(inner)
    if get_origin(kind) is tuple:
        return [described(get_args(kind)[0])]
    if attrs.has(kind):
        fields = {wire_name(a.name): (a.default is attrs.NOTHING, described(a.type)) for a in attrs.fields(kind)}
        assert all(a.default in (attrs.NOTHING, None) for a in attrs.fields(kind))
        return fields
    if issubclass(kind, StrEnum):
        return {"enum": set(kind)}
    return {"type": JSON_TYPES.get(kind, "string")}


def described_schema(schema: dict[str, Any]) -> Any:
    if schema["type"] == "object":
        assert schema["additionalProperties"] is False
        required = schema.get("required", [])
        properties = schema.get("properties", {})
        return {name: (name in required, described_schema(inner)) for name, inner in properties.items()}
    if schema["type"] == "array":
        return [described_schema(schema["items"])]
    if "enum" in schema:
        return {"enum": set(schema["enum"]) - STRAY_UNITS}
    return {key: schema[key] for key in ("type", "maxLength") if key in schema}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_message_and_its_answer_have_the_fields_types_and_limits_of_the_published_schema(action: str) -> None:
    request, response = {**CATALOGUE.served, **CATALOGUE.called}[action]
    assert (request.__name__, response.__name__) == (f"{action}Request", f"{action}Response")
    for kind, name in ((request, action), (response, f"{action}Response")):
        schema = json.loads((SCHEMAS / f"{name}.json").read_bytes())
        assert described(kind) == described_schema(schema), name


def test_the_catalogue_knows_all_28_actions_and_serves_or_calls_the_16_of_core() -> None:
    assert len(CATALOGUE.names) == 28
    assert len(ACTIONS) == 16
    assert CATALOGUE.served == CENTRAL_CATALOGUE.called
    assert CATALOGUE.called == CENTRAL_CATALOGUE.served


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("ReserveNow", CallErrorCode.NOT_SUPPORTED),
        ("TriggerMessage", CallErrorCode.NOT_SUPPORTED),
        ("BootNotification", CallErrorCode.NOT_SUPPORTED),
        ("MeterValues", CallErrorCode.NOT_SUPPORTED),
        ("reset", CallErrorCode.NOT_IMPLEMENTED),
        ("RequestStartTransaction", CallErrorCode.NOT_IMPLEMENTED),
        ("", CallErrorCode.NOT_IMPLEMENTED),
    ],
)
def test_a_charge_point_does_not_serve(action: str, code: CallErrorCode) -> None:
    with pytest.raises(PayloadError) as caught:
        CATALOGUE.request(action, ["whatever the payload"])
    assert caught.value.code is code


def test_a_csms_serves_what_a_charge_point_calls_and_not_the_reverse() -> None:
    assert CENTRAL_CATALOGUE.request("Heartbeat", {}) == v16.HeartbeatRequest()
    with pytest.raises(PayloadError) as caught:
        CENTRAL_CATALOGUE.request("Reset", {"type": "Hard"})
    assert caught.value.code is CallErrorCode.NOT_SUPPORTED


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
