"""How many more sessions the shop saw than the token bucket allows (promise P4), from the outside.

From the opening until any t no more than

    max(burst, 1 s x rate at the opening) + integral of the rate + places given back

may have been released. A place is given back only after it was released and nobody claimed it, so each refund stands for a
release that became no session; sessions alone are therefore bound by the first two terms, without the third. A session seen at
the shop by t was released before t. Between two samples the higher rate counts, so that a correct queue is never blamed.

The rate is the one that the room tells, as only the room knows of a hold or a loss, but no more than others know to be allowed
(`within`): a room that tells too high a rate, and releases as it tells, is found out.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rulebook import Onsale
from tidegate.demo.records import RateSample, ServedEntry, TargetSample

CLOCK_SLACK_S = 0.05
"""Clocks are read a moment before what they date: the integral runs this much longer."""

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Excess:
    """So many sessions were seen by `at_s` (unix seconds), and no more than so many were allowed."""

    at_s: float
    seen: int
    allowed: int

    @property
    def beyond(self) -> int:
        """How many were too many."""
        return max(0, self.seen - self.allowed)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What is allowed at the most whatever the room says; rates in buyers/s.

    `fallback_per_s` applies where a target of the scaler has expired, or was lost with the store's data; None: nothing does.
    """

    rate_per_s: float
    burst: int
    fallback_per_s: float | None = None

    @classmethod
    def of(cls, onsale: Onsale) -> Ceiling:
        """Return what the sale's document allows."""
        limits = onsale.spec.admission
        return cls(limits.rate_per_s, limits.burst, limits.fallback_rate_per_s)


def within(
    rates: Iterable[RateSample], ceiling: Ceiling, targets: Iterable[TargetSample] = ()
) -> list[RateSample]:
    """Return what the room told, oldest first, cut down to the ceiling and to what the scaler's `targets` allow.

    The room may know a target that nobody saw, so between two that were seen the higher one counts, as between two samples of
    the rate. Before the first one only the ceiling does.
    """
    written = sorted(targets, key=lambda target: target.from_s)
    begins = [target.from_s for target in written]
    cut = []
    for sample in sorted(rates, key=lambda sample: sample.as_of_s):
        begun = bisect_right(begins, sample.as_of_s)
        allowed = _allowed(written[begun - 1 : begun + 1], sample.as_of_s, ceiling) if begun else math.inf
        rate_per_s = min(sample.rate_per_s, ceiling.rate_per_s, allowed)
        cut.append(replace(sample, rate_per_s=rate_per_s, burst=min(sample.burst, ceiling.burst)))
    return cut


def _allowed(around: Sequence[TargetSample], at_s: float, ceiling: Ceiling) -> float:
    """Return the highest rate that can have been in force between two targets, or since the last one."""
    fallback = ceiling.fallback_per_s
    in_force = [each.rate_per_s for each in around if at_s < each.until_s or fallback is None]
    return max([0.0 if fallback is None else fallback, *in_force])


def over_admitted(served: Iterable[ServedEntry], rates: Sequence[RateSample], opens_s: float) -> int:
    """Return by how many sessions the bound was exceeded when it was exceeded most; 0 where it never was.

    Raises:
        ValueError: sessions were seen and no rate was ever sampled.
    """
    excess = worst_excess(served, rates, opens_s)
    return 0 if excess is None else excess.beyond


def worst_excess(served: Iterable[ServedEntry], rates: Sequence[RateSample], opens_s: float) -> Excess | None:
    """Return the moment at which the bound was exceeded most, or kept most narrowly; None if no session was seen.

    Raises:
        ValueError: sessions were seen and no rate was ever sampled.
    """
    seen = sorted(first_seen(served).values())
    if not seen:
        return None
    if not rates:
        raise ValueError("no sample of the rate: what may be admitted is unknown")
    allowance = Allowance(rates, opens_s)
    moments = (
        Excess(at_s, count, math.floor(allowance.by(at_s) + _ROUNDING))
        for count, at_s in enumerate(seen, start=1)
    )
    return max(moments, key=lambda moment: moment.seen - moment.allowed)


def without_rate(
    rates: Sequence[RateSample], from_s: float, until_s: float, reason: str
) -> Sequence[RateSample]:
    """Return the samples with a rate of none from `from_s` until `until_s`: while nothing can release, no sample tells so."""
    ordered = sorted(rates, key=lambda sample: sample.as_of_s)
    before = [sample for sample in ordered if sample.as_of_s <= from_s]
    during = [sample for sample in ordered if from_s < sample.as_of_s < until_s]
    if not before:
        return rates
    edges = [replace(before[-1], as_of_s=from_s), *during, replace((before + during)[-1], as_of_s=until_s)]
    nothing = [replace(sample, rate_per_s=0.0, reason=reason) for sample in edges]
    return [*before, *nothing, *ordered[len(before) + len(during) :]]


def first_seen(served: Iterable[ServedEntry]) -> dict[str, float]:
    """Return when each session was first seen at the shop."""
    seen: dict[str, float] = {}
    for entry in served:
        if entry.session is not None:
            seen[entry.session] = min(entry.at_s, seen.get(entry.session, math.inf))
    return seen


class Allowance:
    """The bucket's size at the opening and the integral of the highest rate that can have been in force since."""

    def __init__(self, rates: Sequence[RateSample], opens_s: float) -> None:
        samples = sorted(rates, key=lambda sample: sample.as_of_s)
        self._edges = [opens_s]
        self._slopes: list[float] = []
        around = [samples[0]]
        for before, after in pairwise(samples):
            if after.as_of_s <= opens_s:
                around = [after]
                continue
            if before.as_of_s <= opens_s:
                around = [before, after]
            self._edges.append(after.as_of_s)
            self._slopes.append(max(before.rate_per_s, after.rate_per_s))
        if samples[0].as_of_s > opens_s:
            self._edges.insert(1, samples[0].as_of_s)
            self._slopes.insert(0, samples[0].rate_per_s)
        self._slopes.append(samples[-1].rate_per_s)
        self._at_opening = max(max(float(sample.burst), sample.rate_per_s) for sample in around)
        self._integrals = [0.0]
        for (begin, end), slope in zip(pairwise(self._edges), self._slopes, strict=False):
            self._integrals.append(self._integrals[-1] + slope * (end - begin))

    def by(self, at_s: float) -> float:
        """Return how many places may have been released by `at_s`; none before the opening."""
        at_s += CLOCK_SLACK_S
        if at_s < self._edges[0]:
            return 0.0
        index = bisect_right(self._edges, at_s) - 1
        return self._at_opening + self._integrals[index] + self._slopes[index] * (at_s - self._edges[index])
