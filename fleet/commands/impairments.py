"""Impairments: what may go wrong between a charge point and its CSMS, and the two commands that make it so and end it.

A shell line, a scenario step, a `[[fault]]` of a configuration file and a workload all become the same `Impair`, and
that object is what the link obeys: there is no second description of a fault anywhere. It is the network that changes,
not the charge point, so an impairment outlasts a reboot.

Faults of different kinds lie on a link together, each with a probability and an end of its own; one of a kind replaces
the one that was there. Which of them may leave a CSMS with other books than the charge point's stands with the kinds.
"""

from enum import StrEnum
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge, gt, le, optional

from fleet.commands.speech import ToChargePoint

LYING_MAX = 2
"""Connections of one charge point that lie half-open at once; of more, the oldest comes to its end."""


class Layer(StrEnum):
    """Where a fault sits between the charge point and its CSMS."""

    CONNECTION = "connection"
    """A connection comes about, or does not."""
    BYTES = "bytes"
    """The bytes on their way."""
    FRAMES = "frames"
    """OCPP-J frames, below the charge point: it says everything once and as it should be."""


class NetworkFault(StrEnum):
    """What goes wrong. `share_of` says of what `probability` is a share, `meaning` what happens.

    No charge point loses or doubles a transaction by any of these. But a CSMS that heard a message whose answer was
    then lost will hear it again, and has to know it again: by connector, id tag, meter and time for a StartTransaction,
    by its transaction id for a StopTransaction (OCPP 1.6 sections 3.7.1 and 4.8). A CSMS that doesn't has more
    transactions in its books than there were; that goes for every kind that can lose an answer or double a request:
    `cut`, `half-open`, `reset`, `stall`, `drop`, `double`, `delay` and `reorder` beyond the time-out of a CALL, and
    whatever spoils frames. And a message that is spoilt or lost at each of its TransactionMessageAttempts is given up,
    as section 3.7.1 wants it, and reported as lost.
    """

    layer: Layer
    share_of: str
    meaning: str

    def __new__(cls, value: str, layer: Layer, share_of: str, meaning: str) -> "NetworkFault":
        """A member is its value; what else is known of it are attributes."""
        fault = str.__new__(cls, value)
        fault._value_ = value
        fault.layer, fault.share_of, fault.meaning = layer, share_of, meaning
        return fault

    CUT = (
        "cut",
        Layer.CONNECTION,
        "attempts to connect",
        "The connection is reset at once, and none comes about.",
    )
    REFUSED = (
        "refused",
        Layer.CONNECTION,
        "attempts to connect",
        "Nobody listens; a connection that stands is left alone.",
    )
    DNS = (
        "dns",
        Layer.CONNECTION,
        "attempts to connect",
        "The CSMS's name can't be resolved; a connection that stands is left alone.",
    )
    TLS = (
        "tls",
        Layer.CONNECTION,
        "attempts to connect",
        "The TLS handshake is broken off by a reset half-way through its first message; nothing without TLS.",
    )
    SUBPROTOCOL = (
        "subprotocol",
        Layer.CONNECTION,
        "attempts to connect",
        "The opening handshake offers a version of OCPP that there isn't.",
    )
    LATENCY = (
        "latency",
        Layer.BYTES,
        "chunks",
        "Bytes arrive later by `latency_s`, in their order.",
    )
    JITTER = (
        "jitter",
        Layer.BYTES,
        "chunks",
        "Bytes arrive later by anything up to `jitter_s`, in their order.",
    )
    BANDWIDTH = (
        "bandwidth",
        Layer.BYTES,
        "chunks",
        "No more than `bytes_per_s` go through.",
    )
    STALL = (
        "stall",
        Layer.BYTES,
        "connections",
        "The socket stays open and nothing moves; what waits goes on afterwards.",
    )
    HALF_OPEN = (
        "half-open",
        Layer.BYTES,
        "connections",
        "The other side is gone and nobody was told: what is sent vanishes, nothing arrives, and so it stays for this "
        "connection. The CSMS doesn't hear that the charge point gives it up and comes back on another. Once the fault "
        "is over, both find out by a reset.",
    )
    RESET = (
        "reset",
        Layer.BYTES,
        "frames sent",
        "The connection is reset (RST) in the middle of a frame that is being sent.",
    )
    FRAGMENTS = (
        "fragments",
        Layer.BYTES,
        "frames sent",
        "Frames go out in several WebSocket fragments (RFC 6455 section 5.4).",
    )
    SLOW = (
        "slow",
        Layer.BYTES,
        "frames sent",
        "Frames go out byte by byte, `bytes_per_s` of them.",
    )
    NO_PONG = (
        "no-pong",
        Layer.BYTES,
        "pings",
        "WebSocket pings stay unanswered: `sent`, the CSMS's by us; `received`, ours by the CSMS.",
    )
    DROP = (
        "drop",
        Layer.FRAMES,
        "frames",
        "Frames are lost.",
    )
    DOUBLE = (
        "double",
        Layer.FRAMES,
        "frames",
        "Frames come twice.",
    )
    DELAY = (
        "delay",
        Layer.FRAMES,
        "frames",
        "Frames come later by `latency_s`, and others overtake them.",
    )
    REORDER = (
        "reorder",
        Layer.FRAMES,
        "frames",
        "A frame changes places with the one behind it, or comes after `latency_s` if there is none.",
    )
    MALFORMED = (
        "malformed",
        Layer.FRAMES,
        "frames",
        "Frames are cut off somewhere, so that they are no JSON.",
    )
    MISTYPED = (
        "mistyped",
        Layer.FRAMES,
        "frames",
        "One field of the payload has another type.",
    )
    WRONG_VERSION = (
        "wrong-version",
        Layer.FRAMES,
        "frames",
        "The message type is 5, of which OCPP-J 1.6 knows nothing.",
    )
    UNKNOWN_ID = (
        "unknown-id",
        Layer.FRAMES,
        "frames",
        "The message id is one that never was.",
    )
    REPEATED_ID = (
        "repeated-id",
        Layer.FRAMES,
        "frames",
        "The message id is that of an earlier frame of its kind.",
    )
    NO_ANSWER = (
        "no-answer",
        Layer.FRAMES,
        "answers",
        "Answers are lost: `received`, those of the CSMS; `sent`, ours.",
    )
    ANSWER_TWICE = (
        "answer-twice",
        Layer.FRAMES,
        "answers",
        "Answers come twice.",
    )


class Direction(StrEnum):
    """As the charge point sees it."""

    BOTH = "both"
    SENT = "sent"
    RECEIVED = "received"


_SHARE = {"unit": "share"}
_DURATION = {"unit": "s"}


@frozen
class Impair(ToChargePoint):
    """Let something go wrong on the network or in the protocol, for a while or until `mend`."""

    verb: ClassVar[str] = "impair"
    examples: ClassVar[tuple[str, ...]] = (
        "impair CP0001 stall 45s",
        "impair *~20% cut for_s=45s",
        "impair * drop probability=1% direction=received",
        "impair CP0001 latency latency_s=800ms",
    )

    fault: NetworkFault
    for_s: float | None = field(default=None, validator=optional(gt(0)), metadata=_DURATION)
    probability: float = field(default=1.0, validator=[gt(0), le(1)], metadata=_SHARE)
    direction: Direction = Direction.BOTH
    latency_s: float = field(default=1.0, validator=ge(0), metadata=_DURATION)
    jitter_s: float = field(default=1.0, validator=ge(0), metadata=_DURATION)
    bytes_per_s: float = field(default=1000.0, validator=ge(1))


@frozen
class Mend(ToChargePoint):
    """End what `impair` began: one fault, or all of them."""

    verb: ClassVar[str] = "mend"
    examples: ClassVar[tuple[str, ...]] = ("mend CP0001", "mend * drop")

    fault: NetworkFault | None = None
