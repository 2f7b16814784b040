"""The toolbar: the fleet in one line under the prompt."""

from collections.abc import Mapping

from prompt_toolkit.utils import get_cwidth

from fleet.control.glance import Glance
from fleet.observe.figures import format_count, format_power, format_rate
from fleet.shell.render import Fragments, cut, plain, style
from fleet.words import ConnectorStatus

_GOOD = frozenset({"registered"})
_BAD = frozenset({"offline", "rejected", "given up"})
SEPARATOR = " │ "


def toolbar(glance: Glance | None, width: int, monitoring: str = "") -> Fragments:
    """Charge points by state, connectors that charge, transactions, power, messages per second, and what is unusual.

    What has no room is left out from the right, the unusual last of all because it stands first.
    """
    if glance is None:
        return [("", " ")]
    parts = [*_unusual(glance, monitoring), _states(glance.by_state)]
    parts += [
        [("", f"{format_count(glance.by_status.get(ConnectorStatus.CHARGING, 0))} charging")],
        [("", f"{format_count(glance.running)} transaction{'' if glance.running == 1 else 's'}")],
        [("", format_power(glance.power_w))],
        [("", format_rate(glance.messages_per_s).replace("/s", " msg/s"))],
    ]
    shown: Fragments = [("", " ")]
    for number, part in enumerate(part for part in parts if part):
        more = [("", SEPARATOR), *part] if number else part
        if get_cwidth(plain(shown)) + get_cwidth(plain(more)) > width:
            if number == 0:
                shown.append((part[0][0], cut(plain(part), width - 1)))
            break
        shown += more
    return shown


def _states(by_state: Mapping[str, int]) -> Fragments:
    shown: Fragments = []
    for state, count in by_state.items():
        if count:
            name = "toolbar.good" if state in _GOOD else "toolbar.bad" if state in _BAD else ""
            shown += [("", ", " if shown else ""), (style(name), f"{format_count(count)} {state}")]
    return [fragment for fragment in shown if fragment[1]] or [("", "no charge points")]


def _unusual(glance: Glance, monitoring: str) -> list[Fragments]:
    found = []
    if glance.draining:
        found.append("draining")
    if glance.paused:
        found.append("drivers paused")
    if monitoring:
        found.append(monitoring)
    return [[(style("toolbar.busy"), word)] for word in found]
