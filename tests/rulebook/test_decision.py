"""decide(): signals to a count, step by step, and which step had the last word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulebook import Decision, Memory, Observation, ScalingRule, Value, decide
from rulebook.events import MAX_LOG
from tests.rulebook.documents import NOW_S, again, rule, seen, share, total

FREE = {
    "scaleUp": {"policies": [{"type": "Percent", "value": 1000, "periodSeconds": 15}]},
    "scaleDown": {"stabilizationWindowSeconds": 0},
}


def steps_of(decision: Decision) -> list[tuple[str, int]]:
    return [(step.name, step.replicas) for step in decision.steps]


@pytest.mark.parametrize(
    ("current", "value", "expected"),
    [
        pytest.param(3, 30.0, 3, id="as it should be"),
        pytest.param(3, 33.0, 3, id="within tolerance"),
        pytest.param(3, 33.1, 4, id="outside tolerance, rounded up"),
        pytest.param(3, 20.0, 2, id="down"),
        pytest.param(3, 60.00000000001, 6, id="noise of floats is no replica"),
        pytest.param(3, 60.0001, 7, id="a real excess is one"),
        pytest.param(3, 0.0, 1, id="nothing to do: the minimum"),
        pytest.param(0, 60.0, 1, id="from zero to the minimum first"),
    ],
)
def test_a_share_of_each_replica_is_an_average_value(current: int, value: float, expected: int) -> None:
    decision = decide(rule(behavior=FREE), seen(current, {"requests": value}), Memory(), NOW_S)
    assert decision.desired == expected


@pytest.mark.parametrize(
    ("current", "ready", "value", "expected"),
    [
        pytest.param(4, 4, 0.3, 4, id="on target"),
        pytest.param(4, 4, 0.45, 6, id="ratio times ready replicas"),
        pytest.param(4, 2, 0.45, 3, id="only the ready ones count"),
        pytest.param(4, 4, 0.15, 2, id="down"),
    ],
)
def test_a_target_for_the_whole_is_a_value(current: int, ready: int, value: float, expected: int) -> None:
    asked = rule(signals=[total("latency", "300ms")], behavior=FREE)
    assert decide(asked, seen(current, {"latency": value}, ready=ready), Memory(), NOW_S).desired == expected


def test_the_highest_signal_wins_and_is_named() -> None:
    asked = rule(signals=[share("requests", 10), share("jobs", 2)], behavior=FREE)
    decision = decide(asked, seen(3, {"requests": 40.0, "jobs": 16.0}), Memory(), NOW_S)
    assert [entry.replicas for entry in decision.recommendations] == [4, 8]
    assert decision.desired == 8
    assert decision.reason == "3 -> 8 (signals): jobs asks for 8: 16 over 2 a replica, 5.333 each"


def test_a_formula_replaces_the_highest() -> None:
    asked = rule(
        signals=[share("requests", 10), share("jobs", 2)], behavior=FREE, decide="min(requests, jobs) + 1"
    )
    decision = decide(asked, seen(3, {"requests": 40.0, "jobs": 16.0}), Memory(), NOW_S)
    assert decision.desired == 5
    assert decision.steps[0].detail == "min(requests, jobs) + 1 gives 5"


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        pytest.param("values.requests > 30.0 ? 9 : 2", 9, id="values"),
        pytest.param("max(current, ready) * 2", 6, id="counts"),
        pytest.param("double(requests) * 1.6", 7, id="rounded up"),
        pytest.param("requests - 100", 1, id="never below the minimum"),
        pytest.param("requests / (requests - 4)", 4, id="what fails gives the highest"),
    ],
)
def test_a_formula_sees_values_and_counts(formula: str, expected: int) -> None:
    asked = rule(decide=formula, behavior=FREE)
    assert decide(asked, seen(3, {"requests": 40.0}), Memory(), NOW_S).desired == expected


def test_steps_are_listed_with_their_numbers() -> None:
    asked = rule(
        replicas={"min": 2, "max": 20},
        behavior={
            "scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}]},
            "scaleDown": {"stabilizationWindowSeconds": 60},
        },
    )
    decision = decide(asked, seen(5, {"requests": 300.0}), Memory(), NOW_S)
    assert steps_of(decision) == [("signals", 30), ("stabilisation", 30), ("policies", 9), ("bounds", 9)]
    assert (decision.desired, decision.bound_by) == (9, "policies")
    assert decision.reason == "5 -> 9 (policies): at most 9 now"


@pytest.mark.parametrize(
    ("value", "current", "name", "expected"),
    [
        pytest.param(900.0, 15, "max", 20, id="the maximum"),
        pytest.param(0.0, 4, "min", 2, id="the minimum"),
        pytest.param(100.0, 30, "max", 20, id="above the maximum: the maximum first, as the HPA does"),
        pytest.param(100.0, 1, "min", 2, id="below the minimum: the minimum first"),
    ],
)
def test_the_bounds_bind(value: float, current: int, name: str, expected: int) -> None:
    asked = rule(replicas={"min": 2, "max": 20}, behavior=FREE)
    decision = decide(asked, seen(current, {"requests": value}), Memory(), NOW_S)
    assert (decision.desired, decision.bound_by) == (expected, name)


def test_without_behaviour_growth_stops_at_twice_the_count() -> None:
    decision = decide(rule(), seen(5, {"requests": 900.0}), Memory(), NOW_S)
    assert (decision.desired, decision.bound_by) == (10, "policies")


def test_without_behaviour_a_scale_down_waits_for_five_minutes() -> None:
    memory = decide(rule(), seen(5, {"requests": 50.0}), Memory(), NOW_S).memory
    at_300 = decide(rule(), seen(5, {"requests": fresh(20.0)}), memory, NOW_S + 300)
    assert (at_300.desired, at_300.bound_by) == (5, "stabilisation")
    assert decide(rule(), seen(5, {"requests": fresh(20.0)}), memory, NOW_S + 301).desired == 2


def test_policies_look_back_on_what_was_carried_out() -> None:
    pods = {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}]}
    asked = rule(behavior={"scaleUp": pods})
    first = decide(asked, seen(5, {"requests": 900.0}), Memory(), NOW_S)
    memory = first.memory.after_scaling(5, first.desired, NOW_S)
    assert decide(asked, seen(9, {"requests": fresh(900.0)}), memory, NOW_S + 59).desired == 9
    assert decide(asked, seen(9, {"requests": fresh(900.0)}), memory, NOW_S + 60).desired == 13
    # A write that failed is not recorded, so nothing is counted against the next one.
    assert decide(asked, seen(5, {"requests": fresh(900.0)}), first.memory, NOW_S + 15).desired == 9


def test_disabled_means_never_that_way() -> None:
    asked = rule(
        behavior={**FREE, "scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}}
    )
    decision = decide(asked, seen(5, {"requests": 1.0}), Memory(), NOW_S)
    assert (decision.desired, decision.bound_by) == (5, "policies")


def test_each_direction_has_its_own_tolerance() -> None:
    asked = rule(behavior={"scaleUp": {"tolerance": "1%"}, "scaleDown": {"stabilizationWindowSeconds": 0}})
    assert decide(asked, seen(10, {"requests": 102.0}), Memory(), NOW_S).desired == 11
    assert decide(asked, seen(10, {"requests": 91.0}), Memory(), NOW_S).desired == 10


def test_paused_keeps_the_count_or_sets_a_fixed_one() -> None:
    busy = seen(5, {"requests": 900.0})
    kept = decide(rule(paused=True), busy, Memory(), NOW_S)
    assert (kept.desired, kept.bound_by, kept.reason) == (5, "paused", "stays at 5 (paused): paused")
    fixed = decide(rule(paused={"replicas": 3}), busy, Memory(), NOW_S)
    assert (fixed.desired, fixed.bound_by) == (3, "paused")


def test_a_dry_run_tells_what_it_would_do_and_does_nothing() -> None:
    admission = {"onsale": "gala", "perReadyReplica": "5/s"}
    decision = decide(rule(dryRun=True, admission=admission), seen(5, {"requests": 900.0}), Memory(), NOW_S)
    assert (decision.desired, decision.bound_by, decision.admission) == (5, "dryRun", None)
    assert decision.steps[-1].detail == "would go to 10; would admit 25/s (5 ready x 5/s)"


def test_the_log_of_recommendations_stays_bounded() -> None:
    memory = Memory()
    for second in range(0, 3000, 15):
        memory = decide(rule(), seen(5, {"requests": fresh(50.0)}), memory, NOW_S + second).memory
    assert len(memory.recommendations) <= 300 / 15 + 2
    for second in range(3):  # a clock that runs backwards finds no slot to reuse
        memory = replace(memory, recommendations=memory.recommendations * 1000)
        memory = decide(rule(), seen(5, {"requests": fresh(50.0)}), memory, NOW_S - second).memory
        assert len(memory.recommendations) <= MAX_LOG


def test_a_memory_survives_writing_and_reading() -> None:
    decision = decide(rule(behavior=FREE), seen(5, {"requests": 900.0}), Memory(), NOW_S)
    memory = decision.memory.after_scaling(5, 10, NOW_S)
    assert memory.scale_up_events
    assert again(memory) == memory


counts = st.integers(0, 200)


@settings(deadline=None)
@given(
    counts, counts, st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True), st.booleans(), st.booleans()
)  # fmt: skip
def test_whatever_is_seen_there_is_a_decision_within_bounds(
    current: int, ready: int, requests: float, latency: float, behaviour: bool, formula: bool
) -> None:
    more: dict[str, Any] = {"behavior": FREE} if behaviour else {}
    more |= {"decide": "requests + latency"} if formula else {}
    asked: ScalingRule = rule(
        signals=[share("requests", 10), total("latency", "1ms")], replicas={"min": 2, "max": 50}, **more
    )
    observation = Observation(current, ready, {"requests": fresh(requests), "latency": fresh(latency)})
    decision = decide(asked, observation, Memory(), NOW_S)
    assert decision.desired == decision.steps[-1].replicas
    assert 2 <= decision.desired <= max(50, current)
    assert decide(asked, observation, Memory(), NOW_S) == decision


def fresh(value: float) -> Value:
    return Value(value, NOW_S)
