"""Whether this process leads, as everybody asks who is about to write something. It knows no lease; the elector tells it.

A leader may act until its deadline passes by the monotonic clock, whatever else the process is doing: one that was frozen finds
itself too late at its next `check`. What it had checked just before it was frozen, the fences catch: every write carries the
term or the version that it was decided on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from autoscaler.clock import Clock
from autoscaler.errors import NotLeading

Outbid = Callable[[int], Awaitable[None]]


class Leadership:
    """The standing of one process. `elected` is false where no lease is kept, and this one is the only one."""

    def __init__(self, clock: Clock, identity: str, outbid: Outbid | None = None) -> None:
        self.identity = identity
        self.elected = outbid is not None
        self._clock = clock
        self._outbid = outbid
        self._term: int | None = None
        self._until_s = float("-inf")
        self._unsettled_until_s = float("-inf")
        self._holder = ""
        self._changed = asyncio.Event()

    @classmethod
    def undisputed(cls, clock: Clock, identity: str = "") -> Leadership:
        """Return the standing of a scaler that is alone: it leads, and always will."""
        leadership = cls(clock, identity)
        leadership.hold(0, float("inf"))
        return leadership

    @property
    def term(self) -> int:
        """The term in which this process leads, or led last; 0 before."""
        return self._term or 0

    @property
    def holder(self) -> str:
        """Who leads, as far as is known; empty for nobody."""
        return self._holder

    @property
    def on_duty(self) -> bool:
        """Whether nobody else is known to have taken over since this process began to lead."""
        return self._term is not None and self._holder == self.identity

    def is_leading(self) -> bool:
        """Tell whether this process may act now."""
        return self.on_duty and self._clock.monotonic_s() < self._until_s

    def may_tend(self) -> bool:
        """Tell whether this process may go on tending what it runs: it leads, or nobody can, as the lease is out of reach."""
        now_s = self._clock.monotonic_s()
        return self.on_duty and now_s < max(self._until_s, self._unsettled_until_s)

    def check(self) -> None:
        """See that this process may act now; to be called right before each write.

        Raises:
            NotLeading: it may not.
        """
        if self.is_leading():
            return
        if not self.on_duty:
            raise NotLeading(f"not leading: {self._holder or 'nobody'} holds the lease")
        late_s = self._clock.monotonic_s() - self._until_s
        raise NotLeading(f"not leading: the lease should have been renewed {late_s:.1f} s ago")

    async def outbid(self, term: int) -> None:
        """Go on in a term above one that was found where only leaders write; which a deleted lease leads to.

        Raises:
            NotLeading: it was found because another leads now.
            AutoscalerError: the lease cannot be written.
        """
        if self._outbid is None:
            self._term = max(self.term, term + 1)
        elif term >= self.term:
            await self._outbid(term)

    async def begun(self) -> None:
        """Return once this process is on duty."""
        await self._until(lambda: self.on_duty)

    async def ended(self) -> None:
        """Return once it is no longer."""
        await self._until(lambda: not self.on_duty)

    def hold(self, term: int, until_s: float) -> None:
        """Take note that this process leads, until a moment of the monotonic clock."""
        self._term, self._until_s, self._holder = term, until_s, self.identity
        self._announce()

    def unsettled(self, until_s: float) -> None:
        """Take note that the lease could not be reached just now; for how long that says something."""
        self._unsettled_until_s = until_s

    def yield_to(self, holder: str) -> None:
        """Take note that somebody else leads, or nobody."""
        if self._holder == holder and self._until_s == float("-inf"):
            return
        self._until_s, self._holder = float("-inf"), holder
        self._announce()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()
