"""What every dashboard of the fleet has around its panels: the choice of the fleet, its events, links, and the grid.

Events are laid over every chart, in three layers that can be switched off: what somebody or something did to the fleet
(commands, steps of a scenario), what went wrong on purpose or stopped the run (faults, an abort), and how far the run
is (its phases, drains). The exporter gives the time of the last event of each kind, in s since 1970, so that a mark
stands where the event was and not where the next scrape happened to be. Of several events of a kind between two
scrapes only the last gets a mark.
"""

from typing import Any

from attrs import define, field
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model
from source.look import BAD, CALM, GRID_WIDTH, ODD, SOURCE, Drawing, chosen

TAG = "fleet"
LAYERS = (
    ("Commands and scenario steps", "command|scenario", CALM),
    ("Faults and aborts", "fault|abort", BAD),
    ("Phases and drains", "phase|drain", ODD),
)
ALL = model.VariableOption(selected=True, text="All", value="$__all")


@define
class Sheet:
    """A dashboard in the making: panels go from left to right, and into the next line where a line is full."""

    title: str
    uid: str
    description: str
    by_action: bool = False
    """Whether one may choose actions, as `$action`."""
    _panels: list[Builder[model.Panel] | Builder[model.RowPanel]] = field(init=False, factory=list)
    _x: int = field(init=False, default=0)
    _y: int = field(init=False, default=0)
    _height: int = field(init=False, default=0)

    def section(self, title: str) -> None:
        """A heading over what follows."""
        self._next_line()
        place = model.GridPos(h=1, w=GRID_WIDTH, x=0, y=self._y)
        self._panels.append(dashboard.Row(title).grid_pos(place).id(len(self._panels) + 1))
        self._y += 1

    def line(self, height: int, *panels: Drawing | tuple[Drawing, int]) -> None:
        """A line of panels, each with its width (the grid has 24) or an equal share of what the others leave."""
        self._next_line()
        given = [panel[1] for panel in panels if isinstance(panel, tuple)]
        share = (GRID_WIDTH - sum(given)) // max(1, len(panels) - len(given))
        for item in panels:
            panel, width = item if isinstance(item, tuple) else (item, share)
            panel.grid_pos(model.GridPos(h=height, w=width, x=self._x, y=self._y)).id(len(self._panels) + 1)
            self._panels.append(panel)
            self._x += width
        self._height = height

    def _next_line(self) -> None:
        self._x, self._y, self._height = 0, self._y + self._height, 0

    def build(self) -> model.Dashboard:
        """The dashboard, ready to be written."""
        made = (
            dashboard.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([TAG, "ocpp"])
            .timezone("browser")
            .time("now-15m", "now")
            .refresh("5s")
            .timepicker(dashboard.TimePicker().refresh_intervals(["5s", "10s", "30s", "1m", "5m"]))
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .readonly()
            .link(
                dashboard.DashboardLink("Fleet")
                .type(model.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .include_vars(True)
                .keep_time(True)
            )
        )
        for variable in self._variables():
            made.with_variable(variable)
        for name, kinds, colour in LAYERS:
            made.annotation(_Marks(name, kinds, colour))
        built = made.build()
        # Placed already; the builder's own way of placing takes a panel at 0, 0 for one without a place.
        built.panels = [panel.build() for panel in self._panels]
        return built

    def _variables(self) -> list[Builder[model.VariableModel]]:
        found: list[Builder[model.VariableModel]] = [
            dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"),
            _labels_of("job", "label_values(fleet_build_info, job)").label("Job"),
            _labels_of("instance", 'label_values(fleet_build_info{job="$job"}, instance)')
            .label("Instance")
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(ALL),
        ]
        if self.by_action:
            found.append(
                _labels_of("action", f"label_values({chosen('fleet_call_duration_seconds_count{@}')}, action)")
                .label("Action")
                .multi(True)
                .include_all(True)
                .all_value(".*")
                .current(ALL)
            )
        return found


def _labels_of(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .datasource(SOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


class _Marks(Builder[model.AnnotationQuery]):
    """A layer of events."""

    def __init__(self, name: str, kinds: str, colour: str) -> None:
        self._made = _PrometheusMarks(
            name=name,
            datasource=SOURCE,
            enable=True,
            icon_color=colour,
            # In ms, as Grafana counts time. What has never happened has no time.
            expr=chosen(f'(fleet_event_timestamp_seconds{{@,kind=~"{kinds}"}} > 0) * 1000'),
        )

    def build(self) -> model.AnnotationQuery:
        return self._made


class _PrometheusMarks(model.AnnotationQuery):
    """Annotations of a Prometheus data source know more fields than those that all sources share."""

    def to_json(self) -> dict[str, Any]:
        return {
            **super().to_json(),
            # The value is the time. Marks closer than a step become one region, so the step is short.
            "useValueForTime": "on",
            "step": "1s",
            "titleFormat": "{{kind}}",
            "textFormat": "{{instance}}",
            "tagKeys": "kind",
        }
