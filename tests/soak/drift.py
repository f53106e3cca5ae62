"""Whether a process grows: a line through its memory and its open files over the second half of a run. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import linear_regression

MEMORY_LIMIT_KIB_PER_MIN = 128.0
"""As much as any process may grow: an allocator's ups and downs, over some minutes."""
FILES_LIMIT_PER_MIN = 0.5
"""The same for files and sockets: half a connection more or less at the end of a minute is no leak."""

_S_PER_MIN = 60.0
_KIB = 1024.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one process: resident memory in bytes, and how many files and sockets it has open."""

    at_s: float
    process: str
    rss: int
    files: int


@dataclass(frozen=True, slots=True)
class Drift:
    """How a process changed over the second half of a run: memory in KiB, files, and both a minute.

    Besides, its memory at the first look of the run and at the first of the second half.
    """

    process: str
    samples: int
    memory_at_first_kib: float
    memory_at_half_kib: float
    memory_kib: float
    memory_kib_per_min: float
    files: int
    files_per_min: float


def drifts(samples: Iterable[Sample]) -> list[Drift]:
    """Return the drift of each process, by name. A process seen in less than two samples of the second half has none."""
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
    return [_drift(name, by_process[name][0], half) for name, half in sorted(halves.items()) if len(half) > 1]


def _drift(process: str, first: Sample, half: Sequence[Sample]) -> Drift:
    minutes = [sample.at_s / _S_PER_MIN for sample in half]
    return Drift(
        process,
        len(half),
        first.rss / _KIB,
        half[0].rss / _KIB,
        half[-1].rss / _KIB,
        linear_regression(minutes, [sample.rss / _KIB for sample in half]).slope,
        half[-1].files,
        linear_regression(minutes, [float(sample.files) for sample in half]).slope,
    )
