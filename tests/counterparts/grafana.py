"""The dashboards in `grafana/`, read as Grafana reads them: panels, queries, marks and variables."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

GRAFANA = Path(__file__).parents[2] / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
PROMETHEUS = GRAFANA / "prometheus"


@frozen
class Question:
    """A query with the place where it stands."""

    where: str
    expr: str
    instant: bool = False


def read(path: Path) -> dict[str, Any]:
    dashboard: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return dashboard


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something: a row only has a heading."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def questions(path: Path) -> Iterator[Question]:
    """Every query of the panels and of the marks."""
    dashboard = read(path)
    for panel in panels(dashboard):
        for target in panel["targets"]:
            where = f"{path.stem}: {panel['title']} {target['refId']}"
            yield Question(where, target["expr"], bool(target.get("instant")))
    for mark in dashboard["annotations"]["list"]:
        yield Question(f"{path.stem}: marks of {mark['name']}", mark["expr"])


def label_queries(path: Path) -> Iterator[tuple[str, str, str]]:
    """(variable, selector, label) of every variable that asks Prometheus for the values of a label."""
    for variable in read(path)["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found is not None, variable["query"]
            yield variable["name"], found[1], found[2]


def filled_in(expr: str, rate_interval: str, job: str = "fleet") -> str:
    """The query as Grafana sends it, with everything chosen and its own variables in place."""
    for name, value in {
        "$__rate_interval": rate_interval,
        "$__range": "60s",
        "$job": job,
        "$instance": ".*",
        "$action": ".*",
    }.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, f"a variable that is not known here: {expr}"
    return expr
