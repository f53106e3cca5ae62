"""Does something whenever this process is on duty, and undoes it when another has taken over, or at the end: always both.

The end is an event and no cancellation: one that came while work is being undone would leave the rest of it undone, and one that
got lost in the store's client (`ending`) would have the process wait for ever, with its lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from autoscaler.clock import Clock
from autoscaler.ending import unless
from autoscaler.leadership.standing import Leadership

RETRY_S = 1.0

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.scaler")

Work = Callable[[], AbstractAsyncContextManager[None]]


async def serve(leadership: Leadership, work: Work, clock: Clock, ending: asyncio.Event) -> None:
    """Keep `work` open while on duty, until `ending` is set. What fails is begun again: an idle leader helps nobody."""
    while await unless(ending, leadership.begun()):
        try:
            async with work():
                await unless(ending, leadership.ended())
        except Exception:
            _log.exception("work_failed")
            await unless(ending, clock.sleep(RETRY_S))
