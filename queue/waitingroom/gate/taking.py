"""How long the gate waits for a buyer to take what it sends: a connection to the shop is held meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from waitingroom.errors import WaitingRoomError


class NothingTaken(WaitingRoomError):
    """A buyer has taken nothing of what the shop sends for too long."""


async def take(sending: Awaitable[object], within_s: float | None) -> None:
    """Have the buyer take a piece within `within_s` seconds, None for no limit.

    Raises:
        NothingTaken: the time is over.
    """
    try:
        async with asyncio.timeout(within_s):
            await sending
    except TimeoutError as error:
        raise NothingTaken(f"nothing was taken for {within_s} s") from error
