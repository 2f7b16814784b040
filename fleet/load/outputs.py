"""What a run shows and leaves behind beside its summary: metrics, report, trace, state. All is settled beforehand.

Whatever can be wrong with it (a port in use, a folder that nobody may write to) is said before anything is started:
after eight hours it would be too late.
"""

from pathlib import Path

from attrs import frozen

TRACE_BYTES_MAX = 100_000_000
TRACE_FILES_MAX = 5


@frozen
class Outputs:
    """`metrics` is where to serve them, (host, port); `linger_s` how long still after the end.

    `report` is the folder for the report. The `trace` is begun anew after `trace_bytes_max`, and the last
    `TRACE_FILES_MAX` of its files are kept. `state` is the folder in which its charge points survive.
    """

    metrics: tuple[str, int] | None = None
    linger_s: float = 0.0
    report: Path | None = None
    trace: Path | None = None
    trace_bytes_max: int = TRACE_BYTES_MAX
    state: Path | None = None
