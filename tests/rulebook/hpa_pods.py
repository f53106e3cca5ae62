"""What the HPA makes of metrics of single pods: averages and utilisation, with pods that are unready, missing or leaving.

No rule has such a metric: a signal is one number for the workload, so that nothing of this ships. It stands here because the
vectors hold it beside the rest, and as an independent user of what it shares with the rest (`rulebook.ratio`).

The HPA's own caution: whoever has no sample is assumed to use much when scaling down and nothing when scaling up, so
that a gap in the data never makes the change larger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rulebook.ratio import MAX_AMOUNT, Tolerance, Usage, ceil_count

PodError: TypeAlias = Literal["no_metrics_returned", "no_metrics_for_known_pods", "missing_request"]
Fill: TypeAlias = Callable[[dict[int, int]], float]
"""Adds assumed amounts for pods without a sample, and gives the ratio over all."""


class NoUsageError(Exception):
    """There is no usage to calculate with; the count stays as it is."""

    def __init__(self, cause: PodError) -> None:
        """Keep the cause, a word of a fixed list."""
        super().__init__(cause)
        self.cause: PodError = cause


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod; None for `usage` means no sample, for `request` that none is set."""

    phase: Literal["running", "pending", "failed"]
    ready: bool
    deleting: bool
    warming_up: bool
    usage: int | None = None
    request: int | None = None


@dataclass(frozen=True, slots=True)
class Utilization:
    """A raw replica count, with utilisation and mean usage of the ready pods as they are reported."""

    replicas: int
    utilization_percent: int
    average_usage: int


@dataclass(frozen=True, slots=True)
class _Groups:
    """Indices of pods, by how they count."""

    ready: tuple[int, ...]
    unready: tuple[int, ...]
    missing: tuple[int, ...]


def add_up(amounts: Iterable[int]) -> int:
    """Add amounts; the sum stops at 2^63 - 1."""
    total = 0
    for amount in amounts:
        total = min(total + amount, MAX_AMOUNT)
    return total


def count_ready(pods: Sequence[Pod]) -> int:
    """Count the pods that are running and ready."""
    return sum(pod.phase == "running" and pod.ready for pod in pods)


def of_average(pods: Sequence[Pod], target: int, current: int, tolerance: Tolerance) -> Usage:
    """Replicas by the mean of one value a pod; readiness and warming up play no part.

    Raises:
        NoUsageError: no pod that counts has a value.
    """
    if all(pod.usage is None for pod in pods):
        raise NoUsageError("no_metrics_returned")
    groups = _group(pods, by_readiness=False)
    counted = {index: pods[index].usage or 0 for index in groups.ready}
    if not counted:
        raise NoUsageError("no_metrics_for_known_pods")
    usage = _mean(counted)
    ratio = usage / target

    def fill(amounts: dict[int, int]) -> float:
        for index in groups.missing:
            if ratio != 1.0:
                amounts[index] = target if ratio < 1.0 else 0
        return _mean(amounts) / target

    return Usage(_settle(groups, counted, ratio, fill, current, tolerance), usage)


def of_utilization(
    pods: Sequence[Pod],
    target_percent: int,
    current: int,
    tolerance: Tolerance,
    *,
    unknown_samples: int = 0,
) -> Utilization:
    """Replicas by usage as a percentage of requests; `unknown_samples` are those of pods that are not listed.

    Raises:
        NoUsageError: no samples at all, none of the pods that count, or a pod without a request.
    """
    if not unknown_samples and all(pod.usage is None for pod in pods):
        raise NoUsageError("no_metrics_returned")
    groups = _group(pods, by_readiness=True)
    counted = {index: pods[index].usage or 0 for index in groups.ready}
    if not counted and not unknown_samples:
        raise NoUsageError("no_metrics_for_known_pods")
    requests = _requests(pods)
    if not counted or sum(requests[index] for index in counted) == 0:
        raise NoUsageError("no_metrics_for_known_pods")
    utilization = _utilization(counted, requests)
    ratio = utilization / target_percent

    def fill(amounts: dict[int, int]) -> float:
        for index in groups.missing:
            if ratio < 1.0:
                amounts[index] = requests[index] * max(100, target_percent) // 100
            elif ratio > 1.0:
                amounts[index] = 0
        return _utilization(amounts, requests) / target_percent

    replicas = _settle(groups, counted, ratio, fill, current, tolerance)
    return Utilization(replicas, utilization, _mean(counted))


def _settle(
    groups: _Groups,
    counted: Mapping[int, int],
    ratio: float,
    fill: Fill,
    current: int,
    tolerance: Tolerance,
) -> int:
    """Decide by the ratio alone where nothing is in doubt, otherwise once more with the gaps filled in."""
    up_with_unready = bool(groups.unready) and ratio > 1.0
    if not groups.missing and not up_with_unready:
        return current if tolerance.holds(ratio) else ceil_count(ratio * float(len(groups.ready)))
    amounts = dict(counted)
    if up_with_unready:
        amounts.update(dict.fromkeys(groups.unready, 0))
    new_ratio = fill(amounts)
    if tolerance.holds(new_ratio) or (ratio < 1.0 < new_ratio) or (new_ratio < 1.0 < ratio):
        return current
    replicas = ceil_count(new_ratio * float(len(amounts)))
    against = (new_ratio < 1.0 and replicas > current) or (new_ratio > 1.0 and replicas < current)
    return current if against else replicas


def _group(pods: Sequence[Pod], *, by_readiness: bool) -> _Groups:
    ready, unready, missing = [], [], []
    for index, pod in enumerate(pods):
        if pod.deleting or pod.phase == "failed":
            continue
        if pod.phase == "pending":
            unready.append(index)
        elif pod.usage is None:
            missing.append(index)
        elif by_readiness and (not pod.ready or pod.warming_up):
            unready.append(index)
        else:
            ready.append(index)
    return _Groups(tuple(ready), tuple(unready), tuple(missing))


def _requests(pods: Sequence[Pod]) -> list[int]:
    requests = []
    for pod in pods:
        if pod.request is None:
            raise NoUsageError("missing_request")
        requests.append(pod.request)
    return requests


def _utilization(amounts: Mapping[int, int], requests: Sequence[int]) -> int:
    total = sum(requests[index] for index in amounts)
    return min(sum(amounts.values()) * 100 // total, MAX_AMOUNT)


def _mean(amounts: Mapping[int, int]) -> int:
    return add_up(amounts.values()) // len(amounts)
