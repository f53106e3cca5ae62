"""What a person can ask of the crowd, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from tidegate.bench.errors import BenchError
from tidegate.bench.timetable import MOST_BUYERS

JOINS_PER_S = 2_500.0
"""Few enough for two processors which store, room and driver share: faster, a busy machine would measure a queue."""
WATCHED_S = 15.0
_FIRST = 1_000


@dataclass(frozen=True, slots=True)
class CrowdOptions:
    """How large the crowd is and what is written.

    Attributes:
        buyers: the largest crowd.
        growth: play smaller crowds before it, each ten times the one before, from a thousand on.
        joins_per_s: how many come a second, on the average.
        seconds: how long a line is watched once all have joined.
        rate_per_s: at which all lines move; slower where that would use up the shortest.
        poll_budget_per_s: questions/s that the room lets all who wait make together.
        workers: processes of the room.
        seed: of the crowd.
        json, plot: files for the figures and for the picture of how they grow.

    Raises:
        BenchError: a value is out of its range.
    """

    buyers: int = 1_000_000
    growth: bool = True
    joins_per_s: float = JOINS_PER_S
    seconds: float = WATCHED_S
    rate_per_s: float = 50.0
    poll_budget_per_s: float = 1_000.0
    workers: int = 1
    seed: int = 1
    json: Path | None = None
    plot: Path | None = None

    def __post_init__(self) -> None:
        """Check all values."""
        if not 1 <= self.buyers <= MOST_BUYERS:
            raise BenchError(f"--buyers must be from 1 to {MOST_BUYERS}, not {self.buyers}")
        for name in ("joins_per_s", "seconds", "rate_per_s", "poll_budget_per_s"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise BenchError(
                    f"--{name.removesuffix('_per_s').replace('_', '-')} must be above 0, not {value:g}"
                )
        for path in (self.json, self.plot):
            if path is not None and not path.absolute().parent.is_dir():
                raise BenchError(f"there is no folder {path.absolute().parent} to write {path.name} to")
            if path is not None and path.is_dir():
                raise BenchError(f"{path} is a folder, where a file is to be written")

    @property
    def sizes(self) -> list[int]:
        """The crowds to play, the smallest first."""
        smaller = []
        size = _FIRST
        while self.growth and size < self.buyers:
            smaller.append(size)
            size *= 10
        return [*smaller, self.buyers]
