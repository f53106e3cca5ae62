"""Codes of the hand-over in the store: offered once, taken once, by one atomic script.

Like `operations` it never enters a server: a store without our scripts is about to be entered by a room, so the buyer asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from enum import StrEnum
from typing import Any

from redis.exceptions import RedisError

from waitingroom.errors import StoreUnavailable
from waitingroom.store.connect import StoreClient
from waitingroom.store.server import Scripts, UnknownServer
from waitingroom.store.turnstile import Turnstile


class Taking(StrEnum):
    """What became of a code; the meanings stand in handover.lua."""

    TAKEN = "taken"
    UNKNOWN = "unknown"
    ENDED = "ended"
    DEVICES = "devices"


class OnsaleHandovers:
    """The codes of one onsale. Who takes a code goes through `takers`: strangers make up codes as they like."""

    def __init__(self, client: StoreClient, onsale: str, takers: Turnstile) -> None:
        self._scripts = Scripts(client, f"{{{onsale}}}:room", onsale)
        self._takers = takers

    async def offer(self, digest: str, session: str, text: str, holds_s: float) -> None:
        """Keep what a code stands for; `digest` is the code's hash.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        await self._run(["offer", digest, session, text, _ms(holds_s)], nullcontext())

    async def take(self, digest: str, device: str, most_devices: int, keep_s: float) -> tuple[Taking, str]:
        """Use up a code; `device` is the hash of the device which comes with it.

        Raises:
            StoreUnavailable: the store did not answer; the code may have been used up.
        """
        arguments = ["take", digest, device, str(most_devices), _ms(keep_s)]
        outcome, text = await self._run(arguments, self._takers)
        return Taking(outcome), str(text)

    async def _run(self, arguments: Sequence[str], way: AbstractAsyncContextManager[None]) -> Any:
        try:
            async with way:
                return await self._scripts.run_entered("handover", arguments)
        except (RedisError, OSError, TimeoutError, UnknownServer) as error:
            raise StoreUnavailable(
                f"store unreachable: {type(error).__name__}: {str(error)[:200]}"
            ) from error


def _ms(seconds: float) -> str:
    return str(int(seconds * 1000))
