"""The console: lines in, answers out, over whole charge points on virtual time."""

from typing import Any

import attrs
import pytest
import trio
from counterparts.planted import planted
from counterparts.scripted import SILENCE

from fleet.commands.completion import Candidate
from fleet.control.answer import Refused
from fleet.control.console import Console
from fleet.control.glance import Glance
from fleet.core.plan import ChargePointPlan, ConnectorPlan
from fleet.core.reports import Restarted
from fleet.errors import EXIT_CONFIGURATION, EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED

# ---- one connector ---------------------------------------------------------------------------------------------------


async def test_a_visit_is_five_lines(autojump_clock: Any) -> None:
    async with planted() as on:
        on.world.central.forget()
        for line in ("plug CP1/1", "start CP1/1 TAG7", "stop CP1/1", "unplug CP1/1"):
            answer = await on.do(line)
            assert (answer.ok, answer.text, answer.exit_code) == (True, f"{line}: done", EXIT_DONE)
            await trio.sleep(3)
        assert on.world.central.story() == [
            "1:Preparing",
            *("StartTransaction", "1:Charging"),
            *("StopTransaction", "1:Finishing", "1:Preparing"),
            "1:Available",
        ]
        assert on.world.central.said("StartTransaction")[0]["idTag"] == "TAG7"


@pytest.mark.parametrize(
    ("before", "line", "reason"),
    [
        ((), "start CP1/1", "Cable must be plugged in before starting transaction"),
        (("plug CP1/1", "start CP1/1"), "unplug CP1/1", "Cannot unplug cable during active transaction"),
        ((), "stop CP1/2", "No active transaction on connector 2"),
    ],
)
async def test_a_refusal_is_the_machines_own_text(
    before: tuple[str, ...], line: str, reason: str, autojump_clock: Any
) -> None:
    async with planted() as on:
        for earlier in before:
            assert (await on.do(earlier)).ok
        answer = await on.do(line)
        target = line.split()[1]
        assert answer.refused == (Refused(target, reason),)
        assert (answer.text, answer.ok, answer.exit_code, answer.done) == (f"{target}: {reason}", False, EXIT_FAILED, 0)


async def test_values_come_back_in_the_text_and_as_data(autojump_clock: Any) -> None:
    async with planted() as on:
        answer = await on.do("get CP1 ConnectionTimeOut HeartbeatInterval")
        assert answer.data["CP1"]["HeartbeatInterval"] is not None
        assert "  CP1: ConnectionTimeOut = 60" in answer.text.splitlines()
        assert (await on.do("authorize CP1 TAG1")).data == {"CP1": "Accepted"}
        raw = await on.do('raw CP1 DataTransfer {"vendorId": "x"}')
        assert raw.data == {"CP1": {"status": "Accepted"}}


# ---- many ------------------------------------------------------------------------------------------------------------


async def test_many_targets_have_one_line_of_counts_and_their_refusals(autojump_clock: Any) -> None:
    async with planted(4) as on:
        await on.do("plug CP1/1,CP3/2")
        answer = await on.do("plug */*")
        assert (answer.done, len(answer.refused)) == (6, 2)
        assert answer.text.splitlines() == [
            "plug */*: 6 done, 2 refused",
            "  CP1/1: Cable is already plugged in on connector 1",
            "  CP3/2: Cable is already plugged in on connector 2",
        ]


async def test_many_refusals_are_counted_by_reason(autojump_clock: Any) -> None:
    async with planted(12) as on:
        answer = await on.do("stop */1")
        assert (answer.done, len(answer.refused)) == (0, 12)
        assert answer.text.splitlines() == [
            "stop */1: 0 done, 12 refused",
            "  12 x No active transaction on connector 1 (CP1/1, ...)",
        ]


async def test_two_thousand_connectors_are_plugged_in_at_once_and_the_loop_goes_on() -> None:
    # On the real clock, so that a fleet that doesn't get there has to be given up some time.
    with trio.fail_after(300):
        await _plug_two_thousand()


async def _plug_two_thousand() -> None:
    async with planted(1_000) as on:
        turns = 0

        async def watch_the_loop() -> None:
            nonlocal turns
            while True:
                await trio.sleep(0.01)
                turns += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_the_loop)
            answer = await on.do("plug */*")
            nursery.cancel_scope.cancel()
        assert (answer.done, answer.refused) == (2_000, ())
        # Others had their turn between the batches; how soon is for the benchmark to say.
        assert turns > 5
        for line, shown in (("status", "by_status"), ("list", "charge_points"), ("status */*", "connectors")):
            assert shown in (await on.do(line)).data


async def test_a_sample_that_is_in_use_stays_the_same_one(autojump_clock: Any) -> None:
    async with planted(10) as on:
        used = await on.do("use */*~3")
        assert used.data == {"target": "*/*~3", "count": 3}
        assert (await on.do("plug")).done == 3
        assert (await on.do("start")).done == 3
        assert (await on.do("status")).data["connectors"][0]["status"] == "Charging"
        # A sample that is typed is another one each time.
        drawn = {
            tuple(row["charge_point"] for row in (await on.do("list *~3")).data["charge_points"]) for _ in range(9)
        }
        assert len(drawn) > 1


# ---- what is wrong with a line ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("plgu CP1/1", "did you mean plug or unplug?"),
        ("plug CP9/1", "there is no charge point CP9"),
        ("plug CP1", "plug needs a connector"),
        ("plug CP1/7", "CP1 has 2 connectors"),
        ("stop */*@Faulted", "is Faulted now"),
        ("fault CP1/1 NoSuchThing", "NoSuchThing"),
        ("set CP1", "set needs key"),
        ("plug", "needs a target"),
        ("help nonsense", "nonsense"),
        ("end", "only in a scenario"),
        ("run /no/such/file CP1/1", "can't read it"),
        ("\x00\x1b[31m", "no command"),
        ("use CP9", "there is no charge point CP9"),
        ("monitor", "only in a shell"),
        ("pause", "there are no drivers here"),
        ("scale 7", "no pattern to grow by"),
        ("add CP1", "there is a charge point CP1 already"),
    ],
)
async def test_a_line_that_is_wrong_says_why_and_ends_nothing(line: str, text: str, autojump_clock: Any) -> None:
    async with planted() as on:
        answer = await on.do(line)
        assert text in answer.text
        assert answer.exit_code in (EXIT_CONFIGURATION, EXIT_FAILED)
        assert not answer.ok
        assert answer.done == 0
        assert (await on.do("plug CP1/1")).ok


async def test_a_mistyped_argument_has_a_caret_under_it(autojump_clock: Any) -> None:
    async with planted() as on:
        answer = await on.do("stop CP1/1 Lokal")
        line, caret = answer.text.splitlines()[-2:]
        assert line == "stop CP1/1 Lokal"
        assert caret == "           ^^^^^"


@pytest.mark.parametrize("line", ["", "   ", "# a comment"])
async def test_a_blank_line_is_nothing(line: str, autojump_clock: Any) -> None:
    async with planted() as on:
        assert (await on.do(line)).ok


async def test_a_bug_in_a_command_is_an_answer(autojump_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with planted() as on:

        def broken(*_: object) -> None:
            raise ZeroDivisionError("by nought")

        monkeypatch.setattr(on.plant.board, "energy_wh", broken)
        answer = await on.do("status")
        assert answer.error == "a bug: ZeroDivisionError: by nought"
        assert answer.exit_code == EXIT_FAILED
        assert (await on.do("plug CP1/1")).ok


# ---- cancelling ------------------------------------------------------------------------------------------------------


async def test_a_cancelled_line_says_how_far_it_came(autojump_clock: Any) -> None:
    # A CSMS that says nothing lets a heartbeat wait for its answer.
    async with planted(3, answers={"Heartbeat": lambda _: SILENCE}) as on:
        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                await trio.sleep(1)
                on.console.cancel()

            nursery.start_soon(cancel)
            answer = await on.do("heartbeat *")
        assert answer.error is not None
        assert answer.exit_code == EXIT_INTERRUPTED
        assert "3 not heard of" in answer.text
        assert (await on.do("plug */*")).done == 6


async def test_a_wait_can_be_cancelled_too(autojump_clock: Any) -> None:
    async with planted() as on:
        scope = trio.CancelScope()
        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                await trio.sleep(1)
                scope.cancel()

            nursery.start_soon(cancel)
            answer = await on.console.execute("wait 10h", scope)
        assert answer.error == "wait 10h: cancelled"


# ---- the fleet -------------------------------------------------------------------------------------------------------


async def test_the_details_are_those_of_the_connector(autojump_clock: Any) -> None:
    async with planted() as on:
        await on.do("plug CP1/1")
        await on.do("start CP1/1 TAG1")
        await trio.sleep(600)
        first, second = (await on.do("status CP1")).data["connectors"]
        assert first["status"] == "Charging"
        assert first["plugged"] is True
        assert (first["transaction_id"], first["id_tag"]) == (1001, "TAG1")
        assert first["power_w"] == 7_200
        assert first["energy_wh"] == pytest.approx(1_200, abs=2)
        assert (second["status"], second["plugged"], second["charging"]) == ("Available", False, False)
        text = (await on.do("status CP1/1")).text.splitlines()
        assert text[:4] == ["CP1/1:", "   Status: Charging", "   Cable: Plugged", "   Error Code: NoError"]
        assert "   Energy Delivered: 1.20 kWh" in text
        await on.do("fault CP1/2 GroundFailure")
        assert (await on.do("status CP1/2")).data["connectors"][0]["error_code"] == "GroundFailure"
        await on.do("stop CP1/1")
        assert (await on.do("status CP1/1")).data["connectors"][0]["transaction_id"] is None


async def test_the_limit_by_charging_profiles_is_among_the_details_and_outlives_a_reboot(autojump_clock: Any) -> None:
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1_500}]}
    profile = {
        "chargingProfileId": 3,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    async with planted() as on:
        asked = {"connectorId": 1, "csChargingProfiles": profile}
        assert await on.world.central.call("CP1", "SetChargingProfile", asked) == {"status": "Accepted"}
        await trio.sleep(1)
        assert "   Limited To: 1.5 kW by charging profiles" in (await on.do("status CP1/1")).text.splitlines()
        assert [row["limit_w"] for row in (await on.do("status CP1")).data["connectors"]] == [1_500, None]
        shown = (await on.do("profiles CP1/1")).text.splitlines()
        assert "  CP1/1: limited_by = TxDefaultProfile 3" in shown
        # The profile outlives a reboot, and who is told anew is shown anew.
        assert (await on.do("reboot CP1 hard")).ok
        await trio.sleep(30)
        assert (await on.do("status CP1/1")).data["connectors"][0]["limit_w"] == 1_500
        assert await on.world.central.call("CP1", "ClearChargingProfile", {}) == {"status": "Accepted"}
        await trio.sleep(1)
        assert (await on.do("status CP1/1")).data["connectors"][0]["limit_w"] is None


async def test_no_energy_is_counted_in_the_dark(autojump_clock: Any) -> None:
    async with planted() as on:
        await on.do("plug CP1/1")
        await on.do("start CP1/1 TAG1")
        await trio.sleep(600)
        await on.do("power-cut CP1")
        await trio.sleep(600)
        row = (await on.do("status CP1/1")).data["connectors"][0]
        assert (row["status"], row["charging"], row["power_w"]) == (None, True, 0.0)
        assert row["energy_wh"] == pytest.approx(1_200, abs=2)
        await on.do("power-return CP1")
        await trio.sleep(60)
        assert (await on.do("status CP1/1")).data["connectors"][0]["charging"] is False


async def test_the_cable_stays_in_across_a_reboot(autojump_clock: Any) -> None:
    async with planted() as on:
        await on.do("plug CP1/1")
        assert (await on.do("reboot CP1 hard")).ok
        await trio.sleep(30)
        assert on.world.reported(Restarted)
        row = (await on.do("status CP1/1")).data["connectors"][0]
        assert (row["status"], row["plugged"]) == ("Preparing", True)


async def test_a_glance_counts_everything(autojump_clock: Any) -> None:
    async with planted(3) as on:
        await on.do("use CP1/1")
        await on.do("plug")
        await on.do("start")
        await trio.sleep(1)
        before = on.console.glance()
        await trio.sleep(10)
        for _ in range(20):
            await on.do("heartbeat *")
        glance = on.console.glance()
        assert (glance.target, glance.charge_points, glance.online, glance.connectors) == ("CP1/1", 3, 3, 6)
        assert glance.by_status == {"Available": 5, "Charging": 1}
        assert (glance.running, glance.power_w) == (1, 7_200)
        assert glance.messages - before.messages == 60
        assert glance.messages_per_s > 0
        assert Glance.from_dict({**glance.as_dict(), "from_the_future": 1}) == glance


async def test_completion_knows_live_ids_statuses_keys_and_tags(autojump_clock: Any) -> None:
    async with planted(2, plant={"some_id_tags": ["TAG1"], "actions": ["Heartbeat"]}) as on:

        def offered(line: str) -> list[str]:
            candidates = on.console.complete(line, len(line))
            assert all(isinstance(candidate, Candidate) for candidate in candidates)
            return [candidate.text for candidate in candidates]

        assert "CP2/1" in offered("plug CP2")
        assert any(text.startswith("HeartbeatInterval") for text in offered("set CP1 Heart"))
        assert "TAG1" in offered("start CP1/1 T")
        assert "Heartbeat" in offered("raw CP1 H")
        await on.do("add CP77")
        assert any(text.startswith("CP77") for text in offered("plug CP77"))


async def test_files_are_offered_with_their_folders(tmp_path: Any, autojump_clock: Any) -> None:
    (tmp_path / "one.fleet").touch()
    (tmp_path / "other.txt").touch()
    (tmp_path / "more").mkdir()
    async with planted() as on:
        assert on.plant.files(f"{tmp_path}/") == [f"{tmp_path}/more/", f"{tmp_path}/one.fleet"]
        assert on.plant.files(f"{tmp_path}/nowhere/") == ()


async def test_charge_points_come_and_go(autojump_clock: Any) -> None:
    plan = ChargePointPlan("CP1", (ConnectorPlan(),) * 2)
    settings = {"plan_at": lambda index: attrs.evolve(plan, id=f"CP{index}"), "connect_rate_per_s": 2.0}
    async with planted(2, plant=settings) as on:
        began_at = trio.current_time()
        answer = await on.do("scale 5")
        assert answer.done == 3
        # As the ramp has it.
        assert trio.current_time() - began_at == pytest.approx(1.0)
        await trio.sleep(5)
        assert on.plant.board.charge_points == 5
        assert on.console.glance().by_state == {"registered": 5}
        await on.do("plug */*")
        await on.do("start CP5/1")
        answer = await on.do("scale 3")
        assert answer.done == 2
        assert on.plant.ids == ("CP1", "CP2", "CP3")
        assert len(on.world.central.said("StopTransaction")) == 1
        assert on.plant.board.connectors == 6
        assert (await on.do("remove CP2")).done == 1
        # The gap is filled: who is missing is the one that comes.
        assert (await on.do("scale 4")).done == 2
        assert on.plant.ids == ("CP1", "CP3", "CP4", "CP5")
        assert (await on.do("add CP77 4")).ok
        await trio.sleep(5)
        assert (await on.do("plug CP77/*")).done == 4


async def test_while_the_fleet_is_being_switched_on_it_neither_grows_nor_shrinks(autojump_clock: Any) -> None:
    async with planted() as on:
        on.plant.ramping = True
        for line in ("add CP2", "scale 5"):
            assert "still being switched on" in (await on.do(line)).text


async def test_quit_asks_for_the_end(autojump_clock: Any) -> None:
    asked = []
    async with planted(plant={"drain": lambda: asked.append(True)}) as on:
        assert (await on.do("quit")).ok
        assert asked == [True]
        assert on.console.glance().draining


async def test_drivers_are_paused_and_let_come_again(autojump_clock: Any) -> None:
    class Crowd:
        paused = False

        def pause(self) -> None:
            self.paused = True

        def resume(self) -> None:
            self.paused = False

    async with planted(plant={"drivers": Crowd()}) as on:
        assert (await on.do("pause")).ok
        assert on.console.glance().paused
        assert "paused" in (await on.do("status")).text
        assert (await on.do("resume")).ok
        assert not on.console.glance().paused


async def test_seed_stats_and_help_are_shown(autojump_clock: Any) -> None:
    async with planted() as on:
        assert (await on.do("seed")).text == "seed 7"
        stats = await on.do("stats")
        assert stats.data["sent"]["BootNotification"] == {"Result": 1}
        assert "BootNotification" in stats.text
        assert "plug CP0001/1" in (await on.do("help plug")).text


async def test_each_console_has_a_target_of_its_own(autojump_clock: Any) -> None:
    async with planted() as on:
        other = Console(on.plant, target="CP1/2")
        await on.do("use CP1/1")
        await other.execute("plug")
        assert on.plant.status("CP1", 1) == "Available"
        assert on.plant.status("CP1", 2) == "Preparing"
        assert (await on.do("use")).ok
        assert on.console.glance().target is None
