"""What a rule lets its onsale admit, given a decision and the replicas that are ready *now*. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rulebook.admission import readmit
from rulebook.decision import Decision
from rulebook.outlook import Outlook, outlook_of
from rulebook.rule import ScalingRule


@dataclass(frozen=True, slots=True)
class AdmissionTarget:
    """What a rule lets an onsale admit: buyers/s and a bound of live sessions, for `validity_s` from the moment of writing.

    `outlook` is what it expects of the rate, for the waits that buyers are told; None tells nothing.
    """

    onsale: str
    rule: str
    rate_per_s: float
    capacity: int | None
    reason: str
    validity_s: float
    term: int
    outlook: Outlook | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a target, in seconds of the store's clock.

    Not `accepted`: a writer of the higher `term` has been there; its target, with these times, stands.
    """

    accepted: bool
    store_now_s: float
    from_s: float
    until_s: float
    term: int


class Withdrawal(StrEnum):
    """What became of taking a rule's target back."""

    WITHDRAWN = "withdrawn"
    NOTHING = "nothing"
    """There was none, or it had been withdrawn before."""
    WAITS = "waits"
    """A rule that is to speak before has no target in force."""


def bound_onsale(rule: ScalingRule) -> str | None:
    """Return the onsale whose admission a rule bounds; None for a rule that says nothing about admission."""
    return None if rule.spec.admission is None else rule.spec.admission.onsale


def admission_target(
    rule: ScalingRule, decision: Decision, ready: int, *, validity_s: float, term: int, now_s: float
) -> AdmissionTarget | None:
    """Return the target to be written; None for a rule that says nothing about admission.

    While as many replicas are ready as the decision saw, it is what the decision says; otherwise the same slowness goes with the
    new number. `now_s` is of the clock on which was decided.
    """
    spec, decided = rule.spec.admission, decision.admission
    if spec is None or decided is None:
        return None
    if ready != decision.ready:
        decided = readmit(spec, decided, decision.ready, ready)
    return AdmissionTarget(
        onsale=spec.onsale,
        rule=rule.name,
        rate_per_s=decided.rate_per_s,
        capacity=decided.capacity,
        reason=decided.reason,
        validity_s=validity_s,
        term=term,
        outlook=outlook_of(rule, decision, now_s),
    )
