"""How long the way up takes: the rounds over which policies spread a scale-up, so much earlier than which it has to begin.

A count is played forward from rest, round by round, through the same limits as a decision. Pure.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rulebook.behavior import Rules, limit_by_default, limit_by_policies
from rulebook.events import ScaleEvent
from rulebook.prepared import Prepared
from rulebook.ratio import MAX_REPLICAS

_MOST_ROUNDS: Final = 1000
"""No way up is followed further: who goes by so small steps has written down that the shop is late."""


def climb_s(prepared: Prepared, current: int, wanted: int) -> float:
    """Return the seconds between the first order and the last of those that lead from `current` to `wanted`, or to the most
    that the rule allows; nought where one order is enough, and where the rule may not scale up at all.

    A window of stabilisation on the way up counts in full, as it holds back whatever is wanted anew.
    """
    wanted = min(wanted, prepared.spec.replicas.max)
    current = max(current, prepared.spec.replicas.min)
    if wanted <= current:
        return 0.0
    by_policies = prepared.periods_s[0] is not None
    if not by_policies:
        return _by_default(current, wanted, prepared.spec.interval_s)
    up = prepared.rules[0]
    if up.select == "Disabled" or not up.policies:
        return 0.0
    return prepared.windows_s[0] + _by_policies(current, wanted, up, prepared.spec.interval_s)


@lru_cache(maxsize=4096)
def _by_default(current: int, wanted: int, interval_s: float) -> float:
    rounds = 0
    while (current := limit_by_default(current, wanted, 0, MAX_REPLICAS).replicas) < wanted:
        rounds += 1
    return rounds * interval_s


@lru_cache(maxsize=4096)
def _by_policies(current: int, wanted: int, up: Rules, interval_s: float) -> float:
    events: list[ScaleEvent] = []
    for number in range(_MOST_ROUNDS):
        now_s = number * interval_s
        limited = limit_by_policies(current, wanted, (0, MAX_REPLICAS), (up, up), (events, ()), now_s)
        if limited.replicas >= wanted:
            return now_s
        if limited.replicas > current:
            events = [event for event in events if now_s - event.at_s < up.longest_period_s]
            events.append(ScaleEvent(limited.replicas - current, now_s))
            current = limited.replicas
    return _MOST_ROUNDS * interval_s
