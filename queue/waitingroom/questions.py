"""How often those who wait in one room ask: by the room's poll budget and its document, for each copy of the counters.

What is fair to whom is worked out by `polling`; what each buyer is told of it, by `standing`. Pure.
"""

from __future__ import annotations

from rulebook import AdmissionLimits
from waitingroom.drawrecord import DrawnPool
from waitingroom.polling import Asking, asking_for, asking_of
from waitingroom.snapshot import Snapshot


class Questions:
    """The questions of one line, of which all who wait together may ask `budget_per_s`. `limits` follow the document."""

    def __init__(self, limits: AdmissionLimits, budget_per_s: float) -> None:
        self.limits = limits
        self.budget_per_s = budget_per_s

    def of_nobody(self) -> Asking:
        """Return how often somebody asks of whom no copy of the counters knows yet."""
        return asking_for(0, self.budget_per_s)

    def of(self, snapshot: Snapshot, draw: DrawnPool | None) -> Asking:
        """Return how often those ask who wait in `snapshot`; `draw` is the one by which they stand, where there was one."""
        return asking_of(
            snapshot,
            self.budget_per_s,
            ceiling_per_s=self.limits.rate_per_s,
            claim_within_s=self.limits.claim_within_s,
            draw=draw,
        )
