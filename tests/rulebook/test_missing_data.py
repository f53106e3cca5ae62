"""P10: missing data never scales down a shop that is in use, and never stops the loop."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rulebook import Crowd, Memory, Missing, Observation, Reading, Value, decide
from tests.rulebook.documents import NOW_S, rule, seen, share

GONE = Missing("HTTP 503")
NOTHING = Missing("empty", answered=True)
FREE = {"scaleDown": {"stabilizationWindowSeconds": 0}}


def two(on_missing: str, **more: Any) -> Any:
    return rule(
        signals=[share("requests", 10, onMissing=on_missing), share("jobs", 10)], behavior=FREE, **more
    )


@pytest.mark.parametrize(
    ("on_missing", "jobs", "expected"),
    [
        pytest.param("hold", 10.0, 5, id="hold: no scale-down"),
        pytest.param("hold", 70.0, 7, id="hold: up still works on what is there"),
        pytest.param("ignore", 10.0, 1, id="ignore: as if it were not there"),
        pytest.param("ignore", 70.0, 7, id="ignore: up"),
        pytest.param("zero", 10.0, 1, id="zero: as if it were nothing"),
        pytest.param("fail", 10.0, 5, id="fail: no change down"),
        pytest.param("fail", 70.0, 5, id="fail: no change up"),
    ],
)
def test_on_missing_says_what_a_gap_means(on_missing: str, jobs: float, expected: int) -> None:
    decision = decide(two(on_missing), seen(5, {"requests": NOTHING, "jobs": jobs}), Memory(), NOW_S)
    assert decision.desired == expected


@pytest.mark.parametrize("on_missing", ["hold", "ignore", "zero", "fail"])
def test_a_source_that_fails_lets_nothing_go_down(on_missing: str) -> None:
    readings: dict[str, float | Reading] = {"requests": GONE, "jobs": 10.0}
    decision = decide(two(on_missing), seen(50, readings), Memory(), NOW_S)
    assert (decision.desired, decision.memory.recommendations) == (50, ())
    assert "requests: HTTP 503" in decision.reason
    lowered = two(on_missing, replicas={"min": 1, "max": 20})
    assert decide(lowered, seen(50, readings), Memory(), NOW_S).desired == 50


@pytest.mark.parametrize("on_missing", ["ignore", "zero"])
def test_the_others_still_raise_the_count_and_the_rule_is_not_blind(on_missing: str) -> None:
    asked = two(on_missing, fallback={"after": 1, "replicas": 30, "mode": "static"})
    decision = decide(asked, seen(5, {"requests": GONE, "jobs": 70.0}), Memory(), NOW_S)
    assert (decision.desired, decision.memory.blind_since_s) == (7, None)
    assert decide(asked, seen(50, {"requests": GONE, "jobs": 70.0}), Memory(), NOW_S).bound_by == "hold"


@pytest.mark.parametrize("on_missing", ["ignore", "zero"])
def test_who_writes_that_it_may_go_down_lets_a_failing_source_be_left_out(on_missing: str) -> None:
    asked = two(on_missing, fallback={"after": 3, "mode": "current", "mayScaleDown": True})
    assert decide(asked, seen(5, {"requests": GONE, "jobs": 10.0}), Memory(), NOW_S).desired == 1


@pytest.mark.parametrize("on_missing", ["hold", "ignore", "zero", "fail"])
def test_with_no_signal_at_all_nothing_changes(on_missing: str) -> None:
    asked = rule(signals=[share("requests", 10, onMissing=on_missing)], behavior=FREE)
    for readings in ({}, {"requests": GONE}):
        assert decide(asked, Observation(5, 5, readings), Memory(), NOW_S).desired == 5


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        pytest.param(Value(math.nan, NOW_S), "not a finite number", id="NaN"),
        pytest.param(Value(math.inf, NOW_S), "not a finite number", id="infinite"),
        pytest.param(Value(1.0, NOW_S - 61), "stale: 61.0 s old, more than 60 s", id="stale"),
        pytest.param(Crowd(NOW_S, 1.0, 1), "a reading of another kind: Crowd", id="another kind"),
        pytest.param(GONE, "HTTP 503", id="missing"),
    ],
)
def test_what_cannot_be_used_is_missing(reading: Reading, why: str) -> None:
    asked = rule(signals=[share("requests", 10, maxAge="60s")], behavior=FREE)
    decision = decide(asked, seen(5, {"requests": reading}), Memory(), NOW_S)
    assert (decision.desired, decision.bound_by) == (5, "hold")
    assert decision.reason == f"stays at 5 (hold): no scale-down while data is missing (requests: {why})"
    assert decision.recommendations[0].replicas is None


def test_a_value_just_within_its_age_counts() -> None:
    asked = rule(signals=[share("requests", 10, maxAge="60s")], behavior=FREE)
    assert decide(asked, seen(5, {"requests": Value(20.0, NOW_S - 60)}), Memory(), NOW_S).desired == 2


def test_missing_data_does_not_scale_down_to_a_lowered_maximum() -> None:
    asked = rule(replicas={"min": 1, "max": 10}, behavior=FREE)
    assert decide(asked, seen(12, {"requests": GONE}), Memory(), NOW_S).desired == 12
    assert decide(asked, seen(12, {"requests": 500.0}), Memory(), NOW_S).desired == 10
    both = two("hold", replicas={"min": 1, "max": 10})
    assert decide(both, seen(12, {"requests": GONE, "jobs": 900.0}), Memory(), NOW_S).desired == 12


def test_missing_data_does_not_keep_a_shop_below_its_minimum() -> None:
    assert (
        decide(rule(replicas={"min": 2, "max": 9}), seen(0, {"requests": GONE}), Memory(), NOW_S).desired == 2
    )


def test_a_signal_which_the_formula_does_not_use_holds_nothing_up() -> None:
    asked = two("hold", decide="jobs")
    assert decide(asked, seen(5, {"requests": GONE, "jobs": 10.0}), Memory(), NOW_S).desired == 1


def test_a_formula_with_a_gap_gives_way_to_the_highest_of_what_is_there() -> None:
    asked = two("ignore", decide="min(requests, jobs)")
    decision = decide(asked, seen(5, {"requests": GONE, "jobs": 70.0}), Memory(), NOW_S)
    assert decision.desired == 7
    assert decision.steps[0].detail.startswith("data is missing for the formula; jobs asks for 7")


def test_a_hold_leaves_no_trace_in_the_log() -> None:
    decision = decide(two("hold"), seen(5, {"requests": GONE, "jobs": 10.0}), Memory(), NOW_S)
    assert decision.memory.recommendations == ()


@pytest.mark.parametrize(
    ("fallback", "expected"),
    [
        pytest.param({"replicas": 8, "mode": "static"}, 8, id="static"),
        pytest.param({"replicas": 8, "mode": "atLeast"}, 8, id="at least"),
        pytest.param({"replicas": 3, "mode": "atLeast"}, 5, id="at least, already there"),
        pytest.param({"replicas": 3, "mode": "atMost"}, 5, id="at most never scales down by itself"),
        pytest.param({"replicas": 3, "mode": "atMost", "mayScaleDown": True}, 3, id="at most, allowed to"),
        pytest.param({"replicas": 3, "mode": "static", "mayScaleDown": True}, 3, id="static, allowed to"),
        pytest.param({"mode": "current"}, 5, id="current"),
        pytest.param({"replicas": 500, "mode": "static"}, 20, id="never above the maximum"),
    ],
)
def test_a_fallback_comes_after_so_many_intervals_without_data(
    fallback: dict[str, Any], expected: int
) -> None:
    asked = rule(fallback={"after": 3, **fallback}, replicas={"min": 1, "max": 20}, interval="10s")
    memory = Memory()
    for second in (0, 10):
        decision = decide(asked, seen(5, {"requests": GONE}), memory, NOW_S + second)
        assert decision.desired == 5
        memory = decision.memory
    assert decide(asked, seen(5, {"requests": GONE}), memory, NOW_S + 20).desired == expected


def test_a_reading_in_between_starts_the_count_anew() -> None:
    asked = rule(fallback={"after": 2, "replicas": 9}, interval="10s")
    memory = decide(asked, seen(5, {"requests": GONE}), Memory(), NOW_S).memory
    memory = decide(asked, seen(5, {"requests": 50.0}), memory, NOW_S + 10).memory
    assert decide(asked, seen(5, {"requests": GONE}), memory, NOW_S + 20).desired == 5
