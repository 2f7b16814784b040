"""What a memory is after a kill, and what the CSMS is still owed of it."""

from pathlib import Path
from typing import Any

import pytest
import trio
from counterparts.kept import kept
from counterparts.world import QUIET

from fleet.commands.impairments import Impair, NetworkFault
from fleet.commands.vocabulary import EV, Disconnect, PlugIn, StartTransaction, StopTransaction
from fleet.core.delivery_reports import TransactionRestored
from fleet.core.ev import curve
from fleet.core.memory import Cable, ChargePointMemory
from fleet.core.reports import MeterSampled, Reading, TransactionStarted, TransactionStopped
from fleet.core.transaction import Transaction
from fleet.ocpp.outbox import Outgoing
from fleet.state.restored import LIVES_MAX, after_power_cut, owed
from fleet.words import ReadingContext, StopReason

W = 3_600.0
"""One Wh each second."""


def charging(since: float = 0.0) -> ChargePointMemory:
    memory = ChargePointMemory.blank(2)
    memory.connectors[0].meter.start(curve(EV(battery_wh=1e6, soc=0.1), 0.1, 0.0, W), since)
    memory.connectors[0].transaction = Transaction("1", 1, "TAG", 0, since)
    memory.connectors[0].cable, memory.connectors[0].ev = Cable.PLUGGED, EV(battery_wh=1e6, soc=0.1)
    return memory


def test_the_relays_opened_when_the_run_was_last_seen_alive() -> None:
    memory = charging()
    after_power_cut(memory, cut_at=100.0, now=5000.0, run=2)
    assert memory.connectors[0].meter.reading_wh(5000.0) == 100
    assert [each.cut_at for each in memory.connectors] == [100.0, 100.0]
    assert memory.connectors[0].transaction is not None


def test_who_had_no_power_any_more_did_not_lose_it_again() -> None:
    memory = charging()
    memory.power_cut(50.0)
    after_power_cut(memory, cut_at=None, now=5000.0, run=2)
    assert memory.connectors[0].cut_at == 50.0
    assert memory.connectors[0].meter.reading_wh(5000.0) == 50


def test_who_is_killed_again_before_it_could_stop_its_transaction_lost_its_power_the_first_time() -> None:
    memory = charging()
    after_power_cut(memory, cut_at=100.0, now=200.0, run=2)
    after_power_cut(memory, cut_at=210.0, now=300.0, run=3)
    assert memory.connectors[0].cut_at == 100.0
    assert memory.connectors[0].meter.reading_wh(300.0) == 100


def test_a_wall_clock_that_was_put_back_lets_no_meter_fall_and_nothing_wait_until_then() -> None:
    """The run was alive at 1000 s of this process's clock, and it is 10 s now."""
    memory = charging(since=900.0)
    memory.outbox.messages = [Outgoing("MeterValues", {}, 990.0, "1", not_before=1060.0, order=1)]
    after_power_cut(memory, cut_at=1000.0, now=10.0, run=2)
    connector = memory.connectors[0]
    assert connector.meter.reading_wh(10.0) == 100
    assert connector.cut_at == 10.0
    assert connector.transaction is not None
    assert connector.transaction.started_at == 10.0
    assert memory.outbox.messages[0].not_before == 70.0


def test_a_retry_waits_no_longer_for_a_kill_and_no_shorter() -> None:
    memory = ChargePointMemory.blank(1)
    memory.outbox.messages = [
        Outgoing("StartTransaction", {}, 90.0, "1", not_before=160.0, order=1),
        Outgoing("MeterValues", {}, 95.0, "1", order=2),
    ]
    after_power_cut(memory, cut_at=100.0, now=120.0, run=2)
    assert [each.not_before for each in memory.outbox.messages] == [160.0, float("-inf")]
    # Nobody could have said it while there was nobody.
    assert [each.due_at for each in memory.outbox.messages] == [120.0, 120.0]


def test_what_was_between_it_and_its_csms_belonged_to_the_run() -> None:
    memory = charging()
    memory.away = True
    memory.impairments = ((Impair(NetworkFault.STALL, 45.0), 145.0),)
    after_power_cut(memory, 100.0, 200.0, 2)
    assert (memory.away, memory.impairments) == (False, ())
    assert memory.connectors[0].cable is Cable.PLUGGED


def test_cars_that_drove_away_with_their_drivers_are_gone() -> None:
    memory = charging()
    after_power_cut(memory, 100.0, 200.0, 2, cars_gone=True)
    assert (memory.connectors[0].cable, memory.connectors[0].ev) == (Cable.NONE, None)


@pytest.mark.parametrize(
    ("lives", "run", "first"), [(7, 2, LIVES_MAX), (LIVES_MAX + 3, 2, LIVES_MAX + 3), (0, 3, 2 * LIVES_MAX)]
)
def test_lives_are_numbered_from_the_beginning_of_their_run(lives: int, run: int, first: int) -> None:
    memory = ChargePointMemory.blank(1)
    memory.incarnation = lives
    after_power_cut(memory, 1.0, 2.0, run)
    assert memory.incarnation == first


# ---- what is owed ----------------------------------------------------------------------------------------------------

STARTED = TransactionStarted(1, 10.0, "1", "TAG", 5)
STOPPED = TransactionStopped(1, 20.0, "1", 25, StopReason.LOCAL)


def waiting(*contexts: object) -> ChargePointMemory:
    memory = ChargePointMemory.blank(2)
    memory.outbox.messages = [
        Outgoing("", {}, 0.0, "1", context=context, order=order) for order, context in enumerate(contexts, 1)
    ]
    return memory


def test_nothing_is_owed_where_nothing_waits() -> None:
    assert owed(ChargePointMemory.blank(2), 0.0) == ()


def test_a_running_transaction_is_owed_its_stop() -> None:
    memory = charging()
    memory.starts_wh["1"] = 0
    memory.outbox.bindings["1"] = 9
    after_power_cut(memory, 100.0, 200.0, 2)
    assert owed(memory, 200.0) == (TransactionRestored(1, 200.0, "1", 0, 100, "TAG", 9),)


@pytest.mark.parametrize("unheard", [False, True])
def test_a_whole_transaction_that_nobody_was_told_of_is_owed(unheard: bool) -> None:
    memory = ChargePointMemory.blank(2) if unheard else waiting(STARTED, None, STOPPED)
    sample = MeterSampled(1, Reading(15.0, ReadingContext.SAMPLE_PERIODIC, ()), "1", 0.0, 0.0)
    if unheard:
        memory.unheard = [STARTED, sample, STOPPED]
    else:
        memory.starts_wh["1"] = 5
    assert owed(memory, 30.0) == (TransactionRestored(1, 30.0, "1", 5, 0, "TAG", None, 25),)


def test_of_a_start_that_was_answered_only_the_meter_is_left() -> None:
    memory = waiting(STOPPED)
    memory.starts_wh["1"] = 5
    memory.outbox.bindings["1"] = 0
    assert owed(memory, 30.0) == (TransactionRestored(1, 30.0, "1", 5, 0, None, 0, 25),)


def test_a_start_that_waits_for_a_transaction_that_runs_is_one_transaction() -> None:
    memory = charging()
    memory.outbox.messages = [Outgoing("StartTransaction", {}, 0.0, "1", context=STARTED, order=1)]
    memory.starts_wh["1"] = 0
    assert [each.transaction for each in owed(memory, 1.0)] == ["1"]


def test_whatever_is_not_of_a_transaction_is_not_owed() -> None:
    memory = waiting(None)
    memory.starts_wh["0"] = 3
    assert owed(memory, 0.0) == ()


# ---- seen from the CSMS ----------------------------------------------------------------------------------------------


async def test_who_was_killed_in_a_transaction_says_that_it_lost_its_power(autojump_clock: Any, tmp_path: Path) -> None:
    path = tmp_path / "state"
    async with kept(path, configuration=QUIET) as here:
        await here.world.booted()
        await here.world.do("CP1/1", PlugIn())
        await here.world.do("CP1/1", StartTransaction("TAG"))
        await trio.sleep(60)
    killed_at = trio.current_time()
    await trio.sleep(7200)
    async with kept(path, configuration=QUIET) as here:
        w = here.world
        await w.until(lambda: w.central.said("StopTransaction"))
        (stop,) = w.central.said("StopTransaction")
        assert (stop["transactionId"], stop["reason"]) == (1001, "PowerLoss")
        assert stop["meterStop"] == pytest.approx(120, abs=2)
        assert w.central.said("StartTransaction") == []
        assert w.central.heard[0].action == "BootNotification"
        balance = here.books.compare()
        assert (balance.started, balance.delivered, balance.restored) == (1, 1, 1)
        assert balance.balanced, balance.findings
        stopped = next(each for _, each in w.reports if isinstance(each, TransactionStopped))
        assert killed_at - 1 <= stopped.at <= killed_at


async def test_what_was_said_offline_before_a_kill_is_said_after_it(autojump_clock: Any, tmp_path: Path) -> None:
    path = tmp_path / "state"
    async with kept(path, configuration={**QUIET, "AllowOfflineTxForUnknownId": "true"}) as here:
        w = here.world
        await w.booted()
        await w.do("CP1", Disconnect())
        await trio.sleep(1)
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction("TAG"))
        await trio.sleep(60)
        await w.do("CP1/1", StopTransaction())
        await trio.sleep(1)
        assert w.central.said("StartTransaction") == []
    async with kept(path, configuration=QUIET) as here:
        w = here.world
        await w.until(lambda: w.central.said("StopTransaction"))
        await trio.sleep(100)
        (start,), (stop,) = w.central.said("StartTransaction"), w.central.said("StopTransaction")
        assert (start["idTag"], stop["meterStop"] - start["meterStart"], stop.get("reason", "Local")) == (
            "TAG",
            120,
            "Local",
        )
        balance = here.books.compare()
        assert balance.balanced, balance.findings
