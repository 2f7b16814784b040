"""The dashboards as code: `python grafana/dashboards.py` writes grafana/dashboards/*.json, `--check` compares.

What Grafana reads is JSON of some thousand lines, in which nobody finds what a change changed. So the dashboards are
written here (`grafana/source`, one module each, one look for all), and the JSON beside it is only ever generated; a
test keeps the two equal.
"""

import argparse
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from source import books, calls, connections, generator, overview, transactions

FOLDER = Path(__file__).parent / "dashboards"
SHEETS = (overview, calls, transactions, connections, generator, books)


def rendered() -> dict[str, str]:
    """The files' names and texts."""
    sheets = [module.sheet() for module in SHEETS]
    return {
        f"{sheet.uid.removeprefix('fleet-')}.json": json.dumps(sheet.build(), cls=JSONEncoder, indent=2) + "\n"
        for sheet in sheets
    }


def differences(folder: Path, files: dict[str, str]) -> list[str]:
    """What is not as the source has it, one line each."""
    there = {path.name for path in folder.glob("*.json")}
    return [
        *(f"{folder / name}: nothing in the source makes it" for name in sorted(there - set(files))),
        *(f"{folder / name}: missing" for name in files if name not in there),
        *(
            f"{folder / name}: differs from the source"
            for name, text in files.items()
            if name in there and (folder / name).read_text(encoding="utf-8") != text
        ),
    ]


def main() -> int:
    """Write, or compare; returns the exit code."""
    parser = argparse.ArgumentParser(description="Writes the dashboards of grafana/source as JSON.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where the JSON differs")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the JSON is (%(default)s)")
    options = parser.parse_args()
    files = rendered()
    if options.check:
        found = differences(options.folder, files)
        for line in found:
            print(line, file=sys.stderr)
        if found:
            print("run: python grafana/dashboards.py", file=sys.stderr)
        return 1 if found else 0
    options.folder.mkdir(parents=True, exist_ok=True)
    for stale in {path.name for path in options.folder.glob("*.json")} - set(files):
        (options.folder / stale).unlink()
    for name, text in files.items():
        (options.folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
