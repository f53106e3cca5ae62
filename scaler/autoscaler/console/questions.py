"""What is asked once more before an action that hurts: what will come of it, in the words of people who run services. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from autoscaler.status import RuleStatus
from rulebook.override import Override, OverrideMode
from rulebook.rule import Paused, ScalingRule

_NOT_ACTING: Final = frozenset({"paused", "dryRun"})
"""The steps of a decision which undo what the ones before have come to."""


@dataclass(frozen=True, slots=True)
class Question:
    """A heading, what will come of it, and what the button says that does it."""

    title: str
    text: str
    button: str


def question_of(rule: ScalingRule, status: RuleStatus, override: Override | None) -> Question | None:
    """Say what another mode will do; None has the rule go by its document again. None where nothing will change.

    `rule` is the document's.
    """
    name, there = rule.name, None if status.state is None else status.state.replicas
    if override is None:
        if status.override is None:
            return None
        return Question(f"Set {name} to automatic?", _back(rule, status, there), "Set to automatic")
    match override.mode:
        case OverrideMode.PAUSED:
            title, button = f"Pause {name}?", "Pause"
            paused = rule.spec.paused
            if isinstance(paused, Paused):
                told = [f"{_now(there)}.", f"It goes to {paused.replicas}, where its document pins it."]
            else:
                told = [f"{_now(there)}.", "The count stays as it is, however many buyers come."]
        case OverrideMode.PINNED:
            wanted = override.replicas or 0
            title, button = f"Pin {name} at {wanted}?", f"Pin at {wanted}"
            told = [
                _step(there, wanted),
                *_low(rule, wanted),
                f"It stays at {wanted}, whatever its signals say.",
            ]
        case OverrideMode.DRY_RUN:
            title, button = f"Set {name} to a dry run?", "Set to dry run"
            told = [f"{_now(there)}.", "The scaler changes nothing any more, however many buyers come:"]
            told += ["it only says what it would do.", *_untold(rule)]
    if rule.spec.dry_run:
        standing = "Its document, or --dry-run, has it on a dry run: nothing will come of this before that has changed."
        told = [f"{_now(there)}.", standing]
    return Question(title, " ".join([*told, "It is so until you set it to automatic again."]), button)


def _now(there: int | None) -> str:
    if there is None:
        return "How many replicas it has now is not known"
    return f"It has {there} {'replica' if there == 1 else 'replicas'} now"


def _step(there: int | None, wanted: int) -> str:
    """Say what a count makes of the one that is there."""
    if there is None or there == wanted:
        return f"{_now(there)}."
    if wanted > there:
        return f"{_now(there)}: {wanted - there} more {_are(wanted - there)} started."
    return (
        f"{_now(there)}: {there - wanted} of them {_are(there - wanted)} ended, and buyers inside may notice."
    )


def _low(rule: ScalingRule, wanted: int) -> list[str]:
    least = rule.spec.replicas.min
    if wanted == 0:
        return ["Then nothing is left that serves."]
    return [f"That is below the rule's own minimum, {least}."] if wanted < least else []


def _untold(rule: ScalingRule) -> list[str]:
    if rule.spec.admission is None:
        return []
    return [
        f"Nor does it tell the onsale {rule.spec.admission.onsale} what the shop can take:",
        "when its last word on that has expired, the room goes over to the onsale's fallbackRate.",
    ]


def _back(rule: ScalingRule, status: RuleStatus, there: int | None) -> str:
    """Say what a rule will do that goes by its document again."""
    spec = rule.spec
    if spec.dry_run:
        return f"{_now(there)}. Its document, or --dry-run, has it on a dry run: the count stays as it is."
    if isinstance(spec.paused, Paused):
        return f"{_step(there, spec.paused.replicas)} Its document pins it at {spec.paused.replicas}."
    if spec.paused:
        return f"{_now(there)}. Its document pauses it, so the count stays as it is."
    steps = () if status.decision is None else status.decision.steps
    wanted = next((step.replicas for step in reversed(steps) if step.name not in _NOT_ACTING), None)
    lately = "" if wanted is None else f" By the last round, that would be {wanted}."
    return f"{_now(there)}. Its signals say how many it is to have, from the next round on, which comes at once.{lately}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
