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
# How often the loop turns before a batch is sent: what a socket holds now is a join after three turns (read, request, handler).
_TURNS = 3

Key = TypeVar("Key", bound=Hashable)
Given = TypeVar("Given")


class Joiner(Generic[Key, Given]):
    """Batches the joins of one onsale in one process; at most one call is under way, of at most `MAX_BATCH` who join."""

    def __init__(self, join: Callable[[Sequence[Key]], Awaitable[list[Given]]]) -> None:
        self._join = join
        self._waiting: dict[Key, list[asyncio.Future[Given]]] = {}
        self._sender: asyncio.Task[None] | None = None

    async def number_for(self, device: Key) -> Given:
        """Return what is given to `device`; two requests of one device at once share it.

        Raises:
            StoreUnavailable: the store did not answer.
            JoinRefused: no numbers are given out now.
        """
        # A future for each request, so that one who goes away takes nothing from the others.
        future: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        shared = self._waiting.get(device)
        if shared is not None:
            shared.append(future)
        else:
            self._waiting[device] = [future]
            if self._sender is None:
                self._sender = asyncio.create_task(self._send())
        return await future

    async def _send(self) -> None:
        try:
            while self._waiting:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                devices = list(self._waiting)[:MAX_BATCH]
                batch = {device: self._waiting.pop(device) for device in devices}
                await self._send_batch(batch)
        finally:
            self._sender = None

    async def _send_batch(self, batch: dict[Key, list[asyncio.Future[Given]]]) -> None:
        try:
            numbers = await self._join(list(batch))
        except WaitingRoomError as error:
            for future in _still_waiting(batch):
                future.set_exception(error)
            return
        except BaseException:
            for future in _still_waiting(batch):
                future.cancel()
            raise
        for futures, number in zip(batch.values(), numbers, strict=True):
            for future in futures:
                if not future.done():
                    future.set_result(number)


def _still_waiting(batch: dict[Key, list[asyncio.Future[Given]]]) -> list[asyncio.Future[Given]]:
    """Return the futures of those who have not gone away."""
    return [future for futures in batch.values() for future in futures if not future.done()]
