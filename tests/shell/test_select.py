"""Choosing from a list, key by key."""

import pytest

from fleet.shell.render import plain
from fleet.shell.select import Left, Picker


def chosen(entries: int, *keys: str, at: int = 0) -> int | Left | None:
    picker = Picker("Choose:", [f"entry {number + 1}" for number in range(entries)], at)
    for key in keys:
        assert picker.chosen is None
        picker.press(key)
    return picker.chosen


@pytest.mark.parametrize(
    ("entries", "keys", "outcome"),
    [
        (3, ["enter"], 0),
        (3, ["down", "enter"], 1),
        (3, ["up", "enter"], 2),
        (3, ["down", "down", "down", "enter"], 0),
        (3, ["end", "enter"], 2),
        (3, ["end", "home", "enter"], 0),
        (9, ["7"], 6),
        (3, ["9"], None),
        (3, ["0"], None),
        (16, ["2"], 1),
        (16, ["1"], None),
        (16, ["1", "enter"], 0),
        (16, ["1", "6"], 15),
        (16, ["1", "9"], 8),
        (16, ["1", "down", "6"], 5),
        (30, ["pagedown", "enter"], 10),
        (3, ["escape"], Left.BACK),
        (3, ["c-c"], Left.INTERRUPTED),
        (3, ["c-d"], Left.LEAVING),
        (3, ["x"], None),
    ],
)
def test_keys_choose(entries: int, keys: list[str], outcome: int | Left | None) -> None:
    assert chosen(entries, *keys) == outcome


def test_the_choice_begins_where_it_is_told() -> None:
    assert chosen(5, "enter", at=3) == 3


def test_a_letter_begins_a_line_where_lines_are_allowed() -> None:
    picker = Picker("Choose:", ["one"], lines_allowed=True)
    picker.press("h")
    assert (picker.chosen, picker.typed) == (Left.BACK, "h")


def test_a_list_longer_than_the_terminal_scrolls_with_the_choice() -> None:
    picker = Picker("Choose:", [f"entry {number + 1}" for number in range(30)], at=20)
    lines = plain(picker.render(10)).splitlines()
    assert len(lines) == 10
    assert "❯ entry 21" in lines
