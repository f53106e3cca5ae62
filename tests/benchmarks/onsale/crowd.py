"""Who comes, when, and what they do in the shop; drawn once a scenario, so that every contender faces the same buyers.

A buyer's stay is a few requests with pauses for reading between them; the last request begins the checkout. Some buyers with a
place never come back for it (no-shows). Times count from the opening, in seconds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from rulebook.simulation import Trace

REQUESTS = 6
MEAN_PAUSE_S = 4.0
MEAN_REACTION_S = 2.0
"""From learning that it is one's turn to entering the shop."""
NO_SHOWS = 0.02


@dataclass(frozen=True, slots=True)
class Buyer:
    """One buyer: when they arrive, how long they take to react, and their pauses before each request after the first."""

    arrives_s: float
    reaction_s: float
    pauses_s: tuple[float, ...]
    no_show: bool

    @property
    def browsing_s(self) -> float:
        """What passes between the first request and the checkout apart from waiting for answers."""
        return sum(self.pauses_s)


def rush(count: int, seed: int, within_s: float = 60.0) -> list[Buyer]:
    """Most come in the first seconds after the opening, the last after `within_s`."""
    return _crowd(count, seed, lambda dice: min(dice.gammavariate(2.0, within_s / 8.0), within_s))


def prequeue_and_rush(count: int, seed: int, before_s: float = 600.0) -> list[Buyer]:
    """Four of five wait before the opening, more and more the nearer it is; the others come in a rush."""

    def arrival(dice: random.Random) -> float:
        if dice.random() < 0.8:
            return -before_s * (1.0 - math.sqrt(dice.random()))
        return min(dice.gammavariate(2.0, 7.5), 60.0)

    return _crowd(count, seed, arrival)


def of_trace(trace: Trace, seed: int) -> list[Buyer]:
    """As many arrivals in each piece of the trace as it holds, spread evenly at random within it; the opening is its begin."""
    dice = random.Random(seed)
    starts = list(accumulate((segment.seconds for segment in trace.segments), initial=0))
    arrivals = []
    owed = 0.0
    for start, segment in zip(starts, trace.segments, strict=False):
        owed += segment.rate_per_s * segment.seconds
        count = int(owed)
        owed -= count
        arrivals += [start + segment.seconds * dice.random() for _ in range(count)]
    moments = iter(sorted(arrivals))
    return _crowd(len(arrivals), seed, lambda _: next(moments))


def _crowd(count: int, seed: int, arrival: Callable[[random.Random], float]) -> list[Buyer]:
    dice = random.Random(seed)
    arrivals: Sequence[float] = sorted(arrival(dice) for _ in range(count))
    return [
        Buyer(
            arrives_s=arrives_s,
            reaction_s=dice.expovariate(1.0 / MEAN_REACTION_S),
            pauses_s=tuple(dice.expovariate(1.0 / MEAN_PAUSE_S) for _ in range(REQUESTS - 1)),
            no_show=dice.random() < NO_SHOWS,
        )
        for arrives_s in arrivals
    ]
