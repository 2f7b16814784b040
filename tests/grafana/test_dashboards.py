"""The dashboards: as their source has them, and whole: nothing without a title, a unit or a word on how to read it."""

import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from counterparts.grafana import DASHBOARDS, GRAFANA, filled_in, label_queries, panels, questions, read
from grafana_foundation_sdk.models.dashboard import Dashboard

GRID_WIDTH = 24
SCREEN = 23
"""Grid units of about 38 px: what a screen of 1,080 px shows beneath Grafana's own bars."""
THEMES = ("overview", "calls", "transactions", "connections", "generator", "books")

every_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-B", str(GRAFANA / "dashboards.py"), "--check"]
    return subprocess.run([*program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def test_the_json_is_what_the_source_makes() -> None:
    done = check()
    assert (done.returncode, done.stderr) == (0, "")


def test_a_dashboard_that_was_changed_lost_or_added_by_hand_is_named(tmp_path: Path) -> None:
    folder = shutil.copytree(GRAFANA / "dashboards", tmp_path / "dashboards")
    calls = folder / "calls.json"
    calls.write_text(calls.read_text().replace("from due", "due"))
    (folder / "books.json").unlink()
    (folder / "mine.json").write_text("{}")
    done = check("--folder", folder)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{folder / 'mine.json'}: nothing in the source makes it",
        f"{folder / 'books.json'}: missing",
        f"{folder / 'calls.json'}: differs from the source",
        "run: python grafana/dashboards.py",
    ]


def test_there_is_a_dashboard_for_each_theme_and_no_two_have_the_same_uid_or_title() -> None:
    assert {path.stem for path in DASHBOARDS} == set(THEMES)
    dashboards = [read(path) for path in DASHBOARDS]
    assert len({dashboard["uid"] for dashboard in dashboards}) == len(THEMES)
    assert len({dashboard["title"] for dashboard in dashboards}) == len(THEMES)


@every_dashboard
def test_the_library_reads_back_what_it_wrote(path: Path) -> None:
    dashboard = Dashboard.from_json(read(path))
    assert dashboard.uid == f"fleet-{path.stem}"
    assert dashboard.panels


@every_dashboard
def test_every_panel_has_a_number_a_title_a_description_a_unit_and_a_query(path: Path) -> None:
    dashboard = read(path)
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in panels(dashboard):
        assert panel["title"], panel
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        targets = panel["targets"]
        assert targets, panel["title"]
        assert len({target["refId"] for target in targets}) == len(targets)
        for target in targets:
            assert target["datasource"] == panel["datasource"]


@every_dashboard
def test_a_chart_of_several_lines_names_each(path: Path) -> None:
    for panel in panels(read(path)):
        if panel["type"] in ("timeseries", "bargauge"):
            legends = [target["legendFormat"] for target in panel["targets"]]
            assert all(legends), panel["title"]
            assert len(set(legends)) == len(legends), panel["title"]


@every_dashboard
def test_a_colour_by_name_is_for_a_line_that_can_be_there(path: Path) -> None:
    for panel in panels(read(path)):
        legends = [target["legendFormat"] for target in panel["targets"]]
        if any("{{" in legend for legend in legends) or panel["type"] == "table":
            continue
        for override in panel["fieldConfig"].get("overrides", []):
            assert override["matcher"]["options"] in legends, panel["title"]


@every_dashboard
def test_no_two_panels_lie_over_each_other_and_none_sticks_out(path: Path) -> None:
    def covers(panel: dict[str, Any]) -> set[tuple[int, int]]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRID_WIDTH, panel["title"]
        columns = range(place["x"], place["x"] + place["w"])
        return set(itertools.product(columns, range(place["y"], place["y"] + place["h"])))

    taken: set[tuple[int, int]] = set()
    for panel in read(path)["panels"]:
        covered = covers(panel)
        assert covered, panel["title"]
        assert not taken & covered, panel["title"]
        taken |= covered


@every_dashboard
def test_every_line_of_panels_is_as_wide_as_the_screen(path: Path) -> None:
    lines: dict[int, int] = {}
    for panel in read(path)["panels"]:
        lines[panel["gridPos"]["y"]] = lines.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(lines.values()) == {GRID_WIDTH}


def test_the_overview_fits_one_screen() -> None:
    (overview,) = (read(path) for path in DASHBOARDS if path.stem == "overview")
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in overview["panels"]) <= SCREEN


@every_dashboard
def test_every_query_asks_for_the_fleet_that_was_chosen(path: Path) -> None:
    for question in questions(path):
        # No selector without a choice, and nothing asked for but with one.
        selectors = re.findall(r"\b(?:fleet|scrape|process)_\w+(\{[^}]*\})?|\bup(\{[^}]*\})?", question.expr)
        assert selectors, question
        for selector in (first or second for first, second in selectors):
            assert selector.startswith('{job="$job",instance=~"$instance"'), question
        filled_in(question.expr, "1m")


@every_dashboard
def test_one_may_choose_data_source_job_and_instance_and_sees_the_events(path: Path) -> None:
    dashboard = read(path)
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert names == ["datasource", "job", "instance", *(["action"] if path.stem == "calls" else [])]
    assert [name for name, _, _ in label_queries(path)] == names[1:]
    kinds = re.compile(r'kind=~"([^"]+)"')
    layers = [kinds.findall(mark["expr"])[0].split("|") for mark in dashboard["annotations"]["list"]]
    assert sorted(itertools.chain.from_iterable(layers)) == [
        *("abort", "command", "drain", "fault", "phase", "scenario"),
    ]
    for mark in dashboard["annotations"]["list"]:
        # In ms, and at the time that the value is.
        assert mark["expr"].endswith("* 1000")
        assert mark["useValueForTime"] == "on"


@every_dashboard
def test_links_lead_to_dashboards_that_are_there(path: Path) -> None:
    uids = {read(other)["uid"] for other in DASHBOARDS}
    for panel in panels(read(path)):
        for link in panel.get("links") or []:
            assert link["url"].split("?")[0].removeprefix("/d/") in uids, panel["title"]
