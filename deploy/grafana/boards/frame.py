"""What all dashboards have in common: the data source, the variables, the events drawn over every graph, and the links."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

TAG = "tidegate"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
NAMESPACE = 'namespace=~"$namespace"'
"""Matches series without a namespace too, while all of them are chosen: on one host there is none."""

ONSALE = f'{NAMESPACE}, onsale="$onsale"'
RULE = f'{NAMESPACE}, rule="$rule"'

_EVENT_STEP = "15s"


class EventQuery(AnnotationQuery):
    """An annotation as Grafana's Prometheus data source reads it, with fields which the schema of dashboards leaves open."""

    def __init__(self, name: str, expr: str, title: str, color: str, *, at_value: bool) -> None:
        """With `at_value` the value, in milliseconds, is the moment; else whatever is above 0 is a moment, or a span of them."""
        super().__init__(name=name, datasource=SOURCE, icon_color=color, expr=expr)
        self._title = title
        self._at_value = at_value

    def to_json(self) -> dict[str, object]:
        """Return the annotation as it stands in the dashboard."""
        fields = {"titleFormat": self._title, "step": _EVENT_STEP, "useValueForTime": self._at_value}
        return super().to_json() | fields


class Event(dashboard.AnnotationQuery):
    """Builds an annotation."""

    def __init__(self, name: str, expr: str, title: str, color: str, *, at_value: bool = False) -> None:
        self._internal = EventQuery(name, expr, title, color, at_value=at_value)


def openings(labels: str) -> list[Event]:
    """Return when doors open and close, and while a line is on hold or on its fallback rate."""
    return [
        Event(
            "Doors open",
            f"max by (onsale) (tidegate_queue_opens_timestamp_seconds{{{labels}}}) * 1000",
            "{{onsale}}: doors open",
            "green",
            at_value=True,
        ),
        Event(
            "Onsale closes",
            f"max by (onsale) (tidegate_queue_closes_timestamp_seconds{{{labels}}}) * 1000",
            "{{onsale}} closes",
            "purple",
            at_value=True,
        ),
        Event(
            "On hold, or on the fallback rate",
            f'max by (onsale, reason) (tidegate_queue_rate_reason{{{labels}, reason=~"hold|fallback"}})',
            "{{onsale}}: {{reason}}",
            "orange",
        ),
    ]


def scalings(labels: str) -> Event:
    """Return when replica counts were changed, by whomever."""
    return Event(
        "Replicas changed",
        f"max by (rule, direction, by) (tidegate_scaler_scaled_timestamp_seconds{{{labels}}}) * 1000",
        "{{rule}} scaled {{direction}} by {{by}}",
        "blue",
        at_value=True,
    )


def others() -> dashboard.DashboardLink:
    """Return the link at the head of each dashboard: to the others, with what was chosen here."""
    return (
        dashboard.DashboardLink("Tidegate")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .icon("dashboard")
        .tooltip("The other dashboards, for the same time and choice")
        .keep_time(True)
        .include_vars(True)
    )


def framed(title: str, uid: str, description: str, span: str) -> dashboard.Dashboard:
    """Return a dashboard with the data source's and the namespace's variable, and no panels; `span` is how far back it shows."""
    return (
        dashboard.Dashboard(f"Tidegate / {title}")
        .uid(uid)
        .description(description)
        .tags([TAG])
        .editable()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time(f"now-{span}", "now")
        .refresh("15s")
        .link(others())
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            _query_variable("namespace", "Namespace", "label_values(tidegate_queue_stale, namespace)")
            .include_all(True)
            .all_value(".*")
            .multi(True)
            .current(VariableOption(selected=True, text="All", value="$__all"))
        )
    )


def onsale_variable() -> dashboard.QueryVariable:
    """Return the choice of one onsale."""
    query = f"label_values(tidegate_queue_stale{{{NAMESPACE}}}, onsale)"
    return _query_variable("onsale", "Onsale", query)


def rule_variable() -> dashboard.QueryVariable:
    """Return the choice of one rule, of those which a scaler evaluates."""
    query = f"label_values(tidegate_scaler_desired_replicas{{{NAMESPACE}}}, rule)"
    return _query_variable("rule", "Rule", query)


def signal_variable() -> dashboard.QueryVariable:
    """Return the choice of signals of the rule; all of them unless fewer are wanted."""
    query = f"label_values(tidegate_scaler_signal_target{{{RULE}}}, signal)"
    return (
        _query_variable("signal", "Signals", query)
        .include_all(True)
        .multi(True)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _query_variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
