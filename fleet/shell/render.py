"""Rendering: fragments of styled text, and tables that fit the width.

Everything shown is a list of fragments, pairs of a style and a text as prompt-toolkit takes them. Styles are names of
`STYLES`, so that the colours are in one place and a stream that has none takes the texts alone (`plain`).
"""

from collections.abc import Iterable, Sequence

from attrs import field, frozen
from prompt_toolkit.utils import get_cwidth

Fragment = tuple[str, str]
Fragments = list[Fragment]

STYLES = {
    "title": "bold",
    "faint": "ansibrightblack",
    "error": "ansired",
    "good": "ansigreen",
    "busy": "ansiyellow",
    "bad": "ansired",
    "other": "ansicyan",
    "chosen": "ansicyan bold",
    "prompt": "ansigreen bold",
    "prompt.target": "ansicyan",
    "bottom-toolbar": "noreverse bg:ansibrightblack fg:ansiwhite",
    "bottom-toolbar.text": "",
    "toolbar.good": "ansigreen",
    "toolbar.bad": "ansired bold",
    "toolbar.busy": "ansiyellow",
}
"""What each style looks like, by name. Statuses are good (green: available), busy (yellow: charging and transitional),
bad (red: faulted, unavailable) and other (cyan)."""

_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if code not in b"\n\t"}
GAP = 2
COLUMN_MIN = 8
"""Cells that a column needs to be of use; where there is no room for so many, the last columns are left out."""
ELLIPSIS = "…"


def style(name: str) -> str:
    """The style of a fragment by its name in `STYLES`; no name is the terminal's own."""
    return f"class:{name}" if name else ""


def plain(fragments: Iterable[Fragment]) -> str:
    """The text alone."""
    return "".join(text for _, text in fragments)


def clean(text: str) -> str:
    """The text without what would move the cursor or change the terminal: it may come from anybody's CSMS."""
    return text.translate(_CONTROLS)


def lines_of(text: str, name: str = "") -> Fragments:
    """A text of one style, ended by a newline."""
    return [(style(name), text if text.endswith("\n") else text + "\n")]


def cut(text: str, width: int) -> str:
    """The text in at most `width` cells, with an ellipsis where something is missing."""
    if get_cwidth(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += get_cwidth(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + ELLIPSIS if width > 0 else ""


@frozen
class Column:
    """A column of a table: its title, and whether it holds figures, which stand at the right."""

    title: str
    figures: bool = False


@frozen
class Cell:
    """A cell with a style of its own."""

    text: str
    style: str = field(default="")


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]], width: int) -> Fragments:
    """A table in at most `width` cells: wide columns give way first, and those without any room are left out.

    The first column says whose row it is, and gives way only where it would take more than half of the width.
    """
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    widths = [
        max([get_cwidth(column.title), *(get_cwidth(row[number].text) for row in cells)])
        for number, column in enumerate(columns)
    ]
    widths = _fitted(widths, width)
    shown: Fragments = []
    titles = [Cell(column.title, "title") for column in columns]
    for row in [titles, *cells]:
        for number, (cell, cell_width) in enumerate(zip(row, widths, strict=False)):
            text = cut(cell.text, cell_width)
            pad = " " * (cell_width - get_cwidth(text))
            last = number == len(widths) - 1
            if columns[number].figures:
                shown += [("", pad), (style(cell.style), text)]
            else:
                shown += [(style(cell.style), text), ("", "" if last else pad)]
            shown.append(("", "" if last else " " * GAP))
        shown.append(("", "\n"))
    return [fragment for fragment in shown if fragment[1]]


def _fitted(widths: list[int], width: int) -> list[int]:
    """The widths of the columns that have room, after the widest have given way."""
    first = min(widths[0], max(COLUMN_MIN, width // 2), width)
    others = widths[1:]
    room = width - first
    while others and sum(min(each, COLUMN_MIN) + GAP for each in others) > room:
        others.pop()
    while (excess := sum(each + GAP for each in others) - room) > 0:
        # The widest come down to the next one, together; each is wider than COLUMN_MIN, or there was no excess.
        widest = max(others)
        below = max([each for each in others if each < widest], default=0)
        several = [number for number, each in enumerate(others) if each == widest]
        give = max(1, min(widest - max(below, COLUMN_MIN), -(-excess // len(several))))
        for number in several:
            others[number] = widest - give
    return [min(widths[0], max(first, room + first - sum(each + GAP for each in others))), *others]
