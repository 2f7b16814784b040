"""The one look of all the dashboards: their colours, their kinds of panel, their frame.

A dashboard says what is asked and how it is to be read; how a chart is drawn is said here, once. Two things keep the
dashboards readable side by side: a thing has the same colour wherever it is shown (a state, a percentile, an action by
its name), and green, orange and red always mean fine, look at it, and wrong.

`{@}` in an expression stands for the fleet that was chosen at the top of the dashboard, as in
`sum(fleet_charge_points{@,state="offline"})`.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from attrs import field, frozen
from grafana_foundation_sdk.builders import bargauge, common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as drawn
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Drawing: TypeAlias = timeseries.Panel | stat.Panel | bargauge.Panel | heatmap.Panel | table.Panel

GRID_WIDTH = 24
CHOSEN = 'job="$job",instance=~"$instance"'
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

GOOD, WATCH, BAD = "green", "orange", "red"
CALM, QUIET, ODD = "blue", "#8e8e8e", "purple"
"""For what is neither good nor bad: the figure itself, what is not there, what is out of the ordinary."""

STATES = {
    "registered": GOOD,
    "connected": CALM,
    "pending": "yellow",
    "restarting": ODD,
    "without power": "dark-orange",
    "offline": WATCH,
    "rejected": "semi-dark-red",
    "given up": BAD,
    "starting": QUIET,
    "drained": "#5a5a5a",
}
STATUSES = {
    "Available": QUIET,
    "Preparing": "light-blue",
    "Charging": GOOD,
    "SuspendedEV": "yellow",
    "SuspendedEVSE": WATCH,
    "Finishing": CALM,
    "Reserved": ODD,
    "Unavailable": "#5a5a5a",
    "Faulted": BAD,
}
OUTCOMES = {"delivered": GOOD, "lost": BAD, "abandoned": ODD}
PERCENTILES = {"p50": GOOD, "p95": "yellow", "p99": WATCH}


@frozen
class Query:
    """What is asked: the expression, and how each series that comes back is called (`{{label}}` is its value)."""

    expr: str
    legend: str = ""


def percentiles(histogram: str, where: str = "") -> tuple[Query, ...]:
    """p50, p95 and p99 of a histogram of seconds, as its buckets allow."""
    return tuple(
        Query(
            f"histogram_quantile(0.{name[1:]}, sum by (le) (rate({histogram}_bucket{{@{where}}}[$__rate_interval])))",
            name,
        )
        for name in ("p50", "p95", "p99")
    )


def happened(counter: str, label: str, where: str = "", *, per_s: float | None = None) -> Query:
    """A counter by a label, without the words that never came; a line at 0 called `none` where none did.

    The exporter shows every word that may come from the start, which is good for rates and bad for legends. `per_s`
    turns the count since the run began into a rate: 1 is per second, 60 per minute.
    """
    count = f"sum by ({label}) ({counter}{{@{where}}})"
    if per_s is None:
        found = f"{count} > 0"
    else:
        times = "" if per_s == 1 else f" * {per_s:g}"
        found = f"sum by ({label}) (rate({counter}{{@{where}}}[$__rate_interval])){times} and {count} > 0"
    first = label.partition(",")[0]
    legend = " ".join(f"{{{{{word.strip()}}}}}" for word in label.split(","))
    return Query(f'{found} or on() label_replace(vector(0), "{first}", "none", "", "")', legend)


def by_word(gauge: str, label: str) -> Query:
    """A gauge by a label, without the words that nothing had while one looks: they would only fill the legend."""
    query = f"sum by ({label}) ({gauge}{{@}}) and sum by ({label}) (max_over_time({gauge}{{@}}[$__range])) > 0"
    return Query(query, f"{{{{{label}}}}}")


# ---- panels ----------------------------------------------------------------------------------------------------------


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    colours: Mapping[str, str] | None = None,
    logarithmic: bool = False,
    stacked: bool = False,
    limit: float | None = None,
    most: float | None = None,
    told: bool = False,
    right: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """Figures over time; `limit` draws a dashed line where it gets bad, `right` gives series the right axis,
    by name or by `/pattern/`. `told` has the legend beside the chart, with figures, where there is room for it.
    """
    panel = (
        timeseries.Panel()
        .unit(unit)
        .line_width(1)
        .line_interpolation(drawn.LineInterpolation.LINEAR)
        .show_points(drawn.VisibilityMode.NEVER)
        .fill_opacity(55 if stacked else 8)
        .gradient_mode(drawn.GraphGradientMode.NONE if stacked else drawn.GraphGradientMode.OPACITY)
        .span_nulls(False)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .tooltip(common.VizTooltipOptions().mode(drawn.TooltipDisplayMode.MULTI).sort(drawn.SortOrder.DESCENDING))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(drawn.LegendDisplayMode.TABLE if told else drawn.LegendDisplayMode.LIST)
            .placement(drawn.LegendPlacement.RIGHT if told else drawn.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"] if told else [])
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(drawn.StackingMode.NORMAL).group("all"))
    if logarithmic:
        panel.scale_distribution(common.ScaleDistributionConfig().type(drawn.ScaleDistribution.LOG).log(10))
    else:
        panel.axis_soft_min(0)
    if most is not None:
        panel.max(most)
    if limit is not None:
        panel.thresholds(_steps({None: "transparent", limit: BAD}))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(drawn.GraphTresholdsStyleMode.DASHED))
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [_colour(colour)])
    for name, other in (right or {}).items():
        choose = panel.override_by_regexp if name.startswith("/") else panel.override_by_name
        choose(
            name,
            [
                model.DynamicConfigValue("custom.axisPlacement", "right"),
                model.DynamicConfigValue("unit", other),
                model.DynamicConfigValue("custom.fillOpacity", 0),
            ],
        )
    _say(panel, title, description, queries)
    return panel


def figure(
    title: str,
    description: str,
    unit: str,
    query: Query,
    levels: Mapping[float | None, str],
    *,
    decimals: int | None = None,
    to: str | None = None,
    trend: bool = True,
) -> stat.Panel:
    """One figure, as it is now, in the colour of the level it is at; `to` is the dashboard that tells more."""
    panel = (
        stat.Panel()
        .unit(unit)
        .thresholds(_steps(levels))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .color_mode(drawn.BigValueColorMode.VALUE)
        .graph_mode(drawn.BigValueGraphMode.AREA if trend else drawn.BigValueGraphMode.NONE)
        .justify_mode(drawn.BigValueJustifyMode.CENTER)
        .text_mode(drawn.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .no_value("–")
    )
    if decimals is not None:
        panel.decimals(decimals)
    if to is not None:
        panel.links([_link_to(to)])
    _say(panel, title, description, (query,))
    return panel


def ranking(
    title: str,
    description: str,
    unit: str,
    query: Query,
    levels: Mapping[float | None, str],
    *,
    colours: Mapping[str, str] | None = None,
) -> bargauge.Panel:
    """A bar for each series, as it is now."""
    panel = (
        bargauge.Panel()
        .unit(unit)
        .min(0)
        .orientation(drawn.VizOrientation.HORIZONTAL)
        .display_mode(drawn.BarGaugeDisplayMode.BASIC)
        .show_unfilled(True)
        .thresholds(_steps(levels))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [_colour(colour)])
    _say(panel, title, description, (query,), instant=True)
    return panel


def heat_over_time(title: str, description: str, query: Query) -> heatmap.Panel:
    """How often each bucket of a histogram of seconds was hit, over time: `query` keeps the label `le`."""
    panel = (
        heatmap.Panel()
        .calculate(False)
        .cell_gap(1)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heat.HeatmapColorMode.SCHEME)
            .scheme("Turbo")
            .scale(heat.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
        )
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .cell_values(heatmap.CellValues().unit("cps"))
        .y_axis(heatmap.YAxisConfig().unit("s").axis_placement(drawn.AxisPlacement.LEFT))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(drawn.HeatmapCellLayout.AUTO))
        .show_value(drawn.VisibilityMode.NEVER)
        .show_legend()
        .show_tooltip()
        .show_y_histogram()
        # Grafana colours the cells by count; the unit of a panel is that of its axis.
        .unit("s")
    )
    _say(panel, title, description, (query,), form=PromQueryFormat.HEATMAP)
    return panel


@frozen
class Column:
    """A column of a table: what is asked, its heading, its unit, and from where on its figures are coloured."""

    query: Query
    unit: str
    levels: Mapping[float | None, str] = field(factory=dict)
    decimals: int | None = None


def by_label(title: str, description: str, label: str, *columns: Column, sort_by: str) -> table.Panel:
    """A line for each value of a label, a column for each query; the legend of a query is its column's heading."""
    panel = (
        table.Panel()
        .unit("short")
        .show_header(True)
        .cell_height(drawn.TableCellHeight.SM)
        .footer(common.TableFooterOptions().show(False).reducer(["sum"]))
        .sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)])
        .no_value("–")
    )
    _say(panel, title, description, [c.query for c in columns], instant=True, form=PromQueryFormat.TABLE)
    names = {f"Value #{_ref(number)}": column.query.legend for number, column in enumerate(columns)}
    panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names},
        )
    )
    for column in columns:
        looks: list[model.DynamicConfigValue] = [model.DynamicConfigValue("unit", column.unit)]
        if column.decimals is not None:
            looks.append(model.DynamicConfigValue("decimals", column.decimals))
        if column.levels:
            looks.append(model.DynamicConfigValue("thresholds", _steps(column.levels).build()))
            looks.append(model.DynamicConfigValue("color", {"mode": "thresholds"}))
            looks.append(model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
        panel.override_by_name(column.query.legend, looks)
    panel.override_by_name(label, [model.DynamicConfigValue("displayName", label.replace("_", " "))])
    return panel


def info(title: str, description: str, metric: str, *labels: str) -> table.Panel:
    """A line for each series of a metric that says all it has to say in its labels."""
    panel = table.Panel().unit("none").show_header(True).cell_height(drawn.TableCellHeight.SM)
    query = Query(f"{metric}{{@}}")
    _say(panel, title, description, (query,), instant=True, form=PromQueryFormat.TABLE)
    return panel.with_transformation(
        model.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(labels)}})
    )


def _say(
    panel: Drawing,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    instant: bool = False,
    form: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> None:
    panel.title(title).description(description).datasource(SOURCE)
    for number, query in enumerate(queries):
        target = prometheus.Dataquery().expr(chosen(query.expr)).ref_id(_ref(number)).format(form)
        target.datasource(SOURCE)
        (target.instant if instant else target.range)()
        # The heatmap reads its rows off the bucket's bound.
        target.legend_format("{{le}}" if form is PromQueryFormat.HEATMAP else query.legend)
        panel.with_target(target)


def chosen(expr: str) -> str:
    """The expression with the chosen fleet in place of `@`."""
    return expr.replace("{@", "{" + CHOSEN)


def _ref(number: int) -> str:
    return "ABCDEFGHIJ"[number]


def _steps(levels: Mapping[float | None, str]) -> dashboard.ThresholdsConfig:
    steps = [model.Threshold(value=value, color=colour) for value, colour in levels.items()]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _colour(colour: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})


def _link_to(uid: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("More about it")
        .type(model.DashboardLinkType.LINK)
        .url(f"/d/{uid}?${{__url_time_range}}&${{datasource:queryparam}}&${{job:queryparam}}&${{instance:queryparam}}")
    )
