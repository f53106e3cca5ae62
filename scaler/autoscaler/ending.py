"""Ends background tasks that speak to the store, for sure. The room has the same, and it cannot be shared.

On Python 3.11 a cancellation gets lost in the store's client when it comes in the very moment in which a command has been sent:
the task goes on as if nothing had been said. So it is said again until the task has ended, or a scaler that shuts down would wait
for ever, and never give its lease back. Not for tasks that have something to put in order at their end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

_AGAIN_AFTER_S = 0.5


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until all have ended; what they raise is not looked at."""
    going_on = {task for task in tasks if not task.done()}
    while going_on:
        for task in going_on:
            task.cancel()
        _, going_on = await asyncio.wait(going_on, timeout=_AGAIN_AFTER_S)


async def unless(ending: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do something until it is done, or `ending` is set; returns whether it is not. What it raises before is raised."""
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(ending.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        await end_tasks([working, waiting])
    return not ending.is_set()
