"""What a rule lets its onsale admit, given a decision and the replicas that are ready *now*. Pure."""

from __future__ import annotations

from dataclasses import dataclass

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


def admission_target(
    rule: ScalingRule, decision: Decision, ready: int, *, validity_s: float, term: int, now_s: float
) -> AdmissionTarget | None:
    """Return the target to be written; None for a rule that says nothing about admission.

    While as many replicas are ready as the decision saw, it is what the decision says; otherwise the same slowness factor
    goes with the new number. `now_s` is of the clock on which was decided.
    """
    spec = rule.spec.admission
    if spec is None or decision.admission is None:
        return None
    rate_per_s, capacity, reason = (
        decision.admission.rate_per_s,
        decision.admission.capacity,
        decision.admission.reason,
    )
    if ready != decision.ready:
        factor = decision.memory.slow_factor
        rate_per_s = spec.per_ready_replica_per_s * ready * factor
        sessions = spec.sessions_per_ready_replica
        capacity = None if sessions is None else sessions * ready
        reason = f"{ready} ready now, {decision.ready} at the last decision: {spec.per_ready_replica_per_s:g}/s each"
        if factor != 1.0:
            reason += f", x {factor:.3g} for slowness"
    return AdmissionTarget(
        onsale=spec.onsale,
        rule=rule.name,
        rate_per_s=rate_per_s,
        capacity=capacity,
        reason=reason,
        validity_s=validity_s,
        term=term,
        outlook=outlook_of(rule, decision, now_s),
    )
