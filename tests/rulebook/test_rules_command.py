"""`tidegate rules lint|test|explain|schema`: what they print, and their exit status. No traceback, whatever is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.rulebook.documents import ONSALE, RULE
from tidegate.cli import app

EXAMPLES = Path(__file__).parents[2] / "rules" / "examples"
WEB = str(EXAMPLES / "web")
TEST = """\
---
{apiVersion: tidegate.dev/v1, kind: RuleTest, metadata: {name: grows}, spec: {rule: web, replicas: 2,
  signals: {requests: 400x9, latency: 0.2x9}, expect: [{at: 0s, replicas: 4}, {at: 15s, replicas: 9}]}}
"""


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["rules", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a text to a file, and give its path."""

    def to_file(text: str) -> str:
        path = tmp_path / "x.yaml"
        path.write_text(text)
        return str(path)

    return to_file


def test_lint_of_what_is_right_says_so() -> None:
    result = run("lint", WEB)
    assert (result.exit_code, result.stdout) == (0, "5 documents, 0 findings\n")


def test_lint_prints_findings_and_fails(write: Write) -> None:
    path = write(ONSALE.replace("burst: 40", "burst: 40, capacity: 100"))
    result = run("lint", path)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{path}:11:21: spec.admission.rate: 20/s x session.length 10m = 12000 ")
    (found,) = json.loads(run("lint", "--json", path).stdout)["findings"]
    assert (found["code"], found["line"], found["column"]) == ("sessions-exceed-capacity", 11, 21)


def test_broken_documents_are_a_mistake_with_each_problem_on_a_line(write: Write) -> None:
    path = write(RULE.replace("perReplica", "perReplicas").replace("above: 500ms", "above: 0"))
    for command in ("lint", "test", "explain"):
        result = run(command, path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.splitlines() == [
            f"{path}:10:7: spec.signals[0].perReplicas: unknown field; did you mean perReplica?",
            f"{path}:14:82: spec.admission.slow.above: must be more than 0, found 0",
        ]
    result = run("lint", "--json", path)
    assert result.exit_code == 2
    assert [problem["suggestion"] for problem in json.loads(result.stdout)["problems"]] == [
        "perReplica",
        None,
    ]


def test_a_file_that_is_not_there_is_a_mistake() -> None:
    result = run("lint", "/nowhere.yaml")
    assert (result.exit_code, result.stderr) == (
        2,
        "/nowhere.yaml: cannot be read: No such file or directory\n",
    )


def test_tests_that_pass_are_fine(tmp_path: Path) -> None:
    report = tmp_path / "out" / "junit.xml"
    result = run("test", WEB, "--junit", str(report))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "4 tests, none failed"
    assert len(ElementTree.parse(report).getroot()) == 4  # noqa: S314  # our own XML


def test_tests_that_fail_show_what_differs(write: Write) -> None:
    path = write(RULE + TEST)
    result = run("test", path)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:3] == [
        "FAIL  grows (rule web): 1 of 2 expectations not met",
        f"  {path}:17:79: at 15s:",
        "    replicas  expected 9, got 8",
    ]
    tests = json.loads(run("test", "--json", path).stdout)["tests"]
    assert [check["passed"] for check in tests[0]["checks"]] == [True, False]


def test_one_test_can_be_run_alone() -> None:
    result = run("test", WEB, "--only", "web-without-data")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 test, none failed")
    result = run("test", WEB, "--only", "web-with-data")
    assert (result.exit_code, result.stderr) == (2, "tidegate: there is no RuleTest web-with-data\n")


def test_nothing_to_test_is_a_mistake(write: Write) -> None:
    path = write(RULE)
    result = run("test", path)
    assert (result.exit_code, result.stderr) == (2, f"tidegate: there is no RuleTest in {path}\n")


def test_explain_lists_each_step() -> None:
    result = run(
        "explain", WEB, "--value", "requests=400", "--value", "latency=250ms", "--current", "4", "--ready", "3"
    )  # fmt: skip
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "4 -> 8 (signals): requests asks for 8: 400 over 50 a replica, 100 each"
    assert "  4 replicas, 3 ready" in lines
    assert any(line.split() == ["*", "signals", "8", *lines[0].split()[4:]] for line in lines)
    for step in ("stabilisation", "policies", "bounds"):
        assert any(line.split()[:1] == [step] for line in lines)


def test_explain_gives_json() -> None:
    result = run("explain", WEB, "--value", "requests=missing", "--current", "4", "--json")
    decision = json.loads(result.stdout)
    assert (decision["desired"], decision["boundBy"]) == (4, "hold")
    assert [step["name"] for step in decision["steps"]] == ["signals", "hold"]


@pytest.mark.parametrize(("gap", "desired"), [("missing", 3), ("failed", 4)])
def test_explain_tells_nothing_to_read_from_a_source_that_fails(gap: str, desired: int) -> None:
    values = ["--value", "requests=10", "--value", f"latency={gap}"]
    result = run("explain", WEB, *values, "--current", "4", "--json")
    assert json.loads(result.stdout)["desired"] == desired


def test_explain_takes_a_crowd_and_a_time() -> None:
    folder = str(EXAMPLES / "onsale")
    result = run("explain", folder, "--crowd", "crowd=24000,5/s", "--at", "2026-12-05T09:55:00+01:00")
    assert "24000 wait, 5/s arrive, due in 1200 s" in result.stdout
    assert "onsale openair opens in 300 s: at least 10" in result.stdout
    assert "admission 2/s" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--value", "request=4"], "'request' is none of the signals (requests, latency); did you mean requests?"),
        (["--value", "requests"], "must be SIGNAL=..., found 'requests'"),
        (["--value", "requests=many"], "requests: must be an amount such as 5, 50/s, 300ms or 20%, found 'many'"),
        (["--crowd", "requests=5"], "requests reads no crowd: write --value requests=..."),
        (["--at", "noon"], "must be a time such as 2026-12-05T09:55:00+01:00, found 'noon'"),
        (["--rule", "wed"], "there is no rule 'wed'; there are: web"),
    ],
)  # fmt: skip
def test_explain_names_a_mistake(arguments: list[str], message: str) -> None:
    result = run("explain", WEB, *arguments)
    assert (result.exit_code, result.stderr) == (2, f"tidegate: {message}\n")


def test_schema_prints_writes_and_checks(tmp_path: Path) -> None:
    assert json.loads(run("schema", "Onsale").stdout)["title"] == "Onsale"
    assert json.loads(run("schema").stdout)["title"] == "A document of Tidegate"
    assert run("schema", "--check", str(tmp_path / "new")).exit_code == 2
    (tmp_path / "new").mkdir()
    assert run("schema", "--check", str(tmp_path / "new")).exit_code == 1
    assert run("schema", "--output", str(tmp_path / "new")).stdout == f"5 schemas in {tmp_path / 'new'}\n"
    assert run("schema", "--check", str(tmp_path / "new")).exit_code == 0
    result = run("schema", "Onsales")
    assert (result.exit_code, result.stderr) == (
        2,
        "tidegate: there is no kind Onsales; there are Onsale, ProcessPool, RuleTest, ScalingRule\n",
    )


def test_a_start_up_that_is_no_duration_is_a_mistake() -> None:
    result = run("lint", WEB, "--startup", "soon")
    assert result.exit_code == 2
    assert "--startup" in result.stderr
