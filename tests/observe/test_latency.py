"""Latencies from both starting points, of single reports and of whole charge points against a scripted CSMS."""

from typing import Any

import pytest
import trio
from counterparts.scripted import CALL_TIMEOUT_S, SILENCE, Heard, utc_now
from counterparts.world import QUIET, World, world

from fleet.commands.vocabulary import PlugIn, StartTransaction, StopTransaction
from fleet.core.reports import (
    AuthorizationRequested,
    CallSettled,
    Drained,
    GivenUp,
    LinkUp,
    ObservedReport,
    PoweredUp,
    Registered,
    RemoteStartAccepted,
    RemoteStopAccepted,
    Restarted,
    StatusChanged,
    TransactionStarted,
)
from fleet.observe.durations import Durations
from fleet.observe.latency import ACTIONS_MAX, OUTCOMES_MAX, Latency
from fleet.observe.observer import Observer
from fleet.words import ConnectorStatus, RegistrationStatus

ACCEPTED, PENDING = RegistrationStatus.ACCEPTED, RegistrationStatus.PENDING


def told(*reports: ObservedReport, charge_point: str = "CP1") -> Latency:
    latency = Latency()
    tell(latency, *reports, charge_point=charge_point)
    return latency


def tell(latency: Latency, *reports: ObservedReport, charge_point: str = "CP1") -> None:
    observer = Observer(latency)
    for report in reports:
        observer.report(charge_point, report)


def settled(outcome: str = "Result", action: str = "Authorize", **changes: Any) -> CallSettled:
    return CallSettled(**{"action": action, "outcome": outcome, "due_at": 10.0, "sent_at": 11.0, "at": 11.5, **changes})


def only(durations: Durations) -> float:
    """The one duration that was seen."""
    assert durations.count == 1
    return durations.max_s


# ---- single reports --------------------------------------------------------------------------------------------------


def test_a_call_counts_from_when_it_was_due_and_from_when_it_was_sent() -> None:
    times = told(settled()).of("Authorize")
    assert times is not None
    assert (only(times.due), only(times.sent)) == (1.5, 0.5)


@pytest.mark.parametrize("outcome", ["Result", "InternalError", "NotSupported", "BadResult"])
def test_every_kind_of_answer_is_an_answer(outcome: str) -> None:
    latency = told(settled(), settled(outcome))
    times, apart = latency.of("Authorize"), latency.of_outcome("Authorize", outcome)
    assert times is not None
    assert apart is not None
    assert (times.due.count, times.due.censored, times.sent.count) == (2, 0, 2)
    assert apart.sent.count == (2 if outcome == "Result" else 1)


def test_a_timeout_is_in_the_percentiles_as_a_lower_bound() -> None:
    times = told(settled(), settled("Timeout", at=41.0)).of("Authorize")
    assert times is not None
    assert (times.due.count, times.due.censored) == (times.sent.count, times.sent.censored) == (2, 1)
    assert times.due.quantiles((0.5, 0.99)) == [(pytest.approx(1.5, rel=0.001), False), (31.0, True)]
    assert times.sent.quantile(0.99) == (30.0, True)


def test_a_call_that_was_cut_off_says_nothing_of_how_fast_the_csms_is() -> None:
    latency = told(settled("Disconnected"), settled("Disconnected", sent_at=None))
    times, cut = latency.of("Authorize"), latency.of_outcome("Authorize", "Disconnected")
    assert times is not None
    assert cut is not None
    assert (times.due.count, times.sent.count) == (0, 0)
    assert (cut.due.count, cut.sent.count) == (2, 1)
    assert latency.take_interval().due.count == 0


def test_an_action_that_was_never_said_has_no_latency() -> None:
    latency = told(settled())
    assert latency.of("Heartbeat") is None
    assert latency.of_outcome("Authorize", "Timeout") is None
    assert latency.actions == ("Authorize",)
    assert latency.outcomes("Authorize") == ("Result",)
    assert list(latency.calls) == ["Authorize"]


def test_an_interval_holds_what_was_settled_since_the_last_one() -> None:
    latency = told(settled(), settled(action="Heartbeat"), settled("Timeout", at=41.0))
    first = latency.take_interval()
    assert (first.due.count, first.due.censored, first.sent.max_s) == (3, 1, 30.0)
    tell(latency, settled(at=12.0))
    second = latency.take_interval()
    assert (only(second.due), only(second.sent)) == (2.0, 1.0)
    assert latency.take_interval().due.count == 0
    times = latency.of("Authorize")
    assert times is not None
    assert times.due.count == 3


def test_a_csms_may_not_invent_more_kinds_of_call_than_there_is_room_for() -> None:
    latency = told(*(settled(action=f"Raw{number}") for number in range(1000)), settled("Timeout", action="Raw999"))
    assert len(latency.actions) == ACTIONS_MAX + 1
    other = latency.of("other")
    assert other is not None
    assert (other.due.count, other.due.censored) == (1001 - ACTIONS_MAX, 1)

    latency = told(*(settled(f"Code{number}") for number in range(1000)), settled("Timeout"), settled("Disconnected"))
    assert len(latency.outcomes("Authorize")) == OUTCOMES_MAX + 3
    times = latency.of("Authorize")
    assert times is not None
    assert (times.due.count, times.due.censored) == (1001, 1)


def test_what_a_csms_invents_is_a_short_word_that_can_be_printed() -> None:
    latency = told(settled(action="\x1b[31m" + "x" * 1000), settled(action="\x1b[31m" + "x" * 1000))
    (action,) = latency.actions
    assert action.isprintable()
    assert len(action) < 60
    times = latency.of(action)
    assert times is not None
    assert times.due.count == 2


def test_a_connection_counts_by_its_stages_and_tls_only_where_there_is_some() -> None:
    latency = told(LinkUp(0.6, 0.1, 0.3, 0.2), LinkUp(0.6, 0.4, None, 0.2))
    assert {stage: (times.count, times.max_s) for stage, times in latency.connect.items()} == {
        "tcp": (2, 0.4),
        "tls": (1, 0.3),
        "websocket": (2, 0.2),
    }
    assert (latency.connected.count, latency.connected.max_s) == (2, 0.6)


def test_a_boot_goes_from_power_up_to_the_first_acceptance() -> None:
    latency = told(
        PoweredUp(5.0),
        Registered(6.0, PENDING, 10),
        Registered(16.5, ACCEPTED, 300),
        # Once more, at the CSMS's wish: no boot.
        Registered(99.0, ACCEPTED, 300),
    )
    assert only(latency.boot) == 11.5
    assert latency.boot.censored == 0


@pytest.mark.parametrize(
    "end",
    [
        PoweredUp(9.0),
        Restarted(9.0, crashed=True),
        GivenUp(9.0, "a bug"),
        Drained(9.0, 0),
    ],
)
def test_a_life_that_ends_before_it_was_accepted_has_booted_in_vain(end: ObservedReport) -> None:
    latency = told(PoweredUp(5.0), end)
    assert (only(latency.boot), latency.boot.censored) == (4.0, 1)


def test_who_still_boots_at_the_end_of_the_run_has_waited_in_vain() -> None:
    latency = told(PoweredUp(5.0), Registered(6.0, ACCEPTED, 300))
    tell(latency, PoweredUp(5.0), charge_point="CP2")
    latency.finish(65.0)
    latency.finish(99.0)
    assert (latency.boot.count, latency.boot.censored, latency.boot.max_s) == (2, 1, 60.0)


ASKED = RemoteStartAccepted(1, "TAG", 100.0)
STARTED = TransactionStarted(1, 100.5, "key", "TAG", 0)
SAID = settled(action="StartTransaction", due_at=100.5, sent_at=102.0, at=103.0, transaction="key")


def test_a_remote_start_counts_until_the_frame_of_its_transaction() -> None:
    latency = told(ASKED, STARTED, SAID, settled(action="StartTransaction", sent_at=200.0, transaction="key"))
    assert only(latency.remote_start) == 2.0


def test_the_first_frame_counts_even_if_it_has_to_be_said_again() -> None:
    unsent = settled("Disconnected", action="StartTransaction", sent_at=None, transaction="key")
    timeout = settled("Timeout", action="StartTransaction", sent_at=104.0, at=134.0, transaction="key")
    latency = told(ASKED, STARTED, unsent, timeout, SAID)
    assert only(latency.remote_start) == 4.0
    assert latency.remote_start.censored == 0


@pytest.mark.parametrize(
    "between",
    [
        (StatusChanged(1, 160.0, ConnectorStatus.AVAILABLE),),
        (AuthorizationRequested(1, 160.0, "TAG"),),
        (TransactionStarted(1, 160.0, "older", "SOMEBODY", 0),),
        (Restarted(160.0, crashed=False),),
        (PoweredUp(160.0),),
    ],
)
def test_a_remote_start_that_came_to_nothing_is_not_matched_with_a_later_transaction(
    between: tuple[ObservedReport, ...],
) -> None:
    assert told(ASKED, *between, STARTED, SAID).remote_start.count == 0


def test_a_transaction_of_somebody_else_is_no_effect_of_a_remote_start() -> None:
    assert told(ASKED, TransactionStarted(2, 100.5, "key", "TAG", 0), SAID).remote_start.count == 0
    latency = told(ASKED)
    tell(latency, STARTED, SAID, charge_point="CP2")
    assert latency.remote_start.count == 0


def test_a_remote_stop_counts_until_the_frame_of_the_stop_whatever_is_said_before() -> None:
    latency = told(
        RemoteStopAccepted(1, "key", 100.0),
        settled(action="MeterValues", sent_at=100.5, transaction="key"),
        # The CSMS loses patience and asks again.
        RemoteStopAccepted(1, "key", 101.0),
        settled(action="StopTransaction", sent_at=103.0, at=104.0, transaction="key"),
    )
    assert only(latency.remote_stop) == 3.0


def test_a_remote_command_whose_frame_never_went_out_has_waited_in_vain() -> None:
    latency = told(ASKED, STARTED, RemoteStopAccepted(2, "other key", 110.0))
    latency.finish(130.0)
    assert (only(latency.remote_start), latency.remote_start.censored) == (30.0, 1)
    assert (only(latency.remote_stop), latency.remote_stop.censored) == (20.0, 1)


# ---- whole charge points, in virtual time ----------------------------------------------------------------------------


def listen(w: World) -> Latency:
    latency = Latency()
    w.observer.add(latency)
    return latency


def of(latency: Latency, action: str) -> tuple[Durations, Durations]:
    times = latency.of(action)
    assert times is not None
    return times.due, times.sent


def stalling(begins_at: float, lasts_s: float, otherwise_s: float = 0.005) -> Any:
    """A CSMS that stands still once: whatever comes while it does is answered when it is over."""

    def latency_s(heard: Heard) -> float:
        return begins_at + lasts_s - heard.at if begins_at <= heard.at < begins_at + lasts_s else otherwise_s

    return latency_s


async def test_a_stall_of_2_s_shows_in_the_due_based_percentiles_and_hides_from_the_sent_based(
    autojump_clock: Any,
) -> None:
    """Ten charge points of four connectors say a MeterValues a second each, and once the CSMS stalls."""
    settings = {**QUIET, "MeterValueSampleInterval": "1"}
    async with world(charge_points=10, connectors=4, configuration=settings) as w:
        await w.booted()
        for charge_point in range(1, 11):
            for connector in range(1, 5):
                await w.do(f"CP{charge_point}/{connector}", PlugIn())
                await w.do(f"CP{charge_point}/{connector}", StartTransaction("TAG"))
                # Each at its own time within the second.
                await trio.sleep(0.023)
        await trio.sleep(5)
        latency = listen(w)
        w.central.latency_s = stalling(trio.current_time() + 20, 2.0)
        await trio.sleep(50)
        due, sent = of(latency, "MeterValues")
        assert due.count == sent.count == pytest.approx(2000, abs=20)
        # Of the 200 messages of a charge point 8 fell due while the CSMS stood still; the first 2 waited the longest.
        assert 1.4 < due.quantile(0.99).value_s < 2.1
        assert 1.7 < due.max_s < 2.1
        # But a charge point says one CALL at a time: of each only one, 0.5 %, was out, and the percentile hides it.
        assert sent.quantile(0.99).value_s == pytest.approx(0.005, rel=0.01)
        assert sent.max_s == pytest.approx(due.max_s, abs=0.1)
        # Nothing is wrong anywhere else.
        assert due.quantile(0.95).value_s < 0.1
        assert due.censored == sent.censored == 0


async def test_a_silent_csms_makes_lower_bounds_that_no_percentile_drops(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        latency = listen(w)
        w.central.heartbeat_interval_s = 60
        await w.booted()
        await trio.sleep(600)
        answered = len(w.central.said("Heartbeat"))
        w.central.answers["Heartbeat"] = lambda _: SILENCE
        await trio.sleep(300)
        _due, sent = of(latency, "Heartbeat")
        assert answered > 5
        assert sent.censored >= 3
        assert sent.count == answered + sent.censored
        assert sent.quantile(0.99) == sent.quantile(1.0) == (CALL_TIMEOUT_S, True)
        assert sent.quantile(answered / sent.count) == (0.0, False)


async def test_a_transaction_message_that_is_said_again_has_been_due_since_the_first_time(autojump_clock: Any) -> None:
    settings = {**QUIET, "TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "60"}
    async with world(configuration=settings) as w:
        latency = listen(w)
        await w.booted()
        answers = iter(
            [SILENCE, ("InternalError", "not now"), {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}]
        )
        w.central.answers["StartTransaction"] = lambda _: next(answers)
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction("TAG"))
        await w.until(lambda: latency.of_outcome("StartTransaction", "Result"))
        by_outcome = {
            outcome: latency.of_outcome("StartTransaction", outcome) for outcome in latency.outcomes("StartTransaction")
        }
        assert {outcome: times and (only(times.due), only(times.sent)) for outcome, times in by_outcome.items()} == {
            "Timeout": (30.0, 30.0),
            # 60 s after the first failure, 120 s after the second.
            "InternalError": (90.0, 0.0),
            "Result": (210.0, 0.0),
        }
        assert [(s.attempt, s.outcome) for s in w.reported(CallSettled) if s.action == "StartTransaction"] == [
            (1, "Timeout"),
            (2, "InternalError"),
            (3, "Result"),
        ]
        due, _sent = of(latency, "StartTransaction")
        assert due.quantiles((0.0, 1.0)) == [(pytest.approx(30.0, rel=0.001), True), (210.0, True)]


async def test_a_boot_is_measured_through_waiting_refusals_and_a_reset(autojump_clock: Any) -> None:
    async with world(configuration=QUIET) as w:
        latency = listen(w)
        w.central.latency_s = lambda _: 0.25
        statuses = iter(["Pending", "Rejected"])
        w.central.answers["BootNotification"] = lambda _: {
            "status": next(statuses, "Accepted"),
            "currentTime": utc_now(),
            "interval": 10,
        }
        await w.booted()
        assert only(latency.boot) == pytest.approx(0.25 * 3 + 10 * 2)
        w.central.forget()
        await w.central.call("CP1", "Reset", {"type": "Hard"})
        await w.until(lambda: latency.boot.count == 2)
        powered = [report.at for report in w.reported(PoweredUp)]
        accepted = [report.at for report in w.reported(Registered) if report.status is ACCEPTED]
        assert len(powered) == len(accepted) == 2
        assert latency.boot.total_s == pytest.approx(accepted[0] - powered[0] + accepted[1] - powered[1])
        assert latency.boot.censored == 0


async def test_a_csms_that_is_not_there_makes_boots_in_vain(autojump_clock: Any) -> None:
    async with world(charge_points=3, configuration=QUIET) as w:
        latency = listen(w)
        w.central.refusing = True
        await trio.sleep(300)
        assert latency.boot.count == 0
        latency.finish(trio.current_time())
        assert (latency.boot.count, latency.boot.censored) == (3, 3)
        assert latency.boot.quantile(0.5) == (pytest.approx(300, rel=0.001), True)


async def test_a_remote_start_and_stop_are_measured_to_the_frame_of_their_effect(autojump_clock: Any) -> None:
    settings = {**QUIET, "AuthorizeRemoteTxRequests": "true", "MeterValueSampleInterval": "30"}
    async with world(configuration=settings) as w:
        await w.booted()
        latency = listen(w)
        w.central.latency_s = lambda heard: 0.7 if heard.action == "Authorize" else 0.0
        await w.do("CP1/2", PlugIn())
        await trio.sleep(1)
        asked_at = trio.current_time()
        await w.central.ask("CP1", "RemoteStartTransaction", {"idTag": "TAG", "connectorId": 2})
        await w.until(lambda: latency.remote_start.count)
        (start,) = [heard for heard in w.central.heard if heard.action == "StartTransaction"]
        assert only(latency.remote_start) == pytest.approx(start.at - asked_at) == pytest.approx(0.7)
        # While something else is being said, the StopTransaction has to wait for its turn.
        w.central.latency_s = lambda heard: 0.4 if heard.action == "MeterValues" else 0.0
        await w.until(lambda: w.central.said("MeterValues"))
        asked_at = trio.current_time()
        await w.central.ask("CP1", "RemoteStopTransaction", {"transactionId": 1001})
        await w.until(lambda: latency.remote_stop.count)
        (stop,) = [heard for heard in w.central.heard if heard.action == "StopTransaction"]
        assert only(latency.remote_stop) == pytest.approx(stop.at - asked_at)
        assert 0.35 < latency.remote_stop.max_s <= 0.4


async def test_a_remote_start_that_nobody_plugs_in_for_is_no_measurement(autojump_clock: Any) -> None:
    async with world(configuration={**QUIET, "ConnectionTimeOut": "60"}) as w:
        await w.booted()
        latency = listen(w)
        await w.central.call("CP1", "RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1})
        await trio.sleep(120)
        # The driver comes after all, and starts by hand.
        await w.do("CP1/1", PlugIn())
        await w.do("CP1/1", StartTransaction("TAG"))
        await trio.sleep(60)
        await w.do("CP1/1", StopTransaction())
        await w.until(lambda: w.central.said("StopTransaction"))
        latency.finish(trio.current_time())
        assert (latency.remote_start.count, latency.remote_stop.count) == (0, 0)
