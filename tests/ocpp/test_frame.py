"""Frames: what is one, and by which rule anything else is counted."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.ocpp.errors import CallErrorCode, FrameError
from fleet.ocpp.frame import Call, CallError, CallResult, Frame, pack, unpack

LONG_ID = "x" * 37

FRAMES = [
    (Call("1", "Heartbeat", {}), '[2,"1","Heartbeat",{}]'),
    (CallResult("1", {"a": [1, None, "é"]}), '[3,"1",{"a":[1,null,"é"]}]'),
    (CallError("1", CallErrorCode.GENERIC_ERROR, "no", {"why": 1}), '[4,"1","GenericError","no",{"why":1}]'),
    (CallError("1", "FormatViolation"), '[4,"1","FormatViolation","",{}]'),
]


@pytest.mark.parametrize(("frame", "text"), FRAMES)
def test_a_frame_is_packed_as_the_specification_writes_it_and_unpacked_again(frame: Frame, text: str) -> None:
    assert pack(frame) == text
    assert unpack(text) == frame


@pytest.mark.parametrize("payload", [[], None, "text", 5, {"deep": {"er": []}}])
def test_a_payload_may_be_anything_because_only_its_action_can_judge_it(payload: object) -> None:
    assert unpack(pack(Call("1", "Reset", payload))) == Call("1", "Reset", payload)


def test_an_error_description_is_cut_to_the_length_that_ocpp_allows() -> None:
    frame = unpack(pack(CallError("1", "GenericError", "é" * 300)))
    assert isinstance(frame, CallError)
    assert frame.description == "é" * 255


BROKEN = [
    # data, rule, message type, message id, code to answer a CALL with
    (b'[3,"1",{}]', "binary-frame", None, None, None),
    ("", "not-json", None, None, None),
    ("hello", "not-json", None, None, None),
    ('[2,"1","Reset",{}', "not-json", None, None, None),
    ('[2,"1","Reset",{"a":NaN}]', "not-json", None, None, None),
    ("\ufeff[]", "not-json", None, None, None),
    ('[3,"\ud800",{}]', "not-json", None, None, None),
    ("[" * 3000 + "]" * 3000, "not-json", None, None, None),
    ("{}", "wrong-shape", None, None, None),
    ("[]", "wrong-shape", None, None, None),
    ("null", "wrong-shape", None, None, None),
    ('"[2]"', "wrong-shape", None, None, None),
    ('[5,"1",{}]', "unknown-message-type", None, None, None),
    ('["2","1","Reset",{}]', "unknown-message-type", None, None, None),
    ('[true,"1",{}]', "unknown-message-type", None, None, None),
    ('[3.0,"1",{}]', "unknown-message-type", None, None, None),
    ("[null]", "unknown-message-type", None, None, None),
    ('[[3],"1",{}]', "unknown-message-type", None, None, None),
    ("[3]", "bad-message-id", 3, None, None),
    ("[2,7,4,{}]", "bad-message-id", 2, None, None),
    ('[2,"","Reset",{}]', "bad-message-id", 2, None, None),
    (f'[2,"{LONG_ID}","Reset",{{}}]', "bad-message-id", 2, LONG_ID, CallErrorCode.FORMATION_VIOLATION),
    ('[2,"1",8,{}]', "bad-action", 2, "1", CallErrorCode.FORMATION_VIOLATION),
    ('[2,"1","Reset"]', "wrong-shape", 2, "1", CallErrorCode.PROTOCOL_ERROR),
    ('[2,"1"]', "wrong-shape", 2, "1", CallErrorCode.PROTOCOL_ERROR),
    ('[2,"1","Reset",{},{}]', "wrong-shape", 2, "1", CallErrorCode.FORMATION_VIOLATION),
    ('[3,"1"]', "wrong-shape", 3, "1", None),
    ('[3,"1",{},{}]', "wrong-shape", 3, "1", None),
    ('[4,"1","GenericError",""]', "wrong-shape", 4, "1", None),
    ('[4,"1",5,"",{}]', "wrong-shape", 4, "1", None),
    ('[4,"1","GenericError",null,{}]', "wrong-shape", 4, "1", None),
]


@pytest.mark.parametrize(("data", "rule", "message_type", "message_id", "code"), BROKEN)
def test_what_is_no_frame_is_named_by_the_rule_it_breaks(
    data: str | bytes, rule: str, message_type: int | None, message_id: str | None, code: CallErrorCode | None
) -> None:
    with pytest.raises(FrameError) as caught:
        unpack(data)
    assert (caught.value.rule, caught.value.message_type, caught.value.message_id) == (rule, message_type, message_id)
    if code is not None:
        assert caught.value.code is code
    assert "\n" not in caught.value.detail
    assert len(caught.value.detail) < 200


@given(st.text() | st.binary())
def test_no_text_whatever_does_anything_worse_than_a_frame_error(data: str | bytes) -> None:
    try:
        unpack(data)
    except FrameError as error:
        assert error.rule  # noqa: PT017 - it need not raise


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=10,
)


@given(st.lists(st.sampled_from([2, 3, 4, "id", "Reset", {}]) | JSON, max_size=6))
def test_no_json_array_whatever_does_anything_worse_than_a_frame_error(elements: list[object]) -> None:
    try:
        frame = unpack(orjson.dumps(elements).decode())
    except FrameError:
        return
    assert unpack(pack(frame)) == frame
