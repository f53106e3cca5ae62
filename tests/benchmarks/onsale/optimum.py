"""The physical optimum: how soon the crowd could have been served by the capacity that could have been there, and at what cost.

A fluid: buyers are served in order of arrival as soon as there is capacity, each ready replica at the highest rate within the
objective (`highest_rate`). The most replicas are ordered at the opening, or so that they are ready by then where a pre-queue told
of the crowd; replicas that die are missing for a start-up. Nobody needs time to react; what a buyer does inside takes its time.
The cost is the fewest replicas that do this: as many as the flow needs at each moment, ordered one start-up before and kept
until those inside are through.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.onsale.crowd import MEAN_PAUSE_S, REQUESTS, Buyer
from tests.benchmarks.onsale.shop import Shop, ShopTerms

_STEP_S = 0.2
_LOAD_S = 400.0
_SETTLING_S = 40.0
_ALLOWED = 0.001
"""The share of requests that may break the objective."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """`drained_s` is the last checkout begun, from the opening; `replicas` are those there in each step from `begins_s` on."""

    drained_s: float
    begins_s: float
    replicas: Sequence[int]
    least: int

    def replica_seconds(self, until_s: float) -> float:
        """Count replica-seconds from the begin until a moment."""
        steps = max(0, round((until_s - self.begins_s) / _STEP_S))
        counted = self.replicas[:steps]
        return _STEP_S * (sum(counted) + self.least * (steps - len(counted)))


def optimum(
    buyers: Sequence[Buyer],
    terms: ShopTerms,
    rate_per_s: float,
    *,
    warm: bool,
    lost_at_s: float | None,
    lost: int = 1,
    begins_s: float,
) -> Optimum:
    """Serve the crowd at best; `rate_per_s` is what a replica takes, in buyers/s. No-shows are not part of the crowd.

    At `lost_at_s`, from the opening, `lost` replicas die.
    """
    coming = [buyer for buyer in buyers if not buyer.no_show]
    steps_before = round(-begins_s / _STEP_S)
    needed: list[float] = [0.0] * steps_before
    step, served, index, drained_s = steps_before, 0.0, 0, 0.0
    while index < len(coming):
        now_s = begins_s + step * _STEP_S
        ready = terms.most if warm or now_s >= terms.startup_s else terms.least
        if lost_at_s is not None and lost_at_s <= now_s < lost_at_s + terms.startup_s:
            ready -= lost
        allowed = served + ready * rate_per_s * _STEP_S
        before = index
        while index < len(coming) and index + 1 <= allowed and coming[index].arrives_s <= now_s + _STEP_S:
            drained_s = max(drained_s, now_s + _STEP_S + coming[index].browsing_s)
            index += 1
        # What no buyer was there to take is gone, but for the fraction of a buyer.
        served = allowed if index + 1 > allowed else float(index)
        needed.append(ready if index + 1 > allowed else (index - before) / _STEP_S / rate_per_s)
        step += 1
    return Optimum(drained_s, begins_s, _ordered(needed, terms), terms.least)


def _ordered(needed: Sequence[float], terms: ShopTerms) -> list[int]:
    """Order one start-up ahead, and keep until those who came in have left. Single steps are evened out over ten seconds."""
    even, ahead = round(10.0 / _STEP_S), round(terms.startup_s / _STEP_S)
    kept = round((REQUESTS - 1) * MEAN_PAUSE_S / _STEP_S)
    blocks = [
        math.ceil(sum(needed[start : start + even]) / len(needed[start : start + even]) - 1e-9)
        for start in range(0, len(needed), even)
    ]
    wide = [blocks[index // even] for index in range(len(needed))] + [0] * (ahead + kept)
    return [
        min(max(terms.least, *wide[max(0, index - kept) : index + ahead + 1]), terms.most)
        for index in range(len(wide))
    ]


def highest_rate(terms: ShopTerms, seed: int) -> float:
    """Find the requests/s which a replica takes within the objective, as a load test of the whole shop would."""
    full = terms.workers / (terms.mean_service_s * terms.slowdown)
    low, high = 0.5, 1.0
    for _ in range(6):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _violations(terms, seed, middle * full) <= _ALLOWED else (low, middle)
    return low * full


def _violations(terms: ShopTerms, seed: int, rate_per_s: float) -> float:
    """Send requests at random to the whole shop, and return the share that broke the objective once it had settled."""
    shop = Shop(terms, seed, 0.0)
    shop.scale(terms.most, -terms.startup_s)
    dice = random.Random(seed)
    now_s, settled = 0.0, (0, 0)

    def ignore(_: float) -> None:
        return None

    while now_s < _LOAD_S:
        now_s += dice.expovariate(rate_per_s * terms.most)
        shop.advance(now_s)
        shop.request(now_s, ignore, ignore)
        if now_s < _SETTLING_S:
            settled = shop.requests, shop.violations
    shop.advance(now_s + 60.0)
    return (shop.violations - settled[1]) / (shop.requests - settled[0])
