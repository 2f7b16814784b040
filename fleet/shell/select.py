"""Choosing from a list: by arrow keys, by number, by Enter.

`Picker` is the choice itself, without a terminal: keys go in by name, and once something is chosen it says so. A number
chooses at once when no longer number is possible, so that in a list of up to nine entries one key does it.
"""

from collections.abc import Sequence
from enum import Enum

from attrs import define, field

from fleet.shell.render import Fragments, style


class Left(Enum):
    """How a list was left without a choice: one step back, Ctrl-C, or Ctrl-D."""

    BACK = "back"
    INTERRUPTED = "interrupted"
    LEAVING = "leaving"


@define
class Picker:
    """A choice among `entries`; `at` is the one that Enter takes, `chosen` the outcome once there is one."""

    title: str
    entries: Sequence[str]
    at: int = 0
    digits: str = ""
    chosen: int | Left | None = None
    typed: str = ""
    """A letter that was typed instead: the beginning of a line for the prompt."""
    lines_allowed: bool = False
    """May a line be typed instead of a choice?"""
    _pages: int = field(default=10, alias="page")

    def press(self, key: str) -> None:
        """Take a key: its name (`up`, `enter`, `escape`, `c-c`, ...) or the character that it writes."""
        if key.isdecimal() and len(key) == 1:
            self._digit(key)
            return
        self.digits, digits = "", self.digits
        match key:
            case "up" | "down":
                self.at = (self.at + (1 if key == "down" else -1)) % len(self.entries)
            case "pageup" | "home":
                self.at = 0 if key == "home" else max(0, self.at - self._pages)
            case "pagedown" | "end":
                self.at = len(self.entries) - 1 if key == "end" else min(len(self.entries) - 1, self.at + self._pages)
            case "enter":
                self.chosen = self.at
            case "backspace":
                self.digits = digits[:-1]
            case "escape" | "left":
                self.chosen = Left.BACK
            case "c-c" | "c-d":
                self.chosen = Left.INTERRUPTED if key == "c-c" else Left.LEAVING
            case _ if self.lines_allowed and len(key) == 1 and key.isalpha():
                self.typed, self.chosen = key, Left.BACK

    def _digit(self, digit: str) -> None:
        number = int(self.digits + digit)
        if not 1 <= number <= len(self.entries):
            # Not what the list has: begin a new number.
            number = int(digit)
            if not 1 <= number <= len(self.entries):
                self.digits = ""
                return
        self.digits = str(number)
        self.at = number - 1
        if number * 10 > len(self.entries):
            self.chosen = self.at

    def render(self, rows: int) -> Fragments:
        """The list in at most `rows` rows, the title among them; a longer one scrolls with the choice."""
        shown: Fragments = [(style("title"), line + "\n") for line in self.title.split("\n")]
        room = max(3, rows - len(shown))
        first = max(0, min(self.at - room // 2, len(self.entries) - room))
        for number in range(first, min(len(self.entries), first + room)):
            here = number == self.at
            text = f"{'❯' if here else ' '} {self.entries[number]}"
            shown.append((style("chosen" if here else ""), text + "\n"))
        last_style, last = shown[-1]
        shown[-1] = (last_style, last.removesuffix("\n"))
        return shown
