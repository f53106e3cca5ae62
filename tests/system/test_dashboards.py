"""The Grafana dashboards: up to date, well formed, explained, and asking for nothing that is not there."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from ruamel.yaml import YAML

from grafana.boards.__main__ import RUNBOOK, main
from grafana.boards.written import dashboards
from tests.system.dashboards import FILES, ROOT, Asked, all_asked, asked, panels, read

SCHEMA = 41
"""Of Grafana 11.6."""
UIDS = {
    "health": "tidegate-health",
    "onsale": "tidegate-onsale",
    "runbook": "tidegate-runbook",
    "scaling": "tidegate-scaling",
}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
OWN_OF_PROMETHEUS = {"ALERTS"}
OF_EVENTS = {"titleFormat", "step", "useValueForTime"}
"""What Grafana's Prometheus data source reads of an annotation, beyond the schema of dashboards."""

UNITS = {"dtdurations", "locale", "none", "percentunit", "s", "short", "suffix:/s"}
"""As Grafana names them; one that it does not know it would show as a word behind each number."""

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def families() -> set[str]:
    """Return the metrics that docs/metrics.md has, a histogram by each of its names."""
    rows = re.findall(
        r"^\| `(tidegate_\w+)` \| (\w+) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE
    )
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + part for name, kind in rows for part in parts.get(kind, ("",))}


def recorded() -> set[str]:
    rules = YAML(typ="safe").load((ROOT / "deploy" / "prometheus" / "recording.yaml").read_text())
    return {rule["record"] for group in rules["groups"] for rule in group["rules"]}


def test_the_dashboards_are_what_the_code_says(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert {path.name for path in FILES} == {path.name for path in tmp_path.iterdir()}
    for path in FILES:
        assert path.read_text() == (tmp_path / path.name).read_text(), "run `make dashboards`"


def test_without_a_folder_it_is_said_how_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err == "usage: python -m grafana.boards FOLDER\n"


@each_file
def test_the_name_of_a_dashboard_and_its_schema_stay_as_they_are(path: Path) -> None:
    found = read(path)
    assert (found["uid"], found["schemaVersion"]) == (UIDS[path.stem], SCHEMA)
    assert found["title"].startswith("Tidegate / ")
    assert found["tags"] == ["tidegate"]
    assert "id" not in found, "a number is each Grafana's own"


@each_file
def test_grafanas_schema_knows_every_field(path: Path) -> None:
    found = read(path)
    known = JSONEncoder(sort_keys=True, indent=1).encode(Dashboard.from_json(found))
    for annotation in found["annotations"].get("list", ()):
        for name in OF_EVENTS:
            del annotation[name]
    assert known == JSONEncoder(sort_keys=True, indent=1).encode(found)


@each_file
def test_panels_are_numbered_once_and_do_not_overlap(path: Path) -> None:
    found = read(path)["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    for panel in found:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert place["w"] > 0
        assert place["h"] > 0
    for one, other in combinations(found, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
        if one["gridPos"]["y"] == other["gridPos"]["y"]:
            assert one["gridPos"]["h"] == other["gridPos"]["h"], (one["title"], other["title"])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@each_file
def test_the_data_source_is_always_the_one_that_is_chosen(path: Path) -> None:
    found = read(path)
    asking = [panel for panel in panels(found) if panel["type"] != "text"]
    sources: list[Any] = [panel["datasource"] for panel in asking]
    sources += [target["datasource"] for panel in asking for target in panel["targets"]]
    sources += [each["datasource"] for each in found["annotations"].get("list", ())]
    variables = found["templating"].get("list", ())
    sources += [each["datasource"] for each in variables if each["type"] == "query"]
    assert all(source == SOURCE for source in sources)
    assert not asking or variables[0]["name"] == "datasource"


@each_file
def test_every_variable_is_used_and_every_one_that_is_used_exists(path: Path) -> None:
    found = read(path)
    variables = {each["name"] for each in found["templating"].get("list", ())}
    used = {name for each in asked(path) for name in re.findall(r"\$\{?(\w+)", each.expr)}
    used |= {panel["repeat"] for panel in panels(found) if "repeat" in panel}
    used |= {"datasource"} if variables else set()
    assert used - {"__rate_interval"} == variables


@each_file
def test_every_panel_says_what_it_shows_and_what_to_do(path: Path) -> None:
    for panel in panels(read(path)):
        if panel["type"] == "text":
            assert panel["options"]["content"], panel["title"]
            continue
        assert len(re.findall(r"[.:;?](?:\s|$)", panel["description"])) > 1, (
            f"{panel['title']}: what is to be done?"
        )
        assert panel["description"].endswith("."), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert defaults["thresholds"]["steps"][0]["value"] is None, panel["title"]
        assert panel["targets"], panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


def test_every_link_to_the_runbook_leads_to_the_section_that_it_names() -> None:
    by_uid = {read(path)["uid"]: read(path) for path in FILES}
    sections = {
        f"/d/{uid}?viewPanel={panel['id']}": panel["title"]
        for uid, found in by_uid.items()
        for panel in panels(found)
    }
    linked = {
        (link["title"], link["url"])
        for found in by_uid.values()
        for panel in panels(found)
        for link in panel.get("links", ())
    }
    assert linked
    linked.remove(("Runbook", "/d/tidegate-runbook"))
    for title, url in linked:
        assert title == f"Runbook: {sections[url]}"
    text = "\n".join(panel["options"]["content"] for panel in panels(by_uid["tidegate-runbook"]))
    for words, url in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", text):
        assert sections[url] == words
    assert set(re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE)) <= set(sections.values())


@each_file
def test_every_dashboard_leads_to_the_others(path: Path) -> None:
    (link,) = read(path)["links"]
    assert (link["type"], link["tags"], link["keepTime"], link["includeVars"]) == (
        "dashboards",
        ["tidegate"],
        True,
        True,
    )


def test_a_section_that_the_runbook_does_not_have_is_refused() -> None:
    page = RUNBOOK.read_text().replace("### TidegateStoreSlow\n", "### TidegateStoreLazy\n")
    with pytest.raises(KeyError, match="TidegateStoreSlow"):
        dashboards(page)


@each_file
def test_no_query_asks_for_a_metric_that_there_is_not(path: Path) -> None:
    known = families() | recorded() | OWN_OF_PROMETHEUS
    for each in asked(path):
        assert each.metrics, each
        assert each.metrics <= known, each


@each_file
def test_a_large_figure_is_of_this_moment_and_says_when_there_is_none(path: Path) -> None:
    for panel in panels(read(path)):
        if panel["type"] == "stat":
            assert all(target["instant"] and not target["range"] for target in panel["targets"]), panel[
                "title"
            ]
            assert panel["fieldConfig"]["defaults"]["noValue"] == "none", panel["title"]


def test_names_of_metrics_are_found_in_every_form() -> None:
    found = Asked(
        "",
        "",
        'histogram_quantile(0.5, sum by (le) (rate(a_bucket{b="c"}[5m]))) / on (x) (d:e:f > 0) or vector(0)',
    )
    assert found.metrics == {"a_bucket", "d:e:f"}


def test_what_is_counted_for_the_alerts_is_shown_somewhere() -> None:
    shown = {name for each in all_asked() for name in each.metrics}
    rules = YAML(typ="safe").load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            used = Asked("", "", rule["expr"]).metrics
            assert any(bare(name) in {bare(each) for each in shown} for name in used), rule["alert"]


def bare(name: str) -> str:
    """Return a metric's name without what a recording rule made of it."""
    return next((part for part in name.split(":") if part.startswith("tidegate_")), name).removesuffix(
        "_total"
    )
