"""The alerts: well formed, each tested to fire, each with a section in the runbook."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.tools import need

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
TESTS = sorted((FOLDER / "tests").glob("*.yaml"))
SEVERITIES = {"critical", "warning"}


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def alerts() -> list[dict[str, Any]]:
    return [rule for group in read(FOLDER / "alerts.yaml")["groups"] for rule in group["rules"]]


def names(*, fired: bool) -> set[str]:
    """Return the alerts which a unit test expects to fire, or not to."""
    return {
        check["alertname"]
        for path in TESTS
        for test in read(path)["tests"]
        for check in test.get("alert_rule_test", ())
        if bool(check["exp_alerts"]) is fired
    }


@pytest.mark.parametrize("name", ["recording.yaml", "alerts.yaml"])
def test_rules_are_well_formed(name: str) -> None:
    command = [need("promtool"), "check", "rules", "--lint=all", "--lint-fatal", str(FOLDER / name)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_stay_quiet_in_a_good_sale(path: Path) -> None:
    command = [need("promtool"), "test", "rules", path.name]
    result = subprocess.run(command, capture_output=True, text=True, cwd=path.parent)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_has_a_unit_test_both_ways() -> None:
    all_names = {alert["alert"] for alert in alerts()}
    assert names(fired=True) == all_names
    assert names(fired=False) == all_names


def test_each_alert_has_a_section_in_the_runbook_and_no_section_is_left_over() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    sections = dict(re.findall(r"^### (Tidegate\w+)\n\n((?:(?!^#).*\n?)+)", text, re.MULTILINE))
    assert set(sections) == {alert["alert"] for alert in alerts()}
    for alert in alerts():
        assert alert["labels"]["severity"] in SEVERITIES
        assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{alert['alert'].lower()}"
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["description"]
        section = sections[alert["alert"]]
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert part in section, f"{alert['alert']}: {part}"
