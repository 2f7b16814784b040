"""Mailboxes: bounded, one reader, and what each side hears when the other is gone."""

import math

import pytest
import trio
import trio.testing

from fleet.actors.mailbox import Mailbox, MailboxClosed, MailboxFull


async def test_messages_arrive_in_the_order_they_were_told() -> None:
    mailbox = Mailbox[int](3)
    for number in (1, 2, 3):
        mailbox.address.tell(number)
    assert [await mailbox.receive() for _ in range(3)] == [1, 2, 3]


async def test_telling_a_full_mailbox_is_refused_and_changes_nothing() -> None:
    mailbox = Mailbox[str](1)
    mailbox.address.tell("first")
    with pytest.raises(MailboxFull):
        mailbox.address.tell("second")
    assert mailbox.receive_nowait() == "first"
    assert mailbox.receive_nowait() is None


async def test_a_mailbox_of_size_0_takes_a_message_only_while_its_reader_waits(autojump_clock: trio.abc.Clock) -> None:
    mailbox = Mailbox[str](0)
    with pytest.raises(MailboxFull):
        mailbox.address.tell("nobody is waiting")
    heard: list[str] = []

    async def read() -> None:
        heard.append(await mailbox.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        mailbox.address.tell("now")
    assert heard == ["now"]


async def test_reporting_to_a_full_mailbox_waits_for_room(autojump_clock: trio.abc.Clock) -> None:
    mailbox = Mailbox[int](1)
    mailbox.address.tell(1)
    done_at: list[float] = []

    async def report() -> None:
        await mailbox.address.report(2)
        done_at.append(trio.current_time())

    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(report)
        await trio.sleep(5)
        assert done_at == []
        assert await mailbox.receive() == 1
    assert done_at == [began_at + 5]
    assert await mailbox.receive() == 2


async def test_a_report_waiting_for_room_hears_that_the_reader_left(autojump_clock: trio.abc.Clock) -> None:
    mailbox = Mailbox[int](1)
    mailbox.address.tell(1)

    async def report() -> None:
        with pytest.raises(MailboxClosed):
            await mailbox.address.report(2)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(report)
        await trio.sleep(1)
        mailbox.close()


async def test_a_closed_mailbox_takes_neither_a_telling_nor_a_report() -> None:
    mailbox = Mailbox[int](1)
    mailbox.close()
    with pytest.raises(MailboxClosed):
        mailbox.address.tell(1)
    with pytest.raises(MailboxClosed):
        await mailbox.address.report(1)
    mailbox.close()


async def test_waiting_until_a_deadline_ends_exactly_there(autojump_clock: trio.abc.Clock) -> None:
    mailbox = Mailbox[int](1)
    deadline = trio.current_time() + 7.5
    assert await mailbox.receive_until(deadline) is None
    assert trio.current_time() == deadline


async def test_waiting_until_a_deadline_ends_with_the_first_message(autojump_clock: trio.abc.Clock) -> None:
    mailbox = Mailbox[int](1)
    began_at = trio.current_time()

    async def tell_later() -> None:
        await trio.sleep(2)
        mailbox.address.tell(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell_later)
        assert await mailbox.receive_until(began_at + 60) == 1
    assert trio.current_time() == began_at + 2


async def test_waiting_without_a_deadline_goes_on_for_days(autojump_clock: trio.abc.Clock) -> None:
    mailbox = Mailbox[int](1)

    async def tell_later() -> None:
        await trio.sleep(3 * 86_400)
        mailbox.address.tell(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell_later)
        assert await mailbox.receive_until(math.inf) == 1


async def test_a_cancelled_reader_loses_no_message() -> None:
    mailbox = Mailbox[int](1)
    with trio.move_on_after(0):
        await mailbox.receive()
    mailbox.address.tell(1)
    assert await mailbox.receive() == 1
