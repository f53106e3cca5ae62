"""Who asks when: the next question of each of millions of buyers, at eight bytes each.

Moments are whole milliseconds. What is due in this second stands in a heap, what comes later in one array a second, unordered: a
question is packed into one number, its moment above its buyer. It knows no clock.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator

MOST_BUYERS = 1 << 24
_BITS = 24
_MS_PER_S = 1000


class Timetable:
    """Questions in the order of their moments."""

    def __init__(self) -> None:
        self._soon: list[int] = []
        self._later: dict[int, array[int]] = {}
        self._second = 0

    def put(self, buyer: int, due_ms: int) -> None:
        """Have `buyer` (below `MOST_BUYERS`) ask at a moment; one that has passed counts as now."""
        packed = due_ms << _BITS | buyer
        second = due_ms // _MS_PER_S
        if second <= self._second:
            heapq.heappush(self._soon, packed)
            return
        bucket = self._later.get(second)
        if bucket is None:
            bucket = self._later[second] = array("Q")
        bucket.append(packed)

    def take(self, now_ms: int) -> Iterator[tuple[int, int]]:
        """Take out what is due by `now_ms`, as buyer and moment, earliest first."""
        while True:
            limit = min(now_ms, (self._second + 1) * _MS_PER_S - 1)
            while self._soon and self._soon[0] >> _BITS <= limit:
                packed = heapq.heappop(self._soon)
                yield packed & (MOST_BUYERS - 1), packed >> _BITS
            if now_ms // _MS_PER_S <= self._second:
                return
            self._second += 1
            for packed in self._later.pop(self._second, ()):
                heapq.heappush(self._soon, packed)

    def clear(self) -> None:
        """Forget all questions."""
        self._soon.clear()
        self._later.clear()
