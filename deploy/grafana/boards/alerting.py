"""The panels which show our alerts, on every dashboard alike."""

from __future__ import annotations

from grafana.boards.panels import COUNT, GRID_WIDTH, NONE_IS_GOOD, About, Query, Sheet, number, states

_FIRING = 'alertname=~"Tidegate.*", alertstate="firing"'


def alert_count(sheet: Sheet, labels: str, *, width: int) -> None:
    """Add how many alerts fire now."""
    sheet.add(
        About(
            "Alerts",
            "Alerts which fire now; which ones, the bars below say. Each has a section on the dashboard Runbook.",
            [""],
        ),
        number(
            Query(f"count(ALERTS{{{labels}, {_FIRING}}}) or vector(0)", "firing"),
            unit=COUNT,
            steps=NONE_IS_GOOD,
            width=width,
        ),
    )


def alert_bars(sheet: Sheet, labels: str) -> None:
    """Add a bar an alert, for as long as it fires."""
    expr = f"max by (alertname, severity, onsale, rule) (ALERTS{{{labels}, {_FIRING}}})"
    sheet.add(
        About(
            "Alerts that fire",
            "A bar an alert, for as long as it fires; nothing in a good sale. What to do: the section of its name on the "
            "dashboard Runbook.",
            [""],
        ),
        states(
            Query(expr, "{{alertname}} {{onsale}}{{rule}} ({{severity}})"),
            steps=((None, "red"),),
            texts={"1": ("fires", "red")},
            width=GRID_WIDTH,
            height=5,
        ),
    )
