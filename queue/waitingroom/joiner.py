"""Joins that arrive together share one call to the store: while one is under way, the next ones gather.

Knows nothing of places or cookies: a key of whoever joins goes in (a device's nonce, an account's enrolment), what they get
comes out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from waitingroom.errors import WaitingRoomError

MAX_BATCH = 500

Key = TypeVar("Key", bound=Hashable)
Given = TypeVar("Given")


class Joiner(Generic[Key, Given]):
    """Batches the joins of one onsale in one process; at most one call is under way, of at most `MAX_BATCH` who join."""

    def __init__(self, join: Callable[[Sequence[Key]], Awaitable[list[Given]]]) -> None:
        self._join = join
        self._waiting: dict[Key, asyncio.Future[Given]] = {}
        self._sender: asyncio.Task[None] | None = None

    async def number_for(self, device: Key) -> Given:
        """Return what is given to `device`; two requests of one device at once share it.

        Raises:
            StoreUnavailable: the store did not answer.
            JoinRefused: no numbers are given out now.
        """
        future = self._waiting.get(device)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._waiting[device] = future
            if self._sender is None:
                self._sender = asyncio.create_task(self._send())
        return await asyncio.shield(future)

    async def _send(self) -> None:
        try:
            while self._waiting:
                devices = list(self._waiting)[:MAX_BATCH]
                batch = {device: self._waiting.pop(device) for device in devices}
                await self._send_batch(batch)
        finally:
            self._sender = None

    async def _send_batch(self, batch: dict[Key, asyncio.Future[Given]]) -> None:
        try:
            numbers = await self._join(list(batch))
        except WaitingRoomError as error:
            for future in batch.values():
                future.set_exception(error)
                future.exception()  # a buyer who has gone away leaves nobody to look at it
            return
        except BaseException:
            for future in batch.values():
                future.cancel()
            raise
        for future, number in zip(batch.values(), numbers, strict=True):
            future.set_result(number)
