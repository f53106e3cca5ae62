"""A decision in words: what each signal asks for, each step with its numbers, which one bound, and what it lets in."""

from __future__ import annotations

from typing import Any

from rulebook.decision import Decision


def explain(decision: Decision) -> str:
    """Write a decision as lines for people."""
    lines = [decision.reason, "", f"  {decision.current} replicas, {decision.ready} ready"]
    names = [entry.signal for entry in decision.recommendations] + [step.name for step in decision.steps]
    width = max(len(name) for name in names)
    lines.append("  signals ask for")
    for entry in decision.recommendations:
        count = "-" if entry.replicas is None else str(entry.replicas)
        lines.append(f"    {entry.signal:<{width}} {count:>6}  {entry.detail}")
    lines.append("  steps")
    bound = max(index for index, step in enumerate(decision.steps) if step.name == decision.bound_by)
    for index, step in enumerate(decision.steps):
        mark = "*" if index == bound else " "
        lines.append(f"  {mark} {step.name:<{width}} {step.replicas:>6}  {step.detail}")
    if decision.admission is not None:
        admission = decision.admission
        capacity = "" if admission.capacity is None else f", at most {admission.capacity} sessions"
        lines.append(f"  admission {admission.rate_per_s:g}/s{capacity}: {admission.reason}")
    return "\n".join(lines)


def explain_json(decision: Decision) -> dict[str, Any]:
    """Give a decision as plain data for JSON."""
    admission = decision.admission
    return {
        "desired": decision.desired,
        "current": decision.current,
        "ready": decision.ready,
        "boundBy": decision.bound_by,
        "reason": decision.reason,
        "recommendations": [
            {
                "signal": entry.signal,
                "replicas": entry.replicas,
                "value": entry.value,
                "target": entry.target,
                "detail": entry.detail,
            }
            for entry in decision.recommendations
        ],
        "steps": [
            {"name": step.name, "replicas": step.replicas, "detail": step.detail} for step in decision.steps
        ],
        "admission": None
        if admission is None
        else {
            "ratePerSecond": admission.rate_per_s,
            "capacity": admission.capacity,
            "reason": admission.reason,
        },
    }
