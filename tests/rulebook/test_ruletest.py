"""RuleTest documents: series, rounds, what is compared, and the three ways a result is written."""

# ruff: noqa: E501  # one mistake, one row: a table of messages is read across

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from rulebook import DocumentErrors, Documents, RuleTest, load_text
from rulebook.series import SeriesError, parse_series, see
from rulebook.testreport import Reported, report_json, report_junit, report_text
from rulebook.testrun import TestResult, run_test
from tests.rulebook.documents import RULE

TEST = """\
---
apiVersion: tidegate.dev/v1
kind: RuleTest
metadata: {name: web-grows}
spec:
  rule: web
  replicas: 2
  signals:
    requests: 100 400x10
    latency: 0.25x20
  expect:
    - {at: 0s, replicas: 2}
    - {at: 15s, replicas: 4, boundBy: policies}
    - {at: 30s, replicas: 8, boundBy: signals, reason: requests asks for 8, recommendations: {requests: 8, latency: 4}}
"""


def load(text: str = TEST) -> Documents:
    return load_text(RULE + text, "x.yaml")


def run(text: str = TEST) -> TestResult:
    documents = load(text)
    (test,) = documents.tests.values()
    return run_test(test, documents.rules[test.spec.rule])


def reported(text: str) -> Reported:
    documents, result = load(text), run(text)
    entry = next(entry for entry in documents.loaded if isinstance(entry.document, RuleTest))
    places = tuple(entry.place(("spec", "expect", index)) for index in range(len(result.checks)))
    return Reported(result, "x.yaml", places)


@pytest.mark.parametrize(
    ("text", "samples"),
    [
        ("0+10x3", [0.0, 10.0, 20.0, 30.0]),
        ("-2+4x3", [-2.0, 2.0, 6.0, 10.0]),
        ("1-2x4", [1.0, -1.0, -3.0, -5.0, -7.0]),
        ("1x4", [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("1 2 _ 4", [1.0, 2.0, "none", 4.0]),
        ("1 _x3 stale 2.5e1", [1.0, "none", "none", "none", "stale", 25.0]),
        ("1e+2x1", [100.0, 100.0]),
        ("5x0", [5.0]),
    ],
)
def test_a_series_expands_as_in_promtool(text: str, samples: list[Any]) -> None:
    assert list(parse_series(text)) == samples


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold at least one sample"),
        ("1 two", "must be samples such as 0+10x20, 5x3, 1 2 _ 4 or stale, found 'two' at character 3"),
        ("0+10x", "must be samples such as 0+10x20, 5x3, 1 2 _ 4 or stale, found '0+10x' at character 1"),
        ("1x999999", "holds more than 100000 samples"),
        ("_x99999 1x5", "holds more than 100000 samples"),
    ],
)
def test_what_is_no_series_is_refused(text: str, message: str) -> None:
    with pytest.raises(SeriesError, match=r"^.*$") as refused:
        parse_series(text)
    assert str(refused.value) == message


def shown(text: str, at_s: float, lookback_s: float = 0.0) -> tuple[float, float] | None:
    seen = see(text, 10.0, at_s, lookback_s)
    return None if seen is None else (seen.value, seen.age_s)


def test_between_samples_the_earlier_one_stands() -> None:
    assert shown("1 2 3", 19.0) == (2.0, 9.0)
    assert shown("1 2 3", 20.0) == (3.0, 0.0)


def test_a_gap_shows_nothing_or_as_prometheus_does_the_last_sample_for_a_while() -> None:
    assert shown("1 _x9", 30.0) is None
    assert shown("1 _x9", 30.0, 40.0) == (1.0, 30.0)
    assert shown("1 _x9", 40.0, 40.0) is None
    assert shown("1", 30.0, 40.0) == (1.0, 30.0)
    assert shown("1 stale _x9", 20.0, 40.0) is None


def test_a_rule_runs_over_its_series_round_by_round() -> None:
    result = run()
    assert result.passed, [check.differences for check in result.checks]
    assert [check.decision.desired for check in result.checks] == [2, 4, 8]


def test_an_expectation_between_rounds_looks_at_the_last_one() -> None:
    assert run(TEST.replace("at: 30s", "at: 44s")).passed
    assert not run(TEST.replace("at: 30s", "at: 45s").replace("boundBy: signals, ", "")).checks[2].passed


def test_expectations_need_not_be_in_order_and_may_share_a_time() -> None:
    text = (
        TEST.replace("    - {at: 0s, replicas: 2}\n", "")
        + "    - {at: 0s, replicas: 2}\n    - {at: 0s, ready: 2}\n"
    )
    result = run(text)
    assert result.passed
    assert [check.decided_at_s for check in result.checks] == [15.0, 30.0, 0.0, 0.0]


def test_replicas_are_ready_after_their_start_up() -> None:
    text = TEST.replace("  replicas: 2\n", "  replicas: 2\n  startUp: 20s\n").split("  expect:")[0]
    text += "  expect:\n    - {at: 30s, ready: 2}\n    - {at: 45s, ready: 4, rate: 20/s}\n    - {at: 60s, ready: 8}\n"
    assert run(text).passed


def test_readiness_can_be_a_series_of_its_own() -> None:
    text = TEST.replace("  replicas: 2\n", "  replicas: 2\n  ready: 2 1\n").split("  expect:")[0]
    assert run(text + "  expect: [{at: 15s, ready: 1, rate: 5/s}]\n").passed


def test_what_differs_is_told_with_the_whole_decision() -> None:
    text = report_text([reported(TEST.replace("replicas: 8, boundBy: signals", "replicas: 6, boundBy: max"))])
    lines = text.splitlines()
    assert lines[:5] == [
        "FAIL  web-grows (rule web): 1 of 3 expectations not met",
        "  x.yaml:28:7: at 30s:",
        "    replicas  expected 6, got 8",
        "    boundBy   expected max, got signals",
        "    decided at 30s:",
    ]
    assert "requests asks for 8: 400 over 50 a replica, 100 each" in text
    assert lines[-1] == "1 test, 1 failed"


def test_what_is_met_is_one_line() -> None:
    assert report_text([reported(TEST)]).splitlines() == [
        "ok    web-grows (rule web): 3 expectations",
        "1 test, none failed",
    ]


def test_junit_has_a_case_for_each_expectation() -> None:
    root = ElementTree.fromstring(  # noqa: S314  # our own XML
        report_junit([reported(TEST.replace("replicas: 4", "replicas: 5"))]).encode()
    )
    (suite,) = root
    assert suite.attrib == {"name": "web-grows", "tests": "3", "failures": "1", "errors": "0"}
    assert [case.get("name") for case in suite] == ["0: at 0s", "1: at 15s", "2: at 30s"]
    (failure,) = suite[1]
    assert failure.get("message") == "replicas: expected 5, got 4"
    assert suite[1].get("line") == "27"


def test_json_tells_the_same() -> None:
    (result,) = report_json([reported(TEST)])
    assert (result["passed"], result["checks"][1]["at"], result["checks"][1]["line"]) == (True, "15s", 27)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("rule: web\n", "rule: webb\n", "20:9: spec.rule: there is no ScalingRule webb among the documents"),
        ("requests: 100", "request: 100", "23:14: spec.signals.request: request is none of the signals (requests, latency)"),
        ("0.25x20", "{backlog: 1}", "24:5: spec.signals.latency: needs a series"),
        ("0.25x20", "0.25y20", "24:14: spec.signals.latency: must be samples such as 0+10x20, 5x3, 1 2 _ 4 or stale, found '0.25y20' at character 1"),
        ("at: 0s, replicas: 2", "at: 0s", "26:7: spec.expect[0]: expects nothing: name at least replicas or boundBy"),
        ("at: 0s", "at: 3000d", "26:12: spec.expect[0].at: is more than 50000 intervals after the start"),
        ("recommendations: {requests", "recommendations: {request", "28:104: spec.expect[2].recommendations.request: request is none of the signals (requests, latency)"),
        ("  replicas: 2\n", "", "19:1: spec.replicas: is required, and missing"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_test_is_named_with_its_place(old: str, new: str, expected: str) -> None:
    assert old in TEST
    with pytest.raises(DocumentErrors) as refused:
        load(TEST.replace(old, new))
    assert str(refused.value) == f"x.yaml:{expected}"
