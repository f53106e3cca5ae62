"""P9: every HPA vector gives the expected result, by the very functions that decide() uses.

But for metrics of single pods, which no rule has: `resource_utilization`, and of `usage_ratio` the metric kind `pods_average`.
Those run `hpa_pods`, which stands beside this test and takes its arithmetic from `rulebook.ratio`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rulebook.behavior import (
    Policy,
    Rules,
    fill_defaults,
    limit_by_default,
    limit_by_policies,
    rate_limit,
)
from rulebook.events import ScaleEvent, change_within, store_event
from rulebook.memory import TimedRecommendation
from rulebook.ratio import Tolerance, of_share, of_total
from rulebook.stabilisation import stabilise_default, stabilise_windows
from tests.rulebook.hpa_pods import NoUsageError, Pod, add_up, count_ready, of_average, of_utilization

NOW_S = 1_800_000_000.0
OWN = Path(__file__).parent / "data" / "hpa-vectors"

Fields = dict[str, Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    folder = Path(metafunc.config.getoption("--hpa-vectors") or OWN)
    if "case" in metafunc.fixturenames:
        cases = [
            (content["kind"], case)
            for file in sorted(folder.glob("*.json"))
            for content in [json.loads(file.read_text())]
            for case in content["cases"]
        ]
        metafunc.parametrize(("kind", "case"), cases, ids=[case["id"] for _, case in cases])


def test_a_vector_gives_the_result_of_the_hpa(kind: str, case: Fields) -> None:
    actual = RUNNERS[kind](case["inputs"])
    expected = case["expected"]
    if kind == "stabilize_windows" and expected.get("log_replicas") is None:
        expected = {key: value for key, value in expected.items() if key != "log_replicas"}
    assert {key: actual.get(key, "absent") for key in expected} == expected


def test_all_nine_kinds_are_there() -> None:
    assert {json.loads(file.read_text())["kind"] for file in OWN.glob("*.json")} == set(RUNNERS)


def usage_ratio(inputs: Fields) -> Fields:
    current, target, values = inputs["current_replicas"], inputs["target_milli"], inputs["values_milli"]
    kind, tolerance = inputs["metric_kind"], tolerance_of(inputs)
    if kind in {"object_per_replica", "external_per_replica"}:
        usage = of_share(add_up(values), target, current, tolerance)
    elif kind in {"object_total", "external_total"}:
        ready = count_ready([pod_of(pod) for pod in inputs["pods"]])
        usage = of_total(add_up(values), target, current, ready, tolerance)
    else:
        assert kind == "pods_average"
        samples = [*values, *[None] * len(inputs["pods"])]
        pods = [
            pod_of({**pod, "usage_milli": sample})
            for pod, sample in zip(inputs["pods"], samples, strict=False)
        ]
        try:
            usage = of_average(pods, target, current, tolerance)
        except NoUsageError as error:
            return {"error": error.cause}
    return {"replicas": usage.replicas, "usage_milli": usage.usage}


def resource_utilization(inputs: Fields) -> Fields:
    try:
        result = of_utilization(
            [pod_of(pod) for pod in inputs["pods"]],
            inputs["target_utilization_percent"],
            inputs["current_replicas"],
            tolerance_of(inputs),
            unknown_samples=len(inputs["usage_milli_of_unknown_pods"]),
        )
    except NoUsageError as error:
        return {"error": error.cause}
    return {
        "replicas": result.replicas,
        "utilization_percent": result.utilization_percent,
        "average_usage_milli": result.average_usage,
    }


def clamp_default_limits(inputs: Fields) -> Fields:
    result = limit_by_default(
        inputs["current_replicas"], inputs["desired_replicas"], inputs["min_replicas"], inputs["max_replicas"]
    )
    return {"replicas": result.replicas, "limit_reason": result.reason}


def stabilize_default(inputs: Fields) -> Fields:
    window_s = inputs["downscale_stabilization_window_s"]
    result = stabilise_default(inputs["desired_replicas"], window_s, log_of(inputs), NOW_S)
    return {"replicas": result.replicas, "log_length": len(result.log)}


def stabilize_windows(inputs: Fields) -> Fields:
    result = stabilise_windows(
        inputs["current_replicas"],
        inputs["desired_replicas"],
        inputs["scale_up_stabilization_window_s"],
        inputs["scale_down_stabilization_window_s"],
        log_of(inputs),
        NOW_S,
    )
    return {"replicas": result.replicas, "log_replicas": [entry.replicas for entry in result.log]}


def rate_limit_value(inputs: Fields) -> Fields:
    direction = inputs["direction"]
    limit = rate_limit(
        direction,
        inputs["current_replicas"],
        fill_defaults(direction, rules_of(inputs["rules"])),
        events_of(inputs["scale_up_events"]),
        events_of(inputs["scale_down_events"]),
        NOW_S,
    )
    return {"limit": limit}


def policy_rate(inputs: Fields) -> Fields:
    result = limit_by_policies(
        inputs["current_replicas"],
        inputs["desired_replicas"],
        (inputs["min_replicas"], inputs["max_replicas"]),
        (
            fill_defaults("up", rules_of(inputs["scale_up_rules"])),
            fill_defaults("down", rules_of(inputs["scale_down_rules"])),
        ),
        (events_of(inputs["scale_up_events"]), events_of(inputs["scale_down_events"])),
        NOW_S,
    )
    return {"replicas": result.replicas, "limit_reason": result.reason}


def scale_event_log(inputs: Fields) -> Fields:
    events = events_of(inputs["previous_events"])
    rules = rules_of(inputs["rules"])
    change = abs(inputs["replicas_after"] - inputs["replicas_before"])
    stored = store_event(events, change, NOW_S, None if rules is None else rules.longest_period_s)
    return {
        "change_in_period_before_store": change_within(events, inputs["measure_period_s"], NOW_S),
        "stored_events": [{"replica_change": event.change, "outdated": event.outdated} for event in stored],
    }


def rule_defaults(inputs: Fields) -> Fields:
    filled = fill_defaults(inputs["direction"], rules_of(inputs["rules"]))
    assert filled.select is not None
    assert filled.policies is not None
    return {
        "rules": {
            "stabilization_window_s": filled.window_s,
            "select_policy": filled.select.lower(),
            "policies": [
                {"type": policy.type.lower(), "value": policy.value, "period_s": policy.period_s}
                for policy in filled.policies
            ],
            "tolerance": filled.tolerance,
        }
    }


RUNNERS: dict[str, Callable[[Fields], Fields]] = {
    runner.__name__: runner
    for runner in (
        usage_ratio,
        resource_utilization,
        clamp_default_limits,
        stabilize_default,
        rate_limit_value,
        policy_rate,
        stabilize_windows,
        scale_event_log,
        rule_defaults,
    )
}


def tolerance_of(inputs: Fields) -> Tolerance:
    return Tolerance(up=inputs["tolerance_up"], down=inputs["tolerance_down"])


def pod_of(pod: Fields) -> Pod:
    return Pod(
        phase=pod["phase"],
        ready=pod["ready"],
        deleting=pod["deleting"],
        warming_up=pod["warming_up"],
        usage=pod.get("usage_milli"),
        request=pod.get("request_milli"),
    )


def log_of(inputs: Fields) -> tuple[TimedRecommendation, ...]:
    return tuple(
        TimedRecommendation(entry["replicas"], NOW_S - entry["age_s"])
        for entry in inputs["past_recommendations"]
    )


def events_of(events: list[Fields]) -> tuple[ScaleEvent, ...]:
    return tuple(ScaleEvent(event["replica_change"], NOW_S - event["age_s"]) for event in events)


def rules_of(rules: Fields | None) -> Rules | None:
    if rules is None:
        return None
    select: Any = None if rules["select_policy"] is None else rules["select_policy"].capitalize()
    policies = rules["policies"]
    return Rules(
        window_s=rules["stabilization_window_s"],
        select=select,
        policies=None
        if policies is None
        else tuple(
            Policy(entry["type"].capitalize(), entry["value"], entry["period_s"]) for entry in policies
        ),
        tolerance=rules.get("tolerance"),
    )
