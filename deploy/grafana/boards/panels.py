"""The kinds of panels there are here, and the sheet on which they are laid out: numbered, side by side, row below row.

Every panel says in its description what it shows and what to do when it looks wrong, and links to the sections of the runbook
which say more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common as shown
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.boards.frame import SOURCE

GRID_WIDTH = 24
STAT_HEIGHT, GRAPH_HEIGHT = 4, 8

BUYERS, COUNT, PER_S, SECONDS, SHARE = "locale", "none", "suffix:/s", "s", "percentunit"
"""Units as Grafana names them."""

Panel: TypeAlias = stat.Panel | timeseries.Panel | statetimeline.Panel
Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""Colours from a value on; the first has None."""
Texts: TypeAlias = Mapping[str, tuple[str, str]]
"""What is shown instead of a value, and in which colour."""

CALM: Steps = ((None, "green"),)
NONE_IS_GOOD: Steps = ((None, "green"), (1, "red"))
ONE_IS_GOOD: Steps = ((None, "red"), (1, "green"))

P = TypeVar("P", bound=Panel)


@dataclass(frozen=True, slots=True)
class Query:
    """One query: its expression, the name of each of its series, and how this kind of line is drawn where that is special."""

    expr: str
    legend: str
    style: str = ""
    """`dashed` for a bound; `second` for an axis of its own on the right."""
    unit: str = ""
    """Of the axis on the right."""


@dataclass(frozen=True, slots=True)
class About:
    """What a panel is called, what it shows and what to do about it, and the alerts whose sections in the runbook say more.

    `""` among the alerts is the runbook as a whole.
    """

    title: str
    text: str
    alerts: Sequence[str] = ()


class Sheet:
    """Lays panels out on a dashboard."""

    def __init__(self, board: dashboard.Dashboard, places: Mapping[str, str]) -> None:
        """Begin with none; `places` are the addresses of the runbook's sections by alert."""
        self._board = board
        self._places = places
        self._panels = 0

    def row(self, title: str) -> None:
        """Begin a new row."""
        self._panels += 1
        self._board.with_row(dashboard.Row(title).id(self._panels))

    def add(self, about: About, panel: Panel) -> None:
        """Put a panel beside the last one.

        Raises:
            KeyError: it names an alert that the runbook does not know.
        """
        self._panels += 1
        links = [
            dashboard.DashboardLink(f"Runbook: {alert}" if alert else "Runbook")
            .type(DashboardLinkType.LINK)
            .url(self._places[alert])
            .target_blank(True)
            for alert in about.alerts
        ]
        panel.id(self._panels).title(about.title).description(about.text).links(list(links)).datasource(
            SOURCE
        )
        self._board.with_panel(panel)


def number(
    *queries: Query,
    unit: str,
    steps: Steps = CALM,
    texts: Texts | None = None,
    colors: Mapping[str, str] | None = None,
    width: int = 4,
    height: int = STAT_HEIGHT,
    decimals: int | None = None,
    name: bool = False,
) -> stat.Panel:
    """Return one large figure; with `name` the name of its series instead, in its colour of `colors`.

    It is asked for this moment alone: the last figure of a time that is shown would still stand there when there is none now.
    """
    panel = (
        stat.Panel()
        .height(height)
        .span(width)
        .color_mode(shown.BigValueColorMode.VALUE)
        .graph_mode(shown.BigValueGraphMode.NONE)
        .text_mode(shown.BigValueTextMode.NAME if name else shown.BigValueTextMode.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("none")
    )
    _color(panel, colors)
    if decimals is not None:
        panel.decimals(decimals)
    return _drawn(panel, queries, unit, steps, texts, at_once=True)


def graph(
    *queries: Query,
    unit: str,
    steps: Steps = (),
    width: int = 12,
    stacked: bool = False,
    least: float | None = 0.0,
    most: float | None = None,
    repeat: str = "",
) -> timeseries.Panel:
    """Return lines over time; bounds in `steps` are drawn as lines. With `repeat`, a panel for each value of a variable."""
    panel = (
        timeseries.Panel()
        .height(GRAPH_HEIGHT)
        .span(width)
        .line_width(2)
        .fill_opacity(20 if stacked else 8)
        .show_points(shown.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(shown.LegendDisplayMode.TABLE)
            .placement(shown.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(
            common.VizTooltipOptions().mode(shown.TooltipDisplayMode.MULTI).sort(shown.SortOrder.DESCENDING)
        )
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(shown.StackingMode.NORMAL))
    if least is not None:
        panel.min(least)
    if most is not None:
        panel.max(most)
    if len(steps) > 1:
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(shown.GraphThresholdsStyleMode.DASHED)
        )
    if repeat:
        panel.repeat(repeat).repeat_direction("h").max_per_row(GRID_WIDTH // width)
    for ref, query in _lettered(queries):
        if query.style:
            panel.override_by_query(ref, _override(query))
    return _drawn(panel, queries, unit, steps, None)


def states(
    *queries: Query,
    steps: Steps = CALM,
    texts: Texts | None = None,
    colors: Mapping[str, str] | None = None,
    width: int = 12,
    height: int = GRAPH_HEIGHT,
) -> statetimeline.Panel:
    """Return a bar a series, coloured by its value, or by its name where `colors` has it."""
    panel = (
        statetimeline.Panel()
        .height(height)
        .span(width)
        .merge_values(True)
        .show_value(shown.VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(80)
        .line_width(0)
        .legend(common.VizLegendOptions().display_mode(shown.LegendDisplayMode.LIST).show_legend(False))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )
    _color(panel, colors)
    return _drawn(panel, queries, COUNT, steps, texts)


def _color(panel: stat.Panel | statetimeline.Panel, colors: Mapping[str, str] | None) -> None:
    for name, color in (colors or {}).items():
        panel.override_by_name(name, [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})])


def _drawn(
    panel: P,
    queries: Sequence[Query],
    unit: str,
    steps: Steps,
    texts: Texts | None,
    *,
    at_once: bool = False,
) -> P:
    panel.unit(unit).thresholds(
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=color) for value, color in steps or CALM])
    )
    if texts:
        results = {
            value: ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(texts.items())
        }
        panel.mappings([ValueMap(options=results)])
    for ref, query in _lettered(queries):
        target = (
            prometheus.Dataquery()
            .ref_id(ref)
            .datasource(SOURCE)
            .expr(query.expr)
            .legend_format(query.legend)
            .format(PromQueryFormat.TIME_SERIES)
        )
        panel.with_target(target.instant() if at_once else target.range())
    return panel


def _lettered(queries: Sequence[Query]) -> list[tuple[str, Query]]:
    return [(chr(ord("A") + index), query) for index, query in enumerate(queries)]


def _override(query: Query) -> list[DynamicConfigValue]:
    if query.style == "dashed":
        line = {"fill": "dash", "dash": [8, 6]}
        return [DynamicConfigValue("custom.lineStyle", line), DynamicConfigValue("custom.fillOpacity", 0)]
    if query.style == "second":
        return [
            DynamicConfigValue("custom.axisPlacement", "right"),
            DynamicConfigValue("unit", query.unit),
            DynamicConfigValue("custom.fillOpacity", 0),
        ]
    raise ValueError(f"no style of a line is called {query.style!r}")
