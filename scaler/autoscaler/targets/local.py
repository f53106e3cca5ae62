"""A pool of processes on this host as a target: as many replicas as wanted, and a file that names the ready ones.

A replica leaves the endpoints file before it is asked to end, and the newest are stopped first. The pool lives and dies with
the process that runs it, and always starts with the replicas which it is told to.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp

from autoscaler.errors import TargetError, brief
from autoscaler.instrumentation.events import EndpointsNotWritten, Instrument
from autoscaler.targets.base import TargetState
from autoscaler.targets.endpoints import write_endpoints
from autoscaler.targets.ports import PortRange
from autoscaler.targets.replica import PoolTimings, Replica, ReplicaContext
from rulebook.pool import ProcessPool

_NOT_RUNNING = float("inf")
REPLACE_WITHIN_S = 60.0
"""How long a rollout waits for a new replica to be ready; then it ends, and what serves goes on serving."""


class LocalPool:
    """Runs the replicas of one ProcessPool document, between `start` and `stop`."""

    def __init__(
        self,
        pool: ProcessPool,
        *,
        logs: Path,
        instrument: Instrument,
        timings: PoolTimings | None = None,
        may_write: Callable[[], bool] | None = None,
    ) -> None:
        """Prepare it. `may_write` tells whether the endpoints file is ours: two scalers of one host share it."""
        self._pool = pool
        self._logs = logs
        self._instrument = instrument
        self._timings = timings or PoolTimings()
        self._context: ReplicaContext | None = None
        self._wanted = 0
        self._surge = 0
        self._rollout: asyncio.Task[None] | None = None
        self._replicas: list[Replica] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._endpoints: tuple[str, ...] = ()
        self._may_write = may_write
        self._on_file: tuple[str, ...] | None = None
        self._changed = asyncio.Event()

    @property
    def name(self) -> str:
        """As people write it."""
        return f"ProcessPool {self._pool.name}"

    async def start(self, replicas: int) -> None:
        """Begin with so many replicas, none of them ready yet; what an earlier run left in the endpoints file goes.

        Raises:
            TargetError: there are not enough ports.
        """
        spec = self._pool.spec
        self._context = ReplicaContext(
            pool=self._pool,
            timings=self._timings,
            ports=PortRange(spec.host, spec.ports.first, spec.ports.last),
            launches=itertools.count(1),
            logs=self._logs,
            # No proxies, no cookies: these are our own children.
            http=aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()),
            instrument=self._instrument,
            changed=self._publish,
        )
        self._write_endpoints()
        try:
            await self.scale(replicas)
        except TargetError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all replicas, all at the same time, and wait until they have ended."""
        if self._context is None:
            return
        self._wanted = 0
        if self._rollout is not None:
            self._rollout.cancel()
            await asyncio.gather(self._rollout, return_exceptions=True)
        self._retire(self._replicas)
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._context.http.close()
        self._context = None

    async def current(self) -> TargetState:
        """Return the state now; an endpoints file that could not be written is tried again."""
        self._write_endpoints()
        return self._state()

    async def scale(self, replicas: int, decided_on: TargetState | None = None) -> None:
        """Start what is missing; of what is too much, those that do not run, then the newest, are stopped.

        Nobody but this process changes a pool, so what was decided on still holds.

        Raises:
            TargetError: the pool is not running, or has fewer ports than that.
        """
        spec = self._pool.spec
        if self._context is None:
            raise TargetError(f"{self.name} is not running")
        if replicas > spec.ports.count:
            raise TargetError(
                f"{self.name} has {spec.ports.count} ports ({spec.ports.first}-{spec.ports.last}), "
                f"too few for {replicas} replicas"
            )
        self._wanted = replicas
        self._settle(self._context)
        self._announce()

    @property
    def document(self) -> ProcessPool:
        """What it runs."""
        return self._pool

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """Those that are not to end."""
        return tuple(self._replicas)

    @property
    def logs(self) -> Path:
        """The folder of what replicas print."""
        return self._logs

    @property
    def rolling(self) -> bool:
        """Whether a rollout is under way."""
        return self._rollout is not None and not self._rollout.done()

    def restart(self) -> None:
        """Replace all replicas by new ones in the background, one after another, a new one first where a port is left for it.

        Raises:
            TargetError: it is under way already, or the pool does not run.
        """
        if self._context is None:
            raise TargetError(f"{self.name} is not running")
        if self.rolling:
            raise TargetError(f"{self.name} is being restarted already")
        self._rollout = asyncio.create_task(self._roll(self._context), name=f"rollout of {self.name}")

    async def _roll(self, context: ReplicaContext) -> None:
        try:
            for old in self.replicas:
                if old not in self._replicas:  # scaled away, or gone, meanwhile
                    continue
                self._surge = int(self._wanted < self._pool.spec.ports.count)
                if not self._surge:
                    self._retire([old])
                known = set(self._replicas)
                self._settle(context)
                new = [replica for replica in self._replicas if replica not in known]
                if not await self._are_ready(new):
                    return
                if old in self._replicas:
                    self._retire([old])
        finally:
            self._surge = 0
            if self._context is not None:
                self._settle(context)

    async def _are_ready(self, replicas: list[Replica]) -> bool:
        """Wait until all of these serve that are still wanted; False when that takes too long."""
        try:
            async with asyncio.timeout(REPLACE_WITHIN_S):
                while not all(replica.ready or replica not in self._replicas for replica in replicas):
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _settle(self, context: ReplicaContext) -> None:
        """Start what is missing, and stop what is too much."""
        count = self._wanted + self._surge
        while len(self._replicas) < count:
            self._add(context)
        by_age = sorted(self._replicas, key=lambda replica: replica.launch or _NOT_RUNNING)
        self._retire(by_age[count:])

    async def fence(self, term: int) -> None:
        """Do nothing: nobody but this process reaches its replicas."""

    async def watch(self) -> AsyncIterator[TargetState]:
        """Yield the state now and at each change."""
        seen = None
        while True:
            changed, state = self._changed, self._state()
            if state != seen:
                seen = state
                yield state
            else:
                await changed.wait()

    def _state(self) -> TargetState:
        return TargetState(self._wanted, len(self._endpoints), self._endpoints)

    def _add(self, context: ReplicaContext) -> None:
        replica = Replica(context)
        self._replicas.append(replica)
        task = asyncio.create_task(replica.keep(), name=f"replica of {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _retire(self, replicas: list[Replica]) -> None:
        for replica in list(replicas):
            self._replicas.remove(replica)
            replica.retire()
        self._publish()

    def _publish(self) -> None:
        """Bring file and watchers up to date with who is ready."""
        endpoints = tuple(replica.url for replica in self._replicas if replica.ready)
        if endpoints != self._endpoints:
            self._endpoints = endpoints
            self._write_endpoints()
            self._announce()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _write_endpoints(self) -> None:
        name = self._pool.spec.endpoints
        if name is None or self._on_file == self._endpoints:
            return
        if self._may_write is not None and not self._may_write():
            return
        try:
            write_endpoints(Path(name), self._endpoints)
            self._on_file = self._endpoints
        except OSError as error:
            self._instrument.record(EndpointsNotWritten(self._pool.name, brief(error)))
