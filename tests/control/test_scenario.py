"""Scenarios that run: on one connector, on many at once, met and not met, on virtual time."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from counterparts.scripted import EPOCH_S
from counterparts.world import QUIET, World, world

from fleet.clock import Clock
from fleet.commands.scenario import parse_scenario
from fleet.commands.target import parse_target
from fleet.commands.vocabulary import InjectFault, PlugIn, StartTransaction, StopTransaction
from fleet.control.answer import Answer
from fleet.control.console import Console
from fleet.control.plant import Plant
from fleet.control.scenario import FAILURES_MAX, run_scenario
from fleet.core.reports import Restarted, StatusChanged
from fleet.errors import EXIT_CONFIGURATION, EXIT_DONE, EXIT_EXPECTATION, EXIT_INTERRUPTED
from fleet.observe.board import Board
from fleet.words import ConnectorStatus, StopReason

SCENARIOS = sorted((Path(__file__).parents[2] / "configs" / "scenarios").glob("*.fleet"))


@define
class Stage:
    """A world with a console over it, on which scenarios are run."""

    world: World
    console: Console
    heard: list[str] = field(factory=list)

    async def run(self, text: str, target: str | None = None) -> Answer:
        scenario = parse_scenario(text, "x.fleet", known=self.console.plant.known)
        return await run_scenario(self.console, scenario, parse_target(target) if target else None, self.heard.append)

    def statuses(self, charge_point: str, connector: int) -> list[ConnectorStatus]:
        return [
            report.status
            for report in self.world.reported(StatusChanged, charge_point)
            if report.connector == connector
        ]


@asynccontextmanager
async def stage(charge_points: int = 1, **how: Any) -> AsyncIterator[Stage]:
    async with world(charge_points, configuration=QUIET, **how) as made:
        board = Board([berth.plan for berth in made.fleet.berths.values()])
        made.observer.add(board)
        plant = Plant(fleet=made.fleet, board=board, observer=made.observer, clock=Clock(EPOCH_S), seed=7)
        await made.booted()
        yield Stage(made, Console(plant))


# ---- those that come along -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
@pytest.mark.parametrize("target", ["*/*", "CP2", "CP[2-3]/*"])
async def test_every_scenario_that_comes_along_is_met(path: Path, target: str, autojump_clock: Any) -> None:
    async with stage(3) as on:
        answer = await on.console.execute(f"run {path} {target}")
        assert answer.exit_code == EXIT_DONE, answer.text
        assert answer.ok
        assert answer.text.endswith("every expectation met")
        # Whoever was not meant was left alone.
        assert target == "*/*" or on.statuses("CP1", 1) == [ConnectorStatus.AVAILABLE]
        assert bool(on.world.reported(Restarted)) is (path.stem == "maintenance")
        await trio.sleep(10)
        assert len(on.world.central.said("StopTransaction")) == len(on.world.central.said("StartTransaction")) > 0


async def test_basic_charging_charges_for_half_a_minute(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.console.execute(f"run {SCENARIOS[0]} CP1/1")
        assert answer.text.splitlines()[-1].startswith(f"{SCENARIOS[0]}: 13 steps on 1 connector in 32")
        await trio.sleep(1)
        assert on.world.central.said("StopTransaction")[0]["meterStop"] == 60
        assert on.statuses("CP1", 1) == [
            ConnectorStatus.AVAILABLE,
            ConnectorStatus.PREPARING,
            ConnectorStatus.CHARGING,
            ConnectorStatus.FINISHING,
            ConnectorStatus.PREPARING,
            ConnectorStatus.AVAILABLE,
        ]


async def test_a_scenario_runs_on_many_connectors_at_once(autojump_clock: Any) -> None:
    async with stage(20) as on:
        began_at = trio.current_time()
        answer = await on.console.execute(f"run {SCENARIOS[0]} */*")
        assert answer.ok, answer.text
        assert "on 40 connectors" in answer.text
        assert trio.current_time() - began_at < 40
        await trio.sleep(1)
        assert len(on.world.central.said("StopTransaction")) == 40


# ---- what is not as expected -----------------------------------------------------------------------------------------


async def test_a_failed_expectation_names_file_and_line_and_what_is_instead(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.run("# x\n\nplug\nexpect Charging\n", "CP1/1")
        assert on.heard[0] == "x.fleet:4: expected CP1/1 Charging, it is Preparing"
        assert on.heard[1].startswith("x.fleet: 2 steps on 1 connector in ")
        assert on.heard[1].endswith(": 1 expectation failed")
        assert answer.text.splitlines() == on.heard
        assert answer.exit_code == EXIT_EXPECTATION
        assert not answer.ok
        assert [(each.target, each.reason) for each in answer.refused] == [
            ("x.fleet:4", "expected CP1/1 Charging, it is Preparing")
        ]
        assert answer.data["failed"] == 1


async def test_the_first_few_that_differ_are_named(autojump_clock: Any) -> None:
    async with stage(3) as on:
        assert await on.world.do("CP1/1", PlugIn()) is None
        await on.run("expect Preparing", "*/*")
        assert on.heard[0] == (
            "x.fleet:1: expected CP1/2 Preparing, it is Available; CP2/1 is Available; CP2/2 is Available; and 2 more"
        )


async def test_a_scenario_goes_on_after_a_failed_expectation(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.run("expect Charging\nplug\nexpect Faulted\nexpect Preparing", "CP1/1")
        assert [each.target for each in answer.refused] == ["x.fleet:1", "x.fleet:3"]
        assert answer.text.endswith("2 expectations failed")


async def test_a_refusal_is_a_failed_expectation_with_the_machines_own_words(autojump_clock: Any) -> None:
    async with stage() as on:
        await on.run("start", "CP1/1")
        assert on.heard[0] == (
            "x.fleet:1: start was refused: CP1/1: Cable must be plugged in before starting transaction"
        )


async def test_of_many_refusals_the_first_few_are_told(autojump_clock: Any) -> None:
    async with stage(3) as on:
        await on.run("stop   # nobody can", "*/*")
        reasons = [
            f"CP{cp}/{number}: No active transaction on connector {number}" for cp, number in ((1, 1), (1, 2), (2, 1))
        ]
        assert on.heard[0] == f"x.fleet:1: stop was refused: {'; '.join(reasons)}; and 3 more"


async def test_a_refusal_that_is_expected_is_none(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.run("! start\nplug\nstart\n! unplug\n! plug", "CP1/1")
        assert answer.ok, answer.text


async def test_obedience_where_a_refusal_was_expected_fails(autojump_clock: Any) -> None:
    async with stage(2) as on:
        assert await on.world.do("CP1/1", PlugIn()) is None
        answer = await on.run("! plug", "*/*")
        assert answer.exit_code == EXIT_EXPECTATION
        assert on.heard[0] == "x.fleet:1: expected plug to be refused, but CP1/2, CP2/1, CP2/2 did it"


async def test_a_target_that_is_not_there_is_a_failed_expectation(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.run("plug CP9/1\nexpect CP1/1 Available\nplug /7", "CP1/1")
        assert [each.target for each in answer.refused] == ["x.fleet:1", "x.fleet:3"]
        assert "CP9" in answer.refused[0].reason
        assert "/7" in answer.refused[1].reason


async def test_many_failures_are_counted_and_the_first_are_told(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.run(f"repeat {FAILURES_MAX + 50}\nexpect Charging\nend", "CP1/1")
        assert answer.data["failed"] == FAILURES_MAX + 50
        assert len(answer.refused) == FAILURES_MAX
        assert on.heard[1].endswith(f"it is Available (round 2 of {FAILURES_MAX + 50})")
        assert len(on.heard) == FAILURES_MAX + 1


# ---- waiting ---------------------------------------------------------------------------------------------------------


async def test_waiting_for_a_status_ends_in_the_instant_in_which_everybody_has_it(autojump_clock: Any) -> None:
    async with stage() as on:
        began_at = trio.current_time()
        answer = await on.run("plug\nstart\nstop\nexpect Finishing\nwait-for Preparing 1m", "CP1/1")
        assert answer.ok, answer.text
        assert trio.current_time() - began_at == pytest.approx(2.0, abs=0.5)


async def test_waiting_for_a_status_that_is_there_takes_no_time(autojump_clock: Any) -> None:
    async with stage() as on:
        began_at = trio.current_time()
        assert (await on.run("wait-for Available 0s\nwait-for Available 1m", "*/*")).ok
        assert trio.current_time() == began_at


async def test_each_has_to_be_there_once_however_briefly(autojump_clock: Any) -> None:
    async with stage(2) as on, trio.open_nursery() as nursery:
        answers: list[Answer] = []

        async def scenario() -> None:
            answers.append(await on.run("wait-for Faulted 1m", "*/1"))

        nursery.start_soon(scenario)
        for number in (1, 2):
            await trio.sleep(5)
            assert await on.world.do(f"CP{number}/1", InjectFault()) is None
            assert (await on.console.execute(f"clear CP{number}/1")).ok
        await trio.testing.wait_all_tasks_blocked()
        assert answers[0].ok, answers[0].text


async def test_waiting_too_long_fails_with_the_time_and_what_is_instead(autojump_clock: Any) -> None:
    async with stage(2) as on:
        assert await on.world.do("CP1/1", InjectFault()) is None
        began_at = trio.current_time()
        await on.run("wait-for Faulted 90s", "*/1")
        assert on.heard[0] == "x.fleet:1: expected CP2/1 Faulted within 1m30s, it is Available"
        assert trio.current_time() - began_at == pytest.approx(90)


async def test_nobody_listens_any_more_after_waiting(autojump_clock: Any) -> None:
    async with stage() as on:
        before = len(on.world.observer._told[StatusChanged])
        await on.run("wait-for Faulted 1s", "*/1")
        assert len(on.world.observer._told[StatusChanged]) == before


async def test_at_counts_from_the_begin_of_the_scenario(autojump_clock: Any) -> None:
    async with stage() as on:
        await trio.sleep(1000)
        began_at = trio.current_time()
        assert (await on.run("wait 30s\nat 10m\nplug\nat 10m\nwait 5s", "CP1/1")).ok
        assert trio.current_time() - began_at == pytest.approx(605)


async def test_a_time_that_is_past_is_no_reason_to_wait(autojump_clock: Any) -> None:
    async with stage() as on:
        began_at = trio.current_time()
        assert (await on.run("wait 5m\nat 1m\nplug", "CP1/1")).ok
        assert trio.current_time() - began_at == pytest.approx(300)


async def test_repeats_repeat(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.run("repeat 2\nplug\nrepeat 3\nstart\nwait 10s\nstop\nend\nunplug\nend", "CP1/1")
        assert answer.ok, answer.text
        assert answer.data["steps"] == 2 * (1 + 3 * 3 + 1)
        await trio.sleep(1)
        assert len(on.world.central.said("StopTransaction")) == 6


# ---- for whom --------------------------------------------------------------------------------------------------------


async def test_whom_the_supplied_target_means_is_settled_once(autojump_clock: Any) -> None:
    async with stage(10) as on:
        answer = await on.run("plug\nexpect Preparing\nstart\nexpect Charging\nstop\nunplug", "@Available~3")
        assert answer.ok, answer.text
        assert "on 3 connectors" in answer.text
        assert len(on.world.central.said("StartTransaction")) <= 3


async def test_a_target_of_a_lines_own_is_settled_when_the_line_is_reached(autojump_clock: Any) -> None:
    async with stage(3) as on:
        answer = await on.run("plug CP2/1\nstart */*@Preparing\nexpect CP2/1 Charging\nstop @Charging", None)
        assert answer.ok, answer.text


async def test_a_charge_point_stands_for_its_connectors_and_they_for_it(autojump_clock: Any) -> None:
    async with stage(2) as on:
        answer = await on.run(
            "plug\nexpect /1 Preparing\nexpect /2 Preparing\nheartbeat\nexpect CP2/1 Available", "CP1"
        )
        assert answer.ok, answer.text
        assert len(on.world.central.said("Heartbeat")) == 1
        assert (await on.run("heartbeat", "CP1/*")).ok
        assert len(on.world.central.said("Heartbeat")) == 2


async def test_use_changes_whom_the_lines_are_for_and_not_the_consoles_target(autojump_clock: Any) -> None:
    async with stage(2) as on:
        answer = await on.run("use CP2/2\nplug\nuse\nplug\nexpect CP2/2 Preparing\nexpect CP1/1 Preparing", "CP1/1")
        assert answer.ok, answer.text
        assert on.console.target is None


async def test_without_a_target_the_one_in_use_is_supplied(autojump_clock: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.fleet"
    path.write_text("plug\nexpect Preparing\n")
    async with stage(2) as on:
        await on.console.execute("use CP2/1")
        assert (await on.console.execute(f"run {path}")).ok
        assert on.statuses("CP2", 1)[-1] is ConnectorStatus.PREPARING
        assert on.statuses("CP1", 1)[-1] is ConnectorStatus.AVAILABLE


async def test_a_scenario_that_needs_a_target_and_has_none_does_nothing(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.run("plug CP1/1\nstart", None)
        assert answer.error is not None
        assert answer.error.startswith("x.fleet:2: for whom?")
        assert on.statuses("CP1", 1) == [ConnectorStatus.AVAILABLE]


async def test_a_supplied_target_that_is_nobody_is_an_error(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.run("plug", "CP9/1")
        assert answer.error == "x.fleet: there is no charge point CP9"


# ---- other lines -----------------------------------------------------------------------------------------------------


async def test_charge_points_can_be_added_and_used_and_removed_within_a_scenario(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.run("add CP9 1\nwait 5s\nplug CP9/1\nexpect CP9/1 Preparing\nremove CP9\nwait 5s", None)
        assert answer.ok, answer.text
        assert not on.console.plant.known("CP9")


async def test_what_lines_show_is_in_the_answer(autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.run("seed\nplug\n", "CP1/1")
        assert answer.text.splitlines()[0] == "seed 7"
        assert on.heard[0] == "seed 7"


async def test_what_the_console_cant_do_is_a_failed_expectation(autojump_clock: Any) -> None:
    async with stage() as on:
        await on.run("pause", "CP1/1")
        assert on.heard[0] == "x.fleet:1: pause: there are no drivers here"


async def test_expectations_can_be_typed_by_themselves(autojump_clock: Any) -> None:
    async with stage() as on:
        assert (await on.console.execute("expect CP1/* Available")).text == "2 connectors are Available"
        assert (await on.console.execute("wait 3s")).ok
        answer = await on.console.execute("expect CP1/1 Charging")
        assert answer.text == "expected CP1/1 Charging, it is Available"
        assert answer.exit_code == EXIT_EXPECTATION
        assert not answer.ok
        assert "only in a scenario" in (await on.console.execute("repeat 3")).text
        assert "only in a scenario" in (await on.console.execute("at 3m")).text


async def test_a_bad_file_is_told_whole_and_nothing_runs(autojump_clock: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.fleet"
    path.write_text("plug\nplgu\nexpect Chargin\n")
    async with stage() as on:
        answer = await on.console.execute(f"run {path} CP1/1")
        assert [line.split(": ")[0] for line in answer.text.splitlines()] == [f"{path}:2", f"{path}:3"]
        assert answer.exit_code == EXIT_CONFIGURATION
        assert on.statuses("CP1", 1) == [ConnectorStatus.AVAILABLE]


@pytest.mark.parametrize("name", ["missing.fleet", "folder", "bytes.fleet", "big.fleet"])
async def test_what_is_no_scenario_file_is_one_line(name: str, autojump_clock: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes.fleet").write_bytes(b"plug\n\xff\n")
    (tmp_path / "big.fleet").write_bytes(b"#" * 2_000_000)
    async with stage() as on:
        answer = await on.console.execute(f"run {tmp_path / name} CP1/1")
        assert answer.text.startswith(f"{tmp_path / name}: ")
        assert len(answer.text.splitlines()) == 1
        assert answer.exit_code == EXIT_CONFIGURATION


@pytest.mark.parametrize("path", ["~nobodyofthisname/x.fleet", "x\0.fleet", "~\0/x.fleet"])
async def test_a_path_that_cant_be_one_is_one_line(path: str, autojump_clock: Any) -> None:
    async with stage() as on:
        answer = await on.console.execute(f"run {path} CP1/1")
        assert "can't read it" in answer.text
        assert len(answer.text.splitlines()) == 1
        assert answer.exit_code == EXIT_CONFIGURATION


async def test_a_pipe_that_nobody_writes_to_holds_nobody_up_and_can_be_given_up(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe.fleet")
    async with stage() as on, trio.open_nursery() as nursery:
        answers: list[Answer] = []
        scope = trio.CancelScope()

        async def run() -> None:
            answers.append(await on.console.execute(f"run {pipe} CP1/1", scope))

        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert (await on.console.execute("seed")).ok
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert answers[0].exit_code == EXIT_INTERRUPTED
        # Whoever opens the other end lets the thread go.
        os.close(os.open(pipe, os.O_WRONLY))


async def test_a_scenario_can_be_cancelled(autojump_clock: Any, tmp_path: Path) -> None:
    path = tmp_path / "long.fleet"
    path.write_text("repeat 1000\nwait 1m\nend\n")
    async with stage() as on, trio.open_nursery() as nursery:
        answers: list[Answer] = []

        async def run() -> None:
            answers.append(await on.console.execute(f"run {path}"))

        nursery.start_soon(run)
        await trio.sleep(90)
        on.console.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert answers[0].error is not None
        assert "cancelled" in answers[0].error


async def test_what_happens_is_what_is_told_by_hand(autojump_clock: Any) -> None:
    """A line of a scenario and the same command by other ways leave the same on the wire."""
    async with stage() as on:
        assert (await on.run("plug\nstart\nwait 60s\nstop EmergencyStop", "CP1/1")).ok
        assert await on.world.do("CP1/2", PlugIn()) is None
        assert await on.world.do("CP1/2", StartTransaction()) is None
        await trio.sleep(60)
        assert await on.world.do("CP1/2", StopTransaction(StopReason.EMERGENCY_STOP)) is None
        await trio.sleep(1)
        one, other = on.world.central.said("StopTransaction")
        assert {key: one[key] for key in ("meterStop", "reason")} == {
            key: other[key] for key in ("meterStop", "reason")
        }
