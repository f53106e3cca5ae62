"""A rule that remembers nothing takes the count it finds for a recommendation: nothing falls before a whole window has passed."""

from __future__ import annotations

from typing import Any

import pytest

from rulebook import Decision, Memory, Value, decide
from rulebook.memory import CrowdDeadline, TimedRecommendation
from tests.rulebook.documents import NOW_S, rule, seen

START = Memory(at_start=TimedRecommendation(8, NOW_S))


def decided(after_s: float, current: int, wanted: int, memory: Memory = START, **spec: Any) -> Decision:
    now_s = NOW_S + after_s
    return decide(rule(**spec), seen(current, {"requests": Value(wanted * 10.0, now_s)}), memory, now_s)


@pytest.mark.parametrize(
    ("behavior", "held_s"),
    [
        pytest.param(None, 300, id="the HPA's default"),
        pytest.param({"scaleDown": {"stabilizationWindowSeconds": 60}}, 60, id="a window"),
        pytest.param(
            {"scaleDown": {"stabilizationWindowSeconds": 0}}, 15, id="no window, the default policy"
        ),
        pytest.param(
            {
                "scaleDown": {
                    "stabilizationWindowSeconds": 60,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 600}],
                }
            },
            600,
            id="a policy of a longer period",
        ),
    ],
)
def test_nothing_falls_until_the_past_that_counts_is_known(behavior: Any, held_s: float) -> None:
    spec = {} if behavior is None else {"behavior": behavior}
    assert decided(0, 8, 2, **spec).desired == 8
    decision = decided(held_s - 1, 8, 2, **spec)
    assert (decision.desired, decision.bound_by) == (8, "start")
    assert "what came before is not remembered: no scale-down below 8 for another 1 s" in decision.reason
    assert decided(held_s, 8, 2, **spec).desired < 8


def test_going_up_is_not_held_back() -> None:
    up = {"scaleUp": {"stabilizationWindowSeconds": 300}}
    assert decided(10, 8, 12).desired == 12
    assert decided(10, 8, 12, behavior=up).desired == 12


def test_a_count_that_rose_since_may_fall_to_that_of_the_start_only() -> None:
    free = {
        "scaleDown": {
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 60}],
        }
    }
    assert decided(30, 20, 2, behavior=free).desired == 8
    assert decided(30, 6, 2, behavior=free).desired == 6  # a person took it below


def test_the_start_is_forgotten_when_it_binds_no_more() -> None:
    assert decided(299, 8, 2).memory.at_start == START.at_start
    assert decided(300, 8, 2).memory.at_start is None


def test_an_earlier_memory_that_turns_up_counts_as_if_it_had_been_there() -> None:
    earlier = Memory(
        recommendations=(TimedRecommendation(20, NOW_S - 100),),
        crowd_deadlines=(CrowdDeadline("crowd", NOW_S + 50), CrowdDeadline("gone", NOW_S + 50)),
        slow_factor=0.5,
        slow_at_s=NOW_S - 100,
    )
    present = Memory(
        recommendations=(TimedRecommendation(6, NOW_S - 10),),
        crowd_deadlines=(CrowdDeadline("crowd", NOW_S + 500),),
    )
    both = present.after(earlier)
    assert [entry.replicas for entry in both.recommendations] == [20, 6]
    assert both.crowd_deadlines == (CrowdDeadline("crowd", NOW_S + 50),)
    assert (both.slow_factor, both.slow_at_s) == (0.5, NOW_S - 100)
    assert decided(0, 20, 2, both).desired == 20
