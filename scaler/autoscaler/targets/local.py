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
        while len(self._replicas) < replicas:
            self._add(self._context)
        by_age = sorted(self._replicas, key=lambda replica: replica.launch or _NOT_RUNNING)
        self._retire(by_age[replicas:])
        self._announce()

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
