"""A rule replayed over recorded readings: the real decisions, what counts as demand, and what the past cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rulebook.observation import Crowd, Missing, OnsaleTimes, Reading, Value
from rulebook.rule import ScalingRule
from rulebook.simulation import Backtest, Recorded, SimulationError, backtest

START_S = 1_800_000_000.0
GAP = Missing("nothing was recorded")
AT_ONCE = {
    "scaleUp": {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 15}]},
    "scaleDown": {"stabilizationWindowSeconds": 0},
}
REQUESTS = {"name": "requests", "prometheus": {"query": "x"}, "perReplica": 10.0}
LATENCY = {"name": "latency", "prometheus": {"query": "y"}, "target": 0.3}


def rule(*signals: dict[str, Any], **spec: Any) -> ScalingRule:
    fields = {
        "target": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
        "replicas": {"min": 1, "max": 20},
        "signals": list(signals) or [REQUESTS],
        "behavior": AT_ONCE,
        **spec,
    }
    return ScalingRule.model_validate({"metadata": {"name": "web"}, "spec": fields})


def values(*numbers: float | None) -> tuple[Reading, ...]:
    return tuple(
        GAP if number is None else Value(number, START_S + 15 * moment)
        for moment, number in enumerate(numbers)
    )


def replayed(
    tested: ScalingRule,
    readings: dict[str, tuple[Reading, ...]],
    replicas: Sequence[int | None] | None = None,
    startup_s: float = 0.0,
) -> Backtest:
    count = len(next(iter(readings.values())))
    was = tuple(replicas) if replicas is not None else (None,) * count
    return backtest(tested, Recorded(START_S, 15.0, readings, was), startup_s)


def course(result: Backtest, name: str = "rule") -> tuple[int, ...]:
    return next(one.replicas for one in result.courses if one.name == name)


def test_each_moment_is_decided_as_the_loop_would_have() -> None:
    result = replayed(rule(), {"requests": values(10, 80, 80, 20, 20)}, [3, 3, 3, 3, 3])
    assert course(result) == (1, 8, 8, 2, 2)
    assert course(result, "was") == (3, 3, 3, 3, 3)
    assert [(change.at_s - START_S, change.before, change.after) for change in result.changes] == [
        (0, 3, 1), (15, 1, 8), (45, 8, 2),
    ]  # fmt: skip
    assert "requests asks for 8" in result.changes[1].reason


def test_stabilisation_and_policies_hold_in_the_past_too() -> None:
    two_a_step = {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]}
    slow = {"scaleDown": {"stabilizationWindowSeconds": 45}, "scaleUp": two_a_step}
    result = replayed(rule(behavior=slow), {"requests": values(10, 80, 80, 10, 10, 10, 10, 10)}, [1] * 8)
    assert course(result) == (1, 3, 5, 5, 5, 1, 1, 1)


def test_replicas_are_ready_a_start_up_later_and_scores_count_those() -> None:
    result = replayed(rule(), {"requests": values(10, 40, 40, 40)}, [1] * 4, startup_s=30.0)
    assert result.courses[0].replicas == (1, 4, 4, 4)
    assert result.courses[0].ready == (1, 1, 1, 4)
    assert result.courses[0].elasticity.tau_u_percent == 50.0
    assert result.courses[0].replica_hours == pytest.approx(13 * 15 / 3600)


def test_a_gap_in_the_past_holds_the_count() -> None:
    result = replayed(rule(), {"requests": values(80, None, None, 10)}, [8] * 4)
    assert course(result) == (8, 8, 8, 1)
    assert result.missing == {"requests": 2}
    assert result.needed == (8, 8, 8, 1)


def test_a_ratio_is_scaled_to_the_replicas_of_the_replay() -> None:
    # 0.6 s was measured at 4 replicas: the rule asks for 8, and at 8 it would have been 0.3 s.
    latency = {"latency": values(0.6, 0.6, 0.6, 0.6)}
    assert course(replayed(rule(LATENCY), latency, [4] * 4)) == (8, 8, 8, 8)
    assert course(replayed(rule(LATENCY), latency)) == (2, 4, 8, 16)


def test_the_demand_is_what_the_amounts_ask_for() -> None:
    both = {"requests": values(10, 55, 400), "latency": values(9.0, 9.0, 9.0)}
    assert replayed(rule(REQUESTS, LATENCY), both, [2] * 3).needed == (1, 6, 20)
    assert replayed(rule(LATENCY), {"latency": values(0.3, 0.6, 0.9)}, [2] * 3).needed == (2, 4, 6)


def test_a_crowd_is_replayed_as_it_was_recorded() -> None:
    signal = {"name": "crowd", "onsale": {"name": "cactus", "drainWithin": 60.0}, "perReplica": 5.0}
    crowds: tuple[Reading, ...] = (Crowd(START_S, 0.0, 0), Crowd(START_S + 15, 10.0, 600), GAP)
    result = replayed(rule(signal), {"crowd": crowds}, [1] * 3)
    assert course(result)[:2] == (1, 4)
    assert result.needed == (1, 4, 4)


def test_a_pre_queue_asks_for_nothing_until_shortly_before_the_opening() -> None:
    signal = {"name": "crowd", "onsale": {"name": "cactus", "drainWithin": 60.0}, "perReplica": 5.0}
    signal["onsale"]["lead"] = 15.0
    opens_s = START_S + 45
    crowds: tuple[Reading, ...] = tuple(Crowd(START_S + 15 * n, 0.0, 600, opens_s) for n in range(5))
    result = replayed(rule(signal), {"crowd": crowds}, [1] * 5)
    assert course(result) == (1, 1, 2, 2, 3)
    assert result.needed == (1, 1, 1, 2, 2)


def test_buyers_inside_keep_the_replicas_that_hold_them() -> None:
    signal = {"name": "crowd", "onsale": {"name": "cactus", "drainWithin": 60.0}, "perReplica": 5.0}
    admission = {"onsale": "cactus", "perReadyReplica": 5.0, "sessionsPerReadyReplica": 100}
    crowds: tuple[Reading, ...] = tuple(Crowd(START_S + 15 * n, 0.0, 0, None, 350) for n in range(2))
    result = replayed(rule(signal, admission=admission), {"crowd": crowds}, [4] * 2)
    assert (course(result), result.needed) == ((4, 4), (4, 4))


def test_a_schedule_by_an_onsale_is_replayed_where_its_opening_was_recorded() -> None:
    tested = rule(schedule=[{"onsale": "cactus", "lead": 15.0, "min": 7}])
    readings = values(10, 10, 10, 10)
    known = (OnsaleTimes(START_S + 45), None, OnsaleTimes(START_S + 45), OnsaleTimes(START_S + 45))
    recorded = Recorded(START_S, 15.0, {"requests": readings}, (1,) * 4, {"cactus": known})
    result = backtest(tested, recorded, 0.0)
    assert (course(result), result.notes) == ((1, 1, 7, 7), ())
    unknown = Recorded(START_S, 15.0, {"requests": readings}, (1,) * 4, {"cactus": (None,) * 4})
    result = backtest(tested, unknown, 0.0)
    assert course(result) == (1, 1, 1, 1)
    assert result.notes == (
        "schedules by cactus are not replayed: no opening was recorded (tidegate_queue_opens_timestamp_seconds)",
    )


def test_a_rule_that_is_paused_or_dry_is_replayed_as_if_it_were_not() -> None:
    for spec in ({"paused": True}, {"dryRun": True}, {"paused": {"replicas": 9}}):
        result = replayed(rule(**spec), {"requests": values(50, 50)}, [1, 1])
        assert course(result) == (5, 5)
        assert any("as if it were not" in note for note in result.notes)


def test_a_perfect_course_beats_the_baseline() -> None:
    result = replayed(rule(), {"requests": values(10, 80, 10, 80)}, [5, 5, 5, 5])
    by_name = {one.name: one for one in result.courses}
    assert by_name["rule"].elasticity.theta_u_percent == 0
    assert by_name["rule"].elastic_speedup > 10
    assert by_name["baseline"].elastic_speedup == pytest.approx(1)
    assert by_name["was"].elasticity == by_name["baseline"].elasticity


def test_too_much_or_nothing_is_refused() -> None:
    with pytest.raises(SimulationError, match="0 moments: must be from 1 to 500000"):
        backtest(rule(), Recorded(START_S, 15.0, {"requests": ()}, ()), 0.0)
