"""What can be wrong with a frame or its payload, in the words that OCPP-J has for it.

Both exceptions are the peer's fault and are answered or counted, never fatal. Our own mistakes (an answer to a message
that does not exist, a naive timestamp) are ordinary Python errors: bugs.
"""

from enum import StrEnum

DESCRIPTION_LENGTH_MAX = 255
"""The longest errorDescription that OCPP-J allows, in characters (OCPP-J 1.6 section 4.2.3)."""


class CallErrorCode(StrEnum):
    """The error codes of a CALLERROR (OCPP-J 1.6 section 4.2.3, its spelling kept)."""

    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"


class PayloadError(Exception):
    """An action or payload that breaks the protocol version's rules: the code to answer with, and one line of why.

    The line begins with the path of the field (`idTagInfo.status: ...`) where there is one.
    """

    def __init__(self, code: CallErrorCode, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description[:DESCRIPTION_LENGTH_MAX]


class FrameError(Exception):
    """Text that is no OCPP-J frame.

    `rule` is a short word for counting (`not-json`, `wrong-shape`, ...), `detail` one line for people. Where the text
    was recognisable so far, `message_type` (2, 3 or 4) and `message_id` are given: a broken CALL can then be answered,
    with `code`, and a broken answer ends the wait for a good one.
    """

    def __init__(
        self,
        rule: str,
        detail: str,
        message_id: str | None = None,
        *,
        message_type: int | None = None,
        code: CallErrorCode = CallErrorCode.FORMATION_VIOLATION,
    ) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.detail = detail
        self.message_id = message_id
        self.message_type = message_type
        self.code = code
