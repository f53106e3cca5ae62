"""The runbook as a dashboard of texts, a panel an alert, so that a link from a panel leads to what to do wherever Grafana runs.

It is made of docs/runbook.md and says nothing of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard, text
from grafana_foundation_sdk.models.text import TextMode

from grafana.boards.frame import TAG, others

UID = "tidegate-runbook"
_WIDTH = 12
_HEIGHT = 9
_FIRST_HEIGHT = 7


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the runbook: its part ("The queue"), its alert, what it says, and the panel which shows it."""

    part: str
    alert: str
    body: str
    panel: int


@dataclass(frozen=True, slots=True)
class Runbook:
    """What is to be done first, whatever it is, and the sections in their order."""

    first: str
    sections: tuple[Section, ...]


def read_runbook(page: str) -> Runbook:
    """Take docs/runbook.md apart: parts under `##`, alerts under `###`."""
    head, *parts = re.split(r"^## ", page, flags=re.MULTILINE)
    first = head.partition("\n")[2].strip()
    sections: list[Section] = []
    panel = 2
    for part in parts:
        title, *alerts = re.split(r"^### ", part, flags=re.MULTILINE)
        panel += 1  # the row
        for each in alerts:
            name, _, body = each.partition("\n")
            sections.append(Section(title.strip(), name.strip(), body.strip(), panel))
            panel += 1
    return Runbook(first, tuple(sections))


def anchors(runbook: Runbook) -> Mapping[str, str]:
    """Return where in Grafana the section of each alert is, and by `""` the whole."""
    return {"": f"/d/{UID}"} | {
        section.alert: f"/d/{UID}?viewPanel={section.panel}" for section in runbook.sections
    }


def runbook_dashboard(runbook: Runbook) -> dashboard.Dashboard:
    """Return the dashboard: a row a part of the runbook, a text an alert."""
    places = {f"#{alert.lower()}": place for alert, place in anchors(runbook).items()}
    board = (
        dashboard.Dashboard("Tidegate / Runbook")
        .uid(UID)
        .description("What to do when an alert fires. Made from docs/runbook.md.")
        .tags([TAG])
        .editable()
        .link(others())
        .with_panel(_text(1, "Whatever it is", runbook.first, places).span(2 * _WIDTH).height(_FIRST_HEIGHT))
    )
    part = ""
    for section in runbook.sections:
        if section.part != part:
            part = section.part
            board.with_row(dashboard.Row(part).id(section.panel - 1))
        board.with_panel(
            _text(section.panel, section.alert, section.body, places).span(_WIDTH).height(_HEIGHT)
        )
    return board


def _text(panel: int, title: str, body: str, places: Mapping[str, str]) -> text.Panel:
    return text.Panel().id(panel).title(title).mode(TextMode.MARKDOWN).content(_moved(body, places))


def _moved(body: str, places: Mapping[str, str]) -> str:
    """Have links lead to panels here; a file of the project, which Grafana does not have, is named instead."""

    def move(link: re.Match[str]) -> str:
        words, target = link.groups()
        if target in places:
            return f"[{words}]({places[target]})"
        path = target.removeprefix("../") if target.startswith("../") else f"docs/{target}"
        return f"{words} (`{path}`)"

    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", move, body)
