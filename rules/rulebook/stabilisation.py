"""Stabilisation: what past recommendations still say about this one. The HPA's windows and logs, slot for slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rulebook.events import MAX_LOG
from rulebook.memory import TimedRecommendation


@dataclass(frozen=True, slots=True)
class Stabilised:
    """The stabilised count, and the log with the recommendation as it was before."""

    replicas: int
    log: tuple[TimedRecommendation, ...]


def stabilise_windows(
    current: int,
    desired: int,
    up_window_s: float,
    down_window_s: float,
    log: Sequence[TimedRecommendation],
    now_s: float,
) -> Stabilised:
    """Go up only to the lowest count of the up window, and down only to the highest of the down window."""
    low = high = desired
    slot: int | None = None
    for index, entry in enumerate(log):
        age_s = now_s - entry.at_s
        if age_s < up_window_s:
            low = min(low, entry.replicas)
        if age_s < down_window_s:
            high = max(high, entry.replicas)
        if age_s > up_window_s and age_s > down_window_s:
            slot = index
    return Stabilised(min(max(current, low), high), _logged(log, slot, desired, now_s))


def stabilise_default(
    desired: int, down_window_s: float, log: Sequence[TimedRecommendation], now_s: float
) -> Stabilised:
    """Where no behaviour is configured: the highest count of the down window, its end included."""
    highest = desired
    slot: int | None = None
    for index, entry in enumerate(log):
        if now_s - entry.at_s > down_window_s:
            slot = index
        else:
            highest = max(highest, entry.replicas)
    return Stabilised(highest, _logged(log, slot, desired, now_s))


def _logged(
    log: Sequence[TimedRecommendation], slot: int | None, replicas: int, now_s: float
) -> tuple[TimedRecommendation, ...]:
    entries = list(log)
    new = TimedRecommendation(replicas, now_s)
    if slot is None:
        entries.append(new)
    else:
        entries[slot] = new
    return tuple(entries[-MAX_LOG:])
