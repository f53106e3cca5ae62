"""What has to stand at an opening stands there, however many rounds the policies make of the way up."""

from __future__ import annotations

from typing import Any

import pytest

from rulebook import Crowd, Memory, Observation, ScalingRule, decide
from rulebook.climb import climb_s
from rulebook.prepared import prepare
from rulebook.startup import StartUps
from tests.rulebook.documents import NOW_S, crowd_signal, rule

OPENS_S = NOW_S + 3600.0
DEFAULTS: dict[str, Any] = {"scaleUp": {}}


def asked(
    interval_s: int, behavior: dict[str, Any] | None, *, floor: int | None, most: int = 60
) -> ScalingRule:
    fields: dict[str, Any] = {
        "signals": [crowd_signal()],
        "replicas": {"min": 2, "max": most},
        "interval": f"{interval_s}s",
    }
    if behavior is not None:
        fields["behavior"] = behavior
    if floor is not None:
        fields["schedule"] = [{"onsale": "gala", "lead": "10s", "min": floor}]
    return rule(**fields)


def ready_at_the_opening(scaling: ScalingRule, start_up_s: float, backlog: int) -> tuple[int, float]:
    """Play the hour before an opening; gives the replicas that are ready then, and how long before it the first was ordered."""
    memory = Memory(start_ups=StartUps(took_s=(start_up_s,)))
    current, orders, first_s, at_s = 2, list[tuple[float, int]](), 0.0, NOW_S
    while at_s < OPENS_S:
        ready = 2 + sum(count for ordered_s, count in orders if ordered_s + start_up_s <= at_s)
        crowd = Crowd(at_s, 0.0, backlog, OPENS_S, 0)
        decision = decide(scaling, Observation(current, ready, {"crowd": crowd}), memory, at_s)
        memory = decision.memory
        if decision.desired > current:
            first_s = first_s or OPENS_S - at_s
            memory = memory.after_scaling(current, decision.desired, at_s)
            orders.append((at_s, decision.desired - current))
            current = decision.desired
        at_s += scaling.spec.interval_s
    return 2 + sum(count for ordered_s, count in orders if ordered_s + start_up_s <= OPENS_S), first_s


BEHAVIOURS = pytest.mark.parametrize(
    "behavior",
    [
        None,
        DEFAULTS,
        {"scaleUp": {"policies": [{"type": "Pods", "value": 5, "periodSeconds": 60}]}},
        {"scaleUp": {"stabilizationWindowSeconds": 120}},
    ],
    ids=["none", "the HPA's defaults", "five a minute", "a window"],
)


@BEHAVIOURS
@pytest.mark.parametrize("start_up_s", [10.0, 30.0])
def test_a_floor_stands_at_the_opening(behavior: dict[str, Any] | None, start_up_s: float) -> None:
    scaling = asked(15, behavior, floor=60)
    ready, first_s = ready_at_the_opening(scaling, start_up_s, backlog=0)
    assert ready == 60
    assert first_s <= 1.25 * start_up_s + 2 * 15.0 + climb_s(prepare(scaling.spec), 2, 60) + 1e-6


@BEHAVIOURS
def test_what_a_pre_queue_needs_stands_at_the_opening(behavior: dict[str, Any] | None) -> None:
    scaling, backlog, just_before_s = asked(15, behavior, floor=None), 4000, OPENS_S - 1.0
    ready, _ = ready_at_the_opening(scaling, 30.0, backlog)
    crowd = Crowd(just_before_s, 0.0, backlog, OPENS_S, 0)
    decision = decide(scaling, Observation(ready, ready, {"crowd": crowd}), Memory(), just_before_s)
    assert ready > 20, "the case is to need several rounds"
    assert decision.recommendations[0].replicas == ready


@pytest.mark.parametrize(
    ("behavior", "current", "wanted", "expected_s"),
    [
        (None, 2, 4, 0.0),
        (None, 2, 5, 15.0),
        (None, 2, 60, 60.0),  # 4, 8, 16, 32, 60
        (None, 60, 60, 0.0),
        (None, 2, 1000, 60.0),  # no further than the rule goes
        ({"scaleUp": {"selectPolicy": "Disabled"}}, 2, 60, 0.0),
        ({"scaleUp": {"policies": [{"type": "Pods", "value": 10, "periodSeconds": 60}]}}, 2, 32, 120.0),
    ],
)
def test_the_way_up_is_as_long_as_its_rounds(
    behavior: dict[str, Any] | None, current: int, wanted: int, expected_s: float
) -> None:
    assert climb_s(prepare(asked(15, behavior, floor=None).spec), current, wanted) == expected_s
