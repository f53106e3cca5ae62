"""The HorizontalPodAutoscaler's algorithm on the same service, as a rule of its own, so that it runs through the same `decide`.

One metric, no `behavior`: a sync every 15 s, tolerance 0.1, scale-down stabilised over 300 s, at most max(2 x current, 4) a
sync. Driven by requests it reads the very signal which the rule reads, with its window and, unless told otherwise, its amount a
replica; driven by utilisation, the mean busy share of the ready replicas, like a CPU's, against a target of 70 %. What the HPA
does about pods that are not ready, or whose metrics are missing, is left out: every metric here is complete.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from rulebook.rule import ScalingRule
from rulebook.simulation.errors import SimulationError
from rulebook.simulation.meaning import Mapping
from rulebook.simulation.service import Service

HpaMetric: TypeAlias = Literal["requests", "utilization"]

SYNC_S: Final = 15.0
USUAL_UTILISATION: Final = 0.7
_SIGNAL: Final = "metric"


def hpa_rival(
    rule: ScalingRule,
    mappings: Sequence[Mapping],
    service: Service,
    metric: HpaMetric,
    target: float | None,
    window_s: float,
) -> tuple[ScalingRule, Mapping]:
    """Build the rival's rule and what its one signal measures.

    Raises:
        SimulationError: a target that is no such thing.
    """
    if target is not None and (not math.isfinite(target) or target <= 0):
        raise SimulationError(f"the HPA's target must be above 0, found {target:g}")
    if metric == "utilization":
        if target is not None and target > 1:
            raise SimulationError(
                f"the HPA's target utilisation must be at most 100%, found {100 * target:g}%"
            )
        aim = {"target": USUAL_UTILISATION if target is None else target}
        mapping = Mapping(
            _SIGNAL, "utilization", window_s, service.quantile, 1.0, False, False, "the HPA's metric"
        )
    else:
        shared = _requests_of(rule, mappings)
        amount = target or (shared[0] if shared else USUAL_UTILISATION * service.rate_per_s)
        aim = {"perReplica": amount}
        mapping = (
            replace(shared[1], signal=_SIGNAL)
            if shared
            else Mapping(
                _SIGNAL, "requests", window_s, service.quantile, 1.0, True, False, "the HPA's metric"
            )
        )
    spec = {
        "target": rule.spec.target.model_dump(by_alias=True),
        "replicas": {"min": max(rule.spec.replicas.min, 1), "max": rule.spec.replicas.max},
        "interval": SYNC_S,
        "tolerance": 0.1,
        "signals": [{"name": _SIGNAL, "prometheus": {"query": _SIGNAL}, **aim}],
    }
    return ScalingRule.model_validate({"metadata": {"name": "hpa"}, "spec": spec}), mapping


def describe(rival: ScalingRule, mapping: Mapping) -> str:
    """Say in one line what drives the rival."""
    signal = rival.spec.signals[0]
    aim = (
        f"{signal.reference:g} requests/s a replica"
        if mapping.meaning == "requests"
        else f"{100 * signal.reference:g} % utilisation"
    )
    return (
        f"HPA algorithm: {aim} over {mapping.window_s:g} s, sync {SYNC_S:g} s, tolerance 10 %, "
        f"scale-down stabilised over 300 s, at most max(2 x current, 4) a sync"
    )


def _requests_of(rule: ScalingRule, mappings: Sequence[Mapping]) -> tuple[float, Mapping] | None:
    for signal, mapping in zip(rule.spec.signals, mappings, strict=True):
        if mapping.meaning == "requests" and signal.per_replica is not None:
            return signal.per_replica, mapping
    return None
