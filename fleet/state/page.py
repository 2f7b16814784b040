"""A page: one charge point's memory, and what of it is written already.

The outbox is what moves most, a message in and out for every reading of a meter. So its messages have rows of their
own, and as they come in at the end and go at the head, a look at both ends says what is new. Everything else is
written when anything of it may have changed, which actors say: large parts if they differ from the copy that was
written last, and the rest, a kilobyte or two, if its text does.
"""

from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from itertools import pairwise
from typing import Any, Protocol

import orjson
from attrs import define

from fleet.actors.keeping import Gate
from fleet.core.memory import ChargePointMemory
from fleet.ocpp.exchange import Outbox, Outgoing
from fleet.state.codec import Codec, Unreadable, loads, types_of
from fleet.state.folder import Batch, checksum

LARGE = ("certificates", "configuration", "id_tags", "local_list", "notices", "profiles", "security_log")
"""Attributes of a memory that may be large. Nothing in their values changes below the first level."""
REST = "rest"
"""Everything else, but for the outbox's messages."""
_TYPES = types_of(ChargePointMemory)
_LARGE = {name: _TYPES[name] for name in LARGE}
_SMALL = {name: declared for name, declared in _TYPES.items() if name not in (*LARGE, "outbox")}
_BINDINGS, _ENQUEUED, _POWER = "bindings", "enqueued", "power"
ON, OFF, CUT = "on", "off", "cut"
"""Whether a life is on, or was when the power was cut and is none yet since then."""

CLEAN, OUTBOX, ALL = 0, 1, 2
"""What of a page is to be written."""


class Writing:
    """How memories are written and read, made once for all of them."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._small = tuple((name, codec.simplifier(declared)) for name, declared in _SMALL.items())
        self.large: tuple[tuple[str, Callable[[Any], Any]], ...] = tuple(
            (name, codec.simplifier(declared)) for name, declared in _LARGE.items()
        )
        self.message = codec.write_message

    def rest(self, memory: ChargePointMemory, power: str) -> bytes:
        """All that is small, as text."""
        simple = {name: simplify(getattr(memory, name)) for name, simplify in self._small}
        simple[_BINDINGS] = memory.outbox.bindings
        simple[_ENQUEUED] = memory.outbox.enqueued
        simple[_POWER] = power
        return orjson.dumps(simple)

    def read(self, parts: dict[str, bytes], messages: Sequence[bytes]) -> tuple[ChargePointMemory, str]:
        """The memory that was written so, and whether it had power; raises Unreadable."""
        simple = {name: loads(data) for name, data in parts.items()}
        rest = simple.pop(REST, None)
        if not isinstance(rest, dict) or not {_BINDINGS, _ENQUEUED, _POWER} <= rest.keys():
            raise Unreadable("parts are missing")
        bindings, enqueued, power = (rest.pop(name) for name in (_BINDINGS, _ENQUEUED, _POWER))
        if power not in (ON, OFF, CUT):
            raise Unreadable("power is neither on nor off")
        simple |= rest
        if simple.keys() != _LARGE.keys() | _SMALL.keys():
            raise Unreadable("parts are missing")
        types = _LARGE | _SMALL
        waiting = [self._codec.read_message(data) for data in messages]
        if any(later.order <= earlier.order for earlier, later in pairwise(waiting)):
            raise Unreadable("messages are out of order")
        outbox = Outbox(
            waiting,
            self._codec.read(bindings, dict[str, int]),
            # Messages are written without the rest: the last of them may be younger.
            max(self._codec.read(enqueued, int), waiting[-1].order if waiting else 0),
        )
        memory = ChargePointMemory(
            outbox=outbox, **{name: self._codec.read(value, types[name]) for name, value in simple.items()}
        )
        return memory, power


class Owner(Protocol):
    """Who has pages written."""

    def notice(self, page: "MemoryPage", /) -> None:
        """There is something to be written."""

    def next_number(self) -> int:
        """For the row of one more message."""


@define(eq=False)
class Row:
    """A message as it is written; while it waits only that at the head changes."""

    number: int
    order: int
    sent: int
    attempts: int
    not_before: float


class MemoryPage:
    """One charge point's; a `fleet.actors.keeping.Page`."""

    __slots__ = (
        *("_charge_point_id", "_gate", "_large", "_memory", "_owner", "_power", "_rest", "_rows", "_stale", "_unheard"),
        *("_writing", "todo", "under_way"),
    )

    def __init__(
        self, owner: Owner, writing: Writing, charge_point_id: str, memory: ChargePointMemory, numbers: Sequence[int]
    ) -> None:
        """`numbers` are those of the rows that the first messages in the outbox have already."""
        self._owner = owner
        self._writing = writing
        self._charge_point_id = charge_point_id
        self._memory = memory
        self._rows = deque(
            _row(number, message) for number, message in zip(numbers, memory.outbox.messages, strict=False)
        )
        self._stale: list[tuple[int]] = []
        self._large: list[Any] = [None] * len(writing.large)
        self._rest = 0
        self._unheard = False
        """Reports are written that nobody had heard then: whoever has, has said something of it."""
        self._gate: Gate | None = None
        self._power = OFF
        self.todo = CLEAN
        self.under_way = False
        """A batch with this page is being written."""

    # ---- for actors --------------------------------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """A life is on: when the power fails, it fails now."""
        return self._power == ON

    @powered.setter
    def powered(self, powered: bool) -> None:
        self._power = ON if powered else OFF

    @property
    def written(self) -> bool:
        """Everything that changed is written."""
        return self.todo == CLEAN and not self.under_way

    def changed(self) -> None:
        """Anything may have changed."""
        if self.todo == CLEAN:
            self._owner.notice(self)
        self.todo = ALL

    def outbox_changed(self) -> None:
        """Messages came or went."""
        if self.todo == CLEAN:
            self._owner.notice(self)
            self.todo = OUTBOX

    def hold(self, gate: Gate) -> None:
        """Have the gate opened after the next batch."""
        self._gate = gate
        self.outbox_changed()

    # ---- for the keeper ----------------------------------------------------------------------------------------------

    def come_back(self, power: str) -> None:
        """The memory is that of an earlier run, and its power was cut if there was any.

        That is written before this run is seen alive: were it killed now, the power would not fail once more.
        """
        self._power = OFF if power == OFF else CUT
        self.changed()

    def turn_over(self, memory: ChargePointMemory) -> None:
        """Another memory under the same name: what is written of the last one's messages is no longer so."""
        if memory is not self._memory:
            self._memory = memory
            self._stale += [(row.number,) for row in self._rows]
            self._rows.clear()
            self._large, self._rest = [None] * len(self._large), 0
            self.changed()

    def collect(self, batch: Batch) -> Gate | None:
        """Put what is new into the batch; returns the gate that waits for it."""
        todo, self.todo, self.under_way = self.todo, CLEAN, True
        self._collect_messages(batch)
        if todo == ALL or self._unheard:
            self._collect_rest(batch)
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.take()
        return gate

    def _collect_messages(self, batch: Batch) -> None:
        messages, rows = self._memory.outbox.messages, self._rows
        batch.settled += self._stale
        self._stale.clear()
        first = messages[0].order if messages else self._memory.outbox.enqueued + 1
        while rows and rows[0].order < first:
            batch.settled.append((rows.popleft().number,))
        if not messages:
            return
        known = len(rows)
        if known and (known > len(messages) or rows[-1].order != messages[known - 1].order):
            # Somebody took one out in the middle. Nobody does; but what is written must be what there is.
            batch.settled += [(row.number,) for row in rows]
            rows.clear()
            known = 0
        if known:
            head, row = messages[0], rows[0]
            if (row.sent, row.attempts, row.not_before) != (head.sent, head.attempts, head.not_before):
                rows[0] = self._write(row.number, head, batch)
        for message in messages[known:]:
            rows.append(self._write(self._owner.next_number(), message, batch))

    def _write(self, number: int, message: Outgoing, batch: Batch) -> Row:
        value = self._writing.message(message)
        name = self._charge_point_id
        batch.messages.append((number, name, value, checksum(name, number, value)))
        return _row(number, message)

    def _collect_rest(self, batch: Batch) -> None:
        memory, writing, written = self._memory, self._writing, self._large
        for index, (name, simplify) in enumerate(writing.large):
            value = getattr(memory, name)
            known = written[index]
            if known is None or known[0] != value:
                # In a tuple, as None is a value like any other.
                written[index] = (copy(value),)
                self._put(name, orjson.dumps(simplify(value)), batch)
        self._unheard = bool(memory.unheard)
        rest = writing.rest(memory, self._power)
        mark = hash(rest)
        if mark != self._rest:
            self._rest = mark
            self._put(REST, rest, batch)

    def _put(self, part: str, value: bytes, batch: Batch) -> None:
        name = self._charge_point_id
        batch.parts.append((name, part, value, checksum(name, part, value)))


def _row(number: int, message: Outgoing) -> Row:
    return Row(number, message.order, message.sent, message.attempts, message.not_before)
