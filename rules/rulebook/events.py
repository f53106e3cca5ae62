"""The log of scale events: what was added or removed lately. The HPA's own bookkeeping, slot for slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

MAX_LOG: Final = 8192
"""Most entries a log keeps: an hour, the longest window there is, at the shortest interval of half a second."""


@dataclass(frozen=True, slots=True)
class ScaleEvent:
    """A change that was carried out; `change` is positive in both directions."""

    change: int
    at_s: float
    outdated: bool = False


def change_within(events: Sequence[ScaleEvent], period_s: float, now_s: float) -> int:
    """Sum the changes younger than `period_s`."""
    if not events:
        return 0
    return sum(event.change for event in events if now_s - event.at_s < period_s)


def store_event(
    events: Sequence[ScaleEvent], change: int, now_s: float, longest_period_s: float | None
) -> tuple[ScaleEvent, ...]:
    """Add an event; it takes the slot of the last outdated one. Without policies (no period) nothing is kept."""
    if longest_period_s is None:
        return tuple(events)
    slot: int | None = None
    marked = list(events)
    for index, event in enumerate(marked):
        if event.outdated or now_s - event.at_s > longest_period_s:
            marked[index] = replace(event, outdated=True)
            slot = index
    new = ScaleEvent(change, now_s)
    if slot is None:
        marked.append(new)
    else:
        marked[slot] = new
    return tuple(marked[-MAX_LOG:])
