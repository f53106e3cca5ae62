"""Looks at the room's public state and the scaler's status five times a second, and keeps what it saw.

Each look begins in time, whether or not those before it have an answer: of several workers one may stand still, and what the
others do meanwhile has to be seen.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
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
        self._scaler_asked = -math.inf

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look on and on. In the end it waits for the answers that are still to come, unless an error ends it."""
        looks: set[asyncio.Task[None]] = set()
        starting = asyncio.create_task(self._start_looks(looks))
        try:
            yield
            starting.cancel()
            await asyncio.gather(*looks)
        finally:
            for task in (starting, *looks):
                task.cancel()
            await asyncio.gather(starting, *looks, return_exceptions=True)

    async def _start_looks(self, looks: set[asyncio.Task[None]]) -> None:
        def start(look: Coroutine[Any, Any, None]) -> None:
            task = asyncio.create_task(look)
            looks.add(task)
            task.add_done_callback(ended)

        def ended(task: asyncio.Task[None]) -> None:
            if task.cancelled() or task.exception() is None:
                looks.discard(task)  # one that failed is kept, to be told in the end

        while True:
            start(self._look_at_room())
            start(self._look_at_scaler())
            await asyncio.sleep(EVERY_S)

    async def _look_at_room(self) -> None:
        state = await self._stack.get_json(self._state_url)
        # Workers read the store at different times: what is older than a sample tells nothing new.
        if state is not None and (not self.rates or state["as_of"] > self.rates[-1].as_of_s):
            self.rates.append(_rate_sample(state))

    async def _look_at_scaler(self) -> None:
        asked = time.monotonic()
        status = await self._stack.get_json(self._status_url)
        if asked < self._scaler_asked:
            return
        self._scaler_asked = asked
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
        no_shows=state["no_shows"],
        capacity=state["capacity"],
    )
