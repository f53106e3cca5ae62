"""Pools of real replicas for tests, on ports which nobody uses, with short waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from autoscaler.instrumentation.events import Instrument
from autoscaler.targets.local import LocalPool
from autoscaler.targets.replica import PoolTimings
from tests.autoscaler.fakes import make_pool
from tests.ports import free_row

APP = Path(__file__).with_name("replica_app.py")
COMMAND = ("{python}", str(APP), "--port", "{port}")
TIMINGS = PoolTimings(drain_s=0.3, backoff_s=0.05, backoff_limit_s=0.2, stable_s=3600.0)


@asynccontextmanager
async def running_pool(
    folder: Path,
    instrument: Instrument,
    *,
    replicas: int,
    ports: int = 4,
    first: int | None = None,
    command: tuple[str, ...] = COMMAND,
    timings: PoolTimings = TIMINGS,
    **spec: Any,
) -> AsyncIterator[LocalPool]:
    """Run a pool for the time of the context, its endpoints file and logs in a folder."""
    first = first or free_row(ports)
    fields = {"ready": {"every": 0.05, "timeout": 30.0}, "endpoints": str(folder / "endpoints"), **spec}
    document = make_pool(first, first + ports - 1, command, **fields)
    pool = LocalPool(document, logs=folder / "logs", instrument=instrument, timings=timings)
    await pool.start(replicas)
    try:
        yield pool
    finally:
        await pool.stop()


def endpoints(folder: Path) -> list[str]:
    """Return what the endpoints file says."""
    return (folder / "endpoints").read_text().splitlines()


async def post(url: str) -> None:
    """Ask a replica for something; it may end instead of answering."""
    async with aiohttp.ClientSession() as http:
        try:
            async with http.post(url):
                pass
        except aiohttp.ClientError:
            pass
