"""What a scenario has to show beyond the promises that every run keeps: read from samples, told in words, never a promise itself.

Times depend on how busy the machine is, so a check that failed says so in the report and changes no exit status.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rulebook import read_ready
from tidegate.demo.blows import Struck
from tidegate.demo.figures import Evidence, Figures, percentile
from tidegate.demo.limits import SLO_S
from tidegate.demo.records import RateSample, Step
from tidegate.demo.scenarios import FESTIVAL, RUSH, SLOW_SHOP, Blow, Scenario
from waitingroom.slowdown import Cause

NEAR_OPTIMUM = 1.25
"""How much longer than at best a crowd may take."""

_FRESH_WITHIN_S = 1.0
"""The room's copy of the counters, and the sample of it, may be so old."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to be shown; `detail` has the numbers, `figures` the same by name, without those that were not seen.

    Rates are in buyers/s; `after_s` counts from the blow, that of a killed store from the new server's answer. `best_p95_s` is
    that of the tenth of checkouts, not the first, which went best.
    """

    name: str
    held: bool
    detail: str
    figures: Mapping[str, float] = field(default_factory=dict)


def checks_of(
    scenario: Scenario, evidence: Evidence, figures: Figures, struck: Struck | None, interval_s: float
) -> list[Check]:
    """Look at what one run of a scenario has to show. `interval_s` is the rule's."""
    if scenario in (FESTIVAL, RUSH):
        return [_near_optimum(figures)]
    if scenario is SLOW_SHOP:
        return _of_slow_shop(evidence)
    if struck is None:
        return [Check("the blow fell", held=False, detail="the sale was over before")]
    if struck.blow is Blow.REPLICA_KILLED:
        return [*_of_lost_replica(evidence, struck, interval_s), _near_optimum(figures)]
    return _of_lost_store(evidence, struck)


def _near_optimum(figures: Figures) -> Check:
    held = figures.ratio is not None and figures.ratio <= NEAR_OPTIMUM
    ratio = "-" if figures.ratio is None else f"{figures.ratio:g}"
    return Check(
        f"served within {NEAR_OPTIMUM:g} times the optimum",
        held,
        f"{ratio} times the optimum",
        _known(ratio=figures.ratio),
    )


def _of_lost_replica(evidence: Evidence, struck: Struck, interval_s: float) -> list[Check]:
    before = [sample for sample in evidence.rates if sample.as_of_s <= struck.at_s]
    after = [sample for sample in evidence.rates if sample.as_of_s > struck.at_s]
    rate = before[-1].rate_per_s if before else 0.0
    ready = read_ready(before[-1].reason) if before else None
    lower = next((sample for sample in after if sample.rate_per_s < rate), None)
    fell_s = None if lower is None else lower.as_of_s - struck.at_s
    back_s = None
    if lower is not None:
        back = next((s for s in after if s.as_of_s > lower.as_of_s and s.rate_per_s >= rate), None)
        back_s = None if back is None else back.as_of_s - struck.at_s
    down_to = "" if lower is None else f" to {lower.rate_per_s:g}/s ({lower.reason})"
    return [
        Check(
            "the rate fell within one interval",
            fell_s is not None and fell_s <= interval_s + _FRESH_WITHIN_S,
            "it never fell" if fell_s is None else f"from {rate:g}/s{down_to} after {fell_s:.1f} s",
            _known(
                from_per_s=rate,
                from_ready=ready,
                to_per_s=None if lower is None else lower.rate_per_s,
                to_ready=None if lower is None else read_ready(lower.reason),
                after_s=fell_s,
            ),
        ),
        Check(
            "the rate came back",
            back_s is not None,
            "it did not" if back_s is None else f"{rate:g}/s again after {back_s:.1f} s",
            _known(after_s=back_s),
        ),
    ]


def _of_slow_shop(evidence: Evidence) -> list[Check]:
    slow = [sample for sample in evidence.rates if "shop slow" in sample.reason]
    checkouts = sorted(
        (visit.begun_s, visit.latency_s)
        for buyer in evidence.buyers
        for visit in buyer.visits
        if visit.step is Step.CHECKOUT and visit.succeeded
    )
    late = [begun_s for begun_s, latency_s in checkouts if latency_s > SLO_S]
    size = math.ceil(len(checkouts) / 10) or 1
    p95s = [_p95(checkouts[max(0, end - size) : end]) for end in range(len(checkouts), 0, -size)]
    p95, after = p95s[0] if p95s else None, p95s[: len(p95s) - 1]
    broken_s = late[-1] - late[0] if late else 0.0
    told = sum(Cause.SHOP_SLOW in buyer.reasons for buyer in evidence.buyers)
    return [
        Check(
            "the rate was lowered because the shop was slow",
            bool(slow),
            slow[0].reason if slow else "it never was",
            _known(
                from_per_s=max((sample.rate_per_s for sample in evidence.rates), default=None),
                to_per_s=min((sample.rate_per_s for sample in slow), default=None),
            ),
        ),
        Check(
            "buyers in line were told so",
            told > 0,
            f"{told} of {len(evidence.buyers)} read that the shop is slower than usual",
            {"buyers": told},
        ),
        Check(
            "the shop came back within its objective",
            p95 is not None and p95 <= SLO_S,
            "nobody was served"
            if p95 is None
            else f"it was missed by {len(late)} checkouts over {broken_s:.0f} s; p95 of the last tenth {p95:.2f} s",
            _known(late=len(late), late_over_s=broken_s, last_p95_s=p95, best_p95_s=min(after, default=None)),
        ),
    ]


def _of_lost_store(evidence: Evidence, struck: Struck) -> list[Check]:
    released = _released_at(evidence.rates, struck.at_s)
    again = next((s for s in evidence.rates if s.as_of_s > struck.until_s and s.released > released), None)
    again_s = None if again is None else again.as_of_s - struck.until_s
    down_s = struck.until_s - struck.at_s
    epochs = {epoch for buyer in evidence.buyers for epoch, _ in buyer.numbers}
    meanwhile = [
        visit.succeeded
        for buyer in evidence.buyers
        for visit in buyer.visits
        if struck.at_s <= visit.begun_s < struck.until_s
    ]
    return [
        Check(
            "the line went on",
            again is not None,
            "it did not"
            if again_s is None
            else f"the store was away for {down_s:.1f} s; the next turn came {again_s:.1f} s after that",
            _known(away_s=down_s, after_s=again_s),
        ),
        Check(
            "nobody's turn was taken back",
            all(sample.released >= released for sample in evidence.rates if sample.as_of_s > struck.until_s),
            f"{released} had been released; numbers of {len(epochs)} epoch{'s' * (len(epochs) != 1)} were given out",
            {"released": released, "epochs": len(epochs)},
        ),
        Check(
            "buyers inside went on shopping",
            bool(meanwhile) and all(meanwhile),
            f"{sum(meanwhile)} of {len(meanwhile)} requests begun while the store was away were answered",
            {"requests": len(meanwhile), "answered": sum(meanwhile)},
        ),
    ]


def _p95(checkouts: Sequence[tuple[float, float]]) -> float:
    return percentile((latency_s for _, latency_s in checkouts), 0.95) or 0.0


def _released_at(rates: Sequence[RateSample], at_s: float) -> int:
    return max((sample.released for sample in rates if sample.as_of_s <= at_s), default=0)


def _known(**figures: float | None) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items() if value is not None}
