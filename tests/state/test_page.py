"""A page: only what is new is written, and what is written is what there is."""

import random
from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson
import pytest
from attrs import define, field

from fleet.actors.keeping import Gate
from fleet.core.answers import IdTagInfo
from fleet.core.memory import ChargePointMemory
from fleet.core.reports import MeterSampled, Reading
from fleet.ocpp.outbox import Outgoing
from fleet.state.codec import Codec
from fleet.state.folder import Batch, checksum
from fleet.state.page import LARGE, REST, MemoryPage, Writing
from fleet.words import AuthorizationStatus, ReadingContext

SAMPLE = MeterSampled(1, Reading(1.0, ReadingContext.SAMPLE_PERIODIC, ()), "1", 0.0, 0.0)


@define(eq=False)
class Owner:
    """Notes who wants to be written, and has what would be on the disk."""

    noticed: int = 0
    parts: dict[str, bytes] = field(factory=dict)
    messages: dict[int, bytes] = field(factory=dict)
    _numbers: Iterator[int] = field(factory=lambda: count(100))

    def notice(self, page: MemoryPage) -> None:
        self.noticed += 1

    def next_number(self) -> int:
        return next(self._numbers)


@define(eq=False)
class Desk:
    """One page with its owner."""

    memory: ChargePointMemory = field(factory=lambda: ChargePointMemory.blank(2))
    owner: Owner = field(factory=Owner)
    numbers: tuple[int, ...] = ()
    page: MemoryPage = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.page = MemoryPage(self.owner, Writing(Codec(0.0)), "CP1", self.memory, self.numbers)

    def write(self) -> Batch:
        """A batch with this page, written at once."""
        batch = Batch()
        self.page.collect(batch)
        for name, part, value, written in batch.parts:
            assert written == checksum(name, part, value)
            self.owner.parts[part] = value
        for (number,) in batch.settled:
            self.owner.messages.pop(number, None)
        for number, name, value, written in batch.messages:
            assert written == checksum(name, number, value)
            self.owner.messages[number] = value
        self.page.under_way = False
        return batch

    def say(self, action: str = "MeterValues") -> Outgoing:
        outbox = self.memory.outbox
        outbox.enqueued += 1
        outbox.messages.append(Outgoing(action, {}, 0.0, "1", order=outbox.enqueued))
        return outbox.messages[-1]

    @property
    def waiting(self) -> list[int]:
        """The orders of the messages that are written."""
        return [orjson.loads(value)["order"] for _, value in sorted(self.owner.messages.items())]


def parts(batch: Batch) -> set[str]:
    return {part for _, part, _, _ in batch.parts}


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.page.changed()
    desk.write()
    return desk


def test_a_page_is_written_wholly_at_first_and_then_not_at_all() -> None:
    desk = Desk()
    assert desk.page.written
    desk.page.changed()
    assert not desk.page.written
    assert parts(desk.write()) == {REST, *LARGE}
    desk.page.changed()
    assert desk.write() == Batch()
    assert desk.page.written


def test_it_asks_once_to_be_written_however_much_changes(desk: Desk) -> None:
    before = desk.owner.noticed
    for _ in range(3):
        desk.page.outbox_changed()
        desk.page.changed()
    assert desk.owner.noticed == before + 1


def test_only_the_part_that_changed_is_written(desk: Desk) -> None:
    desk.memory.configuration["HeartbeatInterval"] = "60"
    desk.memory.id_tags["a"] = IdTagInfo(AuthorizationStatus.ACCEPTED)
    desk.page.changed()
    assert parts(desk.write()) == {"configuration", "id_tags"}
    desk.memory.emergency = True
    desk.page.changed()
    assert parts(desk.write()) == {REST}


def test_a_message_is_a_row_that_comes_and_goes(desk: Desk) -> None:
    desk.say()
    desk.say()
    desk.page.outbox_changed()
    batch = desk.write()
    assert (len(batch.messages), batch.parts, desk.waiting) == (2, [], [1, 2])
    desk.memory.outbox.messages.pop(0)
    desk.say()
    desk.page.outbox_changed()
    batch = desk.write()
    assert (len(batch.messages), len(batch.settled), desk.waiting) == (1, 1, [2, 3])
    desk.memory.outbox.messages.clear()
    desk.page.outbox_changed()
    assert desk.write().messages == []
    assert desk.waiting == []


@pytest.mark.parametrize(("name", "value"), [("sent", 1), ("attempts", 1), ("not_before", 60.0)])
def test_what_became_of_the_head_is_written(desk: Desk, name: str, value: Any) -> None:
    head = desk.say()
    desk.say()
    desk.page.outbox_changed()
    desk.write()
    setattr(head, name, value)
    desk.page.outbox_changed()
    (row,) = desk.write().messages
    assert orjson.loads(row[2])[name] == value
    assert desk.waiting == [1, 2]


def test_the_outbox_alone_says_nothing_of_the_rest(desk: Desk) -> None:
    desk.memory.emergency = True
    desk.page.outbox_changed()
    assert desk.write().parts == []
    # Whoever says that anything changed is not outdone by whoever says that only the outbox did.
    desk.page.changed()
    desk.page.outbox_changed()
    assert parts(desk.write()) == {REST}


def test_a_report_that_was_written_unheard_is_not_there_beside_its_message(desk: Desk) -> None:
    """Else it would be said twice after a kill."""
    desk.memory.unheard.append(SAMPLE)
    desk.page.changed()
    desk.write()
    desk.memory.unheard.clear()
    desk.say()
    desk.page.outbox_changed()
    assert parts(desk.write()) == {REST}
    assert orjson.loads(desk.owner.parts[REST])["unheard"] == []
    desk.say()
    desk.page.outbox_changed()
    assert desk.write().parts == []


def test_a_page_is_not_written_while_its_batch_is_on_its_way(desk: Desk) -> None:
    desk.page.changed()
    desk.page.collect(Batch())
    assert not desk.page.written
    desk.page.outbox_changed()
    desk.page.under_way = False
    assert not desk.page.written


def test_a_gate_is_handed_out_with_the_batch_that_it_waits_for(desk: Desk) -> None:
    taken = []

    class Waiting:
        def take(self) -> None:
            taken.append(True)

    gate: Any = Waiting()
    desk.page.hold(gate)
    assert not desk.page.written
    batch = Batch()
    found: Gate | None = desk.page.collect(batch)
    assert found is gate
    assert taken == [True]
    assert desk.page.collect(batch) is None


def test_rows_of_an_earlier_run_are_known_by_their_numbers() -> None:
    memory = ChargePointMemory.blank(1)
    desk = Desk(memory, numbers=(7, 9))
    desk.say()
    desk.say()
    desk = Desk(memory, numbers=(7, 9))
    desk.owner.messages.update({7: b'{"order":1}', 9: b'{"order":2}'})
    desk.page.changed()
    assert desk.write().messages == []
    memory.outbox.messages.pop(0)
    desk.page.outbox_changed()
    assert desk.write().settled == [(7,)]


def test_another_memory_under_the_same_name_leaves_nothing_of_the_last(desk: Desk) -> None:
    desk.say()
    desk.page.outbox_changed()
    desk.write()
    other = ChargePointMemory.blank(1)
    desk.page.turn_over(other)
    desk.memory = other
    desk.say("StartTransaction")
    batch = desk.write()
    assert parts(batch) == {REST, *LARGE}
    assert [orjson.loads(value)["action"] for value in desk.owner.messages.values()] == ["StartTransaction"]
    desk.page.turn_over(other)
    assert desk.page.written


@pytest.mark.parametrize("seed", range(20))
def test_whatever_becomes_of_an_outbox_its_rows_are_its_messages(desk: Desk, seed: int) -> None:
    draws, outbox = random.Random(seed), desk.memory.outbox
    for _ in range(200):
        match draws.choice(["say", "say", "settle", "fail", "skip", "lose", "write"]):
            case "say":
                desk.say()
            case "settle" if outbox.messages:
                outbox.messages.pop(0)
            case "fail" if outbox.messages:
                outbox.messages[0].attempts += 1
            case "skip":
                outbox.enqueued += 1
            case "lose" if outbox.messages and draws.random() < 0.1:
                outbox.messages.pop(draws.randrange(len(outbox.messages)))
            case "write":
                desk.page.outbox_changed()
                desk.write()
                assert desk.waiting == [message.order for message in outbox.messages]
                heads = [orjson.loads(value)["attempts"] for _, value in sorted(desk.owner.messages.items())]
                assert heads == [message.attempts for message in outbox.messages]
