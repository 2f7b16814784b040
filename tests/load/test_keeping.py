"""What a run makes of a state: which records are its own, and who comes back beside the configured."""

from pathlib import Path
from typing import Any

import pytest
import trio

from fleet.clock import Clock
from fleet.control.details import Details
from fleet.core.memory import Cable, ChargePointMemory
from fleet.core.reports import CableChanged
from fleet.load.config import GroupConfig, RunConfig
from fleet.load.keeping import records_before, show_cables, strays
from fleet.load.planning import plans
from fleet.ocpp.outbox import Outgoing
from fleet.state.codec import SCHEMA
from fleet.state.folder import About, Folder
from fleet.state.keeper import StateKeeper

# ---- records ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "before"),
    [(b"", 0), (b"{}\n", 3), (b'{}\n{"kind":"st', 3), (b'{"kind":"st', 0), (b"{}\n" * 500_000 + b"{", 1_500_000)],
)
def test_what_was_cut_short_belongs_to_no_run(tmp_path: Path, content: bytes, before: int) -> None:
    (tmp_path / "records").write_bytes(content)
    assert records_before(tmp_path / "records") == before


def test_no_records_are_none(tmp_path: Path) -> None:
    assert records_before(tmp_path / "records") == records_before(None) == 0


# ---- who comes back --------------------------------------------------------------------------------------------------


def config(id: str = "CP{:02}", count: int = 2, connectors: int = 2) -> RunConfig:
    return RunConfig(charge_points=(GroupConfig(id=id, count=count, connectors=connectors),), seed=7)


async def keeper_after(path: Path, config: RunConfig, **left: tuple[int, bool, bool]) -> StateKeeper:
    """After a run that left these: connectors, whether a life was on, and whether something is owed."""

    def opened() -> StateKeeper:
        fleet = tuple((plan.id, len(plan.connectors)) for plan in plans(config))
        return StateKeeper(Folder(path / "state", About(SCHEMA, "test", 7, fleet)), Clock(0.0), trio.current_time())

    keeper = opened()
    for name, (connectors, powered, owes) in left.items():
        memory = ChargePointMemory.blank(connectors)
        if owes:
            memory.outbox.messages.append(Outgoing("StopTransaction", {}, 0.0, "1", order=1))
        page = keeper.page(name, memory)
        page.powered = powered
        page.changed()
    await keeper.finish()
    return opened()


async def test_who_came_later_and_was_there_comes_back_as_it_was(tmp_path: Path) -> None:
    fleet = config()
    keeper = await keeper_after(
        tmp_path,
        fleet,
        CP01=(2, True, False),
        CP04=(2, True, False),
        CP03=(1, True, False),
        Extra=(3, True, False),
        Debtor=(1, False, True),
        Gone=(1, False, False),
    )
    found = {plan.id: plan for plan in strays(keeper, fleet, plans(fleet))}
    assert {name: len(plan.connectors) for name, plan in found.items()} == {
        "CP03": 1,
        "CP04": 2,
        "Extra": 3,
        "Debtor": 1,
    }
    assert found["Extra"].connectors[0] == plans(fleet)[0].connectors[0]
    await keeper.finish()


async def test_a_fleet_that_has_no_pattern_to_grow_by_finds_them_too(tmp_path: Path) -> None:
    fleet = config("ONE", 1)
    keeper = await keeper_after(tmp_path, fleet, ONE=(2, True, False), Extra=(1, True, False))
    assert [plan.id for plan in strays(keeper, fleet, plans(fleet))] == ["Extra"]
    await keeper.finish()


async def test_the_cables_that_an_earlier_run_left_in_are_shown(tmp_path: Path) -> None:
    fleet, details = config(), Details()
    keeper = await keeper_after(tmp_path, fleet, CP01=(2, True, False), CP02=(2, False, False))
    for name, number in (("CP01", 2), ("CP02", 1)):
        keeper.returned[name].memory.connectors[number - 1].cable = Cable.PLUGGED
    show_cables(keeper, details)
    plugged = [(name, number) for name in ("CP01", "CP02") for number in (1, 2) if details.of(name, number, 0).plugged]
    assert plugged == [("CP01", 2), ("CP02", 1)]
    details.report("CP01", CableChanged(2, 1.0, False))
    assert not details.of("CP01", 2, 0).plugged
    await keeper.finish()


async def test_where_nobody_came_nobody_is_looked_for(tmp_path: Path, monkeypatch: Any) -> None:
    fleet = config()
    keeper = await keeper_after(tmp_path, fleet, CP01=(2, True, False))
    monkeypatch.setattr("fleet.load.keeping.plan_at", None)
    assert list(strays(keeper, fleet, plans(fleet))) == []
    await keeper.finish()
