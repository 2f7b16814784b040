"""Completion as tables: a line, the cursor at its end (or at `|`), and what may stand there."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands.completion import IDS_MAX, Candidate, complete
from fleet.commands.registry import COMMANDS
from fleet.commands.target import parse_target
from fleet.words import ConnectorStatus, ErrorCode


class World:
    """Two dozen charge points of two connectors."""

    ids: Sequence[str] = tuple(f"CP{number:04}" for number in range(1, 25))
    id_tags: Sequence[str] = ("TAG1", "TAG2", "my tag")
    keys: Sequence[str] = ("ConnectionTimeOut", "HeartbeatInterval")
    actions: Sequence[str] = ("Authorize", "Heartbeat")

    def connectors(self, charge_point_id: str, /) -> int:
        assert charge_point_id in self.ids
        return 2

    def status(self, charge_point_id: str, connector: int, /) -> ConnectorStatus | None:
        return ConnectorStatus.CHARGING if connector == 1 else None

    def files(self, beginning: str, /) -> Sequence[str]:
        return [path for path in ("configs/", "configs/a b.fleet") if path.startswith(beginning)]


WORLD = World()
STATUSES = [status.value for status in ConnectorStatus]


def candidates(line: str, default: str | None = None) -> list[Candidate]:
    before, _, behind = line.partition("|")
    return complete(before + behind, len(before), WORLD, parse_target(default) if default else None)


def offered(line: str, default: str | None = None) -> list[str]:
    return [candidate.text for candidate in candidates(line, default)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", list(COMMANDS)),
        ("   ", list(COMMANDS)),
        ("pl", ["plug"]),
        ("PL", ["plug"]),
        ("pl|ug CP0001/1", ["plug"]),
        ("susp", ["suspend ev", "suspend evse"]),
        ("suspend ", ["suspend ev", "suspend evse"]),
        ("suspend evs", ["suspend evse"]),
        ("xyzzy", []),
        ("xyzzy ", []),
        ("# pl", []),
        ("status # ", []),
        ("plug CP001", [f"CP{number:04}/" for number in range(10, 20)]),
        ("plug cp0024", ["CP0024/1", "CP0024/2", "CP0024/*"]),
        ("plug CP0001/", ["CP0001/1", "CP0001/2", "CP0001/*"]),
        ("plug CP0001/2", ["CP0001/2"]),
        ("plug CP00*/", ["CP00*/1", "CP00*/2", "CP00*/*"]),
        ("plug CP0001/1,CP0002/", ["CP0002/1", "CP0002/2", "CP0002/*"]),
        ("reboot CP000", [f"CP{number:04}" for number in range(1, 10)]),
        ("status CP0024", ["CP0024", "CP0024/1", "CP0024/2", "CP0024/*"]),
        ("plug */*@", STATUSES),
        ("plug */*@fa", ["Faulted"]),
        ("plug */*@Charging,su", ["SuspendedEV", "SuspendedEVSE"]),
        ("plug */*~", []),
        ("unplug CP0001/1 ", ["EV", "ChargePoint"]),
        ("unplug CP0001/1 charge-p", ["ChargePoint"]),
        ("start CP0001/1 ", ["TAG1", "TAG2", '"my tag"']),
        ("start CP0001/1 t", ["TAG1", "TAG2"]),
        ("start CP0001/1 'my", ['"my tag"']),
        ("start CP0001/1 id_tag=T", ["TAG1", "TAG2"]),
        ("start CP0001/1 TAG1 ", []),
        ("stop CP0001/1 em", ["EmergencyStop"]),
        ("availability CP0001 ", ["Operative", "Inoperative"]),
        ("fault CP0001/1 ground", ["GroundFailure"]),
        ("fault CP0001/1 ", [*ErrorCode, "error_code=", "info=", "vendor_error_code=", "for_s="]),
        ("fault CP0001/1 GroundFailure ", ["info=", "vendor_error_code=", "for_s="]),
        ("power-", ["power-cut", "power-return"]),
        ("power-cut CP0001 45s ", ["stop_first"]),
        ("fault CP0001/1 info=x ", [*ErrorCode, "error_code=", "vendor_error_code=", "for_s="]),
        ("fault CP0001/1 error_code=g", ["GroundFailure"]),
        ("plug CP0001/1 so", ["soc="]),
        ("plug CP0001/1 soc=", []),
        ("plug CP0001/1 soc=1 battery_wh=2 p", ["power_max_w="]),
        ("reboot CP0001 h", ["Hard"]),
        ("get CP0001 ", ["ConnectionTimeOut", "HeartbeatInterval"]),
        ("get CP0001 HeartbeatInterval c", ["ConnectionTimeOut"]),
        ("set CP0001 h", ["HeartbeatInterval"]),
        ("set CP0001 HeartbeatInterval=60 ", []),
        ("raw CP0001 h", ["Heartbeat"]),
        ("raw CP0001 ", ["Authorize", "Heartbeat", "action="]),
        ("raw CP0001 Heartbeat ", ["{}", "unchecked"]),
        ("raw CP0001 Heartbeat {} ", ["unchecked"]),
        ('raw CP0001 Heartbeat {"a', []),
        ("raw CP0001 Heartbeat unchecked=", ["true", "false"]),
        ("monitor CP0001 ", ["Authorize", "Heartbeat"]),
        ("run ", ["configs/", '"configs/a b.fleet"']),
        ("run configs/a", ['"configs/a b.fleet"']),
        ('run "configs/a ', ['"configs/a b.fleet"']),
        ("run x.fleet CP0024", ["CP0024", "CP0024/1", "CP0024/2", "CP0024/*"]),
        ("run x.fleet CP0024 ", []),
        ("help sus", ["suspend ev", "suspend evse"]),
        ("wait ", []),
        ("wait-for CP0001/1 ch", ["Charging"]),
        ("expect CP0001/1 ", STATUSES),
        ("stats ", []),
        ("swipe CP0001/1 a\udcff ", []),
    ],
)
def test_these_may_stand_at_the_cursor(line: str, expected: list[str]) -> None:
    assert offered(line) == expected


def test_a_fresh_target_offers_everybody_and_then_each() -> None:
    assert offered("plug ") == ["*/*", *(f"{id}/" for id in WORLD.ids)]
    assert offered("reboot ") == ["*", *WORLD.ids]


def test_a_target_in_use_makes_room_for_arguments() -> None:
    assert offered("start ", "CP0001/1")[:3] == ["TAG1", "TAG2", '"my tag"']
    assert "CP0001/" in offered("start ", "CP0001/1")
    assert offered("start TAG1 ", "CP0001/1") == []
    assert offered("expect ch", "CP0001/1") == ["Charging"]


def test_a_resume_may_be_for_the_drivers() -> None:
    assert offered("resume ")[0] == "resume drivers"
    assert offered("resume d") == ["resume drivers"]


def test_no_more_charge_points_are_offered_than_anybody_reads() -> None:
    world = World()
    world.ids = tuple(f"CP{number:04}" for number in range(1, 2001))
    assert len(complete("plug ", 5, world)) == IDS_MAX + 1
    assert [c.text for c in complete("plug CP2000", 11, world)] == ["CP2000/1", "CP2000/2", "CP2000/*"]


def test_a_candidate_replaces_the_word_at_the_cursor_and_says_something_of_itself() -> None:
    assert candidates("plug CP0001/") == [
        Candidate("CP0001/1", 5, "Charging"),
        Candidate("CP0001/2", 5, "off"),
        Candidate("CP0001/*", 5, "all of its connectors"),
    ]
    assert candidates("  suspend  evs") == [Candidate("suspend evse", 2, "The charge point stops offering power.")]
    assert [c.start for c in candidates("plug */*@Charging,fa")] == [18]
    assert [c.start for c in candidates("start CP0001/1 id_tag=TAG1")] == [22]


words = st.sampled_from(
    ["CP0001/1", "CP00", "*/*@", "*/*@Charging,", "~", "{", "{}", "'", '"', "soc=", "=", "#", "TAG"]
)


@given(
    st.sampled_from(list(COMMANDS)) | st.text(max_size=5), st.lists(words | st.text(max_size=5)), st.integers(-1, 60)
)
def test_completion_never_fails_and_begins_before_the_cursor(verb: str, rest: list[str], cursor: int) -> None:
    line = " ".join([verb, *rest])
    for default in (None, parse_target("CP0001/1")):
        for candidate in complete(line, cursor, WORLD, default):
            assert type(candidate.text) is str
            assert 0 <= candidate.start <= min(max(cursor, 0), len(line))
