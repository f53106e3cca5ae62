"""What a rule as a whole does, with its reasons: signals -> formula -> floors -> stabilisation -> policies -> bounds -> pause.

Pure: time is an argument, everything remembered is in `Memory`. Two things differ from the HPA on purpose. A target at
0 replicas is raised to the minimum rather than left alone (`paused` is the word for that). And while data is missing
nothing scales down, not even to a lowered maximum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rulebook.activation import activate
from rulebook.admission import AdmissionDecision, admit, slowness
from rulebook.fallback import fall_back, is_due
from rulebook.floors import forecast_floor, schedule_floor, see_onsales
from rulebook.memory import Memory, SeenOnsale
from rulebook.observation import Observation
from rulebook.prepared import Prepared, prepare
from rulebook.recommend import Recommendation, recommend
from rulebook.rule import Paused, ScalingRule
from rulebook.shaping import Asked, shape, start_that_binds
from rulebook.startup import lead_of
from rulebook.steps import Step
from rulebook.wish import Wish, combine

_LAST_WORD: Final = frozenset({"hold", "fail", "paused", "dryRun"})
"""Steps that bind even where they leave the count as it was."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done: scale to `desired`, which equals `current` when paused or on a dry run.

    `bound_by` names the step that had the last word; `memory` is to be handed to the next decision.
    """

    desired: int
    current: int
    ready: int
    recommendations: tuple[Recommendation, ...]
    steps: tuple[Step, ...]
    bound_by: str
    reason: str
    memory: Memory
    admission: AdmissionDecision | None


def decide(rule: ScalingRule, observation: Observation, memory: Memory, now_s: float) -> Decision:
    """Decide what one rule does with one observation. Never raises for what was observed."""
    spec, current = rule.spec, observation.current
    prepared = prepare(spec)
    start_ups = memory.start_ups.see(current, observation.ready, now_s)
    warm_up_s = lead_of(start_ups, spec.interval_s)
    each = recommend(prepared, observation, memory, warm_up_s, now_s)
    wish = combine(prepared, observation, each)
    slow = slowness(spec, observation, memory, now_s)
    onsales = see_onsales(spec, observation, memory, now_s) if spec.schedule else ()
    steps = [Step(wish.source, current if wish.replicas is None else wish.replicas, wish.detail)]
    replicas = wish.replicas
    if prepared.wakers:
        activation = activate(prepared, replicas, current, each.each)
        replicas = activation.replicas
        steps.append(Step("activation", current if replicas is None else replicas, activation.detail))
    floor = 0
    if prepared.floored:
        replicas, floor = _raise(prepared, observation, replicas, onsales, steps, warm_up_s, now_s)
    asked = Asked(replicas, wish.hold or wish.unheard, wish.fail)
    log = shape(prepared, current, asked, memory, steps, now_s)
    blind_since_s = _blind_since(wish, memory, now_s)
    _override(prepared, current, floor, blind_since_s, steps, now_s)
    admission = admit(spec, observation.ready, slow)
    if spec.dry_run:
        would = f"; would admit {admission.rate_per_s:g}/s ({admission.reason})" if admission else ""
        steps.append(Step("dryRun", current, f"would go to {steps[-1].replicas}{would}"))
        admission = None
    bound = _binding(steps)
    desired = steps[-1].replicas
    change = f"{current} -> {desired}" if desired != current else f"stays at {current}"
    return Decision(
        desired=desired,
        current=current,
        ready=observation.ready,
        recommendations=each.each,
        steps=tuple(steps),
        bound_by=bound.name,
        reason=f"{change} ({bound.name}): {bound.detail}",
        memory=Memory(
            recommendations=log,
            scale_up_events=memory.scale_up_events,
            scale_down_events=memory.scale_down_events,
            up_period_s=prepared.periods_s[0],
            down_period_s=prepared.periods_s[1],
            crowd_deadlines=each.deadlines,
            onsales=onsales,
            slow_factor=slow.factor,
            slow_at_s=slow.changed_at_s,
            slow_cut_at_s=slow.cut_at_s,
            slow_limit=slow.limit,
            blind_since_s=blind_since_s,
            at_start=start_that_binds(prepared, memory, now_s),
            start_ups=start_ups,
        ),
        admission=admission,
    )


def _raise(
    prepared: Prepared,
    observation: Observation,
    replicas: int | None,
    onsales: tuple[SeenOnsale, ...],
    steps: list[Step],
    warm_up_s: float | None,
    now_s: float,
) -> tuple[int | None, int]:
    """Raise what is asked for to the floors; gives that, and the schedule's floor.

    Where nothing is asked for because data is missing, a floor above the current count asks all the same.
    """
    spec, scheduled, asking = prepared.spec, 0, observation.current if replicas is None else replicas
    if spec.schedule:
        times = {entry.onsale: entry.times for entry in onsales}
        floor = schedule_floor(prepared, times, observation.current, warm_up_s, now_s)
        scheduled, asking = floor.replicas, max(asking, floor.replicas)
        steps.append(Step("schedule", asking, floor.detail))
    if spec.forecast is not None:
        floor = forecast_floor(prepared, observation, now_s)
        asking = max(asking, floor.replicas)
        steps.append(Step("forecast", asking, floor.detail))
    if replicas is None and asking <= observation.current:
        return None, scheduled
    return asking, scheduled


def _override(
    prepared: Prepared,
    current: int,
    floor: int,
    blind_since_s: float | None,
    steps: list[Step],
    now_s: float,
) -> None:
    spec, fallback = prepared.spec, prepared.spec.fallback
    if fallback is not None and is_due(fallback, blind_since_s, spec.interval_s, now_s):
        least, most = spec.replicas.min, spec.replicas.max
        replicas = fall_back(fallback, steps[-1].replicas, current, (min(max(least, floor), most), most))
        since_s = now_s - (blind_since_s or now_s)
        wanted = "" if fallback.replicas is None else f" {fallback.replicas}"
        detail = f"data missing for {since_s:.0f} s: {fallback.mode}{wanted}"
        steps.append(Step("fallback", replicas, detail))
    if isinstance(spec.paused, Paused):
        steps.append(Step("paused", spec.paused.replicas, f"paused at {spec.paused.replicas}"))
    elif spec.paused:
        steps.append(Step("paused", current, "paused"))


def _blind_since(wish: Wish, memory: Memory, now_s: float) -> float | None:
    if not wish.blind:
        return None
    return now_s if memory.blind_since_s is None else memory.blind_since_s


def _binding(steps: list[Step]) -> Step:
    """Find the last step that changed the count, or has the last word anyway."""
    for index in range(len(steps) - 1, 0, -1):
        step = steps[index]
        if step.name in _LAST_WORD or step.replicas != steps[index - 1].replicas:
            return step
    return steps[0]


__all__ = ["AdmissionDecision", "Decision", "Memory", "Recommendation", "Step", "decide"]
