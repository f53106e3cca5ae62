"""What a rule does when it has been without data for long: its `fallback`, never below the current count by default."""

from __future__ import annotations

from rulebook.schedule import Fallback


def is_due(fallback: Fallback | None, blind_since_s: float | None, interval_s: float, now_s: float) -> bool:
    """Whether data has been missing for the stated number of intervals: at the third reading for `after: 3`."""
    if fallback is None or blind_since_s is None:
        return False
    # A tenth of an interval for jitter: the loop's ticks come a little early as often as late.
    return now_s - blind_since_s >= (fallback.after - 1.1) * interval_s


def fall_back(fallback: Fallback, decided: int, current: int, bounds: tuple[int, int]) -> int:
    """Give the count by the fallback's mode, within bounds and not below the current count unless that is allowed."""
    wanted = current if fallback.replicas is None else fallback.replicas
    replicas = {
        "static": wanted,
        "atLeast": max(decided, wanted),
        "atMost": min(decided, wanted),
        "current": current,
    }[fallback.mode]
    replicas = min(max(replicas, bounds[0]), bounds[1])
    return replicas if fallback.may_scale_down else max(replicas, current)
