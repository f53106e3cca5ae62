"""Counters over a window of time: how much they rose, replica by replica, and at what rate.

Pure. Each replica has a history of its own, so that one which comes or goes changes no other's increase: a sum over replicas
taken *before* the difference would jump by a newcomer's whole count, or fall by a leaver's. Unlike PromQL's `rate` nothing is
extrapolated to the edges of the window: the rate is the rise between two real samples over the time between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Labels = tuple[tuple[str, str], ...]
"""A series' labels, sorted by name."""

# A sample this much short of the window's start is as good as one on it; otherwise an interval of 15 s and a window of 30 s
# would take turns between 30 s and 45 s with the jitter of the scrapes.
_SLACK = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of all series asked for, as one replica showed them at `at_s` (monotonic seconds)."""

    at_s: float
    values: Mapping[Labels, float]


History = tuple[Sample, ...]
"""One replica's samples, oldest first."""


def extend(history: History, sample: Sample, over_s: float) -> History:
    """Append a sample and forget what the window no longer needs: all before the newest sample at or before its start."""
    samples = (*history, sample)
    start_s = sample.at_s - over_s * (1 - _SLACK)
    first = 0
    for index, earlier in enumerate(samples):
        if earlier.at_s <= start_s:
            first = index
    return samples[first:]


def increases(history: History) -> Mapping[Labels, float]:
    """Return by how much each series rose over the history; a fall is a restart from zero, so the new value is the rise.

    A series that appears on a replica which was read before started at zero in between: that is how labelled counters
    begin. One that vanishes for a while is compared with its last known value. The first sample gives no rise.
    """
    if not history:
        return {}
    known = dict(history[0].values)
    risen = dict.fromkeys(known, 0.0)
    for sample in history[1:]:
        for labels, value in sample.values.items():
            before = known.get(labels, 0.0)
            risen[labels] = risen.get(labels, 0.0) + (value - before if value >= before else value)
            known[labels] = value
    return risen


def span_s(history: History) -> float:
    """Return the seconds between the first and the last sample."""
    return history[-1].at_s - history[0].at_s if history else 0.0


def rate_per_s(histories: Sequence[History]) -> float | None:
    """Return the summed rate of all series of all replicas; None while no replica has two samples."""
    rates = [
        sum(increases(history).values()) / span_s(history) for history in histories if span_s(history) > 0
    ]
    return sum(rates) if rates else None


def summed_increases(histories: Sequence[History], label: str) -> Mapping[str, float] | None:
    """Return the rises of all replicas by the value of one label (`le`); None while no replica has two samples."""
    measured = [history for history in histories if span_s(history) > 0]
    if not measured:
        return None
    totals: dict[str, float] = {}
    for history in measured:
        for labels, rise in increases(history).items():
            for name, value in labels:
                if name == label:
                    totals[value] = totals.get(value, 0.0) + rise
    return totals
