"""`tidegate rules backtest` on a real Prometheus with a past, and its one line for each mistake."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.autoscaler.prometheus_front import answering, running_front
from tests.autoscaler.prometheus_server import Prometheus
from tests.ports import free_ports
from tidegate.rules_backtest import backtest

RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: web}
spec:
  target: {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web}
  replicas: {min: 2, max: 30}
  interval: 30s
  signals:
    - name: requests
      prometheus: {query: 'sum(shop_requests_per_second)'}
      perReplica: 50
"""
ONSALE_RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: tickets}
spec:
  target: {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: tickets}
  replicas: {min: 2, max: 40}
  interval: 30s
  signals:
    - name: crowd
      onsale: {name: openair, drainWithin: 20m, lead: 2m}
      perReplica: 2/s
  schedule:
    - {onsale: openair, lead: 10m, min: 10}
  admission: {onsale: openair, perReadyReplica: 2/s, sessionsPerReadyReplica: 300}
"""
HOUR_S = 3600

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(backtest)


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command; gives its status, output and errors."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


class Past:
    """A server that remembers three hours until `end_s`: a rush of ten minutes in the middle, and replicas that were late."""

    def __init__(self, server: Prometheus, end_s: int) -> None:
        self.server = server
        self.url = server.url
        self.end_s = end_s

    @property
    def span(self) -> list[str]:
        return ["--from", iso(self.end_s - 3 * HOUR_S), "--to", iso(self.end_s)]


def iso(at_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at_s))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    server = Prometheus(tmp_path_factory.mktemp("past"))
    end_s = int(time.time()) // 60 * 60 - 600
    rush_s = end_s - HOUR_S - 1800
    moments = range(end_s - 3 * HOUR_S, end_s + 1, 15)
    server.remember(
        "shop_requests_per_second",
        ((float(at), 900.0 if rush_s <= at < rush_s + 600 else 100.0) for at in moments),
    )
    labels = '{namespace="shop",deployment="web"}'
    server.remember(
        "kube_deployment_status_replicas",
        ((float(at), 18.0 if rush_s + 300 <= at < rush_s + 1800 else 3.0) for at in moments),
        labels=labels,
    )
    # Half an hour of pre-queue, a sale of half an hour which serves a line of 48,000, and buyers who shop on for a while.
    opens_s = end_s - HOUR_S
    for metric, value in (
        ("opens_timestamp_seconds", lambda at: float(opens_s)),
        ("waiting", lambda at: min(max(48_000.0 - max(at - opens_s, 0) * 26.7, 0.0), 48_000.0)),
        ("late", lambda at: 0.0),
        ("joins_total", lambda at: 48_000.0),
        ("sessions", lambda at: 6_000.0 if opens_s < at < opens_s + 2700 else 0.0),
    ):
        points = ((float(at), value(at)) for at in moments if at >= opens_s - 1800)
        server.remember(f"tidegate_queue_{metric}", points, labels='{onsale="openair"}')
    server.start()
    try:
        yield Past(server, end_s)
    finally:
        server.stop()


@pytest.fixture
def rule(tmp_path: Path) -> str:
    file = tmp_path / "rule.yaml"
    file.write_text(RULE)
    return str(file)


def test_machines_get_what_the_rule_would_have_done_beside_what_was(past: Past, rule: str) -> None:
    status, out, errors = run(rule, "--prometheus", past.url, *past.span, "--json")
    assert (status, errors) == (0, "")
    answer: dict[str, Any] = json.loads(out)
    assert (answer["moments"], answer["step_s"]) == (361, 30)
    assert answer["signals"]["requests"]["missing"] == 0
    assert set(answer["replicas"]) == {"rule", "was", "baseline"}
    replicas = answer["replicas"]
    assert (max(replicas["rule"]), min(replicas["rule"]), max(replicas["was"])) == (18, 2, 18)
    began = replicas["rule"].index(18)
    assert began < replicas["was"].index(18)
    assert answer["scores"]["rule"]["theta_u_percent"] < answer["scores"]["was"]["theta_u_percent"]
    assert answer["changes"][0]["reason"].startswith("3 -> 2") or answer["changes"][0]["before"] == 3
    assert max(answer["demand"]) == 18


def test_people_get_tables(past: Past, rule: str) -> None:
    status, out, _ = run(rule, "--prometheus", past.url, *past.span, "--step", "1m", "--startup", "1m")
    assert status == 0
    for words in (
        "rule web for Deployment shop/web",
        "181 decisions, 60 s apart",
        "recorded at 181 of 181 moments",
        "replica-hours",
        "theta_U",
        "elastic speedup",
        "was: the replicas there were",
        "the rule decides each 30 s, here only each 60 s",
    ):
        assert words in out


def test_a_model_of_the_service_tells_what_buyers_would_have_felt(past: Past, rule: str) -> None:
    status, out, _ = run(rule, "--prometheus", past.url, *past.span, "--service-rate", "60", "--json")
    assert status == 0
    model = json.loads(out)["model"]
    scores = model["scores"]
    # There were 3 replicas for 900/s during five minutes; the rule would have had 18 after a start-up.
    assert model["requests"] == "requests"
    assert scores["rule"]["slo_violation_percent"] < scores["was"]["slo_violation_percent"]
    assert scores["rule"]["longest_backlog"] < scores["was"]["longest_backlog"] / 2
    assert scores["was"]["longest_backlog"] > 100_000
    status, out, _ = run(rule, "--prometheus", past.url, *past.span, "--service-rate", "60")
    assert "SLO violations" in out


def test_the_plot_is_written(past: Past, rule: str, tmp_path: Path) -> None:
    file = tmp_path / "plot.svg"
    status, _, _ = run(rule, "--prometheus", past.url, *past.span, "--plot", str(file))
    assert status == 0
    assert "<svg" in file.read_text()


def test_times_can_be_told_by_how_long_ago(past: Past, rule: str) -> None:
    status, out, _ = run(
        rule, "--prometheus", past.url, "--from", "2h", "--to", "1h", "--step", "1m", "--json"
    )
    assert status == 0
    assert json.loads(out)["moments"] == 61


def test_a_long_stretch_is_asked_for_in_pieces(past: Past, rule: str) -> None:
    status, out, errors = run(rule, "--prometheus", past.url, *past.span, "--step", "1s", "--json")
    assert (status, errors) == (0, "")
    answer = json.loads(out)
    assert (answer["moments"], answer["signals"]["requests"]["missing"]) == (10801, 0)


def test_replicas_that_nobody_recorded_are_left_out_and_said_so(past: Past, tmp_path: Path) -> None:
    file = tmp_path / "rule.yaml"
    file.write_text(RULE.replace("name: web}\n  replicas", "name: other}\n  replicas"))
    status, out, _ = run(str(file), "--prometheus", past.url, *past.span)
    assert status == 0
    assert "the replicas there were are not recorded: give --replicas-query" in out
    status, out, _ = run(str(file), "--prometheus", past.url, *past.span, "--json",
                         "--replicas-query", "max(kube_deployment_status_replicas) - 1")  # fmt: skip
    assert max(json.loads(out)["replicas"]["was"]) == 17


def test_a_signal_that_was_not_read_from_prometheus_gets_the_query_that_comes_to_the_same(
    past: Past, tmp_path: Path
) -> None:
    file = tmp_path / "rule.yaml"
    read_by_page = "exposition: {gauge: shop_requests_per_second}"
    file.write_text(RULE.replace("prometheus: {query: 'sum(shop_requests_per_second)'}", read_by_page))
    status, out, _ = run(str(file), "--prometheus", past.url, *past.span, "--json")
    assert status == 0
    assert max(json.loads(out)["demand"]) == 18
    told = ["--query", "requests=sum(shop_requests_per_second) / 9"]
    status, out, _ = run(str(file), "--prometheus", past.url, *past.span, "--json", *told)
    assert max(json.loads(out)["demand"]) == 2


def test_a_crowd_is_decided_on_as_the_loop_would_have(past: Past, tmp_path: Path) -> None:
    file = tmp_path / "rule.yaml"
    file.write_text(ONSALE_RULE)
    opens_s = past.end_s - HOUR_S
    around = ["--from", iso(opens_s - 1800), "--to", iso(past.end_s)]
    status, out, errors = run(str(file), "--prometheus", past.url, *around, "--json")
    assert (status, errors) == (0, "")
    answer: dict[str, Any] = json.loads(out)
    assert answer["notes"] == [
        "the crowd is taken as recorded, though with other replicas other buyers had been let in",
        "admission is not replayed",
    ]
    replicas = answer["replicas"]["rule"]

    def at(minutes: int) -> int:
        return int(replicas[30 + 2 * minutes + 30])

    # Nothing for the pre-queue, the schedule ten minutes before, the crowd two minutes before: 48,000 in 20 min, 2/s each.
    assert [at(minutes) for minutes in (-30, -11, -9, -3, -1)] == [2, 2, 10, 10, 20]
    assert max(replicas[:60]) == 20
    # Once the line is empty, 6,000 who shop need 20 replicas for 300 each; then the schedule goes as well.
    assert at(40) == 20
    assert at(60) == 2
    assert (answer["demand"][0], answer["demand"][60]) == (2, 20)


def test_a_schedule_alone_reads_the_opening_too(past: Past, tmp_path: Path) -> None:
    file = tmp_path / "rule.yaml"
    schedule = "  schedule:\n    - {onsale: ONSALE, lead: 10m, min: 25}\n"
    file.write_text(RULE + schedule.replace("ONSALE", "openair"))
    status, out, errors = run(str(file), "--prometheus", past.url, *past.span, "--json")
    assert (status, errors) == (0, "")
    answer = json.loads(out)
    opening = (2 * HOUR_S) // 30
    replicas = answer["replicas"]["rule"]
    assert (replicas[opening - 21], replicas[opening - 20], max(replicas)) == (2, 4, 25)
    assert answer["notes"] == []
    file.write_text(RULE + schedule.replace("ONSALE", "elsewhere"))
    status, out, _ = run(str(file), "--prometheus", past.url, *past.span, "--json")
    answer = json.loads(out)
    assert max(answer["replicas"]["rule"]) == 18
    assert answer["notes"][0].startswith("schedules by elsewhere are not replayed: no opening was recorded")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--from", "2031-01-01", "--to", "2031-01-02"], "--from 2031-01-01 is still to come"),
        (["--from", "1h", "--to", "2h"], "--from 1h is not before --to 2h"),
        (["--from", "yesterday"], "--from must be a time such as 2026-12-05T09:30:00+01:00, found 'yesterday'"),
        (["--from", "10s", "--to", "now"], "from 10s to now there is not even one step of 30 s: give a shorter --step"),
        (["--from", "3000d", "--step", "1s"], "more than 500000: give --step 519s or more, or a shorter time"),
        (["--step", "soon"], "--step must be a duration such as 300ms, 10s or 2m, found 'soon'"),
        (["--rule", "shop"], "holds no rule shop (it has web)"),
        (["--query", "latency=x"], "--query latency: rule web has no such signal that is read by a query (it has requests)"),
        (["--query", "x"], "--query x: must be NAME=PROMQL"),
        (["--query", "requests=absent_metric"], "signal requests: nothing was recorded between --from and --to of "
         "'absent_metric'; see for how long Prometheus keeps data, or give another query by --query requests=PROMQL"),
        (["--query", "requests=sum("], "signal requests: URL: HTTP 400, bad_data: 1:5: parse error: unclosed left parenthesis"),
        (["--query", "requests={__name__=~'shop_requests_per_second|kube_deployment_status_replicas'}"],
         "2 series, where one number is needed; they differ in __name__, deployment, namespace"),
        (["--replicas-query", "absent_metric"],
         "--replicas-query 'absent_metric': nothing was recorded between --from and --to"),
        (["--service-rate", "60", "--requests", "jobs"],
         "--requests jobs: rule web has no such signal with perReplica (it has requests)"),
        (["--service-rate", "0"], "--service-rate must be from 0.000001 to a thousand million, found 0"),
        (["--service-rate", "1"], "95 % of the requests within 500ms cannot be kept: "),
        (["--requests", "requests"], "--requests: for the model of the service, which needs --service-rate too"),
        (["--plot", "plot.xyz"], "--plot plot.xyz: "),
        (["--plot", "/nowhere/plot.png"], "--plot /nowhere/plot.png: there is no folder /nowhere"),
        (["--prometheus", "nowhere"], "--prometheus 'nowhere': must be an address such as http://127.0.0.1:9090"),
        (["--prometheus-token-file", "/none"], "/none: No such file or directory"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_in_one_line(past: Past, rule: str, change: list[str], message: str) -> None:
    status, _, errors = run(rule, "--prometheus", past.url, *past.span, *change)
    assert status == 2
    assert message.replace("URL", past.url) in errors
    assert errors.startswith("tidegate: ")
    assert errors.count("\n") == 1


def test_without_a_server_one_is_asked_for(rule: str) -> None:
    assert run(rule, "--from", "1h") == (2, "", "tidegate: --prometheus is needed: which server remembers?\n")


def test_a_server_that_is_not_there_is_said_in_one_line(rule: str) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    status, _, errors = run(rule, "--prometheus", url, "--from", "1h")
    assert (status, errors) == (2, f"tidegate: signal requests: {url}: Connection refused\n")


async def test_a_login_page_in_the_way_is_said_in_one_line(rule: str) -> None:
    async with running_front() as front:
        front.behave = answering(200, "<html>Sign in</html>", "text/html")
        status, _, errors = await asyncio.to_thread(run, rule, "--prometheus", front.url, "--from", "1h")
    why = "not the answer of a Prometheus: text/html instead of JSON (a proxy's login page?)"
    assert (status, errors) == (2, f"tidegate: signal requests: {front.url}: {why}\n")


def test_without_pandas_the_extra_is_named(rule: str) -> None:
    arguments = ["tidegate", "rules", "backtest", rule, "--prometheus", "http://127.0.0.1:1", "--from", "1h"]
    code = f"import sys; sys.modules['pandas'] = None; sys.argv = {arguments!r}; from tidegate.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    message = "tidegate: reading the past needs pandas: install tidegate[backtest]\n"
    assert (done.returncode, done.stderr) == (2, message)
