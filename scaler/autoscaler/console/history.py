"""What has happened lately, for people who look: the rounds of each rule, and the events worth a line. Kept in this process only.

An instrument like those for metrics and logs. It bounds what it keeps, whatever happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from autoscaler.clock import Clock
from autoscaler.instrumentation.events import (
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
    RuleDecided,
    RuleNotStarted,
    RuleRemoved,
    RuleScaled,
    RulesLoaded,
    ScaleConflict,
    StepFailed,
    WatchInterrupted,
)
from autoscaler.sources.base import Answer
from rulebook.observation import Crowd, Value

Grade: TypeAlias = Literal["good", "note", "warning", "bad"]
ROUNDS_KEPT: Final = 480
EVENTS_KEPT: Final = 400


@dataclass(frozen=True, slots=True)
class Round:
    """A round of a rule: what was there, what each signal said and asked for, and what was decided; None is unknown."""

    at_s: float
    current: int
    ready: int
    desired: int
    values: tuple[tuple[str, float | None], ...]
    recommended: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something worth a line. `rule` and `pool` say whom it concerns; everybody, where both are empty."""

    at_s: float
    grade: Grade
    what: str
    text: str
    rule: str = ""
    pool: str = ""


class Chronicle:
    """Keeps what happened, newest last; `version` changes with each event that is heard of."""

    def __init__(self, clock: Clock) -> None:
        self.version = 0
        self._clock = clock
        self._rounds: dict[str, deque[Round]] = {}
        self._happenings: deque[Happening] = deque(maxlen=EVENTS_KEPT)

    def record(self, event: Event) -> None:
        """Take note of an event."""
        self.version += 1
        if isinstance(event, RuleDecided):
            self._rounds.setdefault(event.rule, deque(maxlen=ROUNDS_KEPT)).append(_round(event))
        elif isinstance(event, RuleRemoved):
            self._rounds.pop(event.rule, None)
        for happening in _told(event, self._clock.now_s()):
            self._note(happening)

    def rounds(self, rule: str) -> tuple[Round, ...]:
        """Return the rounds of a rule, oldest first."""
        return tuple(self._rounds.get(rule, ()))

    def happenings(self, rule: str | None = None, pool: str = "") -> tuple[Happening, ...]:
        """Return what concerns a rule or its pool, newest first; all of it without a rule."""
        return tuple(
            happening
            for happening in reversed(self._happenings)
            if rule is None
            or happening.rule == rule
            or (pool and happening.pool == pool)
            or not (happening.rule or happening.pool)
        )

    def _note(self, happening: Happening) -> None:
        last = self._happenings[-1] if self._happenings else None
        # A failure that comes again each round would push everything else out.
        if last is not None and (last.rule, last.pool, last.what, last.text) == (
            happening.rule,
            happening.pool,
            happening.what,
            happening.text,
        ):
            self._happenings.pop()
        self._happenings.append(happening)


def _round(event: RuleDecided) -> Round:
    decision = event.decision
    return Round(
        at_s=event.at_s,
        current=decision.current,
        ready=decision.ready,
        desired=decision.desired,
        values=tuple((name, _value(answer)) for name, answer in event.answers.items()),
        recommended=tuple((entry.signal, entry.replicas) for entry in decision.recommendations),
    )


def _value(answer: Answer) -> float | None:
    """Tell what a signal stands at: of a crowd, how many wait."""
    if isinstance(answer.reading, Value):
        return answer.reading.value
    if isinstance(answer.reading, Crowd):
        return float(answer.reading.backlog)
    return None


def _told(event: Event, now_s: float) -> Iterator[Happening]:
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
            word = condition.type if condition.holds else f"not {condition.type}"
            yield of_rule(grade, word, f"{condition.reason}: {condition.message}", event.rule)
        case AdmissionWritten(target=target, written=written) if not written.accepted:
            yield of_rule(
                "warning", "Admission refused", f"a later term {written.term} has written", target.rule
            )
        case StepFailed():
            yield of_rule("bad", "Failed", f"{event.step}: {event.error}", event.rule)
        case MemoryRecalled():
            yield of_rule("note", "Memory", f"{event.where}: {event.origin}", event.rule)
        case ClockCorrected():
            yield of_rule("warning", "Clock corrected", f"by {event.by_s:.1f} s", event.rule)
        case RuleNotStarted():
            yield of_rule("bad", "Not started", event.error, event.rule)
        case RuleRemoved():
            yield of_rule("note", "Removed", "the rule is no longer evaluated", event.rule)
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
