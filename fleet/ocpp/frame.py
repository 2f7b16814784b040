"""CALL, CALLRESULT and CALLERROR: the three frames of OCPP-J, as text and as values (OCPP-J 1.6 section 4.2).

Only the envelope is judged here. A payload may still be anything that JSON can say: what it must look like depends on
the action, and a wrong one has an answer of its own.
"""

import orjson
from attrs import field, frozen

from fleet.ocpp.errors import DESCRIPTION_LENGTH_MAX, CallErrorCode, FrameError

CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4
MESSAGE_ID_LENGTH_MAX = 36
"""Room for a GUID (OCPP-J 1.6 section 4.2.1)."""
SHOWN_LENGTH_MAX = 60


@frozen
class Call:
    """A request: do `action` with `payload`."""

    id: str
    action: str
    payload: object


@frozen
class CallResult:
    """The answer to the CALL with this id."""

    id: str
    payload: object


@frozen
class CallError:
    """The refusal of the CALL with this id. `code` should be a `CallErrorCode`, but peers invent their own."""

    id: str
    code: str
    description: str = ""
    details: object = field(factory=dict)


Frame = Call | CallResult | CallError


def pack(frame: Frame) -> str:
    """Write a frame as the text of one WebSocket message. An error description is cut to 255 characters."""
    match frame:
        case Call(id, action, payload):
            return orjson.dumps((CALL, id, action, payload)).decode()
        case CallResult(id, payload):
            return orjson.dumps((CALL_RESULT, id, payload)).decode()
        case CallError(id, code, description, details):
            return orjson.dumps((CALL_ERROR, id, code, description[:DESCRIPTION_LENGTH_MAX], details)).decode()


def unpack(data: str | bytes) -> Frame:
    """Read one WebSocket message.

    Raises `FrameError` with one of the rules `binary-frame`, `not-json`, `wrong-shape`, `unknown-message-type`,
    `bad-message-id`, `bad-action`.
    """
    if not isinstance(data, str):
        raise FrameError("binary-frame", f"a binary WebSocket message of {len(data)} bytes; OCPP-J is text")
    try:
        elements = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise FrameError("not-json", f"{error.msg} in {_shown(data)}") from None
    if type(elements) is not list or not elements:
        raise FrameError("wrong-shape", f"expected a JSON array that begins with a message type, got {_shown(data)}")
    message_type = elements[0]
    # True == 1 and 2.0 == 2 in Python, not on the wire.
    if type(message_type) is not int or message_type not in (CALL, CALL_RESULT, CALL_ERROR):
        raise FrameError("unknown-message-type", f"message type unknown in {_shown(data)}")
    id = elements[1] if len(elements) > 1 else None
    if type(id) is not str or not id:
        raise FrameError("bad-message-id", f"no message id in {_shown(data)}", message_type=message_type)
    if len(id) > MESSAGE_ID_LENGTH_MAX:
        detail = f"a message id of {len(id)} characters, {MESSAGE_ID_LENGTH_MAX} are allowed"
        raise FrameError("bad-message-id", detail, id, message_type=message_type)
    if message_type == CALL_RESULT and len(elements) == 3:
        return CallResult(id, elements[2])
    if message_type == CALL and len(elements) == 4:
        if type(elements[2]) is not str:
            raise FrameError("bad-action", f"the action is no string in {_shown(data)}", id, message_type=CALL)
        return Call(id, elements[2], elements[3])
    if message_type == CALL_ERROR and len(elements) == 5 and type(elements[2]) is type(elements[3]) is str:
        return CallError(id, elements[2], elements[3], elements[4])
    raise FrameError(
        "wrong-shape",
        f"message type {message_type} with {len(elements)} elements: {_shown(data)}",
        id,
        message_type=message_type,
        code=CallErrorCode.PROTOCOL_ERROR if len(elements) < 4 else CallErrorCode.FORMATION_VIOLATION,
    )


def _shown(text: str) -> str:
    """The beginning of foreign text, safe to print on one line."""
    short = text if len(text) <= SHOWN_LENGTH_MAX else f"{text[:SHOWN_LENGTH_MAX]}..."
    return repr(short)
