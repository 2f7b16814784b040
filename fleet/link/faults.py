"""The faults that lie on one link: which are on, whether one strikes now, and what they make of OCPP-J frames.

Whoever ordered a fault keeps its time (see `core.impairments`); here a fault is on until it is taken off. Every choice
is drawn by name from the run's seed, so that the same run fails in the same way again.

Frames are spoilt below the charge point. It has said a thing once, properly, and that is what is traced; what the other
side gets to hear is another matter. The bytes below the frames are `weather`'s.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import trio
from attrs import define, field

from fleet.commands.impairments import LYING_MAX, Direction, Impair, NetworkFault
from fleet.core.effects import ImpairLink, MendLink
from fleet.link.failures import Failure

_CONNECTING = (
    (NetworkFault.CUT, Failure("unreachable", "the network is cut (fault)")),
    (NetworkFault.DNS, Failure("dns", "the name can't be resolved (fault)")),
    (NetworkFault.REFUSED, Failure("refused", "nobody listens (fault)")),
)
_OF_STREAM = frozenset(
    {
        *(NetworkFault.LATENCY, NetworkFault.JITTER, NetworkFault.BANDWIDTH, NetworkFault.STALL),
        *(NetworkFault.HALF_OPEN, NetworkFault.RESET, NetworkFault.FRAGMENTS, NetworkFault.SLOW, NetworkFault.NO_PONG),
    }
)
_OF_FRAMES = frozenset(
    {
        *(NetworkFault.DROP, NetworkFault.DOUBLE, NetworkFault.DELAY, NetworkFault.REORDER, NetworkFault.MALFORMED),
        *(NetworkFault.MISTYPED, NetworkFault.WRONG_VERSION, NetworkFault.UNKNOWN_ID, NetworkFault.REPEATED_ID),
        *(NetworkFault.NO_ANSWER, NetworkFault.ANSWER_TWICE),
    }
)
# The message type and the message id of a frame, as far as it has them (OCPP-J 1.6 section 4.2).
_HEAD = re.compile(r'\s*\[\s*(?P<type>\d+)\s*,\s*"(?P<id>(?:[^"\\]|\\.)*)"')
_CALL = "2"
_ANSWERS = ("3", "4")
_NO_MESSAGE_TYPE = "5"
# Where the payload is; of a CALLERROR it is the code that has a type to be wrong.
_PAYLOAD_AT = {"2": 3, "3": 2, "4": 2}

NO_SUBPROTOCOL = "ocpp0.0"
"""What the opening handshake offers where it offers the wrong thing."""

Frame = str | bytes
Draw = Callable[[str], float]


class Faults:
    """Those of one link. `draw` gives the number in [0, 1) that belongs to a name."""

    __slots__ = ("_count", "_draw", "_lying", "frames", "on")

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._count = 0
        # Connections that we gave up while the other side couldn't be told: how to tell it, oldest first.
        self._lying: list[Callable[[], None]] = []
        self.on: dict[NetworkFault, Impair] = {}
        self.frames = FrameFaults(self)

    def change(self, order: ImpairLink | MendLink) -> None:
        """Something goes wrong from now on, in place of what went wrong in the same way before; or no more."""
        if isinstance(order, ImpairLink):
            self.on[order.impair.fault] = order.impair
        else:
            self.on.pop(order.fault, None)
            if order.fault is NetworkFault.HALF_OPEN:
                self.let_go()

    def leave_lying(self, end: Callable[[], None]) -> None:
        """A connection stays open for the other side, until `end` can tell it."""
        self._lying.append(end)
        if len(self._lying) > LYING_MAX:
            self._lying.pop(0)()

    def let_go(self) -> None:
        """Nobody is kept in the dark any more."""
        while self._lying:
            self._lying.pop(0)()

    @property
    def of_stream(self) -> bool:
        """Something is wrong with the bytes."""
        return not _OF_STREAM.isdisjoint(self.on)

    @property
    def of_frames(self) -> "FrameFaults | None":
        """What spoils frames, while anything does."""
        return None if _OF_FRAMES.isdisjoint(self.on) else self.frames

    def strike(self, fault: NetworkFault, direction: Direction | None = None) -> Impair | None:
        """The fault, if it is on, in this direction, and strikes this time."""
        impair = self.on.get(fault)
        if impair is None or (direction is not None and impair.direction not in (Direction.BOTH, direction)):
            return None
        return impair if impair.probability >= 1 or self.draw(fault) < impair.probability else None

    def draw(self, what: str) -> float:
        """A number in [0, 1), another one each time."""
        self._count += 1
        return self._draw(f"{what}/{self._count}")

    def not_connected(self) -> Failure | None:
        """Why this attempt to connect fails, if it does."""
        for fault, failure in _CONNECTING:
            if self.strike(fault):
                return failure
        return None


@define(eq=False)
class Held:
    """A frame that is kept back: until `due_at` or, where it only changes places, until another one has gone by."""

    due_at: float
    direction: Direction
    frame: Frame
    changes_places: bool


@define(eq=False)
class FrameFaults:
    """What becomes of frames: `pass_on` each of them, and `see_to_held`."""

    _faults: Faults
    held: list[Held] = field(factory=list)
    # The last message id of each kind that went by, by direction and message type.
    _ids: dict[tuple[Direction, str], str] = field(factory=dict)
    _alarm: trio.CancelScope = field(factory=trio.CancelScope)
    _carrying: bool = False

    def pass_on(self, frame: Frame, direction: Direction, now: float) -> list[Frame]:
        """What goes on in place of this frame, now and in this order; the rest is lost or held."""
        strike = self._faults.strike
        said = _HEAD.match(frame) if isinstance(frame, str) else None
        frame = self._spoilt(frame, direction)
        answers = said is not None and said["type"] in _ANSWERS
        if strike(NetworkFault.DROP, direction) or (answers and strike(NetworkFault.NO_ANSWER, direction)):
            return []
        copies = 1 + (strike(NetworkFault.DOUBLE, direction) is not None)
        copies += answers and strike(NetworkFault.ANSWER_TWICE, direction) is not None
        waiting = [held for held in self.held if held.changes_places and held.direction is direction]
        if late := strike(NetworkFault.DELAY, direction):
            self._hold(now + late.latency_s, direction, [frame] * copies)
            return []
        if not waiting and (overtaken := strike(NetworkFault.REORDER, direction)):
            self._hold(now + overtaken.latency_s, direction, [frame] * copies, changes_places=True)
            return []
        if said is not None:
            self._note(direction, said["type"], said["id"])
        for held in waiting:
            self.held.remove(held)
        return [frame] * copies + [held.frame for held in waiting]

    def see_to_held(self, nursery: trio.Nursery, carry_on: Callable[[Held], Awaitable[None]]) -> None:
        """Have what is held carried on when it is due, by one task that lives as long as anything is."""
        if self.held and not self._carrying:
            self._carrying = True
            nursery.start_soon(self._carry_on, carry_on)

    async def _carry_on(self, carry_on: Callable[[Held], Awaitable[None]]) -> None:
        while self.held:
            first = min(self.held, key=lambda held: held.due_at)
            if first.due_at <= trio.current_time():
                self.held.remove(first)
                await carry_on(first)
            else:
                with trio.CancelScope(deadline=first.due_at) as self._alarm:
                    await trio.sleep_forever()
        self._carrying = False

    def forget(self) -> None:
        """The connection is gone: what was on its way never arrives, and no id is repeated on another."""
        self.held.clear()
        self._ids.clear()
        self._carrying = False

    def _hold(self, due_at: float, direction: Direction, frames: list[Frame], *, changes_places: bool = False) -> None:
        self.held += [Held(due_at, direction, frame, changes_places) for frame in frames]
        self._alarm.cancel()

    # ---- what is in a frame ------------------------------------------------------------------------------------------

    def _spoilt(self, frame: Frame, direction: Direction) -> Frame:
        strike, draw = self._faults.strike, self._faults.draw
        if not isinstance(frame, str):
            return frame
        if strike(NetworkFault.MISTYPED, direction):
            frame = mistyped(frame, draw(NetworkFault.MISTYPED))
        if strike(NetworkFault.WRONG_VERSION, direction):
            frame = _put(frame, "type", _NO_MESSAGE_TYPE)
        if strike(NetworkFault.UNKNOWN_ID, direction):
            frame = _put(frame, "id", f"unknown-{int(draw(NetworkFault.UNKNOWN_ID) * 2**48):012x}")
        if strike(NetworkFault.REPEATED_ID, direction):
            head = _HEAD.match(frame)
            before = self._ids.get((direction, _kind(head["type"]))) if head else None
            if before is not None:
                frame = _put(frame, "id", before)
        if strike(NetworkFault.MALFORMED, direction) and len(frame) > 1:
            # An array without its end is never JSON.
            frame = frame.rstrip()
            frame = frame[: 1 + int(draw(NetworkFault.MALFORMED) * (len(frame) - 1))]
        return frame

    def _note(self, direction: Direction, message_type: str, id: str) -> None:
        """Remember what may be repeated.

        Of our CALLs only those that have their answer: the answer to a CALL that goes by the id of one whose answer is
        still owed would be taken for that answer, and a message would count as delivered that the CSMS never heard.
        """
        if message_type == _CALL and direction is Direction.SENT:
            return
        if message_type in _ANSWERS and direction is Direction.RECEIVED:
            self._ids[Direction.SENT, _CALL] = id
        self._ids[direction, _kind(message_type)] = id


def _kind(message_type: str) -> str:
    return _CALL if message_type == _CALL else "answer"


def _put(frame: str, part: str, value: str) -> str:
    """The frame with another message type or id; what has none stays as it is."""
    head = _HEAD.match(frame)
    return frame if head is None else frame[: head.start(part)] + value + frame[head.end(part) :]


def mistyped(frame: str, fraction: float) -> str:
    """The frame with one field of its payload in another type; `fraction` in [0, 1) says which field.

    What it says stays what it was (7 becomes "7", "TAG" becomes ["TAG"]): a CSMS that reads it all the same must not
    come to another id tag or another meter.
    """
    head = _HEAD.match(frame)
    try:
        elements = json.loads(frame)
        at = _PAYLOAD_AT[head["type"]] if head else len(elements)
        payload = elements[at]
    except (ValueError, LookupError, TypeError):
        return frame
    places = list(_places(elements, at, payload))
    holder, key = places[int(fraction * len(places))]
    holder[key] = _of_another_type(holder[key])
    return json.dumps(elements, ensure_ascii=False, separators=(",", ":"))


def _places(holder: Any, key: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """Where the fields of a payload are; an empty one is itself the only one."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = False
    for inner_key, inner in inside:
        found = True
        yield from _places(value, inner_key, inner)
    if not found:
        yield holder, key


def _of_another_type(value: Any) -> Any:
    match value:
        case bool() | int() | float():
            return json.dumps(value)
        case dict() | list() if not value:
            return [] if isinstance(value, dict) else {}
        case _:
            return [value]
