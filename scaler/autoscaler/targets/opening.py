"""Opens what rules scale, and closes it all at the end. What a target does is none of its business.

A cluster is spoken to from the first rule on that scales something in one. It may be out of reach: that is the rounds' to find.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from autoscaler.clock import Clock
from autoscaler.errors import ConfigurationError
from autoscaler.instrumentation.instruments import Instruments
from autoscaler.plan import Plan, is_pool
from autoscaler.settings import ScalerSettings
from autoscaler.targets.base import Target
from autoscaler.targets.local import LocalPool
from rulebook.pool import ProcessPool
from rulebook.rule import ScalingRule

if (
    TYPE_CHECKING
):  # its client library takes half a second to import, which set-ups without a cluster need not wait for
    from autoscaler.targets.clustered import ClusterTargets


class Targets:
    """The targets of a scaler. A pool runs from its first rule on until the end, also while no rule scales it.

    `instruments` gets a further instrument with the first target in a cluster: the one which writes Events there. `check`
    raises when nothing may be written to a cluster (any more), `may_tend` tells whether pools may write their endpoints file.
    What was closed can be opened again.
    """

    def __init__(
        self,
        settings: ScalerSettings,
        *,
        instruments: Instruments,
        clock: Clock,
        check: Callable[[], None] | None = None,
        may_tend: Callable[[], bool] | None = None,
    ) -> None:
        self._settings = settings
        self._instruments = instruments
        self._clock = clock
        self._check = check
        self._may_tend = may_tend
        self._pools: dict[str, LocalPool] = {}
        self._clustered: ClusterTargets | None = None
        self._stack = AsyncExitStack()

    async def open(self, rule: ScalingRule, plan: Plan, replicas: int | None = None) -> Target:
        """Return the target of a rule; for a rule that has changed, the same one as before, prepared for its new form.

        A pool, which ended with the process before us, begins with so many `replicas` as it had there, within the rule's bounds.

        Raises:
            TargetError: it cannot be started, or belongs to another rule.
            ConfigurationError: no cluster is known, or the folder for a pool's output cannot be had.
        """
        if is_pool(rule):
            limits = rule.spec.replicas
            return await self._open_pool(plan.pool_of(rule), min(max(replicas or 0, limits.min), limits.max))
        return (await self._cluster()).open(rule)

    async def release(self, rule: ScalingRule) -> None:
        """Stop following the target of a rule that is gone; a pool runs on."""
        if not is_pool(rule) and self._clustered is not None:
            await self._clustered.release(rule)

    async def close(self) -> None:
        """Stop all pools, wait until they have ended, and let go of the cluster."""
        await asyncio.gather(*(pool.stop() for pool in self._pools.values()))
        await self._stack.aclose()
        self._pools, self._clustered = {}, None

    async def _open_pool(self, document: ProcessPool, replicas: int) -> Target:
        pool = self._pools.get(document.name)
        if pool is None:
            self._check_logs()
            pool = LocalPool(
                document, logs=self._settings.logs, instrument=self._instruments, may_write=self._may_tend
            )
            await pool.start(replicas)
            self._pools[document.name] = pool
        return pool

    def _check_logs(self) -> None:
        logs = self._settings.logs
        try:
            logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"--logs {logs}: {error.strerror or error}; name a folder that can be written, for the replicas' output"
            ) from error

    async def _cluster(self) -> ClusterTargets:
        if self._clustered is None:
            from autoscaler.targets.clustered import open_cluster_targets

            opened = open_cluster_targets(self._settings, self._clock, self._instruments, self._check)
            self._clustered = await self._stack.enter_async_context(opened)
        return self._clustered
