"""What a crowd is doing at the moment, in a few counters: what the crowd's process prints once a second."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tidegate.demo.figures import percentile
from tidegate.demo.records import ShopVisit, Step

WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of the crowd's output; `p95_ms` is that of the last ten seconds' checkouts, None if there were none."""

    at_s: float
    joined: int = 0
    waiting: int = 0
    in_shop: int = 0
    served: int = 0
    left: int = 0
    errors: int = 0
    p95_ms: float | None = None


class Board:
    """Counters which all buyers of a crowd keep together."""

    def __init__(self) -> None:
        """Start at zero."""
        self.joined = 0
        self.in_shop = 0
        self.served = 0
        self.left = 0
        self.errors = 0
        self._checkouts: deque[tuple[float, float]] = deque()

    def note(self, visit: ShopVisit) -> None:
        """Count a request to the shop."""
        if visit.failed:
            self.errors += 1
        elif visit.step is Step.CHECKOUT and visit.succeeded:
            self._checkouts.append((visit.begun_s + visit.latency_s, visit.latency_s))

    def read(self, now_s: float) -> Progress:
        """Return the counters, and forget checkouts older than the window."""
        while self._checkouts and self._checkouts[0][0] < now_s - WINDOW_S:
            self._checkouts.popleft()
        p95 = percentile([latency for _, latency in self._checkouts], 0.95)
        return Progress(
            at_s=now_s,
            joined=self.joined,
            waiting=self.joined - self.left - self.served - self.in_shop,
            in_shop=self.in_shop,
            served=self.served,
            left=self.left,
            errors=self.errors,
            p95_ms=None if p95 is None else round(p95 * 1000.0, 1),
        )
