"""Opens what rules scale, and closes it all at the end. What a target does is none of its business."""

from __future__ import annotations

import asyncio
from pathlib import Path

from autoscaler.instrumentation.events import Instrument
from autoscaler.targets.base import Target
from autoscaler.targets.local import LocalPool
from rulebook.pool import ProcessPool


class Targets:
    """The targets of a scaler. A pool runs from its first rule on until the end, also while no rule scales it."""

    def __init__(self, *, logs: Path, instrument: Instrument) -> None:
        self._logs = logs
        self._instrument = instrument
        self._pools: dict[str, LocalPool] = {}

    async def open_pool(self, document: ProcessPool, replicas: int) -> Target:
        """Return the running pool of a document; one that does not run yet is started with so many replicas.

        Raises:
            TargetError: it cannot be started.
        """
        pool = self._pools.get(document.name)
        if pool is None:
            pool = LocalPool(document, logs=self._logs, instrument=self._instrument)
            await pool.start(replicas)
            self._pools[document.name] = pool
        return pool

    async def close(self) -> None:
        """Stop all pools, and wait until they have ended."""
        await asyncio.gather(*(pool.stop() for pool in self._pools.values()))
