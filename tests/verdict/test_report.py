"""The folder of a report: checked before the run, and written as far as it can be."""

import shutil
from pathlib import Path

import pytest
from counterparts.summaries import sample_summary

from fleet.errors import ConfigurationError, FleetError
from fleet.verdict import report
from fleet.verdict.document import load

FILES = ["junit.xml", "report.html", "summary.json"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_report_is_three_files_and_nothing_is_left_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "on the way"
    report.prepare(folder)
    assert names(folder) == []
    report.write(folder, sample_summary())
    assert names(folder) == FILES
    assert load(folder / "summary.json") == sample_summary()


def test_a_folder_that_disappears_in_mid_run_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    report.prepare(folder)
    shutil.rmtree(folder)
    report.write(folder, sample_summary())
    assert names(folder) == FILES


def test_one_file_that_cant_be_written_costs_none_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "summary.json").mkdir()
    with pytest.raises(FleetError, match=r"cannot write .*summary\.json: Is a directory"):
        report.write(tmp_path, sample_summary())
    assert names(tmp_path) == FILES
    assert (tmp_path / "report.html").stat().st_size > 1000


def test_a_folder_that_cant_be_one_is_said_before_the_run_and_after_it(tmp_path: Path) -> None:
    taken = tmp_path / "report"
    taken.write_text("a file")
    with pytest.raises(ConfigurationError, match=f"--report {taken}: "):
        report.prepare(taken)
    with pytest.raises(FleetError, match=r"cannot write .*: File exists"):
        report.write(taken, sample_summary())
