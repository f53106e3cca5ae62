"""What one process has done, as plain integers: one increment a request; `metrics` reads them when it is asked."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict

CALL_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
REQUESTS = ("page", "join", "status", "enter", "state", "draw", "events")
"""The kinds of questions which buyers ask of a room."""
FAILURES = ("unreachable", "refused")
"""Why a call to the store failed: no answer, or an answer that it is not done."""


class Requests:
    """Questions of buyers to one room, by their kind."""

    __slots__ = REQUESTS

    def __init__(self) -> None:
        for kind in REQUESTS:
            setattr(self, kind, 0)

    page: int
    join: int
    status: int
    enter: int
    state: int
    draw: int
    events: int


class StoreCalls:
    """Calls to the store by the script that they run: how long they took, and how many failed."""

    __slots__ = ("buckets", "failed", "seconds")

    def __init__(self) -> None:
        self.buckets: dict[str, list[int]] = {}
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.failed: Counter[tuple[str, str]] = Counter()

    def took(self, script: str, seconds: float) -> None:
        """Count a call, answered or not."""
        buckets = self.buckets.get(script)
        if buckets is None:
            buckets = self.buckets[script] = [0] * (len(CALL_BUCKETS_S) + 1)
        buckets[bisect_left(CALL_BUCKETS_S, seconds)] += 1
        self.seconds[script] += seconds

    def fail(self, script: str, failure: str) -> None:
        """Count a failure under one of `FAILURES`."""
        self.failed[script, failure] += 1
