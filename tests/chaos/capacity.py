"""Whether more buyers were inside at once than the site was set to, from the outside. Pure.

A buyer is inside from the moment they are let in, as they saw it, until the shop has done their checkout, which ends the session;
of one who never paid nothing is known after the last request. Both lie within what the store counts as a live session, so a
correct queue is never blamed.

The capacity binds a release, by whatever of it is in force then: while the scaler's target is none, that is the document's, and
the fallback rate is what keeps the shop from being flooded. So for each stretch of time in which the room said that more might
come in, and in which nobody saw what it said, a bucketful and the fallback rate count on top. They count to the end of the
sale: a session may last longer than that, so whoever came in then may still be there. Once they have left, crowding by no more
than as many goes unseen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tidegate.demo.overadmission import Excess
from tidegate.demo.records import BuyerRecord, RateSample, ServedEntry, Step

_UNSEEN_S = 1.0
_PAID = 200


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many may be inside at once; and while the room goes by no target, how many more a second, after a bucketful."""

    sessions: int
    fallback_per_s: float
    burst: int


def most_inside(buyers: Iterable[BuyerRecord], served: Iterable[ServedEntry]) -> int:
    """Return how many were inside at once at the most."""
    return max((count for _, count in _inside(buyers, served)), default=0)


def worst_crowding(
    buyers: Iterable[BuyerRecord],
    served: Iterable[ServedEntry],
    rates: Sequence[RateSample],
    opens_s: float,
    capacity: Capacity,
) -> Excess | None:
    """Return the moment at which most were inside beyond the capacity, or the least was free; None if nobody came in."""
    loose = _loose(rates, opens_s, capacity)
    moments = (
        Excess(at_s, count, capacity.sessions + math.floor(_beyond(loose, at_s, capacity)))
        for at_s, count in _inside(buyers, served)
    )
    return max(moments, key=lambda moment: moment.seen - moment.allowed, default=None)


def _inside(buyers: Iterable[BuyerRecord], served: Iterable[ServedEntry]) -> list[tuple[float, int]]:
    """Return how many were inside at each moment somebody came in."""
    paid: dict[int | None, float] = {}
    for entry in served:
        if entry.step is Step.CHECKOUT and entry.kind == "done" and entry.status == _PAID:
            paid[entry.buyer] = min(entry.at_s, paid.get(entry.buyer, math.inf))
    steps = []
    for buyer in buyers:
        if buyer.admitted_s is None:
            continue
        last_s = max((visit.begun_s for visit in buyer.visits), default=buyer.admitted_s)
        until_s = paid.get(buyer.buyer, last_s)
        if until_s > buyer.admitted_s:
            steps += [(buyer.admitted_s, 1), (until_s, -1)]
    count, found = 0, []
    for at_s, step in sorted(steps):  # who leaves in the moment in which another comes makes room for them
        count += step
        if step > 0:
            found.append((at_s, count))
    return found


def _loose(rates: Sequence[RateSample], opens_s: float, capacity: Capacity) -> list[tuple[float, float]]:
    """Return the stretches of time since the opening in which the room may have gone by no target."""
    found: list[tuple[float, float]] = []
    for before, after in pairwise(sorted(rates, key=lambda sample: sample.as_of_s)):
        if after.as_of_s <= opens_s:
            continue
        bound = all(
            each.capacity is not None and each.capacity <= capacity.sessions for each in (before, after)
        )
        if bound and after.as_of_s - before.as_of_s <= _UNSEEN_S:
            continue
        if found and found[-1][1] >= before.as_of_s:
            found[-1] = (found[-1][0], after.as_of_s)
        else:
            found.append((max(opens_s, before.as_of_s), after.as_of_s))
    return found


def _beyond(loose: Iterable[tuple[float, float]], at_s: float, capacity: Capacity) -> float:
    """Return how many may have been let in by `at_s` while no target held, whether they are still inside or not."""
    return sum(
        capacity.burst + capacity.fallback_per_s * (min(at_s, until_s) - from_s)
        for from_s, until_s in loose
        if from_s <= at_s
    )
