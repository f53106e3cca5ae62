"""The report's figures, counted from what buyers saw, what the shop logged and what was sampled. Nothing else is trusted.

Of the room's own word only its public rate counts, and that no further than the document and the scaler's targets allow.

The definitions: an *order violation* is a buyer told "your turn" at store time t while a lower position is told to wait at
t' >= t; *over-admission* counts distinct shop sessions beyond the token bucket's bound over the logged rate; *served* is the last
checkout begun by a buyer who stayed; *ETA coverage* is the share of buyers whose wait lay within the first range they were
told; a *double claim* is a place for which two sessions were seen.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidegate.demo.limits import SLO_S
from tidegate.demo.optimum import Capacity, optimum_begins
from tidegate.demo.ordering import order_violations, turns_withdrawn
from tidegate.demo.overadmission import Ceiling, over_admitted, within
from tidegate.demo.records import (
    BuyerRecord,
    Outcome,
    RateSample,
    ReplicaSample,
    ServedEntry,
    ShopVisit,
    Step,
    TargetSample,
)
from tidegate.demo.shapes import MINIMUM_IN_SHOP_S
from tidegate.demo.waits import judge_waits


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was gathered in a run: `rates` are the room's word, `replicas` and `targets` the scaler's."""

    buyers: Sequence[BuyerRecord]
    served: Sequence[ServedEntry]
    rates: Sequence[RateSample]
    replicas: Sequence[ReplicaSample]
    targets: Sequence[TargetSample] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed for the run: the opening (unix seconds), what the shop could be, and what may be admitted at the most."""

    opens_s: float
    capacity: Capacity
    ceiling: Ceiling


@dataclass(frozen=True, slots=True)
class Figures:
    """The report. None stands where there was nothing to measure, never zero."""

    buyers: int
    joined: int
    admitted: int
    served: int
    left: int
    unserved: int
    lost_places: int
    over_admitted: int
    double_claims: int
    shared_sessions: int
    order_violations: int
    turns_withdrawn: int
    replicas_min: int | None
    replicas_max: int | None
    shop_requests: int
    shop_errors: int
    shop_p95_ms: float | None
    slo_ms: float
    slo_violation_share: float | None
    turned_away: int
    room_errors: int
    eta_coverage: float | None
    eta_coverage_later: float | None
    eta_width_ratio: float | None
    wait_p50_s: float | None
    wait_p95_s: float | None
    seconds_to_serve: float | None
    seconds_optimum: float | None
    ratio: float | None
    seconds_to_serve_90: float | None
    seconds_optimum_90: float | None
    ratio_90: float | None
    minimum_in_shop_s: float

    @property
    def kept_promises(self) -> bool:
        """Whether everyone who stayed was served, in order, once, and no faster than allowed."""
        return not (
            self.unserved
            or self.lost_places
            or self.over_admitted
            or self.double_claims
            or self.order_violations
        )


def count(evidence: Evidence, terms: Terms) -> Figures:
    """Count everything.

    Raises:
        ValueError: sessions were seen and no rate was ever sampled.
    """
    buyers = evidence.buyers
    rates = within(evidence.rates, terms.ceiling, evidence.targets)
    outcomes = Counter(buyer.outcome for buyer in buyers)
    visits = [visit for buyer in buyers for visit in buyer.visits]
    checkouts = [visit.latency_s for visit in visits if visit.step is Step.CHECKOUT and visit.succeeded]
    waits = [
        buyer.admitted_s - max(buyer.arrived_s, terms.opens_s)
        for buyer in buyers
        if buyer.admitted_s is not None
    ]
    stayers = [buyer for buyer in buyers if buyer.stays]
    begun = sorted(
        buyer.checkout_begun_s - terms.opens_s for buyer in stayers if buyer.checkout_begun_s is not None
    )
    best = optimum_begins((buyer.arrived_s - terms.opens_s for buyer in stayers), terms.capacity)
    to_serve, to_serve_90 = begun[-1] if begun else None, _nine_in_ten(begun, len(stayers))
    optimum, optimum_90 = best[-1] if best else None, _nine_in_ten(best, len(stayers))
    told = judge_waits(buyers)
    ready = [sample.ready for sample in evidence.replicas]
    return Figures(
        buyers=len(buyers),
        joined=sum(buyer.joined for buyer in buyers),
        admitted=sum(bool(buyer.sessions) for buyer in buyers),
        served=outcomes[Outcome.SERVED],
        left=outcomes[Outcome.LEFT],
        unserved=outcomes[Outcome.UNSERVED],
        lost_places=lost_places(buyers),
        over_admitted=over_admitted(evidence.served, rates, terms.opens_s),
        double_claims=double_claims(buyers, evidence.served),
        shared_sessions=shared_sessions(buyers, evidence.served),
        order_violations=order_violations(buyers),
        turns_withdrawn=turns_withdrawn(buyers),
        replicas_min=min(ready, default=None),
        replicas_max=max(ready, default=None),
        shop_requests=len(visits),
        shop_errors=sum(visit.failed for visit in visits),
        shop_p95_ms=_milliseconds(percentile(checkouts, 0.95)),
        slo_ms=SLO_S * 1000.0,
        slo_violation_share=slo_violation_share(visits),
        turned_away=sum(not visit.succeeded and not visit.failed for visit in visits),
        room_errors=sum(buyer.room_errors for buyer in buyers),
        eta_coverage=told.first,
        eta_coverage_later=told.later,
        eta_width_ratio=told.width,
        wait_p50_s=_rounded(percentile(waits, 0.5)),
        wait_p95_s=_rounded(percentile(waits, 0.95)),
        seconds_to_serve=_rounded(to_serve),
        seconds_optimum=_rounded(optimum),
        ratio=_ratio(to_serve, optimum),
        seconds_to_serve_90=_rounded(to_serve_90),
        seconds_optimum_90=_rounded(optimum_90),
        ratio_90=_ratio(to_serve_90, optimum_90),
        minimum_in_shop_s=MINIMUM_IN_SHOP_S,
    )


def lost_places(buyers: Iterable[BuyerRecord]) -> int:
    """Count buyers who, having joined, were given another number or position, or were told that they hold no place."""
    return sum(
        buyer.joined and (len(buyer.numbers) > 1 or len(buyer.positions) > 1 or buyer.no_place > 0)
        for buyer in buyers
    )


def double_claims(buyers: Iterable[BuyerRecord], served: Iterable[ServedEntry]) -> int:
    """Count places (a buyer holds one) for which more than one session was seen, by the buyer or by the shop."""
    sessions = _sessions_of_buyers(buyers, served)
    return sum(len(seen) > 1 for seen in sessions.values())


def shared_sessions(buyers: Iterable[BuyerRecord], served: Iterable[ServedEntry]) -> int:
    """Count sessions which more than one buyer used."""
    users = Counter(session for seen in _sessions_of_buyers(buyers, served).values() for session in seen)
    return sum(uses > 1 for uses in users.values())


def slo_violation_share(visits: Sequence[ShopVisit]) -> float | None:
    """Return the share of shop requests that failed or took longer than the SLO allows a checkout."""
    if not visits:
        return None
    return sum(visit.failed or visit.latency_s > SLO_S for visit in visits) / len(visits)


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the smallest value that at least `share` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _sessions_of_buyers(buyers: Iterable[BuyerRecord], served: Iterable[ServedEntry]) -> dict[int, set[str]]:
    sessions: defaultdict[int, set[str]] = defaultdict(set)
    for buyer in buyers:
        sessions[buyer.buyer].update(buyer.sessions)
    for entry in served:
        if entry.buyer is not None and entry.session is not None:
            sessions[entry.buyer].add(entry.session)
    return sessions


def _nine_in_ten(begun_s: Sequence[float], stayed: int) -> float | None:
    """Return when nine in ten of those who stayed had begun their checkout; None if it never came to that."""
    needed = math.ceil(0.9 * stayed)
    return begun_s[needed - 1] if 0 < needed <= len(begun_s) else None


def _ratio(measured: float | None, best: float | None) -> float | None:
    return round(measured / best, 3) if measured is not None and best else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000.0, 1)
