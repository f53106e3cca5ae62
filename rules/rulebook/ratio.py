"""From a metric and its target to a raw replica count, as the HorizontalPodAutoscaler's replica calculator does it.

Amounts are integers in thousandths (or any other fixed fraction) and stop at 2^63 - 1, counts stop at 2^31 - 1; ratios
are float64, as in Go, so that every ceiling falls where the HPA's falls: 20001 / 5000 is 4.0002 and gives 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MAX_REPLICAS: Final = 2**31 - 1
MAX_AMOUNT: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far the ratio of usage to target may stray from 1 before anything changes; both ends included."""

    up: float = 0.1
    down: float = 0.1

    def holds(self, ratio: float) -> bool:
        """Whether the ratio is close enough to 1."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Usage:
    """A raw replica count, and the usage it came from as it is reported."""

    replicas: int
    usage: int


def ceil_count(replicas: float) -> int:
    """Round a count up, and keep it within what a count can be."""
    if math.isnan(replicas):
        return 0
    if replicas >= MAX_REPLICAS:
        return MAX_REPLICAS
    return math.ceil(max(replicas, -float(MAX_REPLICAS)))


def of_total(usage: int, target: int, current: int, ready: int, tolerance: Tolerance) -> Usage:
    """Replicas by one number for the workload (HPA Value): the ratio times the *ready* replicas.

    At 0 current replicas the tolerance is skipped, and the ratio itself is the count.
    """
    ratio = _divide(float(usage), float(target))
    if current == 0:
        return Usage(ceil_count(ratio), usage)
    if tolerance.holds(ratio):
        return Usage(current, usage)
    return Usage(ceil_count(ratio * float(ready)), usage)


def of_share(usage: int, target: int, current: int, tolerance: Tolerance) -> Usage:
    """Replicas by an amount for each replica (HPA AverageValue); readiness plays no part."""
    ratio = _divide(float(usage), float(target) * float(current))
    replicas = current if tolerance.holds(ratio) else ceil_count(_divide(float(usage), float(target)))
    share = _divide(float(usage), float(current))
    if math.isnan(share):
        return Usage(replicas, 0)
    return Usage(replicas, MAX_AMOUNT if share >= MAX_AMOUNT else math.ceil(max(share, -float(MAX_AMOUNT))))


def _divide(one: float, other: float) -> float:
    """Divide as float64 does in Go: by zero it gives an infinity, or no number."""
    if other == 0.0:
        return math.nan if one == 0.0 or math.isnan(one) else math.copysign(math.inf, one)
    return one / other
