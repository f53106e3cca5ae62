"""What each signal of a rule asks for on its own: a count, or nothing and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rulebook.climb import climb_s
from rulebook.crowd import Demand, demand_of
from rulebook.memory import CrowdDeadline, Memory
from rulebook.observation import Crowd, Missing, Observation, Reading, Value, usable
from rulebook.prepared import Prepared
from rulebook.ratio import MAX_AMOUNT, Tolerance, of_share, of_total
from rulebook.rule import RuleSpec
from rulebook.signals import SignalSpec
from rulebook.startup import UNKNOWN_LEAD_S

# Metrics arrive as floats with noise in their last bits (150.00000000000003), which a ceiling would turn into a whole
# replica. As the HPA counts thousandths, we count millionths: fine enough for latencies of a few microseconds.
MICRO: Final = 1_000_000
_SMALLEST_TARGET: Final = 1e-3
_LARGEST_VALUE: Final = 2.0**53 / MICRO


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The replicas one signal asks for; None where it asks for nothing. `target` is what `value` is compared with."""

    signal: str
    replicas: int | None
    value: float | None
    target: float
    detail: str


@dataclass(frozen=True, slots=True)
class Recommendations:
    """One recommendation a signal, in the document's order; `missing` says why for those that could not be read."""

    each: tuple[Recommendation, ...]
    missing: tuple[tuple[str, Missing], ...]
    deadlines: tuple[CrowdDeadline, ...]


def recommend(
    prepared: Prepared,
    observation: Observation,
    memory: Memory,
    warm_up_s: float | None,
    now_s: float,
) -> Recommendations:
    """Ask every signal. `warm_up_s` is how long before an opening to order what one order brings, as far as that was learnt."""
    each, missing, deadlines = [], [], []
    for signal in prepared.spec.signals:
        reading = read(signal, observation, now_s)
        deadline_s = memory.deadline(signal.name)
        if isinstance(reading, Missing):
            missing.append((signal.name, reading))
            each.append(_without_data(signal, reading))
        elif isinstance(reading, Crowd):
            recommendation, deadline_s = _of_crowd(
                signal, reading, prepared, observation, deadline_s, warm_up_s, now_s
            )
            each.append(recommendation)
        else:
            each.append(_of_value(signal, reading.value, observation, prepared.tolerance))
        if deadline_s is not None and signal.onsale is not None:
            deadlines.append(CrowdDeadline(signal.name, deadline_s))
    return Recommendations(tuple(each), tuple(missing), tuple(deadlines))


def read(signal: SignalSpec, observation: Observation, now_s: float) -> Reading:
    """Give a signal's reading, `Missing` where it cannot be used: stale, not a number, or of the wrong kind."""
    reading = usable(observation.readings.get(signal.name), now_s, signal.max_age_s)
    wanted = Crowd if signal.onsale is not None else Value
    if not isinstance(reading, Missing | wanted):
        return Missing(f"a reading of another kind: {type(reading).__name__}")
    return reading


def _without_data(signal: SignalSpec, missing: Missing) -> Recommendation:
    reason = missing.reason[:200]
    if signal.on_missing == "zero":
        return Recommendation(signal.name, 0, 0.0, signal.reference, f"missing ({reason}), counts as zero")
    effect = {"hold": "holds: no scale-down", "ignore": "ignored", "fail": "no change at all"}[
        signal.on_missing
    ]
    return Recommendation(signal.name, None, None, signal.reference, f"missing ({reason}), {effect}")


def _of_crowd(
    signal: SignalSpec,
    crowd: Crowd,
    prepared: Prepared,
    observation: Observation,
    deadline_s: float | None,
    warm_up_s: float | None,
    now_s: float,
) -> tuple[Recommendation, float | None]:
    assert signal.onsale is not None  # noqa: S101  # `read` gives a Crowd to no other signal
    asked, spec, current = signal.onsale, prepared.spec, observation.current

    def ask(lead_s: float) -> tuple[Demand, int]:
        demand = demand_of(crowd, deadline_s, asked.drain_within_s, spec.interval_s, lead_s, now_s)
        return demand, share_of(demand.per_s, signal.reference, current, prepared.tolerance)

    lead_s = asked.lead_s
    if lead_s is None:
        lead_s = warm_up_s or UNKNOWN_LEAD_S
        if crowd.opens_at_s is not None and now_s < crowd.opens_at_s:
            lead_s += climb_s(prepared, current, ask(math.inf)[1])
    demand, replicas = ask(lead_s)
    if demand.overdue:
        replicas, detail = spec.replicas.max, demand.detail
    else:
        detail = f"{demand.detail}: {short(demand.per_s)}/s over {signal.reference:g}/s a replica"
    inside = replicas_inside(asked.name, crowd, spec)
    if inside > replicas:
        replicas, detail = inside, f"{crowd.sessions} shop: {inside} replicas for them; {detail}"
    return Recommendation(signal.name, replicas, demand.per_s, signal.reference, detail), demand.deadline_s


def replicas_inside(onsale: str, crowd: Crowd, spec: RuleSpec) -> int:
    """Count the replicas that the buyers inside need, where the rule says how many sessions one holds: nobody is paying there
    while it goes."""
    admission = spec.admission
    if admission is None or admission.onsale != onsale or admission.sessions_per_ready_replica is None:
        return 0
    return math.ceil(min(crowd.sessions or 0, 2**53) / admission.sessions_per_ready_replica)


def _of_value(
    signal: SignalSpec, value: float, observation: Observation, tolerance: Tolerance
) -> Recommendation:
    target = signal.reference
    if signal.per_replica is not None:
        replicas = share_of(value, target, observation.current, tolerance)
        share = f", {short(value / observation.current)} each" if observation.current else ""
        detail = f"{short(value)} over {target:g} a replica{share}"
    else:
        amount, target_amount = _scaled(value, target)
        replicas = of_total(amount, target_amount, observation.current, observation.ready, tolerance).replicas
        detail = f"{short(value)} against {target:g}, ratio {value / target:.4g} x {observation.ready} ready"
    if replicas == observation.current:
        detail += " (no change)"
    return Recommendation(signal.name, max(replicas, 0), value, target, detail)


def share_of(value: float, target: float, current: int, tolerance: Tolerance) -> int:
    """Replicas for an amount of which each takes `target`; the current count within the tolerance of it."""
    amount, target_amount = _scaled(value, target)
    return of_share(amount, target_amount, current, tolerance).replicas


def _scaled(value: float, target: float) -> tuple[int, int]:
    """Count value and target in millionths, or finer where the target is tiny, or coarser where the value is huge."""
    scale = float(MICRO)
    if target < _SMALLEST_TARGET:
        scale = min(1e3 / target, 1e30)
    elif abs(value) > _LARGEST_VALUE:
        scale = min(MAX_AMOUNT / abs(value), MICRO)
    return max(min(round(value * scale), MAX_AMOUNT), -MAX_AMOUNT), max(round(target * scale), 1)


def short(value: float) -> str:
    """Write a number with four digits, or all those before the point."""
    return f"{value:.4g}" if -9999.5 < value < 9999.5 else f"{value:.0f}"


def highest(recommendations: Sequence[Recommendation]) -> Recommendation | None:
    """Find the one that asks for most; the first of equals."""
    asking = [entry for entry in recommendations if entry.replicas is not None]
    return max(asking, key=lambda entry: entry.replicas or 0, default=None)
