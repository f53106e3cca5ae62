"""Whether a process grows: a line through its memory and its open files over the second half of a run. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import linear_regression

MEMORY_LIMIT_KIB_PER_MIN = 128.0
"""As much as a process may grow."""
WORKER_LIMIT_KIB_PER_MIN = 1536.0
"""The same for a worker: 1.5 KiB for each of the 17 buyers who come in a second.

A worker remembers places, passes, devices and sessions that ended, so as to verify them but once: of a buyer 0.85 KiB in the room
and 1.25 KiB in the gate. The number of each is bounded (100,000 places, 50,000 of the others), but only reached hours later.
"""
FILES_LIMIT_PER_MIN = 0.5
WORKER = "worker"
"""Stands in the name of each worker."""

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
    """How a process changed over the second half of a run: memory in KiB, files, and both a minute."""

    process: str
    samples: int
    memory_kib: float
    memory_kib_per_min: float
    files: int
    files_per_min: float

    @property
    def memory_limit_kib_per_min(self) -> float:
        """How much it may grow."""
        return WORKER_LIMIT_KIB_PER_MIN if WORKER in self.process else MEMORY_LIMIT_KIB_PER_MIN

    @property
    def held(self) -> bool:
        """Whether it stays as it is, as far as is asked for."""
        return (
            self.memory_kib_per_min <= self.memory_limit_kib_per_min
            and self.files_per_min <= FILES_LIMIT_PER_MIN
        )


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
    return [_drift(name, half) for name, half in sorted(halves.items()) if len(half) > 1]


def _drift(process: str, half: Sequence[Sample]) -> Drift:
    minutes = [sample.at_s / _S_PER_MIN for sample in half]
    return Drift(
        process,
        len(half),
        half[-1].rss / _KIB,
        linear_regression(minutes, [sample.rss / _KIB for sample in half]).slope,
        half[-1].files,
        linear_regression(minutes, [float(sample.files) for sample in half]).slope,
    )
