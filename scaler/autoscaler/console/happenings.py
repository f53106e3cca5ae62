"""Says which events are worth a line to people, and how that line reads. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from autoscaler.conditions import ConditionType
from autoscaler.instrumentation.events import (
    AdmissionNotWithdrawn,
    AdmissionWithdrawn,
    AdmissionWritten,
    ClockCorrected,
    ConditionChanged,
    EndpointsNotWritten,
    Event,
    EventNotWritten,
    LeadershipChanged,
    LeaseFailed,
    ManualScale,
    MemoryRecalled,
    ReplicaExited,
    ReplicaNotStarted,
    ReplicaReadiness,
    ReplicaStarted,
    RuleNotStarted,
    RuleRemoved,
    RuleScaled,
    RulesLoaded,
    ScaleConflict,
    StepFailed,
    WatchInterrupted,
)

Grade: TypeAlias = Literal["good", "note", "warning", "bad"]

_CONDITIONS: Final[Mapping[ConditionType, tuple[str, str]]] = {
    "AbleToScale": ("Cannot scale", "Can scale"),
    "ScalingActive": ("Does not scale by its signals", "Scales by its signals"),
    "ScalingLimited": ("No longer held by a limit", "Held by a limit"),
}
"""What each condition is called in plain words: where it does not hold, and where it does."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something worth a line. `rule` and `pool` say whom it concerns; everybody, where both are empty."""

    at_s: float
    grade: Grade
    what: str
    text: str
    rule: str = ""
    pool: str = ""


def told(event: Event, now_s: float) -> Iterator[Happening]:
    """Yield the lines that an event of `now_s` (Unix seconds) is worth: none for most, several for a reload with mistakes."""

    def of_rule(grade: Grade, what: str, text: str, rule: str) -> Happening:
        return Happening(now_s, grade, what, text, rule=rule)

    def of_pool(grade: Grade, what: str, text: str, pool: str) -> Happening:
        return Happening(now_s, grade, what, text, pool=pool)

    match event:
        case RuleScaled():
            yield of_rule("good", "Scaled", event.reason, event.rule)
        case ManualScale():
            by = f" by {event.by}" if event.by else ""
            yield of_rule("warning", "Scaled by others", f"{event.before} → {event.after}{by}", event.rule)
        case ScaleConflict():
            text = f"the target changed before {event.wanted} was written"
            yield of_rule("note", "Decided again", text, event.rule)
        case ConditionChanged(condition=condition):
            grade: Grade = "note" if condition.holds or condition.type == "ScalingLimited" else "warning"
            word = _CONDITIONS[condition.type][condition.holds]
            yield of_rule(grade, word, f"{condition.reason}: {condition.message}", event.rule)
        case AdmissionWritten(target=target, written=written) if not written.accepted:
            yield of_rule(
                "warning", "Admission refused", f"a later term {written.term} has written", target.rule
            )
        case AdmissionWithdrawn():
            text = f"{event.rule} no longer bounds {event.onsale}"
            yield Happening(now_s, "note", "Admission target withdrawn", text)
        case AdmissionNotWithdrawn():
            text = f"{event.rule} of {event.onsale}: {event.error}; tried again each second"
            yield Happening(now_s, "bad", "Admission target not withdrawn", text)
        case StepFailed():
            yield of_rule("bad", "Failed", f"{event.step}: {event.error}", event.rule)
        case MemoryRecalled():
            yield of_rule("note", "Memory", f"{event.where}: {event.origin}", event.rule)
        case ClockCorrected():
            yield of_rule("warning", "Clock corrected", f"by {event.by_s:.1f} s", event.rule)
        case RuleNotStarted():
            yield of_rule("bad", "Not started", event.error, event.rule)
        case RuleRemoved():
            yield Happening(now_s, "note", "Removed", f"{event.rule} is no longer evaluated")
        case RulesLoaded():
            rules = ", ".join(event.rules)
            yield Happening(now_s, "note", "Rules in force", rules)
            for refused in event.refused:
                yield Happening(now_s, "bad", "Not in force", refused)
        case ReplicaStarted():
            yield of_pool("note", "Started", f"{event.url}, process {event.pid}", event.pool)
        case ReplicaNotStarted():
            text = f"{event.error}; again in {event.retry_in_s:g} s"
            yield of_pool("bad", "Not started", text, event.pool)
        case ReplicaReadiness():
            word = "Ready" if event.ready else "Not ready"
            yield of_pool("good" if event.ready else "note", word, event.url, event.pool)
        case ReplicaExited(restart_in_s=None):
            yield of_pool("note", "Stopped", f"{event.url}, exit status {event.code}", event.pool)
        case ReplicaExited():
            text = f"{event.url}, exit status {event.code}; again in {event.restart_in_s:g} s"
            yield of_pool("bad", "Ended by itself", text, event.pool)
        case EndpointsNotWritten():
            yield of_pool("bad", "Endpoints not written", event.error, event.pool)
        case WatchInterrupted():
            yield Happening(now_s, "warning", "Watch interrupted", f"{event.what}: {event.error}")
        case EventNotWritten():
            yield Happening(now_s, "warning", "Event not written", f"{event.reason}: {event.error}")
        case LeadershipChanged():
            word = "Leads" if event.leading else "Does not lead"
            who = event.holder or "nobody"
            yield Happening(now_s, "note", word, f"{who} in term {event.term}. {event.reason}".strip())
        case LeaseFailed():
            yield Happening(now_s, "bad", "Lease out of reach", event.error)
        case _:
            pass
