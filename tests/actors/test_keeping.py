"""What waits until it is written: the gate before the link, and what each message means for the page."""

from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from counterparts.charge_point_bench import Bench
from counterparts.kept import Disk, kept
from counterparts.scripted import SILENCE
from counterparts.world import QUIET

from fleet.actors.keeping import HELD_MAX, Gate, heed, settled
from fleet.actors.mailbox import Mailbox, MailboxFull
from fleet.commands.hazards import BendClock
from fleet.commands.vocabulary import PlugIn, SendHeartbeat, SetConfiguration, StartTransaction
from fleet.core.credentials import Credentials
from fleet.core.effects import CloseLink, LinkOrder, OpenLink, SetPingInterval, UseCredentials
from fleet.core.instructions import Instruct
from fleet.core.plan import SecurityPlan
from fleet.core.reports import (
    CallSettled,
    ConnectFailed,
    CredentialsSettled,
    FrameReceived,
    LinkDown,
    MeterSampled,
    Reading,
    StatusChanged,
    TransactionStarted,
)
from fleet.words import ConnectorStatus, ReadingContext

ANSWER, CALL = '[3,"c1",{}]', '[2,"m1","Heartbeat",{}]'


@define(eq=False)
class Sheet:
    """A page that is written when the test says so."""

    written: bool = True
    powered: bool = True
    marks: list[str] = field(factory=list)
    gate: Gate | None = None

    def changed(self) -> None:
        self.written = False
        self.marks.append("all")

    def outbox_changed(self) -> None:
        self.written = False
        self.marks.append("outbox")

    def hold(self, gate: Gate) -> None:
        self.gate = gate

    def collect(self) -> None:
        """A batch takes what is known now."""
        if self.gate is not None:
            self.gate.take()

    def commit(self) -> None:
        """It is written."""
        self.written = True
        if self.gate is not None:
            self.gate.open()

    def write(self) -> None:
        self.collect()
        self.commit()


@define(eq=False)
class Before:
    """A gate with what is around it; `sent` is what it said to have sent, `there` what the link was really told."""

    page: Sheet = field(factory=Sheet)
    link: Mailbox[LinkOrder] = field(factory=lambda: Mailbox(8))
    bench: Bench = field(factory=Bench)
    sent: list[LinkOrder] = field(factory=list)
    gate: Gate = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.gate = Gate(self.page, self.link.address, self.bench.machine, self.sent.append)

    @property
    def there(self) -> list[LinkOrder]:
        orders = []
        while (order := self.link.receive_nowait()) is not None:
            orders.append(order)
        assert orders == self.sent
        self.sent.clear()
        return orders


# ---- the gate --------------------------------------------------------------------------------------------------------


async def test_what_changes_nothing_leaves_at_once() -> None:
    w = Before()
    w.gate.tell(ANSWER)
    assert w.there == [ANSWER]


async def test_a_frame_waits_until_what_was_known_when_it_was_said_is_written() -> None:
    w = Before()
    w.page.changed()
    w.gate.tell(ANSWER)
    assert w.there == []
    w.page.collect()
    w.gate.tell("[3, later]")
    assert w.there == []
    w.page.commit()
    assert w.there == [ANSWER]
    # What came after the batch was taken is in the next one.
    w.page.write()
    assert w.there == ["[3, later]"]
    w.gate.tell(ANSWER)
    assert w.there == [ANSWER]


async def test_a_batch_that_is_never_written_lets_nothing_leave() -> None:
    w = Before()
    w.page.changed()
    w.gate.tell(ANSWER)
    w.page.collect()
    assert w.there == []


async def test_other_orders_wait_for_nothing_but_the_frames_before_them() -> None:
    """A change of credentials must not overtake the answer that announces it."""
    w, close, credentials = Before(), CloseLink(), UseCredentials(Credentials(1, "new"))
    w.page.changed()
    w.gate.tell(SetPingInterval(20))
    assert w.there == [SetPingInterval(20)]
    for order in (ANSWER, credentials, close, "[3, next]"):
        w.gate.tell(order)
    assert w.there == []
    w.page.write()
    assert w.there == [ANSWER, credentials, close, "[3, next]"]


async def test_nobody_comes_back_with_credentials_that_a_kill_would_have_it_forget(
    autojump_clock: Any, tmp_path: Path
) -> None:
    slow_s = 0.0
    disk = Disk(lambda: slow_s)
    security = SecurityPlan(1, frozenset({0, 1}), has_password=True)
    keys = {**QUIET, "SecurityProfile": "1"}
    async with kept(tmp_path / "state", disk=disk, configuration=keys, security=security) as here:
        w = here.world
        await w.booted()
        slow_s = 60.0
        told_at = trio.current_time()
        assert await w.do("CP1", SetConfiguration("AuthorizationKey", "the-new-password-2")) is None
        await w.until(lambda: w.reported(CredentialsSettled))
        assert trio.current_time() - told_at > 60
        assert w.central.connects == 2


@pytest.mark.parametrize("taken", [False, True])
async def test_a_cut_drops_frames_and_no_other_order(taken: bool) -> None:
    """Else the link would go on with other credentials than its charge point believes, or never come back."""
    w, credentials = Before(), UseCredentials(Credentials(1, "new"))
    w.page.changed()
    for order in (ANSWER, credentials, CALL, OpenLink()):
        w.gate.tell(order)
    if taken:
        w.page.collect()
    heed(w.page, w.gate, LinkDown("reset"), (), settled(w.bench.machine))
    w.page.commit() if taken else w.page.write()
    assert w.there == [credentials, OpenLink()]


async def test_a_gate_holds_no_more_than_a_link_would() -> None:
    w = Before()
    w.page.changed()
    for _ in range(HELD_MAX):
        w.gate.tell(ANSWER)
    with pytest.raises(MailboxFull):
        w.gate.tell(ANSWER)


async def test_a_link_that_takes_no_more_is_found_out_by_whoever_speaks_next() -> None:
    """What was lost between leaves a hole: nothing may go on as if it were not there."""
    w = Before(link=Mailbox(2))
    w.page.changed()
    for number in range(3):
        w.gate.tell(f"[3,{number}]")
    w.page.write()
    assert w.there == ["[3,0]", "[3,1]"]
    assert w.page.written
    with pytest.raises(MailboxFull):
        w.gate.tell(ANSWER)


async def test_nobody_minds_a_link_that_is_gone() -> None:
    w = Before()
    w.page.changed()
    w.gate.tell(ANSWER)
    w.link.close()
    w.page.write()
    assert w.sent == []


# ---- what a message means --------------------------------------------------------------------------------------------

SAMPLE = MeterSampled(1, Reading(1.0, ReadingContext.SAMPLE_PERIODIC, ()), "1", 0.0, 0.0)


def marks(bench: Bench, message: Any) -> list[str]:
    page = Sheet()
    before = settled(bench.machine)
    effects = bench.machine.handle(message, bench.now)
    heed(page, Before(bench=bench).gate, message, effects, before)
    bench._take(effects)
    return page.marks


def booted(**configuration: str) -> Bench:
    bench = Bench(configuration={**QUIET, **configuration})
    bench.boot()
    return bench


def started(bench: Bench) -> None:
    bench.hear(TransactionStarted(1, bench.now, "1", "TAG", 0))
    bench.answer({"transactionId": 5, "idTagInfo": {"status": "Accepted"}})


def result(bench: Bench, payload: str = "{}", id: str | None = None) -> FrameReceived:
    return FrameReceived(f'[3,"{id or bench.frames[-1][1]}",{payload}]')


async def test_a_reading_and_the_answer_to_it_change_the_outbox_alone() -> None:
    bench = booted()
    started(bench)
    assert marks(bench, SAMPLE) == ["outbox"]
    assert bench.line.startswith("MeterValues")
    assert marks(bench, result(bench)) == ["outbox"]


async def test_a_failed_attempt_to_connect_changes_nothing() -> None:
    assert marks(Bench(), ConnectFailed("refused", "", 1.0)) == []


@pytest.mark.parametrize(
    "message",
    [
        StatusChanged(1, 0.0, ConnectorStatus.PREPARING),
        TransactionStarted(1, 0.0, "1", "TAG", 0),
        LinkDown("reset"),
        Instruct(0, SetConfiguration("HeartbeatInterval", "7")),
        FrameReceived('[2,"c1","ClearCache",{}]'),
        FrameReceived('[3,"nobody-asked",{}]'),
        FrameReceived("no frame"),
        FrameReceived(b"binary"),
    ],
    ids=lambda message: type(message).__name__,
)
async def test_whatever_else_happens_may_change_anything(message: Any) -> None:
    assert marks(booted(), message) == ["all"]


async def test_a_late_answer_is_judged_by_what_it_answers_not_by_what_is_being_asked() -> None:
    """The id of a transaction that comes while a heartbeat is under way is written down with it."""
    bench = booted()
    bench.hear(TransactionStarted(1, bench.now, "1", "TAG", 0))
    start = bench.frames[-1][1]
    bench.wait(31)
    bench.instruct(SendHeartbeat())
    assert bench.line == "Heartbeat"
    late = result(bench, '{"transactionId":5,"idTagInfo":{"status":"Accepted"}}', start)
    assert marks(bench, late) == ["all"]
    assert bench.memory.outbox.bindings == {"1": 5}


async def test_a_clock_that_drifts_is_set_by_a_heartbeat() -> None:
    bench = booted()
    bench.instruct(SendHeartbeat())
    time = '{"currentTime":"2026-11-22T12:00:00Z"}'
    assert marks(bench, result(bench, time)) == ["outbox"]
    bench.instruct(BendClock(drift=0.1))
    bench.instruct(SendHeartbeat())
    assert marks(bench, result(bench, time)) == ["all"]


async def test_a_stop_that_is_given_up_after_an_answer_is_forgotten_on_disk_too() -> None:
    """What could not be sent at all shows when its turn comes, with whatever message that is."""
    bench = booted(TransactionMessageAttempts="1")
    bench.start("1")
    bench.instruct(SendHeartbeat())
    bench.fail()
    assert bench.line == "Heartbeat"
    bench.stop("1")
    assert "1" in bench.memory.starts_wh
    assert marks(bench, result(bench, '{"currentTime":"2026-11-22T12:00:00Z"}')) == ["all"]
    assert "1" not in bench.memory.starts_wh


# ---- all of it, with its tasks ---------------------------------------------------------------------------------------


async def test_the_wait_for_an_answer_begins_when_its_call_leaves(autojump_clock: Any, tmp_path: Path) -> None:
    """A disk that takes two minutes makes nobody late, and nobody speak twice; a CSMS that is silent then is."""
    slow_s = 0.0
    disk = Disk(lambda: slow_s)
    async with kept(tmp_path / "state", disk=disk, configuration=QUIET) as here:
        w = here.world
        await w.booted()
        w.central.answers["StartTransaction"] = lambda _: SILENCE
        slow_s = 60.0
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction("TAG"))
        told_at = trio.current_time()
        await w.until(lambda: w.central.said("StartTransaction"))
        assert trio.current_time() - told_at > 60
        assert [each for each in w.reported(CallSettled) if each.outcome == "Timeout"] == []
        left_at = next(each.at for each in w.central.heard if each.action == "StartTransaction")
        await trio.sleep(100)
        timed_out = next(each for each in w.reported(CallSettled) if each.outcome == "Timeout")
        assert (timed_out.action, timed_out.sent_at) == ("StartTransaction", left_at)
        assert timed_out.at == pytest.approx(left_at + 30, abs=1e-6)
        assert w.central.overlaps == []


async def test_what_was_held_back_when_the_connection_ended_was_never_said(autojump_clock: Any, tmp_path: Path) -> None:
    slow_s = 0.0
    disk = Disk(lambda: slow_s)
    async with kept(tmp_path / "state", disk=disk, configuration=QUIET) as here:
        w = here.world
        await w.booted()
        slow_s = 5.0
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction("TAG"))
        await trio.sleep(0.1)
        await w.central.cut()
        slow_s = 0.0
        await w.until(lambda: w.central.said("StartTransaction"))
        await trio.sleep(1)
        cut = [each for each in w.reported(CallSettled) if each.outcome == "Disconnected"]
        assert {(each.sent_at, each.attempt) for each in cut} == {(None, 0)}
        assert [each.attempt for each in w.reported(CallSettled) if each.action == "StartTransaction"] == [1]
