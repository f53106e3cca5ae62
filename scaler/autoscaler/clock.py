"""The one place where the scaler asks for the time, so that tests can give it theirs.

Two readings: unix time for decisions and people, and a monotonic one for cadence and windows, which a corrected system clock
must not bend.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """A source of time; the tests' one stands still until it is moved."""

    def now_s(self) -> float:
        """Return unix seconds."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds which never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once the monotonic time has moved on by `seconds`."""
        ...


class SystemClock:
    """This machine's time."""

    def now_s(self) -> float:
        """Return unix seconds by the system clock, which may be corrected at any moment."""
        return time.time()

    def monotonic_s(self) -> float:
        """Return seconds since some moment before the process began; they never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once, where they are 0 or less."""
        await asyncio.sleep(seconds)
