"""What one decision costs: a rule of three signals with behaviour, all steps explained, beside one bare ratio of the HPA."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from rulebook import Crowd, Memory, Observation, ScalingRule, Value, decide
from rulebook.ratio import Tolerance, of_share
from tests.benchmarks.figures import Figure, middle

INTERVAL_S = 15.0
RULE = ScalingRule.model_validate(
    {
        "apiVersion": "tidegate.dev/v1",
        "kind": "ScalingRule",
        "metadata": {"name": "web"},
        "spec": {
            "target": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
            "replicas": {"min": 2, "max": 60},
            "interval": "15s",
            "signals": [
                {"name": "requests", "prometheus": {"query": "requests"}, "perReplica": "50/s"},
                {"name": "latency", "prometheus": {"query": "latency"}, "target": "300ms"},
                {"name": "crowd", "onsale": {"name": "cactus", "drainWithin": "20m"}, "perReplica": "5/s"},
            ],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "policies": [
                        {"type": "Percent", "value": 100, "periodSeconds": 15},
                        {"type": "Pods", "value": 4, "periodSeconds": 15},
                    ],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": 300,
                    "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}],
                },
            },
        },
    }
)


def decide_cost(rounds: int, calls: int) -> list[Figure]:
    """Time `calls` decisions, each on the memory of the one before, and as many bare ratios, in turn; medians of rounds."""
    decisions, ratios = [], []
    for _ in range(rounds):
        decisions.append(_microseconds(_decisions(calls), calls))
        ratios.append(_microseconds(_ratios(calls), calls))
    value, baseline = middle(decisions), middle(ratios)
    note = "baseline: one bare ratio of the HPA, in us"
    return [Figure("decide_us", value, "us", rounds * calls, baseline, value / baseline, note)]


def _microseconds(work: Callable[[], None], calls: int) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1e6 / calls


def _decisions(calls: int) -> Callable[[], None]:
    loads = [400.0, 900.0, 1500.0, 1400.0, 700.0, 450.0]
    observations = [
        Observation(
            current=current,
            ready=current,
            readings={
                "requests": Value(load, 0.0),
                "latency": Value(0.1 + load / 6000, 0.0),
                "crowd": Crowd(0.0, load / 100, int(load), None),
            },
        )
        for load, current in zip(loads, (8, 12, 20, 30, 28, 20), strict=True)
    ]

    def work() -> None:
        memory, now_s = Memory(), 1_000_000.0
        for observation in itertools.islice(itertools.cycle(observations), calls):
            decision = decide(RULE, observation, memory, now_s)
            memory = decision.memory
            if decision.desired != decision.current:
                memory = memory.after_scaling(decision.current, decision.desired, now_s)
            now_s += INTERVAL_S

    return work


def _ratios(calls: int) -> Callable[[], None]:
    tolerance = Tolerance(0.1, 0.1)

    def work() -> None:
        for load in range(calls):
            of_share(400_000 + load, 50_000, 8, tolerance)

    return work
