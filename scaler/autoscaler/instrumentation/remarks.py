"""Which events of the scaler are worth an Event on the target, and in which words. Pure.

Reasons are those of the HorizontalPodAutoscaler where they mean the same, so that whoever filters by them finds ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from autoscaler.instrumentation.events import (
    ConditionChanged,
    Event,
    ManualScale,
    RuleDecided,
    RuleScaled,
    StepFailed,
)
from rulebook.observation import Missing
from rulebook.rule import ScalingRule
from rulebook.signals import SignalSpec

Said: TypeAlias = tuple[Literal["Normal", "Warning"], str, str]
"""Type, reason, message."""

_FAILED_STEPS = {
    "read target": "FailedGetScale",
    "decide": "FailedComputeMetricsReplicas",
    "fence": "FailedRescale",
    "scale": "FailedRescale",
    "write admission": "FailedWriteAdmission",
}
_MISSING_ALLOWED = frozenset({"ignore", "zero"})


def remarks_on(event: Event, rule: ScalingRule) -> Iterator[Said]:
    """Yield what is to be said about the target of a rule to which something happened."""
    match event:
        case RuleScaled(after=after, reason=reason):
            yield "Normal", "SuccessfulRescale", f"New size: {after}; reason: {reason}"
        case ManualScale(before=before, after=after, by=by):
            who = f" by {by}" if by else ""
            yield (
                "Normal",
                "ManualScale",
                f"Scaled from {before} to {after}{who}; kept until the next interval",
            )
        case ConditionChanged(condition=condition) if condition.reason == "AmbiguousTarget":
            yield "Warning", condition.reason, condition.message
        case StepFailed(step=step, error=error) if step in _FAILED_STEPS:
            yield "Warning", _FAILED_STEPS[step], error
        case RuleDecided(answers=answers):
            for signal in rule.spec.signals:
                answer = answers.get(signal.name)
                if answer is None or signal.on_missing in _MISSING_ALLOWED:
                    continue
                if isinstance(answer.reading, Missing):
                    yield "Warning", _reason_of(signal), f"{signal.name}: {answer.reading.reason}"
        case _:
            pass


def _reason_of(signal: SignalSpec) -> str:
    """As the HPA has it: metrics of the pods themselves, and metrics from elsewhere."""
    own = signal.exposition is not None and signal.exposition.urls is None
    return "FailedGetPodsMetric" if own else "FailedGetExternalMetric"
