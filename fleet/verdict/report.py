"""The folder that `--report` names: `summary.json` for programs, `junit.xml` for CI, `report.html` for people."""

import os
import tempfile
from pathlib import Path

from fleet.errors import ConfigurationError, FleetError
from fleet.verdict.document import SUMMARY_FILE, Summary, dump
from fleet.verdict.junit import render_junit

JUNIT_FILE = "junit.xml"
PAGE_FILE = "report.html"


def prepare(folder: Path) -> None:
    """Make the folder, and see that files can be written there; raises ConfigurationError, before anything runs."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b" " * 4096)
            probe.flush()
    except FileExistsError:
        raise ConfigurationError(f"--report {folder}: expected a folder, and that is a file") from None
    except OSError as error:
        raise ConfigurationError(f"--report {folder}: can't write there: {error.strerror or error}") from None


def write(folder: Path, summary: Summary) -> None:
    """Write all three, each whole or not at all, in a folder that is made again if somebody took it away.

    Where one can't be written the others are, as far as they can; then raises FleetError with the first that wasn't.
    """
    # Jinja takes a while to import, which only those who want a page should pay for.
    from fleet.verdict.page import render_page

    failed: list[FleetError] = []
    for name, render in (
        (SUMMARY_FILE, dump),
        (JUNIT_FILE, render_junit),
        (PAGE_FILE, lambda summary: render_page(summary).encode()),
    ):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(folder / name, render(summary))
        except OSError as error:
            failed.append(FleetError(f"cannot write {folder / name}: {error.strerror or error}"))
    if failed:
        raise failed[0]


def _replace(path: Path, content: bytes) -> None:
    """Whoever reads it sees the file of the last run or that of this one, and nothing in between."""
    made, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(made, "wb") as file:
            file.write(content)
        Path(name).chmod(0o666 & ~_umask())
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """What this process takes away from the modes of its files; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
