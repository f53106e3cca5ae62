"""`tidegate rules simulate`: what it prints, for people and machines, and its one line for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.tools import need_package
from tidegate.rules_simulate import simulate

ROOT = Path(__file__).parents[2]
RULE = str(ROOT / "rules" / "examples" / "flash-crowd" / "rule.yaml")

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(simulate)


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """Write a short trace."""
    file = tmp_path / "trace.csv"
    file.write_text("minute,requests_per_second\n0,100\n1,100\n2,900\n3,900\n4,100\n", "utf-8")
    return str(file)


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command; gives its status, output and errors."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_people_get_a_table_that_says_what_was_assumed(trace: str) -> None:
    status, out, _ = run(RULE, "--trace", trace, "--service-rate", "50", "--against", "hpa", "--scale", "2")
    assert status == 0
    for words in (
        "SLO violations",
        "replica-hours",
        "theta_U",
        "by its name",
        "HPA algorithm: 45 requests/s",
        "x 2",
    ):
        assert words in out


def test_machines_get_json(trace: str) -> None:
    status, out, _ = run(RULE, "--trace", trace, "--service-rate", "50", "--startup", "10s", "--json")
    assert status == 0
    answer = json.loads(out)
    assert set(answer["scores"]) == {"rule", "optimum", "baseline"}
    assert answer["service"]["startup_s"] == 10
    assert answer["trace"]["seconds"] == 300
    assert {"theta_u_percent", "elastic_speedup", "replica_hours"} <= set(answer["scores"]["rule"])


def test_the_plot_is_written(trace: str, tmp_path: Path) -> None:
    need_package("matplotlib")
    file = tmp_path / "plot.svg"
    status, _, _ = run(
        RULE, "--trace", trace, "--service-rate", "50", "--against", "hpa", "--plot", str(file)
    )
    assert status == 0
    assert "<svg" in file.read_text("utf-8")


def test_an_hpa_by_utilisation_is_another_rival(trace: str) -> None:
    status, out, _ = run(
        RULE, "--trace", trace, "--service-rate", "50", "--against", "hpa", "--hpa-metric", "utilization"
    )
    assert status == 0
    assert "70 % utilisation" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--startup", "soon"], "--startup must be a duration such as 300ms, 10s or 2m, found 'soon'"),
        (["--scale", "0"], "cannot be scaled by 0: must be a number above 0"),
        (["--scale", "nan"], "cannot be scaled by nan: must be a number above 0"),
        (["--against", "keda"], "--against must be hpa, found 'keda'"),
        (
            ["--signal", "latency"],
            "--signal latency: must be NAME=MEANING, one of requests, latency, backlog",
        ),
        (
            ["--signal", "cpu=utilization"],
            "--signal cpu: rule flash-crowd has no such signal (it has requests,",
        ),
        (["--slo", "10ms"], "95 % of the requests within 10ms cannot be kept: served alone they take"),
        (["--min-replicas", "9", "--max-replicas", "3"], "from 9 to 3 replicas there is no room"),
        (
            ["--begins", "tomorrow"],
            "--begins must be a time such as 2026-12-05T09:30:00+01:00, found 'tomorrow'",
        ),
        (["--quantile", "95"], "--quantile must be between 0 and 1, found 95"),
        (["--hpa-target", "0", "--against", "hpa"], "the HPA's target must be above 0, found 0"),
        (["--rule", "other"], "holds no rule other (it has flash-crowd)"),
        (["--plot", "plot.docx"], "--plot plot.docx: "),
    ],
)
def test_a_mistake_gives_one_line(trace: str, arguments: list[str], message: str) -> None:
    status, _, errors = run(RULE, "--trace", trace, "--service-rate", "50", *arguments)
    assert status == 2
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf"])
def test_a_service_rate_must_be_one(trace: str, rate: str) -> None:
    status, _, errors = run(RULE, "--trace", trace, "--service-rate", rate)
    assert status == 2
    assert "--service-rate must be" in errors


def test_a_broken_row_is_named_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("minute,requests_per_second\n0,1\n1,x\n", "utf-8")
    status, _, errors = run(RULE, "--trace", str(file), "--service-rate", "50")
    assert (status, errors) == (2, f"tidegate: {file}:3: must be a number, found 'x'\n")


def test_files_that_are_none_are_said_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"minute,requests_per_second\n0,\xff\n")
    for name, message in (("none.csv", "none.csv"), ("", "is a folder"), ("t.csv", "t.csv:2: is not UTF-8")):
        status, _, errors = run(RULE, "--trace", str(tmp_path / name), "--service-rate", "50")
        assert (status, errors.count("\n")) == (2, 1)
        assert message in errors
