"""How many commands of one process are under way at the store at once: the others wait for their turn, though not for ever.

The client library refuses a command when all connections are taken. Three hundred buyers whose turn comes at once are no reason
to turn most of them away.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from redis.exceptions import ConnectionError as StoreConnectionError


class Turnstile:
    """Lets `at_once` through; whoever has waited for `within_s` is told that the store is too slow."""

    def __init__(self, at_once: int, within_s: float) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._within_s = within_s

    async def __aenter__(self) -> None:
        """Go in.

        Raises:
            ConnectionError: of the store's library; no place became free in time.
        """
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._within_s):
                await self._places.acquire()
        except TimeoutError:
            raise StoreConnectionError("too many commands are under way, and the store is slow") from None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make room for the next one."""
        self._places.release()
