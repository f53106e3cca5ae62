"""What a rule is able to do now, as conditions like those of a HorizontalPodAutoscaler: its three types, its reasons. Pure.

The reasons are the HPA's own where they mean the same (pkg/controller/podautoscaler/horizontal.go of Kubernetes), so that
whoever knows the one can read the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from autoscaler.sources.base import Answer
from rulebook.decision import Decision
from rulebook.observation import Missing

ConditionType: TypeAlias = Literal["AbleToScale", "ScalingActive", "ScalingLimited"]

_LIMITS: Final = {"min": "TooFewReplicas", "max": "TooManyReplicas"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that holds of a rule or does not, since when, and why."""

    type: ConditionType
    holds: bool
    reason: str
    message: str
    since_s: float


def set_condition(conditions: tuple[Condition, ...], new: Condition) -> tuple[Condition, ...]:
    """Put a condition in the place of the one of its type; `since_s` stays while it holds, or does not, as before."""
    if not any(condition.type == new.type for condition in conditions):
        return (*conditions, new)
    return tuple(_renewed(old, new) if old.type == new.type else old for old in conditions)


def _renewed(old: Condition, new: Condition) -> Condition:
    return replace(new, since_s=old.since_s) if old.holds == new.holds else new


def ready_condition(obstacle: str, now_s: float) -> Condition:
    """Tell that a target has the count it should have, or that nothing may be written to it."""
    if obstacle:
        return Condition("AbleToScale", False, "AmbiguousTarget", obstacle, now_s)
    return Condition(
        "AbleToScale", True, "ReadyForNewScale", "the target has the count it should have", now_s
    )


def unread_condition(error: str, now_s: float) -> Condition:
    """Tell that a target could not be read."""
    return Condition("AbleToScale", False, "FailedGetScale", error, now_s)


def written_condition(before: int, after: int, now_s: float) -> Condition:
    """Tell that a count was written."""
    return Condition("AbleToScale", True, "SucceededRescale", f"scaled from {before} to {after}", now_s)


def unwritten_condition(error: str, now_s: float) -> Condition:
    """Tell that a count was decided on and could not be written."""
    return Condition("AbleToScale", False, "FailedUpdateScale", error, now_s)


def decided_conditions(
    decision: Decision, answers: Mapping[str, Answer], *, paused: bool, now_s: float
) -> tuple[Condition, Condition]:
    """Tell whether there was data to decide by, and whether a limit bound the decision."""
    return _active(answers, paused=paused, now_s=now_s), _limited(decision, now_s)


def _active(answers: Mapping[str, Answer], *, paused: bool, now_s: float) -> Condition:
    if paused:
        return Condition("ScalingActive", False, "ScalingDisabled", "the rule is paused", now_s)
    missing = {
        name: answer.reading.reason for name, answer in answers.items() if isinstance(answer.reading, Missing)
    }
    if missing and len(missing) == len(answers):
        told = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        return Condition("ScalingActive", False, "FailedGetMetrics", told, now_s)
    valid = ", ".join(name for name in answers if name not in missing)
    return Condition("ScalingActive", True, "ValidMetricFound", f"decided by {valid}", now_s)


def _limited(decision: Decision, now_s: float) -> Condition:
    """Judge by the step that bound the decision: only bounds and policies are limits, as in the HPA."""
    bound = decision.bound_by
    detail = next((step.detail for step in reversed(decision.steps) if step.name == bound), "")
    if bound == "policies":
        before = decision.current
        reason = "ScaleUpLimit" if decision.desired >= before else "ScaleDownLimit"
        return Condition("ScalingLimited", True, reason, detail, now_s)
    if bound in _LIMITS:
        return Condition("ScalingLimited", True, _LIMITS[bound], detail, now_s)
    return Condition("ScalingLimited", False, "DesiredWithinRange", "no limit bound the last decision", now_s)
