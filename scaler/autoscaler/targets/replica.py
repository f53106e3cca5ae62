"""One replica of a pool: a process on a port that is kept alive and asked whether it is ready, until it is retired.

It knows nothing of the other replicas, nor of the endpoints file: it tells the pool when its readiness changes.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from autoscaler.errors import brief
from autoscaler.instrumentation.events import (
    Instrument,
    ReplicaExited,
    ReplicaNotStarted,
    ReplicaReadiness,
    ReplicaStarted,
)
from autoscaler.targets.ports import PortRange
from autoscaler.targets.process import kill_group, start_process, stop_process
from rulebook.pool import ProcessPool


@dataclass(frozen=True, slots=True)
class PoolTimings:
    """Times which the pool's document does not give, in seconds."""

    drain_s: float = 1.0
    """From leaving the endpoints file to SIGTERM: readers of the file notice, requests under way end."""

    backoff_s: float = 0.5
    """Before the first restart of a replica that ended by itself; doubled each time."""

    backoff_limit_s: float = 30.0

    stable_s: float = 10.0
    """A replica that was ready for this long starts with the first backoff again."""

    unready_after: int = 3
    """Failed checks in a row until a ready replica is ready no more, as in Kubernetes: one slow answer is no outage."""


@dataclass(frozen=True, slots=True)
class ReplicaContext:
    """What all replicas of a pool share."""

    pool: ProcessPool
    timings: PoolTimings
    ports: PortRange
    launches: itertools.count[int]
    logs: Path
    http: aiohttp.ClientSession
    instrument: Instrument
    changed: Callable[[], None]


class Replica:
    """A replica; `ready` and `url` are for the pool to read."""

    def __init__(self, context: ReplicaContext) -> None:
        self._context = context
        self._retired = asyncio.Event()
        self._was_ready = False
        self._ready_since_s: float | None = None
        self.launch: int | None = None
        """Counts the pool's launches; None while no process runs."""
        self.url = ""
        self.port: int | None = None
        self.started_at_s = 0.0
        self.restarts = 0
        """How often it was started again after it had ended by itself."""

    @property
    def ready(self) -> bool:
        """Whether requests may be sent to it."""
        return self._ready_since_s is not None and not self._retired.is_set()

    def retire(self) -> None:
        """Take it out of service from now on; `keep` then ends the process and returns."""
        self._retired.set()

    async def keep(self) -> None:
        """Run the replica, and run it again whenever it ends, until it is retired."""
        timings = self._context.timings
        backoff_s = timings.backoff_s
        while not self._retired.is_set():
            try:
                ready_s = await self._live(backoff_s)
            except Exception as error:  # whatever it is, the next attempt may do better
                self._context.instrument.record(
                    ReplicaNotStarted(self._context.pool.name, brief(error), backoff_s)
                )
                ready_s = 0.0
            if ready_s >= timings.stable_s:
                backoff_s = timings.backoff_s
            with suppress(TimeoutError):
                await asyncio.wait_for(self._retired.wait(), backoff_s)
            backoff_s = min(timings.backoff_limit_s, backoff_s * 2)

    async def _live(self, restart_s: float) -> float:
        """Live once: from taking a port to giving it back. Returns for how many seconds it was ready at the end."""
        context = self._context
        port = context.ports.take()
        if port is None:
            context.instrument.record(ReplicaNotStarted(context.pool.name, "no free port", restart_s))
            return 0.0
        try:
            command = context.pool.spec.command_line(port, sys.executable)
            process = await start_process(command, context.logs / f"{context.pool.name}-{port}.log")
        except OSError as error:
            context.ports.release(port)
            context.instrument.record(ReplicaNotStarted(context.pool.name, brief(error), restart_s))
            return 0.0
        try:
            self.restarts += 0 if self.started_at_s == 0.0 else 1
            self.launch, self.port, self.started_at_s = next(context.launches), port, time.time()
            self.url = _base_url(context.pool.spec.host, port)
            context.instrument.record(ReplicaStarted(context.pool.name, self.url, process.pid))
            return await self._accompany(process, restart_s)
        finally:
            kill_group(process)  # what it left behind, or itself when we are cancelled
            self.launch = None
            context.ports.release(port)

    async def _accompany(self, process: Process, restart_s: float) -> float:
        """Watch a process until it has ended, by itself or because the replica was retired."""
        self._was_ready = False
        exited = asyncio.create_task(process.wait())
        retired = asyncio.create_task(self._retired.wait())
        readiness = asyncio.create_task(self._follow_readiness())
        try:
            await asyncio.wait({exited, retired}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            retired.cancel()
            readiness.cancel()
            await asyncio.wait({retired, readiness})
        ready_s = 0.0 if self._ready_since_s is None else time.monotonic() - self._ready_since_s
        self._set_ready(False)
        if self._retired.is_set():
            if self._was_ready:
                await asyncio.wait({exited}, timeout=self._context.timings.drain_s)
            await stop_process(process, self._context.pool.spec.grace_s)
        code = await exited
        restart = None if self._retired.is_set() else restart_s
        self._context.instrument.record(ReplicaExited(self._context.pool.name, self.url, code, restart))
        return ready_s

    async def _follow_readiness(self) -> None:
        failures = 0
        while True:
            if await self._check():
                failures = 0
                self._set_ready(True)
            else:
                failures += 1
                if failures >= self._context.timings.unready_after:
                    self._set_ready(False)
            await asyncio.sleep(self._context.pool.spec.ready.every_s)

    async def _check(self) -> bool:
        check = self._context.pool.spec.ready
        timeout = aiohttp.ClientTimeout(total=check.timeout_s)
        try:
            async with self._context.http.get(
                self.url + check.path, timeout=timeout, allow_redirects=False
            ) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    def _set_ready(self, ready: bool) -> None:
        if ready == (self._ready_since_s is not None):
            return
        self._ready_since_s = time.monotonic() if ready else None
        self._was_ready = self._was_ready or ready
        self._context.instrument.record(ReplicaReadiness(self._context.pool.name, self.url, ready))
        self._context.changed()


def _base_url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
