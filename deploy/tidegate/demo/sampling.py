"""Looks at the room's public state and the scaler's status five times a second, and keeps what it saw."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tidegate.demo.records import RateSample, ReplicaSample, TargetSample
from tidegate.demo.stack import Stack, replica_counts

EVERY_S = 0.2


class Sampler:
    """Samples of one run, oldest first."""

    def __init__(self, stack: Stack) -> None:
        """Start with none."""
        self._stack = stack
        self._state_url = f"{stack.endpoints.room}/{stack.documents.onsale.name}/state"
        self._status_url = f"{stack.endpoints.scaler}/status"
        self.rates: list[RateSample] = []
        self.replicas: list[ReplicaSample] = []
        self.targets: list[TargetSample] = []

    async def sample(self) -> None:
        """Take one sample of each; a part that does not answer gives none."""
        state, status = await asyncio.gather(
            self._stack.get_json(self._state_url), self._stack.get_json(self._status_url)
        )
        if state is not None and (not self.rates or state["as_of"] != self.rates[-1].as_of_s):
            self.rates.append(_rate_sample(state))
        counts = replica_counts(status)
        if counts is not None:
            self.replicas.append(ReplicaSample(time.time(), *counts))
        target = target_of(status)
        if target is not None and (not self.targets or target != self.targets[-1]):
            self.targets.append(target)


def target_of(status: dict[str, Any] | None) -> TargetSample | None:
    """Read from the scaler's status which admission target it wrote last, None where it wrote none that the store took."""
    for rule in (status or {}).get("rules", {}).values():
        written = rule["admission"]
        if written is not None and written["accepted"]:
            return TargetSample(written["valid_from"], written["valid_until"], written["rate_per_s"])
    return None


def _rate_sample(state: dict[str, Any]) -> RateSample:
    return RateSample(
        as_of_s=state["as_of"],
        rate_per_s=state["rate_per_s"],
        burst=state["burst"],
        released=state["released"],
        waiting=state["waiting"],
        reason=state["rate_reason"],
    )
