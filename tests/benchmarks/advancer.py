"""A process which turns an onsale's wheel as fast as it can, from its start to the end of its input; see `children`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

import uvloop

from tests.benchmarks.children import obey
from waitingroom.store.client import OnsaleStore
from waitingroom.store.connect import connect


async def advance(options: Mapping[str, Any]) -> None:
    """Call `advance` without pause, from `start` on; `calls` asks how often."""
    client = connect(options["store"])
    store = OnsaleStore(client, options["onsale"], options["settings"])
    started = asyncio.Event()
    stopped = False
    calls = 0

    async def turn() -> None:
        nonlocal calls
        await started.wait()
        while not stopped:
            await store.advance()
            calls += 1

    turning = asyncio.create_task(turn())
    await obey({"start": started.set, "calls": lambda: calls})
    # Told to stop, and not cancelled: on Python 3.11 the store's client may swallow a cancellation (`asyncio.wait_for` does).
    stopped = True
    started.set()
    await turning
    await client.aclose()


if __name__ == "__main__":
    uvloop.run(advance(json.loads(sys.argv[1])))
