"""What is known of a rule at one moment, as a frozen value, and as the JSON of /status. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from autoscaler.conditions import Condition
from autoscaler.instrumentation.events import AdmissionWritten, StepFailed
from autoscaler.keeping.memorystate import NOT_KEPT, MemoryState
from autoscaler.sources.base import Answer
from autoscaler.targets.base import TargetState
from rulebook.decision import Decision
from rulebook.observation import Crowd, Expected, Missing, Value
from rulebook.override import Override

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """The last round of a rule, whatever came of it, and the latest failures (oldest first)."""

    rule: str
    target: str
    interval_s: float
    dry_run: bool
    paused: bool | int = False
    """A number where the rule is paused at so many replicas."""
    override: Override | None = None
    """An operator's word over the document."""
    rounds: int = 0
    last_round_at_s: float | None = None
    last_round_monotonic_s: float | None = None
    last_success_at_s: float | None = None
    state: TargetState | None = None
    decision: Decision | None = None
    decided_at_s: float | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    forecast: Expected | Missing | None = None
    admission: AdmissionWritten | None = None
    conditions: tuple[Condition, ...] = ()
    memory: MemoryState = NOT_KEPT
    failures: tuple[StepFailed, ...] = ()


def status_json(status: RuleStatus) -> Json:
    """Encode all of it; what is not known is null."""
    state = status.state
    return {
        "target": status.target,
        "interval_s": status.interval_s,
        "dry_run": status.dry_run,
        "paused": status.paused,
        "override": None if status.override is None else _override_json(status.override),
        "rounds": status.rounds,
        "last_round_at": status.last_round_at_s,
        "last_success_at": status.last_success_at_s,
        "replicas": None if state is None else state.replicas,
        "ready": None if state is None else state.ready,
        "endpoints": [] if state is None else list(state.endpoints),
        "signals": {name: _answer_json(answer) for name, answer in status.answers.items()},
        "forecast": _forecast_json(status.forecast),
        "decision": None if status.decision is None else _decision_json(status.decision, status.decided_at_s),
        "admission": None if status.admission is None else _admission_json(status.admission),
        "conditions": [
            {
                "type": condition.type,
                "status": "True" if condition.holds else "False",
                "reason": condition.reason,
                "message": condition.message,
                "since": condition.since_s,
            }
            for condition in status.conditions
        ],
        "memory": {
            "kept_in": status.memory.where,
            "origin": status.memory.origin,
            "saved_at": status.memory.saved_at_s,
            "error": status.memory.error,
        },
        "errors": [
            {"at": failure.at_s, "step": failure.step, "error": failure.error} for failure in status.failures
        ],
    }


def onsales_json(statuses: Iterable[RuleStatus]) -> Json:
    """Encode for each onsale which of our rules allows it least: that is the one whose rate counts in the room.

    Of what was written last; whether it has expired since is the room's to say, by the store's clock.
    """
    lowest: dict[str, RuleStatus] = {}
    rules: dict[str, list[str]] = {}
    for status in statuses:
        written = status.admission
        if written is None or not written.written.accepted:
            continue
        onsale = written.target.onsale
        rules.setdefault(onsale, []).append(status.rule)
        least = lowest.get(onsale)
        if least is None or written.target.rate_per_s < _rate_per_s(least):
            lowest[onsale] = status
    return {
        onsale: {
            "rate_per_s": _rate_per_s(status),
            "rule": status.rule,
            "reason": "" if status.admission is None else status.admission.target.reason,
            "rules": rules[onsale],
        }
        for onsale, status in lowest.items()
    }


def _rate_per_s(status: RuleStatus) -> float:
    return math.inf if status.admission is None else status.admission.target.rate_per_s


def _answer_json(answer: Answer) -> Json:
    reading = answer.reading
    found: Json
    if isinstance(reading, Value):
        found = {"value": _finite(reading.value), "at": reading.at_s}
    elif isinstance(reading, Crowd):
        found = {
            "arrivals_per_s": reading.arrivals_per_s,
            "backlog": reading.backlog,
            "sessions": reading.sessions,
            "opens_at": reading.opens_at_s,
            "at": reading.at_s,
        }
    else:
        found = {"missing": reading.reason, "answered": reading.answered}
    return {**found, "note": answer.note}


def _forecast_json(forecast: Expected | Missing | None) -> Json | None:
    if isinstance(forecast, Expected):
        return {
            "signal": forecast.signal,
            "value": _finite(forecast.value),
            "made_at": forecast.made_at_s,
            "method": forecast.method,
        }
    return None if forecast is None else {"missing": forecast.reason}


def _decision_json(decision: Decision, at_s: float | None) -> Json:
    return {
        "at": at_s,
        "desired": decision.desired,
        "current": decision.current,
        "ready": decision.ready,
        "bound_by": decision.bound_by,
        "reason": decision.reason,
        "admission": None
        if decision.admission is None
        else {
            "rate_per_s": decision.admission.rate_per_s,
            "capacity": decision.admission.capacity,
            "reason": decision.admission.reason,
        },
        "recommendations": [
            {
                "signal": recommendation.signal,
                "replicas": recommendation.replicas,
                "value": _finite(recommendation.value),
                "target": recommendation.target,
                "detail": recommendation.detail,
            }
            for recommendation in decision.recommendations
        ],
        "steps": [
            {"name": step.name, "replicas": step.replicas, "detail": step.detail} for step in decision.steps
        ],
    }


def _override_json(override: Override) -> Json:
    return {
        "mode": override.mode.value,
        "replicas": override.replicas,
        "who": override.who,
        "since": override.at_s,
        "reason": override.reason,
    }


def _admission_json(admission: AdmissionWritten) -> Json:
    target, written = admission.target, admission.written
    return {
        "onsale": target.onsale,
        "rate_per_s": target.rate_per_s,
        "capacity": target.capacity,
        "reason": target.reason,
        "term": target.term,
        "accepted": written.accepted,
        "store_now": written.store_now_s,
        "valid_from": written.from_s,
        "valid_until": written.until_s,
    }


def _finite(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return value if value is not None and math.isfinite(value) else None
