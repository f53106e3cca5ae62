"""What is kept of a round of a rule once it is over. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from autoscaler.instrumentation.events import RuleDecided
from autoscaler.sources.base import Answer
from rulebook.observation import Crowd, Value

ROUNDS_KEPT: Final = 480


@dataclass(frozen=True, slots=True)
class Round:
    """A round of a rule: what was there, what each signal said and asked for, and what was decided; None is unknown."""

    at_s: float
    current: int
    ready: int
    desired: int
    values: tuple[tuple[str, float | None], ...]
    recommended: tuple[tuple[str, int | None], ...]


def round_of(event: RuleDecided) -> Round:
    """Return what is kept of the round that an event tells of."""
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
