"""A replica keeps the objective at the rate it is said to keep it at: simulated as a line before five slots (M/G/5)."""

from __future__ import annotations

import heapq
import random

import pytest

from tidegate.demo.figures import percentile
from tidegate.demo.limits import (
    CHECKOUT_S,
    HIGHEST_RATE_WITHIN_SLO,
    LINE_LIMIT,
    SLO_S,
    SLOTS,
    highest_rate_within_slo,
)

_SECONDS = 3600.0


def latencies_at(rate_per_s: float, seed: int, slowdown: float = 1.0) -> list[float]:
    """Simulate an hour of random arrivals; each takes the slot that is free first."""
    dice = random.Random(seed)
    free_at = [0.0] * SLOTS
    now, latencies = 0.0, []
    while now < _SECONDS:
        now += dice.expovariate(rate_per_s)
        done = max(now, heapq.heappop(free_at)) + slowdown * dice.uniform(*CHECKOUT_S)
        heapq.heappush(free_at, done)
        latencies.append(done - now)
    return latencies


@pytest.mark.parametrize("seed", range(5))
def test_at_its_highest_rate_a_replica_keeps_the_objective(seed: int) -> None:
    latencies = latencies_at(HIGHEST_RATE_WITHIN_SLO, seed)
    p95 = percentile(latencies, 0.95)
    assert p95 is not None
    assert p95 < SLO_S


@pytest.mark.parametrize("seed", range(5))
def test_at_its_highest_rate_a_replica_turns_nobody_away(seed: int) -> None:
    longest_line_s = (SLOTS + LINE_LIMIT) * CHECKOUT_S[0] / SLOTS
    assert max(latencies_at(HIGHEST_RATE_WITHIN_SLO, seed)) < longest_line_s


def test_a_quarter_more_breaks_the_objective() -> None:
    p95 = percentile(latencies_at(1.25 * HIGHEST_RATE_WITHIN_SLO, seed=1), 0.95)
    assert p95 is not None
    assert p95 > SLO_S


@pytest.mark.parametrize("seed", range(5))
def test_at_half_its_speed_a_replica_keeps_the_objective_at_less_than_half_the_rate(seed: int) -> None:
    rate_per_s = highest_rate_within_slo(2.0)
    assert rate_per_s < HIGHEST_RATE_WITHIN_SLO / 2
    p95 = percentile(latencies_at(rate_per_s, seed, slowdown=2.0), 0.95)
    assert p95 is not None
    assert p95 < SLO_S
    a_little_more = percentile(latencies_at(1.17 * rate_per_s, seed, slowdown=2.0), 0.95)
    assert a_little_more is not None
    assert a_little_more > SLO_S
