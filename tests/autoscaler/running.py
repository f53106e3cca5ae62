"""A whole scaler for tests: documents in a folder, a pool of real replicas, HTTP on a port of the system's choice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from autoscaler.service import run_scaler
from autoscaler.settings import ScalerSettings
from tests.autoscaler.pools import APP
from tests.ports import free_row

RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: web}
spec:
  target: {apiVersion: tidegate.dev/v1, kind: ProcessPool, name: shop}
  replicas: {min: 1, max: 4}
  interval: 500ms
  signals:
    - name: busy
      exposition: {gauge: busy, aggregate: max}
      perReplica: 20
  admission: {onsale: cactus, perReadyReplica: 5/s, sessionsPerReadyReplica: 300}
"""
POOL = """\
apiVersion: tidegate.dev/v1
kind: ProcessPool
metadata: {name: shop}
spec:
  command: ["{python}", "%(app)s", "--port", "{port}"]
  ports: {from: %(first)d, to: %(last)d}
  ready: {every: 50ms, timeout: 30s}
  endpoints: %(folder)s/endpoints
"""


def write_documents(folder: Path, *, rule: str = RULE, pool: str = POOL, ports: int = 4) -> ScalerSettings:
    """Write a rule and a pool; the settings returned name them, and a store that is not there."""
    first = free_row(ports)
    values = {"app": APP, "first": first, "last": first + ports - 1, "folder": folder}
    (folder / "rules").mkdir()
    (folder / "rules" / "rule.yaml").write_text(rule)
    if pool:
        (folder / "rules" / "pool.yaml").write_text(pool % values)
    return ScalerSettings(
        rules=(folder / "rules",), store_url="redis://127.0.0.1:1", port=0, logs=folder / "logs"
    )


@asynccontextmanager
async def running_scaler(settings: ScalerSettings) -> AsyncIterator[aiohttp.ClientSession]:
    """Run a scaler for the time of the context; yields a client for its HTTP side."""
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run_scaler(settings, listening))
    await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
    if not listening.done():
        await task
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{await listening}") as http:
            yield http
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
