"""The objectives of a run as a configuration has them, and the task that ends a run which can't pass any more.

    objectives = [
        "p99(Authorize) < 800ms",
        { slo = "booted >= 99.9%", abort_on_fail = true, abort_after = "2m" },
    ]

Their language is `fleet.verdict.slo`'s; a name that does not exist or a unit that doesn't fit is found while the file
is read, before anything runs.
"""

from collections.abc import Callable, Sequence

import trio
from attrs import frozen

from fleet.core.dialects.v16 import Dialect16
from fleet.load.settings import Mistakes, expected, meant, read_duration, read_flag
from fleet.verdict.document import ObjectiveResult
from fleet.verdict.slo import Figures, Objective, parse_objective

CHECK_INTERVAL_S = 1.0
_KEYS = ("slo", "abort_on_fail", "abort_after")


@frozen
class ObjectiveConfig:
    """An objective; with `abort_on_fail` the run ends as soon as it fails, though not before `abort_after_s`."""

    objective: Objective
    abort_on_fail: bool = False
    abort_after_s: float = 0.0


def read_objective(value: object) -> ObjectiveConfig:
    """An objective from its text, or from a table with `slo`, `abort_on_fail` and `abort_after`."""
    if isinstance(value, str):
        # Those of the CSMS are not timed: an objective about one would hold without ever having been tried.
        return ObjectiveConfig(parse_objective(value, sorted(Dialect16.catalogue.called)))
    if not isinstance(value, dict):
        raise expected("an objective such as 'p99(Authorize) < 800ms', or a table with one as slo", value)
    wrong = [(key, "unknown key" + meant(key, _KEYS)) for key in value if key not in _KEYS]
    read: dict[str, object] = {}
    readers: dict[str, Callable[[object], object]] = {
        "slo": lambda text: read_objective(text) if isinstance(text, str) else _no_text(text),
        "abort_on_fail": read_flag,
        "abort_after": read_duration,
    }
    for key, reader in readers.items():
        if key in value:
            try:
                read[key] = reader(value[key])
            except ValueError as error:
                wrong.append((key, str(error)))
    if "slo" not in value:
        wrong.append(("slo", "missing: expected an objective such as 'p99(Authorize) < 800ms'"))
    if "abort_after" in value and not value.get("abort_on_fail"):
        wrong.append(("abort_after", "expected abort_on_fail = true beside it"))
    if wrong:
        raise Mistakes(wrong)
    slo = read["slo"]
    assert isinstance(slo, ObjectiveConfig)
    return ObjectiveConfig(slo.objective, bool(read.get("abort_on_fail")), _seconds(read.get("abort_after", 0.0)))


def _no_text(value: object) -> ObjectiveConfig:
    raise expected("an objective such as 'p99(Authorize) < 800ms'", value)


def _seconds(value: object) -> float:
    assert isinstance(value, float)
    return value


async def until_hopeless(
    objectives: Sequence[ObjectiveConfig], figures: Callable[[], Figures], started_at: float
) -> ObjectiveResult:
    """Wait until one that is to abort the run has failed, and return it. What can't be told yet hasn't."""
    watched = [objective for objective in objectives if objective.abort_on_fail]
    if not watched:
        await trio.sleep_forever()
    while True:
        await trio.sleep(CHECK_INTERVAL_S)
        elapsed_s = trio.current_time() - started_at
        now = figures()
        for each in watched:
            if elapsed_s >= each.abort_after_s and each.objective.breached(now):
                return each.objective.evaluate(now)
