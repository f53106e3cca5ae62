"""`tidegate rules explain --live`: a local rule, and what a running scaler reads now."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from autoscaler.sources.base import Answer
from autoscaler.status import RuleStatus, status_json
from autoscaler.targets.base import TargetState
from rulebook import Crowd, Memory, Observation, Value, decide, load_documents
from rulebook.trial import try_rule
from tidegate.cli import app
from tidegate.rules_live import read_live

EXAMPLES = Path(__file__).parents[2] / "rules" / "examples"
STATUS: dict[str, Any] = {
    "rules": {
        "web": {
            "replicas": 4,
            "ready": 3,
            "signals": {"requests": {"value": 400.0, "at": 1.0}, "latency": {"missing": "HTTP 503"}},
        },
        "tickets": {
            "replicas": 2,
            "ready": 2,
            "signals": {
                "crowd": {"backlog": 2400, "arrivals_per_s": 1e-05, "opens_at": None, "at": 1.0},
                "latency": {"value": 0.25, "at": 1.0},
            },
        },
        "odd": {"signals": 5},
    }
}


class Status(BaseHTTPRequestHandler):
    """A scaler's /status."""

    def do_GET(self) -> None:  # the library's name
        text = json.dumps(STATUS).encode() if self.path == "/status" else b"<html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def scaler() -> Iterator[str]:
    """The address of a server that answers as a scaler does."""
    with HTTPServer(("127.0.0.1", 0), Status) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def explain(example: str, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["rules", "explain", str(EXAMPLES / example), *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_readings_and_counts_come_from_the_scaler(scaler: str) -> None:
    status, output, _ = explain("web", "--live", scaler)
    assert status == 0
    assert output.startswith("4 -> 8 (signals): requests asks for 8")
    assert "4 replicas, 3 ready" in output
    assert "missing (HTTP 503), ignored" in output


def test_a_crowd_comes_from_the_scaler_too(scaler: str) -> None:
    status, output, _ = explain("onsale", "--live", f"{scaler}/", "--at", "2026-12-05T10:05:00+01:00")
    assert (status, "2400 wait" in output) == (0, True)


@pytest.mark.parametrize(
    ("before_s", "sessions", "said"),
    [
        pytest.param(1500.0, 0, "2 (min)", id="long before the doors open"),
        pytest.param(90.0, 0, "20000 wait", id="shortly before"),
        pytest.param(-600.0, 9000, "9000 shop: 30 replicas for them", id="buyers inside"),
    ],
)
def test_a_crowd_is_decided_on_as_by_the_loop(
    scaler: str, monkeypatch: pytest.MonkeyPatch, before_s: float, sessions: int, said: str
) -> None:
    documents = load_documents(EXAMPLES / "onsale" / "rule.yaml")
    opens_s = datetime.fromisoformat("2026-12-05T10:00:00+01:00").timestamp()
    now_s, backlog = opens_s - before_s, 0 if sessions else 20_000
    readings = {"crowd": Crowd(now_s, 5.0, backlog, opens_s, sessions), "latency": Value(0.1, now_s)}
    looped = decide(documents.rules["tickets"], Observation(2, 2, readings), Memory(), now_s)
    answers = {name: Answer(reading) for name, reading in readings.items()}
    told = RuleStatus("tickets", "", 10.0, dry_run=False, state=TargetState(2, 2, ()), answers=answers)
    monkeypatch.setitem(STATUS["rules"], "tickets", status_json(told))
    given = read_live(scaler, "tickets", datetime.fromtimestamp(now_s, UTC).isoformat())
    live = try_rule(documents, "tickets", given, 0.0)
    assert live.reason == looped.reason
    assert said in " ".join([live.reason, *(step.detail for step in live.steps)])


@pytest.mark.parametrize(("answered", "said"), [(True, "4 -> "), (False, "stays at 4 (hold)")])
def test_a_source_that_fails_is_told_from_one_that_has_nothing(
    scaler: str, monkeypatch: pytest.MonkeyPatch, answered: bool, said: str
) -> None:
    latency = {"missing": "HTTP 503", "answered": answered}
    signals = {"requests": {"value": 20.0, "at": 1.0}, "latency": latency}
    monkeypatch.setitem(STATUS["rules"]["web"], "signals", signals)
    _, output, _ = explain("web", "--live", scaler)
    assert output.startswith(said)


@pytest.mark.parametrize(
    ("example", "path", "message"),
    [
        ("worker", "", "does not run rule worker; it runs: web, tickets, odd"),
        ("web", "/elsewhere", "no status of a scaler at"),
    ],
)
def test_a_scaler_that_cannot_tell_is_a_mistake(scaler: str, example: str, path: str, message: str) -> None:
    status, _, errors = explain(example, "--live", scaler + path)
    assert (status, len(errors.splitlines())) == (2, 1)
    assert message in errors


@pytest.mark.parametrize("url", ["file:///etc", "127.0.0.1:9190", "http://127.0.0.1:1"])
def test_an_address_without_a_scaler_is_a_mistake(url: str) -> None:
    status, _, errors = explain("web", "--live", url)
    assert (status, errors.startswith(f"tidegate: no status of a scaler at {url}: ")) == (2, True)


def test_values_by_hand_and_live_ones_do_not_mix(scaler: str) -> None:
    status, _, errors = explain("web", "--live", scaler, "--value", "requests=1")
    assert (status, errors) == (2, "tidegate: give either --live or --value and --crowd\n")
