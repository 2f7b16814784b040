"""Tables that fit, whatever is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from fleet.shell.render import Cell, Column, cut, plain, table

COLUMNS = (Column("connector"), Column("power", figures=True), Column("id tag"))


def test_a_table_has_its_titles_and_figures_at_the_right() -> None:
    shown = plain(table(COLUMNS, [["CP1/1", "7.2 kW", "A"], ["CP1/2", "950 W", "B"]], 80))
    assert shown == "connector   power  id tag\nCP1/1      7.2 kW  A\nCP1/2       950 W  B\n"


def test_a_wide_column_gives_way_before_the_narrow_ones() -> None:
    shown = plain(table((Column("a"), Column("b")), [["1234", "x" * 50]], 20))
    assert shown.splitlines()[1] == "1234  " + "x" * 13 + "…"


def test_columns_without_room_are_left_out_from_the_last() -> None:
    shown = plain(table(COLUMNS, [["CP0001/1", "7.2 kW", "DEMO_TAG"]], 18))
    assert shown.splitlines() == ["connector   power", "CP0001/1   7.2 kW"]


def test_whose_row_it_is_gives_way_last() -> None:
    columns = (Column("connector"), Column("status"), Column("id tag"))
    shown = plain(table(columns, [["CP0001/1", "SuspendedEVSE", "x" * 20]], 40))
    assert shown.splitlines()[1].startswith("CP0001/1 ")
    assert plain(table(columns, [["x" * 60, "Charging", "TAG"]], 40)).splitlines()[1] == "x" * 21 + "…  Charging  TAG"


def test_a_cell_keeps_its_style() -> None:
    assert ("class:bad", "Faulted") in table((Column("status"),), [[Cell("Faulted", "bad")]], 40)


@pytest.mark.parametrize(
    ("text", "width", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("🔌🔌", 3, "🔌…"), ("ab", 0, "")]
)
def test_a_text_is_cut_by_cells(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


cells = st.text(st.sampled_from("ab 1🔌é漢"), max_size=40)


@given(
    st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=6)),
    st.integers(1, 120),
)
def test_no_line_of_a_table_is_wider_than_the_terminal(rows: list[list[str]], width: int) -> None:
    columns = [Column(f"column {number}", figures=number % 2 == 1) for number in range(len(rows[0]))]
    lines = plain(table(columns, rows, width)).split("\n")
    assert len(lines) == len(rows) + 2
    assert max(map(get_cwidth, lines)) <= width
