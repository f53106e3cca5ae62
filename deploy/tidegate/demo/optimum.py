"""The physical optimum: how soon a crowd could have been served by the capacity there was, had nobody waited needlessly.

A fluid model: buyers are served in order of arrival, each replica begins `rate_per_replica` checkouts a second, and the most
replicas are ordered at the opening; where a pre-queue told of the crowd beforehand they are ready by then.

What befell the sale belongs to it. A replica that was killed is missing from then on until the one in its place, ordered at that
very moment, has started up. While the store was down nobody could be let in: the optimum serves nobody from the kill until the
new server answered, and everybody at the full rate from then on. What the system takes beyond that (to notice the loss, to start
a process, to gather what was lost) is its own, and counts against it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.demo.limits import HIGHEST_RATE_WITHIN_SLO
from tidegate.demo.shapes import MINIMUM_IN_SHOP_S


@dataclass(frozen=True, slots=True)
class Setback:
    """Capacity that was not there: so many replicas fewer, or None for none at all. Seconds from the opening."""

    from_s: float
    until_s: float
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the shop could be: its bounds of replicas, how long a replica takes to start, and what befell it."""

    max_replicas: int
    min_replicas: int
    startup_s: float
    has_prequeue: bool
    rate_per_replica: float = HIGHEST_RATE_WITHIN_SLO
    setbacks: tuple[Setback, ...] = ()

    def edges_s(self) -> list[float]:
        """Return when the rate changes, ascending, from the opening on."""
        edges = {0.0, 0.0 if self.has_prequeue else self.startup_s}
        edges.update(edge for setback in self.setbacks for edge in (setback.from_s, setback.until_s))
        return sorted(edge for edge in edges if edge >= 0.0)

    def rate_at(self, at_s: float) -> float:
        """Return the checkouts/s that can be begun at a moment after the opening."""
        replicas = self.max_replicas if self.has_prequeue or at_s >= self.startup_s else self.min_replicas
        for setback in self.setbacks:
            if setback.from_s <= at_s < setback.until_s:
                if setback.replicas is None:
                    return 0.0
                replicas -= setback.replicas
        return self.rate_per_replica * max(replicas, 0)


def optimum_seconds(arrival_times_s: Iterable[float], capacity: Capacity) -> float:
    """Return the seconds from the opening to the last checkout begun; an empty crowd takes 0 s."""
    return max(optimum_begins(arrival_times_s, capacity), default=0.0)


def optimum_begins(arrival_times_s: Iterable[float], capacity: Capacity) -> list[float]:
    """Return when each checkout would begin at best, ascending; arrivals and results count from the opening, in seconds.

    The time no buyer can do without inside the shop (`MINIMUM_IN_SHOP_S`) is part of it.
    """
    pieces = [(edge_s, capacity.rate_at(edge_s)) for edge_s in capacity.edges_s()]
    begins: list[float] = []
    free_at_s = 0.0
    for arrival_s in sorted(arrival_times_s):
        admitted_s = _open_from(max(arrival_s, free_at_s), pieces)
        begins.append(admitted_s + MINIMUM_IN_SHOP_S)
        free_at_s = _one_more(admitted_s, pieces)
    return begins


def _open_from(at_s: float, pieces: list[tuple[float, float]]) -> float:
    """Return the first moment from `at_s` on at which somebody is served at all."""
    for (begin_s, rate_per_s), until_s in _with_ends(pieces):
        if at_s < until_s and rate_per_s > 0.0:
            return max(at_s, begin_s)
    return math.inf


def _one_more(from_s: float, pieces: list[tuple[float, float]]) -> float:
    """Return when the next one can be served, if one was at `from_s`: once one buyer's worth of capacity has gone by."""
    left = 1.0
    for (piece_s, rate_per_s), until_s in _with_ends(pieces):
        begin_s = max(piece_s, from_s)
        if begin_s >= until_s:
            continue
        if rate_per_s * (until_s - begin_s) >= left:
            return begin_s + left / rate_per_s
        left -= rate_per_s * (until_s - begin_s)
    return math.inf


def _with_ends(pieces: list[tuple[float, float]]) -> list[tuple[tuple[float, float], float]]:
    ends = [begin_s for begin_s, _ in pieces[1:]]
    return list(zip(pieces, [*ends, math.inf], strict=True))
