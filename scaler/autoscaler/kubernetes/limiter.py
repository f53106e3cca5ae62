"""How fast requests may follow each other: a token bucket, and a pause which the server can order."""

from __future__ import annotations

import asyncio

from autoscaler.clock import Clock
from autoscaler.errors import Throttled

PATIENCE_S = 10.0
"""Who would have to wait longer is told so at once: the next interval is the better retry."""


class Limiter:
    """Lets `burst` requests go at once and `per_s` a second after that, in the order in which they ask."""

    def __init__(self, per_s: float, burst: int, clock: Clock) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled_s = clock.monotonic_s()
        self._paused_until_s = float("-inf")

    def pause(self, seconds: float) -> None:
        """Let nothing go for a while: the server has said when it wants to hear from us again."""
        self._paused_until_s = max(self._paused_until_s, self._clock.monotonic_s() + seconds)

    async def wait(self) -> None:
        """Return when the next request may go.

        Raises:
            Throttled: that would be later than anybody should wait.
        """
        now_s = self._clock.monotonic_s()
        self._tokens = min(self._burst, self._tokens + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s
        # A token that is not there yet is owed: whoever comes later waits behind.
        delay_s = max((1 - self._tokens) / self._per_s, self._paused_until_s - now_s, 0.0)
        if delay_s > PATIENCE_S:
            raise Throttled(f"too many requests: the next may go in {delay_s:.0f} s", retry_after_s=delay_s)
        self._tokens -= 1
        if delay_s > 0:
            try:
                await self._clock.sleep(delay_s)
            except asyncio.CancelledError:
                self._tokens += 1  # nothing is sent for it: whoever comes later need not wait behind
                raise
