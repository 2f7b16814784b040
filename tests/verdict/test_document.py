from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from counterparts.summaries import HOSTILE, passed_summary, sample_summary

from fleet.errors import ConfigurationError
from fleet.verdict.document import VERSION, as_json, dump, load
from fleet.verdict.junit import render_junit
from fleet.verdict.page import render_page


def complaint(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def complaint_about(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """What is said of a file that is right but for this change."""
    raw = orjson.loads(dump(sample_summary()))
    change(raw)
    path = tmp_path / "summary.json"
    path.write_bytes(orjson.dumps(raw))
    return complaint(path)


@pytest.mark.parametrize("summary", [sample_summary(), passed_summary(), sample_summary(target=HOSTILE)])
def test_what_is_written_reads_back_as_it_was(summary: Any, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(dump(summary))
    assert load(path) == summary


def test_a_name_that_is_no_unicode_costs_nobody_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(dump(sample_summary(reasons=("cannot read records from \udcff.jsonl",))))
    assert load(path) == sample_summary(reasons=("cannot read records from \\udcff.jsonl",))
    render_junit(sample_summary(reasons=("\udcff",)))
    assert render_page(sample_summary(reasons=("\udcff",))).encode()


def test_the_file_says_first_what_it_is() -> None:
    raw = dump(sample_summary())
    assert list(orjson.loads(raw))[:2] == ["format", "version"]
    assert as_json(sample_summary()) == orjson.loads(raw)
    assert raw.endswith(b"}\n")


def test_a_field_that_a_later_fleet_adds_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(orjson.dumps({**orjson.loads(dump(sample_summary())), "weather": "dry"}))
    assert load(path) == sample_summary()


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert complaint(tmp_path / "gone.json") == "can't read it: No such file or directory"


def test_a_folder_is_no_summary(tmp_path: Path) -> None:
    assert complaint(tmp_path) == "can't read it: Is a directory"


@pytest.mark.parametrize("content", [b"", b"fleet: 500 charge points", b'{"format": "fleet-su', b"\xff\xfe\x00"])
def test_a_file_that_is_not_json_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(content)
    assert complaint(path).startswith("expected a summary.json, but it isn't JSON: ")


@pytest.mark.parametrize("content", [b"[]", b"7", b"null", b"{}", b'{"format": "k6"}', b'{"version": 1}'])
def test_json_that_is_no_summary_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(content)
    assert complaint(path) == "expected a summary.json as `fleet run --report` writes it"


@pytest.mark.parametrize("version", [VERSION + 1, 0, "1", None])
def test_a_summary_of_another_version_names_both(version: object, tmp_path: Path) -> None:
    line = complaint_about(tmp_path, lambda raw: raw.update(version=version))
    assert line == f"it is a summary of version {version!r}, and this fleet reads version {VERSION}"


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    assert complaint_about(tmp_path, lambda raw: raw.pop("seed")) == "required field missing @ summary.seed"


def test_a_field_that_is_missing_deep_inside_is_named_with_its_path(tmp_path: Path) -> None:
    line = complaint_about(tmp_path, lambda raw: raw["calls"]["Authorize"]["due"].pop("p99_s"))
    assert "p99_s" in line
    assert "Authorize" in line


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda raw: raw.update(seed="soon"), "summary.seed"),
        (lambda raw: raw.update(result="splendid"), "summary.result"),
        (lambda raw: raw.update(calls=[1]), "summary.calls"),
        (lambda raw: raw.update(calls={"Authorize": None}), "Authorize"),
        (lambda raw: raw.update(books=None), "summary.books"),
        (lambda raw: raw.update(objectives=7), "summary.objectives"),
        (lambda raw: raw["generator"].update(cpu_s=None), "summary.generator.cpu_s"),
        (lambda raw: raw["generator"].update(cpu_s="nan"), "summary.generator.cpu_s"),
        (lambda raw: raw.update(elapsed_s=True), "summary.elapsed_s"),
        (lambda raw: raw["timeline"].update(at_s=7), "summary.timeline"),
    ],
)
def test_a_value_of_another_kind_is_named(
    change: Callable[[dict[str, Any]], object], named: str, tmp_path: Path
) -> None:
    assert named in complaint_about(tmp_path, change)
