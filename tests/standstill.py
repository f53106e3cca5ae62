"""Time limits of tests, in time for which this machine runs: only that it stood still is nobody's fault."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

_TICK_S = 0.05
_GIVEN_UP_AFTER_S = 120.0


class Watch:
    """Tells how long this machine ran since the watch was begun, and how long it stood still at once.

    A thread of its own sleeps for a tick, again and again, and whatever it oversleeps by is standstill. It wakes beside code that
    is slow, and beside code that blocks the event loop: what those take is time for which the machine runs.
    """

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        # By the last waking, and when the next one is due: read in one step, as another thread writes them.
        self._stood_and_due_s = 0.0, self._began_s + _TICK_S
        self._longest_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="standstill", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def ran_s(self) -> float:
        """Seconds for which the machine ran."""
        now_s = time.monotonic()
        stood_s, due_s = self._stood_and_due_s
        # Whoever asks may have woken before the thread has.
        return now_s - self._began_s - stood_s - max(0.0, now_s - due_s)

    @property
    def longest_s(self) -> float:
        """Seconds of the longest standstill that is over."""
        return self._longest_s

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_S):
            now_s = time.monotonic()
            stood_s, due_s = self._stood_and_due_s
            late_s = max(0.0, now_s - due_s)
            self._stood_and_due_s = stood_s + late_s, now_s + _TICK_S
            self._longest_s = max(self._longest_s, late_s)


async def within(seconds: float, ask: Callable[[], Awaitable[bool]]) -> None:
    """Ask until the answer is yes, which is to be had within so many seconds for which this machine runs."""
    with Watch() as watch:
        async with asyncio.timeout(_GIVEN_UP_AFTER_S):
            while True:
                answer = await ask()
                ran_s = watch.ran_s
                assert ran_s < seconds, f"not within {seconds:g} s, but {answer} after {ran_s:.2f} s"
                if answer:
                    return
                await asyncio.sleep(0.02)
