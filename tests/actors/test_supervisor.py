"""A crash costs its own charge point a reboot, and nobody else anything."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from counterparts.books import Books
from counterparts.world import World, world

from fleet.actors.supervisor import RestartPolicy, cause_of, supervise
from fleet.commands.vocabulary import Crash, Drain, PlugIn, Reset, StartTransaction, StopTransaction, Unplug
from fleet.core.delivery_reports import MessageLost, TransactionDelivered
from fleet.core.reports import Drained, GivenUp, LinkUp, Restarted
from fleet.words import ResetKind

QUIET = {"WebSocketPingInterval": "0", "HeartbeatInterval": "86400", "MeterValueSampleInterval": "0"}


async def charge(w: World, *targets: str) -> None:
    """Plug in and start; the id tag is the target's name."""
    for target in targets:
        assert await w.do(target, PlugIn()) is None
        assert await w.do(target, StartTransaction(target)) is None


# ---- one crash -------------------------------------------------------------------------------------------------------


async def test_a_crashed_connector_reboots_its_charge_point_and_leaves_two_hundred_others_alone(
    autojump_clock: Any,
) -> None:
    async with world(201, configuration=QUIET) as w:
        books = Books(w.central).open()
        await w.booted()
        await charge(w, *(f"CP{number}/1" for number in range(1, 202)))
        await trio.sleep(1)
        w.central.forget()
        w.reports.clear()
        connects = w.central.connects

        assert await w.do("CP7/2", Crash()) == "CP7 went down before it could answer"
        await trio.sleep(30)

        assert {heard.charge_point for heard in w.central.heard} == {"CP7"}
        assert w.central.story("CP7") == [
            "BootNotification",
            "StopTransaction",
            "0:Available",
            "1:Preparing",
            "2:Available",
        ]
        assert {name for name, _ in w.reports} == {"CP7"}
        assert [r.crashed for r in w.reported(Restarted)] == [True]
        assert w.reported(Restarted)[0].cause == "RuntimeError: crash injected into connector 2"
        assert len(w.reported(LinkUp)) == w.central.connects - connects == 1
        assert len(books.running) == 200
        # Whole and well, the crashed one too.
        assert await w.do("CP8/1", StopTransaction()) is None
        assert await w.do("CP7/1", StartTransaction("AGAIN")) is None
        await trio.sleep(1)
        assert len(books.running) == 200
        assert books.faults == []


async def test_a_transaction_that_a_crash_cut_off_is_billed_for_what_flowed_until_the_crash(
    autojump_clock: Any,
) -> None:
    async with world() as w:
        books = Books(w.central).open()
        await w.booted()
        await charge(w, "CP1/1")
        await trio.sleep(1800)
        await w.do("CP1/2", Crash())
        await trio.sleep(600)
        (stop,) = books.stops.values()
        # Half an hour at 7.2 kW; nothing flowed while it was down or afterwards.
        assert stop["meterStop"] == 3600
        assert stop["reason"] == "Reboot"
        assert books.faults == []
        assert "1:Preparing" in w.central.story()[-5:]


async def test_a_crash_of_the_charging_connector_itself_closes_its_transaction_too(autojump_clock: Any) -> None:
    async with world() as w:
        books = Books(w.central).open()
        await w.booted()
        await charge(w, "CP1/1", "CP1/2")
        await trio.sleep(60)
        await w.do("CP1/1", Crash())
        await trio.sleep(60)
        assert [stop["meterStop"] for stop in books.stops.values()] == [120, 120]
        assert len(w.reported(TransactionDelivered)) == 2


async def test_nothing_in_the_outbox_is_lost_in_a_crash(autojump_clock: Any) -> None:
    async with world() as w:
        books = Books(w.central).open()
        await w.booted()
        w.central.refusing = True
        await w.central.cut()
        for tag in ("A", "B", "C"):
            await w.do("CP1/1", PlugIn())
            assert await w.do("CP1/1", StartTransaction(tag)) is None
            await trio.sleep(100)
            assert await w.do("CP1/1", StopTransaction()) is None
            assert await w.do("CP1/1", Unplug()) is None
        await charge(w, "CP1/2")
        await trio.sleep(10)
        await w.do("CP1/1", Crash())
        await trio.sleep(100)
        assert not books.starts
        w.central.refusing = False
        await w.until(lambda: len(books.stops) == 4)
        assert [start.id_tag for start in books.starts] == ["A", "B", "C", "CP1/2"]
        assert [stop["meterStop"] for stop in books.stops.values()] == [200, 400, 600, 20]
        assert books.faults == []
        assert not w.reported(MessageLost)


async def test_a_reset_after_a_crash_is_not_taken_for_a_crash_and_the_other_way_round(autojump_clock: Any) -> None:
    async with world() as w:
        books = Books(w.central).open()
        await w.booted()
        for reset in (Reset(ResetKind.SOFT), Reset(ResetKind.HARD)):
            await charge(w, "CP1/1")
            assert await w.do("CP1", reset) is None
            await trio.sleep(100)
            assert await w.do("CP1/1", StartTransaction()) is None
            await w.do("CP1/2", Crash())
            await trio.sleep(100)
            assert await w.do("CP1/1", Unplug()) is None
        assert [stop["reason"] for stop in books.stops.values()] == ["SoftReset", "Reboot", "HardReset", "Reboot"]
        assert [(r.crashed, r.cause) for r in w.reported(Restarted)] == [
            (False, "SoftReset"),
            (True, "RuntimeError: crash injected into connector 2"),
            (False, "HardReset"),
            (True, "RuntimeError: crash injected into connector 2"),
        ]


# ---- one that keeps crashing -----------------------------------------------------------------------------------------


async def crash(w: World, times: int, every_s: float, target: str = "CP1/1") -> None:
    for _ in range(times):
        await w.do(target, Crash())
        await trio.sleep(every_s)


async def test_the_fourth_crash_within_a_minute_is_the_last(autojump_clock: Any) -> None:
    async with world(3) as w:
        await w.booted()
        await crash(w, 3, 10)
        assert not w.reported(GivenUp)
        await w.do("CP1/1", Crash())
        await trio.sleep(10)
        assert w.reported(GivenUp, "CP1") == w.reported(GivenUp)
        assert [r.cause for r in w.reported(GivenUp)] == ["crashed too often"]
        assert len(w.reported(Restarted)) == 4
        assert w.fleet.running == 2
        assert await w.do("CP1/1", PlugIn()) == "CP1 is not running"
        w.central.forget()
        await trio.sleep(3600)
        assert w.central.said(charge_point="CP1") == []
        await charge(w, "CP2/1", "CP3/2")
        assert len(w.central.said("Heartbeat", charge_point="CP2")) == 12


async def test_crashes_spread_over_hours_are_survived(autojump_clock: Any) -> None:
    async with world() as w:
        await w.booted()
        await crash(w, 12, 900)
        await crash(w, 9, 31)
        assert not w.reported(GivenUp)
        assert len(w.reported(Restarted)) == 21
        await charge(w, "CP1/1")


async def test_a_reset_between_crashes_does_not_make_them_fewer(autojump_clock: Any) -> None:
    async with world() as w:
        await w.booted()
        await crash(w, 2, 5)
        await w.do("CP1", Reset(ResetKind.HARD))
        await trio.sleep(5)
        await crash(w, 2, 5)
        assert len(w.reported(GivenUp)) == 1


async def test_a_fleet_with_a_charge_point_given_up_still_ends(autojump_clock: Any) -> None:
    async with world(3) as w:
        await w.booted()
        await crash(w, 4, 5)
        assert [w.fleet.tell(name, 0, Drain()) for name in w.fleet.berths] == ["CP1 is not running", None, None]
        assert await w.fleet.ended(trio.current_time() + 60)
        assert len(w.reported(Drained)) == 2


# ---- the supervisor by itself ----------------------------------------------------------------------------------------


def failing(*outcomes: object) -> Callable[[], Awaitable[object]]:
    waiting = list(outcomes)

    async def live() -> object:
        await trio.lowlevel.checkpoint()
        outcome = waiting.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return live


async def test_what_ends_by_itself_is_not_started_again(autojump_clock: Any) -> None:
    heard: list[Exception] = []
    assert await supervise("CP", failing("done"), heard.append, RestartPolicy()) == "done"
    assert heard == []


async def test_a_crash_waits_before_the_restart(autojump_clock: Any) -> None:
    heard: list[Exception] = []
    crash = ValueError("once")
    assert await supervise("CP", failing(crash, "done"), heard.append, RestartPolicy(pause_s=2.5)) == "done"
    assert heard == [crash]
    assert trio.current_time() == 2.5


async def test_the_limit_of_the_policy_is_the_policys(autojump_clock: Any) -> None:
    heard: list[Exception] = []
    policy = RestartPolicy(crashes_max=1, window_s=10.0)
    assert await supervise("CP", failing(ValueError(1), ValueError(2), "never"), heard.append, policy) is None
    assert len(heard) == 2


async def test_interrupting_the_program_is_no_crash(autojump_clock: Any) -> None:
    heard: list[Exception] = []
    with pytest.raises(KeyboardInterrupt):
        await supervise("CP", failing(KeyboardInterrupt()), heard.append, RestartPolicy())
    assert heard == []


def test_the_cause_of_a_crash_is_one_line_about_what_went_wrong_inside() -> None:
    assert cause_of(ValueError("two\nlines")) == "ValueError: two"
    nested = ExceptionGroup("outer", [ExceptionGroup("inner", [KeyError("x")]), ValueError()])
    assert cause_of(nested) == "KeyError: 'x'"
