"""The dashboards as Grafana reads them, and what they ask of Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
FILES = tuple(sorted(FOLDER.glob("*.json")))
LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")

_TEXTS = re.compile(r'"[^"]*"')
_NOT_METRICS = re.compile(
    r"\{[^}]*\}|\[[^]]*\]|\b(?:by|without|on|ignoring|group_left|group_right) \([^)]*\)"
)
_NAMES = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?![\w:]|\s*\()")
_WORDS = {"and", "or", "unless", "bool", "offset"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: of which dashboard, of which panel, variable or annotation, and its expression."""

    dashboard: str
    of: str
    expr: str

    @property
    def metrics(self) -> set[str]:
        """The names of the series that it reads."""
        return set(_NAMES.findall(_NOT_METRICS.sub(" ", _TEXTS.sub(" ", self.expr)))) - _WORDS


def read(path: Path) -> dict[str, Any]:
    """Read a dashboard."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels, rows left out."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def asked(path: Path) -> Iterator[Asked]:
    """Yield all queries of a dashboard; of a variable the selector of its label's series."""
    dashboard = read(path)
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            yield Asked(path.stem, f"{panel['title']} {target['refId']}", target["expr"])
    for variable in dashboard["templating"].get("list", ()):
        if variable["type"] == "query":
            matched = LABEL_VALUES.fullmatch(variable["query"])
            assert matched is not None, variable["query"]
            yield Asked(path.stem, f"variable {variable['name']}", matched["selector"])
    for annotation in dashboard["annotations"].get("list", ()):
        yield Asked(path.stem, f"annotation {annotation['name']}", annotation["expr"])


def all_asked() -> list[Asked]:
    """Return all queries of all dashboards."""
    return [each for path in FILES for each in asked(path)]
