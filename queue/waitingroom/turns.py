"""When a place's turn came, as far as one process has seen: by it a buyer is told how long they may take to enter.

Worked out from the copies of the counters, so exact to the pace at which they are refreshed, and unknown for turns which came
before the process began to look. The store alone decides when a turn has passed. Pure.
"""

from __future__ import annotations

from bisect import bisect_left

from waitingroom.snapshot import Snapshot

_KEPT_BEYOND_S = 60.0


class Turns:
    """The releases of the last claim window, by epoch."""

    def __init__(self, claim_within_s: float) -> None:
        self.claim_within_s = claim_within_s
        self._seen: dict[int, tuple[list[int], list[float]]] = {}

    def note(self, snapshot: Snapshot) -> None:
        """Take in a new copy of the counters."""
        for line in snapshot.lines:
            seen = self._seen.get(line.epoch)
            if seen is None:
                # What was released before is released since we don't know when.
                self._seen[line.epoch] = ([line.released], [0.0])
            elif line.released > seen[0][-1]:
                seen[0].append(line.released)
                seen[1].append(snapshot.at_s)
                self._forget(seen, snapshot.at_s)

    def claim_by_s(self, epoch: int, position: int) -> float | None:
        """Return until when (store time) a released position may be claimed; None where it is not known."""
        seen = self._seen.get(epoch)
        if seen is None:
            return None
        index = bisect_left(seen[0], position)
        if index >= len(seen[0]) or not seen[1][index]:
            return None
        return seen[1][index] + self.claim_within_s

    def _forget(self, seen: tuple[list[int], list[float]], at_s: float) -> None:
        oldest_s = at_s - self.claim_within_s - _KEPT_BEYOND_S
        passed = bisect_left(seen[1], oldest_s)
        # Cleared in larger pieces, as each costs moving the rest.
        if passed > 100:
            released = seen[0][passed - 1]
            del seen[0][: passed - 1], seen[1][: passed - 1]
            seen[0][0], seen[1][0] = released, 0.0
