"""A quantile from a histogram's cumulative buckets, by the arithmetic of Prometheus' `histogram_quantile`.

Pure. Source: `bucketQuantile` in prometheus/promql/quantile.go, for classic histograms: within a bucket, observations are
taken to be spread evenly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping


def histogram_quantile(quantile: float, buckets: Mapping[float, float]) -> float:
    """Return the quantile of `upper bound -> observations at or below it`; NaN where there is nothing to tell it by.

    As in Prometheus: it is NaN without a +Inf bucket, without a second one, or without observations; beyond the highest
    finite bound it is that bound; the lowest bucket begins at 0 when its bound is positive.
    """
    if math.isnan(quantile):
        return math.nan
    if quantile < 0:
        return -math.inf
    if quantile > 1:
        return math.inf
    bounds = sorted(buckets)
    if len(bounds) < 2 or bounds[-1] != math.inf:
        return math.nan
    counts = _rising([buckets[bound] for bound in bounds])
    if not counts[-1] > 0:
        return math.nan
    rank = quantile * counts[-1]
    index = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(bounds) - 1)
    if index == len(bounds) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    if counts[index] == 0:  # the 0-quantile of a histogram whose lowest bucket is empty; 0 / 0 in Prometheus
        return math.nan
    start, below = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0.0)
    return start + (bounds[index] - start) * (rank - below) / (counts[index] - below)


def _rising(counts: list[float]) -> list[float]:
    """Lift counts that fall below an earlier one, as they do when replicas were read at slightly different moments."""
    highest = 0.0
    lifted = []
    for count in counts:
        highest = max(highest, count)
        lifted.append(highest)
    return lifted
