"""Does something whenever this process is on duty, and undoes it when another has taken over, or at the end: always both."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from autoscaler.clock import Clock
from autoscaler.leadership.standing import Leadership

RETRY_S = 1.0

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("tidegate.scaler")

Work = Callable[[], AbstractAsyncContextManager[None]]


async def serve(leadership: Leadership, work: Work, clock: Clock) -> None:
    """Keep `work` open while on duty, until cancelled. What fails is begun again: a leader that does nothing helps nobody."""
    while True:
        await leadership.begun()
        try:
            async with work():
                await leadership.ended()
        except Exception:
            _log.exception("work_failed")
            await clock.sleep(RETRY_S)
