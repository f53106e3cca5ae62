"""All contenders on one scenario, and the figures which tell them apart."""

from __future__ import annotations

import tempfile
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from tests.benchmarks.children import valkey
from tests.benchmarks.onsale.crowd import REQUESTS
from tests.benchmarks.onsale.optimum import Optimum, highest_rate, optimum
from tests.benchmarks.onsale.pilots import MARGIN, Pilot, hpa_rule, prepared_hpa_rule, tidegate_rule
from tests.benchmarks.onsale.sale import OPENS_AT_S, Outcome, Scenario, run_open, run_roomed
from tests.benchmarks.onsale.shop import ShopTerms
from tests.benchmarks.onsale.virtual_room import VirtualRoom
from tests.benchmarks.onsale.waits import Truth, truth_of

CONTENDERS = ("tidegate", "tidegate-scheduled", "hpa", "fixed", "prepared")


@dataclass(frozen=True, slots=True)
class Scores:
    """What one contender made of a scenario. Ratios are to the optimum; a wait is all the time, in seconds, from arrival (or the
    opening) to the checkout that the buyer did not spend reading: in line, reacting, and before answers of the shop.

    `inversions` is the share of pairs of buyers who were let in in the wrong order; `lost` counts buyers never served,
    `over_admitted` those let in beyond the bucket at the worst moment (P4). `told` is how true it was what buyers were told of
    their wait; None where there is no line.
    """

    contender: str
    drain_s: float
    drain_ratio: float
    slo_violation_share: float
    replica_hours: float
    replica_hours_ratio: float
    wait_mean_s: float
    wait_p99_s: float
    inversions: float
    lost: int
    over_admitted: float
    told: Truth | None


@dataclass(frozen=True, slots=True)
class Contest:
    """A scenario's scores and runs, by contender."""

    scenario: Scenario
    best: Optimum
    scores: dict[str, Scores]
    outcomes: dict[str, Outcome]


def believed_rate(terms: ShopTerms, seed: int) -> float:
    """Return the buyers/s a replica takes by the load test on which rules and rates are based."""
    return highest_rate(terms, seed) / REQUESTS


def contest(
    scenario: Scenario, seed: int, *, believed_per_s: float, true_per_s: float, contenders: Sequence[str]
) -> Contest:
    """Run the contenders; `believed_per_s` is what their settings rest on, `true_per_s` what a replica really takes."""
    best = optimum(
        scenario.buyers,
        scenario.terms,
        true_per_s,
        warm=scenario.prequeue,
        lost_at_s=scenario.lost_at_s,
        lost=scenario.lost,
        begins_s=scenario.begins_s,
    )
    outcomes = {name: _run(name, scenario, seed, believed_per_s) for name in contenders}
    scores = {name: _score(name, scenario, outcome, best) for name, outcome in outcomes.items()}
    return Contest(scenario, best, scores, outcomes)


def _run(name: str, scenario: Scenario, seed: int, buyers_per_s: float) -> Outcome:
    terms = scenario.terms
    if name == "hpa":
        return run_open(scenario, seed, Pilot(hpa_rule(terms)))
    rate_per_s = terms.most * buyers_per_s
    match name:
        case "tidegate" | "tidegate-scheduled":
            pilot = Pilot(tidegate_rule(terms, buyers_per_s, scheduled=name == "tidegate-scheduled"))
        case "prepared":
            pilot = Pilot(prepared_hpa_rule(terms, terms.least), prepared_hpa_rule(terms, terms.most))
            rate_per_s *= MARGIN
        case _:
            pilot = Pilot(hpa_rule(terms))
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder, valkey(Path(folder)) as url:
        room = VirtualRoom(url, _settings(scenario, rate_per_s), OPENS_AT_S + scenario.begins_s)
        try:
            return run_roomed(scenario, seed, pilot, room, coupled=name.startswith("tidegate"))
        finally:
            room.close()


def _settings(scenario: Scenario, rate_per_s: float) -> dict[str, str]:
    """Return the room hash's settings: a ceiling of what the whole shop takes, as ops would write it."""
    return {
        "rate": repr(rate_per_s),
        "burst": "20",
        "capacity": "",
        "fallback": repr(rate_per_s / 4.0),
        "claim_us": "60000000",
        "prequeue_us": "0",
        "opens_us": f"{OPENS_AT_S * 1e6:.0f}",
        "closes_us": "0",
        "order": "draw" if scenario.prequeue else "fifo",
        "config": "benchmark",
    }


def _score(name: str, scenario: Scenario, outcome: Outcome, best: Optimum) -> Scores:
    pairs = [
        (buyer, fate) for buyer, fate in zip(scenario.buyers, outcome.fates, strict=True) if not buyer.no_show
    ]
    served = [(buyer, fate) for buyer, fate in pairs if fate.checkout_s is not None]
    drain_s = max((fate.checkout_s or 0.0 for _, fate in served), default=0.0)
    waits = sorted(
        (fate.checkout_s or 0.0) - max(0.0, buyer.arrives_s) - buyer.browsing_s for buyer, fate in served
    )
    hours = outcome.shop.replica_seconds / 3600.0
    order = sorted((fate.turn_s, fate.rank) for _, fate in served if fate.turn_s is not None)
    return Scores(
        contender=name,
        drain_s=drain_s,
        drain_ratio=drain_s / best.drained_s,
        slo_violation_share=outcome.shop.violations / max(1, outcome.shop.requests),
        replica_hours=hours,
        replica_hours_ratio=hours * 3600.0 / best.replica_seconds(outcome.small_again_s),
        wait_mean_s=mean(waits),
        wait_p99_s=waits[int(0.99 * len(waits))],
        inversions=_inversions([rank for _, rank in order]),
        lost=len(pairs) - len(served),
        over_admitted=max(0.0, outcome.highest_excess),
        told=truth_of(outcome.told, [fate.turn_s for fate in outcome.fates]) if outcome.told else None,
    )


def _inversions(ranks: Sequence[int]) -> float:
    """Return the share of pairs which stand in the wrong order."""
    seen: list[int] = []
    wrong = 0
    for rank in ranks:
        wrong += len(seen) - bisect_right(seen, rank)
        insort(seen, rank)
    return wrong / max(1, len(ranks) * (len(ranks) - 1) / 2)
