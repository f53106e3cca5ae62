"""The physical optimum: how soon a crowd could have been served by the capacity there was, had nobody waited needlessly.

A fluid model: buyers are served in order of arrival, each replica begins `rate_per_replica` checkouts a second, and the most
replicas are ordered at the opening; where a pre-queue told of the crowd beforehand they are ready by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.demo.limits import HIGHEST_RATE_WITHIN_SLO
from tidegate.demo.shapes import MINIMUM_IN_SHOP_S


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the shop could be: its bounds of replicas, and how long a replica takes to start."""

    max_replicas: int
    min_replicas: int
    startup_s: float
    has_prequeue: bool
    rate_per_replica: float = HIGHEST_RATE_WITHIN_SLO


def optimum_seconds(arrival_times_s: Iterable[float], capacity: Capacity) -> float:
    """Return the seconds from the opening to the last checkout begun; an empty crowd takes 0 s."""
    return max(optimum_begins(arrival_times_s, capacity), default=0.0)


def optimum_begins(arrival_times_s: Iterable[float], capacity: Capacity) -> list[float]:
    """Return when each checkout would begin at best, ascending; arrivals and results count from the opening, in seconds.

    The time no buyer can do without inside the shop (`MINIMUM_IN_SHOP_S`) is part of it.
    """
    slow = capacity.rate_per_replica * capacity.min_replicas
    fast = capacity.rate_per_replica * capacity.max_replicas
    change_s = 0.0 if capacity.has_prequeue else capacity.startup_s
    begins: list[float] = []
    work_done, free_at_s = 0.0, change_s if slow == 0.0 else 0.0
    for arrival_s in sorted(arrival_times_s):
        admitted_s = max(arrival_s, free_at_s)
        begins.append(admitted_s + MINIMUM_IN_SHOP_S)
        work_done = slow * min(admitted_s, change_s) + fast * max(0.0, admitted_s - change_s)
        free_at_s = _reach(work_done + 1.0, slow, fast, change_s)
    return begins


def _reach(work: float, slow: float, fast: float, change_s: float) -> float:
    """Return when `work` buyers can have been served at the earliest, at `slow` until `change_s` and `fast` after."""
    if work <= slow * change_s:
        return work / slow
    return change_s + (work - slow * change_s) / fast
