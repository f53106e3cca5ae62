"""What a rule as a whole does, with its reasons: signals -> formula -> stabilisation -> policies -> bounds -> pause.

Pure: time is an argument, everything remembered is in `Memory`. Two things differ from the HPA on purpose. A target at
0 replicas is raised to the minimum rather than left alone (`paused` is the word for that). And while data is missing
nothing scales down, not even to a lowered maximum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from rulebook.admission import AdmissionDecision, admit, slowness
from rulebook.behavior import (
    CONTROLLER_DOWN_WINDOW_S,
    Limited,
    Rules,
    fill_defaults,
    limit_by_default,
    limit_by_policies,
    rules_of,
)
from rulebook.fallback import fall_back, is_due
from rulebook.memory import Memory, TimedRecommendation
from rulebook.observation import Observation
from rulebook.ratio import Tolerance
from rulebook.recommend import Recommendation, recommend
from rulebook.rule import Paused, RuleSpec, ScalingRule
from rulebook.stabilisation import Stabilised, stabilise_default, stabilise_windows
from rulebook.wish import Wish, combine

_LAST_WORD: Final = frozenset({"hold", "fail", "paused", "dryRun"})
"""Steps that bind even where they leave the count as it was."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision: the count it leaves, and why."""

    name: str
    replicas: int
    detail: str


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
    up, down = _behaviour(spec)
    asked = recommend(spec, observation, memory, _tolerance(spec, up, down), now_s)
    wish = combine(spec, observation, asked)
    slow = slowness(spec, observation, memory, now_s)
    memory = replace(
        memory,
        crowd_deadlines=asked.deadlines,
        slow_factor=slow.factor,
        slow_at_s=slow.changed_at_s,
        blind_since_s=_blind_since(wish, memory, now_s),
        up_period_s=None if spec.behavior is None else up.longest_period_s,
        down_period_s=None if spec.behavior is None else down.longest_period_s,
    )
    steps = [Step(wish.source, current if wish.replicas is None else wish.replicas, wish.detail)]
    memory = replace(memory, recommendations=_shape(spec, current, wish, memory, (up, down), steps, now_s))
    _override(spec, current, memory, steps, now_s)
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
        recommendations=asked.each,
        steps=tuple(steps),
        bound_by=bound.name,
        reason=f"{change} ({bound.name}): {bound.detail}",
        memory=memory,
        admission=admission,
    )


def _shape(
    spec: RuleSpec,
    current: int,
    wish: Wish,
    memory: Memory,
    rules: tuple[Rules, Rules],
    steps: list[Step],
    now_s: float,
) -> tuple[TimedRecommendation, ...]:
    """Add the steps from the wish to a count within bounds; gives the log of recommendations for the next time.

    As in the HPA, a recommendation is logged only where it comes as far as stabilisation.
    """
    least, most, log = spec.replicas.min, spec.replicas.max, memory.recommendations
    if wish.fail is not None:
        steps.append(Step("fail", current, f"no change while data is missing ({wish.fail})"))
    elif current < least:
        steps.append(Step("min", least, f"{current} is below the minimum {least}"))
    elif current > most and not wish.blind:
        steps.append(Step("max", most, f"{current} is above the maximum {most}"))
    elif wish.replicas is None or (wish.hold is not None and wish.replicas < current):
        missing = wish.hold or "no signal asks for anything"
        steps.append(Step("hold", current, f"no scale-down while data is missing ({missing})"))
    else:
        stabilised = _stabilise(spec, current, wish.replicas, rules, log, now_s)
        log = stabilised.log
        detail = "nothing older binds" if stabilised.replicas == wish.replicas else "held by the window"
        steps.append(Step("stabilisation", stabilised.replicas, detail))
        events = (memory.scale_up_events, memory.scale_down_events)
        if spec.behavior is None:
            limited = limit_by_default(current, stabilised.replicas, least, most)
        else:
            limited = limit_by_policies(current, stabilised.replicas, (least, most), rules, events, now_s)
        steps += _limit_steps(limited, stabilised.replicas, least, most)
        if wish.blind and steps[-1].replicas < current:
            steps.append(Step("hold", current, f"no scale-down while data is missing ({wish.hold})"))
    return log


def _stabilise(
    spec: RuleSpec,
    current: int,
    desired: int,
    rules: tuple[Rules, Rules],
    log: tuple[TimedRecommendation, ...],
    now_s: float,
) -> Stabilised:
    if spec.behavior is None:
        return stabilise_default(desired, CONTROLLER_DOWN_WINDOW_S, log, now_s)
    up_s, down_s = rules[0].window_s or 0.0, rules[1].window_s
    down_s = CONTROLLER_DOWN_WINDOW_S if down_s is None else down_s
    return stabilise_windows(current, desired, up_s, down_s, log, now_s)


def _limit_steps(limited: Limited, before: int, least: int, most: int) -> list[Step]:
    """Tell apart what policies cut and what the bounds cut."""
    if limited.allowed < before:
        policies = f"at most {limited.limit} now"
    elif limited.allowed > before:
        policies = f"at least {limited.limit} now"
    else:
        policies = "within the limit"
    if limited.replicas < limited.allowed:
        bounds = Step("max", limited.replicas, f"the maximum is {most}")
    elif limited.replicas > limited.allowed:
        bounds = Step("min", limited.replicas, f"the minimum is {least}")
    else:
        bounds = Step("bounds", limited.replicas, f"within {least} to {most}")
    return [Step("policies", limited.allowed, policies), bounds]


def _override(spec: RuleSpec, current: int, memory: Memory, steps: list[Step], now_s: float) -> None:
    fallback = spec.fallback
    if fallback is not None and is_due(fallback, memory.blind_since_s, spec.interval_s, now_s):
        bounds = (spec.replicas.min, spec.replicas.max)
        replicas = fall_back(fallback, steps[-1].replicas, current, bounds)
        since_s = now_s - (memory.blind_since_s or now_s)
        wanted = "" if fallback.replicas is None else f" {fallback.replicas}"
        detail = f"data missing for {since_s:.0f} s: {fallback.mode}{wanted}"
        steps.append(Step("fallback", replicas, detail))
    if isinstance(spec.paused, Paused):
        steps.append(Step("paused", spec.paused.replicas, f"paused at {spec.paused.replicas}"))
    elif spec.paused:
        steps.append(Step("paused", current, "paused"))


def _behaviour(spec: RuleSpec) -> tuple[Rules, Rules]:
    behaviour = spec.behavior
    up = None if behaviour is None else rules_of(behaviour.scale_up)
    down = None if behaviour is None else rules_of(behaviour.scale_down)
    return fill_defaults("up", up), fill_defaults("down", down)


def _tolerance(spec: RuleSpec, up: Rules, down: Rules) -> Tolerance:
    return Tolerance(
        up=spec.tolerance if up.tolerance is None else up.tolerance,
        down=spec.tolerance if down.tolerance is None else down.tolerance,
    )


def _blind_since(wish: Wish, memory: Memory, now_s: float) -> float | None:
    if not wish.blind:
        return None
    return now_s if memory.blind_since_s is None else memory.blind_since_s


def _binding(steps: list[Step]) -> Step:
    """Find the last step that changed the count, or has the last word anyway."""
    for before, step in zip(reversed(steps[:-1]), reversed(steps[1:]), strict=True):
        if step.name in _LAST_WORD or step.replicas != before.replicas:
            return step
    return steps[0]


__all__ = ["AdmissionDecision", "Decision", "Memory", "Recommendation", "Step", "decide"]
