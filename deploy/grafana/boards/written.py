"""All dashboards by their files' names, as the JSON that Grafana reads."""

from __future__ import annotations

import json

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.boards import health, onsale, scaling
from grafana.boards.runbook import anchors, read_runbook, runbook_dashboard


def dashboards(runbook: str) -> dict[str, str]:
    """Return the JSON of each dashboard; `runbook` is the text of docs/runbook.md, to whose sections panels link.

    Raises:
        KeyError: a panel names a section which the runbook does not have.
    """
    sections = read_runbook(runbook)
    places = anchors(sections)
    made = {
        "onsale": onsale.dashboard(places),
        "scaling": scaling.dashboard(places),
        "health": health.dashboard(places),
        "runbook": runbook_dashboard(sections),
    }
    return {name: _text(each) for name, each in made.items()}


def _text(dashboard: Dashboard) -> str:
    return json.dumps(dashboard.build(), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
