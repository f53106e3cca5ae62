"""Whether a process grows: a line through its memory and its open files over the second half of a run. Pure.

What a slope is worth, its standard error says. That is taken from the means of `PIECES` stretches, not from all looks, as
neighbouring looks resemble each other and would make it far too small. Where it is so large that a slope above the limit could be
chance, and one of twice the limit could be missed, the run has shown nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import linear_regression, mean

MEMORY_LIMIT_KIB_PER_MIN = 64.0
"""As much as any process may grow: an allocator's ups and downs. In 20 minutes on a busy machine (load 13 to 25) a worker grew by
up to 49 in the second half, and less towards the end; a leak comes on top of that."""
FILES_LIMIT_PER_MIN = 0.5
"""The same for files and sockets: half a connection more or less at the end of a minute is no leak."""
RESTLESS = 2.0
"""A run that could have missed so many times the limit has shown nothing."""
PIECES = 10

_ERRORS = 2.0
_FEWEST = 3  # a line through two points has no error
_S_PER_MIN = 60.0
_KIB = 1024.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one process: resident memory in bytes, and how many files and sockets it has open.

    `process` is its name, which the one that takes its place when it dies has as well.
    """

    at_s: float
    process: str
    pid: int
    rss: int
    files: int


@dataclass(frozen=True, slots=True)
class Growth:
    """A slope and its standard error, both a minute."""

    per_min: float
    error: float

    def smallest_seen(self, limit: float) -> float:
        """Return the smallest slope that was sure to be found above the limit: by chance it is found so much too low."""
        return limit + _ERRORS * self.error


@dataclass(frozen=True, slots=True)
class Drift:
    """How a process changed over the second half of a run: memory in KiB, files, and the growth of both.

    Besides, its memory at the first look of the run and at the first of the second half.
    """

    process: str
    samples: int
    memory_at_first_kib: float
    memory_at_half_kib: float
    memory_kib: float
    memory_growth: Growth
    files: int
    files_growth: Growth


def drifts(samples: Iterable[Sample]) -> list[Drift]:
    """Return the drift of each process, by name. A process seen in less than three samples of the second half has none."""
    by_process: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_process[sample.process].append(sample)
    everything = [sample.at_s for seen in by_process.values() for sample in seen]
    if not everything:
        return []
    middle_s = (min(everything) + max(everything)) / 2.0
    halves = {
        name: [sample for sample in seen if sample.at_s >= middle_s] for name, seen in by_process.items()
    }
    return [
        _drift(name, by_process[name][0], half)
        for name, half in sorted(halves.items())
        if len(half) >= _FEWEST
    ]


def ended(samples: Iterable[Sample]) -> list[str]:
    """Name each process that was seen and was not there any more at the last look, as often as there was another one."""
    looks = list(samples)
    last_s = max((sample.at_s for sample in looks), default=0.0)
    left = {sample.pid for sample in looks if sample.at_s == last_s}
    names: dict[int, str] = {}
    for sample in looks:
        names.setdefault(sample.pid, sample.process)
    return [name for pid, name in names.items() if pid not in left]


def _drift(process: str, first: Sample, half: Sequence[Sample]) -> Drift:
    minutes = [sample.at_s / _S_PER_MIN for sample in half]
    return Drift(
        process,
        len(half),
        first.rss / _KIB,
        half[0].rss / _KIB,
        half[-1].rss / _KIB,
        _growth(minutes, [sample.rss / _KIB for sample in half]),
        half[-1].files,
        _growth(minutes, [float(sample.files) for sample in half]),
    )


def _growth(minutes: Sequence[float], values: Sequence[float]) -> Growth:
    size = math.ceil(len(minutes) / PIECES)
    xs, ys = (
        [mean(each[begin : begin + size]) for begin in range(0, len(each), size)]
        for each in (minutes, values)
    )
    line = linear_regression(xs, ys)
    middle = mean(xs)
    off = sum((y - line.intercept - line.slope * x) ** 2 for x, y in zip(xs, ys, strict=True))
    error = math.sqrt(off / (len(xs) - 2) / sum((x - middle) ** 2 for x in xs))
    return Growth(linear_regression(minutes, values).slope, error)
